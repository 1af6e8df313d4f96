"""The four rules fire exactly by their definition, and say what they were measured against."""

from __future__ import annotations

from datetime import UTC as ZULU
from datetime import datetime, timedelta

import numpy as np
import pytest
from apoyo import MADRID, UTC, dispara, estable, explicacion, hogar, horas, lecturas, score

from detection.detector import DetectorConsumo
from detection.domain import hora_absoluta

DIAS = 28
N = 24 * DIAS


def _sigma_de_su_hora(kwh: np.ndarray) -> tuple[float, float]:
    """Mean and sample sigma of what the next hour (a Monday 00:00) is measured against."""
    mismas = kwh[0::24]
    laborables = np.array([d % 7 < 5 for d in range(DIAS)])
    return float(mismas[laborables].mean()), float(mismas[laborables].std(ddof=1))


@pytest.mark.parametrize(
    ("sigmas", "salta"), [(3.1, True), (2.9, False), (-3.1, True), (-2.9, False)]
)
def test_desviacion_estadistica_salta_por_encima_de_tres_sigmas(sigmas: float, salta: bool) -> None:
    """A stable customer's reading 3.1 sigma from its own same hour fires; 2.9 sigma does not."""
    kwh = estable(N).astype(np.float32).astype(float)
    media, sigma = _sigma_de_su_hora(kwh)
    h = horas(N + 1)
    _, v = score(h, [*kwh, media + sigmas * sigma])
    assert dispara(v, N, "desviacion_estadistica") is salta
    assert not dispara(v, N, "pico_consumo")


@pytest.mark.parametrize(("incremento", "salta"), [(1.51, True), (1.49, False)])
@pytest.mark.parametrize("nivel", [0.05, 1.0, 40.0])
def test_pico_consumo_salta_por_encima_del_150_por_ciento(
    incremento: float, salta: bool, nivel: float
) -> None:
    """An increase of 151 % over the expected consumption fires, 149 % does not, at any level."""
    kwh = estable(N, nivel=nivel).astype(np.float32).astype(float)
    media, _ = _sigma_de_su_hora(kwh)
    _, v = score(horas(N + 1), [*kwh, media * (1 + incremento)])
    assert dispara(v, N, "pico_consumo") is salta


def test_la_frase_dice_contra_que_se_midio() -> None:
    """The sentence carries the reading, the rise, the expected value and what it is a mean of."""
    detector, v = score(horas(N + 1), [*np.full(N, 1.25) + 0.01 * (np.arange(N) % 3), 4.0])
    assert explicacion(detector, v, N, 4.0, "pico_consumo").frase == (
        "4,00 kWh: un 220 % más que los 1,25 kWh esperados "
        "(media de 20 lecturas a esta hora en días laborables)."
    )


