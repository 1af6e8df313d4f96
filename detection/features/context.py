"""What every detector may look at: readings, each with its own past, and what is derived from it.

A detector sees a chunk of readings with the 672 hours before each, so it is a plain loop over rows
that knows nothing of rings, customers or of what comes later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.features.hourly import compute_features, most_unusual
from detection.memory.recent_days import DaySummaries, summarize_days
from detection.memory.reference import Reference, make_reference
from detection.memory.windows import Windows
from detection.params import Params


@dataclass(frozen=True, slots=True)
class Context:
    """A chunk of readings with their past, and what is computed of it once for all detectors."""

    windows: Windows
    reference: Reference
    days: DaySummaries
    # (n, F): the models' features (``hourly.RASGOS``), in [0, 1]; a row of NaN = not ready.
    rasgos: NDArray[np.float32]
    # (n, 4): which two of them stray most (``most_unusual``), for the models' sentences.
    inusuales: NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.windows.consumo_kwh.shape[0])


def make_context(windows: Windows, params: Params) -> Context:
    """Return the context of a chunk."""
    reference = make_reference(windows, params)
    days = summarize_days(windows, params)
    rasgos = compute_features(windows, reference, days)
    return Context(windows, reference, days, rasgos, most_unusual(rasgos))
