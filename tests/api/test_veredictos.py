"""Verdicts of people: who may give one, what stays of it, and what it changes elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from apoyo_api import (
    AHORA,
    Datos,
    base_nueva,
    claves_de_prueba,
    es_problema,
    llenar,
    servir,
)
from apoyo_rutas import lee, local, todo

from api import app
from detection.domain import hora_absoluta
from detection.errors import TransientError
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.mongo.reviews import VeredictosMongo
from serving.settings import Settings

NINGUNA = "0" * 24


@pytest.fixture(scope="module")
def propia(servicios: EmbeddedServices, datos: Datos) -> Iterator[Settings]:
    """Give stores of our own to change, with the readings of one suspicious customer."""
    suyas = np.flatnonzero(np.array(datos.lecturas.propietario_id) == datos.clientes[0])
    with base_nueva(
        servicios, migrada=True, api_claves=claves_de_prueba(), api_limite_minuto=0
    ) as settings:
        llenar(settings, datos.lecturas.elegir(suyas), hora_absoluta(AHORA.replace(minute=0)))
        yield settings


@pytest.fixture(scope="module")
def api(propia: Settings) -> Iterator[httpx.Client]:
    """Give a client of the API over ``propia``."""
    with servir(propia) as http:
        yield http


@pytest.fixture
def abiertas(api: httpx.Client, claves: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """Return every anomaly, all of them open."""
    juzgadas = todo(api, "/api/anomalias/últimas", estado=["confirmada", "descartada"], limite=500)
    if juzgadas:
        cuerpo = {
            "ids": [a["id"] for a in juzgadas], "veredicto": "abierta", "motivo": "de nuevo",
        }  # fmt: skip
        respuesta = api.post("/api/anomalias/veredictos", json=cuerpo, headers=claves["analista"])
        assert respuesta.status_code == 200, respuesta.text
    anomalias = todo(api, "/api/anomalias/últimas", limite=1000)
    assert {a["estado"] for a in anomalias} == {"abierta"}
    return anomalias


def _dar(
    api: httpx.Client,
    una: str,
    claves: dict[str, str] | None,
    veredicto: str = "confirmada",
    motivo: str = "visto en la inspección",
) -> httpx.Response:
    cuerpo = {"veredicto": veredicto, "motivo": motivo}
    return api.post(f"/api/anomalias/{una}/veredicto", json=cuerpo, headers=claves)


def test_un_veredicto_se_queda_con_quien_cuando_y_por_que(
    api: httpx.Client,
    propia: Settings,
    abiertas: list[dict[str, Any]],
    claves: dict[str, dict[str, str]],
) -> None:
    """A confirmed anomaly stays so for every reader, and training can read it."""
    una = abiertas[0]
    cambio = _dar(api, una["id"], claves["analista"]).json()
    assert cambio["estado_anterior"] == "abierta"
    veredicto = cambio["anomalia"]["veredicto"]
    assert (veredicto["estado"], veredicto["quien"]) == ("confirmada", "analista-1")
    assert (veredicto["motivo"], local(veredicto["cuando"])) == ("visto en la inspección", AHORA)
    detalle = lee(api, f"/api/anomalias/{una['id']}")
    assert detalle["estado"] == "confirmada"
    assert detalle["veredictos"][-1] == detalle["veredicto"] == veredicto
    confirmadas = lee(api, "/api/anomalias/últimas", estado="confirmada")["elementos"]
    assert [a["id"] for a in confirmadas] == [una["id"]]
    with closing(MongoModelLog(propia)) as modelos:
        hora = hora_absoluta(local(una["timestamp_consumo"]))
        assert modelos.confirmadas() == [(una["propietario_id"], hora)]


def test_la_historia_de_veredictos_no_se_borra(
    api: httpx.Client, abiertas: list[dict[str, Any]], claves: dict[str, dict[str, str]]
) -> None:
    """Each new verdict is added to the history with what it changed, the oldest first."""
    una = abiertas[1]["id"]
    antes = len(lee(api, f"/api/anomalias/{una}")["veredictos"])
    for veredicto in ("confirmada", "descartada", "abierta"):
        rol = "administracion" if veredicto == "descartada" else "analista"
        _dar(api, una, claves[rol], veredicto, f"ahora {veredicto}").raise_for_status()
    nuevos = lee(api, f"/api/anomalias/{una}")["veredictos"][antes:]
    assert [(v["estado_anterior"], v["estado"]) for v in nuevos] == [
        ("abierta", "confirmada"), ("confirmada", "descartada"), ("descartada", "abierta"),
    ]  # fmt: skip
    assert [v["quien"] for v in nuevos] == ["analista-1", "administracion-1", "analista-1"]
    ultimos = lee(api, "/api/anomalias/veredictos")["elementos"]
    suyo = next(v for v in ultimos if v["anomalia"]["id"] == una)
    assert suyo["veredicto"] == nuevos[-1]


@pytest.mark.parametrize("ruta", ["/api/anomalias/{}/veredicto", "/api/anomalias/veredictos"])
def test_sin_permiso_no_cambia_nada(
    api: httpx.Client,
    abiertas: list[dict[str, Any]],
    claves: dict[str, dict[str, str]],
    ruta: str,
) -> None:
    """Without a key 401, with one that only reads 403; the anomaly is as it was."""
    una = abiertas[2]["id"]
    cuerpo = {"veredicto": "descartada", "motivo": "porque sí"}
    if ruta.endswith("s"):
        cuerpo["ids"] = [una]  # type: ignore[assignment]
    es_problema(api.post(ruta.format(una), json=cuerpo), 401)
    inventada = {"X-API-Key": "consumo_inventada"}
    es_problema(api.post(ruta.format(una), json=cuerpo, headers=inventada), 401)
    es_problema(api.post(ruta.format(una), json=cuerpo, headers=claves["lectura"]), 403, "analista")
    assert lee(api, f"/api/anomalias/{una}")["estado"] == "abierta"


def test_todo_veredicto_queda_en_la_auditoria(
    api: httpx.Client, abiertas: list[dict[str, Any]], claves: dict[str, dict[str, str]]
) -> None:
    """The audit has who asked for what, and marks what came to nothing."""
    una = abiertas[3]["id"]
    _dar(api, una, claves["analista"], motivo="para la auditoría").raise_for_status()
    es_problema(_dar(api, NINGUNA, claves["analista"]), 404, NINGUNA)
    filas = api.get("/api/auditoría?limite=5", headers=claves["administracion"]).json()["elementos"]
    hecha = next(f for f in filas if una in f["objeto"])
    assert (hecha["accion"], hecha["rol"]) == ("veredicto", "analista")
    antes = hecha["detalle"].pop("anomalias")
    assert hecha["detalle"] == {"veredicto": "confirmada", "motivo": "para la auditoría"}
    assert [(a["id"], a["estado_anterior"]) for a in antes] == [(una, "abierta")]
    assert "analista-1" in hecha["clave"]
    fallida = filas[0]
    assert NINGUNA in fallida["objeto"]
    assert "fallo" in fallida["detalle"]


def test_varias_a_la_vez(
    api: httpx.Client, abiertas: list[dict[str, Any]], claves: dict[str, dict[str, str]]
) -> None:
    """An incident is judged with one request; ids that do not exist are named, the rest change."""
    incidencia = max(lee(api, "/api/incidencias")["elementos"], key=lambda i: i["anomalias"])
    ids = incidencia["anomalia_ids"][:40]
    cuerpo = {"ids": [*ids, NINGUNA, ids[0]], "veredicto": "descartada", "motivo": "un horno"}
    respuesta = api.post("/api/anomalias/veredictos", json=cuerpo, headers=claves["analista"])
    cambios = respuesta.json()
    assert cambios["no_encontradas"] == [NINGUNA]
    assert {c["anomalia"]["id"] for c in cambios["cambiadas"]} == set(ids)
    assert {c["anomalia"]["estado"] for c in cambios["cambiadas"]} == {"descartada"}
    despues = todo(api, "/api/anomalias/últimas", estado="descartada", limite=500)
    assert {a["id"] for a in despues} == set(ids)
    assert len(abiertas) > len(ids)


def test_si_no_existe_ninguna_no_se_dice_que_se_hizo(
    api: httpx.Client, claves: dict[str, dict[str, str]]
) -> None:
    """A verdict that nothing was given to is a 404 and a failure in the audit, not a success."""
    cuerpo = {"ids": [NINGUNA, "1" * 24], "veredicto": "confirmada", "motivo": "ya visto"}
    respuesta = api.post("/api/anomalias/veredictos", json=cuerpo, headers=claves["analista"])
    es_problema(respuesta, 404, "ninguna")
    assert "fallo" in _anotadas(api, claves)[-1]["detalle"]


class _SeVa(VeredictosMongo):
    """A store that is away after so many verdicts."""

    quedan = 3

    def _give(self, uno: Any, judge: Any, dado: Any) -> Any:
        if not self.quedan:
            raise TransientError("MongoDB no responde")
        self.quedan -= 1
        return super()._give(uno, judge, dado)


def test_lo_que_se_queda_a_medias_se_dice_y_se_deshace(
    propia: Settings, api: httpx.Client, abiertas: list[dict[str, Any]],
    claves: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """MongoDB away half way: what was done is told, with its number, and what is missing."""
    monkeypatch.setattr(app, "VeredictosMongo", _SeVa)
    ids = [a["id"] for a in abiertas[:8]]
    cuerpo = {"ids": ids, "veredicto": "confirmada", "motivo": "una plantación"}
    with servir(propia) as http:
        ruta = "/api/anomalias/veredictos"
        respuesta = http.post(ruta, json=cuerpo, headers=claves["analista"])
        nada = http.post(ruta, json={**cuerpo, "ids": ids[4:]}, headers=claves["analista"])
    assert respuesta.status_code == 200
    hecho = respuesta.json()
    assert [c["anomalia"]["id"] for c in hecho["cambiadas"]] == ids[:3]
    assert hecho["sin_hacer"] == ids[3:]
    es_problema(nada, 503)
    numero = hecho["anotacion"]
    filas = [f["detalle"] for f in _anotadas(api, claves)]
    assert {"fallo": f"de la {numero}", "ids": ids[3:]} in filas
    api.post(f"/api/anomalias/veredictos/{numero}/deshacer", headers=claves["analista"])
    assert {lee(api, f"/api/anomalias/{uno}")["estado"] for uno in ids} == {"abierta"}


def _anotadas(api: httpx.Client, claves: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """Return the latest rows of the audit, the oldest first."""
    respuesta = api.get("/api/auditoría?limite=60", headers=claves["administracion"])
    return list(respuesta.json()["elementos"][::-1])


def test_la_auditoria_guarda_todas_y_lo_que_habia(
    api: httpx.Client, abiertas: list[dict[str, Any]], claves: dict[str, dict[str, str]]
) -> None:
    """Of a verdict on fifty anomalies the audit has all fifty, each with what was replaced."""
    ids = [a["id"] for a in abiertas[:50]]
    primero = _dar(api, ids[7], claves["administracion"], "descartada").json()
    cuerpo = {"ids": [*ids, NINGUNA], "veredicto": "confirmada", "motivo": "la inspección"}
    dado = api.post("/api/anomalias/veredictos", json=cuerpo, headers=claves["analista"]).json()
    fila = next(f for f in _anotadas(api, claves) if f["id"] == dado["anotacion"])
    assert [a["id"] for a in fila["detalle"]["anomalias"]] == ids
    assert fila["detalle"]["no_encontradas"] == [NINGUNA]
    antes = {a["id"]: a for a in fila["detalle"]["anomalias"]}
    assert antes[ids[7]] == {
        "id": ids[7], "estado_anterior": "descartada", "quien_anterior": "administracion-1",
        "anotacion_anterior": primero["anotacion"],
    }  # fmt: skip
    assert {a["estado_anterior"] for i, a in antes.items() if i != ids[7]} == {"abierta"}
    assert lee(api, f"/api/anomalias/{ids[0]}")["veredicto"]["anotacion"] == dado["anotacion"]


def test_la_auditoria_va_en_el_orden_en_que_tuvo_efecto(
    api: httpx.Client,
    propia: Settings,
    abiertas: list[dict[str, Any]],
    claves: dict[str, dict[str, str]],
) -> None:
    """Of verdicts at once the audit's last one stands, and each row says what it replaced."""
    una = abiertas[5]["id"]
    with servir(propia) as otra, ThreadPoolExecutor(6) as hilos:
        dados = list(
            hilos.map(
                lambda i: _dar(
                    (api, otra)[i % 2], una, claves["analista"],
                    ("confirmada", "descartada", "abierta")[i % 3], f"vez {i}",
                ),
                range(18),
            )
        )  # fmt: skip
    assert {d.status_code for d in dados} == {200}
    filas = [f for f in _anotadas(api, claves) if f["objeto"] == f"anomalia {una}"][-18:]
    (antes,) = zip(*(f["detalle"]["anomalias"] for f in filas), strict=True)
    assert [a["anotacion_anterior"] for a in antes[1:]] == [f["id"] for f in filas[:-1]]
    dichos = [f["detalle"]["veredicto"] for f in filas]
    assert [a["estado_anterior"] for a in antes[1:]] == dichos[:-1]
    ahora = lee(api, f"/api/anomalias/{una}")
    assert (ahora["estado"], ahora["veredicto"]["anotacion"]) == (dichos[-1], filas[-1]["id"])
    assert [v["anotacion"] for v in ahora["veredictos"][-18:]] == [f["id"] for f in filas]


