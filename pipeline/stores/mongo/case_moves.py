"""What people do with cases: who deals with one, what was said and found, and how it is undone.

A movement is one update of one document, and its history is in the same document. A verdict on a
case is one on all its hours (contract 11): the anomalies of its customer from its onset to its
last day, the archived ones too. It is written to the case first, so that what is left of its hours
when MongoDB goes away half way, and those that come later, are judged by ``judge_hours``, which the
night's work calls; it is taken back from the hours first, so that undoing can be asked for again.

A case and its hours are many documents: people and the night take turns
(``AuditoriaPostgres.turn``), and whoever has the turn looks at the case again. The consumer takes
no turn: an hour that it writes meanwhile is open, and judged by the night.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from detection.errors import TransientError
from pipeline.stores.case_changes import Cambios, put_back, to_millis
from pipeline.stores.case_records import (
    CONFIRMADO,
    DESCARTADO,
    JUZGADOS,
    AccionCaso,
    CasoDetalle,
    fields_of,
)
from pipeline.stores.mongo.anomalies import ABIERTA, ANOMALIAS, ARCHIVO, CONFIRMADA, DESCARTADA
from pipeline.stores.mongo.cases import CASOS, MOVIDO
from pipeline.stores.mongo.documents import now
from pipeline.stores.mongo.query_cases import hours_of_case
from pipeline.stores.mongo.query_documents import VEREDICTOS_MAXIMOS
from pipeline.stores.mongo.query_filter import ESTADOS, one_of
from pipeline.stores.mongo.query_lists import VEREDICTO
from pipeline.stores.mongo.reader import Documento, MongoReader
from pipeline.stores.mongo.reviews import DESHECHO, MOTIVO_MAXIMO
from pipeline.stores.query_limits import check_text
from serving.settings import Settings

MOVIMIENTOS_MAXIMOS = 200
"""Movements, and comments, that a case keeps, the latest ones."""
INTENTOS = 5
"""The detector may close or open a case again between our look at it and our update."""
DIAS_DESPUES = 30
"""A judged case is looked at for later hours until so many days after its last one."""
DE_CASO = {CONFIRMADO: CONFIRMADA, DESCARTADO: DESCARTADA}
"""What the hours of a judged case are."""
_LO_QUE_ERA = {"estado": 1, "veredictos.anotacion": 1, "veredictos.estado_anterior": 1}
COMENTARIOS, HISTORIAL, REVISION = "comentarios", "historial", "revision"


@dataclass(frozen=True, slots=True)
class CaseMove:
    """A movement as it is asked for."""

    accion: AccionCaso
    quien: str
    cuando: datetime  # aware
    anotacion: int  # its row of the audit
    # change: from a case as it is to the fields that it gets; None = as it is now, it is refused.
    change: Callable[[CasoDetalle], Cambios | None]
    texto: str | None = None
    deshace: int | None = None


@dataclass(frozen=True, slots=True)
class CaseMoved:
    """What a movement did."""

    caso: CasoDetalle
    hecho: bool  # False = refused
    horas: int = 0  # anomalies that were judged, or put back


class MongoCaseMoves:
    """Movements of cases; safe from many threads.

    Parameters
    ----------
    conexiones : int
        Threads that ask at a time, at most.
    al_cambiar : callable, optional
        Called after each movement.
    """

    def __init__(
        self,
        settings: Settings,
        conexiones: int = 4,
        al_cambiar: Callable[[], None] = lambda: None,
    ) -> None:
        self._lector = MongoReader(settings, "consumo movimientos", conexiones)
        self._al_cambiar = al_cambiar

    def look(self, id: str) -> CasoDetalle | None:
        """Return a case as it is now, asked of the server each time; None = there is none."""
        with self._lector.taken():
            doc = self._lector.base[CASOS].find_one({"_id": check_text(id)})
        return None if doc is None else self._case(doc)

    def _case(self, doc: Mapping[str, Any]) -> CasoDetalle:
        return CasoDetalle(**fields_of(doc, self._lector.presenta))

    def move(self, id: str, movimiento: CaseMove) -> CaseMoved | None:
        """Change a case, and its hours where it gets a verdict; None = there is no such case."""
        with self._changing():
            hecho = self._update(id, movimiento)
            if hecho is None or not hecho.hecho:
                return hecho
            dicho = hecho.caso.veredicto
            if dicho is None or dicho.anotacion != movimiento.anotacion:
                return hecho
            return replace(hecho, horas=self._judge(hecho.caso, ESTADOS))

    def undo(self, id: str, movimiento: CaseMove) -> CaseMoved | None:
        """Put back what the movement ``deshace`` changed, where nobody has moved it since.

        The hours that it judged go back to what they were, where nobody has judged them since.
        ``movimiento.change`` is not asked.
        """
        deshecha = movimiento.deshace or 0
        with self._changing():
            caso = self.look(id)
            if caso is None:
                return None
            cambios = put_back(caso, deshecha)
            if cambios is None:
                return CaseMoved(caso, False)
            horas = self._take_back(caso, deshecha, movimiento) if "veredicto" in cambios else 0
            de_vuelta = partial(put_back, anotacion=deshecha)
            hecho = self._update(id, replace(movimiento, change=de_vuelta))
            return None if hecho is None else replace(hecho, horas=horas)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._al_cambiar()

    def _update(self, id: str, movimiento: CaseMove) -> CaseMoved | None:
        coleccion = self._lector.base[CASOS]
        for _ in range(INTENTOS):
            with self._lector.taken():
                doc = coleccion.find_one({"_id": check_text(id)})
                if doc is None:
                    return None
                caso = self._case(doc)
                cambios = movimiento.change(caso)
                if cambios is None:
                    return CaseMoved(caso, False)
                filtro = {c: doc.get(c) for c in ("_id", "estado", "fecha_cierre", REVISION)}
                if coleccion.update_one(filtro, _as_update(doc, cambios, movimiento)).matched_count:
                    nuevo = coleccion.find_one({"_id": doc["_id"]}) or doc
                    return CaseMoved(self._case(nuevo), True)
        raise TransientError("el caso cambia mientras se guarda lo que se dice de él")

    # ---- Its hours ----

    def judge_hours(self, hoy: date, turno: Callable[[], AbstractContextManager[None]]) -> int:
        """Give the verdict of each judged case to its hours that nobody has judged; return them.

        Of cases whose last day is at most ``DIAS_DESPUES`` days ago.

        Parameters
        ----------
        hoy : date
            Local day.
        turno : callable
            Gives the turn of whoever judges, for a case each time.
        """
        desde = (hoy - timedelta(days=DIAS_DESPUES)).isoformat()
        hechas = 0
        for estado in JUZGADOS:
            filtro = {"estado": estado, "hasta": {"$gte": desde}}
            for doc in self._lector.find(CASOS, filtro, {"_id": 1}, [("_id", 1)], 0):
                with turno():
                    # Somebody may have taken it back since the list was read.
                    caso = self.look(doc["_id"])
                    if caso is not None:
                        hechas += self._judge(caso, (ABIERTA,))
        if hechas:
            self._al_cambiar()
        return hechas

    def _judge(self, caso: CasoDetalle, estados: tuple[str, ...]) -> int:
        """Give a case's verdict to its hours that are in one of some ``estados``."""
        dicho = caso.veredicto
        if dicho is None:
            return 0
        suyas = hours_of_case(caso, self._lector.presenta, until=dicho.cuando)
        queda = DE_CASO[dicho.veredicto]
        entero = {
            "estado": queda, "motivo": dicho.motivo[:MOTIVO_MAXIMO], "quien": dicho.quien,
            "cuando": dicho.cuando.astimezone(UTC), "anotacion": dicho.anotacion,
        }  # fmt: skip
        otras = [antes for antes in estados if antes != queda]
        return self._set_all(
            {**suyas, "estado": one_of(otras)},
            lambda hora: [str(hora["estado"])],
            lambda antes: ({**suyas, "estado": antes}, {**entero, "estado_anterior": antes}),
        )

    def _take_back(self, caso: CasoDetalle, deshecha: int, movimiento: CaseMove) -> int:
        """Put the hours that a verdict judged back, where nobody else has judged them since."""
        dicho = caso.veredicto
        if dicho is None:
            return 0
        # What undoing a later verdict wrote left them as this one had.
        propias = [deshecha, *(m.anotacion for m in caso.historial if m.deshace is not None)]
        ahora = DE_CASO[dicho.veredicto]
        entero = {
            "motivo": f"{DESHECHO}{dicho.motivo}"[:MOTIVO_MAXIMO], "quien": movimiento.quien,
            "cuando": movimiento.cuando.astimezone(UTC), "anotacion": movimiento.anotacion,
            "estado_anterior": ahora,
        }  # fmt: skip
        suyas = {
            "propietario_id": caso.propietario_id,
            "estado": ahora,
            "veredicto.anotacion": {"$in": propias},
        }

        def judged(antes: Any) -> Documento:
            dicho = {"anotacion": deshecha, "estado_anterior": antes}
            return {**suyas, "veredictos": {"$elemMatch": dicho}}

        return self._set_all(
            judged({"$ne": ahora}),
            lambda hora: [
                dicho["estado_anterior"]
                for dicho in hora["veredictos"]
                if dicho.get("anotacion") == deshecha
            ],
            lambda antes: (judged(antes), {**entero, "estado": antes}),
        )

    def _set_all(
        self,
        filtro: Documento,
        was: Callable[[Documento], list[str]],
        change: Callable[[str], tuple[Documento, Documento]],
    ) -> int:
        """Give hours a verdict and return how many there were.

        ``was``: what an hour was. ``change``: from one such estado to which hours those are, and
        what is said of them. Which there are is asked first: the embedded server looks at all of
        them twice before it says that there is none to change.
        """
        hechas = 0
        # In this order: what the archiver moves meanwhile is in one of them at least.
        for nombre in (ANOMALIAS, ARCHIVO, ANOMALIAS):
            with self._lector.taken():
                horas = list(self._lector.base[nombre].find(filtro, _LO_QUE_ERA))
            hay = {antes for hora in horas for antes in was(hora)}
            hechas += sum(self._set(nombre, *change(antes)) for antes in ESTADOS if antes in hay)
        return hechas

    def _set(self, nombre: str, filtro: Documento, entero: Documento) -> int:
        cambio = {"estado": entero["estado"], "veredicto": entero, VEREDICTO: entero["cuando"]}
        with self._lector.taken():
            hecho = self._lector.base[nombre].update_many(
                filtro,
                {
                    "$set": cambio,
                    "$push": {"veredictos": {"$each": [entero], "$slice": -VEREDICTOS_MAXIMOS}},
                },
            )
        return int(hecho.modified_count)

    def close(self) -> None:
        """Close every connection."""
        self._lector.close()


