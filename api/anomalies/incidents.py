"""``/api/incidencias``: anomalies of a customer that follow each other, as one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from api.anomalies.filters import DIAS_CLIENTE, DIAS_TODOS, ConFiltros
from api.anomalies.schemas import PaginaIncidentes
from api.deps import AnomaliasDep, CursorPedido, tope
from api.errors import respuestas
from api.exports import EN_FICHERO, ConSalida
from api.params import Archivadas
from pipeline.stores.anomaly_records import Incidente
from pipeline.stores.query_limits import Pagina

router = APIRouter(prefix="/api/incidencias", tags=["incidencias"])

HUECO_HORAS = 3
"""Normal hours that may lie between two anomalies of one incident. By hand, 2026-11-24: a lamp
that is off for a while, a night's rule that needs three hours to speak again; half a day apart
they are two events to whoever inspects."""
INCIDENCIAS_MAXIMAS = 500


@router.get(
    "",
    summary="Las incidencias",
    description=(
        f"Anomalías de un cliente con {HUECO_HORAS} horas normales entre medias como mucho, "
        "reunidas en una: de cuándo a cuándo, cuánta energía y lo más grave. La más reciente "
        "primero. Si no se dice desde cuándo, de los últimos 30 días; como mucho "
        f"{DIAS_TODOS}, o {DIAS_CLIENTE} de un solo cliente."
    ),
    response_description="Una página de incidencias",
    response_model=PaginaIncidentes,
    responses={**EN_FICHERO, **respuestas(503)},
)
def incidencias(
    anomalias: AnomaliasDep,
    salida: ConSalida,
    filtros: ConFiltros,
    archivadas: Archivadas = False,
    limite: Annotated[int, tope(50, INCIDENCIAS_MAXIMAS)] = 50,
    cursor: CursorPedido = None,
) -> Response:
    """Return incidents, the newest first."""
    filtro = filtros.within(filtros.span(), archivadas)

    def pagina(donde: str | None, cuantas: int) -> Pagina[Incidente]:
        return anomalias.summaries.incidents(
            filtro, hueco_horas=HUECO_HORAS, limite=cuantas, cursor=donde
        )

    return salida.page("incidencias", PaginaIncidentes, pagina, cursor, limite, INCIDENCIAS_MAXIMAS)
