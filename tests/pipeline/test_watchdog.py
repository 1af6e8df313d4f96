"""A frozen PostgreSQL cuts nobody off who can wait, and holds nobody who cannot."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import pytest
from integration.congelar import congelado

from detection.errors import TransientError
from pipeline.almacenes.postgres_conexion import Conexion
from pipeline.almacenes.watchdog import Paciencia, Watchdog
from pipeline.local import EmbeddedServices
from serving.settings import Settings

IMPACIENTE = Paciencia(0.5)
PLAZO_S = 5.0
PG = "PostgreSQL"
MUCHO = b"1\n" * 20_000_000
"""More than the kernel takes for a process that does not read."""


def _lee(cursor: Any) -> None:
    cursor.execute("SELECT 1")


def _copia_dentro(cursor: Any) -> None:
    cursor.copy_expert("COPY t FROM STDIN", io.BytesIO(MUCHO))


def _copia_fuera(cursor: Any) -> None:
    cursor.copy_expert("COPY t TO STDOUT", io.BytesIO())


@pytest.mark.parametrize("hacer", [_lee, _copia_dentro, _copia_fuera])
def test_un_servidor_congelado_no_retiene_a_nadie(
    servicios: EmbeddedServices, entorno: Settings, hacer: Callable[[Any], None]
) -> None:
    """A statement and a COPY either way end in our error, the next at once; then all is well."""
    with closing(Conexion(entorno, "consumo prueba", IMPACIENTE)) as conexion:
        with conexion.transaction() as cursor:
            cursor.execute("CREATE TABLE t AS SELECT 1 AS n FROM generate_series(1, 1000)")
        with congelado(servicios, PG):
            inicio = time.monotonic()
            with pytest.raises(TransientError, match="no responde"), conexion.transaction() as c:
                hacer(c)
            assert time.monotonic() - inicio < PLAZO_S
            inicio = time.monotonic()
            with pytest.raises(TransientError, match="no responde"), conexion.transaction() as c:
                _lee(c)
            assert time.monotonic() - inicio < 0.2
        _vuelve(conexion)
        with conexion.transaction() as cursor:
            cursor.execute("SELECT count(*) FROM t")
            assert cursor.fetchone() == (1000,)


def test_un_commit_congelado_se_corta(servicios: EmbeddedServices, entorno: Settings) -> None:
    """What is on its way when the server freezes fails: whoever saves saves again."""
    with closing(Conexion(entorno, "consumo prueba", IMPACIENTE)) as conexion:
        with conexion.transaction() as cursor:
            cursor.execute("CREATE TABLE t (n int)")
        with ExitStack() as pila, pytest.raises(TransientError, match="no responde"):
            _inserta_y_congela(conexion, lambda: pila.enter_context(congelado(servicios, PG)))
        _vuelve(conexion)


def _inserta_y_congela(conexion: Conexion, congelar: Callable[[], None]) -> None:
    with conexion.transaction() as cursor:
        cursor.execute("INSERT INTO t VALUES (1)")
        congelar()


def _vuelve(conexion: Conexion) -> None:
    """Return once the server is used again, which nobody has to start."""
    limite = time.monotonic() + PLAZO_S
    while True:
        try:
            with conexion.transaction() as cursor:
                _lee(cursor)
        except TransientError:
            assert time.monotonic() < limite
            time.sleep(0.05)
        else:
            return


def test_quien_trabaja_no_se_corta(entorno: Settings) -> None:
    """A statement may last many times longer than a silence would, as long as the server lives."""
    with (
        closing(Conexion(entorno, "consumo prueba", IMPACIENTE)) as conexion,
        conexion.transaction() as cursor,
    ):
        cursor.execute("SELECT pg_sleep(2.5)")


def test_nadie_espera_mas_que_lo_suyo(entorno: Settings) -> None:
    """One connection that hangs while the server answers others has an end, too."""
    with closing(Conexion(entorno, "consumo prueba", Paciencia(60.0, 0.5))) as conexion:
        inicio = time.monotonic()
        with pytest.raises(TransientError), conexion.transaction() as cursor:
            cursor.execute("SELECT pg_sleep(20)")
        assert time.monotonic() - inicio < PLAZO_S


def test_un_silencio_se_acaba_solo() -> None:
    """Nobody has to ask for a server to be found awake again."""
    despierto = [False]
    watchdog = Watchdog(lambda: despierto[0])
    with watchdog.guard(IMPACIENTE, None) as espera:
        _esperar(lambda: espera.cortada)
    assert watchdog.is_silent(IMPACIENTE)
    despierto[0] = True
    _esperar(lambda: not watchdog.is_silent(IMPACIENTE))


def _esperar(condicion: Callable[[], bool]) -> None:
    limite = time.monotonic() + PLAZO_S
    while not condicion():
        assert time.monotonic() < limite
        time.sleep(0.01)
