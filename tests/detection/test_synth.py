"""Promises of the synthetic households and of what is done to their meters."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.domain import hora_absoluta
from detection.errors import ConfiguracionError
from detection.simulation import synthesis
from detection.simulation.attacks import (
    ETIQUETAS,
    FACTOR_PUBLICADO,
    FACTOR_VISIBLE,
    FRAUDES,
    lamps_lit,
)
from detection.simulation.draws import make_time_axis
from detection.simulation.synthesis import (
    GeneratedReadings,
    SimulatedCustomer,
    make_customer,
    make_population,
)
from serving.local_time import load_calendario

MADRID = load_calendario("Europe/Madrid")
DIA = 24
INICIO = hora_absoluta(datetime(2026, 9, 25, 22, tzinfo=UTC))
FIN = INICIO + 60 * DIA
ATAQUE = INICIO + 30 * DIA + 7
SEMILLAS = st.integers(0, 2**40)
INDICES = st.integers(1, 99_999)
TIPOS = st.sampled_from((None, *synthesis.TIPOS_SOSPECHOSOS))


def generar(
    *clientes: SimulatedCustomer, desde: int = INICIO, hasta: int = FIN
) -> GeneratedReadings:
    return synthesis.generate(clientes, desde, hasta, MADRID)


def kwh(cliente: SimulatedCustomer, desde: int = INICIO, hasta: int = FIN) -> np.ndarray:
    return generar(cliente, desde=desde, hasta=hasta).consumo_kwh


def atacado(tipo: str, indice: int = 3, semilla: int = 5, **extra: bool) -> tuple[np.ndarray, ...]:
    """Return the honest readings, those under attack, and where they are labelled."""
    honesto = kwh(make_customer(semilla, indice))
    datos = generar(make_customer(semilla, indice, tipo, ATAQUE, **extra))
    return honesto, datos.consumo_kwh, np.array(datos.etiqueta) != "normal"


def dias_locales(desde: int = INICIO, hasta: int = FIN) -> np.ndarray:
    return MADRID.local(np.arange(desde, hasta)) // DIA


def arquetipo(nombre: str) -> SimulatedCustomer:
    clientes = (make_customer(11, i) for i in range(1, 2000))
    return next(c for c in clientes if c.hogar.arquetipo == nombre)


@settings(max_examples=40, deadline=None)
@given(SEMILLAS, INDICES, TIPOS, st.integers(-900, 900), st.integers(1, 60), st.integers(1, 60))
def test_hours_can_be_cut_anywhere(
    semilla: int, indice: int, tipo: str | None, desde: int, primeras: int, segundas: int
) -> None:
    """[a, b) and [b, c) are [a, c): live data continue the history, also over clock changes."""
    a = ATAQUE + desde
    b, c = a + primeras, a + primeras + segundas
    cliente = make_customer(semilla, indice, tipo, ATAQUE)
    entero = generar(cliente, desde=a, hasta=c)
    antes, despues = generar(cliente, desde=a, hasta=b), generar(cliente, desde=b, hasta=c)
    np.testing.assert_array_equal(
        np.concatenate([antes.consumo_kwh, despues.consumo_kwh]), entero.consumo_kwh
    )
    assert antes.etiqueta + despues.etiqueta == entero.etiqueta


@settings(max_examples=30, deadline=None)
@given(SEMILLAS, INDICES, TIPOS)
def test_readings_are_what_a_meter_reports(semilla: int, indice: int, tipo: str | None) -> None:
    """Readings are finite, never negative, and whole steps of the meter's resolution."""
    cliente = make_customer(semilla, indice, tipo, ATAQUE)
    leido = kwh(cliente)
    assert np.isfinite(leido).all()
    assert (leido >= 0).all()
    np.testing.assert_array_equal(leido, np.round(leido, cliente.hogar.decimales))


def test_a_customer_does_not_depend_on_the_others() -> None:
    """Customer 7 of a seed is the same alone, among 20, and among 200."""
    solo = kwh(make_customer(3, 7))
    for cuantos in (20, 200):
        poblacion = make_population(3, cuantos, 0, INICIO, FIN)
        datos = generar(*poblacion)
        np.testing.assert_array_equal(datos.consumo_kwh[6::cuantos], solo)
        assert datos.propietario_id[6] == "CLI_00007"


