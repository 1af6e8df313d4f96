"""A file of readings as columns in the order of the log.

CSV (separator "," or ";", the latter with decimal comma) or Parquet, told by content, with the
columns ``propietario_id,timestamp,consumo_kwh`` and, where readings are labelled, ``label`` (0 or
1) and ``tipo``. A time with an offset is exact; one without it means local time, and of the hour
that October repeats a customer's second row is the second hour. A file with one bad row is refused
with that row's number: figures over what happens to be legible would be figures of another file.

All readings are in memory as numbers, 28 bytes each: they have to be put in order of time.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from detection.dominio import SEGUNDOS_POR_HORA, Lecturas
from detection.errors import PermanentError
from serving.zona import PRIMER_ANIO, ULTIMO_ANIO
from training.lectura import widen

COLUMNAS = ("propietario_id", "timestamp", "consumo_kwh")
LARGO_MAXIMO_ID = 20
"""Characters: VARCHAR(20) in the specification."""
SIN_TIPO = frozenset({"", "normal"})
UN_TIPO = "ataque"
"""Kind of every labelled reading of a file that does not say which."""

_MAGIA_PARQUET = b"PAR1"
_CABECERA_MAXIMA = 65_536
_ISO_8601 = re.compile(
    r"\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, eq=False)
class Archivo:
    """Readings in the order of the log: by hour, then customer, then as they lay in the file.

    Parameters
    ----------
    clientes : list of str (c,)
        Sorted.
    cliente : ndarray (n,), int32
        Index into ``clientes``.
    hora_utc : ndarray (n,), int64
    consumo_kwh : ndarray (n,), float64
    tipos : list of str
        Kinds of attack; empty = the file has no labels.
    tipo : ndarray (n,), int16 or None
        Index into ``tipos`` of the attack on the reading, -1 = honest; None = no labels.
    """

    clientes: list[str]
    cliente: NDArray[np.int32]
    hora_utc: NDArray[np.int64]
    consumo_kwh: NDArray[np.float64]
    tipos: list[str]
    tipo: NDArray[np.int16] | None

    def __len__(self) -> int:
        return int(self.hora_utc.size)

    def lecturas(self, filas: slice) -> Lecturas:
        """Return some of the readings as the detector wants them."""
        clientes = self.clientes
        return Lecturas(
            [clientes[k] for k in self.cliente[filas].tolist()],
            self.hora_utc[filas],
            self.consumo_kwh[filas],
        )


def read_archivo(ruta: Path, zona: str, maximo_kwh: float) -> Archivo:
    """Return the readings of a file.

    Parameters
    ----------
    zona : str
        IANA zone of times without offset.
    maximo_kwh : float
        Largest reading admitted, kWh.

    Raises
    ------
    PermanentError
        The file cannot be read, is no such table, or has a row that is no reading.
    """
    tabla, primera_fila = _read_table(ruta)
    sitio = _Sitio(ruta, primera_fila)
    if tabla.num_rows == 0:
        raise PermanentError(f"{ruta}: no tiene ninguna lectura")
    nombres, cual = _categories(tabla.column("propietario_id"), sitio, "propietario_id")
    _check_ids(nombres, cual, sitio)
    kwh = _kwh(tabla.column("consumo_kwh"), sitio, maximo_kwh)
    hora, ambigua = _hours(tabla.column("timestamp"), sitio, zona)
    tipos, tipo = _labels(tabla, sitio)
    clientes = sorted(set(nombres))
    donde = {nombre: k for k, nombre in enumerate(clientes)}
    cliente = np.array([donde[n] for n in nombres], np.int32)[cual]
    hora = hora + _second_times(cliente, hora, ambigua)
    orden = np.lexsort((cliente, hora))
    return Archivo(
        clientes, cliente[orden], hora[orden], kwh[orden], tipos,
        None if tipo is None else tipo[orden],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Sitio:
    """Where a row is: the file, and the number of its first row (2 under a header)."""

    ruta: Path
    primera: int

    def error(self, fila: int, que: str) -> PermanentError:
        """Return the error of row ``fila``, counted from 0."""
        return PermanentError(f"{self.ruta}, fila {fila + self.primera}: {que}")


def _read_table(ruta: Path) -> tuple[Any, int]:
    """Return the columns that matter, by their names, and the number of the first row."""
    import pyarrow as pa

    try:
        with ruta.open("rb") as archivo:
            parquet = archivo.read(len(_MAGIA_PARQUET)) == _MAGIA_PARQUET
        return (_read_parquet(ruta), 1) if parquet else (_read_csv(ruta), 2)
    except FileNotFoundError:
        raise PermanentError(f"no existe el archivo {ruta}") from None
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise PermanentError(f"{ruta}: no se puede leer ({_reason(str(error))})") from error


def _reason(texto: str) -> str:
    """Return what pyarrow says of a bad row, in Spanish, with the row's number in the file."""
    columnas = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", texto)
    if columnas:
        fila, hay, son = columnas.groups()
        return f"fila {fila}: tiene {son} columnas y la cabecera {hay}"
    valor = re.search(r"Row #(\d+):.*invalid value '(.*)'", texto)
    if valor:
        return f"fila {valor.group(1)}: «{valor.group(2)[:40]}» no es un número"
    if "UTF" in texto or "utf" in texto:
        return "no es texto UTF-8"
    return "incompleto, dañado o de otro formato"


