"""A case as people read it: since when, how much more or less, what is at stake, how sure it is."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.cases.case import (
    CAMBIO_VISIBLE,
    DIAS_DE_AHORA,
    DIAS_REFERENCIA,
    case_type,
    daily_kwh,
    smoothed,
    was_open,
)
from detection.cases.hours import probability_of
from detection.cases.innocent_kind import innocent_levels
from detection.cases.records import Caso, DayEvidence, date_of
from detection.domain import MESES, TIPOS, TIPOS_INOCENTES, Explicacion
from detection.memory.daily import BLOQUES, DESCONOCIDO, LEVELS
from detection.memory.day_memory import AFTER, BEFORE, DIAS_MEMORIA, NO_DAY, Days, decode_evidence
from detection.number_format import kwh_dia

CASO = "caso"
"""What an explanation by an open case says for its detector."""
DIAS_EVIDENCIA = 60
"""Days of evidence that a case carries."""
DIAS_DE_UN_ANO = 364
"""Whole weeks, so that working days meet working days."""
_INOCENTES = {str(tipo): tipo for tipo in TIPOS_INOCENTES}
_HORAS_BLOQUE = 24 // BLOQUES
_ERRORES = 2.0
_AUTOCORRELACION = 3.0
"""Days that are worth one: a home's days are alike (by hand, 2026-11-30, as in ``change``)."""


class _Span(NamedTuple):
    """Local days of a case."""

    inicio: int
    apertura: int
    ultimo: int  # the last one on which it was open; before ``apertura`` where none has stayed so
    cierra: bool


def tell_cases(days: Days, fila: int, propietario_id: str, version_modelo: str) -> list[Caso]:
    """Return the cases of a row that are open or ended lately: one, and one of innocent kind.

    Lately: within ``DIAS_DE_AHORA`` days.
    """
    hoy = int(days.hoy[fila])
    salida = []
    if (suyo := _span(days, fila)) is not None:
        tipo = str(TIPOS[case_type(days, fila, max(suyo.ultimo, suyo.apertura))])
        salida.append((suyo, tipo, days.niveles[fila]))
    if (suyo := _innocent_span(days, fila)) is not None:
        tipo = str(TIPOS_INOCENTES[days.inocente_tipo[fila]])
        niveles = np.empty((2, BLOQUES), np.uint8)
        innocent_levels(days, fila, suyo.ultimo, niveles)
        salida.append((suyo, tipo, niveles))
    return [
        _tell(days, fila, suyo, (propietario_id, tipo, version_modelo), niveles)
        for suyo, tipo, niveles in salida
        if hoy - 1 - suyo.ultimo <= DIAS_DE_AHORA
    ]


def _span(days: Days, fila: int) -> _Span | None:
    inicio, apertura, hoy = (int(c[fila]) for c in (days.inicio, days.apertura, days.hoy))
    if NO_DAY in {hoy, apertura}:
        return None
    ultimo = hoy - 1
    while ultimo >= apertura and not was_open(days, fila, ultimo):
        ultimo -= 1
    return _Span(inicio, apertura, ultimo, ultimo != hoy - 1)


def _innocent_span(days: Days, fila: int) -> _Span | None:
    columnas = (days.inocente_inicio, days.inocente_apertura, days.inocente_cierre, days.hoy)
    inicio, apertura, cierre, hoy = (int(c[fila]) for c in columnas)
    if NO_DAY in {hoy, apertura}:
        return None
    sigue = cierre == NO_DAY
    return _Span(inicio, apertura, hoy - 1 if sigue else cierre - 1, not sigue)


def _tell(
    days: Days, fila: int, suyo: _Span, nombres: tuple[str, str, str], niveles: NDArray[np.uint8]
) -> Caso:
    propietario_id, tipo, version_modelo = nombres
    antes, despues = (float(daily_kwh(niveles[k])) for k in (BEFORE, AFTER))
    energia = _at_stake(days, fila, suyo.inicio, suyo.ultimo)
    ventaja = smoothed(days, fila, max(suyo.ultimo, suyo.apertura))
    frase = case_sentence(suyo.inicio, suyo.ultimo, niveles)
    if tipo in _INOCENTES:
        frase += f"; causa probable: {_INOCENTES[tipo].rotulo.lower()}"
    return Caso(
        propietario_id=propietario_id,
        fecha_apertura=date_of(suyo.apertura),
        fecha_inicio=date_of(suyo.inicio),
        fecha_cierre=date_of(suyo.ultimo + 1) if suyo.cierra else None,
        hasta=date_of(int(days.hoy[fila]) - 1),
        tipo=tipo,
        probabilidad=0.0 if np.isnan(ventaja) else float(probability_of(ventaja)),
        consumo_antes_kwh=antes,
        consumo_despues_kwh=despues,
        energia_en_juego_kwh=energia[0],
        energia_minima_kwh=energia[1],
        energia_maxima_kwh=energia[2],
        evidencia=_evidence(days, fila, suyo.ultimo),
        frase=frase,
        version_modelo=version_modelo,
    )


def case_sentence(inicio: int, hoy: int, niveles: NDArray[np.uint8]) -> str:
    """Return a case in a sentence.

    ``inicio``, ``hoy``: local days, of its onset and of its newest day. ``niveles``: (2, BLOQUES),
    as in ``Days``.

    Examples
    --------
    >>> import numpy as np
    >>> niveles = np.array([[100] * 8, [100] * 6 + [160] * 2], np.uint8)
    >>> case_sentence(20_000, 20_010, niveles)
    'Desde el 4 de octubre gasta 103 kWh al día y no 18; sobre todo de 18 a 24 h'
    """
    antes, despues = (float(daily_kwh(niveles[k])) for k in (BEFORE, AFTER))
    desde = f"Desde el {_day_in_words(date_of(inicio), date_of(hoy))}"
    if np.isnan(antes):
        return (
            f"{desde}, sin días anteriores con que compararlo, gasta {kwh_dia(despues)} kWh al día"
        )
    cambio = abs(np.log((despues + 0.1) / (antes + 0.1)))
    if cambio < CAMBIO_VISIBLE:
        frase = f"{desde} gasta lo mismo ({kwh_dia(despues)} kWh al día) de otra manera"
    else:
        frase = f"{desde} gasta {kwh_dia(despues)} kWh al día y no {kwh_dia(antes)}"
    return frase + _when(niveles)


