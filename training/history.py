"""The stored history as training reads it: the port, who is drawn, what is held out.

What is held out goes through the detector in the order of the log, customers spread over as many
partitions as keep each as full as one of the topic is live.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detection.domain import MASCARA_DTYPE, Historia, Lecturas, Veredictos, instante
from detection.number_format import numero
from detection.params import HORAS_VENTANA

SEMILLA_ENTRENAMIENTO = 20_261_124
"""Of every draw in training, in the gate and in drift; another one is another forest on other
rows. In drift, the same customers are looked at on both sides while they are there."""
PASADO_HORAS = HORAS_VENTANA
"""Hours before, which fill the windows; from half of them on the online model learns."""


class HistoryReader(Protocol):
    """What is asked of the history (``pipeline.stores.postgres.store.PostgresStore`` gives it)."""

    def contar(self) -> Mapping[str, Any]:
        """Return, among others, ``desde`` and ``hasta``: first and last instant, or None."""
        ...

    def customers(self, desde_hora: int, hasta_hora: int, partes: int = 1) -> list[str]:
        """Return the customers with a reading in each equal part of the hours ``[desde, hasta)``.

        Which is quick to find out, where counting somebody's readings takes reading them.
        """
        ...

    def load_range(
        self, propietario_id: Sequence[str], desde_hora: int, hasta_hora: int
    ) -> Historia:
        """Return their rows of those hours, ordered by customer and hour."""
        ...


@dataclass(frozen=True, slots=True)
class DrawnCustomers:
    """Who is looked at, drawn by lot among those with enough history."""

    clientes: list[str]  # sorted
    conocidos: int  # all that have a reading in the hours that are looked at
    con_historia: int  # of those, with enough history

    def __str__(self) -> str:
        """Return it as a Spanish clause.

        Examples
        --------
        >>> str(DrawnCustomers(["A", "B"], 7, 4))
        '2 clientes de los 4 con historia suficiente; otros 3 tienen demasiado poca'
        """
        n, pocos = len(self.clientes), self.conocidos - self.con_historia
        resto = f"; otros {numero(pocos, 0)} tienen demasiado poca" if pocos else ""
        return (
            f"{numero(n, 0)} cliente{'s' * (n != 1)} de los {numero(self.con_historia, 0)} con "
            f"historia suficiente{resto}"
        )


def draw_customers(
    almacen: HistoryReader,
    horas: tuple[int, int],
    pasado: tuple[int, int, int],
    cuantos: int,
    sorteo: tuple[int, str],
) -> DrawnCustomers:
    """Return at most ``cuantos`` customers, drawn by lot, who have enough history.

    A wave of new customers takes nobody's place: they are not in the draw.

    Parameters
    ----------
    horas : tuple of int
        Absolute hours ``[desde, hasta)`` that are looked at.
    pasado : tuple of int
        Absolute hours ``[desde, hasta)`` and into how many equal parts they are cut: enough
        history is a reading in each.
    sorteo : tuple
        Seed and purpose of the draw.
    """
    conocidos = almacen.customers(*horas)
    con_historia = set(almacen.customers(*pasado)).intersection(conocidos)
    elegidos = by_lot(sorted(con_historia), *sorteo)[:cuantos]
    return DrawnCustomers(sorted(elegidos), len(conocidos), len(con_historia))


def by_lot(propietario_id: Sequence[str], semilla: int, para: str) -> list[str]:
    """Return customers in an order drawn by seed, which does not depend on the order given."""
    return sorted(propietario_id, key=lambda p: (lot_of(p, semilla, para), p))


def lot_of(propietario_id: str, semilla: int, para: str) -> bytes:
    """Return a customer's own lot, eight bytes, whoever else there is."""
    return hashlib.blake2b(f"{para}|{semilla}|{propietario_id}".encode(), digest_size=8).digest()


