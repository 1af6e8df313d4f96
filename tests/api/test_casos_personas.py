"""What people do with cases: who may, what changes, what it does to the hours, how it is undone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any

import httpx
import numpy as np
import pytest
from apoyo_api import base_nueva, claves_de_prueba, es_problema, esperar, servir
from apoyo_rutas import lee
from contracts.fakes import explicar, hacer_caso, hacer_lote
from contracts.sondas import AnomaliasMongo, CasosMongo

from api import app
from detection.domain import hora_absoluta
from detection.errors import TransientError
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.mongo.anomalies import ANOMALIAS, ARCHIVO
from pipeline.stores.mongo.case_moves import MongoCaseMoves
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.postgres.audit import AuditoriaPostgres
from pipeline.stores.postgres.connection import connect
from serving.settings import Settings
from training.fit import first_hours

CASOS = [hacer_caso(), hacer_caso("B", energia_en_juego_kwh=900.0), hacer_caso("C")]
UNO = CASOS[0].clave
DENTRO = [datetime(2026, 11, d, h, tzinfo=UTC) for d, h in ((2, 23), (10, 4), (20, 22))]
"""The first hour of the onset's local day, one between, the last of its last day."""
FUERA = [datetime(2026, 11, 2, 22, tzinfo=UTC), datetime(2026, 11, 20, 23, tzinfo=UTC)]
DESPUES = datetime(2026, 11, 19, 4, tzinfo=UTC)
"""Within it, and stored once it is judged."""
DE_OTRO = datetime(2026, 11, 10, 4, tzinfo=UTC)


@pytest.fixture
def casos(servicios: EmbeddedServices) -> Iterator[Settings]:
    """Give three open cases, and hours of the first inside and outside of it."""
    otras = {"api_claves": claves_de_prueba(), "api_limite_minuto": 0}
    with base_nueva(servicios, migrada=True, **otras) as settings:
        with closing(CasosMongo(settings)) as sonda:
            sonda.store.save(CASOS)
        poner_horas(settings, [*DENTRO, *FUERA])
        poner_horas(settings, [DE_OTRO], "B")
        yield settings


def poner_horas(settings: Settings, momentos: list[datetime], cliente: str = "CLI_00045") -> None:
    """Store anomalies of a customer."""
    claves = [(cliente, hora_absoluta(momento)) for momento in momentos]
    n = len(claves)
    lote = hacer_lote(claves, [9.0] * n, score=[99] * n, severidad=[4] * n, tipos=[2] * n)
    sonda = AnomaliasMongo(settings)
    with closing(sonda.cliente), closing(sonda.store) as anomalias:
        anomalias.save(*lote, explicar(lote[1]), np.zeros(n, np.bool_), claves[0][1])


@pytest.fixture
def api(casos: Settings) -> Iterator[httpx.Client]:
    with servir(casos) as http:
        yield http


