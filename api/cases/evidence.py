"""What a case rests on: its days beside those of before, its neighbours, the case against it."""

from __future__ import annotations

import logging
from dataclasses import asdict

from fastapi import APIRouter, HTTPException, Response

from api.cases.params import IdCaso
from api.cases.schemas import DiaCaso, DiasCaso, ExplicacionInocente
from api.deps import AnomaliasDep, Historico, Recursos
from api.errors import respuestas
from api.presentation import responder
from detection.errors import TransientError
from pipeline.evidence.facts import case_against, case_days
from pipeline.stores.case_history import CambioVecinos
from pipeline.stores.case_records import CasoDetalle, CasoResumen
from pipeline.stores.query_ports import AnomalyQueries

log = logging.getLogger("api")
router = APIRouter(prefix="/api/casos", tags=["casos"])

NO_EXISTE_CASO = "No existe ese caso"


def find_case(anomalias: AnomalyQueries, id_caso: str) -> CasoDetalle:
    """Return a case; 404 if there is none."""
    caso = anomalias.cases.one(id_caso)
    if caso is None:
        raise HTTPException(404, f"no existe el caso {id_caso}")
    return caso


def against(recursos: Recursos, caso: CasoResumen) -> list[ExplicacionInocente] | None:
    """Return which innocent explanations were weighed; None = the history is away."""
    try:
        recursos.preparacion.check()
        pesadas = case_against(caso, recursos.historico)
    except TransientError as error:
        log.warning("un caso va sin lo que habla en su contra: %s", error)
        return None
    return [ExplicacionInocente(tipo=p.tipo, frase=p.frase, apartada=p.apartada) for p in pesadas]


@router.get(
    "/{id_caso:caso}/dias",
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
    elementos = [DiaCaso(**asdict(dia)) for dia in case_days(caso, historico)]
    return responder(DiasCaso(inicio=caso.fecha_inicio, elementos=elementos))


@router.get(
    "/{id_caso:caso}/vecinos",
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
    return responder(
        historico.cases.neighbours(caso.propietario_id, caso.fecha_inicio, caso.ultimo_dia)
    )
