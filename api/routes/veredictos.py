"""Verdicts of people on anomalies: confirmed, discarded or open again, always with a reason."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Response

from api.comprobar import NO_EXISTE, check_cliente_sin_nada
from api.deps import Ahora, Analista, Anomalias, AuditorDep, Todo, Veredictos, tope
from api.errors import respuestas
from api.exportar import EN_FICHERO, ConSalida
from api.parametros import IdClienteOTodos
from api.presentacion import Presenta, responder
from api.routes.anomalias import IdAnomalia
from api.schemas_anomalias import (
    Cambio,
    Cambios,
    VeredictoDado,
    VeredictoPedido,
    VeredictosDados,
    VeredictosPedidos,
)

router = APIRouter(prefix="/api/anomalias", tags=["anomalías"])

VEREDICTOS_MAXIMOS = 500
IDS_ANOTADOS = 20
"""Anomalies named in one line of the audit; of the others their number. Each anomaly keeps its
own history."""


@router.post(
    "/{id_anomalia}/veredicto",
    summary="Confirmar o descartar una anomalía",
    description=(
        "O volver a abrirla. Queda en su historia, con quién, cuándo y por qué, y en la auditoría; "
        "el próximo entrenamiento lo aprende. Pide el rol analista."
    ),
    response_description="La anomalía, como está ahora",
    response_model=Cambio,
    responses=respuestas(401, 403, 404, 503, e404="No existe esa anomalía"),
)
def dar(
    veredictos: Veredictos,
    anomalias: Anomalias,
    presenta: Presenta,
    ahora: Ahora,
    auditor: AuditorDep,
    clave: Analista,
    id_anomalia: IdAnomalia,
    pedido: VeredictoPedido,
) -> Response:
    """Say what an anomaly is, and return it as it is now."""
    detalle = {"veredicto": pedido.veredicto, "motivo": pedido.motivo}
    with auditor.cambio("veredicto", f"anomalia {id_anomalia}", detalle):
        cambio = veredictos.dar(id_anomalia, pedido.veredicto, pedido.motivo, clave.nombre, ahora)
        if cambio is None:
            raise HTTPException(404, f"no existe la anomalía {id_anomalia}")
    anomalias.forget(cambio.anomalia.timestamp_consumo)
    return responder(Cambio.of(cambio, presenta))


@router.post(
    "/veredictos",
    summary="Confirmar o descartar varias anomalías",
    description=(
        "De 1 a 500 con un mismo motivo; las que no existan se dicen y las demás se cambian. "
        "Pide el rol analista."
    ),
    response_description="Las anomalías, como están ahora",
    response_model=Cambios,
    responses=respuestas(401, 403, 503),
)
def dar_varios(
    veredictos: Veredictos,
    anomalias: Anomalias,
    presenta: Presenta,
    ahora: Ahora,
    auditor: AuditorDep,
    clave: Analista,
    pedido: VeredictosPedidos,
) -> Response:
    """Say what several anomalies are, and return them as they are now."""
    ids = list(dict.fromkeys(pedido.ids))
    detalle = {
        "veredicto": pedido.veredicto, "motivo": pedido.motivo, "cuantas": len(ids),
        "ids": ids[:IDS_ANOTADOS],
    }  # fmt: skip
    with auditor.cambio("veredicto", f"{len(ids)} anomalias", detalle):
        cambios = veredictos.dar_varios(ids, pedido.veredicto, pedido.motivo, clave.nombre, ahora)
    for momento in {cambio.anomalia.timestamp_consumo for cambio in cambios.cambios}:
        anomalias.forget(momento)
    return responder(
        Cambios(
            cambiadas=[Cambio.of(cambio, presenta) for cambio in cambios.cambios],
            no_encontradas=cambios.no_encontradas,
        )
    )


@router.get(
    "/veredictos",
    summary="Los últimos veredictos",
    description="De cada anomalía el último que dio una persona, el más reciente primero.",
    response_description="Los veredictos",
    response_model=VeredictosDados,
    responses={**EN_FICHERO, **respuestas(404, 503, e404=NO_EXISTE)},
)
def ultimos(
    recursos: Todo,
    anomalias: Anomalias,
    presenta: Presenta,
    salida: ConSalida,
    propietario_id: IdClienteOTodos = None,
    limite: Annotated[int, tope(50, VEREDICTOS_MAXIMOS)] = 50,
) -> Response:
    """Return the latest verdicts of people."""
    filas = anomalias.ultimos_veredictos(limite, propietario_id)
    if not filas and propietario_id is not None:
        check_cliente_sin_nada(recursos, propietario_id)
    elementos = [VeredictoDado.of(fila, presenta) for fila in filas]
    if salida.es_fichero:
        return salida.rows("veredictos", VeredictoDado, [elementos])
    return responder(VeredictosDados(elementos=elementos))
