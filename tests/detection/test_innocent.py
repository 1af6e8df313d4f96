"""The case against: each innocent explanation fits what it explains, and not an attack."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from detection.cases.innocent import Innocent, weigh_innocent
from detection.cases.timeline import usual_days

PRIMERO = date(2025, 10, 1)
INICIO = date(2026, 11, 2)
HASTA = INICIO + timedelta(days=27)
ANTES = (INICIO - PRIMERO).days
PERFIL = np.array([0.1] * 7 + [0.5, 0.6, 0.4] + [0.3] * 8 + [0.8] * 4 + [0.3, 0.2])


def dias(semilla: int = 1) -> NDArray[np.float64]:
    """Return the hours of a home, every day alike but for chance."""
    azar = np.random.default_rng(semilla)
    t = (HASTA - PRIMERO).days + 1
    return PERFIL * azar.lognormal(0.0, 0.1, (t, 24)) * azar.lognormal(0.0, 0.1, (t, 1))


def sopesar(horas: NDArray[np.float64], inicio: date = INICIO) -> dict[str, Innocent]:
    return {una.tipo: una for una in weigh_innocent(horas, PRIMERO, inicio, HASTA)}


def encajan(horas: NDArray[np.float64]) -> set[str]:
    return {tipo for tipo, una in sopesar(horas).items() if not una.apartada}


def test_una_plantacion_no_es_nada_inocente() -> None:
    """Lamps on 18/6 fit nothing: what was weighed is told, with numbers, and set aside."""
    horas = dias()
    horas[ANTES:, :18] += 4.5
    pesadas = sopesar(horas)
    assert all(una.apartada for una in pesadas.values())
    assert set(pesadas) == {
        "temporada", "cambio_inquilino", "vehiculo_electrico", "bomba_calor", "lectura_estimada",
    }  # fmt: skip
    assert pesadas["temporada"].frase == (
        "Temporada: hace un año, en estas semanas, gastaba 8,2 kWh al día y ahora 89: no es la "
        "época del año."
    )


def test_una_ausencia() -> None:
    """What is always on, and no more."""
    horas = dias()
    horas[ANTES:] = 0.1
    assert "ausencia" in encajan(horas)
    horas[ANTES:] = PERFIL * 0.5
    assert "ausencia" not in encajan(horas)


def test_la_epoca_del_ano() -> None:
    """What was the same a year ago; of a young customer nobody knows."""
    horas = dias()
    for desde in (ANTES, ANTES - 364):
        horas[desde : desde + 28] *= 3
    assert encajan(horas) == {"temporada"}
    cortas = horas.copy()
    cortas[: ANTES - 100] = np.nan
    sin_ano = sopesar(cortas)["temporada"]
    assert not sin_ano.apartada
    assert "no hay lecturas" in sin_ano.frase


def test_otra_gente() -> None:
    """Level, hours and variation all at once."""
    azar = np.random.default_rng(4)
    horas = dias()
    horas[ANTES:] = 1.6 * PERFIL[::-1] * azar.lognormal(0.0, 0.5, (28, 1))
    assert "cambio_inquilino" in encajan(horas)


def test_un_coche() -> None:
    """Only by night, and not every night; lamps by night burn every night."""
    horas = dias()
    cargas = np.arange(28) % 3 > 0
    horas[ANTES:][cargas, 1:5] += 7.0
    assert "vehiculo_electrico" in encajan(horas)
    horas = dias()
    horas[ANTES:, 0:8] += 4.5
    assert "vehiculo_electrico" not in encajan(horas)


def test_una_bomba_de_calor() -> None:
    """It follows the cold: more on some days than on others, and never in summer."""
    azar = np.random.default_rng(5)
    horas = dias()
    horas[ANTES:] += azar.uniform(0.2, 1.5, (28, 1))
    assert "bomba_calor" in encajan(horas)
    horas = dias()
    horas[ANTES:] += 1.0
    assert "bomba_calor" not in encajan(horas)
    verano = date(2026, 7, 1)
    horas[(verano - PRIMERO).days :] += 2.0
    suya = next(
        una
        for una in weigh_innocent(horas, PRIMERO, verano, verano + timedelta(days=27))
        if una.tipo == "bomba_calor"
    )
    assert suya.apartada
    assert "de mayo a septiembre" in suya.frase


def test_placas() -> None:
    """Only the middle of the day falls."""
    horas = dias()
    horas[ANTES:, 10:17] *= 0.1
    assert "autoconsumo" in encajan(horas)
    horas = dias()
    horas[ANTES:] *= 0.4
    assert "autoconsumo" not in encajan(horas)


def test_un_corte_y_lo_que_no_se_ha_medido() -> None:
    """Zeros, and days of equal hours."""
    horas = dias()
    horas[ANTES:] = 0.0
    assert {"corte_suministro", "lectura_estimada"} <= encajan(horas)
    assert "ausencia" not in encajan(horas)
    horas = dias()
    horas[ANTES:] = 0.37
    assert "lectura_estimada" in encajan(horas)


@pytest.mark.parametrize("quedan", [0, 6])
def test_sin_dias_no_se_sopesa_nada(quedan: int) -> None:
    """Without a week on either side there is nothing to compare."""
    horas = dias()
    horas[: ANTES - quedan] = np.nan
    assert weigh_innocent(horas, PRIMERO, INICIO, HASTA) == []


def test_lo_normal_de_un_dia_no_cuenta_lo_que_vino_despues() -> None:
    """The reference is of before the onset, workdays and weekends apart; without days none."""
    fechas = [INICIO + timedelta(days=d) for d in range(-35, 14)]
    kwh = np.array([20.0 if f.weekday() > 4 else 8.0 for f in fechas])
    kwh[35:] = 90.0
    usual = usual_days(fechas, kwh, INICIO)
    assert set(usual.media[35:].tolist()) == {8.0, 20.0}
    np.testing.assert_array_equal(usual.minimo, usual.maximo)
    solo_despues = usual_days(fechas[35:], kwh[35:], INICIO)
    assert np.isnan(solo_despues.media).all()
