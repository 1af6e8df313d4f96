"""``/docs``: the page that people read first, and the two files that it is made of.

None of it comes from elsewhere: a utility's closed network reaches no CDN.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from serving.web.docs_page import make_pagina

router = APIRouter(include_in_schema=False)

_ESTATICOS = Path(__file__).parent / "estaticos"
_POLITICA = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_UN_RATO = {"Cache-Control": "public, max-age=300"}


@lru_cache(maxsize=4)
def _fichero(nombre: str) -> bytes:
    return (_ESTATICOS / nombre).read_bytes()


@router.get("/")
async def inicio() -> RedirectResponse:
    """Send whoever comes to the door to the documentation."""
    return RedirectResponse("/docs")


@router.get("/docs")
def docs(peticion: Request) -> Response:
    """Return the documentation."""
    estado = peticion.app.state
    if not hasattr(estado, "pagina"):
        estado.pagina = make_pagina(peticion.app.openapi())
    cabeceras = {**_UN_RATO, "Content-Security-Policy": _POLITICA}
    return Response(estado.pagina, headers=cabeceras, media_type="text/html")


@router.get("/docs/docs.css")
def estilo() -> Response:
    """Return how the page looks."""
    return Response(_fichero("docs.css"), headers=_UN_RATO, media_type="text/css")


@router.get("/docs/docs.js")
def guion() -> Response:
    """Return what the page does."""
    return Response(_fichero("docs.js"), headers=_UN_RATO, media_type="text/javascript")
