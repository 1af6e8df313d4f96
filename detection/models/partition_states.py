"""What the online model has learnt, partition by partition: in memory, as bytes, and undone.

A node's mass is the number of readings of one window that passed it, so it is the sum of its
children's: of the window that is being learnt only the leaves are counted, of a stored state only
the leaves are kept, and a state whose leaves do not sum up to its count is damaged.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.models.half_space_trees import OnlineModel, TreeStructure

_CABECERA = struct.Struct("<4s12s")
_MAGIC = b"hst1"
_CUENTA = struct.Struct("<q?")
_CAPACIDAD_INICIAL = 8


@dataclass(frozen=True, slots=True, eq=False)
class PartitionState:
    """What one partition has learnt, as a row of ``PartitionStates``."""

    masa_l: NDArray[np.uint16]
    masa_r: NDArray[np.uint16]
    cuenta: int
    listo: bool


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """An exact copy of some rows of ``PartitionStates``."""

    filas: NDArray[np.int64]
    columnas: tuple[NDArray[Any], ...]


class PartitionStates:
    """What all partitions in memory have learnt.

    The arrays are replaced when they grow: take them anew after ``add``.

    ``capacidad``: rows to begin with; they grow as partitions come.

    Attributes
    ----------
    masa_l : ndarray (p, t, 2**altura), uint16
        Readings of this window that ended in a leaf.
    masa_r : ndarray (p, t, 2**(altura + 1) - 1), uint16
        Readings of the last complete window that passed a node.
    cuenta : ndarray (p,), int64
        Readings learnt in this window.
    listo : ndarray (p,), bool
        One window is complete.

    Examples
    --------
    >>> rasgo, umbral = np.zeros((3, 7), np.uint32), np.full((3, 7), 0.5)
    >>> trees = TreeStructure(rasgo, umbral, altura=3, ventana=10, semilla=1, rasgos=("a",))
    >>> states = PartitionStates(trees)
    >>> fila = states.add(3)
    >>> states.row(3) == fila, states.row(0), states.rows(np.array([0, 3])).tolist()
    (True, -1, [-1, 0])
    """

    def __init__(self, trees: TreeStructure, capacidad: int = _CAPACIDAD_INICIAL) -> None:
        t, hojas = trees.rasgo.shape[0], 2**trees.altura
        self.trees = trees
        self.masa_l = np.zeros((capacidad, t, hojas), np.uint16)
        self.masa_r = np.zeros((capacidad, t, 2 * hojas - 1), np.uint16)
        self.cuenta = np.zeros(capacidad, np.int64)
        self.listo = np.zeros(capacidad, np.bool_)
        self._fila_de = np.full(capacidad, -1, np.int64)
        self._libres = list(range(capacidad - 1, -1, -1))
        self._huella = trees.huella().encode()

    def online_model(self) -> OnlineModel:
        """Return the trees with all states, for the compiled loops."""
        t = self.trees
        return OnlineModel(
            t.rasgo, t.corte, t.altura, t.ventana, self.masa_l, self.masa_r, self.cuenta, self.listo
        )

    def __len__(self) -> int:
        return self.cuenta.shape[0] - len(self._libres)

    def partitions(self) -> list[int]:
        """Return the partitions in memory, in rising order."""
        return [int(p) for p in np.flatnonzero(self._fila_de >= 0)]

    def row(self, particion: int) -> int:
        """Return a partition's row, -1 if it is not in memory."""
        if 0 <= particion < self._fila_de.shape[0]:
            return int(self._fila_de[particion])
        return -1

    def rows(self, particiones: NDArray[Any]) -> NDArray[np.int64]:
        """Return the rows (n,) of partitions (n,), -1 for those not in memory."""
        dentro = (particiones >= 0) & (particiones < self._fila_de.shape[0])
        filas: NDArray[np.int64] = np.where(
            dentro, self._fila_de[np.where(dentro, particiones, 0)], -1
        )
        return filas

    def add(self, particion: int, estado: bytes | memoryview | None = None) -> int:
        """Return the row of a partition, which then holds this state and nothing else.

        ``particion``: Kafka's number, >= 0. ``estado``: what ``dump`` gave; None, bytes of other
        trees and damaged bytes are a cold start (``decode`` tells which bytes are).
        """
        leido = None if estado is None else self.decode(estado)
        return self.put(particion, leido)

    def put(self, particion: int, estado: PartitionState | None) -> int:
        """Return the row of a partition, which then holds this state, None = cold."""
        if particion < 0:
            raise ValueError(f"la partición {particion} no existe")
        fila = self.row(particion)
        if fila < 0:
            if not self._libres:
                self._grow()
            fila = self._libres.pop()
            if particion >= self._fila_de.shape[0]:
                crecida = np.full(2 * particion + 1, -1, np.int64)
                crecida[: self._fila_de.shape[0]] = self._fila_de
                self._fila_de = crecida
            self._fila_de[particion] = fila
        self.masa_l[fila] = 0 if estado is None else estado.masa_l
        self.masa_r[fila] = 0 if estado is None else estado.masa_r
        self.cuenta[fila] = 0 if estado is None else estado.cuenta
        self.listo[fila] = estado is not None and estado.listo
        return fila

    def forget(self, particion: int) -> None:
        """Drop a partition; its row is free."""
        fila = self.row(particion)
        if fila >= 0:
            self._fila_de[particion] = -1
            self._libres.append(fila)

    def _grow(self) -> None:
        vieja = self.cuenta.shape[0]
        nueva = max(2 * vieja, 1)
        for nombre in ("masa_l", "masa_r", "cuenta", "listo"):
            array = getattr(self, nombre)
            crecida = np.zeros((nueva, *array.shape[1:]), array.dtype)
            crecida[:vieja] = array
            setattr(self, nombre, crecida)
        self._libres = list(range(nueva - 1, vieja - 1, -1))

    def dump(self, particion: int) -> bytes:
        """Return the state of a partition in memory, as ``add`` takes it.

        ``KeyError``: the partition is not in memory.
        """
        fila = self.row(particion)
        if fila < 0:
            raise KeyError(particion)
        internos = self.trees.rasgo.shape[1]
        cuerpo = b"".join(
            (
                _CUENTA.pack(int(self.cuenta[fila]), bool(self.listo[fila])),
                self.masa_l[fila].astype("<u2").tobytes(),
                self.masa_r[fila, :, internos:].astype("<u2").tobytes(),
            )
        )
        return _CABECERA.pack(_MAGIC, self._huella) + zlib.compress(cuerpo, 1)

    def decode(self, estado: bytes | memoryview) -> PartitionState | None:
        """Return the state in what ``dump`` gave, None if it is of other trees or damaged."""
        forma = self.masa_l.shape[1:]
        if estado[: _CABECERA.size] != _CABECERA.pack(_MAGIC, self._huella):
            return None
        cuerpo = _inflate(estado[_CABECERA.size :], _CUENTA.size + 4 * forma[0] * forma[1])
        if cuerpo is None:
            return None
        cuenta, listo = _CUENTA.unpack_from(cuerpo)
        hojas = np.frombuffer(cuerpo, "<u2", offset=_CUENTA.size).reshape(2, *forma)
        llena = self.trees.ventana if listo else 0
        if not 0 <= cuenta < self.trees.ventana:
            return None
        sumas = hojas.sum(axis=2, dtype=np.int64)
        if (sumas[0] != cuenta).any() or (sumas[1] != llena).any():
            return None
        return PartitionState(hojas[0].astype(np.uint16), sum_up(hojas[1]), cuenta, listo)

    def snapshot(self, filas: NDArray[np.int64]) -> Snapshot:
        """Return a copy of rows (n,), for ``restore``; repeated ones and -1 are passed over."""
        unicas = np.unique(filas)
        unicas = unicas[unicas >= 0]
        return Snapshot(unicas, tuple(c[unicas] for c in self._columns()))

    def restore(self, snapshot: Snapshot) -> None:
        """Put rows back as they were when the snapshot was taken."""
        for columna, copia in zip(self._columns(), snapshot.columnas, strict=True):
            columna[snapshot.filas] = copia

    def _columns(self) -> tuple[NDArray[Any], ...]:
        return self.masa_l, self.masa_r, self.cuenta, self.listo


def _inflate(comprimido: bytes | memoryview, bytes_esperados: int) -> bytes | None:
    """Return exactly so many bytes, None if that is not what was compressed."""
    inflador = zlib.decompressobj()
    try:
        cuerpo = inflador.decompress(comprimido, bytes_esperados + 1)
    except zlib.error:
        return None
    entero = inflador.eof and not inflador.unused_data
    return cuerpo if entero and len(cuerpo) == bytes_esperados else None


def sum_up(hojas: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return the masses (t, 2h - 1) of all nodes from those of the leaves (t, h)."""
    nivel = hojas.astype(np.uint16)
    niveles = [nivel]
    while nivel.shape[1] > 1:
        nivel = nivel[:, ::2] + nivel[:, 1::2]
        niveles.insert(0, nivel)
    return np.concatenate(niveles, axis=1)
