"""``/api/casos/eventos``: cases as they are found, change or are moved, as server-sent events."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from api.deps import CursorPedido, Todo
from api.errors import respuestas
from api.params import IdClienteOTodos
from api.streams import DURACION_MAXIMA_S, Durante, EventBatch, UltimoId, stream_body

router = APIRouter(prefix="/api/casos", tags=["casos"])

POR_CONSULTA = 100
_CUERPO = stream_body(
    "Sucesos `caso`, cada uno con su `id` y el caso en JSON, como está; comentarios que mantienen "
    "la conexión"
)


@router.get(
    "/eventos",
    summary="Casos nuevos, y lo que se hace con ellos",
    description=(
        "Flujo de sucesos (`text/event-stream`) que no termina. Uno cada vez que se halla un caso, "
        "acaba o vuelve, y con cada cosa que hace una persona; lo que solo suma un día más, no. "
        "Empieza por lo que llegue desde ahora; con la cabecera `Last-Event-ID`, o con `cursor`, "
        "sigue donde se quedó. De varios cambios seguidos de un caso llega el último."
    ),
    response_class=StreamingResponse,
    responses={**_CUERPO, **respuestas(503, e503="MongoDB no responde, o ya hay muchos oyentes")},
)
async def eventos_casos(
    recursos: Todo,
    propietario_id: IdClienteOTodos = None,
    cursor: CursorPedido = None,
    ultimo: UltimoId = None,
    durante: Durante = DURACION_MAXIMA_S,
) -> StreamingResponse:
    """Return a stream of cases that are found or moved from now, or from a cursor, on."""

    def read(donde: str | None) -> EventBatch:
        pagina = recursos.anomalias.cases.new(donde, POR_CONSULTA)
        texto = b"".join(
            format_sse_event(id=uno.cursor, event="caso", data_str=uno.caso.model_dump_json())
            for uno in pagina.elementos
            if propietario_id in {None, uno.caso.propietario_id}
        )
        return EventBatch(texto, pagina.siguiente, len(pagina.elementos) == POR_CONSULTA)

    return await recursos.flujos.answer(read, ultimo or cursor, durante)
