"""The online model: River's HalfSpaceTrees as flat arrays, one state per Kafka partition.

River draws the trees (its seed, its thresholds) and stays the definition: every score equals
``HalfSpaceTrees.score_one`` to the last bit, and a state goes to River and back without loss.
Only where River says 0 because its first window is not full, the score is NaN: not ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from detection.compiled import compilado
from detection.errors import ModeloInvalidoError
from detection.models.online_state import (
    ALTURA_MAXIMA,
    VENTANA_MAXIMA,
    Arboles,
    Estado,
    Estados,
    Instantanea,
    sum_up,
)

if TYPE_CHECKING:
    from river.anomaly import HalfSpaceTrees

__all__ = [
    "ALTURA_MAXIMA", "VENTANA_MAXIMA", "Arboles", "Estado", "Estados", "Instantanea",
    "build_arboles", "from_river", "learn_at", "score_at", "score_stream", "to_river",
]  # fmt: skip

DOS = np.uint64(2)
"""Unsigned, as the index of a node is: what cannot be negative needs no test for it, and numba
would make a float of an unsigned number and a signed one."""


def build_arboles(
    rasgos: tuple[str, ...], *, arboles: int, altura: int, ventana: int, semilla: int
) -> Arboles:
    """Return trees drawn by River for features in [0, 1].

    Parameters
    ----------
    rasgos : tuple of str
        Names, all different, in the order of the columns.
    arboles, altura, ventana, semilla : int
        River's ``n_trees``, ``height``, ``window_size`` and ``seed``.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> arboles = build_arboles(("a", "b"), arboles=3, altura=2, ventana=10, semilla=1)
    >>> arboles.umbral.shape, bool((arboles.umbral > 0).all() and (arboles.umbral < 1).all())
    ((3, 3), True)
    """
    from river.anomaly import HalfSpaceTrees

    _check(rasgos, arboles, altura, ventana)
    modelo: Any = HalfSpaceTrees(n_trees=arboles, height=altura, window_size=ventana, seed=semilla)
    # River draws its trees at the first reading, from the names in it and not from its values.
    modelo.learn_one(dict.fromkeys(rasgos, 0.5))
    return _structure(modelo, rasgos)


def _check(rasgos: tuple[str, ...], arboles: int, altura: int, ventana: int) -> None:
    if not rasgos or len(set(rasgos)) != len(rasgos):
        raise ValueError("los rasgos del modelo en línea están vacíos o repetidos")
    if arboles < 1 or not 1 <= altura <= ALTURA_MAXIMA or not 1 <= ventana <= VENTANA_MAXIMA:
        raise ValueError(
            f"un modelo en línea de {arboles} árboles, altura {altura} y ventana {ventana} no cabe"
        )


def _structure(modelo: Any, rasgos: tuple[str, ...]) -> Arboles:
    indice = {nombre: j for j, nombre in enumerate(rasgos)}
    forma = (modelo.n_trees, 2**modelo.height - 1)
    rasgo = np.empty(forma, np.uint32)
    umbral = np.empty(forma, np.float64)
    for t, raiz in enumerate(modelo.trees):
        for k, nodo in enumerate(_heap(raiz)[: forma[1]]):
            rasgo[t, k] = indice[nodo.feature]
            umbral[t, k] = nodo.threshold
    return Arboles(rasgo, umbral, modelo.height, modelo.window_size, modelo.seed, rasgos)


def _heap(raiz: Any) -> list[Any]:
    """Return the nodes of one of River's trees, level by level."""
    nodos = [raiz]
    for nodo in nodos:
        nodos.extend(getattr(nodo, "children", ()))
    return nodos


def to_river(arboles: Arboles, estados: Estados, fila: int) -> HalfSpaceTrees:
    """Return a model of River's own that goes on from the state of a row."""
    from river.anomaly import HalfSpaceTrees
    from river.tree import padded

    rama: Any = padded.PaddedBranch
    hoja: Any = padded.PaddedLeaf
    modelo: Any = HalfSpaceTrees(
        n_trees=arboles.rasgo.shape[0],
        height=arboles.altura,
        window_size=arboles.ventana,
        seed=arboles.semilla,
    )
    internos = arboles.rasgo.shape[1]
    masas_l = sum_up(estados.masa_l[fila])
    for t in range(modelo.n_trees):
        masa_l = masas_l[t].tolist()
        masa_r = estados.masa_r[fila, t].tolist()
        nodos: list[Any] = [None] * len(masa_l)
        for k in range(len(masa_l) - 1, -1, -1):
            masas = {"l_mass": masa_l[k], "r_mass": masa_r[k]}
            nodos[k] = (
                hoja(**masas)
                if k >= internos
                else rama(
                    nodos[2 * k + 1],
                    nodos[2 * k + 2],
                    arboles.rasgos[arboles.rasgo[t, k]],
                    float(arboles.umbral[t, k]),
                    **masas,
                )
            )
        modelo.trees.append(nodos[0])
    modelo._tree_nodes = [list(raiz.iter_dfs()) for raiz in modelo.trees]
    modelo.counter = int(estados.cuenta[fila])
    modelo._first_window = not bool(estados.listo[fila])
    return cast("HalfSpaceTrees", modelo)


