"""The forest as flat arrays is scikit-learn's, to the last bit, and never reads unchecked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from detection.errors import ModeloInvalidoError
from detection.models.heap_trees import BLOCK
from detection.models.isolation_forest import FlatIsolationForest

RASGOS = 13


def _entrenado(filas: int, semilla: int, **opciones: Any) -> tuple[IsolationForest, NDArray]:
    """Return a forest and the rows (filas, RASGOS) that it was fitted on, many of them equal."""
    rng = np.random.default_rng(semilla)
    x = rng.random((filas, RASGOS)).astype(np.float32) ** 3
    x[:, 3] = np.round(x[:, 3], 1)
    x[:, 7] = 0.5
    opciones = {"n_estimators": 100, **opciones}
    return IsolationForest(random_state=semilla, **opciones).fit(x), x


def _al_filo(forest: IsolationForest, filas: int, semilla: int) -> NDArray[np.float32]:
    """Return rows whose every value is a threshold of its feature, or the float32 beside it."""
    rng = np.random.default_rng(semilla)
    x = np.empty((filas, RASGOS), np.float32)
    cortes: list[list[float]] = [[0.5] for _ in range(RASGOS)]
    for arbol in (e.tree_ for e in forest.estimators_):
        for j, corte in zip(arbol.feature, arbol.threshold, strict=True):
            if j >= 0:
                cortes[j].append(corte)
    for j in range(RASGOS):
        corte = rng.choice(np.array(cortes[j]), filas).astype(np.float32)
        lado = rng.choice(np.array([-np.inf, np.nan, np.inf], np.float32), filas)
        x[:, j] = np.where(np.isnan(lado), corte, np.nextafter(corte, lado))
    return x


@pytest.fixture(scope="module")
def forest() -> IsolationForest:
    return _entrenado(4_000, 1)[0]


@pytest.fixture(scope="module")
def bosque(forest: IsolationForest) -> FlatIsolationForest:
    return FlatIsolationForest.from_sklearn(forest)


@pytest.mark.parametrize(
    ("filas", "semilla", "opciones"),
    [
        (20_000, 2, {}),
        (3_000, 3, {"n_estimators": 37, "max_samples": 1_500}),
        (50, 4, {"n_estimators": 9}),
        (20_000, 5, {"max_samples": 3}),
        (5_000, 6, {"bootstrap": True, "contamination": 0.01}),
    ],
)
def test_cada_score_es_el_de_scikit_learn(
    filas: int, semilla: int, opciones: dict[str, Any]
) -> None:
    """Forests of any size score as scikit-learn does, bit for bit, on thresholds as off them."""
    forest, x = _entrenado(filas, semilla, **opciones)
    bosque = FlatIsolationForest.from_sklearn(forest)
    lejos = np.random.default_rng(semilla).normal(0.5, 3.0, (5_000, RASGOS)).astype(np.float32)
    lejos[:100] = np.inf
    lejos[100:200] = -np.inf
    pruebas = np.concatenate([x, _al_filo(forest, 55_000, semilla), lejos])
    scores = bosque.scores(pruebas)
    np.testing.assert_array_equal(scores, -forest.score_samples(pruebas))
    assert scores.min() > 0.0
    assert scores.max() <= 1.0
    assert np.unique(scores).size > 3


def test_un_umbral_entre_dos_float32_parte_donde_debe(forest: IsolationForest) -> None:
    """A float64 threshold that no float32 equals still sends both its neighbours where it did."""
    arbol = forest.estimators_[0].tree_
    antes = arbol.threshold[0]
    j = arbol.feature[0]
    debajo = np.float32(antes)
    encima = np.nextafter(debajo, np.float32(np.inf))
    x = np.tile(_al_filo(forest, 1, 1), (2, 1))
    x[:, j] = debajo, encima
    try:
        for umbral in (
            np.nextafter(float(debajo), np.inf),
            (float(debajo) + float(encima)) / 2,
            np.nextafter(float(encima), -np.inf),
        ):
            arbol.threshold[0] = umbral
            bosque = FlatIsolationForest.from_sklearn(forest)
            assert bosque.trees.corte[0, 0] == debajo
            np.testing.assert_array_equal(bosque.scores(x), -forest.score_samples(x))
    finally:
        arbol.threshold[0] = antes


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3 * BLOCK + 1), min_size=1, max_size=12))
def test_el_corte_en_trozos_no_cambia_nada(trozos: list[int]) -> None:
    """A row's score does not depend on the rows that it is scored with."""
    forest, _ = _entrenado(500, 8, n_estimators=20)
    bosque = FlatIsolationForest.from_sklearn(forest)
    x = _al_filo(forest, sum(trozos), 8)
    partes = np.split(x, np.cumsum(trozos)[:-1])
    np.testing.assert_array_equal(
        np.concatenate([bosque.scores(parte) for parte in partes]), bosque.scores(x)
    )
    np.testing.assert_array_equal(
        bosque.scores(np.asfortranarray(x)[::2]), bosque.scores(x)[::2], "not contiguous"
    )


