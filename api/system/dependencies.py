"""The health of what the API stands on, looked at once in a while whoever asks.

However many ask, each part is looked at once every ``VIGENCIA_S``, all parts at the same time, and
none is waited for longer than its own limit.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

from detection.errors import ConsumoError, TransientError
from serving.model_versions import CAMPEON, Rechazo
from serving.reachability import greet, listens, without_password

MODELO = "Modelo"
"""What the champion is called among the parts: not a server that answers, but what scores."""

VIGENCIA_S = 2.0
PLAZO_S = 3.5
"""Longest wait for a part; what it has not said by then is told as silence."""
PLAZO_KAFKA_S = 2.0
_PUERTO_KAFKA = 9092
_SALUDO_KAFKA = struct.pack(">ihhih", 10, 18, 0, 7, -1)
"""ApiVersions (key 18, version 0), which a broker answers before anybody says who they are."""


@dataclass(frozen=True, slots=True)
class Parte:
    """How one part was found.

    Parameters
    ----------
    mal : str or None
        What is wrong, one Spanish line with addresses, for the log; None = it answers.
    ms : float
        Time it took to answer.
    dato : object
        What it answered.
    """

    mal: str | None
    ms: float
    dato: object = None


class Vigia:
    """Looks at parts, all at once, and remembers what it saw for a moment.

    Parameters
    ----------
    partes : mapping of str to callable
        Each returns if its part answers, and raises one of our errors otherwise.
    reloj : callable
        Rising seconds.
    """

    def __init__(
        self,
        partes: Mapping[str, Callable[[], object]],
        reloj: Callable[[], float] = time.monotonic,
    ) -> None:
        self._partes = partes
        self._reloj = reloj
        self._cerrojo = threading.Lock()
        self._visto: dict[str, Parte] = {}
        self._hasta = float("-inf")
        self._miradas: dict[str, Future[Parte]] = {}
        self._hilos = ThreadPoolExecutor(max(1, len(partes)), "vigía")

    def look(self) -> dict[str, Parte]:
        """Return how each part is, as of now or of a moment ago."""
        # One looks; whoever comes meanwhile gets what was seen before, and holds up no thread.
        if self._cerrojo.acquire(blocking=not self._visto):
            try:
                if self._reloj() >= self._hasta:
                    self._visto = self._look()
                    self._hasta = self._reloj() + VIGENCIA_S
            finally:
                self._cerrojo.release()
        return self._visto

    def _look(self) -> dict[str, Parte]:
        for nombre, parte in self._partes.items():
            # A look that has not ended yet goes on: one thread a part, however long it hangs.
            if nombre not in self._miradas:
                self._miradas[nombre] = self._hilos.submit(_mirar, parte)
        wait(self._miradas.values(), PLAZO_S)
        acabadas = [nombre for nombre, mirada in self._miradas.items() if mirada.done()]
        visto = {n: Parte(f"{n} no responde", 1000 * PLAZO_S) for n in self._partes}
        return visto | {nombre: self._miradas.pop(nombre).result() for nombre in acabadas}

    def close(self) -> None:
        """End its threads, without waiting for who does not answer."""
        self._hilos.shutdown(wait=False, cancel_futures=True)


def _mirar(parte: Callable[[], object]) -> Parte:
    inicio = time.perf_counter()
    mal, dato = None, None
    try:
        dato = parte()
    except ConsumoError as error:
        mal = str(error)
    return Parte(mal, 1000 * (time.perf_counter() - inicio), dato)


def reach_kafka(servidores: str) -> None:
    """Return if one of the brokers answers.

    Parameters
    ----------
    servidores : str
        ``host:port``, separated by commas.

    Raises
    ------
    TransientError
        None of them does.
    """
    for servidor in servidores.split(","):
        host, _, puerto = servidor.strip().rpartition(":")
        destino = (host or servidor.strip(), int(puerto) if puerto.isdecimal() else _PUERTO_KAFKA)
        try:
            greet(*destino, _SALUDO_KAFKA, PLAZO_KAFKA_S)
        except OSError:
            continue
        return
    raise TransientError(f"Kafka no responde en {servidores}")


@dataclass(frozen=True, slots=True)
class Campeon:
    """What MLflow says of the champion.

    Parameters
    ----------
    version : int
    rechazo : str or None
        Why a consumer could not use it.
    """

    version: int
    rechazo: str | None


class Versiones(Protocol):
    """What is asked of MLflow. Adapter: ``serving.registry.Registro``."""

    def version_of(self, alias: str) -> int | None:
        """Return the version that an alias points to; None = it points nowhere."""
        ...

    def tags_of(self, version: int) -> dict[str, str]:
        """Return the tags of a version."""
        ...


def look_at_champion(registro: Versiones) -> Campeon | None:
    """Return the champion; None = there is none. ``TransientError`` while MLflow is away.

    Two requests, however many versions there are.
    """
    version = registro.version_of(CAMPEON)
    if version is None:
        return None
    rechazo = Rechazo.from_tags(registro.tags_of(version))
    return Campeon(version, None if rechazo is None else rechazo.motivo)


def reach_mlflow(uri: str) -> None:
    """Return if something answers where MLflow should; ``TransientError`` otherwise."""
    if not listens(uri):
        raise TransientError(f"MLflow no responde en {without_password(uri)}")
