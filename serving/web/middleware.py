"""Around every request of our HTTP services: whom it means, how long its body is, and ``HEAD``.

Plain ASGI, so that answers that never end and large ones go through as they come.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.web.problems import problem

_LOG = logging.getLogger(__name__)

MAL_PEDIDA, MAL_DIRIGIDA = 400, 421
"""No such name can be (RFC 9112, 3.2), and a name of somebody else (RFC 9110, 15.5.20)."""
TEXTOS = {
    MAL_PEDIDA: "la cabecera Host falta o no es un nombre con su puerto",
    MAL_DIRIGIDA: "este servicio no atiende a ese nombre de servidor",
}
_ANFITRION = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::\d{0,5})?")


class AllowedHosts:
    """Refuses requests that call us by a name that is not ours.

    A page of elsewhere may read what a browser can reach as soon as its own name leads there (DNS
    rebinding); its requests carry that name. Ours are those of this machine (``localhost`` and
    loopback addresses), the very address that a request has come to, and those that were given.

    ``admitidos``: names and addresses, without port; ``*.example`` = all below it, ``*`` = every
    one.
    """

    def __init__(self, app: ASGIApp, admitidos: Iterable[str]) -> None:
        self.app = app
        nombres = {nombre.strip("[]").rstrip(".").lower() for nombre in admitidos}
        self._todos = "*" in nombres
        self._nombres = nombres | {"localhost"}
        self._finales = tuple(nombre[1:] for nombre in nombres if nombre.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if it means us."""
        if scope["type"] == "http" and not self._todos and (estado := self._refuse(scope)):
            await problem(scope, estado, TEXTOS[estado])(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refuse(self, scope: Scope) -> int:
        """Return the status with which a request is turned away; 0 = it is not."""
        dichos = [valor for nombre, valor in scope["headers"] if nombre == b"host"]
        if not dichos and scope["http_version"] == "1.0":
            return 0  # Health checks of old; every browser says whom it means.
        partes = _ANFITRION.fullmatch(dichos[0]) if len(dichos) == 1 else None
        if partes is None:
            return MAL_PEDIDA
        if self._is_ours(partes[1].decode().lower(), scope):
            return 0
        _LOG.warning("no se atiende a %s", partes[1].decode())
        return MAL_DIRIGIDA

    def _is_ours(self, anfitrion: str, scope: Scope) -> bool:
        nombre = anfitrion.strip("[]").rstrip(".")
        if nombre in self._nombres or nombre.endswith(self._finales or "\0"):
            return True
        try:
            direccion = ipaddress.ip_address(nombre)
        except ValueError:
            return False
        return direccion.is_loopback or nombre == (scope.get("server") or ("",))[0]


class _YaBastaError(Exception):
    """The head of an answer is known, and its body is not wanted."""


class HeadAsGet:
    """Answers ``HEAD`` as ``GET``, without the body (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as a GET whose body nobody gets."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        acabada = False

        async def solo_cabeza(mensaje: Message) -> None:
            nonlocal acabada
            if mensaje["type"] != "http.response.body":
                await send(mensaje)
                return
            acabada = True
            await send({"type": "http.response.body", "body": b""})
            if mensaje.get("more_body", False):
                # Perhaps without end, as the stream of anomalies.
                raise _YaBastaError

        # A copy: whoever is outside of us is asked for a HEAD, which is what they tell and send.
        dentro = {**scope, "method": "GET"}
        try:
            await self.app(dentro, receive, solo_cabeza)
        except _YaBastaError:
            assert acabada
        finally:
            scope.update({clave: valor for clave, valor in dentro.items() if clave != "method"})


class BodyLimit:
    """Answers 413 to bodies of more than some bytes, announced or not.

    ``maximo``: bytes.
    """

    def __init__(self, app: ASGIApp, maximo: int) -> None:
        self.app = app
        self._maximo = maximo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting what comes of its body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        texto = f"el cuerpo pasa de {self._maximo} bytes"
        anunciado = Headers(scope=scope).get("content-length", "0")
        if not anunciado.isdecimal() or int(anunciado) > self._maximo:
            await problem(scope, 413, texto)(scope, receive, send)
            return
        recibido = 0

        async def count() -> Message:
            nonlocal recibido
            mensaje = await receive()
            recibido += len(mensaje.get("body", b""))
            if recibido > self._maximo:
                raise HTTPException(413, texto)
            return mensaje

        await self.app(scope, count, send)