def test_una_fila_con_nan_no_esta_lista(
    forest: IsolationForest, bosque: FlatIsolationForest
) -> None:
    """Any NaN in a row makes its score NaN, and leaves its neighbours' as they were."""
    x = _al_filo(forest, 1_000, 9)
    esperado = bosque.scores(x)
    rng = np.random.default_rng(9)
    rotas = rng.choice(1_000, 200, replace=False)
    x[rotas, rng.integers(0, RASGOS, 200)] = np.nan
    x[rotas[:50]] = np.nan
    esperado[rotas] = np.nan
    np.testing.assert_array_equal(bosque.scores(x), esperado)


@pytest.mark.parametrize("filas", [1, 2])
def test_entrenado_con_casi_nada(filas: int) -> None:
    """A forest of one or two training rows scores as scikit-learn's, NaN rows included."""
    forest, _ = _entrenado(filas, 10, n_estimators=5)
    bosque = FlatIsolationForest.from_sklearn(forest)
    x = np.random.default_rng(10).random((100, RASGOS)).astype(np.float32)
    np.testing.assert_array_equal(bosque.scores(x), -forest.score_samples(x))
    x[7, 2] = np.nan
    assert np.flatnonzero(np.isnan(bosque.scores(x))).tolist() == [7]


def test_arboles_de_una_sola_hoja() -> None:
    """Columns that never change give trees without a split, and one score for all."""
    forest = IsolationForest(n_estimators=7, random_state=1).fit(np.full((300, 4), 0.25))
    assert forest.estimators_[0].tree_.node_count == 1
    bosque = FlatIsolationForest.from_sklearn(forest)
    x = np.random.default_rng(1).random((100, 4)).astype(np.float32)
    np.testing.assert_array_equal(bosque.scores(x), -forest.score_samples(x))


def test_lo_que_no_sabe_imitar_lo_rechaza() -> None:
    """A forest that is not fitted, sees a part of the features, or is too deep, is refused."""
    x = np.random.default_rng(1).random((300, 4)).astype(np.float32)
    with pytest.raises(ModeloInvalidoError, match="no está entrenado"):
        FlatIsolationForest.from_sklearn(IsolationForest())
    with pytest.raises(ModeloInvalidoError, match="todos los rasgos"):
        FlatIsolationForest.from_sklearn(IsolationForest(n_estimators=3, max_features=0.5).fit(x))
    hondo = IsolationForest(n_estimators=1, max_samples=1.0, random_state=1)
    hondo.fit(np.random.default_rng(1).random((2**17 + 1, 1), np.float32))
    with pytest.raises(ModeloInvalidoError, match="niveles"):
        FlatIsolationForest.from_sklearn(hondo)


