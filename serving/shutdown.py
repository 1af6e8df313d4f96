"""A stop that was asked for: noted, and heeded where work may be cut in two."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any

from serving.signals import SENALES

PASO_S = 0.02
"""How often a condition is looked at: short beside the 0.1 s that a person notices."""


class Parada(AbstractContextManager["Parada"]):
    """Whether a stop was asked for, by Ctrl-C, SIGTERM or a closed terminal.

    As a context manager (main thread only) it notes those signals instead of letting them
    interrupt whatever runs.

    Examples
    --------
    >>> parada = Parada()
    >>> parada.pedida
    False
    >>> parada.pedir()
    >>> parada.esperar(60.0)
    True
    """

    def __init__(self) -> None:
        self.pedida = False
        self._interrumpible = False
        self._anteriores: dict[int, Any] = {}

    def pedir(self) -> None:
        """Ask for the stop; once asked for, it stays."""
        self.pedida = True

    def esperar(self, segundos: float) -> bool:
        """Return whether the stop was asked for, after ``segundos`` at most."""
        # No Event: setting one in a handler can deadlock with the wait that it interrupts.
        limite = time.monotonic() + segundos
        while not self.pedida and time.monotonic() < limite:
            time.sleep(PASO_S)
        return self.pedida

    def __enter__(self) -> Parada:
        for senal in SENALES:
            # ``nohup`` has it ignored, on purpose.
            if senal == signal.SIGHUP and signal.getsignal(senal) == signal.SIG_IGN:
                continue
            self._anteriores[senal] = signal.signal(senal, self._anotar)
        return self

    def __exit__(self, *_: object) -> None:
        for senal, anterior in self._anteriores.items():
            signal.signal(senal, anterior)

    def _anotar(self, _senal: int, _marco: FrameType | None) -> None:
        self.pedida = True
        if self._interrumpible:
            self._interrumpible = False
            raise KeyboardInterrupt

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """End the block with ``KeyboardInterrupt`` at once when a stop is asked for.

        What the block undoes on its way out is not interrupted again.
        """
        if self.pedida:
            raise KeyboardInterrupt
        self._interrumpible = True
        try:
            yield
        finally:
            self._interrumpible = False