def test_solo_se_juzga_lo_que_se_ha_visto(
    api: httpx.Client, abiertas: list[dict[str, Any]], claves: dict[str, dict[str, str]]
) -> None:
    """Who judges what has changed since it was shown gets 409, or the others only, and is told."""
    vista, otra = abiertas[6], abiertas[7]
    _dar(api, vista["id"], claves["administracion"], "descartada", "un taller").raise_for_status()
    cuerpo = {"veredicto": "confirmada", "motivo": "lo que vi", "revision": vista["revision"]}
    ruta = f"/api/anomalias/{vista['id']}/veredicto"
    negada = api.post(ruta, json=cuerpo, headers=claves["analista"])
    es_problema(negada, 409, "ahora descartada por administracion-1 («un taller»)")
    varias = {
        "ids": [vista["id"], otra["id"]], "revisiones": [vista["revision"], otra["revision"]],
        "veredicto": "confirmada", "motivo": "lo que vi",
    }  # fmt: skip
    dado = api.post("/api/anomalias/veredictos", json=varias, headers=claves["analista"]).json()
    assert [c["anomalia"]["id"] for c in dado["cambiadas"]] == [otra["id"]]
    assert [(a["id"], a["estado"]) for a in dado["rechazadas"]] == [(vista["id"], "descartada")]
    assert lee(api, f"/api/anomalias/{vista['id']}")["estado"] == "descartada"
    fila = _anotadas(api, claves)[-1]["detalle"]
    assert (fila["rechazadas"], [a["id"] for a in fila["anomalias"]]) == (
        [vista["id"]],
        [otra["id"]],
    )
    otra_vez = api.post("/api/anomalias/veredictos", json=varias, headers=claves["analista"])
    es_problema(otra_vez, 409, vista["propietario_id"])
    corta = {**varias, "revisiones": [vista["revision"]]}
    es_problema(
        api.post("/api/anomalias/veredictos", json=corta, headers=claves["analista"]), 422, "ids"
    )
    nueva = {**cuerpo, "revision": lee(api, f"/api/anomalias/{vista['id']}")["revision"]}
    api.post(ruta, json=nueva, headers=claves["analista"]).raise_for_status()


