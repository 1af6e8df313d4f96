"""``/api/casos``: what has changed at a customer and goes on, since when, and what is at stake."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from api.cases.context import context_of, excess_of
from api.cases.evidence import NO_EXISTE_CASO, against, find_case
from api.cases.params import ConFiltro, IdCaso, OrdenCasos
from api.cases.schemas import CasoConPruebas, PaginaCasos
from api.deps import AnomaliasDep, CursorPedido, Todo, tope
from api.errors import respuestas
from api.exports import EN_FICHERO, ConSalida
from api.presentation import responder
from pipeline.stores.case_records import CASOS_MAXIMOS, CasoResumen
from pipeline.stores.query_limits import Pagina

router = APIRouter(prefix="/api/casos", tags=["casos"])


@router.get(
    "",
    summary="Los casos",
    description=(
        "Cambios en el consumo de un cliente que no han vuelto atrás: desde cuándo, qué parecen, "
        "cuánto se gastaba antes y cuánto ahora, lo que hay en juego y quién los lleva. Si no se "
        "dice otra cosa, los abiertos, y primero donde una inspección recupera más: la energía en "
        "juego por la probabilidad de que haya algo."
    ),
    response_description="Una página de casos",
    response_model=PaginaCasos,
    responses={**EN_FICHERO, **respuestas(503)},
)
def lista(
    anomalias: AnomaliasDep,
    salida: ConSalida,
    filtro: ConFiltro,
    orden: OrdenCasos = "recuperable",
    limite: Annotated[int, tope(50, CASOS_MAXIMOS)] = 50,
    cursor: CursorPedido = None,
) -> Response:
    """Return cases, by default the open ones, most to recover first."""

    def pagina(donde: str | None, cuantos: int) -> Pagina[CasoResumen]:
        return anomalias.cases.page(filtro, orden=orden, limite=cuantos, cursor=donde)

    return salida.page("casos", PaginaCasos, pagina, cursor, limite, CASOS_MAXIMOS)


@router.get(
    "/{id_caso:caso}",
    summary="Un caso, con lo que habla a su favor y en su contra",
    description=(
        "Lo pensado de él día a día, lo que dice cada detector de sus horas, las explicaciones "
        "inocentes que se han sopesado, lo que las personas han hecho con él y lo que la "
        "distribuidora sabe del cliente. También los que acabaron o alguien ha juzgado."
    ),
    response_description="El caso",
    response_model=CasoConPruebas,
    responses=respuestas(404, 503, e404=NO_EXISTE_CASO),
)
def uno(recursos: Todo, anomalias: AnomaliasDep, id_caso: IdCaso) -> Response:
    """Return a case with its evidence."""
    caso = find_case(anomalias, id_caso)
    contexto = context_of(recursos, caso)
    return responder(
        CasoConPruebas(
            **dict(caso),
            detectores=anomalias.cases.detectors(caso),
            contra=against(recursos, caso),
            contexto=contexto,
            exceso_potencia=excess_of(recursos, caso, contexto),
        )
    )
