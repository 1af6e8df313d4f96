"""Work that a signal must not cut in two: it is noted, the work ends whole, then it is delivered.

::

    with sin_interrupciones() as retenidas:
        prepare()
        retenidas.check()       # a good moment to give up, if that was asked for
        publish()
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from detection.errors import PermanentError

SENALES = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Retenidas:
    """The signals that came while they were held back, in the order they came."""

    def __init__(self) -> None:
        self.numeros: list[int] = []

    def check(self) -> None:
        """Return if no signal has come.

        Raises
        ------
        PermanentError
            One has; it is delivered when the block that holds it back ends.
        """
        if self.numeros:
            raise PermanentError(f"interrumpido por {signal.Signals(self.numeros[0]).name}")


@contextmanager
def sin_interrupciones() -> Iterator[Retenidas]:
    """Hold Ctrl-C and its like back until the block is done, then deliver the first of them.

    In other threads nothing is held back: Python runs handlers in the main one.
    """
    retenidas = Retenidas()
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
