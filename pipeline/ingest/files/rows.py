"""The rows of a text as columns of distinct texts, a few megabytes at a time.

A line is a row: a cell with a line end in it is refused. A row that has not the header's cells is
told, for a mark that cuts a number in two moves all that follows. pyarrow reads what is regular,
Python's csv module the rest; both give the same.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.files.container import LARGO_MUESTRA, Entrada
from pipeline.ingest.files.text_cells import FormatoError

BLOQUE = 1 << 23
"""Bytes of text that are read at a time."""
_FIN_DE_LINEA = ord("\n")


@dataclass(frozen=True, slots=True, eq=False)
class Columnas:
    """Some columns of some rows.

    Parameters
    ----------
    lineas : ndarray (n,), int64
    textos : dict of int to list of str
        Distinct cells of each column that was asked for.
    codigos : dict of int to ndarray (n,), int32
        Index into ``textos``.
    celdas : ndarray (n,), int32, or None
        How many cells each row has; None = as many as the header.
    sin_fin : bool
        The last row is the file's last line and has no line end: it may have been cut.
    """

    lineas: NDArray[np.int64]
    textos: dict[int, list[str]]
    codigos: dict[int, NDArray[np.int32]]
    celdas: NDArray[np.int32] | None = None
    sin_fin: bool = False

    def __len__(self) -> int:
        return int(self.lineas.size)


def read_columns(
    entrada: Entrada, separador: str, columnas: int, pedidas: Sequence[int], saltadas: int
) -> Iterator[Columnas]:
    """Yield columns of a text.

    Parameters
    ----------
    entrada : Entrada
    separador : str
    columnas : int
        How many the header has.
    pedidas : sequence of int
        Which of them are wanted.
    saltadas : int
        Lines at the beginning that are no rows.
    """
    quedan = saltadas
    for primera, entero in _blocks(entrada):
        bloque, fuera = _drop_lines(entero, quedan)
        quedan -= fuera
        if bloque.strip():
            leidas = _parse(bloque, primera + fuera, separador, columnas, pedidas)
            yield leidas if bloque.endswith(b"\n") else replace(leidas, sin_fin=True)


def _blocks(entrada: Entrada) -> Iterator[tuple[int, bytes]]:
    """Yield the number of a line and whole lines from it on, in UTF-8."""
    codificacion = entrada.codificacion
    linea, resto = 1, b""
    with entrada.open() as archivo:
        texto: Any = archivo
        if codificacion != "utf-8-sig":
            texto = io.TextIOWrapper(archivo, codificacion, "replace", newline="")
        while True:
            leido = texto.read(BLOQUE)
            bloque = leido.encode("utf-8", "replace") if isinstance(leido, str) else leido
            if linea == 1 and not resto:
                bloque = bloque.removeprefix(b"\xef\xbb\xbf")
            if b"\r" in bloque and b"\n" not in bloque:
                bloque = bloque.replace(b"\r", b"\n")
            junto = resto + bloque
            corte = junto.rfind(b"\n") + 1 if leido else len(junto)
            resto = junto[corte:]
            if len(resto) > LARGO_MUESTRA:
                numero = linea + junto.count(b"\n")
                raise FormatoError(f"la línea {numero} tiene más de {LARGO_MUESTRA} caracteres")
            entero = junto[:corte]
            if entero:
                _refuse_long(entero, linea)
                yield linea, entero
                linea += entero.count(b"\n")
            if not leido:
                return


def _refuse_long(bloque: bytes, primera: int) -> None:
    fines = np.flatnonzero(np.frombuffer(bloque, np.uint8) == _FIN_DE_LINEA)
    largos = np.diff(fines, prepend=-1)
    if largos.size and int(largos.max()) > LARGO_MUESTRA:
        numero = primera + int(largos.argmax())
        raise FormatoError(f"la línea {numero} tiene más de {LARGO_MUESTRA} caracteres")


def _drop_lines(bloque: bytes, cuantas: int) -> tuple[bytes, int]:
    sitio = 0
    for hechas in range(cuantas):
        fin = bloque.find(b"\n", sitio)
        if fin < 0:
            return b"", hechas + 1
        sitio = fin + 1
    return bloque[sitio:], cuantas


def _parse(
    bloque: bytes, primera: int, separador: str, columnas: int, pedidas: Sequence[int]
) -> Columnas:
    rapida = _parse_regular(bloque, primera, separador, columnas, pedidas)
    return rapida or _parse_any(bloque, primera, separador, columnas, pedidas)


def _parse_regular(
    bloque: bytes, primera: int, separador: str, columnas: int, pedidas: Sequence[int]
) -> Columnas | None:
    """Return the columns of a block that has as many cells in each line; None where it has not."""
    import pyarrow as pa
    import pyarrow.csv as pcsv

    if b"\n\n" in bloque or b"\n\r\n" in bloque or bloque[:1] in {b"\n", b"\r"}:
        return None
    lineas = bloque.count(b"\n") + (not bloque.endswith(b"\n"))
    texto = pa.dictionary(pa.int32(), pa.string())
    nombres = [str(i) for i in range(columnas)]
    suyas = [nombres[i] for i in pedidas]
    try:
        tabla = pcsv.read_csv(
            io.BytesIO(bloque),
            read_options=pcsv.ReadOptions(column_names=nombres, block_size=len(bloque) + 1),
            parse_options=pcsv.ParseOptions(delimiter=separador),
            convert_options=pcsv.ConvertOptions(
                column_types=dict.fromkeys(suyas, texto),
                include_columns=suyas,
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    if tabla.num_rows != lineas:
        return None
    textos: dict[int, list[str]] = {}
    codigos: dict[int, NDArray[np.int32]] = {}
    for i in pedidas:
        columna = tabla.column(str(i)).unify_dictionaries().combine_chunks()
        if isinstance(columna, pa.ChunkedArray):
            columna = columna.chunk(0)
        textos[i] = columna.dictionary.to_pylist()
        codigos[i] = columna.indices.to_numpy().astype(np.int32, copy=False)
    return Columnas(np.arange(primera, primera + lineas, dtype=np.int64), textos, codigos)


def _parse_any(
    bloque: bytes, primera: int, separador: str, columnas: int, pedidas: Sequence[int]
) -> Columnas:
    lineas = io.StringIO(bloque.decode("utf-8", "replace"), newline="")
    lector: Any = csv.reader(lineas, delimiter=separador)
    numeros: list[int] = []
    celdas: list[int] = []
    distintos: dict[int, dict[str, int]] = {i: {} for i in pedidas}
    codigos: dict[int, list[int]] = {i: [] for i in pedidas}
    anterior = 0
    try:
        for fila in lector:
            anterior += 1
            if lector.line_num != anterior:
                raise csv.Error
            if not any(map(str.strip, fila)):
                continue
            numeros.append(primera + anterior - 1)
            # Blank cells too many are a separator at the end of each line.
            celdas.append(
                len(fila) if any(map(str.strip, fila[columnas:])) else min(len(fila), columnas)
            )
            for i in pedidas:
                celda = fila[i] if i < len(fila) else ""
                suyos = distintos[i]
                codigos[i].append(suyos.setdefault(celda, len(suyos)))
    except csv.Error as error:
        numero = primera + max(anterior, 1) - 1
        raise FormatoError(f"la línea {numero} no es CSV (¿comillas sin cerrar?)") from error
    return Columnas(
        np.array(numeros, np.int64),
        {i: list(suyos) for i, suyos in distintos.items()},
        {i: np.array(suyos, np.int32) for i, suyos in codigos.items()},
        np.array(celdas, np.int32),
    )
