"""What every reader of a meter file gives: intervals of energy as columns, and why some are none.

A table that a profile describes and a reader in code (NEM12, ESPI, SDAT) give the same thing; what
follows (step, whole hours, repeated hours, units, limits) is done once, for all alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.container import Entrada

FILAS_POR_TROZO = 20_000
"""Readings that are handed on at a time."""

REAL, ESTIMADA = "real", "estimada"
METODOS: tuple[str | None, ...] = (None, REAL, ESTIMADA)
"""Provenance by its code in a column: 0 = the file does not say."""

Rechazada: TypeAlias = "tuple[int, LecturaInvalidaError]"


class MotivoArchivo(StrEnum):
    """Why a row of a utility's file gives no reading, beside the reasons of ``Motivo``."""

    REGISTRO_NO_VALIDO = "registro_no_valido"
    HORA_INCOMPLETA = "hora_incompleta"
    HORA_REPETIDA = "hora_repetida"
    INTERVALO_NO_HORARIO = "intervalo_no_horario"
    CONTADOR_RETROCEDE = "contador_retrocede"
    DIA_CONTRADICE_CALENDARIO = "dia_contradice_calendario"
    TIEMPO_DUDOSO = "tiempo_dudoso"
    NUMERO_DUDOSO = "numero_dudoso"
    FILA_DESCONOCIDA = "fila_desconocida"
    UNIDAD_DUDOSA = "unidad_dudosa"
    LECTURA_DE_CONTADOR = "lectura_de_contador"
    NO_ES_CONTADOR = "no_es_contador"


def reject(motivo: MotivoArchivo, detalle: str) -> LecturaInvalidaError:
    """Return the error of a row that gives no reading."""
    return LecturaInvalidaError(str(motivo), detalle)


class LecturaDeParteError(LecturaInvalidaError):
    """A row that is no reading, of a file inside a file or of a sheet.

    Parameters
    ----------
    parte : str
        Its name, for the user.
    """

    def __init__(self, error: LecturaInvalidaError, parte: str) -> None:
        super().__init__(error.motivo, f"{parte}: {error.detalle}" if parte else error.detalle)
        self.parte = parte


@dataclass(frozen=True, slots=True, eq=False)
class Intervalos:
    """Intervals whose instants are certain, and the rows that gave none.

    Parameters
    ----------
    clientes : list of str
        Distinct ``propietario_id``; not longer than 20 characters (``short_id``, ``id_from_cups``).
    cliente : ndarray (n,), int32
        Index into ``clientes``.
    inicio : ndarray (n,), int64
        Seconds since 1970 at which each interval begins.
    segundos : ndarray (n,), int32
        How long it is.
    kwh : ndarray (n,), float64
        Energy in it; NaN = there is none, and its hour is refused.
    linea : ndarray (n,), int64
        Line of the file, for the user.
    metodo : ndarray (n,), int8
        Index into ``METODOS``.
    canal : ndarray (n,), int16
        Register or meter: consumption is the sum of a customer's channels. 0 where there is one.
    revision : ndarray (n,), int64
        The later one wins; 0 where the format has none.
    dicho : ndarray (n,), bool
        Whether the reason of a NaN is among ``rechazadas``, so that its hour is not told again.
    rechazadas : list of (int, LecturaInvalidaError)
        Line and reason of rows (or values) that give no energy.
    avance : float
        Part of the file that is read, 0 to 1.
    """

    clientes: list[str]
    cliente: NDArray[np.int32]
    inicio: NDArray[np.int64]
    segundos: NDArray[np.int32]
    kwh: NDArray[np.float64]
    linea: NDArray[np.int64]
    metodo: NDArray[np.int8]
    canal: NDArray[np.int16]
    revision: NDArray[np.int64]
    dicho: NDArray[np.bool_]
    rechazadas: list[Rechazada]
    avance: float = 0.0

    def __len__(self) -> int:
        return int(self.inicio.size)


