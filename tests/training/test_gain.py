"""A gain is told from chance: exact on the set as it is, and as unsure as customers are few."""

from __future__ import annotations

import time

import numpy as np
import pytest
from apoyo_entrenamiento import MADRID
from apoyo_promocion import conjunto as de_picos
from apoyo_promocion import modelo
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from detection.domain import Lecturas, Veredictos
from training.evaluation.metrics import ScoreTable
from training.evaluation.version_metrics import gain_between, score_conjunto
from training.holdout import GEMELO, Conjunto


@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.booleans(), st.integers(0, 2)), min_size=1, max_size=60
    ),
    st.tuples(*(st.integers(0, 3) for _ in range(3))),
)
def test_es_la_precision_media_de_scikit_learn(
    filas: list[tuple[int, bool, int]], peso: tuple[int, ...]
) -> None:
    """Each weighting gives what ``average_precision_score`` does with readings' weights."""
    filas = [*filas, (0, False, 0), (0, False, 1), (0, False, 2)]
    score, verdad, cliente = (np.array(columna) for columna in zip(*filas, strict=True))
    dada = ScoreTable(score, verdad, cliente).weighted(np.array([peso]))[1, 0]
    pesos = np.array(peso)[cliente]
    if not (pesos * verdad).sum():
        assert np.isnan(dada)
        return
    assert dada == pytest.approx(average_precision_score(verdad, score, sample_weight=pesos))


def _conjunto(clientes: int, lecturas: int = 40) -> tuple[Conjunto, NDArray[np.int64]]:
    """Return customers with one twin each, and the customer of each reading."""
    ids = [f"c{k}{gemelo}" for k in range(clientes) for gemelo in ("", f"{GEMELO}1")]
    n = len(ids) * lecturas
    tipo = ["picos" if GEMELO in p else "" for p in ids for _ in range(lecturas)]
    hora = np.tile(np.arange(490_000, 490_000 + lecturas), len(ids))
    return Conjunto(
        Lecturas([p for p in ids for _ in range(lecturas)], hora, np.ones(n)),
        np.zeros(n, np.int32),
        np.ones(n, np.bool_),
        tipo,
    ), np.repeat(np.arange(clientes), 2 * lecturas)


def _veredictos(score: NDArray[np.float64]) -> Veredictos:
    n, nada = score.size, np.zeros(score.size, np.float32)
    return Veredictos(
        np.zeros(n, np.int64), np.clip(score, 0, 100).astype(np.uint8), np.zeros(n, np.uint8),
        np.zeros(n, np.uint8), np.zeros(n, np.bool_), nada, nada, nada, "v",
        np.zeros((n, 8), np.float32), np.zeros((n, 8, 0), np.float32),
    )  # fmt: skip


def _versiones(
    semilla: int, clientes: int, mejora: float
) -> tuple[Conjunto, Veredictos, Veredictos]:
    """Return two versions that each know some customers better, the second by ``mejora`` more."""
    conjunto, cliente = _conjunto(clientes)
    rng = np.random.default_rng(semilla)
    verdad = np.array([t != "" for t in conjunto.tipo])
    suerte = 12.0 * rng.standard_normal((2, clientes))
    base = 40.0 + 10.0 * rng.standard_normal(verdad.size)
    antes, ahora = (
        _veredictos(base + verdad * (10.0 + suerte[k][cliente] + k * mejora)) for k in (0, 1)
    )
    return conjunto, antes, ahora


def test_dos_versiones_iguales_de_buenas_casi_nunca_se_relevan() -> None:
    """Where only chance tells two versions apart, one gain in twenty seems sure, not four."""
    seguras = [gain_between(*_versiones(s, 20, 0.0)).inferior > 0.0 for s in range(200)]
    assert np.mean(seguras) < 0.10


def test_una_mejora_de_verdad_se_reconoce() -> None:
    """A gain that holds for most customers is sure, though customers differ."""
    seguras = [gain_between(*_versiones(s, 40, 15.0)).inferior > 0.0 for s in range(50)]
    assert np.mean(seguras) > 0.9


def test_con_menos_clientes_se_sabe_menos() -> None:
    """The interval narrows with customers, not with readings nor with twins."""

    def ancho(clientes: int) -> float:
        g = [gain_between(*_versiones(s, clientes, 0.0)) for s in range(20)]
        return float(np.mean([x.superior - x.inferior for x in g]))

    assert ancho(10) > 1.6 * ancho(40)
    conjunto, antes, ahora = _versiones(1, 1, 50.0)
    de_uno = gain_between(conjunto, antes, ahora)
    assert de_uno.media > 0.0
    assert np.isnan([de_uno.inferior, de_uno.superior]).all(), "one customer tells of no other"


def test_la_misma_version_no_gana_nada_y_siempre_sale_lo_mismo() -> None:
    """No gain over itself, and the draws are seeded."""
    conjunto, antes, ahora = _versiones(3, 20, 2.0)
    nada = gain_between(conjunto, antes, antes)
    assert (nada.media, nada.inferior, nada.superior) == (0.0, 0.0, 0.0)
    una = gain_between(conjunto, antes, ahora)
    assert una == gain_between(conjunto, antes, ahora)
    assert una.inferior < una.media < una.superior


def test_doce_mil_lecturas_tardan_poco() -> None:
    """A gate of hundreds of draws does not keep anybody waiting."""
    conjunto, cliente = _conjunto(25, 240)
    assert len(conjunto) == 12_000
    score = 100.0 * np.random.default_rng(1).random(cliente.size)
    antes = time.process_time()
    gain_between(conjunto, _veredictos(score), _veredictos(score[::-1]))
    assert time.process_time() - antes < 5.0


def test_quien_lo_halla_todo_gana_con_seguridad_a_quien_no_halla_nada() -> None:
    """On real verdicts: all of the interval is above nothing."""
    conjunto = de_picos()
    antes, ahora = (score_conjunto(conjunto, modelo(p), MADRID) for p in (0.0, 1.0))
    ganancia = gain_between(conjunto, antes, ahora)
    assert 0.0 < ganancia.inferior <= ganancia.media <= ganancia.superior
