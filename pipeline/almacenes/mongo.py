"""Anomalies with their explanation, and the last hours of readings, in MongoDB: its only door."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymongo import ASCENDING, DESCENDING, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError

from detection.dominio import (
    HORAS_POR_DIA,
    SEGUNDOS_POR_HORA,
    SEVERIDADES,
    Explicacion,
    Lecturas,
    Veredictos,
    instante,
    nombres_de_tipos,
)
from pipeline.almacenes.mongo_conexion import DUPLICADO, connect, traducidos, write_concern
from pipeline.almacenes.mongo_meses import ensure_mensuales
from serving.settings import Settings

ANOMALIAS = "anomalias_detectadas"
HORARIOS = "consumos_horarios"

ABIERTA = "abierta"
DESCARTADA = "descartada"
"""``estado`` of an anomaly that nobody has looked at, and of one that a person rejected."""

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
        alta = _now()
        documentos = [
            _identity(lecturas, i)
            | _verdict(lecturas, veredictos, i, explicaciones[i])
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
        alta = {"estado": ABIERTA, "timestamp_deteccion": _now()}
        self._bulk_write(
            ANOMALIAS,
            [
                UpdateOne(
                    _identity(lecturas, i),
                    {
                        "$set": _verdict(lecturas, veredictos, i, explicaciones[i]),
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
        # Most readings that come again were normal before: look first, in one query.
        normales = {(lecturas.propietario_id[i], int(lecturas.hora_utc[i])): i for i in indices}
        if not normales:
            return
        anomalias = self._base[ANOMALIAS]
        filtro = {
            "propietario_id": {"$in": sorted({propietario for propietario, _ in normales})},
            "timestamp_consumo": {
                "$gte": instante(int(lecturas.hora_utc[indices].min())),
                "$lte": instante(int(lecturas.hora_utc[indices].max())),
            },
        }
        cambios: list[UpdateOne | ReplaceOne[dict[str, Any]]] = []
        retirados: list[Any] = []
        for doc in anomalias.find(filtro, {"propietario_id": 1, "timestamp_consumo": 1}):
            hora = int(doc["timestamp_consumo"].timestamp()) // SEGUNDOS_POR_HORA
            indice = normales.get((doc["propietario_id"], hora))
            if indice is not None:
                retirados.append(doc["_id"])
                veredicto = _verdict(lecturas, veredictos, indice, ())
                cambios.append(UpdateOne({"_id": doc["_id"]}, {"$set": veredicto}))
        if retirados:
            anomalias.delete_many({"_id": {"$in": retirados}, "estado": ABIERTA})
            self._bulk_write(ANOMALIAS, cambios)

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
            documento = _hour(lecturas, veredictos, i)
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


def _now() -> datetime:
    """Return the time, to the millisecond that MongoDB keeps."""
    ahora = datetime.now(UTC)
    return ahora.replace(microsecond=ahora.microsecond // 1000 * 1000)


def _identity(lecturas: Lecturas, i: int) -> dict[str, Any]:
    return {
        "propietario_id": lecturas.propietario_id[i],
        "timestamp_consumo": instante(lecturas.hora_utc[i]),
    }


def _verdict(
    lecturas: Lecturas, veredictos: Veredictos, i: int, explicacion: Sequence[Explicacion]
) -> dict[str, Any]:
    """Return the fields of an anomaly that a new verdict replaces."""
    esperado = veredictos.esperado_kwh[i]
    return {
        "consumo_kwh": float(lecturas.consumo_kwh[i]),
        "hora": int(veredictos.hora_local[i]) % HORAS_POR_DIA,
        "tipos_anomalia": nombres_de_tipos(int(veredictos.tipos[i])),
        "score_anomalia": int(veredictos.score_centesimas[i]) / 100,
        "severidad": str(SEVERIDADES[veredictos.severidad[i]]),
        "es_sospechoso": bool(veredictos.es_sospechoso[i]),
        # Through its text: 1.234 and not 1.2339999675750732, as PostgreSQL shows the same float.
        "consumo_esperado_kwh": None if np.isnan(esperado) else float(str(esperado)),
        "version_modelo": veredictos.version_modelo,
        "explicacion": [
            {
                "detector": str(e.detector),
                "score": None if e.score is None else float(e.score),
                "peso": float(e.peso),
                "dispara": bool(e.dispara),
                "frase": e.frase,
            }
            for e in explicacion
        ],
    }


def _hour(lecturas: Lecturas, veredictos: Veredictos, i: int) -> dict[str, Any]:
    """Return a document of ``consumos_horarios``, with an ``_id`` that is its identity."""
    momento = instante(lecturas.hora_utc[i])
    return {
        "_id": f"{lecturas.propietario_id[i]}_{momento.isoformat()}",
        "propietario_id": lecturas.propietario_id[i],
        "timestamp_consumo": momento,
        "hora": int(veredictos.hora_local[i]) % HORAS_POR_DIA,
        "consumo_kwh": float(lecturas.consumo_kwh[i]),
        "score_anomalia": int(veredictos.score_centesimas[i]) / 100,
        "severidad": str(SEVERIDADES[veredictos.severidad[i]]),
    }
