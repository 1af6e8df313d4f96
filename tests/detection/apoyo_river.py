"""The half-space trees beside River's own: a stream scored in one go, and a state there and back.

River stays the definition of the online model; the product itself never asks it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.anomaly import HalfSpaceTrees
from river.tree import padded

from detection.jit import jit
from detection.models.half_space_trees import TreeStructure, learn_at, score_at
from detection.models.partition_states import PartitionState, PartitionStates, sum_up


def score_stream(
    estados: PartitionStates,
    fila: NDArray[np.int64],
    x: NDArray[np.float32],
    aprende: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the scores (n,) of rows of features, each scored and then, if so marked, learnt."""
    salida = np.empty(x.shape[0], np.float64)
    _score_stream(estados.online_model(), fila, x, aprende, salida)
    return salida


@jit()
def _score_stream(model, fila, x, aprende, salida):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        salida[i] = score_at(model, fila[i], x, i)
        if aprende[i]:
            learn_at(model, fila[i], x, i)


def new_river(arboles: TreeStructure) -> HalfSpaceTrees:
    """Return River's own model of the same shape and seed, which has learnt nothing."""
    return HalfSpaceTrees(
        n_trees=arboles.rasgo.shape[0], height=arboles.altura, window_size=arboles.ventana,
        seed=arboles.semilla,
    )  # fmt: skip


def to_river(estados: PartitionStates, fila: int) -> HalfSpaceTrees:
    """Return a model of River's own that goes on from the state of a row."""
    arboles = estados.trees
    modelo: Any = new_river(arboles)
    internos = arboles.rasgo.shape[1]
    masas_l = sum_up(estados.masa_l[fila])
    for t in range(modelo.n_trees):
        masa_l, masa_r = masas_l[t].tolist(), estados.masa_r[fila, t].tolist()
        nodos: list[Any] = [None] * len(masa_l)
        for k in range(len(masa_l) - 1, -1, -1):
            masas = {"l_mass": masa_l[k], "r_mass": masa_r[k]}
            if k >= internos:
                nodos[k] = padded.PaddedLeaf(**masas)
                continue
            rasgo = arboles.rasgos[arboles.rasgo[t, k]]
            hijos = nodos[2 * k + 1], nodos[2 * k + 2]
            nodos[k] = padded.PaddedBranch(*hijos, rasgo, float(arboles.umbral[t, k]), **masas)
        modelo.trees.append(nodos[0])
    modelo._tree_nodes = [list(raiz.iter_dfs()) for raiz in modelo.trees]
    modelo.counter = int(estados.cuenta[fila])
    modelo._first_window = not bool(estados.listo[fila])
    return modelo


def from_river(
    modelo: HalfSpaceTrees, rasgos: tuple[str, ...]
) -> tuple[TreeStructure, PartitionStates]:
    """Return trees and state of a model of River's; the state is partition 0."""
    arboles = structure_of(modelo, rasgos)
    nodos = [_heap(raiz) for raiz in modelo.trees]
    internos = arboles.rasgo.shape[1]
    estados = PartitionStates(arboles, 1)
    estado = PartitionState(
        np.array([[n.l_mass for n in arbol[internos:]] for arbol in nodos], np.uint16),
        np.array([[n.r_mass for n in arbol] for arbol in nodos], np.uint16),
        modelo.counter,
        not modelo._first_window,
    )
    estados.put(0, estado)
    return arboles, estados


def river_trees(
    rasgos: tuple[str, ...], *, arboles: int, altura: int, ventana: int, semilla: int
) -> TreeStructure:
    """Return the trees that River itself draws (see ``build_trees``)."""
    modelo = HalfSpaceTrees(n_trees=arboles, height=altura, window_size=ventana, seed=semilla)
    # River draws its trees at the first reading, from the names in it and not from its values.
    modelo.learn_one(dict.fromkeys(rasgos, 0.5))
    return structure_of(modelo, rasgos)


def structure_of(modelo: Any, rasgos: tuple[str, ...]) -> TreeStructure:
    """Return the structure of a model of River's that has learnt a reading at least."""
    indice = {nombre: j for j, nombre in enumerate(rasgos)}
    forma = (modelo.n_trees, 2**modelo.height - 1)
    rasgo = np.empty(forma, np.uint32)
    umbral = np.empty(forma, np.float64)
    for t, raiz in enumerate(modelo.trees):
        for k, nodo in enumerate(_heap(raiz)[: forma[1]]):
            rasgo[t, k] = indice[nodo.feature]
            umbral[t, k] = nodo.threshold
    return TreeStructure(rasgo, umbral, modelo.height, modelo.window_size, modelo.seed, rasgos)


def _heap(raiz: Any) -> list[Any]:
    """Return the nodes of one of River's trees, level by level."""
    nodos = [raiz]
    for nodo in nodos:
        nodos.extend(getattr(nodo, "children", ()))
    return nodos
