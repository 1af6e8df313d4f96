"""An answer that is dear to get, remembered for a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Recuerdo(Generic[T]):
    """Remembers what a function returned, and asks it again when that is too old.

    One thread asks at a time, the others wait for its answer. What fails is not remembered, but
    told to all who were waiting: a server that hangs is waited for once, not by each in turn.

    Parameters
    ----------
    pedir : callable
    vigencia_s : float
        Age up to which an answer will do, s.
    reloj : callable
        Rising seconds.

    Examples
    --------
    >>> recuerdo = Recuerdo(iter(range(9)).__next__, 60.0)
    >>> recuerdo.get(), recuerdo.get()
    (0, 0)
    >>> recuerdo.forget()
    >>> recuerdo.get()
    1
    """

    def __init__(
        self,
        pedir: Callable[[], T],
        vigencia_s: float,
        reloj: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pedir = pedir
        self._vigencia_s = vigencia_s
        self._reloj = reloj
        self._cerrojo = threading.Lock()
        self._dado: tuple[T, float] | None = None
        self._pidiendo: Future[T] | None = None

    def get(self) -> T:
        """Return the answer, of now or of a moment ago."""
        with self._cerrojo:
            if self._dado is not None and self._reloj() < self._dado[1]:
                return self._dado[0]
            if (otra := self._pidiendo) is None:
                nuestra = self._pidiendo = Future[T]()
        if otra is not None:
            return otra.result()
        try:
            valor = self._pedir()
        except BaseException as error:
            self._end(nuestra, None)
            nuestra.set_exception(error)
            raise
        self._end(nuestra, (valor, self._reloj() + self._vigencia_s))
        nuestra.set_result(valor)
        return valor

    def _end(self, pregunta: Future[T], dado: tuple[T, float] | None) -> None:
        with self._cerrojo:
            # Somebody may have said meanwhile that what was asked is no longer so.
            if self._pidiendo is pregunta:
                self._pidiendo = None
                self._dado = dado

    def forget(self) -> None:
        """Ask again next time."""
        with self._cerrojo:
            self._dado = self._pidiendo = None
