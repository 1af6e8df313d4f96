"""The red team: real households, half of them attacked, every reading labelled.

Each attacked customer is a real household that does something from a random hour on, after a clean
warm-up: one kind each, all kinds in turn, as large as they come
(``detection/simulation/attacks.py`` draws from blatant to hardly anything). Half of the attacks
end before the data do. Nothing here depends on who else there is: a customer's draws are addressed
by its own name.

Customers are development or test as a whole, by a hash of their name. Whatever is fitted, chosen or
looked at comes from the development half; the test half gives the figures that are reported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, Calendario, Lecturas
from detection.errors import PermanentError
from detection.simulation.attacks import AMPLIADOS, Attack, apply_attack, make_attack
from detection.simulation.draws import TimeAxis, make_time_axis
from training.dataset import partition_of
from training.history_reader import by_lot
from training.holdout import (
    ATAQUES,
    DECIMALES,
    MEDIA_DE_HOGAR_KWH,
    meter_step,
    to_meter,
)

Floats = NDArray[np.float64]

TODOS: tuple[str, ...] = (*ATAQUES, *AMPLIADOS)
"""The ten kinds that the figures are reported on, and the further ones."""

CALENTAMIENTO_DIAS = 14
"""Clean days at the start: what a reference needs (``Params.dias_minimos``)."""
MINIMO_ATAQUE_DIAS = 5
"""Shortest attack, and the least that is left of the data when one starts. By hand, 2026-11-24."""
_SORTEO = 20
"""Stream of the draws of start and end; those of ``make_attack`` are in 10."""


def es_desarrollo(propietario_id: str) -> bool:
    """Return whether a customer is of the development half; the others are the test half.

    Examples
    --------
    >>> es_desarrollo("CH-1005084"), es_desarrollo("US-CA-03")
    (True, False)
    """
    return hashlib.blake2b(propietario_id.encode(), digest_size=8).digest()[0] < 128


@dataclass(frozen=True, slots=True, eq=False)
class Poblacion:
    """Labelled readings in the order of the log: by hour, then customer.

    Parameters
    ----------
    lecturas : Lecturas
        As the meters report them.
    clientes : list of str (c,)
    ataque : list of str (c,)
        Kind of each customer's attack, "" = clean.
    cliente : ndarray (n,), int64
        Index into ``clientes``.
    atacada : ndarray (n,), bool
        The attack has its hand in the reading.
    juzgada : ndarray (n,), bool
        Counts in the figures: after the warm-up, and either attacked or of a clean customer. The
        honest hours of an attacked customer are neither one thing nor the other.
    perdida_kwh : ndarray (n,), kWh
        Consumed and not metered; below 0 where more was metered than consumed.
    desde_hora : int
        First absolute hour after the warm-up.
    """

    lecturas: Lecturas
    clientes: list[str]
    ataque: list[str]
    cliente: NDArray[np.int64]
    atacada: NDArray[np.bool_]
    juzgada: NDArray[np.bool_]
    perdida_kwh: Floats
    desde_hora: int

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


def make_poblacion(
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

    Raises
    ------
    PermanentError
        The readings end before an attack could have started.
    """
    clientes, cliente = np.unique(np.array(reales.propietario_id), return_inverse=True)
    orden = np.lexsort((cliente, reales.hora_utc))
    cliente, hora = cliente[orden].astype(np.int64), reales.hora_utc[orden]
    leido = np.round(reales.consumo_kwh[orden], DECIMALES)
    desde = int(hora[0]) + calentamiento_dias * HORAS_POR_DIA
    hasta = int(hora[-1]) + 1
    _check_span(int(hora[0]), desde, hasta)
    tiempo = make_time_axis(semilla, int(hora[0]), hasta, calendario, frozenset())
    nombres = clientes.tolist()
    quienes = by_lot(nombres, semilla, "ataque")[: round(proporcion * len(nombres))]
    ataque = dict.fromkeys(nombres, "") | {q: tipos[k % len(tipos)] for k, q in enumerate(quienes)}
    casos = (semilla, visible, (desde, hasta))
    atacada, perdida = _attack_all(casos, ataque, cliente, hora, leido, tiempo, calendario)
    # A house without consumption reports what it would have reported: it is no case.
    tipo = [ataque[n] for n in nombres]
    limpio = np.array([not t for t in tipo])
    juzgada = (hora >= desde) & (limpio[cliente] | atacada)
    lecturas = Lecturas([nombres[k] for k in cliente.tolist()], hora, leido)
    return Poblacion(lecturas, nombres, tipo, cliente, atacada, juzgada, perdida, desde)


def _attack_all(
    casos: tuple[int, bool, tuple[int, int]],
    ataque: dict[str, str],
    cliente: NDArray[np.int64],
    hora_utc: NDArray[np.int64],
    leido: Floats,
    tiempo: TimeAxis,
    calendario: Calendario,
) -> tuple[NDArray[np.bool_], Floats]:
    """Return what (n,) the attacks touch and what is lost; ``leido`` and ``ataque`` are changed.

    Parameters
    ----------
    casos : tuple
        Seed, whether blatant only, and the first and the last possible hour.
    """
    semilla, visible, horas = casos
    atacada, perdida = np.zeros(hora_utc.size, np.bool_), np.zeros(hora_utc.size)
    filas = np.split(np.argsort(cliente, kind="stable"), np.cumsum(np.bincount(cliente))[:-1])
    for nombre, suyas in zip(list(ataque), filas, strict=True):
        if not ataque[nombre]:
            continue
        caso = _Caso(semilla, nombre, ataque[nombre], visible, horas)
        resultado, tocadas = _attack(caso, hora_utc[suyas], leido[suyas], tiempo, calendario)
        if not tocadas.any():
            ataque[nombre] = ""
        perdida[suyas] = np.where(tocadas, _lost(caso, leido[suyas], resultado), 0.0)
        leido[suyas], atacada[suyas] = resultado, tocadas
    return atacada, perdida


