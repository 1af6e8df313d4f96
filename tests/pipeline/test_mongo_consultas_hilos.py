"""Many threads ask while anomalies of customers that nobody has seen yet come in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
from contracts.fakes import explicar, hacer_lote
from contracts.sondas import AnomaliasMongo

from detection.domain import hora_absoluta
from pipeline.stores.anomaly_records import FiltroAnomalias
from pipeline.stores.mongo.queries import MongoQueries
from serving.settings import Settings

AHORA = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
H = hora_absoluta(AHORA.replace(minute=0))
HILOS, VUELTAS, POR_VUELTA = 6, 6, 8
HORAS = 5


@pytest.fixture
def entorno(entorno_mongo: Settings) -> Settings:
    return entorno_mongo


@pytest.fixture
def sonda(entorno: Settings) -> Iterator[AnomaliasMongo]:
    """Give a store without anomalies."""
    sonda = AnomaliasMongo(entorno)
    sonda.store.ensure_indexes()
    yield sonda
    sonda.store.close()
    sonda.cliente.close()


@pytest.fixture(params=[True, False], ids=["embebido", "mongodb"])
def consultas(entorno: Settings, request: pytest.FixtureRequest) -> Iterator[MongoQueries]:
    """Give what asks of it."""
    consultas = MongoQueries(entorno, reloj=lambda: AHORA, embebido=request.param)
    consultas.ensure_indexes()
    yield consultas
    consultas.close()


def _guardar(sonda: AnomaliasMongo, clientes: list[str], antes_de: int = H) -> None:
    """Store an anomaly at each of some hours of each customer, as many kWh as its name says."""
    claves = [(cliente, antes_de - 1 - hora) for cliente in clientes for hora in range(HORAS)]
    n = len(claves)
    kwh = [float(cliente[1:]) for cliente, _ in claves]
    lecturas, veredictos = hacer_lote(claves, kwh, severidad=[2] * n, score=[70] * n)
    nuevas = np.zeros(n, np.bool_)
    sonda.store.save(lecturas, veredictos, explicar(veredictos), nuevas, H)


def test_nadie_ve_un_cliente_por_otro(sonda: AnomaliasMongo, consultas: MongoQueries) -> None:
    """Whatever comes meanwhile, an answer has whole customers, each with its own anomalies."""

    def ranking() -> None:
        for fila in consultas.ranking.first(500):
            assert fila.anomalias == HORAS
            assert fila.exceso_kwh == pytest.approx(HORAS * (float(fila.propietario_id[1:]) - 1))

    def incidentes() -> None:
        filtro = FiltroAnomalias(severidades=("media",))
        for uno in consultas.summaries.incidents(filtro, limite=500).elementos:
            assert uno.consumo_kwh == HORAS * float(uno.propietario_id[1:])
            assert len(set(uno.anomalia_ids)) == HORAS

    def distribuciones() -> None:
        assert consultas.summaries.distributions(FiltroAnomalias()).total % HORAS == 0

    def preguntar(hilo: int) -> None:
        preguntas: list[Callable[[], None]] = [ranking, incidentes, distribuciones]
        for i in range(VUELTAS):
            preguntas[(hilo + i) % len(preguntas)]()
            consultas.forget()

    antes = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(HILOS) as hilos:
            preguntan = [hilos.submit(preguntar, hilo) for hilo in range(HILOS)]
            for vuelta in range(VUELTAS):
                primero = 2 + POR_VUELTA * vuelta
                for cliente in range(primero, primero + POR_VUELTA):
                    _guardar(sonda, [f"C{cliente}"])
            for pregunta in preguntan:
                pregunta.result()
    finally:
        sys.setswitchinterval(antes)
    consultas.forget()
    assert len(consultas.ranking.first(500)) == POR_VUELTA * VUELTAS
