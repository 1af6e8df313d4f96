"""What a model of cases is told of a customer's day: one row, live and in training.

Nothing in it is in kWh, and nothing tells one customer's usual level from another's: what is
learnt in one country is to hold in another. (Measured 2026-11-30: with the last week's levels and
the customer's size among the columns, half of what is found in a country that was not seen is
lost.)
"""

from __future__ import annotations

import numpy as np

from detection.cases.change import COTA, FILAS, FILAS_NIVEL, MEDIA, REFERENCIA_DIAS
from detection.jit import jit
from detection.memory.daily import BLOQUES, CUARTIL, MAXIMO, MEDIANA, MINIMO
from detection.memory.windows import is_weekend

_BLOQUE_0, _BLOQUE_N = 1, 1 + BLOQUES
_MINIMO, _MEDIANA, _CUARTIL, _MAXIMO = 1 + MINIMO, 1 + MEDIANA, 1 + CUARTIL, 1 + MAXIMO
_FORMAS = FILAS - FILAS_NIVEL
_SEMANA, _QUINCENA, _MES, _PRIMEROS = 7, 14, 28, 60
_DISPERSIONES = 10
_SALTOS = (7, 14, 28)
_RECORDS = (MEDIA, 1, 2, 7, _MINIMO, _MEDIANA, _MAXIMO, FILAS_NIVEL + 1)
_SOLOS = (MEDIA, _MINIMO, _MEDIANA, _MAXIMO)
_GENERALES = 31
RASGOS_CASO = (
    6 * FILAS + _FORMAS + FILAS + 2 * _DISPERSIONES + _GENERALES
    + 4 * len(_SALTOS) + 3 * len(_RECORDS) + 2 * 2 * len(_SOLOS)
)  # fmt: skip
"""Columns of a row."""


@jit()
def _mean(suma, cuenta, desde, hasta, q):  # type: ignore[no-untyped-def]
    n = cuenta[hasta] - cuenta[desde]
    return (suma[hasta, q] - suma[desde, q]) / n if n > 0 else np.nan


@jit()
def _variance(suma, cuadrado, cuenta, desde, hasta, q):  # type: ignore[no-untyped-def]
    n = cuenta[hasta] - cuenta[desde]
    if n == 0:
        return np.nan
    m = (suma[hasta, q] - suma[desde, q]) / n
    return max((cuadrado[hasta, q] - cuadrado[desde, q]) / n - m * m, 1e-4)


@jit()
def _fill_spread(d, x, k):  # type: ignore[no-untyped-def]
    """Fill how evenly a difference is spread over the day and over the distribution."""
    b = np.sort(d[_BLOQUE_0:_BLOQUE_N])
    c = d[_BLOQUE_N:FILAS_NIVEL]
    x[k] = np.std(b)
    x[k + 1] = b[0]
    x[k + 2] = b[-1]
    x[k + 3] = b[2]
    x[k + 4] = b[5]
    x[k + 5] = np.std(c)
    x[k + 6] = np.min(c)
    x[k + 7] = np.max(c)
    x[k + 8] = c[3] - c[0]
    x[k + 9] = c[2] - c[1]
    return k + _DISPERSIONES


@jit()
def _correlation(a, b, al_reves):  # type: ignore[no-untyped-def]
    ma = np.mean(a)
    mb = np.mean(b)
    ab = 0.0
    aa = 1e-6
    bb = 1e-6
    n = a.shape[0]
    for i in range(n):
        y = b[n - 1 - i] if al_reves else b[i]
        ab += (a[i] - ma) * (y - mb)
        aa += (a[i] - ma) ** 2
        bb += (y - mb) ** 2
    return ab / np.sqrt(aa * bb)