@pytest.fixture
def ana(claves: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the header of an analyst's key."""
    return claves["analista"]


def hacer(
    api: httpx.Client, que: str, ana: dict[str, str], caso: str = UNO, **cuerpo: Any
) -> dict[str, Any]:
    """Return what a movement answers, which must be 200."""
    respuesta = api.post(f"/api/casos/{caso}/{que}", json=cuerpo, headers=ana)
    assert respuesta.status_code == 200, respuesta.text
    hecho: dict[str, Any] = respuesta.json()
    return hecho


def estados(api: httpx.Client, cliente: str = "CLI_00045") -> dict[datetime, str]:
    """Return the ``estado`` of each hour of a customer."""
    filas = lee(api, f"/api/anomalias/cliente/{cliente}")["elementos"]
    return {
        datetime.fromisoformat(f["timestamp_consumo"]).astimezone(UTC): f["estado"] for f in filas
    }


def de_noche(settings: Settings, casos: type[MongoCaseMoves] = MongoCaseMoves) -> int:
    """Return how many hours the night's work judges."""
    with closing(casos(settings)) as movimientos, closing(AuditoriaPostgres(settings)) as quien:
        return movimientos.judge_hours(date(2026, 11, 21), quien.turn)


def test_quien_lo_lleva(api: httpx.Client, ana: dict[str, str]) -> None:
    """A case is given to somebody who exists, and taken away; its history says by whom."""
    dado = hacer(api, "asignacion", ana, asignado_a="analista-1", revision="0")
    caso = dado["caso"]
    assert (caso["estado"], caso["asignado_a"], caso["abierto"]) == ("asignado", "analista-1", True)
    assert caso["revision"] == str(dado["anotacion"])
    (movimiento,) = caso["historial"]
    assert (movimiento["accion"], movimiento["quien"]) == ("asignacion", "analista-1")
    assert movimiento["antes"] == {"estado": "nuevo", "asignado_a": None}
    assert movimiento["despues"] == {"estado": "asignado", "asignado_a": "analista-1"}
    assert caso.items() <= lee(api, f"/api/casos/{UNO}").items()
    suyos = lee(api, "/api/casos", asignado_a="analista-1")["elementos"]
    assert [c["id"] for c in suyos] == [UNO]
    de_nadie = hacer(api, "asignacion", ana, asignado_a=None)["caso"]
    assert (de_nadie["estado"], de_nadie["asignado_a"]) == ("nuevo", None)
    ruta = f"/api/casos/{UNO}/asignacion"
    for nombre in ("nadie", "lectura-1"):
        es_problema(api.post(ruta, json={"asignado_a": nombre}, headers=ana), 422, "asignado_a")


def test_comentarios_y_visita(api: httpx.Client, ana: dict[str, str]) -> None:
    """They are added one after the other, and undone one by one."""
    primero = hacer(api, "comentarios", ana, texto="  Llamar antes. ")
    hacer(api, "comentarios", ana, texto="Es un bajo.")
    caso = hacer(api, "visita", ana, fecha="2026-11-25", sorteo=True)["caso"]
    assert [c["texto"] for c in caso["comentarios"]] == ["Llamar antes.", "Es un bajo."]
    assert caso["visita"] == {"fecha": "2026-11-25", "quien": "analista-1"}
    assert (caso["estado"], caso["sorteo"]) == ("visitado", True)
    caso = hacer(api, "deshacer", ana, anotacion=primero["anotacion"])["caso"]
    assert [c["texto"] for c in caso["comentarios"]] == ["Es un bajo."]
    visita = next(m["anotacion"] for m in caso["historial"] if m["accion"] == "visita")
    caso = hacer(api, "deshacer", ana, anotacion=visita)["caso"]
    assert (caso["estado"], caso["visita"], caso["sorteo"]) == ("nuevo", None, False)
    assert [m["deshace"] for m in caso["historial"]] == [
        None, None, None, primero["anotacion"], visita,
    ]  # fmt: skip
    lejos = api.post(f"/api/casos/{UNO}/visita", json={"fecha": "2031-01-01"}, headers=ana)
    es_problema(lejos, 422, "fecha")


@pytest.mark.parametrize(
    ("veredicto", "de_hora"), [("confirmado", "confirmada"), ("descartado", "descartada")]
)
def test_un_veredicto_juzga_todas_sus_horas(
    api: httpx.Client, ana: dict[str, str], veredicto: str, de_hora: str
) -> None:
    """From the first local day to the last; nothing before, after or of anybody else; and back."""
    dado = hacer(api, "veredicto", ana, veredicto=veredicto, motivo="Lo vimos", revision="0")
    caso = dado["caso"]
    assert (caso["estado"], caso["abierto"], dado["horas"]) == (veredicto, False, 3)
    assert caso["veredicto"]["anotacion"] == dado["anotacion"]
    assert estados(api) == dict.fromkeys(DENTRO, de_hora) | dict.fromkeys(FUERA, "abierta")
    assert estados(api, "B") == {DE_OTRO: "abierta"}
    assert UNO not in {c["id"] for c in lee(api, "/api/casos")["elementos"]}
    una = next(
        a for a in lee(api, "/api/anomalias/cliente/CLI_00045")["elementos"] if a["veredicto"]
    )
    assert una["veredicto"]["motivo"] == "Lo vimos"
    assert una["veredicto"]["anotacion"] == dado["anotacion"]
    deshecho = hacer(api, "deshacer", ana, anotacion=dado["anotacion"])
    assert (deshecho["caso"]["estado"], deshecho["caso"]["veredicto"]) == ("nuevo", None)
    assert deshecho["horas"] == 3
    assert set(estados(api).values()) == {"abierta"}
    otra_vez = {"anotacion": dado["anotacion"]}
    es_problema(
        api.post(f"/api/casos/{UNO}/deshacer", json=otra_vez, headers=ana), 409, "nada que deshacer"
    )


def test_deshacer_respeta_lo_juzgado_despues(api: httpx.Client, ana: dict[str, str]) -> None:
    """Of two verdicts the undone ones go back one by one; an hour judged since keeps its own."""
    primero = hacer(api, "veredicto", ana, veredicto="confirmado", motivo="Lo vimos")["anotacion"]
    segundo = hacer(api, "veredicto", ana, veredicto="descartado", motivo="No era")["anotacion"]
    no = api.post(f"/api/casos/{UNO}/deshacer", json={"anotacion": primero}, headers=ana)
    es_problema(no, 409)
    assert hacer(api, "deshacer", ana, anotacion=segundo)["caso"]["estado"] == "confirmado"
    assert {estados(api)[m] for m in DENTRO} == {"confirmada"}
    filas = lee(api, "/api/anomalias/cliente/CLI_00045")["elementos"]
    suya = next(f for f in filas if f["estado"] == "confirmada")
    cuerpo = {"veredicto": "descartada", "motivo": "un horno"}
    api.post(f"/api/anomalias/{suya['id']}/veredicto", json=cuerpo, headers=ana).raise_for_status()
    deshecho = hacer(api, "deshacer", ana, anotacion=primero)
    assert (deshecho["caso"]["estado"], deshecho["horas"]) == ("nuevo", 2)
    assert sorted(estados(api).values()) == ["abierta"] * 4 + ["descartada"]


def test_cada_hora_vuelve_a_lo_que_era(
    api: httpx.Client, casos: Settings, ana: dict[str, str]
) -> None:
    """Whatever each hour was, also an archived one; and a reason is a text, never a field."""
    filas = lee(api, "/api/anomalias/cliente/CLI_00045")["elementos"]
    ids = {datetime.fromisoformat(f["timestamp_consumo"]).astimezone(UTC): f["id"] for f in filas}
    for momento, dicho in zip(DENTRO, ("confirmada", "descartada"), strict=False):
        cuerpo = {"veredicto": dicho, "motivo": "un horno"}
        ruta = f"/api/anomalias/{ids[momento]}/veredicto"
        api.post(ruta, json=cuerpo, headers=ana).raise_for_status()
    sonda = AnomaliasMongo(casos)
    with closing(sonda.store), closing(sonda.cliente) as mongo:
        base = mongo[casos.mongo_db]
        base[ARCHIVO].insert_one(base[ANOMALIAS].find_one_and_delete({"estado": "descartada"}))
    antes = estados(api)
    dado = hacer(api, "veredicto", ana, veredicto="confirmado", motivo="$estado")
    assert dado["horas"] == 2
    assert {estados(api)[m] for m in DENTRO} == {"confirmada"}
    dichos = lee(api, f"/api/anomalias/{ids[DENTRO[1]]}")
    assert dichos["archivada"]
    assert [(v["estado_anterior"], v["estado"], v["motivo"]) for v in dichos["veredictos"]] == [
        ("abierta", "descartada", "un horno"), ("descartada", "confirmada", "$estado"),
    ]  # fmt: skip
    assert dichos["veredicto"] == dichos["veredictos"][-1]
    assert hacer(api, "deshacer", ana, anotacion=dado["anotacion"])["horas"] == 2
    assert estados(api) == antes


def test_lo_que_llega_despues_lo_juzga_la_noche(
    api: httpx.Client, casos: Settings, ana: dict[str, str]
) -> None:
    """Hours of a judged case that goes on get its verdict, once; training learns from all."""
    dado = hacer(api, "veredicto", ana, veredicto="confirmado", motivo="Lo vimos")
    poner_horas(casos, [DESPUES])
    assert [de_noche(casos), de_noche(casos)] == [1, 0]
    with closing(MongoModelLog(casos)) as modelos:
        horas = [hora_absoluta(m) for m in (*DENTRO, DESPUES)]
        assert modelos.confirmadas() == sorted(("CLI_00045", hora) for hora in horas)
        assert first_hours(modelos.confirmadas()) == {"CLI_00045": hora_absoluta(DENTRO[0])}
    assert hacer(api, "deshacer", ana, anotacion=dado["anotacion"])["horas"] == 4


def test_un_veredicto_llega_hasta_ahora(casos: Settings, ana: dict[str, str]) -> None:
    """Of a discarded case too, of which no later day ever ends: not what comes after it."""
    despues = datetime(2026, 11, 21, 8, tzinfo=UTC)
    poner_horas(casos, [despues])
    with servir(casos, lambda: datetime(2026, 11, 21, 5, tzinfo=UTC)) as api:
        assert hacer(api, "veredicto", ana, veredicto="descartado", motivo="Obras")["horas"] == 4
        hay = estados(api)
    assert {m for m, estado in hay.items() if estado == "abierta"} == {FUERA[0], despues}
    assert de_noche(casos) == 0


@pytest.mark.parametrize("deshace", [True, False], ids=["lo deshacen", "dan otro"])
def test_la_noche_y_una_persona_a_la_vez(
    casos: Settings, ana: dict[str, str], deshace: bool
) -> None:
    """Somebody takes a verdict back, or gives another, between the night's look and its verdict."""
    with servir(casos) as api, ThreadPoolExecutor(1) as hilo:
        dado = hacer(api, "veredicto", ana, veredicto="confirmado", motivo="Lo vimos")
        poner_horas(casos, [DESPUES])
        pedido = {"anotacion": dado["anotacion"]}
        otro = {"veredicto": "descartado", "motivo": "No era"}
        de_persona: list[Future[dict[str, Any]]] = []

        class Noche(MongoCaseMoves):
            """Lets a person in before it writes."""

            def _set(self, nombre: str, filtro: Any, entero: Any) -> int:
                if not de_persona:
                    que, cuerpo = ("deshacer", pedido) if deshace else ("veredicto", otro)
                    de_persona.append(hilo.submit(hacer, api, que, ana, **cuerpo))
                    esperar(
                        lambda: de_persona[0].done() or _espera_turno(casos), "the person's turn"
                    )
                return super()._set(nombre, filtro, entero)

        de_noche(casos, Noche)
        caso = de_persona[0].result()["caso"]
        hay = estados(api)
        queda = "abierta" if deshace else "descartada"
        assert caso["estado"] == ("nuevo" if deshace else "descartado")
        assert hay == dict.fromkeys([*DENTRO, DESPUES], queda) | dict.fromkeys(FUERA, "abierta")


def _espera_turno(settings: Settings) -> bool:
    """Return whether somebody waits for the turn of those who judge."""
    with closing(connect(settings, "prueba")) as conexion, conexion.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone() is not None


def test_un_resultado_es_visita_y_veredicto(api: httpx.Client, ana: dict[str, str]) -> None:
    """Found is confirmed, with what was recovered; not found is discarded; a verdict stands."""
    hallado = {"hallado": True, "energia_recuperada_kwh": 2100.0, "recuperado_eur": 320.5}
    dado = hacer(api, "resultado", ana, **hallado, texto="Doble acometida")
    caso = dado["caso"]
    assert (caso["estado"], caso["veredicto"]["motivo"]) == ("confirmado", "Doble acometida")
    assert caso["resultado"].items() >= hallado.items()
    assert caso["visita"] == {"fecha": "2026-11-20", "quien": "analista-1"}
    assert dado["horas"] == 3
    caso = hacer(api, "deshacer", ana, anotacion=dado["anotacion"])["caso"]
    assert [caso[c] for c in ("estado", "resultado", "visita", "veredicto")] == [
        "nuevo", None, None, None,
    ]  # fmt: skip
    caso = hacer(api, "resultado", ana, CASOS[1].clave, hallado=False)["caso"]
    assert (caso["estado"], caso["resultado"]["recuperado_eur"]) == ("descartado", None)
    assert estados(api, "B") == {DE_OTRO: "descartada"}
    hacer(api, "veredicto", ana, CASOS[2].clave, veredicto="confirmado", motivo="se ve")
    caso = hacer(api, "resultado", ana, CASOS[2].clave, hallado=False)["caso"]
    assert (caso["estado"], caso["resultado"]["hallado"]) == ("confirmado", False)


def test_lo_que_el_detector_dice_despues_no_toca_lo_de_las_personas(
    api: httpx.Client, casos: Settings, ana: dict[str, str]
) -> None:
    """A later day of a case keeps who deals with it, and its end too."""
    hacer(api, "asignacion", ana, asignado_a="analista-1")
    suyo = hacer(api, "comentarios", ana, texto="Llamar.")["caso"]
    acabado = hacer_caso(hasta=date(2026, 11, 21), fecha_cierre=date(2026, 11, 21))
    with closing(CasosMongo(casos)) as sonda:
        sonda.store.save([acabado])
    caso = lee(api, f"/api/casos/{UNO}")
    for campo in ("estado", "asignado_a", "comentarios", "historial", "revision"):
        assert caso[campo] == suyo[campo]
    assert caso["fecha_cierre"] == "2026-11-21"
    numero = suyo["historial"][0]["anotacion"]
    assert hacer(api, "deshacer", ana, anotacion=numero)["caso"]["estado"] == "terminado"


def test_lo_comentado_no_se_pierde(api: httpx.Client, casos: Settings, ana: dict[str, str]) -> None:
    """A late correction takes a case back that nobody has touched; one with a word on it ends."""
    hacer(api, "comentarios", ana, texto="Llamar.")
    dia = date(2026, 11, 12)
    with closing(CasosMongo(casos)) as sonda:
        sonda.store.save([hacer_caso(fecha_apertura=dia), hacer_caso("C", fecha_apertura=dia)])
    assert lee(api, f"/api/casos/{UNO}")["estado"] == "terminado"
    es_problema(api.get(f"/api/casos/{CASOS[2].clave}"), 404)


def test_muchos_a_la_vez(api: httpx.Client, casos: Settings, ana: dict[str, str]) -> None:
    """Of movements at once none is lost, and the history goes in the order of the audit."""
    with servir(casos) as otra, ThreadPoolExecutor(6) as hilos:
        hechos = list(
            hilos.map(
                lambda i: hacer(
                    (api, otra)[i % 2],
                    *(("comentarios", ana, UNO), ("asignacion", ana, UNO))[i % 3 == 0],
                    **({"asignado_a": (None, "analista-1")[i % 2]} if i % 3 == 0
                       else {"texto": f"vez {i}"}),
                ),
                range(18),
            )
        )  # fmt: skip
    caso = lee(api, f"/api/casos/{UNO}")
    numeros = [m["anotacion"] for m in caso["historial"]]
    assert numeros == sorted(hecho["anotacion"] for hecho in hechos)
    assert len(caso["comentarios"]) == 12
    asignado = [m["despues"] for m in caso["historial"] if "asignado_a" in m["despues"]]
    assert caso["asignado_a"] == asignado[-1]["asignado_a"]
    assert caso["revision"] == str(numeros[-1])


class _SeVa(MongoCaseMoves):
    """A store that is away when the hours come."""

    def _set(self, nombre: str, filtro: Any, entero: Any) -> int:
        raise TransientError("MongoDB no responde")


def test_lo_que_se_queda_a_medias_lo_acaba_la_noche(
    casos: Settings, ana: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MongoDB away between a case and its hours: the case is judged, its hours are at night."""
    with monkeypatch.context() as parche:
        parche.setattr(app, "MongoCaseMoves", _SeVa)
        with servir(casos) as api:
            cuerpo = {"veredicto": "confirmado", "motivo": "se vio"}
            es_problema(api.post(f"/api/casos/{UNO}/veredicto", json=cuerpo, headers=ana), 503)
            assert lee(api, f"/api/casos/{UNO}")["estado"] == "confirmado"
            assert set(estados(api).values()) == {"abierta"}
    assert de_noche(casos) == 3


def test_solo_se_toca_lo_que_se_ha_visto(api: httpx.Client, ana: dict[str, str]) -> None:
    """A stale revision is 409, and says who changed what."""
    hacer(api, "veredicto", ana, veredicto="descartado", motivo="un taller", revision="0")
    cuerpo = {"veredicto": "confirmado", "motivo": "lo que vi", "revision": "0"}
    negado = api.post(f"/api/casos/{UNO}/veredicto", json=cuerpo, headers=ana)
    es_problema(negado, 409, "ahora está descartado por analista-1 («un taller»)")
    assert {estados(api)[m] for m in DENTRO} == {"descartada"}


CUERPOS = {
    "asignacion": {"asignado_a": None}, "comentarios": {"texto": "x"},
    "visita": {"fecha": "2026-11-20"}, "veredicto": {"veredicto": "confirmado", "motivo": "visto"},
    "resultado": {"hallado": True}, "deshacer": {"anotacion": 1},
}  # fmt: skip


def test_quien_puede(
    api: httpx.Client, claves: dict[str, dict[str, str]], ana: dict[str, str]
) -> None:
    """Whoever changes a case needs an analyst's key; the audit says who asked for what."""
    for que, cuerpo in CUERPOS.items():
        ruta = f"/api/casos/{UNO}/{que}"
        es_problema(api.post(ruta, json=cuerpo), 401)
        es_problema(api.post(ruta, json=cuerpo, headers=claves["lectura"]), 403, "analista")
        de_nadie = api.post(f"/api/casos/NADIE_2026-11-09/{que}", json=cuerpo, headers=ana)
        es_problema(de_nadie, 404, "no existe el caso NADIE_2026-11-09")
        es_problema(api.post(ruta, json={**cuerpo, "quien": "otro"}, headers=ana), 422, "quien")
    es_problema(
        api.post(f"/api/casos/{UNO}/deshacer", json={"anotacion": 99}, headers=ana), 404, "99"
    )
    assert lee(api, f"/api/casos/{UNO}")["historial"] == []
    hacer(api, "veredicto", claves["administracion"], veredicto="confirmado", motivo="visto")
    (fila,) = api.get("/api/auditoría?limite=1", headers=claves["administracion"]).json()[
        "elementos"
    ]
    assert (fila["accion"], fila["objeto"]) == ("caso_veredicto", f"caso {UNO}")
    assert fila["detalle"]["antes"]["estado"] == "nuevo"
    assert fila["clave"].startswith("administracion-1")


def test_quien_pregunta_y_quien_hay(
    api: httpx.Client, claves: dict[str, dict[str, str]], ana: dict[str, str]
) -> None:
    """A key says its name and role; names of people only to whoever has one."""
    sesion = api.get("/api/sesion", headers=ana).json()
    assert sesion == api.get("/api/clave", headers=ana).json()
    assert (sesion["nombre"], sesion["rol"]) == ("analista-1", "analista")
    es_problema(api.get("/api/sesion"), 401)
    es_problema(api.get("/api/personas"), 401)
    hay = api.get("/api/personas", headers=claves["lectura"]).json()
    assert hay["elementos"] == [
        {"nombre": f"{rol}-1", "rol": rol} for rol in ("administracion", "analista")
    ]
