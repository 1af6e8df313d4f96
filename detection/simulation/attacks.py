"""Suspicious behaviour: what each one does to the honest readings, from its start on.

Sources
-------
The six kinds of under-reporting are h1 to h6 of P. Jokar, N. Arianpoo and V. C. M. Leung,
"Electricity Theft Detection in AMI Using Customers' Consumption Patterns", IEEE Transactions
on Smart Grid 7(1), 2016, 216-226: scaling by a ~ U(0.1, 0.8); zeros in a random window of at
least 4 h a day; scaling by a new factor each hour; the day's mean by a new factor each hour;
the day's mean; the day in reverse. Later work (K. Zheng et al., "A Novel Combined Data-Driven
Approach for Electricity Theft Detection", IEEE Transactions on Industrial Informatics 15(3))
draws on the same kinds. Clipping at a level and subtracting a constant are FDI2 and FDI3 of M.
Zanetti et al., "A Tunable Fraud Detection System for Advanced Metering Infrastructure Using
Short-Lived Patterns", IEEE Transactions on Smart Grid 10(1), 2019, 830-840; a replayed past is a
plain false-data injection. The slow slide, the night load, the same hours at zero every day and
the meter that is bridged altogether are ours.

Lamps of 600 to 1000 W with ventilation and dehumidifiers, 18 hours of light while the plants grow
and 12 while they flower: E. Mills, "The carbon footprint of indoor Cannabis production", Energy
Policy 46, 2012, 58-67; LED lamps use about 400 W.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA
from detection.simulation.draws import Floats, TimeAxis

NORMAL = "normal"
FRAUDES = (
    "fraude_escala",
    "fraude_ceros",
    "fraude_escala_aleatoria",
    "fraude_media_aleatoria",
    "fraude_media",
    "fraude_inversion",
    "puente_nocturno",
)
ETIQUETAS: tuple[str, ...] = (NORMAL, "cannabis", *FRAUDES, "picos", "congelado")
"""Every label that a reading of the generator can bear."""

AMPLIADOS = (
    "fraude_recorte",
    "fraude_resta",
    "fraude_repeticion",
    "fraude_gradual",
    "carga_nocturna",
)
"""Further kinds, which only the red team uses: the generator draws none of them."""

LARGOS = ("fraude_franja", "contador_a_cero")
"""Further ones, of which only the cases learn the first; no training knows the other."""

FACTOR_PUBLICADO = (0.1, 0.8)
"""Range of the reported share in Jokar et al. 2016 (h1, h3, h4)."""

FACTOR_VISIBLE = (0.1, 0.4)
"""Part of it in which a drop stands out of a household's own ups and downs."""

_VENTANA_MINIMA_H = 4
"""Shortest daily outage of h2."""

_NIVEL_RECORTE = 0.995
"""Quantile of the past that stands for a customer's own maximum: one absurd reading is no level."""

_HORAS_POR_SEMANA = 7 * HORAS_POR_DIA

_HORARIO, _DIARIO = 11, 12
"""Streams of draws; the households use 1 to 5."""

_CANALES_DIA = 8


@dataclass(frozen=True, slots=True)
class Attack:
    """A suspicious behaviour with all that it draws once."""

    tipo: str  # one of ``ETIQUETAS``, ``AMPLIADOS`` or ``LARGOS``, never "normal"
    inicio_hora: int  # absolute UTC hour of the first reading under it
    # Share that is still reported (``fraude_escala``, ``puente_nocturno``, at the end of the slide
    # ``fraude_gradual``), 0 to 1; of the customer's own maximum, where it is cut off
    # (``fraude_recorte``); of its mean, what is not subtracted (``fraude_resta``).
    factor: float
    # lamparas_kw, auxiliar_kw: power of the lamps, and of fans and dehumidifier while they are lit
    # (``cannabis``).
    lamparas_kw: float
    auxiliar_kw: float
    medida: float  # share of that load which passes through the meter, 0 to 1
    hora_encendido: int  # local hour at which the lamps go on, on the first day
    # crecimiento_dias, floracion_dias, pausa_dias: days of 18 hours of light, of 12 hours, and
    # between two crops; the slide of ``fraude_gradual`` takes as long as the first of them.
    crecimiento_dias: int
    floracion_dias: int
    pausa_dias: int
    # Local hours between which the bypass is closed (``puente_nocturno``) or the load is on
    # (``carga_nocturna``).
    noche: tuple[int, int]
    franja: tuple[int, int]  # first local hour that reads zero, and how many (``fraude_franja``)