@jit()
def _fill_sides(tabla, u, t, antes, despues, escala, x, k):  # type: ignore[no-untyped-def]
    """Fill the share of the days since the onset nearer to what came after, and changes of side.

    Also the longest stretch on the side of before, as a share, and the last week's share.
    """
    n, lado, cambios, racha, mas_larga, ultima, n_ultima = 0, 0, 0, 0, 0, 0, 0
    previo = -1
    for d in range(u, t):
        if np.isnan(tabla[d, 0]):
            continue
        s = 0.0
        for q in range(FILAS):
            delta = (despues[q] - antes[q]) * escala[q]
            s += delta * (tabla[d, q] - 0.5 * (despues[q] + antes[q])) * escala[q]
        cerca = 1 if s > 0 else 0
        n += 1
        lado += cerca
        cambios += previo >= 0 and cerca != previo
        racha = 0 if cerca == 1 else racha + 1
        mas_larga = max(mas_larga, racha)
        if d >= t - _SEMANA:
            ultima += cerca
            n_ultima += 1
        previo = cerca
    x[k] = lado / max(n, 1)
    x[k + 1] = cambios / max(n, 1)
    x[k + 2] = mas_larga / max(n, 1)
    x[k + 3] = ultima / max(n_ultima, 1)


@jit()
def _weekend(tabla, desde, hasta, primer_dia, q):  # type: ignore[no-untyped-def]
    """Return the mean of working days less that of weekends."""
    s0, s1, n0, n1 = 0.0, 0.0, 0, 0
    for d in range(desde, hasta):
        if np.isnan(tabla[d, q]):
            continue
        if is_weekend(primer_dia + d):
            s1 += tabla[d, q]
            n1 += 1
        else:
            s0 += tabla[d, q]
            n0 += 1
    if n0 < 2 or n1 < 2:
        return np.nan
    return s0 / n0 - s1 / n1


@jit()
def _jump(suma, cuadrado, cuenta, u, w):  # type: ignore[no-untyped-def]
    """Return how far the w days from u on are from the w days before."""
    t = cuenta.shape[0] - 1
    a, b = max(u - w, 0), min(u + w, t)
    nb = cuenta[u] - cuenta[a]
    na = cuenta[b] - cuenta[u]
    if nb < 3 or na < 3:
        return 0.0
    s = 0.0
    for q in range(FILAS):
        mb = (suma[u, q] - suma[a, q]) / nb
        ma = (suma[b, q] - suma[u, q]) / na
        vb = max((cuadrado[u, q] - cuadrado[a, q]) / nb - mb * mb, 1e-4)
        va = max((cuadrado[b, q] - cuadrado[u, q]) / na - ma * ma, 1e-4)
        d = ma - mb
        s += min(d * d / (vb / nb + va / na + 0.002), 100.0)
    return s / FILAS


@jit()
def _fill_jumps(suma, cuadrado, cuenta, u, w, x, k):  # type: ignore[no-untyped-def]
    """Fill the jump at the onset, and the largest and mean ones before it."""
    aqui = _jump(suma, cuadrado, cuenta, u, w)
    mayor = 0.0
    media = 0.0
    n = 0
    for d in range(u - w, w - 1, -3):
        j = _jump(suma, cuadrado, cuenta, d, w)
        mayor = max(mayor, j)
        media += j
        n += 1
    x[k] = aqui
    x[k + 1] = mayor
    x[k + 2] = np.log((aqui + 5.0) / (mayor + 5.0))
    x[k + 3] = np.log((aqui + 5.0) / (media / max(n, 1) + 5.0))


@jit()
def _fill_own_jump(suma, cuenta, u, w, q, x, k):  # type: ignore[no-untyped-def]
    """Fill one quantity's jump at the onset, against the jumps it had before."""
    t = cuenta.shape[0] - 1
    aqui = _mean(suma, cuenta, u, min(u + w, t), q) - _mean(suma, cuenta, max(u - w, 0), u, q)
    cuadrados = 0.0
    mayor = 0.0
    n = 0
    for d in range(u - w, w - 1, -3):
        j = _mean(suma, cuenta, d, d + w, q) - _mean(suma, cuenta, d - w, d, q)
        if not np.isnan(j):
            cuadrados += j * j
            mayor = max(mayor, abs(j))
            n += 1
    x[k] = aqui / np.sqrt(cuadrados / n + 0.0025) if n > 0 else np.nan
    x[k + 1] = (abs(aqui) - mayor) if n > 0 else np.nan


