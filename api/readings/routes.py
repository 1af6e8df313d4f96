"""``/api/consumos``: readings of a customer, hour by hour, by days, by weeks and by months."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from api.deps import NO_EXISTE, CursorPedido, Historico, check_cliente, tope
from api.errors import Invalida, respuestas
from api.exports import EN_FICHERO, ConSalida, ListOutput
from api.params import (
    DIAS_RANGO,
    EntreFechas,
    IdCliente,
    IdClienteOTodos,
    Intervalo,
    NombreCliente,
    SeveridadesONormal,
    Tipos,
)
from api.presentation import Presenta, responder, responder_filas
from api.readings.schemas import (
    Celda,
    Consumo,
    Consumos,
    ConsumosDiarios,
    MapaCalor,
    SemanaTipo,
)
from pipeline.stores.presentation import Presentacion
from pipeline.stores.query_limits import (
    PRIMER_INSTANTE,
    Pagina,
    decode_cursor,
    encode_cursor,
)
from pipeline.stores.query_ports import HistoryQueries
from pipeline.stores.records import LecturaPuntuada, PuntoBanda

router = APIRouter(prefix="/api/consumos", tags=["consumos"])

ULTIMAS = "ultimas24h"
"""Name of the list in its cursors."""
DIAS_BANDA = 35
"""Days of readings that are given with their band: a month and the days around it."""
DIAS_TODOS = 31
"""Days of everybody's readings in one list."""
Orden = Literal["asc", "desc"]
DIAS_CLIENTE = 3 * 366
"""Days of daily sums in one request: three years."""

_ERRORES = respuestas(404, 503, e404=NO_EXISTE)
_HORAS = Annotated[Intervalo, Depends(EntreFechas(7, DIAS_RANGO))]


@router.get(
    "/últimas24h/{propietario_id:path}",
    summary="Las últimas lecturas de un cliente",
    description="Las 100 últimas horas con lectura, la más reciente primero.",
    response_description="Sus lecturas",
    response_model=Consumos,
    responses={**EN_FICHERO, **_ERRORES},
)
def ultimas_24h(
    historico: Historico,
    presenta: Presenta,
    salida: ConSalida,
    propietario_id: IdCliente,
    limite: Annotated[int, tope(100)] = 100,
    cursor: CursorPedido = None,
) -> Response:
    """Return a customer's latest readings."""
    if cursor is None:
        filas = historico.readings.latest(propietario_id, limite)
    else:
        (hasta,) = decode_cursor(ULTIMAS, cursor, datetime)
        desde = max(hasta - timedelta(days=DIAS_CLIENTE), PRIMER_INSTANTE)
        filas = historico.readings.range(
            propietario_id, desde, hasta, limite=limite, descendente=True
        ).elementos
    check_cliente(historico, propietario_id, filas)
    if salida.es_fichero:
        elementos = [Consumo.of(fila, presenta) for fila in filas]
        return salida.rows("ultimas_lecturas", Consumo, [elementos])
    siguiente = (
        encode_cursor(ULTIMAS, filas[-1].timestamp_consumo) if len(filas) == limite else None
    )
    return responder_filas([Consumo.row(fila, presenta) for fila in filas], siguiente)


@router.get(
    "/rango",
    summary="Las lecturas entre dos fechas",
    description=(
        "De un cliente, o de todos si no se dice, por orden de tiempo. Con `con_banda`, además "
        f"entre qué valores era habitual cada hora. Como mucho {DIAS_RANGO} días de un cliente, "
        f"{DIAS_BANDA} con banda y {DIAS_TODOS} de todos."
    ),
    response_description="Una página de lecturas",
    response_model=Consumos,
    responses={**EN_FICHERO, **_ERRORES},
)  # fmt: skip
def rango(
    historico: Historico,
    presenta: Presenta,
    salida: ConSalida,
    intervalo: _HORAS,
    propietario_id: IdClienteOTodos = None,
    severidad: SeveridadesONormal = [],  # noqa: B006 - FastAPI copies it
    tipo: Tipos = [],  # noqa: B006
    orden: Annotated[
        Orden, Query(description="«asc», la más antigua primero; «desc», solo de un cliente")
    ] = "asc",
    con_banda: Annotated[
        bool, Query(description="También banda_inferior_kwh y banda_superior_kwh, de un cliente")
    ] = False,
    limite: Annotated[int, tope(1000, 5000)] = 1000,
    cursor: CursorPedido = None,
) -> Response:
    """Return readings between two instants."""
    check_rango(propietario_id, intervalo, orden, salida, con_banda=con_banda)

    def pagina(donde: str | None, cuantas: int) -> Pagina[LecturaPuntuada]:
        if propietario_id is None:
            return historico.readings.range_of_all(
                intervalo.desde, intervalo.hasta, limite=cuantas, cursor=donde,
                severidades=severidad, tipos=tipo,
            )  # fmt: skip
        return historico.readings.range(
            propietario_id, intervalo.desde, intervalo.hasta, limite=cuantas, cursor=donde,
            descendente=orden == "desc", severidades=severidad, tipos=tipo,
        )  # fmt: skip

    if salida.es_fichero and propietario_id is not None:
        check_cliente(historico, propietario_id)
    if salida.es_fichero:
        return salida.whole("consumos", Consumo, lambda *cual: _as_read(pagina(*cual), presenta))
    filas, siguiente = pagina(cursor, limite)
    if propietario_id is not None:
        check_cliente(historico, propietario_id, filas)
    bandas = _bands(historico, propietario_id, filas) if con_banda and propietario_id else {}
    elementos = [Consumo.row(f, presenta, bandas.get(f.timestamp_consumo)) for f in filas]
    return responder_filas(elementos, siguiente)


