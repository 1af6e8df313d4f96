"""A version learnt from less history than ``train.learn`` asks for, as well as it can be.

A reading is compared with at least ``Params.dias_minimos`` days of its past, so of a stretch of
three weeks one can be learnt from. Half of the customers grow the forest, the others calibrate it;
nothing is held out to judge it on: that is what the rest of the file is for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import Calendario, Lecturas
from detection.errors import PermanentError
from detection.models.isolation_forest import FlatIsolationForest
from detection.params import Params
from detection.scoring_model import ScoringModel
from training.calibrate import calibrate, measure_retenidas
from training.dataset import MINIMO_CLIENTES, MINIMO_FILAS, Retenidas, partition_of, partitions_for
from training.fit import ARBOLES, FILAS_POR_ARBOL
from training.history_reader import by_lot

VERSION = "consumo-detector-archivo"
"""What verdicts call a version that no registry has given a number."""


@dataclass(frozen=True, slots=True)
class Corto:
    """What was learnt.

    Parameters
    ----------
    modelo : Modelo
    filas : int
        Readings that the forest has grown on.
    clientes, calibran : int
        Customers that it has grown on, and others that it was calibrated on.
    """

    modelo: ScoringModel
    filas: int
    clientes: int
    calibran: int


def learn_short(
    clientes: list[str],
    lecturas: Lecturas,
    calendario: Calendario,
    semilla: int,
    particiones: int,
) -> Corto:
    """Return a version learnt from a short stretch of readings.

    Parameters
    ----------
    clientes : list of str
        Who is in the readings.
    lecturas : Lecturas
        In the order of the log.
    particiones : int
        That the customers are spread over, >= 1.

    Raises
    ------
    PermanentError
        There is too little of it; the text says what.
    """
    from sklearn.ensemble import IsolationForest

    params = Params()
    if len(clientes) < MINIMO_CLIENTES:
        raise PermanentError(
            f"son {len(clientes)} clientes y hacen falta al menos {MINIMO_CLIENTES}"
        )
    orden = by_lot(clientes, semilla, "corto")
    medio = len(orden) // 2
    aprende, calibra = (
        _only(lecturas, set(ids), partitions_for(len(ids), len(clientes) / particiones))
        for ids in (orden[:medio], orden[medio:])
    )
    crudos = measure_retenidas(aprende, DetectorConsumo(calendario, params))
    sirve = ~np.isnan(crudos.rasgos).any(axis=1)
    sirve &= crudos.veredictos.score_centesimas < params.umbral_media
    rasgos = crudos.rasgos[sirve]
    if rasgos.shape[0] < MINIMO_FILAS:
        raise PermanentError(
            f"solo {rasgos.shape[0]} lecturas tienen {params.dias_minimos} días de pasado con que "
            f"compararse y hacen falta al menos {MINIMO_FILAS}"
        )
    iso = IsolationForest(n_estimators=ARBOLES, max_samples=FILAS_POR_ARBOL, random_state=semilla)
    bosque = FlatIsolationForest.from_sklearn(iso.fit(rasgos))
    modelo = calibrate(VERSION, bosque, calibra, calendario, params)
    return Corto(modelo, rasgos.shape[0], medio, len(orden) - medio)


def _only(lecturas: Lecturas, ids: set[str], particiones: int) -> Retenidas:
    """Return the readings of some customers, all of them held out."""
    cuales = np.flatnonzero([p in ids for p in lecturas.propietario_id])
    suyas = lecturas.elegir(cuales)
    propia: dict[str, int] = {p: partition_of(p, particiones) for p in ids}
    particion: NDArray[np.int32] = np.array([propia[p] for p in suyas.propietario_id], np.int32)
    return Retenidas(suyas, particion, np.ones(cuales.size, np.bool_))
