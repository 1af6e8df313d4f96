"""Cases are learnt from what the clock sees, and what is learnt tells a plantation from a home."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from detection.cases.case import CaseThresholds
from detection.cases.features import RASGOS_CASO
from detection.cases.model import CaseModel
from detection.detector import DetectorConsumo
from detection.domain import Lecturas
from detection.memory.day_memory import DIAS_MEMORIA, encode_evidence
from detection.models.boosted_trees import FlatBoostedTrees
from serving.local_time import load_calendario
from training import case_fit
from training.case_fit import CaseLessons, learn_cases, make_lessons, open_days
from training.case_population import ATAQUE, INOCENTE, LIMPIO, CaseHome, home_series, made_home
from training.case_rows import close_all, make_rows, rows_at

MADRID, UTC = load_calendario("Europe/Madrid"), load_calendario("UTC")


def _semanas(k: int) -> np.ndarray:
    rng = np.random.default_rng(k)
    forma = 0.1 + 0.5 * np.exp(-(((np.arange(24) - rng.integers(17, 23)) / 3.0) ** 2))
    return np.round(rng.uniform(0.5, 1.5) * forma * rng.gamma(4.0, 0.25, (7, 7, 24)), 3)


def _hogares(cuantos: int) -> list[CaseHome]:
    return [
        made_home((5, k), f"HOGAR_{k}", "hechos", _semanas(k), UTC, dias=150)
        for k in range(cuantos)
    ]


@pytest.fixture(scope="module")
def lecciones() -> CaseLessons:
    return make_lessons(_hogares(10), 5, parte_hechos=1.0)


@pytest.fixture(scope="module")
def modelo(lecciones: CaseLessons) -> Iterator[CaseModel]:
    with pytest.MonkeyPatch.context() as mp:
        mp.setattr(case_fit, "ARBOLES", 25)
        yield learn_cases(lecciones, 5)


def test_las_filas_son_las_que_ve_el_reloj() -> None:
    """Days, onset and row are those of the detector that gets the same readings."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2_000, RASGOS_CASO)).astype(np.float32)
    from sklearn.ensemble import HistGradientBoostingClassifier

    clasificador = HistGradientBoostingClassifier(max_iter=30, max_depth=6, random_state=1)
    clasificador.fit(x, x[:, 0] + x[:, 6] + 0.3 * x[:, 200] > 0)
    arboles = FlatBoostedTrees.from_sklearn(clasificador)
    # So sure of itself that what the hours weigh never counts for more.
    arboles = FlatBoostedTrees(arboles.trees, arboles.base + 4.0)
    desde = 423_000 // 24 * 24 - 1
    kwh = np.round(0.3 * rng.gamma(2.0, 0.5, 24 * 75), 3)
    kwh[24 * 50 :] *= 0.4
    kwh[rng.random(kwh.size) < 0.01] = np.nan
    kwh[24 * 20 + 3 : 24 * 22] = np.nan
    detector = DetectorConsumo(MADRID)
    detector.case_model = CaseModel(arboles, CaseThresholds(90.0, 88.0, 91.0, 92.0))
    hay = np.flatnonzero(~np.isnan(kwh))
    detector.score(Lecturas(["A"] * hay.size, desde + hay, kwh[hay]))
    columnas = detector.days.columns()
    fila = detector.ring.row("A")
    cerrados = close_all(kwh, desde, MADRID)
    assert cerrados.primero == columnas.primero[fila]
    dias = cerrados.primero + np.arange(cerrados.dias.shape[0])
    assert int(columnas.hoy[fila]) == dias[-1] + 1
    np.testing.assert_array_equal(columnas.dias[fila, dias % DIAS_MEMORIA], cerrados.dias)
    ventaja = arboles.scores(rows_at(cerrados, np.arange(dias.size)))
    juzgados = ~np.isnan(ventaja)
    assert juzgados.sum() > 40
    byte = np.array([encode_evidence(v, False) for v in ventaja[juzgados]])
    dicho = columnas.evidencia[fila, dias[juzgados] % DIAS_MEMORIA] & 127
    np.testing.assert_array_equal(dicho, byte & 127)


def test_una_plantacion_abre_un_caso_y_el_hogar_limpio_no(modelo: CaseModel) -> None:
    """Of homes that nobody has seen; and the thresholds rise."""
    u = modelo.umbrales
    assert u.cierra < u.abre < u.alta < u.critica
    nuevos = [made_home((9, k), f"NUEVO_{k}", "hechos", _semanas(90 + k), UTC, 150) for k in (1, 2)]
    series = [s for h in nuevos for s in home_series(h, [h], 9) if s.tipo in {"", "cannabis"}]
    filas = make_rows(series, 9, paso_dias=1)
    abierto = open_days(filas, modelo.arboles.scores(filas.rasgos), u)
    limpia, atacada = filas.clase == LIMPIO, filas.atacada & (filas.dias > 20)
    assert abierto[atacada].mean() > 0.7
    assert abierto[limpia].mean() < 0.2


def test_lo_mismo_se_aprende_dos_veces(lecciones: CaseLessons, modelo: CaseModel) -> None:
    """The same lessons and seed give the same arrays."""
    with pytest.MonkeyPatch.context() as mp:
        mp.setattr(case_fit, "ARBOLES", 25)
        otra = learn_cases(lecciones, 5)
    assert otra.umbrales == modelo.umbrales
    for nombre, una in modelo.arboles.to_arrays().items():
        np.testing.assert_array_equal(una, otra.arboles.to_arrays()[nombre])


def test_lo_que_pasa_en_una_serie_se_dice_en_su_fila(lecciones: CaseLessons) -> None:
    """Attacked is what an attack is at work on; before it and after it a day is honest."""
    filas = lecciones.filas
    assert set(filas.clase.tolist()) == {LIMPIO, ATAQUE, INOCENTE}
    assert not filas.atacada[filas.clase != ATAQUE].any()
    assert not filas.atacada[filas.dias <= 0].any()
    assert not filas.atacada[filas.dias_tras > 0].any()
    assert filas.cambio[filas.atacada].mean() > 0.1
    assert (filas.cambio[filas.clase == LIMPIO] == 0.0).all()
