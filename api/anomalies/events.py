"""``/api/anomalias/eventos``: new anomalies as they are found, as server-sent events."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from api.deps import CursorPedido, Todo
from api.errors import respuestas
from api.params import IdClienteOTodos, Severidades
from api.streams import DURACION_MAXIMA_S, Durante, EventBatch, UltimoId, stream_body
from pipeline.stores.anomaly_records import Anomalia
from pipeline.stores.query_ports import AnomalyQueries

router = APIRouter(prefix="/api/anomalias", tags=["anomalías"])

POR_CONSULTA = 100
_CUERPO = stream_body(
    "Sucesos `anomalia`, cada uno con su `id` y la anomalía en JSON; comentarios que mantienen la "
    "conexión"
)


@router.get(
    "/eventos",
    summary="Anomalías nuevas, según se hallan",
    description=(
        "Flujo de sucesos (`text/event-stream`) que no termina: `curl -N`, o `EventSource` en un "
        "navegador. Empieza por lo que llegue desde ahora; con la cabecera `Last-Event-ID`, o con "
        "`cursor`, sigue donde se quedó, sin perder ni repetir nada."
    ),
    response_class=StreamingResponse,
    responses={**_CUERPO, **respuestas(503, e503="MongoDB no responde, o ya hay muchos oyentes")},
)
async def eventos(
    recursos: Todo,
    severidad: Severidades = [],  # noqa: B006
    propietario_id: IdClienteOTodos = None,
    cursor: CursorPedido = None,
    ultimo: UltimoId = None,
    durante: Durante = DURACION_MAXIMA_S,
) -> StreamingResponse:
    """Return a stream of anomalies that are found from now, or from a cursor, on."""
    filtro = _Filtro(frozenset(severidad), propietario_id)

    def read(donde: str | None) -> EventBatch:
        pagina = recursos.anomalias.lists.new(donde, POR_CONSULTA)
        texto = _events(recursos.anomalias, pagina.elementos, filtro)
        return EventBatch(texto, pagina.siguiente, len(pagina.elementos) == POR_CONSULTA)

    return await recursos.flujos.answer(read, ultimo or cursor, durante)


@dataclass(frozen=True, slots=True)
class _Filtro:
    """What a client has asked for; empty = everything."""

    severidades: frozenset[str]
    propietario_id: str | None

    def admits(self, anomalia: Anomalia) -> bool:
        return (not self.severidades or anomalia.severidad in self.severidades) and (
            self.propietario_id in {None, anomalia.propietario_id}
        )


def _events(almacen: AnomalyQueries, filas: list[Anomalia], filtro: _Filtro) -> bytes:
    """Return the events of anomalies that a client has asked for."""
    return b"".join(
        format_sse_event(
            id=almacen.lists.cursor_of(fila), event="anomalia",
            data_str=fila.model_dump_json(),
        )
        for fila in filas
        if filtro.admits(fila)
    )  # fmt: skip
