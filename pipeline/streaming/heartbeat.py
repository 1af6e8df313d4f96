"""A consumer's heartbeat: a thread of its own that says that it lives, readings or not.

The loop knows nothing of it. It looks at what the parts of the process say of themselves, never
waits for them, and holds up nothing: a store that is away costs a heartbeat, not a batch.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

from detection.errors import ConsumoError
from pipeline.streaming.consumer_loop import ConsumerLoop
from serving.consumer_health import SENAL_S, SelfReport
from serving.model_watcher import ModelWatcher

_LOG = logging.getLogger(__name__)

_DESPEDIDA_S = 4.0
"""That saying goodbye may hold up the end: to connect and to write, when PostgreSQL is there."""


class HeartbeatStore(Protocol):
    """Where heartbeats go. Adapter: ``pipeline.stores.postgres.health``."""

    def write(self, situacion: SelfReport, *, acaba: bool = False, motivo: str = "") -> None:
        """Say how this consumer is, or that it ends and why; ``TransientError`` = away."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class HeartbeatThread(AbstractContextManager["HeartbeatThread"]):
    """Writes a heartbeat every few seconds while the block runs, and at its end that it ended.

    ``mirar``: gives the situation; called by the thread. ``cada_s``: seconds between two
    heartbeats.
    """

    def __init__(
        self, almacen: HeartbeatStore, mirar: Callable[[], SelfReport], cada_s: float = SENAL_S
    ) -> None:
        self._almacen = almacen
        self._mirar = mirar
        self._cada_s = cada_s
        self._fin = threading.Event()
        self._motivo = ""
        self._fallo: str | None = None
        # A daemon: a server that hangs must not keep the process alive.
        self._hilo = threading.Thread(target=self._run, name="latido", daemon=True)

    def __enter__(self) -> HeartbeatThread:
        self._hilo.start()
        return self

    def __exit__(
        self,
        _tipo: type[BaseException] | None,
        error: BaseException | None,
        _traza: TracebackType | None,
    ) -> None:
        if error is not None and not isinstance(error, KeyboardInterrupt | SystemExit):
            propio = isinstance(error, ConsumoError)
            self._motivo = str(error) if propio else type(error).__name__
        self._fin.set()
        self._hilo.join(_DESPEDIDA_S)

    def _run(self) -> None:
        while not self._fin.is_set():
            self._beat(acaba=False)
            self._fin.wait(self._cada_s)
        self._beat(acaba=True)
        self._almacen.close()

    def _beat(self, *, acaba: bool) -> None:
        try:
            self._almacen.write(self._mirar(), acaba=acaba, motivo=self._motivo if acaba else "")
        except ConsumoError as error:
            # The loop says, and louder, that the store is away.
            if str(error) != self._fallo:
                _LOG.info("sin señal de vida: %s", error)
            self._fallo = str(error)
        except Exception:  # noqa: BLE001
            # The thread has to outlive whatever a heartbeat runs into.
            _LOG.exception("la señal de vida ha fallado; se vuelve a intentar")
        else:
            self._fallo = None


class ConsumerStatus:
    """What a consumer's process knows of itself, put together from its parts as they come up.

    ``particiones``: gives the partitions that are ours.
    """

    def __init__(self, modelos: ModelWatcher, particiones: Callable[[], tuple[int, ...]]) -> None:
        self._modelos = modelos
        self._particiones = particiones
        self._arranque: tuple[str, float] | None = None
        self._bucle: ConsumerLoop | None = None

    def waits(self, motivo: str) -> None:
        """Note that the start waits for a store; the first time counts."""
        desde = self._arranque[1] if self._arranque else time.monotonic()
        self._arranque = (motivo, desde)

    def runs(self, bucle: ConsumerLoop) -> None:
        """Note that the loop is there: from now on it says what it waits for."""
        self._bucle = bucle

    def situacion(self) -> SelfReport:
        """Return how the consumer is; any thread may ask."""
        ahora = time.monotonic()
        modelos = self._modelos.estado()
        progreso = self._bucle.progreso() if self._bucle else None
        espera = progreso.espera if progreso else self._arranque
        lote = progreso.ultimo_lote if progreso else None
        return SelfReport(
            particiones=self._particiones(),
            lecturas=progreso.lecturas if progreso else 0,
            ultimo_lote_hace_s=None if lote is None else ahora - lote,
            version_modelo=modelos.version or "",
            modelo_rechazado=modelos.rechazado or "",
            rechazo=modelos.rechazo or "",
            espera=espera[0] if espera else "",
            espera_hace_s=ahora - espera[1] if espera else None,
        )
