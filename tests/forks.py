"""Programs in processes of their own that start in milliseconds, forked from one that imports once.

``start`` and ``run`` stand for ``python -m consumo VERB ...`` (or for ``python -c`` and a program):
a process with its own number, environment, folder and streams, which signals meet like any other.
What it would import, and the compiled loops that it would load, are there already, because a server
without threads of its own has them, and forks. Run as a program, this file is that server.

That a verb also starts the long way, from a shell, is seen by ``e2e``, ``despliegue`` and
``architecture/test_command_line``.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import select
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

RAIZ = Path(__file__).resolve().parent.parent
MENSAJE_MAXIMO = 1 << 20
PLAZO_S = 120.0
MODELOS = ("mlflow.pyfunc", "mlflow.artifacts", "sklearn.ensemble", "sklearn.metrics")
TARDIAS: Mapping[str, tuple[str, ...]] = {
    "": ("serving.registry", *MODELOS[:2]),
    "consumir": ("alembic.command", "sqlalchemy.dialects.postgresql", *MODELOS[:2]),
    "migrar": ("alembic.command", "sqlalchemy.dialects.postgresql"),
    "entrenar": MODELOS,
    "promover": MODELOS,
    "deriva": (*MODELOS, "evidently.presets"),
    "reentrenar": MODELOS,
}
"""Verb ("" = a program of the test's) -> what it imports late, once it has something to do."""
DETECTAN = frozenset({"consumir", "entrenar", "promover", "deriva", "reentrenar", "evaluar"})
"""Verbs that load the compiled loops."""
REGISTRAN = frozenset({"", "entrenar", "reentrenar"})
"""Those that may register a version."""
EN_LA_LINEA = "-c"


class Fork:
    """A running program, as much of ``subprocess.Popen`` as the tests use."""

    def __init__(
        self, pid: int, estado: socket.socket, stdout: IO[str] | None, stderr: IO[str] | None
    ) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout, self.stderr = stdout, stderr
        self._fd = os.pidfd_open(pid)
        self._estado = estado

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        return self._esperar(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ended: its status, or minus the signal that ended it."""
        estado = self._esperar(timeout)
        if estado is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return estado

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it still says on the streams that are pipes, when it has ended."""
        with ThreadPoolExecutor(2) as hilos:
            dicho = [hilos.submit(f.read) if f else None for f in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            salida, error = (d.result() if d else "" for d in dicho)
        for flujo in filter(None, (self.stdout, self.stderr)):
            flujo.close()
        return salida, error

    def send_signal(self, senal: int) -> None:
        """Send a signal, if it has not ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._fd, senal)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _esperar(self, segundos: float | None) -> int | None:
        if self.returncode is None and select.select([self._estado], [], [], segundos)[0]:
            (self.returncode,) = struct.unpack("i", self._estado.recv(4))
            self._estado.close()
            os.close(self._fd)
        return self.returncode


def start(
    variables: Mapping[str, str],
    *argv: str,
    cwd: Path | None = None,
    stdout: IO[Any] | int | None = None,
    stderr: IO[Any] | int | None = None,
) -> Fork:
    """Start a verb, or ``-c`` and a program, with this environment and no other.

    A stream is a file, ``subprocess.PIPE`` for text, or None for that of the tests.
    """
    pedido = {"argv": argv, "env": dict(variables), "cwd": str(cwd or Path.cwd())}
    salida, de_salida = _flujo(stdout, 1)
    error, de_error = (salida, None) if stderr == subprocess.STDOUT else _flujo(stderr, 2)
    nuestro, suyo = socket.socketpair()
    fds = [suyo.detach(), salida, error]
    socket.send_fds(_server(), [json.dumps(pedido).encode()], fds)
    for fd, lectura in zip(fds, (suyo, de_salida, de_error), strict=True):
        if lectura is not None:
            os.close(fd)
    return Fork(struct.unpack("i", nuestro.recv(4))[0], nuestro, de_salida, de_error)


def run(
    variables: Mapping[str, str], *argv: str, cwd: Path | None = None, timeout: float = PLAZO_S
) -> subprocess.CompletedProcess[str]:
    """Run a verb or a program to its end; what it had said is in the error if it does not end."""
    with tempfile.TemporaryFile() as salida, tempfile.TemporaryFile() as error:
        hijo = start(variables, *argv, cwd=cwd, stdout=salida, stderr=error)
        try:
            hijo.wait(timeout)
        except subprocess.TimeoutExpired:
            hijo.kill()
            hijo.wait()
            dicho = _leido(error)[-3000:]
            raise AssertionError(f"{argv} no acaba en {timeout} s; dijo: {dicho}") from None
        return subprocess.CompletedProcess(argv, hijo.wait(), _leido(salida), _leido(error))


def _leido(archivo: IO[bytes]) -> str:
    archivo.seek(0)
    return archivo.read().decode()


def _flujo(pedido: IO[Any] | int | None, defecto: int) -> tuple[int, IO[str] | None]:
    """Return the child's end of a stream, and ours if it is a pipe."""
    if pedido is None:
        return defecto, None
    if pedido == subprocess.PIPE:
        lectura, escritura = os.pipe()
        return escritura, os.fdopen(lectura, encoding="utf-8")
    return (pedido if isinstance(pedido, int) else pedido.fileno()), None


@cache
def _server() -> socket.socket:
    """Return the way to the server of this process, which ends with it."""
    nuestro, suyo = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with suyo:
        entorno = os.environ | {"PYTHONPATH": str(RAIZ), "MLFLOW_DISABLE_TELEMETRY": "true"}
        servidor = subprocess.Popen(
            [sys.executable, __file__, str(suyo.fileno())],
            env=entorno, pass_fds=[suyo.fileno()], cwd=RAIZ,
        )  # fmt: skip
    atexit.register(servidor.wait)
    atexit.register(nuestro.close)
    return nuestro


# ---- The server ----


def _serve(pedidos: socket.socket) -> list[str] | None:
    """Fork for each order, and tell how each child ends; return, in a child, what it is to run."""
    hijos = selectors.DefaultSelector()
    hijos.register(pedidos, selectors.EVENT_READ)
    while True:
        for clave, _ in hijos.select():
            if clave.fileobj is not pedidos:
                hijos.unregister(clave.fileobj)
                os.close(clave.fd)
                _tell_end(*clave.data)
                continue
            texto, fds, _, _ = socket.recv_fds(pedidos, MENSAJE_MAXIMO, 3)
            if not texto:
                return None
            pedido = json.loads(texto)
            _prepare(pedido["argv"][0])
            gc.freeze()
            pid = os.fork()
            if pid == 0:
                hijos.close()
                pedidos.close()
                _become(pedido, fds)
                return list(pedido["argv"])
            estado = socket.socket(fileno=fds[0])
            estado.send(struct.pack("i", pid))
            for fd in fds[1:]:
                os.close(fd)
            hijos.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, estado))


def _tell_end(pid: int, estado: socket.socket) -> None:
    _, final = os.waitpid(pid, 0)
    with estado:
        estado.send(struct.pack("i", os.waitstatus_to_exitcode(final)))


@cache
def _prepare(verbo: str) -> None:
    """Import what a verb imports, the first time that it is asked for."""
    verbos = import_module("consumo").VERBOS
    if verbo in verbos:
        import_module(verbos[verbo][0])
    nombre = "" if verbo == EN_LA_LINEA else verbo
    for modulo in TARDIAS.get(nombre, ()):
        import_module(modulo)
    if verbo in DETECTAN:
        _load_loops()
    if nombre in REGISTRAN:
        _look_through_packages()


@cache
def _look_through_packages() -> None:
    """Do what a registration does once a process: MLflow lists what each package has."""
    from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

    from detection.feature_fingerprint import feature_fingerprint

    feature_fingerprint()
    warn_dependency_requirement_mismatches(["numpy"])


@cache
def _load_loops() -> None:
    from detection.detector import DetectorConsumo
    from pipeline.streaming.warmup import warm_up
    from serving.local_time import load_calendario

    warm_up(DetectorConsumo(load_calendario("Europe/Madrid")))


def _become(pedido: Mapping[str, Any], fds: Sequence[int]) -> None:
    """Take over the environment, the folder and the streams of an order."""
    os.environ.clear()
    os.environ.update(pedido["env"])
    time.tzset()
    os.chdir(pedido["cwd"])
    estado, salida, error = fds
    os.close(estado)
    os.dup2(salida, 1)
    os.dup2(error, 2)
    os.close(salida)
    os.close(error)
    sys.stdout, sys.stderr = _text(1), _text(2)
    sys.stderr.reconfigure(errors="backslashreplace", line_buffering=True)


def _text(fd: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(io.FileIO(fd, "w", closefd=False)), "utf-8")


def _execute(argv: Sequence[str]) -> int:
    """Run a verb, or a program, as Python would, and return its status."""
    try:
        if argv[0] == EN_LA_LINEA:
            sys.argv = [EN_LA_LINEA, *argv[2:]]
            exec(compile(argv[1], "<string>", "exec"), {"__name__": "__main__"})
            return 0
        sys.argv = ["consumo", *argv]
        return int(import_module("consumo").main(argv))
    except SystemExit as salida:
        return int(salida.code or 0)
    except BaseException:  # noqa: BLE001 - nothing may go on as if it were the server
        traceback.print_exc()
        return 1


def main() -> None:
    """Serve orders until nobody can give one; in each child, carry its order out."""
    sys.path[0] = str(RAIZ)
    argv = _serve(socket.socket(fileno=int(sys.argv[1])))
    if argv is not None:
        estado = _execute(argv)
        # As multiprocessing ends its forks: without taking apart all that was imported.
        threading._shutdown()
        atexit._run_exitfuncs()
        for flujo in (sys.stdout, sys.stderr):
            if not flujo.closed:
                flujo.flush()
        os._exit(estado)


if __name__ == "__main__":
    main()
