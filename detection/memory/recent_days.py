"""The four weeks before each reading as 28 days that end with it, each told in five numbers.

Also what those days look like hour by hour: lately, and before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.compiled import compilado
from detection.params import DIAS_VENTANA, HORAS_VENTANA, Params

HORAS_VALIDAS_DIA = 20
"""Hours of 24 that a day must have to stand for a day. By hand, 2026-11-24."""

DIAS_RECIENTES = 4
PRIMER_DIA_PASADO = 7
"""Days 0-3 are lately, days 7-27 are before: what lies between belongs to neither, so that a
change is not yet part of what it is compared with."""


@dataclass(frozen=True, slots=True)
class Dias:
    """The last 28 times 24 hours, this reading's hour included, as days that end with it.

    Day 0 is the last 24 hours. Each such day has every hour of day once, and seven of them every
    weekday once, so days compare without a calendar. NaN = the day lacks too many readings.

    Parameters
    ----------
    total_kwh, minimo_kwh, maximo_kwh, noche_kwh : ndarray (n, 28), float32
        Mean of the day's hours times 24; its lowest and its highest hour; mean of its night hours.
    ceros : ndarray (n, 28), int16
        Hours that read zero.
    perfil_reciente, perfil_pasado : ndarray (n, 24), float32
        Mean by hour of day of days 0-3, and of days 7-27. Column c is local hour
        ``(hora_local + 1 + c) % 24``: time runs from left to right and ends with the reading's.
    """

    total_kwh: NDArray[np.float32]
    minimo_kwh: NDArray[np.float32]
    maximo_kwh: NDArray[np.float32]
    noche_kwh: NDArray[np.float32]
    ceros: NDArray[np.int16]
    perfil_reciente: NDArray[np.float32]
    perfil_pasado: NDArray[np.float32]


def make_dias(
    ventana: NDArray[np.float32],
    hora_local: NDArray[np.int64],
    salto_indice: NDArray[np.int64],
    salto_horas: NDArray[np.int64],
    params: Params,
) -> Dias:
    """Return the days of a chunk of readings; the columns are those of ``contexto.Contexto``."""
    n = ventana.shape[0]
    dias = Dias(
        np.empty((n, DIAS_VENTANA), np.float32),
        np.empty((n, DIAS_VENTANA), np.float32),
        np.empty((n, DIAS_VENTANA), np.float32),
        np.empty((n, DIAS_VENTANA), np.float32),
        np.empty((n, DIAS_VENTANA), np.int16),
        np.empty((n, 24), np.float32),
        np.empty((n, 24), np.float32),
    )
    _days(
        ventana, hora_local, salto_indice, salto_horas, params.noche_desde, params.noche_hasta,
        dias.total_kwh, dias.minimo_kwh, dias.maximo_kwh, dias.noche_kwh, dias.ceros,
        dias.perfil_reciente, dias.perfil_pasado,
    )  # fmt: skip
    return dias


@compilado()
def _days(ventana, hora_local, salto_i, salto_h, noche_desde, noche_hasta, total,  # type: ignore[no-untyped-def]
          minimo, maximo, noche, ceros, reciente, antes):  # fmt: skip
    parcial = np.empty(4, np.float32)
    veces = np.empty(24, np.int32)
    noche_horas = noche_hasta - noche_desde
    for i in range(ventana.shape[0]):
        reciente[i] = 0.0
        antes[i] = 0.0
        # Column of the day at which the night begins, time running from left to right.
        noche_c = (noche_desde - hora_local[i] - 1) % 24
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
            if np.isnan(suma):
                _holed_day(ventana, i, base, d, noche_c, noche_horas, total, minimo, maximo, noche,
                           ceros)  # fmt: skip
            else:
                total[i, d] = suma
                minimo[i, d] = bajo
                maximo[i, d] = alto
                noche[i, d] = _night_mean(ventana, i, base, noche_c, noche_horas)
                ceros[i, d] = (ventana[i, base : base + 24] == 0.0).sum() if bajo == 0.0 else 0
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


@compilado()
def _night_mean(ventana, i, base, noche_c, noche_horas):  # type: ignore[no-untyped-def]
    s = np.float32(0.0)
    for k in range(noche_horas):
        c = noche_c + k
        s += ventana[i, base + (c if c < 24 else c - 24)]
    return s / noche_horas


@compilado()
def _holed_day(ventana, i, base, d, noche_c, noche_horas, total, minimo, maximo, noche,  # type: ignore[no-untyped-def]
               ceros):  # fmt: skip
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
    completo = n >= HORAS_VALIDAS_DIA and n_noche > 0
    total[i, d] = 24.0 * suma / n if completo else np.nan
    minimo[i, d] = bajo if completo else np.nan
    maximo[i, d] = alto if completo else np.nan
    noche[i, d] = suma_noche / n_noche if completo else np.nan
    ceros[i, d] = z


@compilado()
def _mean_profile(ventana, i, desde_dia, hasta_dia, cambio, horas, veces, perfil):  # type: ignore[no-untyped-def]
    """Fill a profile by local time, out of the readings that there are.

    As ``contexto.same_hour`` says, a day at a time: of its 24 columns, those before the hour at
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


@compilado()
def _add_hours(ventana, i, base, desde, hasta, veces, perfil):  # type: ignore[no-untyped-def]
    for c in range(desde, hasta):
        v = ventana[i, base + c]
        hay = v == v  # noqa: PLR0124 - a comparison that processors make on many at once
        perfil[i, c] += v if hay else np.float32(0.0)
        veces[c] += hay