@jit()
def _fill_record(suma, cuenta, u, q, x, k):  # type: ignore[no-untyped-def]
    """Fill the last days' mean against the range of means of as many days before the onset."""
    t = cuenta.shape[0] - 1
    w = min(_MES, t - u)
    ahora = _mean(suma, cuenta, t - w, t, q)
    menor = np.inf
    mayor = -np.inf
    for d in range(u, w - 1, -2):
        m = _mean(suma, cuenta, d - w, d, q)
        if not np.isnan(m):
            menor = min(menor, m)
            mayor = max(mayor, m)
    if menor == np.inf:
        x[k : k + 3] = np.nan
        return
    x[k] = ahora - menor
    x[k + 1] = ahora - mayor
    x[k + 2] = (ahora - 0.5 * (mayor + menor)) / (mayor - menor + 0.1)


@jit()
def _raw_change(antes, despues, suelo, q):  # type: ignore[no-untyped-def]
    """Return the change of a level in logarithms with hardly any floor."""
    return np.log(max(np.exp(despues[q]) - suelo, 0.002)) - np.log(
        max(np.exp(antes[q]) - suelo, 0.002)
    )


@jit()
def _fill_evenness(antes, despues, d, ultima, t_valor, razon, suelo, x, k):  # type: ignore[no-untyped-def]
    """Fill whether all has moved alike, as when a meter is tampered with, or some of it."""
    niveles, formas, forma_maxima = 0.0, 0.0, 0.0
    for q in range(FILAS):
        if q < FILAS_NIVEL:
            niveles += t_valor[q] ** 2
        else:
            formas += t_valor[q] ** 2
            forma_maxima = max(forma_maxima, abs(t_valor[q]))
    x[k] = niveles / FILAS_NIVEL
    x[k + 1] = formas / _FORMAS
    x[k + 2] = np.log((niveles / FILAS_NIVEL + 1.0) / (formas / _FORMAS + 1.0))
    x[k + 3] = forma_maxima
    x[k + 4] = d[_MINIMO] - d[MEDIA]
    x[k + 5] = d[_MEDIANA] - d[MEDIA]
    x[k + 6] = d[_MAXIMO] - d[MEDIA]
    x[k + 7] = d[_CUARTIL] - d[MEDIA]
    x[k + 8] = ultima[_MINIMO] - ultima[MEDIA]
    x[k + 9] = ultima[_MAXIMO] - ultima[MEDIA]
    x[k + 10] = np.mean(razon[:FILAS_NIVEL])
    x[k + 11] = np.max(np.abs(razon[:FILAS_NIVEL]))
    x[k + 12] = _raw_change(antes, despues, suelo, _MINIMO)
    x[k + 13] = _raw_change(antes, despues, suelo, _MEDIANA)
    x[k + 14] = _raw_change(antes, despues, suelo, MEDIA)
    x[k + 15] = x[k + 12] - x[k + 14]
    x[k + 16] = np.std(d[_BLOQUE_0:_BLOQUE_N]) / (abs(d[MEDIA]) + 0.05)
    x[k + 17] = np.std(d[1:FILAS_NIVEL]) / (abs(d[MEDIA]) + 0.05)
    x[k + 18] = np.std(ultima[_BLOQUE_0:_BLOQUE_N]) / (abs(ultima[MEDIA]) + 0.05)
    x[k + 19] = np.std(antes[_BLOQUE_0:_BLOQUE_N])
    directa = _correlation(antes[_BLOQUE_0:_BLOQUE_N], despues[_BLOQUE_0:_BLOQUE_N], False)
    reves = _correlation(antes[_BLOQUE_0:_BLOQUE_N], despues[_BLOQUE_0:_BLOQUE_N], True)
    x[k + 20] = directa
    x[k + 21] = reves
    x[k + 22] = reves - directa
    return k + 23


