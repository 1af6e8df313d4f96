"""How the parts of a system are found: what is asked of each, by when, and in which words.

``consumo salud`` looks once, the API again and again for as many as ask; both by the questions and
the words of this file and of ``serving.consumer_health``. What asks the stores and the broker is
given by who looks: their clients live upstairs.
"""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from detection.errors import ConfiguracionError, ConsumoError, TransientError
from serving.model_versions import CAMPEON, ModelRejection, ModelVersions
from serving.reachability import without_password

POSTGRES, MONGO, KAFKA, MLFLOW = "PostgreSQL", "MongoDB", "Kafka", "MLflow"
CHAMPION = "Modelo"
"""What the champion is called among the parts: not a server that answers, but what scores."""

VIGENCIA_S = 2.0
"""How long what was seen is handed out to whoever asks."""
_PLAZO_S = 3.5
"""Longest wait for a part; what it has not said by then is told as silence. A little more than
the 3 s that each client is given to answer."""
HTTP_S = 3.0


@dataclass(frozen=True, slots=True)
class PartHealth:
    """How one part was found."""

    # What is wrong, one Spanish line with addresses, for the log; None = it answers.
    mal: str | None
    ms: float  # time it took to answer
    dato: object = None  # what it answered


class HealthMonitor:
    """Looks at parts, all at once, and remembers what it saw for a moment.

    However many ask, each part is looked at once every ``VIGENCIA_S``, and none is waited for
    longer than ``_PLAZO_S``.

    ``partes``: each returns if its part answers, and raises one of our errors otherwise. ``reloj``:
    rising seconds.

    Examples
    --------
    >>> monitor = HealthMonitor({"A": lambda: "hola"})
    >>> monitor.look()["A"].dato
    'hola'
    >>> monitor.close()
    """

    def __init__(
        self,
        partes: Mapping[str, Callable[[], object]],
        reloj: Callable[[], float] = time.monotonic,
    ) -> None:
        self._partes = partes
        self._reloj = reloj
        self._cerrojo = threading.Lock()
        self._visto: dict[str, PartHealth] = {}
        self._hasta = float("-inf")
        self._miradas: dict[str, Future[PartHealth]] = {}
        self._hilos = ThreadPoolExecutor(max(1, len(partes)), "salud")

    def look(self) -> dict[str, PartHealth]:
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

    def _look(self) -> dict[str, PartHealth]:
        for nombre, parte in self._partes.items():
            # A look that has not ended yet goes on: one thread a part, however long it hangs.
            if nombre not in self._miradas:
                self._miradas[nombre] = self._hilos.submit(_ask, parte)
        wait(self._miradas.values(), _PLAZO_S)
        acabadas = [nombre for nombre, mirada in self._miradas.items() if mirada.done()]
        visto = {n: PartHealth(f"{n} no responde", 1000 * _PLAZO_S) for n in self._partes}
        return visto | {nombre: self._miradas.pop(nombre).result() for nombre in acabadas}

    def close(self) -> None:
        """End its threads, without waiting for who does not answer."""
        self._hilos.shutdown(wait=False, cancel_futures=True)


def _ask(parte: Callable[[], object]) -> PartHealth:
    inicio = time.perf_counter()
    mal, dato = None, None
    try:
        dato = parte()
    except ConsumoError as error:
        mal = str(error)
    return PartHealth(mal, 1000 * (time.perf_counter() - inicio), dato)


def ping_http(nombre: str, uri: str, ruta: str) -> None:
    """Return if a web server answers a path with 200; user and password are not sent.

    ``TransientError``: it does not answer, or not with 200. ``ConfiguracionError``: ``uri`` is no
    http(s) address.
    """
    donde = without_password(uri).rstrip("/")
    if not donde.startswith(("http://", "https://")):
        raise ConfiguracionError(f"{nombre}: «{donde}» no es una dirección http(s)")
    try:
        # The scheme has just been looked at.
        with urllib.request.urlopen(f"{donde}{ruta}", timeout=HTTP_S):  # nosec B310
            return
    except urllib.error.HTTPError as error:
        with error:
            raise TransientError(f"{nombre} responde {error.code} en {donde}{ruta}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise TransientError(f"{nombre} no responde en {donde}") from error


def ping_mlflow(uri: str) -> None:
    """Return if MLflow answers on ``/health``, which is open to all; else as ``ping_http``."""
    ping_http(MLFLOW, uri, "/health")


@dataclass(frozen=True, slots=True)
class ChampionStatus:
    """What MLflow says of the champion."""

    version: int
    rechazo: str | None  # why a consumer could not use it


def look_at_champion(versiones: ModelVersions) -> ChampionStatus | None:
    """Return the champion; None = there is none. ``TransientError`` while MLflow is away.

    Two requests, however many versions there are.
    """
    version = versiones.version_of(CAMPEON)
    if version is None:
        return None
    rechazo = ModelRejection.from_tags(versiones.tags_of(version))
    return ChampionStatus(version, None if rechazo is None else rechazo.motivo)
