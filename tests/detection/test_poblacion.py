"""Promises of the shared population: a name is one household, whoever asks for it and when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.errors import ConfiguracionError
from detection.simulation.attacks import NORMAL
from detection.simulation.population import (
    SEMILLA,
    SEMILLA_MAXIMA,
    customer,
    customers,
    name_of,
    scene,
)
from detection.simulation.synthesis import SimulatedCustomer
from pipeline.generator.service import generate_lecturas

DIA = 24
ENERO = 490_896
"""2026-01-01T00:00Z."""
instantes = st.integers(ENERO, ENERO + 365 * DIA)


def leer(
    clientes: Sequence[SimulatedCustomer], desde: int, hasta: int
) -> dict[tuple[str, int], tuple]:
    s = generate_lecturas(clientes, desde, hasta, "Europe/Madrid")
    identidades = zip(s.propietario_id, s.hora_utc.tolist(), strict=True)
    return dict(zip(identidades, zip(s.consumo_kwh.tolist(), s.etiqueta, strict=True), strict=True))


@settings(max_examples=15, deadline=None)
@given(
    instantes,
    st.integers(0, 40 * DIA),
    st.integers(1, 12),
    st.one_of(st.none(), st.integers(0, 12)),
    st.integers(1, 20),
)
def test_the_same_hour_of_a_name_is_the_same_reading(
    desde: int, mas_tarde: int, clientes: int, sospechosos: int | None, otros: int
) -> None:
    """Another number of customers or suspects, another start: never another kWh, nor label."""
    if sospechosos is not None:
        sospechosos = min(sospechosos, clientes)
    luego = desde + mas_tarde % (3 * DIA)
    una = leer(customers(SEMILLA, clientes, sospechosos, desde, desde + 5 * DIA), desde, luego + 30)
    otra = leer(customers(SEMILLA, otros, None, luego, luego + DIA), luego, luego + DIA)
    comunes = una.keys() & otra.keys()
    assert sospechosos is not None or comunes
    assert {k: una[k] for k in comunes} == {k: otra[k] for k in comunes}


def test_a_demo_shows_customers_of_the_producer() -> None:
    """Whoever a scene chooses, its readings are those that the producer sends by that name."""
    hasta = ENERO + 200 * DIA
    escena = scene(SEMILLA, 50, 8, hasta - 60 * DIA, hasta)
    suyas = leer(escena, hasta - 3 * DIA, hasta)
    numeros = [int(c.propietario_id.removeprefix("CLI_")) for c in escena]
    enviadas = leer([customer(SEMILLA, i) for i in numeros], hasta - 2 * DIA, hasta)
    assert enviadas.items() <= suyas.items()
    assert numeros[0] == 1
    assert len(set(numeros)) == 50


@pytest.mark.parametrize("dia", range(0, 365, 45))
@pytest.mark.parametrize(("clientes", "dias"), [(50, 60), (8, 36), (200, 60)])
def test_a_scene_begins_clean_and_ends_suspicious(dia: int, clientes: int, dias: int) -> None:
    """On any day of the year: so many suspects begin in it and go on at its end, no others."""
    hasta = ENERO + dia * DIA
    desde, malos = hasta - dias * DIA, clientes * 8 // 50
    escena = scene(SEMILLA, clientes, malos, desde, hasta)
    ataques = [list(c.ataques(desde, hasta)) for c in escena if c.ataque is not None]
    assert len(escena) == clientes
    assert len(ataques) == malos
    for (ataque, fin), *mas in ataques:
        assert not mas
        assert desde + 5 * DIA < ataque.inicio_hora < hasta - 2 * DIA
        assert fin > hasta + DIA
    if clientes == 50:
        assert len({c.sospechoso for c in escena if c.ataque is not None}) == 7


@given(instantes)
@settings(max_examples=30, deadline=None)
def test_eight_of_fifty_are_suspicious_at_any_moment(hora: int) -> None:
    """The share that the documents give holds whenever it is asked for."""
    activos = [c for c in customers(SEMILLA, 100, None, 0, 0) if [*c.ataques(hora, hora + 1)]]
    assert len(activos) == 16
    assert all(int(c.propietario_id[4:]) > 1 for c in activos)


def test_the_number_of_suspects_chooses_customers() -> None:
    """``sospechosos``: that many do something in the interval, the others nothing."""
    desde, hasta = ENERO, ENERO + 2 * DIA
    for malos in (0, 3, 10):
        elegidos = customers(SEMILLA, 10, malos, desde, hasta)
        lecturas = leer(elegidos, desde, hasta)
        tocados = {quien for (quien, _), (_, etiqueta) in lecturas.items() if etiqueta != NORMAL}
        assert (len(elegidos), len(tocados)) == (10, malos)
    with pytest.raises(ConfiguracionError, match="4 sospechosos entre 3"):
        customers(SEMILLA, 3, 4, desde, hasta)


def test_a_spell_ends_and_comes_again() -> None:
    """56 days of it and 56 without, from the first hour to the last, however they are cut."""
    cliente = next(c for i in range(1, 51) if (c := customer(SEMILLA, i)).sospechoso == "cannabis")
    desde, hasta = ENERO, ENERO + 224 * DIA
    s = generate_lecturas([cliente], desde, hasta, "Europe/Madrid")
    tocada = np.array(s.etiqueta) != NORMAL
    assert tocada.sum() == 112 * DIA
    assert np.flatnonzero(np.diff(tocada.astype(int))).size <= 5
    corte = desde + 100 * DIA + 7
    trozos = [generate_lecturas([cliente], a, b, "Europe/Madrid") for a, b in
              ((desde, corte), (corte, hasta))]  # fmt: skip
    assert np.array_equal(np.concatenate([t.consumo_kwh for t in trozos]), s.consumo_kwh)


@given(
    st.tuples(st.integers(0, SEMILLA_MAXIMA), st.integers(1, 10**9 - 1)),
    st.tuples(st.integers(0, SEMILLA_MAXIMA), st.integers(1, 10**9 - 1)),
)
def test_no_two_households_share_a_name(uno: tuple[int, int], otro: tuple[int, int]) -> None:
    """A name says seed and number, and fits the column of 20 characters."""
    assert (name_of(*uno) == name_of(*otro)) == (uno == otro)
    assert len(name_of(*uno)) <= 20


def test_a_seed_without_names_is_refused() -> None:
    """Beyond nine digits the name would not fit."""
    with pytest.raises(ConfiguracionError, match="semilla"):
        customer(SEMILLA_MAXIMA + 1, 1)