@jit()
def _fill_differences(suma, cuadrado, cuenta, u, antes, despues, ultima, escala, t_valor, razon, x):  # type: ignore[no-untyped-def]
    """Fill what each quantity is like before the onset, since, and of late; return the columns."""
    t = cuenta.shape[0] - 1
    lo = max(0, u - REFERENCIA_DIAS)
    nb, na = cuenta[u] - cuenta[lo], cuenta[t] - cuenta[u]
    semana = max(0, t - _SEMANA)
    while semana > 0 and cuenta[t] - cuenta[semana] < 4:
        semana -= 1
    quincena = max(0, t - _QUINCENA)
    k = 0
    for q in range(FILAS):
        antes[q] = _mean(suma, cuenta, lo, u, q)
        despues[q] = _mean(suma, cuenta, u, t, q)
        vb = _variance(suma, cuadrado, cuenta, lo, u, q)
        va = _variance(suma, cuadrado, cuenta, u, t, q)
        d = despues[q] - antes[q]
        escala[q] = 1.0 / np.sqrt(va + vb + 0.002)
        t_valor[q] = min(max(d / np.sqrt(vb / nb * 3.0 + va / na * 3.0 + 0.002), -COTA), COTA)
        razon[q] = np.log(va / vb)
        m = _mean(suma, cuenta, semana, t, q)
        ultima[q] = m - antes[q]
        x[k] = d
        x[k + 1] = t_valor[q]
        x[k + 2] = razon[q]
        x[k + 3] = ultima[q]
        x[k + 4] = m - _mean(suma, cuenta, 0, min(_PRIMEROS, u), q)
        de_golpe = _mean(suma, cuenta, u, min(u + 3, t), q)
        x[k + 5] = de_golpe - _mean(suma, cuenta, max(u - 3, 0), u, q)
        x[k + 6] = np.sqrt(_variance(suma, cuadrado, cuenta, quincena, t, q))
        k += 7
        if q >= FILAS_NIVEL:
            x[k] = _mean(suma, cuenta, quincena, t, q)
            k += 1
    return k


@jit()
def case_features(tabla, suma, cuadrado, cuenta, suelo, u, cuanto, primer_dia, x):  # type: ignore[no-untyped-def]
    """Fill a row (RASGOS_CASO,) for the onset u as seen at the end of the days laid out."""
    t = cuenta.shape[0] - 1
    lo = max(0, u - REFERENCIA_DIAS)
    antes, despues, ultima = np.empty(FILAS), np.empty(FILAS), np.empty(FILAS)
    escala, t_valor, razon = np.empty(FILAS), np.empty(FILAS), np.empty(FILAS)
    k = _fill_differences(
        suma, cuadrado, cuenta, u, antes, despues, ultima, escala, t_valor, razon, x
    )
    d = despues - antes
    k = _fill_spread(d, x, k)
    k = _fill_spread(ultima, x, k)
    k = _fill_evenness(antes, despues, d, ultima, t_valor, razon, suelo, x, k)
    _fill_sides(tabla, u, t, antes, despues, escala, x, k)
    de_antes = _weekend(tabla, lo, u, primer_dia, MEDIA)
    x[k + 4] = _weekend(tabla, max(u, t - _MES), t, primer_dia, MEDIA)
    x[k + 5] = x[k + 4] - de_antes
    x[k + 6] = cuanto
    x[k + 7] = t - u
    k += 8
    for w in _SALTOS:
        _fill_jumps(suma, cuadrado, cuenta, u, w, x, k)
        k += 4
    for q in _RECORDS:
        _fill_record(suma, cuenta, u, q, x, k)
        k += 3
    for w in (_SEMANA, _QUINCENA):
        for q in _SOLOS:
            _fill_own_jump(suma, cuenta, u, w, q, x, k)
            k += 2
    return k
