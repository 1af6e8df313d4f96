"""The rings remember what they should, whatever the order in which it comes."""

from __future__ import annotations

import numpy as np
from apoyo import LUNES
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.domain import Historia
from detection.memory.hourly_ring import NO_HOUR, HourlyRing, extract_windows
from detection.params import HORAS_ANILLO, HORAS_VENTANA

ESCRITURAS = st.lists(
    st.tuples(st.integers(0, 3_000), st.floats(0, 100, width=32)), min_size=1, max_size=200
)


def _escribir(escrituras: list[tuple[int, float]]) -> tuple[HourlyRing, np.ndarray]:
    ring = HourlyRing()
    fila = np.full(len(escrituras), ring.add("A"), np.int64)
    hora = np.array([LUNES + h for h, _ in escrituras], np.int64)
    kwh = np.array([x for _, x in escrituras])
    ventana = np.empty((len(escrituras), HORAS_VENTANA + 1), np.float32)
    repetida = np.empty(len(escrituras), np.bool_)
    extract_windows(ring.valores, ring.ultimo_valor, fila, fila, hora, kwh, ventana, repetida)
    return ring, ventana


@settings(max_examples=60, deadline=None)
@given(ESCRITURAS)
def test_la_ventana_es_lo_que_diria_un_diccionario(escrituras: list[tuple[int, float]]) -> None:
    """A window is what a plain dictionary of the past says, as far back as the ring reaches."""
    _, ventana = _escribir(escrituras)
    vistas: dict[int, float] = {}
    ultima = -1
    for i, (h, x) in enumerate(escrituras):
        ultima = max(ultima, h)
        alcanza = range(h - HORAS_VENTANA, h)
        esperada = [vistas.get(p, np.nan) if p > ultima - HORAS_ANILLO else np.nan for p in alcanza]
        np.testing.assert_array_equal(ventana[i, :-1], np.array(esperada, np.float32))
        assert ventana[i, -1] == np.float32(x)
        vistas[h] = x


def _historia(horas: list[int], kwh: float = 1.0, score: int = 70) -> Historia:
    n = len(horas)
    return Historia(
        np.zeros(n, np.int64),
        np.array(horas, np.int64) + LUNES,
        np.full(n, kwh, np.float32),
        np.full(n, score, np.uint8),
        np.full(n, 0b11, np.uint8),
        np.ones(n, bool),
        np.zeros(n, bool),
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=150), st.integers(0, 100))
def test_las_sumas_por_dia_son_las_de_los_veredictos(horas: list[int], score: int) -> None:
    """Whatever the order, gaps and repeats: the sums by day are those of the ring."""
    ring = HourlyRing()
    fila = np.array([ring.add("A")])
    for hora in horas:
        ring.load(fila, _historia([hora], score=score), 65)
    ultimo_dia = int(ring.ultimo_veredicto[0]) // 24
    guardadas = {h for h in horas if h + LUNES > ring.ultimo_veredicto[0] - HORAS_ANILLO}
    for dia in range(ultimo_dia - HORAS_ANILLO // 24 + 2, ultimo_dia + 1):
        del_dia = len({h for h in guardadas if (h + LUNES) // 24 == dia})
        cuenta = ring.cuenta_dia[0, dia % (HORAS_ANILLO // 24)]
        assert cuenta[-1] == del_dia
        assert cuenta[0] == (del_dia if score < 65 else 0)


def test_olvidar_deja_la_fila_como_nueva() -> None:
    """A forgotten customer leaves nothing to the next owner of its row."""
    ring = HourlyRing()
    ring.load(np.array([ring.add("A")]), _historia([1, 2, 3]), 65)
    ring.forget("A")
    ring.forget("nunca visto")
    fila = ring.add("B")
    assert fila == 0
    assert ring.ultimo_valor[fila] == NO_HOUR
    assert np.isnan(ring.valores[fila]).all()
    assert not ring.veredictos[fila].any()
    assert not ring.ganancia_dia[fila].any()
    assert not ring.cuenta_dia[fila].any()
    assert ring.customers() == ["B"]


def test_rows_dice_quien_no_esta() -> None:
    """Customers out of memory have row -1."""
    ring = HourlyRing()
    ring.add("A")
    assert ring.rows(["A", "B", "A"]).tolist() == [0, -1, 0]