def test_deshacer_devuelve_cada_una_a_como_estaba(
    api: httpx.Client, abiertas: list[dict[str, Any]], claves: dict[str, dict[str, str]]
) -> None:
    """An undo restores exactly what a verdict changed, but for what was judged since, once."""
    ids = [a["id"] for a in abiertas[8:12]]
    _dar(api, ids[0], claves["analista"], "descartada").raise_for_status()
    cuerpo = {"ids": ids, "veredicto": "confirmada", "motivo": "me equivoqué de filas"}
    dado = api.post("/api/anomalias/veredictos", json=cuerpo, headers=claves["analista"]).json()
    _dar(api, ids[1], claves["administracion"], "descartada", "un horno").raise_for_status()
    ruta = f"/api/anomalias/veredictos/{dado['anotacion']}/deshacer"
    es_problema(api.post(ruta), 401)
    es_problema(api.post(ruta, headers=claves["lectura"]), 403)
    deshecho = api.post(ruta, headers=claves["analista"]).json()
    ahora = {uno: lee(api, f"/api/anomalias/{uno}") for uno in ids}
    assert [ahora[uno]["estado"] for uno in ids] == [
        "descartada", "descartada", "abierta", "abierta",
    ]  # fmt: skip
    assert [a["id"] for a in deshecho["rechazadas"]] == [ids[1]]
    assert ahora[ids[1]]["veredicto"]["motivo"] == "un horno"
    assert ahora[ids[2]]["veredicto"]["motivo"] == "Deshecho: me equivoqué de filas"
    fila = _anotadas(api, claves)[-1]
    assert (fila["accion"], fila["objeto"]) == ("deshacer", f"veredicto {dado['anotacion']}")
    assert [a["estado"] for a in fila["detalle"]["anomalias"]] == [
        "descartada", "abierta", "abierta",
    ]  # fmt: skip
    es_problema(api.post(ruta, headers=claves["analista"]), 409, "nada que deshacer")
    es_problema(
        api.post("/api/anomalias/veredictos/999999/deshacer", headers=claves["analista"]), 404
    )


