"""Tails: how often clean readings score at least so high."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.jit import jit

TAIL_POINTS = 256
"""Points kept of an empirical tail: 20 a decade over a million readings. By hand, 2026-11-24."""


@dataclass(frozen=True, slots=True, eq=False)
class EmpiricalTail:
    """An empirical tail probability.

    ``p`` of a score that only r of n clean readings reach is ``(r + 1) / (n + 1)``: the conformal
    p-value (Vovk et al., "Algorithmic Learning in a Random World", 2005), never 0, so a score
    beyond all that was seen counts as once in n + 1 readings and no rarer.

    Examples
    --------
    >>> tail = EmpiricalTail.fit(np.arange(1000) / 1000)
    >>> round(float(np.exp(tail.log_p_of(np.array([0.5]))[0])), 3)
    0.5
    """

    scores: NDArray[np.float64]  # (k,): raw scores, strictly rising, high = more anomalous
    # (k,): natural logarithm of the tail probability at each, falling, <= 0.
    log_p: NDArray[np.float64]

    @staticmethod
    def fit(scores: NDArray[np.float64]) -> EmpiricalTail:
        """Return the tail of the raw scores (n,) of clean readings; NaN are left out.

        ``ValueError``: there is no score at all.
        """
        limpios = np.sort(scores[~np.isnan(scores)])
        n = limpios.size
        if n == 0:
            raise ValueError("no hay puntuaciones con que calibrar")
        # Evenly spaced in log p, so that the far tail keeps every reading that it has.
        alcanzan = np.unique(np.rint(np.geomspace(1, n, TAIL_POINTS)).astype(np.int64))
        puntos = limpios[n - alcanzan]
        log_p = np.log((np.searchsorted(-limpios[::-1], -puntos, side="right") + 1) / (n + 1))
        unicos, donde = np.unique(puntos, return_index=True)
        return EmpiricalTail(unicos, log_p[donde])

    def log_p_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log tail probabilities (n,) of raw scores (n,); NaN stays NaN."""
        salida = np.empty(scores.shape[0], np.float64)
        _log_p_of(scores, self.scores, self.log_p, salida)
        return salida


@jit()
def tail_log_p(score, scores, log_p):  # type: ignore[no-untyped-def]
    """Return the log tail probability of one raw score, linear in it between the points."""
    k = np.searchsorted(scores, score)
    if k == 0:
        return log_p[0] if score == scores[0] else 0.0
    if k == scores.shape[0]:
        return log_p[k - 1]
    parte = (score - scores[k - 1]) / (scores[k] - scores[k - 1])
    return log_p[k - 1] + parte * (log_p[k] - log_p[k - 1])


@jit()
def _log_p_of(score, scores, log_p, salida):  # type: ignore[no-untyped-def]
    for i in range(score.shape[0]):
        salida[i] = np.nan if np.isnan(score[i]) else tail_log_p(score[i], scores, log_p)
