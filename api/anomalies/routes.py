"""``/api/anomalias``: what the detectors have found, why, how much of it and when."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Response

from api.anomalies.filters import ConFiltros, FiltrosDeCliente, FiltrosDeCriticas
from api.anomalies.schemas import ID_ANOMALIA, PaginaAnomalias
from api.deps import (
    NO_EXISTE,
    AnomaliasDep,
    CursorPedido,
    Todo,
    check_cliente_sin_nada,
    tope,
)
from api.errors import respuestas
from api.exports import EN_FICHERO, ConSalida, ListOutput
from api.params import Archivadas, IdCliente
from api.presentation import responder
from pipeline.stores.anomaly_records import Anomalia, AnomaliaDetalle, FiltroAnomalias
from pipeline.stores.query_limits import LIMITE_PAGINA, Pagina
from pipeline.stores.query_ports import AnomalyQueries

router = APIRouter(prefix="/api/anomalias", tags=["anomalías"])

SCORE = "score"
POR_SCORE = 500
"""Anomalies of a page by score, at most: it is sorted in memory."""

Orden = Literal["deteccion", "consumo", "score"]
_ORDEN = Query(
    description="«deteccion», la detectada más tarde primero; «consumo», la de la hora más "
    "reciente; o «score», la más anómala, de los últimos 30 días si no se dice desde cuándo"
)
IdAnomalia = Annotated[
    str,
    Path(
        pattern=ID_ANOMALIA,
        description="Identificador de la anomalía",
        examples=["6745a1b2c3d4e5f6a7b8c9d0"],
    ),
]


def _answer(
    anomalias: AnomalyQueries,
    filtro: FiltroAnomalias,
    orden: Orden,
    salida: ListOutput,
    nombre: str,
    limite: int,
    cursor: str | None,
    al_faltar: Callable[[], None] = lambda: None,
) -> Response:
    """Return a page of anomalies as JSON, or all of them as a file.

    ``al_faltar``: called where there is none; it may refuse the request.
    """
    maximo = POR_SCORE if orden == SCORE else LIMITE_PAGINA

    def pagina(donde: str | None, cuantas: int) -> Pagina[Anomalia]:
        hallada = anomalias.lists.page(
            filtro, orden=orden, limite=min(cuantas, maximo), cursor=donde
        )
        if donde is None and not hallada.elementos:
            al_faltar()
        return hallada

    return salida.page(nombre, PaginaAnomalias, pagina, cursor, limite)


@router.get(
    "/últimas",
    summary="Las últimas anomalías",
    description=(
        "Las 50 detectadas más tarde, o las que digan los filtros. `desde` y `hasta` son de la "
        "hora del consumo."
    ),
    response_description="Una página de anomalías",
    response_model=PaginaAnomalias,
    responses={**EN_FICHERO, **respuestas(503)},
)
def ultimas(
    anomalias: AnomaliasDep,
    salida: ConSalida,
    filtros: ConFiltros,
    orden: Annotated[Orden, _ORDEN] = "deteccion",
    archivadas: Archivadas = False,
    limite: Annotated[int, tope(50)] = 50,
    cursor: CursorPedido = None,
) -> Response:
    """Return anomalies, by default those that were detected last."""
    filtro = filtros.of_list(archivadas, por_score=orden == SCORE)
    return _answer(anomalias, filtro, orden, salida, "anomalias", limite, cursor)


@router.get(
    "/críticas",
    summary="Las anomalías críticas",
    description="Como `/api/anomalias/últimas`, solo de severidad crítica.",
    response_description="Una página de anomalías",
    response_model=PaginaAnomalias,
    responses={**EN_FICHERO, **respuestas(503)},
)
def criticas(
    anomalias: AnomaliasDep,
    salida: ConSalida,
    filtros: FiltrosDeCriticas,
    orden: Annotated[Orden, _ORDEN] = "deteccion",
    archivadas: Archivadas = False,
    limite: Annotated[int, tope(50)] = 50,
    cursor: CursorPedido = None,
) -> Response:
    """Return critical anomalies."""
    filtro = filtros.of_list(archivadas, por_score=orden == SCORE)
    return _answer(anomalias, filtro, orden, salida, "anomalias_criticas", limite, cursor)


@router.get(
    "/cliente/{propietario_id:path}",
    summary="Las anomalías de un cliente",
    description="La de la hora más reciente primero; también las archivadas, si no se dice que no.",
    response_description="Una página de anomalías",
    response_model=PaginaAnomalias,
    responses={**EN_FICHERO, **respuestas(404, 503, e404=NO_EXISTE)},
)
def de_cliente(
    recursos: Todo,
    anomalias: AnomaliasDep,
    salida: ConSalida,
    filtros: FiltrosDeCliente,
    propietario_id: IdCliente,
    orden: Annotated[Orden, _ORDEN] = "consumo",
    archivadas: Archivadas = True,
    limite: Annotated[int, tope(50)] = 50,
    cursor: CursorPedido = None,
) -> Response:
    """Return a customer's anomalies."""
    filtro = filtros.of_list(archivadas, por_score=orden == SCORE)
    existe = partial(check_cliente_sin_nada, recursos, propietario_id)
    return _answer(anomalias, filtro, orden, salida, "anomalias_cliente", limite, cursor, existe)


@router.get(
    "/{id_anomalia}",
    summary="Una anomalía, con su explicación",
    description=(
        "Qué dice cada detector, con números, cuánto pone cada uno en la alarma, y qué han dicho "
        "de ella las personas."
    ),
    response_description="La anomalía",
    response_model=AnomaliaDetalle,
    responses=respuestas(404, 503, e404="No existe esa anomalía"),
)
def una(anomalias: AnomaliasDep, id_anomalia: IdAnomalia) -> Response:
    """Return an anomaly with its explanation."""
    detalle = anomalias.lists.one(id_anomalia)
    if detalle is None:
        raise HTTPException(404, f"no existe la anomalía {id_anomalia}")
    return responder(detalle)
