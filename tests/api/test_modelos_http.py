"""The versions of the model over HTTP, against a real MLflow: seen, promoted, taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from apoyo_api import CLAVES, claves_de_prueba, es_problema, servir, veredictos
from apoyo_versiones import estropear, registrar

from api.api_keys import CABECERA_CLAVE
from detection.domain import Lecturas
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.postgres.store import PostgresStore
from serving.champion import Examen, appoint
from serving.model_versions import CAMPEON, ModelRejection
from serving.registry import ModelRegistry
from serving.settings import Settings

ADMIN = {CABECERA_CLAVE: CLAVES["administracion"]}
HTML = "<html><script>1</script>informe ñ</html>"


@pytest.fixture
def settings(entorno_mlflow: Settings) -> Settings:
    return entorno_mlflow.model_copy(
        update={"api_claves": claves_de_prueba(), "api_limite_minuto": 0}
    )


@pytest.fixture
def con_mlflow(settings: Settings) -> Iterator[httpx.Client]:
    """Give the API beside an MLflow with two versions; the second is the challenger."""
    registrar(settings)
    registrar(settings)
    with servir(settings, lambda: datetime(2026, 11, 20, 10, 0, tzinfo=UTC)) as http:
        yield http


CAIDA = {
    "nombre": "hallados: plantacion", "campeon": 0.9, "aspirante": 0.2, "limite": "≥ 0,850",
    "cumple": False, "azar": None,
}  # fmt: skip


def examinar(
    settings: Settings, version: int, campeon: int | None, criterio: dict[str, Any] | None = None
) -> None:
    """Keep a verdict of the gate with a version, as ``consumo promover`` does."""
    motivo = "es mejor" if criterio is None else "no cumple hallados: plantacion"
    criterios = () if criterio is None else (criterio,)
    examen = Examen(campeon, criterio is None, motivo, "2026-11-20T10:00:00+01:00", criterios)
    ModelRegistry(settings).tag(version, examen.tags())


def promover(http: httpx.Client, version: int, **mas: Any) -> httpx.Response:
    cuerpo = {"motivo": "menos falsas alarmas", **mas}
    return http.post(f"/api/modelos/{version}/promover", json=cuerpo, headers=ADMIN)


def test_de_principio_a_fin(con_mlflow: httpx.Client, settings: Settings) -> None:
    """Versions are listed, one is promoted, another replaces it, and it comes back; all audited.

    What MLflow and the audit say afterwards is what ``consumo promover --version`` would have said.
    """
    vistas = con_mlflow.get("/api/modelos").json()
    assert [v["version"] for v in vistas["elementos"]] == [2, 1]
    assert (vistas["campeon"], vistas["aspirante"], vistas["siguiente"]) == (None, 2, None)
    primera = vistas["elementos"][1]
    assert primera["metricas"] == {"precision_media": 0.71, "precision_media_azar": 0.125}
    assert primera["precision_azar"] == 0.125
    assert primera["etiquetas"]["datos"] == "abc"
    assert primera["mlflow_url"].endswith(
        "/#/models/consumo-detector/versions/1?workflowType=machine_learning"
    )

    examinar(settings, 1, None)
    examinar(settings, 2, 1)
    hecho = promover(con_mlflow, 1, campeon=0).json()
    assert hecho == {
        "version": 1, "anterior": None, "motivo": "menos falsas alarmas",
        "quien": "administracion-1", "cuando": "2026-11-20T11:00:00+01:00", "puerta": "examen",
    }  # fmt: skip
    assert promover(con_mlflow, 2).json()["anterior"] == 1
    registro = ModelRegistry(settings)
    assert registro.version_of(CAMPEON) == 2
    vuelta = con_mlflow.post(
        "/api/modelos/volver", json={"motivo": "peor en las tiendas"}, headers=ADMIN
    )
    assert (vuelta.json()["version"], vuelta.json()["anterior"]) == (1, 2)
    assert registro.version_of(CAMPEON) == 1

    una = con_mlflow.get("/api/modelos/1").json()
    assert una["alias"] == ["champion"]
    assert [p["desde"] for p in una["promociones"]] == ["ninguna", "2"]
    assert una["promociones"][1]["por"] == "administracion-1 (API)"
    assert una["promociones"][1]["motivo"] == "peor en las tiendas"
    assert [p["via"] for p in una["promociones"]] == ["examen", "vuelta atrás"]

    filas = con_mlflow.get("/api/auditoría", headers=ADMIN).json()["elementos"]
    assert [(f["accion"], f["objeto"]) for f in filas] == [
        ("promover", "modelo 1"), ("promover", "modelo 2"), ("promover", "modelo 1")
    ]  # fmt: skip
    assert filas[0]["detalle"] == {"antes": 2, "motivo": "peor en las tiendas"}
    assert filas[0]["rol"] == "administracion"
    assert filas[0]["clave"].startswith("administracion-1 (")
    assert filas[0]["peticion_id"] == vuelta.headers["x-request-id"]
    assert filas[0]["ip"] == "127.0.0.1"
    pagina = con_mlflow.get("/api/auditoría?limite=2", headers=ADMIN).json()
    resto = con_mlflow.get(f"/api/auditoría?antes_de={pagina['siguiente']}", headers=ADMIN).json()
    assert [f["id"] for f in pagina["elementos"] + resto["elementos"]] == [f["id"] for f in filas]

    # The command line writes the same tags.
    ahora = datetime.now(UTC)
    appoint(registro, 2, quien="ana", ahora=ahora, motivo="otra vez", antes=1)
    etiquetas = {v.version: set(v.etiquetas) for v in registro.versions()}
    assert etiquetas[1] == etiquetas[2]


def test_la_api_no_promueve_lo_que_la_puerta_no_acepta(
    con_mlflow: httpx.Client, settings: Settings
) -> None:
    """Refused, never examined, or examined against another champion: 409 with every reason.

    The list of versions says it beforehand. Forcing it asks for a reason, and is audited.
    """
    es_problema(promover(con_mlflow, 1), 409, "no se ha examinado frente al campeón actual")
    examinar(settings, 1, None)
    assert promover(con_mlflow, 1).status_code == 200
    examinar(settings, 2, None)
    texto = "se examinó frente a la versión de base, sin campeón, pero"
    es_problema(promover(con_mlflow, 2), 409, texto)
    examinar(settings, 2, 1, CAIDA)
    negada = promover(con_mlflow, 2)
    es_problema(negada, 409, "la versión 2 no se promueve: hallados: plantacion: 0,200")
    assert negada.json()["razones"] == ["hallados: plantacion: 0,200, y se pide ≥ 0,850"]
    vista = con_mlflow.get("/api/modelos/2").json()
    assert vista["razones"] == negada.json()["razones"]
    assert (vista["examen"]["vigente"], vista["examen"]["acepta"]) == (True, False)
    assert vista["examen"]["criterios"] == [CAIDA]
    assert "examen" not in vista["etiquetas"]
    assert ModelRegistry(settings).version_of(CAMPEON) == 1

    es_problema(promover(con_mlflow, 2, forzar=True, motivo=""), 422)
    hecho = promover(con_mlflow, 2, forzar=True, motivo="las plantaciones ya no importan")
    assert hecho.json()["puerta"] == "a la fuerza"
    dos = con_mlflow.get("/api/modelos/2").json()
    assert dos["puerta"] == "a la fuerza"
    assert dos["promociones"][-1]["pese_a"] == "hallados: plantacion: 0,200, y se pide ≥ 0,850"
    ultima = con_mlflow.get("/api/auditoría?limite=1", headers=ADMIN).json()["elementos"][0]
    assert ultima["detalle"] == {
        "antes": 1, "motivo": "las plantaciones ya no importan", "forzar": True
    }  # fmt: skip


def test_forzada_una_vez_no_pasa_la_puerta_despues(
    con_mlflow: httpx.Client, settings: Settings
) -> None:
    """Given up again, a forced version is refused as before: to promote it and to go back to it.

    Both say why, and can be insisted on; the document says so of both.
    """
    examinar(settings, 1, None)
    assert promover(con_mlflow, 1).status_code == 200
    examinar(settings, 2, 1, CAIDA)
    assert promover(con_mlflow, 2, forzar=True).status_code == 200
    assert con_mlflow.get("/api/modelos/1").json()["razones"] == []
    ruta, cuerpo = "/api/modelos/volver", {"motivo": "no convence"}
    assert con_mlflow.post(ruta, json=cuerpo, headers=ADMIN).json()["puerta"] == "vuelta atrás"

    razones = ["hallados: plantacion: 0,200, y se pide ≥ 0,850"]
    assert con_mlflow.get("/api/modelos/2").json()["razones"] == razones
    for negada in (promover(con_mlflow, 2), con_mlflow.post(ruta, json=cuerpo, headers=ADMIN)):
        es_problema(negada, 409, "la versión 2 no se promueve")
        assert negada.json()["razones"] == razones
    assert ModelRegistry(settings).version_of(CAMPEON) == 1
    forzada = con_mlflow.post(ruta, json={**cuerpo, "forzar": True}, headers=ADMIN)
    assert (forzada.json()["version"], forzada.json()["puerta"]) == (2, "a la fuerza")
    rutas = con_mlflow.get("/openapi.json").json()["paths"]
    for que in (ruta, "/api/modelos/{version}/promover"):
        dicho = rutas[que]["post"]
        assert "`razones`" in dicho["responses"]["409"]["description"]
        assert "`forzar`" in dicho["description"]


def test_un_examen_editado_a_mano_no_cuenta(con_mlflow: httpx.Client, settings: Settings) -> None:
    """Of an exam whose date is none, nothing is known: it is not shown and opens nothing."""
    for cuando in ("ayer", "2026-11-20T10:00:00", ""):
        ModelRegistry(settings).tag(1, Examen(None, True, "es mejor", cuando).tags())
        ModelRegistry(settings).tag(2, Examen(None, True, "es mejor", cuando).tags())
        es_problema(promover(con_mlflow, 1), 409, "no se ha examinado")
        assert con_mlflow.get("/api/modelos/2").json()["examen"] is None


def test_el_alias_movido_a_mano_y_el_campeon_rechazado_se_ven(
    con_mlflow: httpx.Client, settings: Settings
) -> None:
    """A champion that no exam accepted says so; one that a consumer rejected is not «bien»."""
    registro = ModelRegistry(settings)
    registro.set_alias(CAMPEON, 2, {})
    assert con_mlflow.get("/api/modelos").json()["elementos"][0]["puerta"] == "fuera de la puerta"
    assert con_mlflow.get("/salud").json()["modelo"] == {
        "estado": "bien", "version": 2, "detalle": None
    }  # fmt: skip
    registro.tag(2, ModelRejection("nodo-1", "2026-11-20", "«bosque.npz» está dañado").tags())
    with servir(settings) as otra:
        salud = otra.get("/salud").json()
        assert salud["estado"] == "degradado"
        assert salud["modelo"] == {
            "estado": "rechazado", "version": 2, "detalle": "«bosque.npz» está dañado"
        }  # fmt: skip
        vista = otra.get("/api/modelos/2").json()
    assert vista["rechazo"] == "«bosque.npz» está dañado"
    assert "rechazo" not in vista["etiquetas"]


def test_lo_que_no_se_puede_promover(con_mlflow: httpx.Client, settings: Settings) -> None:
    """No such version, the champion itself, another champion, a broken package: nothing moves."""
    es_problema(promover(con_mlflow, 9), 404, "no existe la versión 9")
    es_problema(con_mlflow.get("/api/modelos/9"), 404)
    volver = con_mlflow.post("/api/modelos/volver", json={"motivo": "porque sí"}, headers=ADMIN)
    es_problema(volver, 409, "no hay campeón")
    examinar(settings, 1, None)
    examinar(settings, 2, 1)
    assert promover(con_mlflow, 1).status_code == 200
    es_problema(promover(con_mlflow, 1), 409, "ya es la campeona")
    es_problema(promover(con_mlflow, 2, campeon=0), 409, "el campeón ya es la versión 1")
    volver = con_mlflow.post("/api/modelos/volver", json={"motivo": "porque sí"}, headers=ADMIN)
    es_problema(volver, 409, "no sustituyó a ninguna")
    estropear(settings, 2)
    es_problema(promover(con_mlflow, 2), 409, "no se promueve (versión 2)")
    assert ModelRegistry(settings).version_of(CAMPEON) == 1
    filas = con_mlflow.get("/api/auditoría", headers=ADMIN).json()["elementos"]
    # The one that failed is written down twice: that it was asked, and that it was not done.
    assert [f["detalle"].get("fallo") for f in filas] == ["ModeloInvalidoError", None, None]


def test_sin_auditoria_no_se_cambia_nada(con_mlflow: httpx.Client, settings: Settings) -> None:
    """What cannot be written down is not done: PostgreSQL away, 503, and the champion stays."""
    lejos = settings.model_copy(update={"postgres_port": 9})
    with servir(lejos) as http:
        es_problema(promover(http, 1), 503)
    assert ModelRegistry(settings).version_of(CAMPEON) is None


@pytest.mark.parametrize(("rol", "estado"), [("lectura", 403), ("analista", 403), (None, 401)])
def test_promover_pide_administracion(cliente: httpx.Client, rol: str | None, estado: int) -> None:
    """Only the role of administration moves the champion; the others do not even learn more."""
    cabeceras = {} if rol is None else {CABECERA_CLAVE: CLAVES[rol]}
    for ruta in ("/api/modelos/1/promover", "/api/modelos/volver"):
        es_problema(cliente.post(ruta, json={"motivo": "porque sí"}, headers=cabeceras), estado)


def _sombra(settings: Settings) -> None:
    """Store what two versions said of three readings."""
    with closing(PostgresStore(settings)) as almacen:
        lecturas = Lecturas(["A", "B", "C"], np.array([490_000] * 3), np.ones(3))
        campeon = veredictos([60, 10, 85], [1, 0, 3], "consumo-detector-1")
        aspirante = veredictos([62, 92, 40], [1, 4, 0], "consumo-detector-10")
        assert almacen.save_shadow(lecturas, campeon, aspirante) == 3


def test_la_sombra_se_compara(entorno: Settings) -> None:
    """Of the challenger in shadow: how often it agrees, and where it differs most."""
    with servir(entorno) as http:
        assert http.get("/api/modelos/sombra").json()["version_aspirante"] is None
        _sombra(entorno)
        cuerpo = http.get("/api/modelos/sombra?limite=2").json()
        otra = http.get("/api/modelos/sombra?aspirante=consumo-detector-3").json()
    assert cuerpo["version_aspirante"] == "consumo-detector-10"
    assert [cuerpo[c] for c in ("lecturas", "coinciden", "mas_graves", "menos_graves")] == [
        3,
        1,
        1,
        1,
    ]
    assert {(p["campeon"], p["aspirante"]): p["lecturas"] for p in cuerpo["pares"]} == {
        ("baja", "baja"): 1, ("normal", "crítica"): 1, ("alta", "normal"): 1
    }  # fmt: skip
    assert [f["propietario_id"] for f in cuerpo["elementos"]] == ["B", "C"]
    assert (otra["lecturas"], otra["elementos"]) == (0, [])


def _informe(fecha: datetime, semaforo: str, html: str | None) -> dict[str, Any]:
    return {
        "fecha": fecha, "desde": fecha - timedelta(days=7), "hasta": fecha,
        "version": "consumo-detector-3", "semaforo": semaforo,
        "columnas": [{"nombre": "nivel_dia", "movida": True, "estadistico": 0.41, "umbral": 0.35}],
        "resumen": {"texto": "x", "dias": 7}, "html": html,
    }  # fmt: skip


def test_la_deriva_y_su_pagina(entorno: Settings) -> None:
    """Latest report, history, and the page, which may run its scripts and reach nothing."""
    fecha = datetime(2026, 11, 20, tzinfo=UTC)
    with servir(entorno) as http, closing(MongoModelLog(entorno)) as modelos:
        for ruta in ("/api/deriva", "/api/deriva/informe"):
            es_problema(http.get(ruta), 404, "consumo deriva")
        modelos.save_informe(_informe(fecha - timedelta(days=1), "verde", None))
        es_problema(http.get("/api/deriva/informe"), 404, "sin su página")
        modelos.save_informe(_informe(fecha, "ámbar", HTML))
        ultimo = http.get("/api/deriva").json()
        assert (ultimo["semaforo"], ultimo["version"]) == ("ámbar", 3)
        assert ultimo["fecha"] == "2026-11-20T01:00:00+01:00"
        assert ultimo["columnas"][0]["nombre"] == "nivel_dia"
        historial = http.get("/api/deriva/historial?limite=5").json()
        assert [i["semaforo"] for i in historial["elementos"]] == ["ámbar", "verde"]
        pagina = http.get("/api/deriva/informe")
        assert pagina.text == HTML
        assert pagina.headers["content-type"] == "text/html; charset=utf-8"
        assert "sandbox allow-scripts" in pagina.headers["content-security-policy"]
        assert "default-src 'none'" in pagina.headers["content-security-policy"]
        igual = http.get("/api/deriva/informe", headers={"If-None-Match": pagina.headers["etag"]})
        assert (igual.status_code, igual.content) == (304, b"")


def test_los_reentrenamientos(entorno: Settings) -> None:
    """Every run of the retraining job with its reason, the last one first."""
    momento = datetime(2026, 11, 20, tzinfo=UTC)
    with servir(entorno) as http, closing(MongoModelLog(entorno)) as modelos:
        for i, resultado in enumerate(("rechazado", "promovido")):
            modelos.append_historial(
                {
                    "inicio": momento + timedelta(days=i), "fin": momento + timedelta(days=i),
                    "motivo": "deriva en rojo", "semaforo": "rojo", "resultado": resultado,
                    "detalle": "", "version": i, "criterios": [{"nombre": "x", "cumple": True}],
                }
            )  # fmt: skip
        filas = http.get("/api/modelos/historial").json()["elementos"]
    assert [f["resultado"] for f in filas] == ["promovido", "rechazado"]
    assert filas[0]["criterios"] == [{"nombre": "x", "cumple": True}]
    assert filas[0]["inicio"] == "2026-11-21T01:00:00+01:00"
