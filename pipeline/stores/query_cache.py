"""What is dear to ask for is remembered for a moment, and never longer than anybody may believe it.

Readings of any day may come, be corrected, judged, archived or deleted at any time, so no answer is
certain to stay true: each is good for ``VIDA_S`` once it is made, and gone ``EDAD_MAXIMA_S`` after
the store was asked; one that takes long, after twice what it took. Whoever asks in between is given
the one that there is while a thread of ours renews it, so that a store is asked once however many
people look, and nobody who looks often enough waits. Beyond that they wait for the new one.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeVar

from detection.errors import TransientError

T = TypeVar("T")

ESPERA_S = 6.0
"""Longest wait for a value that another thread is just making: a statement's longest time."""
VIDA_S = 4.0
"""How long a value is given without another look once it is made. By hand, 2026-11-30: a month of
a demo's anomalies costs the embedded server 0.4 s."""
EDAD_MAXIMA_S = 8.0
"""Age, from before it was asked for, up to which a value is given: by then it may be wrong for so
long. With the dashboard's own memory, ``VIVO_S``, what it draws is 10 s old at most."""
COSTES_MAXIMOS = 2.0
"""The same in times what it took to make, if that is more: a value that takes as long as it may
live would never be given to anybody, and be made without end."""
MAXIMO = 512
RENOVACIONES_A_LA_VEZ = 2
"""Values that are renewed at once: what has just grown old at once would hold up all else."""


class _Entrada(NamedTuple):
    """A value, and up to when it is given without another look, and at all."""

    valor: Any
    fresca: float
    caduca: float


class _EnMarcha(threading.local):
    """Up to when what this thread is making may be given: no longer than all that goes into it."""

    def __init__(self) -> None:
        self.caduca: list[float] = []


_EN_MARCHA = _EnMarcha()


class AnswerCache:
    """Values by key, for a moment; what is made of other remembered values is as old as they are.

    ``maximo``: values kept; the one that has not been asked for longest goes first. ``reloj``:
    seconds, never backwards.

    Examples
    --------
    >>> recuerdo = AnswerCache()
    >>> recuerdo.get("a", lambda: 1), recuerdo.get("a", lambda: 2)
    (1, 1)
    """

    def __init__(self, maximo: int = MAXIMO, reloj: Callable[[], float] = time.monotonic) -> None:
        self._maximo = maximo
        self._reloj = reloj
        self._mutex = threading.Lock()
        self._entradas: OrderedDict[Hashable, _Entrada] = OrderedDict()
        self._haciendo: dict[Hashable, Future[_Entrada]] = {}
        self._renovando = 0

    def get(self, clave: Hashable, calcular: Callable[[], T]) -> T:
        """Return the value of a key, made by ``calcular`` if there is none that is good.

        What fails is not remembered, but told to all who were waiting for it.

        ``TransientError``: another thread is making it and does not finish.
        """
        entrada = self._find(clave, calcular)
        if _EN_MARCHA.caduca:
            _EN_MARCHA.caduca[-1] = min(_EN_MARCHA.caduca[-1], entrada.caduca)
        valor: T = entrada.valor
        return valor

    def clear(self) -> None:
        """Forget everything; what is just being made reaches those who wait for it, nobody else."""
        with self._mutex:
            self._entradas.clear()
            self._haciendo.clear()

    def _find(self, clave: Hashable, calcular: Callable[[], object]) -> _Entrada:
        with self._mutex:
            hay = self._entradas.get(clave)
            otra = self._haciendo.get(clave)
            renueva = False
            if hay is not None:
                self._entradas.move_to_end(clave)
                ahora = self._reloj()
                vale = ahora <= hay.caduca
                # What goes into another value is made at once: the other one is to last.
                renueva = vale and not _EN_MARCHA.caduca
                espera = otra is not None or self._renovando >= RENOVACIONES_A_LA_VEZ
                if ahora <= hay.fresca or (vale and otra is not None) or (renueva and espera):
                    return hay
            if otra is None:
                nuestra = self._haciendo[clave] = Future[_Entrada]()
                self._renovando += renueva
        if hay is not None and renueva:
            hilo = threading.Thread(
                target=self._renew, args=(clave, calcular, nuestra), name="renueva", daemon=True
            )
            hilo.start()
            return hay
        if otra is None:
            return self._make(clave, calcular, nuestra)
        if not wait((otra,), ESPERA_S).done:
            raise TransientError("todavía se está sumando lo que se pide", ESPERA_S)
        return otra.result()

    def _renew(
        self, clave: Hashable, calcular: Callable[[], object], nuestra: Future[_Entrada]
    ) -> None:
        """Make a value that nobody waits for yet."""
        try:
            # Whoever waits for it by then is told; everybody else has the one before it.
            with suppress(Exception):
                self._make(clave, calcular, nuestra)
        finally:
            with self._mutex:
                self._renovando -= 1

    def _make(
        self, clave: Hashable, calcular: Callable[[], object], nuestra: Future[_Entrada]
    ) -> _Entrada:
        # The time before it, so that what changes meanwhile is not taken for seen.
        desde = self._reloj()
        _EN_MARCHA.caduca.append(math.inf)
        try:
            valor = calcular()
        except BaseException as error:
            self._end(clave, nuestra, None)
            nuestra.set_exception(error)
            raise
        finally:
            partes = _EN_MARCHA.caduca.pop()
        hecho = self._reloj()
        caduca = min(partes, desde + max(EDAD_MAXIMA_S, COSTES_MAXIMOS * (hecho - desde)))
        # Of what is old already, as long to renew it as it is still given.
        entrada = _Entrada(valor, hecho + min(VIDA_S, (caduca - hecho) / 2), caduca)
        self._end(clave, nuestra, entrada)
        nuestra.set_result(entrada)
        return entrada

    def _end(self, clave: Hashable, nuestra: Future[_Entrada], entrada: _Entrada | None) -> None:
        with self._mutex:
            # Somebody may have said meanwhile that something has changed.
            if self._haciendo.get(clave) is not nuestra:
                return
            del self._haciendo[clave]
            if entrada is not None:
                self._entradas[clave] = entrada
                self._entradas.move_to_end(clave)
                while len(self._entradas) > self._maximo:
                    self._entradas.popitem(last=False)


class RememberedAnswer(Generic[T]):
    """What one function returns, remembered as ``AnswerCache`` does.

    ``reloj``: seconds, never backwards.

    Examples
    --------
    >>> recordada = RememberedAnswer(iter(range(9)).__next__)
    >>> recordada.get(), recordada.get()
    (0, 0)
    >>> recordada.forget()
    >>> recordada.get()
    1
    """

    def __init__(self, pedir: Callable[[], T], reloj: Callable[[], float] = time.monotonic) -> None:
        self._pedir = pedir
        self._recuerdo = AnswerCache(1, reloj)

    def get(self) -> T:
        """Return the answer, of now or of a moment ago."""
        return self._recuerdo.get(None, self._pedir)

    def forget(self) -> None:
        """Ask again next time."""
        self._recuerdo.clear()
