"""``consumo salud``: does every part answer, and do readings get on? The exit status says it."""

from __future__ import annotations

import http.client
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from detection.errors import ConfiguracionError, ConsumoError, TransientError
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.health import SaludPostgres
from pipeline.stores.postgres.heartbeats import LatidosPostgres
from pipeline.stores.postgres.store import PostgresStore
from pipeline.streaming.kafka_lag import LectorRetraso
from pipeline.streaming.kafka_topics import ping_kafka
from serving.cli import FALLO, HECHO, Parser, run
from serving.consumer_health import Diagnostico, Latido, Latidos, judge
from serving.reachability import without_password
from serving.settings import SERVICIOS_ENV, Settings, announced, load_settings

HTTP_S = 3.0
"""As long as the other parts are given to answer (PostgreSQL, Kafka)."""
RELECTURA_S = 3.0
"""After which readings that came as one looked have been saved: a batch takes milliseconds."""
EN_TODAS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # nosec B104 # to ask, not to listen
"""Who listens on every address of this machine is asked on loopback."""
Parte = tuple[str, str, Callable[[], None]]
T = TypeVar("T")


def check(settings: Settings, *, todas: bool = False) -> list[tuple[str, str, str | None, float]]:
    """Return, for each part: its name, its address, None or what is wrong, and the ms it took.

    Parameters
    ----------
    todas : bool
        The API and the dashboard too, beside the four servers.
    """
    partes = _servers(settings) + (_own(settings) if todas else [])
    with ThreadPoolExecutor(len(partes), "salud") as hilos:
        return list(hilos.map(_look, partes))


def _look(parte: Parte) -> tuple[str, str, str | None, float]:
    nombre, donde, llamar = parte
    inicio = time.perf_counter()
    mal: str | None = None
    try:
        llamar()
    except ConsumoError as error:
        mal = str(error)
    return nombre, donde, mal, 1000 * (time.perf_counter() - inicio)


def _servers(settings: Settings) -> list[Parte]:
    return [
        (
            "PostgreSQL",
            f"{settings.postgres_host}:{settings.postgres_port}",
            lambda: PostgresStore(settings).ping(),
        ),
        (
            "MongoDB",
            f"{settings.mongo_host}:{settings.mongo_port}",
            lambda: MongoAnomalyStore(settings).ping(),
        ),
        ("Kafka", settings.kafka_broker, lambda: ping_kafka(settings)),
        (
            "MLflow",
            without_password(settings.mlflow_tracking_uri),
            lambda: ping_mlflow(settings.mlflow_tracking_uri),
        ),
    ]


def _own(settings: Settings) -> list[Parte]:
    api = settings.api_url.rstrip("/") or _local(settings.api_host, settings.api_port)
    tablero = _local(settings.tablero_host, settings.tablero_port)
    return [
        ("API", without_password(api), lambda: _ping_http("La API", api, "/salud/viva")),
        ("tablero", tablero, lambda: _ping_http("El tablero", tablero, "/_stcore/health")),
    ]


def _local(host: str, puerto: int) -> str:
    donde = EN_TODAS.get(host, host)
    return f"http://[{donde}]:{puerto}" if ":" in donde else f"http://{donde}:{puerto}"


def check_consumidor(
    settings: Settings, esperar: Callable[[float], None] = time.sleep
) -> tuple[Diagnostico, Sequence[Latido]]:
    """Return how the consumers are, and each that has left a heartbeat.

    Parameters
    ----------
    esperar : callable
        Waits for so many seconds: an idle consumer is not late because readings have just come.
    """
    zona = ZoneInfo(settings.zona_horaria)
    with (
        closing(LatidosPostgres(settings)) as latidos,
        closing(SaludPostgres(settings)) as salud,
        closing(LectorRetraso(settings)) as lector,
        ThreadPoolExecutor(2, "salud") as hilos,
    ):
        leyendo = hilos.submit(_if_it_answers, lector.read)

        def leer() -> tuple[Latidos, datetime | None]:
            ultima = salud.latest_write()
            return latidos.read(), ultima.procesada if ultima else None

        leido = hilos.submit(_if_it_answers, leer).result()
        visto, ultima = leido or (None, None)
        # The server's own clock: it wrote all these times.
        ahora = visto.ahora if visto else datetime.now(zona)
        retraso = leyendo.result()
        diagnostico = judge(visto, retraso, ultima, ahora, zona)
        if retraso is not None and diagnostico.estado == "atrasado":
            esperar(RELECTURA_S)
            despues = _if_it_answers(lector.read)
            if despues is not None and despues.moves_past(retraso):
                diagnostico = judge(visto, replace(despues, visto_s=0.0), ultima, ahora, zona)
    return diagnostico, visto.filas if visto else ()


def _if_it_answers(leer: Callable[[], T]) -> T | None:
    """Return what is read; None if its server, which has a row of its own, does not answer."""
    try:
        return leer()
    except ConsumoError:
        return None


def ping_mlflow(uri: str) -> None:
    """Return if the MLflow server answers on ``/health``.

    Raises
    ------
    ConfiguracionError
        ``uri`` is no http(s) address.
    TransientError
        It does not answer, or not with 200.
    """
    try:
        partes = urlsplit(uri)
        valida = partes.scheme in {"http", "https"} and partes.hostname and partes.port != 0
    except ValueError:
        valida = False
    if not valida:
        raise ConfiguracionError(
            "MLFLOW_TRACKING_URI: se esperaba la dirección http(s) de un servidor de MLflow"
        )
    # The health of a server is open to all; its clients send user and password apart.
    _ping_http("MLflow", uri, "/health")


def _ping_http(nombre: str, uri: str, ruta: str) -> None:
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
    partes = check(settings, todas=not opciones.servicios)
    for nombre, donde, mal, ms in partes:
        tabla.add_row(nombre, donde, mal or "bien", f"{ms:.0f}")
    fallo = any(mal for _, _, mal, _ in partes)
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


def _told(latido: Latido) -> str:
    """Return what a consumer says of itself, in a line."""
    partes = [f"particiones {', '.join(map(str, latido.particiones)) or 'ninguna'}"]
    partes.append(f"{latido.lecturas:,} lecturas".replace(",", "."))
    partes.append(latido.version_modelo or "solo reglas")
    if latido.modelo_rechazado:
        partes.append(f"rechaza {latido.modelo_rechazado}: {latido.rechazo}")
    if latido.espera:
        partes.append(f"espera: {latido.espera}")
    return "; ".join(partes)


if __name__ == "__main__":
    sys.exit(run(main))
