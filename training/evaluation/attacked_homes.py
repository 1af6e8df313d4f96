"""The red team: real households, half of them attacked, every reading labelled.

Each attacked customer is a real household that does something from a random hour on, after a clean
warm-up: one kind each, all kinds in turn, as large as they come
(``detection/simulation/attacks.py`` draws from blatant to hardly anything). Half of the attacks
end before the data do. Nothing here depends on who else there is: a customer's draws are addressed
by its own name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, Calendario, Lecturas
from detection.errors import PermanentError
from detection.simulation.attack_courses import AttackCourse, apply_course
from detection.simulation.attacks import (
    AMPLIADOS,
    ETIQUETAS,
    NORMAL,
    Attack,
    apply_attack,
    make_attack,
)
from detection.simulation.draws import Floats, TimeAxis, index_of, make_time_axis
from detection.simulation.innocent_events import (
    INOCENTES,
    InnocentEvent,
    apply_event,
    make_event,
)
from detection.simulation.meter import DECIMALES, fill_gaps, meter_step, to_meter
from training.history import by_lot, partition_of

ATAQUES: tuple[str, ...] = tuple(etiqueta for etiqueta in ETIQUETAS if etiqueta != NORMAL)
"""Every kind, in the order in which twins get them."""
TODOS: tuple[str, ...] = (*ATAQUES, *AMPLIADOS)
"""The ten kinds that the figures are reported on, and the further ones."""

CALENTAMIENTO_DIAS = 14
"""Clean days at the start: what a reference needs (``Params.dias_minimos``)."""
MINIMO_ATAQUE_DIAS = 5
"""Shortest attack, and the least that is left of the data when one starts. By hand, 2026-11-24."""
MEDIA_DE_HOGAR_KWH = 2.0
"""Hourly mean up to which a plantation has the lamps of one; a larger customer, in proportion
more. By hand, 2026-11-24: 17 500 kWh a year, the largest of homes."""
GRACIA_DIAS = 14
"""Days after its end in which an innocent event may still be taken for something. By hand,
2026-11-30: as long as a case stays open after all is back (contract 11)."""
_SORTEO = 20
"""Stream of the draws of start and end; those of ``make_attack`` are in 10."""


@dataclass(frozen=True, slots=True, eq=False)
class Poblacion:
    """Labelled readings in the order of the log: by hour, then customer."""

    lecturas: Lecturas  # as the meters report them
    clientes: list[str]  # (c,)
    ataque: list[str]  # (c,): kind of each customer's attack, "" = clean
    cliente: NDArray[np.int64]  # (n,): index into ``clientes``
    atacada: NDArray[np.bool_]  # (n,): the attack has its hand in the reading
    # (n,): Counts in the figures: after the warm-up, and either attacked or of a clean customer.
    # The honest hours of an attacked customer are neither one thing nor the other.
    juzgada: NDArray[np.bool_]
    # (n,), kWh: consumed and not metered; below 0 where more was metered than consumed.
    perdida_kwh: Floats
    desde_hora: int  # first absolute hour after the warm-up

    def __len__(self) -> int:
        return len(self.lecturas)

    @property
    def tipo(self) -> NDArray[np.str_]:
        """Return (n,) the kind of attack of each reading, "" = honest."""
        return np.where(self.atacada, np.array(self.ataque)[self.cliente], "")

    def particion(self, particiones: int) -> NDArray[np.int32]:
        """Return (n,) the partition of each reading, customers spread as Kafka spreads them."""
        propia = [partition_of(p, particiones) for p in self.clientes]
        return np.array(propia, np.int32)[self.cliente]


def attack_homes(
    reales: Lecturas,
    calendario: Calendario,
    semilla: int,
    *,
    tipos: Sequence[str] = ATAQUES,
    proporcion: float = 0.5,
    calentamiento_dias: int = CALENTAMIENTO_DIAS,
    visible: bool = False,
) -> Poblacion:
    """Return real households, a share of them attacked; the same seed, the same attacks.

    ``PermanentError``: the readings end before an attack could have started.

    Parameters
    ----------
    reales : Lecturas
        Clean readings, in any order, one of each customer and hour.
    tipos : sequence of str
        Kinds of attack, given out in turn.
    proporcion : float
        Share of the customers that is attacked, 0 to 1.
    visible : bool
        Blatant attacks only, as in ``make_attack``.
    """
    hogares = _lay_out(reales, calendario, semilla, calentamiento_dias)
    nombres, cliente, hora, leido = hogares.nombres, hogares.cliente, hogares.hora, hogares.leido
    quienes = by_lot(nombres, semilla, "ataque")[: round(proporcion * len(nombres))]
    ataque = dict.fromkeys(nombres, "") | {q: tipos[k % len(tipos)] for k, q in enumerate(quienes)}
    atacada, perdida = _attack_all(hogares, ataque, semilla, visible, calendario)
    # A house without consumption reports what it would have reported: it is no case.
    tipo = [ataque[n] for n in nombres]
    limpio = np.array([not t for t in tipo])
    juzgada = (hora >= hogares.desde) & (limpio[cliente] | atacada)
    lecturas = Lecturas([nombres[k] for k in cliente.tolist()], hora, leido)
    return Poblacion(lecturas, nombres, tipo, cliente, atacada, juzgada, perdida, hogares.desde)


def eventful_homes(
    reales: Lecturas,
    calendario: Calendario,
    semilla: int,
    *,
    calentamiento_dias: int = CALENTAMIENTO_DIAS,
) -> Poblacion:
    """Return real households, to each of which something innocent happens; kinds in turn.

    ``ataque`` holds the kind of event; judged are the hours from its start to two weeks after its
    end. A reading that does not come is not there. Parameters and errors as in ``attack_homes``.
    """
    hogares = _lay_out(reales, calendario, semilla, calentamiento_dias)
    nombres, cliente, hora, leido = hogares.nombres, hogares.cliente, hogares.hora, hogares.leido
    desde, filas = hogares.desde, hogares.filas()
    juzgada, tipo = np.zeros(hora.size, np.bool_), [""] * len(nombres)
    sucede = leido.copy()
    turno = {n: k for k, n in enumerate(by_lot(nombres, semilla, "suceso"))}
    for k, (nombre, suyas) in enumerate(zip(nombres, filas, strict=True)):
        tipo[k] = INOCENTES[turno[nombre] % len(INOCENTES)]
        clave = (semilla, index_of(nombre))
        rng = np.random.default_rng(np.random.SeedSequence([*clave, _SORTEO]))
        ultimo = max(desde + 1, hogares.hasta - MINIMO_ATAQUE_DIAS * HORAS_POR_DIA)
        evento = make_event(clave, tipo[k], int(rng.integers(desde, ultimo)))
        otras = filas[(k + 1) % len(filas)]
        sucede[suyas], tocada = event_readings(
            evento, clave, hora[suyas], leido[suyas], hogares.tiempo, (hora[otras], leido[otras])
        )
        fin = evento.fin_hora + GRACIA_DIAS * HORAS_POR_DIA
        juzgada[suyas] = tocada.any() & (hora[suyas] >= evento.inicio_hora) & (hora[suyas] < fin)
    hay = np.flatnonzero(~np.isnan(sucede))
    lecturas = Lecturas([nombres[k] for k in cliente[hay].tolist()], hora[hay], sucede[hay])
    nada = np.zeros(hay.size)
    return Poblacion(
        lecturas, nombres, tipo, cliente[hay], nada.astype(np.bool_), juzgada[hay], nada, desde
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Homes:
    """Readings of real households in the order of the log."""

    nombres: list[str]  # (c,)
    cliente: NDArray[np.int64]  # (n,): index into ``nombres``
    hora: NDArray[np.int64]  # (n,): absolute
    leido: Floats  # (n,), kWh
    # desde, hasta: absolute hours; the first after the warm-up, and one after the last.
    desde: int
    hasta: int
    tiempo: TimeAxis

    def filas(self) -> list[NDArray[np.int64]]:
        """Return the rows of each household, in the order of the names."""
        cortes = np.cumsum(np.bincount(self.cliente))[:-1]
        return np.split(np.argsort(self.cliente, kind="stable"), cortes)


def _lay_out(
    reales: Lecturas, calendario: Calendario, semilla: int, calentamiento_dias: int
) -> _Homes:
    clientes, cliente = np.unique(np.array(reales.propietario_id), return_inverse=True)
    orden = np.lexsort((cliente, reales.hora_utc))
    hora = reales.hora_utc[orden]
    primera, hasta = int(hora[0]), int(hora[-1]) + 1
    desde = primera + calentamiento_dias * HORAS_POR_DIA
    _check_span(primera, desde, hasta)
    return _Homes(
        clientes.tolist(), cliente[orden].astype(np.int64), hora,
        np.round(reales.consumo_kwh[orden], DECIMALES), desde, hasta,
        make_time_axis(semilla, primera, hasta, calendario, frozenset()),
    )  # fmt: skip


def _attack_all(
    hogares: _Homes,
    ataque: dict[str, str],
    semilla: int,
    visible: bool,
    calendario: Calendario,
) -> tuple[NDArray[np.bool_], Floats]:
    """Return what (n,) the attacks touch and what is lost.

    ``hogares.leido`` and ``ataque`` are changed.
    """
    leido, horas = hogares.leido, (hogares.desde, hogares.hasta)
    atacada, perdida = np.zeros(leido.size, np.bool_), np.zeros(leido.size)
    for nombre, suyas in zip(list(ataque), hogares.filas(), strict=True):
        if not ataque[nombre]:
            continue
        cuando, honesto = hogares.hora[suyas], leido[suyas]
        efecto, fin, clave = _draw_attack(semilla, nombre, ataque[nombre], visible, horas)
        resultado, tocadas = attack_readings(
            efecto, clave, cuando, honesto, hogares.tiempo, calendario
        )
        tocadas &= cuando < fin
        resultado = np.where(tocadas, resultado, honesto)
        if not tocadas.any():
            ataque[nombre] = ""
        perdida[suyas] = np.where(tocadas, _lost(efecto, honesto, resultado), 0.0)
        leido[suyas], atacada[suyas] = resultado, tocadas
    return atacada, perdida


def _check_span(primera: int, desde: int, hasta: int) -> None:
    if hasta - desde <= MINIMO_ATAQUE_DIAS * HORAS_POR_DIA:
        raise PermanentError(
            f"las lecturas abarcan {(hasta - primera) / HORAS_POR_DIA:.0f} días y para simular "
            f"ataques hacen falta más de {(desde - primera) // HORAS_POR_DIA + MINIMO_ATAQUE_DIAS}"
        )


def _draw_attack(
    semilla: int, nombre: str, tipo: str, visible: bool, horas: tuple[int, int]
) -> tuple[Attack, int, tuple[int, int]]:
    """Return a customer's attack, the hour at which it is over, and what addresses its draws.

    ``horas``: first and last possible hour, and one more.
    """
    indice = index_of(nombre)
    desde, hasta = horas
    rng = np.random.default_rng(np.random.SeedSequence([semilla, indice, _SORTEO]))
    minimo = MINIMO_ATAQUE_DIAS * HORAS_POR_DIA
    inicio = int(rng.integers(desde, hasta - minimo + 1))
    fin = int(rng.integers(inicio + minimo, hasta + 1)) if rng.random() < 0.5 else hasta
    return make_attack(semilla, indice, tipo, inicio, visible), fin, (semilla, indice)


def _lost(ataque: Attack, honesto_kwh: Floats, leido_kwh: Floats) -> Floats:
    """Return kWh (n,) that were consumed beyond what was metered, below 0 = less."""
    if ataque.tipo == "cannabis":
        return (leido_kwh - honesto_kwh) / ataque.medida * (1.0 - ataque.medida)
    if ataque.tipo in {"picos", "carga_nocturna"}:
        return np.zeros_like(leido_kwh)
    return honesto_kwh - leido_kwh


def attack_readings(
    ataque: Attack,
    clave: tuple[int, int],
    hora_utc: NDArray[np.int64],
    consumo_kwh: Floats,
    tiempo: TimeAxis,
    calendario: Calendario,
    curso: AttackCourse | None = None,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return one customer's readings (m,) under an attack, and where it has its hand in them.

    What the meter shows of it is rounded as the customer's own readings are.

    Parameters
    ----------
    clave : tuple of int
        Of the attack's draws.
    tiempo : TimeAxis
        Hours that may be attacked, up to the customer's last one.
    curso : AttackCourse, optional
        How it goes on; at its whole size to the end of the readings if not given.
    """
    inicio, primera = ataque.inicio_hora, int(tiempo.hora_utc[0])
    dentro, posicion, denso = _on_axis(hora_utc, consumo_kwh, tiempo)
    antes = consumo_kwh[hora_utc < inicio]
    media = float(antes.mean()) if antes.size else 0.0
    # A larger customer has, in proportion, a larger load.
    factor = max(1.0, media / MEDIA_DE_HOGAR_KWH)
    leido, tocado = apply_attack(
        replace(
            ataque,
            lamparas_kw=ataque.lamparas_kw * factor,
            auxiliar_kw=ataque.auxiliar_kw * factor,
        ),
        clave,
        tiempo,
        denso,
        ultima_kwh=float(denso[inicio - 1 - primera]),
        hora_inicio=int(calendario.local(np.array([inicio]))[0]) % HORAS_POR_DIA,
    )
    if curso is not None:
        leido, tocado = apply_course(curso, tiempo, denso, leido, tocado)
    atacada = np.zeros(hora_utc.size, np.bool_)
    atacada[dentro] = tocado[posicion]
    kwh = consumo_kwh.copy()
    kwh[atacada] = to_meter(leido[posicion], meter_step(consumo_kwh))[atacada[dentro]]
    return kwh, atacada


