"""The binary COPY encoder and decoder, checked against what PostgreSQL and psycopg2 read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg2
import pytest
from contracts.fakes import filas_de, hacer_lote
from contracts.sondas import conectar
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detection.domain import SEVERIDADES, TIPOS, hora_absoluta, nombres_de_tipos
from pipeline.stores.postgres.copy_rows import (
    CABECERA,
    COLA,
    COLUMNAS,
    FILA_HISTORIA,
    by_identity,
    decode_history,
    encode,
    encode_numeric,
)
from serving.settings import Settings

H = hora_absoluta(datetime(2026, 1, 15, 2, tzinfo=UTC))
SIN_COMPROBAR = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KWH = st.one_of(
    st.floats(0, allow_infinity=False),
    st.floats(0, 1e8),
    st.floats(0, 10_000, width=32),
    st.integers(0, 10**16).map(lambda n: n / 1e9),
    st.integers(0, 10**15).map(lambda n: n / 1e8),
    st.integers(0, 10**7).map(lambda n: n / 1000),
)


@pytest.fixture
def cursor(entorno: Settings) -> Iterator[Any]:
    """Give a cursor with a temporary table ``t`` like the real one, and a position."""
    conexion = conectar(entorno)
    with conexion.cursor() as abierto:
        abierto.execute("CREATE TEMP TABLE t (LIKE consumos_diarios INCLUDING CONSTRAINTS)")
        abierto.execute("ALTER TABLE t ALTER id DROP NOT NULL, ADD posicion int")
        abierto.execute("ALTER TABLE t ALTER timestamp_procesado DROP NOT NULL")
        abierto.execute("CREATE TEMP TABLE n (valor numeric)")
        yield abierto
    conexion.close()


def _copiar(cursor: Any, lote: tuple, orden: list[int], *, con_posicion: bool) -> list[tuple]:
    """Return the rows that the server makes of an encoded batch, in the order written."""
    columnas = ", ".join([*COLUMNAS, *(["posicion"] if con_posicion else [])])
    datos = encode(*lote, np.array(orden), con_posicion=con_posicion)
    cursor.execute("DELETE FROM t")
    cursor.copy_expert(f"COPY t ({columnas}) FROM STDIN (FORMAT binary)", io.BytesIO(datos))
    cursor.execute(f"SELECT {columnas} FROM t ORDER BY ctid")
    return cursor.fetchall()


@SIN_COMPROBAR
@given(st.data())
def test_el_servidor_lee_cada_columna(cursor: Any, data: st.DataObject) -> None:
    """Whatever the batch, the server reads every column as the batch has it."""
    n = data.draw(st.integers(1, 30))

    def lista(estrategia: st.SearchStrategy) -> list:
        return data.draw(st.lists(estrategia, min_size=n, max_size=n))

    textos = st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
    )
    lote = hacer_lote(
        list(zip(lista(textos), lista(st.integers(262_800, 1_100_000)), strict=True)),
        lista(KWH),
        score=lista(st.integers(0, 100)),
        severidad=lista(st.integers(0, len(SEVERIDADES) - 1)),
        tipos=lista(st.integers(0, 255)),
        sospechoso=lista(st.booleans()),
        esperado=lista(st.floats(width=32, allow_infinity=False)),
        desfase=lista(st.integers(-12, 14)),
        version=data.draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)),
    )
    lecturas, v = lote
    orden = data.draw(st.permutations(range(n)))
    for con_posicion in (False, True):
        filas = _copiar(cursor, lote, orden, con_posicion=con_posicion)
        assert len(filas) == n
        for i, fila in zip(orden, filas, strict=True):
            local = int(v.hora_local[i])
            esperado = v.esperado_kwh[i]
            assert fila[:4] == (
                lecturas.propietario_id[i],
                datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=int(lecturas.hora_utc[i])),
                date(1970, 1, 1) + timedelta(days=local // 24),
                local % 24,
            )
            assert float(fila[4]) == lecturas.consumo_kwh[i]
            assert fila[5] == (v.severidad[i] > 0)
            assert fila[6] == Decimal(int(v.score_centesimas[i])) / 100
            assert fila[7] == SEVERIDADES[v.severidad[i]]
            assert fila[8] == v.es_sospechoso[i]
            assert fila[9] == nombres_de_tipos(int(v.tipos[i]))
            assert (fila[10] is None) if np.isnan(esperado) else np.float32(fila[10]) == esperado
            assert fila[11] == v.version_modelo
            assert fila[12:] == ((i,) if con_posicion else ())


@SIN_COMPROBAR
@given(st.lists(KWH, min_size=1, max_size=40))
def test_un_kwh_se_escribe_con_su_texto_mas_corto(cursor: Any, kwh: list[float]) -> None:
    """1.230 is stored as 1.23, 5.0 as 5: the shortest text that reads back as the double."""
    filas = _copiar(
        cursor,
        hacer_lote([("A", H + i) for i in range(len(kwh))], kwh),
        list(range(len(kwh))),
        con_posicion=False,
    )
    assert [format(fila[4], "f") for fila in filas] == [_mas_corto(valor) for valor in kwh]


@pytest.mark.parametrize(
    ("kwh", "texto"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (5.0, "5"),
        (1.230, "1.23"),
        (1.234, "1.234"),
        (0.001, "0.001"),
        (0.1 + 0.2, "0.30000000000000004"),
        (9999999.99999999, "9999999.99999999"),
        (10_000_000.5, "10000000.5"),
        (1e22, "1" + "0" * 22),
        (1.5e-7, "0.00000015"),
        (5e-324, "0." + "0" * 323 + "5"),
    ],
)
def test_kwh_conocidos(cursor: Any, kwh: float, texto: str) -> None:
    """The texts that a person would expect, on both sides of the fast path's limits."""
    fila = _copiar(cursor, hacer_lote([("A", H)], [kwh]), [0], con_posicion=False)[0]
    assert format(fila[4], "f") == texto


