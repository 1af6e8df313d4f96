"""Anomalies from one collection to the other, some at a time, while others write them.

MongoDB without replicas has no transactions, so each document is copied, read back and compared
byte for byte, looked at again where it comes from, and only then deleted, by a filter that holds
all of it that can change. Whatever happens in between, at least one of the two collections has it,
and where both do, the one in ``anomalias_detectadas`` is what counts: who writes an anomaly that is
there writes it there (``anomaly_placement``). So a copy in the archive is overwritten, and one in
``anomalias_detectadas`` never is.

Two documents of one reading with different ids come from a save that had looked at the marks before
they changed. They become one, with the verdict of the one in ``anomalias_detectadas``, the earlier
detection, and what a person has said of either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bson import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne
from pymongo.collection import Collection

from detection.domain import Severidad
from pipeline.stores.mongo.anomalies import ABIERTA
from pipeline.stores.mongo.chunks import bulk_write, find_ids, insert_missing
from pipeline.stores.mongo.documents import DEL_DETECTOR, FIJOS

BORRADO = 50
"""Deletions a request: the last one of whoever is killed is still carried out, and has to be over
when the next one begins (``archive.CALMA_S``). By hand, 2026-11-29: 0.1 s of the embedded
server."""
Crudo = RawBSONDocument
"""A document as the server gave it, byte for byte."""

RETIRADA = {"severidad": str(Severidad.NORMAL), "estado": ABIERTA}
"""An anomaly that was taken back while its day was on the move: it goes instead of moving."""


def raw(coleccion: Collection[dict[str, Any]]) -> Collection[Crudo]:
    """Return the same collection, giving its documents byte for byte."""
    opciones = CodecOptions(document_class=RawBSONDocument, tz_aware=True)
    return coleccion.with_options(codec_options=opciones)


def as_it_was(documento: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filter that finds a document unless somebody has changed it."""
    return {campo: valor for campo, valor in documento.items() if campo not in FIJOS}


