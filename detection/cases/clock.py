"""The case clock: what a reading closes of its customer's days, and what follows.

The first reading of a customer's new local day closes the days before it
(``memory.day_memory``); each closed day is judged at its end, and the customer's case opens, goes
on or closes with it. So a reading's case depends on the days that were closed when it came, never
on readings after it.

What is thought of a day is the higher of two: what the model of cases says of the year up to it
(``cases.features``), and what the hours of its last four weeks weigh (``blend.suspicion``), those
under an open case left out: a case does not feed on the scores that it has raised itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.cases.case import (
    CaseThresholds,
    before_is_forgotten,
    follow,
    held_log_odds,
    keep_levels,
    was_open,
)
from detection.cases.change import FILAS, find_onset, lay_out_days
from detection.cases.features import RASGOS_CASO, case_features
from detection.cases.hours import evidence_log_odds, hours_evidence
from detection.cases.innocent_kind import NO_KINDS, KindTrees, follow_innocent
from detection.cases.model import CaseModel
from detection.domain import Calendario
from detection.jit import jit
from detection.memory.daily import CANTIDADES
from detection.memory.day_memory import (
    DIAS_MEMORIA,
    NO_DAY,
    NO_EVIDENCE,
    Days,
    arrive,
    close_days,
    encode_evidence,
)
from detection.params import DIAS_VENTANA

DIAS_MINIMOS_CASO = 30
"""Closed days before the model of cases is asked. By hand, 2026-11-30."""
DESCUENTO_HORAS = 2.0
"""Log odds by which the hours' evidence is less once the model of cases is asked too: over a year
every home has weeks that are odd by the hour. By hand, 2026-11-30."""
VENTAJA_HORAS = 0.0
"""Log odds of the hours' evidence alone that open a case at the end of a day, where a learned blend
gives the scores: more likely than not, and sooner than the model can see it. Chosen 2026-11-30 on
the development homes of Australia, which nothing was learnt from: of the days 7 to 14 of attacks
.32 are under a case and not .16, of clean days none, as before; innocent events that open one go
from 2 to 6 %. At 0.5 it is .27 and 2 %."""
_GANANCIA_HORA = 10_000.0


class _Trees(NamedTuple):
    rasgo: NDArray[np.uint32]
    corte: NDArray[np.float32]
    hoja: NDArray[np.float64]
    base: float


class _Scratch(NamedTuple):
    """Room for one customer's days."""

    dias: NDArray[np.uint8]
    tabla: NDArray[np.float64]
    suma: NDArray[np.float64]
    cuadrado: NDArray[np.float64]
    cuenta: NDArray[np.int64]
    rasgos: NDArray[np.float32]
    horas: NDArray[np.float32]


class CaseClock(NamedTuple):
    """All that the loop over readings needs to move days and cases on; see ``make_clock``."""

    days: Days
    desfase: NDArray[np.int8]  # the calendar's
    desde_hora: int
    juzga: bool  # there is a model of cases
    trees: _Trees
    kinds: KindTrees
    umbrales: CaseThresholds
    pesos_dia: NDArray[np.float64]  # (DIAS_VENTANA,): weight of an hour of score 1 by age in days
    # Hours' log odds that open a case by themselves (``VENTAJA_HORAS``).
    abren_horas: float
    scratch: _Scratch


def make_scratch() -> _Scratch:
    """Return room for one customer's days, to be used again and again."""
    return _Scratch(
        np.empty((DIAS_MEMORIA, CANTIDADES), np.uint8),
        np.empty((DIAS_MEMORIA, FILAS)),
        np.empty((DIAS_MEMORIA + 1, FILAS)),
        np.empty((DIAS_MEMORIA + 1, FILAS)),
        np.empty(DIAS_MEMORIA + 1, np.int64),
        np.empty(RASGOS_CASO, np.float32),
        np.empty(24, np.float32),
    )


def make_clock(
    days: Days,
    calendario: Calendario,
    modelo: CaseModel | None,
    semivida_dias: float,
    scratch: _Scratch,
    mezcla_aprendida: bool = False,
) -> CaseClock:
    """Return the clock of these days; without a model days are kept and nobody is judged.

    ``semivida_dias``: in which the hours' evidence loses half its weight. ``mezcla_aprendida``:
    whether a learned blend gives the hours' scores; those of the rules open no case alone.
    """
    kinds = NO_KINDS
    if modelo is None:
        trees = _Trees(
            np.empty((0, 0), np.uint32), np.empty((0, 0), np.float32), np.empty((0, 0)), 0.0
        )
        umbrales = CaseThresholds(0.0, 0.0, 0.0, 0.0)
    else:
        heap = modelo.arboles.trees
        trees = _Trees(heap.rasgo, heap.corte, heap.hoja, modelo.arboles.base)
        umbrales = modelo.umbrales
        if (inocentes := modelo.inocentes) is not None:
            suyos = inocentes.trees
            kinds = KindTrees(suyos.rasgo, suyos.corte, suyos.hoja, inocentes.base)
    pesos = 0.5 ** (np.arange(DIAS_VENTANA) / semivida_dias) / _GANANCIA_HORA
    return CaseClock(
        days, calendario.desfase_horas, calendario.desde_hora, modelo is not None, trees, kinds,
        umbrales, pesos, VENTAJA_HORAS if mezcla_aprendida else np.inf, scratch,
    )  # fmt: skip


