"""Populations in memory, and what their versions see of some days of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import HORAS_POR_DIA, hora_absoluta
from detection.models.isolation_forest import FlatIsolationForest
from detection.params import Params
from detection.scoring_model import ScoringModel
from detection.simulation.synthesis import GeneratedReadings, generate, make_population
from serving.local_time import load_calendario
from training.calibrate import calibrate
from training.drift import PASADO_DIAS, Recientes, read_actual
from training.history import HeldOut, InMemoryHistory, readings_of

MADRID = load_calendario("Europe/Madrid")
PARAMS = Params()
INICIO = hora_absoluta(datetime(2026, 1, 1, tzinfo=UTC))
MES_DIAS = 28
SEMILLAS = (7001, 7002, 7003)
"""Drawn once and never looked at while the thresholds were set (those were 1 to 34)."""
AHORA = datetime(2026, 4, 3, 6, tzinfo=UTC)

Cambio = Callable[[NDArray[np.int64], NDArray[np.float32]], NDArray[np.float32]]


def en_memoria(sinteticas: GeneratedReadings, cambio: Cambio | None = None) -> InMemoryHistory:
    """Return generated readings as a history in which nothing was flagged."""
    clientes, cliente = np.unique(sinteticas.propietario_id, return_inverse=True)
    kwh = sinteticas.consumo_kwh.astype(np.float32)
    if cambio is not None:
        kwh = cambio(sinteticas.hora_utc, kwh)
    return InMemoryHistory(clientes.tolist(), cliente, sinteticas.hora_utc, kwh)


MES = Recientes(
    INICIO + PASADO_DIAS * HORAS_POR_DIA, INICIO + (PASADO_DIAS + MES_DIAS) * HORAS_POR_DIA
)
"""26 February to 25 March: winter."""
SEMANA = Recientes(MES.hasta_hora + 24, MES.hasta_hora + 8 * 24)
"""27 March to 2 April: spring, and the clocks change on the 29th."""


@lru_cache(maxsize=4)
def poblacion(semilla: int, clientes: int = 50, sospechosos: int = 3) -> GeneratedReadings:
    """Return readings from 1 January to the end of ``SEMANA``."""
    gente = make_population(semilla, clientes, sospechosos, INICIO, SEMANA.hasta_hora)
    return generate(gente, INICIO, SEMANA.hasta_hora, MADRID)


@lru_cache(maxsize=4)
def version(semilla: int, clientes: int = 50, sospechosos: int = 3) -> ScoringModel:
    """Return a version that was fitted and calibrated on ``MES``."""
    from sklearn.ensemble import IsolationForest

    almacen = en_memoria(poblacion(semilla, clientes, sospechosos))
    ids = almacen.customers(INICIO, MES.hasta_hora)
    historia = almacen.load_range(ids, INICIO, MES.hasta_hora)
    lecturas = readings_of(ids, historia).elegir(np.lexsort((historia.indice, historia.hora_utc)))
    rasgos = DetectorConsumo(MADRID, PARAMS).measure(lecturas).rasgos
    rasgos = rasgos[~np.isnan(rasgos).any(axis=1)][::20]
    bosque = IsolationForest(n_estimators=50, random_state=0).fit(rasgos)
    retenidas = HeldOut(
        lecturas, np.zeros(len(lecturas), np.int32), lecturas.hora_utc >= MES.desde_hora
    )
    return calibrate(
        "consumo-detector-1", FlatIsolationForest.from_sklearn(bosque), retenidas, MADRID
    )


def filas(semilla: int, cuando: Recientes, cambio: Cambio | None = None) -> pd.DataFrame:
    """Return some days of a population as its version sees them."""
    almacen = en_memoria(poblacion(semilla), cambio)
    return read_actual(almacen, MADRID, version(semilla), cuando, particiones=2)[0]


@lru_cache(maxsize=4)
def mes_normal(semilla: int) -> pd.DataFrame:
    """Return the reference."""
    return filas(semilla, MES)


def mas(factor: float) -> Cambio:
    """Return a change: everybody uses so many times as much from ``SEMANA`` on."""

    def cambio(hora: NDArray[np.int64], kwh: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.where(hora >= SEMANA.desde_hora, kwh * np.float32(factor), kwh)

    return cambio
