"""A frozen PostgreSQL cuts nobody off who can wait, and holds nobody who cannot."""

from __future__ import annotations

import io
import math
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from typing import Any

import pytest
from contracts.sondas import conectar
from integration.congelar import congelado

from detection.errors import TransientError
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.postgres.audit import TURNO, AuditoriaPostgres
from pipeline.stores.postgres.connection import SALUDO, Conexion
from pipeline.stores.watchdog import Paciencia, Watchdog
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


def test_un_saludo_perdido_no_corta_a_nadie() -> None:
    """A server is silent when two greetings in a row have no answer; one may be lost."""
    saludos: list[bool] = []

    def uno_de_dos() -> bool:
        saludos.append(len(saludos) % 2 == 1)
        return saludos[-1]

    with Watchdog(uno_de_dos).guard(Paciencia(0.0), None) as espera:
        _esperar(lambda: len(saludos) >= 4 or espera.cortada)
        assert not espera.cortada


def test_el_saludo_no_deja_rastro(servicios: EmbeddedServices, entorno: Settings) -> None:
    """It is answered with a letter, and whoever greets each second fills nobody's log."""
    registro = next(servicios.carpeta.rglob("PostgreSQL.log"))
    antes = registro.read_text().count("\n")
    for _ in range(3):
        destino = (entorno.postgres_host, entorno.postgres_port)
        with socket.create_connection(destino, PLAZO_S) as enchufe:
            enchufe.sendall(SALUDO)
            assert enchufe.recv(1) in (b"N", b"G")
    with closing(Conexion(entorno, "consumo prueba")) as conexion, conexion.transaction() as cursor:
        _lee(cursor)
    dicho = registro.read_text().splitlines()[antes:]
    assert not [linea for linea in dicho if "SSL" in linea or "startup" in linea]


class _Puente:
    """A Unix socket, named as PostgreSQL names its own, before a server that has none."""

    def __init__(self, carpeta: str, entorno: Settings) -> None:
        self._destino = (entorno.postgres_host, entorno.postgres_port)
        self._oye = socket.socket(socket.AF_UNIX)
        self._oye.bind(f"{carpeta}/.s.PGSQL.{entorno.postgres_port}")
        self._oye.listen()
        threading.Thread(target=self._atender, daemon=True).start()

    def _atender(self) -> None:
        with suppress(OSError):
            while True:
                cliente, _ = self._oye.accept()
                servidor = socket.create_connection(self._destino)
                for de, a in ((cliente, servidor), (servidor, cliente)):
                    threading.Thread(target=self._pasar, args=(de, a), daemon=True).start()

    @staticmethod
    def _pasar(de: socket.socket, a: socket.socket) -> None:
        with suppress(OSError):
            while datos := de.recv(65_536):
                a.sendall(datos)
        with suppress(OSError):
            a.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._oye.shutdown(socket.SHUT_RDWR)
        self._oye.close()


@pytest.mark.parametrize("por", ["socket de Unix", "varios servidores"])
def test_se_llegue_por_donde_se_llegue(
    servicios: EmbeddedServices, entorno: Settings, por: str
) -> None:
    """A Unix socket and a list of servers: a frozen one is noticed all the same."""
    with tempfile.TemporaryDirectory() as carpeta, closing(_Puente(carpeta, entorno)):
        anfitrion = carpeta if por == "socket de Unix" else f"/no/hay,{entorno.postgres_host}"
        suyo = entorno.model_copy(update={"postgres_host": anfitrion})
        with closing(Conexion(suyo, "consumo prueba", IMPACIENTE)) as conexion:
            with conexion.transaction() as cursor:
                _lee(cursor)
            with congelado(servicios, PG):
                inicio = time.monotonic()
                with pytest.raises(TransientError), conexion.transaction() as cursor:
                    _lee(cursor)
                assert time.monotonic() - inicio < PLAZO_S
            _vuelve(conexion)


def test_quien_espera_su_turno_no_espera_sin_fin(entorno: Settings) -> None:
    """A thread that finds a connection in another's hands is told so in time."""
    with (
        closing(Conexion(entorno, "consumo prueba", turno_s=0.1)) as conexion,
        conexion.transaction(),
        ThreadPoolExecutor(1) as hilo,
        pytest.raises(TransientError, match="demasiadas operaciones"),
    ):
        hilo.submit(lambda: conexion.transaction().__enter__()).result(PLAZO_S)


def test_el_turno_dura_lo_que_dure_su_trabajo(entorno: Settings) -> None:
    """No clock ends the turn of whoever judges, and what is done is not denied if it is lost."""
    assert math.isinf(TURNO.total_s)
    hechos = []
    with closing(AuditoriaPostgres(entorno)) as auditoria, closing(conectar(entorno)) as sonda:
        with auditoria.turn():
            with sonda, sonda.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'consumo turno de veredictos' "
                    "AND datname = current_database()"
                )
            hechos.append("juzgado")
        with auditoria.turn():
            hechos.append("y otra vez")
    assert hechos == ["juzgado", "y otra vez"]


def _esperar(condicion: Callable[[], bool]) -> None:
    limite = time.monotonic() + PLAZO_S
    while not condicion():
        assert time.monotonic() < limite
        time.sleep(0.01)
