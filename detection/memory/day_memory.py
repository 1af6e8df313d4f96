"""Thirteen months of days of each customer: a ring of local days, and the case that is open.

A day is closed by the first reading of a later one, out of the hours that this reading finds in
its window: so what is remembered is the same whether readings come one by one or in batches. A
late or corrected hour marks its day; it is made anew, and judged anew, at the next close.

Beside each day lies what was thought at its end: the log odds of a case in seven bits, and whether
one was open. From them a case can be followed again from any day on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.jit import jit
from detection.memory.daily import BLOQUES, CANTIDADES, DESCONOCIDO, summarize_day
from detection.params import DIAS_VENTANA, HORAS_VENTANA

DIAS_MEMORIA = 396
"""Days that are remembered: thirteen months (contract 11), a year and what it is compared with."""
NO_DAY = np.iinfo(np.int32).min
"""Day of a customer without any reading, and of one without a case."""

NO_EVIDENCE = 0
"""Nothing was thought at the end of that day: too few days, or no reading."""
OPEN_BIT = 1 << 7
BEFORE, AFTER = 0, 1
_MITAD, _PASOS = 64, 8.0
_TOPE = 63


class Days(NamedTuple):
    """The days of all customers, for the compiled loops; the first axis is the customer's row."""

    dias: NDArray[np.uint8]  # (c, DIAS_MEMORIA, CANTIDADES): slot = local day % DIAS_MEMORIA
    evidencia: NDArray[np.uint8]  # (c, DIAS_MEMORIA): see ``encode_evidence``
    hoy: NDArray[np.int32]  # (c,): local day of the newest reading; the days before it are closed
    primero: NDArray[np.int32]  # (c,): oldest day in memory
    sucio: NDArray[np.int32]  # (c,): first closed day that has changed since; NO_DAY = none
    # inicio, apertura: (c,); onset of the open case, or of the last one, and the day at whose end
    # it opened; NO_DAY = there was none.
    inicio: NDArray[np.int32]
    apertura: NDArray[np.int32]
    # inocente_inicio, inocente_apertura, inocente_cierre: (c,); the same of its case of innocent
    # kind, and the day at whose end that was over; inocente_tipo (c,): which ``TIPOS_INOCENTES`` it
    # is. NO_DAY = none.
    inocente_inicio: NDArray[np.int32]
    inocente_apertura: NDArray[np.int32]
    inocente_cierre: NDArray[np.int32]
    inocente_tipo: NDArray[np.int32]
    # (c, 2, BLOQUES): its blocks of hours ``BEFORE`` the onset and ``AFTER`` it, bytes of levels.
    niveles: NDArray[np.uint8]
    # (c,): first day changed since it was last stored (``cases.pages``), ``hoy`` where only
    # the state has; NO_DAY = nothing.
    cambiado: NDArray[np.int32]


_EMPTY = {
    "dias": DESCONOCIDO, "evidencia": NO_EVIDENCE, "hoy": NO_DAY, "primero": NO_DAY,
    "sucio": NO_DAY, "inicio": NO_DAY, "apertura": NO_DAY, "inocente_inicio": NO_DAY,
    "inocente_apertura": NO_DAY, "inocente_cierre": NO_DAY, "inocente_tipo": NO_DAY,
    "niveles": DESCONOCIDO, "cambiado": NO_DAY,
}  # fmt: skip


class DayMemory:
    """The days of all customers in memory, by the rows of the hourly ring.

    The arrays are replaced when they grow: take ``columns`` anew after ``reserve``.
    """

    def __init__(self, capacidad: int) -> None:
        formas = {"dias": (DIAS_MEMORIA, CANTIDADES), "evidencia": (DIAS_MEMORIA,)}
        formas["niveles"] = (2, BLOQUES)
        bytes_ = {"dias", "evidencia", "niveles"}
        self._columns = Days(
            **{
                nombre: np.full(
                    (capacidad, *formas.get(nombre, ())),
                    vacio,
                    np.uint8 if nombre in bytes_ else np.int32,
                )
                for nombre, vacio in _EMPTY.items()
            }
        )

    def columns(self) -> Days:
        """Return the days of all customers."""
        return self._columns

    def reserve(self, capacidad: int) -> None:
        """Make room for rows up to ``capacidad``."""
        hay = self._columns.hoy.shape[0]
        if capacidad <= hay:
            return
        crecidas = []
        for nombre, vieja in self._columns._asdict().items():
            crecida = np.full((capacidad, *vieja.shape[1:]), _EMPTY[nombre], vieja.dtype)
            crecida[:hay] = vieja
            crecidas.append(crecida)
        self._columns = Days._make(crecidas)

    def forget(self, fila: int) -> None:
        """Empty a row."""
        for nombre, columna in self._columns._asdict().items():
            columna[fila] = _EMPTY[nombre]

    def accept_level(self, fila: int, inicio: int) -> bool:
        """Take what began on a local day for usual; return whether that is news.

        Nothing of before that day is known any more, and no case is open. A case that began later
        stays as it is, and so does all that was known before it: it is another one. The day stays
        in ``inicio`` (``level_is_new``).
        """
        days = self._columns
        hoy, primero, suyo = (int(c[fila]) for c in (days.hoy, days.primero, days.inicio))
        hay_caso = days.apertura[fila] != NO_DAY
        hecho = not hay_caso and suyo == inicio and primero >= inicio
        if hoy == NO_DAY or inicio > hoy or suyo > inicio or hecho:
            return False
        desde = max(inicio, primero)
        # Hours of a day that begins under an open case do not count (``cases.hours``): the case
        # raised their scores.
        days.evidencia[fila, np.arange(desde, hoy) % DIAS_MEMORIA] = OPEN_BIT | NO_EVIDENCE
        days.primero[fila] = desde
        days.inicio[fila], days.apertura[fila] = inicio, NO_DAY
        days.inocente_apertura[fila] = days.inocente_cierre[fila] = NO_DAY
        days.cambiado[fila] = desde
        return True

    def is_accepted(self, fila: int, inicio: int) -> bool:
        """Return whether what began on a local day is what was last taken for usual."""
        days = self._columns
        return bool(days.apertura[fila] == NO_DAY and days.inicio[fila] == inicio)

    def reopen(self, fila: int, inicio: int, apertura: int, inocente: int) -> None:
        """Let a case be open since the end of a closed day, and none before it.

        Parameters
        ----------
        inicio, apertura : int
            Local days of its onset, and of the one at whose end it opened.
        inocente : int
            Which ``TIPOS_INOCENTES`` it is; -1 = none.
        """
        days = self._columns
        cerrados = np.arange(days.primero[fila], days.hoy[fila])
        days.evidencia[fila, cerrados % DIAS_MEMORIA] &= OPEN_BIT - 1
        days.inocente_inicio[fila] = days.inocente_apertura[fila] = NO_DAY
        days.inocente_cierre[fila] = NO_DAY
        if inocente >= 0:
            days.inicio[fila] = days.apertura[fila] = NO_DAY
            days.inocente_inicio[fila], days.inocente_apertura[fila] = inicio, apertura
            days.inocente_tipo[fila] = inocente
        else:
            days.inicio[fila], days.apertura[fila] = inicio, apertura
            days.evidencia[fila, apertura % DIAS_MEMORIA] |= OPEN_BIT
        days.sucio[fila] = NO_DAY

    def bytes_per_customer(self) -> int:
        """Return the bytes of state of one customer."""
        return sum(columna[0].nbytes for columna in self._columns)


