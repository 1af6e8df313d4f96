"""Verdicts of people on anomalies: confirmed, discarded or open again, always with a reason.

One at a time takes effect, in all processes of the API together, and in the order of its row of
the audit: which of two on one anomaly stands is the one with the higher number.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Response

from api.anomalies.routes import IdAnomalia
from api.anomalies.schemas import (
    CambiosDeVeredicto,
    PaginaVeredictos,
    VeredictoPedido,
    VeredictosPedidos,
)
from api.deps import (
    NO_EXISTE,
    Ahora,
    Analista,
    AnomaliasDep,
    AuditorDep,
    Todo,
    check_cliente_sin_nada,
    tope,
)
from api.errors import respuestas
from api.exports import EN_FICHERO, ConSalida
from api.params import IdClienteOTodos
from api.presentation import responder
from detection.errors import TransientError
from pipeline.stores.anomaly_records import (
    Anomalia,
    CambiosVeredicto,
    CambioVeredicto,
)

log = logging.getLogger("api")

router = APIRouter(prefix="/api/anomalias", tags=["anomalías"])

VEREDICTOS_MAXIMOS = 500
NOMBRADAS = 5
"""Anomalies named in the text of an error."""
_VEREDICTO, _DESHACER = "veredicto", "deshacer"
_NADA_QUE_DESHACER = "no queda nada que deshacer: ya está deshecho, o se han juzgado después"


class Juez:
    """Gives verdicts and takes them back: one at a time, written down before they take effect.

    ``clave``: of whoever judges.
    """

    def __init__(self, recursos: Todo, auditor: AuditorDep, clave: Analista, ahora: Ahora) -> None:
        self._recursos = recursos
        self._auditor = auditor
        self._quien = clave.nombre
        self._ahora = ahora

    def give(
        self, objeto: str, ids: Sequence[str], pedido: VeredictoPedido | VeredictosPedidos,
        revisiones: Mapping[str, str],
    ) -> tuple[int, CambiosVeredicto]:  # fmt: skip
        """Give a verdict and return its row of the audit and what it did.

        ``HTTPException``: 404 or 409: it did nothing at all.
        """
        with self._recursos.auditoria.turn():
            hay = self._recursos.veredictos.look(ids)
            vigentes = [a for a in hay if revisiones.get(a.id, a.revision) == a.revision]
            detalle = {
                "veredicto": pedido.veredicto, "motivo": pedido.motivo,
                "anomalias": [_replaced(a) for a in vigentes],
                **_left_out(ids, hay, vigentes),
            }  # fmt: skip

            def change(numero: int) -> CambiosVeredicto:
                hecho = self._recursos.veredictos.dar_varios(
                    ids, pedido.veredicto, pedido.motivo, self._quien, self._ahora,
                    revisiones=revisiones, anotacion=numero,
                )  # fmt: skip
                if not hecho.cambios and hecho.rechazadas:
                    raise HTTPException(409, self._as_they_are(hecho.rechazadas))
                if not hecho.cambios:
                    raise HTTPException(404, _none_of(ids))
                return hecho

            return self._carry_out(_VEREDICTO, objeto, detalle, change)

    def undo(self, deshecha: int) -> tuple[int, CambiosVeredicto]:
        """Put back what a verdict changed and return the audit's row and what was put back.

        ``HTTPException``: 404: there is no such verdict; 409: all of it has been judged again
        since.
        """
        self._recursos.preparacion.check()
        fila = self._recursos.auditoria.read(deshecha)
        if fila is None or fila.accion != _VEREDICTO or "anomalias" not in fila.detalle:
            raise HTTPException(404, f"no hay ningún veredicto con el número {deshecha}")
        ids = [una["id"] for una in fila.detalle["anomalias"]]
        with self._recursos.auditoria.turn():
            hay = self._recursos.veredictos.look(ids) if ids else []
            suyas = [a for a in hay if a.veredicto and a.veredicto.anotacion == deshecha]
            detalle = {
                "deshace": deshecha,
                "anomalias": [
                    {**_replaced(a), "estado": a.veredicto.estado_anterior}
                    for a in suyas if a.veredicto
                ],
                **_left_out(ids, hay, suyas),
            }  # fmt: skip

            def change(numero: int) -> CambiosVeredicto:
                if not suyas:
                    raise HTTPException(409, _NADA_QUE_DESHACER)
                hecho = self._recursos.veredictos.deshacer(
                    ids, deshecha, self._quien, self._ahora, numero
                )
                if not hecho.cambios:
                    raise HTTPException(409, _NADA_QUE_DESHACER)
                return hecho

            return self._carry_out(_DESHACER, f"veredicto {deshecha}", detalle, change)

    def _carry_out(
        self, accion: str, objeto: str, detalle: Mapping[str, Any],
        change: Callable[[int], CambiosVeredicto],
    ) -> tuple[int, CambiosVeredicto]:  # fmt: skip
        """Write down what ``change`` is about to do, do it, and write down what did not happen."""
        with self._auditor.cambio(accion, objeto, detalle) as numero:
            hecho = change(numero)
        # A correction or the archive may have come in between, or MongoDB gone away: what was
        # announced did not happen.
        cambiadas = {cambio.anomalia.id for cambio in hecho.cambios}
        sin_hacer = [una["id"] for una in detalle["anomalias"] if una["id"] not in cambiadas]
        if sin_hacer:
            try:
                self._auditor.note(accion, objeto, {"fallo": f"de la {numero}", "ids": sin_hacer})
            except TransientError as error:
                # The others are judged: whoever asked for it is to learn that, and their number.
                log.error("no se pudo anotar lo que la %d no hizo: %s", numero, error)
        return numero, hecho

    def _as_they_are(self, filas: Sequence[Anomalia]) -> str:
        """Return why anomalies are not judged: they are no longer as they were seen."""
        nombres = "; ".join(self._as_it_is(fila) for fila in filas[:NOMBRADAS])
        mas = f"; y {len(filas) - NOMBRADAS} más" if len(filas) > NOMBRADAS else ""
        return f"ha cambiado desde que se mostró, y no se ha tocado: {nombres}{mas}"

    def _as_it_is(self, anomalia: Anomalia) -> str:
        """Return an anomaly as a person would name it, with what it is now."""
        cuando = f"{anomalia.timestamp_consumo:%d/%m/%Y %H:%M}"
        dicho = anomalia.veredicto
        por = f" por {dicho.quien} («{dicho.motivo}»)" if dicho is not None else ""
        return f"{anomalia.propietario_id} del {cuando}, ahora {anomalia.estado}{por}"


ConJuez = Annotated[Juez, Depends(Juez)]


def _replaced(anomalia: Anomalia) -> dict[str, Any]:
    """Return what a verdict takes the place of, for the audit."""
    dicho = anomalia.veredicto
    antes: dict[str, Any] = {"id": anomalia.id, "estado_anterior": anomalia.estado}
    if dicho is not None:
        antes["quien_anterior"] = dicho.quien
        antes["anotacion_anterior"] = dicho.anotacion
    return antes


def _left_out(
    ids: Sequence[str], hay: Sequence[Anomalia], vigentes: Sequence[Anomalia]
) -> dict[str, Any]:
    """Return what a verdict is not given to, for the audit; nothing if there is nothing."""
    halladas, juzgadas = {a.id for a in hay}, {a.id for a in vigentes}
    fuera = {
        "rechazadas": [a.id for a in hay if a.id not in juzgadas],
        "no_encontradas": [uno for uno in ids if uno.lower() not in halladas],
    }
    return {nombre: cuales for nombre, cuales in fuera.items() if cuales}


def _none_of(ids: Sequence[str]) -> str:
    """Return that there is none of some anomalies."""
    if len(ids) == 1:
        return f"no existe la anomalía {ids[0]}"
    return f"no existe ninguna de esas {len(ids)} anomalías"


def _as_told(numero: int, hecho: CambiosVeredicto) -> Response:
    return responder(
        CambiosDeVeredicto(
            anotacion=numero,
            cambiadas=hecho.cambios,
            no_encontradas=hecho.no_encontradas,
            rechazadas=hecho.rechazadas,
            sin_hacer=hecho.sin_hacer,
        )
    )


_CAMBIO = "Ha cambiado desde que se vio; dice cómo está ahora"


@router.post(
    "/{id_anomalia}/veredicto",
    summary="Confirmar o descartar una anomalía",
    description=(
        "O volver a abrirla. Queda en su historia, con quién, cuándo y por qué, y en la auditoría; "
        "el próximo entrenamiento lo aprende. Con «revision», solo si sigue como se vio. Pide el "
        "rol analista."
    ),
    response_description="La anomalía, como está ahora",
    response_model=CambioVeredicto,
    responses=respuestas(401, 403, 404, 409, 503, e404="No existe esa anomalía", e409=_CAMBIO),
)
def dar(juez: ConJuez, id_anomalia: IdAnomalia, pedido: VeredictoPedido) -> Response:
    """Say what an anomaly is, and return it as it is now."""
    revisiones = {} if pedido.revision is None else {id_anomalia.lower(): pedido.revision}
    _, hecho = juez.give(f"anomalia {id_anomalia}", [id_anomalia], pedido, revisiones)
    return responder(hecho.cambios[0])


@router.post(
    "/veredictos",
    summary="Confirmar o descartar varias anomalías",
    description=(
        "De 1 a 500 con un mismo motivo; las que no existan, o ya no sean como se vieron, se dicen "
        "y las demás se cambian. Si MongoDB deja de responder a medias, se dicen las que faltan. "
        "Pide el rol analista."
    ),
    response_description="Las anomalías, como están ahora",
    response_model=CambiosDeVeredicto,
    responses=respuestas(401, 403, 404, 409, 503, e404="No existe ninguna de ellas", e409=_CAMBIO),
)
def dar_varios(juez: ConJuez, pedido: VeredictosPedidos) -> Response:
    """Say what several anomalies are, and return them as they are now."""
    vistas = dict(zip(map(str.lower, pedido.ids), pedido.revisiones or (), strict=False))
    ids = list(dict.fromkeys(pedido.ids))
    return _as_told(*juez.give(f"{len(ids)} anomalias", ids, pedido, vistas))


@router.post(
    "/veredictos/{anotacion}/deshacer",
    summary="Deshacer un veredicto",
    description=(
        "Cada anomalía que cambió vuelve a como estaba, salvo que alguien la haya juzgado "
        "después. Queda en la auditoría y en su historia. Pide el rol analista."
    ),
    response_description="Las anomalías, como están ahora",
    response_model=CambiosDeVeredicto,
    responses=respuestas(
        401, 403, 404, 409, 503, e404="No existe ese veredicto", e409="No queda nada que deshacer"
    ),
)
def deshacer(
    juez: ConJuez,
    anotacion: Annotated[
        int, Path(ge=1, le=2**63 - 1, description="Su número en la auditoría", examples=[17])
    ],
) -> Response:
    """Take a verdict back, and return the anomalies as they are now."""
    return _as_told(*juez.undo(anotacion))


@router.get(
    "/veredictos",
    summary="Los últimos veredictos",
    description="De cada anomalía el último que dio una persona, el más reciente primero.",
    response_description="Los veredictos",
    response_model=PaginaVeredictos,
    responses={**EN_FICHERO, **respuestas(404, 503, e404=NO_EXISTE)},
)
def ultimos(
    recursos: Todo,
    anomalias: AnomaliasDep,
    salida: ConSalida,
    propietario_id: IdClienteOTodos = None,
    limite: Annotated[int, tope(50, VEREDICTOS_MAXIMOS)] = 50,
) -> Response:
    """Return the latest verdicts of people."""
    filas = anomalias.lists.latest_reviews(limite, propietario_id)
    if not filas and propietario_id is not None:
        check_cliente_sin_nada(recursos, propietario_id)
    return salida.answer("veredictos", PaginaVeredictos(elementos=filas))
