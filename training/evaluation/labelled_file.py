"""A file of readings as columns in the order of the log.

CSV (separator "," or ";", the latter with decimal comma) or Parquet, told by content, with the
columns ``propietario_id,timestamp,consumo_kwh`` and, where readings are labelled, ``label`` (0 or
1) and ``tipo``. A time with an offset is exact; one without it means local time, and of the hour
that October repeats a customer's second row is the second hour. A row that is no reading is left
out; how many there are of each reason, and where, comes with the readings and belongs beside any
figure about them.

All readings are in memory as numbers, 28 bytes each: they have to be put in order of time.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detection.domain import LARGO_MAXIMO_ID, Lecturas
from detection.errors import LecturaInvalidaError, PermanentError
from pipeline.ingest.files.table import COLUMNAS
from pipeline.ingest.validation import HourParser, Motivo, invalida
from serving.csv_cells import unprotect
from serving.local_time import PRIMER_ANIO, ULTIMO_ANIO
from training.history import widen

SIN_TIPO = frozenset({"", "normal"})
UN_TIPO = "ataque"
"""Kind of every labelled reading of a file that does not say which."""

_DECIMAL = b"decimal"
"""Key of a CSV's decimal mark in its table."""
_NUMERO = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NAN = re.compile(r"\s*[+-]?(nan|inf(inity)?)?\s*", re.IGNORECASE)
_MAGIA_PARQUET = b"PAR1"
_CABECERA_MAXIMA = 65_536
FILAS_DICHAS = 5
"""Of each reason, so many rows are named."""


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """Rows that are no readings, for one reason."""

    motivo: str  # in Spanish
    filas: list[int]  # as an editor counts them, rising
    ejemplo: str  # what is wrong with the first one

    def __str__(self) -> str:
        """Return it as a Spanish clause.

        Examples
        --------
        >>> str(RejectedRows("consumo_kwh negativo", [3, 7], "-1 kWh no está entre 0 y 100"))
        'consumo_kwh negativo: 2 (filas 3, 7); la primera: -1 kWh no está entre 0 y 100'
        """
        n = len(self.filas)
        filas = ", ".join(map(str, self.filas[:FILAS_DICHAS])) + "…" * (n > FILAS_DICHAS)
        return f"{self.motivo}: {n} (fila{'s' * (n > 1)} {filas}); la primera: {self.ejemplo}"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledReadings:
    """Readings in the order of the log: by hour, then customer, then as they lay in the file."""

    clientes: list[str]  # (c,): sorted
    cliente: NDArray[np.int32]  # (n,): index into ``clientes``
    hora_utc: NDArray[np.int64]  # (n,)
    consumo_kwh: NDArray[np.float64]  # (n,)
    tipos: list[str]  # kinds of attack; empty = the file has no labels
    # (n,), int16 or None: index into ``tipos`` of the attack on the reading, -1 = honest; None = no
    # labels.
    tipo: NDArray[np.int16] | None
    rechazos: tuple[RejectedRows, ...] = ()  # what was left out

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


def read_labelled_file(ruta: Path, zona: str, maximo_kwh: float) -> LabelledReadings:
    """Return the readings of a file.

    ``zona``: IANA zone of times without offset. ``maximo_kwh``: largest reading admitted, kWh.
    ``PermanentError``: the file cannot be read, is no such table, or has no row that is a reading.
    """
    tabla, numeros, cortas = _read_table(ruta)
    criba = _Criba(numeros)
    if tabla.num_rows == 0:
        que = criba.rechazos(cortas)
        raise PermanentError(f"{ruta}: no tiene ninguna lectura{f'; {que[0]}' if que else ''}")
    nombres, cual = _categories(tabla.column("propietario_id"), criba, "propietario_id")
    _check_ids(nombres, cual, criba)
    decimal = (tabla.schema.metadata or {}).get(_DECIMAL, b".").decode()
    kwh = _kwh(tabla.column("consumo_kwh"), criba, maximo_kwh, decimal)
    hora, ambigua = _hours(tabla.column("timestamp"), criba, zona)
    tipos, tipo = _labels(tabla, criba)
    rechazos = criba.rechazos(cortas)
    filas = np.flatnonzero(criba.buena)
    if not filas.size:
        raise PermanentError(f"{ruta}: ninguna fila es una lectura; {rechazos[0]}")
    usados, cual = np.unique(cual[filas], return_inverse=True)
    suyos = [nombres[k] for k in usados.tolist()]
    clientes = sorted(set(suyos))
    donde = {nombre: k for k, nombre in enumerate(clientes)}
    cliente = np.array([donde[n] for n in suyos], np.int32)[cual]
    hora = hora[filas] + _second_times(cliente, hora[filas], ambigua[filas])
    orden = np.lexsort((cliente, hora))
    return LabelledReadings(
        clientes, cliente[orden], hora[orden], kwh[filas][orden], tipos,
        None if tipo is None else tipo[filas][orden], rechazos,
    )  # fmt: skip


