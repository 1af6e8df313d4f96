"""What the learned blend looks at, beside what the detectors say: evidence with a memory.

Each reading's last day, three days and week are compared with two pasts of its customer: all days
from a week before on, and the oldest ten of them, which an attack of two or three weeks has not
reached yet. A row is not ready (NaN) without a day 0 and seven days of past.

Where two amounts are compared, ``a / (a + b)`` is 0.5 when nothing has changed. Chosen on the
development half of Swiss households with injected attacks
(``training/evaluation/attacked_homes.py``), by hand, 2026-11-24: what lost nothing when it was
shuffled was left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detection.features.day_table import (
    ASIMETRIA,
    CEROS,
    CUENTAS,
    IGUALES,
    MAXIMO,
    MEMORIAS,
    MINIMO,
    NOCHE,
    REORDENA,
    RUGOSIDAD,
    SUELO,
    SUELO_KWH,
    SUELO_RELATIVO,
    TOTAL,
    ULTIMA,
    VARIACION,
    count_days,
    lay_out,
    mirror,
    profile,
    recent_days,
    usual_days,
)
from detection.features.extremes import DIAS_ORDEN, LAMPARA_KWH, RECORDS, fill_records
from detection.jit import jit
from detection.memory.recent_days import PRIMER_DIA_PASADO, share_of
from detection.memory.windows import Windows
from detection.params import DIAS_VENTANA, HORAS_VENTANA, Params

_DE_LA_HORA = (
    "nivel_hora", "desviacion_hora", "salto_hora", "rango_hora", "parte_del_maximo",
    "parte_de_la_media", "hora_3d", "hora_7d", "hora_antiguo", "hora_3d_antiguo",
    "hora_7d_antiguo", "racha",
)  # fmt: skip
_DE_LOS_DIAS = (
    "total", "minimo", "maximo", "noche", "rugosidad", "variacion", "ceros", "iguales",
    "sigmas_total", "sigmas_minimo", "forma", "espejo", "verosimilitud_espejo", "contraste_noche",
)  # fmt: skip
_DEL_CLIENTE = (
    "ciclo_12_1d", "escalon_12_1d", "ciclo_18_1d", "escalon_18_1d", "escalon_kwh_1d",
    "ciclo_12_3d", "escalon_12_3d", "ciclo_18_3d", "escalon_18_3d", "escalon_kwh_3d",
    "semana_1d", "semana_3d", "semana_7d", "asimetria_1d", "asimetria_3d", "asimetria_7d",
    "acumulado_bajo", "acumulado_alto", "variacion_pasada", "simetria_pasada",
    "rugosidad_pasada", "dispersion_pasada",
)  # fmt: skip
_PASADOS = ("", "_antiguo")

INDICIOS: tuple[str, ...] = (
    *_DE_LA_HORA,
    *(f"{q}_{k}d{p}" for p in _PASADOS for k in MEMORIAS for q in _DE_LOS_DIAS),
    *_DEL_CLIENTE,
    *RECORDS,
)
"""Names, in the order of the columns."""


def compute_evidence(windows: Windows, params: Params) -> NDArray[np.float32]:
    """Return the evidence (n, len(INDICIOS)) of a chunk; a row of NaN = not ready."""
    salida = np.empty((windows.ventana.shape[0], len(INDICIOS)), np.float32)
    _compute(windows, params.noche_desde, params.noche_hasta, salida)
    return salida


@jit()
def _signed(x, mitad):  # type: ignore[no-untyped-def]
    return x / (abs(x) + mitad)


@jit()
def _compute(windows, noche_desde, noche_hasta, salida):  # type: ignore[no-untyped-def]
    w = np.empty(HORAS_VENTANA + 1, np.float64)
    valida = np.empty(DIAS_VENTANA, np.bool_)
    dias = np.empty((CUENTAS, DIAS_VENTANA), np.float64)
    usual = np.empty((2, CUENTAS), np.float64)
    sigma = np.empty((2, CUENTAS), np.float64)
    perfil = np.empty((4, 24), np.float64)
    desvio = np.empty((2, 24), np.float64)
    inversa = np.empty((4, 24), np.float64)
    reciente = np.empty(24, np.float64)
    ahora = np.empty((len(MEMORIAS), CUENTAS), np.float64)
    cuantos = np.empty(len(MEMORIAS), np.int64)
    orden = np.zeros((24, DIAS_ORDEN), np.float32)
    noche_horas = noche_hasta - noche_desde
    for i in range(salida.shape[0]):
        antiguo = lay_out(
            windows.ventana, i, windows.salto_indice[i], windows.salto_horas[i], w, valida
        )
        if antiguo < 0:
            salida[i] = np.nan
            continue
        hora = windows.hora_local[i] % 24
        noche_c = (noche_desde - hora - 1) % 24
        profile(w, valida, PRIMER_DIA_PASADO, perfil[0], desvio[0])
        profile(w, valida, antiguo, perfil[1], desvio[1])
        count_days(w, valida, noche_c, noche_horas, dias)
        for p in range(2):
            usual_days(dias, valida, antiguo if p else PRIMER_DIA_PASADO, usual[p], sigma[p])
        hora_usual = usual[0, TOTAL]
        if not hora_usual > 0.0:
            salida[i] = np.nan
            continue
        suelo = SUELO * hora_usual + SUELO_KWH
        mirror(hora, suelo, perfil, desvio, inversa)
        recent_days(dias, valida, ahora, cuantos)
        o = salida[i]
        j = _hour(w, valida, usual[0], perfil, suelo, o)
        for p in range(2):
            j = _remember(w, valida, ahora, cuantos, p, usual[p], sigma[p], perfil, inversa,
                          noche_horas, suelo, reciente, o, j)  # fmt: skip
        for k in (1, 3):
            j = _cycle(w, valida, k, hora_usual, suelo, reciente, o, j)
        j = _weeks(dias, valida, ahora, usual, sigma, suelo, o, j)
        o[j] = usual[0, VARIACION]
        o[j + 1] = _fit(perfil[0], perfil[2], perfil[2])[0]
        o[j + 2] = usual[0, RUGOSIDAD]
        o[j + 3] = desvio[0].mean() / hora_usual
        fill_records(w, valida, dias, ahora, usual[0], suelo, orden, o, j + 4)


@jit()
def _hour(w, valida, usual, perfil, suelo, o):  # type: ignore[no-untyped-def]
    """Fill what is about the hour itself; return the next place."""
    x = w[ULTIMA]
    suma = cuadrados = rango = 0.0
    n = 0
    for d in range(1, DIAS_VENTANA):
        if valida[d]:
            v = w[ULTIMA - 24 * d]
            suma += v
            cuadrados += v * v
            rango += 1.0 if v < x else (0.5 if v == x else 0.0)
            n += 1
    media = suma / n
    sigma = np.sqrt(max(cuadrados / n - media * media, 0.0))
    o[0] = share_of(x, media, suelo)
    o[1] = _signed((x - media) / max(sigma, suelo), 3.0)
    o[2] = _signed((x - w[ULTIMA - 1]) / max(usual[TOTAL], 1e-3), 1.0)
    o[3] = rango / n
    o[4] = share_of(x, usual[MAXIMO], suelo)
    o[5] = share_of(x, usual[TOTAL], suelo)
    tres = _same_hour(w, valida, 3)
    siete = _same_hour(w, valida, 7)
    o[6] = share_of(tres, perfil[0, 23], suelo)
    o[7] = share_of(siete, perfil[0, 23], suelo)
    o[8] = share_of(x, perfil[1, 23], suelo)
    o[9] = share_of(tres, perfil[1, 23], suelo)
    o[10] = share_of(siete, perfil[1, 23], suelo)
    racha = 0
    while racha < 48 and w[ULTIMA - racha] == x:
        racha += 1
    o[11] = racha / 48.0
    return 12


@jit()
def _same_hour(w, valida, k):  # type: ignore[no-untyped-def]
    suma = 0.0
    n = 0
    for d in range(k):
        if valida[d]:
            suma += w[ULTIMA - 24 * d]
            n += 1
    return suma / n


@jit()
def _memory(ahora, n, usual, sigma, suelo, o, j):  # type: ignore[no-untyped-def]
    for q in range(CEROS):
        o[j + q] = share_of(ahora[q], usual[q], suelo if q < RUGOSIDAD else SUELO_RELATIVO)
    for q in range(CEROS, IGUALES + 1):
        o[j + q] = ahora[q] - usual[q]
    raiz = np.sqrt(n)
    for q in range(TOTAL, MINIMO + 1):
        sigmas = (ahora[q] - usual[q]) / max(sigma[q], suelo) * raiz
        o[j + IGUALES + 1 + q] = _signed(sigmas, 3.0)
    return j + 10


@jit()
def _remember(w, valida, ahora, cuantos, p, usual, sigma, perfil, inversa, noche_horas, suelo,  # type: ignore[no-untyped-def]
              reciente, o, j):  # fmt: skip
    """Fill what each memory says against one of the pasts; return the next place."""
    reciente[:] = 0.0
    razon = 0.0
    hasta = 0
    for m in range(len(MEMORIAS)):
        j = _memory(ahora[m], cuantos[m], usual, sigma, suelo, o, j)
        while hasta < MEMORIAS[m]:
            if valida[hasta]:
                dia = w[ULTIMA - 23 - 24 * hasta : ULTIMA + 1 - 24 * hasta]
                razon += _likelihood(dia, p, perfil, inversa)
                for c in range(24):
                    reciente[c] += dia[c]
            hasta += 1
        o[j], o[j + 1] = _fit(reciente, perfil[p], perfil[2 + p])
        o[j + 2] = _signed(razon, 20.0 * cuantos[m])
        o[j + 3] = _night_contrast(ahora[m], noche_horas, usual, suelo)
        j += 4
    return j


@jit(fastmath=REORDENA)
def _likelihood(dia, p, perfil, inversa):  # type: ignore[no-untyped-def]
    """Return how much better a day fits the mirror image than the usual day.

    For h6 of Jokar et al. 2016: the log ratio of normal hours about either, each hour's part
    bounded. Both have the same 24 spreads, in another order, so their logarithms cancel out.
    Nothing is stored here: beside a store, the order of a reordered sum would depend on where the
    arrays happen to lie in memory, and so would the last bit of it.
    """
    razon = 0.0
    for c in range(24):
        v = dia[c]
        z = (v - perfil[p, c]) * inversa[p, c]
        y = (v - perfil[2 + p, c]) * inversa[2 + p, c]
        razon += min(z * z, 9.0) - min(y * y, 9.0)
    return razon


@jit(fastmath=REORDENA)
def _fit(a, b, espejo):  # type: ignore[no-untyped-def]
    """Return the correlations of a day with another and with that one's mirror image."""
    media_a = a.sum() / 24.0
    media_b = b.sum() / 24.0
    ab = ae = aa = bb = 0.0
    for c in range(24):
        x = a[c] - media_a
        y = b[c] - media_b
        ab += x * y
        ae += x * (espejo[c] - media_b)
        aa += x * x
        bb += y * y
    if aa <= 1e-12 or bb <= 1e-12:
        return 0.0, 0.0
    raiz = np.sqrt(aa * bb)
    return ab / raiz, ae / raiz


