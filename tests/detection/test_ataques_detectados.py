"""Each way of cheating leaves the mark it should, and innocent changes do not."""

from __future__ import annotations

import numpy as np
import pytest
from apoyo import dispara, explicacion, hogar, horas, score

from detection.domain import Veredictos

N = 24 * 28
CINCO_DIAS = 24 * 5


def _con(ataque: np.ndarray, semilla: int = 1) -> tuple[object, Veredictos, np.ndarray]:
    kwh = hogar(N + CINCO_DIAS, semilla)
    kwh[N:] = ataque
    detector, v = score(horas(kwh.size), kwh)
    return detector, v, kwh


def _ultima_frase(ataque: np.ndarray, tipo: str) -> tuple[bool, str]:
    detector, v, kwh = _con(ataque)
    i = len(v) - 1
    return dispara(v, i, tipo), explicacion(detector, v, i, float(kwh[i]), tipo).frase


def _honesto(semilla: int = 1) -> np.ndarray:
    return hogar(N + CINCO_DIAS, semilla)[N:]


def test_escala() -> None:
    """Under-reporting by a factor drops the level and the minimum."""
    salta, frase = _ultima_frase(0.3 * _honesto(), "fraude")
    assert salta
    assert frase.startswith("Sus últimos 3 días no pasan del ")


def test_escala_aleatoria() -> None:
    """A factor drawn anew each hour is still a lasting drop."""
    rng = np.random.default_rng(2)
    assert _ultima_frase(rng.uniform(0.1, 0.5, CINCO_DIAS) * _honesto(), "fraude")[0]


def test_ventanas_a_cero() -> None:
    """Zero hours on several days, where there were none, are seen."""
    kwh = _honesto()
    kwh[(np.arange(CINCO_DIAS) % 24 >= 8) & (np.arange(CINCO_DIAS) % 24 < 13)] = 0.0
    salta, frase = _ultima_frase(kwh, "fraude")
    assert salta
    assert "tres o más horas a cero" in frase


def test_puente_nocturno() -> None:
    """Nights that drop while the days stay as they were."""
    kwh = _honesto()
    kwh[np.arange(CINCO_DIAS) % 24 < 6] *= 0.1
    salta, frase = _ultima_frase(kwh, "fraude")
    assert salta
    assert "noches no pasan del" in frase


