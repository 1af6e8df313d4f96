"""What ``consumo salud`` promises: every part is named, what does not answer is said, in time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from detection.errors import ConfiguracionError, TransientError
from pipeline.embedded.probes import ANFITRION, puerto_del_sistema
from pipeline.jobs.health import check, main, ping_mlflow
from pipeline.stores.postgres.heartbeats import LatidosPostgres
from pipeline.stores.postgres.store import migrate
from serving.cli import FALLO, HECHO, MAL_USO, run
from serving.consumer_health import Situacion
from serving.settings import Settings


@pytest.fixture
def entorno(entorno_vacio: Settings) -> Settings:
    """Give settings of a database without tables, as before the first start."""
    return entorno_vacio


@contextmanager
def servidor(estado: int, rutas: list[str]) -> Iterator[str]:
    """Give the address of a server that answers every GET with ``estado``."""

    class Respuesta(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            rutas.append(self.path)
            self.send_response(estado)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    with HTTPServer((ANFITRION, 0), Respuesta) as http:
        hilo = threading.Thread(target=http.serve_forever, args=(0.02,))
        hilo.start()
        try:
            yield f"{ANFITRION}:{http.server_port}"
        finally:
            http.shutdown()
            hilo.join()


def exportar(parche: pytest.MonkeyPatch, entorno: Settings) -> None:
    for campo, valor in entorno.model_dump().items():
        parche.setenv(campo.upper(), str(valor))


def test_all_parts_answer(
    entorno_mlflow: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With every server up the status is 0, and each part has its row."""
    partes = check(entorno_mlflow)
    assert [(nombre, mal) for nombre, _, mal, _ in partes] == [
        ("PostgreSQL", None),
        ("MongoDB", None),
        ("Kafka", None),
        ("MLflow", None),
    ]
    exportar(monkeypatch, entorno_mlflow)
    assert run(main, ["--servicios"]) == HECHO
    salida = capsys.readouterr().out
    assert all(nombre in salida for nombre, *_ in partes)
    assert "tablero" not in salida


def test_api_and_dashboard_are_asked_where_the_settings_say(
    entorno_mlflow: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a living consumer and every part up the status is 0; without the dashboard, 1."""
    migrate(entorno_mlflow)
    rutas: list[str] = []
    with closing(LatidosPostgres(entorno_mlflow)) as latidos, servidor(200, rutas) as donde:
        latidos.write(Situacion((0,)))
        puerto = int(donde.rpartition(":")[2])
        # As in a container, where the API listens on every address.
        otras = {"api_host": "0.0.0.0", "api_port": puerto, "tablero_port": puerto}
        exportar(monkeypatch, entorno_mlflow.model_copy(update=otras))
        assert run(main, []) == HECHO, capsys.readouterr().out
        assert sorted(rutas) == ["/_stcore/health", "/salud/viva"]
        monkeypatch.setenv("TABLERO_PORT", str(puerto_del_sistema()))
        monkeypatch.setenv("COLUMNS", "200")
        assert run(main, []) == FALLO
        assert "El tablero no responde" in capsys.readouterr().out


def test_mlflow_away_is_said_and_the_rest_is_checked(entorno: Settings) -> None:
    """One part that is away does not hide the others."""
    uri = f"http://{ANFITRION}:{puerto_del_sistema()}"
    partes = check(entorno.model_copy(update={"mlflow_tracking_uri": uri}))
    assert [mal for _, _, mal, _ in partes] == [None, None, None, f"MLflow no responde en {uri}"]


def test_status_says_that_a_part_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing runs: status 1, every row filled, and no password on the screen."""
    for variable in ("POSTGRES_PORT", "MONGO_PORT", "API_PORT", "TABLERO_PORT"):
        monkeypatch.setenv(variable, str(puerto_del_sistema()))
    monkeypatch.setenv("KAFKA_BROKER", f"{ANFITRION}:{puerto_del_sistema()}")
    uri = f"http://ana:secreta@{ANFITRION}:{puerto_del_sistema()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("COLUMNS", "200")
    assert run(main, []) == FALLO
    salida = capsys.readouterr().out
    assert salida.count("no responde") == 7  # the consumer's row too
    assert "secreta" not in salida


def test_health_is_asked_under_the_servers_own_path() -> None:
    """An address with user, password and path leads to that path's ``/health``."""
    rutas: list[str] = []
    with servidor(200, rutas) as donde:
        ping_mlflow(f"http://{donde}")
        ping_mlflow(f"http://ana:secreta@{donde}/modelos/")
    assert rutas == ["/health", "/modelos/health"]


@pytest.mark.parametrize("estado", [404, 503])
def test_another_answer_is_not_health(estado: int) -> None:
    """Another program on MLflow's port, or a sick server, is not taken for MLflow."""
    with (
        servidor(estado, []) as donde,
        pytest.raises(TransientError, match=f"MLflow responde {estado} en http://{donde}/health"),
    ):
        ping_mlflow(f"http://{donde}")


def test_a_server_that_speaks_no_http_is_not_health() -> None:
    """Bytes that are no HTTP are "does not answer", not a stack trace."""

    def contestar(escucha: socket.socket) -> None:
        conexion, _ = escucha.accept()
        with conexion:
            conexion.recv(4096)
            conexion.sendall(b"\x00\x01\x02\r\n\r\n")

    with socket.create_server((ANFITRION, 0)) as escucha:
        hilo = threading.Thread(target=contestar, args=(escucha,))
        hilo.start()
        with pytest.raises(TransientError, match="MLflow no responde"):
            ping_mlflow(f"http://{ANFITRION}:{escucha.getsockname()[1]}")
        hilo.join()


@pytest.mark.parametrize(
    "uri", ["", "sqlite:///mlflow.db", "./mlruns", "http://", "http://x:noes", "http://[::1"]
)
def test_what_is_no_server_is_said(uri: str) -> None:
    """An address that no server can have is named by its variable."""
    with pytest.raises(ConfiguracionError, match="MLFLOW_TRACKING_URI"):
        ping_mlflow(uri)


def test_wrong_usage_names_the_parts(capsys: pytest.CaptureFixture[str]) -> None:
    """Help speaks Spanish and names all that is checked; a flag too many is wrong usage."""
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "PostgreSQL, MongoDB, Kafka y MLflow" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit) as salida:
        main(["--todo"])
    assert salida.value.code == MAL_USO
