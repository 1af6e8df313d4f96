"""What a raw score is worth: tails of the models and rates of the rules, on held-out clean days.

Models: the empirical tail of their scores on readings that neither learnt from
(``EmpiricalTail``). The online model has followed the same customers for weeks before, and scores
before it learns; each of its states follows about as many of them as a partition has live, for the
tail depends on it. Readings of one customer come in spells: a journey is a hundred rare readings,
and one customer more or less with a journey moves the tail. So it is taken one standard error
between customers higher than the mean of them; of few customers nothing is called very rare.

Rules: how often an ordinary customer passes the threshold (``tasa``) and how fast the tail falls
beyond it (``alfa``), shrunk towards the population's values of ``registry.CALIBRACIONES``. Both are
posterior means under conjugate priors worth ``HORAS_PREVIAS`` readings (Gelman et al., "Bayesian
Data Analysis", 3rd ed., 2013, ch. 2): Beta for a rate, Gamma for the exponent of a Pareto tail,
whose likelihood gives Hill's estimator (B. M. Hill, "A simple general approach to inference about
the tail of a distribution", Annals of Statistics 3(5), 1975, 1163-1174).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detection.detector import DetectorConsumo, ScoringTrace
from detection.domain import Calendario, stack, take
from detection.features.hourly import RASGOS
from detection.models.isolation_forest import FlatIsolationForest
from detection.models.tails import EmpiricalTail
from detection.params import Calibracion
from detection.rules.registry import CALIBRACIONES, DETECTORES, rules_fingerprint
from detection.scoring_model import ScoringModel
from training.dataset import HistoriaCortaError
from training.history import HeldOut

HORAS_PREVIAS = 1e6
"""Weight of the population's values, in readings. By hand, 2026-11-24: they come from 321 public
households over months, a few hundred thousand readings each kind of day, and one installation's
two weeks should only move them when they are many."""
EXCESO_CONTADO = 1e3
"""Larger excesses count as this: against a past of zeros they have no bound. By hand."""
ERRORES_TIPICOS_COLA = 1.0
"""Standard errors by which a tail is raised. By hand, 2026-11-24: it halves the false alarms of
severidad media of fifty customers who were not calibrated on, for 0.003 of average precision."""
LECTURAS_POR_LOTE = 50_000
"""Readings measured at once, so that what explains a verdict does not fill the memory."""


def measure_held_out(retenidas: HeldOut, detector: DetectorConsumo) -> ScoringTrace:
    """Return what was measured on the held-out readings (m,), in the order of the log.

    All readings, the past before them too, go through the detector; verdicts keep no measures.
    """
    partes = []
    n = len(retenidas.lecturas)
    for inicio in range(0, n, LECTURAS_POR_LOTE):
        indices = np.arange(inicio, min(inicio + LECTURAS_POR_LOTE, n))
        crudos = detector.measure(retenidas.lecturas.elegir(indices), retenidas.particion[indices])
        filas = np.flatnonzero(retenidas.retenida[indices])
        veredictos = replace(
            crudos.veredictos.elegir(filas), medidas=np.empty((filas.size, 0, 0), np.float32)
        )
        partes.append(replace(take(crudos, filas), veredictos=veredictos))
    return replace(stack(partes), veredictos=stack([parte.veredictos for parte in partes]))


def fit_tail(scores: NDArray[np.float64], cliente: NDArray[np.int64]) -> EmpiricalTail:
    """Return the tail of clean readings' raw scores, cautious where customers differ.

    ``scores`` (n,): NaN are left out. ``cliente`` (n,): whose reading it is. ``ValueError``: there
    is no score at all.
    """
    cola = EmpiricalTail.fit(scores)
    listo = ~np.isnan(scores)
    _, numero = np.unique(cliente[listo], return_inverse=True)
    partes = np.split(
        scores[listo][np.lexsort((scores[listo], numero))], np.cumsum(np.bincount(numero))[:-1]
    )
    alcanzan = np.array([1.0 - np.searchsorted(x, cola.scores) / x.size for x in partes])
    error = alcanzan.std(axis=0, ddof=1) / np.sqrt(len(partes)) if len(partes) > 1 else 0.0
    p = np.clip(alcanzan.mean(axis=0) + ERRORES_TIPICOS_COLA * error, np.exp(cola.log_p), 1.0)
    return EmpiricalTail(cola.scores, np.log(np.minimum.accumulate(p)))


def calibrate(
    version: str,
    bosque: FlatIsolationForest,
    retenidas: HeldOut,
    calendario: Calendario,
) -> ScoringModel:
    """Return the model: the forest, calibrated on held-out clean readings.

    ``version``: as verdicts will carry it. ``HistoriaCortaError``: one of the two models was not
    ready on any of the readings.
    """
    detector = DetectorConsumo(calendario)
    crudos = measure_held_out(retenidas, detector)
    ids = np.array(retenidas.lecturas.propietario_id)[retenidas.retenida]
    _, cliente = np.unique(ids, return_inverse=True)
    return ScoringModel(
        version=version,
        bosque=bosque,
        cola_offline=_tail(bosque.scores(crudos.rasgos), cliente, "offline"),
        cola_online=_tail(crudos.online, cliente, "online"),
        huella_online=detector.trees.huella(),
        calibraciones=recalibrate(crudos.exceso),
        rasgos=RASGOS,
        huella_params=rules_fingerprint(detector.params),
    )


def _tail(scores: NDArray[np.float64], cliente: NDArray[np.int64], cual: str) -> EmpiricalTail:
    if np.isnan(scores).all():
        raise HistoriaCortaError(
            f"el modelo {cual} no llega a opinar de ninguna lectura retenida: hay pocas lecturas"
        )
    return fit_tail(scores, cliente)


def recalibrate(exceso: NDArray[np.float32]) -> Mapping[str, Calibracion]:
    """Return the rules' calibrations, by name.

    ``exceso`` (n, >= 6): of clean readings; columns in the registry's order, NaN = not ready.
    """
    return {
        str(detector.nombre): shrink(CALIBRACIONES[str(detector.nombre)], exceso[:, k])
        for k, detector in enumerate(DETECTORES)
    }


def shrink(previa: Calibracion, exceso: NDArray[np.float32]) -> Calibracion:
    """Return a calibration moved from the population's by what was seen.

    ``exceso`` (n,): statistic over its threshold; NaN = not ready.
    """
    listo = exceso[~np.isnan(exceso)].astype(np.float64)
    sobre = np.minimum(listo[listo > 1.0], EXCESO_CONTADO)
    previas = HORAS_PREVIAS * previa.tasa
    return replace(
        previa,
        tasa=(sobre.size + previas) / (listo.size + HORAS_PREVIAS),
        alfa=(sobre.size + previas) / (float(np.log(sobre).sum()) + previas / previa.alfa),
    )
