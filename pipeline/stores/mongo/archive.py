"""The archive of anomalies: from ``anomalias_detectadas`` to ``anomalias_archivo`` and back.

Each anomaly is deleted only after its copy has been compared (``transfer``), so none is lost, and
after the next run none is in both. The days are those of MongoDB alone: PostgreSQL has marks of its
own, for either store may be archived while the other one is away.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice
from typing import Any

from pymongo import ASCENDING, DESCENDING, DeleteOne

from detection.domain import SEVERIDADES
from detection.errors import PermanentError
from pipeline.stores.archive import (
    MEGABYTE,
    UN_DIA,
    MesArchivo,
    Movidos,
    OnProgress,
    ignore,
    run_steps,
)
from pipeline.stores.mongo.anomalies import ANOMALIAS, ARCHIVO, ColeccionAnomalias
from pipeline.stores.mongo.chunks import bulk_write
from pipeline.stores.mongo.connection import connect, traducidos
from pipeline.stores.mongo.day_marks import (
    DIAS_SIEMPRE_VIVOS,
    Base,
    begin_return,
    finish_return,
    mark,
    retained,
)
from pipeline.stores.mongo.documents import now
from pipeline.stores.mongo.transfer import RETIRADA, Crudo, Traslado, raw
from pipeline.stores.months import mes_de
from pipeline.stores.presentation import make_presentacion
from serving.settings import Settings

REGISTRO = "log_archivado_mongo"
TANDA = 1_000
"""Anomalies at a time: about 2 s of the embedded server, and 2 MB. By hand, 2026-11-24."""
INTENTOS = 10
"""Passes in a row that move nothing, though there is something to move, before it is an error."""
CALMA_S = 0.5
"""Pause after a run that was killed: its last request, of ``transfer.BORRADO`` deletions at most,
could otherwise take away what this run brings back. By hand, 2026-11-29."""


class MongoArchive:
    """``Archive`` of the anomalies. Days are local ones of ``ZONA_HORARIA``.

    ``tanda``: anomalies at a time, at most.
    """

    def __init__(self, settings: Settings, tanda: int = TANDA) -> None:
        self._settings = settings
        self._cliente = connect(settings, "consumo archivo")
        self._base = self._cliente[settings.mongo_db]
        self._vivas = raw(self._base[ANOMALIAS])
        self._archivadas = raw(self._base[ARCHIVO])
        self._presenta = make_presentacion(settings)
        self._tanda = tanda

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing: the archive's are those of its origin."""
        with traducidos(self._settings):
            for coleccion in (ANOMALIAS, ARCHIVO):
                ColeccionAnomalias(self._base[coleccion]).ensure_indexes()
            self._base[REGISTRO].create_index([("fecha_archivado", DESCENDING)])

    def pendientes(self, limite: date, hoy: date) -> list[MesArchivo]:
        """Return what ``archivar`` would move, by local month; changes nothing."""
        with traducidos(self._settings):
            return self._by_month(ANOMALIAS, self._tramos(None, _not_too_young(limite, hoy), hoy))

    def listar(self) -> list[MesArchivo]:
        """Return what the archive holds, by local month."""
        with traducidos(self._settings):
            return self._by_month(ARCHIVO, [{}])

    def contar(self, antes_de: date) -> int:
        """Return how many anomalies of days before ``antes_de`` the archive holds."""
        with traducidos(self._settings):
            return self._archivadas.count_documents(self._tramo(None, antes_de))

    def archivar(self, limite: date, hoy: date, avance: OnProgress = ignore) -> Movidos:
        """Move every anomaly of the local days before ``limite`` to the archive.

        Days that were restored stay until they are no longer retained at ``hoy``, and so do the
        last ``DIAS_SIEMPRE_VIVOS`` before it.
        """
        self.ensure_indexes()
        limite = _not_too_young(limite, hoy)
        with traducidos(self._settings):
            run = _Run(self._settings, self._base, "archivar", ANOMALIAS, None, limite - UN_DIA)
            return run_steps(run, self._archive(run, limite, hoy), avance)

    def restaurar(
        self, desde: date, hasta: date, retenido_hasta: date, avance: OnProgress = ignore
    ) -> Movidos:
        """Bring the anomalies of local days back, ``hasta`` included."""
        self.ensure_indexes()
        with traducidos(self._settings):
            run = _Run(self._settings, self._base, "restaurar", ARCHIVO, desde, hasta)
            return run_steps(run, self._restore(run, desde, hasta, retenido_hasta), avance)

    def eliminar(self, antes_de: date, avance: OnProgress = ignore) -> Movidos:
        """Delete the archive's anomalies of the days before ``antes_de``, for good.

        Their days stay marked: an anomaly that still comes of one of them goes to the archive.
        """
        with traducidos(self._settings):
            run = _Run(self._settings, self._base, "eliminar", ARCHIVO, None, antes_de - UN_DIA)
            return run_steps(run, self._delete(run, antes_de), avance)

    def close(self) -> None:
        """Close every connection."""
        self._cliente.close()

    def _archive(self, run: _Run, limite: date, hoy: date) -> Iterator[int]:
        desde = self._first_day(limite)
        mark(self._base, desde, limite, hoy)
        al_archivo = Traslado(self._vivas, self._archivadas, al_archivo=True)
        # None of an earlier day, which may have come since: its day is not marked.
        for tramo in self._tramos(desde, limite, hoy):
            yield from self._move(run, al_archivo, tramo)

    def _restore(self, run: _Run, desde: date, hasta: date, retenido_hasta: date) -> Iterator[int]:
        tramo = self._tramo(desde, hasta + UN_DIA)
        de_vuelta = Traslado(self._archivadas, self._vivas, al_archivo=False)
        begin_return(self._base, desde, hasta, retenido_hasta)
        yield from self._move(run, de_vuelta, tramo)
        finish_return(self._base, desde, hasta)
        # Once more for saves that had looked at the marks before.
        yield from self._move(run, de_vuelta, tramo)
        self._vivas.delete_many({**tramo, **RETIRADA})

    def _delete(self, run: _Run, antes_de: date) -> Iterator[int]:
        for tanda in self._tandas(self._archivadas, self._tramo(None, antes_de)):
            bulk_write(self._archivadas, [DeleteOne({"_id": doc["_id"]}) for doc in tanda])
            yield run.add(tanda)

    def _move(self, run: _Run, traslado: Traslado, tramo: dict[str, Any]) -> Iterator[int]:
        """Move a stretch of time until nothing of it is left."""
        en_vano = 0
        while en_vano < INTENTOS:
            hay = alguna = False
            for tanda in self._tandas(traslado.origen, tramo):
                hay = True
                if movidas := traslado.move(tanda):
                    alguna = True
                    yield run.add(movidas)
            if not hay:
                return
            en_vano = 0 if alguna else en_vano + 1
        raise PermanentError(
            "la copia de unas anomalías no es igual al original: siguen donde estaban"
        )

    def _tandas(self, coleccion: Any, tramo: dict[str, Any]) -> Iterator[list[Crudo]]:
        """Give the documents of a stretch of time, some at a time."""
        documentos = coleccion.find(tramo, batch_size=self._tanda)
        while tanda := list(islice(documentos, self._tanda)):
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
        limites = {"$lt": self._presenta.medianoche(hasta)}
        if desde is not None:
            limites["$gte"] = self._presenta.medianoche(desde)
        return {"timestamp_consumo": limites}

    def _first_day(self, limite: date) -> date:
        """Return the day of the first anomaly before a day, or that day if there is none."""
        orden = [("timestamp_consumo", ASCENDING)]
        primera = self._vivas.find_one(self._tramo(None, limite), sort=orden)
        return limite if primera is None else self._presenta.fecha(primera["timestamp_consumo"])

    def _by_month(self, coleccion: str, tramos: list[dict[str, Any]]) -> list[MesArchivo]:
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


