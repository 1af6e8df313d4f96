"""A client-side timeout that a frozen server cannot escape.

A frozen server (stopped, swapped out, its disk gone) keeps every connection: its kernel confirms
what is sent, so that neither keep-alives nor ``tcp_user_timeout`` notice, and its own limits, such
as ``statement_timeout``, are frozen with it. So while somebody waits, the server is probed over
another connection. As long as it answers probes, work takes the time that it takes; when it does
not, the sockets of those who wait are shut down as their patience ends, and whoever comes after
that fails at once instead of holding a thread, until it answers again.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

PASO_S = 0.25
"""Between two looks at who is waiting."""
SIN_PREGUNTAR_S = 0.75
"""What takes no longer costs no probe: nearly everything. Nor does an answer age faster."""


@dataclass(frozen=True, slots=True)
class Paciencia:
    """How long somebody waits.

    ``silencio_s``: for a server that answers nobody. ``total_s``: in all, whatever the server
    answers to others.
    """

    silencio_s: float
    total_s: float = math.inf


PREGUNTA = Paciencia(1.0, 15.0)
"""Whoever looks at a screen: told within ``SIN_PREGUNTAR_S``, two probes and two steps."""
GUARDADO = Paciencia(10.0, 120.0)
"""The consumer: its saves may be sent again; four of its longest statements."""
TRABAJO = Paciencia(60.0)
"""A job whose statements have no limit: a minute's pause of a server is no reason to begin anew.
By hand, 2026-11-25, as the two before."""


@dataclass(eq=False, slots=True)
class Waiter:
    """Somebody who waits, and by which socket; ``cortada`` tells that it was shut down."""

    paciencia: Paciencia
    enchufe: socket.socket | None
    desde: float
    cortada: bool = False

    def cut(self) -> None:
        """Make whatever waits for the socket fail."""
        self.cortada = True
        if self.enchufe is not None:
            with suppress(OSError):
                self.enchufe.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """Watches over all who wait for one server; threads share one.

    ``answers``: probes the server and returns whether it answered, within a limit of its own. It is
    silent when two probes in a row have had no answer.
    """

    def __init__(self, answers: Callable[[], bool]) -> None:
        self._answers = answers
        self._mutex = threading.Lock()
        self._esperan: set[Waiter] = set()
        self._callado_desde: float | None = None
        self._contestado = -math.inf
        self._alguien = threading.Event()
        self._hilo: threading.Thread | None = None

    def is_silent(self, paciencia: Paciencia) -> bool:
        """Return whether the server has answered nobody for longer than that."""
        desde = self._callado_desde
        return desde is not None and time.monotonic() - desde >= paciencia.silencio_s

    @contextmanager
    def guard(self, paciencia: Paciencia, enchufe: socket.socket | None) -> Iterator[Waiter]:
        """Watch over a block that waits for the server; its socket is shut down in time.

        ``enchufe``: of our own (a ``dup``): nobody else closes it. None = there is none yet.
        """
        espera = Waiter(paciencia, enchufe, time.monotonic())
        with self._mutex:
            self._esperan.add(espera)
            # A process that was forked off has none of its parent's threads.
            if self._hilo is None or not self._hilo.is_alive():
                self._hilo = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._hilo.start()
        self._alguien.set()
        try:
            yield espera
        finally:
            with self._mutex:
                self._esperan.discard(espera)

    def _run(self) -> None:
        while True:
            self._alguien.wait()
            time.sleep(PASO_S)
            with self._mutex:
                if not self._esperan and self._callado_desde is None:
                    self._alguien.clear()
                    continue
                antes = min((e.desde for e in self._esperan), default=math.inf)
            hace = time.monotonic() - max(antes, self._contestado)
            if self._callado_desde is not None or hace >= SIN_PREGUNTAR_S:
                self._probe()
            self._cut_late()

    def _probe(self) -> None:
        inicio = time.monotonic()
        # One probe may be lost on its way.
        if self._answers() or self._answers():
            self._callado_desde = None
            self._contestado = time.monotonic()
        elif self._callado_desde is None:
            self._callado_desde = inicio

    def _cut_late(self) -> None:
        with self._mutex:
            ahora = time.monotonic()
            for espera in self._esperan:
                tarde = ahora - espera.desde >= espera.paciencia.total_s
                if not espera.cortada and (tarde or self.is_silent(espera.paciencia)):
                    espera.cut()
