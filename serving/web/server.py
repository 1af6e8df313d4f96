"""The HTTP server: uvicorn, whose connections have to say something within a time."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from detection.errors import ConsumoError

_DESPEDIDA_S = 5
"""That requests on their way may take when the server is told to stop."""
PLAZO_PETICION_S = 20.0
"""For a whole request, head and body: the longest one is a megabyte. By hand, 2026-11-25."""
PLAZO_RESPUESTA_S = 60.0
"""For whoever is sent an answer to take some of it: what waits for them is in our memory."""
CONEXIONES = 500
"""At once; half of the files that a process may open (``ulimit -n``) where nobody has said more."""
_TARDE = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/problem+json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s"
)
_TARDE_CUERPO = (
    '{"type":"urn:consumo:problema:plazo","title":"Petición sin terminar","status":408,'
    '"detail":"la petición no ha llegado entera a tiempo"}'
).encode()
_SEGUROS = "".join(map(chr, range(0x80)))
"""ASCII stays as it came, "%" and spaces too."""


class Protocolo(HttpToolsProtocol):
    """HTTP/1.1 whose requests arrive in time, also with accents in their first line.

    RFC 3986 wants these encoded; curl sends them as they are. What uvicorn has a limit for is a
    connection that is idle between two requests; not one that never ends the first, nor one that
    does not take its answer.
    """

    plazo_s = PLAZO_PETICION_S
    respuesta_s = PLAZO_RESPUESTA_S
    conexiones_maximas = CONEXIONES
    _desde = 0.0
    _plazo: asyncio.TimerHandle | None = None
    _atasco: asyncio.TimerHandle | None = None
    _en_linea = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request; where there are too many, who has waited longest has to go."""
        super().connection_made(transport)
        # uvicorn asks the loggers of the process, which others configure too: its line of a
        # request holds the query, which is never written down.
        self.access_log = False
        self._await_request()
        if len(self.connections) > self.conexiones_maximas:
            otras = [c for c in self.connections if isinstance(c, Protocolo) and c._plazo]
            min(otras, key=lambda otra: otra._desde).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget its limits."""
        self._has_request()
        self._has_room()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take some of a request."""
        if self.cycle is None or self.cycle.response_complete:
            # Anything at all ends uvicorn's own limit of an idle connection.
            self._await_request()
        if self._en_linea:
            if not data.isascii():
                linea, salto, resto = data.partition(b"\n")
                data = quote(linea, safe=_SEGUROS).encode() + salto + resto
            self._en_linea = b"\n" not in data
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._await_request()

    def on_message_complete(self) -> None:
        """End a request: it is here, head and body."""
        self._en_linea = True
        self._has_request()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Begin to wait for whoever does not take their answer."""
        super().pause_writing()
        self._has_room()
        self._atasco = self.loop.call_later(self.respuesta_s, self.transport.abort)

    def resume_writing(self) -> None:
        """End it: they have taken some."""
        self._has_room()
        super().resume_writing()

    def _await_request(self) -> None:
        if self._plazo is None:
            self._desde = time.monotonic()
            self._plazo = self.loop.call_later(self.plazo_s, self._is_late)

    def _has_request(self) -> None:
        if self._plazo is not None:
            self._plazo.cancel()
            self._plazo = None

    def _has_room(self) -> None:
        if self._atasco is not None:
            self._atasco.cancel()
            self._atasco = None

    def _is_late(self) -> None:
        self._plazo = None
        if self.pipeline:
            # Another request of theirs is being answered, and until then nobody reads this one.
            self._await_request()
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_TARDE % (len(_TARDE_CUERPO), _TARDE_CUERPO))
        self.transport.close()


class Servidor(uvicorn.Server):
    """A server that tells somebody first when it stops."""

    def __init__(self, configuracion: uvicorn.Config, al_parar: Callable[[], None]) -> None:
        super().__init__(configuracion)
        self._al_parar = al_parar

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._al_parar()
        await super().shutdown(sockets)


def make_server(
    app: Any,
    al_parar: Callable[[], None] = lambda: None,
    limites: Mapping[str, float] = MappingProxyType({}),
) -> Servidor:
    """Return a server for an app.

    ``al_parar``: called first when the server stops: it waits for every answer to end. ``limites``:
    other values of ``Protocolo``'s own limits, by name.
    """
    configuracion = uvicorn.Config(
        app,
        http=type("ProtocoloSuyo", (Protocolo,), dict(limites)),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DESPEDIDA_S,
    )
    return Servidor(configuracion, al_parar)


def listen(host: str, puerto: int) -> socket.socket:
    """Return a listening socket, or say in one line why there is none."""
    familia = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, puerto), family=familia, backlog=512)
    except (OSError, OverflowError) as error:
        raise ConsumoError(f"no se puede escuchar en {host}:{puerto}: {error}") from error