@jit()
def encode_evidence(ventaja, abierto):  # type: ignore[no-untyped-def]
    """Return log odds, in steps of 1/8 between -7.9 and 7.9, and whether a case is open."""
    codigo = _MITAD + int(np.floor(min(max(ventaja * _PASOS, -_TOPE), _TOPE) + 0.5))
    return np.uint8(codigo | OPEN_BIT) if abierto else np.uint8(codigo)


@jit()
def decode_evidence(byte):  # type: ignore[no-untyped-def]
    """Return the log odds of a byte; NaN = nothing was thought."""
    codigo = int(byte) & (OPEN_BIT - 1)
    return np.nan if codigo == NO_EVIDENCE else (codigo - _MITAD) / _PASOS


@jit()
def level_is_new(days, fila, dia):  # type: ignore[no-untyped-def]
    """Return whether people have accepted a level that a day's hours are still compared against.

    What the hours remember is as long as their window: until then they say what people have said
    to be nothing.
    """
    sin_caso = days.apertura[fila] == NO_DAY and days.inicio[fila] != NO_DAY
    return sin_caso and dia < days.inicio[fila] + DIAS_VENTANA


@jit()
def arrive(days, fila, dia, cambia):  # type: ignore[no-untyped-def]
    """Take note of a reading of another local day than the newest; return the first day to close.

    ``cambia``: its hour held another value, or none. NO_DAY is returned when no day ends with it.
    """
    hoy = days.hoy[fila]
    if hoy == NO_DAY:
        days.hoy[fila] = dia
        days.primero[fila] = dia
        days.cambiado[fila] = dia
        return NO_DAY
    if dia < hoy:
        dentro = dia >= hoy - DIAS_VENTANA + 1
        if cambia and dentro and (days.sucio[fila] == NO_DAY or dia < days.sucio[fila]):
            days.sucio[fila] = dia
            _note_change(days, fila, hoy)
        return NO_DAY
    desde = hoy if days.sucio[fila] == NO_DAY else days.sucio[fila]
    for d in range(max(hoy + 1, dia - DIAS_MEMORIA), dia):
        days.dias[fila, d % DIAS_MEMORIA] = DESCONOCIDO
        days.evidencia[fila, d % DIAS_MEMORIA] = NO_EVIDENCE
    days.hoy[fila] = dia
    days.sucio[fila] = NO_DAY
    days.primero[fila] = max(min(days.primero[fila], desde), dia - DIAS_MEMORIA)
    desde = max(desde, dia - DIAS_VENTANA + 1)
    _note_change(days, fila, min(desde, hoy))
    return desde


@jit()
def _note_change(days, fila, dia):  # type: ignore[no-untyped-def]
    if days.cambiado[fila] == NO_DAY or dia < days.cambiado[fila]:
        days.cambiado[fila] = dia


@jit()
def close_days(days, fila, desde, hasta, ventana, hora, desfase, desde_hora, horas):  # type: ignore[no-untyped-def]
    """Make the rows of local days ``desde`` to ``hasta`` - 1 out of the window of one reading.

    Parameters
    ----------
    ventana : ndarray (HORAS_VENTANA + 1,), float32
        The hours before ``hora``, oldest first, and the reading itself last.
    desfase, desde_hora
        The calendar's.
    horas : ndarray (24,), float32
        Scratch.
    """
    for dia in range(desde, hasta):
        horas[:] = np.nan
        cerca = 24 * dia - desfase[hora - desde_hora]
        for h in range(cerca - 2, cerca + 26):
            j = h - (hora - HORAS_VENTANA)
            local = h + desfase[h - desde_hora]
            if 0 <= j <= HORAS_VENTANA and local // 24 == dia and not np.isnan(ventana[j]):
                c = local % 24
                # Of the hour that October has twice, the mean.
                horas[c] = ventana[j] if np.isnan(horas[c]) else 0.5 * (horas[c] + ventana[j])
        summarize_day(horas, days.dias[fila, dia % DIAS_MEMORIA])
