"""What people have been told, and what they are still to be told: ``avisos``, one document a thing.

Whoever tells people holds a turn, so that a second process tells nothing twice; the turn of one
that was killed is free after ``TURNO_S``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, ReplaceOne, UpdateOne
from pymongo.errors import DuplicateKeyError

from pipeline.stores.alert_records import Alert, Night
from pipeline.stores.mongo.anomalies import ANOMALIAS
from pipeline.stores.mongo.chunks import TRAMO_IDS, bulk_write
from pipeline.stores.mongo.connection import connect, traducidos
from serving.settings import Settings

AVISOS = "avisos"
NOCHES = "noches"
TURNO_S = 60.0
"""Longer than a destination may take (``alerts.destinations.PLAZO_S``): each renews it. By hand,
2026-11-30."""
TURNO = "turno"


class MongoAlertLog:
    """``avisos`` and ``noches``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cliente = connect(settings, "consumo avisos")
        self._base = self._cliente[settings.mongo_db]
        self._avisos = self._base[AVISOS]
        self._quien = uuid.uuid4().hex

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        with traducidos(self._settings):
            self._avisos.create_index([("faltan", ASCENDING)])
            self._avisos.create_index([("clase", ASCENDING), ("fin", ASCENDING)])
            self._base[NOCHES].create_index([("inicio", DESCENDING)])

    def take_turn(self, ahora: datetime) -> bool:
        """Return whether it is ours to tell people, from now until ``TURNO_S`` later."""
        campos = {"quien": self._quien, "hasta": ahora + timedelta(seconds=TURNO_S)}
        with traducidos(self._settings):
            for de in ({"quien": self._quien}, {"hasta": {"$lt": ahora}}):
                if self._avisos.update_one({"_id": TURNO, **de}, {"$set": campos}).matched_count:
                    return True
            try:
                self._avisos.insert_one({"_id": TURNO, **campos})
            except DuplicateKeyError:
                return False
        return True

    def turn_is_taken(self, ahora: datetime) -> bool:
        """Return whether somebody tells people."""
        with traducidos(self._settings):
            suyo = self._avisos.find_one({"_id": TURNO, "hasta": {"$gte": ahora}})
        return suyo is not None

    def leave_turn(self) -> None:
        """Let another one tell people."""
        with traducidos(self._settings):
            self._avisos.delete_one({"_id": TURNO, "quien": self._quien})

    def known(self, claves: Sequence[str]) -> dict[str, Alert]:
        """Return what is known of some things."""
        hay: dict[str, Alert] = {}
        with traducidos(self._settings):
            for desde in range(0, len(claves), TRAMO_IDS):
                suyas = {"_id": {"$in": list(claves[desde : desde + TRAMO_IDS])}}
                hay |= {doc["_id"]: _alert(doc) for doc in self._avisos.find(suyas)}
        return hay

    def going_on(self, clases: Sequence[str]) -> list[Alert]:
        """Return the things of some kinds that have no end yet."""
        with traducidos(self._settings):
            docs = self._avisos.find({"clase": {"$in": list(clases)}, "fin": None})
            return [_alert(doc) for doc in docs]

    def untold(self) -> list[Alert]:
        """Return what somebody has not been told, the oldest first."""
        with traducidos(self._settings):
            docs = self._avisos.find({"faltan": {"$gt": ""}})
            return sorted(map(_alert, docs), key=lambda aviso: (aviso.visto, aviso.clave))

    def put(self, avisos: Iterable[Alert]) -> None:
        """Keep things, in place of what was known of them."""
        cambios = [
            ReplaceOne({"_id": aviso.clave}, _document(aviso), upsert=True) for aviso in avisos
        ]
        with traducidos(self._settings):
            bulk_write(self._avisos, cambios)

    def told(self, claves: Iterable[str], destino: str, cuando: datetime) -> None:
        """Note that a destination has been told of things."""
        cambio = {"$pull": {"faltan": destino}, "$set": {"dicho": cuando}}
        with traducidos(self._settings):
            bulk_write(self._avisos, [UpdateOne({"_id": clave}, cambio) for clave in claves])

    def forget(self, claves: Sequence[str]) -> None:
        """Know nothing of things any more."""
        with traducidos(self._settings):
            for desde in range(0, len(claves), TRAMO_IDS):
                suyas = list(claves[desde : desde + TRAMO_IDS])
                self._avisos.delete_many({"_id": {"$in": suyas}})

    def customers_with(
        self, propietario_ids: Sequence[str], severidades: Sequence[str], desde: datetime
    ) -> set[str]:
        """Return those of some customers that have an anomaly of these severities since then."""
        hallados: set[str] = set()
        with traducidos(self._settings):
            for k in range(0, len(propietario_ids), TRAMO_IDS):
                filtro = {
                    "propietario_id": {"$in": list(propietario_ids[k : k + TRAMO_IDS])},
                    "severidad": {"$in": list(severidades)},
                    "timestamp_consumo": {"$gte": desde},
                }
                hallados |= set(self._base[ANOMALIAS].distinct("propietario_id", filtro))
        return hallados

    def save_night(self, noche: Night) -> None:
        """Keep how a night went."""
        with traducidos(self._settings):
            self._base[NOCHES].insert_one(asdict(noche))

    def latest_night(self) -> Night | None:
        """Return the latest night; None = there was none."""
        with traducidos(self._settings):
            doc = self._base[NOCHES].find_one(sort=[("inicio", DESCENDING)])
        if doc is None:
            return None
        return Night(doc["inicio"], doc["fin"], doc["pasos"], doc["fallidos"])

    def close(self) -> None:
        """Close every connection."""
        self._cliente.close()


def _document(aviso: Alert) -> dict[str, Any]:
    return {
        "_id": aviso.clave,
        "clase": aviso.clase,
        "texto": aviso.texto,
        "visto": aviso.visto,
        "grado": list(aviso.grado),
        "datos": dict(aviso.datos),
        "empeora": aviso.empeora,
        "fin": aviso.fin,
        "ausente": aviso.ausente,
        "faltan": list(aviso.faltan),
    }


def _alert(doc: dict[str, Any]) -> Alert:
    return Alert(
        clave=doc["_id"],
        clase=doc["clase"],
        texto=doc["texto"],
        visto=doc["visto"],
        grado=tuple(doc["grado"]),
        datos=doc["datos"],
        empeora=doc["empeora"],
        fin=doc["fin"],
        ausente=doc["ausente"],
        faltan=tuple(doc["faltan"]),
    )
