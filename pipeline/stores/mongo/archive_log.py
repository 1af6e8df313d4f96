"""``log_archivado_mongo``: a document for each run of the archiver, the restorer or the eraser."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from pymongo import DESCENDING
from pymongo.errors import PyMongoError

from pipeline.stores.archive_records import Movidos
from pipeline.stores.mongo.day_marks import Base
from pipeline.stores.mongo.documents import now
from pipeline.stores.mongo.transfer import Crudo

log = logging.getLogger(__name__)

REGISTRO = "log_archivado_mongo"
MEGABYTE = 1_000_000
CALMA_S = 0.5
"""Pause after a run that was killed: its last request, of ``mongo_traslado.BORRADO`` deletions at
most, could otherwise take away what this run brings back. By hand, 2026-11-29."""


class Anotacion:
    """The document of one run, kept up with what has moved so far.

    Space is the size of the documents themselves: what the collection's ``size`` goes down by.
    MongoDB keeps it for the documents to come; only ``compact`` gives it back to the disk.
    """

    def __init__(self, base: Base, clave: Any) -> None:
        self._registro = base[REGISTRO]
        self._clave = {"_id": clave}
        self._documentos = 0
        self._bytes = 0

    def add(self, movidos: Sequence[Crudo]) -> None:
        """Add documents that are no longer where they were."""
        self._documentos += len(movidos)
        self._bytes += sum(len(doc.raw) for doc in movidos)
        self._set()

    def close(self, estado: str) -> Movidos:
        """Say how the run ended, and return what it has moved."""
        self._set(estado=estado)
        return Movidos(self._documentos, self._bytes / MEGABYTE)

    def _set(self, **otros: str) -> None:
        cuenta = {
            "documentos_movidos": self._documentos,
            "espacio_liberado_mb": self._bytes / MEGABYTE,
        }
        self._registro.update_one(self._clave, {"$set": {**cuenta, **otros}})


@contextmanager
def open_log(
    base: Base, operacion: str, coleccion: str, desde: date | None, hasta: date
) -> Iterator[Anotacion]:
    """Give the document of this run; an error that leaves the block makes it "fallido".

    Parameters
    ----------
    coleccion : str
        From which documents go.
    """
    # Nobody else runs: whoever has not finished never will. But its last request may be under way.
    muertas = {"estado": "en curso"}
    if base[REGISTRO].update_many(muertas, {"$set": {"estado": "interrumpido"}}).modified_count:
        time.sleep(CALMA_S)
    inicial = {
        "fecha_archivado": now(),
        "operacion": operacion,
        "coleccion": coleccion,
        "documentos_movidos": 0,
        "espacio_liberado_mb": 0.0,
        "estado": "en curso",
        "desde": None if desde is None else desde.isoformat(),
        "hasta": hasta.isoformat(),
    }
    anotacion = Anotacion(base, base[REGISTRO].insert_one(inicial).inserted_id)
    try:
        yield anotacion
    except Exception:
        try:
            anotacion.close("fallido")
        except PyMongoError as error:
            log.debug("la ejecución queda sin cerrar: %s", error)
        raise


def latest(base: Base, limite: int) -> list[dict[str, Any]]:
    """Return the latest runs, at most ``limite``, the newest first."""
    if limite <= 0:  # for MongoDB 0 is no limit
        return []
    cursor = base[REGISTRO].find().sort([("fecha_archivado", DESCENDING), ("_id", DESCENDING)])
    return [{"id": str(doc.pop("_id")), **doc} for doc in cursor.limit(limite)]