class _Criba:
    """Which rows are readings, and why the others are not; of several reasons the first counts.

    ``numeros`` (n,): of the rows, as an editor counts them.
    """

    def __init__(self, numeros: NDArray[np.int64]) -> None:
        self._numeros = numeros
        self.buena = np.ones(numeros.size, np.bool_)
        self._rechazos: dict[str, RejectedRows] = {}

    def refuse(
        self, mala: NDArray[np.bool_], motivo: str, ejemplo: str | Callable[[int], str]
    ) -> None:
        """Leave rows out; ``ejemplo`` is what is wrong with one, or says it of a row."""
        filas = np.flatnonzero(mala & self.buena)
        if not filas.size:
            return
        self.buena[filas] = False
        if motivo not in self._rechazos:
            que = ejemplo if isinstance(ejemplo, str) else ejemplo(int(filas[0]))
            self._rechazos[motivo] = RejectedRows(motivo, [], que)
        suyo = self._rechazos[motivo]
        suyo.filas.extend(self._numeros[filas].tolist())

    def rechazos(self, cortas: Sequence[tuple[int, str]]) -> tuple[RejectedRows, ...]:
        """Return all of it; ``cortas`` are rows with too many columns or too few."""
        if cortas:
            motivo = "columnas de más o de menos"
            self._rechazos[motivo] = RejectedRows(motivo, [n for n, _ in cortas], cortas[0][1])
        for rechazo in self._rechazos.values():
            rechazo.filas.sort()
        return tuple(sorted(self._rechazos.values(), key=lambda r: -len(r.filas)))


_Leida: TypeAlias = "tuple[Any, NDArray[np.int64], list[tuple[int, str]]]"
"""A table, the numbers of its rows, and number and fault of the rows that have no place in it."""


def _read_table(ruta: Path) -> _Leida:
    """Return the columns that matter, by their names, and what was left out of them."""
    import pyarrow as pa

    try:
        with ruta.open("rb") as archivo:
            parquet = archivo.read(len(_MAGIA_PARQUET)) == _MAGIA_PARQUET
        if not parquet:
            return _read_csv(ruta)
        tabla = _read_parquet(ruta)
        return tabla, np.arange(1, tabla.num_rows + 1), []
    except FileNotFoundError:
        raise PermanentError(f"no existe el archivo {ruta}") from None
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        texto = str(error)
        que = (
            "no es texto UTF-8" if "utf" in texto.lower()
            else "incompleto, dañado o de otro formato"
        )  # fmt: skip
        raise PermanentError(f"{ruta}: no se puede leer ({que})") from error


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


def _read_csv(ruta: Path) -> _Leida:
    import pyarrow as pa

    with ruta.open(encoding="utf-8-sig", newline="") as archivo:
        cabecera = archivo.readline(_CABECERA_MAXIMA)
    if not cabecera.strip():
        raise PermanentError(f"{ruta}: está vacío")
    con_coma = cabecera.count(";") > cabecera.count(",")
    separador = ";" if con_coma else ","
    (nombres,) = csv.reader([cabecera], delimiter=separador)
    suyas = _choose(nombres, ruta)
    try:
        tabla, cortas = _parse_csv(ruta, nombres, suyas, separador, pa.float64())
    except pa.ArrowInvalid:
        # Some kWh is no number; as texts it takes longer, but the others can be read.
        tabla, cortas = _parse_csv(ruta, nombres, suyas, separador, pa.string())
    tabla = tabla.rename_columns(list(suyas)).replace_schema_metadata(
        {_DECIMAL: "," if con_coma else "."}
    )
    todas = np.arange(2, 2 + tabla.num_rows + len(cortas))
    if not tabla.num_rows:
        return tabla, np.empty(0, np.int64), cortas
    ids = tabla.column("propietario_id").unify_dictionaries()
    textos = [
        pa.DictionaryArray.from_arrays(
            trozo.indices, pa.array([unprotect(t) for t in trozo.dictionary.to_pylist()])
        )
        for trozo in ids.chunks
    ]
    sitio = tabla.column_names.index("propietario_id")
    tabla = tabla.set_column(sitio, "propietario_id", pa.chunked_array(textos, ids.type))
    return tabla, np.setdiff1d(todas, [numero for numero, _ in cortas]), cortas


