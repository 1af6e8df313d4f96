"""(d) Bytewax with River, as its guide has it: ``python -m bytewax.run rival_bytewax:flow``.

Customers are the state of ``stateful_map``, Python objects in memory (kept nowhere, as recovery is
not asked for); rows are collected by the thousand for a sink that writes each batch it is given.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import bytewax.operators as op
import orjson
import psycopg2
from bytewax.connectors.kafka import KafkaSourceMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from psycopg2.extras import execute_values
from reglas_competentes import Cliente
from rivales import BASE, BROKER, CLAVE, COLUMNAS, TOPIC, River, make_fila, momento_de, remember

LOTE = 1000
"""Messages of a batch, in and out: the library's default."""
INSERTA = f"""
INSERT INTO consumos_diarios ({", ".join(COLUMNAS)}) VALUES %s
ON CONFLICT (propietario_id, timestamp_consumo) DO UPDATE SET
    consumo_kwh = excluded.consumo_kwh, anomalia_detectada = excluded.anomalia_detectada,
    score_anomalia = excluded.score_anomalia, severidad = excluded.severidad,
    es_sospechoso = excluded.es_sospechoso, tipos_anomalia = excluded.tipos_anomalia,
    version_modelo = excluded.version_modelo
"""
river = River()


class PostgresPartition(StatelessSinkPartition[list[dict[str, Any]]]):
    """One worker's connection."""

    def __init__(self) -> None:
        self._pg = psycopg2.connect(**BASE)

    def write_batch(self, items: list[list[dict[str, Any]]]) -> None:
        """Write each batch of rows in one transaction."""
        for lote in items:
            filas = {tuple(f[k] for k in CLAVE): tuple(f.values()) for f in lote}
            with self._pg, self._pg.cursor() as cursor:
                execute_values(cursor, INSERTA, filas.values(), page_size=LOTE)

    def close(self) -> None:
        """Close the connection."""
        self._pg.close()


class PostgresSink(DynamicSink[list[dict[str, Any]]]):
    """Rows into ``consumos_diarios``."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> PostgresPartition:
        """Return a worker's part of it."""
        return PostgresPartition()


def parse(mensaje: KafkaSourceMessage[Any, Any]) -> tuple[str, dict[str, Any]]:
    """Return a reading by its customer."""
    lectura = orjson.loads(mensaje.value)
    return lectura["propietario_id"], lectura


def decide(
    cliente: Cliente | None, lectura: dict[str, Any]
) -> tuple[Cliente | None, dict[str, Any]]:
    """Return what is remembered from now on, and the row."""
    momento, kwh = momento_de(lectura["timestamp"]), lectura["consumo_kwh"]
    cliente = cliente or remember(lectura["propietario_id"])
    tipos = cliente.decide(momento, kwh)
    return cliente, make_fila(lectura, momento, tipos, river.score(momento, kwh))


flow = Dataflow("consumo")
entrada = kop.input("lecturas", flow, brokers=[BROKER], topics=[TOPIC], batch_size=LOTE)
por_cliente = op.map("descifrar", entrada.oks, parse)
filas = op.map("fila", op.stateful_map("reglas", por_cliente, decide), lambda una: ("", una[1]))
lotes = op.collect("lote", filas, timeout=timedelta(seconds=1), max_size=LOTE)
op.output("guardar", op.map("filas", lotes, lambda lote: lote[1]), PostgresSink())
