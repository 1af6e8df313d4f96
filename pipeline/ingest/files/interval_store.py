"""The rows of a file between its second reading and its hours: in memory, or in months on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.files.blocks import Intervalos

FILAS_EN_MEMORIA = 1_500_000
_DIAS_POR_MES = 32
_SEGUNDOS_POR_DIA = 86_400
FILA = np.dtype(
    [
        ("momento", np.int64),
        ("linea", np.int64),
        ("revision", np.int64),
        ("valor", np.float64),
        ("dia", np.int32),
        ("cliente", np.int32),
        ("segundos", np.int32),
        ("canal", np.int16),
        ("etiqueta", np.int16),
        ("tipo", np.int16),
        ("metodo", np.int8),
        ("exacto", np.bool_),
        ("fin", np.bool_),
        ("potencia", np.bool_),
        ("dicho", np.bool_),
    ]
)
"""A row: ``momento`` is seconds since 1970 where ``exacto``, else minutes of the local day ``dia``
(counted from 1970; there may be more of them than a day has), and the interval's end where ``fin``;
``valor`` is kWh, or mean kW where ``potencia``; ``segundos`` 0 = to be measured; ``etiqueta`` and
``tipo`` -1 = none; the rest is as in ``Intervalos``."""

Filas: TypeAlias = "NDArray[Any]"


def rows_of(bloque: Intervalos, clientes: NDArray[np.int32]) -> Filas:
    """Return a reader's intervals as rows; ``clientes`` are the file's codes of its customers."""
    filas = np.zeros(len(bloque), FILA)
    filas["momento"] = bloque.inicio
    filas["linea"] = bloque.linea
    filas["revision"] = bloque.revision
    filas["valor"] = bloque.kwh
    filas["cliente"] = clientes[bloque.cliente] if len(bloque) else 0
    filas["segundos"] = bloque.segundos
    filas["canal"] = bloque.canal
    filas["metodo"] = bloque.metodo
    filas["dicho"] = bloque.dicho
    filas["exacto"] = True
    filas["etiqueta"] = filas["tipo"] = -1
    return filas


def in_order(filas: Filas, *claves: NDArray[Any]) -> Filas:
    """Return rows by some keys, the first one before the others; as they are if they are so.

    Most files are in order already, and to look costs less than to sort.
    """
    igual = np.ones(max(0, filas.size - 1), np.bool_)
    ordenadas = True
    for clave in claves:
        antes, despues = clave[:-1], clave[1:]
        if (igual & (despues < antes)).any():
            ordenadas = False
            break
        igual &= despues == antes
    return filas if ordenadas else filas[np.lexsort(claves[::-1])]


def only(filas: Filas, buena: NDArray[np.bool_]) -> Filas:
    """Return some rows; all of them without a copy."""
    return filas if buena.all() else filas[buena]


class IntervalStore:
    """Takes the rows of a file in its order and gives them back in parts that are whole.

    No hour and no local day is in two parts. A small file is one part, in its own order; a larger
    one goes to disk by months, and a month that is still too large comes by customers.

    Parameters
    ----------
    en_memoria : int
        Rows that a part may have.
    """

    def __init__(self, en_memoria: int = FILAS_EN_MEMORIA) -> None:
        self._en_memoria = en_memoria
        self._partes: list[Filas] = []
        self._cuantas = 0
        self._carpeta: tempfile.TemporaryDirectory[str] | None = None
        self._meses: dict[int, int] = {}

    def __enter__(self) -> IntervalStore:
        return self

    def __exit__(self, *_: object) -> None:
        if self._carpeta is not None:
            self._carpeta.cleanup()
        self._partes = []

    def add(self, filas: Filas) -> None:
        """Take some rows."""
        if not filas.size:
            return
        self._partes.append(filas)
        self._cuantas += filas.size
        if self._carpeta is not None or self._cuantas > self._en_memoria:
            self._spill()

    def _spill(self) -> None:
        if self._carpeta is None:
            self._carpeta = tempfile.TemporaryDirectory(prefix="consumo_curvas_")
        for filas in self._partes:
            dia = (filas["momento"] - filas["fin"]) // _SEGUNDOS_POR_DIA
            mes = np.where(filas["exacto"], dia, filas["dia"]) // _DIAS_POR_MES
            for k in np.unique(mes).tolist():
                suyas = filas[mes == k]
                with self._file(k).open("ab") as archivo:
                    archivo.write(suyas.tobytes())
                self._meses[k] = self._meses.get(k, 0) + suyas.size
        self._partes = []

    def _file(self, mes: int) -> Path:
        assert self._carpeta is not None
        return Path(self._carpeta.name) / f"{mes:+d}"

    def parts(self) -> Iterator[tuple[Filas, float]]:
        """Yield rows, and the part of all of them that has been given with these."""
        if self._carpeta is None:
            if self._partes:
                yield np.concatenate(self._partes), 1.0
            return
        dadas = 0
        for mes, cuantas in sorted(self._meses.items()):
            for filas in self._by_customer(mes, cuantas):
                dadas += filas.size
                yield filas, dadas / self._cuantas

    def _by_customer(self, mes: int, cuantas: int) -> Iterator[Filas]:
        trozos = -(-cuantas // self._en_memoria)
        if trozos == 1:
            yield np.fromfile(self._file(mes), FILA)
            return
        todas = np.memmap(self._file(mes), FILA, "r")
        for k in range(trozos):
            elegidas = [
                bloque[bloque["cliente"] % trozos == k]
                for i in range(0, cuantas, self._en_memoria)
                if (bloque := todas[i : i + self._en_memoria]).size
            ]
            yield np.concatenate(elegidas)
