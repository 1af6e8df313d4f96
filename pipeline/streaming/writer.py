"""The thread that saves a batch while the loop reads and scores the next one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class WriterThread(threading.Thread):
    """The writer thread. A daemon: a store that hangs must not keep the process alive."""

    def __init__(self, guardar: Callable[[Any], None]) -> None:
        super().__init__(name="escritor", daemon=True)
        self._guardar = guardar
        self._cola: queue.SimpleQueue[tuple[Any, Future[None]] | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Save what is submitted, in order, until closed."""
        while (encargo := self._cola.get()) is not None:
            borrador, futuro = encargo
            try:
                self._guardar(borrador)
            except BaseException as error:  # noqa: BLE001  the loop raises it again
                futuro.set_exception(error)
            else:
                futuro.set_result(None)

    def submit(self, borrador: Any) -> Future[None]:
        """Return the outcome of a save that is to come."""
        futuro: Future[None] = Future()
        self._cola.put((borrador, futuro))
        return futuro

    def close(self) -> None:
        """Let the thread end once what was submitted is done."""
        self._cola.put(None)
