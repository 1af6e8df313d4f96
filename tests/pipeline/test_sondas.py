"""What the greetings promise: a free port is told from a taken one, a server from another."""

from __future__ import annotations

import socket

from pipeline.local import EmbeddedServices
from pipeline.sondas import (
    ANFITRION,
    kafka_responde,
    mongo_responde,
    puerto_del_sistema,
    puerto_libre,
)


def test_free_and_taken_ports() -> None:
    """A port is free exactly while nobody listens on it."""
    puerto = puerto_del_sistema()
    assert puerto_libre(puerto)
    with socket.create_server((ANFITRION, puerto)):
        assert not puerto_libre(puerto)
    assert puerto_libre(puerto)


def test_port_taken_on_every_address_is_not_free() -> None:
    """A server on 0.0.0.0 takes loopback's port too."""
    with socket.create_server(("0.0.0.0", 0)) as servidor:
        assert not puerto_libre(servidor.getsockname()[1])


def test_nobody_answers_on_a_closed_port() -> None:
    """A closed port is "does not answer", not an error."""
    puerto = puerto_del_sistema()
    assert not mongo_responde(puerto)
    assert not kafka_responde(puerto)


def test_each_server_answers_its_own_greeting_only(servicios: EmbeddedServices) -> None:
    """Kafka is not taken for MongoDB, nor the other way about."""
    mongo, kafka = servicios.puertos["MongoDB"], servicios.puertos["Kafka"]
    assert mongo_responde(mongo)
    assert kafka_responde(kafka)
    assert not kafka_responde(mongo)
    assert not mongo_responde(kafka)
