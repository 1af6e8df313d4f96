"""Batches to and from PostgreSQL's binary COPY format, at millions of rows a second.

The format: a header; for each row the number of its fields (16 bits), then for each field its
length (32 bits, -1 = NULL) and its bytes, everything big-endian; a trailer. What takes few
values (score, severidad, tipos) is encoded once, into tables from which a compiled loop copies.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detection.domain import (
    HORAS_POR_DIA,
    MASCARA_DTYPE,
    MASCARAS,
    SEGUNDOS_POR_HORA,
    SEVERIDADES,
    Historia,
    Lecturas,
    Mascaras,
    Veredictos,
    nombres_de_tipos,
)
from detection.jit import jit

COLUMNAS = (
    "propietario_id",
    "timestamp_consumo",
    "fecha",
    "hora",
    "consumo_kwh",
    "anomalia_detectada",
    "score_anomalia",
    "severidad",
    "es_sospechoso",
    "tipos_anomalia",
    "consumo_esperado_kwh",
    "version_modelo",
)
"""The columns of an encoded row, in order; ``posicion`` (INT) comes after them when asked for."""
VEREDICTO = (
    "score_anomalia",
    "severidad",
    "tipos_anomalia",
    "es_sospechoso",
    "consumo_esperado_kwh",
    "version_modelo",
)
"""The columns of a verdict; ``anomalia_detectada`` follows from ``severidad``."""

CABECERA = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
"""Signature, no flags, no header extension (PostgreSQL manual, COPY, "Binary Format")."""
COLA = b"\xff\xff"
"""The trailer: a row of -1 fields."""

DIAS_HASTA_2000 = 10_957
"""Days from 1970-01-01 to 2000-01-01, where PostgreSQL's dates and timestamps begin."""
HORAS_HASTA_2000 = DIAS_HASTA_2000 * HORAS_POR_DIA
MICROSEGUNDOS_POR_HORA = SEGUNDOS_POR_HORA * 1_000_000
OID_TEXT = 25
"""Type of the elements of ``tipos_anomalia`` (pg_type)."""
NUMERIC_NEGATIVO = 0x4000

# Readings with at most 8 decimals below 1e7 kWh have at most 15 significant digits. Two decimals
# of at most 15 digits are never the same double, so the one found by rounding is the shortest
# that reads back as the reading: what repr() would print.
KWH_RAPIDO = 1e7
ESCALA_RAPIDA = 1e8
# Bytes of a row outside its customer, its version and the copied fields, rounded up: 16-bit
# field count, 13 lengths, timestamp, date, two ints, fast numeric, two booleans, real.
BYTES_FIJOS = 128

FILA_HISTORIA = np.dtype(
    [
        ("campos", ">i2"),
        ("n1", ">i4"),
        ("indice", ">i4"),
        ("n2", ">i4"),
        ("timestamp", ">i8"),
        ("n3", ">i4"),
        ("kwh", ">f8"),
        ("n4", ">i4"),
        ("score", ">i2"),
        ("n5", ">i4"),
        ("tipos", ">i2"),
        ("n6", ">i4"),
        ("con_referencia", "?"),
        ("n7", ">i4"),
        ("es_sospechoso", "?"),
    ]
)
"""A row of the queries that load history: seven fields, none of them NULL."""


_Bytes: TypeAlias = NDArray[np.uint8]


class _Tabla(NamedTuple):
    """Encoded fields, one after the other: field i is ``datos[inicio[i]:inicio[i + 1]]``."""

    datos: _Bytes
    inicio: NDArray[np.int64]


class _Fila(NamedTuple):
    """The columns of a batch, as the compiled loop reads them, each (n,) but ``ids``.

    ``ids`` holds the customers in UTF-8, each with a NUL after it.
    """

    posicion: NDArray[np.int64]
    ids: NDArray[np.uint8]
    hora_utc: NDArray[np.int64]
    hora_local: NDArray[np.int64]
    consumo_kwh: NDArray[np.float64]
    score: NDArray[np.uint8]
    severidad: NDArray[np.uint8]
    tipos: Mascaras
    es_sospechoso: NDArray[np.bool_]
    esperado_bits: NDArray[np.uint32]