def readings_of(propietario_id: Sequence[str], historia: Historia) -> Lecturas:
    """Return stored rows as readings, in the order of the rows."""
    return Lecturas(
        [propietario_id[i] for i in historia.indice.tolist()],
        historia.hora_utc,
        widen(historia.consumo_kwh),
    )


def widen(consumo_kwh: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the doubles (n,) that stored kWh were before the history's column narrowed them.

    A float32 keeps seven digits of a reading below 10 000 kWh: a meter's watt-hours come back as
    they were, bit for bit. A reading with more digits comes back as the column has it, at most
    1.2e-7 of itself away.

    Examples
    --------
    >>> widen(np.array([0.123, 1234.567, 0.0], np.float32)).tolist()
    [0.123, 1234.567, 0.0]
    """
    x = consumo_kwh.astype(np.float64)
    if consumo_kwh.dtype == np.float64:
        return x
    decimales = 6 - np.floor(np.log10(np.where(x > 0.0, x, 1.0))).astype(np.int64)
    escala = 10.0 ** np.clip(decimales, 0, 15)
    # A whole number over a power of ten is the double nearest to that decimal.
    ancho = np.round(x * escala) / escala
    return np.where(ancho.astype(np.float32) == consumo_kwh, ancho, x)


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Readings of held-out customers in the order of the log: by hour, then customer."""

    lecturas: Lecturas  # with the past that they are compared with
    # (n,): partition that each customer's readings go to: few, so that each has about as many
    # customers as one of the topic has live.
    particion: NDArray[np.int32]
    retenida: NDArray[np.bool_]  # (n,): the reading is held out, not only the past of one


def partition_of(propietario_id: str, particiones: int) -> int:
    """Return a customer's partition: a stable hash, as Kafka spreads its keys."""
    return zlib.crc32(propietario_id.encode()) % particiones


def partitions_for(clientes: int, clientes_por_particion: float) -> int:
    """Return into how many partitions some customers go to have as many each as live have.

    What the online model finds rare depends on how many customers it has learnt from.

    ``clientes_por_particion``: > 0; where there are fewer customers than that, one partition is as
    near as it gets.
    """
    return max(1, round(clientes / clientes_por_particion))


def load_held_out(
    almacen: HistoryReader,
    ids: list[str],
    horas: tuple[int, int],
    clientes_por_particion: float,
    pasado_horas: int = PASADO_HORAS,
) -> HeldOut:
    """Return some customers' readings of the absolute hours ``[desde, hasta)``, and their past.

    ``clientes_por_particion``: as live, > 0: they go into as many partitions as keep it.
    ``pasado_horas``: hours before, >= 0.
    """
    ids = sorted(ids)
    desde, hasta = horas
    historia = almacen.load_range(ids, desde - pasado_horas, hasta)
    orden = np.lexsort((historia.indice, historia.hora_utc))
    lecturas = readings_of(ids, historia).elegir(orden)
    particiones = partitions_for(len(ids), clientes_por_particion)
    particion = np.array([partition_of(p, particiones) for p in ids], np.int32)
    return HeldOut(lecturas, particion[historia.indice[orden]], lecturas.hora_utc >= desde)


class InMemoryHistory:
    """A ``training.fit.HistoryReader`` over columns.

    Parameters
    ----------
    clientes : sequence of str (c,)
        Sorted.
    cliente : ndarray (n,), int
        Index into ``clientes``.
    hora_utc : ndarray (n,), int64
    consumo_kwh : ndarray (n,), float64
        In the order of the log: by hour; of two readings of one hour the later one stands.
    marcas : Historia, optional
        Verdicts of the same n readings; without them nothing was flagged.

    Examples
    --------
    >>> historia = InMemoryHistory(["A", "B"], np.array([0, 1, 0]), np.array([7, 7, 8]),
    ...     np.array([0.5, 1.0, 0.25]))
    >>> historia.customers(8, 9), historia.load_range(["A"], 0, 9).consumo_kwh.tolist()
    (['A'], [0.5, 0.25])
    """

    def __init__(
        self,
        clientes: Sequence[str],
        cliente: NDArray[np.integer],
        hora_utc: NDArray[np.int64],
        consumo_kwh: NDArray[np.float64],
        marcas: Historia | None = None,
    ) -> None:
        self._clientes = list(clientes)
        self._numero = {nombre: k for k, nombre in enumerate(self._clientes)}
        orden = _standing(cliente, hora_utc)
        self._cliente = cliente[orden].astype(np.int64)
        self._hora, self._kwh = hora_utc[orden], consumo_kwh[orden]
        self._orden = orden
        self._marcas = marcas
        self._limites = np.searchsorted(self._cliente, np.arange(len(self._clientes) + 1))

    @classmethod
    def of(cls, lecturas: Lecturas, veredictos: Veredictos) -> InMemoryHistory:
        """Return readings with what was said of each."""
        clientes, cliente = np.unique(np.array(lecturas.propietario_id), return_inverse=True)
        marcas = Historia.of(cliente, lecturas, veredictos)
        return cls(clientes.tolist(), cliente, lecturas.hora_utc, lecturas.consumo_kwh, marcas)

    def customers(self, desde_hora: int, hasta_hora: int, partes: int = 1) -> list[str]:
        """Return the customers with a reading in each of ``partes`` of ``[desde, hasta)``."""
        quedan = np.arange(len(self._clientes))
        limites = [desde_hora + k * (hasta_hora - desde_hora) // partes for k in range(partes + 1)]
        for desde, hasta in pairwise(limites):
            dentro = (self._hora >= desde) & (self._hora < hasta)
            quedan = np.intersect1d(quedan, self._cliente[dentro])
        return [self._clientes[k] for k in quedan.tolist()]

    def contar(self) -> Mapping[str, datetime | None]:
        """Return ``desde`` and ``hasta``: first and last instant, or None."""
        if not self._hora.size:
            return {"desde": None, "hasta": None}
        return {"desde": instante(int(self._hora.min())), "hasta": instante(int(self._hora.max()))}

    def load_range(
        self, propietario_id: Sequence[str], desde_hora: int, hasta_hora: int
    ) -> Historia:
        """Return their rows of those hours, ordered by customer and hour."""
        partes, indices = [], []
        for i, nombre in enumerate(propietario_id):
            k = self._numero.get(nombre, -1)
            if k < 0:
                continue
            desde, hasta = self._limites[k], self._limites[k + 1]
            suyas = self._hora[desde:hasta]
            filas = np.arange(
                desde + np.searchsorted(suyas, desde_hora),
                desde + np.searchsorted(suyas, hasta_hora),
            )
            partes.append(filas)
            indices.append(np.full(filas.size, i, np.int64))
        if not partes:
            return Historia.vacia()
        return self._rows(np.concatenate(partes), np.concatenate(indices))

    def _rows(self, filas: NDArray[np.int64], indice: NDArray[np.int64]) -> Historia:
        n, m = filas.size, self._marcas
        de_origen = self._orden[filas]
        return Historia(
            indice,
            self._hora[filas],
            # As PostgreSQL keeps it: a version learnt from a file is the one learnt from the store.
            self._kwh[filas].astype(np.float32),
            np.zeros(n, np.uint8) if m is None else m.score_centesimas[de_origen],
            np.zeros(n, MASCARA_DTYPE) if m is None else m.tipos[de_origen],
            np.zeros(n, np.bool_) if m is None else m.con_referencia[de_origen],
            np.zeros(n, np.bool_) if m is None else m.es_sospechoso[de_origen],
        )


def _standing(cliente: NDArray[np.integer], hora_utc: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows that stand, by customer and hour: of each identity the last one."""
    orden = np.lexsort((hora_utc, cliente))
    c, h = cliente[orden], hora_utc[orden]
    ultima = np.ones(orden.size, np.bool_)
    ultima[:-1] = (np.diff(c) != 0) | (np.diff(h) != 0)
    return np.asarray(orden[ultima], np.int64)
