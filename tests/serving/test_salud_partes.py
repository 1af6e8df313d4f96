"""How parts are looked at: once however many ask, by when, and what each answer means."""

from __future__ import annotations

import socket
import threading

import pytest
from apoyo_servidor import ANFITRION, servidor

from detection.errors import TransientError
from serving.health import (
    VIGENCIA_S,
    ChampionStatus,
    HealthMonitor,
    look_at_champion,
    ping_mlflow,
)
from serving.model_versions import CAMPEON, ModelRejection


def test_cuantos_pregunten_da_igual() -> None:
    """However many ask at once, each part is looked at once in a while."""
    ahora, miradas, salir = [0.0], [], threading.Event()

    def lenta() -> str:
        miradas.append(1)
        salir.wait(5.0)
        return "hola"

    def fuera() -> None:
        raise TransientError("B no responde en 10.0.0.7")

    monitor = HealthMonitor({"A": lenta, "B": fuera}, lambda: ahora[0])
    hilos = [threading.Thread(target=monitor.look) for _ in range(8)]
    for hilo in hilos:
        hilo.start()
    salir.set()
    for hilo in hilos:
        hilo.join(10.0)
    visto = monitor.look()
    assert (len(miradas), visto["A"].mal, visto["A"].dato) == (1, None, "hola")
    assert visto["B"].mal == "B no responde en 10.0.0.7"
    ahora[0] += VIGENCIA_S
    monitor.look()
    assert len(miradas) == 2
    monitor.close()


def test_mientras_uno_mira_los_demas_reciben_lo_de_antes() -> None:
    """A look that takes long holds up nobody who can be told what was seen before."""
    ahora, entrar, salir = [0.0], threading.Event(), threading.Event()

    def parte() -> None:
        if ahora[0]:
            entrar.set()
            salir.wait(10.0)

    monitor = HealthMonitor({"A": parte}, lambda: ahora[0])
    antes = monitor.look()
    ahora[0] = 10 * VIGENCIA_S
    hilo = threading.Thread(target=monitor.look)
    hilo.start()
    assert entrar.wait(10.0)
    assert monitor.look() is antes
    salir.set()
    hilo.join(10.0)
    monitor.close()


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


def test_del_campeon_se_pregunta_por_el_solo() -> None:
    """Two requests to MLflow, however many versions there are; none of all of them."""

    class Uno:
        def version_of(self, alias: str) -> int | None:
            return {CAMPEON: 4}.get(alias)

        def tags_of(self, version: int) -> dict[str, str]:
            return ModelRejection("nodo", "hoy", "está roto").tags() if version == 4 else {}

    assert look_at_champion(Uno()) == ChampionStatus(4, "está roto")
