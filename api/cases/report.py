"""``/api/casos/{id_caso}/informe.pdf``: the evidence of a case on two pages."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, HTTPException, Response

from api.cases.evidence import NO_EXISTE_CASO
from api.cases.params import IdCaso
from api.deps import AnomaliasDep, Historico
from api.errors import respuestas
from api.presentation import NO_HA_CAMBIADO
from pipeline.evidence.facts import gather_facts
from pipeline.evidence.report import make_report

router = APIRouter(prefix="/api/casos", tags=["casos"])
PDF = "application/pdf"


@router.get(
    "/{id_caso:caso}/informe.pdf",
    summary="El informe de un caso, en PDF",
    description=(
        "Dos páginas con lo que ha cambiado, lo que gastó cada día, lo que dicen los detectores, "
        "lo que podría explicarlo, lo que se ha hecho y cómo se ha llegado a ello, con la versión "
        "del modelo y la huella de los datos. De los mismos datos, el mismo archivo, byte a byte."
    ),
    response_description="El informe",
    response_class=Response,
    responses={
        200: {"content": {PDF: {"schema": {"type": "string", "format": "binary"}}}},
        **NO_HA_CAMBIADO,
        **respuestas(404, 503, e404=NO_EXISTE_CASO),
    },
)
def informe(
    anomalias: AnomaliasDep,
    historico: Historico,
    id_caso: IdCaso,
    if_none_match: Annotated[
        str, Header(description="El `ETag` del que ya se tiene", include_in_schema=False)
    ] = "",
) -> Response:
    """Return the report of a case."""
    hechos = gather_facts(id_caso, anomalias, historico)
    if hechos is None:
        raise HTTPException(404, f"no existe el caso {id_caso}")
    pdf = make_report(hechos)
    etag = f'"{hashlib.sha256(pdf).hexdigest()}"'
    cabeceras = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if etag in if_none_match:
        return Response(status_code=304, headers=cabeceras)
    sencillo = re.sub(r"[^\w.-]", "_", id_caso, flags=re.ASCII)
    entero = quote(f"caso_{id_caso}.pdf", safe="")
    cabeceras["Content-Disposition"] = (
        f"inline; filename=\"caso_{sencillo}.pdf\"; filename*=UTF-8''{entero}"
    )
    return Response(pdf, media_type=PDF, headers=cabeceras)
