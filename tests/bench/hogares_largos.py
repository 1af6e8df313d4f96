"""Real households of about a year: clean, attacked for months, and with innocent events.

Each household is there as it is and several times again, each time with another attack or event
from a day between ``INICIO_DIAS`` on. A partition has every household of its country twice: as it
is, and with something. So half of a customer's peers do nothing, and a quarter is attacked.

Customers are development or test as a whole (``hogares_reales.es_desarrollo``). What is drawn for
one is addressed by its name; which half of all kinds it gets, by its place by lot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from bench.hogares_reales import (
    CONSUMO_MAXIMO_KWH,
    SUIZA,
    VENTANA_DIAS,
    Fuente,
    Hogares,
    es_desarrollo,
    hay_datos,
    read_hogares,
    read_source,
)
from bench.versiones import HOGARES_POR_TOPIC, PARTICIONES
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, Calendario, Lecturas, hora_absoluta
from detection.simulation.attack_courses import SIN_FIN, make_course
from detection.simulation.attacks import AMPLIADOS, ETIQUETAS, LARGOS, NORMAL, make_attack
from detection.simulation.draws import Floats, TimeAxis, index_of, make_time_axis
from detection.simulation.innocent_events import INOCENTES, make_event
from detection.simulation.meter import DECIMALES
from serving.local_time import load_calendario
from training.base_version import join_readings, to_common_end
from training.evaluation.attacked_homes import attack_readings, event_readings
from training.history import SEMILLA_ENTRENAMIENTO as SEMILLA
from training.history import by_lot

DIAS = 330
"""Of each household: whatever begins by day 120 is seen for 210 days."""
INICIO_DIAS = (60, 120)
"""Between which attacks and events begin; before, versions are learnt."""
APRENDE_DIAS = 60
PARTE_PRESENTE = 0.97
"""Of the hours, that a household must have."""
MEDIA_MINIMA_KWH, CEROS_MAXIMOS = 0.06, 0.4
"""What nobody lives in is no clean baseline: under-reporting there is nothing to find."""
SUIZOS_QUE_ENSENAN = 100
"""Development households of Switzerland that versions learn from, beside those of a year."""
LIMPIO, ATAQUE, DE_SIEMPRE, INOCENTE = "limpio", "ataque", "de_siempre", "inocente"
REPARTO_FORMAS = {"sostenido": 0.6, "creciente": 0.15, "por_semanas": 0.15, "laborables": 0.1}
"""Share of the attacks by how they go on. By hand, 2026-11-30: most go on as they begin."""
ACABAN = 0.25
"""Share of the attacks that end before the data do. By hand, 2026-11-30."""
_SORTEO = 40
"""Stream of starts, forms and ends; attacks and events have streams of their own."""


@dataclass(frozen=True, slots=True)
class Pais:
    """A country's households of a year."""

    nombre: str
    fuente: Fuente
    desde: datetime  # local midnight, UTC, of the first day
    sur: bool = False
    dias: int = DIAS  # that are taken of each household
    inicio_dias: tuple[int, int] = INICIO_DIAS


PAISES: tuple[Pais, ...] = (
    Pais(
        "Australia",
        Fuente("sgsc_australia", "consumo_horario.parquet", "Etc/GMT-10", "Australia/Sydney"),
        datetime(2012, 7, 5, 14, tzinfo=UTC),
        sur=True,
    ),
    Pais(
        "California",
        Fuente("citylearn_california", "consumo_horario.parquet", "Etc/GMT+8", "Etc/GMT+8"),
        datetime(2016, 8, 1, 8, tzinfo=UTC),
    ),
    Pais(
        "Bélgica",
        Fuente("opengrid_belgica", "consumo_horario.parquet", "UTC", "Europe/Brussels"),
        datetime(2015, 12, 31, 23, tzinfo=UTC),
    ),
    Pais(
        "Londres",
        Fuente("lcl_londres", "consumo_horario.parquet", "UTC", "Europe/London"),
        datetime(2013, 1, 1, tzinfo=UTC),
    ),
)


SIETE_SEMANAS = Pais(
    "Suiza", SUIZA, datetime(2018, 10, 28, 23, tzinfo=UTC), dias=VENTANA_DIAS, inicio_dias=(18, 28)
)
"""The Swiss households, for what may happen in seven weeks."""


@dataclass(frozen=True, slots=True)
class Caso:
    """An attack to try: its name in the tables, its kind, and its size where that is given."""

    nombre: str
    tipo: str
    factor: float | None = None


