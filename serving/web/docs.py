"""``/docs``: Swagger UI over the OpenAPI document, from files that are installed with us.

FastAPI's own page fetches them from a CDN, which a utility's closed network does not reach; here
they come out of fastapi-offline's wheel. What it says of the API is the document's Spanish.
"""

from __future__ import annotations

import importlib.util
from html import escape
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

router = APIRouter(include_in_schema=False)

FICHEROS = ("swagger-ui.css", "swagger-ui-bundle.js")
_PAGINA = """<!doctype html>
<html lang="es">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{titulo}: API</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/docs.js"></script>
</body></html>
"""
_POLITICA = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_UN_RATO = {"Cache-Control": "public, max-age=300"}


@router.get("/")
async def inicio() -> RedirectResponse:
    """Send whoever asks for the bare address to the documentation."""
    return RedirectResponse("/docs")


@router.get("/docs")
async def pagina(peticion: Request) -> Response:
    """Return the documentation."""
    cabeceras = {**_UN_RATO, "Content-Security-Policy": _POLITICA}
    texto = _PAGINA.format(titulo=escape(peticion.app.title))
    return Response(texto, headers=cabeceras, media_type="text/html")


@router.get("/docs/docs.js")
async def guion() -> Response:
    """Return what opens the document in the page, in Spanish."""
    return FileResponse(Path(__file__).parent / "estaticos" / "docs.js", headers=_UN_RATO)


@router.get("/docs/{nombre}")
async def fichero(nombre: str) -> Response:
    """Return one of Swagger UI's own files."""
    if nombre not in FICHEROS:
        raise HTTPException(404)
    return FileResponse(_swagger_folder() / nombre, headers=_UN_RATO)


def _swagger_folder() -> Path:
    """Return where the files are; the package itself is not imported."""
    paquete = importlib.util.find_spec("fastapi_offline")
    if paquete is None or paquete.origin is None:
        raise HTTPException(404, "falta el paquete fastapi-offline, que trae esta página")
    return Path(paquete.origin).parent / "static"
