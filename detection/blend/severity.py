"""From how rare a reading is to its score, and from the score to its severidad."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detection.jit import jit
from detection.params import Params

_SCORES = np.array([0.0, 0.50, 0.65, 0.80, 0.90, 1.0])
"""Score at a frequency of 1, then at each of those of ``Params``."""


def severity_thresholds(params: Params) -> NDArray[np.int64]:
    """Return the hundredths (4,) from which on a score is baja, media, alta, crítica."""
    return np.array(
        [params.umbral_baja, params.umbral_media, params.umbral_alta, params.umbral_critica],
        np.int64,
    )


@jit()
def frequency_score(log_p, log_frecuencias):  # type: ignore[no-untyped-def]
    """Return the score of a log frequency: linear in it between the fixed points."""
    if log_p >= 0.0:
        return 0.0
    for k in range(1, log_frecuencias.shape[0]):
        if log_p >= log_frecuencias[k]:
            parte = (log_frecuencias[k - 1] - log_p) / (log_frecuencias[k - 1] - log_frecuencias[k])
            return _SCORES[k - 1] + parte * (_SCORES[k] - _SCORES[k - 1])
    return 1.0


@jit()
def severity_of(centesimas, umbrales):  # type: ignore[no-untyped-def]
    """Return the index into ``SEVERIDADES`` of a score in hundredths."""
    nivel = 0
    for u in range(umbrales.shape[0]):
        nivel += centesimas >= umbrales[u]
    return nivel
