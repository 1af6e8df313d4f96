"""Deaths and interleavings of whatever speaks to MongoDB, at the boundary of any two commands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

PACIENCIA_S = 60
SIN_INTERES = {"createIndexes", "endSessions", "killCursors"}
"""Commands that see no document. The last is sent whenever a cursor that a death has left behind is
collected, maybe in the middle of the next run: an error raised there is lost."""


class MuerteError(BaseException):
    """Not an ``Exception``: nothing of ours may catch it, as nothing catches a kill."""


Orden = tuple[str, str]
"""A command and its collection."""


class Testigo(CommandListener):
    """Is told of each command before it is sent, in the thread that sends it.

    Does nothing outside the blocks below.
    """

    __test__ = False

    def __init__(self) -> None:
        self._antes: Callable[[Orden], None] = _nada

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name not in SIN_INTERES:
            self._antes((event.command_name, str(event.command[event.command_name])))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Do nothing: it matters only what comes before what."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Do nothing: the caller sees the error."""

    @contextmanager
    def muerte_tras(self, ordenes: int) -> Iterator[None]:
        """Let so many commands through; whoever sends another dies before it is sent."""
        quedan = ordenes

        def antes(_orden: Orden) -> None:
            nonlocal quedan
            quedan -= 1
            if quedan < 0:
                raise MuerteError

        with self.antes_de_cada(antes):
            yield

    @contextmanager
    def antes_de_cada(self, hacer: Callable[[Orden], None]) -> Iterator[None]:
        """Do something before each command; not before those of what is done."""

        def antes(orden: Orden) -> None:
            self._antes = _nada
            hacer(orden)
            self._antes = antes

        self._antes = antes
        try:
            yield
        finally:
            self._antes = _nada

    def por_turnos(
        self, elegir: Callable[[list[str]], str], tareas: Mapping[str, Callable[[], Any]]
    ) -> None:
        """Run tasks in threads of which one at a time, the chosen one, advances by one command."""
        turnos = _Turnos(elegir, tareas)
        self._antes = turnos.ceder
        try:
            turnos.correr()
        finally:
            self._antes = _nada


def a_rachas(azar: np.random.Generator, largo: float) -> Callable[[list[str]], str]:
    """Return who draws lots, and lets whoever it drew go on for ``largo`` turns in the mean.

    So one may overtake another by a whole operation.
    """
    quien, quedan = "", 0

    def elegir(activas: list[str]) -> str:
        nonlocal quien, quedan
        if quedan == 0 or quien not in activas:
            quien = activas[int(azar.integers(len(activas)))]
            quedan = int(azar.geometric(1 / largo))
        quedan -= 1
        return quien

    return elegir


def por_orden(*turnos: tuple[str, int]) -> Callable[[list[str]], str]:
    """Return who gives each so many turns, as far as it needs them, and then to the first left."""
    lista = [nombre for nombre, veces in turnos for _ in range(veces)]

    def elegir(activas: list[str]) -> str:
        while lista:
            if (nombre := lista.pop(0)) in activas:
                return nombre
        return activas[0]

    return elegir


def _nada(_orden: Orden) -> None:
    """Let the command through."""


class _Turnos:
    """The baton that threads hand to each other."""

    def __init__(
        self, elegir: Callable[[list[str]], str], tareas: Mapping[str, Callable[[], Any]]
    ) -> None:
        self._elegir = elegir
        self._tareas = tareas
        self._activas = sorted(tareas)
        self._turno = ""
        self._cambio = threading.Condition()
        self._hilo = threading.local()

    def correr(self) -> None:
        with ThreadPoolExecutor(len(self._tareas)) as hilos:
            hechas = [hilos.submit(self._hacer, nombre) for nombre in self._tareas]
            with self._cambio:
                self._pasar()
        for hecha in hechas:
            hecha.result()

    def ceder(self, _orden: Orden) -> None:
        """Hand on, and return when it is this thread's turn again."""
        if yo := getattr(self._hilo, "nombre", None):
            with self._cambio:
                self._pasar()
                self._esperar(yo)

    def _hacer(self, yo: str) -> None:
        self._hilo.nombre = yo
        try:
            with self._cambio:
                self._esperar(yo)
            self._tareas[yo]()
        finally:
            with self._cambio:
                self._activas.remove(yo)
                self._pasar()

    def _pasar(self) -> None:
        if self._activas:
            self._turno = self._elegir(self._activas)
        self._cambio.notify_all()

    def _esperar(self, yo: str) -> None:
        a_tiempo = self._cambio.wait_for(lambda: self._turno == yo, PACIENCIA_S)
        assert a_tiempo, f"{yo} never has its turn"
