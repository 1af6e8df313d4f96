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
from pipeline.ingest.messages import Decodificador
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.heartbeats import LatidosPostgres
from pipeline.stores.postgres.store import PostgresStore, migrate
from pipeline.streaming.batch import Procesador
from pipeline.streaming.consumer_loop import Bucle, Parada, Resumen, stop_on_signals
from pipeline.streaming.heartbeat import Latido, Observado
from pipeline.streaming.instrumented import FuenteMedida, ProcesadorMedido
from pipeline.streaming.kafka import FuenteKafka
from pipeline.streaming.ports import Fuente, Modelos
from pipeline.streaming.ports import Procesador as PuertoProcesador
from pipeline.streaming.warmup import warm_up
from serving.cli import HECHO, Parser, run
from serving.local_time import load_calendario
from serving.logs import configure_logs
from serving.metrics import MetricasConsumidor
from serving.model_watcher import Vigilante
from serving.registry import Registro
from serving.scorer import Scorer
from serving.settings import Settings, load_settings

_LOG = logging.getLogger(__name__)

ESPERA_ARRANQUE_S = 2.0
T = TypeVar("T")


def hora_actual() -> int:
    """Return the absolute hour of now."""
    return int(time.time()) // 3600


@contextmanager
def open_procesador(settings: Settings, modelos: Modelos | None = None) -> Iterator[Procesador]:
    """Give the processor of this process, its two stores ready; close them at the end."""
    migrate(settings)
    historial = PostgresStore(settings)
    anomalias = MongoAnomalyStore(settings)
    try:
        anomalias.ensure_indexes()
        detector = DetectorConsumo(load_calendario(settings.zona_horaria))
        warm_up(detector)
        yield Procesador(Scorer(detector, historial), historial, anomalias, hora_actual, modelos)
    finally:
        historial.close()
        anomalias.close()


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
    opciones = parser.parse_args(argv)
    settings = load_settings()
    configure_logs(settings.nivel_log)
    resumen = _consume(settings, hasta_vacio=opciones.hasta_vacio)
    _LOG.info(
        "consumidor parado: %d lecturas en %d lotes, %d mensajes no válidos",
        resumen.lecturas,
        resumen.lotes,
        resumen.invalidas,
    )
    return HECHO


def _consume(settings: Settings, *, hasta_vacio: bool) -> Resumen:
    """Return what was done until we were asked to stop, which may be before the first reading."""
    parada = Parada()
    with ExitStack() as pila:
        # The outermost: whoever is stopped while it still waits for a store says so too.
        pila.enter_context(stop_on_signals(parada.stop))
        modelos = pila.enter_context(
            Vigilante(
                Registro(settings), settings.modelos_dir, settings.modelo_sondeo_s,
                en_sombra=settings.modelo_en_sombra,
            )
        )  # fmt: skip
        metricas = _serve_metrics(settings, pila)
        kafka = FuenteKafka(settings)
        observado = Observado(modelos, kafka.particiones)
        pila.enter_context(Latido(LatidosPostgres(settings), observado.situacion))
        propio = wait_for_stores(
            lambda: pila.enter_context(open_procesador(settings, modelos)),
            observado.waits,
            parada.wait,
        )
        if propio is None:
            return Resumen()
        fuente, procesador = _watched(kafka, propio, metricas)
        bucle = Bucle(
            fuente,
            procesador,
            Decodificador(settings.zona_horaria, settings.consumo_maximo_kwh),
            lote_maximo=settings.lote_maximo,
            hasta_vacio=hasta_vacio,
            reloj=hora_actual,
        )
        observado.runs(bucle)
        parada.heed(bucle.stop)
        _LOG.info("consumidor en marcha: grupo %s", settings.kafka_grupo)
        return bucle.run()


def _serve_metrics(settings: Settings, pila: ExitStack) -> MetricasConsumidor | None:
    """Return metrics that somebody can read; None = nobody wants them (port 0)."""
    if not settings.metricas_port:
        return None
    metricas = MetricasConsumidor()
    host, pedido = settings.metricas_host, settings.metricas_port
    puerto = pila.enter_context(metricas.servir(host, pedido)).puerto
    nota = "" if puerto == pedido else f" (el puerto {pedido} está ocupado)"
    _LOG.info("métricas en http://%s:%d/metrics%s", host, puerto, nota)
    return metricas


def _watched(
    fuente: FuenteKafka, procesador: Procesador, metricas: MetricasConsumidor | None
) -> tuple[Fuente, PuertoProcesador]:
    """Return source and processor, counted if there are metrics."""
    if metricas is None:
        return fuente, procesador
    return FuenteMedida(fuente, metricas), ProcesadorMedido(procesador, metricas)


def wait_for_stores(
    abrir: Callable[[], T], avisar: Callable[[str], None], esperar: Callable[[float], bool]
) -> T | None:
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
