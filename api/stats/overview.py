"""``/api/dashboard``: what the dashboard's first page shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Response

from api.customers.routes import rank
from api.customers.schemas import PaginaSospechosos
from api.deps import Ahora, AnomaliasDep, Historico, Todo, tope
from api.errors import respuestas
from api.exports import EN_FICHERO, ConSalida
from api.presentation import Presenta, responder
from api.stats.schemas import ResumenTablero
from pipeline.stores.anomaly_records import ResumenAnomalias
from pipeline.stores.case_records import CasoResumen
from pipeline.stores.months import HORAS_SEMANA, is_whole
from pipeline.stores.presentation import Presentacion, kwh
from pipeline.stores.record_base import Variacion
from pipeline.stores.records import ResumenHistoria, Ventana

router = APIRouter(prefix="/api/dashboard", tags=["dashboard"])

TOP_MAXIMO = 100


@router.get(
    "/resumen",
    summary="Los indicadores, con su tendencia",
    description=(
        "Los últimos 7 días frente a los 7 anteriores, sin lo que alguien ha juzgado; y lo de las "
        "últimas 24 horas."
    ),
    response_description="Los indicadores",
    response_model=ResumenTablero,
    responses=respuestas(503),
)
def resumen(
    historico: Historico, anomalias: AnomaliasDep, presenta: Presenta, ahora: Ahora
) -> Response:
    """Return the key figures with their trend."""
    historia, halladas = historico.totals.overview(ahora), anomalias.summaries.overview(ahora)
    return responder(indicators(historia, halladas, anomalias.cases.going_on(), presenta))


def indicators(
    historia: ResumenHistoria,
    halladas: ResumenAnomalias,
    casos: Sequence[CasoResumen],
    presenta: Presentacion,
) -> ResumenTablero:
    """Return the key figures of what both stores say; what people have judged is in none.

    ``casos``: those that go on.
    """
    ahora, antes = historia.ultimos_7d, historia.anteriores_7d
    graves = ahora.anomalias.without(halladas.juzgadas_7d)
    graves_antes = antes.anomalias.without(halladas.juzgadas_7d_anterior)
    energia, energia_antes = kwh(halladas.en_juego_7d_kwh), kwh(halladas.en_juego_7d_anterior_kwh)
    # A week of which a part is missing is compared with none.
    enteras = all(is_whole(v.lecturas, v.clientes * HORAS_SEMANA) for v in (ahora, antes))
    against = Variacion.of if enteras else _alone
    return ResumenTablero(
        momento=historia.momento,
        desde=ahora.desde,
        hasta=ahora.hasta,
        clientes=against(ahora.clientes, antes.clientes),
        lecturas=against(ahora.lecturas, antes.lecturas),
        consumo_kwh=against(ahora.consumo_kwh, antes.consumo_kwh),
        anomalias=against(graves.total, graves_antes.total),
        criticas=against(graves.critica, graves_antes.critica),
        sospechosos=against(*(max(v.sospechosos - _judged(casos, v), 0) for v in (ahora, antes))),
        energia_en_juego_kwh=against(energia, energia_antes),
        energia_en_juego_eur=against(
            presenta.euros(energia) or 0.0, presenta.euros(energia_antes) or 0.0
        ),
        anomalias_24h=historia.ultimas_24h.anomalias,
        por_severidad=graves,
        por_estado=halladas.por_estado,
        precio_kwh_eur=presenta.precio_kwh_eur,
        ultima_lectura=historia.ultima_lectura,
        ultima_deteccion=presenta.hora_o_nada(halladas.ultima_deteccion),
        completo=True,
    )


def _judged(casos: Sequence[CasoResumen], ventana: Ventana) -> int:
    """Return how many customers were under a suspicion in a window that was judged by its end.

    Of a discarded case the detector knows within seconds: its last day stays what it was.
    """
    return sum(
        caso.veredicto is not None
        and caso.veredicto.cuando < ventana.hasta
        and caso.hasta >= ventana.desde.date()
        for caso in casos
    )


def _alone(valor: float, _anterior: float) -> Variacion:
    return Variacion.of(valor, None)


@router.get(
    "/top-anomalias",
    summary="Los 10 clientes más sospechosos",
    description="Como `/api/clientes/ranking`, por sospecha.",
    response_description="Los clientes, el más sospechoso primero",
    response_model=PaginaSospechosos,
    responses={**EN_FICHERO, **respuestas(503)},
)
def top_anomalias(
    recursos: Todo,
    ahora: Ahora,
    salida: ConSalida,
    limite: Annotated[int, tope(10, TOP_MAXIMO)] = 10,
) -> Response:
    """Return the most suspicious customers."""
    return salida.answer("top_anomalias", rank(recursos, ahora, "sospecha", limite))
