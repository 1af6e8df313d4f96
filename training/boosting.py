"""How boosted trees are fitted: columns in boxes, and as many threads as pay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

CAJAS = 128
"""Boxes of a column at most. By hand, 2026-11-24."""
MUESTRA = 200_000
"""Rows that the places are found in, at most: scikit-learn's own figure."""
FILAS_DE_UN_HILO = 200_000
"""Up to so many rows one thread fits the trees: several wait for one another at every node, and
where other processes want the cores too, that takes longer than the work. 37,000 rows on two cores,
2026-12-01: one thread 3.6 s whatever runs beside it, two 3.0 to 20. The trees are the same."""


def find_cortes(
    columnas: NDArray[np.float32], peso: NDArray[np.float64], semilla: int
) -> list[NDArray[np.float32]]:
    """Return, for each column, the highest value of each box but the last, rising.

    As scikit-learn's histogram boosting does by itself, but with weights it sorts a column once
    for every box, which is most of the time that a fit on a short history takes (1.9, 2026-11-29).
    Boxes of equal weight; where a column has no more than ``CAJAS`` values, each is its own.

    Parameters
    ----------
    columnas : ndarray (n, c), float32
        NaN = not known: in no box.
    peso : ndarray (n,), > 0

    Examples
    --------
    >>> columna = np.array([[3.0], [1.0], [2.0], [1.0]], np.float32)
    >>> [c.tolist() for c in find_cortes(columna, np.ones(4), 1)]
    [[1.0, 2.0]]
    """
    if peso.size > MUESTRA:
        filas = np.random.default_rng(semilla).choice(peso.size, MUESTRA, replace=False)
        columnas, peso = columnas[filas], peso[filas]
    return [_edges(columna, peso) for columna in columnas.T]


def to_cajas(
    columnas: NDArray[np.float32], cortes: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the number (n, c) of each value's box, 0 for the lowest; NaN stays NaN."""
    salida = np.empty(columnas.shape, np.float32)
    for j, corte in enumerate(cortes):
        salida[:, j] = np.searchsorted(corte, columnas[:, j])
    salida[np.isnan(columnas)] = np.nan
    return salida


def _edges(columna: NDArray[np.float32], peso: NDArray[np.float64]) -> NDArray[np.float32]:
    hay = ~np.isnan(columna)
    valores, cual = np.unique(columna[hay], return_inverse=True)
    if valores.size <= CAJAS:
        return valores[:-1]
    hasta = np.cumsum(np.bincount(cual, peso[hay]))
    partes = np.arange(1, CAJAS) / CAJAS * hasta[-1]
    return np.unique(valores[np.minimum(np.searchsorted(hasta, partes), valores.size - 2)])


def fit_boosted(
    clasificador: HistGradientBoostingClassifier,
    cajas: NDArray[np.float32],
    objetivo: NDArray[np.generic],
    peso: NDArray[np.float64],
) -> HistGradientBoostingClassifier:
    """Return a classifier fitted to rows (n, c) in boxes, their labels (n,) and weights (n,)."""
    from threadpoolctl import threadpool_limits

    hilos = 1 if peso.size <= FILAS_DE_UN_HILO else None
    with threadpool_limits(hilos, user_api="openmp"):
        return clasificador.fit(cajas, objetivo, sample_weight=peso)