def event_readings(
    evento: InnocentEvent,
    clave: tuple[int, int],
    hora_utc: NDArray[np.int64],
    consumo_kwh: Floats,
    tiempo: TimeAxis,
    otro: tuple[NDArray[np.int64], Floats] | None = None,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return one customer's readings (m,) with an innocent event, and where (m,) it shows.

    NaN = the reading does not come. Parameters as in ``attack_readings``.

    ``otro``: hours and kWh of the next tenant.
    """
    dentro, posicion, denso = _on_axis(hora_utc, consumo_kwh, tiempo)
    leido, tocado = apply_event(
        evento, clave, tiempo, denso, paso_kwh=meter_step(consumo_kwh),
        otro_kwh=None if otro is None else _on_axis(*otro, tiempo)[2],
    )  # fmt: skip
    tocada = np.zeros(hora_utc.size, np.bool_)
    tocada[dentro] = tocado[posicion]
    kwh = consumo_kwh.copy()
    kwh[tocada] = leido[posicion][tocada[dentro]]
    return kwh, tocada


def _on_axis(
    hora_utc: NDArray[np.int64], consumo_kwh: Floats, tiempo: TimeAxis
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return which readings are of the axis' hours, of which one each, and kWh at all of them."""
    primera, horas = int(tiempo.hora_utc[0]), tiempo.hora_utc.size
    dentro = np.flatnonzero((hora_utc >= primera) & (hora_utc < primera + horas))
    posicion = hora_utc[dentro] - primera
    return dentro, posicion, fill_gaps(posicion, consumo_kwh[dentro], horas)