def by_identity(lecturas: Lecturas) -> NDArray[np.int64]:
    """Return the positions (n,) of a batch in the order of its identities, as the index has them.

    Python orders text by code point, as COLLATE "C" orders its UTF-8 bytes.
    """
    por_hora = np.argsort(lecturas.hora_utc, kind="stable").tolist()
    return np.array(sorted(por_hora, key=lecturas.propietario_id.__getitem__), np.int64)


def encode(
    lecturas: Lecturas, veredictos: Veredictos, orden: NDArray[np.int64], *, con_posicion: bool
) -> memoryview:
    """Return readings of a batch as a binary COPY of ``COLUMNAS``.

    ``orden`` (m,): positions in the batch of the readings wanted, in the order in which they are
    written. ``con_posicion``: whether each row ends with its position in the batch. ``ValueError``:
    a customer holds a NUL character, which PostgreSQL cannot store, or a reading is not finite.
    """
    n = orden.size
    ids = "\0".join([*map(lecturas.propietario_id.__getitem__, orden), ""]).encode()
    if ids.count(0) != n:
        raise ValueError("propietario_id con un carácter nulo")
    score, severidad, tipos = _tablas_fijas()
    version = _tabla([veredictos.version_modelo.encode()])
    fila = _Fila(
        orden,
        np.frombuffer(ids, np.uint8),
        lecturas.hora_utc[orden],
        veredictos.hora_local[orden],
        lecturas.consumo_kwh[orden],
        veredictos.score_centesimas[orden],
        veredictos.severidad[orden],
        veredictos.tipos[orden],
        veredictos.es_sospechoso[orden],
        veredictos.esperado_kwh.view(np.uint32)[orden],
    )
    lentos = _tabla_de_lentos(fila.consumo_kwh)
    copiados = version.datos.size + sum(int(np.diff(t.inicio).max()) for t in _tablas_fijas())
    tamano = len(ids) + lentos.datos.size + n * (BYTES_FIJOS + copiados)
    salida = np.empty(len(CABECERA) + tamano + len(COLA), np.uint8)
    salida[: len(CABECERA)] = np.frombuffer(CABECERA, np.uint8)
    fin = _encode_rows(
        salida, len(CABECERA), fila, lentos, score, severidad, tipos, version, con_posicion
    )
    salida[fin : fin + len(COLA)] = np.frombuffer(COLA, np.uint8)
    return salida[: fin + len(COLA)].data