def from_river(modelo: HalfSpaceTrees, rasgos: tuple[str, ...]) -> tuple[Arboles, Estados]:
    """Return trees and state of a model of River's; the state is partition 0.

    Raises
    ------
    ModeloInvalidoError
        It has not learnt anything yet, has no seed, looks at other features, or does not fit.
    """
    if not modelo.trees or modelo.seed is None:
        raise ModeloInvalidoError("el modelo de River no ha aprendido nada o no tiene semilla")
    try:
        _check(rasgos, modelo.n_trees, modelo.height, modelo.window_size)
        arboles = _structure(modelo, rasgos)
    except ValueError as error:
        raise ModeloInvalidoError(str(error)) from error
    except KeyError as error:
        raise ModeloInvalidoError(f"el modelo de River mira un rasgo ajeno: {error}") from error
    nodos = [_heap(raiz) for raiz in modelo.trees]
    internos = arboles.rasgo.shape[1]
    estados = Estados(arboles, 1)
    estados.put(
        0,
        Estado(
            np.array([[n.l_mass for n in arbol[internos:]] for arbol in nodos], np.uint16),
            np.array([[n.r_mass for n in arbol] for arbol in nodos], np.uint16),
            modelo.counter,
            not modelo._first_window,
        ),
    )
    return arboles, estados


def score_stream(
    estados: Estados,
    fila: NDArray[np.int64],
    x: NDArray[np.float32],
    aprende: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the scores (n,) of readings, each scored and then, if so marked, learnt.

    Parameters
    ----------
    estados : Estados
        Changed.
    fila : ndarray (n,), int64
        Row of each reading's partition.
    x : ndarray (n, f), float32
        Features in [0, 1]; a row of NaN is not ready.
    aprende : ndarray (n,), bool
    """
    esperados = len(estados.arboles.rasgos)
    if x.dtype != np.float32 or x.ndim != 2 or x.shape[1] != esperados:
        raise ModeloInvalidoError(
            f"el modelo en línea espera {esperados} rasgos float32 y recibe {x.dtype} {x.shape}"
        )
    a = estados.arboles
    salida = np.empty(x.shape[0], np.float64)
    _score_stream(
        a.rasgo, a.corte, a.altura, a.ventana, estados.masa_l, estados.masa_r, estados.cuenta,
        estados.listo, fila, x, aprende, salida,
    )  # fmt: skip
    return salida


@compilado()
def score_at(rasgo, corte, altura, ventana, masa_r, listo, p, x, i):  # type: ignore[no-untyped-def]
    """Return the score in [0, 1] of reading i in the partition of row p, NaN = not ready.

    A partition that is not in memory (p = -1), or in its first window, and a reading without
    features are not ready.
    """
    if p < 0 or not listo[p] or np.isnan(x[i, 0]):
        return np.nan
    arboles = rasgo.shape[0]
    # River compares whole numbers with 0.1 * window; rounded up, it is the same comparison.
    limite = int(np.ceil(0.1 * ventana))
    fila = x[i]
    masa = masa_r[p]
    suma = np.int64(0)
    for t in range(arboles):
        rasgo_t, corte_t, masa_t = rasgo[t], corte[t], masa[t]
        k = np.uint64(0)
        nivel = 0
        while nivel < altura and masa_t[k] >= limite:
            suma += np.int64(masa_t[k]) << nivel
            k = DOS * k + DOS - np.uint64(fila[rasgo_t[k]] < corte_t[k])
            nivel += 1
        suma += np.int64(masa_t[k]) << nivel
    return 1.0 - suma / (arboles * ventana * (2 ** (altura + 1) - 1))


@compilado()
def learn_at(rasgo, corte, altura, ventana, masa_l, masa_r, cuenta, listo, p, x, i):  # type: ignore[no-untyped-def]
    """Learn reading i in the partition of row p; what is not ready is not learnt."""
    if p < 0 or np.isnan(x[i, 0]):
        return
    fila = x[i]
    masa = masa_l[p]
    for t in range(rasgo.shape[0]):
        rasgo_t, corte_t = rasgo[t], corte[t]
        k = np.uint64(0)
        for _ in range(altura):
            k = DOS * k + DOS - np.uint64(fila[rasgo_t[k]] < corte_t[k])
        masa[t, k - np.uint64(rasgo.shape[1])] += np.uint16(1)
    cuenta[p] += 1
    if cuenta[p] == ventana:
        _pivot(masa, masa_r[p])
        listo[p] = True
        cuenta[p] = 0


@compilado()
def _pivot(masa_l, masa_r):  # type: ignore[no-untyped-def]
    """Make the window that was learnt the one that is scored with, and begin an empty one."""
    arboles, hojas = masa_l.shape
    for t in range(arboles):
        for k in range(hojas):
            masa_r[t, hojas - 1 + k] = masa_l[t, k]
            masa_l[t, k] = 0
        for k in range(hojas - 2, -1, -1):
            masa_r[t, k] = masa_r[t, 2 * k + 1] + masa_r[t, 2 * k + 2]


@compilado()
def _score_stream(rasgo, corte, altura, ventana, masa_l, masa_r, cuenta,  # type: ignore[no-untyped-def]
                  listo, fila, x, aprende, salida):  # fmt: skip
    for i in range(x.shape[0]):
        p = fila[i]
        salida[i] = score_at(rasgo, corte, altura, ventana, masa_r, listo, p, x, i)
        if aprende[i]:
            learn_at(rasgo, corte, altura, ventana, masa_l, masa_r, cuenta, listo, p, x, i)