def _choose(nombres: list[str], ruta: Path) -> dict[str, str]:
    """Return how the columns that matter are written in the file."""
    suyas = {nombre.strip().lower(): nombre for nombre in reversed(nombres)}
    faltan = [c for c in COLUMNAS if c not in suyas]
    if faltan:
        raise PermanentError(
            f"{ruta}: falta{'n' if len(faltan) > 1 else ''} {', '.join(faltan)}; "
            f"las columnas son {','.join(COLUMNAS)} (y label y tipo si hay etiquetas)"
        )
    return {c: suyas[c] for c in (*COLUMNAS, "label", "tipo") if c in suyas}


def _read_parquet(ruta: Path) -> Any:
    import pyarrow.parquet as pq

    suyas = _choose(pq.read_schema(ruta).names, ruta)
    return pq.read_table(ruta, columns=list(suyas.values())).rename_columns(list(suyas))


def _read_csv(ruta: Path) -> Any:
    import pyarrow as pa
    import pyarrow.csv as pcsv

    with ruta.open(encoding="utf-8-sig", newline="") as archivo:
        cabecera = archivo.readline(_CABECERA_MAXIMA)
    if not cabecera.strip():
        raise PermanentError(f"{ruta}: está vacío")
    con_coma = cabecera.count(";") > cabecera.count(",")
    separador = ";" if con_coma else ","
    (nombres,) = csv.reader([cabecera], delimiter=separador)
    suyas = _choose(nombres, ruta)
    texto = pa.dictionary(pa.int32(), pa.string())
    clases = {suyas[c]: pa.float64() if c == "consumo_kwh" else texto for c in suyas}
    tabla = pcsv.read_csv(
        ruta,
        # Only one thread knows the number of a bad row.
        read_options=pcsv.ReadOptions(use_threads=False, column_names=nombres, skip_rows=1),
        parse_options=pcsv.ParseOptions(delimiter=separador),
        convert_options=pcsv.ConvertOptions(
            column_types=clases,
            include_columns=list(suyas.values()),
            decimal_point="," if con_coma else ".",
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    return tabla.rename_columns(list(suyas))


def _categories(columna: Any, sitio: _Sitio, nombre: str) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct texts of a column and which of them each row (n,) has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if columna.null_count:
        vacia = int(pc.index(columna.is_null(), True).as_py())
        raise sitio.error(vacia, f"falta {nombre}")
    if pa.types.is_dictionary(columna.type):
        columna = columna.unify_dictionaries().combine_chunks()
    else:
        columna = columna.combine_chunks().dictionary_encode()
    if isinstance(columna, pa.ChunkedArray):
        columna = columna.chunk(0)
    textos = [str(x).strip() for x in columna.dictionary.to_pylist()]
    return textos, columna.indices.to_numpy().astype(np.int64)


def _check_ids(nombres: list[str], cliente: NDArray[np.int64], sitio: _Sitio) -> None:
    for k, nombre in enumerate(nombres):
        if nombre and len(nombre) <= LARGO_MAXIMO_ID and nombre.isprintable():
            continue
        filas = np.flatnonzero(cliente == k)
        if filas.size:
            que = f"«{nombre[:40]}»" if nombre.isprintable() else ascii(nombre[:40])
            raise sitio.error(
                int(filas[0]), f"{que} no es un propietario_id de 1 a {LARGO_MAXIMO_ID} caracteres"
            )


def _kwh(columna: Any, sitio: _Sitio, maximo_kwh: float) -> NDArray[np.float64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        if not pa.types.is_floating(columna.type):
            columna = columna.cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise PermanentError(f"{sitio.ruta}: consumo_kwh no es un número en todas las filas "
                             f"({_reason(str(error))})") from error  # fmt: skip
    if columna.null_count:
        fila = int(pc.index(columna.is_null(), True).as_py())
        raise sitio.error(fila, "falta consumo_kwh")
    # A narrow column means the shortest decimal that it holds.
    kwh = widen(columna.to_numpy())
    mala = ~((kwh >= 0.0) & (kwh <= maximo_kwh))
    if mala.any():
        fila = int(mala.argmax())
        raise sitio.error(
            fila, f"{kwh[fila]:g} kWh no está entre 0 y {maximo_kwh:g} (CONSUMO_MAXIMO_KWH)"
        )
    return np.asarray(kwh + 0.0)


def _hours(columna: Any, sitio: _Sitio, zona: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return each row's absolute hour, and whether it may also be the next one (October)."""
    import pyarrow as pa

    if pa.types.is_timestamp(columna.type):
        codificada = columna.combine_chunks().dictionary_encode()
        if isinstance(codificada, pa.ChunkedArray):
            codificada = codificada.chunk(0)
        if codificada.null_count:
            raise sitio.error(int(codificada.is_null().index(True).as_py()), "falta timestamp")
        marcas = codificada.dictionary.cast(pa.timestamp("us", columna.type.tz), safe=False)
        textos = [momento.isoformat() for momento in marcas.to_pylist()]
        cual = codificada.indices.to_numpy().astype(np.int64)
    else:
        textos, cual = _categories(columna, sitio, "timestamp")
    info = ZoneInfo(zona)
    horas = np.empty(len(textos), np.int64)
    dudosa = np.zeros(len(textos), np.bool_)
    for k, texto in enumerate(textos):
        try:
            horas[k], dudosa[k] = parse_hour(texto, info)
        except ValueError as error:
            raise sitio.error(int((cual == k).argmax()), str(error)) from None
    return horas[cual], dudosa[cual]


def parse_hour(texto: str, zona: ZoneInfo) -> tuple[int, bool]:
    """Return the absolute hour of an ISO 8601 text, and whether it may also be the next one.

    Raises
    ------
    ValueError
        It is no whole hour from 2000 on; the text says why.

    Examples
    --------
    >>> parse_hour("1970-01-02T01:00:00", ZoneInfo("UTC"))
    Traceback (most recent call last):
    ...
    ValueError: «1970-01-02T01:00:00» no está entre los años 2000 y 2100
    >>> parse_hour("2026-01-15T02:00:00+01:00", ZoneInfo("UTC"))
    (491233, False)
    >>> parse_hour("2026-10-25T02:00:00", ZoneInfo("Europe/Madrid"))
    (498024, True)
    """
    corto = texto[:40]
    if not _ISO_8601.fullmatch(texto):
        raise ValueError(f"«{corto}» no es ISO 8601 con hora")
    try:
        momento = datetime.fromisoformat(texto)
    except ValueError:
        raise ValueError(f"«{corto}» no existe") from None
    if not PRIMER_ANIO <= momento.year <= ULTIMO_ANIO:
        raise ValueError(f"«{corto}» no está entre los años {PRIMER_ANIO} y {ULTIMO_ANIO}")
    dudosa = False
    if momento.tzinfo is None:
        local = momento.replace(tzinfo=zona)
        momento = local.astimezone(UTC)
        if momento.astimezone(zona).replace(tzinfo=None) != local.replace(tzinfo=None):
            raise ValueError(f"«{corto}» no existe en {zona.key} (cambio de hora)")
        dudosa = local.replace(fold=1).astimezone(UTC) != momento
    segundos = int(momento.timestamp())
    if segundos % SEGUNDOS_POR_HORA or momento.microsecond:
        raise ValueError(f"«{corto}» no es una hora en punto")
    return segundos // SEGUNDOS_POR_HORA, dudosa


def _second_times(
    cliente: NDArray[np.int32], hora: NDArray[np.int64], ambigua: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return 1 where a row is its customer's second one of an hour that comes twice, else 0."""
    salto = np.zeros(hora.size, np.int64)
    vistas: set[tuple[int, int]] = set()
    for i in np.flatnonzero(ambigua).tolist():
        clave = (int(cliente[i]), int(hora[i]))
        if clave in vistas:
            salto[i] = 1
        vistas.add(clave)
    return salto


def _labels(tabla: Any, sitio: _Sitio) -> tuple[list[str], NDArray[np.int16] | None]:
    """Return the kinds of attack, and the kind on each row, -1 = honest; None = no labels."""
    import pyarrow as pa
    import pyarrow.compute as pc

    nombres, n = tabla.column_names, tabla.num_rows
    if "label" not in nombres and "tipo" not in nombres:
        return [], None
    textos, cual = [UN_TIPO], np.zeros(n, np.int64)
    if "tipo" in nombres:
        columna = tabla.column("tipo")
        if pa.types.is_dictionary(columna.type):
            columna = columna.cast(columna.type.value_type)
        textos, cual = _categories(pc.fill_null(columna.cast(pa.string()), ""), sitio, "tipo")
    tipos = sorted({t for t in textos if t not in SIN_TIPO} | {UN_TIPO})
    codigo = np.array([tipos.index(t) if t not in SIN_TIPO else -1 for t in textos], np.int16)
    tipo = codigo[cual]
    if "label" in nombres:
        columna = tabla.column("label")
        if not pa.types.is_dictionary(columna.type):
            columna = columna.cast(pa.string())
        valores, cual = _categories(columna, sitio, "label")
        si = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
        for k, valor in enumerate(valores):
            if valor.lower() not in si:
                raise sitio.error(int((cual == k).argmax()), f"label es «{valor[:40]}», no 0 o 1")
        atacada = np.array([si[v.lower()] for v in valores], np.bool_)[cual]
        tipo = np.where(atacada, np.where(tipo < 0, tipos.index(UN_TIPO), tipo), -1)
    return tipos, tipo.astype(np.int16)