def make_attack(
    semilla: int, indice: int, tipo: str, inicio_hora: int, visible: bool = False
) -> Attack:
    """Return a behaviour of customer ``indice``, drawn from its seed.

    Parameters
    ----------
    tipo : str
        A label, or "fraude" for one of the seven frauds.
    visible : bool
        Large enough to tell from a household's own ups and downs: a factor of
        ``FACTOR_VISIBLE`` instead of the whole published range, at least four lamps, all of
        them on the meter.
    """
    rng = np.random.default_rng(np.random.SeedSequence([semilla, indice, 10]))
    elegido = FRAUDES[int(rng.integers(len(FRAUDES)))]
    tipo = elegido if tipo == "fraude" else tipo
    lamparas = int(rng.integers(4 if visible else 2, 13))
    lamparas_kw = lamparas * float(rng.choice([0.4, 0.6, 0.6, 1.0]))
    bypass = rng.uniform(0.3, 0.8) if rng.random() < 0.25 and not visible else 1.0
    de_noche = rng.random() < 0.8
    rango = FACTOR_VISIBLE if visible else FACTOR_PUBLICADO
    return Attack(
        tipo=tipo,
        inicio_hora=inicio_hora,
        factor=float(rng.uniform(*((0.05, 0.30) if tipo == "puente_nocturno" else rango))),
        lamparas_kw=lamparas_kw,
        auxiliar_kw=lamparas_kw * float(rng.uniform(0.15, 0.30)),
        medida=float(bypass),
        hora_encendido=int(rng.integers(18, 23) if de_noche else rng.integers(6, 12)),
        crecimiento_dias=int(rng.integers(21, 29)),
        floracion_dias=int(rng.integers(54, 64)),
        pausa_dias=int(rng.integers(3, 8)),
        noche=(int(rng.integers(22, 24)), int(rng.integers(5, 8))),
        franja=(int(rng.integers(24)), int(rng.integers(_VENTANA_MINIMA_H, 13))),
    )


@dataclass(frozen=True, slots=True)
class AttackInput:
    """What an attack has before it: the honest readings of whole local days, and its draws."""

    tiempo: TimeAxis
    honesto_kwh: Floats  # (n,), kWh: as the meter would report them
    media_kwh: Floats  # (n,), kWh: honest mean of the reading's local day
    ultima_kwh: float  # honest reading of the hour before the attack
    hora_inicio: int  # local hour of its start, 0-23
    u: Floats  # (n, 2): draws of each hour
    u_dia: Floats  # (n, 8): draws of each local day


