"""Readings out of a CSV or Parquet file with ``propietario_id,timestamp,consumo_kwh``.

A piece at a time, so that a file larger than the memory is no trouble. Rows
keep the order of the file. A row that is no reading is not dropped in silence:
it comes out with its line and its reason.

In a file of local times without offset, the hour of October that comes twice is
told apart by order: a customer's second row of that hour is the second hour.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from pipeline.ingest.files.column_chunk import (
    FILAS_POR_TROZO,
    Etiqueta,
    Filas,
    Lector,
    Trozo,
    read_trozos,
    to_number,
)
from pipeline.ingest.files.source_file import Entrada, FormatoError
from pipeline.ingest.validation import Reglas
from serving.csv_cells import unprotect

__all__ = ["COLUMNAS", "FILAS_POR_TROZO", "Trozo", "choose_tabla", "read_tabla"]

COLUMNAS = ("propietario_id", "timestamp", "consumo_kwh")
ETIQUETA = "label"
_MAGIA_PARQUET = b"PAR1"
_CABECERA_MAXIMA = 65_536
"""Characters; a file without line ends is no CSV, and must not be read whole to find out."""


def read_tabla(ruta: Path, reglas: Reglas, ahora_hora: int) -> Iterator[Trozo]:
    """Yield the readings of a table, piece by piece.

    Parameters
    ----------
    ruta : Path
        CSV (separator "," or ";", the latter with decimal comma) or Parquet, told by content.
    reglas : Reglas
    ahora_hora : int
        Absolute hour of now.

    Raises
    ------
    PermanentError
        The file cannot be read, or is no such table.
    """
    # Local times of a table are resolved by ``reglas``.
    return read_trozos(ruta, choose_tabla, reglas, ahora_hora, ZoneInfo("UTC"))


def is_parquet(entrada: Entrada) -> bool:
    """Return whether a file begins as a Parquet does."""
    return entrada.muestra.startswith(_MAGIA_PARQUET)


def fits_tabla(nombres: Sequence[str]) -> bool:
    """Return whether a header has the three columns."""
    return set(COLUMNAS) <= set(nombres)


def choose_tabla(entrada: Entrada) -> Lector:
    """Return the reader of Parquet or that of CSV."""
    return read_parquet if is_parquet(entrada) else read_csv


def _find_columns(nombres: Sequence[str]) -> tuple[list[int], int | None]:
    """Return where the three columns are, and the label's place if there is one."""
    limpios = [nombre.strip().lower() for nombre in nombres]
    faltan = [columna for columna in COLUMNAS if columna not in limpios]
    if faltan:
        raise FormatoError(
            f"falta{'n' if len(faltan) > 1 else ''} {', '.join(faltan)}; "
            f"las columnas son {','.join(COLUMNAS)}"
        )
    sitios = [limpios.index(columna) for columna in COLUMNAS]
    return sitios, limpios.index(ETIQUETA) if ETIQUETA in limpios else None


def read_csv(entrada: Entrada) -> Iterator[Filas]:
    """Yield the rows of a CSV."""
    with entrada.open() as archivo:
        texto = io.TextIOWrapper(archivo, "utf-8-sig", newline="")
        cabecera = texto.readline(_CABECERA_MAXIMA)
        if not cabecera.strip():
            raise FormatoError("está vacío")
        con_coma = cabecera.count(";") > cabecera.count(",")
        separador = ";" if con_coma else ","
        (nombres,) = csv.reader([cabecera], delimiter=separador)
        sitios, sitio_etiqueta = _find_columns(nombres)
        lector = csv.reader(texto, delimiter=separador)
        try:
            while True:
                lineas, filas = _take(lector)
                if not filas:
                    return
                propietario_id = [unprotect(f[sitios[0]]) or None if sitios[0] < len(f) else None
                                  for f in filas]  # fmt: skip
                timestamp, consumo = (_cells(filas, sitio) for sitio in sitios[1:])
                yield Filas(
                    lineas,
                    list(propietario_id),
                    list(timestamp),
                    [to_number(texto, con_coma) for texto in consumo],
                    None
                    if sitio_etiqueta is None
                    else [_to_label(texto) for texto in _cells(filas, sitio_etiqueta)],
                    entrada.avance,
                )
        except csv.Error as error:
            raise FormatoError(
                f"la línea {lector.line_num + 1} no es CSV (¿comillas sin cerrar?)"
            ) from error


