"""Anomalies one by one and in lists by time, from the live collection and from its archive."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING

from detection.domain import SEVERIDADES
from pipeline.stores.anomaly_records import (
    Anomalia,
    AnomaliaDetalle,
    FiltroAnomalias,
    Puntuacion,
    VeredictoDado,
)
from pipeline.stores.mongo.anomalies import ABIERTA, ANOMALIAS, ARCHIVO
from pipeline.stores.mongo.query_documents import (
    SIN_LO_LARGO,
    Turnos,
    anomaly,
    check_filter,
    conditions,
    detail,
    interval,
    is_wanted,
    parse_id,
)
from pipeline.stores.mongo.query_windows import (
    Documento,
    Posicion,
    Pregunta,
    Ventanas,
    merge,
)
from pipeline.stores.query_cache import Recuerdo
from pipeline.stores.query_limits import (
    ConsultaInvalidaError,
    Pagina,
    check_id,
    check_limit,
    decode_cursor,
    encode_cursor,
)
from serving.settings import Settings

DETECCION = "timestamp_deteccion"
CONSUMO = "timestamp_consumo"
VEREDICTO = "timestamp_veredicto"
CAMPOS = {"deteccion": DETECCION, "consumo": CONSUMO}
CRITICA = str(SEVERIDADES[-1])
_MAYOR_ID = ObjectId("f" * 24)
_PRIMERA = datetime(2000, 1, 1, tzinfo=UTC)
_NUEVAS = "nuevas"
_ADELANTO = timedelta(hours=25)
"""A reading may be up to a day ahead of the clock (contract 2), so found that long before it."""
PUNTUACIONES_MAXIMAS = 2_000
_DE_PUNTUACION = {
    **dict.fromkeys((*Puntuacion._fields[1:-1], DETECCION), 1),
    "explicacion.detector": 1,
    "explicacion.score": 1,
}

_DE_CRITICAS = {"partialFilterExpression": {"severidad": CRITICA}}
# "abierta" comes first in the alphabet, so these are what people have said.
_DE_JUZGADAS = {"partialFilterExpression": {"estado": {"$gt": ABIERTA}}}
INDICES: tuple[tuple[list[tuple[str, int]], dict[str, Any]], ...] = (
    ([(CONSUMO, DESCENDING)], {}),
    ([("severidad", ASCENDING), (DETECCION, DESCENDING), ("_id", DESCENDING)], _DE_CRITICAS),
    ([("severidad", ASCENDING), (CONSUMO, DESCENDING), ("_id", DESCENDING)], _DE_CRITICAS),
    ([("estado", ASCENDING)], _DE_JUZGADAS),
    ([(VEREDICTO, DESCENDING)], {"sparse": True}),
)
"""Beside those of the specification. Each costs the consumer time with every anomaly, so but for
the first they hold few: critical ones, and those that somebody has judged."""


class ConsultasListas:
    """What is asked of anomalies one by one.

    Parameters
    ----------
    settings : Settings
    conexiones : int
        Threads that ask at a time, at most.
    limite_ms : int
        Longest question to the server, ms.
    margen_s : float
        Anomalies younger than this are not yet given by ``nuevas``: a batch is stored in less.
    reloj : callable, optional
        The time, aware.
    segundos : callable, optional
        Rising seconds, by which what is remembered grows old.
    """

    def __init__(
        self,
        settings: Settings,
        conexiones: int = 8,
        limite_ms: int = 5_000,
        margen_s: float = 3.0,
        reloj: Callable[[], datetime] = lambda: datetime.now(UTC),
        segundos: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._limite_ms = limite_ms
        self._margen = timedelta(seconds=margen_s)
        self._reloj = reloj
        self._segundos = segundos
        self._recuerdo = Recuerdo(reloj=segundos)
        self._turnos = Turnos(settings, "consumo api", conexiones)
        self._base = self._turnos.base
        self._ventanas = Ventanas(reloj, limite_ms)

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing, on the anomalies and on their archive."""
        with self._turnos.taken():
            for nombre in (ANOMALIAS, ARCHIVO):
                for campos, opciones in INDICES:
                    self._base[nombre].create_index(campos, **opciones)

    def _by_time(
        self,
        filtro: FiltroAnomalias,
        orden: str,
        descendente: bool,
        limite: int,
        cursor: str | None,
        con_archivo: bool,
    ) -> Pagina[Anomalia]:
        preguntas = questions(filtro, CAMPOS[orden], descendente)
        lista = f"{orden}{'-' if descendente else '+'}"
        posicion = None if cursor is None else _position(lista, cursor)
        filas = self._walk(preguntas, filtro, posicion, limite, con_archivo)
        siguiente = None
        if len(filas) > limite:
            ultima = filas[limite - 1][0]
            siguiente = encode_cursor(lista, ultima[CAMPOS[orden]], str(ultima["_id"]))
        return Pagina([anomaly(doc, archivada) for doc, archivada in filas[:limite]], siguiente)

    def _walk(
        self,
        preguntas: Sequence[Pregunta],
        filtro: FiltroAnomalias,
        posicion: Posicion | None,
        limite: int,
        con_archivo: bool,
        campos: Mapping[str, Any] = SIN_LO_LARGO,
    ) -> list[tuple[Documento, bool]]:
        """Return one document more than ``limite``, each with whether it is archived."""
        colecciones = (ANOMALIAS, ARCHIVO) if con_archivo else (ANOMALIAS,)
        with self._turnos.taken():
            listas = [
                self._ventanas.walk(
                    self._base[nombre],
                    preguntas,
                    campos,
                    posicion,
                    limite + 1,
                    partial(is_wanted, filtro),
                )
                for nombre in colecciones
            ]
        vivas = {doc["_id"] for doc in listas[0]}
        # One that is just being moved is in both: the live one counts, and comes first.
        juntas = merge(listas, preguntas[0].campo, preguntas[0].descendente)[: limite + 1]
        return [(doc, doc["_id"] not in vivas) for doc in juntas]

    def anomalia(self, id: str, con_archivo: bool = True) -> AnomaliaDetalle | None:
        """Return an anomaly with all that was said of it; None = there is none.

        Raises
        ------
        ConsultaInvalidaError
            ``id`` has not the form of one.
        """
        return self._first({"_id": parse_id(id)}, con_archivo)

    def anomalia_de(
        self, propietario_id: str, timestamp_consumo: datetime, con_archivo: bool = True
    ) -> AnomaliaDetalle | None:
        """Return the anomaly of a reading, as ``anomalia``; None = there is none."""
        clave = {"propietario_id": check_id(propietario_id), CONSUMO: timestamp_consumo}
        return self._first(clave, con_archivo)

    def _first(self, clave: Mapping[str, Any], con_archivo: bool) -> AnomaliaDetalle | None:
        # The live ones once more: what was on its way out of the archive is there by now.
        donde = (ANOMALIAS, ARCHIVO, ANOMALIAS) if con_archivo else (ANOMALIAS,)
        with self._turnos.taken():
            for nombre in donde:
                doc = self._base[nombre].find_one(clave, max_time_ms=self._limite_ms)
                if doc is not None:
                    return detail(doc, nombre == ARCHIVO)
        return None

    def nuevas(self, cursor: str | None = None, limite: int = 100) -> Pagina[Anomalia]:
        """Return the anomalies stored after a cursor, the oldest first; it always has a next one.

        Without a cursor, none: its ``siguiente`` is the place from which on they are new. What is
        younger than ``margen_s`` comes later, since one that was stored before another may become
        visible after it.
        """
        check_limit(limite)
        hasta = self._reloj() - self._margen
        if cursor is None:
            return Pagina([], encode_cursor(_NUEVAS, max(hasta, _PRIMERA), str(_MAYOR_ID)))
        todas = FiltroAnomalias()
        (pregunta,) = questions(todas, DETECCION, descendente=False)
        posicion = _position(_NUEVAS, cursor)
        filas = self._walk(
            [replace(pregunta, hasta=hasta)], todas, posicion, limite, con_archivo=False
        )
        anomalias = [anomaly(doc, archivada=False) for doc, _ in filas[:limite]]
        return Pagina(anomalias, self.cursor_de(anomalias[-1]) if anomalias else cursor)

    @staticmethod
    def cursor_de(anomalia: Anomalia) -> str:
        """Return the cursor with which ``nuevas`` goes on after an anomaly."""
        return encode_cursor(_NUEVAS, anomalia.timestamp_deteccion, anomalia.id)

    def puntuaciones(self, filtro: FiltroAnomalias, limite: int = 500) -> list[Puntuacion]:
        """Return what each detector scored on anomalies, archived or not, those found last first.

        Parameters
        ----------
        limite : int
            1 to ``PUNTUACIONES_MAXIMAS``.
        """
        check_limit(limite, PUNTUACIONES_MAXIMAS)
        preguntas = questions(filtro, DETECCION, descendente=True)
        filas = self._walk(preguntas, filtro, None, limite, con_archivo=True, campos=_DE_PUNTUACION)
        return [
            Puntuacion(
                str(doc["_id"]),
                doc["propietario_id"],
                doc["timestamp_consumo"],
                doc["score_anomalia"],
                doc["severidad"],
                doc["tipos_anomalia"],
                doc["estado"],
                {e["detector"]: e["score"] for e in doc["explicacion"]},
            )
            for doc, _ in filas[:limite]
        ]

    def ultimos_veredictos(
        self, limite: int = 50, propietario_id: str | None = None
    ) -> list[VeredictoDado]:
        """Return the anomalies that people have judged, archived or not, the latest verdict first.

        Each anomaly comes once, with its latest verdict.
        """
        check_limit(limite, 500)
        igual = {} if propietario_id is None else {"propietario_id": check_id(propietario_id)}
        pregunta = Pregunta(VEREDICTO, True, igual, {}, None, None, primero_igual=bool(igual))
        todas = FiltroAnomalias(severidades=tuple(map(str, SEVERIDADES)))
        filas = self._walk([pregunta], todas, None, limite, con_archivo=True)[:limite]
        anomalias = [anomaly(doc, archivada) for doc, archivada in filas]
        return [VeredictoDado(a, a.veredicto) for a in anomalias if a.veredicto is not None]

    def ping(self) -> None:
        """Return if MongoDB answers; raise ``TransientError`` otherwise."""
        self._turnos.ping()

    def close(self) -> None:
        """Close every connection."""
        self._turnos.close()


