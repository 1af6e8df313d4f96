"""Answers made in the route: JSON, with an ``ETag`` where they seldom change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

from pipeline.stores.presentation import Presentacion

REVALIDA = "private, max-age=60"
"""Months change once a night; whoever holds one for a minute misses nothing. Private, since
reading may ask for a key."""


async def _presentacion(peticion: Request) -> Presentacion:
    presenta: Presentacion = peticion.app.state.presenta
    return presenta


Presenta = Annotated[Presentacion, Depends(_presentacion)]
"""Local time and price of this service."""


def responder(modelo: BaseModel) -> Response:
    """Return an answer with a model as JSON, to be asked for anew each time.

    Made in the route, and so in its thread: FastAPI would validate the model again, and turn it
    into JSON in the loop that all requests share.
    """
    return Response(
        modelo.model_dump_json(by_alias=True),
        headers={"Cache-Control": "private, no-cache"},
        media_type="application/json",
    )


def responder_filas(filas: Sequence[Mapping[str, Any]], siguiente: str | None = None) -> Response:
    """Return an answer with a page of many rows as JSON; the same bytes as its model's.

    ``filas``: what the model of a row gives as ``row``: to make a thousand models takes longer than
    all the rest of their answer.
    """
    return Response(
        to_json({"elementos": filas, "siguiente": siguiente}),
        headers={"Cache-Control": "private, no-cache"},
        media_type="application/json",
    )


NO_HA_CAMBIADO: dict[int | str, dict[str, Any]] = {
    304: {"description": "No ha cambiado desde la respuesta cuyo `ETag` se manda"}
}
"""``responses=`` of a route whose answers have an ``ETag``."""


async def _etiqueta(peticion: Request) -> Callable[[BaseModel], Response]:
    """Return what makes an answer with its tag, or 304 where the client has it already.

    The tag is of the answer itself: weak, since the same answer may be compressed or not.
    """
    conocidas = {t.strip() for t in peticion.headers.get("if-none-match", "").split(",")}

    def responder(modelo: BaseModel) -> Response:
        cuerpo = modelo.model_dump_json(by_alias=True).encode()
        etag = f'W/"{hashlib.blake2b(cuerpo, digest_size=12).hexdigest()}"'
        cabeceras = {"ETag": etag, "Cache-Control": REVALIDA}
        if conocidas & {"*", etag}:
            return Response(status_code=304, headers=cabeceras)
        return Response(cuerpo, headers=cabeceras, media_type="application/json")

    return responder


ConEtiqueta = Annotated[Callable[[BaseModel], Response], Depends(_etiqueta)]
"""Makes an answer that is 304 where the client has it already."""
