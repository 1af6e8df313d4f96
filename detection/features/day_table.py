"""The last 28 days of a reading as days that end with it: laid out, counted, averaged.

For the compiled loops of ``evidence``. Day 0 is the last 24 hours; a day with too few of its hours
stands for nothing, and the missing hours of the others are filled with that hour's mean.
"""

from __future__ import annotations

import numpy as np

from detection.jit import jit
from detection.memory.recent_days import HORAS_VALIDAS_DIA, PRIMER_DIA_PASADO
from detection.params import DIAS_VENTANA, HORAS_VENTANA

MEMORIAS = (1, 3, 7)
"""Days that are remembered."""
DIAS_PASADOS_MINIMOS = 7
DIAS_ANTIGUOS = 10
"""Days from a week before on are the past; the oldest ten of them, the old past. By hand,
2026-11-24."""
SUELO, SUELO_KWH = 0.05, 0.005
"""Share of the usual hour, and kWh, that both sides of a comparison get. By hand, 2026-11-24."""
SUELO_RELATIVO = 0.02
"""The same for what has no unit. By hand, 2026-11-24."""
ULTIMA = HORAS_VENTANA
"""Column of the reading itself."""

TOTAL, MINIMO, MAXIMO, NOCHE, RUGOSIDAD, VARIACION, CEROS, IGUALES, ASIMETRIA = range(9)
"""Rows of the table of days: mean, lowest and highest hour, mean of the night (kWh); sum of the
steps over the sum; standard deviation over the mean; share of zeros and of hours equal to the one
before; skew of the steps."""
CUENTAS = 9

REORDENA = {"reassoc", "contract", "nsz"}
"""Of loops that add up: in whatever order the processor adds fastest. NaN stays NaN."""


@jit()
def recent_days(dias, valida, ahora, cuantos):  # type: ignore[no-untyped-def]
    """Fill the mean of each row over the valid days of each memory (3, CUENTAS), and their number.

    Day 0 is valid.
    """
    for m in range(len(MEMORIAS)):
        ahora[m] = 0.0
        cuantos[m] = 0
        for d in range(MEMORIAS[m]):
            if valida[d]:
                cuantos[m] += 1
                for q in range(CUENTAS):
                    ahora[m, q] += dias[q, d]
        for q in range(CUENTAS):
            ahora[m, q] /= cuantos[m]


@jit()
def lay_out(ventana, i, salto_i, salto_h, w, valida):  # type: ignore[no-untyped-def]
    """Fill the window by local time and its valid days; return the first old day, -1 = not ready.

    Missing hours of a valid day are filled with the mean of that hour in the other days.
    """
    huecos = 0
    for j in range(salto_i):
        de = j + salto_h
        w[j] = ventana[i, de] if 0 <= de < salto_i else np.nan
        huecos += np.isnan(w[j])
    for j in range(salto_i, HORAS_VENTANA + 1):
        w[j] = ventana[i, j]
        huecos += np.isnan(w[j])
    pasados = 0
    for d in range(DIAS_VENTANA):
        hay = 24
        if huecos > 0:
            hay = 0
            for c in range(24):
                hay += not np.isnan(w[ULTIMA - 23 - 24 * d + c])
        valida[d] = hay >= HORAS_VALIDAS_DIA
        pasados += valida[d] and d >= PRIMER_DIA_PASADO
    if not valida[0] or pasados < DIAS_PASADOS_MINIMOS:
        return -1
    if huecos > 0:
        _fill(w, valida)
    antiguo = DIAS_VENTANA
    dentro = 0
    while antiguo > PRIMER_DIA_PASADO and dentro < DIAS_ANTIGUOS:
        antiguo -= 1
        dentro += valida[antiguo]
    return antiguo


@jit()
def _fill(w, valida):  # type: ignore[no-untyped-def]
    for c in range(24):
        suma = 0.0
        n = 0
        for d in range(DIAS_VENTANA):
            v = w[ULTIMA - 23 - 24 * d + c]
            if valida[d] and not np.isnan(v):
                suma += v
                n += 1
        for d in range(DIAS_VENTANA):
            j = ULTIMA - 23 - 24 * d + c
            if np.isnan(w[j]):
                w[j] = suma / n if n > 0 else 0.0
    if np.isnan(w[0]):
        w[0] = w[1]


