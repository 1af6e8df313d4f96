"""The consumers as the API sees them: heartbeats and lag, looked at once in a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from api.system.dependencies import Vigia
from detection.errors import ConsumoError
from serving.consumer_health import Diagnostico, Espera, Latidos, Retraso, judge

HILOS = 4
"""Only one of them looks; the others hand out what was seen before."""
_LATIDOS, _RETRASO = "latidos", "retraso"


@dataclass(frozen=True, slots=True)
class Vista:
    """What is known of the consumers; None = it could not be read.

    Parameters
    ----------
    latidos : Latidos or None
    retraso : Retraso or None
    """

    latidos: Latidos | None
    retraso: Retraso | None

    def judge(self, ultima: datetime | None, ahora: datetime, zona: ZoneInfo) -> Diagnostico:
        """Return how the consumers are; see ``serving.consumer_health.judge``."""
        return judge(self.latidos, self.retraso, ultima, ahora, zona)


class Consumidores:
    """Looks at heartbeats and lag for as many as ask, both at once.

    Parameters
    ----------
    leer_latidos, leer_retraso : callable
        Each raises one of our errors where there is no answer.
    reloj : callable
        Rising seconds: how long readings have been seen to wait.
    """

    def __init__(
        self,
        leer_latidos: Callable[[], Latidos],
        leer_retraso: Callable[[], Retraso],
        reloj: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leer = leer_latidos
        self._hubo_silencio = False
        self._vuelta: datetime | None = None
        espera = Espera(reloj)
        self._vigia = Vigia(
            {_LATIDOS: self._heartbeats, _RETRASO: lambda: espera.note(leer_retraso())}, reloj
        )
        self._hilos = ThreadPoolExecutor(HILOS, "consumidores")

    def begin(self) -> Future[Vista]:
        """Return a look that is under way, for who looks at something else meanwhile."""
        return self._hilos.submit(self.look)

    def look(self) -> Vista:
        """Return what is known, as of now or of a moment ago."""
        visto = self._vigia.look()
        latidos, retraso = visto[_LATIDOS].dato, visto[_RETRASO].dato
        return Vista(
            latidos if isinstance(latidos, Latidos) else None,
            retraso if isinstance(retraso, Retraso) else None,
        )

    def close(self) -> None:
        """Stop looking."""
        self._hilos.shutdown(wait=False, cancel_futures=True)
        self._vigia.close()

    def _heartbeats(self) -> Latidos:
        """Return the heartbeats; where they could not be read, nor could they be written."""
        try:
            latidos = self._leer()
        except ConsumoError:
            self._hubo_silencio = True
            raise
        if self._hubo_silencio:
            self._hubo_silencio, self._vuelta = False, latidos.ahora
        if self._vuelta is None:
            return latidos
        return replace(latidos, fiable_desde=max(latidos.fiable_desde, self._vuelta))
