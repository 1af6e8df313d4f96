"""The four weeks before each reading as 28 days that end with it, each told in five numbers.

Also what those days look like hour by hour: lately, and before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.jit import jit
from detection.memory.windows import Windows
from detection.params import DIAS_VENTANA, HORAS_VENTANA, Params

HORAS_VALIDAS_DIA = 20
"""Hours of 24 that a day must have to stand for a day. By hand, 2026-11-24."""

DIAS_RECIENTES = 4
PRIMER_DIA_PASADO = 7
"""Days 0-3 are lately, days 7-27 are before: what lies between belongs to neither, so that a
change is not yet part of what it is compared with."""


class DaySummaries(NamedTuple):
    """The last 28 times 24 hours, this reading's hour included, as days that end with it.

    Day 0 is the last 24 hours. Each such day has every hour of day once, and seven of them every
    weekday once, so days compare without a calendar. NaN = the day lacks too many readings.
    """

    # total_kwh, minimo_kwh, maximo_kwh, noche_kwh: (n, 28); mean of the day's hours times 24; its
    # lowest and its highest hour; mean of its night hours.
    total_kwh: NDArray[np.float32]
    minimo_kwh: NDArray[np.float32]
    maximo_kwh: NDArray[np.float32]
    noche_kwh: NDArray[np.float32]
    ceros: NDArray[np.int16]  # (n, 28): hours that read zero
    # perfil_reciente, perfil_pasado: (n, 24); mean by hour of day of days 0-3, and of days 7-27.
    # Column c is local hour ``(hora_local + 1 + c) % 24``: time runs from left to right and ends
    # with the reading's.
    perfil_reciente: NDArray[np.float32]
    perfil_pasado: NDArray[np.float32]


def summarize_days(windows: Windows, params: Params) -> DaySummaries:
    """Return the days of a chunk of readings."""
    n = windows.ventana.shape[0]
    days = DaySummaries(
        np.empty((n, DIAS_VENTANA), np.float32),
        np.empty((n, DIAS_VENTANA), np.float32),
        np.empty((n, DIAS_VENTANA), np.float32),
        np.empty((n, DIAS_VENTANA), np.float32),
        np.empty((n, DIAS_VENTANA), np.int16),
        np.empty((n, 24), np.float32),
        np.empty((n, 24), np.float32),
    )
    _summarize(windows, params.noche_desde, params.noche_hasta - params.noche_desde, days)
    return days


@jit()
def _summarize(windows, noche_desde, noche_horas, days):  # type: ignore[no-untyped-def]
    ventana, salto_i, salto_h = windows.ventana, windows.salto_indice, windows.salto_horas
    reciente, antes = days.perfil_reciente, days.perfil_pasado
    parcial = np.empty(4, np.float32)
    veces = np.empty(24, np.int32)
    for i in range(ventana.shape[0]):
        reciente[i] = 0.0
        antes[i] = 0.0
        # Column of the day at which the night begins, time running from left to right.
        noche_c = (noche_desde - windows.hora_local[i] - 1) % 24
        for d in range(DIAS_VENTANA):
            base = HORAS_VENTANA + 1 - 24 * (d + 1)
            # Four sums side by side: a fixed order, and four times the speed of one.
            parcial[:] = 0.0
            bajo = np.float32(np.inf)
            alto = np.float32(-1.0)
            for c in range(0, 24, 4):
                for k in range(4):
                    v = ventana[i, base + c + k]
                    parcial[k] += v
                    bajo = v if v < bajo else bajo
                    alto = v if v > alto else alto
            suma = (parcial[0] + parcial[1]) + (parcial[2] + parcial[3])
            ceros = 0
            if np.isnan(suma):
                suma, bajo, alto, noche, ceros = _holed_day(ventana, i, base, noche_c, noche_horas)
            else:
                noche = _night_mean(ventana, i, base, noche_c, noche_horas)
                if bajo == 0.0:
                    ceros = (ventana[i, base : base + 24] == 0.0).sum()
            days.total_kwh[i, d] = suma
            days.minimo_kwh[i, d] = bajo
            days.maximo_kwh[i, d] = alto
            days.noche_kwh[i, d] = noche
            days.ceros[i, d] = ceros
            if d < DIAS_RECIENTES:
                for c in range(24):
                    reciente[i, c] += ventana[i, base + c]
            elif d >= PRIMER_DIA_PASADO:
                for c in range(24):
                    antes[i, c] += ventana[i, base + c]
        for c in range(24):
            reciente[i, c] /= DIAS_RECIENTES
            antes[i, c] /= DIAS_VENTANA - PRIMER_DIA_PASADO
        cambio = salto_h[i] != 0
        if cambio or np.isnan(antes[i].sum()):
            _mean_profile(ventana, i, PRIMER_DIA_PASADO, DIAS_VENTANA, salto_i[i], salto_h[i],
                          veces, antes)  # fmt: skip
        if cambio or np.isnan(reciente[i].sum()):
            _mean_profile(ventana, i, 0, DIAS_RECIENTES, salto_i[i], salto_h[i], veces, reciente)


@jit()
def _night_mean(ventana, i, base, noche_c, noche_horas):  # type: ignore[no-untyped-def]
    s = np.float32(0.0)
    for k in range(noche_horas):
        c = noche_c + k
        s += ventana[i, base + (c if c < 24 else c - 24)]
    return s / noche_horas


@jit()
def _holed_day(ventana, i, base, noche_c, noche_horas):  # type: ignore[no-untyped-def]
    suma = suma_noche = np.float32(0.0)
    bajo = np.float32(np.inf)
    alto = np.float32(0.0)
    n = n_noche = z = 0
    for c in range(24):
        v = ventana[i, base + c]
        if np.isnan(v):
            continue
        suma += v
        n += 1
        bajo = min(bajo, v)
        alto = max(alto, v)
        z += v == 0.0
        if (c - noche_c) % 24 < noche_horas:
            suma_noche += v
            n_noche += 1
    if n < HORAS_VALIDAS_DIA or n_noche == 0:
        nada = np.float32(np.nan)
        return nada, nada, nada, nada, z
    # In 64 bits, and rounded once.
    total, noche = np.float32(24.0 * suma / n), np.float32(suma_noche / n_noche)
    return total, bajo, alto, noche, z


@jit()
def share_of(a, b, suelo):  # type: ignore[no-untyped-def]
    """Return ``a / (a + b)`` with a floor under both: 0.5 = alike."""
    return (a + suelo) / (a + b + 2.0 * suelo)


@jit()
def past_mean(dia, i):  # type: ignore[no-untyped-def]
    """Return the mean of row i's days 7 to 27 that are there, NaN = none, and how many they are."""
    suma = 0.0
    n = 0
    for d in range(PRIMER_DIA_PASADO, DIAS_VENTANA):
        if not np.isnan(dia[i, d]):
            suma += dia[i, d]
            n += 1
    return (suma / n if n > 0 else np.nan), n


