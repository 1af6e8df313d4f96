"""What PostgreSQL's absence looks like: our errors, in seconds, without the password."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg2
import pytest
from contracts.fakes import hacer_lote
from contracts.sondas import HistorialPostgres

from detection.domain import hora_absoluta
from detection.errors import ConfiguracionError, TransientError
from pipeline.stores.postgres.store import PostgresStore, migrate
from serving.settings import Settings

H = hora_absoluta(datetime(2026, 1, 15, 2, tzinfo=UTC))
CONTRASENA = "s3creta-de-verdad"
DEMASIADO_S = 12
"""Within this time a consumer has to know that the server is away: it polls every few seconds."""


@pytest.fixture
def sonda(entorno: Settings) -> Iterator[HistorialPostgres]:
    abierta = HistorialPostgres(entorno)
    yield abierta
    abierta.store.close()


def _sin_nadie() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as enchufe:
        enchufe.bind(("127.0.0.1", 0))
        return int(enchufe.getsockname()[1])


def _lejos(puerto: int) -> Settings:
    return Settings(postgres_host="127.0.0.1", postgres_port=puerto, postgres_password=CONTRASENA)


def _exigir_transitorio(settings: Settings) -> None:
    """Every operation says within seconds, in Spanish and without the password, who is away."""
    store = PostgresStore(settings)
    for operacion in (
        lambda: store.save(*hacer_lote([("A", H)])),
        lambda: store.load_latest(["A"], 672),
        lambda: migrate(settings),
    ):
        inicio = time.monotonic()
        with pytest.raises(TransientError) as error:
            operacion()
        assert time.monotonic() - inicio < DEMASIADO_S
        assert str(error.value) == f"PostgreSQL en 127.0.0.1:{settings.postgres_port} no responde"
    store.close()


def test_sin_servidor_el_error_es_transitorio() -> None:
    """Nothing listens: try again later."""
    _exigir_transitorio(_lejos(_sin_nadie()))


def test_un_servidor_mudo_tambien_es_transitorio() -> None:
    """Something accepts and never answers: the wait ends by itself."""
    with socket.socket() as mudo:
        mudo.bind(("127.0.0.1", 0))
        mudo.listen()
        _exigir_transitorio(_lejos(mudo.getsockname()[1]))


def test_una_base_que_no_existe_es_mala_configuracion(entorno: Settings) -> None:
    """A wrong database is no reason to try again: the line names the variables to look at."""
    mala = entorno.model_copy(update={"postgres_db": "no_existe", "postgres_password": CONTRASENA})
    for operacion in (PostgresStore(mala).ping, lambda: migrate(mala)):
        with pytest.raises(ConfiguracionError, match="POSTGRES_DB") as error:
            operacion()
        assert CONTRASENA not in str(error.value)


@pytest.mark.parametrize("operacion", ["save", "ping"])
def test_tras_perder_la_conexion_se_vuelve_a_abrir(
    sonda: HistorialPostgres, operacion: str
) -> None:
    """A session that the server ended is one transient error; the next try works."""
    store = sonda.store
    store.save(*hacer_lote([("A", H)]))
    store.ping()
    sonda.sql(
        """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    )
    lote = hacer_lote([("B", H)])
    with pytest.raises(TransientError, match="no responde"):
        store.save(*lote) if operacion == "save" else store.ping()
    assert (
        store.save(*lote).repetida.tolist() == [False] if operacion == "save" else not store.ping()
    )


def test_otros_errores_son_defectos(entorno_vacio: Settings) -> None:
    """Without the schema the error is psycopg2's own: a defect, not a reason to wait."""
    store = PostgresStore(entorno_vacio)
    with pytest.raises(psycopg2.errors.UndefinedFunction):
        store.save(*hacer_lote([("A", H)]))
    store.close()
