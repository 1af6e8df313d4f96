"""What people say of anomalies: confirmed, rejected, or open again, with a reason and a name.

A verdict is one update of one document, and its history is in the same document: of two at once
the last one stands, and both are in the history, in the order in which they took effect.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from detection.errors import TransientError
from pipeline.stores.anomaly_records import (
    Anomalia,
    CambiosVeredicto,
    CambioVeredicto,
)
from pipeline.stores.mongo.anomalies import ANOMALIAS, ARCHIVO
from pipeline.stores.mongo.chunks import find_ids
from pipeline.stores.mongo.query_documents import (
    SIN_LO_LARGO,
    VEREDICTOS_MAXIMOS,
    anomaly,
    parse_id,
)
from pipeline.stores.mongo.query_filter import ESTADOS
from pipeline.stores.mongo.query_lists import VEREDICTO
from pipeline.stores.mongo.reader import MongoReader
from pipeline.stores.query_limits import (
    ConsultaInvalidaError,
    check_text,
    check_words,
    distinct,
)
from serving.settings import Settings

log = logging.getLogger(__name__)

MOTIVO_MAXIMO = 500
QUIEN_MAXIMO = 100
"""Characters."""
ANOMALIAS_A_LA_VEZ = 500
DESHECHO = "Deshecho: "
"""What the reason of a verdict that was undone begins with in the history."""
_JUZGADO = ("estado", "severidad", "score_anomalia", "consumo_kwh", VEREDICTO)
"""What a verdict is given on: it is stored only where these are still the same."""
INTENTOS = 40
"""Others who judge the same anomaly between our look at it and our verdict, in a row."""
PAUSA_S = 0.005
"""Longest pause after the first of them, and so much longer after each: about a journaled write.
By hand, 2026-11-30."""


class VeredictosMongo:
    """Verdicts on anomalies, live ones and archived ones; safe from many threads.

    Parameters
    ----------
    conexiones : int
        Threads that ask at a time, at most.
    al_cambiar : callable, optional
        Called after each anomaly that was judged.
    reloj : callable, optional
        The time, aware.
    """

    def __init__(
        self,
        settings: Settings,
        conexiones: int = 4,
        al_cambiar: Callable[[], None] | None = None,
        reloj: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._lector = MongoReader(settings, "consumo veredictos", conexiones)
        self._al_cambiar = al_cambiar
        self._reloj = reloj

    def look(self, ids: Sequence[str]) -> list[Anomalia]:
        """Return anomalies as they are now, in the order of their ids; what is not there is not.

        Asked of the server each time: what somebody is about to judge is never a memory.
        """
        pedidas = [parse_id(uno) for uno in distinct(ids, ANOMALIAS_A_LA_VEZ)]
        hay: dict[ObjectId, Anomalia] = {}
        with self._lector.taken():
            # The live ones once more: what was on its way out of the archive is there by now.
            for nombre in (ANOMALIAS, ARCHIVO, ANOMALIAS):
                faltan = [uno for uno in pedidas if uno not in hay]
                for doc in find_ids(self._lector.base[nombre], faltan, SIN_LO_LARGO):
                    hay[doc["_id"]] = anomaly(doc, nombre == ARCHIVO, self._lector.presenta)
        return [hay[uno] for uno in pedidas if uno in hay]

    def dar_varios(
        self,
        ids: Sequence[str],
        estado: str,
        motivo: str,
        quien: str,
        cuando: datetime | None = None,
        *,
        revisiones: Mapping[str, str] | None = None,
        anotacion: int | None = None,
    ) -> CambiosVeredicto:
        """Give anomalies a verdict, one after the other.

        Should MongoDB go away half way, those before have theirs and the others are ``sin_hacer``;
        giving it again does no harm.

        Parameters
        ----------
        estado : str
            "confirmada", "descartada", or "abierta" to take a verdict back.
        motivo : str
            Why, up to ``MOTIVO_MAXIMO`` characters.
        quien : str
            Who says so, up to ``QUIEN_MAXIMO`` characters.
        cuando : datetime, optional
            When, aware; now if not given.
        revisiones : mapping, optional
            ``Anomalia.revision`` of each id as it was seen: what has changed since is not judged.
        anotacion : int, optional
            The row of the audit that says so.
        """
        _check_verdict(estado, motivo, quien)
        vistas = revisiones or {}

        def judge(anomalia: Anomalia) -> dict[str, Any] | None:
            if vistas.get(anomalia.id, anomalia.revision) != anomalia.revision:
                return None
            return {"estado": estado, "motivo": motivo}

        return self._give_all(ids, judge, quien, cuando, anotacion)

    def deshacer(
        self,
        ids: Sequence[str],
        deshecha: int,
        quien: str,
        cuando: datetime | None = None,
        anotacion: int | None = None,
    ) -> CambiosVeredicto:
        """Put back what a verdict changed, where nobody has judged since.

        Parameters
        ----------
        ids : sequence of str
            Those that it was given to.
        deshecha : int
            Its row of the audit.
        quien, cuando, anotacion
            As in ``dar_varios``.
        """

        def judge(anomalia: Anomalia) -> dict[str, Any] | None:
            dicho = anomalia.veredicto
            if dicho is None or dicho.anotacion != deshecha:
                return None
            motivo = f"{DESHECHO}{dicho.motivo}"[:MOTIVO_MAXIMO]
            return {"estado": dicho.estado_anterior, "motivo": motivo}

        return self._give_all(ids, judge, quien, cuando, anotacion)

    def _give_all(
        self,
        ids: Sequence[str],
        judge: Callable[[Anomalia], dict[str, Any] | None],
        quien: str,
        cuando: datetime | None,
        anotacion: int | None,
    ) -> CambiosVeredicto:
        """Give each anomaly the estado and motivo that ``judge`` finds for it; None = none."""
        dado = {
            "quien": quien,
            "cuando": _to_millis(cuando or self._reloj()),
            "anotacion": anotacion,
        }
        hecho = CambiosVeredicto([], [], [], [])
        todas = [parse_id(uno) for uno in distinct(ids, ANOMALIAS_A_LA_VEZ)]
        for i, uno in enumerate(todas):
            try:
                with self._lector.taken():
                    cambio = self._give(uno, judge, dado)
            except TransientError as error:
                if not hecho.cambios:
                    raise
                log.warning("un veredicto se ha quedado a medias: %s", error)
                hecho.sin_hacer.extend(map(str, todas[i:]))
                break
            if cambio is None:
                hecho.no_encontradas.append(str(uno))
            elif isinstance(cambio, Anomalia):
                hecho.rechazadas.append(cambio)
            else:
                hecho.cambios.append(cambio)
                if self._al_cambiar is not None:
                    self._al_cambiar()
        return hecho

    def _give(
        self,
        uno: ObjectId,
        judge: Callable[[Anomalia], dict[str, Any] | None],
        dado: Mapping[str, Any],
    ) -> CambioVeredicto | Anomalia | None:
        # The live ones once more: what was on its way out of the archive is there by now.
        for nombre in (ANOMALIAS, ARCHIVO, ANOMALIAS):
            cambio = self._give_in(nombre, uno, judge, dado)
            if cambio is not None:
                return cambio
        return None

    def _give_in(
        self,
        nombre: str,
        uno: ObjectId,
        judge: Callable[[Anomalia], dict[str, Any] | None],
        dado: Mapping[str, Any],
    ) -> CambioVeredicto | Anomalia | None:
        coleccion = self._lector.base[nombre]
        for intento in range(INTENTOS):
            # At random, or whoever is always a little slower would never have a turn.
            time.sleep(random.uniform(0.0, PAUSA_S * intento))  # nosec B311 # no secret
            doc = coleccion.find_one({"_id": uno}, SIN_LO_LARGO)
            if doc is None:
                return None
            anterior = anomaly(doc, nombre == ARCHIVO, self._lector.presenta)
            juicio = judge(anterior)
            if juicio is None:
                return anterior
            entero = {**juicio, **dado, "estado_anterior": anterior.estado}
            cambio = {"estado": entero["estado"], "veredicto": entero, VEREDICTO: entero["cuando"]}
            # Only where it still is what has been judged, and what the history will say it was.
            hecho = coleccion.update_one(
                {"_id": uno, **{campo: doc.get(campo) for campo in _JUZGADO}},
                {
                    "$set": cambio,
                    "$push": {"veredictos": {"$each": [entero], "$slice": -VEREDICTOS_MAXIMOS}},
                },
            )
            if hecho.matched_count:
                archivada, presenta = anterior.archivada, self._lector.presenta
                return CambioVeredicto(
                    anomalia=anomaly({**doc, **cambio}, archivada, presenta),
                    estado_anterior=anterior.estado,
                    anotacion=dado["anotacion"],
                )
        raise TransientError("otras personas juzgan la misma anomalía a la vez")

    def ping(self) -> None:
        """Return if MongoDB answers; raise ``TransientError`` otherwise."""
        self._lector.ping()

    def close(self) -> None:
        """Close every connection."""
        self._lector.close()


def _check_verdict(estado: str, motivo: str, quien: str) -> None:
    check_words("estado", [estado], ESTADOS)
    for nombre, texto, maximo in (
        ("motivo", motivo, MOTIVO_MAXIMO),
        ("quien", quien, QUIEN_MAXIMO),
    ):
        if not check_text(texto).strip() or len(texto) > maximo:
            raise ConsultaInvalidaError(f"«{nombre}» tiene de 1 a {maximo} caracteres")


def _to_millis(momento: datetime) -> datetime:
    """Return an instant as MongoDB keeps it."""
    if momento.tzinfo is None:
        raise ConsultaInvalidaError("a los instantes les falta el desfase horario")
    return momento.replace(microsecond=momento.microsecond // 1000 * 1000)
