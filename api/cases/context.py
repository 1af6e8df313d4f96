"""Cases beside what the utility knows of their customers: a map, and the power that is exceeded."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Response

from api.cases.params import ConFiltro
from api.cases.schemas import CasoEnMapa, ExcesoPotencia, MapaCasos
from api.deps import AnomaliasDep, Historico, Recursos, tope
from api.errors import respuestas
from api.presentation import responder
from detection.errors import TransientError
from pipeline.evidence.facts import DIAS_MAXIMOS
from pipeline.stores.case_records import CASOS_MAXIMOS, CasoResumen, FiltroCasos
from pipeline.stores.customer_context import ContextoCliente
from pipeline.stores.query_ports import AnomalyQueries

log = logging.getLogger("api")
router = APIRouter(prefix="/api/casos", tags=["casos"])

PUNTOS_MAXIMOS = 2_000
"""Of a map: more hide each other."""


@router.get(
    "/mapa",
    summary="Los casos, en su sitio",
    description=(
        "Con los filtros de la lista, y primero donde más se recupera, los que tienen coordenadas "
        "(«consumo contexto»); y cuántos no las tienen."
    ),
    response_description="Los casos con sus coordenadas",
    response_model=MapaCasos,
    responses=respuestas(503),
)
def mapa(
    anomalias: AnomaliasDep,
    historico: Historico,
    filtro: ConFiltro,
    limite: Annotated[int, tope(500, PUNTOS_MAXIMOS)] = 500,
) -> Response:
    """Return cases with where they are, most to recover first."""
    casos, hay_mas = _first(anomalias, filtro, limite)
    sabido = historico.context.of([caso.propietario_id for caso in casos])
    elementos = [
        CasoEnMapa(**{campo: valor for campo, valor in fila.items() if campo in _CAMPOS})
        for caso in casos
        if (suyo := sabido.get(caso.propietario_id)) is not None and suyo.latitud is not None
        for fila in ({**dict(caso), "latitud": suyo.latitud, "longitud": suyo.longitud},)
    ]
    return responder(
        MapaCasos(elementos=elementos, sin_coordenadas=len(casos) - len(elementos), hay_mas=hay_mas)
    )


_CAMPOS = frozenset(CasoEnMapa.model_fields)


def _first(
    anomalias: AnomalyQueries, filtro: FiltroCasos, limite: int
) -> tuple[list[CasoResumen], bool]:
    """Return the first cases of a list, and whether there are more."""
    casos: list[CasoResumen] = []
    cursor: str | None = None
    while True:
        cuantos = min(CASOS_MAXIMOS, limite - len(casos))
        elementos, cursor = anomalias.cases.page(filtro, limite=cuantos, cursor=cursor)
        casos += elementos
        if cursor is None or len(casos) >= limite:
            return casos, cursor is not None


def context_of(recursos: Recursos, caso: CasoResumen) -> ContextoCliente | None:
    """Return what is known of the customer of a case; None = nothing, or the history is away."""
    try:
        recursos.preparacion.check()
        return recursos.historico.context.of([caso.propietario_id]).get(caso.propietario_id)
    except TransientError as error:
        log.warning("un caso va sin su contexto: %s", error)
        return None


def excess_of(
    recursos: Recursos, caso: CasoResumen, contexto: ContextoCliente | None
) -> ExcesoPotencia | None:
    """Return in how many hours of a case more was used than is contracted; None = none known."""
    if contexto is None or contexto.potencia_contratada_kw is None:
        return None
    ultimo = caso.ultimo_dia
    desde = max(caso.fecha_inicio, ultimo - timedelta(days=DIAS_MAXIMOS))
    try:
        kwh = recursos.historico.cases.hours(caso.propietario_id, desde, ultimo)
    except TransientError as error:
        log.warning("un caso va sin las horas que pasan de lo contratado: %s", error)
        return None
    # Of an hour, kWh are its mean kW.
    de_mas = kwh[np.nan_to_num(kwh) > contexto.potencia_contratada_kw]
    return ExcesoPotencia(horas=de_mas.size, maximo_kw=float(de_mas.max())) if de_mas.size else None
