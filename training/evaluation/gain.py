"""What one version gains over another on the same frozen readings, and how sure that is.

The readings of a customer, and of its twins, come in spells that no other customer shares: what
has to be drawn again is the customer. So the gain is bootstrapped by customer, both versions on
the same draw (B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.domain import Veredictos
from training.evaluation.version_metrics import truth
from training.holdout import Conjunto

REMUESTREOS = 400
"""Draws: the bounds are then good to a tenth of the interval. By hand, 2026-11-24."""
COLA = 0.05
"""Share of the draws beyond either bound. By hand, 2026-11-24."""
SEMILLA = 20_261_124
_NIVELES = 256
"""Different scores that hundredths in a byte can be."""


@dataclass(frozen=True, slots=True)
class Ganancia:
    """What the average precision gains.

    Parameters
    ----------
    media : float
        On the set as it is; -1 to 1.
    inferior, superior : float
        Bounds of which the gain is beyond either in one of twenty draws of customers; NaN = one
        customer, which says nothing of others.
    """

    media: float
    inferior: float
    superior: float


def measure_gain(conjunto: Conjunto, antes: Veredictos, ahora: Veredictos) -> Ganancia:
    """Return what the second verdicts on a set gain over the first. Seeded.

    A twin and the customer that it is a twin of are one customer.
    """
    origen = conjunto.origen[conjunto.juzgada]
    # A customer of whom nothing is judged is not there to be drawn.
    _, cliente = np.unique(origen, return_inverse=True)
    n = int(cliente.max()) + 1
    verdad = truth(conjunto)
    rng = np.random.default_rng(SEMILLA)
    pesos = rng.multinomial(n, np.full(n, 1.0 / n), REMUESTREOS).astype(np.float64)
    pesos = np.vstack([np.ones(n), pesos])
    precision = [
        weighted_precision(v.score_centesimas[conjunto.juzgada], verdad, cliente, pesos)
        for v in (antes, ahora)
    ]
    todas = precision[1] - precision[0]
    media, sorteadas = float(todas[0]), todas[1:][~np.isnan(todas[1:])]
    if n < 2 or not sorteadas.size:
        return Ganancia(media, np.nan, np.nan)
    # Draws of n customers vary by (n - 1) / n of what samples of the population do.
    factor = np.sqrt(n / (n - 1))
    limites = media + factor * (np.quantile(sorteadas, (COLA, 1.0 - COLA)) - media)
    return Ganancia(media, float(limites[0]), float(limites[1]))


def weighted_precision(
    centesimas: NDArray[np.uint8],
    verdad: NDArray[np.bool_],
    cliente: NDArray[np.int64],
    pesos: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the average precision (r,) under each of r weightings of the customers.

    It is scikit-learn's, reading by reading with its customer's weight, out of the counts of each
    score by customer; NaN where nothing positive has weight.

    Parameters
    ----------
    centesimas : ndarray (m,), uint8
        Scores.
    verdad : ndarray (m,), bool
    cliente : ndarray (m,), int64
        0 to c - 1.
    pesos : ndarray (r, c), float64
        >= 0.

    Examples
    --------
    >>> score, verdad = np.array([90, 80, 70], np.uint8), np.array([True, False, True])
    >>> weighted_precision(score, verdad, np.array([0, 0, 1]), np.array([[1.0, 1.0], [1.0, 0.0]]))
    array([0.83333333, 1.        ])
    """
    c = pesos.shape[1]
    casilla = cliente * _NIVELES + (_NIVELES - 1 - centesimas.astype(np.int64))
    positivas, todas = (
        pesos @ np.bincount(casilla[cuales], minlength=c * _NIVELES).reshape(c, _NIVELES)
        for cuales in (verdad, np.ones_like(verdad))
    )
    aciertos, mirados = positivas.cumsum(axis=1), todas.cumsum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(mirados > 0.0, aciertos / mirados, 0.0)
        salida: NDArray[np.float64] = (precision * positivas).sum(axis=1) / aciertos[:, -1]
    return salida
