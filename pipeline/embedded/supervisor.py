"""The supervisor of our children: started in order, brought back when they end, stopped in reverse.

::

    with StopRequest() as parada, Supervisor(parada, avisar=print) as supervisor:
        supervisor.start(Proceso("generador", [sys.executable, ...], carpeta, parada=parada))
        supervisor.start(Proceso("API", [sys.executable, ...], carpeta, parada=parada))
        supervisor.wait()

A part that ends by itself, or that somebody stops, is started again, as it was, after a pause that
doubles with each failure in a row; all end only when one of them cannot be kept running. Nothing
here waits for a part that starts again, so several may.

Signals never interrupt our own bookkeeping: ``StopRequest`` notes them, and whoever waits looks at
it, so that Ctrl-C is as clean during the start, and pressed twice, as it is once at the end.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from detection.errors import PermanentError, TransientError
from pipeline.embedded.processes import Proceso
from serving.shutdown import StopRequest, hold_signals

PASO_VIGILANCIA_S = 0.25
"""How often the parts are looked at."""
PASO_INSISTIR_S = 0.2
PLAZO_INSISTIR_S = 300.0
"""In which a part that has ended is back, or is given up."""

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a part that ended is started again, and when no more."""

    # espera_s, espera_maxima_s: pause before the first new start, s, and the longest; each one is
    # twice the one before.
    espera_s: float = 1.0
    espera_maxima_s: float = 30.0
    # 1 + 2 + 4 + 8 + 16 s of pauses: longer than PostgreSQL takes to replay its log, and short
    # enough for whoever waits to learn that it does not help.
    fallos: int = 6  # failures in a row after which it is given up
    estable_s: float = 120.0  # a part that has run this long has no failures behind it


class _Watched:
    """A part with what is known of its failures."""

    def __init__(
        self, parte: Proceso, politica: RestartPolicy, avisar: Callable[[str], None]
    ) -> None:
        self.parte = parte
        self.ends = 0
        self._politica = politica
        self._avisar = avisar
        self._seguidas = 0
        self._desde = time.monotonic()
        self._proximo: float | None = None
        self._arrancando = False

    @property
    def running(self) -> bool:
        """Return whether it ran, and answered, when it was last looked at."""
        return self._proximo is None and not self._arrancando

    def watch(self) -> None:
        """Take the next step towards its running; ``PermanentError`` when it is given up."""
        ahora = time.monotonic()
        if self.running:
            caida = self.parte.caido()
            if caida is not None:
                if ahora - self._desde >= self._politica.estable_s:
                    self._seguidas = 0
                self._fail(caida)
            return
        try:
            if self._arrancando:
                self._check()
            elif self._proximo is not None and ahora >= self._proximo:
                self.parte.lanzar()
                self._proximo, self._arrancando = None, True
        except PermanentError as error:
            self._fail(str(error))

    def _check(self) -> None:
        if not self.parte.responde():
            return
        self._arrancando = False
        self._desde = time.monotonic()
        nota = self.parte.al_volver
        self._avisar(f"{self.parte.nombre} funciona de nuevo{f': {nota}' if nota else ''}")

    def _fail(self, texto: str) -> None:
        nombre, politica = self.parte.nombre, self._politica
        self.ends += 1
        self._seguidas += 1
        if self._seguidas >= politica.fallos:
            raise PermanentError(
                f"{nombre} no se mantiene en marcha: {self._seguidas} fallos seguidos; el último: "
                f"{texto}"
            )
        espera = min(politica.espera_maxima_s, politica.espera_s * 2.0 ** (self._seguidas - 1))
        self._arrancando, self._proximo = False, time.monotonic() + espera
        self._avisar(f"{nombre} se arranca de nuevo en {espera:g} s: {texto}")


class Supervisor(AbstractContextManager["Supervisor"]):
    """Processes that start in order, are started again when they end, and stop in reverse.

    Parameters
    ----------
    parada : StopRequest, optional
        A stop that is asked for ends ``pause`` and ``wait``.
    avisar : callable, optional
        Told, in a Spanish line each, what ended and when it is started again, and that it is back.
        None = the log.
    """

    def __init__(
        self,
        parada: StopRequest | None = None,
        avisar: Callable[[str], None] | None = None,
        politica: RestartPolicy = RestartPolicy(),  # frozen
    ) -> None:
        self.parada = parada or StopRequest()
        self._pila = ExitStack()
        self._partes: list[_Watched] = []
        self._avisar = avisar or _LOG.warning
        self._politica = politica

    def start(self, parte: Proceso, *, esperar: bool = True) -> Proceso:
        """Start a part and return it; whatever started before stops when the block ends.

        ``esperar``: return when it is ready; otherwise whoever starts it waits for it
        (``parte.esperar``).
        """
        if esperar:
            self._pila.enter_context(parte)
        else:
            self._pila.push(parte)
            parte.abrir()
        self._partes.append(_Watched(parte, self._politica, self._avisar))
        return parte

    @property
    def running(self) -> bool:
        """Return whether every part ran when it was last looked at."""
        return all(vista.running for vista in self._partes)

    @property
    def ends(self) -> Counter[str]:
        """Return how often each part has ended by itself, or has not come back."""
        return Counter({vista.parte.nombre: vista.ends for vista in self._partes})

    def watch(self) -> None:
        """Look at every part once, and bring back those that ended (main thread).

        ``PermanentError``: one of them has failed too often in a row.
        """
        for vista in self._partes:
            vista.watch()

    def pause(self, segundos: float = 0.0) -> None:
        """Wait, and look at every part; ``KeyboardInterrupt`` if a stop was asked for."""
        if self.parada.esperar(segundos):
            raise KeyboardInterrupt
        self.watch()

    def wait(self) -> None:
        """Return when the stop is asked for; ``PermanentError`` as in ``watch``."""
        while not self.parada.esperar(PASO_VIGILANCIA_S):
            self.watch()

    def insist(self, preguntar: Callable[[], _T]) -> _T:
        """Return an answer of a part, asked again while it is brought back."""
        limite = time.monotonic() + PLAZO_INSISTIR_S
        while True:
            try:
                return preguntar()
            except TransientError:
                if time.monotonic() > limite:
                    raise
                self.pause(PASO_INSISTIR_S)

    def run(self, orden: Proceso) -> tuple[int, str]:
        """Return exit status and output of a command, run again if a part was away meanwhile."""
        while True:
            antes = self.ends.total()
            estado = orden.acabar(lambda: self.pause(PASO_INSISTIR_S))
            self.pause()
            if estado == 0 or self.ends.total() == antes:
                return estado, orden.log.read_text("utf-8")
            while not self.running:
                self.pause(PASO_INSISTIR_S)

    def stop(self) -> None:
        """Stop every part, the last first."""
        with hold_signals():
            self._pila.close()
            self._partes.clear()

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Cerrojo(AbstractContextManager["Cerrojo"]):
    """The right to use a folder, for one process at a time; the kernel frees it at our end."""

    def __init__(self, carpeta: Path) -> None:
        self._carpeta = carpeta
        self._fd: int | None = None

    def __enter__(self) -> Cerrojo:
        fd = os.open(self._carpeta / "cerrojo", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            duenio = os.read(fd, 20).decode("ascii", "replace").strip() or "?"
            os.close(fd)
            raise PermanentError(
                f"otra instancia en marcha (proceso {duenio}) usa la carpeta {self._carpeta}; "
                "deténgala o elija otra carpeta"
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._fd = fd
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