def _as_read(pagina: Pagina[LecturaPuntuada], presenta: Presentacion) -> Pagina[Consumo]:
    return Pagina([Consumo.of(fila, presenta) for fila in pagina.elementos], pagina.siguiente)


def check_rango(
    propietario_id: str | None,
    intervalo: Intervalo,
    orden: Orden,
    salida: ListOutput,
    *,
    con_banda: bool,
) -> None:
    """Return if a range can be given; refuse with 422 otherwise."""
    dura = intervalo.hasta - intervalo.desde
    if propietario_id is None:
        if con_banda:
            raise Invalida("con_banda", "hace falta «propietario_id»: la banda es de un cliente")
        if orden == "desc":
            raise Invalida("orden", "sin «propietario_id», solo «asc»")
        if dura > timedelta(days=DIAS_TODOS):
            raise Invalida("desde", f"sin «propietario_id» son {DIAS_TODOS} días como mucho")
    elif con_banda:
        if salida.es_fichero:
            raise Invalida("con_banda", "no vale con «formato»")
        if dura > timedelta(days=DIAS_BANDA):
            raise Invalida("con_banda", f"la banda se da de {DIAS_BANDA} días como mucho")


def _bands(
    historico: HistoryQueries, propietario_id: str, filas: Sequence[LecturaPuntuada]
) -> dict[datetime, PuntoBanda]:
    """Return what was usual at the hours of some readings."""
    if not filas:
        return {}
    horas = [fila.timestamp_consumo for fila in filas]
    puntos = historico.peers.band(propietario_id, min(horas), max(horas) + timedelta(hours=1))
    return {punto.timestamp_consumo: punto for punto in puntos}


@router.get(
    "/diarios",
    summary="Lo que unos clientes consumieron cada día",
    description=f"De 1 a 20 clientes y {DIAS_CLIENTE} días como mucho, por cliente y fecha.",
    response_description="Sus días",
    response_model=ConsumosDiarios,
    responses={**EN_FICHERO, **respuestas(503)},
)
def diarios(
    historico: Historico,
    salida: ConSalida,
    intervalo: Annotated[Intervalo, Depends(EntreFechas(90, DIAS_CLIENTE))],
    propietario_id: Annotated[
        list[NombreCliente],
        Query(min_length=1, max_length=20, description="Clientes; se repite, 20 como mucho"),
    ],
) -> Response:
    """Return what customers used on each local day; who does not exist has no days."""
    filas = historico.readings.daily(propietario_id, intervalo.desde, intervalo.hasta)
    return salida.answer("consumos_diarios", ConsumosDiarios(elementos=filas))


@router.get(
    "/mapa-calor/{propietario_id:path}",
    summary="Las horas de un cliente, por día y hora",
    description=f"Para un mapa de calor; {DIAS_RANGO} días como mucho.",
    response_description="Sus horas, por orden de tiempo",
    response_model=MapaCalor,
    responses={**EN_FICHERO, **_ERRORES},
)
def mapa_calor(
    historico: Historico,
    salida: ConSalida,
    intervalo: Annotated[Intervalo, Depends(EntreFechas(60, DIAS_RANGO))],
    propietario_id: IdCliente,
) -> Response:
    """Return every hour of a customer."""
    filas = historico.readings.heatmap(propietario_id, intervalo.desde, intervalo.hasta)
    check_cliente(historico, propietario_id, filas)
    if salida.es_fichero:
        return salida.rows("mapa_calor", Celda, [[Celda.of(fila) for fila in filas]])
    return responder_filas([fila._asdict() for fila in filas])


@router.get(
    "/semana/{propietario_id:path}",
    summary="La semana típica de un cliente",
    description="Media de cada hora de cada día de la semana, de 0 = lunes a 6 = domingo.",
    response_description="Las medias",
    response_model=SemanaTipo,
    responses=_ERRORES,
)
def semana(
    historico: Historico,
    intervalo: Annotated[Intervalo, Depends(EntreFechas(56, DIAS_RANGO))],
    propietario_id: IdCliente,
) -> Response:
    """Return a customer's mean for each weekday and hour."""
    filas = historico.readings.typical_week(propietario_id, intervalo.desde, intervalo.hasta)
    check_cliente(historico, propietario_id, filas)
    return responder(SemanaTipo(elementos=filas))
