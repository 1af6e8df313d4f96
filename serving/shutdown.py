"""A stop that was asked for: noted, and heeded where work may be cut in two.

Whoever works in steps looks at a ``StopRequest`` between them. A step that must not be cut in two
holds the signals back, ends whole, and has them delivered::

    with hold_signals() as retenidas:
        prepare()
        retenidas.check()       # a good moment to give up, if that was asked for
        publish()
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType
from typing import Any

from detection.errors import PermanentError

SENALES = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PASO_S = 0.02
"""How often a condition is looked at: short beside the 0.1 s that a person notices."""


class StopRequest(AbstractContextManager["StopRequest"]):
    """Whether a stop was asked for, by Ctrl-C, SIGTERM or a closed terminal.

    As a context manager (main thread only) it notes those signals instead of letting them
    interrupt whatever runs.

    Examples
    --------
    >>> parada = StopRequest()
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

    def __enter__(self) -> StopRequest:
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


def end_child(hijo: subprocess.Popen[bytes], despedida_s: float) -> int:
    """Return the status of a child that is ended if it is still at work.

    ``despedida_s``: what it has to undo what it has begun, before it is killed.
    """
    if hijo.poll() is None:
        hijo.terminate()
        try:
            hijo.wait(despedida_s)
        except subprocess.TimeoutExpired:
            hijo.kill()
    return hijo.wait()


class HeldSignals:
    """The signals that came while they were held back, in the order they came."""

    def __init__(self) -> None:
        self.numeros: list[int] = []

    def check(self) -> None:
        """Return if no signal has come.

        ``PermanentError``: one has; it is delivered when the block that holds it back ends.
        """
        if self.numeros:
            raise PermanentError(f"interrumpido por {signal.Signals(self.numeros[0]).name}")


@contextmanager
def hold_signals() -> Iterator[HeldSignals]:
    """Hold Ctrl-C and its like back until the block is done, then deliver the first of them.

    In other threads nothing is held back: Python runs handlers in the main one.
    """
    retenidas = HeldSignals()
    if threading.current_thread() is not threading.main_thread():
        yield retenidas
        return
    try:
        # A stack: one handler that raises while it is put back does not keep the others from it.
        with ExitStack() as pila:
            for senal in SENALES:
                anterior = signal.getsignal(senal)
                # ``nohup`` has it ignored, on purpose; None is a handler that is not Python's.
                if anterior is None or anterior == signal.SIG_IGN:
                    continue
                pila.callback(signal.signal, senal, anterior)
                signal.signal(senal, lambda numero, _: retenidas.numeros.append(numero))
            yield retenidas
    finally:
        if retenidas.numeros:
            signal.raise_signal(retenidas.numeros[0])
