"""A stored history to learn from: in memory for most tests, in PostgreSQL for some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache

import numpy as np

from detection.detector import DetectorConsumo, ScoringTrace
from detection.domain import Historia, Lecturas, Veredictos, hora_absoluta
from detection.params import Params
from detection.simulation.synthesis import generate, make_population
from pipeline.stores.postgres.store import PostgresStore
from serving.local_time import load_calendario
from serving.settings import Settings
from training.dataset import Limites, Muestra, TrainingWindow, read_muestra, training_window
from training.history import InMemoryHistory

MADRID = load_calendario("Europe/Madrid")
PARAMS = Params()
HASTA = hora_absoluta(datetime(2026, 11, 20, tzinfo=UTC))
DIAS = 60
DESDE = HASTA - 24 * DIAS
CLIENTES, SOSPECHOSOS = 16, 3
PARTICIONES = 3
SEMILLA = 5


@dataclass(frozen=True)
class HistoriaEnMemoria:
    """Readings and their verdicts, which stay in sight, as the store would give them."""

    lecturas: Lecturas
    veredictos: Veredictos

    @cached_property
    def _historia(self) -> InMemoryHistory:
        return InMemoryHistory.of(self.lecturas, self.veredictos)

    def contar(self) -> Mapping[str, object]:
        return self._historia.contar()

    def customers(self, desde_hora: int, hasta_hora: int, partes: int = 1) -> list[str]:
        return self._historia.customers(desde_hora, hasta_hora, partes)

    def load_range(self, ids: Sequence[str], desde_hora: int, hasta_hora: int) -> Historia:
        return self._historia.load_range(ids, desde_hora, hasta_hora)


@lru_cache(maxsize=4)
def puntuadas(dias: int = DIAS, clientes: int = CLIENTES) -> tuple[Lecturas, ScoringTrace]:
    """Return a seeded population's readings, and what the live path made of them in batches."""
    desde = HASTA - 24 * dias
    sospechosos = min(SOSPECHOSOS, clientes - 1)
    poblacion = make_population(SEMILLA, clientes, sospechosos, desde, HASTA)
    lecturas = generate(poblacion, desde, HASTA, MADRID).lecturas()
    return lecturas, en_vivo(lecturas)


def guardar_puntuadas(entorno: Settings, dias: int = DIAS, clientes: int = CLIENTES) -> None:
    """Store that population's readings with their verdicts."""
    lecturas, crudos = puntuadas(dias, clientes)
    with closing(PostgresStore(entorno)) as almacen:
        almacen.save(lecturas, crudos.veredictos)


def en_vivo(lecturas: Lecturas, lote: int = 997) -> ScoringTrace:
    """Return what a consumer's detector measured on readings that came in batches."""
    detector = DetectorConsumo(MADRID, PARAMS)
    n = len(lecturas)
    partes = [
        detector.measure(lecturas.elegir(np.arange(i, min(i + lote, n)))) for i in range(0, n, lote)
    ]
    columnas = {
        nombre: np.concatenate([getattr(p.veredictos, nombre) for p in partes])
        for nombre in Veredictos.__slots__
        if nombre != "version_modelo"
    }
    veredictos = replace(partes[0].veredictos, **columnas)
    crudos = {
        nombre: np.concatenate([getattr(p, nombre) for p in partes])
        for nombre in ScoringTrace.__slots__
        if nombre != "veredictos"
    }
    return ScoringTrace(veredictos=veredictos, **crudos)


def en_memoria(dias: int = DIAS, clientes: int = CLIENTES) -> HistoriaEnMemoria:
    """Return that population as a stored history."""
    lecturas, crudos = puntuadas(dias, clientes)
    return HistoriaEnMemoria(lecturas, crudos.veredictos)


def ventana(dias: int = 90) -> TrainingWindow:
    """Return the window of the population's history."""
    return training_window(DESDE, HASTA - 1, dias)


def leer(
    almacen: object | None = None,
    *,
    semilla: int = SEMILLA,
    confirmados: dict[str, int] | None = None,
    limites: Limites | None = None,
    de: TrainingWindow | None = None,
) -> Muestra:
    """Return the sample of a history, of the population's in memory if none is given."""
    return read_muestra(
        almacen or en_memoria(),  # type: ignore[arg-type]
        MADRID,
        de or ventana(),
        semilla=semilla,
        confirmados=confirmados or {},
        particiones=PARTICIONES,
        limites=limites,
    )
