"""When a case opens, goes on and closes, out of what is thought at the end of each day.

A case opens when its log odds, smoothed over some days, pass a threshold, and closes when they
have stayed below a lower one for two weeks (contract 11: back at the reference for 14 days). While
it is open its onset stays, and the days before it are what consumption is compared with; after its
end both stay until another one opens.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detection.domain import TIPOS, TipoAnomalia
from detection.jit import jit
from detection.memory.daily import (
    BLOQUES,
    DESCONOCIDO,
    DOS_NIVELES,
    HORAS_ALTAS,
    IGUALES,
    LEVELS,
    level_code,
)
from detection.memory.day_memory import (
    AFTER,
    BEFORE,
    DIAS_MEMORIA,
    NO_DAY,
    OPEN_BIT,
    decode_evidence,
)
from detection.params import Params

DIAS_CIERRE = 14
"""Days below the lower threshold that end a case (contract 11)."""
DIAS_SUAVIZADO = 5
"""Days whose log odds are averaged. By hand, 2026-11-30."""
DIAS_REFERENCIA = 90
DIAS_DE_AHORA = 28
"""Days before the onset that are the reference, and last days that stand for now."""
CAMBIO_VISIBLE = 0.10
"""By which a block of hours has to differ for its hours to be told from those of before. By hand,
2026-11-30."""
PARTE_IGUAL = 0.8
"""Share of the day in one run of equal hours that makes a constant. By hand, 2026-11-30."""
DOS_NIVELES_LAMPARAS, HORAS_LAMPARAS = Params().plantacion_r2, (10.0, 20.0)
"""Share of a day's variance that two levels explain, and hours in the upper one, of lamps on 12/12
or 18/6: the share is the rule's; the hours by hand, 2026-11-30."""
SUELO_KWH = 0.02
_PLANTACION = TIPOS.index(TipoAnomalia.PLANTACION_CANNABIS)
_FRAUDE = TIPOS.index(TipoAnomalia.FRAUDE)
_CONSTANTE = TIPOS.index(TipoAnomalia.CONSUMO_CONSTANTE)
_OFFLINE = TIPOS.index(TipoAnomalia.MODELO_OFFLINE)
_SIN_NADA = -8.0


class CaseThresholds(NamedTuple):
    """Smoothed log odds."""

    abre: float  # at which a case opens
    cierra: float  # below which it may close
    alta: float  # from which the hours that go on with it are alta
    critica: float  # from which they are crítica


@jit()
def smoothed(days, fila, dia):  # type: ignore[no-untyped-def]
    """Return the mean log odds of the days up to ``dia``; NaN = nothing was thought of late."""
    suma = 0.0
    n = 0
    for d in range(max(dia - DIAS_SUAVIZADO + 1, days.primero[fila]), dia + 1):
        x = decode_evidence(days.evidencia[fila, d % DIAS_MEMORIA])
        if not np.isnan(x):
            suma += x
            n += 1
    return suma / n if n > 0 else np.nan


@jit()
def _stays_open(days, fila, dia, cierra):  # type: ignore[no-untyped-def]
    """Return whether an open case is still open at the end of ``dia``."""
    for d in range(dia, max(dia - DIAS_CIERRE, days.primero[fila] - 1), -1):
        x = smoothed(days, fila, d)
        if (not np.isnan(x) and x >= cierra) or d <= days.apertura[fila]:
            return True
    return False


@jit()
def was_open(days, fila, dia):  # type: ignore[no-untyped-def]
    """Return whether a case was open at the end of ``dia`` that nobody has discarded since."""
    return days.apertura[fila] != NO_DAY and marked_open(days, fila, dia)


@jit()
def marked_open(days, fila, dia):  # type: ignore[no-untyped-def]
    """Return whether a case was open at the end of ``dia``, discarded by now or not."""
    if dia < days.primero[fila] or dia >= days.hoy[fila]:
        return False
    return days.evidencia[fila, dia % DIAS_MEMORIA] & OPEN_BIT != 0