def _take(lector: Any) -> tuple[list[int], list[list[str]]]:
    """Return the next rows and the line at which each ends; blank lines are none."""
    lineas: list[int] = []
    filas: list[list[str]] = []
    for fila in lector:
        if fila:
            filas.append(fila)
            lineas.append(lector.line_num + 1)
            if len(filas) == FILAS_POR_TROZO:
                break
    return lineas, filas


def _cells(filas: list[list[str]], sitio: int) -> list[str | None]:
    try:
        return [fila[sitio].strip() or None for fila in filas]
    except IndexError:  # a short row
        return [fila[sitio].strip() or None if sitio < len(fila) else None for fila in filas]


def _to_label(texto: str | None) -> Etiqueta:
    return int(texto) if texto in {"0", "1"} else texto


def read_parquet(entrada: Entrada) -> Iterator[Filas]:
    """Yield the rows of a Parquet."""
    import pyarrow as pa

    try:
        with entrada.open() as archivo:
            yield from _read_batches(archivo)
    except (pa.ArrowException, OSError) as error:
        raise FormatoError("el Parquet no se puede leer (incompleto o dañado)") from error


def _read_batches(archivo: Any) -> Iterator[Filas]:
    import pyarrow.parquet as pq

    tabla = pq.ParquetFile(archivo)
    nombres = tabla.schema_arrow.names
    sitios, sitio_etiqueta = _find_columns(nombres)
    pedidas = [*sitios, *([] if sitio_etiqueta is None else [sitio_etiqueta])]
    total, leidas = max(1, tabla.metadata.num_rows), 0
    for lote in tabla.iter_batches(FILAS_POR_TROZO, columns=[nombres[s] for s in pedidas]):
        if lote.num_rows == 0:
            continue
        columnas = [lote.column(nombres[s]) for s in pedidas]
        inicio, leidas = leidas, leidas + lote.num_rows
        yield Filas(
            list(range(inicio + 1, leidas + 1)),
            _to_ids(columnas[0]),
            _to_times(columnas[1]),
            _to_kwh(columnas[2]),
            None if sitio_etiqueta is None else _to_labels(columnas[3]),
            leidas / total,
        )


def _to_ids(columna: Any) -> list[object]:
    return [str(x) if type(x) is int else x for x in columna.to_pylist()]


def _to_times(columna: Any) -> list[object]:
    """Return ISO texts; with offset if the column has a zone."""
    import pyarrow as pa

    if not pa.types.is_timestamp(columna.type):
        return list(columna.to_pylist())
    # Few distinct times in many rows: convert each once.
    codificada = columna.dictionary_encode()
    segundos = codificada.dictionary.cast(pa.timestamp("us", columna.type.tz), safe=False)
    textos = [None if t is None else t.isoformat() for t in segundos.to_pylist()]
    return [None if i is None else textos[i] for i in codificada.indices.to_pylist()]


def _to_kwh(columna: Any) -> list[object]:
    """Return numbers; those of a narrow column as the shortest decimal that means them."""
    import pyarrow as pa

    tipo = columna.type
    if pa.types.is_float32(tipo) or pa.types.is_float16(tipo):
        estrecho = np.float32 if pa.types.is_float32(tipo) else np.float16
        return [None if x is None else float(str(estrecho(x))) for x in columna.to_pylist()]
    if pa.types.is_integer(tipo) or pa.types.is_decimal(tipo):
        return [None if x is None else float(x) for x in columna.to_pylist()]
    return [to_number(x) if isinstance(x, str) else x for x in columna.to_pylist()]


def _to_labels(columna: Any) -> list[Etiqueta]:
    return [
        _number_label(x) if isinstance(x, float | int) else x and str(x)
        for x in columna.to_pylist()
    ]


def _number_label(valor: float) -> Etiqueta:
    return int(valor) if float(valor).is_integer() else str(valor)
