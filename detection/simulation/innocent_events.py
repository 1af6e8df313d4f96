"""Innocent events: what happens in honest homes that may look like something else.

What each one does to the honest readings from its start on, as ``attacks.py`` does for attacks.
Ranges without a source are by hand, 2026-11-30: what homes of that kind are known to do, nothing
fitted. The others:

- An empty home keeps fridge and standby, about the lowest fifth of its hours. Some are switched
  off at the mains: exact zero.
- Chargers of 3.7 and 7.4 kW are 16 and 32 A on one phase (IEC 61851-1); 11 kWh on average are
  60 km.
- A heat pump for a home that loses 120 to 300 W for each degree, at a coefficient of performance
  of 2.5 to 3.5, takes 0.04 to 0.12 kWh an hour for each degree.
- Panels: sine of the sun's height at 40 degrees of latitude (P. I. Cooper, "The absorption of
  radiation in solar stills", Solar Energy 12(3), 1969, 333-346, for the declination) and a
  performance ratio of 0.8 (IEC 61724-1 calls it so); homes put up 1.5 to 5 kWp.
- A meter that could not be read sends the sum afterwards, or the utility estimates it, flat, from
  the customer's own past.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA
from detection.errors import ConfiguracionError
from detection.simulation.attack_courses import SIN_FIN
from detection.simulation.draws import Floats, TimeAxis, draw_uniform
from detection.simulation.meter import to_meter

INOCENTES = (
    "ausencia",
    "vivienda_vacia",
    "cambio_inquilino",
    "vehiculo_electrico",
    "bomba_calor",
    "autoconsumo",
    "aire_acondicionado",
    "teletrabajo",
    "huespedes",
    "obras",
    "segunda_residencia",
    "corte_suministro",
    "lectura_estimada",
    "huecos",
    "hora_corrida",
)
"""Every kind, by its name."""

DURACION_DIAS: dict[str, tuple[int, int]] = {
    "ausencia": (7, 42),
    "huespedes": (5, 21),
    "obras": (10, 60),
    "corte_suministro": (5, 60),
    "lectura_estimada": (3, 28),
    "huecos": (5, 60),
    "hora_corrida": (28, 210),
}
"""How long a kind lasts; the others go on for good."""

_SORTEO, _HORARIO, _DIARIO, _SEMANAL = 30, 31, 32, 33
"""Streams of draws; households use 1 to 5, attacks 10 to 13, who is attacked 20 and 21."""
_CANALES_HORA, _CANALES_DIA = 2, 4
_REPOSO = 0.2
"""Share of a home's hours, the lowest, in which nobody does anything."""
_PASADO_MINIMO_H = 14 * HORAS_POR_DIA
"""Of less past the lowest hours are not a home's own: then all of its hours are looked at."""
_LATITUD = np.deg2rad(40.0)
_RENDIMIENTO = 0.8
_MEDIODIA_H = 13.5
"""Clock of the sun's noon: Spain's is 13 h in winter and 14 in summer."""
_TRAMOS_MAXIMOS = 4
_MEDIA_ANUAL_C = 9.5
"""Amplitude of the year's wave of ``draws.TimeAxis.temperatura_c``."""


@dataclass(frozen=True, slots=True)
class InnocentEvent:
    """An innocent event with all that it draws once."""

    tipo: str  # one of ``INOCENTES``
    inicio_hora: int  # absolute UTC hour of the first reading under it
    fin_hora: int  # absolute UTC hour of the first reading after it; ``SIN_FIN`` = never
    sur: bool  # the home is in the southern hemisphere: its summer is in January
    # potencia_kw: of the charger, the panels, the heat pump, the air conditioning, the tools; what
    # working at home adds.
    potencia_kw: float
    kwh_por_grado: float  # kWh an hour for each degree (``bomba_calor``, ``aire_acondicionado``)
    confort_c: float  # below it the home is heated; seven degrees above it, cooled
    # frecuencia: share of nights (``vehiculo_electrico``), working days (``teletrabajo``) or
    # week-ends (``segunda_residencia``) on which it happens.
    frecuencia: float
    hora: int  # local hour at which charging begins
    # factor: consumption with guests over that without; the estimate over the home's mean.
    factor: float
    a_cero: bool  # exact zero instead of the base load; zeros instead of missing hours
    con_total: bool  # what was not metered comes in one reading afterwards
    vacio_dias: int  # between two tenants
    temporada: tuple[int, int]  # days after the start, and how many: a second home is lived in
    tramos: tuple[tuple[int, int], ...]  # hours after the start, and how many: outages and gaps
    desfase_h: int  # hours by which the clock is wrong, -1 or 1