@jit()
def _model_log_odds(trees, x):  # type: ignore[no-untyped-def]
    suma = trees.base
    nodos = trees.rasgo.shape[1]
    for t in range(trees.rasgo.shape[0]):
        k = 0
        while k < nodos:
            k = 2 * k + 1 + (x[trees.rasgo[t, k]] > trees.corte[t, k])
        suma += trees.hoja[t, k - nodos]
    return suma


@jit()
def case_row(dias, primer_dia, scratch):  # type: ignore[no-untyped-def]
    """Fill ``scratch.rasgos`` with what is seen at the end of the last of some days.

    ``dias``: (t, CANTIDADES), the first one is local day ``primer_dia``. The onset is returned, as
    an index of ``dias``; -1 = too few days, and nothing is filled.
    """
    t = dias.shape[0]
    if t < DIAS_MINIMOS_CASO:
        return -1
    suma, cuadrado = scratch.suma[: t + 1], scratch.cuadrado[: t + 1]
    cuenta = scratch.cuenta[: t + 1]
    suelo = lay_out_days(dias, scratch.tabla, suma, cuadrado, cuenta)
    u, cuanto = find_onset(suma, cuadrado, cuenta)
    if u >= 0:
        case_features(
            scratch.tabla, suma, cuadrado, cuenta, suelo, u, cuanto, primer_dia, scratch.rasgos
        )
    return u


@jit()
def _ask_model(days, fila, dia, trees, scratch):  # type: ignore[no-untyped-def]
    """Return the model's log odds at the end of a day, NaN = too few days, and the onset."""
    primero = max(days.primero[fila], dia - DIAS_MEMORIA + 1)
    t = dia - primero + 1
    for d in range(t):
        scratch.dias[d] = days.dias[fila, (primero + d) % DIAS_MEMORIA]
    u = case_row(scratch.dias[:t], primero, scratch)
    if u < 0:
        return np.nan, NO_DAY
    return _model_log_odds(trees, scratch.rasgos), primero + u


@jit()
def _judge(clock, ring, fila, dia):  # type: ignore[no-untyped-def]
    """Judge a customer at the end of a day, and let its case follow."""
    days = clock.days
    slot = dia % DIAS_MEMORIA
    days.evidencia[fila, slot] = NO_EVIDENCE
    por_horas, cambio = False, NO_DAY
    if was_open(days, fila, dia - 1) and before_is_forgotten(days, fila, dia):
        ventaja, inicio = held_log_odds(days, fila, dia), days.inicio[fila]
    else:
        ventaja, cambio = _ask_model(days, fila, dia, clock.trees, clock.scratch)
        inicio = cambio
        horas, desde = hours_evidence(ring, days, fila, dia, clock.pesos_dia)
        de_horas = evidence_log_odds(horas)
        por_horas = de_horas >= clock.abren_horas
        if not np.isnan(ventaja):
            de_horas -= DESCUENTO_HORAS
        if np.isnan(ventaja) or de_horas > ventaja or por_horas:
            inicio = desde
            ventaja = de_horas if np.isnan(ventaja) else max(ventaja, de_horas)
    if not np.isnan(ventaja):
        days.evidencia[fila, slot] = encode_evidence(ventaja, False)
    if follow(days, fila, dia, inicio, por_horas, clock.umbrales):
        keep_levels(days, fila, dia, clock.umbrales.cierra)
    follow_innocent(days, fila, dia, cambio, clock.kinds, clock.scratch.rasgos)


@jit()
def judge_days(clock, ring, fila, desde, hasta):  # type: ignore[no-untyped-def]
    """Judge a customer at the end of the local days [desde, hasta), which are in memory."""
    for dia in range(desde, hasta):
        _judge(clock, ring, fila, dia)


@jit()
def turn_day(clock, ring, fila, dia, hora, cambia, ventana):  # type: ignore[no-untyped-def]
    """Take note of a reading of another local day than its customer's newest.

    Parameters
    ----------
    ring
        What was decided so far (``VerdictRing``).
    dia, hora : int
        The reading's local day, and absolute hour.
    cambia : bool
        Its hour held another value, or none.
    ventana : ndarray (HORAS_VENTANA + 1,), float32
        Its window.
    """
    days = clock.days
    desde = arrive(days, fila, dia, cambia)
    if desde == NO_DAY:
        return
    close_days(
        days, fila, desde, dia, ventana, hora, clock.desfase, clock.desde_hora, clock.scratch.horas
    )
    if clock.juzga:
        judge_days(clock, ring, fila, desde, dia)
