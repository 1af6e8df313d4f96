"""Tables that are no text: workbooks and Parquet, their cells written as texts that are certain."""

from __future__ import annotations

import contextlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.files.container import Entrada
from pipeline.ingest.files.profile_schema import normalize
from pipeline.ingest.files.rows import Columnas
from pipeline.ingest.files.text_cells import FormatoError
from serving.csv_cells import protect

MAGIA_PARQUET = b"PAR1"
MAGIA_ZIP = b"PK\x03\x04"
FILAS_A_LA_VEZ = 20_000
_LIBRO_MAXIMO = 1 << 28
"""Bytes that a workbook may have unpacked; it has to be in memory."""
_DANIOS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    KeyError,
    ValueError,
    OSError,
)
"""What a damaged or hostile zip gives rise to."""
_AMBIGUO = re.compile(r"-?\d{1,3}\.\d{3}")


def number_text(valor: float) -> str:
    """Return a number whose point cannot be taken for a mark of thousands.

    Examples
    --------
    >>> number_text(1.234), number_text(2.0), number_text(0.5)
    ('1.2340', '2', '0.5')
    """
    if float(valor).is_integer() and abs(valor) < 1e15:
        return str(int(valor))
    texto = repr(float(valor))
    return f"{texto}0" if _AMBIGUO.fullmatch(texto) else texto


def cell_text(celda: Any) -> str:
    """Return a cell of a workbook as a text."""
    if celda is None or isinstance(celda, str):
        return celda or ""
    if isinstance(celda, bool):
        return str(celda)
    if isinstance(celda, int | float):
        return number_text(float(celda))
    if isinstance(celda, datetime):
        return celda.isoformat(" ")
    if isinstance(celda, timedelta):
        segundos = int(celda.total_seconds())
        return f"{segundos // 3600:02}:{segundos // 60 % 60:02}:{segundos % 60:02}"
    if isinstance(celda, date):
        # An instant at midnight comes as a date, and so does the hour 24:00.
        return f"{celda.isoformat()} 00:00:00"
    return celda.isoformat() if isinstance(celda, time) else str(celda)


def is_workbook(entrada: Entrada) -> bool:
    """Return whether a file is an Excel workbook."""
    return entrada.muestra.startswith(MAGIA_ZIP)


def is_parquet(entrada: Entrada) -> bool:
    """Return whether a file begins as a Parquet does."""
    return entrada.muestra.startswith(MAGIA_PARQUET)


def read_workbook(entrada: Entrada) -> dict[str, list[tuple[int, list[str]]]]:
    """Return the rows of each sheet that has any, by its name, each row with its number.

    Raises
    ------
    FormatoError
        It cannot be read, or is too large.
    """
    import python_calamine

    with entrada.open() as archivo:
        datos = archivo.read(_LIBRO_MAXIMO + 1)
    _measure(datos)
    try:
        with python_calamine.load_workbook(io.BytesIO(datos)) as libro:
            hojas = {
                nombre: _rows_of_sheet(libro.get_sheet_by_name(nombre))
                for nombre in libro.sheet_names
            }
    except (python_calamine.CalamineError, ValueError, OSError) as error:
        raise FormatoError("el libro de Excel no se puede leer (incompleto o dañado)") from error
    return {
        nombre: hoja for nombre, hoja in hojas.items() if any(any(celdas) for _, celdas in hoja)
    }


def _rows_of_sheet(hoja: Any) -> list[tuple[int, list[str]]]:
    filas = hoja.to_python(skip_empty_area=False)
    return [(i + 1, [cell_text(celda) for celda in fila]) for i, fila in enumerate(filas)]


def _measure(datos: bytes) -> None:
    """Refuse a workbook that unpacks to more than can be in memory, whatever it says itself."""
    total = 0
    try:
        with zipfile.ZipFile(io.BytesIO(datos)) as archivo:
            for parte in archivo.infolist():
                parte.file_size = _LIBRO_MAXIMO + 1
                with archivo.open(parte) as abierto:
                    while bloque := abierto.read(1 << 20):
                        total += len(bloque)
                        if total > _LIBRO_MAXIMO:
                            raise FormatoError("el libro de Excel es demasiado grande; use CSV")
    except _DANIOS as error:
        raise FormatoError("el libro de Excel no se puede leer (incompleto o dañado)") from error


