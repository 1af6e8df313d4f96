"""Promises of what happens in honest homes, and of attacks that last."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.domain import hora_absoluta
from detection.errors import ConfiguracionError
from detection.simulation.attack_courses import FORMAS, SIN_FIN, apply_course, make_course
from detection.simulation.attacks import AMPLIADOS, ETIQUETAS, LARGOS, apply_attack, make_attack
from detection.simulation.draws import index_of, make_time_axis
from detection.simulation.households import honest_consumption, make_household, round_to_meter
from detection.simulation.innocent_events import (
    DURACION_DIAS,
    INOCENTES,
    InnocentEvent,
    apply_event,
    make_event,
)
from serving.local_time import load_calendario

MADRID = load_calendario("Europe/Madrid")
DIA = 24
DESDE = hora_absoluta(datetime(2025, 3, 1, 23, tzinfo=UTC))
HASTA = DESDE + 330 * DIA
SUCESO = DESDE + 70 * DIA + 15
TIEMPO = make_time_axis(3, DESDE, HASTA, MADRID, frozenset())
INDICES = st.integers(0, 2**32 - 1)
TIPOS = st.sampled_from(INOCENTES)


def hogar(indice: int) -> np.ndarray:
    h = make_household(3, indice)
    return np.round(round_to_meter(h, honest_consumption(h, TIEMPO)), 2)


PROPIO, OTRO = hogar(3), hogar(8)


def suceso(evento: InnocentEvent, clave: tuple[int, int], paso: float = 0.01) -> tuple:
    return apply_event(evento, clave, TIEMPO, PROPIO, otro_kwh=OTRO, paso_kwh=paso)


@settings(max_examples=60, deadline=None)
@given(INDICES, TIPOS)
def test_antes_y_despues_no_se_toca_nada(indice: int, tipo: str) -> None:
    """Readings before the start, after the end and where it does not show stay bit for bit."""
    evento = make_event((5, indice), tipo, SUCESO)
    leido, tocado = suceso(evento, (5, indice))
    fuera = (TIEMPO.hora_utc < evento.inicio_hora) | (TIEMPO.hora_utc >= evento.fin_hora)
    assert not tocado[fuera].any()
    np.testing.assert_array_equal(leido[~tocado], PROPIO[~tocado])
    assert (leido[tocado] != PROPIO[tocado]).all()


@settings(max_examples=60, deadline=None)
@given(INDICES, TIPOS)
def test_es_lo_que_un_contador_dice(indice: int, tipo: str) -> None:
    """Readings are missing or finite, never negative, and whole steps of the meter's resolution."""
    leido, _ = suceso(make_event((5, indice), tipo, SUCESO), (5, indice))
    hay = ~np.isnan(leido)
    assert (leido[hay] >= 0.0).all()
    np.testing.assert_allclose(leido[hay], np.round(leido[hay], 2), atol=1e-9)
    assert hay.all() or tipo in {"corte_suministro", "huecos"}


@settings(max_examples=30, deadline=None)
@given(INDICES, TIPOS)
def test_la_misma_clave_el_mismo_suceso(indice: int, tipo: str) -> None:
    """Twice the same; another customer, or another seed, another one."""
    evento = make_event((5, indice), tipo, SUCESO)
    assert evento == make_event((5, indice), tipo, SUCESO)
    una, otra = (suceso(evento, (5, indice))[0] for _ in range(2))
    np.testing.assert_array_equal(una, otra)
    assert evento != make_event((6, indice), tipo, SUCESO)
    assert evento != make_event((5, indice + 1), tipo, SUCESO)


