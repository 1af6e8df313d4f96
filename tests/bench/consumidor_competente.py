"""(b) What a competent engineer writes in plain Python: batches, running sums, upserts.

Batches of 500 with orjson; the rules over running sums (``reglas_competentes``); one
``execute_values`` and one ``bulk_write`` a batch; offsets committed once a batch.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg2
from confluent_kafka import Consumer, Message
from historia import NADA, Pasado, load_pasado
from psycopg2.extras import execute_values
from pymongo import MongoClient, UpdateOne
from reglas_competentes import Cliente, Momento, make_momento

from serving.settings import Settings

LOTE = 500
INSERTA = """
INSERT INTO consumos_diarios (propietario_id, fecha, hora, consumo_kwh, anomalia_detectada,
    score_anomalia, severidad, es_sospechoso, timestamp_consumo, tipos_anomalia, version_modelo)
VALUES %s
ON CONFLICT (propietario_id, timestamp_consumo) DO UPDATE SET
    consumo_kwh = excluded.consumo_kwh, anomalia_detectada = excluded.anomalia_detectada,
    score_anomalia = excluded.score_anomalia, severidad = excluded.severidad,
    es_sospechoso = excluded.es_sospechoso, tipos_anomalia = excluded.tipos_anomalia,
    version_modelo = excluded.version_modelo
"""


class Competente:
    """Customers in memory, and what a batch becomes."""

    def __init__(self, pasado: Pasado) -> None:
        self.clientes: dict[str, Cliente] = {}
        self.decididos = pasado.decididos
        self.momentos: dict[str, Momento] = {}
        for fila, kwh in enumerate(pasado.kwh.tolist()):
            momento = make_momento(pasado.primera_hora + fila)
            for propietario_id, uno in zip(pasado.clientes, kwh, strict=True):
                self.cliente(propietario_id).decide(momento, uno)

    def cliente(self, propietario_id: str) -> Cliente:
        """Return what is remembered of a customer."""
        cliente = self.clientes.get(propietario_id)
        if cliente is None:
            cliente = self.clientes[propietario_id] = Cliente()
        return cliente

    def process(self, mensajes: list[Message]) -> tuple[list[tuple[Any, ...]], list[UpdateOne]]:
        """Return the rows and the anomalies of a batch."""
        filas: dict[tuple[str, int], tuple[Any, ...]] = {}
        anomalias = []
        ahora = datetime.now(UTC)
        for mensaje in mensajes:
            lectura = orjson.loads(mensaje.value() or b"")
            cliente, kwh, texto = (
                lectura["propietario_id"], lectura["consumo_kwh"], lectura["timestamp"],
            )  # fmt: skip
            m = self.momentos.get(texto)
            if m is None:
                segundos = datetime.fromisoformat(texto).timestamp()
                m = self.momentos[texto] = make_momento(int(segundos) // 3600)
            tipos = self.cliente(cliente).decide(m, kwh)
            score, severidad = self.decididos.get((cliente, m.hora_utc), NADA)
            filas[cliente, m.hora_utc] = (
                cliente, m.fecha, m.hora, kwh, severidad != "normal", score, severidad, False,
                m.instante, tipos, "competente",
            )  # fmt: skip
            if severidad != "normal":
                identidad = {"propietario_id": cliente, "timestamp_consumo": m.instante}
                documento = {
                    "timestamp_deteccion": ahora,
                    "consumo_kwh": kwh,
                    "hora": m.hora,
                    "tipos_anomalia": tipos,
                    "score_anomalia": score,
                    "severidad": severidad,
                    "es_sospechoso": False,
                }
                anomalias.append(UpdateOne(identidad, {"$set": documento}, upsert=True))
        return list(filas.values()), anomalias


def consume(settings: Settings, pasado: Pasado) -> None:
    """Consume until somebody stops the process."""
    competente = Competente(pasado)
    consumidor = Consumer(
        {
            "bootstrap.servers": settings.kafka_broker,
            "group.id": settings.kafka_grupo,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
            # As ours: measured to be the best there are.
            "fetch.wait.max.ms": 10,
            "fetch.queue.backoff.ms": 5,
            "queued.min.messages": 200_000,
        }
    )
    consumidor.subscribe([settings.kafka_topic])
    pg = psycopg2.connect(
        host=settings.postgres_host,
        port=settings.postgres_port,
        user=settings.postgres_user,
        password=settings.postgres_password,
        dbname=settings.postgres_db,
    )
    mongo: MongoClient[dict[str, Any]] = MongoClient(settings.mongo_host, settings.mongo_port)
    coleccion = mongo[settings.mongo_db]["anomalias_detectadas"]
    while True:
        lote = [m for m in consumidor.consume(LOTE, 1.0) if m.error() is None]
        if not lote:
            continue
        filas, anomalias = competente.process(lote)
        with pg, pg.cursor() as cursor:
            execute_values(cursor, INSERTA, filas, page_size=LOTE)
        if anomalias:
            coleccion.bulk_write(anomalias, ordered=False)
        consumidor.commit(asynchronous=False)


if __name__ == "__main__":
    consume(Settings(), load_pasado(sys.argv[1]))
