"""Rows to learn cases from: what the case clock sees at the end of a day, and what was true then.

The days, the onset and the row are made by the very loops that the clock runs
(``detection.cases.clock``); only the hours come from an array instead of from the ring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.cases.clock import DIAS_MINIMOS_CASO, case_row, make_scratch
from detection.cases.features import RASGOS_CASO
from detection.domain import HORAS_POR_DIA, Calendario
from detection.memory.daily import CANTIDADES, summarize_days
from detection.memory.day_memory import DIAS_MEMORIA
from detection.simulation.attack_courses import SIN_FIN
from detection.simulation.draws import Floats, index_of
from training.case_population import ATAQUE, CaseSeries

PASO_DIAS = 8
"""Days from one row of a series to its next. By hand, 2026-11-30: neighbours say the same."""
NUNCA = 1 << 30
"""Days since an onset that never comes."""
_SORTEO = 61
"""Stream of the first day of a series; ``case_population`` has 60."""
_RECIENTE_DIAS = 14


@dataclass(frozen=True, slots=True, eq=False)
class CaseRows:
    """Rows of many series, a day each."""

    rasgos: NDArray[np.float32]  # (n, RASGOS_CASO)
    atacada: NDArray[np.bool_]  # (n,): an attack is in progress
    # dias, dias_tras: (n,); days since the attack or event began, since it ended; below 0 = not
    # yet; -NUNCA = it never does.
    dias: NDArray[np.int64]
    dias_tras: NDArray[np.int64]
    cambio: NDArray[np.float32]  # (n,): see ``CaseSeries``, over the last days
    dia: NDArray[np.int64]  # (n,): local day at whose end the row stands
    serie: NDArray[np.int64]  # (n,): which series it is of
    # clase, tipo, hogar, grupo: (n,); of the series.
    clase: NDArray[np.str_]
    tipo: NDArray[np.str_]
    hogar: NDArray[np.str_]
    grupo: NDArray[np.str_]

    def __len__(self) -> int:
        return int(self.dia.size)


@dataclass(frozen=True, slots=True, eq=False)
class ClosedDays:
    """The days of a customer as the clock remembers them."""

    primero: int  # local day of the first
    dias: NDArray[np.uint8]  # (t, CANTIDADES)


def close_all(kwh: Floats, desde_hora: int, calendario: Calendario) -> ClosedDays:
    """Return the days of a customer's hours; the day of the last reading is not over yet.

    ``kwh`` (h,): from the absolute hour ``desde_hora`` on, NaN = no reading.
    """
    hay = np.flatnonzero(~np.isnan(kwh))
    if hay.size == 0:
        return ClosedDays(0, np.empty((0, CANTIDADES), np.uint8))
    local = calendario.local(desde_hora + np.arange(hay[0], hay[-1] + 1))
    primero, ultimo = int(local[0]) // HORAS_POR_DIA, int(local[-1]) // HORAS_POR_DIA
    dias = np.empty((ultimo - primero, CANTIDADES), np.uint8)
    summarize_days(local, kwh[hay[0] : hay[-1] + 1].astype(np.float32), primero, dias)
    return ClosedDays(primero, dias)


def rows_at(cerrados: ClosedDays, cuales: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the row (k, RASGOS_CASO) at the end of each of some days; NaN = too few before it.

    ``cuales``: indices of days.
    """
    rasgos = np.full((cuales.size, RASGOS_CASO), np.nan, np.float32)
    scratch = make_scratch()
    for k, dia in enumerate(cuales.tolist()):
        desde = max(0, dia - DIAS_MEMORIA + 1)
        if case_row(cerrados.dias[desde : dia + 1], cerrados.primero + desde, scratch) >= 0:
            rasgos[k] = scratch.rasgos
    return rasgos


def make_rows(
    series: Iterable[CaseSeries], semilla: int, *, paso_dias: int = PASO_DIAS
) -> CaseRows:
    """Return the rows of some series, one every ``paso_dias`` days, those that can be judged."""
    partes = [p for p in _series_rows(series, semilla, paso_dias) if len(p)]
    nombres = CaseRows.__slots__
    return CaseRows(*(np.concatenate([getattr(p, n) for p in partes]) for n in nombres))


def _series_rows(series: Iterable[CaseSeries], semilla: int, paso_dias: int) -> Iterator[CaseRows]:
    for numero, serie in enumerate(series):
        hogar = serie.hogar
        cerrados = close_all(serie.kwh, hogar.desde_hora, hogar.calendario)
        clave = index_of(f"{hogar.propietario_id}|{serie.tipo}|{serie.inicio_hora}")
        rng = np.random.default_rng(np.random.SeedSequence([semilla, clave, _SORTEO]))
        primera = DIAS_MINIMOS_CASO - 1 + int(rng.integers(paso_dias))
        cuales = np.arange(primera, cerrados.dias.shape[0], paso_dias)
        rasgos = rows_at(cerrados, cuales)
        sirve = ~np.isnan(rasgos[:, 0])
        yield _labelled(serie, numero, cerrados.primero + cuales[sirve], rasgos[sirve])


def _labelled(
    serie: CaseSeries, numero: int, dia: NDArray[np.int64], rasgos: NDArray[np.float32]
) -> CaseRows:
    hogar = serie.hogar
    inicio, fin = (
        int(hogar.calendario.local(np.array([h]))[0]) // HORAS_POR_DIA if h < SIN_FIN else NUNCA
        for h in (serie.inicio_hora, serie.fin_hora)
    )
    # Days at whose end the onset's own day is over: 1 at the end of the first.
    dias = np.where(inicio == NUNCA, -NUNCA, dia + 1 - inicio)
    dias_tras = np.where(fin == NUNCA, -NUNCA, dia + 1 - fin)
    sumas = np.concatenate([[0.0], np.cumsum(serie.cambio, dtype=np.float64)])
    primer_dia = int(hogar.calendario.local(np.array([hogar.desde_hora]))[0]) // HORAS_POR_DIA
    hasta = np.clip((dia + 1 - primer_dia) * HORAS_POR_DIA, 0, serie.cambio.size)
    desde = np.maximum(hasta - _RECIENTE_DIAS * HORAS_POR_DIA, 0)
    cambio = (sumas[hasta] - sumas[desde]) / np.maximum(hasta - desde, 1)
    atacada = (serie.clase == ATAQUE) & (dias > 0) & (dias_tras <= 0)
    n = dia.size
    return CaseRows(
        rasgos, atacada, dias, dias_tras, cambio.astype(np.float32), dia,
        np.full(n, numero), np.full(n, serie.clase), np.full(n, serie.tipo, "U32"),
        np.full(n, hogar.propietario_id, "U40"), np.full(n, hogar.grupo, "U40"),
    )  # fmt: skip