def test_lo_descartado_deja_de_estar_en_juego(
    api: httpx.Client, abiertas: list[dict[str, Any]], claves: dict[str, dict[str, str]]
) -> None:
    """Rejected anomalies count no more: not in the ranking, not in the energy at stake, at once."""
    antes = lee(api, "/api/clientes/ranking")["elementos"][0]
    kpis_antes = lee(api, "/api/dashboard/resumen")
    suyas_antes = lee(api, f"/api/estadisticas/cliente/{antes['propietario_id']}")
    semana = local(kpis_antes["desde"])
    recientes = [a for a in abiertas if local(a["timestamp_consumo"]) >= semana][:60]
    cuerpo = {
        "ids": [a["id"] for a in recientes], "veredicto": "descartada", "motivo": "un taller",
    }  # fmt: skip
    api.post(
        "/api/anomalias/veredictos", json=cuerpo, headers=claves["analista"]
    ).raise_for_status()
    despues = lee(api, "/api/clientes/ranking")["elementos"][0]
    assert despues["anomalias"] == antes["anomalias"] - len(recientes)
    assert despues["evidencia"] < antes["evidencia"]
    kpis = lee(api, "/api/dashboard/resumen")
    quitado = sum(abs(a["diferencia_kwh"] or 0) for a in recientes)
    suyas = lee(api, f"/api/estadisticas/cliente/{antes['propietario_id']}")
    assert (suyas_antes["descartadas"], suyas["descartadas"]) == (0, len(recientes))
    assert suyas["energia_en_juego_kwh"] == pytest.approx(
        suyas_antes["energia_en_juego_kwh"] - quitado, rel=1e-3, abs=1e-2
    )
    assert kpis["energia_en_juego_kwh"]["valor"] == pytest.approx(
        kpis_antes["energia_en_juego_kwh"]["valor"] - quitado, rel=1e-3, abs=1e-2
    )
    assert kpis["por_estado"]["descartada"] == len(recientes)
    assert lee(api, "/api/anomalias/distribuciones")["por_estado"]["descartada"] == len(recientes)