@settings(max_examples=30, deadline=None)
@given(INDICES, TIPOS, st.integers(1, 200))
def test_no_depende_de_lo_que_se_pregunte_despues(indice: int, tipo: str, dias: int) -> None:
    """A shorter stretch of the same home has the same readings, but for what is still to come."""
    if tipo == "hora_corrida":
        return  # it moves the next hour to this one
    evento = make_event((5, indice), tipo, SUCESO)
    corto = make_time_axis(3, DESDE, SUCESO + dias * DIA, MADRID, frozenset())
    n = corto.hora_utc.size
    leido, _ = apply_event(evento, (5, indice), corto, PROPIO[:n], otro_kwh=OTRO[:n], paso_kwh=0.01)
    np.testing.assert_array_equal(leido, suceso(evento, (5, indice))[0][:n])


@pytest.mark.parametrize("tipo", INOCENTES)
def test_cada_tipo_se_nota(tipo: str) -> None:
    """Each kind changes days of most homes, and lasts as long as it should."""
    cuantas = []
    for indice in range(20):
        evento = make_event((5, indice), tipo, SUCESO)
        cuantas.append(int(suceso(evento, (5, indice))[1].sum()))
        dias = (evento.fin_hora - evento.inicio_hora) / DIA
        menos, mas = DURACION_DIAS.get(tipo, (0, 0))
        assert evento.fin_hora == SIN_FIN if tipo not in DURACION_DIAS else menos <= dias <= mas
    assert np.median(cuantas) >= 10


def _dias(leido: np.ndarray) -> np.ndarray:
    """Return kWh by day, over the whole axis."""
    return np.bincount(TIEMPO.dia - TIEMPO.dia[0], np.nan_to_num(leido))


def test_lo_que_gasta_mas_y_lo_que_gasta_menos() -> None:
    """An absence is low and not zero; guests use more; panels never raise a reading."""
    fuera = make_event((5, 1), "ausencia", SUCESO)
    leido, tocado = suceso(fuera, (5, 1))
    assert 0.0 < leido[tocado].mean() < 0.5 * PROPIO[tocado].mean()
    leido, tocado = suceso(make_event((5, 1), "huespedes", SUCESO), (5, 1))
    assert 1.1 < leido[tocado].sum() / PROPIO[tocado].sum() < 2.5
    leido, tocado = suceso(make_event((5, 1), "autoconsumo", SUCESO), (5, 1))
    assert (leido <= PROPIO).all()
    assert set(TIEMPO.hora[tocado]) <= set(range(5, 23))


def test_una_vivienda_vacia_puede_quedar_a_cero() -> None:
    """About three of ten are switched off at the mains; the others keep their base load."""
    ceros = 0
    for indice in range(60):
        leido, _ = suceso(make_event((5, indice), "vivienda_vacia", SUCESO), (5, indice))
        ceros += not leido[TIEMPO.hora_utc >= SUCESO].any()
    assert 8 <= ceros <= 30


def test_el_inquilino_nuevo_es_otro_hogar() -> None:
    """From the day it moves in, the readings are the other home's own."""
    evento = make_event((5, 2), "cambio_inquilino", SUCESO)
    leido, _ = suceso(evento, (5, 2))
    dentro = TIEMPO.hora_utc >= SUCESO + evento.vacio_dias * DIA
    np.testing.assert_array_equal(leido[dentro], OTRO[dentro])
    with pytest.raises(ConfiguracionError, match="del siguiente"):
        apply_event(evento, (5, 2), TIEMPO, PROPIO)


@pytest.mark.parametrize("tipo", ["corte_suministro", "lectura_estimada"])
def test_el_total_llega_despues(tipo: str) -> None:
    """Where the sum comes afterwards, no energy is lost: it is in one large reading."""
    hallados = 0
    for indice in range(60):
        evento = make_event((5, indice), tipo, SUCESO)
        leido, tocado = suceso(evento, (5, indice), 0.001)
        if evento.con_total and leido[tocado].size and np.nanmin(leido[tocado]) >= 0.0:
            falta = PROPIO[tocado].sum() - np.nansum(leido[tocado])
            hallados += abs(falta) < 0.05
    assert hallados >= 15


