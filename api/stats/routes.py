"""``/api/estadisticas``: figures of a customer, of its months, and of everybody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Response

from api.deps import NO_EXISTE, Ahora, AnomaliasDep, Historico, Todo, check_cliente_sin_nada
from api.errors import respuestas
from api.exports import EN_FICHERO, ConSalida
from api.params import EntreFechas, IdCliente, Intervalo, MesPedido
from api.presentation import NO_HA_CAMBIADO, ConEtiqueta, Presenta, responder
from api.stats.schemas import EstadisticasMensuales, PaginaDias, ResumenGeneral
from detection.errors import TransientError
from pipeline.stores.anomaly_records import MesCliente, ParInteranual, PuestoMes
from pipeline.stores.months import mes_de, siguiente
from pipeline.stores.presentation import Presentacion, kwh
from pipeline.stores.query_ports import AnomalyQueries
from pipeline.stores.records import EstadisticasCliente

router = APIRouter(prefix="/api/estadisticas", tags=["estadísticas"])

DIAS_ESTADISTICAS = 366
DIAS_GLOBALES = 92
MESES = 60
"""Months in one request: five years."""


@router.get(
    "/cliente/{propietario_id:path}",
    summary="Las cifras de un cliente",
    description=(
        "De sus últimos 28 días, o de los que se digan, hasta su última lectura: consumo, "
        "anomalías y energía en juego, que sin MongoDB no se sabe."
    ),
    response_description="Sus cifras",
    response_model=EstadisticasCliente,
    responses=respuestas(404, 503, e404=NO_EXISTE),
)
def de_cliente(
    historico: Historico,
    anomalias: AnomaliasDep,
    presenta: Presenta,
    propietario_id: IdCliente,
    dias: Annotated[
        int, Query(ge=1, le=DIAS_ESTADISTICAS, description="De cuántos días", examples=[28])
    ] = 28,
) -> Response:
    """Return a customer's figures."""
    cifras = historico.customers.statistics(propietario_id, dias=dias)
    if cifras is None:
        raise HTTPException(404, f"no existe el cliente «{propietario_id}»")
    return responder(cifras.model_copy(update=_at_stake(anomalias, cifras, presenta)))


def _at_stake(
    anomalias: AnomalyQueries, cifras: EstadisticasCliente, presenta: Presentacion
) -> dict[str, float | None]:
    """Return a customer's energy at stake without what a person has discarded."""
    try:
        fuera = anomalias.summaries.rejected(cifras.propietario_id, cifras.desde, cifras.hasta)
    except TransientError:
        return dict.fromkeys(
            ("exceso_kwh", "defecto_kwh", "energia_en_juego_kwh", "energia_en_juego_eur")
        )
    exceso = max(0.0, (cifras.exceso_kwh or 0.0) - fuera.exceso_kwh)
    defecto = max(0.0, (cifras.defecto_kwh or 0.0) - fuera.defecto_kwh)
    en_juego = kwh(exceso + defecto)
    return {
        "descartadas": fuera.anomalias,
        "exceso_kwh": kwh(exceso),
        "defecto_kwh": kwh(defecto),
        "energia_en_juego_kwh": en_juego,
        "energia_en_juego_eur": presenta.euros(en_juego),
    }


@router.get(
    "/resumen",
    summary="Las cifras de todos los clientes",
    description="De las últimas 24 horas, los últimos 7 días, los 7 de antes y los últimos 30.",
    response_description="Las cifras",
    response_model=ResumenGeneral,
    responses=respuestas(503),
)
def resumen(
    historico: Historico, anomalias: AnomaliasDep, presenta: Presenta, ahora: Ahora
) -> Response:
    """Return everybody's figures."""
    historia, halladas = historico.totals.overview(ahora), anomalias.summaries.overview(ahora)
    return responder(
        ResumenGeneral(
            **historia._asdict(),
            por_estado=halladas.por_estado,
            ultima_deteccion=presenta.hora_o_nada(halladas.ultima_deteccion),
            completo=True,
        )
    )


