"""Honest consumption: who lives there, and each hour's kWh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA
from detection.simulation.draws import Floats, TimeAxis, draw_uniform, normal

_HORARIO, _DIARIO, _AUSENCIAS, _FINDES = 1, 2, 3, 4
"""Streams of draws of one household; the attacks have streams of their own."""

_DIAS_POR_BLOQUE = 28
_AUSENCIA_MAXIMA_DIAS = 14


@dataclass(frozen=True, slots=True)
class Archetype:
    """A kind of customer; ranges are (lowest, highest), uniform between them."""

    cuota: float  # share of the population
    # base, actividad: kWh/h of what never sleeps, and mean kWh/h of lights, screens and small
    # kitchen.
    base: tuple[float, float]
    actividad: tuple[float, float]
    usos: float  # uses of the appliances, relative to a family of four
    # laborable, festivo: shape of the activity by local hour, any scale.
    laborable: tuple[float, ...]
    festivo: tuple[float, ...]
    calefaccion: tuple[float, float] = (0.0, 0.0)  # kWh/h for each °C below the comfort temperature
    frio: float = 0.35  # probability of having air conditioning
    # acumulador_kw, coche_kw: power of storage heaters and of a car charger, both at night; 0 =
    # none.
    acumulador_kw: tuple[float, float] = (0.0, 0.0)
    coche_kw: tuple[float, float] = (0.0, 0.0)
    viajes: float = 0.15  # probability of an absence of days in four weeks
    sabado_laborable: bool = False  # Saturday has a working day's shape


# Shapes by local hour 0..23 with Spain's late lunch and dinner; compared with the
# mean daily profiles of real households (Belgium, London, California).
# fmt: off
_FUERA = (4, 2, 2, 2, 2, 2, 5, 9, 8, 4, 3, 3, 4, 6, 8, 6, 4, 5, 7, 10, 14, 16, 14, 9)
_FINDE = (7, 4, 2, 2, 2, 2, 2, 3, 6, 9, 11, 12, 13, 15, 15, 12, 9, 8, 9, 11, 14, 16, 14, 10)
_CASA = (3, 2, 2, 2, 2, 2, 3, 8, 10, 10, 10, 11, 12, 14, 13, 10, 9, 10, 11, 12, 14, 15, 12, 7)
_MAYORES = (2, 2, 2, 2, 2, 2, 3, 6, 10, 12, 12, 13, 15, 15, 11, 8, 9, 10, 11, 12, 14, 13, 8, 4)
_TIENDA = (0, 0, 0, 0, 0, 0, 0, 1, 4, 10, 12, 12, 12, 12, 10, 9, 10, 12, 12, 12, 10, 4, 1, 0)
_CERRADO = (1,) * 24
# fmt: on

ARQUETIPOS: dict[str, Archetype] = {
    "piso_pequeno": Archetype(0.22, (0.05, 0.10), (0.06, 0.16), 0.45, _FUERA, _FINDE),
    "familia": Archetype(0.22, (0.08, 0.20), (0.14, 0.34), 1.0, _FUERA, _FINDE, viajes=0.2),
    "jubilados": Archetype(0.11, (0.06, 0.14), (0.10, 0.22), 0.6, _MAYORES, _MAYORES),
    "teletrabajo": Archetype(0.12, (0.08, 0.18), (0.14, 0.30), 0.7, _CASA, _FINDE),
    "calefaccion_electrica": Archetype(
        0.09, (0.08, 0.18), (0.12, 0.28), 0.8, _FUERA, _FINDE, calefaccion=(0.05, 0.13)
    ),
    "aire_acondicionado": Archetype(
        0.07, (0.07, 0.16), (0.12, 0.28), 0.8, _CASA, _FINDE, (0.01, 0.04), frio=1.0
    ),
    "tarifa_nocturna": Archetype(
        0.05, (0.07, 0.15), (0.10, 0.24), 0.7, _FUERA, _FINDE, acumulador_kw=(1.0, 2.5)
    ),
    "coche_electrico": Archetype(
        0.05, (0.09, 0.20), (0.14, 0.32), 1.0, _FUERA, _FINDE, coche_kw=(2.3, 7.4)
    ),
    "comercio": Archetype(
        0.04, (0.10, 0.35), (0.35, 0.90), 0.0, _TIENDA, _CERRADO,
        (0.0, 0.02), viajes=0.05, sabado_laborable=True,
    ),
    "segunda_residencia": Archetype(0.03, (0.02, 0.07), (0.10, 0.25), 0.6, _FINDE, _FINDE),
}  # fmt: skip

# Median kWh in the hour of use, uses a day in a family of four, share that runs
# into the next hour, and the hours in which it is used.
# fmt: off
_COCINA = (0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 4, 7, 6, 2, 1, 1, 1, 3, 7, 8, 3, 1)
_COLADA = (0, 0, 0, 0, 0, 0, 0, 2, 4, 5, 6, 6, 5, 3, 3, 4, 4, 4, 5, 5, 4, 3, 2, 1)
_DUCHA = (0, 0, 0, 0, 0, 0, 3, 9, 6, 3, 2, 1, 1, 1, 1, 1, 1, 1, 2, 4, 5, 5, 3, 1)
_SIEMPRE = (1, 0.5, 0.3, 0.3, 0.3, 0.5, 2, 5, 5, 4, 4, 4, 4, 5, 6, 5, 4, 4, 5, 5, 6, 6, 5, 2)
_APARATOS: tuple[tuple[float, float, float, tuple[float, ...]], ...] = (
    (1.10, 0.55, 0.35, _COCINA),   # oven, hob
    (0.65, 0.60, 0.55, _COLADA),   # washing machine
    (0.80, 0.45, 0.45, _COLADA),   # dishwasher, dryer
    (1.00, 0.50, 0.15, _DUCHA),    # water heater
    (0.22, 2.50, 0.05, _SIEMPRE),  # kettle, microwave, iron, vacuum cleaner
)
# fmt: on

_RESOLUCIONES = ((0.85, 3), (0.97, 2), (1.0, 1))
"""Cumulative share of meters by the decimals of a kWh that they report."""

_CANALES_HORA = 4 + 2 * len(_APARATOS)
_CANALES_DIA = 6


@dataclass(frozen=True, slots=True)
class Household:
    """A household (or a shop): all that tells it from its neighbours, fixed for life."""

    semilla: int
    indice: int
    arquetipo: str  # key of ``ARQUETIPOS``
    decimales: int  # decimals of a kWh that its meter reports, 1 to 3
    base_kwh: float
    # Amplitude (kWh/h), period (h) and phase (rad) of the fridge's and freezer's cycles as hourly
    # sums show them.
    nevera: tuple[float, float, float]
    actividad_kwh: float
    # desfase_h, costumbre: tuple of 24 float; how late it is, and by which factor each hour is
    # busier than its archetype's.
    desfase_h: float
    costumbre: tuple[float, ...]
    ruido: float
    usos: tuple[float, ...]  # uses of each appliance, relative to a family of four
    confort_c: float
    calefaccion_kwh_c: float
    frio_kwh_c: float
    acumulador_kw: float
    # Charger (kW), probability of charging in a night, hour at which it begins.
    coche: tuple[float, float, int]
    viajes: float


def make_household(semilla: int, indice: int) -> Household:
    """Return household ``indice`` of a seed; the others do not matter to it.

    Examples
    --------
    >>> make_household(1, 7) == make_household(1, 7), make_household(1, 7) == make_household(1, 8)
    (True, False)
    """
    rng = np.random.default_rng(np.random.SeedSequence([semilla, indice]))
    nombres = list(ARQUETIPOS)
    cuotas = np.cumsum([a.cuota for a in ARQUETIPOS.values()])
    nombre = nombres[int(np.searchsorted(cuotas, rng.random() * cuotas[-1], side="right"))]
    tipo = ARQUETIPOS[nombre]
    sorteo = float(rng.random())
    coche_kw = float(rng.uniform(*tipo.coche_kw))
    return Household(
        semilla=semilla,
        indice=indice,
        arquetipo=nombre,
        decimales=next(decimales for hasta, decimales in _RESOLUCIONES if sorteo < hasta),
        base_kwh=float(rng.uniform(*tipo.base)),
        nevera=(rng.uniform(0.02, 0.05), rng.uniform(2.3, 7.7), rng.uniform(0.0, 6.3)),
        actividad_kwh=float(rng.uniform(*tipo.actividad)),
        desfase_h=float(rng.normal(0.0, 0.8)),
        costumbre=tuple(float(f) for f in np.exp(rng.normal(0.0, 0.3, HORAS_POR_DIA))),
        ruido=float(rng.uniform(0.30, 0.60)),
        usos=tuple(float(tipo.usos * f) for f in rng.uniform(0.2, 1.6, len(_APARATOS))),
        confort_c=float(rng.uniform(16.0, 19.0)),
        calefaccion_kwh_c=float(rng.uniform(*tipo.calefaccion)),
        frio_kwh_c=float((rng.random() < tipo.frio) * rng.uniform(0.05, 0.12)),
        acumulador_kw=float(rng.uniform(*tipo.acumulador_kw)),
        coche=(coche_kw, float(rng.uniform(0.25, 0.9)), int(rng.integers(0, 3))),
        viajes=tipo.viajes,
    )


def honest_consumption(hogar: Household, tiempo: TimeAxis) -> Floats:
    """Return kWh (n,) of each hour of ``tiempo``, >= 0, not yet rounded by the meter.

    The first day is only there for what runs over midnight: it is not to be used.
    """
    tipo = ARQUETIPOS[hogar.arquetipo]
    u = tiempo.por_hora((hogar.semilla, hogar.indice, _HORARIO), _CANALES_HORA)
    por_dia = tiempo.por_dia((hogar.semilla, hogar.indice, _DIARIO), _CANALES_DIA)
    en_casa = _en_casa(hogar, tiempo)
    descansa = tiempo.descanso >= (2 if tipo.sabado_laborable else 1)
    perfil = np.where(
        descansa,
        _perfil(tipo.festivo, hogar.desfase_h, hogar.costumbre)[tiempo.hora],
        _perfil(tipo.laborable, hogar.desfase_h, hogar.costumbre)[tiempo.hora],
    )
    if tipo.sabado_laborable:
        en_casa = en_casa * np.where(descansa, 0.06, 1.0)
    # Who is at home stays for a while: the noise of an hour echoes in the next ones.
    ruido = normal(u[:, 0], u[:, 1])
    ruido = 0.8 * ruido + 0.5 * _antes(ruido, 1) + 0.33 * _antes(ruido, 2)
    animo = 0.22 * normal(por_dia[:, 0], por_dia[:, 1])
    actividad = hogar.actividad_kwh * perfil * np.exp(hogar.ruido * ruido + animo - 0.12)
    amplitud, periodo, fase = hogar.nevera
    nevera = amplitud * (1.0 + np.sin(2.0 * np.pi * tiempo.hora_utc / periodo + fase))
    base = (hogar.base_kwh + nevera) * (0.93 + 0.14 * u[:, 2])
    total = base + en_casa * (actividad + _aparatos(hogar, tiempo, u[:, 4:], perfil))
    total = total + _clima(hogar, tiempo, u[:, 3], en_casa)
    return np.asarray(total + _noche(hogar, tiempo, por_dia, en_casa))


def round_to_meter(hogar: Household, consumo_kwh: Floats) -> Floats:
    """Return kWh (n,) as the household's meter reports them."""
    return np.asarray(np.round(np.maximum(consumo_kwh, 0.0), hogar.decimales), np.float64)