def test_otro_numero_de_rasgos_se_rechaza(bosque: FlatIsolationForest) -> None:
    """Rows of another width never reach the kernel."""
    for forma in ((5, RASGOS - 1), (5, RASGOS + 1), (RASGOS,)):
        with pytest.raises(ModeloInvalidoError, match="rasgos"):
            bosque.scores(np.zeros(forma, np.float32))


def test_ida_y_vuelta_por_matrices(forest: IsolationForest, bosque: FlatIsolationForest) -> None:
    """A forest comes back from its arrays as it was, and does not share them."""
    arrays = bosque.to_arrays()
    vuelto = FlatIsolationForest.from_arrays(arrays)
    x = _al_filo(forest, 2_000, 11)
    esperado = bosque.scores(x)
    np.testing.assert_array_equal(vuelto.scores(x), esperado)
    assert vuelto.to_arrays().keys() == arrays.keys()
    for nombre, array in vuelto.to_arrays().items():
        np.testing.assert_array_equal(array, arrays[nombre])
        assert array.dtype == arrays[nombre].dtype
        assert not np.shares_memory(array, arrays[nombre])


def _con(nombre: str, donde: tuple[int, int], valor: float) -> Any:
    def romper(arrays: dict[str, NDArray]) -> None:
        arrays[nombre] = arrays[nombre].copy()
        arrays[nombre][donde] = valor

    return romper


def _sea(nombre: str, hacer: Any) -> Any:
    def romper(arrays: dict[str, NDArray]) -> None:
        arrays[nombre] = hacer(arrays[nombre])

    return romper


ROTURAS = {
    "sin hojas": lambda a: a.pop("hoja"),
    "sin denominador": lambda a: a.pop("denominador"),
    "un rasgo de más": _con("rasgo", (99, 254), RASGOS),
    "un rasgo enorme": _con("rasgo", (0, 0), 2**32 - 1),
    "rasgo con signo": _sea("rasgo", lambda r: r.astype(np.int32)),
    "corte NaN": _con("corte", (3, 3), np.nan),
    "corte infinito": _con("corte", (3, 3), np.inf),
    "corte float64": _sea("corte", lambda c: c.astype(np.float64)),
    "corte al revés": _sea("corte", lambda c: c.astype(">f4")),
    "hoja NaN": _con("hoja", (0, 0), np.nan),
    "hoja negativa": _con("hoja", (0, 0), -1.0),
    "un árbol menos": _sea("rasgo", lambda r: r[1:]),
    "una columna menos": _sea("corte", lambda c: c[:, 1:]),
    "una hoja de más": _sea("hoja", lambda h: np.concatenate([h, h[:, :1]], axis=1)),
    "otra profundidad": _sea("hoja", lambda h: h[:, ::2]),
    "ningún árbol": lambda a: a.update({n: a[n][:0] for n in ("rasgo", "corte", "hoja")}),
    "una sola hoja": lambda a: a.update(
        rasgo=a["rasgo"][:, :0], corte=a["corte"][:, :0], hoja=a["hoja"][:, :1]
    ),
    "hojas sin eje": _sea("hoja", lambda h: h[0]),
    "denominador negativo": _sea("denominador", lambda d: -d),
    "denominador NaN": _sea("denominador", lambda d: d * np.nan),
    "denominador entero": _sea("denominador", lambda d: d.astype(np.int64)),
    "sin rasgos": _sea("n_rasgos", lambda n: n * 0),
    "rasgos de menos": _sea("n_rasgos", lambda n: n - 1),
    "un objeto": _sea("hoja", lambda h: h.astype(object)),
}  # fmt: skip


@pytest.mark.parametrize("rotura", ROTURAS)
def test_matrices_rotas_se_rechazan(bosque: FlatIsolationForest, rotura: str) -> None:
    """Damaged arrays are refused with one Spanish line, whatever is wrong with them."""
    arrays = bosque.to_arrays()
    ROTURAS[rotura](arrays)
    with pytest.raises(ModeloInvalidoError) as error:
        FlatIsolationForest.from_arrays(arrays)
    assert "\n" not in str(error.value)
    assert "bosque" in str(error.value)
