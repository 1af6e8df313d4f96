"""Cases of innocent kind: what has changed at a customer, and is most likely nothing to be found.

A second model reads the row that the model of cases reads (``cases.features``) and says which
innocent kind is likely; none is one of its classes. A case of innocent kind never makes anybody
suspicious: it opens only while no other case is open, and ends when one opens, when consumption
has been back for two weeks, or when its level has become what later days are compared with.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.cases.case import (
    CAMBIO_VISIBLE,
    DIAS_CIERRE,
    DIAS_DE_AHORA,
    DIAS_REFERENCIA,
    SUELO_KWH,
    block_levels,
    daily_kwh,
    side_of_change,
    was_open,
)
from detection.domain import TIPOS_INOCENTES, TipoInocente
from detection.jit import jit
from detection.memory.daily import BLOQUES, DESCONOCIDO, LEVELS, MAXIMO, MINIMO
from detection.memory.day_memory import AFTER, BEFORE, DIAS_MEMORIA, NO_DAY

PROBABILIDAD_INOCENTE = 0.7
"""Of a kind, from which a case of it opens. By hand, 2026-11-30: of the days of homes that the
model never saw, six in seven of absences, six in ten of panels, and four in ten of heat pumps reach
it, and three in a hundred of attacked ones."""
DIAS_INOCENTE = 7
"""Days since the onset before which no kind is told. By hand, 2026-11-30."""
_SUBEN = (
    TipoInocente.VEHICULO_ELECTRICO, TipoInocente.BOMBA_CALOR, TipoInocente.AIRE_ACONDICIONADO,
)  # fmt: skip
_BAJAN = (TipoInocente.AUSENCIA, TipoInocente.AUTOCONSUMO, TipoInocente.CORTE_SUMINISTRO)
_SENTIDO = np.array([(t in _SUBEN) - (t in _BAJAN) for t in TIPOS_INOCENTES], np.int64)
"""Which way consumption goes with each kind; 0 = either."""
_SEPARACION_DIAS = 14
"""Days between the onsets of two cases of innocent kind: nearer ones are the same change."""


class KindTrees(NamedTuple):
    """A model of innocent kinds for the compiled loops, the trees of a class beside each other."""

    rasgo: NDArray[np.uint32]
    corte: NDArray[np.float32]
    hoja: NDArray[np.float64]
    base: NDArray[np.float64]  # (clases,): none of the kinds is the first one; () = no model


NO_KINDS = KindTrees(
    np.empty((0, 0), np.uint32), np.empty((0, 0), np.float32), np.empty((0, 0)), np.empty(0)
)
"""Of a version that tells no kinds."""


@jit()
def likeliest_kind(kinds, x, cambio):  # type: ignore[no-untyped-def]
    """Return the innocent kind that a row (RASGOS_CASO,) is most likely of, and how likely, 0 to 1.

    Of the kinds that go the way that consumption has gone: ``cambio`` is the log of kWh a day
    since the onset over those before it. -1 = nobody tells kinds.
    """
    clases = kinds.base.shape[0]
    if clases == 0:
        return -1, 0.0
    nodos = kinds.rasgo.shape[1]
    por_clase = kinds.rasgo.shape[0] // clases
    logs = kinds.base.copy()
    for t in range(kinds.rasgo.shape[0]):
        k = 0
        while k < nodos:
            k = 2 * k + 1 + (x[kinds.rasgo[t, k]] > kinds.corte[t, k])
        logs[t // por_clase] += kinds.hoja[t, k - nodos]
    partes = np.exp(logs - logs.max())
    total = partes.sum()
    for k in range(clases - 1):
        if _SENTIDO[k] != 0 and not _SENTIDO[k] * cambio >= CAMBIO_VISIBLE:
            partes[k + 1] = 0.0
    tipo = np.argmax(partes[1:])
    return tipo, partes[tipo + 1] / total


@jit()
def follow_innocent(days, fila, dia, inicio, kinds, x):  # type: ignore[no-untyped-def]
    """Open, keep or close the customer's case of innocent kind at the end of ``dia``.

    After ``case.follow`` of the same day; a day that is judged anew undoes what was decided at its
    end and later. A case that is not found again has ended on the day on which it had opened.

    Parameters
    ----------
    inicio : int
        The day on which it would have begun, were it to open now; NO_DAY = nothing is known.
    kinds : KindTrees
    x : ndarray (RASGOS_CASO,), float32
        The day's row; means nothing where ``inicio`` does not.
    """
    de_nuevo = days.inocente_apertura[fila] >= dia
    if de_nuevo:
        days.inocente_cierre[fila] = days.inocente_apertura[fila]
    elif days.inocente_cierre[fila] >= dia:
        days.inocente_cierre[fila] = NO_DAY
    if innocent_is_open(days, fila):
        if was_open(days, fila, dia) or _is_over(days, fila, dia):
            days.inocente_cierre[fila] = dia
        return
    if was_open(days, fila, dia) or inicio == NO_DAY or dia - inicio + 1 < DIAS_INOCENTE:
        return
    previo = days.inocente_inicio[fila]
    if not de_nuevo and previo != NO_DAY and inicio - previo < _SEPARACION_DIAS:
        return
    niveles = np.empty((2, BLOQUES), np.uint8)
    _levels_around(days, fila, inicio, dia, niveles)
    antes, despues = daily_kwh(niveles[BEFORE]), daily_kwh(niveles[AFTER])
    cambio = np.log((despues + SUELO_KWH) / (antes + SUELO_KWH))
    tipo, probable = likeliest_kind(kinds, x, cambio)
    if tipo >= 0 and probable >= PROBABILIDAD_INOCENTE:
        days.inocente_inicio[fila] = inicio
        days.inocente_apertura[fila] = dia
        days.inocente_cierre[fila] = NO_DAY
        days.inocente_tipo[fila] = tipo


@jit()
def innocent_is_open(days, fila):  # type: ignore[no-untyped-def]
    """Return whether a case of innocent kind goes on at the end of the newest closed day."""
    return days.inocente_apertura[fila] != NO_DAY and days.inocente_cierre[fila] == NO_DAY


@jit()
def innocent_was_open(days, fila, dia):  # type: ignore[no-untyped-def]
    """Return whether a case of innocent kind was open at the end of ``dia``."""
    apertura, cierre = days.inocente_apertura[fila], days.inocente_cierre[fila]
    return apertura != NO_DAY and apertura <= dia and (cierre == NO_DAY or dia < cierre)


@jit()
def is_explained(days, fila, hasta, kwh):  # type: ignore[no-untyped-def]
    """Return whether an hour is like one of those before the case of innocent kind, or in it.

    Between the least and the most that an hour was from ``DIAS_REFERENCIA`` days before the onset
    up to ``hasta``, a tenth more or less.
    """
    menos, mas = np.inf, -np.inf
    desde = max(days.inocente_inicio[fila] - DIAS_REFERENCIA, days.primero[fila])
    for d in range(desde, hasta + 1):
        suyo = days.dias[fila, d % DIAS_MEMORIA]
        if suyo[0] != DESCONOCIDO:
            menos = min(menos, LEVELS[suyo[MINIMO]])
            mas = max(mas, LEVELS[suyo[MAXIMO]])
    return 0.9 * menos - SUELO_KWH <= kwh <= 1.1 * mas + SUELO_KWH


@jit()
def _is_over(days, fila, dia):  # type: ignore[no-untyped-def]
    inicio, apertura = days.inocente_inicio[fila], days.inocente_apertura[fila]
    if dia - inicio >= DIAS_REFERENCIA:
        return True
    if dia - apertura < DIAS_CIERRE:
        return False
    niveles, ahora = np.empty((2, BLOQUES), np.uint8), np.empty(BLOQUES, np.uint8)
    innocent_levels(days, fila, apertura, niveles)
    block_levels(days, fila, dia - DIAS_CIERRE + 1, dia + 1, ahora)
    # Where nothing is known of its last days, nothing says that it is back.
    return side_of_change(niveles[BEFORE], niveles[AFTER], ahora) < 0.0


@jit()
def innocent_levels(days, fila, hasta, niveles):  # type: ignore[no-untyped-def]
    """Fill the levels (2, BLOQUES) before the case of innocent kind and in it, up to ``hasta``."""
    _levels_around(days, fila, days.inocente_inicio[fila], hasta, niveles)


@jit()
def _levels_around(days, fila, inicio, hasta, niveles):  # type: ignore[no-untyped-def]
    desde = max(inicio - DIAS_REFERENCIA, days.primero[fila])
    block_levels(days, fila, desde, inicio, niveles[BEFORE])
    desde = max(inicio, hasta - DIAS_DE_AHORA + 1, days.primero[fila])
    block_levels(days, fila, desde, hasta + 1, niveles[AFTER])
