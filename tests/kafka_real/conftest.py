"""The same settings as everywhere, on Apache Kafka instead of the embedded broker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from apoyo_kafka import NodoKafka, SinKafkaError, carpeta_de_kafka, fetch_kafka
from forks import Fork
from integration.camino import lecturas_de_prueba, terminar

from detection.domain import Lecturas
from serving.settings import Settings


@pytest.fixture(scope="session")
def bibliotecas() -> Path:
    """Return the folder of Kafka's libraries, fetched at most once."""
    pytest.importorskip("psutil", reason="psutil viene con el extra [embebido]")
    try:
        return fetch_kafka(carpeta_de_kafka())
    except SinKafkaError as error:
        pytest.skip(f"sin Apache Kafka: {error}")


@pytest.fixture(scope="module")
def kafka(bibliotecas: Path) -> Iterator[NodoKafka]:
    """Give the node of the test file, which each test finds running."""
    with tempfile.TemporaryDirectory(prefix="consumo-kafka-") as carpeta:
        nodo = NodoKafka(bibliotecas, Path(carpeta))
        try:
            yield nodo
        finally:
            nodo.kill()


@pytest.fixture(autouse=True)
def _kafka_en_marcha(kafka: NodoKafka) -> None:
    """Start the node again where a test has left it dead."""
    kafka.start()


@pytest.fixture
def entorno(kafka: NodoKafka, entorno: Settings) -> Settings:
    """Return settings that lead to that node, for readings as for dead letters."""
    return entorno.model_copy(update={"kafka_broker": kafka.direccion})


@pytest.fixture(scope="session")
def lecturas() -> Lecturas:
    """Return the readings that every test here sends."""
    return lecturas_de_prueba(clientes=24, dias=32)


@pytest.fixture
def procesos() -> Iterator[list[Fork]]:
    """Give a list of processes that do not outlive the test."""
    lista: list[Fork] = []
    yield lista
    terminar(lista)
