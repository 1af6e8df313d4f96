"""What cases are learnt from: homes of a year, as they are, attacked, and with innocent events.

Each home is there as it is, and several times again with something from a day on that a reader of
the days could find: every attack that the simulation knows, in every form and of every size, and
every innocent event, as negatives. Some have been there since before the first reading.

What is drawn for a home is addressed by its name: the same home gives the same population whoever
else there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, Calendario
from detection.simulation.appliances import APARATOS, appliance_load
from detection.simulation.attack_courses import SIN_FIN, make_course
from detection.simulation.attacks import AMPLIADOS, ETIQUETAS, LARGOS, NORMAL, make_attack
from detection.simulation.draws import Floats, TimeAxis, index_of, make_time_axis
from detection.simulation.household_years import make_year
from detection.simulation.innocent_events import DURACION_DIAS, INOCENTES, make_event
from detection.simulation.meter import DECIMALES, meter_step, to_meter
from training.evaluation.attacked_homes import attack_readings, event_readings

DIAS = 360
"""Of a year that is made out of weeks, and of each stretch of a real one."""
LIMPIO, ATAQUE, INOCENTE = "limpio", "ataque", "inocente"
REVISADO = "revisado"
"""Kind of a case that happened, and that an analyst has judged."""
NO_SE_VEN_DE_DIA = frozenset({"fraude_repeticion", "contador_a_cero"})
"""Kinds whose days are honest ones: of another week, or of a home that stands empty. Learnt as
attacks they make what honest homes do look like one. Measured 2026-11-30, development homes."""
ATAQUES = tuple(
    tipo
    for tipo in (*ETIQUETAS, *AMPLIADOS, *LARGOS)
    if tipo != NORMAL and tipo not in NO_SE_VEN_DE_DIA
)
"""Every other kind that the simulation knows."""
ESCALAS = (0.3, 0.8)
"""Share that a scaled meter still reports, beside what the simulation draws."""
ATAQUES_DE_SIEMPRE = (
    "cannabis",
    "fraude_ceros",
    "fraude_franja",
    "fraude_media",
    "fraude_media_aleatoria",
    "fraude_recorte",
    "congelado",
)
"""Kinds that have a shape of their own, and so may be found without a day of before."""
INOCENTES_DE_SIEMPRE = (
    *(tipo for tipo in INOCENTES if tipo not in DURACION_DIAS and tipo != "cambio_inquilino"),
    *APARATOS,
)
MENU: tuple[tuple[str, str, bool], ...] = (
    *((ATAQUE, tipo, False) for tipo in (*ATAQUES, "fraude_escala")),
    *((ATAQUE, tipo, True) for tipo in ATAQUES_DE_SIEMPRE),
    *((INOCENTE, tipo, False) for tipo in (*INOCENTES, *APARATOS)),
    *((INOCENTE, tipo, True) for tipo in INOCENTES_DE_SIEMPRE),
)
"""Class, kind and whether it was always there, of all that is tried in a round."""
PARTE_DE_SIEMPRE = 0.5
"""Share of what was always there that is tried in a round."""
REPARTO_FORMAS = {"sostenido": 0.6, "creciente": 0.15, "por_semanas": 0.15, "laborables": 0.1}
"""Share of the attacks by how they go on. By hand, 2026-11-30: most go on as they begin."""
ACABAN = 0.3
"""Share of the attacks that end before the data do. By hand, 2026-11-30."""
INICIO_DIAS = (45, 160)
"""Between which attacks and events begin, in the first half of the days. By hand, 2026-11-30."""
_SORTEO = 60
"""Stream of starts, forms and ends; attacks, events and years have streams of their own."""
_PRIMERA_HORA_HECHA = 420_768
"""Absolute hour at which made years begin: 2018-01-01, a Monday."""


@dataclass(frozen=True, slots=True, eq=False)
class CaseHome:
    """A home of some months, every hour of it."""

    propietario_id: str
    grupo: str  # whose homes together weigh as those of any other group: a country, a utility
    desde_hora: int  # absolute UTC hour of the first of ``kwh``: a local midnight
    kwh: Floats  # (h,): NaN = no reading
    calendario: Calendario
    sur: bool = False  # its summer is in January
    hecho: bool = False  # out of weeks, not metered
    espejo: bool = False  # see ``mirrored``


@dataclass(frozen=True, slots=True, eq=False)
class CaseSeries:
    """A home with what it does, or has done to it."""

    hogar: CaseHome
    clase: str  # LIMPIO, ATAQUE or INOCENTE
    tipo: str  # kind of attack or event, "" = clean
    inicio_hora: int  # absolute; ``SIN_FIN`` = nothing happens
    fin_hora: int
    kwh: Floats  # (h,): NaN = no reading
    # (h,): share of the hour's honest kWh, or of the home's mean where it used less, that is
    # other than it was.
    cambio: NDArray[np.float32]


def made_home(
    clave: tuple[int, int],
    propietario_id: str,
    grupo: str,
    semanas_kwh: Floats,
    utc: Calendario,
    dias: int = DIAS,
) -> CaseHome:
    """Return a home of a year out of its weeks (``household_years.whole_weeks``).

    ``clave``: seed and customer. ``utc``: the calendar of a zone without summer time, for weeks are
    of local hours.
    """
    desde = _PRIMERA_HORA_HECHA
    tiempo = _axis(clave[0], desde, dias * HORAS_POR_DIA, utc)
    kwh = make_year(clave, semanas_kwh, tiempo)
    primero = desde - int(tiempo.hora_utc[0])
    return CaseHome(
        propietario_id, grupo, desde, kwh[primero : primero + dias * HORAS_POR_DIA], utc, hecho=True
    )


def mirrored(hogar: CaseHome) -> CaseHome:
    """Return a home with its days in reverse order: what it used less and less, more and more.

    Real years are few, and so are the honest changes in them.
    """
    dias = hogar.kwh.size // HORAS_POR_DIA
    kwh = hogar.kwh[: dias * HORAS_POR_DIA].reshape(dias, HORAS_POR_DIA)[::-1].ravel()
    return replace(hogar, propietario_id=f"{hogar.propietario_id}#espejo", kwh=kwh, espejo=True)


def _axis(semilla: int, desde_hora: int, horas: int, calendario: Calendario) -> TimeAxis:
    return make_time_axis(semilla, desde_hora, desde_hora + horas, calendario, frozenset())


def home_series(
    hogar: CaseHome,
    vecinos: Sequence[CaseHome],
    semilla: int,
    *,
    vueltas: int = 1,
    parte: float = 1.0,
) -> Iterator[CaseSeries]:
    """Give a home as it is, and with each attack and event.

    Parameters
    ----------
    vecinos : sequence of CaseHome
        Who moves in where tenants change, another one each time.
    vueltas : int
        Times that each is drawn.
    parte : float
        Share of all of them that is taken, by lot, 0 to 1.
    """
    nada = np.zeros(hogar.kwh.size, np.float32)
    yield CaseSeries(hogar, LIMPIO, "", SIN_FIN, SIN_FIN, hogar.kwh, nada)
    tiempo = _axis(semilla, hogar.desde_hora, hogar.kwh.size, hogar.calendario)
    menor, mayor = INICIO_DIAS
    mayor = max(min(mayor, hogar.kwh.size // (2 * HORAS_POR_DIA)), menor + 1)
    for vuelta in range(vueltas):
        for clase, tipo, de_siempre in MENU:
            clave = (semilla, index_of(f"{hogar.propietario_id}|{tipo}|{de_siempre}|{vuelta}"))
            rng = np.random.default_rng(np.random.SeedSequence([*clave, _SORTEO]))
            if rng.random() >= parte * (PARTE_DE_SIEMPRE if de_siempre else 1.0):
                continue
            inicio = hogar.desde_hora
            if not de_siempre:
                inicio += int(rng.integers(menor, mayor)) * HORAS_POR_DIA + int(rng.integers(24))
            if clase == ATAQUE:
                serie = _attacked(hogar, tipo, inicio, clave, tiempo, rng)
            else:
                serie = _eventful(
                    hogar, vecinos[vuelta % len(vecinos)], tipo, inicio, clave, tiempo
                )
            if serie.cambio.any():
                yield serie


def _attacked(
    hogar: CaseHome,
    tipo: str,
    inicio: int,
    clave: tuple[int, int],
    tiempo: TimeAxis,
    rng: np.random.Generator,
) -> CaseSeries:
    de_siempre = inicio == hogar.desde_hora
    forma = str(rng.choice(list(REPARTO_FORMAS), p=list(REPARTO_FORMAS.values())))
    acaba = bool(rng.random() < ACABAN)
    ataque = make_attack(*clave, tipo, inicio)
    if tipo == "fraude_escala":
        ataque = replace(ataque, factor=float(rng.uniform(*ESCALAS)))
    curso = make_course(
        clave, "sostenido" if de_siempre else forma, inicio, acaba=acaba and not de_siempre
    )
    hay = np.flatnonzero(~np.isnan(hogar.kwh))
    leido, _ = attack_readings(
        ataque, clave, hogar.desde_hora + hay, hogar.kwh[hay], tiempo, hogar.calendario, curso
    )
    return _series(hogar, ATAQUE, tipo, (inicio, curso.fin_hora), hay, leido)


def _eventful(
    hogar: CaseHome,
    vecino: CaseHome,
    tipo: str,
    inicio: int,
    clave: tuple[int, int],
    tiempo: TimeAxis,
) -> CaseSeries:
    hay = np.flatnonzero(~np.isnan(hogar.kwh))
    horas, kwh = hogar.desde_hora + hay, hogar.kwh[hay]
    if tipo in APARATOS:
        carga = appliance_load(clave, tipo, tiempo, float(kwh.mean()))
        mas = np.where(horas >= inicio, carga[horas - int(tiempo.hora_utc[0])], 0.0)
        leido = np.where(mas > 0.0, to_meter(kwh + mas, meter_step(kwh)), kwh)
        return _series(hogar, INOCENTE, tipo, (inicio, SIN_FIN), hay, leido)
    evento = make_event(clave, tipo, inicio, sur=hogar.sur)
    suyas = np.flatnonzero(~np.isnan(vecino.kwh))
    otro = (vecino.desde_hora + suyas, vecino.kwh[suyas])
    leido, _ = event_readings(evento, clave, horas, kwh, tiempo, otro)
    return _series(hogar, INOCENTE, tipo, (inicio, evento.fin_hora), hay, leido)


def _series(
    hogar: CaseHome,
    clase: str,
    tipo: str,
    horas: tuple[int, int],
    hay: NDArray[np.int64],
    leido: Floats,
) -> CaseSeries:
    kwh = np.full(hogar.kwh.size, np.nan)
    kwh[hay] = np.round(leido, DECIMALES)
    antes = hogar.kwh
    cambio = np.abs(kwh - antes) / np.maximum(antes, max(float(np.nanmean(antes)), 1e-6))
    # A reading that does not come any more is a change, too.
    cambio[np.isnan(kwh) & ~np.isnan(antes)] = 1.0
    return CaseSeries(hogar, clase, tipo, *horas, kwh, np.nan_to_num(cambio).astype(np.float32))


def neighbours(hogares: Sequence[CaseHome], cuantos: int) -> list[list[CaseHome]]:
    """Return, for each home, the next ones of its group, in the order given; itself if alone."""
    por_grupo: dict[str, list[CaseHome]] = {}
    for hogar in hogares:
        por_grupo.setdefault(hogar.grupo, []).append(hogar)
    puesto = dict.fromkeys(por_grupo, 0)
    salida = []
    for hogar in hogares:
        suyos = por_grupo[hogar.grupo]
        puesto[hogar.grupo] += 1
        salida.append([suyos[(puesto[hogar.grupo] + k) % len(suyos)] for k in range(cuantos)])
    return salida
