"""The offline model: a fitted scikit-learn IsolationForest as flat arrays.

Scores equal ``-forest.score_samples(x)`` to the last bit: the same leaves, the same sums in the
same order, tree after tree, and the same power taken by numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detection.errors import ModeloInvalidoError
from detection.models.heap_trees import FittedTree, HeapTrees, Wording, checked_array

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

_MAX_DEPTH = 16
"""Levels of a tree: a forest grown on up to 65 536 rows a tree. By hand, 2026-11-24: a complete
heap doubles with every level, and scikit-learn's own default (256 rows) needs 8."""
_WORDING = Wording("bosque", "rasgos")


@dataclass(frozen=True, slots=True, eq=False)
class FlatIsolationForest:
    """An isolation forest, ready to score.

    Examples
    --------
    >>> from sklearn.ensemble import IsolationForest
    >>> x = np.random.default_rng(1).random((300, 4)).astype(np.float32)
    >>> forest = IsolationForest(n_estimators=10, random_state=1).fit(x)
    >>> flat = FlatIsolationForest.from_sklearn(forest)
    >>> bool((flat.scores(x) == -forest.score_samples(x)).all())
    True
    """

    trees: HeapTrees  # a leaf adds to the path length
    denominador: float  # trees times the average path length of a sample, >= 0

    @staticmethod
    def from_sklearn(forest: IsolationForest) -> FlatIsolationForest:
        """Return a fitted forest as flat arrays.

        ``ModeloInvalidoError``: it is not fitted, its trees see only a part of the features, or
        they are too deep.
        """
        from sklearn.ensemble._iforest import _average_path_length

        if not hasattr(forest, "estimators_"):
            raise ModeloInvalidoError("el bosque no está entrenado")
        if forest._max_features != forest.n_features_in_:
            raise ModeloInvalidoError("el bosque no usa todos los rasgos en cada árbol")
        arboles = [e.tree_ for e in forest.estimators_]
        # In scikit-learn's own order of addition, which decides the last bit.
        valores = [
            pasos + media - 1.0
            for pasos, media in zip(
                forest._decision_path_lengths, forest._average_path_length_per_tree, strict=True
            )
        ]
        trees = HeapTrees.lay_out(
            [
                FittedTree(a.children_left, a.children_right, a.feature, a.threshold, valor)
                for a, valor in zip(arboles, valores, strict=True)
            ],
            int(forest.n_features_in_),
            max(int(a.max_depth) for a in arboles),
            _MAX_DEPTH,
            _WORDING,
        )
        media = _average_path_length([forest._max_samples])
        return FlatIsolationForest(trees, float((len(arboles) * media)[0]))

    def scores(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the anomaly scores (n,) of rows of features, in (0, 1], high = more anomalous.

        ``x`` (n, n_rasgos): a row with any NaN is not ready; its score is NaN.
        ``ModeloInvalidoError``: the rows have another number of features than the forest.
        """
        suma = self.trees.sums(x, 0.0, _WORDING)
        # scikit-learn on one training row: nothing to divide by, and every score is 2**-1.
        cociente = suma / self.denominador if self.denominador > 0.0 else np.ones_like(suma)
        cociente[np.isnan(x).any(axis=1)] = np.nan
        salida: NDArray[np.float64] = 2 ** (-cociente)
        return salida

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the forest as named arrays, as ``from_arrays`` takes them."""
        return self.trees.to_arrays() | {"denominador": np.array(self.denominador, np.float64)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> FlatIsolationForest:
        """Return the forest of named arrays, every one checked.

        ``ModeloInvalidoError``: an array is missing, of another type or shape, or out of range.
        """
        trees = HeapTrees.from_arrays(arrays, _MAX_DEPTH, _WORDING)
        if not (np.isfinite(trees.corte).all() and trees.hoja.min() >= 0.0):
            raise ModeloInvalidoError("el bosque tiene cortes u hojas que no son números válidos")
        denominador = float(checked_array(arrays, "denominador", np.float64, 0, _WORDING))
        if not (np.isfinite(denominador) and denominador >= 0.0):
            raise ModeloInvalidoError(f"el denominador del bosque es {denominador}")
        return FlatIsolationForest(trees, denominador)
