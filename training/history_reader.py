"""History read block by block, through the live path, keeping only the rows that are drawn.

Blocks of customers go through ``DetectorConsumo.measure``, the very path of live readings, from
28 days before the window on: a feature in the sample is the feature that the consumer computed.
Ten million readings are read within what one block takes, and the sample.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import HORAS_POR_DIA, Calendario, Historia, Lecturas
from detection.features.hourly import RASGOS
from detection.number_format import numero
from detection.params import HORAS_VENTANA, Params

_LOG = logging.getLogger("entrenamiento")

RETENIDOS_DIAS = 14
"""Days at the end that no model learns from: both kinds of day, twice. By hand, 2026-11-24."""
RETENIDOS_HORAS = RETENIDOS_DIAS * HORAS_POR_DIA
CALIBRACION_DIAS = 56
"""Last days on which the customers that calibrate do so. By hand, 2026-11-24."""
PASADO_HORAS = HORAS_VENTANA
"""Hours before, which fill the windows; from half of them on the online model learns."""
PARTE_PRESENTE = 0.8
"""Share of a held-out customer's hours that must be there. By hand, 2026-11-24."""


class Lector(Protocol):
    """What is asked of the history (``pipeline.stores.postgres.store.PostgresStore`` gives it)."""

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
class Limites:
    """How much is read at once, and kept. By hand, 2026-11-24.

    Parameters
    ----------
    filas : int
        Rows to learn from, in all: each of a hundred trees draws 256.
    filas_por_cliente : int
        Rows of one customer, so that none dominates.
    clientes : int
        Customers that are read, not more than ``filas``.
    calibran, juzgan : int
        Customers held out for either.
    lecturas_por_bloque, clientes_por_bloque : int
        What is in memory at once: 400 000 readings measured take about 150 MB.
    """

    filas: int = 200_000
    filas_por_cliente: int = 2_000
    clientes: int = 10_000
    calibran: int = 200
    juzgan: int = 100
    lecturas_por_bloque: int = 400_000
    clientes_por_bloque: int = 200


@dataclass(frozen=True, slots=True)
class Ventana:
    """Absolute hours: learnt from are ``[desde, corte)``, held out are ``[corte, hasta)``."""

    desde_hora: int
    corte_hora: int
    hasta_hora: int


@dataclass(frozen=True, slots=True)
class Elegidos:
    """Who is looked at, drawn by lot among those with enough history.

    Parameters
    ----------
    clientes : list of str
        Sorted.
    conocidos : int
        All that have a reading in the hours that are looked at.
    con_historia : int
        Of those, with enough history.
    """

    clientes: list[str]
    conocidos: int
    con_historia: int

    def __str__(self) -> str:
        """Return it as a Spanish clause.

        Examples
        --------
        >>> str(Elegidos(["A", "B"], 7, 4))
        '2 clientes de los 4 con historia suficiente; otros 3 tienen demasiado poca'
        """
        n, pocos = len(self.clientes), self.conocidos - self.con_historia
        resto = f"; otros {numero(pocos, 0)} tienen demasiado poca" if pocos else ""
        return (
            f"{numero(n, 0)} cliente{'s' * (n != 1)} de los {numero(self.con_historia, 0)} con "
            f"historia suficiente{resto}"
        )


def choose(
    almacen: Lector,
    horas: tuple[int, int],
    pasado: tuple[int, int, int],
    cuantos: int,
    sorteo: tuple[int, str],
) -> Elegidos:
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
    return Elegidos(sorted(elegidos), len(conocidos), len(con_historia))


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