@router.get(
    "/mensuales/{propietario_id:path}",
    summary="Las cifras de los meses de un cliente",
    description="Cada mes frente al del año anterior, y qué dicen juntos.",
    response_description="Sus meses, el más reciente primero, y sus cifras",
    response_model=EstadisticasMensuales,
    responses={**NO_HA_CAMBIADO, **respuestas(404, 503, e404=NO_EXISTE)},
)
def mensuales(
    recursos: Todo,
    anomalias: AnomaliasDep,
    presenta: Presenta,
    ahora: Ahora,
    etiqueta: ConEtiqueta,
    propietario_id: IdCliente,
    meses: Annotated[
        int, Query(ge=1, le=MESES, description="Cuántos meses como mucho", examples=[12])
    ] = 12,
    hasta_mes: MesPedido = None,
) -> Response:
    """Return a customer's months beside those of the year before."""
    pares = anomalias.months.year_on_year(propietario_id, meses, hasta_mes)
    ultimo = next((par.mes_str for par in pares if par.actual is not None), None)
    if ultimo is None:
        check_cliente_sin_nada(recursos, propietario_id)
    posicion = None if ultimo is None else anomalias.months.place(propietario_id, ultimo)
    return etiqueta(summarise(propietario_id, pares, posicion, presenta, ahora))


def summarise(
    propietario_id: str,
    pares: Sequence[ParInteranual],
    posicion: PuestoMes | None,
    presenta: Presentacion,
    ahora: datetime,
) -> EstadisticasMensuales:
    """Return what a customer's months say together.

    ``pares``: the newest first.
    """
    con_datos = [par.actual for par in pares if par.actual is not None]
    total = kwh(sum(mes.consumo_total for mes in con_datos))
    enteros = [mes for mes in con_datos if mes.completo]
    por_consumo = sorted(enteros, key=lambda mes: mes.consumo_total)
    suma = sum(mes.consumo_total for mes in enteros)
    return EstadisticasMensuales(
        propietario_id=propietario_id,
        meses=len(con_datos),
        consumo_total=total,
        consumo_promedio_mensual=kwh(suma / len(enteros)) if enteros else None,
        mes_maximo=por_consumo[-1].mes_str if por_consumo else None,
        mes_minimo=por_consumo[0].mes_str if por_consumo else None,
        anomalias_detectadas=sum(mes.anomalias_detectadas for mes in con_datos),
        anomalias_criticas=sum(mes.anomalias_criticas for mes in con_datos),
        ultimo_mes=con_datos[0].mes_str if con_datos else None,
        variacion_mensual=monthly_change(con_datos, f"{presenta.hora(ahora):%Y-%m}"),
        posicion=None if posicion is None else posicion.posicion,
        de=None if posicion is None else posicion.de,
        elementos=list(pares),
    )


def monthly_change(meses: Sequence[MesCliente], este_mes: str) -> float | None:
    """Return the change from a month to the next one: of the two latest that are over.

    ``meses``: the newest first. ``este_mes``: the month that is not over.

    Returns
    -------
    float or None
        0.05 = 5 % more an hour; None = there are no two whole ones in a row, or the first one has
        nothing.
    """
    terminados = [mes for mes in meses if mes.mes_str < este_mes]
    if len(terminados) < 2:
        return None
    ultimo, anterior = terminados[0], terminados[1]
    seguidos = siguiente(mes_de(anterior.mes_str)) == mes_de(ultimo.mes_str)
    cambio = ultimo.change_from(anterior) if seguidos else None
    return None if cambio is None else round(cambio, 4)


@router.get(
    "/dias",
    summary="Las cifras de todos los clientes, día a día",
    description=(f"Los últimos 30 días si no se dice desde cuándo; como mucho {DIAS_GLOBALES}."),
    response_description="Los días, el más antiguo primero",
    response_model=PaginaDias,
    responses={**EN_FICHERO, **respuestas(503)},
)
def dias(
    historico: Historico,
    presenta: Presenta,
    salida: ConSalida,
    intervalo: Annotated[Intervalo, Depends(EntreFechas(29, DIAS_GLOBALES))],
) -> Response:
    """Return everybody's days."""
    filas = historico.totals.days(*intervalo.fechas(presenta))
    return salida.answer("dias", PaginaDias(elementos=filas))
