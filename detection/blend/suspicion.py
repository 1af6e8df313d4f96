"""Evidence per customer over time: what turns anomalies of hours into suspicion of a customer.

Evidence is a mean of what the scores of today and of the 27 days before say, recent days weighing
more: each reading contributes ``(2 * (score - 0.5)) ** 2`` (nothing below 0.5), halved with every
``Params.sospecha_semivida_dias``; days are UTC days. It is a function of stored verdicts alone, so
neither a restart nor a replay nor a late reading can bend it. Suspicion begins at one level of
evidence and ends at a lower one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detection.cases.hours import evidence_log_odds, probability_of
from detection.jit import jit
from detection.memory.hourly_ring import (
    COUNTED,
    COUNTED_SHIFT,
    DIAS_ANILLO,
    GAIN,
    REFERENCE_BIT,
    SCORE_BITS,
    SUSPECT_BIT,
    VERDICT_BIT,
)
from detection.params import DIAS_VENTANA, HORAS_ANILLO, HORAS_VENTANA


def day_weights(semivida_dias: float) -> NDArray[np.float64]:
    """Return the weight (28,) of a gain in ten-thousandths by its age in days.

    A customer whose every hour scored 1 would have evidence 1.

    Examples
    --------
    >>> pesos = day_weights(7.0)
    >>> round(float(pesos.sum() * 24 * 10_000), 6), float(pesos[7] / pesos[0])
    (1.0, 0.5)
    """
    pesos: NDArray[np.float64] = 0.5 ** (np.arange(DIAS_VENTANA) / semivida_dias)
    pesos /= pesos.sum() * 24 * 10_000
    return pesos


def probability(evidencia_horas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how probable (n,) it is, 0 to 1, that there is something to be found at a customer's.

    ``evidencia_horas`` (n,), h: evidence without its division: hours of score 1 that it is worth
    today, >= 0.

    Examples
    --------
    >>> p = probability(np.array([0.0, 1.0, 30.0]))
    >>> bool(p[0] < 0.02 < p[1] < p[2] < 1.0)
    True
    """
    return probability_of(evidence_log_odds(evidencia_horas))


@jit()
def look_back(ring, fila, hora, pesos, veces):  # type: ignore[no-untyped-def]
    """Return what the verdicts before an hour say: today's and those of the 27 UTC days before.

    Returns
    -------
    evidencia : float
        0 to 1, without the hour itself.
    listas : int
        Readings that could be compared with a reference.
    antes : bool
        Whether the customer was under suspicion at its last reading before the hour.

    ``veces``, one place for each counted detector, is filled with how often its definition was met
    by readings that were not flagged.
    """
    hoy = hora // 24
    evidencia = 0.0
    listas = 0
    veces[:] = 0
    primero = max(hoy - DIAS_VENTANA + 1, ring.ultimo[fila] // 24 - DIAS_ANILLO + 1)
    for dia in range(primero, hoy):
        d = dia % DIAS_ANILLO
        evidencia += pesos[hoy - dia] * ring.ganancia_dia[fila, d]
        listas += ring.cuenta_dia[fila, d, COUNTED]
        for k in range(COUNTED):
            veces[k] += ring.cuenta_dia[fila, d, k]
    for h in range(max(24 * hoy, ring.ultimo[fila] - HORAS_ANILLO + 1), hora):
        v = ring.veredictos[fila, h % HORAS_ANILLO]
        evidencia += pesos[0] * GAIN[v & SCORE_BITS]
        if v & REFERENCE_BIT:
            listas += 1
            for k in range(COUNTED):
                veces[k] += v >> (COUNTED_SHIFT + k) & 1
    antes = False
    for h in range(hora - 1, max(hora - HORAS_VENTANA - 1, ring.ultimo[fila] - HORAS_ANILLO), -1):
        v = ring.veredictos[fila, h % HORAS_ANILLO]
        if v & VERDICT_BIT:
            antes = v & SUSPECT_BIT != 0
            break
    return evidencia, listas, antes
