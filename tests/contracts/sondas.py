"""Looks into each adapter from outside, so that one contract suite can check them all."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from typing import Any

import psycopg2
import psycopg2.errors
from contracts.fakes import (
    Anomalia,
    FakeAnomalyStore,
    FakeCaseStore,
    FakeHistoryStore,
    Fila,
    Identidad,
)
from pymongo import MongoClient
from pymongo.collection import Collection

from detection.cases.records import Caso, DayEvidence
from detection.domain import Explicacion, hora_absoluta
from pipeline.stores.mongo.cases import MongoCaseStore
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.ports import PuntoOnline
from pipeline.stores.postgres.store import PostgresStore
from serving.settings import Settings

_FILAS = """
SELECT propietario_id, extract(epoch FROM timestamp_consumo)::bigint / 3600, consumo_kwh,
    (fecha - date '1970-01-01') * 24 + hora, (score_anomalia * 100)::int, severidad,
    tipos_anomalia, es_sospechoso, consumo_esperado_kwh, version_modelo, anomalia_detectada
FROM consumos_diarios
"""


class HistorialEnMemoria:
    imposible: type[Exception] = ValueError
    """What it raises over a batch that cannot be stored."""

    def __init__(self) -> None:
        self.store = FakeHistoryStore()

    def filas(self) -> dict[Identidad, Fila]:
        return dict(self.store.filas)

    def puntos(self) -> dict[int, PuntoOnline]:
        return dict(self.store.puntos)

    def sombra(self, aspirante: str) -> dict[tuple[str, str], int]:
        """Return how many readings have each pair (champion's severidad, challenger's)."""
        return Counter(par for (_, suya), par in self.store.sombra.items() if suya == aspirante)


class HistorialPostgres:
    imposible: type[Exception] = psycopg2.errors.CheckViolation

    def __init__(self, entorno: Settings) -> None:
        self.entorno = entorno
        self.store = PostgresStore(entorno)

    def sql(self, consulta: str, parametros: tuple[object, ...] = ()) -> list[Any]:
        """Return the rows of a query on a connection of its own."""
        with conectar(self.entorno) as conexion, conexion.cursor() as cursor:
            cursor.execute(consulta, parametros)
            filas = cursor.fetchall() if cursor.description else []
        conexion.close()
        return filas

    def crear_mes(self, dia: str, tabla: str = "consumos_diarios") -> None:
        """Make a place for rows of a day's month that do not come through the store."""
        self.sql("SELECT crear_particion(%s, date_trunc('month', %s::date)::date)", (tabla, dia))

    def filas(self) -> dict[Identidad, Fila]:
        filas = {}
        for cliente, hora, kwh, local, score, severidad, tipos, *resto in self.sql(_FILAS):
            sospechoso, esperado, version, detectada = resto
            assert detectada == (severidad != "normal")
            filas[cliente, hora] = Fila(
                float(kwh), local, score, severidad, tuple(tipos), sospechoso, esperado, version
            )
        return filas

    def puntos(self) -> dict[int, PuntoOnline]:
        consulta = "SELECT particion, siguiente_offset, estado, registro, topic FROM modelo_online"
        filas = self.sql(consulta)
        assert {topic for *_, topic in filas} <= {self.entorno.kafka_topic}
        return {
            p: PuntoOnline(p, offset, bytes(e), registro) for p, offset, e, registro, _ in filas
        }

    def sombra(self, aspirante: str) -> dict[tuple[str, str], int]:
        consulta = (
            "SELECT severidad_campeon, severidad_aspirante FROM comparacion_sombra "
            "WHERE version_aspirante = %s"
        )
        return Counter(self.sql(consulta, (aspirante,)))


Historial = HistorialEnMemoria | HistorialPostgres


def conectar(entorno: Settings) -> Any:
    """Return a connection that owes nothing to the product."""
    return psycopg2.connect(
        host=entorno.postgres_host,
        port=entorno.postgres_port,
        user=entorno.postgres_user,
        password=entorno.postgres_password,
        dbname=entorno.postgres_db,
    )


class AnomaliasEnMemoria:
    def __init__(self) -> None:
        self.store = FakeAnomalyStore()

    def anomalias(self) -> dict[Identidad, Anomalia]:
        return dict(self.store.anomalias)

    def horarios(self) -> dict[Identidad, float]:
        return dict(self.store.horarios)

    def poner_estado(self, clave: Identidad, estado: str) -> None:
        self.store.anomalias[clave] = replace(self.store.anomalias[clave], estado=estado)


