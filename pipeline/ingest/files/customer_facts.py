"""Facts of each customer that grow while a file is read: arrays by the customer's code."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Enteros: TypeAlias = "NDArray[np.int64]"
NUNCA = 1 << 40
"""A day, or a minute, that has not been seen."""


def changes(*columnas: NDArray[Any]) -> Enteros:
    """Return where any of some columns changes, the beginning among it."""
    nuevo = np.ones(columnas[0].size, np.bool_)
    if nuevo.size:
        nuevo[1:] = False
        for columna in columnas:
            nuevo[1:] |= columna[1:] != columna[:-1]
    return np.flatnonzero(nuevo)


def gather(
    operacion: np.ufunc, hechos: Enteros, cliente: NDArray[Any], valores: Enteros, nada: int
) -> Enteros:
    """Return facts by customer with those of some rows; ``nada`` stands where there are none.

    Rows of one customer mostly follow each other: each run of them is one step.
    """
    if not cliente.size:
        return hechos
    cuantos = int(cliente.max()) + 1
    if cuantos > hechos.size:
        largo = max(cuantos, 2 * hechos.size)
        hechos = np.concatenate([hechos, np.full(largo - hechos.size, nada, np.int64)])
    inicios = changes(cliente)
    operacion.at(hechos, cliente[inicios], operacion.reduceat(valores, inicios))
    return hechos


def of(hechos: Enteros, cliente: NDArray[Any], nada: int) -> Enteros:
    """Return the facts of some customers."""
    if not hechos.size:
        return np.full(cliente.size, nada, np.int64)
    conocido = cliente < hechos.size
    return np.where(conocido, hechos[np.where(conocido, cliente, 0)], nada)
