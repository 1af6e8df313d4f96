"""Boxes: of equal weight, and trees that learnt from them judge values as scikit-learn does."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from detection.models.boosted_trees import FlatBoostedTrees
from training.boosting import CAJAS, MUESTRA, find_cortes, to_cajas

FILAS, COLUMNAS = 5_000, 6


def _datos(semilla: int) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64]]:
    rng = np.random.default_rng(semilla)
    x = rng.gamma(1.0, 1.0, (FILAS, COLUMNAS)).astype(np.float32)
    x[:, 3] = np.round(x[:, 3], 1)
    x[rng.random(FILAS) < 0.9, 4] = 0.0
    x[:, 5] = 7.0
    y = x[:, 0] + x[:, 3] > rng.gamma(2.0, 1.0, FILAS)
    return x, y, np.where(y, 5.0, 1.0) * rng.random(FILAS) + 0.01


def _fit(
    x: NDArray[np.float32], y: NDArray[np.bool_], peso: NDArray[np.float64]
) -> HistGradientBoostingClassifier:
    clasificador = HistGradientBoostingClassifier(
        max_iter=20, max_depth=5, max_bins=CAJAS, early_stopping=False, random_state=1
    )
    return clasificador.fit(x, y, sample_weight=peso)


def test_las_cajas_pesan_lo_mismo() -> None:
    """No box weighs more than its share by more than a reading does."""
    x, _, peso = _datos(1)
    cortes = find_cortes(x, peso, 1)
    suyo = np.bincount(to_cajas(x, cortes)[:, 0].astype(np.int64), peso)
    assert suyo.size == CAJAS
    assert suyo.max() <= peso.sum() / CAJAS + peso.max()


@pytest.mark.parametrize("valor", [0.0, 1e9])
def test_lo_que_todos_tienen_es_una_caja(valor: float) -> None:
    """What nine in ten have, the lowest or the highest value, has a box of its own."""
    x, _, peso = _datos(2)
    columna = np.where(np.arange(FILAS) % 10 > 0, np.float32(valor), x[:, 0])[:, None]
    caja = to_cajas(columna, find_cortes(columna, peso, 1))[:, 0]
    comun = caja[columna[:, 0] == valor]
    assert np.unique(comun).size == 1
    assert comun[0] not in caja[columna[:, 0] != valor]


def test_una_columna_sin_nada_que_partir() -> None:
    """Of one value, or of none, there is no place to split."""
    columnas = np.array([[7.0, np.nan], [7.0, np.nan]], np.float32)
    assert [c.size for c in find_cortes(columnas, np.ones(2), 1)] == [0, 0]
    assert np.isnan(to_cajas(columnas, find_cortes(columnas, np.ones(2), 1))[:, 1]).all()


def test_los_arboles_de_cajas_puntuan_valores() -> None:
    """Raw values get what ``decision_function`` says of their boxes, at the edges too."""
    x, y, peso = _datos(3)
    cortes = find_cortes(x, peso, 1)
    clasificador = _fit(to_cajas(x, cortes), y, peso)
    potenciado = FlatBoostedTrees.from_sklearn(clasificador, cortes)
    rng = np.random.default_rng(4)
    for j, corte in enumerate(cortes):
        if corte.size:
            filas = rng.random(FILAS) < 0.3
            al_filo = rng.choice(corte, FILAS)
            lado = np.nextafter(al_filo, np.where(rng.random(FILAS) < 0.5, -np.inf, np.inf))
            x[filas, j] = np.where(rng.random(FILAS) < 0.5, al_filo, lado)[filas]
    esperado = clasificador.decision_function(to_cajas(x, cortes))
    assert (potenciado.scores(x) == esperado).all()


def test_con_pocos_valores_es_lo_que_haria_scikit_learn() -> None:
    """Where each value is its own box, the trees are those that raw values would have grown."""
    x, y, peso = _datos(5)
    x = np.round(np.minimum(x, 10.0), 1)
    cortes = find_cortes(x, peso, 1)
    potenciado = FlatBoostedTrees.from_sklearn(_fit(to_cajas(x, cortes), y, peso), cortes)
    assert (potenciado.scores(x) == _fit(x, y, peso).decision_function(x)).all()


def test_de_muchas_filas_basta_una_muestra() -> None:
    """Above ``MUESTRA`` rows a seeded draw of them decides, the same each time."""
    rng = np.random.default_rng(6)
    x = rng.random((MUESTRA + 50_000, 1)).astype(np.float32)
    peso = np.ones(x.shape[0])
    (uno,), (otra_vez,), (otra,) = (find_cortes(x, peso, s) for s in (1, 1, 2))
    assert (uno == otra_vez).all()
    assert (uno != otra).any()
    assert np.abs(uno - np.arange(1, CAJAS) / CAJAS).max() < 0.01
