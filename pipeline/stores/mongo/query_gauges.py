"""What is measured of the stores beside the readings: cases, drift, nights, and who is told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pymongo import DESCENDING

from pipeline.stores.case_records import SIN_VEREDICTO
from pipeline.stores.mongo.alert_log import AVISOS, NOCHES, TURNO
from pipeline.stores.mongo.cases import CASOS, NO_INOCENTES
from pipeline.stores.mongo.model_log import INFORMES
from pipeline.stores.mongo.reader import Documento, MongoReader
from serving.settings import Settings


class OpenCases(NamedTuple):
    """The open cases of a type."""

    casos: int
    recuperable_kwh: float


class StoreGauges(NamedTuple):
    """All of it, at a moment; None = there is none yet."""

    casos: Mapping[str, OpenCases]  # by type
    # Of the latest drift report: semaforo, resumen (fraccion_movidas), fecha.
    deriva: Mapping[str, Any] | None
    # Of the latest night: fin, fallidos.
    noche: Mapping[str, Any] | None
    avisos_pendientes: int  # things that a destination has not been told
    avisa: bool  # a process tells people


class MongoGauges:
    """Reads them, in a few questions."""

    def __init__(self, settings: Settings) -> None:
        self._lector = MongoReader(settings, "consumo medidas", 1)

    def read(self) -> StoreGauges:
        """Return what is so now; ``TransientError`` = MongoDB is away."""
        pendientes = self._lector.aggregate(
            AVISOS,
            [{"$match": {"faltan": {"$gt": ""}}}, {"$group": {"_id": None, "n": {"$sum": 1}}}],
        )
        turno = {"_id": TURNO, "hasta": {"$gte": datetime.now(UTC)}}
        return StoreGauges(
            casos=self._open_cases(),
            deriva=self._latest(
                INFORMES, "fecha", {"fecha": 1, "semaforo": 1, "resumen.fraccion_movidas": 1}
            ),
            noche=self._latest(NOCHES, "inicio", {"fin": 1, "fallidos": 1}),
            avisos_pendientes=pendientes[0]["n"] if pendientes else 0,
            avisa=bool(self._lector.find(AVISOS, turno, None, [("_id", DESCENDING)], 1)),
        )

    def _open_cases(self) -> dict[str, OpenCases]:
        abiertos = {"fecha_cierre": None, "estado": {"$in": list(SIN_VEREDICTO)}, **NO_INOCENTES}
        suma = {"casos": {"$sum": 1}, "kwh": {"$sum": "$recuperable_kwh"}}
        grupos = self._lector.aggregate(
            CASOS, [{"$match": abiertos}, {"$group": {"_id": "$tipo", **suma}}]
        )
        return {g["_id"]: OpenCases(int(g["casos"]), float(g["kwh"])) for g in grupos}

    def _latest(self, coleccion: str, campo: str, campos: Mapping[str, int]) -> Documento | None:
        docs = self._lector.find(coleccion, {}, campos, [(campo, DESCENDING)], 1)
        return docs[0] if docs else None

    def close(self) -> None:
        """Close every connection."""
        self._lector.close()
