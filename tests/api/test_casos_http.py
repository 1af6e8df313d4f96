"""Cases over HTTP: which there are, in which order, and what is known of one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from urllib.parse import quote

import httpx
import pyarrow.parquet as pq
import pytest
from apoyo_api import base_nueva, es_problema, servir
from apoyo_rutas import lee, todo
from contracts.fakes import hacer_caso
from contracts.sondas import CasosMongo

from pipeline.embedded.services import EmbeddedServices

RARO = "Ana/B ñ=1"
CASOS = [
    hacer_caso("A", energia_en_juego_kwh=100.0, fecha_inicio=date(2026, 11, 1)),
    hacer_caso("B", energia_en_juego_kwh=300.0, probabilidad=0.5, fecha_inicio=date(2026, 10, 1)),
    hacer_caso(RARO, energia_en_juego_kwh=200.0, tipo="fraude"),
    hacer_caso("C", energia_en_juego_kwh=900.0, fecha_cierre=date(2026, 11, 18)),
    hacer_caso("D", energia_en_juego_kwh=800.0),
    hacer_caso("E", energia_en_juego_kwh=50.0, tipo="ausencia", probabilidad=0.01),
]


@pytest.fixture(scope="module")
def api(servicios: EmbeddedServices) -> Iterator[httpx.Client]:
    """Give the API over cases: three open ones, one over, one rejected and one of innocent kind."""
    with base_nueva(servicios, migrada=True) as settings:
        with closing(CasosMongo(settings)) as sonda:
            sonda.store.save(CASOS)
            sonda.poner_estado(CASOS[4].clave, "descartado")
            ana = {"estado": "asignado", "asignado_a": "ana"}
            sonda.coleccion.update_one({"_id": CASOS[0].clave}, {"$set": ana})
        with servir(settings) as http:
            yield http


def _clientes(api: httpx.Client, **parametros: object) -> list[str]:
    return [caso["propietario_id"] for caso in todo(api, "/api/casos", **parametros)]


def test_por_defecto_los_abiertos_y_primero_donde_mas_se_recupera(api: httpx.Client) -> None:
    """Those that go on and that nobody has judged; energy times how probable it is."""
    assert _clientes(api) == [RARO, "B", "A"]
    assert _clientes(api, limite=1) == [RARO, "B", "A"]
    assert _clientes(api, orden="probabilidad", limite=2) == ["A", RARO, "B"]
    assert _clientes(api, orden="antiguedad", limite=2) == ["B", "A", RARO]


@pytest.mark.parametrize(
    ("parametros", "clientes"),
    [
        ({"abiertos": "false"}, ["C", "D", RARO, "B", "A"]),
        ({"abiertos": "false", "estado": "terminado"}, ["C"]),
        ({"abiertos": "false", "estado": ["terminado", "descartado"]}, ["C", "D"]),
        ({"estado": "descartado"}, []),
        ({"tipo": "fraude"}, [RARO]),
        ({"propietario_id": "B"}, ["B"]),
        ({"propietario_id": "NADIE"}, []),
        ({"asignado_a": "ana"}, ["A"]),
        ({"asignado_a": "nadie"}, []),
        ({"desde": "2026-11-09", "orden": "antigüedad"}, ["B", "A", RARO]),
        ({"desde": "2026-11-10"}, []),
        ({"hasta": "2026-11-08"}, []),
        ({"version_modelo": "v1"}, [RARO, "B", "A"]),
        ({"version_modelo": "v2"}, []),
        ({"clase": "inocente"}, ["E"]),
        ({"clase": "todos"}, [RARO, "B", "A", "E"]),
        ({"tipo": "ausencia"}, ["E"]),
        ({"tipo": "ausencia", "clase": "sospechoso"}, []),
        ({"tipo": ["ausencia", "fraude"]}, [RARO, "E"]),
    ],
)
def test_los_filtros(api: httpx.Client, parametros: dict, clientes: list[str]) -> None:
    """Each narrows the list."""
    assert _clientes(api, **parametros) == clientes


def test_uno_con_lo_que_se_penso_dia_a_dia(api: httpx.Client) -> None:
    """By its id, whatever is in a customer's name; the list says the same of it."""
    clave = CASOS[2].clave
    caso = lee(api, f"/api/casos/{quote(clave)}")
    evidencia = caso.pop("evidencia")
    for campo in ("comentarios", "historial", "detectores", "contra"):
        assert caso.pop(campo) == []
    assert (caso.pop("contexto"), caso.pop("exceso_potencia")) == (None, None)
    assert [dia["fecha"] for dia in evidencia] == [f"2026-11-{d:02d}" for d in range(9, 21)]
    assert caso == lee(api, "/api/casos")["elementos"][0]
    assert (caso["id"], caso["dias"], caso["abierto"]) == (clave, 18, True)
    assert caso["recuperable_kwh"] == 180.0
    assert lee(api, f"/api/casos/{quote(clave, safe='')}")["id"] == clave
    acabado = lee(api, f"/api/casos/{CASOS[3].clave}")
    assert (acabado["estado"], acabado["fecha_cierre"], acabado["dias"]) == (
        "terminado", "2026-11-18", 16,
    )  # fmt: skip