@jit()
def profile(w, valida, desde, perfil, desvio):  # type: ignore[no-untyped-def]
    """Fill mean and sample standard deviation by hour of the valid days from ``desde`` on."""
    perfil[:] = 0.0
    desvio[:] = 0.0
    n = 0
    for d in range(desde, DIAS_VENTANA):
        if valida[d]:
            n += 1
            base = ULTIMA - 23 - 24 * d
            for c in range(24):
                v = w[base + c]
                perfil[c] += v
                desvio[c] += v * v
    for c in range(24):
        perfil[c] /= n
        resto = desvio[c] - n * perfil[c] * perfil[c]
        desvio[c] = np.sqrt(max(resto, 0.0) / max(n - 1, 1))


@jit()
def mirror(hora, suelo, perfil, desvio, inversa):  # type: ignore[no-untyped-def]
    """Fill the days in reverse, and the inverse spreads of each day and of its mirror image.

    Column c is local hour ``hora + 1 + c``; hour ``23 - h`` stands in column ``21 - 2 hora - c``.
    Row 2 + p is the mirror of row p.
    """
    for p in range(2):
        for c in range(24):
            inversa[p, c] = 1.0 / max(desvio[p, c], 2.0 * suelo)
        for c in range(24):
            m = (21 - 2 * hora - c) % 24
            perfil[2 + p, c] = perfil[p, m]
            inversa[2 + p, c] = inversa[p, m]


@jit(fastmath=REORDENA)
def count_days(w, valida, noche_c, noche_horas, dias):  # type: ignore[no-untyped-def]
    """Fill the table (CUENTAS, 28) of the valid days; the night begins at column ``noche_c``."""
    for d in range(DIAS_VENTANA):
        if not valida[d]:
            continue
        base = ULTIMA - 23 - 24 * d
        suma = cuadrados = pasos = pasos2 = pasos3 = 0.0
        bajo = alto = w[base]
        ceros = iguales = 0.0
        for c in range(24):
            v = w[base + c]
            paso = v - w[base + c - 1]
            suma += v
            cuadrados += v * v
            pasos += abs(paso)
            pasos2 += paso * paso
            pasos3 += paso * paso * paso
            bajo = min(bajo, v)
            alto = max(alto, v)
            ceros += 1.0 if v == 0.0 else 0.0
            iguales += 1.0 if paso == 0.0 else 0.0
        noche = 0.0
        for k in range(noche_horas):
            c = noche_c + k
            noche += w[base + (c if c < 24 else c - 24)]
        media = suma / 24.0
        dias[TOTAL, d] = media
        dias[MINIMO, d] = bajo
        dias[MAXIMO, d] = alto
        dias[NOCHE, d] = noche / noche_horas
        dias[RUGOSIDAD, d] = pasos / max(suma, 1e-3)
        dias[VARIACION, d] = np.sqrt(max(cuadrados / 24.0 - media * media, 0.0)) / max(media, 1e-3)
        dias[CEROS, d] = ceros / 24.0
        dias[IGUALES, d] = iguales / 24.0
        medio = pasos2 / 24.0
        dias[ASIMETRIA, d] = pasos3 / max(24.0 * medio * np.sqrt(medio), 1e-9)


@jit()
def usual_days(dias, valida, desde, usual, sigma):  # type: ignore[no-untyped-def]
    """Fill mean and sample standard deviation of each row over the valid days from ``desde``."""
    # Days outside, rows inside: nine sums side by side instead of one that waits for itself.
    usual[:] = 0.0
    sigma[:] = 0.0
    n = 0
    for d in range(desde, DIAS_VENTANA):
        if valida[d]:
            n += 1
            for q in range(CUENTAS):
                usual[q] += dias[q, d]
    for q in range(CUENTAS):
        usual[q] /= n
    for d in range(desde, DIAS_VENTANA):
        if valida[d]:
            for q in range(CUENTAS):
                sigma[q] += (dias[q, d] - usual[q]) ** 2
    for q in range(CUENTAS):
        sigma[q] = np.sqrt(sigma[q] / max(n - 1, 1))
