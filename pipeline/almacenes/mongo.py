"""Anomalies with their explanation, and the last hours of readings, in MongoDB: its only door."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymongo import ASCENDING, DESCENDING, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError

from detection.dominio import (
    SEGUNDOS_POR_HORA,
    SEVERIDADES,
    Explicacion,
    Lecturas,
    Veredictos,
    instante,
)
from pipeline.almacenes.mongo_conexion import DUPLICADO, connect, traducidos, write_concern
from pipeline.almacenes.mongo_documentos import agrees, hour, identity, key_of, now, verdict
from pipeline.almacenes.mongo_meses import ensure_mensuales
from serving.settings import Settings

ANOMALIAS = "anomalias_detectadas"
HORARIOS = "consumos_horarios"

ABIERTA = "abierta"
CONFIRMADA = "confirmada"
DESCARTADA = "descartada"
"""``estado`` of an anomaly that nobody has looked at, and what a person may say of it."""

TRAMO = 5_000
"""Documents a request: what a slow server answers well within the limit above."""
ANOMALIAS_RECIENTES = 200
"""Anomalies of a customer among which the gravest are looked for: some months of a bad one."""


class MongoAnomalyStore:
    """``AnomalyStore`` over ``anomalias_detectadas`` and ``consumos_horarios``.

    Examples
    --------
    >>> from serving.settings import Settings
    >>> MongoAnomalyStore(Settings()).close()
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cliente = connect(settings, "consumo")
        self._base = self._cliente[settings.mongo_db]

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing; they are those of the specification and contract 4.

        A ``RETENCION_HORARIOS_HORAS`` that has changed is put into the index that forgets.
        """
        with traducidos(self._settings):
            ensure_mensuales(self._base)
            anomalias = self._base[ANOMALIAS]
            anomalias.create_index([("propietario_id", ASCENDING)])
            anomalias.create_index([("timestamp_deteccion", DESCENDING)])
            anomalias.create_index(
                [("propietario_id", ASCENDING), ("timestamp_consumo", ASCENDING)], unique=True
            )
            self._ensure_ttl()

    def _ensure_ttl(self) -> None:
        """Create the index that forgets old hours, or give it the retention of now."""
        horarios = self._base[HORARIOS]
        segundos = self._settings.retencion_horarios_horas * SEGUNDOS_POR_HORA
        clave = [("timestamp_consumo", ASCENDING)]
        for nombre, indice in horarios.index_information().items():
            if indice["key"] == clave and indice.get("expireAfterSeconds") != segundos:
                # Made anew rather than changed by collMod: it also mends an index that had no
                # expiry, and two days of hours are indexed in a moment.
                horarios.drop_index(nombre)
        horarios.create_index(clave, expireAfterSeconds=segundos)

    def save(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        explicaciones: Sequence[Sequence[Explicacion]],
        repetida: NDArray[np.bool_],
        ahora_hora: int,
    ) -> None:
        """Store the batch so that its anomalies, and only they, stand for its readings.

        Anomalies that were there keep their ``estado`` and ``timestamp_deteccion``: what people
        have said of them survives a new verdict.
        """
        es_anomalia = veredictos.severidad > 0
        with traducidos(self._settings):
            self._insert_new(
                lecturas, veredictos, explicaciones, np.flatnonzero(es_anomalia & ~repetida)
            )
            self._upsert(
                lecturas, veredictos, explicaciones, np.flatnonzero(es_anomalia & repetida)
            )
            self._retract(lecturas, veredictos, np.flatnonzero(~es_anomalia & repetida))
            self._save_hours(lecturas, veredictos, repetida, ahora_hora)

    def _insert_new(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        explicaciones: Sequence[Sequence[Explicacion]],
        indices: NDArray[np.int64],
    ) -> None:
        """Insert anomalies; those that are there after all get the new verdict."""
        if indices.size == 0:
            return
        alta = now()
        documentos = [
            identity(lecturas, i)
            | verdict(lecturas, veredictos, i, explicaciones[i])
            | {"estado": ABIERTA, "timestamp_deteccion": alta}
            for i in indices
        ]
        duplicados = self._insert_many(ANOMALIAS, documentos)
        self._upsert(lecturas, veredictos, explicaciones, indices[duplicados])

    def _upsert(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        explicaciones: Sequence[Sequence[Explicacion]],
        indices: NDArray[np.int64],
    ) -> None:
        """Give anomalies the new verdict, whether they are there or not."""
        if indices.size == 0:
            return
        alta = {"estado": ABIERTA, "timestamp_deteccion": now()}
        self._bulk_write(
            ANOMALIAS,
            [
                UpdateOne(
                    identity(lecturas, i),
                    {
                        "$set": verdict(lecturas, veredictos, i, explicaciones[i]),
                        "$setOnInsert": alta,
                    },
                    upsert=True,
                )
                for i in indices
            ],
        )

    def _retract(
        self, lecturas: Lecturas, veredictos: Veredictos, indices: NDArray[np.int64]
    ) -> None:
        """Take back the anomalies of readings that are normal now.

        One that a person has dealt with stays, with the new verdict.
        """
        cambios: list[UpdateOne] = []
        retirados: list[Any] = []
        for doc, indice in self._stored(lecturas, indices):
            retirados.append(doc["_id"])
            veredicto = verdict(lecturas, veredictos, indice, ())
            cambios.append(UpdateOne({"_id": doc["_id"]}, {"$set": veredicto}))
        if retirados:
            self._base[ANOMALIAS].delete_many({"_id": {"$in": retirados}, "estado": ABIERTA})
            self._bulk_write(ANOMALIAS, cambios)

    def _stored(
        self, lecturas: Lecturas, indices: NDArray[np.int64]
    ) -> Iterator[tuple[dict[str, Any], int]]:
        """Give the anomalies of readings, unexplained, each with the index of its reading."""
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
        for doc in self._base[ANOMALIAS].find(filtro, {"explicacion": 0}):
            indice = buscadas.get(key_of(doc))
            if indice is not None:
                yield doc, int(indice)

    def restore(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        explicaciones: Sequence[Sequence[Explicacion]],
        ahora_hora: int,
    ) -> None:
        """Make the anomalies agree with verdicts that the history has kept.

        What agrees already is not touched at all, nor is what a person has said of an anomaly.
        """
        with traducidos(self._settings):
            self._restore_anomalies(lecturas, veredictos, explicaciones)
            self._restore_hours(lecturas, veredictos, ahora_hora)

    def _restore_anomalies(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        explicaciones: Sequence[Sequence[Explicacion]],
    ) -> None:
        """Insert the anomalies that are missing, take back or mend those that say otherwise."""
        faltan = set(np.flatnonzero(veredictos.severidad > 0).tolist())
        cambios: list[UpdateOne] = []
        retirados: list[Any] = []
        for doc, i in self._stored(lecturas, np.arange(len(lecturas))):
            faltan.discard(i)
            if veredictos.severidad[i] == 0 and doc["estado"] == ABIERTA:
                retirados.append(doc["_id"])
                continue
            guardado = verdict(lecturas, veredictos, i, explicaciones[i])
            if not agrees(doc, guardado):
                cambios.append(UpdateOne({"_id": doc["_id"]}, {"$set": guardado}))
        if retirados:
            self._base[ANOMALIAS].delete_many({"_id": {"$in": retirados}, "estado": ABIERTA})
        self._bulk_write(ANOMALIAS, cambios)
        alta = {"estado": ABIERTA, "timestamp_deteccion": now()}
        self._insert_many(
            ANOMALIAS,
            [
                identity(lecturas, i) | verdict(lecturas, veredictos, i, explicaciones[i]) | alta
                for i in sorted(faltan)
            ],
        )

    def _restore_hours(self, lecturas: Lecturas, veredictos: Veredictos, ahora_hora: int) -> None:
        """Store the readings that are young enough and missing, or that say otherwise."""
        desde = ahora_hora - self._settings.retencion_horarios_horas
        recientes = np.flatnonzero(lecturas.hora_utc > desde).tolist()
        horas = {doc["_id"]: doc for doc in (hour(lecturas, veredictos, i) for i in recientes)}
        for doc in self._base[HORARIOS].find({"_id": {"$in": list(horas)}}) if horas else ():
            if doc == horas[doc["_id"]]:
                del horas[doc["_id"]]
        self._bulk_write(
            HORARIOS, [ReplaceOne({"_id": clave}, doc, upsert=True) for clave, doc in horas.items()]
        )

    def _save_hours(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        repetida: NDArray[np.bool_],
        ahora_hora: int,
    ) -> None:
        """Store the readings that are young enough, in place of what was there."""
        desde = ahora_hora - self._settings.retencion_horarios_horas
        recientes = np.flatnonzero(lecturas.hora_utc > desde)
        nuevos: list[dict[str, Any]] = []
        otros: list[dict[str, Any]] = []
        for i in recientes.tolist():
            documento = hour(lecturas, veredictos, i)
            (otros if repetida[i] else nuevos).append(documento)
        if nuevos:
            otros.extend(nuevos[posicion] for posicion in self._insert_many(HORARIOS, nuevos))
        self._bulk_write(
            HORARIOS, [ReplaceOne({"_id": doc["_id"]}, doc, upsert=True) for doc in otros]
        )

    def _insert_many(self, coleccion: str, documentos: list[dict[str, Any]]) -> list[int]:
        """Insert what is not there; return the positions of what is."""
        duplicados: list[int] = []
        for desde in range(0, len(documentos), TRAMO):
            try:
                self._base[coleccion].insert_many(documentos[desde : desde + TRAMO], ordered=False)
            except BulkWriteError as error:
                fallos = error.details["writeErrors"]
                if any(f["code"] != DUPLICADO for f in fallos) or write_concern(error):
                    raise
                duplicados.extend(desde + f["index"] for f in fallos)
        return duplicados

    def _bulk_write(
        self, coleccion: str, operaciones: Sequence[UpdateOne | ReplaceOne[dict[str, Any]]]
    ) -> None:
        """Run operations that do not depend on each other."""
        for desde in range(0, len(operaciones), TRAMO):
            tramo = operaciones[desde : desde + TRAMO]
            self._base[coleccion].bulk_write(list(tramo), ordered=False)

    def contar_anomalias(self) -> dict[str, int]:
        """Return how many anomalies there are of each severidad but normal, the gravest first."""
        grupos = [{"$group": {"_id": "$severidad", "n": {"$sum": 1}}}]
        with traducidos(self._settings):
            hay = {g["_id"]: g["n"] for g in self._base[ANOMALIAS].aggregate(grupos)}
        return {str(s): hay.get(str(s), 0) for s in reversed(SEVERIDADES[1:])}

    def motivos(self, propietario_ids: Sequence[str], por_cliente: int) -> dict[str, list[str]]:
        """Return, for each customer, the sentences of its gravest recent anomalies.

        Each is what the loudest detector that fires says of an anomaly, the gravest one first;
        of a detector only the first sentence, so that a customer's reasons differ.
        """
        return {cliente: self._motivos(cliente, por_cliente) for cliente in propietario_ids}

    def _motivos(self, cliente: str, cuantos: int) -> list[str]:
        filtro = {"propietario_id": cliente}
        campos = {"score_anomalia": 1, "explicacion": 1, "estado": 1, "severidad": 1}
        with traducidos(self._settings):
            cursor = self._base[ANOMALIAS].find(filtro, campos)
            cursor.sort("timestamp_consumo", DESCENDING).limit(ANOMALIAS_RECIENTES)
            vivas = [doc for doc in cursor if doc["estado"] != DESCARTADA and doc["explicacion"]]
        frases: dict[str, str] = {}
        for doc in sorted(vivas, key=lambda doc: -doc["score_anomalia"]):
            mejor = max(doc["explicacion"], key=lambda e: (e["dispara"], e["score"] or 0.0))
            frases.setdefault(mejor["detector"], mejor["frase"])
        return list(frases.values())[:cuantos]

    def ping(self) -> None:
        """Return if MongoDB answers; raise ``TransientError`` otherwise."""
        with traducidos(self._settings):
            self._cliente.admin.command("ping")

    def close(self) -> None:
        """Close every connection."""
        self._cliente.close()