@pytest.mark.parametrize(
    ("cuerpo", "campo"),
    [
        ({"veredicto": "confirmada"}, "motivo"),
        ({"veredicto": "confirmada", "motivo": "  a  "}, "motivo"),
        ({"veredicto": "confirmada", "motivo": "x" * 501}, "motivo"),
        ({"veredicto": "quizá", "motivo": "no se sabe"}, "veredicto"),
        ({"veredicto": {"$ne": ""}, "motivo": "inyección"}, "veredicto"),
        ({"veredicto": "confirmada", "motivo": "ya visto", "quien": "otro"}, "quien"),
        ([], "cuerpo"),
    ],
)
def test_un_veredicto_mal_pedido(
    api: httpx.Client,
    abiertas: list[dict[str, Any]],
    claves: dict[str, dict[str, str]],
    cuerpo: Any,
    campo: str,
) -> None:
    """A verdict needs a word that exists and a reason; who says it is the key, not the body."""
    ruta = f"/api/anomalias/{abiertas[0]['id']}/veredicto"
    es_problema(api.post(ruta, json=cuerpo, headers=claves["analista"]), 422, campo)


@pytest.mark.parametrize(
    "ids", [[], ["1"], ["0" * 24] * 501, "0" * 24, [{"$gt": ""}], ["0" * 23 + "\x00"]]
)
def test_varias_mal_pedidas(api: httpx.Client, claves: dict[str, dict[str, str]], ids: Any) -> None:
    """From 1 to 500 ids, each of them one."""
    cuerpo = {"ids": ids, "veredicto": "descartada", "motivo": "no importa"}
    ruta = "/api/anomalias/veredictos"
    es_problema(api.post(ruta, json=cuerpo, headers=claves["analista"]), 422, "ids")


