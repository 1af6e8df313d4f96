"""Between the days in memory and the store: what has changed, by customer and month, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detection.cases.records import (
    BYTES_DIA,
    CAMPOS_ESTADO,
    DIAS_PAGINA,
    CaseMemory,
    CustomerStates,
    DayPages,
)
from detection.domain import Calendario
from detection.memory.daily import CANTIDADES, DESCONOCIDO, summarize_days
from detection.memory.day_memory import DIAS_MEMORIA, NO_DAY, NO_EVIDENCE, Days
from detection.params import DIAS_VENTANA

DIAS_POR_JUZGAR = 14
"""Days of a customer's stored hours that are judged once they are in memory: what a case needs to
open (``case.DIAS_SUAVIZADO``), and some. By hand, 2026-11-30."""


def changed_rows(days: Days, filas: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which of some rows have changed since they were last stored, each once."""
    distintas: NDArray[np.int64] = np.unique(filas)
    return np.asarray(distintas[days.cambiado[distintas] != NO_DAY])


def take_changes(days: Days, filas: NDArray[np.int64], nombres: Sequence[str]) -> CaseMemory:
    """Return what has changed of rows (k,), each once, and count it as stored.

    ``nombres`` (k,): their customers.
    """
    estados = CustomerStates(
        list(nombres),
        np.stack([getattr(days, campo)[filas] for campo in CAMPOS_ESTADO], axis=1),
        days.niveles[filas],
    )
    desde = np.maximum(days.cambiado[filas], days.primero[filas])
    meses, cuantos = _months_between(desde, days.hoy[filas] - 1)
    cual = np.repeat(np.arange(filas.size), cuantos)
    fila = filas[cual]
    paginas = np.empty((fila.size, DIAS_PAGINA, BYTES_DIA), np.uint8)
    dia = _days_of(meses)
    dentro = (dia >= days.primero[fila][:, None]) & (dia < days.hoy[fila][:, None])
    slot = dia % DIAS_MEMORIA
    paginas[..., :CANTIDADES] = np.where(
        dentro[..., None], days.dias[fila[:, None], slot], DESCONOCIDO
    )
    paginas[..., CANTIDADES] = np.where(dentro, days.evidencia[fila[:, None], slot], NO_EVIDENCE)
    days.cambiado[filas] = NO_DAY
    return CaseMemory(estados, DayPages([nombres[i] for i in cual.tolist()], meses, paginas))


def load_changes(days: Days, filas: Mapping[str, int], memoria: CaseMemory) -> None:
    """Fill rows with what the store keeps of their customers.

    Those with a case count as changed: if a crash came between the stores, the case goes out again.

    ``filas``: row of each customer of ``memoria``.
    """
    estados, paginas = memoria.estados, memoria.paginas
    suyas = np.array([filas[p] for p in estados.propietario_id], np.int64)
    for k, campo in enumerate(CAMPOS_ESTADO):
        getattr(days, campo)[suyas] = estados.dias[:, k]
    days.niveles[suyas] = estados.niveles
    con_caso = suyas[(days.apertura[suyas] != NO_DAY) | (days.inocente_apertura[suyas] != NO_DAY)]
    days.cambiado[con_caso] = days.hoy[con_caso]
    if not paginas.propietario_id:
        return
    fila = np.array([filas[p] for p in paginas.propietario_id], np.int64)
    dia = _days_of(paginas.mes)
    hoy = days.hoy[fila][:, None]
    vale = (dia >= np.maximum(days.primero[fila][:, None], hoy - DIAS_MEMORIA)) & (dia < hoy)
    cual, de_mes = np.nonzero(vale)
    slot = dia[cual, de_mes] % DIAS_MEMORIA
    days.dias[fila[cual], slot] = paginas.dias[cual, de_mes, :CANTIDADES]
    days.evidencia[fila[cual], slot] = paginas.dias[cual, de_mes, CANTIDADES]


def fill_from_hours(
    days: Days,
    fila: int,
    hora: NDArray[np.int64],
    kwh: NDArray[np.float32],
    calendario: Calendario,
) -> None:
    """Fill an empty row with the days of its customer's stored hours, at least one, rising.

    The last ones are judged when its next day begins.
    """
    local = calendario.local(hora)
    primero, hoy = int(local[0]) // 24, int(local[-1]) // 24
    desde = max(primero, hoy - DIAS_MEMORIA)
    cerrados = np.empty((hoy - desde, CANTIDADES), np.uint8)
    summarize_days(local, kwh, desde, cerrados)
    days.dias[fila, np.arange(desde, hoy) % DIAS_MEMORIA] = cerrados
    days.hoy[fila] = hoy
    days.primero[fila] = desde
    days.cambiado[fila] = desde
    if desde < hoy:
        days.sucio[fila] = max(desde, hoy - min(DIAS_POR_JUZGAR, DIAS_VENTANA - 1))


def _months_between(
    desde: NDArray[np.int32], hasta: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the months (m,) that stretches of days (k,) touch, and how many each touches (k,)."""
    primero, ultimo = (_month_of(dia) for dia in (desde, hasta))
    cuantos = np.where(hasta >= desde, ultimo - primero + 1, 0)
    inicio = np.repeat(np.cumsum(cuantos) - cuantos, cuantos)
    meses = np.repeat(primero, cuantos) + np.arange(cuantos.sum()) - inicio
    return meses.astype(np.int32), cuantos


def _month_of(dia: NDArray[np.int32]) -> NDArray[np.int64]:
    return dia.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def _days_of(mes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the days (m, DIAS_PAGINA) of months; beyond the last one -1."""
    primero, siguiente = (
        m.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        for m in (mes.astype(np.int64), mes.astype(np.int64) + 1)
    )
    dia = primero[:, None] + np.arange(DIAS_PAGINA)
    return np.where(dia < siguiente[:, None], dia, -1)
