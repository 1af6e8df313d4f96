"""What MLflow's server promises: kept data, loopback only, no telemetry, nothing left behind."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from detection.errors import PermanentError
from pipeline.embedded.probes import ANFITRION
from pipeline.embedded.processes import Proceso, vive
from pipeline.embedded.servers import PUERTOS, mlflow_server
from serving.shutdown import StopRequest

psutil = pytest.importorskip("psutil", reason="psutil viene con el extra [embebido]")
pytestmark = pytest.mark.servicios

PLAZO_S = 60.0
RARA = "año 100% #1 ¿y «esto»?"
"""A folder's name with what means something else in a URI, in SQLAlchemy and in a shell."""


def pedir(
    uri: str, metodo: str = "GET", cuerpo: object = None, cabeceras: dict[str, str] | None = None
) -> Any:
    datos = cuerpo if isinstance(cuerpo, bytes) else json.dumps(cuerpo).encode()
    peticion = urllib.request.Request(
        uri,
        data=None if cuerpo is None else datos,
        headers={"Content-Type": "application/json", **(cabeceras or {})},
        method=metodo,
    )
    with urllib.request.urlopen(peticion, timeout=30) as respuesta:
        return respuesta.read()


def familia(servidor: Proceso) -> list[Any]:
    """Return the processes of a server: the one that we start, and what it starts."""
    padre = psutil.Process(servidor.pid)
    return [padre, *padre.children(recursive=True)]


def esperar(condicion: Callable[[], bool]) -> bool:
    limite = time.monotonic() + PLAZO_S
    while not condicion():
        if time.monotonic() > limite:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def arrancar(
    carpeta: Path, puerto: int = 0, parada: StopRequest | None = None
) -> Iterator[Proceso]:
    """Give a server that starts; nobody waits for it yet."""
    servidor = mlflow_server(carpeta, puerto, parada)
    servidor.abrir()
    try:
        yield servidor
    finally:
        servidor.detener()


def uri_de(servidor: Proceso) -> str:
    return f"http://{ANFITRION}:{servidor.puerto}"


@pytest.mark.lenta
def test_it_keeps_its_data_finds_a_port_and_leaves_no_process(tmp_path: Path) -> None:
    """Registry and artifacts outlive a restart, in any folder, with port 5000 taken.

    It runs two processes, all of them end with it, and a server that dies is noticed.
    """
    carpeta = tmp_path / RARA
    with arrancar(carpeta) as servidor:
        servidor.esperar()
        api = f"{uri_de(servidor)}/api/2.0"
        pedir(f"{api}/mlflow/registered-models/create", "POST", {"name": "consumo-detector"})
        pedir(f"{api}/mlflow-artifacts/artifacts/modelo/a.bin", "PUT", b"\x00bytes")
        procesos = familia(servidor)
        assert len(procesos) == 2  # one worker, no job runner
    assert not any(map(vive, procesos))
    assert (carpeta / "mlflow" / "mlflow.db").is_file()
    assert (carpeta / "mlflow" / "artefactos" / "modelo" / "a.bin").read_bytes() == b"\x00bytes"

    with ExitStack() as pila:
        with suppress(OSError):  # taken already: as good
            pila.enter_context(socket.create_server((ANFITRION, PUERTOS["MLflow"])))
        servidor = pila.enter_context(arrancar(carpeta, PUERTOS["MLflow"]))
        assert servidor.puerto != PUERTOS["MLflow"]
        servidor.esperar()
        api = f"{uri_de(servidor)}/api/2.0"
        modelo = pedir(f"{api}/mlflow/registered-models/get?name=consumo-detector")
        assert json.loads(modelo)["registered_model"]["name"] == "consumo-detector"
        assert pedir(f"{api}/mlflow-artifacts/artifacts/modelo/a.bin") == b"\x00bytes"

        assert servidor.caido() is None
        familia(servidor)[1].kill()
        assert esperar(lambda: servidor.caido() is not None)
        assert "MLflow terminó por su cuenta" in str(servidor.caido())