def _as_update(doc: Mapping[str, Any], cambios: Cambios, movimiento: CaseMove) -> Documento:
    """Return the update that makes a movement of a document."""
    cuando = to_millis(movimiento.cuando)
    anotado = {
        "anotacion": movimiento.anotacion, "accion": movimiento.accion, "quien": movimiento.quien,
        "cuando": cuando, "antes": {campo: doc.get(campo) for campo in cambios},
        "despues": cambios, "texto": movimiento.texto, "deshace": movimiento.deshace,
    }  # fmt: skip
    pone = {**cambios, REVISION: str(movimiento.anotacion), MOVIDO: now()}
    empuja: Documento = {HISTORIAL: {"$each": [anotado], "$slice": -MOVIMIENTOS_MAXIMOS}}
    if movimiento.accion == "comentario":
        dicho = {c: anotado[c] for c in ("anotacion", "quien", "cuando", "texto")}
        empuja[COMENTARIOS] = {"$each": [dicho], "$slice": -MOVIMIENTOS_MAXIMOS}
    quita = {}
    if movimiento.deshace is not None and _was_comment(doc, movimiento.deshace):
        quita = {"$pull": {COMENTARIOS: {"anotacion": movimiento.deshace}}}
    return {"$set": pone, "$push": empuja, **quita}


def _was_comment(doc: Mapping[str, Any], anotacion: int) -> bool:
    return any(uno["anotacion"] == anotacion for uno in doc.get(COMENTARIOS, ()))