class Traslado:
    """The way from one collection to another.

    ``al_archivo``: where it leads: to the archive, or from there to ``anomalias_detectadas``.
    """

    def __init__(
        self, origen: Collection[Crudo], destino: Collection[Crudo], al_archivo: bool
    ) -> None:
        self.origen = origen
        self._destino = destino
        self._al_archivo = al_archivo

    def move(self, documentos: Sequence[Crudo]) -> list[Crudo]:
        """Return which documents are no longer where they come from; the others have to wait.

        ``documentos``: as they were read from the origin, maybe a while ago.
        """
        if self._al_archivo:
            listas = [doc for doc in documentos if _is_retracted(doc) and self._make_room(doc)]
            quedan = [doc for doc in documentos if not _is_retracted(doc)]
        else:
            listas, quedan = [], list(documentos)
        listas += self._unchanged(self.copy(quedan))
        borradas = 0
        for desde in range(0, len(listas), BORRADO):
            operaciones = [DeleteOne(as_it_was(doc)) for doc in listas[desde : desde + BORRADO]]
            borradas += bulk_write(self.origen, operaciones)
        if borradas == len(listas):
            return listas
        siguen = {doc["_id"] for doc in find_ids(self.origen, _ids(listas), {"_id": 1})}
        return [doc for doc in listas if doc["_id"] not in siguen]

    def unite(self, ids: Sequence[Any]) -> None:
        """Leave one document of each reading of which the archive has another one.

        Not only for who moves: a mere copy, which has the same id, is left to him.

        ``ids``: of documents of ``anomalias_detectadas``, the origin.
        """
        while ids:
            quedan = []
            for doc in find_ids(self.origen, ids):
                otro = self._destino.find_one(_identity(doc))
                if otro is not None and otro["_id"] != doc["_id"] and not self._replace(doc, otro):
                    quedan.append(doc["_id"])
            ids = quedan

    def copy_ids(self, ids: Sequence[Any]) -> None:
        """Copy the documents that have one of some ids, as far as they are still there."""
        self.copy(list(find_ids(self.origen, ids)))

    def copy(self, documentos: Sequence[Crudo]) -> list[Crudo]:
        """Return which documents the destination has, having looked; the others have to wait."""
        if not documentos:
            return []
        repetidas = {documentos[i]["_id"] for i in insert_missing(self._destino, documentos)}
        copias = {doc["_id"]: doc.raw for doc in find_ids(self._destino, _ids(documentos))}
        copiadas = [doc for doc in documentos if copias.get(doc["_id"]) == doc.raw]
        aparte = repetidas - set(_ids(copiadas))
        for doc in documentos:
            if doc["_id"] in aparte and self._al_archivo:
                self._make_room(doc)
            elif doc["_id"] in aparte and (doc["_id"] in copias or self._fold_into(doc)):
                copiadas.append(doc)
        return copiadas

    def _unchanged(self, documentos: Sequence[Crudo]) -> list[Crudo]:
        """Return the documents that are still in the origin as they were.

        The copies of the others go again: of what was deleted there meanwhile, because its reading
        is normal now, and of what was changed, which would not be copied over its old copy.
        """
        ahora = {doc["_id"]: doc.raw for doc in find_ids(self.origen, _ids(documentos))}
        iguales = [doc for doc in documentos if ahora.get(doc["_id"]) == doc.raw]
        for doc in documentos:
            if ahora.get(doc["_id"]) != doc.raw:
                self._destino.delete_one(as_it_was(doc))
        return iguales

    def _make_room(self, doc: Crudo) -> bool:
        """Return whether the archive has nothing of a document's reading any more.

        The document is in ``anomalias_detectadas`` and counts; what a person has said of the one in
        the archive goes over to it. The archive's is read first and deleted only as it was, for who
        finds none in ``anomalias_detectadas`` writes there.
        """
        otro = self._destino.find_one(_identity(doc))
        return otro is None or self._replace(doc, otro)

    def _replace(self, doc: Crudo, otro: Crudo) -> bool:
        """Return whether a document of the archive is gone for one that counts, and still does."""
        heredado = {} if otro["_id"] == doc["_id"] else _inherited(doc, otro)
        if heredado:
            sigue = self.origen.update_one(as_it_was(doc), {"$set": heredado}).matched_count
        else:
            sigue = self.origen.count_documents(as_it_was(doc), limit=1)
        return bool(sigue and self._destino.delete_one(as_it_was(otro)).deleted_count)

    def _fold_into(self, doc: Crudo) -> bool:
        """Return whether ``anomalias_detectadas`` has another document of the same reading.

        What a person has said of the one in the archive goes over to it.
        """
        otro = self._destino.find_one(_identity(doc))
        if otro is None:
            return False
        heredado = _inherited(otro, doc)
        if not heredado:
            return True
        return self._destino.update_one(as_it_was(otro), {"$set": heredado}).matched_count == 1


def _inherited(viva: Crudo, archivada: Crudo) -> dict[str, Any]:
    """Return what the anomaly that counts takes from another one of the same reading."""
    heredado = {}
    if viva.get("estado", ABIERTA) == ABIERTA != archivada.get("estado", ABIERTA):
        ajenos = archivada.keys() - DEL_DETECTOR - FIJOS - {"_id"}
        heredado = {campo: archivada[campo] for campo in ajenos}
    if archivada["timestamp_deteccion"] < viva["timestamp_deteccion"]:
        heredado["timestamp_deteccion"] = archivada["timestamp_deteccion"]
    return heredado


def _is_retracted(doc: Crudo) -> bool:
    return all(doc.get(campo) == valor for campo, valor in RETIRADA.items())


def _identity(doc: Crudo) -> dict[str, Any]:
    return {campo: doc[campo] for campo in ("propietario_id", "timestamp_consumo")}


def _ids(documentos: Sequence[Crudo]) -> list[Any]:
    return [doc["_id"] for doc in documentos]
