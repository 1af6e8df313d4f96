"""A file as its readers see it: bytes, packed or not, how far one is in them, and its text."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import hashlib
import io
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

LARGO_MUESTRA = 65_536
"""Bytes by which a format is recognised; also the longest line that a text may have."""
LARGO_ID = 20
LARGO_DICHO = 40
_MAGIA_GZIP = b"\x1f\x8b"
# Ministry's code: ES, 4 + 12 digits, 2 check letters; 2 more characters name the border point.
_CUPS = re.compile(r"(ES\d{16}[A-Z]{2})[0-9A-Z]{2}", re.ASCII)


class FormatoError(Exception):
    """What is wrong with a file as a whole, in Spanish."""


class Entrada:
    """A file that is to be read.

    Parameters
    ----------
    ruta : Path
        May be packed with gzip, told by content.
    zona : ZoneInfo
        Zone of local times, where the format has no zone of its own.

    Raises
    ------
    OSError
        The file cannot be read.
    """

    def __init__(self, ruta: Path, zona: ZoneInfo) -> None:
        self.ruta = ruta
        self.zona = zona
        with ruta.open("rb") as archivo:
            self._con_gzip = archivo.read(len(_MAGIA_GZIP)) == _MAGIA_GZIP
            self._total = max(1, archivo.seek(0, io.SEEK_END))
        with self.open() as archivo:
            self.muestra = archivo.read(LARGO_MUESTRA)

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Give the unpacked content from its beginning."""
        with self.ruta.open("rb") as crudo:
            self._crudo = crudo
            if not self._con_gzip:
                yield crudo
                return
            try:
                with gzip.GzipFile(fileobj=crudo) as abierto:
                    yield abierto  # type: ignore[misc]
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise FormatoError("el gzip está incompleto o dañado") from error

    @property
    def avance(self) -> float:
        """Return the part of the file that is read, 0 to 1."""
        return min(1.0, self._crudo.tell() / self._total)

    @property
    def codificacion(self) -> str:
        """Return UTF-8, or Windows' western one where the sample is no UTF-8."""
        try:
            codecs.getincrementaldecoder("utf-8")().decode(self.muestra)
        except UnicodeDecodeError:
            return "cp1252"
        return "utf-8-sig"

    @contextlib.contextmanager
    def text(self) -> Iterator[Iterator[str]]:
        """Give the lines; bytes that are no text become U+FFFD, which no field admits."""
        with (
            self.open() as archivo,
            io.TextIOWrapper(archivo, self.codificacion, "replace", newline="") as texto,
        ):
            yield _lines(texto)

    def head(self) -> list[str]:
        """Return the lines of the sample; the last one may be cut."""
        # As ``text`` cuts lines: str.splitlines knows more ends of lines.
        return list(io.StringIO(self.muestra.decode(self.codificacion, "replace"), newline=""))


def _lines(texto: io.TextIOWrapper) -> Iterator[str]:
    numero = 0
    while linea := texto.readline(LARGO_MUESTRA):
        numero += 1
        if len(linea) == LARGO_MUESTRA and not linea.endswith("\n"):
            raise FormatoError(f"la línea {numero} tiene más de {LARGO_MUESTRA} caracteres")
        yield linea


def read_rows(
    lineas: Iterator[str], separador: str, saltadas: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, cells stripped, each with the line at which it ends.

    ``saltadas`` lines of the file are read already.
    """
    lector: Any = csv.reader(lineas, delimiter=separador)
    try:
        for fila in lector:
            celdas = [celda.strip() for celda in fila]
            if any(celdas):
                yield saltadas + lector.line_num, celdas
    except csv.Error as error:
        raise FormatoError(
            f"la línea {saltadas + lector.line_num + 1} no es CSV (¿comillas sin cerrar?)"
        ) from error


@dataclass(frozen=True, slots=True)
class Tabla:
    """A CSV from its header on.

    Parameters
    ----------
    antes : list of str
        Lines above the header.
    nombres : list of str
        Lower case, without accents.
    con_coma : bool
        The separator is ";" and numbers have a decimal comma; else "," and a point.
    filas : iterator of (int, list of str)
        Line of the file and cells, at least as many as there are names.
    """

    antes: list[str]
    nombres: list[str]
    con_coma: bool
    filas: Iterator[tuple[int, list[str]]]

    def find(self, columnas: Sequence[str]) -> list[int]:
        """Return where some columns are."""
        return [self.nombres.index(columna) for columna in columnas]


def read_table(lineas: Iterator[str], fits: Callable[[Sequence[str]], bool]) -> Tabla:
    """Return the table whose header is the first line that ``fits``."""
    antes: list[str] = []
    for linea in lineas:
        separador, nombres = split_header(linea)
        if fits(nombres):
            filas = (
                (numero, celdas + [""] * (len(nombres) - len(celdas)))
                for numero, celdas in read_rows(lineas, separador, len(antes) + 1)
            )
            return Tabla(antes, nombres, separador == ";", filas)
        antes.append(linea)
    raise FormatoError("no tiene ninguna fila de lecturas")


def split_header(linea: str) -> tuple[str, list[str]]:
    """Return the separator of a header and its names, lower case and without accents.

    Examples
    --------
    >>> split_header('CUPS;"Método_obtención" ;AE_kWh')
    (';', ['cups', 'metodo_obtencion', 'ae_kwh'])
    """
    separador = ";" if linea.count(";") > linea.count(",") else ","
    try:
        nombres = next(csv.reader([linea], delimiter=separador), [])
    except csv.Error:
        return separador, []
    return separador, [_plain(nombre) for nombre in nombres]


def _plain(nombre: str) -> str:
    sin_marcas = unicodedata.normalize("NFKD", nombre.replace("\ufeff", ""))
    letras = (c for c in sin_marcas if not unicodedata.combining(c))
    return "".join(letras).strip().lower()


def id_from_cups(texto: str) -> str:
    """Return the ``propietario_id`` of a CUPS: its first 20 characters.

    A CUPS has 20 characters, or 22 where the two last name the border point (1F, 1P, 00). The
    20 are the supply point; ``propietario_id`` has room for no more.

    Examples
    --------
    >>> id_from_cups("es0021000000000000aa1p")
    'ES0021000000000000AA'
    """
    cups = texto.strip().upper()
    largo = _CUPS.fullmatch(cups)
    return largo.group(1) if largo else cups


def brief(texto: str) -> str:
    """Return a text as it may stand in a line for the user: cut, and without control codes."""
    corto = texto if len(texto) <= LARGO_DICHO else f"{texto[:LARGO_DICHO]}…"
    return corto if corto.isprintable() else ascii(corto)


def short_id(texto: str) -> str:
    """Return a stable ``propietario_id`` for a name of any length.

    Up to 20 characters it is the name itself; of a longer one, its first 11 characters, "_"
    and 8 hexadecimal digits of its SHA-256: the same name gives always the same customer.

    Examples
    --------
    >>> short_id("6345172663"), short_id("contador_energia_total")
    ('6345172663', 'contador_en_40764c96')
    """
    if len(texto) <= LARGO_ID:
        return texto
    return f"{texto[: LARGO_ID - 9]}_{hashlib.sha256(texto.encode()).hexdigest()[:8]}"
