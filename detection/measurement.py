"""What a detector is, and what it gives back of a chunk of readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detection.domain import TipoAnomalia
from detection.features.context import Context
from detection.params import Calibracion, Params

MEDIDAS = 5
"""Numbers that a detector may keep for its sentence."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a detector measured."""

    # (n,): its statistic over its threshold: above 1 = more than the threshold; NaN = not ready.
    exceso: NDArray[np.float32]
    dispara: NDArray[np.bool_]  # (n,): whether its definition is met, to the letter
    datos: NDArray[np.float32]  # (n, MEDIDAS): the numbers of its sentence

    @staticmethod
    def not_ready(n: int) -> Measurement:
        """Return one to fill: not ready on any of n readings."""
        return Measurement(
            np.full(n, np.nan, np.float32),
            np.zeros(n, np.bool_),
            np.zeros((n, MEDIDAS), np.float32),
        )


class AnomalyDetector(Protocol):
    """A thing with a name that measures readings and says what it saw."""

    @property
    def nombre(self) -> TipoAnomalia:
        """Return its name."""
        ...

    @property
    def calibracion(self) -> Calibracion:
        """Return how what it measures becomes a frequency, and its weight in the blend."""
        ...

    def measure(self, context: Context, params: Params) -> Measurement:
        """Return what it measures on each reading of the chunk."""
        ...

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return one Spanish sentence with the numbers of a reading on which it is ready."""
        ...