CASOS: tuple[Caso, ...] = (
    *(
        Caso(tipo, tipo)
        for tipo in (*ETIQUETAS, *AMPLIADOS, *LARGOS)
        if tipo not in {NORMAL, "fraude_escala"}
    ),
    Caso("escala, la mitad", "fraude_escala", 0.5),
    Caso("escala, un 30 %", "fraude_escala", 0.7),
)
CASOS_DE_SIEMPRE: tuple[Caso, ...] = tuple(
    Caso(tipo, tipo) for tipo in ("cannabis", "fraude_franja", "fraude_media", "congelado")
)
"""Tried from the first reading on."""


@dataclass(frozen=True, slots=True, eq=False)
class Serie:
    """One customer of a population."""

    propietario_id: str
    hogar: str  # the real household behind it
    clase: str  # LIMPIO, ATAQUE, DE_SIEMPRE or INOCENTE
    tipo: str  # name of the case or kind of event, "" = clean
    forma: str  # of ``FORMAS``; "" = no attack
    inicio_hora: int  # of the attack or event, absolute; ``SIN_FIN`` = nothing happens
    fin_hora: int
    kwh: Floats  # (h,): by hour from the country's first one on; NaN = no reading
    tocada: NDArray[np.bool_]  # (h,): the attack or event has its hand in the hour
    particion: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class HogarLargo:
    """A real household, every hour of it."""

    propietario_id: str
    kwh: Floats  # (h,): NaN = no reading


def read_year(pais: Pais, desarrollo: bool, dias: int | None = None) -> list[HogarLargo]:
    """Return the households of a country's half that are whole and lived in, by their names."""
    horas = pais.dias * HORAS_POR_DIA
    ids, cliente, hora, kwh = read_source(pais.fuente)
    desde = hora_absoluta(pais.desde)
    salida = []
    for k, nombre in enumerate(ids):
        if es_desarrollo(nombre) is not desarrollo:
            continue
        suya = (cliente == k) & (hora >= desde) & (hora < desde + horas)
        suya &= (kwh >= 0.0) & (kwh <= CONSUMO_MAXIMO_KWH)
        denso = np.full(horas, np.nan)
        denso[hora[suya] - desde] = np.round(kwh[suya], DECIMALES)
        hay = denso[~np.isnan(denso)]
        entero = hay.size >= PARTE_PRESENTE * denso.size
        # Of the whole year, however many days are asked for.
        if entero and hay.mean() >= MEDIA_MINIMA_KWH and (hay == 0.0).mean() <= CEROS_MAXIMOS:
            salida.append(HogarLargo(nombre, denso[: (dias or pais.dias) * HORAS_POR_DIA]))
    return salida


@dataclass(frozen=True, slots=True, eq=False)
class Mundo:
    """A country's half: its customers, from its first hour on."""

    pais: Pais
    desde_hora: int
    dias: int
    calendario: Calendario
    series: list[Serie]


@dataclass(frozen=True, slots=True)
class Surtido:
    """What is tried."""

    casos: Sequence[Caso] = CASOS
    de_siempre: Sequence[Caso] = CASOS_DE_SIEMPRE
    inocentes: Sequence[str] = INOCENTES
    # Of each of these a household gets one half in a draw, its neighbour by lot the other.
    sorteos: int = 1

    def of(self, puesto: int, sorteo: int) -> list[tuple[str, Caso | str]]:
        """Return what the household that is ``puesto``-th by lot gets in a draw."""
        todos: list[tuple[str, Caso | str]] = [
            *((ATAQUE, caso) for caso in self.casos),
            *((DE_SIEMPRE, caso) for caso in self.de_siempre),
            *((INOCENTE, tipo) for tipo in self.inocentes),
        ]
        return [uno for k, uno in enumerate(todos) if (k + puesto + sorteo) % 2 == 0]


def make_mundo(pais: Pais, hogares: Sequence[HogarLargo], surtido: Surtido) -> Mundo:
    """Return the customers of a country's half, seeded."""
    desde, dias = hora_absoluta(pais.desde), hogares[0].kwh.size // HORAS_POR_DIA
    calendario = load_calendario(pais.fuente.zona)
    hasta = desde + dias * HORAS_POR_DIA
    tiempo = make_time_axis(SEMILLA, desde, hasta, calendario, frozenset())
    escena = _Escena(pais, desde, hasta, calendario, tiempo)
    por_nombre = {h.propietario_id: h for h in hogares}
    orden = by_lot(sorted(por_nombre), SEMILLA, "largos")
    # As many neighbours as a partition of the topic has.
    grupos = max(1, round(2 * len(orden) / (HOGARES_POR_TOPIC / PARTICIONES)))
    series: list[Serie] = []
    for puesto, nombre in enumerate(orden):
        hogar = por_nombre[nombre]
        vecino = por_nombre[orden[(puesto + 1) % len(orden)]]
        suyas = [
            serie
            for sorteo in range(surtido.sorteos)
            for clase, que in surtido.of(puesto, sorteo)
            if (serie := _make_serie(escena, hogar, vecino, clase, que, sorteo)) is not None
        ]
        for k, serie in enumerate(suyas):
            # Each at another place of the row than its neighbour's, so that kinds are mixed.
            sitio = (k + 5 * puesto) % len(suyas) * grupos + puesto % grupos
            limpia = Serie(
                f"{nombre}={k}", nombre, LIMPIO, "", "", SIN_FIN, SIN_FIN, hogar.kwh,
                np.zeros(hogar.kwh.size, np.bool_), sitio,
            )  # fmt: skip
            series += [replace(serie, propietario_id=f"{nombre}~{k}", particion=sitio), limpia]
    return Mundo(pais, desde, dias, calendario, series)