def test_another_seed_is_another_town() -> None:
    """The same customer of two seeds differs in nearly every hour."""
    assert (kwh(make_customer(3, 7)) == kwh(make_customer(4, 7))).mean() < 0.1


def test_rows_come_hour_after_hour() -> None:
    """Readings are ordered as a live stream brings them: by hour, then by customer."""
    datos = generar(make_customer(1, 1), make_customer(1, 2), hasta=INICIO + 2)
    assert datos.propietario_id == ["CLI_00001", "CLI_00002"] * 2
    assert datos.hora_utc.tolist() == [INICIO, INICIO, INICIO + 1, INICIO + 1]
    assert len(datos.lecturas()) == len(datos) == 4


@settings(max_examples=30, deadline=None)
@given(SEMILLAS, INDICES, st.sampled_from(synthesis.TIPOS_SOSPECHOSOS))
def test_labels_tell_the_truth(semilla: int, indice: int, tipo: str) -> None:
    """All is normal before the start; what is "normal" is honest; a customer has one kind."""
    cliente = make_customer(semilla, indice, tipo, ATAQUE)
    datos = generar(cliente)
    etiqueta = np.array(datos.etiqueta)
    assert set(etiqueta) <= {"normal", cliente.sospechoso} <= set(ETIQUETAS)
    assert (etiqueta[: ATAQUE - INICIO] == "normal").all()
    assert (etiqueta[ATAQUE - INICIO :] != "normal").any()
    normal = etiqueta == "normal"
    np.testing.assert_array_equal(
        datos.consumo_kwh[normal], kwh(make_customer(semilla, indice))[normal]
    )


def test_fraude_is_one_of_the_seven() -> None:
    """Asking for "fraude" draws among the seven frauds, and all of them come up."""
    vistos = {make_customer(1, i, "fraude", ATAQUE).sospechoso for i in range(1, 200)}
    assert vistos == set(FRAUDES)


def test_escala_reports_a_constant_share() -> None:
    """Every reading is the same share of the truth, between 0.1 and 0.8."""
    honesto, leido, tocado = atacado("fraude_escala")
    factor = make_customer(5, 3, "fraude_escala", ATAQUE).ataque.factor
    assert FACTOR_PUBLICADO[0] <= factor <= FACTOR_PUBLICADO[1]
    assert tocado.sum() == FIN - ATAQUE
    np.testing.assert_allclose(leido[tocado], factor * honesto[tocado], atol=0.051)


def test_ceros_has_a_window_of_four_hours_or_more_every_day() -> None:
    """On every day one run of at least 4 hours reads zero; the other hours are untouched."""
    _, leido, tocado = atacado("fraude_ceros")
    dias = dias_locales()
    for dia in np.unique(dias)[32:-1]:
        marcas = tocado[dias == dia]
        assert marcas.sum() >= 4
        assert np.count_nonzero(np.diff(np.r_[0, marcas, 0])) == 2
        assert (leido[dias == dia][marcas] == 0).all()


@pytest.mark.parametrize("tipo", ["fraude_escala_aleatoria", "fraude_media_aleatoria"])
def test_random_factors_are_new_every_hour(tipo: str) -> None:
    """The share of the truth, or of the day's mean, is uniform in (0.1, 0.8), hour by hour."""
    honesto, leido, _ = atacado(tipo, indice=8)
    dias = dias_locales()
    enteros = np.isin(dias, np.unique(dias)[32:-1])
    media = np.array([honesto[dias == d].mean() for d in dias[enteros]])
    base = honesto[enteros] if tipo == "fraude_escala_aleatoria" else media
    factor = leido[enteros] / base
    assert factor.min() > 0.09
    assert factor.max() < 0.82
    assert factor.mean() == pytest.approx(0.45, abs=0.04)
    assert factor.std() == pytest.approx(0.7 / np.sqrt(12), abs=0.03)
    assert abs(np.corrcoef(factor[1:], factor[:-1])[0, 1]) < 0.15