def make_event(
    clave: tuple[int, int], tipo: str, inicio_hora: int, *, sur: bool = False
) -> InnocentEvent:
    """Return an event of a customer, drawn from its seed.

    Parameters
    ----------
    clave : tuple of int
        Seed and customer (``draws.index_of`` its name).
    tipo : str
        One of ``INOCENTES``.

    Examples
    --------
    >>> evento = make_event((7, 1), "ausencia", 500_000)
    >>> evento == make_event((7, 1), "ausencia", 500_000)
    True
    >>> 7 * 24 <= evento.fin_hora - evento.inicio_hora <= 42 * 24
    True
    """
    if tipo not in INOCENTES:
        raise ConfiguracionError(f"no existe el suceso «{tipo}»; los hay: {', '.join(INOCENTES)}")
    rng = np.random.default_rng(np.random.SeedSequence([*clave, _SORTEO, INOCENTES.index(tipo)]))
    menos, mas = DURACION_DIAS.get(tipo, (0, 0))
    dias = int(rng.integers(menos, mas + 1))
    potencia_kw, kwh_por_grado, frecuencia, factor = _sizes(rng, tipo)
    return InnocentEvent(
        tipo=tipo,
        inicio_hora=inicio_hora,
        fin_hora=inicio_hora + dias * HORAS_POR_DIA if dias else SIN_FIN,
        sur=sur,
        potencia_kw=potencia_kw,
        kwh_por_grado=kwh_por_grado,
        confort_c=float(rng.uniform(17.0, 20.0)),
        frecuencia=frecuencia,
        # With a timer in the cheap hours after midnight, or on coming home.
        hora=int(rng.integers(0, 3) if rng.random() < 0.6 else rng.integers(18, 23)),
        factor=factor,
        a_cero=bool(rng.random() < (0.3 if tipo == "vivienda_vacia" else 0.5)),
        con_total=bool(rng.random() < 0.6),
        vacio_dias=int(rng.integers(0, 31)) if rng.random() < 0.5 else 0,
        temporada=(int(rng.integers(20, 91)), int(rng.integers(21, 64))),
        tramos=_tramos(rng, dias * HORAS_POR_DIA, 60 if tipo == "corte_suministro" else 72),
        desfase_h=int(rng.choice([-1, 1])),
    )


def _sizes(rng: np.random.Generator, tipo: str) -> tuple[float, float, float, float]:
    """Return power (kW), kWh for each degree, frequency and factor of a kind."""
    rangos = {
        "bomba_calor": (1.5, 4.0),
        "autoconsumo": (1.5, 5.0),
        "aire_acondicionado": (0.8, 2.5),
        "teletrabajo": (0.08, 0.35),
        "obras": (0.5, 2.0),
    }
    potencia = float(rng.uniform(*rangos.get(tipo, (0.0, 1.0))))
    if tipo == "vehiculo_electrico":
        potencia = float(rng.choice([3.7, 7.4]))
    calor, frio = float(rng.uniform(0.04, 0.12)), float(rng.uniform(0.08, 0.25))
    frecuencia = float(rng.uniform(*((0.4, 1.0) if tipo == "teletrabajo" else (0.2, 0.9))))
    if tipo == "segunda_residencia":
        frecuencia = float(rng.uniform(0.1, 0.6))
    factor = float(rng.uniform(*((0.8, 1.2) if tipo == "lectura_estimada" else (1.3, 2.0))))
    return potencia, frio if tipo == "aire_acondicionado" else calor, frecuencia, factor


