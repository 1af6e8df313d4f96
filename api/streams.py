"""Streams of server-sent events: how many may be open, with which threads, and when they end.

Each listener asks the store for what came after its own cursor, which is the id of the last event
that it has: whoever reconnects with ``Last-Event-ID`` misses nothing and gets nothing twice.
Streams are few, ask seldom, and have their own few threads: however many there are, the other
requests do not wait for them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Annotated, Any, NamedTuple, TypeVar

import anyio
import anyio.to_thread
from fastapi import Header, Query
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from detection.errors import TransientError

log = logging.getLogger("api")

FLUJOS_MAXIMOS = 50
"""Streams at once; each asks MongoDB every ``SONDEO_S``. By hand, 2026-11-24."""
SONDEO_S = 1.0
LATIDO_S = 15.0
"""Silence after which proxies cut a connection is a minute at least; half-open ones are noticed."""
DURACION_MAXIMA_S = 3600
"""After which a listener has to come again, and show its key again."""
CURSOR_MAXIMO = 300
"""Characters."""
_HILOS = 4
_ESPERA_LLENO_S = 30.0
_REINTENTO_MS = 3000

T = TypeVar("T")


class EventBatch(NamedTuple):
    """What came after a cursor."""

    texto: bytes  # the events that a listener has asked for; empty = none
    cursor: str | None  # from which to go on
    hay_mas: bool  # there is more already


class EventStreams:
    """The streams of one app.

    ``avisar``: told how many there are whenever that changes. ``sondeo_s``, ``latido_s``: between
    two questions to the store, and of silence at most, s.
    """

    def __init__(
        self,
        avisar: Callable[[int], None],
        *,
        maximo: int = FLUJOS_MAXIMOS,
        sondeo_s: float = SONDEO_S,
        latido_s: float = LATIDO_S,
    ) -> None:
        self._avisar = avisar
        self._maximo = maximo
        self.sondeo_s = sondeo_s
        self.latido_s = latido_s
        self._cuantos = 0
        self._fin = asyncio.Event()

    @cached_property
    def _hilos(self) -> anyio.CapacityLimiter:
        # Made inside the loop, as it wants to be.
        return anyio.CapacityLimiter(_HILOS)

    def check(self) -> None:
        """Return if there is room for one more; raise ``TransientError`` otherwise."""
        if self._cuantos >= self._maximo:
            raise TransientError(f"ya hay {self._maximo} oyentes", _ESPERA_LLENO_S)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one more while the block runs."""
        self._cuantos += 1
        self._avisar(self._cuantos)
        try:
            yield
        finally:
            self._cuantos -= 1
            self._avisar(self._cuantos)

    async def ask(self, pregunta: Callable[[], T]) -> T:
        """Return what the store answers, asked in one of the streams' own threads."""
        return await anyio.to_thread.run_sync(pregunta, limiter=self._hilos)

    async def pause(self, segundos: float) -> bool:
        """Wait, and return whether to go on; False = the server stops."""
        try:
            await asyncio.wait_for(self._fin.wait(), segundos)
        except TimeoutError:
            return True
        return False

    def end(self) -> None:
        """End every stream."""
        self._fin.set()

    async def answer(
        self, read: Callable[[str | None], EventBatch], cursor: str | None, durante: int
    ) -> StreamingResponse:
        """Return a stream of what comes after a cursor, or from now on.

        ``read``: asks the store. ``durante``: how long it lasts, s. ``TransientError``: there is no
        room for one more, or the store is away.
        """
        self.check()
        primero = await self.ask(partial(read, cursor))
        return StreamingResponse(
            self._listen(read, primero, durante),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _listen(
        self, read: Callable[[str | None], EventBatch], tramo: EventBatch, durante: int
    ) -> AsyncIterator[bytes]:
        fin = time.monotonic() + durante
        with self.counted():
            yield format_sse_event(retry=_REINTENTO_MS)
            hablado = float("-inf")
            while (resta := fin - time.monotonic()) > 0:
                texto = tramo.texto
                if not texto and time.monotonic() - hablado >= self.latido_s:
                    # An id without data is no event, but it is what a listener comes back with.
                    texto = format_sse_event(comment="sigue", id=tramo.cursor)
                if texto:
                    yield texto
                    hablado = time.monotonic()
                if not tramo.hay_mas and not await self.pause(min(self.sondeo_s, resta)):
                    return
                tramo = await self._next(read, tramo.cursor)

    async def _next(
        self, read: Callable[[str | None], EventBatch], cursor: str | None
    ) -> EventBatch:
        """Return what follows; nothing, from where we are, while the store is away."""
        try:
            return await self.ask(partial(read, cursor))
        except TransientError as error:
            log.warning("%s; los oyentes esperan", error)
            return EventBatch(b"", cursor, False)


UltimoId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID", max_length=CURSOR_MAXIMO, pattern=r"^[A-Za-z0-9_=-]*$",
        description="El `id` del último suceso recibido",
    ),
]  # fmt: skip
Durante = Annotated[
    int, Query(ge=1, le=DURACION_MAXIMA_S, description="Cuánto dura la conexión, s")
]


def stream_body(descripcion: str) -> dict[int | str, dict[str, Any]]:
    """Return ``responses=`` of a route that answers with a stream."""
    cuerpo = {"text/event-stream": {"schema": {"type": "string"}}}
    return {200: {"description": descripcion, "content": cuerpo}}
