"""Boosted trees: a fitted scikit-learn HistGradientBoostingClassifier as flat arrays.

Every tree is a complete binary heap of one depth, as in ``offline``. Scores equal
``decision_function(x)`` to the last bit: the same leaves, added in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detection.compiled import compilado
from detection.errors import ModeloInvalidoError
from detection.models.isolation_forest import BLOQUE, checked_array, round_down

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

PROFUNDIDAD_MAXIMA = 10
"""Levels of a tree. By hand, 2026-11-24: training grows 6."""


@dataclass(frozen=True, slots=True, eq=False)
class Potenciado:
    """Boosted trees for two classes, ready to score.

    Parameters
    ----------
    rasgo : ndarray (t, 2**d - 1), uint32
        Column that a node looks at, in [0, n_rasgos).
    corte : ndarray (t, 2**d - 1), float32
        A value goes left when it is <= this.
    hoja : ndarray (t, 2**d), float64
        What a leaf adds to the score.
    base : float
        Score before any tree.
    n_rasgos : int
        Columns that a row must have.
    """

    rasgo: NDArray[np.uint32]
    corte: NDArray[np.float32]
    hoja: NDArray[np.float64]
    base: float
    n_rasgos: int

    @staticmethod
    def from_sklearn(
        clasificador: HistGradientBoostingClassifier,
        cajas: Sequence[NDArray[np.float32]] | None = None,
    ) -> Potenciado:
        """Return a fitted classifier of two classes as flat arrays.

        Parameters
        ----------
        clasificador : HistGradientBoostingClassifier
        cajas : sequence of ndarray, optional
            Where it learnt from boxes instead of values: the highest value of each box but the
            last, one rising array for each column. The trees returned take values.

        Raises
        ------
        ModeloInvalidoError
            It is not fitted, has more classes, looks at categories, or its trees are too deep.
        """
        if not hasattr(clasificador, "_predictors"):
            raise ModeloInvalidoError("el clasificador no está entrenado")
        if clasificador.n_trees_per_iteration_ != 1 or clasificador.is_categorical_ is not None:
            raise ModeloInvalidoError("el clasificador no es de dos clases sobre números")
        arboles = [p.nodes for (p,) in clasificador._predictors]
        profundidad = max(1, *(int(a["depth"].max()) for a in arboles))
        if profundidad > PROFUNDIDAD_MAXIMA:
            raise ModeloInvalidoError(
                f"el clasificador tiene {profundidad} niveles y caben {PROFUNDIDAD_MAXIMA}"
            )
        nodos = 2**profundidad - 1
        rasgo = np.zeros((len(arboles), nodos), np.uint32)
        corte = np.zeros((len(arboles), nodos), np.float32)
        hoja = np.empty((len(arboles), nodos + 1), np.float64)
        for t, arbol in enumerate(arboles):
            _lay_out(arbol, cajas, profundidad, rasgo[t], corte[t], hoja[t])
        base = float(clasificador._baseline_prediction[0, 0])
        return Potenciado(rasgo, corte, hoja, base, int(clasificador.n_features_in_))

    def scores(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log odds (n,) of rows (n, n_rasgos), high = more anomalous; NaN = not ready.

        Raises
        ------
        ModeloInvalidoError
            The rows have another number of columns.
        """
        if x.ndim != 2 or x.shape[1] != self.n_rasgos:
            raise ModeloInvalidoError(
                f"el clasificador espera {self.n_rasgos} columnas y recibe una matriz {x.shape}"
            )
        salida = np.empty(x.shape[0], np.float64)
        filas = np.ascontiguousarray(x, np.float32)
        _add_up(self.rasgo, self.corte, self.hoja, self.base, filas, salida)
        return salida

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the trees as named arrays, as ``from_arrays`` takes them."""
        return {
            "rasgo": self.rasgo,
            "corte": self.corte,
            "hoja": self.hoja,
            "base": np.array(self.base, np.float64),
            "n_rasgos": np.array(self.n_rasgos, np.int64),
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Potenciado:
        """Return the trees of named arrays, every one checked.

        Raises
        ------
        ModeloInvalidoError
            An array is missing, of another type or shape, or out of range.
        """
        rasgo = checked_array(arrays, "rasgo", np.uint32, 2)
        corte = checked_array(arrays, "corte", np.float32, 2)
        hoja = checked_array(arrays, "hoja", np.float64, 2)
        base = float(checked_array(arrays, "base", np.float64, 0))
        n_rasgos = int(checked_array(arrays, "n_rasgos", np.int64, 0))
        arboles, hojas = hoja.shape
        profundidad = hojas.bit_length() - 1
        if arboles < 1 or hojas != 2**profundidad or not 1 <= profundidad <= PROFUNDIDAD_MAXIMA:
            raise ModeloInvalidoError(f"el clasificador tiene hojas de forma {hoja.shape}")
        if rasgo.shape != (arboles, hojas - 1) or corte.shape != rasgo.shape:
            raise ModeloInvalidoError(
                f"los nodos del clasificador, {rasgo.shape} y {corte.shape}, no casan con sus "
                f"hojas, {hoja.shape}"
            )
        if n_rasgos < 1 or rasgo.max() >= n_rasgos:
            raise ModeloInvalidoError(
                f"el clasificador mira columnas que no están entre sus {n_rasgos}"
            )
        if np.isnan(corte).any() or not (np.isfinite(hoja).all() and np.isfinite(base)):
            raise ModeloInvalidoError("el clasificador tiene cortes u hojas que no son números")
        return Potenciado(rasgo, corte, hoja, base, n_rasgos)


def _lay_out(
    arbol: NDArray[Any],
    cajas: Sequence[NDArray[np.float32]] | None,
    profundidad: int,
    rasgo: NDArray[np.uint32],
    corte: NDArray[np.float32],
    hoja: NDArray[np.float64],
) -> None:
    """Fill the heap of one tree; a leaf above the last level stands for all below it."""
    nivel = [0]
    for d in range(profundidad):
        siguiente = []
        for k, nodo in enumerate(nivel, start=2**d - 1):
            if arbol["is_leaf"][nodo]:
                siguiente += [nodo, nodo]
                continue
            rasgo[k] = arbol["feature_idx"][nodo]
            umbral = float(arbol["num_threshold"][nodo])
            if cajas is not None:
                # Half way between two boxes: all up to the lower one go left.
                umbral = float(cajas[rasgo[k]][int(umbral)])
            corte[k] = round_down(umbral)
            siguiente += [int(arbol["left"][nodo]), int(arbol["right"][nodo])]
        nivel = siguiente
    hoja[:] = arbol["value"][nivel]


@compilado()
def _add_up(rasgo, corte, hoja, base, x, salida):  # type: ignore[no-untyped-def]
    """Fill the scores (n,) of rows, tree after tree; NaN for a row whose first column is NaN.

    A level at a time for a block of rows, as in ``offline``.
    """
    arboles, nodos = rasgo.shape
    n, rasgos = x.shape
    bloque = np.empty(rasgos * BLOQUE, np.float32)
    donde = np.empty(BLOQUE, np.uint32)
    for desde in range(0, n, BLOQUE):
        filas = min(BLOQUE, n - desde)
        for i in range(filas):
            salida[desde + i] = base
        for j in range(rasgos):
            for i in range(filas):
                bloque[j * BLOQUE + i] = x[desde + i, j]
        for t in range(arboles):
            rasgo_t, corte_t, hoja_t = rasgo[t], corte[t], hoja[t]
            donde[:] = 0
            hasta = 1
            while hasta <= nodos:
                for i in range(filas):
                    k = donde[i]
                    derecha = bloque[rasgo_t[k] * BLOQUE + i] > corte_t[k]
                    donde[i] = 2 * k + np.uint32(1) + derecha
                hasta *= 2
            for i in range(filas):
                salida[desde + i] += hoja_t[donde[i] - nodos]
        for i in range(filas):
            if np.isnan(bloque[i]):
                salida[desde + i] = np.nan