def test_laborables_y_fines_de_semana_se_comparan_aparte() -> None:
    """A home that is full on weekends and empty on weekdays is expected so on each."""
    h = horas(N + 24 * 7)
    finde = (h // 24 + 3) % 7 >= 5
    rng = np.random.default_rng(3)
    kwh = np.where(finde, 2.0, 0.4) * (1 + 0.05 * rng.standard_normal(h.size))
    _, v = score(h, kwh)
    ultima = slice(N, None)
    assert v.esperado_kwh[ultima][finde[ultima]] == pytest.approx(2.0, rel=0.1)
    assert v.esperado_kwh[ultima][~finde[ultima]] == pytest.approx(0.4, rel=0.1)
    assert (v.severidad[ultima] == 0).mean() > 0.95
    assert v.severidad[ultima].max() <= 2


def test_cliente_nuevo_no_alarma_y_no_esta_listo() -> None:
    """Too little history is "not ready": no score, no expected value, never an alarm."""
    h = horas(24 * 13)
    kwh = hogar(h.size)
    kwh[-1] = 500.0
    detector, v = score(h, kwh)
    assert np.isnan(v.esperado_kwh).all()
    assert not v.severidad.any()
    assert not v.tipos.any()
    explicaciones = detector.explain(v, 0, float(kwh[0]))
    assert [e.score for e in explicaciones] == [None] * len(explicaciones)
    assert all("Todavía no hay historia suficiente" in e.frase for e in explicaciones)


def test_los_huecos_se_ven_y_no_se_rellenan() -> None:
    """A customer with days missing is compared with the days that are there."""
    h = horas(N + 1)
    kwh = estable(N + 1)
    quedan = np.ones(h.size, bool)
    quedan[24 * 5 : 24 * 9] = False
    quedan[24 * 20 + 3] = False
    detector, v = score(h[quedan], kwh[quedan])
    texto = explicacion(detector, v, len(v) - 1, float(kwh[-1]), "pico_consumo").frase
    assert "lecturas a esta hora" in texto
    assert not np.isnan(v.esperado_kwh[-1])
    con_hueco = 28 - 4
    assert f"{con_hueco} lecturas" in texto or "laborables" in texto


def test_una_ausencia_larga_vacia_la_ventana() -> None:
    """After 40 days without readings a customer is new again: nothing of the old past is left."""
    kwh = estable(N)
    _, v = score(np.append(horas(N), horas(1)[0] + N + 24 * 40), [*kwh, 50.0])
    assert np.isnan(v.esperado_kwh[-1])
    assert v.severidad[-1] == 0


def test_contador_a_cero_desde_siempre_nunca_alarma() -> None:
    """A supply that never read anything but zero is a supply without use."""
    _, v = score(horas(N + 100), np.zeros(N + 100))
    assert not v.severidad.any()


def test_contador_parado_en_una_constante_salta() -> None:
    """A meter that gets stuck on a value fires after 24 equal hours, and the longer the higher."""
    kwh = hogar(N + 96)
    kwh[N:] = 0.437
    detector, v = score(horas(kwh.size), kwh)
    assert not dispara(v, N + 22, "consumo_constante")
    assert dispara(v, N + 23, "consumo_constante")
    assert v.severidad[N + 23] >= 1
    assert v.severidad[-1] == 4 or v.score_centesimas[-1] > v.score_centesimas[N + 23]
    frase = explicacion(detector, v, N + 95, 0.437, "consumo_constante").frase
    assert frase.startswith("96 horas seguidas en 0,44 kWh")


def test_constante_desde_el_primer_dia_salta() -> None:
    """A meter stuck since the first reading fires too, once there is a week of it."""
    _, v = score(horas(N), np.full(N, 1.234))
    assert not v.severidad[: 24 * 7 - 12].any()
    assert dispara(v, N - 1, "consumo_constante")


def test_quien_repite_valores_por_costumbre_necesita_una_racha_mayor() -> None:
    """Runs as long as the customer's own earlier ones are its custom, not an anomaly."""
    kwh = hogar(N + 30)
    kwh[24 * 3 : 24 * 3 + 30] = 0.2
    kwh[N:] = 0.2
    _, v = score(horas(kwh.size), kwh)
    assert not dispara(v, N + 29, "consumo_constante")


def test_una_carga_de_un_paso_del_contador_no_es_un_contador_parado() -> None:
    """A small load on a coarse meter stands still on its first step: low severity, no more."""
    rng = np.random.default_rng(7)
    kwh = np.round(hogar(N + 300), 1)
    kwh[N:] = 0.1
    kwh[:N] += 0.1 * (rng.random(N) < 0.5)
    _, v = score(horas(kwh.size), kwh)
    assert v.severidad[N:].max() <= 1


def test_noche_anomala_por_exceso_y_por_defecto() -> None:
    """A whole night at thrice the usual level fires, and so does one at a tenth."""
    for factor, salta in ((3.0, True), (0.1, True), (1.1, False)):
        kwh = estable(N + 6, ruido=0.1)
        kwh[N:] *= factor
        detector, v = score(horas(kwh.size), kwh)
        assert dispara(v, N + 5, "consumo_noche_anomalo") is salta, factor
        if salta:
            frase = explicacion(detector, v, N + 5, float(kwh[-1]), "consumo_noche_anomalo").frase
            assert frase.startswith("Lleva 6 horas de noche a ")


def test_de_dia_la_regla_nocturna_no_vota() -> None:
    """The night rule has no say by day, nor before the third hour of the night."""
    detector, v = score(horas(N + 24), estable(N + 24))
    nombres = [str(d.nombre) for d in detector.detectores]
    k = nombres.index("consumo_noche_anomalo")
    listas = ~np.isnan(v.scores[N:, k])
    assert np.flatnonzero(listas).tolist() == [2, 3, 4, 5]


def _madrid(kwh_de_hora: np.ndarray, desde: datetime, n: int) -> tuple[np.ndarray, np.ndarray]:
    h = np.arange(hora_absoluta(desde), hora_absoluta(desde) + n)
    return h, kwh_de_hora[MADRID.local(h) % 24]


@pytest.mark.parametrize(
    ("cambio", "horas_del_dia"),
    [(datetime(2026, 3, 29, tzinfo=ZULU), 23), (datetime(2026, 10, 25, tzinfo=ZULU), 25)],
)
def test_cambios_de_hora(cambio: datetime, horas_del_dia: int) -> None:
    """A customer whose habits follow the clock stays normal through both changes of the clock."""
    forma = 0.2 + 0.8 * np.exp(-0.5 * ((np.arange(24) - 21) / 1.5) ** 2)
    desde = cambio - timedelta(days=40)
    h, kwh = _madrid(forma, desde, 24 * 70)
    kwh = kwh * (1 + 0.03 * np.random.default_rng(5).standard_normal(h.size))
    detector = DetectorConsumo(MADRID)
    v = detector.score(lecturas(h, kwh))
    del_dia = v.hora_local // 24 == (cambio - datetime(1970, 1, 1, tzinfo=ZULU)).days
    assert del_dia.sum() == horas_del_dia
    despues = h > hora_absoluta(cambio) + 24
    assert (v.severidad[despues] <= 1).all()
    esperado = forma[v.hora_local[despues] % 24]
    np.testing.assert_allclose(v.esperado_kwh[despues], esperado, rtol=0.12)


def test_las_dos_horas_2_de_octubre_tienen_veredicto_propio() -> None:
    """On the 25-hour day the two readings with local hour 2 are two readings."""
    h = np.arange(hora_absoluta(datetime(2026, 10, 24, 22, tzinfo=ZULU)), 500_000)[:5]
    v = DetectorConsumo(MADRID).score(lecturas(h, np.ones(5)))
    assert (v.hora_local % 24).tolist() == [0, 1, 2, 2, 3]


def test_el_signo_de_la_z_sale_en_la_frase() -> None:
    """Below the expected value is said as below."""
    kwh = estable(N)
    detector, v = score(horas(N + 1), [*kwh, 0.2])
    assert "sigmas por debajo" in explicacion(detector, v, N, 0.2, "desviacion_estadistica").frase


def test_calendario_utc_y_madrid_difieren_en_la_hora_local() -> None:
    """Local time comes from the calendar, not from UTC."""
    h = horas(3)
    assert (MADRID.local(h) - UTC.local(h)).tolist() == [2, 2, 2]