def _check_span(primera: int, desde: int, hasta: int) -> None:
    if hasta - desde <= MINIMO_ATAQUE_DIAS * HORAS_POR_DIA:
        raise PermanentError(
            f"las lecturas abarcan {(hasta - primera) / HORAS_POR_DIA:.0f} días y para simular "
            f"ataques hacen falta más de {(desde - primera) // HORAS_POR_DIA + MINIMO_ATAQUE_DIAS}"
        )


@dataclass(frozen=True, slots=True)
class _Caso:
    """Who attacks, and how; ``horas`` are the first and the last possible hour, and one more."""

    semilla: int
    nombre: str
    tipo: str
    visible: bool
    horas: tuple[int, int]

    @property
    def indice(self) -> int:
        """Return the number that addresses the customer's draws."""
        resumen = hashlib.blake2b(self.nombre.encode(), digest_size=4).digest()
        return int.from_bytes(resumen, "big")

    def make(self) -> tuple[Attack, int]:
        """Return the attack, and the hour at which it is over."""
        desde, hasta = self.horas
        rng = np.random.default_rng(np.random.SeedSequence([self.semilla, self.indice, _SORTEO]))
        minimo = MINIMO_ATAQUE_DIAS * HORAS_POR_DIA
        inicio = int(rng.integers(desde, hasta - minimo + 1))
        fin = int(rng.integers(inicio + minimo, hasta + 1)) if rng.random() < 0.5 else hasta
        return make_attack(self.semilla, self.indice, self.tipo, inicio, self.visible), fin


def _lost(caso: _Caso, honesto_kwh: Floats, leido_kwh: Floats) -> Floats:
    """Return kWh (n,) that were consumed beyond what was metered, below 0 = less."""
    if caso.tipo == "cannabis":
        medida = caso.make()[0].medida
        return (leido_kwh - honesto_kwh) / medida * (1.0 - medida)
    if caso.tipo in {"picos", "carga_nocturna"}:
        return np.zeros_like(leido_kwh)
    return honesto_kwh - leido_kwh


def _attack(
    caso: _Caso,
    hora_utc: NDArray[np.int64],
    consumo_kwh: Floats,
    tiempo: TimeAxis,
    calendario: Calendario,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return one customer's readings (m,) under its attack, and where it has its hand in them."""
    ataque, fin = caso.make()
    inicio = ataque.inicio_hora
    primera = int(tiempo.hora_utc[0])
    denso = _dense(hora_utc, consumo_kwh, tiempo.hora_utc)
    antes = consumo_kwh[hora_utc < inicio]
    media = float(antes.mean()) if antes.size else 0.0
    # A larger customer has, in proportion, a larger load.
    factor = max(1.0, media / MEDIA_DE_HOGAR_KWH)
    ataque = replace(
        ataque,
        lamparas_kw=ataque.lamparas_kw * factor,
        auxiliar_kw=ataque.auxiliar_kw * factor,
    )
    leido, tocado = apply_attack(
        ataque,
        (caso.semilla, caso.indice),
        tiempo,
        denso,
        ultima_kwh=float(denso[inicio - 1 - primera]),
        hora_inicio=int(calendario.local(np.array([inicio]))[0]) % HORAS_POR_DIA,
    )
    posicion = hora_utc - primera
    atacada = tocado[posicion] & (hora_utc < fin)
    medido = to_meter(leido[posicion], meter_step(consumo_kwh))
    return np.where(atacada, medido, consumo_kwh), atacada


def _dense(hora_utc: NDArray[np.int64], consumo_kwh: Floats, horas: NDArray[np.int64]) -> Floats:
    """Return kWh at every one of the hours; a missing one is that of the last day that has it."""
    presente = np.zeros(horas.size, np.bool_)
    denso = np.zeros(horas.size)
    denso[hora_utc - horas[0]] = consumo_kwh
    presente[hora_utc - horas[0]] = True
    # Hours as (day, hour) of any 24: the last day at or before each that has a reading, and for
    # those before the first one that first one.
    dias = -(-horas.size // HORAS_POR_DIA)
    hueco = dias * HORAS_POR_DIA - horas.size
    hay = np.pad(presente, (0, hueco)).reshape(dias, HORAS_POR_DIA)
    valor = np.pad(denso, (0, hueco)).reshape(dias, HORAS_POR_DIA)
    dia = np.arange(dias)[:, None]
    ultimo = np.maximum.accumulate(np.where(hay, dia, -1), axis=0)
    primero = np.where(hay.any(axis=0), hay.argmax(axis=0), 0)
    lleno = np.take_along_axis(valor, np.where(ultimo >= 0, ultimo, primero), axis=0)
    return np.asarray(lleno.ravel()[: horas.size])
