"""No question to MongoDB reads a collection from end to end: each command sent is examined."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from apoyo_consultas import AHORA, CLIENTES, HASTA
from contracts.fakes import hacer_caso
from contracts.sondas import AnomaliasMongo, CasosMongo
from pymongo import monitoring

from pipeline.stores.anomaly_records import FiltroAnomalias
from pipeline.stores.case_records import FiltroCasos
from pipeline.stores.mongo.chunks import TRAMO_IDS
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.mongo.reviews import VeredictosMongo
from pipeline.stores.query_limits import encode_cursor
from serving.settings import Settings

DIA = timedelta(days=1)
UNO = CLIENTES[3]
ID = "0" * 21 + "200"
DE_UNOS_DIAS = FiltroAnomalias(
    desde=HASTA - 20 * DIA, hasta=HASTA, severidades=("alta",), tipos=("fraude",)
)
CON_ARCHIVO = FiltroAnomalias(con_archivo=True)
DE_UNOS_DIAS_Y_ARCHIVO = DE_UNOS_DIAS._replace(con_archivo=True)

PREGUNTAS: dict[str, Callable[[MongoQueries], object]] = {
    "últimas": lambda c: c.lists.page(limite=5),
    "últimas, segunda página": lambda c: c.lists.page(
        limite=5, cursor=c.lists.page(limite=5).siguiente
    ),
    "por consumo": lambda c: c.lists.page(CON_ARCHIVO, orden="consumo"),
    "críticas": lambda c: c.lists.page(FiltroAnomalias(severidades=("crítica",))),
    "críticas por consumo": lambda c: c.lists.page(
        CON_ARCHIVO._replace(severidades=("crítica",)), orden="consumo"
    ),
    "de un cliente": lambda c: c.lists.page(FiltroAnomalias(UNO)),
    "de un cliente por consumo": lambda c: c.lists.page(FiltroAnomalias(UNO), orden="consumo"),
    "juzgadas": lambda c: c.lists.page(FiltroAnomalias(estados=("confirmada", "descartada"))),
    "con filtro": lambda c: c.lists.page(DE_UNOS_DIAS, orden="consumo"),
    "por score": lambda c: c.lists.page(DE_UNOS_DIAS, orden="score"),
    "una": lambda c: c.lists.one(ID),
    "puntuaciones": lambda c: c.lists.scores(DE_UNOS_DIAS),
    "nuevas": lambda c: c.lists.new(c.lists.cursor_of(c.lists.page().elementos[-1])),
    "veredictos": lambda c: c.lists.latest_reviews(),
    "veredictos de un cliente": lambda c: c.lists.latest_reviews(propietario_id=UNO),
    "resumen": lambda c: c.summaries.overview(),
    "ranking": lambda c: c.ranking.first(),
    "motivos": lambda c: c.ranking.reasons([UNO]),
    "casos": lambda c: c.cases.page(FiltroCasos(solo_abiertos=True), orden="antiguedad"),
    "casos, segunda página": lambda c: c.cases.page(
        FiltroCasos(solo_abiertos=True),
        limite=2,
        cursor=c.cases.page(FiltroCasos(solo_abiertos=True), limite=2).siguiente,
    ),
    "casos en un estado": lambda c: c.cases.page(FiltroCasos(estados=("terminado",))),
    "casos de un cliente": lambda c: c.cases.page(FiltroCasos(UNO)),
    "un caso": lambda c: c.cases.one(f"{UNO}_2026-11-09"),
    "casos que lleva alguien": lambda c: c.cases.page(
        FiltroCasos(solo_abiertos=True, asignado_a="ana")
    ),
    "casos de unos días": lambda c: c.cases.page(
        FiltroCasos(solo_abiertos=True, desde=HASTA.date() - 30 * DIA)
    ),
    "casos que siguen": lambda c: c.cases.going_on(),
    "casos de hoy": lambda c: c.cases.of_day(3, 1, AHORA),
    "resumen de casos": lambda c: c.cases.summary(AHORA),
    "aciertos": lambda c: c.cases.outcomes(HASTA.date() - 90 * DIA, HASTA.date()),
    "detectores de un caso": lambda c: c.cases.detectors(
        c.cases.open_of(CLIENTES[:1]).popitem()[1]
    ),
    "casos nuevos": lambda c: c.cases.new(encode_cursor("casos-nuevos", HASTA, "")),
    "casos abiertos de unos": lambda c: c.cases.open_of(CLIENTES[:3]),
    "incidentes": lambda c: c.summaries.incidents(DE_UNOS_DIAS_Y_ARCHIVO),
    "distribuciones": lambda c: c.summaries.distributions(DE_UNOS_DIAS_Y_ARCHIVO),
    "descartadas": lambda c: c.summaries.rejected(UNO, HASTA - 9 * DIA, HASTA),
    "series": lambda c: c.summaries.series(HASTA - 9 * DIA, HASTA),
    "mensuales": lambda c: c.months.of_customer(UNO),
    "mensuales entre meses": lambda c: c.months.of_customer(UNO, "2026-01", "2026-05"),
    "un mes": lambda c: c.months.of_month("2026-03"),
    "un mes, segunda página": lambda c: c.months.of_month(
        "2026-03", limite=2, cursor=c.months.of_month("2026-03", limite=2)[1]
    ),
    "un mes por anomalías": lambda c: c.months.of_month("2026-03", orden="anomalias_detectadas"),
    "resumen de un mes": lambda c: c.months.total("2026-03"),
    "posición": lambda c: c.months.place(UNO, "2026-03"),
    "interanual": lambda c: c.months.year_on_year(UNO),
}


class Oyente(monitoring.CommandListener):
    """Keeps the commands of clients that are made while it listens."""

    def __init__(self) -> None:
        self.ordenes: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in {"find", "aggregate", "count", "distinct", "update"}:
            self.ordenes.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to keep."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to keep."""


