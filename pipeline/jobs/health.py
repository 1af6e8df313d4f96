"""``consumo salud``: does every part answer, and do readings get on? The exit status says it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from detection.errors import ConsumoError
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.health import PostgresHealth
from pipeline.stores.postgres.store import PostgresStore
from pipeline.streaming.kafka import ping_kafka
from pipeline.streaming.kafka_lag import LagReader
from serving.cli import FALLO, HECHO, Parser
from serving.consumer_health import LATIDOS, RETRASO, ConsumersView, Diagnosis, Heartbeat
from serving.health import (
    KAFKA,
    MLFLOW,
    MONGO,
    POSTGRES,
    HealthMonitor,
    PartHealth,
    ping_http,
    ping_mlflow,
)
from serving.reachability import without_password
from serving.settings import SERVICIOS_ENV, Settings, announced, load_settings

RELECTURA_S = 3.0
"""After which readings that came as one looked have been saved: a batch takes milliseconds."""
EN_TODAS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # nosec B104 # to ask, not to listen
"""Who listens on every address of this machine is asked on loopback."""
API, TABLERO, HISTORIA = "API", "tablero", "historia"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a part: where it is, and what returns if it answers."""

    donde: str
    ask: Callable[[], object]


def servers(settings: Settings) -> dict[str, Question]:
    """Return the four servers by name."""
    mlflow = settings.mlflow_tracking_uri
    return {
        POSTGRES: Question(
            f"{settings.postgres_host}:{settings.postgres_port}",
            lambda: PostgresStore(settings).ping(),
        ),
        MONGO: Question(
            f"{settings.mongo_host}:{settings.mongo_port}",
            lambda: MongoAnomalyStore(settings).ping(),
        ),
        KAFKA: Question(settings.kafka_broker, lambda: ping_kafka(settings)),
        MLFLOW: Question(without_password(mlflow), lambda: ping_mlflow(mlflow)),
    }


def _own(settings: Settings) -> dict[str, Question]:
    api = settings.api_url.rstrip("/") or _local(settings.api_host, settings.api_port)
    tablero = _local(settings.tablero_host, settings.tablero_port)
    return {
        API: Question(without_password(api), lambda: ping_http("La API", api, "/salud/viva")),
        TABLERO: Question(tablero, lambda: ping_http("El tablero", tablero, "/_stcore/health")),
    }


def _local(host: str, puerto: int) -> str:
    donde = EN_TODAS.get(host, host)
    return f"http://[{donde}]:{puerto}" if ":" in donde else f"http://{donde}:{puerto}"


def look_once(preguntas: dict[str, Question]) -> dict[str, PartHealth]:
    """Return how each part is, all asked at once."""
    with closing(HealthMonitor({nombre: q.ask for nombre, q in preguntas.items()})) as monitor:
        return monitor.look()


def check_consumidor(
    settings: Settings, esperar: Callable[[float], None] = time.sleep
) -> tuple[Diagnosis, Sequence[Heartbeat]]:
    """Return how the consumers are, and each that has left a heartbeat.

    ``esperar``: waits for so many seconds: an idle consumer is not late because readings have just
    come.
    """
    zona = ZoneInfo(settings.zona_horaria)
    with ExitStack() as pila:
        salud = pila.enter_context(closing(PostgresHealth(settings)))
        lector = pila.enter_context(closing(LagReader(settings)))
        monitor = pila.enter_context(
            closing(
                HealthMonitor(
                    {HISTORIA: salud.latest_write, LATIDOS: salud.heartbeats, RETRASO: lector.read}
                )
            )
        )
        vista = ConsumersView.of(monitor.look(), HISTORIA)
        # The server's own clock: it wrote all these times.
        ahora = vista.latidos.ahora if vista.latidos else datetime.now(zona)
        diagnostico = vista.judge(ahora, zona)
        if vista.retraso is not None and diagnostico.estado == "atrasado":
            esperar(RELECTURA_S)
            with suppress(ConsumoError):
                despues = lector.read()
                if despues.moves_past(vista.retraso):
                    vista = replace(vista, retraso=replace(despues, visto_s=0.0))
                    diagnostico = vista.judge(ahora, zona)
    return diagnostico, vista.latidos.filas if vista.latidos else ()


def _elsewhere(settings: Settings) -> str | None:
    """Return that embedded services run on other ports than those that were asked, if they do."""
    dichas, suyas = announced(), settings.model_dump()
    otras = [
        f"{nombre}={valor}"
        for nombre, valor in dichas.items()
        if str(suyas.get(nombre.lower(), valor)) != valor
    ]
    if not otras:
        return None
    return (
        f"Hay servicios embebidos en marcha en otra parte ({SERVICIOS_ENV}): {', '.join(otras)}. "
        "Lo cambian el archivo .env o el entorno."
    )


def main(argv: Sequence[str]) -> int:
    """Print the health of every part; 0 if all is well, 1 otherwise."""
    parser = Parser(
        "consumo salud",
        "Comprueba que respondan PostgreSQL, MongoDB, Kafka y MLflow, la API y el tablero, y que "
        "el consumidor dé señales y no vaya atrasado. El estado de salida es 1 si algo va mal.",
    )
    parser.add_argument(
        "--servicios",
        action="store_true",
        help="solo los cuatro servidores, no la API, el tablero ni el consumidor",
    )
    opciones = parser.parse_args(argv)
    settings = load_settings()
    consola = Console()
    tabla = Table("parte", "dirección", "estado", "ms")
    preguntas = servers(settings) | ({} if opciones.servicios else _own(settings))
    partes = look_once(preguntas)
    for nombre, pregunta in preguntas.items():
        parte = partes[nombre]
        tabla.add_row(nombre, pregunta.donde, parte.mal or "bien", f"{parte.ms:.0f}")
    fallo = any(parte.mal for parte in partes.values())
    if not opciones.servicios:
        diagnostico, latidos = check_consumidor(settings)
        tabla.add_row("consumidor", settings.kafka_grupo, diagnostico.texto, "")
        for latido in latidos:
            if latido.fin is None:
                tabla.add_row("", f"{latido.maquina}, proceso {latido.proceso}", _told(latido), "")
        fallo = fallo or diagnostico.gravedad == "mal"
    consola.print(tabla)
    if fallo and (aviso := _elsewhere(settings)):
        consola.print(aviso, soft_wrap=True, markup=False)
    return FALLO if fallo else HECHO


def _told(latido: Heartbeat) -> str:
    """Return what a consumer says of itself, in a line."""
    partes = [f"particiones {', '.join(map(str, latido.particiones)) or 'ninguna'}"]
    partes.append(f"{latido.lecturas:,} lecturas".replace(",", "."))
    partes.append(latido.version_modelo or "solo reglas")
    if latido.modelo_rechazado:
        partes.append(f"rechaza {latido.modelo_rechazado}: {latido.rechazo}")
    if latido.espera:
        partes.append(f"espera: {latido.espera}")
    return "; ".join(partes)