def test_media_is_flat_at_the_days_mean() -> None:
    """Each whole day reads its own honest mean, 24 (or 25) times."""
    honesto, leido, _ = atacado("fraude_media")
    dias = dias_locales()
    for dia in np.unique(dias)[32:-1]:
        del_dia = dias == dia
        assert np.unique(leido[del_dia]).size == 1
        assert leido[del_dia][0] == pytest.approx(honesto[del_dia].mean(), abs=0.051)


def test_inversion_turns_the_day_round() -> None:
    """Each whole day is the honest day from its last hour to its first, also one of 25 hours."""
    octubre = hora_absoluta(datetime(2026, 10, 24, 22, tzinfo=UTC))
    cliente = make_customer(5, 3, "fraude_inversion", octubre)
    honesto = kwh(make_customer(5, 3), octubre, octubre + 25)
    np.testing.assert_array_equal(kwh(cliente, octubre, octubre + 25), honesto[::-1])


def test_puente_nocturno_hides_the_night() -> None:
    """From about 23 to 6 h the meter sees 5 to 30 %; by day it sees everything."""
    honesto, leido, tocado = atacado("puente_nocturno")
    hora = MADRID.local(np.arange(INICIO, FIN)) % DIA
    assert {23, 0, 1, 2, 3, 4} <= set(hora[tocado]) <= {22, 23, 0, 1, 2, 3, 4, 5, 6}
    assert tocado.sum() >= 6 * 28
    assert 0.04 < leido[tocado].sum() / honesto[tocado].sum() < 0.31


def test_picos_are_few_high_and_apart() -> None:
    """One to three hours a day, 3 to 10 times the larger of hour and daily mean, never adjacent."""
    honesto, leido, tocado = atacado("picos", indice=4)
    dias = dias_locales()
    enteros = np.unique(dias)[32:-1]
    cuentas = np.array([tocado[dias == d].sum() for d in enteros])
    assert set(cuentas) == {1, 2, 3}
    assert not (tocado[1:] & tocado[:-1]).any()
    for d in enteros:
        del_dia = dias == d
        base = np.maximum(honesto[del_dia], honesto[del_dia].mean())[tocado[del_dia]]
        veces = leido[del_dia][tocado[del_dia]] / base
        assert ((veces > 2.9) & (veces < 10.1)).all()


def test_congelado_repeats_its_last_value() -> None:
    """From the start on every reading equals the last honest one."""
    honesto, leido, tocado = atacado("congelado")
    assert set(leido[tocado]) == {honesto[ATAQUE - INICIO - 1]}
    assert tocado.sum() == FIN - ATAQUE


def test_cannabis_lights_18_hours_then_12() -> None:
    """Lamps burn 18 h a day for 3 to 4 weeks, then 12 h, as flat plateaus far above the rest."""
    cliente = make_customer(5, 3, "cannabis", INICIO, visible=True)
    ataque = cliente.ataque
    extra = kwh(cliente) - kwh(make_customer(5, 3))
    encendida = extra > 0.7 * ataque.lamparas_kw
    np.testing.assert_array_equal(
        encendida,
        lamps_lit(ataque, np.arange(INICIO, FIN), int(MADRID.local(np.array([INICIO]))[0]) % DIA),
    )
    al_dia = encendida.reshape(-1, DIA).sum(axis=1)
    cambio = ataque.crecimiento_dias
    assert 21 <= cambio <= 28
    assert (al_dia[:cambio] == 18).all()
    assert (al_dia[cambio:] == 12).all()
    assert 1.5 < ataque.lamparas_kw <= 12
    meseta = extra[encendida]
    assert meseta.std() / meseta.mean() < 0.03
    assert extra[~encendida].max() < 0.2 * meseta.mean()


def test_cannabis_harvests_and_starts_again() -> None:
    """After flowering the lamps rest some days, and the next crop begins with 18 hours."""
    cliente = make_customer(5, 3, "cannabis", INICIO, visible=True)
    ataque = cliente.ataque
    ciclo = ataque.crecimiento_dias + ataque.floracion_dias + ataque.pausa_dias
    luz = lamps_lit(ataque, np.arange(INICIO, INICIO + (ciclo + 1) * DIA), 0)
    al_dia = luz.reshape(-1, DIA).sum(axis=1)
    assert (al_dia[ciclo - ataque.pausa_dias : ciclo] == 0).all()
    assert al_dia[ciclo] == 18