def test_un_motivo_puede_decir_cualquier_cosa(
    api: httpx.Client, abiertas: list[dict[str, Any]], claves: dict[str, dict[str, str]]
) -> None:
    """A reason is kept as it was written, whatever it looks like to a database or a browser."""
    motivo = '\'; DROP TABLE consumos_diarios; -- <script>alert(1)</script> ñ 🏭 {"$set": 1}'
    una = abiertas[4]["id"]
    _dar(api, una, claves["analista"], motivo=motivo).raise_for_status()
    assert lee(api, f"/api/anomalias/{una}")["veredicto"]["motivo"] == motivo
    for imposible in ("a\x00b", "a\x1bb"):
        es_problema(_dar(api, una, claves["analista"], motivo=imposible), 422, "motivo")
    suelto = b'{"veredicto": "descartada", "motivo": "medio \\ud83c car\xc3\xa1cter"}'
    ruta = f"/api/anomalias/{una}/veredicto"
    es_problema(api.post(ruta, content=suelto, headers=claves["analista"]), 422)


def test_sin_veredictos_de_un_cliente(api: httpx.Client, datos: Datos) -> None:
    """The verdicts on one customer's anomalies are only that customer's."""
    quien = datos.clientes[0]
    dados = lee(api, "/api/anomalias/veredictos", propietario_id=quien)["elementos"]
    assert {v["anomalia"]["propietario_id"] for v in dados} <= {quien}
    cuandos = [local(v["veredicto"]["cuando"]) for v in dados]
    assert all(c <= AHORA + timedelta(seconds=1) for c in cuandos)