def test_uno_inocente_se_ve_y_no_cuenta(api: httpx.Client) -> None:
    """In no count, no list of the day and no indicator; on the calendar, below the others."""
    (uno,) = todo(api, "/api/casos", clase="inocente")
    assert (uno["inocente"], uno["tipo"], uno["estado"]) == (True, "ausencia", "nuevo")
    assert lee(api, f"/api/casos/{uno['id']}")["inocente"] is True
    assert "E" not in {c["propietario_id"] for c in lee(api, "/api/casos/hoy")["elementos"]}
    # With the one that was rejected on no known day.
    assert lee(api, "/api/casos/resumen")["abiertos"] == 4
    filas = lee(api, "/api/casos/calendario")["filas"]
    assert [(f["propietario_id"], f["inocente"]) for f in filas][-1] == ("E", True)
    filas = lee(api, "/api/casos/calendario", clase="sospechoso")["filas"]
    assert [f["inocente"] for f in filas] == [False] * 3


def test_lo_que_no_se_puede_pedir(api: httpx.Client) -> None:
    """What is not there is 404, what is wrong 422, in Spanish."""
    es_problema(api.get("/api/casos/NADIE_2026-11-09"), 404, "no existe el caso NADIE_2026-11-09")
    es_problema(api.get("/api/casos/NADIE"), 404)
    es_problema(api.get(f"/api/casos/{CASOS[0].clave}/veredicto"), 405)
    for dia in ("0", "2026-13-01", "20261101"):
        es_problema(api.get(f"/api/casos?desde={dia}"), 422, "desde")
    for malo in (
        "estado=abierta",
        "tipo=raro",
        "clase=otra",
        "orden=color",
        "limite=501",
        "cursor=zzz",
        "x=1",
    ):
        es_problema(api.get(f"/api/casos?{malo}"), 422)
    de_otra = lee(api, "/api/casos", limite=1)["siguiente"]
    es_problema(api.get(f"/api/casos?orden=antiguedad&cursor={de_otra}"), 422, "cursor")


def test_la_lista_se_baja_entera(api: httpx.Client) -> None:
    """As CSV and as Parquet, harmless to spreadsheets, in the order of the list."""
    filas = list(csv.DictReader(io.StringIO(api.get("/api/casos?formato=csv").text, newline="")))
    casos = lee(api, "/api/casos")["elementos"]
    assert [f["propietario_id"] for f in filas] == [c["propietario_id"] for c in casos]
    assert list(casos[0])[:20] == list(filas[0])[:20]
    assert {"asignado_a", "visita_fecha", "veredicto_motivo", "resultado_hallado"} <= set(filas[0])
    assert float(filas[0]["recuperable_eur"]) == casos[0]["recuperable_eur"]
    assert (filas[0]["fecha_inicio"], filas[0]["fecha_cierre"]) == ("2026-11-03", "")
    tabla = pq.read_table(io.BytesIO(api.get("/api/casos?formato=parquet").content))
    assert tabla["fecha_inicio"].to_pylist() == [
        date.fromisoformat(c["fecha_inicio"]) for c in casos
    ]


def test_los_casos_van_primero_en_el_orden_por_sospecha(api: httpx.Client) -> None:
    """With the sentence of the case, before anybody who has none; also without an anomaly."""
    filas = lee(api, "/api/clientes/ranking")["elementos"]
    assert [f["propietario_id"] for f in filas] == [RARO, "A", "B"]
    for fila in filas:
        caso = lee(api, f"/api/casos/{quote(fila['caso'])}")
        assert fila["motivos"] == [caso["frase"]]
        assert fila["caso_desde"] == caso["fecha_inicio"]
        assert fila["energia_en_juego_eur"] == caso["energia_en_juego_eur"]
        assert (fila["es_sospechoso"], fila["ultima_anomalia"]) == (True, None)
    assert lee(api, "/api/dashboard/top-anomalias")["elementos"] == filas
    tabla = pq.read_table(io.BytesIO(api.get("/api/clientes/ranking?formato=parquet").content))
    assert tabla["caso"].to_pylist() == [f["caso"] for f in filas]
