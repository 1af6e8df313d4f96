"""Servers that ask for TLS and passwords, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pymongo
import pytest
from apoyo_servidores import servir_kafka, servir_mongo
from apoyo_tls import ANFITRION, Apoderado, Papeles, make_papeles

from pipeline.embedded.services import EmbeddedServices
from serving.settings import Settings

USUARIO_MONGO = "vigia"
CLAVE_MONGO = "mongo-s3creto-4481"


@pytest.fixture(scope="session")
def papeles(tmp_path_factory: pytest.TempPathFactory) -> Papeles:
    """Return the files of the authority that every server here has its certificate from."""
    return make_papeles(tmp_path_factory.mktemp("papeles") / "buenos")


@pytest.fixture(scope="session")
def ajenos(tmp_path_factory: pytest.TempPathFactory) -> Papeles:
    """Return those of another authority, that nobody here trusts."""
    return make_papeles(tmp_path_factory.mktemp("papeles") / "ajenos")


@pytest.fixture(scope="session")
def mongo_seguro(
    servicios: EmbeddedServices, papeles: Papeles, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, object]]:
    """Give the settings of a MongoDB that asks for TLS and a password."""
    carpeta = tmp_path_factory.mktemp("mongo")
    with servir_mongo(carpeta) as puerto, pymongo.MongoClient(ANFITRION, puerto) as cliente:
        papel = {"role": "root", "db": "admin"}
        cliente.admin.command("createUser", USUARIO_MONGO, pwd=CLAVE_MONGO, roles=[papel])
    tls = ("--tls-cert-file", papeles.servidor, "--tls-key-file", papeles.servidor)
    with servir_mongo(carpeta, "--auth", *tls) as puerto:
        yield {
            "mongo_host": ANFITRION,
            "mongo_port": puerto,
            "mongo_user": USUARIO_MONGO,
            "mongo_password": CLAVE_MONGO,
            "mongo_tls": True,
            "mongo_ca": papeles.ca,
        }


@pytest.fixture
def kafka_seguro(
    servicios: EmbeddedServices, papeles: Papeles, tmp_path: Path
) -> Iterator[dict[str, object]]:
    """Give the settings of a Kafka that asks for TLS."""
    with Apoderado(papeles.servidor) as apoderado, servir_kafka(tmp_path, apoderado):
        yield {
            "kafka_broker": f"{ANFITRION}:{apoderado.puerto}",
            "kafka_seguridad": "SSL",
            "kafka_ca": papeles.ca,
        }


@pytest.fixture
def postgres_tras(servicios: EmbeddedServices) -> Iterator[Callable[..., int]]:
    """Give what puts TLS in front of PostgreSQL: its port, given the proxy's arguments."""
    with ExitStack() as pila:

        def poner(*argumentos: str) -> int:
            apoderado = pila.enter_context(Apoderado(*argumentos, postgres=True))
            apoderado.destino = servicios.puertos["PostgreSQL"]
            return apoderado.puerto

        yield poner


@pytest.fixture
def entorno_seguro(
    entorno: Settings,
    papeles: Papeles,
    postgres_tras: Callable[..., int],
    mongo_seguro: dict[str, object],
    kafka_seguro: dict[str, object],
) -> Settings:
    """Return ``entorno`` with all three servers behind TLS."""
    valores = entorno.model_dump() | mongo_seguro | kafka_seguro
    valores |= {
        "postgres_port": postgres_tras(papeles.servidor),
        "postgres_sslmode": "verify-full",
        "postgres_ca": papeles.ca,
    }
    return Settings.model_validate(valores)
