"""Pieces of files: from columns as they were written to readings, by the one set of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from detection.domain import Lecturas
from detection.errors import LecturaInvalidaError, PermanentError
from pipeline.ingest.files.source_file import Entrada, FormatoError
from pipeline.ingest.validation import Reglas, TimeKey

FILAS_POR_TROZO = 20_000
REAL = "real"
ESTIMADA = "estimada"

Etiqueta: TypeAlias = "str | int | None"
Rechazada: TypeAlias = "tuple[int, LecturaInvalidaError]"


class MotivoArchivo(StrEnum):
    """Why a row of a utility's file gives no reading, beside the reasons of ``Motivo``."""

    REGISTRO_NO_VALIDO = "registro_no_valido"
    HORA_INCOMPLETA = "hora_incompleta"
    INTERVALO_NO_HORARIO = "intervalo_no_horario"
    CONTADOR_RETROCEDE = "contador_retrocede"


@dataclass(frozen=True, slots=True)
class Trozo:
    """A piece of a file.

    Parameters
    ----------
    lecturas : Lecturas
        The valid rows, in the file's order.
    etiqueta : list or None
        Their labels; None = the file has no such column.
    rechazadas : list of (int, LecturaInvalidaError)
        Line of the file (the header of a CSV is line 1) or row (Parquet: from 1), and the reason.
    avance : float
        Part of the file that is read, 0 to 1.
    metodo : list or None
        "real" or "estimada" for each reading, None where the file does not say; None = it never
        says.
    """

    lecturas: Lecturas
    etiqueta: list[Etiqueta] | None
    rechazadas: list[Rechazada]
    avance: float
    metodo: list[str | None] | None = None


@dataclass(slots=True)
class Filas:
    """Rows as columns of what was written: text, number, or None where there is nothing.

    ``rechazadas`` are rows that the format itself refuses; they are in none of the columns.
    """

    lineas: list[int] = field(default_factory=list)
    propietario_id: list[object] = field(default_factory=list)
    timestamp: list[object] = field(default_factory=list)
    consumo_kwh: list[object] = field(default_factory=list)
    etiqueta: list[Etiqueta] | None = None
    avance: float = 0.0
    metodo: list[str | None] | None = None
    rechazadas: list[Rechazada] = field(default_factory=list)

    def add(
        self,
        linea: int,
        propietario_id: object,
        timestamp: object,
        consumo_kwh: object,
        metodo: str | None,
    ) -> None:
        """Append a row with its provenance."""
        self.lineas.append(linea)
        self.propietario_id.append(propietario_id)
        self.timestamp.append(timestamp)
        self.consumo_kwh.append(consumo_kwh)
        if self.metodo is None:
            self.metodo = []
        self.metodo.append(metodo)

    def __len__(self) -> int:
        return len(self.lineas) + len(self.rechazadas)


C = TypeVar("C")
Lector: TypeAlias = "Callable[[Entrada], Iterator[Filas]]"


def in_pieces(
    entrada: Entrada, registros: Iterable[tuple[int, C]], put: Callable[[Filas, int, C], None]
) -> Iterator[Filas]:
    """Yield the rows of a file, as many at a time as a piece holds.

    Parameters
    ----------
    registros : iterable of (int, C)
        Line of each record, and the record.
    put : callable
        Adds a record to the rows, none or one; raises ``LecturaInvalidaError`` to refuse it.
    """
    filas = Filas()
    for linea, registro in registros:
        try:
            put(filas, linea, registro)
        except LecturaInvalidaError as error:
            filas.rechazadas.append((linea, error))
        if len(filas) >= FILAS_POR_TROZO:
            filas.avance = entrada.avance
            yield filas
            filas = Filas()
    filas.avance = 1.0
    if len(filas):
        yield filas


def reject(motivo: MotivoArchivo, detalle: str) -> LecturaInvalidaError:
    """Return the error of a row that gives no reading."""
    return LecturaInvalidaError(str(motivo), detalle)


