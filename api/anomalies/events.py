"""``/api/anomalias/eventos``: new anomalies as they are found, as server-sent events.

Each listener asks the store for what came after its own cursor, which is the id of the last event
that it has: whoever reconnects with ``Last-Event-ID`` misses nothing and gets nothing twice.
Streams are few, ask seldom, and have their own few threads: however many there are, the other
requests do not wait for them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from api.anomalies.streams import EventStreams
from api.deps import CURSOR_MAXIMO, CursorPedido, Todo
from api.errors import respuestas
from api.params import IdClienteOTodos, Severidades
from detection.errors import TransientError
from pipeline.stores.anomaly_records import Anomalia
from pipeline.stores.query_limits import Pagina
from pipeline.stores.query_ports import AnomalyQueries

log = logging.getLogger("api")
router = APIRouter(prefix="/api/anomalias", tags=["anomalías"])

POR_CONSULTA = 100
DURACION_MAXIMA_S = 3600
"""After which a listener has to come again, and show its key again."""
_REINTENTO_MS = 3000
_CUERPO: dict[int | str, dict[str, Any]] = {
    200: {
        "description": (
            "Sucesos `anomalia`, cada uno con su `id` y la anomalía en JSON; comentarios que "
            "mantienen la conexión"
        ),
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


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
    ultimo: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID", max_length=CURSOR_MAXIMO, pattern=r"^[A-Za-z0-9_=-]*$",
            description="El `id` del último suceso recibido",
        ),
    ] = None,
    durante: Annotated[
        int, Query(ge=1, le=DURACION_MAXIMA_S, description="Cuánto dura la conexión, s")
    ] = DURACION_MAXIMA_S,
) -> StreamingResponse:  # fmt: skip
    """Return a stream of anomalies that are found from now, or from a cursor, on."""
    flujos = recursos.flujos
    flujos.check()
    primera = await flujos.ask(
        partial(recursos.anomalias.lists.new, ultimo or cursor, POR_CONSULTA)
    )
    filtro = _Filtro(frozenset(severidad), propietario_id)
    return StreamingResponse(
        _listen(recursos.anomalias, flujos, primera, filtro, durante),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@dataclass(frozen=True, slots=True)
class _Filtro:
    """What a client has asked for; empty = everything."""

    severidades: frozenset[str]
    propietario_id: str | None

    def admits(self, anomalia: Anomalia) -> bool:
        return (not self.severidades or anomalia.severidad in self.severidades) and (
            self.propietario_id in {None, anomalia.propietario_id}
        )


async def _listen(
    almacen: AnomalyQueries,
    flujos: EventStreams,
    pagina: Pagina[Anomalia],
    filtro: _Filtro,
    durante: int,
) -> AsyncIterator[bytes]:
    """Yield a page's anomalies, and those of the pages that follow, until it is time to end."""
    fin = time.monotonic() + durante
    with flujos.counted():
        yield format_sse_event(retry=_REINTENTO_MS)
        hablado = float("-inf")
        while (resta := fin - time.monotonic()) > 0:
            texto = _events(almacen, pagina, filtro)
            if not texto and time.monotonic() - hablado >= flujos.latido_s:
                texto = _mark(pagina.siguiente)
            if texto:
                yield texto
                hablado = time.monotonic()
            esta_al_dia = len(pagina.elementos) < POR_CONSULTA
            if esta_al_dia and not await flujos.pause(min(flujos.sondeo_s, resta)):
                return
            pagina = await _next(almacen, flujos, pagina)


async def _next(
    almacen: AnomalyQueries, flujos: EventStreams, pagina: Pagina[Anomalia]
) -> Pagina[Anomalia]:
    """Return the page that follows; an empty one, from where we are, while the store is away."""
    try:
        return await flujos.ask(partial(almacen.lists.new, pagina.siguiente, POR_CONSULTA))
    except TransientError as error:
        log.warning("%s; los oyentes de anomalías esperan", error)
        return Pagina([], pagina.siguiente)


def _events(almacen: AnomalyQueries, pagina: Pagina[Anomalia], filtro: _Filtro) -> bytes:
    """Return the events of a page that a client has asked for."""
    return b"".join(
        format_sse_event(
            id=almacen.lists.cursor_of(fila), event="anomalia",
            data_str=fila.model_dump_json(),
        )
        for fila in pagina.elementos
        if filtro.admits(fila)
    )  # fmt: skip


def _mark(cursor: str | None) -> bytes:
    """Return a comment that keeps the connection, and the place from which to go on.

    An id without data is no event, but it is what a listener comes back with.
    """
    return format_sse_event(comment="sigue", id=cursor)
