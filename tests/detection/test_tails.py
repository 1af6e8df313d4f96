"""Tails: a score becomes how often clean readings reach it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.models.tails import TAIL_POINTS, EmpiricalTail

SCORES = st.lists(st.floats(0.0, 1.0, width=32), min_size=1, max_size=400)


@settings(max_examples=80, deadline=None)
@given(SCORES)
def test_en_cada_punto_es_el_valor_p_conforme(scores: list[float]) -> None:
    """At each kept score: (readings that reach it + 1) / (readings + 1), counted by hand."""
    crudos = np.array(scores)
    cola = EmpiricalTail.fit(crudos)
    for x, log_p in zip(cola.scores, cola.log_p, strict=True):
        assert np.exp(log_p) == pytest.approx(((crudos >= x).sum() + 1) / (crudos.size + 1))
    assert cola.scores.size <= TAIL_POINTS
    assert (np.diff(cola.scores) > 0).all()


@settings(max_examples=80, deadline=None)
@given(SCORES, st.lists(st.floats(-0.5, 1.5), min_size=2, max_size=50))
def test_mas_alto_nunca_es_mas_frecuente(scores: list[float], pedidos: list[float]) -> None:
    """A higher score is never more frequent, and the tail stays within what was seen."""
    cola = EmpiricalTail.fit(np.array(scores))
    p = np.exp(cola.log_p_of(np.sort(np.array(pedidos))))
    assert (np.diff(p) <= 1e-12).all()
    assert (p <= 1.0).all()
    assert (p >= 1.0 / (len(scores) + 1) - 1e-12).all()


def test_mas_alla_de_lo_visto_no_es_mas_raro() -> None:
    """Beyond the highest clean score the tail says once in n + 1, and no less."""
    cola = EmpiricalTail.fit(np.linspace(0.0, 0.5, 999))
    assert np.exp(cola.log_p_of(np.array([0.5001, 7.0]))) == pytest.approx([0.002, 0.002])


def test_sobre_lecturas_nuevas_acierta_la_frecuencia() -> None:
    """On new draws of the same law, a tail of p is met p of the time."""
    rng = np.random.default_rng(3)
    cola = EmpiricalTail.fit(rng.beta(2.0, 8.0, 50_000))
    p = np.exp(cola.log_p_of(rng.beta(2.0, 8.0, 50_000)))
    for q in (0.5, 0.1, 0.01, 0.001):
        assert (p <= q).mean() == pytest.approx(q, rel=0.35)


def test_sin_puntuar_sigue_sin_puntuar() -> None:
    """Not ready in, not ready out; nothing at all to learn from is an error."""
    assert np.isnan(
        EmpiricalTail.fit(np.array([0.1, np.nan, 0.2])).log_p_of(np.array([np.nan]))
    ).all()
    with pytest.raises(ValueError, match="no hay puntuaciones"):
        EmpiricalTail.fit(np.array([np.nan]))
