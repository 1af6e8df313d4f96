"""A stored history to learn from: in memory for most tests, in PostgreSQL for some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise

import numpy as np

from detection.detector import DetectorConsumo, ScoringTrace
from detection.domain import Historia, Lecturas, Veredictos, hora_absoluta, instante
from detection.params import Params
from detection.simulation.synthesis import generate, make_population
from serving.local_time import load_calendario
from training.dataset import Limites, Muestra, Ventana, make_ventana, read_muestra

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
    """The port ``training.dataset.Lector`` over columns, as the store would give them."""

    lecturas: Lecturas
    veredictos: Veredictos

    def contar(self) -> dict[str, object]:
        hora = self.lecturas.hora_utc
        return {"desde": instante(int(hora.min())), "hasta": instante(int(hora.max()))}

    def customers(self, desde_hora: int, hasta_hora: int, partes: int = 1) -> list[str]:
        hora, ids = self.lecturas.hora_utc, self.lecturas.propietario_id
        limites = [desde_hora + k * (hasta_hora - desde_hora) // partes for k in range(partes + 1)]
        presentes = [
            {ids[i] for i in np.flatnonzero((hora >= desde) & (hora < hasta))}
            for desde, hasta in pairwise(limites)
        ]
        return sorted(set.intersection(*presentes))

    def load_range(
        self, propietario_id: Sequence[str], desde_hora: int, hasta_hora: int
    ) -> Historia:
        numero = {p: i for i, p in enumerate(propietario_id)}
        indice = np.array([numero.get(p, -1) for p in self.lecturas.propietario_id], np.int64)
        hora, v = self.lecturas.hora_utc, self.veredictos
        filas = np.flatnonzero((indice >= 0) & (hora >= desde_hora) & (hora < hasta_hora))
        filas = filas[np.lexsort((hora[filas], indice[filas]))]
        return Historia(
            indice[filas],
            hora[filas],
            self.lecturas.consumo_kwh[filas].astype(np.float32),
            v.score_centesimas[filas],
            v.tipos[filas],
            ~np.isnan(v.esperado_kwh[filas]),
            v.es_sospechoso[filas],
        )


@lru_cache(maxsize=4)
def puntuadas(dias: int = DIAS, clientes: int = CLIENTES) -> tuple[Lecturas, ScoringTrace]:
    """Return a seeded population's readings, and what the live path made of them in batches."""
    desde = HASTA - 24 * dias
    sospechosos = min(SOSPECHOSOS, clientes - 1)
    poblacion = make_population(SEMILLA, clientes, sospechosos, desde, HASTA)
    lecturas = generate(poblacion, desde, HASTA, MADRID).lecturas()
    return lecturas, en_vivo(lecturas)


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


def ventana(dias: int = 90) -> Ventana:
    """Return the window of the population's history."""
    return make_ventana(DESDE, HASTA - 1, dias)


def leer(
    almacen: object | None = None,
    *,
    semilla: int = SEMILLA,
    confirmados: dict[str, int] | None = None,
    limites: Limites | None = None,
    de: Ventana | None = None,
) -> Muestra:
    """Return the sample of a history, of the population's in memory if none is given."""
    return read_muestra(
        almacen or en_memoria(),  # type: ignore[arg-type]
        MADRID,
        PARAMS,
        de or ventana(),
        semilla=semilla,
        confirmados=confirmados or {},
        particiones=PARTICIONES,
        limites=limites,
    )
