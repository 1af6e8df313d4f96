"""What the tests of this folder share: a history that is dear to fill, and MongoDB's listener."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from apoyo_archivo_mongo import Testigo
from apoyo_consultas import (
    AHORA,
    LIMITE_ARCHIVO,
    Fila,
    ejecutar,
    filas_de,
    hacer_anomalias,
    hacer_datos,
    limite_archivo,
)
from bases import nueva_base
from pymongo import MongoClient, monitoring

from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.archive import PostgresArchive
from pipeline.stores.postgres.queries import PostgresQueries
from pipeline.stores.postgres.store import PostgresStore
from serving.settings import Settings


@pytest.fixture(scope="session")
def historia(servicios: EmbeddedServices) -> Iterator[Settings]:
    """Give a database with all of ``apoyo_consultas``, the oldest days archived.

    Every test leaves it as it was. Its statistics are up to date, so that plans are those of a
    base that lives.
    """
    with nueva_base(servicios, migrada=True) as entorno:
        store, archivo = PostgresStore(entorno), PostgresArchive(entorno)
        lecturas, veredictos = hacer_datos()
        for inicio in range(0, len(lecturas), 20_000):
            trozo = np.arange(inicio, min(inicio + 20_000, len(lecturas)))
            store.save(lecturas.elegir(trozo), veredictos.elegir(trozo))
        assert archivo.archivar(LIMITE_ARCHIVO, AHORA.date()).registros > 5_000
        store.close()
        archivo.close()
        ejecutar(entorno, "ANALYZE")
        yield entorno


@pytest.fixture(scope="session")
def testigo() -> Testigo:
    """Give the listener that every client made afterwards has; there is no way to remove one."""
    uno = Testigo()
    monitoring.register(uno)
    return uno


@pytest.fixture(scope="session")
def filas() -> list[Fila]:
    """Return what ``historia`` holds, to be compared with."""
    return filas_de(*hacer_datos())


@pytest.fixture
def consultas(historia: Settings) -> Iterator[PostgresQueries]:
    """Give what is asked of ``historia``, at a time of its own."""
    abierta = PostgresQueries(historia, reloj=lambda: AHORA)
    yield abierta
    abierta.close()


@pytest.fixture(scope="session")
def documentos() -> list[dict[str, Any]]:
    """Return what ``con_anomalias`` holds, archived or not, to be compared with."""
    return hacer_anomalias()


@pytest.fixture(scope="session")
def con_anomalias(
    servicios: EmbeddedServices, documentos: list[dict[str, Any]]
) -> Iterator[Settings]:
    """Give a MongoDB base with all anomalies, those of the oldest days archived.

    Every test leaves it as it was.
    """
    with nueva_base(servicios) as entorno:
        store, consultas = MongoAnomalyStore(entorno), MongoQueries(entorno)
        store.ensure_indexes()
        consultas.ensure_indexes()
        cliente: MongoClient[dict[str, Any]] = MongoClient(entorno.mongo_host, entorno.mongo_port)
        base = cliente[entorno.mongo_db]
        viejas = [d for d in documentos if d["timestamp_consumo"] < limite_archivo()]
        recientes = [d for d in documentos if d["timestamp_consumo"] >= limite_archivo()]
        base["anomalias_archivo"].insert_many(viejas)
        base["anomalias_detectadas"].insert_many(recientes)
        for abierto in (store, consultas, cliente):
            abierto.close()
        yield entorno


@pytest.fixture
def anomalias(con_anomalias: Settings) -> Iterator[MongoQueries]:
    """Give what is asked of ``con_anomalias``, at a time of its own."""
    abierta = MongoQueries(con_anomalias, reloj=lambda: AHORA)
    yield abierta
    abierta.close()
