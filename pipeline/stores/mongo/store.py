"""Anomalies with their explanation, and the last hours of readings, in MongoDB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymongo import ASCENDING, ReplaceOne

from detection.domain import (
    SEGUNDOS_POR_HORA,
    SEVERIDADES,
    Explicacion,
    Lecturas,
    Veredictos,
    instante,
)
from pipeline.stores.mongo.anomalies import ANOMALIAS, ARCHIVO, LoteAnomalias
from pipeline.stores.mongo.anomaly_placement import AnomaliasRepartidas
from pipeline.stores.mongo.chunks import bulk_write, insert_missing
from pipeline.stores.mongo.connection import connect, traducidos
from pipeline.stores.mongo.documents import hour, key_of
from pipeline.stores.mongo.months import ensure_mensuales
from serving.settings import Settings

HORARIOS = "consumos_horarios"


class MongoAnomalyStore:
    """``AnomalyStore`` over ``anomalias_detectadas``, its archive and ``consumos_horarios``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cliente = connect(settings, "consumo")
        self._base = self._cliente[settings.mongo_db]
        self._anomalias = AnomaliasRepartidas(self._base)

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing; they are those of the specification and contract 4.

        A ``RETENCION_HORARIOS_HORAS`` that has changed is put into the index that forgets.
        """
        with traducidos(self._settings):
            ensure_mensuales(self._base)
            self._anomalias.ensure_indexes()
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
        have said of them survives a new verdict. Those of archived days are in the archive.
        """
        lote = LoteAnomalias(lecturas, veredictos, explicaciones, repetida, conservado=False)
        with traducidos(self._settings):
            self._anomalias.write(lote, ahora_hora)
            self._save_hours(lecturas, veredictos, repetida, ahora_hora)

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
        repetida = np.ones(len(lecturas), np.bool_)
        lote = LoteAnomalias(lecturas, veredictos, explicaciones, repetida, conservado=True)
        with traducidos(self._settings):
            self._anomalias.write(lote, ahora_hora)
            self._restore_hours(lecturas, veredictos, ahora_hora)

    def _restore_hours(self, lecturas: Lecturas, veredictos: Veredictos, ahora_hora: int) -> None:
        """Store the readings that are young enough and missing, or that say otherwise."""
        desde = ahora_hora - self._settings.retencion_horarios_horas
        recientes = np.flatnonzero(lecturas.hora_utc > desde).tolist()
        horas = {doc["_id"]: doc for doc in (hour(lecturas, veredictos, i) for i in recientes)}
        for doc in self._base[HORARIOS].find({"_id": {"$in": list(horas)}}) if horas else ():
            if doc == horas[doc["_id"]]:
                del horas[doc["_id"]]
        bulk_write(
            self._base[HORARIOS],
            [ReplaceOne({"_id": clave}, doc, upsert=True) for clave, doc in horas.items()],
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
            otros.extend(
                nuevos[posicion] for posicion in insert_missing(self._base[HORARIOS], nuevos)
            )
        bulk_write(
            self._base[HORARIOS],
            [ReplaceOne({"_id": doc["_id"]}, doc, upsert=True) for doc in otros],
        )

    def count_anomalies(
        self, propietario_ids: Sequence[str], desde_hora: int, hasta_hora: int
    ) -> dict[str, int]:
        """Return how many anomalies of each severidad that has any, archived or not.

        One that is on its way to the archive, or back, is counted once.

        ``propietario_ids``: others do not count. ``desde_hora``, ``hasta_hora``: absolute hours,
        the last one excluded.
        """
        filtro = {
            "timestamp_consumo": {"$gte": instante(desde_hora), "$lt": instante(hasta_hora)},
            "severidad": {"$in": [str(s) for s in SEVERIDADES[1:]]},
        }
        campos = {"_id": 0, "propietario_id": 1, "timestamp_consumo": 1, "severidad": 1}
        cuales = set(propietario_ids)
        halladas: dict[tuple[str, int], str] = {}
        with traducidos(self._settings):
            # Copied before it is deleted: whichever way one goes, one of the three looks sees it.
            for coleccion in (ANOMALIAS, ARCHIVO, ANOMALIAS):
                for doc in self._base[coleccion].find(filtro, campos):
                    if doc["propietario_id"] in cuales:
                        halladas[key_of(doc)] = doc["severidad"]
        return dict(Counter(halladas.values()))

    def ping(self) -> None:
        """Return if MongoDB answers; raise ``TransientError`` otherwise."""
        with traducidos(self._settings):
            self._cliente.admin.command("ping")

    def close(self) -> None:
        """Close every connection."""
        self._cliente.close()
