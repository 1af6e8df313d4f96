"""A meter file as its readers see it: unpacked, in text, and how far one is in it.

What a file is packed with is told by its bytes: gzip, bz2, zip (one file in it or many) and, inside
one of those, another one. Nothing is unpacked to disk or whole into memory.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

from pipeline.ingest.files.encoding import find_encoding
from pipeline.ingest.files.text_cells import FormatoError, brief

LARGO_MUESTRA = 1 << 20
"""Bytes by which a format is recognised; also the longest line that a text may have."""
_NIVELES = 3
_PARTES_MAXIMAS = 1000
_BLOQUE = 1 << 20
_PROPORCION_MAXIMA = 1000
_SIN_SOSPECHA = 1 << 30
"""Bytes that may come out of any file; beyond, not more than ``_PROPORCION_MAXIMA`` times it."""
_AJENAS = ("__MACOSX/", ".DS_Store", "Thumbs.db")

_Abrir = Callable[[], "contextlib.AbstractContextManager[IO[bytes]]"]


class Entrada:
    """One text, workbook or XML that is to be read, whatever it is packed in.

    Parameters
    ----------
    ruta : Path
        The file on disk.
    zona : ZoneInfo
        Zone of local times, where the layout has no zone of its own.
    nombre : str
        Of the part inside, or the file's own.
    abrir : callable
        Gives the unpacked content from its beginning.
    envases : tuple of str
        What it is packed in, the outer one first.
    """

    def __init__(
        self, ruta: Path, zona: ZoneInfo, nombre: str, abrir: _Abrir, envases: tuple[str, ...] = ()
    ) -> None:
        self.ruta = ruta
        self.zona = zona
        self.nombre = nombre
        self.envases = envases
        self._abrir = abrir
        self._avance: Callable[[], float] = float
        self._codificacion = ""
        with self.open() as archivo:
            self.muestra = archivo.read(LARGO_MUESTRA)

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Give the unpacked content from its beginning."""
        with self._abrir() as archivo:
            contado = _Contado(archivo, max(1, self.ruta.stat().st_size))
            self._avance = contado.part
            yield contado  # type: ignore[misc]

    @property
    def avance(self) -> float:
        """Return the part of the file that is read, 0 to 1, as far as that can be told."""
        return self._avance()

    @property
    def codificacion(self) -> str:
        """Return the encoding of the whole text: UTF-8, UTF-16 or Windows' western one."""
        if not self._codificacion:
            with self.open() as archivo:
                self._codificacion = find_encoding(iter(lambda: archivo.read(_BLOQUE), b""))
        return self._codificacion

    @property
    def codificacion_vista(self) -> str:
        """Return the encoding, if the file has been read as a text; else ""."""
        return self._codificacion

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
        codificacion = self._codificacion or find_encoding(iter([self.muestra]), entero=False)
        # As ``text`` cuts lines: str.splitlines knows more ends of lines.
        return list(io.StringIO(self.muestra.decode(codificacion, "replace"), newline=""))


def _lines(texto: io.TextIOWrapper) -> Iterator[str]:
    numero = 0
    while linea := texto.readline(LARGO_MUESTRA):
        numero += 1
        if len(linea) == LARGO_MUESTRA and not linea.endswith("\n"):
            raise FormatoError(f"la línea {numero} tiene más de {LARGO_MUESTRA} caracteres")
        yield linea


class _Contado(io.RawIOBase):
    """A stream that knows how much it has given, and refuses to grow without end."""

    def __init__(self, archivo: IO[bytes], largo: int) -> None:
        self._archivo = archivo
        self._largo = largo
        self._dados = 0

    def readable(self) -> bool:
        return True

    def readinto(self, destino: Any) -> int:
        datos = self.read(len(destino))
        destino[: len(datos)] = datos
        return len(datos)

    def read(self, cuantos: int = -1) -> bytes:
        datos = self._archivo.read(cuantos)
        self._dados += len(datos)
        if self._dados > max(_SIN_SOSPECHA, _PROPORCION_MAXIMA * self._largo):
            raise FormatoError("al descomprimirse crece demasiado")
        return datos

    def seekable(self) -> bool:
        return self._archivo.seekable()

    def seek(self, sitio: int, desde: int = io.SEEK_SET) -> int:
        return self._archivo.seek(sitio, desde)

    def tell(self) -> int:
        return self._archivo.tell()

    def part(self) -> float:
        crudo: Any = self._archivo
        while hasattr(crudo, "crudo"):
            crudo = crudo.crudo
        try:
            return min(1.0, float(crudo.tell()) / self._largo)
        except ValueError:  # closed: it has been read
            return 1.0


