"""Where a local day's anomalies live: in ``anomalias_detectadas`` or in the archive.

A day is marked before its first anomaly moves to the archive. Before the first one comes back it
is also given the day until which it is retained, and it is unmarked when the last one is back. So a
mark says what whoever writes an anomaly has to know:

- none: in ``anomalias_detectadas``;
- archived: where it is found, the archive if nowhere;
- on its way back: in ``anomalias_detectadas``, into which it is copied first if the archive has it.

MongoDB has no lock that a save could share with the archiver, so whoever writes looks at the marks
again afterwards (``anomaly_placement``), and whoever moves looks at the documents again before he
deletes one (``transfer``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import Enum
from typing import Any

from pymongo import UpdateOne
from pymongo.database import Database

from pipeline.stores.archive import EPOCA, UN_DIA
from pipeline.stores.mongo.chunks import bulk_write

DIAS = "dias_archivados"


DIAS_SIEMPRE_VIVOS = 2
"""Days before today that are never archived, so that a save of fresh readings need not ask."""
HORAS_SIEMPRE_VIVAS = 46
"""Readings younger than this are of none but those days: one of the two may have 23 hours, and
clocks may differ by up to one."""

Base = Database[dict[str, Any]]


class Sitio(Enum):
    """Where the anomalies of a marked day are."""

    ARCHIVO = "archivo"
    VOLVIENDO = "volviendo"


def places(base: Base, dias: Iterable[int]) -> dict[int, Sitio]:
    """Return the place of each of some days, given since 1970-01-01, that are marked."""
    pedidos = {(EPOCA + dia * UN_DIA).isoformat(): dia for dia in dias}
    if not pedidos:
        return {}
    filtro = {"_id": {"$gte": min(pedidos), "$lte": max(pedidos)}, "en_archivo": True}
    return {
        pedidos[doc["_id"]]: Sitio.ARCHIVO if doc.get("retenido_hasta") is None else Sitio.VOLVIENDO
        for doc in base[DIAS].find(filtro)
        if doc["_id"] in pedidos
    }


def retained(base: Base, hoy: date) -> set[date]:
    """Return the days that were restored, or are being restored, and have to stay at ``hoy``."""
    return _days(base, {"retenido_hasta": {"$gte": hoy.isoformat()}})


def mark(base: Base, desde: date, limite: date, hoy: date) -> None:
    """Say that days live in the archive from now on, unless they are retained at ``hoy``.

    ``desde``, ``limite``: first day, and the one after the last. Days before ``desde`` that were on
    their way back, and are no longer retained, are archived again too.
    """
    archivado = {"en_archivo": True, "retenido_hasta": None}
    a_medias = {"en_archivo": True, "retenido_hasta": {"$ne": None}}
    dias = _days(base, a_medias) | {desde + k * UN_DIA for k in range((limite - desde).days)}
    cambios = [
        UpdateOne({"_id": dia.isoformat()}, {"$set": archivado}, upsert=True)
        for dia in sorted(dias - _days(base, archivado) - retained(base, hoy))
        if dia < limite
    ]
    bulk_write(base[DIAS], cambios)


def begin_return(base: Base, desde: date, hasta: date, retenido_hasta: date) -> None:
    """Say that archived days, ``hasta`` included, are on their way back."""
    hasta_cuando = {"$set": {"retenido_hasta": retenido_hasta.isoformat()}}
    base[DIAS].update_many(_archived(desde, hasta), hasta_cuando)


def finish_return(base: Base, desde: date, hasta: date) -> None:
    """Say that days, ``hasta`` included, live in ``anomalias_detectadas`` again."""
    base[DIAS].update_many(_archived(desde, hasta), {"$set": {"en_archivo": False}})


def _archived(desde: date, hasta: date) -> dict[str, Any]:
    return {"_id": {"$gte": desde.isoformat(), "$lte": hasta.isoformat()}, "en_archivo": True}


def _days(base: Base, filtro: dict[str, Any]) -> set[date]:
    return {date.fromisoformat(doc["_id"]) for doc in base[DIAS].find(filtro, {"_id": 1})}
