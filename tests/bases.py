"""Databases of their own for tests, on the one set of embedded servers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from typing import Any

import psycopg2
from pymongo import MongoClient

from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.postgres.store import migrate
from serving.settings import Settings

SIN_MLFLOW = "http://127.0.0.1:9"
"""Nothing listens on the discard port, so no test meets a developer's own MLflow."""
PARTICIONES = 3
"""Enough for two consumers to share, few enough to be created quickly."""


def administrar(servicios: EmbeddedServices, orden: str) -> None:
    """Run a command that belongs to the whole PostgreSQL server."""
    entorno = settings_de(servicios, "postgres")
    conexion = psycopg2.connect(
        host=entorno.postgres_host, port=entorno.postgres_port, user=entorno.postgres_user,
        password=entorno.postgres_password, dbname="postgres",
    )  # fmt: skip
    conexion.autocommit = True
    with closing(conexion), conexion.cursor() as cursor:
        cursor.execute(orden)


@contextmanager
def nueva_base(
    servicios: EmbeddedServices, *, migrada: bool = False, plantilla: str = "template0"
) -> Iterator[Settings]:
    """Give settings of an empty database, an empty Mongo base and unused Kafka names.

    With ``migrada`` the tables are there, copied from one database that was migrated; ``plantilla``
    is any other to copy, to which nobody is connected.
    """
    settings = _copiada(servicios, _migrada(servicios) if migrada else plantilla)
    try:
        yield settings
    finally:
        administrar(servicios, f"DROP DATABASE {settings.postgres_db} WITH (FORCE)")


@contextmanager
def base_llena(
    servicios: EmbeddedServices, llenar: Callable[..., Any], *argumentos: object
) -> Iterator[tuple[Settings, Any]]:
    """Give settings of a copy of a base that is filled once for all, and what that returned.

    ``llenar`` is given settings of migrated tables and an empty Mongo base, and ``argumentos``; it
    closes what it opens. Mongo's indexes are not copied.
    """
    plantilla, hecho, documentos = _llena(servicios, llenar, *argumentos)
    with nueva_base(servicios, plantilla=plantilla) as settings:
        with MongoClient(settings.mongo_host, settings.mongo_port) as cliente:
            for nombre, suyos in documentos.items():
                if suyos:
                    cliente[settings.mongo_db][nombre].insert_many(suyos)
        yield settings, hecho


@cache
def _llena(
    servicios: EmbeddedServices, llenar: Callable[..., Any], *argumentos: object
) -> tuple[str, Any, dict[str, list[dict[str, Any]]]]:
    settings = _copiada(servicios, _migrada(servicios))
    hecho = llenar(settings, *argumentos)
    with MongoClient(settings.mongo_host, settings.mongo_port) as cliente:
        base = cliente[settings.mongo_db]
        documentos = {n: list(base[n].find()) for n in base.list_collection_names()}
    return settings.postgres_db, hecho, documentos


def _copiada(servicios: EmbeddedServices, plantilla: str) -> Settings:
    unico = f"t_{uuid.uuid4().hex[:12]}"
    administrar(servicios, f"CREATE DATABASE {unico} TEMPLATE {plantilla} STRATEGY FILE_COPY")
    return settings_de(servicios, unico)


@cache
def _migrada(servicios: EmbeddedServices) -> str:
    servicios.crear_base("plantilla")
    migrate(settings_de(servicios, "plantilla"))
    return "plantilla"


def settings_de(servicios: EmbeddedServices, unico: str) -> Settings:
    """Return settings that lead to a database, a Mongo base and Kafka names called ``unico``."""
    valores = {clave.lower(): valor for clave, valor in servicios.variables().items()}
    valores |= {
        "postgres_db": unico,
        "mongo_db": unico,
        "kafka_topic": f"consumos-data-{unico}",
        "kafka_grupo": f"consumo-processor-group-{unico}",
        "kafka_particiones": str(PARTICIONES),
        "mlflow_tracking_uri": SIN_MLFLOW,
    }
    return Settings.model_validate(valores)
