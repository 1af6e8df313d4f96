"""Groups of children: started in order, started again when they end, stopped in reverse.

::

    with Parada() as parada, Grupo(avisar=print) as grupo:
        grupo.entrar(Proceso("generador", [sys.executable, ...], carpeta, parada=parada))
        grupo.entrar(Proceso("API", [sys.executable, ...], carpeta, parada=parada))
        grupo.esperar(parada)

A member that ends by itself, or that somebody stops, is started again, as it was, after a pause
that doubles with each failure in a row; a group ends only when one of them cannot be kept running.
Nothing here waits for a member that starts again, so several may.

Signals never interrupt our own bookkeeping: ``Parada`` notes them, and whoever waits looks at
it, so that Ctrl-C is as clean during the start, and pressed twice, as it is once at the end.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from detection.errors import PermanentError
from serving.shutdown import Parada
from serving.signals import sin_interrupciones

PASO_VIGILANCIA_S = 0.25
"""How often a group looks at its members."""


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a member that ended is started again, and when no more.

    Parameters
    ----------
    espera_s, espera_maxima_s : float
        Pause before the first new start, s, and the longest; each one is twice the one before.
    fallos : int
        Failures in a row after which it is given up.
    estable_s : float
        A member that has run this long has no failures behind it.
    """

    espera_s: float = 1.0
    espera_maxima_s: float = 30.0
    # 1 + 2 + 4 + 8 + 16 s of pauses: longer than PostgreSQL takes to replay its log, and short
    # enough for whoever waits to learn that it does not help.
    fallos: int = 6
    estable_s: float = 120.0


class Vigilado(Protocol):
    """What a group starts by entering it, watches, starts again, and stops by leaving it."""

    @property
    def nombre(self) -> str:
        """Return what the user calls it."""
        ...

    @property
    def al_volver(self) -> str:
        """Return what the user has to know once it has been started again; empty = nothing."""
        ...

    def caido(self) -> str | None:
        """Return None while all is well, and otherwise one Spanish sentence."""
        ...

    def lanzar(self) -> None:
        """Start it again, as it was, without waiting; what is left of it is stopped first."""
        ...

    def responde(self) -> bool:
        """Return whether it is ready; raise ``PermanentError`` if it has ended, or is late."""
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


class _Parte:
    """A member with what is known of its failures."""

    def __init__(
        self, miembro: Vigilado, politica: RestartPolicy, avisar: Callable[[str], None]
    ) -> None:
        self.miembro = miembro
        self.caidas = 0
        self._politica = politica
        self._avisar = avisar
        self._seguidas = 0
        self._desde = time.monotonic()
        self._proximo: float | None = None
        self._arrancando = False

    @property
    def en_marcha(self) -> bool:
        """Return whether it ran, and answered, when it was last looked at."""
        return self._proximo is None and not self._arrancando

    def vigilar(self) -> None:
        """Take the next step towards its running; ``PermanentError`` when it is given up."""
        ahora = time.monotonic()
        if self.en_marcha:
            caida = self.miembro.caido()
            if caida is not None:
                if ahora - self._desde >= self._politica.estable_s:
                    self._seguidas = 0
                self._fallar(caida)
            return
        try:
            if self._arrancando:
                self._comprobar()
            elif self._proximo is not None and ahora >= self._proximo:
                self.miembro.lanzar()
                self._proximo, self._arrancando = None, True
        except PermanentError as error:
            self._fallar(str(error))

    def _comprobar(self) -> None:
        if not self.miembro.responde():
            return
        self._arrancando = False
        self._desde = time.monotonic()
        nota = self.miembro.al_volver
        self._avisar(f"{self.miembro.nombre} funciona de nuevo{f': {nota}' if nota else ''}")

    def _fallar(self, texto: str) -> None:
        nombre, politica = self.miembro.nombre, self._politica
        self.caidas += 1
        self._seguidas += 1
        if self._seguidas >= politica.fallos:
            raise PermanentError(
                f"{nombre} no se mantiene en marcha: {self._seguidas} fallos seguidos; el último: "
                f"{texto}"
            )
        espera = min(politica.espera_maxima_s, politica.espera_s * 2.0 ** (self._seguidas - 1))
        self._arrancando, self._proximo = False, time.monotonic() + espera
        self._avisar(f"{nombre} se arranca de nuevo en {espera:g} s: {texto}")


class Grupo(AbstractContextManager["Grupo"]):
    """Processes that start in order, are started again when they end, and stop in reverse.

    Parameters
    ----------
    avisar : callable, optional
        Told, in a Spanish line each, what ended and when it is started again, and that it is back.
        None = the log.
    politica : RestartPolicy
    """

    def __init__(
        self,
        avisar: Callable[[str], None] | None = None,
        politica: RestartPolicy = RestartPolicy(),  # frozen
    ) -> None:
        self._pila = ExitStack()
        self._partes: list[_Parte] = []
        self._avisar = avisar or logger.warning
        self._politica = politica

    def entrar(self, miembro: V) -> V:
        """Start a member and return it; whatever started before stops when the group ends."""
        self._pila.enter_context(miembro)
        self._partes.append(_Parte(miembro, self._politica, self._avisar))
        return miembro

    @property
    def en_marcha(self) -> bool:
        """Return whether every member ran when it was last looked at."""
        return all(parte.en_marcha for parte in self._partes)

    @property
    def caidas(self) -> Counter[str]:
        """Return how often each member has ended by itself, or has not come back."""
        return Counter({parte.miembro.nombre: parte.caidas for parte in self._partes})

    def vigilar(self) -> None:
        """Look at every member once, and bring back those that ended (main thread).

        Raises
        ------
        PermanentError
            One of them has failed too often in a row.
        """
        for parte in self._partes:
            parte.vigilar()

    def esperar(self, parada: Parada) -> None:
        """Return when the stop is asked for; ``PermanentError`` as in ``vigilar``."""
        while not parada.esperar(PASO_VIGILANCIA_S):
            self.vigilar()

    def detener(self) -> None:
        """Stop every member, the last first."""
        with sin_interrupciones():
            self._pila.close()
            self._partes.clear()

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
