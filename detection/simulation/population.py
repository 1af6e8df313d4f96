"""The population that producer, generator and demo share: a name is one household, for all time.

A customer depends on its name alone: neither on how many others are asked for, nor on when, nor
on how many of them are to be suspicious. What a suspicious one does to its meter comes and goes in
absolute time. So whoever sends an hour of a customer again sends the same kWh, and changes
nothing that is stored. Who is asked for can be chosen; what they are cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import count

import numpy as np

from detection.domain import HORAS_POR_DIA
from detection.errors import ConfiguracionError
from detection.simulation.synthesis import (
    REPARTO,
    SimulatedCustomer,
    attack_start,
    customer_id,
    free_household,
    make_customer,
)

SEMILLA = 7
"""Seed of the customers whose names carry none."""
SEMILLA_MAXIMA = 999_999_999
"""With nine digits of a seed and nine of a number, a name has the 20 characters it may have."""
SOSPECHOSOS_DE_50 = 8
"""Of fifty customers, as many are suspicious at any moment."""

_BLOQUE = 50
_ACTIVO_H = 56 * HORAS_POR_DIA
_CICLO_H = 2 * _ACTIVO_H
"""Honest for half of the time: two of a detector's windows of 28 days come before each spell."""
_POR_BLOQUE = SOSPECHOSOS_DE_50 * _CICLO_H // _ACTIVO_H

_ESCENAS_H = (60 * HORAS_POR_DIA, 80 * HORAS_POR_DIA)
"""In a longer scene, spells begin in turn as they do in its last 60 and in its last 80 days: some
weeks ago, and a month and a half ago."""
_CANTERA, _CANTERA_MINIMA = 4, 500
"""Numbers that a scene chooses from, for each customer that it shows and at least: within a week
of any moment a spell begins of as many as it needs."""
_AUREA = 0.618_033_988_749_895
"""Its multiples are spread evenly over a unit, however many there are (H. Weyl, 1916)."""


def name_of(semilla: int, indice: int) -> str:
    """Return the name of customer ``indice`` of a seed; no two households share one.

    Examples
    --------
    >>> name_of(SEMILLA, 45), name_of(9, 45)
    ('CLI_00045', 'S9_00045')
    """
    return customer_id(indice) if semilla == SEMILLA else f"S{semilla}_{indice:05d}"


def customer(semilla: int, indice: int) -> SimulatedCustomer:
    """Return customer ``indice`` of a seed, from 1 on, the same one whoever asks and when.

    Examples
    --------
    >>> customer(SEMILLA, 7) == customer(SEMILLA, 7)
    True
    """
    if not 0 <= semilla <= SEMILLA_MAXIMA:
        raise ConfiguracionError(f"la semilla va de 0 a {SEMILLA_MAXIMA}")
    tipo, inicio = _suspects(semilla, (indice - 1) // _BLOQUE).get(indice, (None, 0))
    cliente = make_customer(semilla, indice, tipo, inicio, visible=True)
    ciclo = None if tipo is None else (_ACTIVO_H, _CICLO_H)
    return replace(cliente, propietario_id=name_of(semilla, indice), ciclo_horas=ciclo)


def customers(
    semilla: int, clientes: int, sospechosos: int | None, desde_hora: int, hasta_hora: int
) -> list[SimulatedCustomer]:
    """Return the first customers of a seed, in the order of their numbers.

    Parameters
    ----------
    sospechosos : int or None
        How many of them do something in the absolute hours ``[desde_hora, hasta_hora)``: the first
        that do and the first others; None = whoever the first ``clientes`` are.
    """
    if sospechosos is None:
        return [customer(semilla, i) for i in range(1, clientes + 1)]
    if not 0 <= sospechosos <= clientes:
        raise ConfiguracionError(
            f"no puede haber {sospechosos} sospechosos entre {clientes} clientes"
        )
    faltan = {True: sospechosos, False: clientes - sospechosos}
    elegidos: list[SimulatedCustomer] = []
    for i in count(1):
        if len(elegidos) == clientes:
            break
        cliente = customer(semilla, i)
        hace_algo = any(True for _ in cliente.ataques(desde_hora, hasta_hora))
        if faltan[hace_algo]:
            faltan[hace_algo] -= 1
            elegidos.append(cliente)
    return elegidos


@lru_cache(maxsize=4)
def scene(
    semilla: int, clientes: int, sospechosos: int, desde_hora: int, hasta_hora: int
) -> Sequence[SimulatedCustomer]:
    """Return customers whose spells begin where a look at the interval sees them best.

    ``sospechosos`` of them begin after clean days and go on at its end (``attack_start``), of
    all kinds in turn; the others are always honest. They are drawn from all over the first
    numbers, and the first honest one is always among them.
    """
    desde = max(desde_hora, hasta_hora - _ESCENAS_H[0])
    cantera = max(clientes * _CANTERA, _CANTERA_MINIMA)
    por_tipo: dict[str, dict[int, int]] = {tipo: {} for tipo in REPARTO}
    for bloque in range(-(-cantera // _BLOQUE)):
        for i, (tipo, inicio) in _suspects(semilla, bloque).items():
            vueltas = (desde - inicio + _ACTIVO_H) // _CICLO_H
            por_tipo[tipo][i] = inicio + vueltas * _CICLO_H
    iniciales = {i for suyos in por_tipo.values() for i in suyos}
    numeros: set[int] = set()
    for k in range(sospechosos):
        vista = max(desde_hora, hasta_hora - _ESCENAS_H[(k + 1) % 2])
        buscado = attack_start(k * _AUREA % 1.0, vista, hasta_hora)
        suyos = por_tipo[REPARTO[k % len(REPARTO)]]
        numero = min(suyos, key=lambda i: (suyos[i] >= hasta_hora, abs(suyos[i] - buscado), i))
        numeros.add(numero)
        del suyos[numero]
    honestos = [i for i in range(1, cantera + 1) if i not in iniciales]
    cuantos = clientes - sospechosos
    numeros |= {honestos[k * len(honestos) // cuantos] for k in range(cuantos)}
    return tuple(customer(semilla, i) for i in sorted(numeros))


@lru_cache(maxsize=4096)
def _suspects(semilla: int, bloque: int) -> dict[int, tuple[str, int]]:
    """Return kind and first start (absolute hour) of the suspicious customers of a block.

    The starts of a block lie evenly over the cycle: the same number of them is active at any
    moment. Their numbers are spread over the block with some chance, their kinds follow
    ``REPARTO`` from block to block.
    """
    rng = np.random.default_rng(np.random.SeedSequence([semilla, 0, bloque, _POR_BLOQUE]))
    primero = bloque * _BLOQUE
    elegidos: set[int] = set()
    for k in range(_POR_BLOQUE):
        sitio = int((k + rng.uniform(0.35, 0.95)) * _BLOQUE / _POR_BLOQUE)
        vuelta = [primero + 1 + (sitio + paso) % _BLOQUE for paso in range(_BLOQUE)]
        elegidos.add(free_household(semilla, [i for i in vuelta if i not in elegidos]))
    turno, desfase = rng.permutation(_POR_BLOQUE), float(rng.random())
    return {
        i: (
            REPARTO[(bloque * _POR_BLOQUE + k) % len(REPARTO)],
            int((int(turno[k]) + desfase) * _CICLO_H / _POR_BLOQUE),
        )
        for k, i in enumerate(sorted(elegidos))
    }
