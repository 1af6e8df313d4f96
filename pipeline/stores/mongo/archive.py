"""The archive of anomalies: from ``anomalias_detectadas`` to ``anomalias_archivo`` and back.

A day is marked before its anomalies move (``mongo_dias``), and each is deleted only after its copy
has been compared (``mongo_traslado``), so whatever is killed at whatever instant, no anomaly is
lost, and after the next run none is in both. One archiver or restorer at a time: the caller sees to
it. The days are those of MongoDB alone: PostgreSQL has marks of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pymongo import ASCENDING, DESCENDING, DeleteOne

from detection.domain import SEVERIDADES
from detection.errors import PermanentError
from pipeline.stores.archive_records import MesAnomalias, Movidos
from pipeline.stores.mongo.anomalies import ANOMALIAS, ARCHIVO, ColeccionAnomalias
from pipeline.stores.mongo.archive_log import MEGABYTE, REGISTRO, Anotacion, latest, open_log
from pipeline.stores.mongo.chunks import bulk_write
from pipeline.stores.mongo.connection import connect, traducidos
from pipeline.stores.mongo.day_marks import (
    DIAS_SIEMPRE_VIVOS,
    UN_DIA,
    begin_return,
    day_of,
    day_start,
    finish_return,
    mark,
    retained,
)
from pipeline.stores.mongo.transfer import RETIRADA, Crudo, Traslado, raw
from pipeline.stores.months import mes_de
from serving.settings import Settings

TANDA = 1_000
"""Anomalies at a time: about 2 s of the embedded server, and 2 MB. By hand, 2026-11-24."""
INTENTOS = 10
"""Passes in a row that move nothing, though there is something to move, before it is an error."""

Avance = Callable[[int], None]
"""Told how many more anomalies are in their new place."""


class ArchivoMongo:
    """What the archiver and the restorer ask of MongoDB.

    Days are local ones of ``ZONA_HORARIA``.

    Parameters
    ----------
    tanda : int
        Anomalies at a time, at most.

    Examples
    --------
    >>> from serving.settings import Settings
    >>> ArchivoMongo(Settings()).close()
    """

    def __init__(self, settings: Settings, tanda: int = TANDA) -> None:
        self._settings = settings
        self._cliente = connect(settings, "consumo archivo")
        self._base = self._cliente[settings.mongo_db]
        self._vivas = raw(self._base[ANOMALIAS])
        self._archivadas = raw(self._base[ARCHIVO])
        self._zona = ZoneInfo(settings.zona_horaria)
        self._tanda = tanda

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing: the archive's are those of its origin."""
        with traducidos(self._settings):
            for coleccion in (ANOMALIAS, ARCHIVO):
                ColeccionAnomalias(self._base[coleccion]).ensure_indexes()
            self._base[REGISTRO].create_index([("fecha_archivado", DESCENDING)])

    def pendientes(self, limite: date, hoy: date) -> list[MesAnomalias]:
        """Return what ``archivar`` would move, by local month; changes nothing."""
        with traducidos(self._settings):
            return self._por_mes(ANOMALIAS, self._tramos(None, _not_too_young(limite, hoy), hoy))

    def listar(self) -> list[MesAnomalias]:
        """Return what the archive holds, by local month."""
        with traducidos(self._settings):
            return self._por_mes(ARCHIVO, [{}])

    def archivar(self, limite: date, hoy: date, avance: Avance = lambda _n: None) -> Movidos:
        """Move every anomaly of the local days before ``limite`` to the archive.

        Days that were restored stay until they are no longer retained at ``hoy``, and so do the
        last ``DIAS_SIEMPRE_VIVOS`` before it.
        """
        self.ensure_indexes()
        limite = _not_too_young(limite, hoy)
        with (
            traducidos(self._settings),
            open_log(self._base, "archivar", ANOMALIAS, None, limite - UN_DIA) as anotacion,
        ):
            desde = self._first_day(limite)
            mark(self._base, desde, limite, hoy)
            al_archivo = Traslado(self._vivas, self._archivadas, al_archivo=True)
            # None of an earlier day, which may have come since: its day is not marked.
            for tramo in self._tramos(desde, limite, hoy):
                self._move(al_archivo, tramo, anotacion, avance)
            return anotacion.close("completado")

    def restaurar(
        self,
        desde: date,
        hasta: date,
        retenido_hasta: date,
        avance: Avance = lambda _n: None,
    ) -> Movidos:
        """Bring the anomalies of local days back, ``hasta`` included.

        Parameters
        ----------
        retenido_hasta : date
            Until then the archiver leaves those days alone.
        """
        self.ensure_indexes()
        tramo = self._tramo(desde, hasta + UN_DIA)
        de_vuelta = Traslado(self._archivadas, self._vivas, al_archivo=False)
        with (
            traducidos(self._settings),
            open_log(self._base, "restaurar", ARCHIVO, desde, hasta) as anotacion,
        ):
            begin_return(self._base, desde, hasta, retenido_hasta)
            self._move(de_vuelta, tramo, anotacion, avance)
            finish_return(self._base, desde, hasta)
            # Once more for saves that had looked at the marks before.
            self._move(de_vuelta, tramo, anotacion, avance)
            self._vivas.delete_many({**tramo, **RETIRADA})
            return anotacion.close("completado")

    def contar(self, antes_de: date) -> int:
        """Return how many anomalies of days before ``antes_de`` the archive holds."""
        with traducidos(self._settings):
            return self._archivadas.count_documents(self._tramo(None, antes_de))

    def eliminar(self, antes_de: date, avance: Avance = lambda _n: None) -> Movidos:
        """Delete the archive's anomalies of the days before ``antes_de``, for good.

        Their days stay marked: an anomaly that still comes of one of them goes to the archive.
        """
        tramo = self._tramo(None, antes_de)
        with (
            traducidos(self._settings),
            open_log(self._base, "eliminar", ARCHIVO, None, antes_de - UN_DIA) as anotacion,
        ):
            for tanda in self._tandas(self._archivadas, tramo):
                bulk_write(self._archivadas, [DeleteOne({"_id": doc["_id"]}) for doc in tanda])
                anotacion.add(tanda)
                avance(len(tanda))
            return anotacion.close("completado")

    def historial(self, limite: int) -> list[dict[str, Any]]:
        """Return the latest documents of ``log_archivado_mongo``, the newest first."""
        with traducidos(self._settings):
            return latest(self._base, limite)

    def close(self) -> None:
        """Close every connection."""
        self._cliente.close()

    def _move(
        self, traslado: Traslado, tramo: dict[str, Any], anotacion: Anotacion, avance: Avance
    ) -> None:
        """Move a stretch of time until nothing of it is left."""
        en_vano = 0
        while en_vano < INTENTOS:
            hay = alguna = False
            for tanda in self._tandas(traslado.origen, tramo):
                hay = True
                if movidas := traslado.move(tanda):
                    alguna = True
                    anotacion.add(movidas)
                    avance(len(movidas))
            if not hay:
                return
            en_vano = 0 if alguna else en_vano + 1
        raise PermanentError(
            "la copia de unas anomalías no es igual al original: siguen donde estaban"
        )

    def _tandas(self, coleccion: Any, tramo: dict[str, Any]) -> Iterator[list[Crudo]]:
        """Give the documents of a stretch of time, some at a time."""
        tanda: list[Crudo] = []
        for doc in coleccion.find(tramo, batch_size=self._tanda):
            tanda.append(doc)
            if len(tanda) == self._tanda:
                yield tanda
                tanda = []
        if tanda:
            yield tanda

    def _tramos(self, desde: date | None, limite: date, hoy: date) -> list[dict[str, Any]]:
        """Return the filters of what is to be archived: between the retained days."""
        tramos = []
        retenidos = sorted(d for d in retained(self._base, hoy) if (desde or d) <= d < limite)
        for dia in [*retenidos, limite]:
            if desde != dia:
                tramos.append(self._tramo(desde, dia))
            desde = dia + UN_DIA
        return tramos

    def _tramo(self, desde: date | None, hasta: date) -> dict[str, Any]:
        """Return the filter of local days, ``hasta`` not included; None = from the beginning."""
        limites = {"$lt": day_start(hasta, self._zona)}
        if desde is not None:
            limites["$gte"] = day_start(desde, self._zona)
        return {"timestamp_consumo": limites}

    def _first_day(self, limite: date) -> date:
        """Return the day of the first anomaly before a day, or that day if there is none."""
        primera = self._vivas.find_one(
            self._tramo(None, limite), sort=[("timestamp_consumo", ASCENDING)]
        )
        if primera is None:
            return limite
        momento: datetime = primera["timestamp_consumo"]
        return day_of(momento, self._zona)

    def _por_mes(self, coleccion: str, tramos: list[dict[str, Any]]) -> list[MesAnomalias]:
        """Return what a collection holds of some stretches of time, by local month."""
        mes = {
            "$dateToString": {
                "format": "%Y-%m",
                "date": "$timestamp_consumo",
                "timezone": self._settings.zona_horaria,
            }
        }
        grupo = {
            "_id": {"mes": mes, "severidad": "$severidad"},
            "n": {"$sum": 1},
            "bytes": {"$sum": {"$bsonSize": "$$ROOT"}},
            "desde": {"$min": "$timestamp_consumo"},
            "hasta": {"$max": "$timestamp_consumo"},
        }
        por_mes: dict[str, list[dict[str, Any]]] = {}
        for tramo in tramos:
            for fila in self._base[coleccion].aggregate([{"$match": tramo}, {"$group": grupo}]):
                por_mes.setdefault(fila["_id"]["mes"], []).append(fila)
        return [_month(texto, por_mes[texto]) for texto in sorted(por_mes)]


def _month(texto: str, filas: Sequence[dict[str, Any]]) -> MesAnomalias:
    cuenta = {
        str(severidad): n
        for severidad in reversed(SEVERIDADES)
        if (n := sum(f["n"] for f in filas if f["_id"]["severidad"] == severidad))
    }
    return MesAnomalias(
        mes_de(texto),
        sum(f["n"] for f in filas),
        min(f["desde"] for f in filas),
        max(f["hasta"] for f in filas),
        sum(f["bytes"] for f in filas) / MEGABYTE,
        cuenta,
    )


def _not_too_young(limite: date, hoy: date) -> date:
    """Return the day before which is archived, given the one that was asked for."""
    return min(limite, hoy - DIAS_SIEMPRE_VIVOS * UN_DIA)
