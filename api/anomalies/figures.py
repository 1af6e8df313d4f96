"""``/api/anomalias`` in figures: over time, how they are spread, how often each score is."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from api.anomalies.filters import (
    DIAS_CLIENTE,
    DIAS_HORAS,
    DIAS_TODOS,
    MES_DIAS,
    ConFiltros,
)
from api.anomalies.schemas import PaginaPuntuaciones
from api.deps import Ahora, AnomaliasDep, Historico, tope
from api.errors import respuestas
from api.params import Archivadas, Desde, Hasta, IdClienteOTodos, make_intervalo
from api.presentation import Presenta, responder
from api.stats.schemas import Histograma, Reparto, Serie, Umbrales
from detection.params import Params

router = APIRouter(prefix="/api/anomalias", tags=["anomalías"])

DIAS_HISTOGRAMA = 92
PUNTUACIONES_MAXIMAS = 2000


@router.get(
    "/serie",
    summary="Cuántas anomalías hay cada día o cada hora",
    description=(
        "Por severidad, con ceros donde no hay. Si no se dice desde cuándo, los últimos 30 días, o "
        f"2 por horas; como mucho {DIAS_TODOS} días, {DIAS_CLIENTE} de un solo cliente y "
        f"{DIAS_HORAS} por horas."
    ),
    response_description="Un punto por día u hora",
    response_model=Serie,
    responses=respuestas(503),
)
def serie(
    anomalias: AnomaliasDep,
    presenta: Presenta,
    filtros: ConFiltros,
    por: Annotated[Literal["dia", "hora"], Query(description="Qué es cada punto")] = "dia",
    archivadas: Archivadas = False,
) -> Response:
    """Return counts of anomalies over time."""
    intervalo = filtros.span() if por == "dia" else filtros.span(1, DIAS_HORAS)
    filtro = filtros.within(intervalo, archivadas)
    puntos = anomalias.summaries.series(intervalo.desde, intervalo.hasta, por, filtro)
    return responder(
        Serie(
            por=por,
            desde=presenta.hora(intervalo.desde),
            hasta=presenta.hora(intervalo.hasta),
            elementos=puntos,
        )
    )


@router.get(
    "/distribuciones",
    summary="Cómo se reparten las anomalías",
    description=(
        "Por severidad, tipo, estado, hora y día de la semana. Si no se dice desde cuándo, los "
        f"últimos 30 días; como mucho {DIAS_TODOS} días, {DIAS_CLIENTE} de un solo cliente."
    ),
    response_description="Las cuentas",
    response_model=Reparto,
    responses=respuestas(503),
)
def distribuciones(
    anomalias: AnomaliasDep,
    presenta: Presenta,
    filtros: ConFiltros,
    archivadas: Archivadas = False,
) -> Response:
    """Return how anomalies are spread."""
    intervalo = filtros.span()
    reparto = anomalias.summaries.distributions(filtros.within(intervalo, archivadas))
    return responder(
        Reparto(
            desde=presenta.hora(intervalo.desde),
            hasta=presenta.hora(intervalo.hasta),
            **reparto._asdict(),
        )
    )


@router.get(
    "/histograma",
    summary="Cuántas lecturas hay de cada puntuación",
    description=(
        "Para saber cuántos avisos habría con otros umbrales. Por días enteros; los últimos 30 si "
        f"no se dice desde cuándo, {DIAS_HISTOGRAMA} como mucho."
    ),
    response_description="101 cuentas",
    response_model=Histograma,
    responses=respuestas(503),
)
def histograma(
    historico: Historico,
    presenta: Presenta,
    ahora: Ahora,
    desde: Desde = None,
    hasta: Hasta = None,
    propietario_id: IdClienteOTodos = None,
) -> Response:
    """Return how many readings have each score."""
    intervalo = make_intervalo(desde, hasta, ahora, presenta, dias=MES_DIAS, maximo=DIAS_HISTOGRAMA)
    primero, ultimo = intervalo.fechas(presenta)
    # An interval of 92 days that begins at noon touches 93.
    primero = max(primero, ultimo - timedelta(days=DIAS_HISTOGRAMA - 1))
    cuentas = historico.totals.score_histogram(primero, ultimo, propietario_id)
    return responder(
        Histograma(
            desde=primero,
            hasta=ultimo,
            dias=(ultimo - primero).days + 1,
            lecturas=sum(cuentas),
            umbrales=thresholds(Params()),
            cuentas=cuentas,
        )
    )


def thresholds(params: Params) -> Umbrales:
    """Return where each severidad begins, 0 to 1."""
    return Umbrales(
        baja=params.umbral_baja / 100,
        media=params.umbral_media / 100,
        alta=params.umbral_alta / 100,
        critica=params.umbral_critica / 100,
    )


@router.get(
    "/puntuaciones",
    summary="Lo que puntuó cada detector",
    description=(
        "De las anomalías detectadas más tarde, para ver en qué coinciden los detectores. Si no se "
        f"dice desde cuándo, de los últimos 30 días; como mucho {DIAS_TODOS} días, "
        f"{DIAS_CLIENTE} de un solo cliente."
    ),
    response_description="Las puntuaciones",
    response_model=PaginaPuntuaciones,
    responses=respuestas(503),
)
def puntuaciones(
    anomalias: AnomaliasDep,
    filtros: ConFiltros,
    limite: Annotated[int, tope(500, PUNTUACIONES_MAXIMAS)] = 500,
) -> Response:
    """Return what each detector scored on anomalies."""
    filas = anomalias.lists.scores(filtros.within(filtros.span()), limite)
    return responder(PaginaPuntuaciones(elementos=filas))
