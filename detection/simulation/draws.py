"""Addressed random draws, the local days that they are laid out by, and the weather over all.

Every number drawn is addressed, not streamed: what customer ``i`` draws for local
day ``d`` sits at counter ``d`` of a generator keyed by (seed, i). So any hours of
any customer can be asked alone and are the same as within a longer stretch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, Calendario
from detection.errors import ConfiguracionError

Floats = NDArray[np.float64]

HUECOS_POR_DIA = HORAS_POR_DIA + 1
"""Draws are laid out by local hour; the 25th is the hour that October repeats."""

_CLIMA = 5
"""Stream of the weather; it belongs to customer 0, who does not exist."""

_MEMORIA_CLIMA_DIAS = 16
_INERCIA_CLIMA = 0.75
"""Day-to-day correlation of the mean temperature's anomaly, typical of inland Spain."""


def draw_uniform(clave: tuple[int, ...], desde: int, hasta: int, cuantos: int) -> Floats:
    """Return uniform draws in [0, 1) (hasta - desde, cuantos), row r at address ``desde + r``.

    ``clave``: who draws: seed, customer, stream. ``desde``, ``hasta``: addresses (days, weeks,
    blocks), >= 0.

    Examples
    --------
    >>> bool((draw_uniform((1, 2, 3), 5, 9, 6)[2:] == draw_uniform((1, 2, 3), 7, 9, 6)).all())
    True
    """
    # Philox hands out four numbers for each step of its counter.
    pasos = -(-cuantos // 4)
    llave = np.random.SeedSequence(clave).generate_state(2, np.uint64)
    # numpy's stubs know neither the array key nor the integer counter together.
    bits = np.random.Philox(key=llave, counter=desde * pasos)
    numeros = np.random.Generator(bits).random((hasta - desde, pasos * 4))
    return numeros[:, :cuantos]


def index_of(propietario_id: str) -> int:
    """Return the number that addresses what is drawn for a customer whose name is all we have.

    Examples
    --------
    >>> index_of("US-CA-03") == index_of("US-CA-03") < 2**32
    True
    """
    return int.from_bytes(hashlib.blake2b(propietario_id.encode(), digest_size=4).digest(), "big")


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The hours that are asked, completed to whole local days and one day before them."""

    # hora_utc, dia, hora, hueco: (n,); absolute UTC hour; local day since 1970-01-01; local hour
    # 0-23; 24 instead of it when the clocks go back and the hour comes again.
    hora_utc: NDArray[np.int64]
    dia: NDArray[np.int64]
    hora: NDArray[np.int64]
    hueco: NDArray[np.int64]
    # posicion, horas_del_dia: (n,); place of the hour within its local day, 0-24, and how many that
    # day has (23-25).
    posicion: NDArray[np.int64]
    horas_del_dia: NDArray[np.int64]
    descanso: NDArray[np.int64]  # (n,): 0 = working day, 1 = Saturday, 2 = Sunday or holiday
    temperatura_c: Floats  # (n,), °C

    def por_dia(self, clave: tuple[int, ...], cuantos: int) -> Floats:
        """Return draws (n, cuantos) that are the same in all hours of a local day."""
        primero, ultimo = int(self.dia[0]), int(self.dia[-1])
        return draw_uniform(clave, primero, ultimo + 1, cuantos)[self.dia - primero]

    def por_hora(self, clave: tuple[int, ...], cuantos: int) -> Floats:
        """Return draws (n, cuantos), new in each hour."""
        primero, ultimo = int(self.dia[0]), int(self.dia[-1])
        sorteos = draw_uniform(clave, primero, ultimo + 1, HUECOS_POR_DIA * cuantos)
        return sorteos.reshape(-1, HUECOS_POR_DIA, cuantos)[self.dia - primero, self.hueco]


def make_time_axis(
    semilla: int, desde_hora: int, hasta_hora: int, calendario: Calendario, festivos: Set[int]
) -> TimeAxis:
    """Return the hours ``[desde_hora, hasta_hora)`` with their days and the weather of a seed.

    ``festivos``: holidays as local days since 1970-01-01.
    """
    if not calendario.desde_hora + 96 <= desde_hora < hasta_hora:
        raise ConfiguracionError("el intervalo de horas está vacío o empieza antes de 2000")
    hora_utc = np.arange(desde_hora - 72, hasta_hora + 48, dtype=np.int64)
    local = calendario.local(hora_utc)
    primer_dia = int(local[72]) // HORAS_POR_DIA - 1
    ultimo_dia = int(local[-49]) // HORAS_POR_DIA
    repetida = np.zeros(hora_utc.shape[0], np.bool_)
    repetida[1:] = local[1:] == local[:-1]
    dentro = (local // HORAS_POR_DIA >= primer_dia) & (local // HORAS_POR_DIA <= ultimo_dia)
    hora_utc, local, repetida = hora_utc[dentro], local[dentro], repetida[dentro]
    dia, hora = local // HORAS_POR_DIA, local % HORAS_POR_DIA
    primera = np.searchsorted(dia, dia, side="left")
    # 1970-01-01 was a Thursday, so Monday is 0 after adding 3.
    semana = (dia + 3) % 7
    festivo = np.isin(dia, np.fromiter(festivos, np.int64, len(festivos)))
    return TimeAxis(
        hora_utc,
        dia,
        hora,
        np.where(repetida, HORAS_POR_DIA, hora),
        np.arange(dia.shape[0]) - primera,
        np.searchsorted(dia, dia, side="right") - primera,
        np.where(festivo | (semana == 6), 2, np.where(semana == 5, 1, 0)),
        _temperatura(semilla, dia, hora),
    )


def normal(u: Floats, v: Floats) -> Floats:
    """Return normal draws from two uniform ones (Box and Muller 1958)."""
    return np.asarray(np.sqrt(-2.0 * np.log1p(-u)) * np.cos(2.0 * np.pi * v))


def _temperatura(semilla: int, dia: NDArray[np.int64], hora: NDArray[np.int64]) -> Floats:
    """Return °C (n,): the year's and the day's wave of inland Spain, and the seed's weather."""
    primero, ultimo = int(dia[0]), int(dia[-1])
    u = draw_uniform((semilla, 0, _CLIMA), primero - _MEMORIA_CLIMA_DIAS, ultimo + 2, 2)
    sorpresa = normal(u[:, 0], u[:, 1])
    # A finite sum instead of a recursion: a day's weather depends on no starting point.
    dias = ultimo - primero + 2
    anomalia = np.zeros(dias)
    for atras in range(_MEMORIA_CLIMA_DIAS, -1, -1):
        desde = _MEMORIA_CLIMA_DIAS - atras
        anomalia = anomalia + _INERCIA_CLIMA**atras * sorpresa[desde : desde + dias]
    anomalia = 3.2 * np.sqrt(1.0 - _INERCIA_CLIMA**2) * anomalia
    fraccion = hora / HORAS_POR_DIA
    indice = dia - primero
    tiempo = (1.0 - fraccion) * anomalia[indice] + fraccion * anomalia[indice + 1]
    # Coldest around 15 January (the epoch began 14 days before it) and at 6 in the morning.
    anual = -9.5 * np.cos(2.0 * np.pi * (dia - 14 + fraccion) / 365.25)
    diario = -4.5 * np.cos(2.0 * np.pi * (hora - 6) / HORAS_POR_DIA)
    return np.asarray(15.0 + anual + diario + tiempo)
