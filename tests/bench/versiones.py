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
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import Lecturas, Veredictos, stack
from serving.settings import Settings
from training.calibrate import LECTURAS_POR_LOTE
from training.fit import Aprendido, learn
from training.history import SEMILLA_ENTRENAMIENTO as SEMILLA
from training.history import InMemoryHistory, partition_of, partitions_for

PARTICIONES, HOGARES_POR_TOPIC = 6, 133
"""As many customers in a partition, whatever the population: the online model depends on it."""


def partition_by_name(propietario_id: Sequence[str]) -> NDArray[np.int32]:
    """Return the partition (n,) of each reading's customer, about 22 of them in each."""
    ids, cliente = np.unique(np.array(propietario_id), return_inverse=True)
    cuantas = partitions_for(ids.size, HOGARES_POR_TOPIC / PARTICIONES)
    propia = np.array([partition_of(p, cuantas) for p in ids.tolist()], np.int32)
    return np.asarray(propia[cliente])


def learn_as_product(hogares: Hogares) -> Aprendido:
    """Return what ``consumo entrenar`` learns from the history of some clean households."""
    lecturas = hogares.lecturas
    orden = np.lexsort((np.array(lecturas.propietario_id), lecturas.hora_utc))
    lecturas = lecturas.elegir(orden)
    historia = InMemoryHistory.of(lecturas, _rules_verdicts(lecturas, hogares))
    settings = Settings(_env_file=None, zona_horaria=hogares.calendario.zona)
    return learn(settings, historia, {}, semilla=SEMILLA)


def _rules_verdicts(lecturas: Lecturas, hogares: Hogares) -> Veredictos:
    """Return what the rules alone say, without what explains it, which would fill the memory."""
    detector = DetectorConsumo(hogares.calendario)
    particion = partition_by_name(lecturas.propietario_id)
    partes = []
    for inicio in range(0, len(lecturas), LECTURAS_POR_LOTE):
        filas = np.arange(inicio, min(inicio + LECTURAS_POR_LOTE, len(lecturas)))
        v = detector.score(lecturas.elegir(filas), particion[filas])
        nada = np.empty((filas.size, 0), np.float32)
        partes.append(replace(v, scores=nada, medidas=nada[:, :, None]))
    return stack(partes)


def only(hogares: Hogares, ids: Sequence[str]) -> Hogares:
    """Return some of the households."""
    suyos = frozenset(ids)
    filas = np.flatnonzero([p in suyos for p in hogares.lecturas.propietario_id])
    return replace(hogares, lecturas=hogares.lecturas.elegir(filas))