@jit()
def _night_contrast(ahora, horas, usual, suelo):  # type: ignore[no-untyped-def]
    """Return how much more of the night than of the day is there, against what is usual."""
    dia = (24.0 * ahora[TOTAL] - horas * ahora[NOCHE]) / (24.0 - horas)
    dia_usual = (24.0 * usual[TOTAL] - horas * usual[NOCHE]) / (24.0 - horas)
    return share_of(ahora[NOCHE], usual[NOCHE], suelo) - share_of(dia, dia_usual, suelo)


@jit()
def _cycle(w, valida, k, hora_usual, suelo, media, o, j):  # type: ignore[no-untyped-def]
    """Fill how well a two-level cycle of 12 or 18 hours explains k days, and its step.

    The step in kWh, too: a home that is lived in again has as steep a one, but not of lamps' size.
    """
    media[:] = 0.0
    suma = cuadrados = 0.0
    n = 0
    for d in range(k):
        if valida[d]:
            n += 1
            for c in range(24):
                v = w[ULTIMA - 23 - 24 * d + c]
                media[c] += v
                suma += v
                cuadrados += v * v
    total = max(cuadrados - suma * suma / (24.0 * n), 1e-9)
    mayor_escalon = 0.0
    for horas in (12, 18):
        dentro = 0.0
        for c in range(horas):
            dentro += media[c]
        mayor = dentro
        for c in range(1, 24):
            dentro += media[(c + horas - 1) % 24] - media[c - 1]
            mayor = max(mayor, dentro)
        escalon = max((mayor / horas - (suma - mayor) / (24 - horas)) / n, 0.0)
        o[j] = min(n * horas * (24 - horas) / 24.0 * escalon * escalon / total, 1.0)
        o[j + 1] = share_of(escalon, hora_usual, suelo)
        mayor_escalon = max(mayor_escalon, escalon)
        j += 2
    o[j] = mayor_escalon / (mayor_escalon + LAMPARA_KWH)
    return j + 1


