"""The product's consumer, killed with SIGKILL at one step of the hot path.

Run as ``python consumidor_fragil.py STEP N``: it dies the N-th time that it comes to the step.
The steps are reached from outside, at the ports: the product knows nothing of this.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from detection.detector import DetectorConsumo
from pipeline.consumer import hora_actual
from pipeline.ingest.messages import MessageDecoder
from pipeline.stores.mongo.cases import MongoCaseStore
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.store import PostgresStore, migrate
from pipeline.streaming.batch import ScoringProcessor
from pipeline.streaming.consumer_loop import ConsumerLoop
from pipeline.streaming.kafka_source import KafkaSource
from serving.base_version import load_base
from serving.local_time import load_calendario
from serving.scorer import Scorer
from serving.settings import load_settings

PASOS = (
    "al_puntuar", "al_guardar_historial", "entre_los_dos_almacenes", "al_aceptar",
    "al_confirmar", "confirmado",
)  # fmt: skip


class Muerte:
    """Kills this process the n-th time that it comes to a step."""

    def __init__(self, paso: str, n: int) -> None:
        self._paso = paso
        self._quedan = n

    def __call__(self, paso: str) -> None:
        if paso == self._paso:
            self._quedan -= 1
            if self._quedan == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class ProcesadorFragil(ScoringProcessor):
    """The processor that may die as a step begins."""

    muerte: Muerte

    def draft(self, lecturas: Any, origen: Any) -> Any:
        self.muerte("al_puntuar")
        return super().draft(lecturas, origen)

    def accept(self, borrador: Any) -> None:
        self.muerte("al_aceptar")
        super().accept(borrador)


class HistorialFragil(PostgresStore):
    """The history that may die before its save."""

    muerte: Muerte

    def save(self, *argumentos: Any) -> Any:
        self.muerte("al_guardar_historial")
        return super().save(*argumentos)


class AnomaliasFragiles(MongoAnomalyStore):
    """The anomalies that may die before their save, when the history is saved already."""

    muerte: Muerte

    def save(self, *argumentos: Any) -> None:
        self.muerte("entre_los_dos_almacenes")
        super().save(*argumentos)


class FuenteFragil(KafkaSource):
    """The source that may die before or after a commit."""

    muerte: Muerte

    def commit(self, siguientes: Mapping[int, int], *, espera: bool) -> None:
        self.muerte("al_confirmar")
        super().commit(siguientes, espera=True)
        self.muerte("confirmado")


def main(paso: str, n: int) -> None:
    """Consume until everything is read, or until death."""
    settings = load_settings()
    muerte: Callable[[str], None] = Muerte(paso, n)
    migrate(settings)
    historial = HistorialFragil(settings)
    anomalias = AnomaliasFragiles(settings)
    fuente = FuenteFragil(settings)
    casos = MongoCaseStore(settings)
    calendario = load_calendario(settings.zona_horaria)
    scorer = Scorer(DetectorConsumo(calendario, base=load_base()), historial)
    procesador = ProcesadorFragil(scorer, historial, anomalias, casos, hora_actual)
    for pieza in (historial, anomalias, fuente, procesador):
        pieza.muerte = muerte  # type: ignore[attr-defined]
    anomalias.ensure_indexes()
    with ExitStack() as pila:
        pila.callback(historial.close)
        pila.callback(anomalias.close)
        pila.callback(casos.close)
        ConsumerLoop(
            fuente,
            procesador,
            MessageDecoder(settings.zona_horaria, settings.consumo_maximo_kwh),
            lote_maximo=settings.lote_maximo,
            hasta_vacio=True,
            reloj=hora_actual,
        ).run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
