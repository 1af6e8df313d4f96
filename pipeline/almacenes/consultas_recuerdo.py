"""What is dear to ask for is remembered for a moment, and never longer than anybody may believe it.

Readings of any day may come, be corrected, judged, archived or deleted at any time, so no answer is
certain to stay true: each is good for ``VIDA_S`` once it is made, and gone ``EDAD_MAXIMA_S`` after
the store was asked. In between one thread renews it while the others are given the one before it,
so that a store is asked once however many people look.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from detection.errors import TransientError

T = TypeVar("T")

ESPERA_S = 6.0
"""Longest wait for a value that another thread is just making: a statement's longest time."""
VIDA_S = 4.0
"""How long a value is given without another look once it is made. By hand, 2026-11-30: with it and
the dashboard's own memory a screen is some 10 s behind the stores, and a month of a demo's
anomalies costs the embedded server 0.4 s."""
EDAD_MAXIMA_S = 8.0
"""Age, from before it was asked for, up to which a value is given at all: by then it may be wrong
for so long."""
MAXIMO = 512


class _Entrada(NamedTuple):
    """A value, the instant from which on the stores may say something else, and its making's."""

    valor: Any
    desde: float
    hecho: float


class _Cerrojo:
    """A lock that nobody waits for without end."""

    def __init__(self) -> None:
        self._cerrojo = threading.Lock()

    @contextmanager
    def held(self, espera_s: float) -> Iterator[bool]:
        """Give whether we have it, after waiting so long at most."""
        nuestro = self._cerrojo.acquire(timeout=espera_s)
        try:
            yield nuestro
        finally:
            if nuestro:
                self._cerrojo.release()


class _EnMarcha(threading.local):
    """The ages of what this thread is making: a value is as old as the oldest that went into it."""

    def __init__(self) -> None:
        self.desde: list[float] = []


_EN_MARCHA = _EnMarcha()


class Recuerdo:
    """Values by key, for a moment; what is made of other remembered values is as old as they are.

    Parameters
    ----------
    maximo : int
        Values kept; the one that has not been asked for longest goes first.
    reloj : callable, optional
        Seconds, never backwards.

    Examples
    --------
    >>> recuerdo = Recuerdo()
    >>> recuerdo.get("a", lambda: 1), recuerdo.get("a", lambda: 2)
    (1, 1)
    """

    def __init__(self, maximo: int = MAXIMO, reloj: Callable[[], float] = time.monotonic) -> None:
        self._maximo = maximo
        self._reloj = reloj
        self._mutex = threading.Lock()
        self._entradas: OrderedDict[Hashable, _Entrada] = OrderedDict()
        self._cerrojos: OrderedDict[Hashable, _Cerrojo] = OrderedDict()
        self._borrados = 0

    def get(self, clave: Hashable, calcular: Callable[[], T]) -> T:
        """Return the value of a key, made by ``calcular`` if there is none that is good.

        Raises
        ------
        TransientError
            Another thread is making it and does not finish.
        """
        entrada, cerrojo = self._look(clave)
        if entrada is None or not self._is_good(entrada, VIDA_S):
            entrada = self._renew(clave, entrada, cerrojo, calcular)
        if _EN_MARCHA.desde:
            _EN_MARCHA.desde[-1] = min(_EN_MARCHA.desde[-1], entrada.desde)
        valor: T = entrada.valor
        return valor

    def clear(self) -> None:
        """Forget everything, what is just being made too."""
        with self._mutex:
            self._entradas.clear()
            self._borrados += 1

    def _is_good(self, entrada: _Entrada, vida_s: float = EDAD_MAXIMA_S) -> bool:
        ahora = self._reloj()
        return ahora - entrada.desde <= EDAD_MAXIMA_S and ahora - entrada.hecho <= vida_s

    def _renew(
        self,
        clave: Hashable,
        entrada: _Entrada | None,
        cerrojo: _Cerrojo,
        calcular: Callable[[], object],
    ) -> _Entrada:
        vale = entrada if entrada is not None and self._is_good(entrada) else None
        with cerrojo.held(0.0 if vale else ESPERA_S) as nuestro:
            if not nuestro:
                if vale is not None:
                    return vale
                raise TransientError("todavía se está sumando lo que se pide", ESPERA_S)
            otra, _ = self._look(clave)
            if otra is not None and otra is not entrada and self._is_good(otra):
                return otra
            return self._make(clave, calcular)

    def _make(self, clave: Hashable, calcular: Callable[[], object]) -> _Entrada:
        borrados = self._borrados
        # The time before it, so that what changes meanwhile is not taken for seen.
        _EN_MARCHA.desde.append(self._reloj())
        try:
            valor = calcular()
        finally:
            desde = _EN_MARCHA.desde.pop()
        entrada = _Entrada(valor, desde, self._reloj())
        with self._mutex:
            if borrados == self._borrados:
                self._entradas[clave] = entrada
                self._entradas.move_to_end(clave)
                while len(self._entradas) > self._maximo:
                    self._entradas.popitem(last=False)
        return entrada

    def _look(self, clave: Hashable) -> tuple[_Entrada | None, _Cerrojo]:
        with self._mutex:
            cerrojo = self._cerrojos.setdefault(clave, _Cerrojo())
            self._cerrojos.move_to_end(clave)
            # More than values, since a key gets its lock first.
            while len(self._cerrojos) > 4 * self._maximo:
                self._cerrojos.popitem(last=False)
            entrada = self._entradas.get(clave)
            if entrada is not None:
                self._entradas.move_to_end(clave)
            return entrada, cerrojo
