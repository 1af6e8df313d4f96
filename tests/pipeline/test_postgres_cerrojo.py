"""One job of a name at a time: who holds the lock, and that nobody holds it for ever."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

import pytest
from contracts.sondas import conectar
from faults.apoyo_faltas import Cable

from detection.errors import TransientError
from pipeline.stores.postgres.advisory_lock import exclusive
from serving.settings import Settings

RETRASO_S = 1.0
"""By which a slow wire delays each piece: much longer than the next one takes to ask."""
LIMITE_S = 20.0
"""The server lets go of a dead session at once; this is only so that a failure ends."""


def test_solo_uno_a_la_vez(entorno: Settings) -> None:
    """The second one is told so, jobs of another name go on, and the end frees the lock."""
    for _ in range(2):
        with exclusive(entorno, "reentrenar") as primero:
            assert primero
            for _ in range(2):
                with exclusive(entorno, "reentrenar") as segundo:
                    assert not segundo
            with exclusive(entorno, "archivar") as otro:
                assert otro


def test_un_trabajo_que_falla_suelta_el_cerrojo(entorno: Settings) -> None:
    """An error inside goes out unchanged, and the next one may begin."""
    with pytest.raises(KeyError, match="dentro"), exclusive(entorno, "reentrenar"):
        raise KeyError("dentro")
    with exclusive(entorno, "reentrenar") as nuestro:
        assert nuestro


def test_el_siguiente_puede_empezar_en_seguida(entorno: Settings) -> None:
    """The lock is free when the block ends, though the server is told late that the session has."""
    with Cable(entorno.postgres_port) as cable:
        lejos = entorno.model_copy(update={"postgres_port": cable.puerto})
        with exclusive(lejos, "reentrenar") as nuestro:
            assert nuestro
            cable.frenar(RETRASO_S)
        with exclusive(entorno, "reentrenar") as nuestro:
            assert nuestro


def test_un_trabajo_muerto_suelta_el_cerrojo(entorno: Settings, variables: dict[str, str]) -> None:
    """Killed without a word, a job leaves nothing that somebody has to clean up."""
    guion = """
import sys
from pipeline.stores.postgres.advisory_lock import exclusive
from serving.settings import load_settings
with exclusive(load_settings(), "reentrenar") as nuestro:
    print(nuestro, flush=True)
    sys.stdin.read()
"""
    hijo = subprocess.Popen(
        [sys.executable, "-c", guion],
        env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert hijo.stdout is not None
    assert hijo.stdout.readline() == "True\n"
    with exclusive(entorno, "reentrenar") as nuestro:
        assert not nuestro
    hijo.send_signal(signal.SIGKILL)
    hijo.communicate()
    limite = time.monotonic() + LIMITE_S
    while True:
        with exclusive(entorno, "reentrenar") as nuestro:
            if nuestro:
                return
        assert time.monotonic() < limite


def test_la_espera_no_es_una_transaccion(entorno: Settings) -> None:
    """The server ends sessions that idle inside a transaction: the lock's session is in none."""
    with exclusive(entorno, "reentrenar"), conectar(entorno) as conexion:
        cursor = conexion.cursor()
        cursor.execute(
            "SELECT state FROM pg_stat_activity WHERE application_name = 'consumo reentrenar'"
        )
        assert cursor.fetchall() == [("idle",)]
    conexion.close()


def test_sin_servidor_el_error_es_transitorio() -> None:
    """Nothing listens: one clear error, and nothing of the job has run."""
    with socket.socket() as enchufe:
        enchufe.bind(("127.0.0.1", 0))
        puerto = int(enchufe.getsockname()[1])
    ajustes = Settings(postgres_host="127.0.0.1", postgres_port=puerto)
    with (
        pytest.raises(TransientError, match="no responde"),
        exclusive(ajustes, "reentrenar"),
    ):
        pytest.fail("the job ran without the lock")
