"""What is remembered of the models, and what people say of their anomalies, in MongoDB."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pymongo import ASCENDING, DESCENDING

from pipeline.stores.mongo.anomalies import ANOMALIAS, ARCHIVO, CONFIRMADA, DESCARTADA
from pipeline.stores.mongo.chunks import find_ids
from pipeline.stores.mongo.connection import connect, traducidos
from pipeline.stores.mongo.documents import key_of
from pipeline.stores.watchdog import GUARDADO, Paciencia
from serving.settings import Settings

log = logging.getLogger(__name__)

INFORMES = "informes_deriva"
HISTORIAL = "historial_modelos"

HTML_MAXIMO = 12 * 1024 * 1024
"""Bytes of a report's HTML that fit with everything else into a document, which holds 16 MiB
(MongoDB manual, "MongoDB Limits and Thresholds")."""


class MongoModelLog:
    """``informes_deriva``, ``historial_modelos`` and the anomalies that people have dealt with.

    Documents are given and returned as they are, times aware and to the millisecond; what is
    returned has its ``_id`` as a text under ``id``.

    ``paciencia``: how long to wait for a server that is frozen.
    """

    def __init__(self, settings: Settings, paciencia: Paciencia = GUARDADO) -> None:
        self._settings = settings
        self._cliente = connect(settings, "consumo modelos", paciencia)
        self._base = self._cliente[settings.mongo_db]

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        with traducidos(self._settings):
            self._base[INFORMES].create_index([("fecha", DESCENDING)])
            self._base[INFORMES].create_index([("version", ASCENDING), ("fecha", DESCENDING)])
            self._base[HISTORIAL].create_index([("inicio", DESCENDING)])

    def save_informe(self, informe: Mapping[str, Any]) -> bool:
        """Store a drift report, and return whether its HTML went with it.

        An HTML that a document cannot hold is left out (``html`` is None): the traffic light and
        the columns matter more, and the whole report is in MLflow.

        ``informe``: ``fecha``, ``desde``, ``hasta`` (aware datetimes), ``version``, ``semaforo``,
        ``columnas``, ``resumen``, ``html`` (text or None): plain types, no numpy.
        """
        documento = dict(informe)
        html = documento.get("html")
        ocupa = 0 if html is None else len(html.encode())
        if ocupa > HTML_MAXIMO:
            documento["html"] = None
            log.warning(
                "El informe de deriva se guarda sin su HTML: ocupa %d bytes y caben %d",
                ocupa,
                HTML_MAXIMO,
            )
        with traducidos(self._settings):
            self._base[INFORMES].insert_one(documento)
        return html is not None and ocupa <= HTML_MAXIMO

    def latest_informe(self) -> dict[str, Any] | None:
        """Return the latest drift report with its HTML; None = there is none."""
        informes = self._latest(INFORMES, "fecha", 1, None)
        return informes[0] if informes else None

    def informes(self, limite: int) -> list[dict[str, Any]]:
        """Return the latest drift reports, at most ``limite``, without HTML, the newest first."""
        return self._latest(INFORMES, "fecha", limite, {"html": 0})

    def append_historial(self, ejecucion: Mapping[str, Any]) -> str:
        """Store a run of the retraining job, and return its id.

        ``ejecucion``: ``inicio``, ``fin`` (aware datetimes), ``motivo``, ``resultado``, ``version``
        (None = nothing was trained), ``criterios``: plain types, no numpy.
        """
        with traducidos(self._settings):
            return str(self._base[HISTORIAL].insert_one(dict(ejecucion)).inserted_id)

    def historial(self, limite: int) -> list[dict[str, Any]]:
        """Return the latest runs of the retraining job, at most ``limite``, the newest first."""
        return self._latest(HISTORIAL, "inicio", limite, None)

    def _latest(
        self, coleccion: str, campo: str, limite: int, proyeccion: Mapping[str, Any] | None
    ) -> list[dict[str, Any]]:
        """Return the documents with the latest ``campo``, at most ``limite``."""
        if limite <= 0:  # for MongoDB 0 is no limit
            return []
        with traducidos(self._settings):
            cursor = self._base[coleccion].find({}, proyeccion)
            cursor.sort([(campo, DESCENDING), ("_id", DESCENDING)]).limit(limite)
            return [{"id": str(doc.pop("_id")), **doc} for doc in cursor]

    def confirmadas(self) -> list[tuple[str, int]]:
        """Return customer and absolute hour of the anomalies that a person confirmed, sorted."""
        return self._con_estado(CONFIRMADA)

    def descartadas(self) -> list[tuple[str, int]]:
        """Return customer and absolute hour of the anomalies that a person rejected, sorted."""
        return self._con_estado(DESCARTADA)

    def _con_estado(self, estado: str) -> list[tuple[str, int]]:
        with traducidos(self._settings):
            # Before and after: while a day comes back, each of its anomalies is in the archive
            # when we look there, or in its old place afterwards.
            antes = self._dealt_with(ANOMALIAS)
            archivadas = self._dealt_with(ARCHIVO)
            vivas = antes | self._dealt_with(ANOMALIAS)
            # One that is just being moved may be in both: the archive's does not count.
            solo_archivo = [doc["_id"] for k, doc in archivadas.items() if k not in vivas]
            en_los_dos = {doc["_id"] for doc in find_ids(self._base[ANOMALIAS], solo_archivo)}
        archivadas = {k: doc for k, doc in archivadas.items() if doc["_id"] not in en_los_dos}
        return sorted(k for k, doc in (archivadas | vivas).items() if doc["estado"] == estado)

    def _dealt_with(self, coleccion: str) -> dict[tuple[str, int], dict[str, Any]]:
        """Return the anomalies of a collection that a person has dealt with, by their reading."""
        campos = {"propietario_id": 1, "timestamp_consumo": 1, "estado": 1}
        filtro = {"estado": {"$in": [CONFIRMADA, DESCARTADA]}}
        return {key_of(doc): doc for doc in self._base[coleccion].find(filtro, campos)}

    def ping(self) -> None:
        """Return if MongoDB answers; raise ``TransientError`` otherwise."""
        with traducidos(self._settings):
            self._cliente.admin.command("ping")

    def close(self) -> None:
        """Close every connection."""
        self._cliente.close()
