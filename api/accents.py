"""Paths with accents that can be asked for without them: ``/api/anomalias/criticas``.

The route is found as if it had been written with its accents, so it exists once: one entry in
the document, one name in the metrics. Only the fixed beginning of a path is touched, never what a
client put into it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send


def without_accents(texto: str) -> str:
    """Return a text without its accents.

    Examples
    --------
    >>> without_accents("/api/anomalias/últimas")
    '/api/anomalias/ultimas'
    """
    if texto.isascii():
        return texto
    partes = unicodedata.normalize("NFD", texto)
    return "".join(c for c in partes if not unicodedata.combining(c))


class AccentedPaths:
    """Gives paths the accents of the route that they mean.

    ``plantillas``: the paths of all routes, as they are declared.

    Examples
    --------
    >>> AccentedPaths(None, ["/api/críticas/{id}"]).declared("/api/criticas/Ñu")
    '/api/críticas/Ñu'
    """

    def __init__(self, app: ASGIApp, plantillas: Iterable[str]) -> None:
        self.app = app
        self._principios: dict[str, str] = {}
        for plantilla in plantillas:
            fijo = plantilla.partition("{")[0].rstrip("/")
            if not fijo.isascii():
                self._principios[without_accents(fijo)] = fijo
        self._largos = sorted({p.count("/") for p in self._principios}, reverse=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, under the path that is declared."""
        if scope["type"] == "http" and self._principios:
            scope["path"] = self.declared(scope["path"])
        await self.app(scope, receive, send)

    def declared(self, ruta: str) -> str:
        """Return the path with the accents of the route that begins like it."""
        segmentos = ruta.split("/")
        for largo in self._largos:
            principio, resto = segmentos[: largo + 1], segmentos[largo + 1 :]
            declarado = self._principios.get(without_accents("/".join(principio)))
            if declarado is not None:
                return "/".join([declarado, *resto])
        return ruta
