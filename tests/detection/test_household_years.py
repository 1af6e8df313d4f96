"""Years made of a home's weeks: the same ones again, and a home's all the same."""

from __future__ import annotations

import numpy as np
import pytest
from apoyo import MADRID

from detection.domain import HORAS_POR_DIA
from detection.simulation.appliances import APARATOS, appliance_load
from detection.simulation.draws import make_time_axis
from detection.simulation.household_years import make_year, whole_weeks

DESDE = 420_768
TIEMPO = make_time_axis(7, DESDE, DESDE + 360 * HORAS_POR_DIA, MADRID, frozenset())
RNG = np.random.default_rng(3)
DE_UN_DIA = 0.15 + 0.6 * np.exp(-(((np.arange(24) - 20) / 3.0) ** 2))
SEMANAS = np.round(DE_UN_DIA * RNG.uniform(0.5, 1.5, (7, 7, 24)), 3)


def test_la_misma_semilla_da_el_mismo_anio() -> None:
    """A home's year is addressed by its seed; another seed is another year."""
    uno, otro = make_year((7, 1), SEMANAS, TIEMPO), make_year((7, 1), SEMANAS, TIEMPO)
    np.testing.assert_array_equal(uno, otro)
    assert (make_year((7, 2), SEMANAS, TIEMPO) != uno).mean() > 0.5


def test_la_energia_de_un_anio_es_la_de_su_hogar() -> None:
    """Most years use between half and twice what the weeks do, and nothing is below zero."""
    anios = np.stack([make_year((7, k), SEMANAS, TIEMPO) for k in range(60)])
    assert anios.shape == (60, TIEMPO.hora_utc.size)
    assert np.isfinite(anios).all()
    assert (anios >= 0.0).all()
    parte = anios.mean(axis=1) / SEMANAS.mean()
    assert 0.8 < np.median(parte) < 1.25
    assert ((parte > 0.5) & (parte < 2.0)).mean() > 0.7


def test_las_horas_del_dia_siguen_en_su_sitio() -> None:
    """By local hour a year looks like its weeks: its evening is where it was."""
    perfiles = np.array(
        [
            [make_year((7, k), SEMANAS, TIEMPO)[TIEMPO.hora == h].mean() for h in range(24)]
            for k in range(20)
        ]
    )
    assert 18 <= np.median(perfiles, axis=0).argmax() <= 22


def test_solo_cuentan_las_semanas_enteras() -> None:
    """A week that lacks an hour is no week, and Monday comes first."""
    lunes = 4 * HORAS_POR_DIA
    hora = np.arange(lunes - 30, lunes + 3 * 7 * HORAS_POR_DIA)
    kwh = (hora - lunes).astype(np.float64)
    falta = np.delete(np.arange(hora.size), 30 + 7 * HORAS_POR_DIA + 5)
    semanas = whole_weeks(hora[falta], kwh[falta])
    assert semanas.shape == (2, 7, 24)
    assert semanas[:, 0, 0].tolist() == [0.0, 2 * 7 * HORAS_POR_DIA]


@pytest.mark.parametrize("aparato", APARATOS)
def test_un_aparato_suma_y_es_siempre_el_mismo(aparato: str) -> None:
    """What it adds is some kW at most, for a part of the day, and drawn from its seed."""
    carga = appliance_load((7, 1), aparato, TIEMPO, 0.4)
    np.testing.assert_array_equal(carga, appliance_load((7, 1), aparato, TIEMPO, 0.4))
    assert (carga >= 0.0).all()
    assert 0.0 < carga.max() < 10.0
    assert (carga == 0.0).mean() > 0.3
