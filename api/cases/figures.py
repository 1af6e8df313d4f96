"""Cases of a day and cases added up: the morning list, how many, day by day, how often right."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.cases.params import Clase
from api.deps import Ahora, AnomaliasDep, Historico, Recursos, Todo, tope
from api.errors import Invalida, respuestas
from api.params import DiaLocal
from api.presentation import Presenta, responder
from detection.errors import TransientError
from detection.memory.daily import HORAS_MINIMAS
from pipeline.stores.case_figures import (
    VISITAS_MAXIMAS,
    Aciertos,
    CalendarioCasos,
    CasoDeHoy,
    FilaCalendario,
    ListaDeHoy,
    ResumenCasos,
)
from pipeline.stores.case_history import CustomerDay
from pipeline.stores.case_records import CasoResumen, FiltroCasos

log = logging.getLogger("api")
router = APIRouter(prefix="/api/casos", tags=["casos"])

DIAS_SERIE = 90
FILAS_MAXIMAS = 100
DIAS_CALENDARIO = 92
_ABIERTOS = FiltroCasos(solo_abiertos=True)


@router.get(
    "/hoy",
    summary="La lista de hoy: los casos que merece la pena visitar",
    description=(
        "Los abiertos donde una inspección recupera más. Una parte sale por sorteo entre todos los "
        "abiertos, el mismo todo el día para todos: así se sabe qué se hallaría sin elegir. Los "
        "que alguien ya ha visitado no están. Cada uno con sus últimos 90 días."
    ),
    response_description="La lista",
    response_model=ListaDeHoy,
    responses=respuestas(503),
)
def hoy(
    recursos: Todo,
    anomalias: AnomaliasDep,
    presenta: Presenta,
    ahora: Ahora,
    visitas: Annotated[
        int, Query(ge=1, le=VISITAS_MAXIMAS, description="Visitas que caben hoy", examples=[10])
    ] = 10,
    explorar: Annotated[
        float,
        Query(ge=0, le=1, description="Qué parte sale por sorteo, de 0 a 1", examples=[0.1]),
    ] = 0.1,
) -> Response:
    """Return the cases to visit today, each with its customer's last days."""
    sorteados = round(visitas * explorar)
    casos = anomalias.cases.of_day(visitas, sorteados, ahora)
    fecha = presenta.fecha(ahora)
    desde = fecha - timedelta(days=DIAS_SERIE - 1)
    dias = _last_days(recursos, [caso.propietario_id for caso in casos], desde, fecha)
    elementos = [
        # All at once: to make a model of each of nine hundred days takes most of the answer.
        CasoDeHoy.model_validate(
            {
                **dict(caso),
                "serie": [
                    {"fecha": dia.fecha, "consumo_kwh": dia.consumo_kwh}
                    for dia in dias.get(caso.propietario_id, ())
                    if dia.lecturas >= HORAS_MINIMAS
                ],
            }
        )
        for caso in casos
    ]
    return responder(
        ListaDeHoy(fecha=fecha, visitas=visitas, sorteados=sorteados, elementos=elementos)
    )


def _last_days(
    recursos: Recursos, clientes: list[str], desde: date, hasta: date
) -> Mapping[str, list[CustomerDay]]:
    """Return the days of customers; nobody's are known without the history."""
    try:
        recursos.preparacion.check()
        return recursos.historico.cases.days(clientes, desde, hasta)
    except TransientError as error:
        log.warning("la lista de hoy va sin los días de los clientes: %s", error)
        return {}


@router.get(
    "/resumen",
    summary="Cuántos casos hay, lo que cabe recuperar, y por qué ha cambiado",
    description="Cómo están y cómo estaban hace 7 días; y lo que ha pasado entre tanto.",
    response_description="Las cifras",
    response_model=ResumenCasos,
    responses=respuestas(503),
)
def resumen_casos(anomalias: AnomaliasDep, ahora: Ahora) -> Response:
    """Return how many cases there are and why it moved."""
    return responder(anomalias.cases.summary(ahora))


@router.get(
    "/calendario",
    summary="Los casos abiertos, día a día",
    description="La peor severidad de cada día, y si estuvo bajo sospecha; hoy incluido. También "
    "los de clase inocente, si no se dice otra cosa.",
    response_description="Una fila por caso, primero donde más se recupera; los inocentes, detrás",
    response_model=CalendarioCasos,
    responses=respuestas(503),
)
def calendario(
    anomalias: AnomaliasDep,
    historico: Historico,
    presenta: Presenta,
    ahora: Ahora,
    dias: Annotated[
        int, Query(ge=1, le=DIAS_CALENDARIO, description="Cuántos días", examples=[60])
    ] = 60,
    limite: Annotated[int, tope(50, FILAS_MAXIMAS)] = 50,
    clase: Clase = "todos",
) -> Response:
    """Return open cases by day."""
    ultimo = presenta.fecha(ahora)
    fechas = [ultimo - timedelta(days=d) for d in range(dias - 1, -1, -1)]
    hallados = anomalias.cases.page(_ABIERTOS._replace(clase=clase), limite=limite).elementos
    casos = sorted(hallados, key=lambda caso: caso.inocente)
    hay = historico.cases.days([caso.propietario_id for caso in casos], fechas[0], ultimo)
    filas = [_lane(caso, fechas, hay.get(caso.propietario_id, [])) for caso in casos]
    return responder(CalendarioCasos(dias=fechas, filas=filas))


def _lane(caso: CasoResumen, fechas: list[date], hay: list[CustomerDay]) -> FilaCalendario:
    suyos = {dia.fecha: dia for dia in hay}
    return FilaCalendario(
        propietario_id=caso.propietario_id,
        caso_id=caso.id,
        tipo=caso.tipo,
        inocente=caso.inocente,
        inicio=caso.fecha_inicio,
        recuperable_eur=caso.recuperable_eur,
        severidades=[suyos[f].severidad if f in suyos else None for f in fechas],
        sospechoso=[f in suyos and suyos[f].es_sospechoso for f in fechas],
    )


@router.get(
    "/aciertos",
    summary="Con qué frecuencia se halla algo al ir a verlo, y cuánto rinde",
    description=(
        "De las visitas de las que se sabe qué había: en total, por tipo, por mes y por versión "
        "del modelo; y las que se hicieron por su puesto en la lista, junto a las del sorteo."
    ),
    response_description="Las tasas, con su intervalo",
    response_model=Aciertos,
    responses=respuestas(503),
)
def aciertos(
    anomalias: AnomaliasDep,
    desde: Annotated[
        DiaLocal | None, Query(description="Visitas de ese día o después", examples=["2026-01-01"])
    ] = None,
    hasta: Annotated[
        DiaLocal | None, Query(description="Visitas de ese día o antes", examples=["2026-11-30"])
    ] = None,
) -> Response:
    """Return how often visits found something."""
    if desde is not None and hasta is not None and hasta < desde:
        raise Invalida("hasta", "ha de ser posterior a «desde», o el mismo día")
    return responder(anomalias.cases.outcomes(desde, hasta))
