"""What people do with cases: assign, comment, visit, judge, say what was found, undo.

One at a time takes effect, in all processes of the API together, and in the order of its row of
the audit, as with verdicts on anomalies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Response
from pydantic import BaseModel

from api.cases.params import IdCaso
from api.cases.schemas import (
    AsignacionPedida,
    CambioCaso,
    ComentarioPedido,
    DeshacerPedido,
    ResultadoPedido,
    VeredictoCasoPedido,
    VisitaPedida,
)
from api.deps import Ahora, Analista, AuditorDep, Todo
from api.errors import Invalida, respuestas
from api.presentation import Presenta, responder
from api.system.people import ROL_DE_PERSONAS
from pipeline.stores.case_changes import Cambios, assign, find, judge, visit
from pipeline.stores.case_records import AccionCaso, CasoDetalle
from pipeline.stores.mongo.case_moves import CaseMove, CaseMoved

router = APIRouter(prefix="/api/casos", tags=["casos"])

AUDITADO: dict[AccionCaso, str] = {
    "asignacion": "caso_asignacion", "comentario": "caso_comentario", "visita": "caso_visita",
    "veredicto": "caso_veredicto", "resultado": "caso_resultado", "deshacer": "caso_deshacer",
}  # fmt: skip
"""What the audit calls each."""
DIAS_DE_VISITA = timedelta(days=366)
"""A visit is planned, or entered afterwards, within a year."""
_NADA_QUE_DESHACER = "no queda nada que deshacer: ya está deshecho, o se ha cambiado después"


class CaseMover:
    """Moves cases: one at a time, written down before it takes effect.

    ``clave``: of whoever moves them.
    """

    def __init__(self, recursos: Todo, auditor: AuditorDep, clave: Analista, ahora: Ahora) -> None:
        self._recursos = recursos
        self._auditor = auditor
        self.quien = clave.nombre
        self.ahora = ahora

    def move(
        self,
        id: str,
        accion: AccionCaso,
        pedido: BaseModel,
        change: Callable[[CasoDetalle, int], Cambios],
        texto: str | None = None,
    ) -> Response:
        """Change a case and return what came of it.

        ``change``: from the case and the audit's row to the fields that it gets.
        ``HTTPException``: 404: there is no such case; 409: it is no longer as it was seen.
        """
        vista = getattr(pedido, "revision", None)

        def carry_out(numero: int) -> CaseMoved:
            def allowed(caso: CasoDetalle) -> Cambios | None:
                return change(caso, numero) if vista in {None, caso.revision} else None

            hecho = self._recursos.casos.move(
                id, CaseMove(accion, self.quien, self.ahora, numero, allowed, texto)
            )
            return self._checked(id, hecho, _as_it_is)

        return self._noted(id, accion, pedido.model_dump(mode="json"), carry_out)

    def undo(self, id: str, deshecha: int) -> Response:
        """Put back what a movement changed and return what came of it.

        ``HTTPException``: 404: there is no such movement; 409: it was undone or changed since.
        """
        caso = self._recursos.casos.look(id)
        hechos = () if caso is None else caso.historial
        uno = next((m for m in hechos if m.anotacion == deshecha), None)
        if caso is not None and (uno is None or uno.accion == "deshacer"):
            raise HTTPException(404, f"no hay ningún cambio de ese caso con el número {deshecha}")

        def carry_out(numero: int) -> CaseMoved:
            movimiento = CaseMove(
                "deshacer", self.quien, self.ahora, numero, lambda _: None, deshace=deshecha
            )
            hecho = self._recursos.casos.undo(id, movimiento)
            return self._checked(id, hecho, lambda _: _NADA_QUE_DESHACER)

        return self._noted(id, "deshacer", {"deshace": deshecha}, carry_out)

    def _noted(
        self, id: str, accion: AccionCaso, pedido: Mapping[str, Any],
        carry_out: Callable[[int], CaseMoved],
    ) -> Response:  # fmt: skip
        """Write down what is about to be done, and what it takes the place of, and do it."""
        self._recursos.preparacion.check()
        with self._recursos.auditoria.turn():
            caso = self._recursos.casos.look(id)
            detalle = {**pedido, **({} if caso is None else {"antes": _replaced(caso)})}
            with self._auditor.cambio(AUDITADO[accion], f"caso {id}", detalle) as numero:
                hecho = carry_out(numero)
        return responder(CambioCaso(anotacion=numero, caso=hecho.caso, horas=hecho.horas))

    @staticmethod
    def _checked(
        id: str, hecho: CaseMoved | None, reason: Callable[[CasoDetalle], str]
    ) -> CaseMoved:
        if hecho is None:
            raise HTTPException(404, f"no existe el caso {id}")
        if not hecho.hecho:
            raise HTTPException(409, reason(hecho.caso))
        return hecho


def _replaced(caso: CasoDetalle) -> dict[str, Any]:
    """Return what a movement finds, for the audit."""
    dicho = caso.veredicto
    return {
        "estado": caso.estado,
        "asignado_a": caso.asignado_a,
        "revision": caso.revision,
        "veredicto": None if dicho is None else dicho.anotacion,
    }


def _as_it_is(caso: CasoDetalle) -> str:
    """Return why a case is not touched: it is no longer as it was seen."""
    ultimo = caso.historial[-1] if caso.historial else None
    por = ""
    if ultimo is not None:
        por = f" por {ultimo.quien}" + (f" («{ultimo.texto}»)" if ultimo.texto else "")
    return f"ha cambiado desde que se mostró, y no se ha tocado: ahora está {caso.estado}{por}"


ConCasos = Annotated[CaseMover, Depends(CaseMover)]
_CAMBIO = "Ha cambiado desde que se vio; dice cómo está ahora"
_RESPUESTAS = respuestas(401, 403, 404, 409, 503, e404="No existe ese caso", e409=_CAMBIO)
_EL_CASO = "El caso, como está ahora"


@router.post(
    "/{id_caso:caso}/asignacion",
    summary="Decir quién lleva un caso",
    description="O que ya no lo lleva nadie. Pide el rol analista.",
    response_description=_EL_CASO,
    response_model=CambioCaso,
    responses=_RESPUESTAS,
)
def asignar(recursos: Todo, casos: ConCasos, id_caso: IdCaso, pedido: AsignacionPedida) -> Response:
    """Say who deals with a case."""
    nombre = pedido.asignado_a
    if nombre is not None and nombre not in recursos.claves.able(ROL_DE_PERSONAS):
        raise Invalida("asignado_a", "no es ninguno de los nombres de /api/personas")
    return casos.move(
        id_caso, "asignacion", pedido,
        lambda caso, _: assign(caso, nombre, sorteo=pedido.sorteo),
    )  # fmt: skip


@router.post(
    "/{id_caso:caso}/comentarios",
    summary="Comentar un caso",
    description="Pide el rol analista.",
    response_description=_EL_CASO,
    response_model=CambioCaso,
    responses=respuestas(401, 403, 404, 409, 503, e404="No existe ese caso", e409=_CAMBIO),
)
def comentar(casos: ConCasos, id_caso: IdCaso, pedido: ComentarioPedido) -> Response:
    """Add a comment to a case."""
    return casos.move(id_caso, "comentario", pedido, lambda _caso, _: {}, pedido.texto)


@router.post(
    "/{id_caso:caso}/visita",
    summary="Anotar una visita",
    description="La que se hará o la que se ha hecho. Pide el rol analista.",
    response_description=_EL_CASO,
    response_model=CambioCaso,
    responses=_RESPUESTAS,
)
def visitar(casos: ConCasos, presenta: Presenta, id_caso: IdCaso, pedido: VisitaPedida) -> Response:
    """Note a visit to the customer of a case."""
    hoy = presenta.fecha(casos.ahora)
    if not hoy - DIAS_DE_VISITA <= pedido.fecha <= hoy + DIAS_DE_VISITA:
        raise Invalida("fecha", "ha de estar a menos de un año de hoy")
    return casos.move(
        id_caso, "visita", pedido,
        lambda caso, _: visit(caso, pedido.fecha, casos.quien, sorteo=pedido.sorteo),
    )  # fmt: skip


@router.post(
    "/{id_caso:caso}/veredicto",
    summary="Confirmar o descartar un caso",
    description=(
        "Y con él todas sus horas: las anomalías del cliente desde que empezó hasta que acabó, o "
        "hasta ahora si sigue, también las archivadas; las que lleguen después las juzga el "
        "trabajo de la noche. El próximo entrenamiento lo aprende. Con «revision», solo si sigue "
        "como se vio. Pide el rol analista."
    ),
    response_description=_EL_CASO,
    response_model=CambioCaso,
    responses=_RESPUESTAS,
)
def juzgar(casos: ConCasos, id_caso: IdCaso, pedido: VeredictoCasoPedido) -> Response:
    """Say what a case is."""
    return casos.move(
        id_caso, "veredicto", pedido,
        lambda _caso, numero: judge(
            pedido.veredicto, pedido.motivo, casos.quien, casos.ahora, numero
        ),
        pedido.motivo,
    )  # fmt: skip


@router.post(
    "/{id_caso:caso}/resultado",
    summary="Decir qué se halló",
    description=(
        "Si nadie ha dado un veredicto, lo da: hallado = confirmado, no hallado = descartado; y si "
        "no hay visita anotada, anota la de hoy. Pide el rol analista."
    ),
    response_description=_EL_CASO,
    response_model=CambioCaso,
    responses=_RESPUESTAS,
)
def hallar(
    casos: ConCasos, presenta: Presenta, id_caso: IdCaso, pedido: ResultadoPedido
) -> Response:
    """Say what a visit found."""
    hoy: date = presenta.fecha(casos.ahora)
    suyo = pedido.model_dump(exclude={"revision", "sorteo"})
    change = partial(
        find, resultado=suyo, quien=casos.quien, cuando=casos.ahora, hoy=hoy, sorteo=pedido.sorteo
    )
    return casos.move(
        id_caso, "resultado", pedido,
        lambda caso, numero: change(caso, anotacion=numero), pedido.texto,
    )  # fmt: skip


@router.post(
    "/{id_caso:caso}/deshacer",
    summary="Deshacer un cambio de un caso",
    description=(
        "Lo que cambió vuelve a como estaba, también las horas de un veredicto, salvo las que "
        "alguien haya juzgado después. Un caso que estaba descartado y sigue, el detector lo sigue "
        "otra vez. Pide el rol analista."
    ),
    response_description=_EL_CASO,
    response_model=CambioCaso,
    responses=respuestas(
        401, 403, 404, 409, 503,
        e404="No existe ese caso, o ese cambio", e409="No queda nada que deshacer",
    ),
)  # fmt: skip
def deshacer_cambio(casos: ConCasos, id_caso: IdCaso, pedido: DeshacerPedido) -> Response:
    """Take back what was done with a case."""
    return casos.undo(id_caso, pedido.anotacion)
