"""Readings per second of 1, 2 and 4 consumers that share a topic and both stores.

Each is a process of its own, with the models and the customers' windows in memory. All have joined
the group before the first of them reads, and the topic is full by then: what is measured is
consuming, neither starting nor producing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from queue import Empty
from typing import Any

import numpy as np
import psutil
from datos import PRIMERA_HORA, ZONA, Datos
from escala_memoria import LOTE, make_historia
from medidas import CpuDeProcesos, ProcesadorMedido, Tiempos
from numpy.typing import NDArray

from detection.errors import PermanentError
from detection.scoring_model import ScoringModel
from pipeline.consumer import hora_actual, open_procesador
from pipeline.ingest.messages import MessageDecoder
from pipeline.streaming.consumer_loop import ConsumerLoop, Message
from pipeline.streaming.kafka import KafkaProducer, ensure_topics
from pipeline.streaming.kafka_source import KafkaSource
from serving.settings import Settings

PARTICIONES = 12
"""As many for each of 1, 2 and 4 consumers."""
PLAZO_S = 600.0
PASO_S = 0.05


@dataclass(frozen=True, slots=True)
class Pasado:
    """What consumers remember before they begin.

    Parameters
    ----------
    modelo : Modelo
    clientes : list of str (c,)
    kwh : ndarray (c, h)
    """

    modelo: ScoringModel
    clientes: list[str]
    kwh: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reparto:
    """What several consumers did together.

    Parameters
    ----------
    consumidores, lecturas : int
    por_segundo : float
        All together, from the first draft of any to the last accept of any.
    cada_uno : list of int
        Readings of each.
    nucleos : dict of str to float
        Processors kept busy, by whom.
    """

    consumidores: int
    lecturas: int
    por_segundo: float
    cada_uno: list[int]
    nucleos: dict[str, float]


@dataclass(frozen=True, slots=True)
class Senales:
    """What the bench and its consumers tell each other.

    Parameters
    ----------
    particiones : array of int
        How many each consumer has been given so far.
    adelante, soltar : Event
        Read; close what you have open.
    hecho : Queue
        Figures of each consumer.
    """

    particiones: Any
    adelante: Any
    soltar: Any
    hecho: Any


class FuenteEnEspera(KafkaSource):
    """The topic, of which nothing is read until all are told to."""

    def __init__(self, settings: Settings, numero: int, senales: Senales) -> None:
        super().__init__(settings)
        self._numero = numero
        self._senales = senales
        self._esperando = True
        self.cpu_antes_s = 0.0

    def open(
        self, al_revocar: Callable[[set[int]], None], al_perder: Callable[[set[int]], None]
    ) -> None:
        super().open(al_revocar, al_perder)
        self.pause()

    def read(self, maximo: int, espera_s: float) -> Sequence[Message]:
        if self._esperando and self._senales.adelante.is_set():
            self._esperando = False
            self.cpu_antes_s = _cpu_s()
            self.resume()
        llegados = super().read(maximo, espera_s)
        if self._esperando:
            self._senales.particiones[self._numero] = len(self._nuestras)
        return llegados

    def is_caught_up(self) -> bool:
        return not self._esperando and super().is_caught_up()


def remember(datos: Datos, modelo: ScoringModel) -> Pasado:
    """Return what comes before the measured readings, for consumers to begin with."""
    horas = datos.historia // datos.clientes
    kwh = datos.lecturas.consumo_kwh[: datos.historia].reshape(horas, datos.clientes)
    return Pasado(modelo, datos.lecturas.propietario_id[: datos.clientes], kwh.T)


def measure_consumers(settings: Settings, cuantos: int, datos: Datos, pasado: Pasado) -> Reparto:
    """Return what ``cuantos`` consumers do with the measured readings, on empty stores."""
    ensure_topics(settings)
    contexto = get_context("spawn")
    senales = Senales(
        contexto.Array("i", cuantos), contexto.Event(), contexto.Event(), contexto.Queue()
    )
    procesos = [
        contexto.Process(target=_consume, args=(settings, i, pasado, senales))
        for i in range(cuantos)
    ]
    with _running(procesos):
        _wait(procesos, lambda: _joined(senales))
        _produce(settings, datos)
        cpu = CpuDeProcesos()
        senales.adelante.set()
        partes = [_result(procesos, senales) for _ in procesos]
        gastado = cpu.elapsed()
        senales.soltar.set()
    lecturas = sum(parte["lecturas"] for parte in partes)
    if lecturas != datos.medidas:
        raise PermanentError(f"se han leído {lecturas} de {datos.medidas} lecturas")
    segundos = max(p["ultimo"] for p in partes) - min(p["primero"] for p in partes)
    gastado["consumidor"] = sum(parte["cpu_s"] for parte in partes)
    return Reparto(
        cuantos, lecturas, lecturas / segundos, [parte["lecturas"] for parte in partes],
        {quien: cpu_s / segundos for quien, cpu_s in gastado.items()},
    )  # fmt: skip


def _consume(settings: Settings, numero: int, pasado: Pasado, senales: Senales) -> None:
    """Be a consumer: in a process of its own."""
    tiempos = Tiempos()
    with open_procesador(settings) as procesador:
        procesador._scorer.use(pasado.modelo)
        historia = make_historia(pasado.kwh, PRIMERA_HORA)
        procesador._scorer.detector.load(pasado.clientes, historia)
        fuente = FuenteEnEspera(settings, numero, senales)
        bucle = ConsumerLoop(
            fuente,
            ProcesadorMedido(procesador, tiempos),
            MessageDecoder(ZONA, settings.consumo_maximo_kwh),
            lote_maximo=LOTE,
            hasta_vacio=True,
            reloj=hora_actual,
        )
        bucle.run()
        senales.hecho.put(
            {
                "lecturas": tiempos.lecturas,
                "primero": tiempos.primero,
                "ultimo": tiempos.ultimo,
                "cpu_s": _cpu_s() - fuente.cpu_antes_s,
            }
        )
        # PostgreSQL's work for us is told by a process that ends with our connection.
        senales.soltar.wait(PLAZO_S)


def _cpu_s() -> float:
    return sum(psutil.Process().cpu_times()[:2])


def _produce(settings: Settings, datos: Datos) -> None:
    productor = KafkaProducer(settings)
    for claves, valores in datos.mensajes(datos.historia, len(datos.lecturas)):
        productor.send(claves, valores)
    productor.flush()


def _joined(senales: Senales) -> bool:
    """Return whether every consumer has partitions, and every partition a consumer."""
    particiones = list(senales.particiones)
    return min(particiones) > 0 and sum(particiones) == PARTICIONES


def _result(procesos: Sequence[BaseProcess], senales: Senales) -> dict[str, Any]:
    """Return the figures of the next consumer that ends."""
    hechos: list[dict[str, Any]] = []

    def has_come() -> bool:
        try:
            hechos.append(senales.hecho.get(timeout=PASO_S))
        except Empty:
            return False
        return True

    _wait(procesos, has_come)
    return hechos[0]


def _wait(procesos: Sequence[BaseProcess], listo: Callable[[], bool]) -> None:
    limite = time.monotonic() + PLAZO_S
    while not listo():
        if any(proceso.exitcode is not None for proceso in procesos):
            raise PermanentError("un consumidor ha terminado antes de tiempo")
        if time.monotonic() > limite:
            raise PermanentError(f"los consumidores no acaban en {PLAZO_S:.0f} s")
        time.sleep(PASO_S)


@contextmanager
def _running(procesos: Sequence[BaseProcess]) -> Iterator[None]:
    for proceso in procesos:
        proceso.start()
    try:
        yield
        for proceso in procesos:
            proceso.join(PLAZO_S)
    finally:
        for proceso in procesos:
            proceso.kill()
            proceso.join()