@jit()
def follow(days, fila, dia, inicio, por_horas, umbrales):  # type: ignore[no-untyped-def]
    """Open, keep or close the customer's case at the end of ``dia``; return whether one is open.

    ``inicio``: the day on which it would have begun, were it to open now. ``por_horas``: the hours
    alone open it.
    """
    if was_open(days, fila, dia - 1):
        abierto = _stays_open(days, fila, dia, umbrales.cierra)
    else:
        x = smoothed(days, fila, dia)
        abierto = por_horas or (not np.isnan(x) and x >= umbrales.abre)
        if abierto:
            days.inicio[fila] = inicio
            days.apertura[fila] = dia
    slot = dia % DIAS_MEMORIA
    if abierto:
        days.evidencia[fila, slot] |= OPEN_BIT
    else:
        days.evidencia[fila, slot] &= OPEN_BIT - 1
    return abierto


@jit()
def block_levels(days, fila, desde, hasta, niveles):  # type: ignore[no-untyped-def]
    """Fill the mean level of each block over days [desde, hasta), as bytes; return the days."""
    n = 0
    suma = np.zeros(BLOQUES)
    for d in range(desde, hasta):
        slot = d % DIAS_MEMORIA
        if days.dias[fila, slot, 0] == DESCONOCIDO:
            continue
        n += 1
        for b in range(BLOQUES):
            suma[b] += LEVELS[days.dias[fila, slot, b]]
    for b in range(BLOQUES):
        niveles[b] = level_code(suma[b] / n) if n > 0 else DESCONOCIDO
    return n


@jit()
def before_is_forgotten(days, fila, dia):  # type: ignore[no-untyped-def]
    """Return whether the open case is so old that memory no longer reaches behind its onset."""
    llena = dia - days.primero[fila] >= DIAS_MEMORIA - 2
    return llena and days.inicio[fila] - DIAS_CIERRE < days.primero[fila]


@jit()
def keep_levels(days, fila, dia, cierra):  # type: ignore[no-untyped-def]
    """Keep what the blocks of hours were like before the open case, and are like since.

    Days on which the evidence is gone do not count as what it found. Of a case so old that the days
    before it are forgotten, what was kept stays.
    """
    if before_is_forgotten(days, fila, dia):
        return
    inicio = days.inicio[fila]
    desde = max(inicio - DIAS_REFERENCIA, days.primero[fila])
    block_levels(days, fila, desde, inicio, days.niveles[fila, BEFORE])
    ultimo = dia
    while ultimo > days.apertura[fila] and not smoothed(days, fila, ultimo) >= cierra:
        ultimo -= 1
    desde = max(inicio, ultimo - DIAS_DE_AHORA + 1, days.primero[fila])
    block_levels(days, fila, desde, ultimo + 1, days.niveles[fila, AFTER])


@jit()
def side_of_change(antes, despues, ahora):  # type: ignore[no-untyped-def]
    """Return on which side of a change some days are: above 0 nearer to what came after it.

    ``antes``, ``despues``, ``ahora``: (BLOQUES,), bytes of levels. NaN = one is not known.
    """
    lado = 0.0
    for b in range(BLOQUES):
        if DESCONOCIDO in (antes[b], despues[b], ahora[b]):
            return np.nan
        x, y = np.log(LEVELS[antes[b]] + SUELO_KWH), np.log(LEVELS[despues[b]] + SUELO_KWH)
        lado += (y - x) * (np.log(LEVELS[ahora[b]] + SUELO_KWH) - 0.5 * (x + y))
    return lado


@jit()
def held_log_odds(days, fila, dia):  # type: ignore[no-untyped-def]
    """Return the evidence for a case whose days of before are forgotten: none once it is back.

    Its last two weeks are nearer to what came after the onset, or to what was before it.
    """
    ahora = np.empty(BLOQUES, np.uint8)
    if block_levels(days, fila, dia - DIAS_CIERRE + 1, dia + 1, ahora) == 0:
        return np.nan
    lado = side_of_change(days.niveles[fila, BEFORE], days.niveles[fila, AFTER], ahora)
    return _SIN_NADA if lado <= 0.0 else 2.0


