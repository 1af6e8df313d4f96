"""Stopping in order: signals that are noted, groups of children, one owner a folder.

::

    with Parada() as parada, Grupo() as grupo:
        servicios = grupo.entrar(EmbeddedServices(carpeta, parada=parada))
        grupo.entrar(Proceso("generador", [sys.executable, ...], carpeta, parada=parada))
        grupo.esperar(parada)

Signals never interrupt our own bookkeeping: ``Parada`` notes them, and whoever waits looks at
it, so that Ctrl-C is as clean during the start, and pressed twice, as it is once at the end.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from detection.errors import PermanentError
from serving.parada import Parada
from serving.senales import sin_interrupciones

PASO_VIGILANCIA_S = 0.25
"""How often a group looks at its members."""


class Vigilado(Protocol):
    """What a group starts by entering it, watches, and stops by leaving it."""

    def caido(self) -> str | None:
        """Return None while all is well, and otherwise one Spanish sentence."""
        ...

    def __enter__(self) -> Any: ...

    def __exit__(
        self,
        tipo: type[BaseException] | None,
        error: BaseException | None,
        traza: TracebackType | None,
        /,
    ) -> bool | None: ...


V = TypeVar("V", bound=Vigilado)


class Grupo(AbstractContextManager["Grupo"]):
    """Processes that start in order and stop in reverse, also when one of them fails."""

    def __init__(self) -> None:
        self._pila = ExitStack()
        self._miembros: list[Vigilado] = []

    def entrar(self, miembro: V) -> V:
        """Start a member and return it; whatever started before stops when the group ends."""
        self._pila.enter_context(miembro)
        self._miembros.append(miembro)
        return miembro

    def caido(self) -> str | None:
        """Return what is wrong with the first member that ended by itself, or None."""
        return next((c for m in self._miembros if (c := m.caido()) is not None), None)

    def esperar(self, parada: Parada) -> None:
        """Return when the stop is asked for; raise ``PermanentError`` when a member ends first."""
        while not parada.esperar(PASO_VIGILANCIA_S):
            caida = self.caido()
            if caida is not None:
                raise PermanentError(caida)

    def detener(self) -> None:
        """Stop every member, the last first."""
        with sin_interrupciones():
            self._pila.close()
            self._miembros.clear()

    def __enter__(self) -> Grupo:
        return self

    def __exit__(self, *_: object) -> None:
        self.detener()


class Cerrojo(AbstractContextManager["Cerrojo"]):
    """The right to use a folder, for one process at a time; the kernel frees it at our end."""

    def __init__(self, carpeta: Path) -> None:
        self._carpeta = carpeta
        self._fd: int | None = None

    def __enter__(self) -> Cerrojo:
        fd = os.open(self._carpeta / "cerrojo", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            duenio = os.read(fd, 20).decode("ascii", "replace").strip() or "?"
            os.close(fd)
            raise PermanentError(
                f"otra instancia en marcha (proceso {duenio}) usa la carpeta {self._carpeta}; "
                "deténgala o elija otra carpeta"
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._fd = fd
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
