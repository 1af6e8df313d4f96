"""``/api/consumos/mensuales`` and ``/api/consumos/meses``: what the nightly job adds up."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Response

from api.deps import NO_EXISTE, AnomaliasDep, CursorPedido, Todo, check_cliente_sin_nada, tope
from api.errors import Invalida, respuestas
from api.exports import EN_FICHERO, ConSalida
from api.params import FORMA_MES, IdCliente, MesPedido
from api.presentation import NO_HA_CAMBIADO, ConEtiqueta
from api.readings.schemas import ConsumosMensuales, MesesGlobales
from pipeline.stores.anomaly_records import MesCliente
from pipeline.stores.query_limits import Pagina

router = APIRouter(prefix="/api/consumos", tags=["consumos"])

MESES = 120
"""Months in one request: ten years."""
CLIENTES_DE_MES = 500
"""Customers of a month in one page."""


@router.get(
    "/mensuales/{propietario_id:path}",
    summary="Los meses de un cliente",
    description="El más reciente primero. Los suma «consumo agregar» cada noche.",
    response_description="Sus meses",
    response_model=ConsumosMensuales,
    responses={**EN_FICHERO, **NO_HA_CAMBIADO, **respuestas(404, 503, e404=NO_EXISTE)},
)
def mensuales(
    recursos: Todo,
    anomalias: AnomaliasDep,
    salida: ConSalida,
    etiqueta: ConEtiqueta,
    propietario_id: IdCliente,
    desde_mes: MesPedido = None,
    hasta_mes: MesPedido = None,
    limite: Annotated[int, tope(24, MESES)] = 24,
) -> Response:
    """Return a customer's months."""
    if desde_mes and hasta_mes and desde_mes > hasta_mes:
        raise Invalida("hasta_mes", "no puede ser anterior a «desde_mes»")
    filas = anomalias.months.of_customer(propietario_id, desde_mes, hasta_mes, limite)
    if not filas:
        check_cliente_sin_nada(recursos, propietario_id)
    return salida.answer("consumos_mensuales", ConsumosMensuales(elementos=filas), etiqueta)


@router.get(
    "/meses",
    summary="Los meses de todos los clientes juntos",
    description="El más reciente primero.",
    response_description="Los meses",
    response_model=MesesGlobales,
    responses={**EN_FICHERO, **NO_HA_CAMBIADO, **respuestas(503)},
)
def meses(
    anomalias: AnomaliasDep,
    salida: ConSalida,
    etiqueta: ConEtiqueta,
    limite: Annotated[int, tope(36, MESES)] = 36,
) -> Response:
    """Return everybody's months."""
    filas = anomalias.months.totals(limite)
    return salida.answer("meses", MesesGlobales(elementos=filas), etiqueta)


@router.get(
    "/meses/{mes}",
    summary="Los clientes de un mes, por consumo o por anomalías",
    description="El que más, primero.",
    response_description="Una página de clientes",
    response_model=ConsumosMensuales,
    responses={
        **EN_FICHERO, **NO_HA_CAMBIADO, **respuestas(404, 503, e404="De ese mes no hay nada"),
    },
)  # fmt: skip
def mes(
    anomalias: AnomaliasDep,
    salida: ConSalida,
    etiqueta: ConEtiqueta,
    mes: Annotated[str, Path(pattern=FORMA_MES, description="Mes, AAAA-MM", examples=["2026-11"])],
    orden: Annotated[
        Literal["consumo_total", "anomalias_detectadas"], Query(description="Por qué se ordenan")
    ] = "consumo_total",
    limite: Annotated[int, tope(50, CLIENTES_DE_MES)] = 50,
    cursor: CursorPedido = None,
) -> Response:
    """Return the customers of a month, the highest first."""

    def pagina(donde: str | None, cuantos: int) -> Pagina[MesCliente]:
        filas = anomalias.months.of_month(mes, orden=orden, limite=cuantos, cursor=donde)
        if not (filas.elementos or salida.es_fichero or donde):
            raise HTTPException(404, f"no hay consumos del mes {mes}")
        return filas

    return salida.page(
        f"consumos_{mes}", ConsumosMensuales, pagina, cursor, limite, CLIENTES_DE_MES,
        etiqueta,
    )  # fmt: skip