class Lectura:
    """One pass over the customers, block by block."""

    def __init__(
        self,
        almacen: Lector,
        calendario: Calendario,
        params: Params,
        ventana: Ventana,
        semilla: int,
        confirmados: Mapping[str, int],
        limites: Limites,
    ) -> None:
        self._almacen = almacen
        self._detector = DetectorConsumo(calendario, params)
        self._ventana = ventana
        self._semilla = semilla
        self._confirmados = confirmados
        self._limites = limites
        self._filas: list[tuple[str, NDArray[np.int64], NDArray[np.float32]]] = []
        self.limpios: list[str] = []
        self.recuento = dict.fromkeys(
            ("clientes", "lecturas", "sin_pasado", "marcadas", "confirmadas"), 0
        )
        self.huella = hashlib.sha256()

    def without(
        self, propietario_id: Sequence[str]
    ) -> tuple[list[str], NDArray[np.int64], NDArray[np.float32]]:
        """Return customer, hour and features of the rows drawn, but for those of some customers."""
        fuera = frozenset(propietario_id)
        filas = [fila for fila in self._filas if fila[0] not in fuera]
        return (
            [propietario for propietario, horas, _ in filas for _ in range(horas.size)],
            np.concatenate([np.empty(0, np.int64), *(horas for _, horas, _ in filas)]),
            np.concatenate([np.empty((0, len(RASGOS)), np.float32), *(x for _, _, x in filas)]),
        )

    def read(self, clientes: Sequence[str]) -> None:
        """Read customers, sorted by their ids."""
        v, limites = self._ventana, self._limites
        horas = v.hasta_hora - v.desde_hora + HORAS_VENTANA
        tamano = max(1, min(limites.clientes_por_bloque, limites.lecturas_por_bloque // horas))
        por_cliente = max(1, min(limites.filas_por_cliente, limites.filas // len(clientes)))
        for inicio in range(0, len(clientes), tamano):
            ids = clientes[inicio : inicio + tamano]
            historia = self._almacen.load_range(ids, v.desde_hora - HORAS_VENTANA, v.hasta_hora)
            self._read_block(ids, historia, por_cliente)
            _LOG.info(
                "leídos %d de %d clientes, %d lecturas",
                inicio + len(ids), len(clientes), self.recuento["lecturas"],
            )  # fmt: skip
        self.recuento["clientes"] = len(clientes)

    def _read_block(self, ids: Sequence[str], historia: Historia, por_cliente: int) -> None:
        """Measure a block, and keep the rows drawn."""
        antes = np.flatnonzero(historia.hora_utc < self._ventana.corte_hora)
        lecturas = readings_of(ids, historia).elegir(antes)
        rasgos = self._detector.measure(lecturas).rasgos
        self._detector.forget(ids)
        sirve = self._usable(ids, historia, antes, rasgos)
        for i, filas in _runs(historia.indice, len(ids)):
            if self._is_clean(ids[i], historia, filas):
                self.limpios.append(ids[i])
        for i, filas in _runs(historia.indice[antes], len(ids)):
            hora = lecturas.hora_utc[filas]
            self.huella.update(f"|{ids[i]}|{hora.size}|".encode())
            for columna in (hora, lecturas.consumo_kwh[filas], sirve[filas]):
                self.huella.update(columna.tobytes())
            posibles = filas.start + np.flatnonzero(sirve[filas])
            elegidas = _draw(self._semilla, ids[i], lecturas.hora_utc, posibles, por_cliente)
            self._filas.append((ids[i], lecturas.hora_utc[elegidas], rasgos[elegidas]))

    def _usable(
        self,
        ids: Sequence[str],
        historia: Historia,
        antes: NDArray[np.int64],
        rasgos: NDArray[np.float32],
    ) -> NDArray[np.bool_]:
        """Return what of a block may be learnt from, and count the rest by its reason."""
        nunca = np.iinfo(np.int64).max
        limite = np.array([self._confirmados.get(p, nunca) - HORAS_VENTANA for p in ids], np.int64)
        indice, hora = historia.indice[antes], historia.hora_utc[antes]
        dentro = hora >= self._ventana.desde_hora
        lista = ~np.isnan(rasgos).any(axis=1)
        confirmada = hora >= limite[indice]
        umbral = self._detector.params.umbral_media
        marcada = (historia.score_centesimas >= umbral) | historia.es_sospechoso
        marcada = marcada[antes]
        self.recuento["lecturas"] += int(dentro.sum())
        self.recuento["sin_pasado"] += int((dentro & ~lista).sum())
        self.recuento["confirmadas"] += int((dentro & lista & confirmada).sum())
        self.recuento["marcadas"] += int((dentro & lista & ~confirmada & marcada).sum())
        sirve: NDArray[np.bool_] = dentro & lista & ~confirmada & ~marcada
        return sirve

    def _is_clean(self, propietario_id: str, historia: Historia, filas: slice) -> bool:
        """Return whether a customer may be held out."""
        hora, hasta = historia.hora_utc[filas], self._ventana.hasta_hora
        seguidas = hora >= hasta - CALIBRACION_DIAS * HORAS_POR_DIA - PASADO_HORAS
        seis_semanas = RETENIDOS_HORAS + PASADO_HORAS
        return bool(
            propietario_id not in self._confirmados
            and not (seguidas & historia.es_sospechoso[filas]).any()
            and (hora >= hasta - seis_semanas).sum() >= PARTE_PRESENTE * seis_semanas
        )


def _runs(indice: NDArray[np.int64], n: int) -> Iterator[tuple[int, slice]]:
    """Give each customer of a block with its rows, which lie together."""
    limites = np.searchsorted(indice, np.arange(n + 1)).tolist()
    return ((i, slice(limites[i], limites[i + 1])) for i in range(n))


def _draw(
    semilla: int,
    propietario_id: str,
    hora: NDArray[np.int64],
    posibles: NDArray[np.int64],
    cuantas: int,
) -> NDArray[np.int64]:
    """Return ``cuantas`` of the possible rows, in order, drawn by customer and hour alone.

    So neither the order of blocks nor their size, nor a customer more, changes who is drawn.
    """
    if posibles.size <= cuantas:
        return posibles
    clave = hashlib.blake2b(f"{semilla}|{propietario_id}".encode(), digest_size=8).digest()
    # The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) over key and hour.
    x = hora[posibles].astype(np.uint64) + np.frombuffer(clave, np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.array([0xBF58476D1CE4E5B9], np.uint64)
    x = (x ^ (x >> np.uint64(27))) * np.array([0x94D049BB133111EB], np.uint64)
    x ^= x >> np.uint64(31)
    elegidas: NDArray[np.int64] = np.sort(posibles[np.argsort(x, kind="stable")[:cuantas]])
    return elegidas
