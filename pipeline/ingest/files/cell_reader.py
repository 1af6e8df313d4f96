"""Cells as numbers: each distinct text of a column is read once, then looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.blocks import Rechazada
from pipeline.ingest.files.rows import Columnas

_EN_MEMORIA = 500_000


@dataclass(slots=True)
class CellReader:
    """Reads the cells of one column, and remembers what each text was.

    Parameters
    ----------
    sitio : int
        The column.
    leer : callable
        Returns the number of a cell, or why it is none.
    clase : type
        Of the numbers.
    """

    sitio: int
    leer: Callable[[str], Any]
    clase: Any
    _recordadas: dict[str, Any] = field(default_factory=dict)

    def texts(self, columnas: Columnas) -> list[Any]:
        """Return what each distinct text of a piece is: a number or an error."""
        recordadas = self._recordadas
        if len(recordadas) > _EN_MEMORIA:
            recordadas.clear()
        leidos = []
        for texto in columnas.textos[self.sitio]:
            leido = recordadas.get(texto)
            if leido is None:
                leido = recordadas[texto] = self.leer(texto)
            leidos.append(leido)
        return leidos

    def read(self, columnas: Columnas, errores: Errores) -> NDArray[Any]:
        """Return the number of each row (n,); 0 or NaN where ``errores`` says why there is none."""
        leidos = self.texts(columnas)
        codigos = columnas.codigos[self.sitio]
        nada = np.nan if self.clase is np.float64 else 0
        malos = [isinstance(x, LecturaInvalidaError) for x in leidos]
        valores = np.array(
            [nada if malo else x for x, malo in zip(leidos, malos, strict=True)], self.clase
        )
        if any(malos):
            errores.take(np.array(malos, np.bool_)[codigos], lambda i: leidos[codigos[i]])
        return valores[codigos] if valores.size else np.zeros(0, self.clase)


@dataclass(slots=True)
class Errores:
    """Why rows of a piece are none; of several reasons the first one counts.

    Parameters
    ----------
    lineas : ndarray (n,)
    """

    lineas: NDArray[np.int64]
    rechazadas: list[Rechazada] = field(default_factory=list)
    mala: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.mala = np.zeros(self.lineas.size, np.bool_)

    def take(
        self, mala: NDArray[np.bool_], error_de: Callable[[int], LecturaInvalidaError]
    ) -> None:
        """Refuse some rows (n,), each with its error."""
        for i in np.flatnonzero(mala & ~self.mala).tolist():
            self.rechazadas.append((int(self.lineas[i]), error_de(i)))
        self.mala |= mala


@dataclass(slots=True)
class Codigos:
    """Codes of names that grow with a file.

    Examples
    --------
    >>> codigos = Codigos()
    >>> codigos.code("A"), codigos.code("B"), codigos.code("A"), codigos.nombres
    (0, 1, 0, ['A', 'B'])
    """

    nombres: list[str] = field(default_factory=list)
    _codigos: dict[str, int] = field(default_factory=dict)

    def code(self, nombre: str) -> int:
        """Return the code of a name, a new one for a new name."""
        codigo = self._codigos.get(nombre)
        if codigo is None:
            codigo = self._codigos[nombre] = len(self.nombres)
            self.nombres.append(nombre)
        return codigo


@dataclass(slots=True)
class CodigosDeFilas:
    """Codes of the rows of all parts of a file: one name has one code in all of them."""

    clientes: Codigos = field(default_factory=Codigos)
    canales: Codigos = field(default_factory=Codigos)
    etiquetas: Codigos = field(default_factory=Codigos)
    tipos: Codigos = field(default_factory=Codigos)
