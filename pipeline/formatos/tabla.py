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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from detection.dominio import Lecturas
from detection.errors import LecturaInvalidaError, PermanentError
from pipeline.reglas import Clave, Reglas

COLUMNAS = ("propietario_id", "timestamp", "consumo_kwh")
ETIQUETA = "label"
FILAS_POR_TROZO = 20_000
_MAGIA_PARQUET = b"PAR1"
_CABECERA_MAXIMA = 65_536
"""Characters; a file without line ends is no CSV, and must not be read whole to find out."""

Etiqueta: TypeAlias = "str | int | None"


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
        Line of the file (CSV: the header is line 1) or row (Parquet: from 1), and the reason.
    avance : float
        Part of the file that is read, 0 to 1.
    """

    lecturas: Lecturas
    etiqueta: list[Etiqueta] | None
    rechazadas: list[tuple[int, LecturaInvalidaError]]
    avance: float


@dataclass(slots=True)
class _Filas:
    """Rows as columns of what was written: text, number, or None where there is nothing."""

    lineas: list[int]
    propietario_id: list[object]
    timestamp: list[object]
    consumo_kwh: list[object]
    etiqueta: list[Etiqueta] | None
    avance: float


def read_tabla(ruta: Path, reglas: Reglas, ahora_hora: int) -> Iterator[Trozo]:
    """Yield the readings of a file, piece by piece.

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
    vistas: set[tuple[object, str]] = set()
    hay = False
    try:
        with ruta.open("rb") as archivo:
            es_parquet = archivo.read(len(_MAGIA_PARQUET)) == _MAGIA_PARQUET
            archivo.seek(0)
            for filas in (_read_parquet if es_parquet else _read_csv)(archivo):
                hay = True
                yield _check(filas, reglas, ahora_hora, vistas)
    except OSError as error:
        raise PermanentError(f"no se puede leer «{ruta}»: {_reason(error)}") from error
    except UnicodeDecodeError as error:
        raise PermanentError(f"«{ruta}» no es un CSV en UTF-8 ni un Parquet") from error
    except _TablaError as error:
        raise PermanentError(f"«{ruta}»: {error}") from error
    if not hay:
        raise PermanentError(f"«{ruta}» no tiene ninguna fila de lecturas")


class _TablaError(Exception):
    """What is wrong with a file as a whole, in Spanish."""


def _reason(error: OSError) -> str:
    textos = {
        FileNotFoundError: "no existe",
        IsADirectoryError: "es una carpeta",
        PermissionError: "no hay permiso",
    }
    return textos.get(type(error), error.strerror or str(error))


def _check(
    filas: _Filas, reglas: Reglas, ahora_hora: int, vistas: set[tuple[object, str]]
) -> Trozo:
    _tell_october_apart(filas, reglas, vistas)
    claves: list[Clave] = [t if isinstance(t, str) else "" for t in filas.timestamp]
    kwh = np.array([x if type(x) is float else np.nan for x in filas.consumo_kwh], np.float64)

    def registro(i: int) -> Mapping[str, object]:
        return {
            "propietario_id": filas.propietario_id[i],
            "timestamp": filas.timestamp[i],
            "consumo_kwh": filas.consumo_kwh[i],
        }

    ids = [p if isinstance(p, str) else "" for p in filas.propietario_id]
    leidas = reglas.check(ids, claves, kwh, ahora_hora, registro)
    etiqueta = filas.etiqueta
    if etiqueta is not None and leidas.invalidas:
        etiqueta = [etiqueta[i] for i in leidas.posiciones]
    rechazadas = [(filas.lineas[i], error) for i, error in leidas.invalidas]
    return Trozo(leidas.lecturas, etiqueta, rechazadas, filas.avance)


def _tell_october_apart(filas: _Filas, reglas: Reglas, vistas: set[tuple[object, str]]) -> None:
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


def _find_columns(nombres: Sequence[str]) -> tuple[list[int], int | None]:
    """Return where the three columns are, and the label's place if there is one."""
    limpios = [nombre.strip().lower() for nombre in nombres]
    faltan = [columna for columna in COLUMNAS if columna not in limpios]
    if faltan:
        raise _TablaError(
            f"falta{'n' if len(faltan) > 1 else ''} {', '.join(faltan)}; "
            f"las columnas son {','.join(COLUMNAS)}"
        )
    sitios = [limpios.index(columna) for columna in COLUMNAS]
    return sitios, limpios.index(ETIQUETA) if ETIQUETA in limpios else None


def _read_csv(archivo: BinaryIO) -> Iterator[_Filas]:
    total = max(1, archivo.seek(0, io.SEEK_END))
    archivo.seek(0)
    texto = io.TextIOWrapper(archivo, "utf-8-sig", newline="")
    cabecera = texto.readline(_CABECERA_MAXIMA)
    if not cabecera.strip():
        raise _TablaError("está vacío")
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
            propietario_id, timestamp, consumo = (_cells(filas, sitio) for sitio in sitios)
            yield _Filas(
                lineas,
                list(propietario_id),
                list(timestamp),
                [_to_number(texto, con_coma) for texto in consumo],
                None
                if sitio_etiqueta is None
                else [_to_label(texto) for texto in _cells(filas, sitio_etiqueta)],
                min(1.0, archivo.tell() / total),
            )
    except csv.Error as error:
        raise _TablaError(
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


def _to_number(texto: str | None, con_coma: bool = False) -> float | str | None:
    """Return the number that a text is, or the text itself if it is none."""
    if texto is None:
        return None
    try:
        numero = float(texto.replace(",", ".") if con_coma else texto)
    except ValueError:
        return texto
    # Python also takes 1_000 for a number; no meter writes that.
    return texto if "_" in texto else numero


def _to_label(texto: str | None) -> Etiqueta:
    return int(texto) if texto in {"0", "1"} else texto


def _read_parquet(archivo: BinaryIO) -> Iterator[_Filas]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
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
            yield _Filas(
                list(range(inicio + 1, leidas + 1)),
                _to_ids(columnas[0]),
                _to_times(columnas[1]),
                _to_kwh(columnas[2]),
                None if sitio_etiqueta is None else _to_labels(columnas[3]),
                leidas / total,
            )
    except (pa.ArrowException, OSError) as error:
        raise _TablaError("el Parquet no se puede leer (incompleto o dañado)") from error


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
    return [_to_number(x) if isinstance(x, str) else x for x in columna.to_pylist()]


def _to_labels(columna: Any) -> list[Etiqueta]:
    return [
        _number_label(x) if isinstance(x, float | int) else x and str(x)
        for x in columna.to_pylist()
    ]


def _number_label(valor: float) -> Etiqueta:
    return int(valor) if float(valor).is_integer() else str(valor)
