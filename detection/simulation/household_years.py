"""A year of a home's hours, made out of the few real weeks that there are of it.

Most public households are there for some weeks, and what goes on for months can only be learnt
from years. The weeks are dealt out again at random, with what a year has and seven weeks have not:
a season, a slow drift, and life: people come and go, appliances are bought and thrown out, habits
move, nobody is at home for a while. A home may also have an innocent event of its own
(``innocent_events.py``), as a customer whom nobody suspects has.

Sources
-------
Ranges and shares are by hand, 2026-11-30: read off the real households of a year in California,
Belgium and London, never fitted. Years without that life are calmer than any home is: what is
learnt from them finds less in a country that it did not see, the more of them there are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA
from detection.simulation.appliances import APARATOS, appliance_load
from detection.simulation.draws import Floats, TimeAxis
from detection.simulation.innocent_events import (
    DURACION_DIAS,
    INOCENTES,
    apply_event,
    make_event,
)
from detection.simulation.meter import meter_step, to_meter

DIAS_SEMANA = 7
BASE = 0.1
"""Quantile of a home's hours up to which it is its base load, which people do not move."""
PARTE_DE_ESTACION = 0.7
"""Share of the homes with a season."""
ESTACION = (-0.5, 0.6)
"""Its amplitude in logarithms of what people move; below 0 = less where the others have more."""
DERIVA_SEMANAL = 0.05
"""Of a week's consumption against that of the week before, in logarithms: a random walk."""
PARTE_QUE_CAMBIA, CAMBIO, CAMBIO_DIAS = 0.5, (0.1, 0.8), (1, 40)
"""Share of the homes where people come or go, by how much (logarithms), and over how many days."""
PARTE_DE_BASE, CAMBIO_BASE, CAMBIO_BASE_DIAS = 0.35, 0.6, (1, 20)
"""The same of the base load: an appliance that is always on comes or goes."""
PARTE_BASE_ESTACION = 0.4
"""Share of the homes whose base load has up to half of the season."""
PARTE_HORARIO, HORARIO_H = 0.35, 2
"""Share of the homes that from some day on do everything up to so many hours earlier or later."""
PARTE_HABITOS = 0.3
"""Share of the homes that from some day on live as in one to three of the weeks alone."""
AUSENCIAS, AUSENCIA_DIAS, REPOSO = 1.0, (2, 20), 0.2
"""Mean number of absences, their length, and the share of hours, the lowest, that is left then."""
PARTE_CON_SUCESO = 0.3
"""Share of the homes with an innocent event or an appliance; three in ten of them all along."""
PARTE_DE_SIEMPRE = 0.3
SUCESOS_PROPIOS = tuple(
    tipo for tipo in INOCENTES if tipo not in {"cambio_inquilino", "lectura_estimada", "huecos"}
)
"""What a home may have of itself: what needs another home, or what the meter does, is left out."""

_SORTEO = 50
"""Stream of the draws; see ``innocent_events`` and ``attack_courses`` for the others."""
_DIAS_FINALES = 20
"""Before the end, in which nothing begins that is meant to be seen."""


def whole_weeks(hora_local: NDArray[np.int64], consumo_kwh: Floats) -> Floats:
    """Return a home's whole weeks (s, 7, 24), kWh, Monday first, without a missing hour.

    Parameters
    ----------
    hora_local : ndarray (n,)
        Absolute local hours, rising; an hour that October repeats may be there twice.
    """
    horas_semana = DIAS_SEMANA * HORAS_POR_DIA
    # 1970-01-01 was a Thursday: three days after a Monday.
    desde_lunes = hora_local + 3 * HORAS_POR_DIA
    semana, hueco = desde_lunes // horas_semana, desde_lunes % horas_semana
    primera = int(semana.min())
    tabla = np.full((int(semana.max()) - primera + 1, horas_semana), np.nan)
    tabla[semana - primera, hueco] = consumo_kwh
    enteras = tabla[~np.isnan(tabla).any(axis=1)]
    return np.asarray(enteras.reshape(-1, DIAS_SEMANA, HORAS_POR_DIA))


def make_year(clave: tuple[int, int], semanas_kwh: Floats, tiempo: TimeAxis) -> Floats:
    """Return kWh (n,) of a home in every hour of ``tiempo``, drawn from its seed.

    Parameters
    ----------
    clave : tuple of int
        Seed and customer (``draws.index_of`` its name).
    semanas_kwh : ndarray (s, 7, 24), kWh >= 0
        The home's real weeks, s >= 1 (``whole_weeks``).
    tiempo : TimeAxis
        Of some months, for instance 360 days.

    Examples
    --------
    >>> from detection.domain import Calendario
    >>> from detection.simulation.draws import make_time_axis
    >>> utc = Calendario("UTC", 0, np.zeros(20_000, np.int8))
    >>> tiempo = make_time_axis(7, 9_600, 9_600 + 360 * 24, utc, frozenset())
    >>> semanas = np.random.default_rng(7).uniform(0.1, 1.0, (7, 7, 24))
    >>> bool((make_year((7, 1), semanas, tiempo) == make_year((7, 1), semanas, tiempo)).all())
    True
    """
    rng = np.random.default_rng(np.random.SeedSequence([*clave, _SORTEO]))
    dia = tiempo.dia - int(tiempo.dia[0])
    dias = int(dia[-1]) + 1
    kwh = _deal_weeks(rng, semanas_kwh, tiempo, dia)
    vivo, base = _courses(rng, dias)
    fondo = float(np.quantile(kwh, BASE))
    kwh = np.where(
        kwh > fondo,
        fondo * np.exp(base)[dia] + (kwh - fondo) * np.exp(vivo)[dia],
        kwh * np.exp(base)[dia],
    )
    kwh = _absences(rng, kwh, dia, dias)
    paso = meter_step(semanas_kwh.ravel())
    kwh = to_meter(np.maximum(kwh, 0.0), paso)
    if rng.random() < PARTE_CON_SUCESO:
        kwh = _own_event(rng, clave, kwh, tiempo, paso)
    return kwh


