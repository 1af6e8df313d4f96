"""All that a case rests on, as the stores have it: its days, its detectors, the case against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from detection.cases.case import DIAS_DE_AHORA, DIAS_REFERENCIA
from detection.cases.innocent import Innocent, weigh_innocent
from detection.cases.story import DIAS_DE_UN_ANO
from detection.cases.timeline import usual_days
from detection.memory.daily import HORAS_MINIMAS
from pipeline.stores.case_history import CambioVecinos, CustomerDay
from pipeline.stores.case_records import CasoDetalle, CasoResumen, EvidenciaDetector
from pipeline.stores.query_ports import AnomalyQueries, HistoryQueries

DIAS_ANTES = 60
"""Days before the onset that are shown."""
DIAS_MAXIMOS = 500
"""Of a case that has gone on for longer, the latest: with a year more than one question may ask."""
UN_ANO = timedelta(days=DIAS_DE_UN_ANO)
UN_DIA = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CaseDay:
    """A day of a case, kWh; None = not known."""

    fecha: date
    consumo_kwh: float | None
    # referencia_kwh, minimo_kwh, maximo_kwh: what was usual of such a day before the onset.
    referencia_kwh: float | None
    minimo_kwh: float | None
    maximo_kwh: float | None
    hace_un_ano_kwh: float | None


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """A case with all of it."""

    caso: CasoDetalle
    dias: Sequence[CaseDay]
    detectores: Sequence[EvidenciaDetector]
    contra: Sequence[Innocent]
    # Mean kWh of each local hour (24) before the onset, and of late; None = not known.
    perfil_antes: Sequence[float | None]
    perfil_ahora: Sequence[float | None]
    vecinos: CambioVecinos


def gather_facts(
    id_caso: str, anomalias: AnomalyQueries, historico: HistoryQueries
) -> CaseFacts | None:
    """Return all that is known of a case; None = there is none.

    ``TransientError``: a store is away.
    """
    caso = anomalias.cases.one(id_caso)
    if caso is None:
        return None
    hasta = caso.ultimo_dia
    horas, primero = _hours(caso, historico)
    inicio = (caso.fecha_inicio - primero).days
    return CaseFacts(
        caso,
        case_days(caso, historico),
        anomalias.cases.detectors(caso),
        weigh_innocent(horas, primero, caso.fecha_inicio, hasta),
        _profile(horas[max(0, inicio - DIAS_REFERENCIA) : max(0, inicio)]),
        _profile(horas[max(0, inicio, len(horas) - DIAS_DE_AHORA) :]),
        historico.cases.neighbours(caso.propietario_id, caso.fecha_inicio, hasta),
    )


def case_days(caso: CasoResumen, historico: HistoryQueries) -> list[CaseDay]:
    """Return the days of a case, from two months before its onset on, beside what was usual."""
    primero = max(
        caso.fecha_inicio - DIAS_ANTES * UN_DIA, caso.hasta - timedelta(days=DIAS_MAXIMOS)
    )
    desde = min(primero - UN_ANO, caso.fecha_inicio - timedelta(days=DIAS_REFERENCIA))
    desde = max(desde, caso.hasta - timedelta(days=DIAS_MAXIMOS) - UN_ANO)
    hay = historico.cases.days([caso.propietario_id], desde, caso.hasta)
    return _beside_usual(hay.get(caso.propietario_id, ()), primero, caso)


def _beside_usual(hay: Sequence[CustomerDay], primero: date, caso: CasoResumen) -> list[CaseDay]:
    enteros = {dia.fecha: dia.consumo_kwh for dia in hay if dia.lecturas >= HORAS_MINIMAS}
    inicio = min([primero, *enteros])
    fechas = [inicio + d * UN_DIA for d in range((caso.hasta - inicio).days + 1)]
    kwh = np.array([enteros.get(fecha, np.nan) for fecha in fechas])
    usual = usual_days(fechas, kwh, caso.fecha_inicio)
    return [
        CaseDay(
            fecha,
            enteros.get(fecha),
            _or_none(usual.media[i]),
            _or_none(usual.minimo[i]),
            _or_none(usual.maximo[i]),
            enteros.get(fecha - UN_ANO),
        )
        for i, fecha in enumerate(fechas)
        if fecha >= primero
    ]


def _or_none(valor: float) -> float | None:
    return None if np.isnan(valor) else float(valor)


def case_against(caso: CasoResumen, historico: HistoryQueries) -> list[Innocent]:
    """Return the innocent explanations that were weighed, those that fit first."""
    horas, primero = _hours(caso, historico)
    return weigh_innocent(horas, primero, caso.fecha_inicio, caso.ultimo_dia)


def _hours(caso: CasoResumen, historico: HistoryQueries) -> tuple[NDArray[np.float64], date]:
    """Return the hours (t, 24) that speak for and against a case, and their first day."""
    hasta = caso.ultimo_dia
    ahora = max(caso.fecha_inicio, hasta - timedelta(days=DIAS_DE_AHORA - 1))
    antes = caso.fecha_inicio - timedelta(days=DIAS_REFERENCIA)
    desde = max(min(antes, ahora - UN_ANO), hasta - timedelta(days=DIAS_MAXIMOS) - UN_ANO)
    return historico.cases.hours(caso.propietario_id, desde, hasta), desde


def _profile(horas: NDArray[np.float64]) -> list[float | None]:
    """Return the mean of each hour of the day over days (t, 24)."""
    conocidas = ~np.isnan(horas)
    cuantas = conocidas.sum(axis=0)
    suma = np.where(conocidas, horas, 0.0).sum(axis=0)
    return [float(s / n) if n else None for s, n in zip(suma, cuantas, strict=True)]