def _tramos(rng: np.random.Generator, horas: int, largo: int) -> tuple[tuple[int, int], ...]:
    """Return one to four stretches, in order, apart, within so many hours; the first at once."""
    cuantos = int(rng.integers(1, _TRAMOS_MAXIMOS + 1))
    duraciones = np.ceil(np.exp(rng.uniform(np.log(2.0), np.log(largo), cuantos))).astype(int)
    salida, desde = [], 0
    for duracion in duraciones.tolist():
        # Its hours, and the one after them, in which the total may come.
        if desde + duracion + 1 > horas:
            break
        salida.append((desde, duracion))
        desde += duracion + 1 + int(rng.integers(12, max(horas // 2, 13)))
    return tuple(salida)


@dataclass(frozen=True, slots=True)
class EventInput:
    """What an event has before it: the honest readings of whole local days, and its draws."""

    tiempo: TimeAxis
    honesto_kwh: Floats  # (n,), kWh: as the meter would report them
    otro_kwh: Floats | None  # (n,), kWh: of the next tenant
    antes_kwh: Floats  # (m,), kWh, m >= 1: honest ones before the event; of all if they are few
    clave: tuple[int, int]
    u: Floats  # (n, 2): draws of each hour

    def por_dia(self, atras: NDArray[np.int64] | int = 0) -> Floats:
        """Return the draws (n, 4) of each hour's local day, or of so many days before it."""
        dia = self.tiempo.dia - atras
        primero, ultimo = int(dia.min()), int(dia.max())
        tabla = draw_uniform((*self.clave, _DIARIO), primero, ultimo + 1, _CANALES_DIA)
        return np.asarray(tabla[dia - primero])

    def por_semana(self) -> Floats:
        """Return a draw (n,) of each hour's week, from Monday on."""
        semana = (self.tiempo.dia + 3) // 7
        primera = int(semana[0])
        tabla = draw_uniform((*self.clave, _SEMANAL), primera, int(semana[-1]) + 1, 1)
        return np.asarray(tabla[semana - primera, 0])

    def reposo(self) -> Floats:
        """Return kWh (n,) of a home in which nobody is."""
        bajas = np.sort(self.antes_kwh)[: max(1, int(_REPOSO * self.antes_kwh.size))]
        return np.asarray(bajas[(self.u[:, 0] * bajas.size).astype(np.int64)])


def apply_event(
    evento: InnocentEvent,
    clave: tuple[int, int],
    tiempo: TimeAxis,
    honesto_kwh: Floats,
    *,
    otro_kwh: Floats | None = None,
    paso_kwh: float = 0.001,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the readings (n,) of a home to which something happens, and where (n,) it shows.

    A reading that does not come is NaN. Before the start, and after the end, readings are what
    they were.

    Parameters
    ----------
    clave : tuple of int
        Seed and customer.
    honesto_kwh : ndarray (n,)
        Of every hour of ``tiempo``.
    otro_kwh : ndarray (n,), optional
        Readings of the next tenant (``cambio_inquilino``).
    paso_kwh : float
        Resolution of the meter, kWh: what an event changes is rounded to it.
    """
    horas = tiempo.hora_utc
    antes = honesto_kwh[horas < evento.inicio_hora]
    escena = EventInput(
        tiempo, honesto_kwh, otro_kwh, antes if antes.size >= _PASADO_MINIMO_H else honesto_kwh,
        clave, tiempo.por_hora((*clave, _HORARIO), _CANALES_HORA),
    )  # fmt: skip
    leido = _FUNCIONES[evento.tipo](evento, escena)
    leido = np.where(leido == honesto_kwh, leido, to_meter(np.maximum(leido, 0.0), paso_kwh))
    dentro = (horas >= evento.inicio_hora) & (horas < evento.fin_hora)
    tocado = dentro & (leido != honesto_kwh)
    return np.where(tocado, leido, honesto_kwh), tocado


def _ausencia(evento: InnocentEvent, escena: EventInput) -> Floats:
    return escena.reposo()


def _vivienda_vacia(evento: InnocentEvent, escena: EventInput) -> Floats:
    return np.zeros_like(escena.honesto_kwh) if evento.a_cero else escena.reposo()


def _cambio_inquilino(evento: InnocentEvent, escena: EventInput) -> Floats:
    if escena.otro_kwh is None:
        raise ConfiguracionError("un cambio de inquilino necesita las lecturas del siguiente")
    entra = evento.inicio_hora + evento.vacio_dias * HORAS_POR_DIA
    return np.where(escena.tiempo.hora_utc < entra, escena.reposo(), escena.otro_kwh)


def _vehiculo_electrico(evento: InnocentEvent, escena: EventInput) -> Floats:
    hora = escena.tiempo.hora
    # A charge that begins in the evening runs into the next day, whose draws are not its own.
    atras = (hora < evento.hora).astype(np.int64)
    u = escena.por_dia(atras)
    energia = np.where(u[:, 0] < evento.frecuencia, 4.0 - 7.0 * np.log1p(-u[:, 1]), 0.0)
    cargado = evento.potencia_kw * ((hora - evento.hora) % HORAS_POR_DIA)
    carga = np.clip(np.minimum(energia, 60.0) - cargado, 0.0, evento.potencia_kw)
    return np.asarray(escena.honesto_kwh + carga)


def _temperatura(evento: InnocentEvent, tiempo: TimeAxis) -> Floats:
    if not evento.sur:
        return tiempo.temperatura_c
    ola = _MEDIA_ANUAL_C * np.cos(2.0 * np.pi * (tiempo.dia - 14) / 365.25)
    return np.asarray(tiempo.temperatura_c + 2.0 * ola)


def _bomba_calor(evento: InnocentEvent, escena: EventInput) -> Floats:
    tiempo = escena.tiempo
    falta = np.maximum(evento.confort_c - _temperatura(evento, tiempo), 0.0)
    despierto = np.where((tiempo.hora >= 6) & (tiempo.hora <= 23), 1.0, 0.6)
    calor = evento.kwh_por_grado * falta * despierto * (0.7 + 0.6 * escena.u[:, 0])
    # Hot water, once a day and every day of the year: 1 to 2 kWh.
    agua = np.where((tiempo.hora == 14) | (tiempo.hora == 15), 0.5 + 0.5 * escena.u[:, 1], 0.0)
    return escena.honesto_kwh + np.minimum(calor + agua, evento.potencia_kw)


def _autoconsumo(evento: InnocentEvent, escena: EventInput) -> Floats:
    tiempo = escena.tiempo
    dia_del_anio = (tiempo.dia + (182 if evento.sur else 0)) % 365.25
    declinacion = np.deg2rad(-23.45) * np.cos(2.0 * np.pi * (dia_del_anio + 10.0) / 365.25)
    angulo = np.deg2rad(15.0) * (tiempo.hora + 0.5 - _MEDIODIA_H)
    seno = np.sin(_LATITUD) * np.sin(declinacion)
    seno = np.maximum(seno + np.cos(_LATITUD) * np.cos(declinacion) * np.cos(angulo), 0.0)
    # Most days are clear in Spain; clouds come and go within a day.
    claro = 1.0 - 0.85 * escena.por_dia()[:, 0] ** 2
    nubes = np.minimum(claro * (0.75 + 0.5 * escena.u[:, 0]), 1.0)
    producido = evento.potencia_kw * _RENDIMIENTO * seno * nubes
    return np.asarray(np.maximum(escena.honesto_kwh - producido, 0.0))


def _aire_acondicionado(evento: InnocentEvent, escena: EventInput) -> Floats:
    tiempo = escena.tiempo
    sobra = np.maximum(_temperatura(evento, tiempo) - evento.confort_c - 7.0, 0.0)
    encendido = escena.por_dia()[:, 0] < 0.9
    frio = evento.kwh_por_grado * sobra * encendido * (0.6 + 0.8 * escena.u[:, 0])
    return escena.honesto_kwh + np.minimum(frio, evento.potencia_kw)


def _teletrabajo(evento: InnocentEvent, escena: EventInput) -> Floats:
    tiempo = escena.tiempo
    en_casa = (tiempo.descanso == 0) & (escena.por_dia()[:, 0] < evento.frecuencia)
    en_casa &= (tiempo.hora >= 9) & (tiempo.hora < 18)
    return np.asarray(
        escena.honesto_kwh + evento.potencia_kw * en_casa * (0.6 + 0.8 * escena.u[:, 0])
    )


def _huespedes(evento: InnocentEvent, escena: EventInput) -> Floats:
    despierto = escena.tiempo.hora >= 7
    mas = (evento.factor - 1.0) * (0.5 + escena.u[:, 0]) * despierto
    return np.asarray((1.0 + mas) * escena.honesto_kwh)


def _obras(evento: InnocentEvent, escena: EventInput) -> Floats:
    tiempo = escena.tiempo
    trabajan = (tiempo.descanso == 0) & (tiempo.hora >= 8) & (tiempo.hora < 18)
    trabajan &= (escena.por_dia()[:, 0] < 0.85) & (escena.u[:, 0] < 0.6)
    return np.asarray(escena.honesto_kwh + evento.potencia_kw * trabajan * escena.u[:, 1])


def _segunda_residencia(evento: InnocentEvent, escena: EventInput) -> Floats:
    """Return a home that is lived in on some week-ends and in a season of weeks alone."""
    tiempo = escena.tiempo
    dia_semana = (tiempo.dia + 3) % 7
    finde = (dia_semana >= 5) | ((dia_semana == 4) & (tiempo.hora >= 18))
    espera, dura = evento.temporada
    dias = (tiempo.hora_utc - evento.inicio_hora) // HORAS_POR_DIA
    en_casa = finde & (escena.por_semana() < evento.frecuencia)
    en_casa |= (dias >= espera) & (dias < espera + dura)
    return np.where(en_casa, escena.honesto_kwh, escena.reposo())


def _corte_suministro(evento: InnocentEvent, escena: EventInput) -> Floats:
    """Return outages: of supply, all zeros; of the line to the meter, with their sum afterwards."""
    leido = escena.honesto_kwh.copy()
    horas = escena.tiempo.hora_utc
    for desde, dura in evento.tramos:
        inicio = evento.inicio_hora + desde
        fuera = (horas >= inicio) & (horas < inicio + dura)
        leido[fuera] = 0.0 if evento.a_cero or not evento.con_total else np.nan
        if evento.con_total:
            leido[horas == inicio + dura] += escena.honesto_kwh[fuera].sum()
    return leido


def _lectura_estimada(evento: InnocentEvent, escena: EventInput) -> Floats:
    """Return a flat estimate and, perhaps, what was really used, in the last hour of it."""
    horas = escena.tiempo.hora_utc
    nivel = round(float(evento.factor * escena.antes_kwh[-28 * HORAS_POR_DIA :].mean()), 2)
    leido = np.full_like(escena.honesto_kwh, nivel)
    if evento.con_total:
        dentro = (horas >= evento.inicio_hora) & (horas < evento.fin_hora)
        leido[horas == evento.fin_hora - 1] += (escena.honesto_kwh[dentro] - nivel).sum()
    return leido


def _huecos(evento: InnocentEvent, escena: EventInput) -> Floats:
    leido = np.where(escena.u[:, 0] < 0.02, np.nan, escena.honesto_kwh)
    pasadas = escena.tiempo.hora_utc - evento.inicio_hora
    for desde, dura in evento.tramos:
        leido[(pasadas >= desde) & (pasadas < desde + dura)] = np.nan
    return leido


def _hora_corrida(evento: InnocentEvent, escena: EventInput) -> Floats:
    return np.roll(escena.honesto_kwh, evento.desfase_h)


_FUNCIONES: dict[str, Callable[[InnocentEvent, EventInput], Floats]] = {
    "ausencia": _ausencia,
    "vivienda_vacia": _vivienda_vacia,
    "cambio_inquilino": _cambio_inquilino,
    "vehiculo_electrico": _vehiculo_electrico,
    "bomba_calor": _bomba_calor,
    "autoconsumo": _autoconsumo,
    "aire_acondicionado": _aire_acondicionado,
    "teletrabajo": _teletrabajo,
    "huespedes": _huespedes,
    "obras": _obras,
    "segunda_residencia": _segunda_residencia,
    "corte_suministro": _corte_suministro,
    "lectura_estimada": _lectura_estimada,
    "huecos": _huecos,
    "hora_corrida": _hora_corrida,
}