class _Run:
    """The document of one run in ``log_archivado_mongo``.

    Space is the size of the documents themselves: what the collection's ``size`` goes down by.
    MongoDB keeps it for the documents to come; only ``compact`` gives it back to the disk.

    ``coleccion``: from which documents go.
    """

    def __init__(
        self,
        settings: Settings,
        base: Base,
        operacion: str,
        coleccion: str,
        desde: date | None,
        hasta: date,
    ) -> None:
        self._settings = settings
        self._registro = base[REGISTRO]
        self._documentos = self._bytes = 0
        # Nobody else runs, so whoever has not finished never will. But its last request may be
        # under way.
        muertas, dichas = {"estado": "en curso"}, {"$set": {"estado": "interrumpido"}}
        if self._registro.update_many(muertas, dichas).modified_count:
            time.sleep(CALMA_S)
        inicial = {
            "fecha_archivado": now(),
            "operacion": operacion,
            "coleccion": coleccion,
            **self._moved(),
            "estado": "en curso",
            "desde": None if desde is None else desde.isoformat(),
            "hasta": hasta.isoformat(),
        }
        self._clave = {"_id": self._registro.insert_one(inicial).inserted_id}

    def add(self, movidos: Sequence[Crudo]) -> int:
        """Add documents that are no longer where they were; return how many."""
        self._documentos += len(movidos)
        self._bytes += sum(len(doc.raw) for doc in movidos)
        self._registro.update_one(self._clave, {"$set": self._moved()})
        return len(movidos)

    def close(self, estado: str) -> Movidos:
        """Say how the run ended, and return what it has moved."""
        with traducidos(self._settings):
            self._registro.update_one(self._clave, {"$set": {**self._moved(), "estado": estado}})
        return Movidos(self._documentos, self._bytes / MEGABYTE)

    def _moved(self) -> dict[str, Any]:
        mb = self._bytes / MEGABYTE
        return {"documentos_movidos": self._documentos, "espacio_liberado_mb": mb}


def _month(texto: str, filas: Sequence[dict[str, Any]]) -> MesArchivo:
    cuenta = {
        str(severidad): n
        for severidad in reversed(SEVERIDADES)
        if (n := sum(f["n"] for f in filas if f["_id"]["severidad"] == severidad))
    }
    return MesArchivo(
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