def _parse_csv(
    ruta: Path, nombres: list[str], suyas: dict[str, str], separador: str, kwh: Any
) -> tuple[Any, list[tuple[int, str]]]:
    """Return the columns that matter, and the rows that have more or fewer than the header."""
    import pyarrow as pa
    import pyarrow.csv as pcsv

    texto = pa.dictionary(pa.int32(), pa.string())
    clases = {suyas[c]: kwh if c == "consumo_kwh" else texto for c in suyas}
    cortas: list[tuple[int, str]] = []

    def leave_out(fila: Any) -> str:
        que = f"tiene {fila.actual_columns} columnas y la cabecera {fila.expected_columns}"
        cortas.append((fila.number, que))
        return "skip"

    tabla = pcsv.read_csv(
        ruta,
        # Only one thread knows the number of a bad row.
        read_options=pcsv.ReadOptions(use_threads=False, column_names=nombres, skip_rows=1),
        parse_options=pcsv.ParseOptions(delimiter=separador, invalid_row_handler=leave_out),
        convert_options=pcsv.ConvertOptions(
            column_types=clases,
            include_columns=list(suyas.values()),
            decimal_point="," if separador == ";" else ".",
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    return tabla, cortas


def _categories(columna: Any, criba: _Criba, nombre: str) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct texts of a column and which of them each row (n,) has."""
    import pyarrow as pa

    vacia = columna.is_null().to_numpy()
    criba.refuse(vacia, f"sin {nombre}", f"falta {nombre}")
    if not pa.types.is_dictionary(columna.type):
        columna = columna.dictionary_encode()
    columna = columna.unify_dictionaries().combine_chunks()
    if isinstance(columna, pa.ChunkedArray):
        columna = columna.chunk(0) if columna.num_chunks else pa.array([], columna.type)
    textos = [str(x) for x in columna.dictionary.to_pylist()] or [""]
    return textos, columna.indices.fill_null(0).to_numpy().astype(np.int64)


def _check_ids(nombres: list[str], cliente: NDArray[np.int64], criba: _Criba) -> None:
    for k, nombre in enumerate(nombres):
        if nombre.strip() and len(nombre) <= LARGO_MAXIMO_ID and nombre.isprintable():
            continue
        corto = nombre[:40]
        que = f"«{corto}»" if corto.isprintable() else ascii(corto)
        criba.refuse(
            cliente == k,
            "propietario_id no válido",
            f"{que} no es un propietario_id de 1 a {LARGO_MAXIMO_ID} caracteres",
        )


def _kwh(columna: Any, criba: _Criba, maximo_kwh: float, decimal: str) -> NDArray[np.float64]:
    import pyarrow as pa

    criba.refuse(columna.is_null().to_numpy(), "sin consumo_kwh", "falta consumo_kwh")
    if pa.types.is_string(columna.type) or pa.types.is_large_string(columna.type):
        textos = columna.to_pylist()
        kwh = np.array([_to_number(texto, decimal) for texto in textos], np.float64)
        criba.refuse(
            np.isnan(kwh) & np.array([not _NAN.fullmatch(t or "") for t in textos], np.bool_),
            "consumo_kwh no es un número",
            lambda fila: f"«{textos[fila][:40]}» no es un número",
        )
    else:
        if not pa.types.is_floating(columna.type):
            columna = columna.cast(pa.float64())
        # A narrow column means the shortest decimal that it holds.
        kwh = widen(columna.fill_null(np.nan).to_numpy())

    def fuera(fila: int) -> str:
        return f"{kwh[fila]:g} kWh no está entre 0 y {maximo_kwh:g} (CONSUMO_MAXIMO_KWH)"

    criba.refuse(~np.isfinite(kwh), "consumo_kwh no finito", fuera)
    criba.refuse(kwh < 0.0, "consumo_kwh negativo", fuera)
    criba.refuse(kwh > maximo_kwh, "consumo_kwh excesivo", fuera)
    return np.asarray(kwh + 0.0)


def _to_number(texto: str | None, decimal: str) -> float:
    """Return a number, NaN where a text is none."""
    otro = "." if decimal == "," else ","
    if texto is None or otro in texto:
        return np.nan
    punto = texto.strip().replace(decimal, ".")
    return float(punto) if _NUMERO.fullmatch(punto) else np.nan


def _hours(columna: Any, criba: _Criba, zona: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return each row's absolute hour, and whether it may also be the next one (October)."""
    import pyarrow as pa

    if pa.types.is_timestamp(columna.type):
        marcas = columna.cast(pa.timestamp("us", columna.type.tz), safe=False).dictionary_encode()
        momentos = {t: t.isoformat() for t in marcas.unify_dictionaries().chunk(0).dictionary
                    .to_pylist()} if marcas.num_chunks else {}  # fmt: skip
        columna = pa.chunked_array([[momentos.get(t) for t in columna.to_pylist()]], pa.string())
    textos, cual = _categories(columna, criba, "timestamp")
    reglas = HourParser(zona)
    horas = np.zeros(len(textos), np.int64)
    dudosa = np.zeros(len(textos), np.bool_)
    for k, texto in enumerate(textos):
        try:
            horas[k], dudosa[k] = parse_hour(texto.strip(), reglas, zona)
        except ValueError as error:
            que = str(error)
            criba.refuse(cual == k, "timestamp no válido", que)
    return horas[cual], dudosa[cual]


def parse_hour(texto: str, horas: HourParser, zona: str) -> tuple[int, bool]:
    """Return the absolute hour of an ISO 8601 text, and whether it may also be the next one.

    ``ValueError``: it is no whole hour from 2000 on; the text says why.

    Examples
    --------
    >>> utc, madrid = HourParser("UTC"), HourParser("Europe/Madrid")
    >>> parse_hour("1970-01-02T01:00:00", utc, "UTC")
    Traceback (most recent call last):
    ...
    ValueError: «1970-01-02T01:00:00» no está entre los años 2000 y 2100
    >>> parse_hour("2026-01-15T02:00:00+01:00", utc, "UTC")
    (491233, False)
    >>> parse_hour("2026-10-25T02:00:00", madrid, "Europe/Madrid")
    (498024, True)
    """
    corto = texto[:40]
    try:
        hora = horas.parse(texto)
        if not PRIMER_ANIO <= int(texto[:4]) <= ULTIMO_ANIO:
            raise invalida(Motivo.TIEMPO_ANTIGUO, corto)
    except LecturaInvalidaError as error:
        frases: dict[str, str] = {
            Motivo.TIEMPO_AUSENTE: "no es ISO 8601 con hora",
            Motivo.TIEMPO_ANTIGUO: f"no está entre los años {PRIMER_ANIO} y {ULTIMO_ANIO}",
            Motivo.TIEMPO_FUTURO: f"no está entre los años {PRIMER_ANIO} y {ULTIMO_ANIO}",
            Motivo.HORA_INEXISTENTE: f"no existe en {zona} (cambio de hora)",
            Motivo.HORA_NO_EN_PUNTO: "no es una hora en punto",
        }
        que = frases.get(error.motivo)
        raise ValueError(error.detalle if que is None else f"«{corto}» {que}") from None
    return hora, horas.second(texto) is not None


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


def _labels(tabla: Any, criba: _Criba) -> tuple[list[str], NDArray[np.int16] | None]:
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
        textos, cual = _categories(pc.fill_null(columna.cast(pa.string()), ""), criba, "tipo")
        textos = [texto.strip() for texto in textos]
    tipos = sorted({t for t in textos if t not in SIN_TIPO} | {UN_TIPO})
    codigo = np.array([tipos.index(t) if t not in SIN_TIPO else -1 for t in textos], np.int16)
    tipo = codigo[cual]
    if "label" in nombres:
        columna = tabla.column("label")
        if not pa.types.is_dictionary(columna.type):
            columna = columna.cast(pa.string())
        valores, cual = _categories(columna, criba, "label")
        si = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
        for k, valor in enumerate(valores):
            if valor.strip().lower() not in si:
                que = f"label es «{valor[:40]}», no 0 o 1"
                criba.refuse(cual == k, "label no válido", que)
        atacada = np.array([si.get(v.strip().lower(), False) for v in valores], np.bool_)[cual]
        tipo = np.where(atacada, np.where(tipo < 0, tipos.index(UN_TIPO), tipo), -1)
    return tipos, tipo.astype(np.int16)
