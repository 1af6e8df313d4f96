"""A customer's days beside what was usual before a day: workdays beside workdays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.cases.case import DIAS_REFERENCIA
from detection.cases.records import day_of

BANDA_SIGMAS = 2.0
"""Half the band's width in standard deviations of the days before. By hand, 2026-11-30."""
DIAS_MINIMOS = 3
"""Days of a class that a mean of its own needs; with fewer, all days are one class."""
_SABADO = 5


class UsualDays(NamedTuple):
    """What was usual of each day, kWh (n,); NaN = nothing is known of before."""

    media: NDArray[np.float64]
    minimo: NDArray[np.float64]
    maximo: NDArray[np.float64]


def usual_days(fechas: Sequence[date], kwh: NDArray[np.float64], inicio: date) -> UsualDays:
    """Return what was usual, before ``inicio``, of days like each one, with its band.

    Parameters
    ----------
    fechas : sequence (n,) of date
    kwh : ndarray (n,), float64
        kWh a day, >= 0; NaN = not known.

    Examples
    --------
    >>> from datetime import timedelta
    >>> fechas = [date(2026, 11, 2) + timedelta(days=d) for d in range(15)]
    >>> kwh = np.array([8.0] * 14 + [90.0])
    >>> usual_days(fechas, kwh, date(2026, 11, 16)).media[-1].item()
    8.0
    """
    desde = day_of(inicio)
    dia = np.array([day_of(fecha) for fecha in fechas])
    finde = np.array([fecha.weekday() >= _SABADO for fecha in fechas])
    antes = (dia < desde) & (dia >= desde - DIAS_REFERENCIA) & ~np.isnan(kwh)
    media, sigma = np.full(dia.size, np.nan), np.full(dia.size, np.nan)
    for clase in (finde, ~finde):
        suyos = kwh[antes & clase]
        if suyos.size < DIAS_MINIMOS:
            suyos = kwh[antes]
        if suyos.size:
            media[clase], sigma[clase] = suyos.mean(), suyos.std()
    margen = BANDA_SIGMAS * sigma
    return UsualDays(media, np.maximum(media - margen, 0.0), media + margen)
