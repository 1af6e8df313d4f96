"""What the greetings promise: a free port is told from a taken one, a server from another."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from pipeline.embedded.probes import (
    ANFITRION,
    escucha,
    kafka_responde,
    mongo_responde,
    puerto_del_sistema,
    puerto_libre,
    responde_http,
)
from pipeline.embedded.services import EmbeddedServices

NIETO_QUE_ESCUCHA = """
import socket, sys
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
sys.stdin.read()
"""
HIJO_QUE_LO_LANZA = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


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
    assert not responde_http(puerto, "/health")


def test_a_port_belongs_to_a_process_and_to_whom_started_it() -> None:
    """Who listens is told from whoever else runs; a server may answer from a child of its own."""
    argv = [sys.executable, "-c", HIJO_QUE_LO_LANZA, NIETO_QUE_ESCUCHA]
    with (
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as hijo,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as ajeno,
    ):
        assert hijo.stdout is not None
        puerto = int(hijo.stdout.readline())
        assert escucha(hijo.pid, puerto)
        assert escucha(os.getpid(), puerto)
        assert not escucha(ajeno.pid, puerto)
        assert not escucha(hijo.pid, puerto_del_sistema())
        hijo.communicate(b"")
        ajeno.communicate(b"\n")
    assert not escucha(hijo.pid, puerto)


def test_mlflow_answers_its_health_only(mlflow_uri: str, servicios: EmbeddedServices) -> None:
    """Only 200 is an answer, and only HTTP."""
    puerto = int(mlflow_uri.rpartition(":")[2])
    assert responde_http(puerto, "/health")
    assert not responde_http(puerto, "/no-existe")
    assert not responde_http(servicios.puertos["Kafka"], "/health")


def test_each_server_answers_its_own_greeting_only(servicios: EmbeddedServices) -> None:
    """Kafka is not taken for MongoDB, nor the other way about."""
    mongo, kafka = servicios.puertos["MongoDB"], servicios.puertos["Kafka"]
    assert mongo_responde(mongo)
    assert kafka_responde(kafka)
    assert not kafka_responde(mongo)
    assert not mongo_responde(kafka)
