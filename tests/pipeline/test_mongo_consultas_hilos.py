"""Many threads ask while anomalies of customers that nobody has seen yet come in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from contracts.fakes import explicar, hacer_lote
from contracts.sondas import AnomaliasMongo

from detection.domain import hora_absoluta
from pipeline.stores.anomaly_records import FiltroAnomalias
from pipeline.stores.mongo import query_summaries
from pipeline.stores.mongo.queries import MongoConsultas
from pipeline.stores.query_limits import ConsultaInvalidaError
from serving.settings import Settings

AHORA = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
H = hora_absoluta(AHORA.replace(minute=0))
HILOS, VUELTAS, POR_VUELTA = 6, 6, 8
HORAS = 5


@pytest.fixture
def sonda(entorno: Settings) -> Iterator[AnomaliasMongo]:
    """Give a store without anomalies."""
    sonda = AnomaliasMongo(entorno)
    sonda.store.ensure_indexes()
    yield sonda
    sonda.store.close()
    sonda.cliente.close()


@pytest.fixture
def consultas(entorno: Settings) -> Iterator[MongoConsultas]:
    """Give what asks of it."""
    consultas = MongoConsultas(entorno, reloj=lambda: AHORA)
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


def test_nadie_ve_un_cliente_por_otro(sonda: AnomaliasMongo, consultas: MongoConsultas) -> None:
    """Whatever comes meanwhile, an answer has whole customers, each with its own anomalies."""

    def ranking() -> None:
        for fila in consultas.ranking(500):
            assert fila.anomalias == HORAS
            assert fila.exceso_kwh == pytest.approx(HORAS * (float(fila.propietario_id[1:]) - 1))

    def incidentes() -> None:
        filtro = FiltroAnomalias(severidades=("media",))
        for uno in consultas.incidentes(filtro, limite=500).elementos:
            assert uno.consumo_kwh == HORAS * float(uno.propietario_id[1:])
            assert len(set(uno.anomalia_ids)) == HORAS

    def distribuciones() -> None:
        assert consultas.distribuciones(FiltroAnomalias()).total % HORAS == 0

    def preguntar(hilo: int) -> None:
        preguntas: list[Callable[[], None]] = [ranking, incidentes, distribuciones]
        for i in range(VUELTAS):
            preguntas[(hilo + i) % len(preguntas)]()
            consultas.forget(AHORA)

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
    consultas.forget(AHORA)
    assert len(consultas.ranking(500)) == POR_VUELTA * VUELTAS


def test_lo_que_no_cabe_se_dice(
    sonda: AnomaliasMongo, consultas: MongoConsultas, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more anomalies than can be looked at no answer claims to be whole."""
    monkeypatch.setattr(query_summaries, "ANOMALIAS_MAXIMAS", 7)
    _guardar(sonda, ["C2", "C3"])
    resumen = consultas.resumen()
    assert not resumen.completo
    assert resumen.ultimos_30d.total == 7
    assert consultas.incidentes(FiltroAnomalias()).truncado
    assert consultas.ranking_truncado()
    assert sum(fila.anomalias for fila in consultas.ranking()) == 7
    for refusada in (
        lambda: consultas.distribuciones(FiltroAnomalias()),
        lambda: consultas.series(AHORA - timedelta(days=3), AHORA),
        lambda: consultas.anomalias(orden="score"),
    ):
        with pytest.raises(ConsultaInvalidaError, match="menos días"):
            refusada()
    assert consultas.distribuciones(FiltroAnomalias("C2")).total == HORAS
    monkeypatch.setattr(query_summaries, "ANOMALIAS_MAXIMAS", 100)
    consultas.forget(AHORA)
    assert not consultas.ranking_truncado()


@pytest.mark.parametrize("maximo", [12, 25])
def test_lo_que_cabe_se_dice_aunque_lo_demas_no_quepa(
    sonda: AnomaliasMongo,
    consultas: MongoConsultas,
    monkeypatch: pytest.MonkeyPatch,
    maximo: int,
) -> None:
    """Too many anomalies of a month are no reason to refuse those of a day, or of an hour."""
    monkeypatch.setattr(query_summaries, "ANOMALIAS_MAXIMAS", maximo)
    clientes = ["C2", "C3"]
    for dias in range(3):
        _guardar(sonda, clientes, H - 24 * dias)
    horas = [AHORA.replace(minute=0) - timedelta(hours=hora) for hora in (1, 25, 49)]
    for ultima in horas:
        for atras, hay in ((0, 2), (4, 10)):
            entre = FiltroAnomalias(
                desde=ultima - timedelta(hours=atras), hasta=ultima + timedelta(hours=1)
            )
            assert consultas.distribuciones(entre).total == hay
    with pytest.raises(ConsultaInvalidaError, match="menos días"):
        consultas.distribuciones(FiltroAnomalias())
