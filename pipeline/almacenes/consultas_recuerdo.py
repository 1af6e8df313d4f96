"""What is dear to add up is remembered for a while; who asks meanwhile gets what there is.

One thread renews a value while the others are given the one before it, so that a store is asked
once however many people look, and nobody waits for a renewal but the one who does it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Generic, NamedTuple, TypeVar

from detection.errors import TransientError

T = TypeVar("T")

ESPERA_S = 6.0
"""Longest wait for a value that another thread is just making: a statement's longest time."""
VEJEZ = 30
"""A value this many lives old is not shown any more, not even while it is renewed."""
DIAS_RECIENTES = 2
"""Today and yesterday are where most readings arrive."""
VIDA_RECIENTE_S = 10.0
VIDA_S = 600.0
"""How long a recent day, and an older one, is believed before it is looked at again."""
EDAD_MAXIMA_S = 1800.0
"""A day that has not been looked at for longer is as good as unknown."""
PRESUPUESTO_S = 2.0
"""Time that one call may take to read days for the first time; the next call goes on."""
PRESUPUESTO_REPASO_S = 0.05
"""The same for older days that are looked at again."""


VECES_SU_COSTE = 40
"""What is dear is good for so many times what it took: its renewals take a fortieth of a server."""


class _Entrada(NamedTuple, Generic[T]):
    valor: T
    cuando: float
    vida_s: float = 0.0


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


class Recuerdo(Generic[T]):
    """Values by key, each good for ``vida_s`` seconds.

    Parameters
    ----------
    vida_s : float
        How long a value is given without another look.
    maximo : int
        Values kept; the one that has not been asked for longest goes first.
    reloj : callable, optional
        Seconds, never backwards.
    vida_cara_s : float
        The same for what takes long to make, at most (``VECES_SU_COSTE``).

    Examples
    --------
    >>> recuerdo = Recuerdo[int](60.0)
    >>> recuerdo.get("a", lambda: 1), recuerdo.get("a", lambda: 2)
    (1, 1)
    """

    def __init__(
        self,
        vida_s: float,
        maximo: int = 256,
        reloj: Callable[[], float] = time.monotonic,
        vida_cara_s: float = 0.0,
    ) -> None:
        self._vida_s = vida_s
        self._vida_cara_s = vida_cara_s
        self._maximo = maximo
        self._reloj = reloj
        self._mutex = threading.Lock()
        self._entradas: OrderedDict[Hashable, _Entrada[T]] = OrderedDict()
        self._cerrojos: OrderedDict[Hashable, _Cerrojo] = OrderedDict()

    def get(self, clave: Hashable, calcular: Callable[[], T]) -> T:
        """Return the value of a key, made by ``calcular`` if there is none that is good.

        Raises
        ------
        TransientError
            Another thread is making it and does not finish.
        """
        entrada, cerrojo = self._look(clave)
        if entrada is not None and self._age(entrada) <= entrada.vida_s:
            return entrada.valor
        hay = entrada is not None and self._age(entrada) <= VEJEZ * self._vida_s
        with cerrojo.held(0.0 if hay else ESPERA_S) as nuestro:
            if not nuestro:
                if hay and entrada is not None:
                    return entrada.valor
                raise TransientError("todavía se está sumando lo que se pide", ESPERA_S)
            otra, _ = self._look(clave)
            if otra is not None and otra is not entrada:
                return otra.valor
            inicio = self._reloj()
            valor = calcular()
            self._keep(clave, valor, self._reloj() - inicio)
            return valor

    def clear(self) -> None:
        """Forget everything."""
        with self._mutex:
            self._entradas.clear()

    def _age(self, entrada: _Entrada[T]) -> float:
        return self._reloj() - entrada.cuando

    def _look(self, clave: Hashable) -> tuple[_Entrada[T] | None, _Cerrojo]:
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

    def _keep(self, clave: Hashable, valor: T, coste_s: float) -> None:
        vida_s = max(self._vida_s, min(VECES_SU_COSTE * coste_s, self._vida_cara_s))
        with self._mutex:
            self._entradas[clave] = _Entrada(valor, self._reloj(), vida_s)
            self._entradas.move_to_end(clave)
            while len(self._entradas) > self._maximo:
                self._entradas.popitem(last=False)


class PorDias(Generic[T]):
    """What each day adds up to: recent days are looked at often, older ones now and then.

    Parameters
    ----------
    cargar : callable
        From a day to its value; asks the store.
    maximo : int
        Days kept.
    reloj : callable, optional
        Seconds, never backwards.
    """

    def __init__(
        self,
        cargar: Callable[[date], T],
        maximo: int,
        reloj: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cargar = cargar
        self._maximo = maximo
        self._reloj = reloj
        self._mutex = threading.Lock()
        self._turno = _Cerrojo()
        self._dias: OrderedDict[date, _Entrada[T]] = OrderedDict()

    def get(self, dias: Iterable[date], hoy: date) -> dict[date, T]:
        """Return the days' values; of a first look that takes too long, those it got to.

        Raises
        ------
        TransientError
            The store is away, or another thread's first look does not end.
        """
        pedidos = sorted(set(dias), reverse=True)
        faltan = self._expired(pedidos, EDAD_MAXIMA_S)
        if faltan:
            self._load_missing(faltan, pedidos)
        else:
            self._renew(pedidos, hoy)
        with self._mutex:
            hay = {dia: self._dias[dia].valor for dia in pedidos if dia in self._dias}
            for dia in hay:
                self._dias.move_to_end(dia)
        return hay

    def forget(self, dia: date) -> None:
        """Have a day looked at again when it is next asked for."""
        with self._mutex:
            self._dias.pop(dia, None)

    def _expired(self, dias: Iterable[date], vida_s: float) -> list[date]:
        ahora = self._reloj()
        with self._mutex:
            entradas = [(dia, self._dias.get(dia)) for dia in dias]
        return [dia for dia, e in entradas if e is None or ahora - e.cuando > vida_s]

    def _load_missing(self, faltan: list[date], pedidos: list[date]) -> None:
        """Read days that are not known, the newest first, as long as there is time."""
        with self._turno.held(ESPERA_S) as nuestro:
            if not nuestro:
                raise TransientError("todavía se está sumando lo que se pide", ESPERA_S)
            limite = self._reloj() + PRESUPUESTO_S
            for dia in self._expired(faltan, EDAD_MAXIMA_S):
                self._load(dia)
                if self._reloj() > limite:
                    break

    def _renew(self, pedidos: list[date], hoy: date) -> None:
        """Look again at what may have changed, unless another thread is at it."""
        desde = hoy - timedelta(days=DIAS_RECIENTES - 1)
        recientes = self._expired([d for d in pedidos if d >= desde], VIDA_RECIENTE_S)
        viejos = self._expired([d for d in pedidos if d < desde], VIDA_S)
        if not recientes and not viejos:
            return
        with self._turno.held(0.0) as nuestro:
            if not nuestro:
                return
            for dia in recientes:
                self._load(dia)
            limite = self._reloj() + PRESUPUESTO_REPASO_S
            for dia in viejos:
                self._load(dia)
                if self._reloj() > limite:
                    break

    def _load(self, dia: date) -> None:
        # The time before it, so that what changes meanwhile is not taken for seen.
        cuando = self._reloj()
        valor = self._cargar(dia)
        with self._mutex:
            self._dias[dia] = _Entrada(valor, cuando)
            self._dias.move_to_end(dia)
            while len(self._dias) > self._maximo:
                self._dias.popitem(last=False)
