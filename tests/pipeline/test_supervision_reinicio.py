"""What a group promises of members that end: back on their own, said, given up in the end."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from detection.errors import PermanentError
from pipeline.embedded.probes import ANFITRION, puerto_del_sistema
from pipeline.embedded.processes import Proceso
from pipeline.embedded.supervisor import RestartPolicy, Supervisor
from serving.shutdown import StopRequest

PRONTO = RestartPolicy(espera_s=0.05, espera_maxima_s=0.2, fallos=4, estable_s=60.0)
ESCUCHA = """
import os, socket, sys, time
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as servidor:
    while True:
        conexion, _ = servidor.accept()
        conexion.sendall(os.environ["MARCA"].encode())
        conexion.close()
"""


def _pregunta(puerto: int) -> bytes:
    try:
        with socket.create_connection((ANFITRION, puerto), 5.0) as conexion:
            return conexion.recv(64)
    except OSError:
        return b""


def _servidor(carpeta: Path, nombre: str, puerto: int) -> Proceso:
    argv = [sys.executable, "-c", ESCUCHA, str(puerto)]
    entorno = {**os.environ, "MARCA": nombre}
    proceso = Proceso(nombre, argv, carpeta, env=entorno)
    proceso.listo = lambda: _pregunta(puerto) == nombre.encode()
    return proceso


def _watch_until(supervisor: Supervisor, condicion: Callable[[], bool]) -> None:
    parada = StopRequest()
    for _ in range(3000):
        supervisor.watch()
        if condicion():
            return
        parada.esperar(0.01)
    raise AssertionError("not in time")


@pytest.mark.parametrize("senal", [signal.SIGKILL, signal.SIGTERM])
def test_each_part_that_ends_comes_back_as_it_was(tmp_path: Path, senal: signal.Signals) -> None:
    """Killed or stopped, together or alone: same port, same environment, and a line each time."""
    dicho: list[str] = []
    puertos = {nombre: puerto_del_sistema() for nombre in ("uno", "dos", "tres")}
    with Supervisor(avisar=dicho.append, politica=PRONTO) as supervisor:
        partes = [supervisor.start(_servidor(tmp_path, n, p)) for n, p in puertos.items()]
        for victimas in ([partes[0]], [partes[1]], [partes[2]], partes):
            antes = {p.nombre: p.pid for p in victimas}
            for parte in victimas:
                os.kill(parte.pid, senal)
            dicho.clear()
            esperadas = supervisor.ends.total() + len(victimas)
            _watch_until(
                supervisor,
                lambda n=esperadas: supervisor.ends.total() == n and supervisor.running,  # type: ignore[misc]
            )
            for nombre, pid in antes.items():
                assert next(p for p in partes if p.nombre == nombre).pid != pid
                caida, vuelta = [linea for linea in dicho if linea.startswith(f"{nombre} ")]
                assert caida.startswith(f"{nombre} se arranca de nuevo en 0.")
                assert f"{nombre} terminó por su cuenta (señal {senal.name})" in caida
                assert vuelta == f"{nombre} funciona de nuevo"
        assert {n: _pregunta(p).decode() for n, p in puertos.items()} == {n: n for n in puertos}


def test_what_cannot_be_kept_running_ends_the_group(tmp_path: Path) -> None:
    """Pauses double up to their limit; after so many failures in a row, one clear line."""
    dicho: list[str] = []
    marca = tmp_path / "una-vez"
    codigo = f"""
import os, sys, time
if os.path.exists({str(marca)!r}):
    print("no puedo"); sys.exit(3)
open({str(marca)!r}, "w").close()
time.sleep(60)
"""
    otro = Proceso("otro", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)
    terco = Proceso("terco", [sys.executable, "-c", codigo], tmp_path, listo=marca.exists)

    def funcionar() -> None:
        with Supervisor(avisar=dicho.append, politica=PRONTO) as supervisor:
            supervisor.start(otro)
            supervisor.start(terco)
            os.kill(terco.pid, signal.SIGKILL)
            supervisor.wait()

    with pytest.raises(PermanentError, match="terco no se mantiene en marcha: 4 fallos") as error:
        funcionar()
    assert "código 3" in str(error.value)
    assert "no puedo" in str(error.value)
    assert "\n" not in str(error.value)
    pausas = [linea.split(" s: ")[0].rsplit(" ", 1)[1] for linea in dicho if " s: " in linea]
    assert pausas == ["0.05", "0.1", "0.2"]
    assert otro.caido() is not None


def test_a_disk_that_is_full_for_a_while_is_a_failed_start(tmp_path: Path) -> None:
    """A part whose files cannot be written is tried again, and comes back when they can."""
    dicho: list[str] = []
    parte = Proceso("parte", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)
    with Supervisor(avisar=dicho.append, politica=PRONTO) as supervisor:
        supervisor.start(parte)
        # Nothing can be written there.
        parte.archivo_pid.unlink()
        parte.archivo_pid.mkdir()
        os.kill(parte.pid, signal.SIGKILL)
        _watch_until(supervisor, lambda: supervisor.ends["parte"] == 2)
        assert "parte no arranca: " in dicho[-1]
        parte.archivo_pid.rmdir()
        _watch_until(supervisor, lambda: supervisor.running)
        assert dicho[-1] == "parte funciona de nuevo"


def test_a_long_quiet_time_forgets_old_failures(tmp_path: Path) -> None:
    """Failures count only in a row: a part that has run long enough starts from nothing."""
    politica = RestartPolicy(espera_s=0.01, espera_maxima_s=0.01, fallos=2, estable_s=0.0)
    parte = Proceso("parte", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)
    with Supervisor(avisar=lambda _: None, politica=politica) as supervisor:
        supervisor.start(parte)
        for veces in range(1, 4):
            os.kill(parte.pid, signal.SIGKILL)
            _watch_until(
                supervisor, lambda n=veces: supervisor.ends["parte"] == n and supervisor.running
            )  # type: ignore[misc]


def test_ctrl_c_while_a_part_is_away_ends_all_at_once(tmp_path: Path) -> None:
    """A stop asked for during a long pause, or a slow start, is not waited for."""
    politica = RestartPolicy(espera_s=60.0)
    parada = StopRequest()
    parte = Proceso("parte", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)
    viva = Proceso("viva", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)
    with Supervisor(
        parada, lambda _: threading.Timer(0.2, parada.pedir).start(), politica
    ) as supervisor:
        supervisor.start(viva)
        supervisor.start(parte)
        os.kill(parte.pid, signal.SIGKILL)
        supervisor.wait()
        assert not supervisor.running
    assert viva.caido() is not None