def test_it_runs_two_processes_and_keeps_what_it_is_given(mlflow_uri: str) -> None:
    """One worker and no job runner; a registered model and an artifact are there afterwards."""
    puerto = mlflow_uri.rpartition(":")[2]
    (nuestro,) = (p for p in psutil.Process().children() if puerto in p.cmdline())
    assert len(nuestro.children(recursive=True)) == 1
    api, nombre = f"{mlflow_uri}/api/2.0", f"m-{uuid.uuid4().hex[:12]}"
    pedir(f"{api}/mlflow/registered-models/create", "POST", {"name": nombre})
    modelo = pedir(f"{api}/mlflow/registered-models/get?name={nombre}")
    assert json.loads(modelo)["registered_model"]["name"] == nombre
    pedir(f"{api}/mlflow-artifacts/artifacts/{nombre}/a.bin", "PUT", b"\x00bytes")
    assert pedir(f"{api}/mlflow-artifacts/artifacts/{nombre}/a.bin") == b"\x00bytes"


def test_a_store_that_it_cannot_use_is_explained(tmp_path: Path) -> None:
    """A damaged database gives one Spanish line with the server's own reason, and no process."""
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(b"this is no database" * 1000)
    with arrancar(tmp_path) as servidor:
        procesos = familia(servidor)
        with pytest.raises(PermanentError, match="MLflow terminó por su cuenta") as error:
            servidor.esperar()
    assert "file is not a database" in str(error.value)
    assert "\n" not in str(error.value)
    assert not any(map(vive, procesos))


def test_stop_asked_for_while_it_starts(tmp_path: Path) -> None:
    """Ctrl-C does not wait for it to be ready, and it leaves no process."""
    parada = StopRequest()
    with arrancar(tmp_path, parada=parada) as servidor:
        procesos = familia(servidor)
        parada.pedir()
        with pytest.raises(KeyboardInterrupt):
            servidor.esperar()
    assert not any(map(vive, procesos))


def test_only_loopback_listens(mlflow_uri: str) -> None:
    """It has no password: no other machine reaches it."""
    puerto = int(mlflow_uri.rpartition(":")[2])
    direcciones = {
        c.laddr.ip
        for c in psutil.net_connections("tcp")
        if c.status == psutil.CONN_LISTEN and c.laddr.port == puerto
    }
    assert direcciones == {ANFITRION}


@pytest.mark.parametrize("anfitrion", ["127.0.0.1", "localhost"])
def test_this_machine_s_names_are_accepted(mlflow_uri: str, anfitrion: str) -> None:
    """A browser on this machine reads the pages and moves an alias by either name."""
    donde = f"{anfitrion}:{mlflow_uri.rpartition(':')[2]}"
    cabeceras = {"Host": donde, "Origin": f"http://{donde}"}
    assert b"<html" in pedir(f"{mlflow_uri}/", cabeceras=cabeceras)
    ruta = f"{mlflow_uri}/ajax-api/2.0/mlflow/experiments/search"
    assert "experiments" in json.loads(pedir(ruta, "POST", {"max_results": 1}, cabeceras))


@pytest.mark.parametrize(
    "cabeceras", [{"Host": "malo.example"}, {"Origin": "http://malo.example"}], ids=str
)
def test_other_sites_are_refused(mlflow_uri: str, cabeceras: dict[str, str]) -> None:
    """A web page from elsewhere cannot change models through the user's browser."""
    ruta = f"{mlflow_uri}/api/2.0/mlflow/experiments/search"
    with pytest.raises(urllib.error.HTTPError) as error:
        pedir(ruta, "POST", {"max_results": 1}, cabeceras)
    assert error.value.code == 403


def test_telemetry_is_off(mlflow_uri: str) -> None:
    """Neither the server nor its pages report anything to anybody."""
    ruta = f"{mlflow_uri}/ajax-api/3.0/mlflow/ui-telemetry"
    assert json.loads(pedir(ruta))["disable_ui_telemetry"] is True
    assert json.loads(pedir(ruta, "POST", {"records": []})) == {"status": "disabled"}