def read_trozos(
    ruta: Path,
    elegir: Callable[[Entrada], Lector],
    reglas: Reglas,
    ahora_hora: int,
    zona: ZoneInfo,
) -> Iterator[Trozo]:
    """Yield the readings of a file, piece by piece, with the reader that ``elegir`` picks.

    Raises
    ------
    PermanentError
        The file cannot be read, is of no format that the reader knows, or has no row.
    """
    vistas: set[tuple[object, str]] = set()
    hay = False
    try:
        entrada = Entrada(ruta, zona)
        for filas in elegir(entrada)(entrada):
            hay = True
            yield _check(filas, reglas, ahora_hora, vistas)
    except OSError as error:
        raise PermanentError(f"no se puede leer «{ruta}»: {_reason(error)}") from error
    except UnicodeDecodeError as error:
        raise PermanentError(f"«{ruta}» no es un CSV en UTF-8 ni un Parquet") from error
    except FormatoError as error:
        raise PermanentError(f"«{ruta}»: {error}") from error
    if not hay:
        raise PermanentError(f"«{ruta}» no tiene ninguna fila de lecturas")


def _reason(error: OSError) -> str:
    textos = {
        FileNotFoundError: "no existe",
        IsADirectoryError: "es una carpeta",
        PermissionError: "no hay permiso",
    }
    return textos.get(type(error), error.strerror or str(error))


def _check(filas: Filas, reglas: Reglas, ahora_hora: int, vistas: set[tuple[object, str]]) -> Trozo:
    _tell_october_apart(filas, reglas, vistas)
    claves: list[TimeKey] = [t if isinstance(t, str) else "" for t in filas.timestamp]
    kwh = np.array([x if type(x) is float else np.nan for x in filas.consumo_kwh], np.float64)

    def registro(i: int) -> Mapping[str, object]:
        return {
            "propietario_id": filas.propietario_id[i],
            "timestamp": filas.timestamp[i],
            "consumo_kwh": filas.consumo_kwh[i],
        }

    ids = [p if isinstance(p, str) else "" for p in filas.propietario_id]
    leidas = reglas.check(ids, claves, kwh, ahora_hora, registro)
    etiqueta, metodo = filas.etiqueta, filas.metodo
    if leidas.invalidas:
        etiqueta = None if etiqueta is None else [etiqueta[i] for i in leidas.posiciones]
        metodo = None if metodo is None else [metodo[i] for i in leidas.posiciones]
    rechazadas = [(filas.lineas[i], error) for i, error in leidas.invalidas]
    if filas.rechazadas:
        rechazadas = sorted([*rechazadas, *filas.rechazadas], key=lambda r: r[0])
    return Trozo(leidas.lecturas, etiqueta, rechazadas, filas.avance, metodo)


def _tell_october_apart(filas: Filas, reglas: Reglas, vistas: set[tuple[object, str]]) -> None:
    """Give the second row of a customer's repeated local hour its offset."""
    dobles = {
        texto: segunda
        for texto in {t for t in filas.timestamp if isinstance(t, str)}
        if (segunda := reglas.horas.second(texto)) is not None
    }
    if not dobles:
        return
    for i, texto in enumerate(filas.timestamp):
        if isinstance(texto, str) and texto in dobles:
            fila = (filas.propietario_id[i], dobles[texto])
            if fila in vistas:
                filas.timestamp[i] = dobles[texto]
            vistas.add(fila)


def to_number(texto: str | None, con_coma: bool = False) -> float | str | None:
    """Return the number that a text is, or the text itself if it is none."""
    if texto is None:
        return None
    try:
        numero = float(texto.replace(",", ".") if con_coma else texto)
    except ValueError:
        return texto
    # Python also takes 1_000 for a number; no meter writes that.
    return texto if "_" in texto else numero


def scale(valor: object, factor: float) -> object:
    """Return a number times ``factor`` without the dust of binary fractions, or what it was."""
    return round(valor * factor, 9) if isinstance(valor, float) else valor
