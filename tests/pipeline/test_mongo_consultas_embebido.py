"""MongoDB's pipelines and the one read of the embedded server add up to the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import product
from typing import Any

import numpy as np
import pytest
from apoyo_consultas import AHORA, CLIENTES, HASTA
from contracts.fakes import explicar, hacer_lote
from contracts.sondas import AnomaliasMongo

from detection.domain import hora_absoluta
from pipeline.stores.anomaly_records import ClienteRanking, FiltroAnomalias
from pipeline.stores.mongo import query_embedded
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.query_limits import ConsultaInvalidaError, por_tramos
from serving.settings import Settings

DIA = timedelta(days=1)
HORA = timedelta(hours=1)
H = hora_absoluta(AHORA.replace(minute=0))
DE_CADA_UNA = 5
ZONAS = ("Europe/Madrid", "Asia/Kathmandu", "America/Santiago")
FILTROS = {
    "sin nada": FiltroAnomalias(),
    "de unos días": FiltroAnomalias(desde=HASTA - 20 * DIA, hasta=HASTA - 9 * DIA),
    "de antes": FiltroAnomalias(desde=HASTA - 63 * DIA, hasta=HASTA - 36 * DIA),
    "hasta un día": FiltroAnomalias(hasta=HASTA - 30 * DIA),
    "entre horas": FiltroAnomalias(desde=HASTA - 50 * HORA, hasta=HASTA - 1.5 * HORA),
    "graves": FiltroAnomalias(severidades=("alta", "crítica")),
    "normales ya": FiltroAnomalias(severidades=("normal",)),
    "todas las severidades": FiltroAnomalias(
        severidades=("normal", "baja", "media", "alta", "crítica")
    ),
    "de dos tipos": FiltroAnomalias(tipos=("fraude", "pico_consumo")),
    "juzgadas y críticas": FiltroAnomalias(
        severidades=("crítica",), estados=("confirmada", "descartada")
    ),
    "de un cliente": FiltroAnomalias(CLIENTES[4], desde=HASTA - 60 * DIA, hasta=HASTA),
    "ninguna": FiltroAnomalias("NADIE"),
}
CON_ARCHIVO = FiltroAnomalias(con_archivo=True)
EN_BREVE = {
    ("sin nada", True), ("de unos días", True), ("entre horas", False), ("graves", True),
    ("normales ya", False), ("juzgadas y críticas", False), ("de un cliente", True),
    ("ninguna", True),
}  # fmt: skip
FORMAS = [
    forma if forma in EN_BREVE else pytest.param(*forma, marks=pytest.mark.lenta)
    for forma in product(FILTROS, (False, True))
]
"""Every filter, with the archive and without; those that bring much are asked for at length."""

Ambas = Callable[[Callable[[MongoQueries], Any]], tuple[Any, Any]]


def _pedir_a_las_dos(settings: Settings) -> Iterator[Ambas]:
    dos = [MongoQueries(settings, reloj=lambda: AHORA, embebido=uno) for uno in (True, False)]
    yield lambda pedir: (pedir(dos[0]), pedir(dos[1]))
    for una in dos:
        una.close()


@pytest.fixture
def entorno(entorno_mongo: Settings) -> Settings:
    return entorno_mongo


@pytest.fixture(params=ZONAS)
def en_zona(con_anomalias: Settings, request: pytest.FixtureRequest) -> Iterator[Ambas]:
    """Give what asks both ways, in some zones: of half hours, and of midnights that are not."""
    yield from _pedir_a_las_dos(con_anomalias.model_copy(update={"zona_horaria": request.param}))


@pytest.fixture
def ambas(con_anomalias: Settings) -> Iterator[Ambas]:
    """Give what asks both ways."""
    yield from _pedir_a_las_dos(con_anomalias)


def _casi(filas: list[ClienteRanking]) -> list[tuple[Any, ...]]:
    """Return customers with their sums to twelve digits: they are added in another order."""
    return [
        tuple(
            float(f"{valor:.12g}") if isinstance(valor, float) else valor
            for valor in fila.model_dump().values()
        )
        for fila in filas
    ]


@pytest.mark.parametrize(("caso", "con_archivo"), FORMAS)
def test_lo_mismo_con_cada_filtro(ambas: Ambas, caso: str, con_archivo: bool) -> None:
    """Distributions, series and incidents of any filter, archived or not, page after page."""
    filtro = FILTROS[caso]._replace(con_archivo=con_archivo)
    reparto = ambas(lambda c: c.summaries.distributions(filtro))
    assert reparto[0] == reparto[1]
    assert (reparto[0].total == 0) == (caso == "ninguna")
    for descendente in (True, False):
        por_score = ambas(
            lambda c, descendente=descendente: list(
                por_tramos(
                    lambda cursor: c.lists.page(
                        filtro, orden="score", descendente=descendente, limite=90, cursor=cursor
                    )
                )
            )
        )
        assert por_score[0] == por_score[1]
        assert sum(map(len, por_score[0])) == reparto[0].total
    desde, hasta = filtro.desde or HASTA - 30 * DIA, filtro.hasta or HASTA
    if desde < hasta:
        dias = ambas(lambda c: c.summaries.series(desde, hasta, "dia", filtro))
        assert dias[0] == dias[1]
    for hueco in (0, 24):
        incidentes = ambas(
            lambda c, hueco=hueco: list(
                por_tramos(
                    lambda cursor: c.summaries.incidents(
                        filtro, hueco_horas=hueco, limite=29, cursor=cursor
                    )
                )
            )
        )
        assert incidentes[0] == incidentes[1]


@pytest.mark.parametrize("cliente", [*CLIENTES[3:6], "NADIE"])
def test_lo_mismo_de_lo_descartado(ambas: Ambas, cliente: str) -> None:
    """What people discarded of a customer, archived or not."""
    dias = ambas(lambda c: c.summaries.rejected(cliente, HASTA - 60 * DIA, HASTA))
    assert dias[0].anomalias == dias[1].anomalias
    assert dias[0] == pytest.approx(dias[1], rel=1e-12)
    assert (dias[0].anomalias == 0) == (cliente == "NADIE")


def test_lo_mismo_en_cada_zona(en_zona: Ambas) -> None:
    """Local days and hours are the same ones, over a change of the clock."""
    for por, dias in (("dia", 60), ("hora", 30)):
        serie = en_zona(
            lambda c, por=por, dias=dias: c.summaries.series(
                HASTA - dias * DIA - HORA, HASTA, por, CON_ARCHIVO
            )
        )
        assert serie[0] == serie[1]
        assert sum(punto.total for punto in serie[0]) > 100
    reparto = en_zona(lambda c: c.summaries.distributions(FiltroAnomalias()))
    assert reparto[0] == reparto[1]


@pytest.mark.parametrize("hace", [0, 3, 29])
def test_lo_mismo_a_cualquier_hora(ambas: Ambas, hace: int) -> None:
    """The summary and the ranking, of now and of before."""
    ahora = AHORA - hace * DIA
    uno, otro = ambas(lambda c: c.summaries.overview(ahora))
    assert uno[:2] == otro[:2]
    assert uno[2:] == pytest.approx(otro[2:])
    for orden in ("evidencia", "kwh", "visita", "anomalias"):
        puestos = ambas(lambda c, orden=orden: c.ranking.first(50, ahora, orden))
        assert _casi(puestos[0]) == _casi(puestos[1])
        assert len(puestos[0]) == len(CLIENTES)
    motivos = ambas(lambda c: c.ranking.reasons([*CLIENTES, "NADIE"], 5, ahora))
    assert motivos[0] == motivos[1]


@pytest.fixture
def iguales(entorno: Settings) -> Settings:
    """Give customers whose anomalies are all alike, of three days."""
    sonda = AnomaliasMongo(entorno)
    sonda.store.ensure_indexes()
    claves = [
        (cliente, H - 24 * dias - hora)
        for cliente, dias, hora in product(("C2", "c1", "ñ", "C10"), range(3), range(DE_CADA_UNA))
    ]
    n = len(claves)
    lecturas, veredictos = hacer_lote(claves, [2.0] * n, severidad=[2] * n, score=[70] * n)
    sonda.store.save(lecturas, veredictos, explicar(veredictos), np.zeros(n, np.bool_), H)
    sonda.store.close()
    sonda.cliente.close()
    return entorno


def test_lo_mismo_con_empates(iguales: Settings) -> None:
    """Of customers that are equal the first by name comes first, and so it does of incidents."""
    for ambas in _pedir_a_las_dos(iguales):
        puestos = ambas(lambda c: c.ranking.first(3))
        assert _casi(puestos[0]) == _casi(puestos[1])
        assert [fila.propietario_id for fila in puestos[0]] == ["C10", "C2", "c1"]
        paginas = ambas(lambda c: c.summaries.incidents(FiltroAnomalias(), limite=5))
        assert paginas[0] == paginas[1]
        siguientes = ambas(
            lambda c, cursor=paginas[0].siguiente: c.summaries.incidents(
                FiltroAnomalias(), limite=5, cursor=cursor
            )
        )
        assert siguientes[0] == siguientes[1]
        juntos = [*paginas[0].elementos, *siguientes[0].elementos]
        assert [uno.propietario_id for uno in juntos] == ["C10", "C2", "c1", "ñ"] * 2 + [
            "C10",
            "C2",
        ]


def test_lo_que_no_cabe_se_dice(iguales: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """More anomalies than the embedded server reads in some seconds are refused, and say why."""
    monkeypatch.setattr(query_embedded, "ANOMALIAS_MAXIMAS", 3 * DE_CADA_UNA)
    consultas = MongoQueries(iguales, reloj=lambda: AHORA)
    for refusada in (
        consultas.summaries.overview,
        lambda: consultas.summaries.distributions(FiltroAnomalias()),
        lambda: consultas.summaries.series(AHORA - 20 * DIA, AHORA),
        lambda: consultas.summaries.incidents(FiltroAnomalias()),
        consultas.ranking.first,
        lambda: consultas.lists.page(orden="score"),
    ):
        with pytest.raises(ConsultaInvalidaError, match=r"hay más de 15 .* menos días"):
            refusada()
    # What fits is given, though what lies around it does not fit.
    assert consultas.summaries.distributions(FiltroAnomalias("C2")).total == 3 * DE_CADA_UNA
    for dias in range(3):
        ultima = HASTA - dias * DIA
        filtro = FiltroAnomalias(desde=ultima - 3 * HORA, hasta=ultima)
        assert consultas.summaries.distributions(filtro).total == 12
    consultas.close()


def test_a_mongodb_no_se_le_pone_ese_limite(
    iguales: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MongoDB adds up whatever there is; what the server says it is decides."""
    monkeypatch.setattr(query_embedded, "ANOMALIAS_MAXIMAS", 1)
    consultas = MongoQueries(iguales, reloj=lambda: AHORA, embebido=False)
    assert consultas.summaries.distributions(FiltroAnomalias()).total == 12 * DE_CADA_UNA
    consultas.close()
