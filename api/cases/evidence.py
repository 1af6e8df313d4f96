"""What a case rests on: its days beside those of before, its neighbours, the case against it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from fastapi import APIRouter, HTTPException, Response

from api.cases.params import IdCaso
from api.cases.schemas import (
    DiaCaso,
    DiasCaso,
    ExplicacionInocente,
    GrupoConCasos,
    VecinoConCaso,
    VecinosCaso,
)
from api.deps import AnomaliasDep, Historico, Recursos
from api.errors import respuestas
from api.presentation import responder
from detection.errors import TransientError
from pipeline.evidence.facts import case_against, case_days
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
    hay = case_days(caso, historico)
    elementos = [DiaCaso.model_validate(dia, from_attributes=True) for dia in hay]
    return responder(DiasCaso(inicio=caso.fecha_inicio, elementos=elementos))


@router.get(
    "/{id_caso:caso}/vecinos",
    summary="Qué hicieron los que más se parecen a un caso",
    description=(
        "Lo que gastaban al día antes de que empezara y lo que gastan desde entonces, a lo sumo "
        "cuatro semanas a cada lado: si a los demás les pasó lo mismo, no es cosa de este cliente. "
        "Los que gastaban lo más parecido; y si se sabe («consumo contexto»), los de la misma "
        "tarifa y una potencia parecida y los del mismo transformador, con cuántos son y quién "
        "tiene un caso abierto."
    ),
    response_description="El del caso y los demás",
    response_model=VecinosCaso,
    responses=respuestas(404, 503, e404=NO_EXISTE_CASO),
)
def vecinos(anomalias: AnomaliasDep, historico: Historico, id_caso: IdCaso) -> Response:
    """Return how those most like the customer of a case changed on the same day."""
    caso = find_case(anomalias, id_caso)
    suyo = (caso.propietario_id, caso.fecha_inicio, caso.ultimo_dia)
    parecidos = historico.cases.neighbours(*suyo)
    grupos = [
        GrupoConCasos(**dict(uno.grupo), con_caso=_with_case(anomalias, uno.miembros))
        for uno in historico.cases.groups(*suyo)
    ]
    suyos = _with_case(anomalias, [uno.propietario_id for uno in parecidos.elementos])
    return responder(VecinosCaso(**dict(parecidos), con_caso=suyos, grupos=grupos))


def _with_case(anomalias: AnomalyQueries, clientes: Sequence[str]) -> list[VecinoConCaso]:
    """Return who of some customers has an open case, in their order."""
    abiertos = anomalias.cases.open_of(clientes)
    return [
        VecinoConCaso(propietario_id=cliente, caso_id=caso.id, tipo=caso.tipo)
        for cliente in clientes
        if (caso := abiertos.get(cliente)) is not None
    ]
