"""A stop that was asked for, by SIGTERM or Ctrl-C, heeded where work may be cut in two."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any

PASO_S = 0.1
"""How often a wait looks whether a stop was asked for: what a person notices."""


class Parada(AbstractContextManager["Parada"]):
    """Whether a stop was asked for, by SIGTERM or Ctrl-C, while the block runs (main thread).

    Examples
    --------
    >>> with Parada() as parada:
    ...     signal.raise_signal(signal.SIGTERM)
    ...     parada.wait(60.0)
    True
    """

    def __init__(self) -> None:
        self.pedida = False
        self._interrumpible = False
        self._anteriores: dict[int, Any] = {}

    def __enter__(self) -> Parada:
        for senal in (signal.SIGTERM, signal.SIGINT):
            self._anteriores[senal] = signal.signal(senal, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for senal, anterior in self._anteriores.items():
            signal.signal(senal, anterior)

    def _note(self, _senal: int, _marco: FrameType | None) -> None:
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

    def wait(self, segundos: float) -> bool:
        """Return whether a stop was asked for, after ``segundos`` at most."""
        # No Event: setting one in a handler can deadlock with the wait that it interrupts.
        limite = time.monotonic() + segundos
        while not self.pedida and (resto := limite - time.monotonic()) > 0:
            time.sleep(min(PASO_S, resto))
        return self.pedida