def explain_hour(caso: NDArray[np.float32], hoy: int) -> Explicacion:
    """Return what an open case says of an hour that goes on with it; it may be of innocent kind.

    ``caso``: (CASE_COLUMNS,), as in ``Veredictos``. ``hoy``: the hour's local day.
    """
    ventaja, inicio, antes, despues, centesimas = (float(x) for x in caso)
    desde = _day_in_words(date_of(int(inicio)), date_of(hoy))
    de_antes = "" if np.isnan(antes) else f" y antes {kwh_dia(antes)}"
    if np.isnan(ventaja):
        rotulo = TIPOS_INOCENTES[int(centesimas)].rotulo.lower()
        frase = f"Va con lo que empezó el {desde}, con causa probable ({rotulo}): no pasa de media."
        return Explicacion(CASO, None, 1.0, False, frase)
    return Explicacion(
        detector=CASO,
        score=round(centesimas / 100, 2),
        peso=1.0,
        dispara=True,
        frase=f"Sigue lo que empezó el {desde}: gasta {kwh_dia(despues)} kWh al día{de_antes}.",
    )


def _when(niveles: NDArray[np.uint8]) -> str:
    """Return in which hours it differs; nothing where none stands out."""
    antes, despues = LEVELS[niveles[BEFORE]] + 0.02, LEVELS[niveles[AFTER]] + 0.02
    razon = np.log(despues / antes)
    if (np.abs(razon) >= CAMBIO_VISIBLE).all() and np.ptp(razon) < 2 * CAMBIO_VISIBLE:
        return "; en todas las horas por igual"
    kwh = np.abs(despues - antes)
    if kwh.max() < 0.05:
        return ""
    fuerte = kwh >= 0.5 * kwh.max()
    b = int(kwh.argmax())
    primero, ultimo = b, b
    while primero > 0 and fuerte[primero - 1]:
        primero -= 1
    while ultimo < BLOQUES - 1 and fuerte[ultimo + 1]:
        ultimo += 1
    if primero == 0 and ultimo == BLOQUES - 1:
        return "; a todas horas"
    return f"; sobre todo de {primero * _HORAS_BLOQUE} a {(ultimo + 1) * _HORAS_BLOQUE} h"


def _day_in_words(fecha: date, hoy: date) -> str:
    ano = "" if fecha.year == hoy.year else f" de {fecha.year}"
    return f"{fecha.day} de {MESES[fecha.month - 1]}{ano}"


def _evidence(days: Days, fila: int, ultimo: int) -> tuple[DayEvidence, ...]:
    salida = []
    for dia in range(max(ultimo - DIAS_EVIDENCIA + 1, int(days.primero[fila])), ultimo + 1):
        ventaja = decode_evidence(days.evidencia[fila, dia % DIAS_MEMORIA])
        if not np.isnan(ventaja):
            salida.append(DayEvidence(date_of(dia), round(float(probability_of(ventaja)), 3)))
    return tuple(salida)


def _totals(days: Days, fila: int, desde: int, hasta: int) -> NDArray[np.float64]:
    """Return the kWh of the days that are known of [desde, hasta)."""
    desde = max(desde, int(days.primero[fila]), int(days.hoy[fila]) - DIAS_MEMORIA)
    filas = days.dias[fila, np.arange(desde, max(desde, hasta)) % DIAS_MEMORIA, :BLOQUES]
    conocidas = filas[filas[:, 0] != DESCONOCIDO]
    return np.asarray(LEVELS[conocidas].sum(axis=1, dtype=np.float64) * _HORAS_BLOQUE)


def _at_stake(days: Days, fila: int, inicio: int, ultimo: int) -> tuple[float, float, float]:
    """Return kWh since the onset against the reference of before it: best guess, least and most.

    Least and most: twice the standard error of both means; and the same weeks of the year before,
    where they are in memory, in place of the reference: what the season alone does.
    """
    antes = _totals(days, fila, inicio - DIAS_REFERENCIA, inicio)
    ahora = _totals(days, fila, inicio, ultimo + 1)
    n = ultimo + 1 - inicio
    if antes.size == 0 or ahora.size == 0:
        return 0.0, 0.0, 0.0
    diferencia = float(ahora.mean() - antes.mean())
    varianza = _AUTOCORRELACION * (antes.var() / antes.size + ahora.var() / ahora.size)
    margen = _ERRORES * float(np.sqrt(varianza))
    posibles = [diferencia - margen, diferencia + margen]
    hace_un_ano = _totals(days, fila, inicio - DIAS_DE_UN_ANO, ultimo + 1 - DIAS_DE_UN_ANO)
    if hace_un_ano.size >= min(n, 14) and ultimo - DIAS_DE_UN_ANO < inicio:
        posibles.append(float(ahora.mean() - hace_un_ano.mean()))
    signo = 1.0 if diferencia >= 0.0 else -1.0
    menor, mayor = (max(0.0, signo * x) for x in (min(posibles), max(posibles)))
    menor, mayor = min(menor, mayor), max(menor, mayor)
    return abs(diferencia) * n, menor * n, mayor * n
