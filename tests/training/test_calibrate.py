"""What a score is worth is measured on clean readings, and moves only as far as they can tell."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detection.params import Calibracion
from detection.rules.registry import CALIBRACIONES
from training.calibrate import HORAS_PREVIAS, fit_tail, recalibrate, shrink

PREVIA = Calibracion(tasa=3e-2, alfa=2.0, fraccion=1.0, peso=0.6)


def _pareto(n: int, tasa: float, alfa: float, semilla: int = 1) -> NDArray[np.float32]:
    """Return excesses of which a share ``tasa`` is over 1, with that exponent."""
    rng = np.random.default_rng(semilla)
    sobre = rng.random(n) < tasa
    valores = np.where(sobre, rng.random(n) ** (-1.0 / alfa), rng.random(n))
    return valores.astype(np.float32)


def test_pocas_lecturas_no_cambian_lo_que_se_sabe() -> None:
    """A week of fifty customers hardly moves the population's figures."""
    nueva = shrink(PREVIA, _pareto(8_400, 0.10, 1.0))
    assert abs(nueva.tasa / PREVIA.tasa - 1) < 0.03
    assert abs(nueva.alfa / PREVIA.alfa - 1) < 0.03


def test_muchas_lecturas_mandan() -> None:
    """With four times the prior's weight the estimate is four fifths what was seen."""
    nueva = shrink(PREVIA, _pareto(int(4 * HORAS_PREVIAS), 0.06, 3.0))
    assert abs(nueva.tasa - (0.06 * 4 + 0.03) / 5) < 3e-4
    assert abs(nueva.alfa - (0.06 * 4 + 0.03) / (0.06 * 4 / 3 + 0.03 / 2)) < 0.02
    assert (nueva.peso, nueva.fraccion) == (PREVIA.peso, PREVIA.fraccion)


@given(
    st.lists(st.floats(0, 2.0**100, width=32) | st.just(float("nan")), max_size=60),
    st.sampled_from(sorted(CALIBRACIONES)),
)
def test_siempre_queda_una_calibracion_valida(excesos: list[float], nombre: str) -> None:
    """Rates stay in (0, 1), exponents stay positive and finite, whatever is measured."""
    previa = CALIBRACIONES[nombre]
    nueva = shrink(previa, np.array([*excesos, float("inf")], np.float32))
    assert 0.0 < nueva.tasa < 1.0
    assert 0.0 < nueva.alfa < np.inf


def test_se_recalibran_las_reglas_y_solo_ellas() -> None:
    """The models have their tails; the rules keep their weights."""
    nuevas = recalibrate(np.full((10, 8), np.nan, np.float32))
    assert len(nuevas) == 6
    assert nuevas == {nombre: CALIBRACIONES[nombre] for nombre in nuevas}


def test_la_cola_de_clientes_parecidos_es_la_empirica() -> None:
    """Where customers do not differ, caution costs next to nothing."""
    rng = np.random.default_rng(1)
    scores, cliente = rng.random(200_000), np.arange(200_000) % 100
    cola = fit_tail(scores, cliente)
    for p in (0.5, 0.1, 0.01):
        assert abs(np.exp(cola.log_p_of(np.array([1.0 - p]))[0]) / p - 1) < 0.06


def test_un_viaje_de_uno_no_hace_rara_una_lectura_de_todos() -> None:
    """Readings that one of few customers has in a spell are called twice as likely as counted."""
    scores = np.random.default_rng(1).random(20_000) * 0.5
    cliente = np.arange(20_000) % 10
    scores[(cliente == 3) & (np.arange(20_000) > 19_000)] = 0.9
    contada = (scores >= 0.9).mean()
    p = np.exp(fit_tail(scores, cliente).log_p_of(np.array([0.9]))[0])
    assert 1.8 * contada < p < 2.2 * contada


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3)), min_size=1, max_size=80))
def test_la_cola_es_una_cola(pares: list[tuple[float, int]]) -> None:
    """Scores rise, probabilities fall within (0, 1], and no score is called impossible."""
    scores = np.array([s for s, _ in pares])
    cola = fit_tail(scores, np.array([c for _, c in pares]))
    assert (np.diff(cola.scores) > 0).all()
    assert (np.diff(cola.log_p) <= 0).all()
    assert cola.log_p.max() <= 0.0
    assert np.isfinite(cola.log_p).all()