@pytest.mark.parametrize(("mes", "dia", "horas"), [(10, 25, 25), (3, 29, 23), (6, 1, 24)])
def test_days_have_the_hours_that_the_clock_gives_them(mes: int, dia: int, horas: int) -> None:
    """2026-10-25 has 25 readings, 2026-03-29 has 23, and no two of them are one draw."""
    centro = hora_absoluta(datetime(2026, mes, dia, 12, tzinfo=UTC))
    intervalo = np.arange(centro - 40, centro + 40)
    del_dia = dias_locales(centro - 40, centro + 40) == (
        datetime(2026, mes, dia, tzinfo=UTC).toordinal() - datetime(1970, 1, 1).toordinal()
    )
    desde = int(intervalo[del_dia][0])
    datos = generar(make_customer(2, 9), desde=desde, hasta=desde + int(del_dia.sum()))
    assert len(datos) == horas
    hora = MADRID.local(datos.hora_utc) % DIA
    assert (hora == 2).sum() == horas - 23
    assert np.unique(datos.consumo_kwh).size > horas - 4
    if horas == 25:
        dos = datos.consumo_kwh[hora == 2]
        assert dos[0] != dos[1]


@pytest.mark.parametrize(("dias", "limpios"), [(60, 28), (40, 22)])
def test_population_of_the_demo(dias: int, limpios: int) -> None:
    """Eight suspicious of fifty: spread ids, varied kinds, clean days first, 8 days to be seen."""
    hasta = INICIO + dias * DIA
    for semilla in range(8):
        poblacion = make_population(semilla, 50, 8, INICIO, hasta)
        sospechosos = [c for c in poblacion if c.ataque]
        assert [c.propietario_id for c in poblacion] == [f"CLI_{i:05d}" for i in range(1, 51)]
        assert [c.sospechoso for c in sospechosos] == [
            "cannabis",
            "fraude_escala",
            "puente_nocturno",
            "picos",
            "congelado",
            "fraude_ceros",
            "cannabis",
            "fraude_media_aleatoria",
        ]
        indices = [c.hogar.indice for c in sospechosos]
        assert indices[-1] > 40
        assert indices[0] < 12
        assert max(np.diff(indices)) < 15
        for c in sospechosos:
            assert limpios <= (c.ataque.inicio_hora - INICIO) / DIA
            assert (hasta - c.ataque.inicio_hora) / DIA >= 8
            assert c.hogar.arquetipo != "segunda_residencia"
        assert FACTOR_VISIBLE[0] <= sospechosos[1].ataque.factor <= FACTOR_VISIBLE[1]


def test_suspects_are_the_households_that_they_would_be() -> None:
    """Being suspicious changes the readings, never the household."""
    malos = make_population(1, 12, 12, INICIO, FIN)
    buenos = make_population(1, 12, 0, INICIO, FIN)
    assert [c.hogar for c in malos] == [c.hogar for c in buenos]
    assert {c.sospechoso for c in malos} == set(ETIQUETAS[1:])


def test_population_looks_like_real_meters() -> None:
    """Level, spread, tails and rhythm lie where real households of four countries lie.

    Real (Belgium, London, California, 10 to 90 %): mean 0.15-1.4 kWh/h, variation 0.55-1.6,
    correlation with the same hour of yesterday 0.18-0.71, |z| > 3 in 1.9-4.1 % of hours, more
    than 2.5 times the same-hour mean in 1.2-7.7 %, repeated values 0-19 %.
    """
    n = 60
    x = generar(*make_population(9, n, 0, INICIO, FIN)).consumo_kwh.reshape(-1, n).T
    media = x.mean(axis=1)
    assert 0.3 < np.median(media) < 1.0
    assert 0.6 < np.median(x.std(axis=1) / media) < 1.2
    ayer = [np.corrcoef(fila[DIA:], fila[:-DIA])[0, 1] for fila in x]
    assert 0.18 < np.median(ayer) < 0.71
    assert np.mean(x[:, 1:] == x[:, :-1]) < 0.06
    z, veces = [], []
    for t in range(28 * DIA, x.shape[1]):
        antes = x[:, t - 28 * DIA : t : DIA]
        z.append(np.abs(x[:, t] - antes.mean(axis=1)) > 3 * antes.std(axis=1))
        veces.append(x[:, t] > 2.5 * antes.mean(axis=1))
    assert 0.02 < np.mean(z) < 0.04
    assert 0.02 < np.mean(veces) < 0.06


