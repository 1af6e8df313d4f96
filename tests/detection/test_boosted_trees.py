"""Boosted trees as flat arrays are scikit-learn's, to the last bit, and never read unchecked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from detection.errors import ModeloInvalidoError
from detection.models.boosted_trees import FlatBoostedTrees, FlatClassTrees
from detection.models.heap_trees import BLOCK

RASGOS = 9


def _datos(filas: int, semilla: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    rng = np.random.default_rng(semilla)
    x = rng.random((filas, RASGOS)).astype(np.float32)
    x[:, 3] = np.round(x[:, 3], 1)
    return x, (x[:, 0] + x[:, 1] * x[:, 2] + 0.3 * rng.random(filas)) > 0.9


@pytest.fixture(scope="module")
def clasificador() -> HistGradientBoostingClassifier:
    x, y = _datos(4_000, 1)
    return HistGradientBoostingClassifier(
        max_iter=30, max_depth=6, random_state=1, monotonic_cst=[1] + [0] * (RASGOS - 1)
    ).fit(x, y)


@pytest.fixture(scope="module")
def potenciado(clasificador: HistGradientBoostingClassifier) -> FlatBoostedTrees:
    return FlatBoostedTrees.from_sklearn(clasificador)


@pytest.mark.parametrize("filas", [1, BLOCK - 1, BLOCK, 3 * BLOCK + 5, 5_000])
def test_puntua_como_scikit_learn_hasta_el_ultimo_bit(
    clasificador: HistGradientBoostingClassifier, potenciado: FlatBoostedTrees, filas: int
) -> None:
    """Whatever the number of rows, every score is that of ``decision_function``."""
    x, _ = _datos(filas, 2)
    assert (potenciado.scores(x) == clasificador.decision_function(x)).all()


def test_tambien_justo_en_cada_corte(
    clasificador: HistGradientBoostingClassifier, potenciado: FlatBoostedTrees
) -> None:
    """Values that are a threshold, or the float32 beside it, go the way that they should."""
    rng = np.random.default_rng(3)
    x, _ = _datos(6_000, 4)
    for j in range(RASGOS):
        cortes = potenciado.trees.corte[
            (potenciado.trees.rasgo == j) & (potenciado.trees.corte != 0.0)
        ]
        al_filo = rng.choice(cortes, x.shape[0])
        lado = rng.choice(np.array([-np.inf, np.inf], np.float32), x.shape[0])
        x[:, j] = np.where(rng.random(x.shape[0]) < 0.5, al_filo, np.nextafter(al_filo, lado))
    assert (potenciado.scores(x) == clasificador.decision_function(x)).all()


def test_lo_que_no_esta_listo_no_puntua(potenciado: FlatBoostedTrees) -> None:
    """A row whose first column is NaN has no score, and its neighbours keep theirs."""
    x, _ = _datos(10, 5)
    sin_huecos = potenciado.scores(x)
    x[4, 0] = np.nan
    puntuadas = potenciado.scores(x)
    assert np.isnan(puntuadas[4])
    assert (np.delete(puntuadas, 4) == np.delete(sin_huecos, 4)).all()


def test_va_y_vuelve_como_matrices(potenciado: FlatBoostedTrees) -> None:
    """What is written is what is read."""
    x, _ = _datos(200, 6)
    vuelta = FlatBoostedTrees.from_arrays(potenciado.to_arrays())
    assert (vuelta.scores(x) == potenciado.scores(x)).all()


@pytest.mark.parametrize(
    ("cambio", "texto"),
    [
        ({"base": np.array(np.nan)}, "no son números"),
        ({"rasgo": np.full((30, 63), 99, np.uint32)}, "columnas que no están"),
        ({"hoja": np.zeros((30, 63))}, "hojas de forma"),
        ({"corte": np.zeros((30, 31), np.float32)}, "no casan"),
        ({"n_rasgos": np.array(9, np.int32)}, "n_rasgos"),
        ({"hoja": None}, "le falta «hoja»"),
    ],
)
def test_no_se_lee_nada_sin_mirar(
    potenciado: FlatBoostedTrees, cambio: dict[str, Any], texto: str
) -> None:
    """An array that is missing, or is not what it should be, is refused in one Spanish line."""
    arrays = potenciado.to_arrays() | cambio
    with pytest.raises(ModeloInvalidoError, match=texto):
        FlatBoostedTrees.from_arrays({n: a for n, a in arrays.items() if a is not None})


def test_otro_numero_de_columnas(potenciado: FlatBoostedTrees) -> None:
    """Rows of another width are refused, not read past their end."""
    with pytest.raises(ModeloInvalidoError, match="espera 9 columnas"):
        potenciado.scores(np.zeros((2, 8), np.float32))


def test_solo_de_dos_clases_y_entrenado() -> None:
    """Three classes, or none yet, are no blend."""
    x, _ = _datos(300, 7)
    tres = HistGradientBoostingClassifier(max_iter=2).fit(x, np.arange(300) % 3)
    with pytest.raises(ModeloInvalidoError, match="dos clases"):
        FlatBoostedTrees.from_sklearn(tres)
    with pytest.raises(ModeloInvalidoError, match="no está entrenado"):
        FlatBoostedTrees.from_sklearn(HistGradientBoostingClassifier())


def test_con_varias_clases_tambien_y_vuelve_de_sus_matrices() -> None:
    """Scores of every class are those of ``decision_function``, before and after being stored."""
    x, y = _datos(3_000, 1)
    clase = y.astype(int) + 2 * (x[:, 4] > 0.7)
    clasificador = HistGradientBoostingClassifier(max_iter=12, max_depth=4, random_state=1)
    clasificador.fit(x, clase)
    arboles = FlatClassTrees.from_sklearn(clasificador)
    x, _ = _datos(500, 2)
    vuelto = FlatClassTrees.from_arrays(arboles.to_arrays())
    for unos in (arboles, vuelto):
        np.testing.assert_allclose(unos.scores(x), clasificador.decision_function(x), atol=1e-9)
    with pytest.raises(ModeloInvalidoError, match="clases"):
        FlatClassTrees.from_arrays(arboles.to_arrays() | {"base": np.zeros(5)})
    with pytest.raises(ModeloInvalidoError, match="clases"):
        FlatClassTrees.from_sklearn(clasificador.fit(x, x[:, 0] > 0.5))
