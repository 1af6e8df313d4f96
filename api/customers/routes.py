"""``/api/clientes``: who there is, who is suspicious and why, how they use energy."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response

from api.customers.schemas import PaginaClientes, PaginaSospechosos, Perfil
from api.deps import NO_EXISTE, Ahora, CursorPedido, Historico, Recursos, Todo, check_cliente, tope
from api.errors import respuestas
from api.exports import EN_FICHERO, ConSalida
from api.params import EntreFechas, Hasta, IdCliente, Intervalo, read_instante
from api.presentation import Presenta, responder
from detection.errors import TransientError
from pipeline.stores.customer_context import CAMPOS_CONTEXTO, ContextoCliente
from pipeline.stores.query_limits import PROPIETARIO_MAXIMO, Pagina
from pipeline.stores.records import ComparacionPares, EstadoCliente

log = logging.getLogger("api")
router = APIRouter(prefix="/api/clientes", tags=["clientes"])

CLIENTES_MAXIMOS = 500
CON_MOTIVOS = 50
"""Customers of a ranking whose reasons are given: as many as anybody reads."""
MOTIVOS = 3
DIAS_PARES = 35
HORA = timedelta(hours=1)

Orden = Literal["sospecha", "visita", "energia", "anomalias"]
_ORDEN_DEL_ALMACEN = {
    "sospecha": "evidencia", "visita": "visita", "energia": "kwh", "anomalias": "anomalias",
}  # fmt: skip


@router.get(
    "",
    summary="Buscar clientes",
    description=(
        "Primero los que empiezan por el texto y luego los que lo contienen; sin texto, todos por "
        "orden. Cada uno con su última lectura."
    ),
    response_description="Una página de clientes",
    response_model=PaginaClientes,
    responses={**EN_FICHERO, **respuestas(503)},
)
def buscar(
    historico: Historico,
    salida: ConSalida,
    buscar: Annotated[
        str,
        Query(
            max_length=PROPIETARIO_MAXIMO, description="Parte del nombre", examples=["CLI_00"],
            pattern=r"^[^\x00-\x1f\x7f]*$",
        ),
    ] = "",
    limite: Annotated[int, tope(20, CLIENTES_MAXIMOS)] = 20,
    cursor: CursorPedido = None,
) -> Response:  # fmt: skip
    """Return the customers whose name begins with a text, then those that contain it."""

    def pagina(donde: str | None, cuantos: int) -> Pagina[EstadoCliente]:
        nombres, siguiente = historico.customers.search(buscar, cuantos, donde)
        estados = historico.customers.states(nombres) if nombres else {}
        # One whose rows have just gone has no more than its name.
        return Pagina([estados.get(n) or EstadoCliente.nothing_of(n) for n in nombres], siguiente)

    return salida.page("clientes", PaginaClientes, pagina, cursor, limite, CLIENTES_MAXIMOS)


@router.get(
    "/ranking",
    summary="Los clientes más sospechosos",
    description=(
        "Primero los que tienen un caso abierto, el más probable primero. Los demás, por sus "
        "anomalías de los últimos 28 días que nadie ha juzgado; pesan más las graves y las "
        "recientes. Con los motivos y la energía en juego. Por visita: primero donde una "
        "inspección recupera más, la energía en juego por la probabilidad de que haya algo, y "
        "los que tienen un caso antes que los demás."
    ),
    response_description="Los clientes, el más sospechoso primero",
    response_model=PaginaSospechosos,
    responses={**EN_FICHERO, **respuestas(503)},
)
def ranking(
    recursos: Todo,
    ahora: Ahora,
    salida: ConSalida,
    orden: Annotated[
        Orden,
        Query(description="Por sospecha, por lo que rinde una visita, por energía o por anomalías"),
    ] = "sospecha",
    limite: Annotated[int, tope(10, CLIENTES_MAXIMOS)] = 10,
) -> Response:
    """Return the most suspicious customers."""
    return salida.answer("clientes_sospechosos", rank(recursos, ahora, orden, limite))


def rank(recursos: Recursos, ahora: datetime, orden: Orden, limite: int) -> PaginaSospechosos:
    """Return the most suspicious customers, the first first, with the reasons of the first 50."""
    filas = recursos.anomalias.ranking.first(limite, ahora, _ORDEN_DEL_ALMACEN[orden])
    nombres = [fila.propietario_id for fila in filas]
    motivos = recursos.anomalias.ranking.reasons(nombres[:CON_MOTIVOS], MOTIVOS, ahora)
    sospechosos = _suspicious_now(recursos, nombres) if nombres else {}
    elementos = []
    for fila, nombre in zip(filas, nombres, strict=True):
        # As of its latest reading, which its latest anomaly may be far behind.
        ahora_si = fila.caso is not None or sospechosos.get(nombre, fila.es_sospechoso)
        suyos = [*fila.motivos, *motivos.get(nombre, [])][:MOTIVOS]
        mas = {"es_sospechoso": ahora_si, "motivos": suyos}
        elementos.append(fila.model_copy(update=mas))
    return PaginaSospechosos(elementos=elementos)


def _suspicious_now(recursos: Recursos, nombres: list[str]) -> dict[str, bool]:
    """Return who is under suspicion at its latest reading; nobody is known without the history."""
    try:
        recursos.preparacion.check()
        estados = recursos.historico.customers.states(nombres)
    except TransientError as error:
        log.warning("el orden por sospecha va sin el histórico: %s", error)
        return {}
    return {nombre: bool(estado.es_sospechoso) for nombre, estado in estados.items()}


@router.get(
    "/{propietario_id:path}/perfil",
    summary="Cómo consume un cliente a lo largo del día",
    description=(
        "Lo habitual a cada hora con su banda, en laborables y en fin de semana; y sus últimos 7 "
        "días frente a los 28 anteriores y frente a los demás clientes."
    ),
    response_description="El perfil",
    response_model=Perfil,
    responses=respuestas(404, 503, e404=NO_EXISTE),
)
def perfil(
    historico: Historico,
    presenta: Presenta,
    propietario_id: IdCliente,
    hasta: Hasta = None,
) -> Response:
    """Return a customer's profile, up to its latest reading if not said."""
    if hasta is None:
        ultimas = historico.readings.latest(propietario_id, 1)
        check_cliente(historico, propietario_id, ultimas)
        fin = ultimas[0].timestamp_consumo + HORA
    else:
        check_cliente(historico, propietario_id)
        fin = read_instante(hasta, presenta, "hasta", fin_de_dia=True)
    return responder(
        Perfil(
            propietario_id=propietario_id,
            hasta=presenta.hora(fin),
            franjas=historico.customers.profile(propietario_id, fin),
            **historico.peers.profile(propietario_id, fin)._asdict(),
        )
    )


