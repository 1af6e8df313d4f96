"""Boosted trees: a fitted scikit-learn HistGradientBoostingClassifier as flat arrays.

Scores equal ``decision_function(x)`` to the last bit: the same leaves, added in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detection.errors import ModeloInvalidoError
from detection.models.heap_trees import FittedTree, HeapTrees, Wording, checked_array

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

_MAX_DEPTH = 10
"""Levels of a tree. By hand, 2026-11-24: training grows 6."""
_WORDING = Wording("clasificador", "columnas")


@dataclass(frozen=True, slots=True, eq=False)
class FlatBoostedTrees:
    """Boosted trees for two classes, ready to score."""

    trees: HeapTrees  # a leaf adds to the score
    base: float  # score before any tree

    @staticmethod
    def from_sklearn(
        clasificador: HistGradientBoostingClassifier,
        cajas: Sequence[NDArray[np.float32]] | None = None,
    ) -> FlatBoostedTrees:
        """Return a fitted classifier of two classes as flat arrays.

        ``cajas``: where it learnt from boxes instead of values: the highest value of each box but
        the last, one rising array for each column. The trees returned take values.
        ``ModeloInvalidoError``: it is not fitted, has more classes, looks at categories, or its
        trees are too deep.
        """
        if _classes_of(clasificador) != 1:
            raise ModeloInvalidoError("el clasificador no es de dos clases sobre números")
        trees = _lay_out(clasificador, [p for (p,) in clasificador._predictors], cajas)
        return FlatBoostedTrees(trees, float(clasificador._baseline_prediction[0, 0]))

    def scores(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log odds (n,) of rows (n, n_rasgos), high = more anomalous.

        NaN = not ready: the row's first column is NaN.

        ``ModeloInvalidoError``: the rows have another number of columns.
        """
        salida = self.trees.sums(x, self.base, _WORDING)
        salida[np.isnan(x[:, 0])] = np.nan
        return salida

    def mean_with(self, otros: FlatBoostedTrees, parte: float) -> FlatBoostedTrees:
        """Return trees whose score is the mean of these and others.

        ``parte``: weight of these, 0 to 1. ``ValueError``: the others look at other columns.
        """
        resto = 1.0 - parte
        return FlatBoostedTrees(
            self.trees.scaled(parte).followed_by(otros.trees.scaled(resto)),
            parte * self.base + resto * otros.base,
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the trees as named arrays, as ``from_arrays`` takes them."""
        return self.trees.to_arrays() | {"base": np.array(self.base, np.float64)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> FlatBoostedTrees:
        """Return the trees of named arrays, every one checked.

        ``ModeloInvalidoError``: an array is missing, of another type or shape, or out of range.
        """
        trees = HeapTrees.from_arrays(arrays, _MAX_DEPTH, _WORDING)
        base = float(checked_array(arrays, "base", np.float64, 0, _WORDING))
        if not np.isfinite(base):
            raise ModeloInvalidoError("el clasificador tiene cortes u hojas que no son números")
        return FlatBoostedTrees(trees, base)


@dataclass(frozen=True, slots=True, eq=False)
class FlatClassTrees:
    """Boosted trees for three classes or more, ready to score."""

    trees: HeapTrees  # a leaf adds to the score of its class; as many trees of each, class by class
    base: NDArray[np.float64]  # (clases,): scores before any tree

    @staticmethod
    def from_sklearn(
        clasificador: HistGradientBoostingClassifier,
        cajas: Sequence[NDArray[np.float32]] | None = None,
    ) -> FlatClassTrees:
        """Return a fitted classifier of three classes or more, as ``FlatBoostedTrees`` does."""
        clases = _classes_of(clasificador)
        if clases < 3:
            raise ModeloInvalidoError("el clasificador es de menos de tres clases")
        por_clase = [ronda[k] for k in range(clases) for ronda in clasificador._predictors]
        trees = _lay_out(clasificador, por_clase, cajas)
        return FlatClassTrees(trees, np.array(clasificador._baseline_prediction[0], np.float64))

    def scores(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log odds (n, clases), up to a constant a row, of rows (n, n_rasgos).

        ``ModeloInvalidoError``: the rows have another number of columns.
        """
        t = self.trees
        cortes = np.array_split(np.arange(t.hoja.shape[0]), self.base.size)
        suyas = (HeapTrees(t.rasgo[c], t.corte[c], t.hoja[c], t.n_rasgos) for c in cortes)
        pares = zip(suyas, self.base.tolist(), strict=True)
        return np.stack([a.sums(x, inicio, _WORDING) for a, inicio in pares], axis=1)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the trees as named arrays, as ``from_arrays`` takes them."""
        return self.trees.to_arrays() | {"base": self.base}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> FlatClassTrees:
        """Return the trees of named arrays, every one checked.

        ``ModeloInvalidoError``: an array is missing, of another type or shape, or out of range.
        """
        trees = HeapTrees.from_arrays(arrays, _MAX_DEPTH, _WORDING)
        base = checked_array(arrays, "base", np.float64, 1, _WORDING)
        if base.size < 3 or trees.hoja.shape[0] % base.size or not np.isfinite(base).all():
            raise ModeloInvalidoError("los árboles del clasificador no casan con sus clases")
        return FlatClassTrees(trees, base)


def _classes_of(clasificador: HistGradientBoostingClassifier) -> int:
    """Return how many scores a fitted classifier gives a row: one for two classes."""
    if not hasattr(clasificador, "_predictors"):
        raise ModeloInvalidoError("el clasificador no está entrenado")
    if clasificador.is_categorical_ is not None:
        raise ModeloInvalidoError("el clasificador no es de dos clases sobre números")
    return int(clasificador.n_trees_per_iteration_)


def _lay_out(
    clasificador: HistGradientBoostingClassifier,
    arboles: Sequence[Any],
    cajas: Sequence[NDArray[np.float32]] | None,
) -> HeapTrees:
    nodos = [arbol.nodes for arbol in arboles]
    return HeapTrees.lay_out(
        [_fitted_tree(suyos, cajas) for suyos in nodos],
        int(clasificador.n_features_in_),
        max(int(suyos["depth"].max()) for suyos in nodos),
        _MAX_DEPTH,
        _WORDING,
    )


def _fitted_tree(nodos: NDArray[Any], cajas: Sequence[NDArray[np.float32]] | None) -> FittedTree:
    hoja = nodos["is_leaf"].astype(bool)
    umbral = nodos["num_threshold"].astype(np.float64)
    if cajas is not None:
        # Half way between two boxes: all up to the lower one go left.
        for k in np.flatnonzero(~hoja):
            umbral[k] = cajas[nodos["feature_idx"][k]][int(umbral[k])]
    izquierda = np.where(hoja, -1, nodos["left"].astype(np.int64))
    return FittedTree(izquierda, nodos["right"], nodos["feature_idx"], umbral, nodos["value"])
