"""Seeded households and labelled suspicious behaviour: what the generator and the tests draw from.

Any customer of a seed is the same however many are asked, and any hours of it are the same
however they are cut: ``[a, b)`` and ``[b, c)`` together are ``[a, c)``. So live data continue
the history that was generated before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, Calendario, Lecturas
from detection.errors import ConfiguracionError
from detection.simulation.attacks import ETIQUETAS, NORMAL, Attack, apply_attack, make_attack
from detection.simulation.draws import Floats, TimeAxis, make_time_axis
from detection.simulation.households import (
    Household,
    honest_consumption,
    make_household,
    round_to_meter,
)

TIPOS_SOSPECHOSOS: tuple[str, ...] = ("fraude", *ETIQUETAS[1:])
"""What can be asked for: every label but "normal", and "fraude" for any of the frauds."""

REPARTO = (
    "cannabis",
    "fraude_escala",
    "puente_nocturno",
    "picos",
    "congelado",
    "fraude_ceros",
    "cannabis",
    "fraude_media_aleatoria",
    "fraude_escala_aleatoria",
    "fraude_media",
    "fraude_inversion",
)
"""Kinds of a population's suspicious customers, in the order of their ids, and again."""

_DIAS_LIMPIOS = 28
"""A detector's whole window of history (contract 5) comes before an attack, if it fits."""

_FRACCION_LIMPIA = 0.55
"""Otherwise this share of the interval: 22 days of 40."""

_DIAS_FINALES = 8
_MARGEN_INICIO_DIAS = 16
"""Attacks start within so many days, and leave at least the final days to be seen."""