@jit()
def goes_on(niveles, hora, kwh):  # type: ignore[no-untyped-def]
    """Return whether an hour goes on with what a case found.

    It does where its block of hours is not what it was, and the hour is nearer to what the block
    is now. Where no block differs, or nothing is known of before, every hour does.

    ``niveles``: (2, BLOQUES) bytes, before and now. ``hora``: local, 0 to 23. ``kwh``: in it.
    """
    cambia = False
    for b in range(BLOQUES):
        if niveles[BEFORE, b] == DESCONOCIDO:
            return True
        x, y = LEVELS[niveles[BEFORE, b]] + SUELO_KWH, LEVELS[niveles[AFTER, b]] + SUELO_KWH
        cambia |= abs(np.log(y / x)) >= CAMBIO_VISIBLE
    if not cambia:
        return True
    b = hora // (24 // BLOQUES)
    x, y = LEVELS[niveles[BEFORE, b]] + SUELO_KWH, LEVELS[niveles[AFTER, b]] + SUELO_KWH
    if abs(np.log(y / x)) < CAMBIO_VISIBLE:
        return False
    return (np.log(y) - np.log(x)) * (np.log(kwh + SUELO_KWH) - 0.5 * (np.log(x) + np.log(y))) > 0


@jit()
def case_score(ventaja, umbrales, severidades):  # type: ignore[no-untyped-def]
    """Return the score, in hundredths, of the hours that go on with an open case.

    Between two thresholds it rises with the smoothed log odds ``ventaja``: from ``baja`` at
    ``abre`` to ``alta`` at its own, from there to ``crítica``, and on for as much again.

    ``severidades``: hundredths from which a score is baja, media, alta, crítica.
    """
    u, s = umbrales, severidades
    if np.isnan(ventaja) or ventaja <= u.abre:
        return s[0]
    if ventaja < u.alta:
        return s[0] + int((s[2] - s[0]) * (ventaja - u.abre) / (u.alta - u.abre))
    if ventaja < u.critica:
        return s[2] + int((s[3] - s[2]) * (ventaja - u.alta) / (u.critica - u.alta))
    return min(s[3] + int((s[3] - s[2]) * (ventaja - u.critica) / (u.critica - u.alta)), 99)


@jit()
def daily_kwh(niveles):  # type: ignore[no-untyped-def]
    """Return the kWh a day of blocks (BLOQUES,) as bytes; NaN = unknown."""
    suma = 0.0
    for b in range(BLOQUES):
        if niveles[b] == DESCONOCIDO:
            return np.nan
        suma += LEVELS[niveles[b]]
    return suma * (24 // BLOQUES)


@jit()
def case_type(days, fila, dia):  # type: ignore[no-untyped-def]
    """Return the bit of the type that the open case of a row is of, by its week up to ``dia``.

    Equal hours are a constant; lamps by their shape, where consumption has risen or nothing is
    known of before; any other rise is what the model alone has found; the rest is fraud.
    """
    altas, niveles, iguales, n = 0.0, 0.0, 0.0, 0
    for d in range(max(dia - 6, days.primero[fila]), dia + 1):
        suyo = days.dias[fila, d % DIAS_MEMORIA]
        if suyo[0] != DESCONOCIDO:
            altas += suyo[HORAS_ALTAS] / 254.0
            niveles += suyo[DOS_NIVELES] / 254.0
            iguales += suyo[IGUALES] / 254.0
            n += 1
    if n == 0:
        return _FRAUDE
    if iguales / n >= PARTE_IGUAL:
        return _CONSTANTE
    antes_kwh = daily_kwh(days.niveles[fila, BEFORE])
    sube = daily_kwh(days.niveles[fila, AFTER]) > antes_kwh * (1.0 + CAMBIO_VISIBLE)
    lamparas = niveles / n >= DOS_NIVELES_LAMPARAS and (
        HORAS_LAMPARAS[0] <= 24.0 * altas / n <= HORAS_LAMPARAS[1]
    )
    if lamparas and (sube or np.isnan(antes_kwh)):
        return _PLANTACION
    return _OFFLINE if sube else _FRAUDE
