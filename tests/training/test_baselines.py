"""The simpler methods are what they say, see no future and answer for each reading."""

from __future__ import annotations

import numpy as np
import pytest

from detection.domain import TIPOS, Calendario
from training.evaluation.baselines import ECOD, FILAS_AJUSTE, HBOS, alone, pyod_scores, weekly_z

UTC = Calendario("UTC", 0, np.zeros(20_000, np.int8))
SEMANA = 168


def test_z_de_la_hora_de_la_semana_a_mano() -> None:
    """Mean and deviation of the earlier weeks alone: 1, 2 and 3 make 4 two sigma."""
    hora = np.arange(4) * SEMANA
    z = weekly_z(np.zeros(4, np.int64), hora, np.array([1.0, 2.0, 3.0, 4.0]), UTC)
    assert np.isnan(z[:2]).all()
    assert z[2] == pytest.approx((3.0 - 1.5) / np.sqrt(0.5))
    assert z[3] == pytest.approx(2.0)


def test_cada_cliente_y_cada_hora_por_su_lado() -> None:
    """What others do, or the same customer at another hour, does not move it."""
    rng = np.random.default_rng(0)
    hora = np.repeat(np.arange(6 * SEMANA), 2)
    cliente = np.tile([0, 1], 6 * SEMANA)
    kwh = 1.0 + rng.random(hora.size)
    antes = weekly_z(cliente, hora, kwh, UTC)
    otro = kwh.copy()
    otro[(cliente == 1) & (hora < 5 * SEMANA)] *= 7.0
    suyo = cliente == 0
    assert weekly_z(cliente, hora, otro, UTC)[suyo].tolist() == pytest.approx(
        antes[suyo].tolist(), nan_ok=True
    )


def test_z_no_mira_adelante() -> None:
    """A verdict does not change when later readings are added."""
    rng = np.random.default_rng(1)
    n = 8 * SEMANA
    hora, kwh, cliente = np.arange(n), rng.random(n), np.zeros(n, np.int64)
    todo = weekly_z(cliente, hora, kwh, UTC)
    mitad = weekly_z(cliente[: n // 2], hora[: n // 2], kwh[: n // 2], UTC)
    assert mitad.tolist() == pytest.approx(todo[: n // 2].tolist(), nan_ok=True)


def test_z_de_quien_no_varia() -> None:
    """Equal readings leave no sigma: a share of the mean stands in for it, never infinity."""
    hora = np.arange(4) * SEMANA
    z = weekly_z(np.zeros(4, np.int64), hora, np.array([2.0, 2.0, 2.0, 3.0]), UTC)
    assert z[2] == 0.0
    assert z[3] == pytest.approx(1.0 / (0.05 * 2.0))
    ceros = weekly_z(np.zeros(3, np.int64), hora[:3], np.zeros(3), UTC)
    assert ceros[2] == 0.0


def test_la_hora_es_la_local() -> None:
    """It is the customer's week: a zone an hour ahead has its hours an hour earlier."""
    adelantado = Calendario("X", 0, np.repeat([0, 1], [SEMANA * 2, 10_000]).astype(np.int8))
    hora = np.array([5, 5 + SEMANA, 4 + 2 * SEMANA])
    z = weekly_z(np.zeros(3, np.int64), hora, np.array([1.0, 2.0, 1.5]), adelantado)
    assert z[2] == 0.0


def test_pyod_puntua_mas_lo_que_se_aparta() -> None:
    """A row far from what they were fitted on comes above all of it, each time the same."""
    rng = np.random.default_rng(2)
    aprende = rng.normal(0.5, 0.05, (500, 3)).astype(np.float32)
    rasgos = np.vstack([aprende[:50], [[5.0, 5.0, 5.0]]]).astype(np.float32)
    scores = pyod_scores(aprende, rasgos, 1)
    assert set(scores) == {ECOD, HBOS}
    for suyas in scores.values():
        assert suyas.argmax() == 50
    otra = pyod_scores(aprende, rasgos, 1)
    assert all((otra[n] == scores[n]).all() for n in scores)


def test_pyod_es_el_de_su_biblioteca() -> None:
    """The scores are PyOD's own, row by row."""
    from pyod.models import hbos

    rng = np.random.default_rng(3)
    aprende, rasgos = (rng.random((n, 4)).astype(np.float32) for n in (300, 40))
    suyas = hbos.HBOS().fit(aprende.astype(np.float64)).decision_function(rasgos.astype(np.float64))
    assert pyod_scores(aprende, rasgos, 1)[HBOS] == pytest.approx(suyas.astype(np.float32))


def test_una_fila_sin_rasgos_no_puntua_ni_ensena() -> None:
    """A row of NaN stays NaN; where nothing can be learnt, all do."""
    rng = np.random.default_rng(4)
    aprende = rng.random((100, 2)).astype(np.float32)
    rasgos = rng.random((5, 2)).astype(np.float32)
    rasgos[2] = np.nan
    con_huecos = np.vstack([aprende, np.full((7, 2), np.nan, np.float32)])
    for nombre, suyas in pyod_scores(con_huecos, rasgos, 1).items():
        assert np.isnan(suyas).tolist() == [False, False, True, False, False], nombre
    enteras = pyod_scores(aprende, rasgos, 1)[HBOS]
    assert pyod_scores(con_huecos, rasgos, 1)[HBOS].tolist() == pytest.approx(
        enteras.tolist(), nan_ok=True
    )
    nada = pyod_scores(np.full((9, 2), np.nan, np.float32), rasgos, 1)
    assert all(np.isnan(suyas).all() for suyas in nada.values())


def test_mas_filas_que_las_del_ajuste_se_puntuan_todas() -> None:
    """Rows come in pieces, and none is lost between two."""
    rng = np.random.default_rng(5)
    rasgos = rng.random((FILAS_AJUSTE + 10, 1)).astype(np.float32)
    scores = pyod_scores(rasgos[:200], rasgos, 1)
    assert not any(np.isnan(suyas).any() for suyas in scores.values())


def test_cada_detector_solo() -> None:
    """Each column goes by its detector's name."""
    scores = np.arange(16, dtype=np.float32).reshape(2, 8)
    solos = alone(scores)
    assert list(solos) == [str(t) for t in TIPOS]
    assert solos["fraude"].tolist() == [5.0, 13.0]