@dataclass(frozen=True, slots=True)
class SimulatedCustomer:
    """A customer: a household and, perhaps, what it does to its meter."""

    propietario_id: str  # ``CLI_00001`` for customer 1 of the seed
    hogar: Household
    ataque: Attack | None  # None = honest for ever
    # How long its attack lasts and after how long it begins again, h; None = it never ends.
    ciclo_horas: tuple[int, int] | None = None

    @property
    def sospechoso(self) -> str:
        """Return the label of its suspicious readings, "normal" if it has none."""
        return NORMAL if self.ataque is None else self.ataque.tipo

    def ataques(self, desde_hora: int, hasta_hora: int) -> Iterator[tuple[Attack, int]]:
        """Yield each attack on the absolute hours ``[desde, hasta)``, and the hour it ends at."""
        if self.ataque is None:
            return
        primero = self.ataque.inicio_hora
        if self.ciclo_horas is None:
            if primero < hasta_hora:
                yield self.ataque, hasta_hora
            return
        activo, ciclo = self.ciclo_horas
        vuelta = max(0, (desde_hora - primero - activo) // ciclo + 1)
        for inicio in range(primero + vuelta * ciclo, hasta_hora, ciclo):
            yield replace(self.ataque, inicio_hora=inicio), inicio + activo


@dataclass(frozen=True, slots=True)
class GeneratedReadings:
    """Generated readings with the truth beside them, hour after hour, customers in their order."""

    propietario_id: list[str]  # (n,)
    hora_utc: NDArray[np.int64]  # (n,): absolute hour at which the reading starts
    consumo_kwh: Floats  # (n,): kWh in that hour, >= 0, with the meter's decimals
    etiqueta: list[str]  # (n,): one of ``ETIQUETAS``; "normal" where the reading is the honest one

    def __len__(self) -> int:
        return len(self.propietario_id)

    def lecturas(self) -> Lecturas:
        """Return the readings alone, as a detector may see them."""
        return Lecturas(self.propietario_id, self.hora_utc, self.consumo_kwh)


def customer_id(indice: int) -> str:
    """Return the id of a seed's customer.

    Examples
    --------
    >>> customer_id(45)
    'CLI_00045'
    """
    return f"CLI_{indice:05d}"


def make_customer(
    semilla: int,
    indice: int,
    sospechoso: str | None = None,
    inicio_ataque_hora: int = 0,
    visible: bool = False,
) -> SimulatedCustomer:
    """Return customer ``indice`` of a seed, the same one however many others there are.

    Parameters
    ----------
    indice : int
        From 1 on.
    sospechoso : str or None
        One of ``TIPOS_SOSPECHOSOS``; None = honest. It does not change the household.
    inicio_ataque_hora : int
        Absolute UTC hour from which on the readings are touched.
    visible : bool
        See ``make_attack``.

    Examples
    --------
    >>> make_customer(1, 7, "picos", 500_000).sospechoso
    'picos'
    """
    if semilla < 0 or indice < 1:
        raise ConfiguracionError("la semilla es >= 0 y los clientes se numeran desde 1")
    if sospechoso is not None and sospechoso not in TIPOS_SOSPECHOSOS:
        raise ConfiguracionError(
            f"no existe el tipo «{sospechoso}»; los hay: {', '.join(TIPOS_SOSPECHOSOS)}"
        )
    ataque = None
    if sospechoso is not None:
        ataque = make_attack(semilla, indice, sospechoso, inicio_ataque_hora, visible)
    return SimulatedCustomer(customer_id(indice), make_household(semilla, indice), ataque)


def make_population(
    semilla: int, clientes: int, sospechosos: int, desde_hora: int, hasta_hora: int
) -> list[SimulatedCustomer]:
    """Return ``clientes`` customers, ``sospechosos`` of them with a behaviour that can be seen.

    Their ids are spread evenly with some chance, their kinds follow ``REPARTO``, and each
    starts within ``[desde_hora, hasta_hora)`` after a clean time (see ``attack_start``).
    """
    if not 0 <= sospechosos <= clientes:
        raise ConfiguracionError(
            f"no puede haber {sospechosos} sospechosos entre {clientes} clientes"
        )
    rng = np.random.default_rng(np.random.SeedSequence([semilla, 0, clientes, sospechosos]))
    inicios: dict[int, int] = {}
    for k in range(sospechosos):
        sitio = 1 + int((k + rng.uniform(0.15, 0.85)) * clientes / sospechosos)
        inicio = attack_start(float(rng.random()), desde_hora, hasta_hora)
        vuelta = [(sitio - 1 + paso) % clientes + 1 for paso in range(clientes)]
        inicios[free_household(semilla, [i for i in vuelta if i not in inicios])] = inicio
    orden = {indice: k for k, indice in enumerate(sorted(inicios))}
    return [
        make_customer(
            semilla,
            i,
            REPARTO[orden[i] % len(REPARTO)] if i in orden else None,
            inicios.get(i, 0),
            visible=True,
        )
        for i in range(1, clientes + 1)
    ]


def attack_start(u: float, desde_hora: int, hasta_hora: int) -> int:
    """Return the absolute hour at which an attack starts within an interval.

    After 28 clean days, or 55 % of an interval that is shorter than 51 days; at least 8 days
    before its end where that leaves a choice.

    ``u``: chance, 0 to 1.

    Examples
    --------
    >>> [attack_start(u, 0, 60 * 24) / 24 for u in (0.0, 1.0)]
    [28.0, 44.0]
    >>> [attack_start(u, 0, 40 * 24) / 24 for u in (0.0, 1.0)]
    [22.0, 32.0]
    """
    dias = (hasta_hora - desde_hora) / HORAS_POR_DIA
    primero = min(_DIAS_LIMPIOS, _FRACCION_LIMPIA * dias)
    ultimo = max(primero, min(dias - _DIAS_FINALES, primero + _MARGEN_INICIO_DIAS))
    return desde_hora + round((primero + u * (ultimo - primero)) * HORAS_POR_DIA)


def generate(
    clientes: Sequence[SimulatedCustomer],
    desde_hora: int,
    hasta_hora: int,
    calendario: Calendario,
    festivos: Set[int] = frozenset(),
) -> GeneratedReadings:
    """Return the readings of every customer in the absolute hours ``[desde_hora, hasta_hora)``.

    ``festivos``: holidays as local days since 1970-01-01.
    """
    if not clientes or hasta_hora <= desde_hora:
        return GeneratedReadings([], np.empty(0, np.int64), np.empty(0, np.float64), [])
    horas = hasta_hora - desde_hora
    consumo = np.empty((horas, len(clientes)), np.float64)
    etiquetas = np.empty((horas, len(clientes)), object)
    tiempos: dict[int, TimeAxis] = {}
    for columna, cliente in enumerate(clientes):
        semilla = cliente.hogar.semilla
        if semilla not in tiempos:
            tiempos[semilla] = make_time_axis(semilla, desde_hora, hasta_hora, calendario, festivos)
        tiempo = tiempos[semilla]
        corte = slice(desde_hora - int(tiempo.hora_utc[0]), hasta_hora - int(tiempo.hora_utc[0]))
        leido, tocado = _leer(cliente, tiempo, calendario, festivos)
        consumo[:, columna] = leido[corte]
        etiquetas[:, columna] = np.where(tocado[corte], cliente.sospechoso, NORMAL)
    return GeneratedReadings(
        [cliente.propietario_id for cliente in clientes] * horas,
        np.repeat(np.arange(desde_hora, hasta_hora, dtype=np.int64), len(clientes)),
        consumo.ravel(),
        etiquetas.ravel().tolist(),
    )


def _leer(
    cliente: SimulatedCustomer, tiempo: TimeAxis, calendario: Calendario, festivos: Set[int]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return what the meter reports (n,), and where it is not the truth."""
    hogar, horas = cliente.hogar, tiempo.hora_utc
    honesto = round_to_meter(hogar, honest_consumption(hogar, tiempo))
    leido, tocado = honesto, np.zeros(honesto.shape[0], np.bool_)
    for ataque, fin in cliente.ataques(int(horas[0]), int(horas[-1]) + 1):
        antes = make_time_axis(
            hogar.semilla, ataque.inicio_hora - 1, ataque.inicio_hora, calendario, festivos
        )
        ultima = ataque.inicio_hora - 1 - int(antes.hora_utc[0])
        movido, suyas = apply_attack(
            ataque,
            (hogar.semilla, hogar.indice),
            tiempo,
            honesto,
            ultima_kwh=float(round_to_meter(hogar, honest_consumption(hogar, antes))[ultima]),
            hora_inicio=int(calendario.local(np.array([ataque.inicio_hora]))[0]) % HORAS_POR_DIA,
        )
        suyas &= horas < fin
        leido = np.where(suyas, round_to_meter(hogar, movido), leido)
        tocado |= suyas
    return leido, tocado


def free_household(semilla: int, libres: Sequence[int]) -> int:
    """Return the first of some customers who lives where the meter is.

    Under-reporting in a second home, empty most of the time, can be seen by nobody.
    """
    habitados = (
        i for i in libres[:50] if make_household(semilla, i).arquetipo != "segunda_residencia"
    )
    return next(habitados, libres[0])