def _antes(x: Floats, horas: int) -> Floats:
    anterior = np.zeros_like(x)
    anterior[horas:] = x[:-horas]
    return anterior


def _perfil(forma: tuple[float, ...], desfase_h: float, costumbre: tuple[float, ...]) -> Floats:
    """Return the shape (24,) with mean 1, moved and bent by a customer's habits."""
    horas = np.arange(HORAS_POR_DIA)
    movida = np.interp(horas - desfase_h, horas, np.asarray(forma, float), period=HORAS_POR_DIA)
    movida = movida * np.asarray(costumbre)
    return np.asarray(movida / movida.mean(), np.float64)


def _en_casa(hogar: Household, tiempo: TimeAxis) -> Floats:
    """Return 1 where somebody is there and 0 in absences (n,)."""
    clave = (hogar.semilla, hogar.indice)
    semana = (tiempo.dia + 3) // 7
    primera = int(semana[0])
    u_semana = draw_uniform((*clave, _FINDES), primera, int(semana[-1]) + 1, 1)[semana - primera, 0]
    dia_semana = (tiempo.dia + 3) % 7
    finde = (dia_semana >= 5) | ((dia_semana == 4) & (tiempo.hora >= 18))
    fuera = _de_viaje(hogar, tiempo)
    if hogar.arquetipo == "segunda_residencia":
        # The same draws turned round: there on some week-ends and while its owners travel.
        return np.where((finde & (u_semana < 0.35)) | fuera, 1.0, 0.0)
    sin_nadie = fuera | (finde & (u_semana < 0.4 * hogar.viajes))
    return np.where(sin_nadie, 0.0, 1.0)