def test_weather_moves_every_heated_house() -> None:
    """Cold days are dear ones in each electrically heated house: they share one weather."""
    enero = hora_absoluta(datetime(2026, 1, 1, 23, tzinfo=UTC))
    tiempo = make_time_axis(11, enero, enero + 60 * DIA, MADRID, frozenset())
    frio = tiempo.temperatura_c[DIA:].reshape(-1, DIA).mean(axis=1)
    assert 0 < frio.mean() < 12
    for cliente in make_population(11, 100, 0, enero, enero + 1):
        if cliente.hogar.arquetipo == "calefaccion_electrica":
            por_dia = kwh(cliente, enero, enero + 60 * DIA).reshape(-1, DIA).sum(axis=1)
            assert np.corrcoef(frio, por_dia)[0, 1] < -0.3


def test_a_shop_closes_on_sundays_and_holidays() -> None:
    """A shop uses far less on a Sunday, and on a holiday as on a Sunday."""
    tienda = arquetipo("comercio")
    por_dia = kwh(tienda, INICIO, INICIO + 28 * DIA).reshape(-1, DIA).sum(axis=1)
    lunes = hora_absoluta(datetime(2026, 9, 27, 22, tzinfo=UTC))
    semana = kwh(tienda, lunes, lunes + 7 * DIA).reshape(7, DIA).sum(axis=1)
    assert semana[6] < 0.6 * semana[:6].min()
    assert por_dia.max() > 2 * por_dia.min()
    martes = int(MADRID.local(np.array([lunes + DIA]))[0]) // DIA
    datos = synthesis.generate([tienda], lunes + DIA, lunes + 2 * DIA, MADRID, {martes})
    assert datos.consumo_kwh.sum() < 0.6 * semana[1]


def test_an_absence_leaves_the_base_load() -> None:
    """While a family travels, its meter still moves: standby and fridge, nothing else."""
    verano = hora_absoluta(datetime(2026, 7, 1, 22, tzinfo=UTC))
    con_ausencia = 0
    for indice in range(1, 60):
        cliente = make_customer(21, indice)
        if cliente.hogar.arquetipo == "familia":
            por_dia = kwh(cliente, verano, verano + 60 * DIA).reshape(-1, DIA)
            vacios = por_dia.sum(axis=1) < 0.5 * np.median(por_dia.sum(axis=1))
            if vacios.sum() >= 3:
                assert por_dia[vacios].min() > 0
                assert np.unique(por_dia[vacios]).size > 3
                con_ausencia += 1
    assert con_ausencia >= 3


def test_every_archetype_lives_somewhere() -> None:
    """A large population holds every kind of customer, none of them more than a third."""
    cuales = [make_customer(4, i).hogar.arquetipo for i in range(1, 1001)]
    cuentas = {nombre: cuales.count(nombre) for nombre in set(cuales)}
    assert len(cuentas) == 10
    assert max(cuentas.values()) < 333


def test_nothing_asked_is_nothing_given() -> None:
    """No customers or no hours give no readings."""
    assert len(generar()) == 0
    assert len(generar(make_customer(1, 1), desde=INICIO, hasta=INICIO)) == 0


def test_nonsense_is_refused() -> None:
    """Unknown kinds, customer 0, too many suspects, hours before 2000: one clear line."""
    with pytest.raises(ConfiguracionError, match="no existe el tipo «robo»"):
        make_customer(1, 1, "robo", INICIO)
    with pytest.raises(ConfiguracionError, match="desde 1"):
        make_customer(1, 0)
    with pytest.raises(ConfiguracionError, match="3 sospechosos entre 2 clientes"):
        make_population(1, 2, 3, INICIO, FIN)
    with pytest.raises(ConfiguracionError, match="antes de 2000"):
        generar(make_customer(1, 1), desde=0, hasta=24)
