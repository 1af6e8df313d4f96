"""``/api/deriva``: whether recent readings still look like those that the champion knows."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Response

from api.deps import ModelosDep, tope
from api.errors import respuestas
from api.models.schemas import Deriva, Derivas, version_number
from api.presentation import Presenta
from pipeline.stores.presentation import Presentacion

router = APIRouter(prefix="/api/deriva", tags=["deriva"])

_POLITICA_INFORME = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; frame-ancestors 'self'; sandbox allow-scripts"
)
"""Evidently's page brings its scripts with it; they may draw, and reach nothing."""
_SIN_INFORMES = "todavía no hay informes de deriva: «consumo deriva» hace uno"


def _informe(documento: dict[str, Any], presenta: Presentacion) -> Deriva:
    """Return a stored report as it is shown."""
    datos = {campo: documento.get(campo) for campo in Deriva.model_fields}
    for campo in ("fecha", "desde", "hasta"):
        datos[campo] = presenta.hora(documento[campo])
    datos["version"] = version_number(str(documento["version"]))
    return Deriva.model_validate(datos)


@router.get(
    "",
    summary="Último informe de deriva",
    description="El semáforo y lo que se ha movido cada rasgo; la página entera, en `/informe`.",
    response_description="El informe más reciente",
    responses=respuestas(404, 503, e404="Todavía no hay ninguno"),
)
def ultimo(modelos: ModelosDep, presenta: Presenta) -> Deriva:
    """Return the latest report."""
    informes = modelos.informes(1)
    if not informes:
        raise HTTPException(404, _SIN_INFORMES)
    return _informe(informes[0], presenta)


@router.get(
    "/historial",
    summary="Informes de deriva anteriores",
    description="Sin su página HTML, el último primero.",
    response_description="Los informes",
    responses=respuestas(503),
)
def historial(
    modelos: ModelosDep, presenta: Presenta, limite: Annotated[int, tope(90)] = 90
) -> Derivas:
    """Return the latest reports."""
    return Derivas(elementos=[_informe(uno, presenta) for uno in modelos.informes(limite)])


@router.get(
    "/informe",
    summary="Página del último informe",
    description="La página de Evidently, entera: se abre sin conexión.",
    response_class=Response,
    responses={
        200: {
            "description": "Página HTML que no depende de nada",
            "content": {"text/html": {"schema": {"type": "string"}}},
        },
        304: {"description": "Es la misma que ya tiene (`If-None-Match`)"},
        **respuestas(404, 503, e404="No hay informe, o se guardó sin su página"),
    },
)
def informe(
    modelos: ModelosDep,
    si_no_es: Annotated[
        str | None, Header(alias="If-None-Match", max_length=200, description="ETag que ya tiene")
    ] = None,
) -> Response:
    """Return the latest report's page, unless the client has it."""
    cabezas = modelos.informes(1)
    if not cabezas:
        raise HTTPException(404, _SIN_INFORMES)
    etag = f'W/"{cabezas[0]["id"]}"'
    cabeceras = {"ETag": etag, "Cache-Control": "no-cache"}
    if si_no_es is not None and etag in (parte.strip() for parte in si_no_es.split(",")):
        return Response(status_code=304, headers=cabeceras)
    documento = modelos.latest_informe() or {}
    if not documento.get("html"):
        raise HTTPException(404, "ese informe se guardó sin su página; está entera en MLflow")
    cabeceras["ETag"] = f'W/"{documento["id"]}"'
    cabeceras["Content-Security-Policy"] = _POLITICA_INFORME
    return Response(documento["html"], headers=cabeceras, media_type="text/html; charset=utf-8")