@router.get(
    "/{propietario_id:path}/pares",
    summary="Un cliente hora a hora, junto a los demás",
    description=f"Los demás van llevados a la media de este; {DIAS_PARES} días como mucho.",
    response_description="Las dos series y su correlación",
    response_model=ComparacionPares,
    responses=respuestas(404, 503, e404=NO_EXISTE),
)
def pares(
    historico: Historico,
    intervalo: Annotated[Intervalo, Depends(EntreFechas(7, DIAS_PARES))],
    propietario_id: IdCliente,
) -> Response:
    """Return a customer's hours beside those of others."""
    juntos = historico.peers.hours(propietario_id, intervalo.desde, intervalo.hasta)
    check_cliente(historico, propietario_id, juntos.elementos)
    return responder(juntos)


@router.get(
    "/{propietario_id:path}/contexto",
    summary="Lo que se sabe de un cliente además de sus lecturas",
    description="Lo que ha dado «consumo contexto»; lo que no se sabe, nulo.",
    response_description="Lo que se sabe",
    response_model=ContextoCliente,
    responses=respuestas(404, 503, e404=NO_EXISTE),
)
def contexto(historico: Historico, propietario_id: IdCliente) -> Response:
    """Return what the utility knows of a customer."""
    sabido = historico.context.of([propietario_id]).get(propietario_id)
    if sabido is None:
        check_cliente(historico, propietario_id)
        nada: dict[str, Any] = dict.fromkeys(CAMPOS_CONTEXTO)
        sabido = ContextoCliente(propietario_id=propietario_id, **nada)
    return responder(sabido)