def open_parts(ruta: Path, zona: ZoneInfo) -> list[Entrada]:
    """Return what is to be read in a file: itself, or what it is packed with.

    Raises
    ------
    FormatoError
        It is damaged, has nothing in it, or is packed too often.
    OSError
        It cannot be read.
    """
    modo = ruta.stat().st_mode
    if not stat.S_ISREG(modo) and not stat.S_ISDIR(modo):
        # It is read twice, and a pipe that nobody writes to would wait for ever.
        raise FormatoError("no es un archivo: una tubería o un dispositivo no se puede leer")
    with ruta.open("rb"):
        pass
    return list(_unpack(ruta, zona, ruta.name, lambda: ruta.open("rb"), ()))


def _unpack(
    ruta: Path, zona: ZoneInfo, nombre: str, abrir: _Abrir, envases: tuple[str, ...]
) -> Iterator[Entrada]:
    with _damaged(nombre), abrir() as archivo:
        magia = archivo.read(4)
    if len(envases) == _NIVELES:
        raise FormatoError("está comprimido demasiadas veces")
    if magia[:2] == b"\x1f\x8b":
        yield from _unpack(ruta, zona, nombre, _packed(abrir, "gzip"), (*envases, "gzip"))
    elif magia[:3] == b"BZh":
        yield from _unpack(ruta, zona, nombre, _packed(abrir, "bz2"), (*envases, "bz2"))
    elif magia == b"PK\x03\x04" and (partes := _list_zip(abrir)) is not None:
        for parte in partes:
            yield from _unpack(ruta, zona, parte, _member(abrir, parte), (*envases, "zip"))
    else:
        yield Entrada(ruta, zona, nombre, abrir, envases)


def _packed(abrir: _Abrir, clase: str) -> _Abrir:
    @contextlib.contextmanager
    def unpack() -> Iterator[IO[bytes]]:
        with abrir() as crudo, _damaged(clase):
            abierto: Any = (
                gzip.GzipFile(fileobj=crudo, mode="rb") if clase == "gzip" else bz2.BZ2File(crudo)
            )
            with abierto:
                abierto.crudo = crudo
                yield abierto

    return unpack


def _member(abrir: _Abrir, parte: str) -> _Abrir:
    @contextlib.contextmanager
    def unpack() -> Iterator[IO[bytes]]:
        with (
            abrir() as crudo,
            _damaged("zip"),
            zipfile.ZipFile(crudo) as archivo,
            archivo.open(parte) as abierto,
        ):
            abierto.crudo = crudo  # type: ignore[attr-defined]
            yield abierto

    return unpack


def _list_zip(abrir: _Abrir) -> list[str] | None:
    """Return the files in a zip; None where it is a workbook, which is a zip too."""
    with abrir() as crudo, _damaged("zip"), zipfile.ZipFile(crudo) as archivo:
        todos = archivo.infolist()
        if any(i.filename == "[Content_Types].xml" for i in todos):
            return None
        partes = [i.filename for i in todos if not i.is_dir() and not _is_foreign(i.filename)]
        if any(i.flag_bits & 1 for i in todos):
            raise FormatoError("el zip tiene contraseña")
    if not partes:
        raise FormatoError("el zip no tiene ningún archivo")
    if len(partes) > _PARTES_MAXIMAS:
        raise FormatoError(f"el zip tiene más de {_PARTES_MAXIMAS} archivos")
    return partes


def _is_foreign(nombre: str) -> bool:
    return nombre.startswith(_AJENAS[0]) or nombre.rpartition("/")[2] in _AJENAS


@contextlib.contextmanager
def _damaged(clase: str) -> Iterator[None]:
    """Say in one sentence that what is packed cannot be unpacked."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise FormatoError(f"el {brief(clase)} está incompleto o dañado") from error
    except (NotImplementedError, RuntimeError, KeyError, UnicodeDecodeError) as error:
        raise FormatoError(f"el {brief(clase)} no se puede descomprimir") from error
    except OSError as error:
        # bz2 has no error of its own; one of the disk bears a number.
        if error.errno is not None:
            raise
        raise FormatoError(f"el {brief(clase)} está incompleto o dañado") from error
