"""Many threads that read at once: few connections, and no endless wait."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from apoyo_consultas import ejecutar

from detection.errors import ConfiguracionError, TransientError
from pipeline.stores.postgres import query_connections
from pipeline.stores.postgres.query_connections import ReadConnections
from serving.settings import Settings

CUANTAS = 3
LIMITE_MS = 400
NOMBRE = "consumo prueba"
PLAZO_S = 10.0


@pytest.fixture
def conexiones(historia: Settings) -> Iterator[ReadConnections]:
    abiertas = ReadConnections(historia, NOMBRE, CUANTAS, LIMITE_MS)
    yield abiertas
    abiertas.close()


def _pedir(conexiones: ReadConnections, consulta: str = "SELECT 1") -> object:
    with conexiones.cursor() as cursor:
        cursor.execute(consulta)
        return cursor.fetchone()[0]


def _abiertas(conexiones: ReadConnections) -> int:
    consulta = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{NOMBRE}'"
    cuenta = _pedir(conexiones, consulta)
    assert isinstance(cuenta, int)
    return cuenta


def test_muchos_hilos_y_pocas_conexiones(conexiones: ReadConnections) -> None:
    """Every thread gets its own answer, over no more connections than allowed."""
    with ThreadPoolExecutor(16) as hilos:
        pedidos = range(400)
        assert list(hilos.map(lambda i: _pedir(conexiones, f"SELECT {i}"), pedidos)) == [*pedidos]
    assert 1 <= _abiertas(conexiones) <= CUANTAS


def test_quien_no_encuentra_sitio_no_espera_siempre(
    conexiones: ReadConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all connections in use the next one is told to come back, and then is served."""
    monkeypatch.setattr(query_connections, "ESPERA_S", 0.05)
    libres = threading.Event()

    def ocupar() -> None:
        with conexiones.cursor():
            ocupadas.release()
            libres.wait(PLAZO_S)

    ocupadas = threading.Semaphore(0)
    with ThreadPoolExecutor(CUANTAS) as hilos:
        for _ in range(CUANTAS):
            hilos.submit(ocupar)
        for _ in range(CUANTAS):
            assert ocupadas.acquire(timeout=PLAZO_S)
        with pytest.raises(TransientError, match="demasiadas consultas a la vez"):
            _pedir(conexiones)
        libres.set()
    assert _pedir(conexiones) == 1


def test_lo_que_tarda_se_corta(conexiones: ReadConnections) -> None:
    """A statement that takes too long ends with our error, and its connection stays in use."""
    inicio = time.monotonic()
    with pytest.raises(TransientError, match="tarda demasiado"):
        _pedir(conexiones, "SELECT pg_sleep(30)")
    assert time.monotonic() - inicio < PLAZO_S
    assert _abiertas(conexiones) == 1


def test_tras_perder_una_conexion_se_abren_otras(
    historia: Settings, conexiones: ReadConnections
) -> None:
    """One is told that the server went away; all the others find new connections."""
    barrera = threading.Barrier(CUANTAS)

    def a_la_vez(_: int) -> None:
        with conexiones.cursor():
            barrera.wait(PLAZO_S)

    with ThreadPoolExecutor(CUANTAS) as hilos:
        list(hilos.map(a_la_vez, range(CUANTAS)))
    assert _abiertas(conexiones) == CUANTAS
    ejecutar(
        historia,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        f"WHERE application_name = '{NOMBRE}'",
    )
    with pytest.raises(TransientError, match="no responde"):
        _pedir(conexiones)
    assert [_pedir(conexiones) for _ in range(CUANTAS)] == [1] * CUANTAS


def test_un_fallo_de_quien_pregunta_no_deja_restos(conexiones: ReadConnections) -> None:
    """Whatever goes wrong while a cursor is lent, the next one gets a connection that works."""
    for _ in range(2 * CUANTAS):
        with pytest.raises(ZeroDivisionError), conexiones.cursor():
            raise ZeroDivisionError
    assert _pedir(conexiones) == 1


def test_sin_servidor_o_sin_permiso(historia: Settings) -> None:
    """A server that is away is worth another try; a wrong database is not."""
    with socket.socket() as enchufe:
        enchufe.bind(("127.0.0.1", 0))
        ausente = historia.model_copy(update={"postgres_port": enchufe.getsockname()[1]})
    otra = historia.model_copy(update={"postgres_db": "no_existe"})
    for ajustes, error in ((ausente, TransientError), (otra, ConfiguracionError)):
        with pytest.raises(error):
            _pedir(ReadConnections(ajustes, NOMBRE, 1, LIMITE_MS))
