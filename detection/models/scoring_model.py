"""What a registered version holds for scoring: forest, tails, calibration of the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.blend.learned import COLUMNAS_MARCAS
from detection.compiled import compilado
from detection.features.extremes import MARCAS
from detection.models.boosted_trees import Potenciado
from detection.models.isolation_forest import Bosque
from detection.params import Calibracion

PUNTOS_COLA = 256
"""Points kept of an empirical tail: 20 a decade over a million readings. By hand, 2026-11-24."""


@dataclass(frozen=True, slots=True, eq=False)
class Cola:
    """How often clean readings score at least so high: an empirical tail probability.

    ``p`` of a score that only r of n clean readings reach is ``(r + 1) / (n + 1)``: the conformal
    p-value (Vovk et al., "Algorithmic Learning in a Random World", 2005), never 0, so a score
    beyond all that was seen counts as once in n + 1 readings and no rarer.

    Parameters
    ----------
    scores : ndarray (k,), float64
        Raw scores, strictly rising, high = more anomalous.
    log_p : ndarray (k,), float64
        Natural logarithm of the tail probability at each, falling, <= 0.

    Examples
    --------
    >>> cola = Cola.fit(np.arange(1000) / 1000)
    >>> round(float(np.exp(cola.log_p_of(np.array([0.5]))[0])), 3)
    0.5
    """

    scores: NDArray[np.float64]
    log_p: NDArray[np.float64]

    @staticmethod
    def fit(scores: NDArray[np.float64]) -> Cola:
        """Return the tail of the raw scores (n,) of clean readings; NaN are left out.

        Raises
        ------
        ValueError
            There is no score at all.
        """
        limpios = np.sort(scores[~np.isnan(scores)])
        n = limpios.size
        if n == 0:
            raise ValueError("no hay puntuaciones con que calibrar")
        # Evenly spaced in log p, so that the far tail keeps every reading that it has.
        alcanzan = np.unique(np.rint(np.geomspace(1, n, PUNTOS_COLA)).astype(np.int64))
        puntos = limpios[n - alcanzan]
        log_p = np.log((np.searchsorted(-limpios[::-1], -puntos, side="right") + 1) / (n + 1))
        unicos, donde = np.unique(puntos, return_index=True)
        return Cola(unicos, log_p[donde])

    def log_p_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log tail probabilities (n,) of raw scores (n,); NaN stays NaN."""
        salida = np.empty(scores.shape[0], np.float64)
        _log_p_of(scores, self.scores, self.log_p, salida)
        return salida


@dataclass(frozen=True, slots=True, eq=False)
class MezclaAprendida:
    """A blend that was learnt from injected attacks and from the analysts' verdicts.

    Boosted trees rank whole attacks above all; what a first hour or a first day says they put
    behind. So the records (``marcas.MARCAS``) speak for themselves where they are rare: the rarest
    of what the trees and the records say counts (L. H. C. Tippett, "The Methods of Statistics",
    1931), and its own tail makes it a frequency again.

    Parameters
    ----------
    arboles : Potenciado
        Over the columns of ``aprendida.COLUMNAS``.
    colas : tuple of Cola
        Tails on clean readings of customers that the trees did not learn from: of the trees'
        scores, then of each record.
    cola : Cola
        Tail of the rarest of them, as ``-log p``.
    """

    arboles: Potenciado
    colas: tuple[Cola, ...]
    cola: Cola

    def log_p(self, columnas: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log tail probabilities (n,) of rows; NaN = not ready."""
        return self.cola.log_p_of(rarest(self.arboles.scores(columnas), columnas, self.colas))


def rarest(
    scores: NDArray[np.float64], columnas: NDArray[np.float32], colas: Sequence[Cola]
) -> NDArray[np.float64]:
    """Return ``-log p`` (n,) of the rarest of what the trees' scores and the records say."""
    salida = -colas[0].log_p_of(scores)
    for j, limite, cola in zip(COLUMNAS_MARCAS, MARCAS.values(), colas[1:], strict=True):
        rareza = -cola.log_p_of(columnas[:, j].astype(np.float64))
        np.maximum(salida, np.where(rareza >= -np.log(limite), rareza, 0.0), out=salida)
    return salida


@dataclass(frozen=True, slots=True, eq=False)
class Modelo:
    """A version of ``consumo-detector``, as the detector uses it.

    Parameters
    ----------
    version : str
        As verdicts carry it, e.g. "consumo-detector-3".
    bosque : Bosque
        The offline model.
    cola_offline, cola_online : Cola
        Tails of both models' raw scores on clean readings that neither learnt from.
    huella_online : str
        Fingerprint of the online model that ``cola_online`` was measured with; another online
        model has no vote.
    calibraciones : mapping of str to Calibracion
        The rules', by name.
    rasgos : tuple of str
        Names of the features, in the order of the forest's columns.
    huella_params : str
        ``Params.fingerprint()`` at training.
    mezcla : MezclaAprendida or None
        None = there was too little to learn it from, and the weighted blend decides.
    """

    version: str
    bosque: Bosque
    cola_offline: Cola
    cola_online: Cola
    huella_online: str
    calibraciones: Mapping[str, Calibracion]
    rasgos: tuple[str, ...]
    huella_params: str
    mezcla: MezclaAprendida | None = None


@compilado()
def tail_log_p(score, scores, log_p):  # type: ignore[no-untyped-def]
    """Return the log tail probability of one raw score, linear in it between the points."""
    k = np.searchsorted(scores, score)
    if k == 0:
        return log_p[0] if score == scores[0] else 0.0
    if k == scores.shape[0]:
        return log_p[k - 1]
    parte = (score - scores[k - 1]) / (scores[k] - scores[k - 1])
    return log_p[k - 1] + parte * (log_p[k] - log_p[k - 1])


@compilado()
def _log_p_of(score, scores, log_p, salida):  # type: ignore[no-untyped-def]
    for i in range(score.shape[0]):
        salida[i] = np.nan if np.isnan(score[i]) else tail_log_p(score[i], scores, log_p)
