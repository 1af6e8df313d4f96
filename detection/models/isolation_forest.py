"""The offline model: a fitted scikit-learn IsolationForest as flat arrays.

Every tree is laid out as a complete binary heap of one depth: the children of node k are 2k + 1
and 2k + 2, and a leaf above the last level stands for all that would hang below it. Walking down
is then one comparison and one addition a level, without a branch to guess wrong.

Scores equal ``-forest.score_samples(x)`` to the last bit: the same leaves, the same sums in the
same order, tree after tree, and the same power taken by numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detection.compiled import compilado
from detection.errors import ModeloInvalidoError

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

PROFUNDIDAD_MAXIMA = 16
"""Levels of a tree: a forest grown on up to 65 536 rows a tree. By hand, 2026-11-24: a complete
heap doubles with every level, and scikit-learn's own default (256 rows) needs 8."""

BLOQUE = 64
"""Rows that walk down a tree together. Measured 2026-11-24: 16 to 256 differ by less than 10 %."""


@dataclass(frozen=True, slots=True, eq=False)
class Bosque:
    """An isolation forest, ready to score.

    Parameters
    ----------
    rasgo : ndarray (t, 2**d - 1), uint32
        Feature that a node looks at, in [0, n_rasgos).
    corte : ndarray (t, 2**d - 1), float32
        A value goes left when it is <= this. scikit-learn's float64 threshold rounded down: no
        float32 lies between the two, so every comparison comes out the same.
    hoja : ndarray (t, 2**d), float64
        What a leaf adds to the path length.
    denominador : float
        Trees times the average path length of a sample, >= 0.
    n_rasgos : int
        Features that a row must have.

    Examples
    --------
    >>> from sklearn.ensemble import IsolationForest
    >>> x = np.random.default_rng(1).random((300, 4)).astype(np.float32)
    >>> forest = IsolationForest(n_estimators=10, random_state=1).fit(x)
    >>> bool((Bosque.from_sklearn(forest).scores(x) == -forest.score_samples(x)).all())
    True
    """

    rasgo: NDArray[np.uint32]
    corte: NDArray[np.float32]
    hoja: NDArray[np.float64]
    denominador: float
    n_rasgos: int

    @staticmethod
    def from_sklearn(forest: IsolationForest) -> Bosque:
        """Return a fitted forest as flat arrays.

        Raises
        ------
        ModeloInvalidoError
            It is not fitted, its trees see only a part of the features, or they are too deep.
        """
        if not hasattr(forest, "estimators_"):
            raise ModeloInvalidoError("el bosque no está entrenado")
        if forest._max_features != forest.n_features_in_:
            raise ModeloInvalidoError("el bosque no usa todos los rasgos en cada árbol")
        arboles = [e.tree_ for e in forest.estimators_]
        profundidad = max(1, *(int(a.max_depth) for a in arboles))
        if profundidad > PROFUNDIDAD_MAXIMA:
            raise ModeloInvalidoError(
                f"el bosque tiene {profundidad} niveles y caben {PROFUNDIDAD_MAXIMA}"
            )
        nodos = 2**profundidad - 1
        rasgo = np.zeros((len(arboles), nodos), np.uint32)
        corte = np.zeros((len(arboles), nodos), np.float32)
        hoja = np.empty((len(arboles), nodos + 1), np.float64)
        for t, arbol in enumerate(arboles):
            # In scikit-learn's own order of addition, which decides the last bit.
            suma = forest._decision_path_lengths[t] + forest._average_path_length_per_tree[t] - 1.0
            _lay_out(arbol, suma, profundidad, rasgo[t], corte[t], hoja[t])
        return Bosque(rasgo, corte, hoja, _denominator(forest), int(forest.n_features_in_))

    def scores(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the anomaly scores of rows of features, high = more anomalous.

        Parameters
        ----------
        x : ndarray (n, n_rasgos), float32
            A row with any NaN is not ready.

        Returns
        -------
        ndarray (n,), float64
            In (0, 1]; NaN = not ready.

        Raises
        ------
        ModeloInvalidoError
            The rows have another number of features than the forest.
        """
        if x.ndim != 2 or x.shape[1] != self.n_rasgos:
            raise ModeloInvalidoError(
                f"el bosque espera {self.n_rasgos} rasgos y recibe una matriz {x.shape}"
            )
        suma = np.empty(x.shape[0], np.float64)
        filas = np.ascontiguousarray(x, np.float32)
        _path_lengths(self.rasgo, self.corte, self.hoja, filas, suma)
        if self.denominador == 0.0:
            # scikit-learn on one training row: nothing to divide by, and every score is 2**-1.
            cociente = np.where(np.isnan(suma), suma, 1.0)
        else:
            cociente = suma / self.denominador
        salida: NDArray[np.float64] = 2 ** (-cociente)
        return salida

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the forest as named arrays, as ``from_arrays`` takes them."""
        return {
            "rasgo": self.rasgo,
            "corte": self.corte,
            "hoja": self.hoja,
            "denominador": np.array(self.denominador, np.float64),
            "n_rasgos": np.array(self.n_rasgos, np.int64),
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Bosque:
        """Return the forest of named arrays, every one checked.

        Raises
        ------
        ModeloInvalidoError
            An array is missing, of another type or shape, or out of range.
        """
        rasgo = checked_array(arrays, "rasgo", np.uint32, 2)
        corte = checked_array(arrays, "corte", np.float32, 2)
        hoja = checked_array(arrays, "hoja", np.float64, 2)
        denominador = float(checked_array(arrays, "denominador", np.float64, 0))
        n_rasgos = int(checked_array(arrays, "n_rasgos", np.int64, 0))
        arboles, hojas = hoja.shape
        profundidad = hojas.bit_length() - 1
        if arboles < 1 or hojas != 2**profundidad or not 1 <= profundidad <= PROFUNDIDAD_MAXIMA:
            raise ModeloInvalidoError(f"el bosque tiene hojas de forma {hoja.shape}")
        if rasgo.shape != (arboles, hojas - 1) or corte.shape != rasgo.shape:
            raise ModeloInvalidoError(
                f"los nodos del bosque, {rasgo.shape} y {corte.shape}, no casan con sus hojas, "
                f"{hoja.shape}"
            )
        if n_rasgos < 1 or rasgo.max() >= n_rasgos:
            raise ModeloInvalidoError(f"el bosque mira rasgos que no están entre sus {n_rasgos}")
        if not (np.isfinite(corte).all() and np.isfinite(hoja).all() and hoja.min() >= 0.0):
            raise ModeloInvalidoError("el bosque tiene cortes u hojas que no son números válidos")
        if not (np.isfinite(denominador) and denominador >= 0.0):
            raise ModeloInvalidoError(f"el denominador del bosque es {denominador}")
        return Bosque(rasgo, corte, hoja, denominador, n_rasgos)


def checked_array(
    arrays: Mapping[str, NDArray[Any]], nombre: str, tipo: type[np.generic], ejes: int
) -> NDArray[Any]:
    """Return one named array of a type and number of axes, its own contiguous copy."""
    if nombre not in arrays:
        raise ModeloInvalidoError(f"al bosque le falta «{nombre}»")
    array = np.asarray(arrays[nombre])
    if array.dtype != np.dtype(tipo) or array.ndim != ejes:
        raise ModeloInvalidoError(
            f"«{nombre}» del bosque es {array.dtype} con {array.ndim} ejes, y se espera "
            f"{np.dtype(tipo)} con {ejes}"
        )
    # A copy, so that what was checked is what stays; ascontiguousarray would lift 0 axes to 1.
    return np.array(array, np.dtype(tipo), order="C")


def _denominator(forest: IsolationForest) -> float:
    from sklearn.ensemble._iforest import _average_path_length

    media = _average_path_length([forest._max_samples])
    return float((len(forest.estimators_) * media)[0])


def _lay_out(
    arbol: Any,
    suma: NDArray[np.float64],
    profundidad: int,
    rasgo: NDArray[np.uint32],
    corte: NDArray[np.float32],
    hoja: NDArray[np.float64],
) -> None:
    """Fill the heap of one tree; ``suma`` is what each of its nodes adds, were it a leaf."""
    nivel = [0]
    for d in range(profundidad):
        siguiente = []
        for k, nodo in enumerate(nivel, start=2**d - 1):
            izquierda = int(arbol.children_left[nodo])
            if izquierda < 0:
                # Both ways lead to the same value: which one is taken does not matter.
                siguiente += [nodo, nodo]
                continue
            rasgo[k] = arbol.feature[nodo]
            corte[k] = round_down(arbol.threshold[nodo])
            siguiente += [izquierda, int(arbol.children_right[nodo])]
        nivel = siguiente
    hoja[:] = suma[nivel]


def round_down(umbral: float) -> np.float32:
    """Return the largest float32 that is not above a float64."""
    cerca = np.float32(umbral)
    return cerca if float(cerca) <= umbral else np.nextafter(cerca, np.float32(-np.inf))


@compilado()
def _path_lengths(rasgo, corte, hoja, x, suma):  # type: ignore[no-untyped-def]
    """Fill the path lengths (n,) of rows, summed tree after tree; NaN for a row with any NaN.

    A level at a time for a block of rows: the rows do not wait for one another, and unsigned
    positions need no test for negative ones, so that the compiler makes gathers of it.
    """
    arboles, nodos = rasgo.shape
    n, rasgos = x.shape
    bloque = np.empty(rasgos * BLOQUE, np.float32)
    donde = np.empty(BLOQUE, np.uint32)
    for desde in range(0, n, BLOQUE):
        filas = min(BLOQUE, n - desde)
        for i in range(filas):
            suma[desde + i] = 0.0
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
                suma[desde + i] += hoja_t[donde[i] - nodos]
        for j in range(rasgos):
            for i in range(filas):
                if np.isnan(bloque[j * BLOQUE + i]):
                    suma[desde + i] = np.nan