@pytest.fixture(scope="module")
def con_meses(con_anomalias: Settings) -> Iterator[Settings]:
    """Give the anomalies, and three months of each customer and five cases beside them."""
    sonda = AnomaliasMongo(con_anomalias)
    mensuales = sonda.base["consumos_mensuales"]
    mensuales.insert_many(
        {
            "_id": f"{cliente}_{mes}", "propietario_id": cliente, "mes_str": mes,
            "consumo_total": float(i), "consumo_promedio": 1.0, "consumo_minimo": 0.0,
            "consumo_maximo": 2.0, "anomalias_detectadas": i, "anomalias_criticas": 0,
            "consumo_noche_promedio": 1.0, "consumo_punta_promedio": 1.0,
        }
        for mes in ("2026-03", "2026-04", "2026-05")
        for i, cliente in enumerate(CLIENTES)
    )  # fmt: skip
    with closing(CasosMongo(con_anomalias)) as casos:
        casos.store.save([hacer_caso(cliente) for cliente in CLIENTES[:5]])
        yield con_anomalias
        casos.coleccion.delete_many({})
    mensuales.delete_many({})
    sonda.store.close()
    sonda.cliente.close()


@pytest.fixture(scope="module")
def oyente() -> Oyente:
    """Return one that hears all clients from now on."""
    oyente = Oyente()
    monitoring.register(oyente)
    return oyente


def _filtro(orden: dict[str, Any]) -> dict[str, Any]:
    if "aggregate" in orden:
        return dict(orden["pipeline"][0]["$match"])
    if "update" in orden:
        return dict(orden["updates"][0]["q"])
    return dict(orden.get("filter") or orden.get("query") or {})


def _plan(sonda: AnomaliasMongo, orden: dict[str, Any], filtro: dict[str, Any]) -> str:
    coleccion = next(str(orden[nombre]) for nombre in orden if nombre in orden and nombre in {
        "find", "aggregate", "count", "update"})  # fmt: skip
    respuesta = sonda.base.command("explain", {"find": coleccion, "filter": filtro})
    return json.dumps(respuesta["queryPlanner"]["winningPlan"], default=str)


SUMAS = ("resumen", "ranking", "motivos", "por score", "incidentes", "distribuciones", "series")
CASOS = [*((caso, True) for caso in SUMAS), *((caso, False) for caso in PREGUNTAS)]