def apply_attack(
    ataque: Attack,
    clave: tuple[int, int],
    tiempo: TimeAxis,
    honesto_kwh: Floats,
    *,
    ultima_kwh: float,
    hora_inicio: int,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the readings (n,) under an attack, and where (n,) it has its hand in them.

    The mask is the ground truth of a reading: an hour outside the night of a bypass, or
    between two spikes, is as honest as ever.

    Parameters
    ----------
    clave : tuple of int
        Seed and customer.
    ultima_kwh : float
        Honest reading of the hour before the attack.
    hora_inicio : int
        Local hour of its start, 0-23.
    """
    dias, numero = np.unique(tiempo.dia, return_inverse=True)
    suma = np.bincount(numero, honesto_kwh, minlength=dias.shape[0])
    escena = AttackInput(
        tiempo,
        honesto_kwh,
        suma[numero] / tiempo.horas_del_dia,
        ultima_kwh,
        hora_inicio,
        tiempo.por_hora((*clave, _HORARIO), 2),
        tiempo.por_dia((*clave, _DIARIO), _CANALES_DIA),
    )
    leido, tocado = _FUNCIONES[ataque.tipo](ataque, escena)
    tocado = tocado & (tiempo.hora_utc >= ataque.inicio_hora)
    return np.where(tocado, leido, honesto_kwh), tocado


_Efecto = tuple[Floats, NDArray[np.bool_]]


def _siempre(escena: AttackInput) -> NDArray[np.bool_]:
    return np.ones(escena.honesto_kwh.shape[0], np.bool_)


def _factor_horario(escena: AttackInput) -> Floats:
    menor, mayor = FACTOR_PUBLICADO
    return menor + (mayor - menor) * escena.u[:, 0]


def _escala(ataque: Attack, escena: AttackInput) -> _Efecto:
    return ataque.factor * escena.honesto_kwh, _siempre(escena)


def _ceros(ataque: Attack, escena: AttackInput) -> _Efecto:
    horas = escena.tiempo.horas_del_dia
    duracion = _VENTANA_MINIMA_H + np.floor(escena.u_dia[:, 0] * (horas - _VENTANA_MINIMA_H + 1))
    comienzo = np.floor(escena.u_dia[:, 1] * (horas - duracion + 1))
    posicion = escena.tiempo.posicion
    dentro = (posicion >= comienzo) & (posicion < comienzo + duracion)
    return np.zeros_like(escena.honesto_kwh), dentro


def _escala_aleatoria(ataque: Attack, escena: AttackInput) -> _Efecto:
    return _factor_horario(escena) * escena.honesto_kwh, _siempre(escena)


def _media_aleatoria(ataque: Attack, escena: AttackInput) -> _Efecto:
    return _factor_horario(escena) * escena.media_kwh, _siempre(escena)


def _media(ataque: Attack, escena: AttackInput) -> _Efecto:
    return escena.media_kwh, _siempre(escena)


def _inversion(ataque: Attack, escena: AttackInput) -> _Efecto:
    tiempo = escena.tiempo
    espejo = np.arange(tiempo.dia.shape[0]) - 2 * tiempo.posicion + tiempo.horas_del_dia - 1
    return escena.honesto_kwh[espejo], _siempre(escena)


def _puente_nocturno(ataque: Attack, escena: AttackInput) -> _Efecto:
    desde, hasta = ataque.noche
    hora = escena.tiempo.hora
    de_noche = (hora >= desde) | (hora < hasta)
    # The clip slips a little: from night to night the share moves within 5 to 30 %.
    factor = np.clip(ataque.factor * (0.85 + 0.3 * escena.u_dia[:, 0]), 0.05, 0.30)
    return factor * escena.honesto_kwh, de_noche


def _picos(ataque: Attack, escena: AttackInput) -> _Efecto:
    """Return one to three hours a day at 3 to 10 times the larger of the hour and the mean."""
    tiempo, u = escena.tiempo, escena.u_dia
    cuantos = 1 + np.floor(3.0 * u[:, 0])
    elegida = np.zeros(tiempo.dia.shape[0], np.bool_)
    # One in each third of the day, never in its last two hours: two spikes never touch.
    for tercio in range(3):
        en = 8 * ((tercio + np.floor(3.0 * u[:, 7])) % 3) + np.floor(6.0 * u[:, 1 + tercio])
        elegida |= (tercio < cuantos) & (tiempo.posicion == en)
    factor = 3.0 + 7.0 * escena.u[:, 0]
    return factor * np.maximum(escena.honesto_kwh, escena.media_kwh), elegida


def _congelado(ataque: Attack, escena: AttackInput) -> _Efecto:
    return np.full_like(escena.honesto_kwh, escena.ultima_kwh), _siempre(escena)


def lamps_lit(ataque: Attack, hora_utc: NDArray[np.int64], hora_inicio: int) -> NDArray[np.bool_]:
    """Return where (n,) the lamps of a plantation are lit.

    The plants count hours of light, not the clock that the household sets twice a year: the
    timer runs on absolute hours from the start on.
    """
    pasadas = hora_utc - ataque.inicio_hora
    turno = (pasadas + hora_inicio - ataque.hora_encendido) % HORAS_POR_DIA
    cosecha = ataque.crecimiento_dias + ataque.floracion_dias + ataque.pausa_dias
    dia = (pasadas // HORAS_POR_DIA) % cosecha
    luz = np.where(dia < ataque.crecimiento_dias, 18, 12)
    luz = np.where(dia < ataque.crecimiento_dias + ataque.floracion_dias, luz, 0)
    return (pasadas >= 0) & (turno < luz)


def _cannabis(ataque: Attack, escena: AttackInput) -> _Efecto:
    luz = lamps_lit(ataque, escena.tiempo.hora_utc, escena.hora_inicio)
    # Ballasts hold the lamps' power within 1 or 2 %; fans slow down in the dark, when the
    # dehumidifier has its turn.
    lamparas = ataque.lamparas_kw * luz * (0.99 + 0.02 * escena.u[:, 0])
    auxiliar = ataque.auxiliar_kw * np.where(luz, 1.0, 0.35) * (0.92 + 0.16 * escena.u[:, 1])
    return escena.honesto_kwh + ataque.medida * (lamparas + auxiliar), _siempre(escena)


def _antes(ataque: Attack, escena: AttackInput) -> Floats:
    """Return the honest readings before the start; the first of all if there are none."""
    antes = escena.tiempo.hora_utc < ataque.inicio_hora
    return escena.honesto_kwh[antes] if antes.any() else escena.honesto_kwh[:1]


def _recorte(ataque: Attack, escena: AttackInput) -> _Efecto:
    techo = ataque.factor * np.quantile(_antes(ataque, escena), _NIVEL_RECORTE)
    return np.minimum(escena.honesto_kwh, techo), escena.honesto_kwh > techo


def _resta(ataque: Attack, escena: AttackInput) -> _Efecto:
    resta = (1.0 - ataque.factor) * _antes(ataque, escena).mean()
    return np.maximum(escena.honesto_kwh - resta, 0.0), escena.honesto_kwh > 0.0


def _repeticion(ataque: Attack, escena: AttackInput) -> _Efecto:
    """Return the week before the start again and again, or what days there are of it."""
    horas = escena.tiempo.hora_utc
    inicio = max(int(np.searchsorted(horas, ataque.inicio_hora)), 1)
    entera = min(inicio, _HORAS_POR_SEMANA) // HORAS_POR_DIA * HORAS_POR_DIA
    periodo = entera or inicio
    donde = np.arange(horas.shape[0]) - inicio
    repetido = escena.honesto_kwh[inicio - periodo + donde % periodo]
    return repetido, _siempre(escena)


def _gradual(ataque: Attack, escena: AttackInput) -> _Efecto:
    pasadas = escena.tiempo.hora_utc - ataque.inicio_hora + 1
    avance = np.clip(pasadas / (ataque.crecimiento_dias * HORAS_POR_DIA), 0.0, 1.0)
    return (1.0 - avance * (1.0 - ataque.factor)) * escena.honesto_kwh, _siempre(escena)


def _carga_nocturna(ataque: Attack, escena: AttackInput) -> _Efecto:
    desde, hasta = ataque.noche
    hora = escena.tiempo.hora
    carga = ataque.auxiliar_kw * (0.97 + 0.06 * escena.u[:, 0])
    return escena.honesto_kwh + carga, (hora >= desde) | (hora < hasta)


def _franja(ataque: Attack, escena: AttackInput) -> _Efecto:
    desde, cuantas = ataque.franja
    dentro = (escena.tiempo.hora - desde) % HORAS_POR_DIA < cuantas
    return np.zeros_like(escena.honesto_kwh), dentro


def _a_cero(ataque: Attack, escena: AttackInput) -> _Efecto:
    return np.zeros_like(escena.honesto_kwh), _siempre(escena)


_FUNCIONES: dict[str, Callable[[Attack, AttackInput], _Efecto]] = {
    "cannabis": _cannabis,
    "fraude_escala": _escala,
    "fraude_ceros": _ceros,
    "fraude_escala_aleatoria": _escala_aleatoria,
    "fraude_media_aleatoria": _media_aleatoria,
    "fraude_media": _media,
    "fraude_inversion": _inversion,
    "puente_nocturno": _puente_nocturno,
    "picos": _picos,
    "congelado": _congelado,
    "fraude_recorte": _recorte,
    "fraude_resta": _resta,
    "fraude_repeticion": _repeticion,
    "fraude_gradual": _gradual,
    "carga_nocturna": _carga_nocturna,
    "fraude_franja": _franja,
    "contador_a_cero": _a_cero,
}
