"""Promises of the whole detector, for any reading."""

from __future__ import annotations

import numpy as np
import pytest
from apoyo import LUNES, MADRID, UTC, hogar, horas, lecturas, score
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.detector import DetectorConsumo
from detection.domain import TIPOS, Lecturas, Veredictos, nombres_de_tipos
from detection.params import Params
from detection.rules.registry import CALIBRACIONES, DETECTORES

N = 24 * 35
SEMILLAS = st.integers(0, 10_000)


def _iguales(a: Veredictos, b: Veredictos) -> None:
    for campo in (
        "score_centesimas",
        "severidad",
        "tipos",
        "es_sospechoso",
        "esperado_kwh",
        "scores",
    ):
        np.testing.assert_array_equal(getattr(a, campo), getattr(b, campo), err_msg=campo)


def _varios(semilla: int, clientes: int = 3, dias: int = 32) -> Lecturas:
    """Return some customers, hour by hour: an attack, gaps, late readings, corrections."""
    rng = np.random.default_rng(semilla)
    n = 24 * dias
    kwh = np.stack([hogar(n, semilla + c) for c in range(clientes)])
    kwh[0, n - 100 :] *= 0.2
    kwh[1, n - 80 :] = 0.3
    h = np.repeat(horas(n), clientes)
    quien = np.tile(np.arange(clientes), n)
    valor = kwh[quien, h - LUNES]
    orden = np.argsort(h + rng.integers(0, 30, h.size) * (rng.random(h.size) < 0.05), kind="stable")
    orden = orden[rng.random(h.size) > 0.02]
    repetidas = rng.choice(orden, 40)
    orden = np.concatenate([orden, repetidas])
    factor = np.ones(orden.size)
    factor[-40:] = rng.uniform(0.5, 2.0, 40)
    return Lecturas([f"CLI_{c}" for c in quien[orden]], h[orden], valor[orden] * factor)


@settings(max_examples=8, deadline=None)
@given(SEMILLAS, st.integers(1, 700))
def test_de_una_en_una_da_lo_mismo_que_en_lotes(semilla: int, corte: int) -> None:
    """One by one equals any batch cut, with gaps, late readings and corrections among them."""
    todas = _varios(semilla)
    juntas = DetectorConsumo(MADRID).score(todas)
    detector = DetectorConsumo(MADRID)
    partes = [
        detector.score(todas.elegir(np.arange(i, min(i + corte, len(todas)))))
        for i in range(0, len(todas), corte)
    ]
    for campo in ("score_centesimas", "tipos", "es_sospechoso", "scores"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(p, campo) for p in partes]), getattr(juntas, campo)
        )


@settings(max_examples=10, deadline=None)
@given(SEMILLAS, st.integers(24 * 29, N - 1))
def test_un_veredicto_no_cambia_con_lecturas_posteriores(semilla: int, corte: int) -> None:
    """A verdict uses no later reading."""
    kwh = hogar(N, semilla)
    kwh[N - 60 :] *= 4
    _, todo = score(horas(N), kwh)
    _, parte = score(horas(corte), kwh[:corte])
    np.testing.assert_array_equal(todo.score_centesimas[:corte], parte.score_centesimas)
    np.testing.assert_array_equal(todo.scores[:corte], parte.scores)


@settings(max_examples=10, deadline=None)
@given(SEMILLAS)
def test_dos_veces_es_igual_que_una(semilla: int) -> None:
    """The last days again, in order, give the same verdicts and leave the same state."""
    kwh = hogar(N, semilla)
    kwh[N - 40 :] *= 3
    detector, primera = score(horas(N), kwh)
    valores = detector.ring.valores.copy()
    veredictos = detector.ring.veredictos.copy()
    ganancia = detector.ring.ganancia_dia.copy()
    cuenta = detector.ring.cuenta_dia.copy()
    desde = N - 90
    otra = detector.score(lecturas(horas(N)[desde:], kwh[desde:]))
    _iguales(otra, primera.elegir(np.arange(desde, N)))
    np.testing.assert_array_equal(valores, detector.ring.valores)
    np.testing.assert_array_equal(veredictos, detector.ring.veredictos)
    np.testing.assert_array_equal(ganancia, detector.ring.ganancia_dia)
    np.testing.assert_array_equal(cuenta, detector.ring.cuenta_dia)