@jit()
def _weeks(dias, valida, ahora, usual, sigma, suelo, o, j):  # type: ignore[no-untyped-def]
    """Fill the level against the same weekdays, the skew of the steps, and both cumulated sums.

    The sums are CUSUM (E. S. Page, "Continuous Inspection Schemes", Biometrika 41, 1954) of three
    weeks' levels in sigmas of the old past, with an allowance of half a sigma.
    """
    for m in range(len(MEMORIAS)):
        suma = 0.0
        n = 0
        for d in range(MEMORIAS[m]):
            for s in range(7, DIAS_VENTANA - d, 7):
                if valida[d + s]:
                    suma += dias[TOTAL, d + s]
                    n += 1
        total = ahora[m, TOTAL]
        o[j] = share_of(total, suma / n if n > 0 else total, suelo)
        o[j + 3] = ahora[m, ASIMETRIA] - usual[1, ASIMETRIA]
        j += 1
    bajo = alto = 0.0
    for d in range(20, -1, -1):
        if valida[d]:
            z = (dias[TOTAL, d] - usual[1, TOTAL]) / max(sigma[1, TOTAL], suelo)
            bajo = max(bajo - z - 0.5, 0.0)
            alto = max(alto + z - 0.5, 0.0)
    o[j + 3] = _signed(bajo, 5.0)
    o[j + 4] = _signed(alto, 5.0)
    return j + 5