def test_puente_nocturno_de_quien_carga_un_coche() -> None:
    """Nights of all sizes hide a bypass, but the base load of the lowest hour does not."""
    n = N + CINCO_DIAS
    rng = np.random.default_rng(12)
    hora = np.arange(n) % 24
    carga = np.repeat(rng.random(n // 24) < 0.5, 24) & (hora >= 1) & (hora < 5)
    kwh = hogar(n, 12) + 3.0 * carga
    kwh[(np.arange(n) >= N) & (hora < 6)] *= 0.15
    detector, v = score(horas(n), kwh)
    assert dispara(v, n - 1, "fraude")
    assert "la hora más baja" in explicacion(detector, v, n - 1, float(kwh[-1]), "fraude").frase


def test_dia_invertido() -> None:
    """A day that runs backwards fits its mirror image better than itself."""
    kwh = _honesto().reshape(-1, 24)[:, ::-1].ravel()
    salta, frase = _ultima_frase(kwh, "fraude")
    assert salta
    assert "imagen invertida" in frase


def test_copia_del_dia_anterior() -> None:
    """A register that replays yesterday, hour by hour."""
    kwh = np.tile(_honesto()[:24], 5)
    salta, frase = _ultima_frase(kwh, "fraude")
    assert salta
    assert "repiten exactamente" in frase


def test_recorte() -> None:
    """A load that is cut off at a level, for a week."""
    kwh = hogar(N + 24 * 8)
    kwh[N:] = np.minimum(kwh[N:], 0.5)
    detector, v = score(horas(kwh.size), kwh)
    i = len(v) - 1
    assert dispara(v, i, "fraude")
    assert "mismo máximo" in explicacion(detector, v, i, float(kwh[i]), "fraude").frase


def test_un_dia_con_huecos_y_un_valor_alto_no_descoloca_el_recorte() -> None:
    """A high value in a day that has too few hours to count is harmless to the clipping mark."""
    h = horas(N + 24 * 8)
    kwh = hogar(h.size)
    kwh[N:] = np.minimum(kwh[N:], 0.5)
    kwh[N + 30] = 900.0
    quedan = np.ones(h.size, bool)
    quedan[N + 24 : N + 48] = False
    quedan[N + 28 : N + 34] = True
    detector, v = score(h[quedan], kwh[quedan])
    i = len(v) - 1
    assert "mismo máximo" in explicacion(detector, v, i, float(kwh[-1]), "fraude").frase


def test_un_contador_de_poca_resolucion_no_esta_recortado() -> None:
    """A small load on a meter of 0.1 kWh has two values, and is often at the higher one."""
    kwh = hogar(N + 24 * 8)
    kwh[N:] = np.where(np.random.default_rng(9).random(24 * 8) < 0.7, 0.1, 0.0)
    detector, v = score(horas(kwh.size), kwh)
    i = len(v) - 1
    assert "mismo máximo" not in explicacion(detector, v, i, float(kwh[i]), "fraude").frase


def test_vacaciones_no_son_fraude() -> None:
    """A home that is empty keeps its minimum: fridge and standby go on."""
    rng = np.random.default_rng(4)
    vacia = 0.15 * rng.lognormal(0, 0.15, CINCO_DIAS)
    assert not _ultima_frase(vacia, "fraude")[0]


def test_una_casa_de_fin_de_semana_no_es_fraude() -> None:
    """A home that is empty from Monday to Friday has often been as low as that."""
    n = N + CINCO_DIAS
    finde = (np.arange(n) // 24) % 7 >= 5
    kwh = np.where(finde, 5.0, 0.05) * hogar(n, 3)
    _, v = score(horas(n), kwh)
    assert not (v.tipos[N:] >> 5 & 1).any()


def test_hace_falta_un_pasado() -> None:
    """Without two weeks before the last one there is nothing to have dropped from."""
    kwh = hogar(24 * 18)
    kwh[24 * 14 :] *= 0.2
    detector, v = score(horas(kwh.size), kwh)
    assert explicacion(detector, v, len(v) - 1, float(kwh[-1]), "fraude").score is None


@pytest.mark.parametrize("encendidas", [12, 18])
@pytest.mark.parametrize("desde", [0, 9, 20])
def test_plantacion(encendidas: int, desde: int) -> None:
    """Lamps on 12/12 and 18/6, at any hour of the day, with their hours in the sentence."""
    hora = np.arange(CINCO_DIAS) % 24
    lamparas = np.where((hora - desde) % 24 < encendidas, 3.0, 0.2)
    detector, v, kwh = _con(_honesto() + lamparas)
    i = len(v) - 1
    assert dispara(v, i, "plantacion_cannabis")
    assert v.severidad[i] >= 3
    e = explicacion(detector, v, i, float(kwh[i]), "plantacion_cannabis")
    assert f"encendida {encendidas} horas, de {desde} a {(desde + encendidas) % 24} h" in e.frase


def test_una_tienda_que_siempre_abrio_doce_horas_no_es_una_plantacion() -> None:
    """Who has had such a step at those hours all along is a shop: low severity at most."""
    n = N + CINCO_DIAS
    hora = np.arange(n) % 24
    rng = np.random.default_rng(6)
    kwh = np.where((hora >= 9) & (hora < 21), 3.0, 0.3) * (1 + 0.05 * rng.standard_normal(n))
    _, v = score(horas(n), kwh)
    assert v.severidad[N:].max() <= 1


def test_una_lampara_pequena_no_basta() -> None:
    """Half the smallest lamp sold for the purpose is not a plantation."""
    hora = np.arange(CINCO_DIAS) % 24
    _, v, _ = _con(0.02 * _honesto() + np.where(hora < 12, 0.25, 0.05))
    assert not dispara(v, len(v) - 1, "plantacion_cannabis")


def test_la_sospecha_se_acumula_y_se_va() -> None:
    """Suspicion is the customer's: it comes with evidence over time, and goes weeks after."""
    kwh = hogar(24 * 90, 8)
    hora = np.arange(kwh.size) % 24
    ataque = (np.arange(kwh.size) >= N) & (np.arange(kwh.size) < N + 24 * 8)
    kwh[ataque] += np.where(hora[ataque] < 12, 3.0, 0.1)
    _, v = score(horas(kwh.size), kwh)
    assert not v.es_sospechoso[: N + 6].any()
    assert v.es_sospechoso[N + 24 * 5 : N + 24 * 8].all()
    assert v.es_sospechoso[N + 24 * 10], "it does not end with the last anomaly"
    assert not v.es_sospechoso[-1]
    cambios = np.flatnonzero(np.diff(v.es_sospechoso.astype(int)))
    assert cambios.size == 2, "hysteresis: in once, out once"


def test_un_solo_pico_no_hace_sospechoso() -> None:
    """One hour, however wild, is an anomaly and not a suspicion."""
    kwh = hogar(N + 24)
    kwh[N] = 80.0
    _, v = score(horas(kwh.size), kwh)
    assert v.severidad[N] >= 3
    assert not v.es_sospechoso.any()
