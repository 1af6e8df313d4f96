"""Stop watches around the ports of the consumer's loop, and what processes cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import psutil

from detection.domain import Lecturas
from pipeline.streaming.consumer_loop import BatchProcessor
from serving.scorer import BatchOrigin


@dataclass(slots=True)
class Reloj:
    """Wall and CPU seconds of the calling thread, added up.

    Parameters
    ----------
    pared_s, cpu_s : float
    veces : int
    """

    pared_s: float = 0.0
    cpu_s: float = 0.0
    veces: int = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add the time of the block."""
        pared, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.pared_s += time.perf_counter() - pared
            self.cpu_s += time.thread_time() - cpu
            self.veces += 1


@dataclass(slots=True)
class Tiempos:
    """What a run of the loop took.

    Parameters
    ----------
    lectura, decodificacion, puntuacion, guardado : Reloj
        Stages, in the loop's thread but for ``guardado``, which is the writer's.
    primero, ultimo : float
        Times of the first draft and of the last accept, s of ``time.perf_counter``.
    lecturas, anomalias : int
        Accepted.
    """

    lectura: Reloj = field(default_factory=Reloj)
    decodificacion: Reloj = field(default_factory=Reloj)
    puntuacion: Reloj = field(default_factory=Reloj)
    guardado: Reloj = field(default_factory=Reloj)
    primero: float = 0.0
    ultimo: float = 0.0
    lecturas: int = 0
    anomalias: int = 0

    @property
    def segundos(self) -> float:
        """Return the seconds from the first draft to the last accept."""
        return self.ultimo - self.primero

    @property
    def por_segundo(self) -> float:
        """Return the readings per second."""
        return self.lecturas / self.segundos


class ProcesadorMedido:
    """A processor with a stop watch, told when the whole chain begins and ends."""

    def __init__(self, procesador: BatchProcessor, tiempos: Tiempos) -> None:
        self._procesador = procesador
        self._tiempos = tiempos
        self.discard = procesador.discard
        self.forget: Callable[[Iterable[int]], None] = procesador.forget

    def draft(self, lecturas: Lecturas, origen: BatchOrigin) -> Any:
        self._tiempos.primero = self._tiempos.primero or time.perf_counter()
        with self._tiempos.puntuacion.running():
            return self._procesador.draft(lecturas, origen)

    def save(self, borrador: Any) -> None:
        with self._tiempos.guardado.running():
            self._procesador.save(borrador)

    def accept(self, borrador: Any) -> None:
        self._procesador.accept(borrador)
        self._tiempos.lecturas += len(borrador.borrador.lecturas)
        self._tiempos.anomalias += int(np.count_nonzero(borrador.veredictos.severidad))
        self._tiempos.ultimo = time.perf_counter()


class CpuDeProcesos:
    """CPU seconds of the servers, which are this process's children, and of a consumer.

    PostgreSQL's work is done by processes that come and go with their connections: those that are
    gone count with the one that started them.

    ``consumidor``: the process that consumes; this one if not given.
    """

    NOMBRES: ClassVar = {"postgres": "PostgreSQL", "tansu": "Kafka", "secantus": "MongoDB"}

    def __init__(self, consumidor: int | None = None) -> None:
        self._consumidor = psutil.Process(consumidor)
        self._antes = self._read()

    def elapsed(self) -> dict[str, float]:
        """Return the CPU seconds used since the start, by who used them."""
        ahora = self._read()
        return {nombre: ahora[nombre] - self._antes.get(nombre, 0.0) for nombre in ahora}

    def _read(self) -> dict[str, float]:
        suma: dict[str, float] = {"consumidor": sum(self._consumidor.cpu_times()[:2])}
        for proceso in psutil.Process().children(recursive=True):
            try:
                texto = " ".join(proceso.cmdline())
                segundos = sum(proceso.cpu_times()[:4])
            except psutil.Error:
                continue
            for clave, nombre in self.NOMBRES.items():
                if clave in texto:
                    suma[nombre] = suma.get(nombre, 0.0) + segundos
                    break
        return suma


def best_of(veces: int, medir: Callable[[], float]) -> float:
    """Return the shortest of several measurements, s: what others on the machine did not slow."""
    return min(medir() for _ in range(veces))


def resident_mb() -> float:
    """Return the resident memory of this process, MB."""
    return float(psutil.Process().memory_info().rss) / 1e6


def timed(funcion: Callable[..., Any], *args: Any) -> float:
    """Return the seconds of a call."""
    inicio = time.perf_counter()
    funcion(*args)
    return time.perf_counter() - inicio
