"""``consumo consumir``: readings from Kafka, through the detector, into both stores."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from detection.detector import DetectorConsumo
from detection.errors import TransientError
from pipeline.ingest.messages import MessageDecoder
from pipeline.stores.mongo.cases import MongoCaseStore
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.health import PostgresHealth
from pipeline.stores.postgres.store import PostgresStore, migrate
from pipeline.streaming.batch import ModelSource, ScoringProcessor
from pipeline.streaming.consumer_loop import ConsumerLoop, RunSummary
from pipeline.streaming.heartbeat import ConsumerStatus, HeartbeatThread
from pipeline.streaming.kafka_source import KafkaSource
from pipeline.streaming.warmup import warm_up
from serving.base_version import load_base
from serving.cli import HECHO, Parser, run
from serving.local_time import load_calendario
from serving.metrics import ConsumerMetrics
from serving.model_watcher import ModelWatcher
from serving.registry import ModelRegistry
from serving.scorer import Scorer
from serving.settings import Settings
from serving.shutdown import StopRequest

_LOG = logging.getLogger(__name__)

ESPERA_ARRANQUE_S = 2.0
_T = TypeVar("_T")


def hora_actual() -> int:
    """Return the absolute hour of now."""
    return int(time.time()) // 3600


@contextmanager
def open_procesador(
    settings: Settings,
    modelos: ModelSource | None = None,
    metricas: ConsumerMetrics | None = None,
) -> Iterator[ScoringProcessor]:
    """Give the processor of this process, its stores ready; close them at the end."""
    migrate(settings)
    historial = PostgresStore(settings)
    anomalias, casos = MongoAnomalyStore(settings), MongoCaseStore(settings)
    try:
        anomalias.ensure_indexes()
        casos.ensure_indexes()
        calendario = load_calendario(settings.zona_horaria)
        detector = DetectorConsumo(calendario, base=load_base())
        warm_up(detector)
        scorer = Scorer(detector, historial, casos)
        yield ScoringProcessor(scorer, historial, anomalias, casos, hora_actual, modelos, metricas)
    finally:
        historial.close()
        anomalias.close()
        casos.close()


def main(argv: Sequence[str]) -> int:
    """Consume until SIGTERM or Ctrl-C."""
    parser = Parser(
        "consumo consumir",
        "Lee las lecturas de Kafka, las puntúa y las guarda en PostgreSQL y MongoDB. "
        "Se pueden arrancar varios: se reparten las particiones. SIGTERM o Ctrl-C lo paran "
        "cuando ha guardado lo que tenía entre manos; lo demás lo lee el siguiente.",
    )
    parser.add_argument(
        "--hasta-vacio",
        action="store_true",
        help="termina cuando no quedan lecturas por leer",
    )
    opciones, settings = parser.start(argv)
    resumen = _consume(settings, hasta_vacio=opciones.hasta_vacio)
    _LOG.info(
        "consumidor parado: %d lecturas en %d lotes, %d mensajes no válidos",
        resumen.lecturas,
        resumen.lotes,
        resumen.invalidas,
    )
    return HECHO


def _consume(settings: Settings, *, hasta_vacio: bool) -> RunSummary:
    """Return what was done until we were asked to stop, which may be before the first reading."""
    with ExitStack() as pila:
        # The outermost: whoever is stopped while it still waits for a store says so too.
        parada = pila.enter_context(StopRequest())
        modelos = pila.enter_context(
            ModelWatcher(
                ModelRegistry(settings), settings.modelos_dir, settings.modelo_sondeo_s,
                en_sombra=settings.modelo_en_sombra,
            )
        )  # fmt: skip
        metricas = _serve_metrics(settings, pila)
        fuente = KafkaSource(settings)
        estado = ConsumerStatus(modelos, fuente.particiones)
        pila.enter_context(HeartbeatThread(PostgresHealth(settings), estado.situacion))
        procesador = wait_for_stores(
            lambda: pila.enter_context(open_procesador(settings, modelos, metricas)),
            estado.waits,
            parada.esperar,
        )
        if procesador is None:
            return RunSummary()
        bucle = ConsumerLoop(
            fuente,
            procesador,
            MessageDecoder(settings.zona_horaria, settings.consumo_maximo_kwh),
            lote_maximo=settings.lote_maximo,
            hasta_vacio=hasta_vacio,
            reloj=hora_actual,
            parada=parada,
            metricas=metricas,
        )
        estado.runs(bucle)
        _LOG.info("consumidor en marcha: grupo %s", settings.kafka_grupo)
        return bucle.run()


def _serve_metrics(settings: Settings, pila: ExitStack) -> ConsumerMetrics | None:
    """Return metrics that somebody can read; None = nobody wants them (port 0)."""
    if not settings.metricas_port:
        return None
    metricas = ConsumerMetrics()
    host, pedido = settings.metricas_host, settings.metricas_port
    puerto = pila.enter_context(metricas.servir(host, pedido))
    nota = "" if puerto == pedido else f" (el puerto {pedido} está ocupado)"
    _LOG.info("métricas en http://%s:%d/metrics%s", host, puerto, nota)
    return metricas


def wait_for_stores(
    abrir: Callable[[], _T], avisar: Callable[[str], None], esperar: Callable[[float], bool]
) -> _T | None:
    """Return what is opened once both stores answer, as they may start after us.

    Parameters
    ----------
    abrir : callable
        Opens it; ``TransientError`` = a store is away.
    avisar : callable
        Is told what is waited for.
    esperar : callable
        Waits for so many seconds; true = we are asked to stop, and nothing is returned.
    """
    avisado = False
    while not esperar(0.0):
        try:
            return abrir()
        except TransientError as error:
            avisar(str(error))
            if not avisado:
                _LOG.warning("%s; se espera", error)
                avisado = True
            if esperar(max(ESPERA_ARRANQUE_S, error.retry_after_s)):
                break
    return None


if __name__ == "__main__":
    sys.exit(run(main))