def _deal_weeks(
    rng: np.random.Generator, semanas_kwh: Floats, tiempo: TimeAxis, dia: NDArray[np.int64]
) -> Floats:
    """Return the home's weeks at random, hour by hour, and what becomes of its habits."""
    # 1970-01-01 was a Thursday: three days after a Monday.
    desde_lunes = tiempo.dia + 3
    semana = desde_lunes // DIAS_SEMANA
    semana = semana - int(semana[0])
    cuantas = int(semana[-1]) + 1
    todas = semanas_kwh.shape[0]
    cual = rng.integers(todas, size=cuantas)
    unas = rng.permutation(todas)[: int(rng.integers(1, 4))]
    otras = unas[rng.integers(unas.size, size=cuantas)]
    dias = int(dia[-1]) + 1
    cambia = int(rng.integers(dias)) if rng.random() < PARTE_HABITOS else dias
    elegida = np.where(dia < cambia, cual[semana], otras[semana])
    antes = int(rng.integers(-HORARIO_H, HORARIO_H + 1)) if rng.random() < PARTE_HORARIO else 0
    desde = int(rng.integers(dias))
    hora = tiempo.hora + np.where(dia >= desde, antes, 0)
    # What is done past midnight is the other day's of the same week.
    en_semana = (desde_lunes % DIAS_SEMANA * HORAS_POR_DIA + hora) % (DIAS_SEMANA * HORAS_POR_DIA)
    return np.asarray(semanas_kwh.reshape(todas, -1)[elegida, en_semana])


def _courses(rng: np.random.Generator, dias: int) -> tuple[Floats, Floats]:
    """Return by how much (dias,), in logarithms, what people move and the base load change."""
    ola = np.cos((np.arange(dias) - rng.uniform(0.0, 365.0)) * 2.0 * np.pi / 365.25)
    estacion = float(rng.uniform(*ESTACION)) if rng.random() < PARTE_DE_ESTACION else 0.0
    deriva = np.cumsum(DERIVA_SEMANAL * rng.standard_normal(-(-dias // DIAS_SEMANA)))
    vivo = estacion * ola + np.repeat(deriva - deriva.mean(), DIAS_SEMANA)[:dias]
    base = np.zeros(dias)
    if rng.random() < PARTE_QUE_CAMBIA:
        cuanto = rng.choice([-1.0, 1.0]) * rng.uniform(*CAMBIO)
        vivo = vivo + cuanto * _ramp(rng, dias, CAMBIO_DIAS)
    if rng.random() < PARTE_DE_BASE:
        base = base + rng.uniform(-CAMBIO_BASE, CAMBIO_BASE) * _ramp(rng, dias, CAMBIO_BASE_DIAS)
    if rng.random() < PARTE_BASE_ESTACION:
        base = base + rng.uniform(0.0, 0.5) * estacion * ola
    return vivo, base


def _ramp(rng: np.random.Generator, dias: int, en_dias: tuple[int, int]) -> Floats:
    """Return (dias,) what goes from 0 to 1 in so many days, from some day on."""
    desde, dura = int(rng.integers(dias)), int(rng.integers(*en_dias))
    return np.clip((np.arange(dias) - desde) / dura, 0.0, 1.0)


def _absences(rng: np.random.Generator, kwh: Floats, dia: NDArray[np.int64], dias: int) -> Floats:
    kwh = kwh.copy()
    for _ in range(int(rng.poisson(AUSENCIAS * dias / 365.0))):
        desde = int(rng.integers(max(dias - 3, 1)))
        fuera = (dia >= desde) & (dia < desde + int(rng.integers(*AUSENCIA_DIAS)))
        bajas = np.sort(kwh)[: max(1, int(REPOSO * kwh.size))]
        kwh[fuera] = rng.choice(bajas, int(fuera.sum()))
    return kwh


def _own_event(
    rng: np.random.Generator,
    clave: tuple[int, int],
    kwh: Floats,
    tiempo: TimeAxis,
    paso_kwh: float,
) -> Floats:
    """Return kWh of a home with an innocent event; what does not come is as it was."""
    tipo = str(rng.choice([*SUCESOS_PROPIOS, *APARATOS]))
    de_siempre = rng.random() < PARTE_DE_SIEMPRE and tipo not in DURACION_DIAS
    libres = max(tiempo.hora_utc.size - _DIAS_FINALES * HORAS_POR_DIA, 1)
    inicio = int(tiempo.hora_utc[0]) + (0 if de_siempre else int(rng.integers(libres)))
    if tipo in APARATOS:
        mas = appliance_load(clave, tipo, tiempo, float(kwh.mean()))
        return to_meter(kwh + np.where(tiempo.hora_utc >= inicio, mas, 0.0), paso_kwh)
    evento = make_event((clave[0] + 1, clave[1]), tipo, inicio)
    leido, tocado = apply_event(evento, clave, tiempo, kwh, paso_kwh=paso_kwh)
    return np.where(tocado & ~np.isnan(leido), leido, kwh)
