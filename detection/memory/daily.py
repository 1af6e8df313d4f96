"""What is remembered of a day: a byte each for its levels and its shape.

A year of hours says more than a year of days needs. A day is kept as the mean of eight blocks of
three hours, four points of its distribution, and six numbers on its shape that have no unit; each
as one byte, 255 = unknown. Levels are kept by their logarithm, in steps of 5 %: what lasts for
weeks is told from means of many days, where rounding averages out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detection.jit import jit

BLOQUES = 8
"""Blocks of three local hours, from midnight on."""
MINIMO, MEDIANA, CUARTIL, MAXIMO = 8, 9, 10, 11
"""Rows after the blocks: mean of the three lowest hours, median, upper quartile, highest (kWh)."""
NIVELES = 12
"""Rows that are levels, in kWh an hour; the others have no unit, 0 to 1."""
CEROS, RUGOSIDAD, DOS_NIVELES, HORAS_ALTAS, VARIACION_ALTA, IGUALES = range(12, 18)
"""Share of hours at zero; steps from hour to hour over the mean; variance explained by two levels;
share of hours in the upper one; their standard deviation over their mean; longest run of equal
values in order of size."""
CANTIDADES = 18

DESCONOCIDO = 255
HORAS_MINIMAS = 20
"""Hours that a day needs. By hand, 2026-11-30: as ``recent_days.HORAS_VALIDAS_DIA``."""
CERO_KWH = 0.005
"""Up to which an hour counts as zero, and what levels are measured from: half a standby."""
PASOS_POR_NEPERIO = 20.0
_MAXIMO_CODIGO = 254

LEVELS: NDArray[np.float32] = (
    CERO_KWH * (np.exp(np.arange(256) / PASOS_POR_NEPERIO) - 1.0)
).astype(np.float32)
"""kWh of each byte of a level (256,)."""


@jit()
def level_code(kwh):  # type: ignore[no-untyped-def]
    """Return the byte of a level in kWh."""
    codigo = np.floor(PASOS_POR_NEPERIO * np.log(kwh / CERO_KWH + 1.0) + 0.5)
    return np.uint8(min(max(codigo, 0.0), _MAXIMO_CODIGO))


@jit()
def _share(parte):  # type: ignore[no-untyped-def]
    return np.uint8(np.floor(_MAXIMO_CODIGO * min(max(parte, 0.0), 1.0) + 0.5))


@jit()
def summarize_day(horas, fila):  # type: ignore[no-untyped-def]
    """Fill a day's row (CANTIDADES,), uint8, from its 24 local hours in kWh, NaN = no reading.

    A missing hour is taken to be the mean of its block, or of the day where the block has none.
    """
    hay = 0
    suma = 0.0
    for h in range(24):
        if not np.isnan(horas[h]):
            hay += 1
            suma += horas[h]
    if hay < HORAS_MINIMAS:
        fila[:] = DESCONOCIDO
        return
    x = np.empty(24)
    media = suma / hay
    for b in range(BLOQUES):
        n = 0
        s = 0.0
        for h in range(3 * b, 3 * b + 3):
            if not np.isnan(horas[h]):
                n += 1
                s += horas[h]
        s = s / n if n > 0 else media
        fila[b] = level_code(s)
        for h in range(3 * b, 3 * b + 3):
            x[h] = s if np.isnan(horas[h]) else horas[h]
    _fill_shape(x, fila)


@jit()
def summarize_days(local, kwh, primero, dias):  # type: ignore[no-untyped-def]
    """Fill the rows (t, CANTIDADES) of local days from ``primero`` on out of hours (n,).

    Parameters
    ----------
    local : ndarray (n,), int64
        Absolute local hours; those of other days are left out.
    kwh : ndarray (n,), float32
        NaN = no reading.
    """
    horas = np.full((dias.shape[0], 24), np.nan, np.float32)
    for i in range(kwh.shape[0]):
        d = local[i] // 24 - primero
        if 0 <= d < dias.shape[0] and not np.isnan(kwh[i]):
            c = local[i] % 24
            # Of the hour that October has twice, the mean.
            horas[d, c] = kwh[i] if np.isnan(horas[d, c]) else 0.5 * (horas[d, c] + kwh[i])
    for d in range(dias.shape[0]):
        summarize_day(horas[d], dias[d])


@jit()
def _fill_shape(x, fila):  # type: ignore[no-untyped-def]
    suma = 0.0
    pasos = 0.0
    ceros = 0
    for h in range(24):
        suma += x[h]
        ceros += x[h] <= CERO_KWH
        if h > 0:
            pasos += abs(x[h] - x[h - 1])
    media = suma / 24.0
    orden = np.sort(x)
    fila[MINIMO] = level_code((orden[0] + orden[1] + orden[2]) / 3.0)
    fila[MEDIANA] = level_code(0.5 * (orden[11] + orden[12]))
    fila[CUARTIL] = level_code(orden[18])
    fila[MAXIMO] = level_code(orden[23])
    fila[CEROS] = _share(ceros / 24.0)
    fila[RUGOSIDAD] = _share(0.5 * pasos / 23.0 / (media + 4 * CERO_KWH))
    _fill_two_levels(x, orden, media, fila)


@jit()
def _fill_two_levels(x, orden, media, fila):  # type: ignore[no-untyped-def]
    corte = 0.5 * (orden[0] + orden[23])
    altas = 0
    alto = 0.0
    bajo = 0.0
    iguales = 1
    racha = 1
    for h in range(24):
        if orden[h] > corte:
            altas += 1
            alto += orden[h]
        else:
            bajo += orden[h]
        if h > 0:
            cerca = orden[h] - orden[h - 1] <= 0.01 * orden[h] + 1e-9
            racha = racha + 1 if cerca else 1
            iguales = max(iguales, racha)
    alto /= max(altas, 1)
    bajo /= max(24 - altas, 1)
    dentro_alto = 0.0
    dentro_bajo = 0.0
    total = 0.0
    for h in range(24):
        total += (x[h] - media) ** 2
        if x[h] > corte:
            dentro_alto += (x[h] - alto) ** 2
        else:
            dentro_bajo += (x[h] - bajo) ** 2
    fila[DOS_NIVELES] = _share(1.0 - (dentro_alto + dentro_bajo) / (total + 1e-6))
    fila[HORAS_ALTAS] = _share(altas / 24.0)
    variacion = np.sqrt(dentro_alto / altas) / (alto + 4 * CERO_KWH) if altas > 3 else 1.0
    fila[VARIACION_ALTA] = _share(variacion)
    fila[IGUALES] = _share(iguales / 24.0)
