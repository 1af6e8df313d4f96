"""Writes and reads of any length, in requests that a slow server answers well in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pymongo import DeleteOne, ReplaceOne, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from pipeline.stores.mongo.connection import DUPLICADO, write_concern

TRAMO = 5_000
"""Documents a request: what a slow server answers well within its time limit."""
TRAMO_IDS = 50
"""Ids that one query names. The embedded server compares each document with each of them: 1 000 at
once took seven times as long as 20 times 50. By hand, 2026-11-24."""

Operacion = UpdateOne | ReplaceOne[Any] | DeleteOne


def insert_missing(coleccion: Collection[Any], documentos: Sequence[Any]) -> list[int]:
    """Insert what is not there; return the positions of what is."""
    duplicados: list[int] = []
    for desde in range(0, len(documentos), TRAMO):
        try:
            coleccion.insert_many(documentos[desde : desde + TRAMO], ordered=False)
        except BulkWriteError as error:
            fallos = error.details["writeErrors"]
            if any(f["code"] != DUPLICADO for f in fallos) or write_concern(error):
                raise
            duplicados.extend(desde + f["index"] for f in fallos)
    return duplicados


def bulk_write(coleccion: Collection[Any], operaciones: Sequence[Operacion]) -> int:
    """Run operations that do not depend on each other; return how many found their document."""
    hallados = 0
    for desde in range(0, len(operaciones), TRAMO):
        tramo = list(operaciones[desde : desde + TRAMO])
        hecho = coleccion.bulk_write(tramo, ordered=False)
        hallados += hecho.matched_count + hecho.deleted_count
    return hallados


def find_ids(
    coleccion: Collection[Any], ids: Sequence[Any], campos: Mapping[str, Any] | None = None
) -> Iterator[Any]:
    """Give the documents that have one of some ids."""
    for desde in range(0, len(ids), TRAMO_IDS):
        yield from coleccion.find({"_id": {"$in": list(ids[desde : desde + TRAMO_IDS])}}, campos)
