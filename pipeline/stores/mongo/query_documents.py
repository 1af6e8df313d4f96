"""Documents of anomalies as those who look at them get them, and what is asked of a collection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from threading import BoundedSemaphore
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from pymongo import MongoClient

from detection.domain import SEVERIDADES, Explicacion
from detection.errors import TransientError
from pipeline.stores.anomaly_records import (
    Anomalia,
    AnomaliaDetalle,
    FiltroAnomalias,
    VeredictoHumano,
)
from pipeline.stores.mongo.anomalies import ABIERTA, CONFIRMADA, DESCARTADA
from pipeline.stores.mongo.connection import check_awake, connect, traducidos
from pipeline.stores.query_limits import (
    ConsultaInvalidaError,
    check_id,
    check_instant,
    check_range,
    check_severities,
    check_words,
)
from pipeline.stores.watchdog import PREGUNTA
from serving.settings import Settings

ESTADOS = (ABIERTA, CONFIRMADA, DESCARTADA)
ESPERA_S = 2.0
"""Longest wait for a turn. By hand, 2026-11-24: whoever looks at a screen gives up later."""
VEREDICTOS_MAXIMOS = 100
"""Verdicts of people that an anomaly keeps, the latest ones."""
IDS_POR_PREGUNTA = 100
"""The embedded server takes ever longer over a larger ``$in``."""
SIN_LO_LARGO = {"explicacion": 0, "veredictos": 0}
NORMAL = str(SEVERIDADES[0])
DIAS_FILTRO = 36_600


class Turnos:
    """A connection to MongoDB for so many threads at a time; the others do not wait for ever.

    Parameters
    ----------
    settings : Settings
    programa : str
        What the server's list of connections shows.
    cuantos : int
        Threads at a time, >= 1.
    """

    def __init__(self, settings: Settings, programa: str, cuantos: int) -> None:
        self._settings = settings
        self._turnos = BoundedSemaphore(cuantos)
        self.cliente: MongoClient[dict[str, Any]] = connect(settings, programa, PREGUNTA)
        self.base = self.cliente[settings.mongo_db]

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Let a thread ask, with MongoDB's errors turned into ours.

        Raises
        ------
        TransientError
            MongoDB is away, takes too long, or too many are asking.
        """
        if not self._turnos.acquire(timeout=ESPERA_S):
            raise TransientError("hay demasiadas consultas a la vez en MongoDB", ESPERA_S)
        try:
            check_awake(self._settings, self.cliente)
            with traducidos(self._settings):
                yield
        finally:
            self._turnos.release()

    def ping(self) -> None:
        """Return if MongoDB answers; raise ``TransientError`` otherwise."""
        with self.taken():
            self.cliente.admin.command("ping")

    def close(self) -> None:
        """Close every connection."""
        self.cliente.close()


def parse_id(texto: str) -> ObjectId:
    """Return the id of an anomaly; ``ConsultaInvalidaError`` if the text is none."""
    try:
        return ObjectId(texto)
    except (InvalidId, TypeError) as error:
        raise ConsultaInvalidaError(
            "el identificador de una anomalía tiene 24 cifras hexadecimales"
        ) from error


def anomaly(doc: Mapping[str, Any], archivada: bool) -> Anomalia:
    """Return a document as an anomaly without its explanation."""
    veredicto = doc.get("veredicto")
    return Anomalia(
        str(doc["_id"]),
        doc["propietario_id"],
        doc["timestamp_consumo"],
        doc["timestamp_deteccion"],
        doc["consumo_kwh"],
        doc["consumo_esperado_kwh"],
        doc["hora"],
        doc["tipos_anomalia"],
        doc["score_anomalia"],
        doc["severidad"],
        doc["es_sospechoso"],
        doc["estado"],
        doc["version_modelo"],
        None if veredicto is None else verdict_of(veredicto),
        archivada,
    )


def detail(doc: Mapping[str, Any], archivada: bool) -> AnomaliaDetalle:
    """Return a document as an anomaly with all that was said of it."""
    explicacion = [
        Explicacion(e["detector"], e["score"], e["peso"], e["dispara"], e["frase"])
        for e in doc["explicacion"]
    ]
    veredictos = [verdict_of(v) for v in doc.get("veredictos", ())]
    return AnomaliaDetalle(anomaly(doc, archivada), explicacion, veredictos)


def verdict_of(veredicto: Mapping[str, Any]) -> VeredictoHumano:
    """Return what a person said, out of an anomaly's document."""
    return VeredictoHumano(
        veredicto["estado"],
        veredicto["estado_anterior"],
        veredicto["motivo"],
        veredicto["quien"],
        veredicto["cuando"],
        veredicto.get("anotacion"),
    )


def check_filter(filtro: FiltroAnomalias) -> None:
    """Refuse a filter of words that do not exist, or of an impossible interval."""
    if filtro.propietario_id is not None:
        check_id(filtro.propietario_id)
    check_severities(filtro.severidades, filtro.tipos)
    check_words("estado", filtro.estados, ESTADOS)
    desde, hasta = filtro.desde, filtro.hasta
    for momento in (desde, hasta):
        if momento is not None:
            check_instant(momento)
    if desde is not None and hasta is not None:
        check_range(desde, hasta, DIAS_FILTRO)


def conditions(filtro: FiltroAnomalias) -> dict[str, Any]:
    """Return a filter's conditions but for customer and instants, as MongoDB wants them.

    That those without a severidad are no normal ones is not among them: see ``is_wanted``.
    """
    otras: dict[str, Any] = {}
    if filtro.severidades:
        otras["severidad"] = one_of(filtro.severidades)
    if filtro.estados:
        otras["estado"] = one_of(filtro.estados)
    if filtro.tipos:
        otras["tipos_anomalia"] = {"$in": list(filtro.tipos)}
    return otras


def is_wanted(filtro: FiltroAnomalias, doc: Mapping[str, Any]) -> bool:
    """Return whether an anomaly that answers a filter counts: those that are normal by now do not.

    They are too few to make the server look at each document for them.
    """
    return bool(filtro.severidades) or doc["severidad"] != NORMAL


def one_of(valores: tuple[str, ...]) -> Any:
    """Return the condition that a field has one of some values."""
    distintos = list(dict.fromkeys(valores))
    return distintos[0] if len(distintos) == 1 else {"$in": distintos}


def interval(desde: datetime | None, hasta: datetime | None) -> dict[str, datetime]:
    """Return the condition that an instant lies in [desde, hasta)."""
    limites = {"$gte": desde, "$lt": hasta}
    return {operador: limite for operador, limite in limites.items() if limite is not None}
