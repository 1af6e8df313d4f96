"""A version as ``consumo entrenar`` makes it: ``training.fit.learn``, with nothing left out.

The history is in memory instead of in PostgreSQL. It is the same code on both: ``learn`` asks a
``HistoryReader``, and what PostgreSQL gives back is what ``InMemoryHistory`` does, kWh in single
precision and the product's own verdicts beside them (``tests/training/test_fit.py``). As in a
young installation these are the rules' verdicts; no analyst has confirmed or discarded anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from bench.hogares_reales import Hogares

from detection.scoring_model import ScoringModel
from training.base_version import learn_from_readings
from training.fit import Aprendido

PARTICIONES, HOGARES_POR_TOPIC = 6, 133
"""As many customers in a partition, whatever the population: the online model depends on it."""


def learn_as_product(hogares: Hogares, base: ScoringModel | None = None) -> Aprendido:
    """Return what ``consumo entrenar`` learns from the history of some clean households.

    ``base``: the version that it starts from. ``consumo entrenar`` starts from the one that comes
    with the product, which has learnt from development households of every country but Australia:
    of those that it has seen it says nothing that counts.
    """
    return learn_from_readings(hogares.lecturas, hogares.calendario.zona, base)


def only(hogares: Hogares, ids: Sequence[str]) -> Hogares:
    """Return some of the households."""
    suyos = frozenset(ids)
    filas = np.flatnonzero([p in suyos for p in hogares.lecturas.propietario_id])
    return replace(hogares, lecturas=hogares.lecturas.elegir(filas))