def test_la_casa_del_sur_se_calienta_en_julio() -> None:
    """A heat pump of the southern hemisphere works in the northern summer."""
    julio = (TIEMPO.dia - TIEMPO.dia[0] > 125) & (TIEMPO.dia - TIEMPO.dia[0] < 155)
    de_cada = []
    for sur in (False, True):
        leido, _ = suceso(make_event((5, 4), "bomba_calor", SUCESO, sur=sur), (5, 4))
        de_cada.append((leido - PROPIO)[julio].sum())
    assert de_cada[1] > 2.0 * de_cada[0]


def test_un_tipo_que_no_hay_se_dice() -> None:
    """An unknown kind is refused, with those that there are."""
    with pytest.raises(ConfiguracionError, match="los hay: ausencia"):
        make_event((5, 1), "incendio", SUCESO)


# --- attacks that last ---


def curso(forma: str, tipo: str = "fraude_escala", indice: int = 4, acaba: bool = False) -> tuple:
    """Return the course, the readings under it, and where it has its hand in them."""
    clave = (5, indice)
    ataque = make_attack(*clave, tipo, SUCESO)
    entero = apply_attack(ataque, clave, TIEMPO, PROPIO, ultima_kwh=0.4, hora_inicio=17)
    c = make_course(clave, forma, SUCESO, acaba=acaba)
    return (c, *apply_course(c, TIEMPO, PROPIO, *entero))


@pytest.mark.parametrize("forma", FORMAS)
@pytest.mark.parametrize("tipo", [*ETIQUETAS[1:], *AMPLIADOS, *LARGOS])
def test_un_ataque_dura_de_cualquier_forma(forma: str, tipo: str) -> None:
    """Nothing before the start, and months of every kind of attack in every form."""
    _, leido, tocado = curso(forma, tipo)
    assert not tocado[TIEMPO.hora_utc < SUCESO].any()
    np.testing.assert_array_equal(leido[~tocado], PROPIO[~tocado])
    ultimos = tocado & (TIEMPO.hora_utc >= SUCESO + 150 * DIA)
    assert ultimos.any() or forma == "por_semanas"
    assert (leido >= 0.0).all()


def test_el_que_crece_llega_a_su_tamano() -> None:
    """A growing attack moves nearly nothing on its first day, and all in the end."""
    c, leido, tocado = curso("creciente")
    _, entero, _ = curso("sostenido")
    primer_dia = tocado & (TIEMPO.hora_utc < SUCESO + DIA)
    assert (
        np.abs(leido - PROPIO)[primer_dia].sum() < 0.1 * np.abs(entero - PROPIO)[primer_dia].sum()
    )
    crecido = TIEMPO.hora_utc >= SUCESO + c.subida_dias * DIA
    np.testing.assert_array_equal(leido[crecido], entero[crecido])


def test_el_que_para_descansa() -> None:
    """One pauses by the week, one at week-ends; one that ends does so after 60 to 210 days."""
    c, _, tocado = curso("por_semanas")
    semana = (TIEMPO.hora_utc - SUCESO) // (7 * DIA) % (c.semanas_activas + c.semanas_quietas)
    despues = TIEMPO.hora_utc >= SUCESO
    np.testing.assert_array_equal(tocado[despues], (semana < c.semanas_activas)[despues])
    _, _, tocado = curso("laborables")
    assert set(TIEMPO.descanso[tocado]) == {0}
    c, _, tocado = curso("sostenido", acaba=True)
    assert 60 * DIA <= c.fin_hora - SUCESO <= 210 * DIA
    assert not tocado[TIEMPO.hora_utc >= c.fin_hora].any()


def test_las_mismas_horas_a_cero_cada_dia() -> None:
    """The same four to twelve local hours read zero on every day."""
    _, leido, tocado = curso("sostenido", "fraude_franja")
    horas = set(TIEMPO.hora[tocado].tolist())
    assert 4 <= len(horas) <= 12
    assert not leido[tocado].any()


def test_el_nombre_dice_el_sorteo() -> None:
    """What is drawn for a customer depends on its name alone."""
    assert index_of("US-CA-03") == index_of("US-CA-03") != index_of("US-CA-04")
