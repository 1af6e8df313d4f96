"""Supervised child processes: ready when they answer, never orphaned, their end explained.

A child lives in a session of its own, so the terminal's Ctrl-C reaches only us and we stop it
(see ``pipeline.embedded.supervisor`` for groups of them). psutil comes with the extra
``[embebido]``.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detection.errors import PermanentError
from pipeline.embedded.probes import choose_port, escucha, puerto_libre
from serving.cli import describe_os
from serving.shutdown import PASO_S, StopRequest, hold_signals

if TYPE_CHECKING:
    import psutil

LINEAS_DE_REGISTRO = 3
"""Last lines of a log in an error: more would not be one line for the user any more."""
COLA_BYTES = 4096
_SIN_SITIO = os.strerror(errno.ENOSPC)
"""What servers write of a full disk; they run without a language of their own."""
TOLERANCIA_S = 1.5
"""Two readings of one process's start time differ by less; process numbers return later."""
ESPERA_DE_MUERTE_S = 5.0
"""After SIGKILL a process is gone as soon as its pending disk access is."""

_INTENTOS = 3
"""Starts of a server: between choosing a free port and using it another program may take it."""
PEDIDOS = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT})
"""Ends that somebody else asked for."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SystemUser:
    """A system user that a child runs as: its numbers."""

    uid: int
    gid: int


@dataclass
class Proceso(AbstractContextManager["Proceso"]):
    """A child process that is ready when it answers, and that does not outlive us.

    On Linux the kernel sends it ``senal`` when the THREAD that started it ends, however it
    ends: start it from the main thread. Elsewhere, and if it does not heed the signal, the
    next start with the same ``carpeta`` and ``nombre`` finds it by its pid file and stops it.
    Whoever shares a folder takes its ``Cerrojo`` first.
    """

    nombre: str  # what the user calls it; also the name of its log and pid files
    # Program and arguments; of a server, from the port that it gets.
    argv: Sequence[str] | Callable[[int], Sequence[str]]
    carpeta: Path  # where ``<nombre>.log`` and ``<nombre>.pid`` go; made if needed
    env: Mapping[str, str] | None = None  # its whole environment; None = ours
    cwd: Path | None = None  # its working folder; None = ours
    # Of a server: its port if it is free, and otherwise one that the system chooses; 0 = always the
    # system. It keeps what it got whenever it is started again.
    puerto_preferido: int | None = None
    # Of a server: whether something on a port answers as it would; asked until it does.
    saludo: Callable[[int], bool] | None = None
    # Whether it is ready, where a greeting cannot tell. Neither = ready as soon as it runs.
    listo: Callable[[], bool] | None = None
    plazo_s: float = 30.0  # seconds to become ready, > 0
    senal: signal.Signals = signal.SIGTERM  # what asks it to stop
    gracia_s: float = 10.0  # seconds between that and SIGKILL, >= 0
    usuario: SystemUser | None = None  # system user to run as (needs root); None = ours
    # A stop that is asked for while it starts ends the start with ``KeyboardInterrupt``.
    parada: StopRequest | None = None
    # Words in its log after which it is of no use, though it runs; empty = there are none.
    averia: str = ""
    al_volver: str = ""  # what the user has to know once it has been started again; empty = nothing
    puerto: int = field(default=0, init=False)
    _hijo: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _limite: float = field(default=0.0, init=False, repr=False)

    @property
    def log(self) -> Path:
        """Return the file that holds its output; the run before is in ``.anterior.log``."""
        return self.carpeta / f"{self.nombre}.log"

    @property
    def archivo_pid(self) -> Path:
        """Return the file that says which process it is."""
        return self.carpeta / f"{self.nombre}.pid"

    @property
    def pid(self) -> int:
        """Return its process number, also after its end."""
        if self._hijo is None:
            raise PermanentError(f"{self.nombre} no se ha iniciado")
        return self._hijo.pid

    def iniciar(self) -> None:
        """Start it and return when it is ready; ``esperar`` says what it raises."""
        self.abrir()
        self.esperar()

    def abrir(self) -> None:
        """Start it for the first time, on the port that it gets, without waiting."""
        if self.puerto_preferido is not None:
            self.puerto = choose_port(self.puerto_preferido)
        self.lanzar()

    def lanzar(self) -> None:
        """Start it without waiting, what is left of its last run stopped; it may have been run.

        ``PermanentError``: it cannot be started, or its files cannot be written.
        """
        try:
            self.detener()
            self.carpeta.mkdir(parents=True, exist_ok=True)
            self._recuperar()
            if self.log.exists():
                self.log.replace(self.log.with_suffix(".anterior.log"))
            try:
                self._lanzar()
            except BaseException:
                self.detener()
                raise
        except OSError as error:
            raise PermanentError(f"{self.nombre} no arranca: {describe_os(error)}") from error
        self._limite = time.monotonic() + self.plazo_s

    def esperar(self) -> None:
        """Return when it is ready; on another port if another program was quicker on its own.

        ``PermanentError``: it ended before it was ready, or it was not ready in time; it is
        stopped. ``KeyboardInterrupt``: a stop was asked for; it is stopped.
        """
        for intento in range(1, _INTENTOS + 1):
            try:
                while not self.responde():
                    if self.parada is not None and self.parada.pedida:
                        raise KeyboardInterrupt
                    time.sleep(PASO_S)
            except PermanentError:
                self.detener()
                if not self.puerto or intento == _INTENTOS or puerto_libre(self.puerto):
                    raise
                self.abrir()
            except BaseException:
                self.detener()
                raise
            else:
                return

    def responde(self) -> bool:
        """Return whether it is ready, at once.

        ``PermanentError``: it has ended, or its time to become ready is over.
        """
        # Order matters: an answer counts only if the child lives after it; another
        # program may answer in its place.
        responde = self.listo is None or self.listo()
        if self.saludo is not None:
            responde = responde and escucha(self.pid, self.puerto) and self.saludo(self.puerto)
        caida = self.caido()
        if caida is not None:
            raise PermanentError(caida)
        if not responde and time.monotonic() >= self._limite:
            raise PermanentError(
                f"{self.nombre} no está listo tras {self.plazo_s:g} s. {cola(self.log)}"
            )
        return responde

    def acabar(self, mientras: Callable[[], None]) -> int:
        """Run it to its end and return its exit status; ``mientras`` is called meanwhile.

        ``PermanentError``: it does not start, or does not end in ``plazo_s``. Whatever is raised,
        it has ended.
        """
        self.lanzar()
        assert self._hijo is not None
        try:
            while (estado := self._hijo.poll()) is None:
                mientras()
                if time.monotonic() >= self._limite:
                    raise PermanentError(f"{self.nombre} no acaba en {self.plazo_s:g} s")
        finally:
            self.detener()
        return estado

    def caido(self) -> str | None:
        """Return None while it runs, and otherwise one Spanish sentence on how it ended."""
        if self._hijo is None:
            return f"{self.nombre} no se ha iniciado"
        estado = self._hijo.poll()
        if estado is None:
            if self.averia and self.averia in _final(self.log):
                return f"{self.nombre} ya no puede seguir. {cola(self.log)}"
            return None
        # Whoever is told to end has not written why.
        pedido = estado in PEDIDOS
        dicho = f"Registro: {self.log}" if pedido else cola(self.log)
        return f"{self.nombre} terminó por su cuenta ({_fin(estado)}). {dicho}"

    def detener(self) -> None:
        """Stop it: ``senal``, then SIGKILL after the grace, to it and all that it started."""
        if self._hijo is None:
            return
        with hold_signals():
            if self._hijo.poll() is None:
                self._hijo.send_signal(self.senal)
                try:
                    self._hijo.wait(self.gracia_s)
                except subprocess.TimeoutExpired:
                    texto = "%s no atiende a %s en %g s: se mata"
                    _LOG.warning(texto, self.nombre, self.senal.name, self.gracia_s)
            _matar_grupo(self._hijo.pid)
            self._hijo.wait()
            self.archivo_pid.unlink(missing_ok=True)

    def __enter__(self) -> Proceso:
        self.iniciar()
        return self

    def __exit__(self, *_: object) -> None:
        self.detener()

    def _lanzar(self) -> None:
        import psutil

        argv = self.argv(self.puerto) if callable(self.argv) else self.argv
        with self.log.open("wb") as salida:
            try:
                self._hijo = subprocess.Popen(
                    list(argv), stdin=subprocess.DEVNULL, stdout=salida, stderr=subprocess.STDOUT,
                    env=self.env, cwd=self.cwd, **_opciones(self.senal, self.usuario),
                )  # fmt: skip
            except OSError as error:
                raise PermanentError(f"{self.nombre} no arranca: {error}") from error
        with suppress(psutil.NoSuchProcess):
            creado = psutil.Process(self._hijo.pid).create_time()
            self.archivo_pid.write_text(json.dumps({"pid": self._hijo.pid, "creado": creado}))

    def _recuperar(self) -> None:
        """Stop what an earlier run left behind under this name."""
        import psutil

        try:
            datos = json.loads(self.archivo_pid.read_text())
            anterior = psutil.Process(int(datos["pid"]))
            es_el_mismo = abs(anterior.create_time() - float(datos["creado"])) < TOLERANCIA_S
        except (OSError, ValueError, KeyError, TypeError, psutil.Error):
            es_el_mismo = False
        if es_el_mismo:
            detener_anterior(self.nombre, anterior, self.senal, self.gracia_s)
        self.archivo_pid.unlink(missing_ok=True)


def detener_anterior(
    nombre: str, proceso: psutil.Process, senal: signal.Signals, gracia_s: float
) -> None:
    """Stop a process that an earlier run of ours left: ``senal``, then SIGKILL after the grace."""
    import psutil

    if not vive(proceso):
        return
    texto = "%s seguía en marcha de una ejecución anterior (proceso %d): se detiene"
    _LOG.warning(texto, nombre, proceso.pid)
    with suppress(psutil.NoSuchProcess):
        proceso.send_signal(senal)
    if not _ends_within(proceso, gracia_s):
        _matar_grupo(proceso.pid)
        if not _ends_within(proceso, ESPERA_DE_MUERTE_S):
            raise PermanentError(f"no se puede detener {nombre} (proceso {proceso.pid})")


def _ends_within(proceso: psutil.Process, segundos: float) -> bool:
    limite = time.monotonic() + segundos
    while vive(proceso):
        if time.monotonic() >= limite:
            return False
        time.sleep(PASO_S)
    return True


def vive(proceso: psutil.Process) -> bool:
    """Return whether a process still runs; one that ended and that nobody reaped does not."""
    import psutil

    try:
        return proceso.is_running() and proceso.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ejecutar(
    nombre: str,
    argv: Sequence[str],
    *,
    log: Path,
    entrada: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    usuario: SystemUser | None = None,
    plazo_s: float = 60.0,
) -> None:
    """Run a short command to its end; if it fails, raise one Spanish line with its last words."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as salida:
        try:
            estado = subprocess.run(
                list(argv),
                input=entrada.encode(),
                stdout=salida,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                check=False,
                timeout=plazo_s,
                **_opciones(signal.SIGKILL, usuario),
            ).returncode
        except OSError as error:
            raise PermanentError(f"{nombre} no arranca: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise PermanentError(f"{nombre} no acaba en {plazo_s:g} s. {cola(log)}") from error
    if estado:
        raise PermanentError(f"{nombre} falló ({_fin(estado)}). {cola(log)}")


def cola(log: Path) -> str:
    """Return a Spanish clause with the last lines of a log, in one line."""
    lineas = [linea.strip() for linea in _final(log).splitlines() if linea.strip()]
    if not lineas:
        return f"Registro vacío: {log}"
    lleno = "No queda sitio en el disco. " * any(_SIN_SITIO in linea for linea in lineas)
    return f"{lleno}Registro ({log}): {' | '.join(lineas[-LINEAS_DE_REGISTRO:])}"


def _final(log: Path) -> str:
    """Return how a log ends; empty if it cannot be read."""
    try:
        with log.open("rb") as f:
            f.seek(max(0, log.stat().st_size - COLA_BYTES))
            return f.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _opciones(senal: signal.Signals, usuario: SystemUser | None) -> dict[str, Any]:
    """Return how a child is started: in its own session, tied to us, as the user that it needs."""
    quien: dict[str, Any] = {}
    if usuario is not None:
        quien = {"user": usuario.uid, "group": usuario.gid, "extra_groups": []}
    # It runs after the change of user, which would clear what it sets. It is one system call,
    # loaded before the fork: safe beside other threads.
    return {"start_new_session": True, "preexec_fn": _tie_to_parent(senal), **quien}


def _tie_to_parent(senal: signal.Signals) -> Callable[[], None] | None:
    """Return what a new child calls so that it gets ``senal`` when we die; Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    pr_set_pdeathsig = 1  # linux/prctl.h
    padre = os.getpid()

    def tie() -> None:
        prctl(pr_set_pdeathsig, int(senal))
        if os.getppid() != padre:  # we died before the line above
            os._exit(1)

    return tie


def _matar_grupo(pid: int) -> None:
    """Kill what is left of the session that a child led."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _fin(estado: int) -> str:
    return f"código {estado}" if estado >= 0 else f"señal {signal.Signals(-estado).name}"