def _de_viaje(hogar: Household, tiempo: TimeAxis) -> NDArray[np.bool_]:
    """Return where (n,) an absence of 3 to 14 days runs; August has most of them."""
    bloque = tiempo.dia // _DIAS_POR_BLOQUE
    primero = int(bloque[0]) - 1
    clave = (hogar.semilla, hogar.indice, _AUSENCIAS)
    u = draw_uniform(clave, primero, int(bloque[-1]) + 1, 3)
    numero = np.arange(primero, int(bloque[-1]) + 1)
    del_anio = (numero * _DIAS_POR_BLOQUE + 14) % 365.25
    # Middle of the block in July or August (days 196 to 240): three times as likely.
    probabilidad = hogar.viajes * np.where((del_anio > 196) & (del_anio < 240), 3.0, 1.0)
    salida = numero * _DIAS_POR_BLOQUE + np.floor(u[:, 1] * _DIAS_POR_BLOQUE)
    vuelta = salida + 3 + np.floor(u[:, 2] ** 2 * (_AUSENCIA_MAXIMA_DIAS - 2))
    viaja = u[:, 0] < probabilidad
    fuera = np.zeros(tiempo.dia.shape[0], np.bool_)
    for atras in (0, 1):
        i = bloque - primero - atras
        fuera |= viaja[i] & (tiempo.dia >= salida[i]) & (tiempo.dia < vuelta[i])
    return fuera