def encode_numeric(valor: float) -> bytes:
    """Return the NUMERIC whose text is the shortest that reads back as ``valor``.

    Examples
    --------
    >>> encode_numeric(1.5).hex(" ", 2)
    '0002 0000 0000 0001 0001 1388'
    """
    signo, digitos, exponente = Decimal(repr(float(valor))).normalize().as_tuple()
    if not isinstance(exponente, int):
        raise ValueError(f"consumo_kwh no finito: {valor!r}")
    # Groups of four decimal digits, counted from the decimal point.
    relleno = exponente % 4
    texto = "".join(map(str, digitos)) + "0" * relleno
    texto = texto.zfill(-(-len(texto) // 4) * 4)
    grupos = [int(texto[i : i + 4]) for i in range(0, len(texto), 4)]
    peso = len(grupos) - 1 + (exponente - relleno) // 4
    return struct.pack(
        f">hhHh{len(grupos)}h",
        len(grupos),
        peso,
        NUMERIC_NEGATIVO if signo else 0,
        max(0, -exponente),
        *grupos,
    )


def decode_history(datos: memoryview) -> Historia:
    """Return the rows of a binary COPY of seven fields (``FILA_HISTORIA``), by customer and hour.

    Field for field: index of the customer (INT), ``timestamp_consumo``, ``consumo_kwh`` (FLOAT8),
    score in hundredths (SMALLINT), mask of types (SMALLINT), has an expected consumption,
    ``es_sospechoso``.
    """
    filas = np.frombuffer(datos[len(CABECERA) : -len(COLA)], FILA_HISTORIA)
    indice = filas["indice"].astype(np.int64)
    hora = filas["timestamp"].astype(np.int64) // MICROSEGUNDOS_POR_HORA + HORAS_HASTA_2000
    # The server walks an index in this order anyhow, unless it found a better plan.
    orden = np.lexsort((hora, indice))
    return Historia(
        indice[orden],
        hora[orden],
        filas["kwh"].astype(np.float32)[orden],
        filas["score"].astype(np.uint8)[orden],
        filas["tipos"].astype(MASCARA_DTYPE)[orden],
        filas["con_referencia"][orden],
        filas["es_sospechoso"][orden],
    )


def _tabla(campos: Sequence[bytes]) -> _Tabla:
    """Return fields with their lengths in front, ready to be copied."""
    con_largo = [struct.pack(">i", len(campo)) + campo for campo in campos]
    inicio = np.zeros(len(campos) + 1, np.int64)
    inicio[1:] = np.cumsum([len(campo) for campo in con_largo])
    return _Tabla(np.frombuffer(b"".join(con_largo) or b"\0", np.uint8), inicio)


@lru_cache(maxsize=1)
def _tablas_fijas() -> tuple[_Tabla, _Tabla, _Tabla]:
    """Return the fields of every score in hundredths, every severidad and every mask of types."""
    scores = [
        # DECIMAL(3,2): a whole digit, a group with two decimals, two of them shown.
        struct.pack(">hhHhhh", 2, 0, 0, 2, centesimas // 100, centesimas % 100 * 100)
        for centesimas in range(101)
    ]
    severidades = [str(severidad).encode() for severidad in SEVERIDADES]
    mascaras = []
    for mascara in range(MASCARAS):
        nombres = [nombre.encode() for nombre in nombres_de_tipos(mascara)]
        campo = struct.pack(">iiI", int(bool(nombres)), 0, OID_TEXT)
        if nombres:
            campo += struct.pack(">ii", len(nombres), 1)
        for nombre in nombres:
            campo += struct.pack(">i", len(nombre)) + nombre
        mascaras.append(campo)
    return _tabla(scores), _tabla(severidades), _tabla(mascaras)


def _tabla_de_lentos(consumo_kwh: NDArray[np.float64]) -> _Tabla:
    """Return the encoded field of each reading that the compiled loop cannot write, in order."""
    return _tabla([encode_numeric(v) for v in consumo_kwh[_slow(consumo_kwh)].tolist()])


@jit()
def _is_fast(kwh: float) -> bool:
    """Return whether a reading has at most 8 decimals and 15 digits."""
    return 0.0 <= kwh < KWH_RAPIDO and np.floor(kwh * ESCALA_RAPIDA + 0.5) / ESCALA_RAPIDA == kwh


@jit()
def _slow(consumo_kwh: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the indices of the readings that are not fast."""
    indices = np.empty(consumo_kwh.shape[0], np.int64)
    total = 0
    for i in range(consumo_kwh.shape[0]):
        if not _is_fast(consumo_kwh[i]):
            indices[total] = i
            total += 1
    return indices[:total]


@jit()
def _put(salida: _Bytes, p: int, valor: int | np.integer, ancho: int) -> int:
    """Write ``valor`` in ``ancho`` bytes at ``p``, the highest first; return the next place."""
    for i in range(ancho):
        salida[p + i] = (valor >> (8 * (ancho - 1 - i))) & 0xFF
    return p + ancho


@jit()
def _copy(salida: _Bytes, p: int, datos: _Bytes, desde: int, hasta: int) -> int:
    """Copy ``datos[desde:hasta]`` to ``p``; return the next place."""
    for i in range(hasta - desde):
        salida[p + i] = datos[desde + i]
    return p + hasta - desde


@jit()
def _put_kwh(salida: _Bytes, p: int, kwh: float) -> int:
    """Write a fast reading: four groups, of which the server drops the zeros at both ends."""
    unidades = np.int64(np.floor(kwh * ESCALA_RAPIDA + 0.5))
    entera = unidades // 100_000_000
    fraccion = unidades % 100_000_000
    decimales = 0
    if fraccion > 0:
        decimales = 8
        resto = fraccion
        while resto % 10 == 0:
            resto //= 10
            decimales -= 1
    p = _put(salida, p, 16, 4)
    p = _put(salida, p, 4, 2)  # groups
    p = _put(salida, p, 1, 2)  # the first one counts 10 000s
    p = _put(salida, p, 0, 2)  # positive
    p = _put(salida, p, decimales, 2)
    p = _put(salida, p, entera // 10_000, 2)
    p = _put(salida, p, entera % 10_000, 2)
    p = _put(salida, p, fraccion // 10_000, 2)
    return _put(salida, p, fraccion % 10_000, 2)


@jit()
def _put_fixed(salida: _Bytes, p: int, fila: _Fila, i: int) -> int:
    """Write ``timestamp_consumo``, ``fecha`` and ``hora`` of row ``i``; return the next place."""
    p = _put(salida, p, 8, 4)
    p = _put(salida, p, (fila.hora_utc[i] - HORAS_HASTA_2000) * MICROSEGUNDOS_POR_HORA, 8)
    p = _put(salida, p, 4, 4)
    p = _put(salida, p, fila.hora_local[i] // HORAS_POR_DIA - DIAS_HASTA_2000, 4)
    p = _put(salida, p, 4, 4)
    return _put(salida, p, fila.hora_local[i] % HORAS_POR_DIA, 4)


@jit()
def _put_real(salida: _Bytes, p: int, bits: int) -> int:
    """Write a float32 given by its bits, NaN as NULL; return the next place."""
    if bits & 0x7FFFFFFF > 0x7F800000:
        return _put(salida, p, -1, 4)
    p = _put(salida, p, 4, 4)
    return _put(salida, p, bits, 4)


@jit()
def _encode_rows(
    salida: _Bytes,
    p: int,
    fila: _Fila,
    lentos: _Tabla,
    score: _Tabla,
    severidad: _Tabla,
    tipos: _Tabla,
    version: _Tabla,
    con_posicion: bool,
) -> int:
    """Write every row from ``p`` on; return the place after the last one."""
    id_desde = 0
    lento = 0
    for i in range(fila.hora_utc.shape[0]):
        p = _put(salida, p, 13 if con_posicion else 12, 2)
        id_hasta = id_desde
        while fila.ids[id_hasta] != 0:
            id_hasta += 1
        p = _put(salida, p, id_hasta - id_desde, 4)
        p = _copy(salida, p, fila.ids, id_desde, id_hasta)
        id_desde = id_hasta + 1
        p = _put_fixed(salida, p, fila, i)
        if _is_fast(fila.consumo_kwh[i]):
            p = _put_kwh(salida, p, fila.consumo_kwh[i])
        else:
            p = _copy(salida, p, lentos.datos, lentos.inicio[lento], lentos.inicio[lento + 1])
            lento += 1
        p = _put(salida, p, 1, 4)
        p = _put(salida, p, 1 if fila.severidad[i] > 0 else 0, 1)
        c = fila.score[i]
        p = _copy(salida, p, score.datos, score.inicio[c], score.inicio[c + 1])
        s = fila.severidad[i]
        p = _copy(salida, p, severidad.datos, severidad.inicio[s], severidad.inicio[s + 1])
        p = _put(salida, p, 1, 4)
        p = _put(salida, p, 1 if fila.es_sospechoso[i] else 0, 1)
        t = fila.tipos[i]
        p = _copy(salida, p, tipos.datos, tipos.inicio[t], tipos.inicio[t + 1])
        p = _put_real(salida, p, fila.esperado_bits[i])
        p = _copy(salida, p, version.datos, 0, version.inicio[1])
        if con_posicion:
            p = _put(salida, p, 4, 4)
            p = _put(salida, p, fila.posicion[i], 4)
    return p
