"""Around every request: its id, its key, its limit, its line in the log, its headers.

Plain ASGI, so that answers that never end (the stream of anomalies) and large ones (exports) go
through as they come.
"""

from __future__ import annotations

import logging
import math
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import quote

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.api_keys import CABECERA_CLAVE, KnownKeys
from serving.metrics import ApiMetrics
from serving.web.problems import problem

log = logging.getLogger("api")

CUERPO_MAXIMO_BYTES = 64 * 1024
"""The longest body is a reason of some hundred characters. By hand, 2026-11-24."""
METODOS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
"""What the metrics know by name: a client may call its method anything."""
SIN_LIMITE = frozenset({"/salud", "/salud/viva", "/salud/lista", "/metrics"})
"""What machines ask every few seconds; none of it costs a query a request."""
_CABECERA_ID = "X-Request-ID"
_ID_ADMITIDO = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_ID_BYTES = 8
_PREFIJO_V6 = 64
"""Bits of an IPv6 address that one household or machine has to itself (RFC 6177)."""
CABECERAS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Of every answer; a page of ours brings its own Content-Security-Policy (OWASP, "REST Security
Cheat Sheet")."""


@dataclass(slots=True)
class _Respuesta:
    """What is known of an answer on its way."""

    estado: int = 0
    octetos: int = 0
    continua: bool = False
    terminada: bool = False


class AccessLog:
    """Gives each request its id, catches what nobody caught, and writes the access log."""

    def __init__(self, app: ASGIApp, metricas: ApiMetrics) -> None:
        self.app = app
        self._metricas = metricas

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and write its line."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        peticion_id = _id_de(Headers(scope=scope).get(_CABECERA_ID))
        scope.setdefault("state", {})["peticion_id"] = peticion_id
        respuesta, inicio = _Respuesta(), time.perf_counter()
        enviar = _watched(send, respuesta, peticion_id)
        with self._metricas.en_curso():
            try:
                await self.app(scope, receive, enviar)
            except Exception as error:
                log.error("fallo al atender la petición %s", peticion_id, exc_info=error)
                if not respuesta.estado:
                    await problem(scope, 500)(scope, receive, enviar)
                # An answer that has begun can only be cut: the server does that on our return.
        self._write_line(scope, respuesta, peticion_id, time.perf_counter() - inicio)

    def _write_line(
        self, scope: Scope, respuesta: _Respuesta, peticion_id: str, segundos: float
    ) -> None:
        plantilla = getattr(scope.get("route"), "path", None) or "otra"
        metodo = scope["method"] if scope["method"] in METODOS else "otro"
        self._metricas.peticion(
            metodo, plantilla, respuesta.estado, None if respuesta.continua else segundos
        )
        clave = scope["state"].get("clave")
        log.info(
            "peticion id=%s ip=%s clave=%s metodo=%s ruta=%s estado=%d ms=%.1f bytes=%d%s",
            peticion_id, address_of(scope), clave.nombre if clave else "-", scope["method"],
            quote(scope["path"], safe="/"), respuesta.estado, 1000 * segundos, respuesta.octetos,
            "" if respuesta.terminada else " cortada=si",
        )  # fmt: skip


class RequestLimit:
    """A sliding window of a minute, in this process's memory.

    ``por_minuto``: requests; 0 = no limit.
    """

    def __init__(self, por_minuto: int) -> None:
        self._cuantas = RateLimitItemPerMinute(por_minuto) if por_minuto else None
        self._ventana = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def wait_s(self, quien: str) -> int:
        """Count a request; return 0, or the seconds to wait where it is one too many."""
        if self._cuantas is None or await self._ventana.hit(self._cuantas, quien):
            return 0
        vuelta = await self._ventana.get_window_stats(self._cuantas, quien)
        return max(1, math.ceil(vuelta.reset_time - time.time()))


class CallerLimit:
    """Notes whose key a request carries, and answers 429 to who asks too often."""

    def __init__(self, app: ASGIApp, claves: KnownKeys, limite: RequestLimit) -> None:
        self.app = app
        self._claves = claves
        self._limite = limite

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it is one too many."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        clave = self._claves.find(Headers(scope=scope).get(CABECERA_CLAVE))
        scope["state"]["clave"] = clave
        if scope["path"] not in SIN_LIMITE:
            quien = sender(clave.nombre if clave else None, address_of(scope))
            espera = await self._limite.wait_s(quien)
            if espera:
                respuesta = problem(
                    scope, 429, f"demasiadas peticiones en un minuto; espere {espera} s",
                    cabeceras={"Retry-After": str(espera)},
                )  # fmt: skip
                await respuesta(scope, receive, send)
                return
        await self.app(scope, receive, send)


def sender(nombre: str | None, direccion: str) -> str:
    """Return who a request is counted for: its key, or the network it comes from.

    Examples
    --------
    >>> sender("ana", "10.0.0.7"), sender(None, "10.0.0.7")
    ('clave ana', 'red 10.0.0.7')
    >>> sender(None, "2001:db8:1:2:3::4")
    'red 2001:db8:1:2::'
    """
    if nombre is not None:
        return f"clave {nombre}"
    try:
        ip = ip_address(direccion)
    except ValueError:
        return "red desconocida"
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped:
            return f"red {ip.ipv4_mapped}"
        resto = 128 - _PREFIJO_V6
        ip = IPv6Address(int(ip) >> resto << resto)
    return f"red {ip}"


def address_of(scope: Scope) -> str:
    """Return the address that a request comes from."""
    cliente = scope.get("client")
    return str(cliente[0]) if cliente else "-"


def _id_de(pedido: str | None) -> str:
    """Return the id that the client gave, if it is fit for a log, or a new one."""
    if pedido and _ID_ADMITIDO.fullmatch(pedido):
        return pedido
    return secrets.token_hex(_ID_BYTES)


def _watched(
    send: Send, respuesta: _Respuesta, peticion_id: str
) -> Callable[[Message], Awaitable[None]]:
    """Return a ``send`` that adds our headers and notes what goes out."""

    async def enviar(mensaje: Message) -> None:
        if mensaje["type"] == "http.response.start":
            respuesta.estado = mensaje["status"]
            mensaje.setdefault("headers", [])
            cabeceras = MutableHeaders(scope=mensaje)
            for nombre, valor in CABECERAS.items():
                cabeceras.setdefault(nombre, valor)
            cabeceras[_CABECERA_ID] = peticion_id
            respuesta.continua = cabeceras.get("content-type", "").startswith("text/event-stream")
        elif mensaje["type"] == "http.response.body":
            respuesta.octetos += len(mensaje.get("body", b""))
            respuesta.terminada = not mensaje.get("more_body", False)
        await send(mensaje)

    return enviar
