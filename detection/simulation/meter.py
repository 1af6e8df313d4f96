"""The meter between a household and its readings: its resolution, and the hours that it lost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA
from detection.simulation.draws import Floats

DECIMALES = 3
"""A meter's resolution: the watt-hour."""
PASOS_KWH = (1.0, 0.5, 0.25, 0.1, 0.05, 0.04, 0.025, 0.02, 0.01, 0.005, 0.004, 0.0025, 0.002)
"""Coarser ones that meters have. By hand, 2026-11-24."""
_PARTE_EN_PASO = 0.99


def meter_step(consumo_kwh: Floats) -> float:
    """Return the resolution of the meter that readings come from, kWh.

    What is simulated is rounded to it: the meter reads what is left, and finer digits than it has
    would give everything away.
    """
    for paso in PASOS_KWH:
        pasos = consumo_kwh / paso
        if (np.abs(pasos - np.round(pasos)) * paso < 2e-5).mean() > _PARTE_EN_PASO:
            return paso
    return float(10.0**-DECIMALES)


def to_meter(consumo_kwh: Floats, paso_kwh: float) -> Floats:
    """Return readings as a meter of a resolution shows them."""
    return np.asarray(np.round(np.round(consumo_kwh / paso_kwh) * paso_kwh, 4))


def fill_gaps(posicion: NDArray[np.int64], consumo_kwh: Floats, horas: int) -> Floats:
    """Return kWh at every one of so many hours; a missing one is that of the last day that has it.

    ``posicion`` (m,): which of the hours each reading is of.
    """
    presente = np.zeros(horas, np.bool_)
    denso = np.zeros(horas)
    denso[posicion] = consumo_kwh
    presente[posicion] = True
    # Hours as (day, hour) of any 24: the last day at or before each that has a reading, and for
    # those before the first one that first one.
    dias = -(-horas // HORAS_POR_DIA)
    hueco = dias * HORAS_POR_DIA - horas
    hay = np.pad(presente, (0, hueco)).reshape(dias, HORAS_POR_DIA)
    valor = np.pad(denso, (0, hueco)).reshape(dias, HORAS_POR_DIA)
    dia = np.arange(dias)[:, None]
    ultimo = np.maximum.accumulate(np.where(hay, dia, -1), axis=0)
    primero = np.where(hay.any(axis=0), hay.argmax(axis=0), 0)
    lleno = np.take_along_axis(valor, np.where(ultimo >= 0, ultimo, primero), axis=0)
    return np.asarray(lleno.ravel()[:horas])
