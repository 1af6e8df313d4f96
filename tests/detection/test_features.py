"""The features: in [0, 1], free of scale, causal, and what they say they are."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from apoyo import MADRID, hogar, horas, lecturas
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.detector import DetectorConsumo
from detection.domain import hora_absoluta
from detection.features.hourly import RASGOS, describe_feature

N = 24 * 35


def _rasgos(hora: np.ndarray, kwh: np.ndarray) -> np.ndarray:
    return DetectorConsumo(MADRID).measure(lecturas(hora, kwh)).rasgos


def _de(rasgos: np.ndarray, nombre: str) -> np.ndarray:
    return rasgos[:, RASGOS.index(nombre)]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.3), st.floats(0.0, 0.2))
def test_entre_cero_y_uno_o_sin_opinar(semilla: int, ceros: float, huecos: float) -> None:
    """Whatever the readings, a row is whole: all in [0, 1], or all NaN."""
    rng = np.random.default_rng(semilla)
    kwh = np.where(rng.random(N) < ceros, 0.0, rng.lognormal(-1.0, 1.5, N))
    quedan = rng.random(N) >= huecos
    rasgos = _rasgos(horas(N)[quedan], kwh[quedan])
    ausente = np.isnan(rasgos)
    assert (ausente.all(axis=1) | ~ausente.any(axis=1)).all()
    assert not ausente.all()
    assert ((rasgos >= 0) & (rasgos <= 1))[~ausente].all()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.001, 0.25, 4.0, 1000.0]))
def test_la_escala_del_cliente_no_importa(semilla: int, factor: float) -> None:
    """A customer of a thousand times the size has the same features."""
    kwh = hogar(N, semilla)
    np.testing.assert_allclose(
        _rasgos(horas(N), kwh * factor), _rasgos(horas(N), kwh), rtol=2e-4, atol=2e-4
    )


def test_lo_que_viene_despues_no_cambia_nada() -> None:
    """Features of a reading are the same when later readings are added."""
    kwh = hogar(N, 3)
    np.testing.assert_array_equal(
        _rasgos(horas(N), kwh)[: N - 100], _rasgos(horas(N - 100), kwh[: N - 100])
    )


def test_lo_habitual_es_un_medio_y_el_doble_dos_tercios() -> None:
    """Where two amounts are compared, unchanged is 0.5 and twice as much 0.67, nearly."""
    kwh = np.tile(1.0 + 0.5 * np.sin(np.arange(24) / 4), 35)
    antes = _rasgos(horas(N), kwh)[-1]
    for nombre in ("nivel_dia", "nivel_tres_dias", "minimo_dia", "maximo_dia", "nivel_noche"):
        assert antes[RASGOS.index(nombre)] == pytest.approx(0.5, abs=1e-3)
    kwh[-72:] *= 2
    doble = _rasgos(horas(N), kwh)[-1]
    for nombre in ("nivel_hora", "nivel_dia", "nivel_tres_dias", "maximo_dia"):
        assert doble[RASGOS.index(nombre)] == pytest.approx(2 / 3, abs=0.02)
    assert "unas 2,0 veces lo habitual" in describe_feature(
        RASGOS.index("nivel_dia"), float(doble[RASGOS.index("nivel_dia")])
    )


@pytest.mark.parametrize("dia", ["2026-03-29", "2026-10-25"])
def test_el_cambio_de_hora_no_cambia_la_forma_del_dia(dia: str) -> None:
    """Who lives by the clock has the same daily profile before and after the clock changes."""
    cambio = hora_absoluta(datetime.fromisoformat(dia).replace(tzinfo=UTC))
    hora = np.arange(cambio - 24 * 32, cambio + 24 * 20, dtype=np.int64)
    local = MADRID.local(hora) % 24
    kwh = 0.2 + np.exp(-(((local - 20) / 2.0) ** 2))
    forma = _de(_rasgos(hora, kwh), "forma_dia")
    listas = forma[~np.isnan(forma)]
    assert listas.size > 24 * 30
    assert listas.min() > 0.999


def test_sin_historia_no_hay_rasgos() -> None:
    """A customer of less than two weeks, and one that has always read zero, are not judged."""
    assert np.isnan(_rasgos(horas(24 * 13), hogar(24 * 13))).all()
    assert np.isnan(_rasgos(horas(N), np.zeros(N))).all()


def test_cada_rasgo_se_puede_decir() -> None:
    """Every feature has words, at both ends of its range too."""
    for k in range(len(RASGOS)):
        for valor in (0.0, 0.3, 0.5, 1.0):
            assert len(describe_feature(k, valor)) > 10
