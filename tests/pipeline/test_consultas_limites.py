"""Cursors and limits: what comes from outside is ours or is refused, whatever it is."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stores.query_limits import (
    PRIMER_INSTANTE,
    ULTIMO_INSTANTE,
    ConsultaInvalidaError,
    Pagina,
    decode_cursor,
    encode_cursor,
    por_tramos,
)

MOMENTOS = st.datetimes(
    PRIMER_INSTANTE.replace(tzinfo=None),
    ULTIMO_INSTANTE.replace(tzinfo=None),
    timezones=st.just(UTC),
)
NOMBRES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)


@given(MOMENTOS, NOMBRES, st.integers(-(2**53), 2**53))
def test_una_posicion_va_y_vuelve(momento: datetime, nombre: str, numero: int) -> None:
    """Every position comes back as it was, out of a text that a URL carries as it is."""
    cursor = encode_cursor("lista", momento, numero, nombre)
    assert decode_cursor("lista", cursor, datetime, int, str) == (momento, numero, nombre)
    assert all(letra.isalnum() or letra in "-_" for letra in cursor)


@given(st.text(max_size=300) | st.binary(max_size=120).map(lambda b: base64.b64encode(b).decode()))
def test_lo_que_no_es_un_cursor_se_rechaza(texto: str) -> None:
    """Whatever is given instead of a cursor is refused, and never with another error."""
    with pytest.raises(ConsultaInvalidaError):
        decode_cursor("lista", texto, datetime, int, str)


@pytest.mark.parametrize(
    "partes",
    [
        ("otra", PRIMER_INSTANTE, 1, "a"),
        ("lista", ULTIMO_INSTANTE + timedelta(days=1), 1, "a"),
        ("lista", "mañana", 1, "a"),
        ("lista", PRIMER_INSTANTE, 2**53 + 1, "a"),
        ("lista", PRIMER_INSTANTE, "uno", "a"),
        ("lista", PRIMER_INSTANTE, 1, "a\x00"),
        ("lista", PRIMER_INSTANTE, 1),
    ],
)
def test_una_posicion_imposible_se_rechaza(partes: tuple) -> None:
    """A cursor of another list, of other years, or with what no store can be asked, is refused."""
    with pytest.raises(ConsultaInvalidaError, match="cursor"):
        decode_cursor("lista", encode_cursor(*partes), datetime, int, str)


def test_por_tramos_no_pide_mas_de_lo_que_se_lee() -> None:
    """Pages are asked for one by one, as they are read; empty ones are not given."""
    pedidas: list[str | None] = []

    def pagina(cursor: str | None) -> Pagina[int]:
        pedidas.append(cursor)
        return {None: Pagina([1], "a"), "a": Pagina([], "b"), "b": Pagina([2], None)}[cursor]

    tramos = por_tramos(pagina)
    assert next(tramos) == [1]
    assert pedidas == [None]
    assert list(tramos) == [[2]]
    assert pedidas == [None, "a", "b"]
