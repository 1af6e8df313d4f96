"""One collection of anomalies: a batch's verdicts into it, what people have said left alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymongo import ASCENDING, DESCENDING, DeleteOne, UpdateOne
from pymongo.collection import Collection

from detection.domain import Explicacion, Lecturas, Veredictos, instante
from pipeline.stores.mongo.chunks import bulk_write, insert_missing
from pipeline.stores.mongo.documents import agrees, identity, key_of, now, verdict

ANOMALIAS = "anomalias_detectadas"
ARCHIVO = "anomalias_archivo"

ABIERTA = "abierta"
CONFIRMADA = "confirmada"
DESCARTADA = "descartada"
"""``estado`` of an anomaly that nobody has looked at, and what a person may say of it."""

SIN_EXPLICACION = {"explicacion": 0}


@dataclass(frozen=True, slots=True, eq=False)
class LoteAnomalias:
    """A batch for the anomalies."""

    lecturas: Lecturas
    veredictos: Veredictos
    # (n,): what the detectors say, for each anomaly; empty for normal readings.
    explicaciones: Sequence[Sequence[Explicacion]]
    repetida: NDArray[np.bool_]  # (n,): the reading may have an anomaly from before
    # The verdicts are old ones, which the history has kept (``AnomalyStore.restore``).
    conservado: bool

    def __len__(self) -> int:
        return len(self.lecturas)

    def elegir(self, indices: NDArray[np.int64]) -> LoteAnomalias:
        """Return the readings at ``indices``, in that order."""
        return LoteAnomalias(
            self.lecturas.elegir(indices),
            self.veredictos.elegir(indices),
            [self.explicaciones[i] for i in indices],
            self.repetida[indices],
            self.conservado,
        )

    def anomalias(self) -> NDArray[np.bool_]:
        """Return which readings (n,) are anomalies."""
        return self.veredictos.severidad > 0

    def posibles(self) -> NDArray[np.bool_]:
        """Return which readings (n,) have an anomaly, or may have one from before."""
        return self.anomalias() | self.repetida

    def verdict(self, i: int) -> dict[str, Any]:
        """Return the fields of an anomaly that the verdict on a reading replaces."""
        return verdict(self.lecturas, self.veredictos, i, self.explicaciones[i])

    def document(self, i: int, alta: Mapping[str, Any]) -> dict[str, Any]:
        """Return the anomaly of a reading as a new document, with the fields of ``alta``."""
        return {**identity(self.lecturas, i), **self.verdict(i), **alta}


class ColeccionAnomalias:
    """Anomalies by customer and hour, in one collection."""

    def __init__(self, coleccion: Collection[dict[str, Any]]) -> None:
        self._coleccion = coleccion

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing; they are those of the specification and contract 4.

        The unique one is what lets a replay find the anomaly again.
        """
        self._coleccion.create_index([("propietario_id", ASCENDING)])
        self._coleccion.create_index([("timestamp_deteccion", DESCENDING)])
        self._coleccion.create_index(
            [("propietario_id", ASCENDING), ("timestamp_consumo", ASCENDING)], unique=True
        )

    def write(self, lote: LoteAnomalias, retirar: bool = True) -> bool:
        """Store the batch so that its anomalies, and only they, stand for its readings.

        Returns whether none went while this was done: of one that did, the verdict may be lost.
        Anomalies that were there keep their ``estado`` and ``timestamp_deteccion``. One of a
        reading that is normal now goes, unless a person has dealt with it.

        ``retirar``: False = it stays all the same, with its verdict: whoever moves anomalies at
        this moment takes it away (``transfer``). Had it gone already, he could not tell.
        """
        if lote.conservado:
            return self._mend(lote, retirar)
        anomalias = lote.anomalias()
        self._insert_new(lote, np.flatnonzero(anomalias & ~lote.repetida))
        self._upsert(lote, np.flatnonzero(anomalias & lote.repetida))
        return self._retract(lote, np.flatnonzero(~anomalias & lote.repetida), retirar)

    def renew(self, lote: LoteAnomalias) -> NDArray[np.int64] | None:
        """Give the anomalies that are here their verdicts, and return of which readings they are.

        Nothing comes or goes. None = something has gone while this was done; ask again.
        """
        hay: list[int] = []
        cambios: list[UpdateOne] = []
        for doc, i in self.stored(lote, np.flatnonzero(lote.posibles())):
            hay.append(i)
            veredicto = lote.verdict(i)
            if not lote.conservado or not agrees(doc, veredicto):
                cambios.append(UpdateOne({"_id": doc["_id"]}, {"$set": veredicto}))
        if bulk_write(self._coleccion, cambios) < len(cambios):
            return None
        return np.array(hay, np.int64)

    def _insert_new(self, lote: LoteAnomalias, indices: NDArray[np.int64]) -> None:
        """Insert anomalies; those that are there after all get the new verdict."""
        if indices.size:
            alta = _alta()
            duplicados = insert_missing(self._coleccion, [lote.document(i, alta) for i in indices])
            self._upsert(lote, indices[duplicados])

    def _upsert(self, lote: LoteAnomalias, indices: NDArray[np.int64]) -> None:
        """Give anomalies the new verdict, whether they are there or not."""
        if indices.size:
            alta = {"$setOnInsert": _alta()}
            cambios = [
                UpdateOne(
                    identity(lote.lecturas, i), {"$set": lote.verdict(i), **alta}, upsert=True
                )
                for i in indices
            ]
            bulk_write(self._coleccion, cambios)

    def _retract(self, lote: LoteAnomalias, indices: NDArray[np.int64], retirar: bool) -> bool:
        """Take back the anomalies of readings that are normal now.

        One that a person has dealt with stays, with the new verdict.
        """
        cambios: list[UpdateOne] = []
        retirados: list[Any] = []
        for doc, i in self.stored(lote, indices):
            retirados.append(doc["_id"])
            cambios.append(UpdateOne({"_id": doc["_id"]}, {"$set": lote.verdict(i)}))
        hallados = self._remove_open(retirados) if retirar else 0
        return hallados + bulk_write(self._coleccion, cambios) >= len(cambios)

    def _mend(self, lote: LoteAnomalias, retirar: bool) -> bool:
        """Insert the anomalies that are missing, take back or mend those that say otherwise."""
        faltan = set(np.flatnonzero(lote.anomalias()).tolist())
        cambios: list[UpdateOne] = []
        retirados: list[Any] = []
        for doc, i in self.stored(lote, np.arange(len(lote))):
            faltan.discard(i)
            if retirar and lote.veredictos.severidad[i] == 0 and doc["estado"] == ABIERTA:
                retirados.append(doc["_id"])
                continue
            veredicto = lote.verdict(i)
            if not agrees(doc, veredicto):
                cambios.append(UpdateOne({"_id": doc["_id"]}, {"$set": veredicto}))
        self._remove_open(retirados)
        alta = _alta()
        insert_missing(self._coleccion, [lote.document(i, alta) for i in sorted(faltan)])
        return bulk_write(self._coleccion, cambios) == len(cambios)

    def _remove_open(self, ids: Sequence[Any]) -> int:
        """Remove anomalies, unless a person has dealt with them; return how many went."""
        # One by one in a request: the embedded server takes 30 times as long over a large $in.
        return bulk_write(self._coleccion, [DeleteOne({"_id": i, "estado": ABIERTA}) for i in ids])

    def stored(
        self,
        lote: LoteAnomalias,
        indices: NDArray[np.int64],
        campos: Mapping[str, Any] = SIN_EXPLICACION,
    ) -> Iterator[tuple[dict[str, Any], int]]:
        """Give the anomalies of readings, each with the index of its reading.

        ``campos``: projection; without more, everything but the explanation.
        """
        lecturas = lote.lecturas
        # Most readings that come again have none: one query for all of them.
        buscadas = {(lecturas.propietario_id[i], int(lecturas.hora_utc[i])): i for i in indices}
        if not buscadas:
            return
        filtro = {
            "propietario_id": {"$in": sorted({propietario for propietario, _ in buscadas})},
            "timestamp_consumo": {
                "$gte": instante(int(lecturas.hora_utc[indices].min())),
                "$lte": instante(int(lecturas.hora_utc[indices].max())),
            },
        }
        for doc in self._coleccion.find(filtro, campos):
            indice = buscadas.get(key_of(doc))
            if indice is not None:
                yield doc, int(indice)


def _alta() -> dict[str, Any]:
    """Return what an anomaly that nobody has seen yet has besides its verdict."""
    return {"estado": ABIERTA, "timestamp_deteccion": now()}
