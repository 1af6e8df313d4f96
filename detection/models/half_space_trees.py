"""The online model: River's HalfSpaceTrees as flat arrays, one state per Kafka partition.

River (0.26.1) is the definition, and is asked by the tests alone: the trees are those that its seed
gives, and every score equals ``HalfSpaceTrees.score_one`` to the last bit. Only where River says 0
because its first window is not full, the score is NaN: not ready. Nodes lie in heap order: the
children of node k are 2k + 1 and 2k + 2.
"""

from __future__ import annotations

import hashlib
from bisect import bisect
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.jit import jit

MAX_WINDOW = 65_535
"""Readings of a window: what the 16 bits of a mass can count."""
MAX_HEIGHT = 15
"""Levels of a tree, by hand, 2026-11-24: River's default is 8, and the state doubles with each."""

_MARGEN = 0.15
"""Part of a node's range, at either end, in which it is never cut: River's padding."""

_TWO = np.uint64(2)
"""Unsigned, as the index of a node is: what cannot be negative needs no test for it, and numba
would make a float of an unsigned number and a signed one."""


@dataclass(frozen=True, slots=True, eq=False)
class TreeStructure:
    """The structure of the trees, the same for every partition.

    Examples
    --------
    >>> rasgo, umbral = np.zeros((3, 7), np.uint32), np.full((3, 7), 0.5)
    >>> len(TreeStructure(rasgo, umbral, altura=3, ventana=10, semilla=1, rasgos=("a",)).huella())
    12
    """

    rasgo: NDArray[np.uint32]  # (t, 2**altura - 1): index into ``rasgos`` that a node looks at
    # (t, 2**altura - 1): a value goes left when it is < this: River's own.
    umbral: NDArray[np.float64]
    altura: int  # levels below the root, in [1, MAX_HEIGHT]
    ventana: int  # readings learnt between two renewals of the masses, in [1, MAX_WINDOW]
    semilla: int  # the seed that they were drawn with
    rasgos: tuple[str, ...]  # names of the features, in the order of the columns
    # (t, 2**altura - 1): ``umbral`` rounded up, for the kernels: no float32 lies between the two,
    # so every comparison of a float32 comes out the same.
    corte: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        cerca = self.umbral.astype(np.float32)
        encima = np.nextafter(cerca, np.float32(np.inf))
        object.__setattr__(self, "corte", np.where(cerca < self.umbral, encima, cerca))

    def huella(self) -> str:
        """Return 12 hex digits that change with any of it."""
        digesto = hashlib.sha256(
            repr((self.rasgos, self.rasgo.shape, self.altura, self.ventana, self.semilla)).encode()
        )
        digesto.update(self.rasgo.astype("<u4").tobytes())
        digesto.update(self.umbral.astype("<f8").tobytes())
        return digesto.hexdigest()[:12]


@lru_cache(maxsize=16)
def build_trees(
    rasgos: tuple[str, ...], *, arboles: int, altura: int, ventana: int, semilla: int
) -> TreeStructure:
    """Return the trees that River draws for features in [0, 1].

    ``rasgos``: names, all different, in the order of the columns. ``arboles``, ``altura``,
    ``ventana``, ``semilla``: River's ``n_trees``, ``height``, ``window_size`` and ``seed``.
    ``ValueError``: a parameter is out of its range. Drawn once: nobody writes into them.

    Examples
    --------
    >>> trees = build_trees(("a", "b"), arboles=3, altura=2, ventana=10, semilla=1)
    >>> trees.umbral.shape, bool((trees.umbral > 0).all() and (trees.umbral < 1).all())
    ((3, 3), True)
    """
    _check(rasgos, arboles, altura, ventana)
    forma = (arboles, 2**altura - 1)
    rasgo, umbral = np.empty(forma, np.uint32), np.empty(forma, np.float64)
    # The order in which River draws the features: by name.
    columna = np.array(sorted(range(len(rasgos)), key=rasgos.__getitem__), np.uint32)
    azar = _python_random(semilla)
    for t in range(arboles):
        limites = [(0.0, 1.0)] * len(rasgos)
        _draw(azar, limites, 0, rasgo[t], umbral[t])
        rasgo[t] = columna[rasgo[t]]
    return TreeStructure(rasgo, umbral, altura, ventana, semilla, rasgos)