@jit()
def _mean_profile(ventana, i, desde_dia, hasta_dia, cambio, horas, veces, perfil):  # type: ignore[no-untyped-def]
    """Fill a profile by local time, out of the readings that there are.

    As ``windows.same_hour`` says, a day at a time: of its 24 columns, those before the hour at
    which the clock changed in the last day, those of which the change lies between, and the rest.
    """
    ultimo = HORAS_VENTANA - 23
    perfil[i] = 0.0
    veces[:] = 0
    despues = min(max(cambio - ultimo, 0), 24)
    for d in range(desde_dia, hasta_dia):
        base = ultimo - 24 * d
        igual = max(min(cambio - base, 24), despues)
        _add_hours(ventana, i, base, 0, despues, veces, perfil)
        _add_hours(ventana, i, base + horas, max(despues, -base - horas),
                   min(igual, cambio - base - horas), veces, perfil)  # fmt: skip
        _add_hours(ventana, i, base, igual, 24, veces, perfil)
    for c in range(24):
        perfil[i, c] = perfil[i, c] / veces[c] if veces[c] > 0 else np.nan


@jit()
def _add_hours(ventana, i, base, desde, hasta, veces, perfil):  # type: ignore[no-untyped-def]
    for c in range(desde, hasta):
        v = ventana[i, base + c]
        hay = v == v  # noqa: PLR0124 - a comparison that processors make on many at once
        perfil[i, c] += v if hay else np.float32(0.0)
        veces[c] += hay