def _aparatos(hogar: Household, tiempo: TimeAxis, u: Floats, perfil: Floats) -> Floats:
    """Return kWh (n,) of the appliances: rare, large, sometimes longer than their hour."""
    total: Floats = np.zeros(tiempo.hora.shape[0])
    # A day at home (a flat profile) has its uses at other hours than a day at work.
    animo = 0.5 + 0.5 * np.minimum(perfil, 2.0)
    for j, (tamano, al_dia, sigue, horas) in enumerate(_APARATOS):
        p = np.asarray(horas) / sum(horas) * al_dia * hogar.usos[j]
        usa = u[:, 2 * j] < p[tiempo.hora] * animo
        # Weibull of shape 1.6 has a long tail without the absurd: 99 % below 2.6 medians.
        kwh = tamano * np.where(usa, (-np.log1p(-u[:, 2 * j + 1]) / np.log(2.0)) ** 0.625, 0.0)
        total = total + kwh * (1.0 - sigue) + sigue * _antes(kwh, 1)
    return total


def _clima(hogar: Household, tiempo: TimeAxis, u: Floats, en_casa: Floats) -> Floats:
    """Return kWh (n,) of heating and cooling; an empty house keeps a quarter of its heating."""
    falta = np.maximum(hogar.confort_c - tiempo.temperatura_c, 0.0)
    sobra = np.maximum(tiempo.temperatura_c - hogar.confort_c - 7.0, 0.0)
    despierto = np.where((tiempo.hora >= 7) & (tiempo.hora <= 23), 1.0, 0.45)
    termostato = 0.6 + 0.8 * u
    calor = hogar.calefaccion_kwh_c * falta * despierto * (0.25 + 0.75 * en_casa)
    return np.asarray(termostato * (calor + hogar.frio_kwh_c * sobra * en_casa))


def _noche(hogar: Household, tiempo: TimeAxis, por_dia: Floats, en_casa: Floats) -> Floats:
    """Return kWh (n,) of storage heaters (23 to 7 h) and of a car that charges after midnight."""
    total: Floats = np.zeros(tiempo.hora.shape[0])
    if hogar.acumulador_kw > 0.0:
        frio = np.clip((hogar.confort_c + 2.0 - tiempo.temperatura_c) / 14.0, 0.0, 1.0)
        tanque = (tiempo.hora < 2) * 0.8 * (0.5 + 0.5 * por_dia[:, 2])
        total = total + en_casa * (hogar.acumulador_kw * frio * (tiempo.hora < 7) + tanque)
    kw, probabilidad, enchufe = hogar.coche
    if kw > 0.0:
        energia = np.where(por_dia[:, 3] < probabilidad, 4.0 - 7.0 * np.log1p(-por_dia[:, 4]), 0.0)
        cargado = kw * np.maximum(tiempo.hora - enchufe, 0)
        carga = np.clip(energia - cargado, 0.0, kw)
        total = total + en_casa * carga * ((tiempo.hora >= enchufe) & (tiempo.hora < 9))
    return total