@settings(max_examples=15, deadline=None)
@given(SEMILLAS, st.lists(st.floats(0, 10_000), min_size=1, max_size=30))
def test_el_score_esta_entre_cero_y_uno_y_concuerda_con_la_severidad(
    semilla: int, cola: list[float]
) -> None:
    """Any kWh at all: scores lie in [0, 1] or are not ready, and severidad follows the score."""
    kwh = np.concatenate([hogar(N, semilla), np.array(cola)])
    _, v = score(horas(kwh.size), kwh)
    listos = v.scores[~np.isnan(v.scores)]
    assert ((listos >= 0) & (listos <= 1)).all()
    assert (v.score_centesimas <= 100).all()
    p = Params()
    umbrales = [p.umbral_baja, p.umbral_media, p.umbral_alta, p.umbral_critica]
    np.testing.assert_array_equal(v.severidad, np.digitize(v.score_centesimas, umbrales))
    anomala = v.severidad > 0
    assert (v.tipos[anomala] > 0).all(), "an anomaly always has a reason"
    esperado = ~np.isnan(v.esperado_kwh)
    assert (v.banda_inferior_kwh[esperado] <= v.esperado_kwh[esperado]).all()
    assert (v.banda_superior_kwh[esperado] >= v.esperado_kwh[esperado]).all()


@settings(max_examples=10, deadline=None)
@given(SEMILLAS, st.floats(1.0, 30.0), st.floats(1.0, 3.0))
def test_un_pico_mayor_nunca_puntua_menos(semilla: int, factor: float, mas: float) -> None:
    """A bigger spike never scores lower."""
    kwh = hogar(N, semilla)
    pico = kwh.copy()
    pico[-1] *= factor
    mayor = kwh.copy()
    mayor[-1] *= factor * mas
    _, a = score(horas(N), pico)
    _, b = score(horas(N), mayor)
    if pico[-1] >= a.esperado_kwh[-1]:
        assert b.score_centesimas[-1] >= a.score_centesimas[-1]


@settings(max_examples=10, deadline=None)
@given(SEMILLAS, st.sampled_from([0.25, 0.5, 2.0, 4.0, 64.0]))
def test_la_escala_del_cliente_no_cambia_los_scores(semilla: int, escala: float) -> None:
    """All of a customer's kWh times a factor: the same scores, but for the lamp's absolute kW."""
    kwh = hogar(N, semilla).astype(np.float32).astype(float)
    kwh[N - 30 :] *= 0.25
    _, a = score(horas(N), kwh)
    _, b = score(horas(N), kwh * escala)
    sin_lamparas = [k for k, d in enumerate(DETECTORES) if d.nombre != "plantacion_cannabis"]
    np.testing.assert_allclose(a.scores[:, sin_lamparas], b.scores[:, sin_lamparas], atol=2e-5)


def test_cada_lectura_se_explica_con_todos_los_detectores() -> None:
    """Every detector speaks on every reading: a score or "not ready", a weight, one sentence."""
    kwh = hogar(N)
    kwh[-1] = 9.0
    detector, v = score(horas(N), kwh)
    explicaciones = detector.explain(v, N - 1, 9.0)
    assert [e.detector for e in explicaciones] == [str(t) for t in TIPOS]
    for e in explicaciones:
        assert e.frase.endswith(".")
        assert 0 <= e.peso <= 1
        assert e.score is None or 0 <= e.score <= 1
    disparan = {e.detector for e in explicaciones if e.dispara}
    assert disparan == set(nombres_de_tipos(int(v.tipos[-1])))


def test_el_registro_sigue_el_orden_de_los_tipos_y_todos_tienen_calibracion() -> None:
    """Bit i of a verdict is detector i, and each one is calibrated."""
    detector = DetectorConsumo(UTC)
    assert detector.detectores[:-2] == DETECTORES
    assert [d.nombre for d in detector.detectores] == list(TIPOS)
    assert set(CALIBRACIONES) == {str(t) for t in TIPOS}


def test_cinco_kilobytes_por_cliente() -> None:
    """The state of a customer is at most 5 000 bytes, and forgetting gives its row back."""
    detector, _ = score(horas(10), hogar(10))
    assert detector.ring.bytes_per_customer() <= 5_000
    detector.forget(["CLI_00001"])
    assert len(detector.ring) == 0
    otra = detector.ring.add("CLI_00002")
    assert otra == 0
    assert np.isnan(detector.ring.valores[otra]).all()


def test_muchos_clientes_crecen_sin_perder_a_nadie() -> None:
    """Rows grow as customers come, and nobody's past is lost in it."""
    detector = DetectorConsumo(UTC)
    ids = [f"CLI_{i:05d}" for i in range(500)]
    for hora in range(3):
        detector.score(Lecturas(ids, np.full(500, LUNES + hora), np.arange(500) + hora / 10))
    fila = detector.ring.row("CLI_00321")
    vistos = detector.ring.valores[fila]
    np.testing.assert_allclose(np.sort(vistos[~np.isnan(vistos)]), [321.0, 321.1, 321.2], rtol=1e-6)


def test_una_hora_fuera_del_calendario_se_rechaza() -> None:
    """A reading whose window leaves the calendar is refused, not looked up in somebody's memory."""
    for hora in (MADRID.desde_hora, MADRID.desde_hora + MADRID.desfase_horas.size):
        with pytest.raises(ValueError, match="fuera de los años"):
            score(np.array([hora]), [1.0], MADRID)