@pytest.mark.parametrize(("caso", "embebido"), CASOS)
def test_toda_pregunta_va_por_un_indice(
    con_meses: Settings, oyente: Oyente, caso: str, embebido: bool
) -> None:
    """Whatever is asked, an index leads to it.

    Where no index has all conditions the server walks the first one that has one: that is what the
    embedded server does, though its explanation does not say so.
    """
    consultas = MongoQueries(con_meses, reloj=lambda: AHORA, embebido=embebido)
    oyente.ordenes.clear()
    PREGUNTAS[caso](consultas)
    consultas.close()
    assert oyente.ordenes
    ordenes = list(oyente.ordenes)
    sonda = AnomaliasMongo(con_meses)
    for orden in ordenes:
        filtro = _filtro(orden)
        assert filtro, orden
        primera = dict([next(iter(filtro.items()))])
        planes = [_plan(sonda, orden, f) for f in (filtro, primera)]
        assert any("IXSCAN" in plan for plan in planes), (orden, planes)
        assert not any(str(campo).startswith("$") for campo in filtro), "no $or, no $where"
    sonda.store.close()
    sonda.cliente.close()


@pytest.mark.parametrize("caso", ["últimas", "con filtro", "críticas", "nuevas", "de un cliente"])
def test_toda_lista_tiene_limite(con_meses: Settings, oyente: Oyente, caso: str) -> None:
    """Every list has a limit, a time limit, and leaves out what is long."""
    consultas = MongoQueries(con_meses, limite_ms=1234, reloj=lambda: AHORA)
    oyente.ordenes.clear()
    PREGUNTAS[caso](consultas)
    consultas.close()
    for orden in oyente.ordenes:
        assert 0 < orden["limit"] <= 5_001
        assert orden["maxTimeMS"] == 1234
        assert orden["projection"] == {"explicacion": 0, "veredictos": 0}


def test_un_veredicto_va_por_el_id(con_meses: Settings, oyente: Oyente) -> None:
    """A verdict looks for its anomaly by its id alone."""
    veredictos = VeredictosMongo(con_meses)
    oyente.ordenes.clear()
    veredictos.dar_varios(["0" * 24], "confirmada", "no está", "ana")
    veredictos.close()
    assert oyente.ordenes
    assert all(next(iter(_filtro(orden))) == "_id" for orden in oyente.ordenes)


def test_muchas_anomalias_se_miran_por_partes(con_meses: Settings, oyente: Oyente) -> None:
    """However many are judged at once, no question names more than a server can bear."""
    veredictos = VeredictosMongo(con_meses)
    oyente.ordenes.clear()
    assert veredictos.look([f"f{i:023x}" for i in range(500)]) == []
    veredictos.close()
    pedidas = [len(_filtro(orden)["_id"]["$in"]) for orden in oyente.ordenes]
    assert max(pedidas) <= TRAMO_IDS
    assert sum(pedidas) >= 500


def test_una_lectura_sirve_a_toda_la_pantalla(con_meses: Settings, oyente: Oyente) -> None:
    """All that a screen asks of the last month costs the embedded server one read."""
    consultas = MongoQueries(con_meses, reloj=lambda: AHORA)
    oyente.ordenes.clear()
    consultas.summaries.overview()
    una = len(oyente.ordenes)
    consultas.ranking.first()
    assert [orden["find"] for orden in oyente.ordenes[una:]] == ["casos"]
    una += 1
    consultas.summaries.series(HASTA - 29 * DIA, HASTA)
    consultas.summaries.distributions(FiltroAnomalias(severidades=("alta",)))
    consultas.summaries.incidents(FiltroAnomalias(), hueco_horas=5)
    assert len(oyente.ordenes) == una > 0
    consultas.forget()
    consultas.summaries.overview()
    consultas.ranking.first()
    assert len(oyente.ordenes) == 2 * una
    # A customer's anomalies are few: one read of their own, however long ago they begin.
    de_uno = FiltroAnomalias(UNO, desde=HASTA - 399 * DIA, hasta=HASTA)
    consultas.summaries.distributions(de_uno)
    assert len(oyente.ordenes) == 2 * una + 1
    consultas.close()