class AnomaliasMongo:
    def __init__(self, entorno: Settings) -> None:
        self.store = MongoAnomalyStore(entorno)
        self.store.ensure_indexes()
        self.cliente: MongoClient[dict[str, Any]] = MongoClient(
            entorno.mongo_host,
            entorno.mongo_port,
            username=entorno.mongo_user or None,
            password=entorno.mongo_password or None,
            tz_aware=True,
        )
        self.base = self.cliente[entorno.mongo_db]

    def anomalias(self) -> dict[Identidad, Anomalia]:
        return anomalias_de(self.base["anomalias_detectadas"])

    def horarios(self) -> dict[Identidad, float]:
        documentos = list(self.base["consumos_horarios"].find())
        todas = {
            (d["propietario_id"], hora_absoluta(d["timestamp_consumo"])): d["consumo_kwh"]
            for d in documentos
        }
        assert len(todas) == len(documentos)
        return todas

    def poner_estado(self, clave: Identidad, estado: str) -> None:
        for doc in self.base["anomalias_detectadas"].find({"propietario_id": clave[0]}):
            if hora_absoluta(doc["timestamp_consumo"]) == clave[1]:
                self.base["anomalias_detectadas"].update_one(
                    {"_id": doc["_id"]}, {"$set": {"estado": estado}}
                )


Anomalias = AnomaliasEnMemoria | AnomaliasMongo


class CasosEnMemoria:
    def __init__(self) -> None:
        self.store = FakeCaseStore()

    def casos(self) -> dict[str, tuple[Caso, str]]:
        """Return what is stored of each case, and its ``estado``."""
        return dict(self.store.casos)

    def poner_estado(self, clave: str, estado: str) -> None:
        self.store.casos[clave] = self.store.casos[clave][0], estado

    def close(self) -> None:
        self.store.close()


class CasosMongo:
    def __init__(self, entorno: Settings) -> None:
        self.store = MongoCaseStore(entorno)
        self.store.ensure_indexes()
        self._cliente: MongoClient[dict[str, Any]] = MongoClient(
            entorno.mongo_host,
            entorno.mongo_port,
            username=entorno.mongo_user or None,
            password=entorno.mongo_password or None,
        )
        self.coleccion = self._cliente[entorno.mongo_db]["casos"]

    def casos(self) -> dict[str, tuple[Caso, str]]:
        return {doc["_id"]: (_caso(doc), doc["estado"]) for doc in self.coleccion.find()}

    def poner_estado(self, clave: str, estado: str) -> None:
        self.coleccion.update_one({"_id": clave}, {"$set": {"estado": estado, "quien": "ana"}})

    def close(self) -> None:
        self.store.close()
        self._cliente.close()


Casos = CasosEnMemoria | CasosMongo


def _caso(doc: dict[str, Any]) -> Caso:
    """Return a document as what was saved."""
    cierre = doc["fecha_cierre"]
    caso = Caso(
        propietario_id=doc["propietario_id"],
        fecha_apertura=date.fromisoformat(doc["fecha_apertura"]),
        fecha_inicio=date.fromisoformat(doc["fecha_inicio"]),
        fecha_cierre=None if cierre is None else date.fromisoformat(cierre),
        hasta=date.fromisoformat(doc["hasta"]),
        tipo=doc["tipo"],
        probabilidad=doc["probabilidad"],
        consumo_antes_kwh=doc["consumo_antes_kwh"],
        consumo_despues_kwh=doc["consumo_despues_kwh"],
        energia_en_juego_kwh=doc["energia_en_juego_kwh"],
        energia_minima_kwh=doc["energia_minima_kwh"],
        energia_maxima_kwh=doc["energia_maxima_kwh"],
        evidencia=tuple(
            DayEvidence(date.fromisoformat(dia["fecha"]), dia["probabilidad"])
            for dia in doc["evidencia"]
        ),
        frase=doc["frase"],
        version_modelo=doc["version_modelo"],
    )
    assert doc["recuperable_kwh"] == caso.probabilidad * caso.energia_en_juego_kwh
    return caso


def anomalias_de(coleccion: Collection[dict[str, Any]]) -> dict[Identidad, Anomalia]:
    """Return the anomalies of a collection, which has one of a reading at most."""
    documentos = list(coleccion.find())
    todas = {
        (d["propietario_id"], hora_absoluta(d["timestamp_consumo"])): _anomalia(d)
        for d in documentos
    }
    assert len(todas) == len(documentos)
    return todas


def _anomalia(d: dict[str, Any]) -> Anomalia:
    """Return a document as the fake shows it; ``hora_local`` is not in it."""
    return Anomalia(
        Fila(
            d["consumo_kwh"],
            -1,
            round(d["score_anomalia"] * 100),
            d["severidad"],
            tuple(d["tipos_anomalia"]),
            d["es_sospechoso"],
            d["consumo_esperado_kwh"],
            d["version_modelo"],
        ),
        d["hora"],
        d["estado"],
        d["timestamp_deteccion"],
        d["timestamp_consumo"],
        tuple(Explicacion(**e) for e in d["explicacion"]),
    )