def questions(filtro: FiltroAnomalias, campo: str, descendente: bool) -> list[Pregunta]:
    """Return what to ask for the anomalies of a filter: each walks one index in order.

    A customer's, or those that people have said the same of, or the critical ones; otherwise all
    of them in order of time, with the other conditions on top.
    """
    check_filter(filtro)
    otras = conditions(filtro)
    de_consumo = interval(filtro.desde, filtro.hasta)
    limites = (filtro.desde, filtro.hasta)
    if campo != CONSUMO:
        limites = (filtro.desde and max(filtro.desde - _ADELANTO, _PRIMERA), None)
        if de_consumo:
            otras[CONSUMO] = de_consumo

    def ask(igual: Mapping[str, Any], pocas: bool) -> Pregunta:
        resto = {clave: valor for clave, valor in otras.items() if clave not in igual}
        return Pregunta(campo, descendente, igual, resto, *limites, primero_igual=pocas)

    if filtro.propietario_id is not None:
        # No index has a customer's other conditions, so all of its anomalies are looked at.
        pocas = bool(otras) or campo != CONSUMO
        return [ask({"propietario_id": filtro.propietario_id}, pocas)]
    estados = dict.fromkeys(filtro.estados)
    if estados and ABIERTA not in estados:
        return [ask({"estado": estado}, pocas=True) for estado in estados]
    if set(filtro.severidades) == {CRITICA}:
        return [ask({"severidad": CRITICA}, pocas=False)]
    return [ask({}, pocas=False)]


def _position(lista: str, cursor: str) -> Posicion:
    momento, texto = decode_cursor(lista, cursor, datetime, str)
    try:
        return momento, parse_id(texto)
    except ConsultaInvalidaError as error:
        raise ConsultaInvalidaError("el cursor no es de esta lista; empiece sin él") from error
