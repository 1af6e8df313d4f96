"""An answer that is dear to get, remembered for a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recuerdo(Generic[T]):
    """Remembers what a function returned, and asks it again when that is too old.

    One thread asks at a time, the others wait for its answer. What fails is not remembered.

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

    def get(self) -> T:
        """Return the answer, of now or of a moment ago."""
        with self._cerrojo:
            if self._dado is None or self._reloj() >= self._dado[1]:
                self._dado = (self._pedir(), self._reloj() + self._vigencia_s)
            return self._dado[0]

    def forget(self) -> None:
        """Ask again next time."""
        with self._cerrojo:
            self._dado = None