@dataclass(frozen=True, slots=True, eq=False)
class _Escena:
    pais: Pais
    desde: int
    hasta: int
    calendario: Calendario
    tiempo: TimeAxis


def _make_serie(
    escena: _Escena, hogar: HogarLargo, vecino: HogarLargo, clase: str, que: Caso | str, sorteo: int
) -> Serie | None:
    """Return a household with an attack or an event; None where it cannot be seen on a meter."""
    nombre = que if isinstance(que, str) else que.nombre
    # Two draws are one of everything.
    semilla = SEMILLA + sorteo // 2
    clave = (semilla, index_of(f"{hogar.propietario_id}|{clase}|{nombre}"))
    rng = np.random.default_rng(np.random.SeedSequence([*clave, _SORTEO]))
    primero, ultimo = escena.pais.inicio_dias
    inicio = escena.desde + int(rng.integers(primero * HORAS_POR_DIA, ultimo * HORAS_POR_DIA))
    forma = str(rng.choice(list(REPARTO_FORMAS), p=list(REPARTO_FORMAS.values())))
    acaba = bool(rng.random() < ACABAN)
    hay = np.flatnonzero(~np.isnan(hogar.kwh))
    horas, kwh = escena.desde + hay, hogar.kwh[hay]
    if isinstance(que, str):
        evento = make_event(clave, que, inicio, sur=escena.pais.sur)
        suyas = np.flatnonzero(~np.isnan(vecino.kwh))
        otro = (escena.desde + suyas, vecino.kwh[suyas])
        leido, tocada = event_readings(evento, clave, horas, kwh, escena.tiempo, otro)
        fin, forma = evento.fin_hora, ""
    else:
        if clase == DE_SIEMPRE:
            inicio, forma, acaba = escena.desde, "sostenido", False
        ataque = make_attack(*clave, que.tipo, inicio)
        ataque = replace(ataque, factor=que.factor or ataque.factor)
        curso = make_course(clave, forma, inicio, acaba=acaba)
        leido, tocada = attack_readings(
            ataque, clave, horas, kwh, escena.tiempo, escena.calendario, curso
        )
        fin = curso.fin_hora
    if not tocada.any():
        return None
    denso, donde = np.full(hogar.kwh.size, np.nan), np.zeros(hogar.kwh.size, np.bool_)
    denso[hay], donde[hay] = leido, tocada
    return Serie(
        hogar.propietario_id, hogar.propietario_id, clase, nombre, forma, inicio, fin, denso, donde,
    )  # fmt: skip


def teaching_homes(sin: str | None = None) -> Hogares:
    """Return what a version is learnt from, as the history of one utility: development homes alone.

    A hundred of Switzerland, and the first 60 days of those of a year; ``sin``: but for a country.
    Whatever year they are of, all end in one Sunday night, local time.
    """
    (suizos,) = read_hogares(SUIZA, desarrollo=True)
    ids = by_lot(sorted(set(suizos.lecturas.propietario_id)), SEMILLA, "ensenan")
    elegidos = frozenset(ids[:SUIZOS_QUE_ENSENAN])
    filas = np.flatnonzero([p in elegidos for p in suizos.lecturas.propietario_id])
    partes = [to_common_end(suizos.lecturas.elegir(filas), suizos.calendario)]
    for pais in PAISES:
        if pais.nombre == sin or not hay_datos(pais.fuente):
            continue
        desde = hora_absoluta(pais.desde)
        for hogar in read_year(pais, desarrollo=True, dias=APRENDE_DIAS):
            hay = np.flatnonzero(~np.isnan(hogar.kwh))
            lecturas = Lecturas([hogar.propietario_id] * hay.size, desde + hay, hogar.kwh[hay])
            calendario = load_calendario(pais.fuente.zona)
            partes.append(to_common_end(lecturas, calendario))
    return Hogares("los que enseñan", join_readings(partes), load_calendario("UTC"))
