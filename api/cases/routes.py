"""``/api/casos``: what has changed at a customer and goes on, since when, and what is at stake."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Response

from api.cases.schemas import PaginaCasos
from api.deps import AnomaliasDep, CursorPedido, tope
from api.errors import respuestas
from api.exports import EN_FICHERO, ConSalida
from api.params import IdClienteOTodos, Tipo
from api.presentation import responder
from pipeline.stores.case_records import (
    CASOS_MAXIMOS,
    CasoDetalle,
    CasoResumen,
    EstadoCasoTexto,
    FiltroCasos,
)
from pipeline.stores.query_limits import PROPIETARIO_MAXIMO, Pagina

router = APIRouter(prefix="/api/casos", tags=["casos"])

Orden = Literal["recuperable", "probabilidad", "antiguedad"]
IdCaso = Annotated[
    str,
    Path(
        pattern=rf"^[^\x00-\x1f\x7f-\x9f]{{1,{PROPIETARIO_MAXIMO}}}_[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$",
        description="Identificador del caso: el cliente y el día en que se abrió",
        examples=["CLI_00045_2026-11-09"],
    ),
]


@router.get(
    "",
    summary="Los casos",
    description=(
        "Cambios en el consumo de un cliente que no han vuelto atrás: desde cuándo, qué parecen, "
        "cuánto se gastaba antes y cuánto ahora, y lo que hay en juego. Si no se dice otra cosa, "
        "los abiertos, y primero donde una inspección recupera más: la energía en juego por la "
        "probabilidad de que haya algo."
    ),
    response_description="Una página de casos",
    response_model=PaginaCasos,
    responses={**EN_FICHERO, **respuestas(503)},
)
def lista(
    anomalias: AnomaliasDep,
    salida: ConSalida,
    propietario_id: IdClienteOTodos = None,
    estado: Annotated[
        list[EstadoCasoTexto],
        Query(max_length=8, description="Solo en estos estados; se puede repetir"),
    ] = [],  # noqa: B006 - FastAPI copies it
    tipo: Annotated[
        list[Tipo],
        Query(max_length=8, description="Solo de alguno de estos tipos; se puede repetir"),
    ] = [],  # noqa: B006
    abiertos: Annotated[
        bool,
        Query(description="Solo los que siguen y nadie ha juzgado; falso = todos"),
    ] = True,
    orden: Annotated[
        Orden,
        Query(
            description="«recuperable», primero donde una visita recupera más; «probabilidad», "
            "donde más probable es que haya algo; o «antiguedad», los que empezaron antes"
        ),
    ] = "recuperable",
    limite: Annotated[int, tope(50, CASOS_MAXIMOS)] = 50,
    cursor: CursorPedido = None,
) -> Response:  # fmt: skip
    """Return cases, by default the open ones, most to recover first."""
    filtro = FiltroCasos(propietario_id, tuple(estado), tuple(tipo), solo_abiertos=abiertos)

    def pagina(donde: str | None, cuantos: int) -> Pagina[CasoResumen]:
        return anomalias.cases.page(filtro, orden=orden, limite=cuantos, cursor=donde)

    return salida.page("casos", PaginaCasos, pagina, cursor, limite, CASOS_MAXIMOS)


@router.get(
    "/{id_caso:path}",
    summary="Un caso, con lo que se ha pensado de él día a día",
    description="También los que acabaron o alguien ha juzgado.",
    response_description="El caso",
    response_model=CasoDetalle,
    responses=respuestas(404, 503, e404="No existe ese caso"),
)
def uno(anomalias: AnomaliasDep, id_caso: IdCaso) -> Response:
    """Return a case with its evidence."""
    detalle = anomalias.cases.one(id_caso)
    if detalle is None:
        raise HTTPException(404, f"no existe el caso {id_caso}")
    return responder(detalle)