@dataclass(slots=True)
class Recogida:
    """Collects intervals one at a time, for readers in code; ``take`` gives them as columns.

    Examples
    --------
    >>> recogida = Recogida()
    >>> recogida.add(3, "NMI1", 1_425_970_800, 1800, 0.5, metodo=1)
    >>> recogida.take(1.0).kwh.tolist()
    [0.5]
    """

    _clientes: dict[str, int] = field(default_factory=dict)
    _filas: list[tuple[int, int, int, float, int, int, int, int, bool]] = field(
        default_factory=list
    )
    _rechazadas: list[Rechazada] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._filas) + len(self._rechazadas)

    def add(
        self,
        linea: int,
        cliente: str,
        inicio: int,
        segundos: int,
        kwh: float | None,
        *,
        metodo: int = 0,
        canal: int = 0,
        revision: int = 0,
    ) -> None:
        """Take an interval; ``kwh`` None = the meter has no value for it, which is told later."""
        codigo = self._clientes.setdefault(cliente, len(self._clientes))
        valor = np.nan if kwh is None else kwh
        self._filas.append((codigo, inicio, segundos, valor, linea, metodo, canal, revision, False))

    def reject(self, linea: int, error: LecturaInvalidaError) -> None:
        """Take a record that gives no interval."""
        self._rechazadas.append((linea, error))

    def reject_interval(
        self,
        linea: int,
        cliente: str,
        inicio: int,
        segundos: int,
        error: LecturaInvalidaError,
        *,
        canal: int = 0,
        revision: int = 0,
    ) -> None:
        """Take an interval with a bad value: its hour gives no reading, and only this is told."""
        self.reject(linea, error)
        codigo = self._clientes.setdefault(cliente, len(self._clientes))
        self._filas.append((codigo, inicio, segundos, np.nan, linea, 0, canal, revision, True))

    def take(self, avance: float) -> Intervalos:
        """Return what has been collected since the last call."""
        columnas = list(zip(*self._filas, strict=True)) or [()] * 9
        tipos = (np.int32, np.int64, np.int32, np.float64, np.int64, np.int8, np.int16, np.int64,
                 np.bool_)  # fmt: skip
        hechas: list[Any] = [
            np.array(columna, tipo) for columna, tipo in zip(columnas, tipos, strict=True)
        ]
        cliente, inicio, segundos, kwh, linea, metodo, canal, revision, dicho = hechas
        rechazadas, self._rechazadas = self._rechazadas, []
        self._filas = []
        return Intervalos(
            list(self._clientes), cliente, inicio, segundos, kwh, linea, metodo, canal, revision,
            dicho, rechazadas, avance,
        )  # fmt: skip


@dataclass(slots=True)
class Informe:
    """What a file is and what has been decided about it, for the user.

    Readers add to it while they read: ``note`` for what the user should know (exported energy that
    is left out, a unit that was decided), once each.

    Parameters
    ----------
    formato : str
    paso : int
        Minutes of the shortest interval; 0 = not known yet.
    unidad, zona, marca, numeracion, decimal : str
        In Spanish; "" = does not apply.
    unidad_pedida : str
        What the user says of a file that does not say its unit.
    canales_exigidos : dict of str to set of int
        Customers whose consumption is the sum of these channels: an hour without one of them is
        incomplete. A customer that is not here sums the channels that there are.
    nombres_de_canal : dict of int to str
        For the user.
    vertida : bool
        Whether exported energy has been left out.
    """

    formato: str = ""
    paso: int = 0
    unidad: str = ""
    zona: str = ""
    marca: str = ""
    numeracion: str = ""
    decimal: str = ""
    avisos: list[str] = field(default_factory=list)
    unidad_pedida: str = ""
    canales_exigidos: dict[str, set[int]] = field(default_factory=dict)
    nombres_de_canal: dict[int, str] = field(default_factory=dict)
    vertida: bool = False

    def note_exported(self, cual: str) -> None:
        """Take exported energy that is left out."""
        self.vertida = True
        self.note(f"la energía vertida ({cual}) no es consumo y no se envía")

    def see_step(self, minutos: int) -> None:
        """Take the step of some intervals; the shortest one is told."""
        if minutos > 0:
            self.paso = min(self.paso or minutos, minutos)

    def note(self, texto: str) -> None:
        """Take a sentence for the user; the same one again is nothing new."""
        if texto not in self.avisos:
            self.avisos.append(texto)


Lector: TypeAlias = "Callable[[Entrada, Informe], Iterator[Intervalos]]"


@dataclass(frozen=True, slots=True)
class LectorEnCodigo:
    """A format that is no table.

    Parameters
    ----------
    nombre : str
        For the user.
    es_suyo : callable
        Whether a file's first bytes (``entrada.muestra``) or lines (``entrada.head()``) are of it.
    leer : Lector
        Yields blocks; raises ``FormatoError`` where the file as a whole is none. Reads the file
        through ``entrada.open()`` (bytes) or ``entrada.text()`` (lines), as often as it needs.
    dice_su_unidad : bool
        Else ``informe.unidad_pedida`` is what the user says, "" = nothing.
    """

    nombre: str
    es_suyo: Callable[[Entrada], bool]
    leer: Lector
    dice_su_unidad: bool = True


@dataclass(frozen=True, slots=True)
class Convertidor:
    """Another writing of a table (JSON): gives its rows as texts, and a profile does the rest.

    Parameters
    ----------
    nombre : str
    es_suyo : callable
    filas : callable
        Yields (line for the user, cells); the first row is the header.
    """

    nombre: str
    es_suyo: Callable[[Entrada], bool]
    filas: Callable[[Entrada], Iterator[tuple[int, list[str]]]]