@SIN_COMPROBAR
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_encode_numeric_escribe_cualquier_double(cursor: Any, valor: float) -> None:
    """The exact path alone is right for every finite double, negative ones included."""
    campo = encode_numeric(valor)
    datos = CABECERA + b"\0\1" + len(campo).to_bytes(4, "big") + campo + COLA
    cursor.execute("DELETE FROM n")
    cursor.copy_expert("COPY n FROM STDIN (FORMAT binary)", io.BytesIO(datos))
    cursor.execute("SELECT valor FROM n")
    assert format(cursor.fetchone()[0], "f") == _mas_corto(valor)


def _mas_corto(valor: float) -> str:
    texto = format(Decimal(repr(valor)), "f")
    texto = texto.rstrip("0").rstrip(".") if "." in texto else texto
    return "0" if texto == "-0" else texto


@pytest.mark.parametrize("malo", [float("nan"), float("inf")])
def test_lo_que_no_es_finito_es_un_defecto(malo: float) -> None:
    """A reading that is not finite never becomes a row."""
    with pytest.raises(ValueError, match="no finito"):
        encode(*hacer_lote([("A", H)], [malo]), np.arange(1), con_posicion=False)


def test_un_caracter_nulo_es_un_defecto() -> None:
    """A NUL in a customer is refused here, and not read as two customers."""
    with pytest.raises(ValueError, match="nulo"):
        encode(*hacer_lote([("A\0B", H), ("C", H)]), np.arange(2), con_posicion=False)


def test_un_kwh_negativo_lo_rechaza_la_tabla(cursor: Any) -> None:
    """A negative reading is written as negative, so that the table's CHECK sees it."""
    with pytest.raises(psycopg2.errors.CheckViolation):
        _copiar(cursor, hacer_lote([("A", H)], [-1.5]), [0], con_posicion=False)


def test_el_orden_es_el_del_indice(cursor: Any) -> None:
    """Batches are written in the order in which the server's index has their identities."""
    ids = ["b", "a", "B", "ñ", "€", "😀", "\uffff", "a", "Z1", "Z", "_", "10", "9"]
    lote = hacer_lote([(cliente, H - i) for i, cliente in enumerate(ids)])
    orden = by_identity(lote[0])
    filas = _copiar(cursor, lote, orden.tolist(), con_posicion=True)
    cursor.execute("SELECT posicion FROM t ORDER BY propietario_id, timestamp_consumo")
    assert [fila[-1] for fila in filas] == [posicion for (posicion,) in cursor.fetchall()]


def test_descifra_lo_que_manda_el_servidor(cursor: Any) -> None:
    """History is read field for field, and sorted by customer and hour."""
    cursor.execute("SET timezone = 'Asia/Kolkata'")
    salida = io.BytesIO()
    cursor.copy_expert(
        """COPY (VALUES
            (1, timestamptz '2026-01-15 03:00+00', 0.1::float8, 100::int2, 255::int2, true, false),
            (1, timestamptz '2026-01-15 02:00+00', 1.234::float8, 7::int2, 0::int2, false, true),
            (0, timestamptz '1999-12-31 23:00+00', 0::float8, 0::int2, 9::int2, true, true)
        ) TO STDOUT (FORMAT binary)""",
        salida,
    )
    historia = decode_history(salida.getbuffer())
    assert historia.indice.tolist() == [0, 1, 1]
    assert historia.hora_utc.tolist() == [262_967, H, H + 1]
    assert historia.consumo_kwh.tolist() == [0.0, np.float32(1.234), np.float32(0.1)]
    assert historia.score_centesimas.tolist() == [0, 7, 100]
    assert historia.tipos.tolist() == [9, 0, 255]
    assert historia.con_referencia.tolist() == [True, False, True]
    assert historia.es_sospechoso.tolist() == [True, True, False]


def test_sin_filas_no_hay_historia() -> None:
    """An answer without rows is an empty history."""
    assert len(decode_history(memoryview(CABECERA + COLA))) == 0


def test_los_tipos_caben_en_la_mascara() -> None:
    """The mask of types is one byte here, in the queries and in memory."""
    assert len(TIPOS) <= 8
    assert FILA_HISTORIA["tipos"] == np.dtype(">i2")


def test_las_sondas_ven_lo_mismo() -> None:
    """The tests' own view of a batch has a row for each reading."""
    assert len(filas_de(*hacer_lote([("A", H), ("A", H + 1)]))) == 2
