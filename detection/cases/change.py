"""The change that best splits a customer's last year of days, and what is different since.

Every day is compared as it was left by ``memory.daily``, its levels as logarithms. For each day
on which something may have begun, the days since are compared with the 90 days before it (B. L.
Welch's statistic, "The generalization of Student's problem", Biometrika 34, 1947, by quantity,
bounded); the day with the largest sum of squares is the onset.
"""

from __future__ import annotations

import numpy as np

from detection.jit import jit
from detection.memory.daily import (
    BLOQUES,
    CANTIDADES,
    DESCONOCIDO,
    LEVELS,
    NIVELES,
)

MEDIA = 0
"""First row of the table of days: the day's mean; the rows of ``memory.daily`` follow."""
FILAS = CANTIDADES + 1
FILAS_NIVEL = NIVELES + 1
REFERENCIA_DIAS = 90
MINIMO_DIAS = 14
DIAS_DENSOS = 60
"""Days back for which each is tried as an onset; of the older ones, every third."""
PASO_ANTIGUO = 3
COTA = 15.0
SUELO = 0.05
SUELO_KWH = 0.01
_PESO_FORMA = 1.5


@jit()
def lay_out_days(dias, tabla, suma, cuadrado, cuenta):  # type: ignore[no-untyped-def]
    """Fill the table of days (t, FILAS) and its running sums (t + 1, ...); return the floor in kWh.

    ``dias``: (t, CANTIDADES), uint8.
    """
    t = dias.shape[0]
    geometrica = 0.0
    n = 0
    for d in range(t):
        if dias[d, 0] == DESCONOCIDO:
            continue
        m = 0.0
        for b in range(BLOQUES):
            m += LEVELS[dias[d, b]]
        tabla[d, MEDIA] = m / BLOQUES
        geometrica += np.log(m / BLOQUES + SUELO_KWH)
        n += 1
    suelo = SUELO * np.exp(geometrica / max(n, 1)) + SUELO_KWH
    logs = np.log(LEVELS + np.float32(suelo))
    suma[0] = 0.0
    cuadrado[0] = 0.0
    cuenta[0] = 0
    for d in range(t):
        vale = dias[d, 0] != DESCONOCIDO
        cuenta[d + 1] = cuenta[d] + vale
        if not vale:
            suma[d + 1] = suma[d]
            cuadrado[d + 1] = cuadrado[d]
            tabla[d] = np.nan
            continue
        tabla[d, MEDIA] = np.log(tabla[d, MEDIA] + suelo)
        for q in range(CANTIDADES):
            if q < NIVELES:
                tabla[d, q + 1] = logs[dias[d, q]]
            else:
                tabla[d, q + 1] = dias[d, q] / 254.0
        for q in range(FILAS):
            v = tabla[d, q]
            suma[d + 1, q] = suma[d, q] + v
            cuadrado[d + 1, q] = cuadrado[d, q] + v * v
    return suelo


@jit()
def _score_onset(suma, cuadrado, cuenta, u, t):  # type: ignore[no-untyped-def]
    lo = max(0, u - REFERENCIA_DIAS)
    nb = cuenta[u] - cuenta[lo]
    na = cuenta[t] - cuenta[u]
    if nb < MINIMO_DIAS or na < 2:
        return -1.0
    niveles = 0.0
    formas = 0.0
    for q in range(FILAS):
        mb = (suma[u, q] - suma[lo, q]) / nb
        ma = (suma[t, q] - suma[u, q]) / na
        vb = max((cuadrado[u, q] - cuadrado[lo, q]) / nb - mb * mb, 1e-4)
        va = max((cuadrado[t, q] - cuadrado[u, q]) / na - ma * ma, 1e-4)
        d = ma - mb
        x = min(d * d / (vb / nb * 3.0 + va / na * 3.0 + 0.002), COTA * COTA)
        if q < FILAS_NIVEL:
            niveles += x
        else:
            formas += x
    return niveles + _PESO_FORMA * formas


@jit()
def find_onset(suma, cuadrado, cuenta):  # type: ignore[no-untyped-def]
    """Return the day that best splits the days so far, and by how much; -1 = too few days."""
    t = cuenta.shape[0] - 1
    mejor = -1
    cuanto = -1.0
    u = t - 2
    while u >= MINIMO_DIAS:
        x = _score_onset(suma, cuadrado, cuenta, u, t)
        if x > cuanto:
            cuanto = x
            mejor = u
        u -= 1 if t - u < DIAS_DENSOS else PASO_ANTIGUO
    return mejor, cuanto
