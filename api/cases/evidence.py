"""What a case rests on: its days beside those of before, its neighbours, the case against it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
from fastapi import APIRouter, HTTPException, Response

from api.cases.params import IdCaso
from api.cases.schemas import DiaCaso, DiasCaso, ExplicacionInocente
from api.deps import AnomaliasDep, Historico, Recursos
from api.errors import respuestas
from api.presentation import responder
from detection.cases.case import DIAS_DE_AHORA, DIAS_REFERENCIA
from detection.cases.innocent import weigh_innocent
from detection.cases.story import DIAS_DE_UN_ANO
from detection.cases.timeline import usual_days
from detection.errors import TransientError
from detection.memory.daily import HORAS_MINIMAS
from pipeline.stores.case_history import CambioVecinos, CustomerDay
from pipeline.stores.case_records import CasoDetalle, CasoResumen
from pipeline.stores.query_ports import AnomalyQueries

log = logging.getLogger("api")
router = APIRouter(prefix="/api/casos", tags=["casos"])

DIAS_ANTES = 60
"""Days before the onset that are shown."""
DIAS_MAXIMOS = 500
"""Of a case that has gone on for longer, the latest: with a year more than one question may ask."""
NO_EXISTE_CASO = "No existe ese caso"
UN_ANO = timedelta(days=DIAS_DE_UN_ANO)


def find_case(anomalias: AnomalyQueries, id_caso: str) -> CasoDetalle:
    """Return a case; 404 if there is none."""
    caso = anomalias.cases.one(id_caso)
    if caso is None:
        raise HTTPException(404, f"no existe el caso {id_caso}")
    return caso


def against(recursos: Recursos, caso: CasoResumen) -> list[ExplicacionInocente] | None:
    """Return which innocent explanations were weighed; None = the history is away."""
    hasta = caso.fecha_cierre or caso.hasta
    ahora = max(caso.fecha_inicio, hasta - timedelta(days=DIAS_DE_AHORA - 1))
    antes = caso.fecha_inicio - timedelta(days=DIAS_REFERENCIA)
    desde = max(min(antes, ahora - UN_ANO), hasta - timedelta(days=DIAS_MAXIMOS) - UN_ANO)
    try:
        recursos.preparacion.check()
        horas = recursos.historico.cases.hours(caso.propietario_id, desde, hasta)
    except TransientError as error:
        log.warning("un caso va sin lo que habla en su contra: %s", error)
        return None
    pesadas = weigh_innocent(horas, desde, caso.fecha_inicio, hasta)
    return [ExplicacionInocente(tipo=p.tipo, frase=p.frase, apartada=p.apartada) for p in pesadas]


@router.get(
    "/{id_caso:path}/dias",
    summary="Los días de un caso, junto a los de antes",
    description=(
        "Desde 60 días antes de que empezara: lo consumido cada día, la media de los días iguales "
        "de antes con su banda, y lo de hace un año. De un caso más largo, los últimos 500 días."
    ),
    response_description="Los días, en orden",
    response_model=DiasCaso,
    responses=respuestas(404, 503, e404=NO_EXISTE_CASO),
)
def dias(anomalias: AnomaliasDep, historico: Historico, id_caso: IdCaso) -> Response:
    """Return the days of a case beside what was usual before it."""
    caso = find_case(anomalias, id_caso)
    primero = max(
        caso.fecha_inicio - timedelta(days=DIAS_ANTES), caso.hasta - timedelta(days=DIAS_MAXIMOS)
    )
    desde = min(primero - UN_ANO, caso.fecha_inicio - timedelta(days=DIAS_REFERENCIA))
    desde = max(desde, caso.hasta - timedelta(days=DIAS_MAXIMOS) - UN_ANO)
    hay = historico.cases.days([caso.propietario_id], desde, caso.hasta)
    elementos = _days(hay.get(caso.propietario_id, ()), primero, caso)
    return responder(DiasCaso(inicio=caso.fecha_inicio, elementos=elementos))


def _days(hay: Sequence[CustomerDay], primero: date, caso: CasoResumen) -> list[DiaCaso]:
    """Return every day of a case, of those that are known what was used."""
    enteros = {dia.fecha: dia.consumo_kwh for dia in hay if dia.lecturas >= HORAS_MINIMAS}
    inicio = min([primero, *enteros])
    fechas = [inicio + timedelta(days=d) for d in range((caso.hasta - inicio).days + 1)]
    kwh = np.array([enteros.get(fecha, np.nan) for fecha in fechas])
    usual = usual_days(fechas, kwh, caso.fecha_inicio)
    columnas = (usual.media, usual.minimo, usual.maximo)
    return [
        DiaCaso(
            fecha=fecha,
            consumo_kwh=enteros.get(fecha),
            referencia_kwh=_or_none(columnas[0][i]),
            minimo_kwh=_or_none(columnas[1][i]),
            maximo_kwh=_or_none(columnas[2][i]),
            hace_un_ano_kwh=enteros.get(fecha - UN_ANO),
        )
        for i, fecha in enumerate(fechas)
        if fecha >= primero
    ]


def _or_none(valor: float) -> float | None:
    return None if np.isnan(valor) else float(valor)


@router.get(
    "/{id_caso:path}/vecinos",
    summary="Qué hicieron los que más se parecen a un caso",
    description=(
        "Lo que gastaban al día antes de que empezara y lo que gastan desde entonces, a lo sumo "
        "cuatro semanas a cada lado: si a los demás les pasó lo mismo, no es cosa de este cliente."
    ),
    response_description="El del caso y los demás",
    response_model=CambioVecinos,
    responses=respuestas(404, 503, e404=NO_EXISTE_CASO),
)
def vecinos(anomalias: AnomaliasDep, historico: Historico, id_caso: IdCaso) -> Response:
    """Return how those most like the customer of a case changed on the same day."""
    caso = find_case(anomalias, id_caso)
    hasta = caso.fecha_cierre or caso.hasta
    return responder(historico.cases.neighbours(caso.propietario_id, caso.fecha_inicio, hasta))
