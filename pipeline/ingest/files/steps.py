"""How long the intervals of a file are: measured on its times, customer by customer and day by day.

A row that bears 01:00 may be an hour or the last quarter of one; only the rows around it say which.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.files.blocks import ESTIMADA, METODOS
from pipeline.ingest.files.customer_facts import NUNCA, Enteros, changes

FILAS_DE_PRUEBA = 12
"""So many rows a customer must have at a step that is longer than the shortest of the file: fewer
may be what is left of shorter intervals."""
FILAS_IGUALES = 4
"""So many rows at one distance are no chance. By hand, 2026-11-30."""
DIAS_LARGOS = 7
"""So many days of a longer step there must be in front of a customer's shorter one: fewer may be
rows that bear the full hour and whose others are missing. By hand, 2026-11-30."""
_MAYOR = 60
_UN_DIA = 1440


@dataclass(frozen=True, slots=True)
class Pasos:
    """What steps a layout may have and what the whole file shows.

    Parameters
    ----------
    pasos : tuple of int
        Minutes.
    supuesto : int
        What a lone row is taken for; 0 = it is refused.
    menor : int
        The shortest in the file.
    dicho : int
        What the file says of its intervals; 0 = nothing. Rows that stand further apart are what is
        left of shorter ones.
    """

    pasos: tuple[int, ...]
    supuesto: int
    menor: int = _MAYOR
    dicho: int = 0

    def fits(self, minuto: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether minutes can begin or end an interval."""
        bueno = np.zeros(minuto.shape, np.bool_)
        for paso in self.pasos:
            bueno |= minuto % paso == 0
        return bueno

    def snap(self, comun: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the longest step that divides what the minutes of some rows have in common."""
        leido = np.zeros(comun.shape, np.int64)
        for paso in sorted(self.pasos):
            leido[comun % paso == 0] = paso
        return np.minimum(leido, self.dicho) if self.dicho else leido


@dataclass(slots=True)
class MinutosVistos:
    """The minutes of the hour that a file's times have."""

    minutos: set[int] = field(default_factory=set)

    def see(self, minutos: Iterable[int]) -> None:
        """Take the minutes of some times."""
        self.minutos.update(m % _MAYOR for m in minutos)

    def shortest(self, pasos: tuple[int, ...]) -> int:
        """Return the shortest step, of those that a layout may have."""
        vistos = np.array(sorted(self.minutos) or [0], np.int64)
        medida = Pasos(pasos, 0)
        buenos = vistos[medida.fits(vistos)]
        comun = np.gcd.reduce(np.append(buenos, _MAYOR))
        return int(medida.snap(np.array([comun]))[0]) or min(pasos)


@dataclass(slots=True)
class CustomerSteps:
    """The shortest step and the days that each customer has had in a file's parts so far."""

    _menores: dict[int, int] = field(default_factory=dict)
    _dias: dict[int, int] = field(default_factory=dict)

    def add_days(self, cliente: int, dias: int) -> int:
        """Take how many days a customer has in a part; return how many there were before."""
        antes = self._dias.get(cliente, 0)
        self._dias[cliente] = antes + dias
        return antes

    def before(self, clientes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the shortest step of each customer; 60 where none is known."""
        if not self._menores:
            return np.full(clientes.size, _MAYOR, np.int64)
        return np.array([self._menores.get(c, _MAYOR) for c in clientes.tolist()], np.int64)

    def keep(self, clientes: NDArray[np.int64], menores: NDArray[np.int64]) -> None:
        """Take the shortest step of each customer in a part."""
        cortos = menores < _MAYOR
        self._menores.update(zip(clientes[cortos].tolist(), menores[cortos].tolist(), strict=True))


def measure(
    cliente: NDArray[np.int64],
    dia: NDArray[np.int64],
    minuto: NDArray[np.int64],
    pasos: Pasos,
    vistos: CustomerSteps,
) -> NDArray[np.int64]:
    """Return the minutes of each row's interval (n,); 0 = it cannot be told.

    Parameters
    ----------
    cliente, dia : ndarray (n,)
        Sorted by both.
    minuto : ndarray (n,)
        Of the day, at which an interval begins or ends.
    pasos : Pasos
    vistos : CustomerSteps
        Of the parts before; takes what is seen here.
    """
    n = cliente.size
    nuevo = np.ones(n, np.bool_)
    nuevo[1:] = (cliente[1:] != cliente[:-1]) | (dia[1:] != dia[:-1])
    grupos = np.flatnonzero(nuevo)
    comun = np.gcd(minuto % _MAYOR, _MAYOR)
    suyo = pasos.snap(np.gcd.reduceat(comun, grupos))
    cuantas = np.diff(np.append(grupos, n))
    # The same, of all that the customer has here.
    otro = np.ones(grupos.size, np.bool_)
    otro[1:] = cliente[grupos][1:] != cliente[grupos][:-1]
    primeros = np.flatnonzero(otro)
    menor = np.minimum.reduceat(suyo, primeros)
    filas = np.add.reduceat(cuantas, primeros)
    menor = np.where((menor > pasos.menor) & (filas < FILAS_DE_PRUEBA), pasos.menor, menor)
    # Meters come to shorter steps, not back: what looks longer later has lost rows.
    menor = np.minimum(menor, vistos.before(cliente[grupos][primeros]))
    por_cliente = np.diff(np.append(primeros, grupos.size))
    menor_suyo = np.repeat(menor, por_cliente)
    dia_fino = np.where(suyo <= menor_suyo, dia[grupos], NUNCA)
    fino = np.repeat(np.minimum.reduceat(dia_fino, primeros), por_cliente)
    ya_fino = menor_suyo < np.repeat(np.maximum.reduceat(suyo, primeros), por_cliente)
    ya_fino &= (dia[grupos] > fino) | (fino == NUNCA)
    largo = (suyo > menor_suyo) & ((cuantas < FILAS_DE_PRUEBA) | ya_fino)
    suyo = np.where(largo, menor_suyo, suyo)
    vistos.keep(cliente[grupos][primeros], menor)
    if not pasos.supuesto:
        pocas = np.repeat(filas, por_cliente) < FILAS_DE_PRUEBA
        suyo = np.where((cuantas < 2) & pocas, 0, suyo)
    elif pasos.supuesto < _MAYOR:
        suyo = np.where((cuantas < 2) & (suyo > pasos.supuesto), pasos.supuesto, suyo)
    return np.repeat(suyo, cuantas)


def sparse_customers(cliente: Enteros, dia: Enteros, minuto: Enteros) -> dict[int, int]:
    """Return the customers whose rows are further apart than an hour, and the minutes between them.

    Such rows are totals of days or of some hours, and no hours: they come at the same time of the
    day, on two days running or on three, or at one distance, or are so many as prove a step.

    Parameters
    ----------
    cliente, dia : ndarray (n,)
        Sorted by both.
    minuto : ndarray (n,)
        Of the day.
    """
    momento = dia * _UN_DIA + minuto
    inicios = changes(cliente)
    salto = np.abs(np.diff(momento, prepend=momento[:1]))
    salto[salto == 0] = NUNCA
    salto[inicios] = NUNCA
    fines = np.append(inicios[1:], cliente.size)
    cortos = (np.minimum.reduceat(salto, inicios) <= _MAYOR) | (fines - inicios < 2)
    hallados: dict[int, int] = {}
    for a, b in zip(inicios[~cortos].tolist(), fines[~cortos].tolist(), strict=True):
        saltos = np.diff(np.unique(momento[a:b]))
        if not saltos.size or saltos.min() <= _MAYOR:
            continue
        resto = saltos % _UN_DIA
        # A day of the change of the clock has an hour more or less.
        a_la_misma = ((resto <= _MAYOR) | (resto >= _UN_DIA - _MAYOR)).all()
        menor, cuantas = int(saltos.min()), saltos.size + 1
        diaria = a_la_misma and (menor <= _UN_DIA + _MAYOR or cuantas >= FILAS_IGUALES - 1)
        regular = (saltos == menor).all() and cuantas >= FILAS_IGUALES
        if diaria or regular or cuantas >= FILAS_DE_PRUEBA:
            hallados[int(cliente[a])] = menor
    return hallados


def mixed_steps(
    cliente: Enteros,
    dia: Enteros,
    minuto: Enteros,
    paso: Enteros,
    metodo: NDArray[np.int8],
    numeradas: bool = False,
) -> NDArray[np.bool_]:
    """Return the rows (n,) of days on which one method bears full hours only, the other more.

    Such rows may be hours, or corrections of the last interval of each: where they come beside
    the other method's, it is not known. Estimated ones that real ones replace one by one are not
    asked.

    Parameters
    ----------
    cliente, dia : ndarray (n,)
        Sorted by both.
    minuto, paso : ndarray (n,)
        Of the day, and the minutes of each row's interval.
    metodo : ndarray (n,)
        Index into ``METODOS``.
    numeradas : bool
        Hours are numbered: a method bears them where it has the first 24 numbers alone.
    """
    mezclada = np.zeros(cliente.size, np.bool_)
    inicios = changes(cliente, dia)
    varios = np.minimum.reduceat(metodo, inicios) != np.maximum.reduceat(metodo, inicios)
    varios &= paso[inicios] < _MAYOR
    fines = np.append(inicios[1:], cliente.size)
    for a, b in zip(inicios[varios].tolist(), fines[varios].tolist(), strict=True):
        suyos, minutos = metodo[a:b], minuto[a:b]
        for uno in np.unique(suyos).tolist():
            de_uno, otros = minutos[suyos == uno], minutos[suyos != uno]
            if not _longer(de_uno, otros, int(paso[a]) if numeradas else 0):
                continue
            juntos = np.isin(de_uno, otros)
            relevados = METODOS[uno] == ESTIMADA and juntos.all()
            mezclada[a:b] |= juntos.any() and not relevados
    return mezclada


def _longer(unos: Enteros, otros: Enteros, paso: int) -> bool:
    """Return whether minutes of a day look like hours beside others; ``paso``: of numbered ones."""
    if not paso:
        return bool((otros % _MAYOR).any() and not (unos % _MAYOR).any())
    numeros = np.unique(unos // paso)
    seguidos = numeros[0] == 0 and numeros[-1] == numeros.size - 1
    return bool(seguidos and abs(numeros.size - 24) <= 1 and otros.max() // paso > 25)


def few_long_days(
    cliente: Enteros, dia: Enteros, paso: Enteros, vistos: CustomerSteps
) -> NDArray[np.bool_]:
    """Return which rows (n,) are of days of a longer step that are too few to be certain of it.

    Parameters
    ----------
    cliente, dia : ndarray (n,)
        Sorted by both.
    paso : ndarray (n,)
        Minutes; that of a day is one.
    vistos : CustomerSteps
        Of the parts before; takes what is seen here.
    """
    dias = changes(cliente, dia)
    suyo, de_dia = paso[dias], cliente[dias]
    inicios = changes(de_dia)
    fines = np.append(inicios[1:], dias.size)
    menor = np.minimum.reduceat(suyo, inicios)
    mixto = menor < np.maximum.reduceat(suyo, inicios)
    pocos = np.zeros(dias.size, np.bool_)
    for a, b in zip(inicios.tolist(), fines.tolist(), strict=True):
        antes = vistos.add_days(int(de_dia[a]), b - a)
        pocos[a:b] = antes < DIAS_LARGOS
    largos = suyo > np.repeat(menor, fines - inicios)
    cuantos = np.add.reduceat(largos.astype(np.int64), inicios)
    pocos &= largos & np.repeat(mixto & (cuantos < DIAS_LARGOS), fines - inicios)
    return np.repeat(pocos, np.diff(np.append(dias, cliente.size)))