def columns_of(
    filas: Sequence[tuple[int, list[str]]], pedidas: Sequence[int]
) -> Iterator[Columnas]:
    """Yield some columns of rows of texts."""
    for i in range(0, len(filas), FILAS_A_LA_VEZ):
        suyas = [f for f in filas[i : i + FILAS_A_LA_VEZ] if any(map(str.strip, f[1]))]
        if not suyas:
            continue
        textos: dict[int, list[str]] = {}
        codigos: dict[int, NDArray[np.int32]] = {}
        for sitio in pedidas:
            distintos: dict[str, int] = {}
            codigos[sitio] = np.array(
                [
                    distintos.setdefault(c[sitio] if sitio < len(c) else "", len(distintos))
                    for _, c in suyas
                ],
                np.int32,
            )
            textos[sitio] = list(distintos)
        yield Columnas(np.array([n for n, _ in suyas], np.int64), textos, codigos)


@contextlib.contextmanager
def _parquet(entrada: Entrada) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with entrada.open() as archivo:
            yield pq.ParquetFile(pa.PythonFile(archivo, "r"))
    except (pa.ArrowException, OSError) as error:
        raise FormatoError("el Parquet no se puede leer (incompleto o dañado)") from error


def parquet_names(entrada: Entrada) -> list[str]:
    """Return the names of a Parquet's columns."""
    with _parquet(entrada) as tabla:
        return list(tabla.schema_arrow.names)


def parquet_columns(entrada: Entrada, sitio_id: int, pedidas: Sequence[int]) -> Iterator[Columnas]:
    """Yield some columns of a Parquet as texts; rows count from 1.

    The names of customers (column ``sitio_id``) are as they are: no spreadsheet wrote them.
    """
    with _parquet(entrada) as tabla:
        nombres = tabla.schema_arrow.names
        leidas = 0
        for lote in tabla.iter_batches(FILAS_A_LA_VEZ, columns=[nombres[i] for i in pedidas]):
            if not lote.num_rows:
                continue
            textos: dict[int, list[str]] = {}
            codigos: dict[int, NDArray[np.int32]] = {}
            for i in pedidas:
                textos[i], codigos[i] = _texts(lote.column(nombres[i]))
                if i == sitio_id:
                    textos[i] = [protect(texto) for texto in textos[i]]
            lineas = np.arange(leidas + 1, leidas + lote.num_rows + 1, dtype=np.int64)
            leidas += lote.num_rows
            yield Columnas(lineas, textos, codigos)


def _texts(columna: Any) -> tuple[list[str], NDArray[np.int32]]:
    """Return the distinct texts of a column and which of them each row has; null = ""."""
    import pyarrow as pa

    tipo = columna.type
    if pa.types.is_nested(tipo):
        # What is no single value, as the types of an exported reading, says nothing of its row.
        return [""], np.zeros(len(columna), np.int32)
    if not pa.types.is_dictionary(tipo):
        if pa.types.is_float16(tipo):
            columna = columna.cast(pa.float32())
        columna = columna.dictionary_encode()
    valores = columna.dictionary
    if pa.types.is_timestamp(valores.type):
        valores = valores.cast(pa.timestamp("us", valores.type.tz), safe=False)
    estrecho: Any = np.float32 if pa.types.is_float32(valores.type) else None
    if pa.types.is_float16(tipo):
        estrecho = np.float16
    textos = [_parquet_text(x, estrecho) for x in valores.to_pylist()]
    indices = columna.indices.fill_null(len(textos)).to_numpy(zero_copy_only=False)
    return [*textos, ""], indices.astype(np.int32)


def _parquet_text(valor: Any, estrecho: Any) -> str:
    if isinstance(valor, float):
        if not np.isfinite(valor):
            return str(valor)
        # A narrow column means the shortest decimal that it holds.
        return number_text(float(str(estrecho(valor))) if estrecho else valor)
    if isinstance(valor, bool):
        return str(int(valor))
    if isinstance(valor, datetime):
        return valor.isoformat()
    if isinstance(valor, bytes):
        return valor.decode("utf-8", "replace")
    if valor is not None and type(valor).__name__ == "Decimal":
        return number_text(float(valor))
    return "" if valor is None else str(valor)


def normalized(nombres: Sequence[str]) -> tuple[str, ...]:
    """Return names of columns as names are compared."""
    return tuple(normalize(nombre) for nombre in nombres)