def _python_random(semilla: int) -> np.random.RandomState:
    """Return the generator whose doubles are those of Python's ``random.Random(semilla)``.

    Both are MT19937, seeded by the 32-bit words of the number without its sign; NumPy promises that
    the stream of ``RandomState`` never changes.
    """
    positiva = abs(semilla)
    palabras = max(1, -(-positiva.bit_length() // 32))
    # A list, even of one word: NumPy seeds otherwise from a lone number.
    return np.random.RandomState([positiva >> 32 * k & 0xFFFFFFFF for k in range(palabras)])


def _draw(
    azar: np.random.RandomState,
    limites: list[tuple[float, float]],
    k: int,
    rasgo: NDArray[np.uint32],
    umbral: NDArray[np.float64],
) -> None:
    """Draw node k of a tree and, before its right side, all of its left side.

    ``limites``: range of each feature at this node, the same again afterwards. Two doubles a node:
    a feature is as likely as its range is wide, and is cut evenly, but for ``_MARGEN``.
    """
    if k >= rasgo.shape[0]:
        return
    # Sums and products in the order of River's and of Python's: another one has other last bits.
    hasta = list(accumulate(b - a for a, b in limites))
    cual = bisect(hasta, azar.random_sample() * hasta[-1], 0, len(hasta) - 1)
    a, b = limites[cual]
    desde, fin = a + _MARGEN * (b - a), b - _MARGEN * (b - a)
    corte = desde + (fin - desde) * azar.random_sample()
    rasgo[k], umbral[k] = cual, corte
    for hijo, suyos in ((2 * k + 1, (a, corte)), (2 * k + 2, (corte, b))):
        limites[cual] = suyos
        _draw(azar, limites, hijo, rasgo, umbral)
    limites[cual] = (a, b)


def _check(rasgos: tuple[str, ...], arboles: int, altura: int, ventana: int) -> None:
    if not rasgos or len(set(rasgos)) != len(rasgos):
        raise ValueError("los rasgos del modelo en línea están vacíos o repetidos")
    if arboles < 1 or not 1 <= altura <= MAX_HEIGHT or not 1 <= ventana <= MAX_WINDOW:
        raise ValueError(
            f"un modelo en línea de {arboles} árboles, altura {altura} y ventana {ventana} no cabe"
        )


class OnlineModel(NamedTuple):
    """The trees and what every partition has learnt in them, for the compiled loops.

    As in ``TreeStructure`` and, partition by partition, in ``PartitionStates``.
    """

    rasgo: NDArray[np.uint32]
    corte: NDArray[np.float32]
    altura: int
    ventana: int
    masa_l: NDArray[np.uint16]
    masa_r: NDArray[np.uint16]
    cuenta: NDArray[np.int64]
    listo: NDArray[np.bool_]


@jit()
def score_at(model, p, x, i):  # type: ignore[no-untyped-def]
    """Return the score in [0, 1] of reading i in the partition of row p, NaN = not ready.

    A partition that is not in memory (p = -1), or in its first window, and a reading without
    features are not ready.
    """
    if p < 0 or not model.listo[p] or np.isnan(x[i, 0]):
        return np.nan
    arboles = model.rasgo.shape[0]
    # River compares whole numbers with 0.1 * window; rounded up, it is the same comparison.
    limite = int(np.ceil(0.1 * model.ventana))
    fila = x[i]
    masa = model.masa_r[p]
    suma = np.int64(0)
    for t in range(arboles):
        rasgo_t, corte_t, masa_t = model.rasgo[t], model.corte[t], masa[t]
        k = np.uint64(0)
        nivel = 0
        while nivel < model.altura and masa_t[k] >= limite:
            suma += np.int64(masa_t[k]) << nivel
            k = _TWO * k + _TWO - np.uint64(fila[rasgo_t[k]] < corte_t[k])
            nivel += 1
        suma += np.int64(masa_t[k]) << nivel
    return 1.0 - suma / (arboles * model.ventana * (2 ** (model.altura + 1) - 1))


@jit()
def learn_at(model, p, x, i):  # type: ignore[no-untyped-def]
    """Learn reading i in the partition of row p; what is not ready is not learnt."""
    if p < 0 or np.isnan(x[i, 0]):
        return
    fila = x[i]
    masa = model.masa_l[p]
    for t in range(model.rasgo.shape[0]):
        rasgo_t, corte_t = model.rasgo[t], model.corte[t]
        k = np.uint64(0)
        for _ in range(model.altura):
            k = _TWO * k + _TWO - np.uint64(fila[rasgo_t[k]] < corte_t[k])
        masa[t, k - np.uint64(model.rasgo.shape[1])] += np.uint16(1)
    model.cuenta[p] += 1
    if model.cuenta[p] == model.ventana:
        _pivot(masa, model.masa_r[p])
        model.listo[p] = True
        model.cuenta[p] = 0


@jit()
def _pivot(masa_l, masa_r):  # type: ignore[no-untyped-def]
    """Make the window that was learnt the one that is scored with, and begin an empty one."""
    arboles, hojas = masa_l.shape
    for t in range(arboles):
        for k in range(hojas):
            masa_r[t, hojas - 1 + k] = masa_l[t, k]
            masa_l[t, k] = 0
        for k in range(hojas - 2, -1, -1):
            masa_r[t, k] = masa_r[t, 2 * k + 1] + masa_r[t, 2 * k + 2]
