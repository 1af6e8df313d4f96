"""``consumo salud``: does every part answer? The exit status says it."""

from __future__ import annotations

import http.client
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from detection.errors import ConfiguracionError, ConsumoError, TransientError
from pipeline.almacenes.mongo import MongoAnomalyStore
from pipeline.almacenes.postgres import PostgresStore
from pipeline.kafka_temas import ping_kafka
from serving.cli import FALLO, HECHO, Parser, run
from serving.settings import Settings, load_settings

MLFLOW_S = 3.0
"""As long as the other parts are given to answer (PostgreSQL, Kafka)."""


def check(settings: Settings) -> list[tuple[str, str, str | None, float]]:
    """Return, for each part: its name, its address, None or what is wrong, and the ms it took."""
    partes: list[tuple[str, str, Callable[[], None]]] = [
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
            _sin_credenciales(settings.mlflow_tracking_uri),
            lambda: ping_mlflow(settings.mlflow_tracking_uri),
        ),
    ]
    resultado = []
    for nombre, donde, llamar in partes:
        inicio = time.perf_counter()
        mal: str | None = None
        try:
            llamar()
        except ConsumoError as error:
            mal = str(error)
        resultado.append((nombre, donde, mal, 1000 * (time.perf_counter() - inicio)))
    return resultado


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
    donde = _sin_credenciales(uri).rstrip("/")
    try:
        # The scheme has just been looked at.
        with urllib.request.urlopen(f"{donde}/health", timeout=MLFLOW_S):  # nosec B310
            return
    except urllib.error.HTTPError as error:
        with error:
            raise TransientError(f"MLflow responde {error.code} en {donde}/health") from error
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(f"MLflow no responde en {donde}") from error


def _sin_credenciales(uri: str) -> str:
    """Return an address without the user and password that it may carry."""
    principio, separador, resto = uri.partition("://")
    if not separador:
        return uri
    servidor, barra, ruta = resto.partition("/")
    return f"{principio}://{servidor.rpartition('@')[2]}{barra}{ruta}"


def main(argv: Sequence[str]) -> int:
    """Print the health of every part; 0 if all answer, 1 otherwise."""
    parser = Parser("consumo salud", "Comprueba que PostgreSQL, MongoDB, Kafka y MLflow respondan.")
    parser.parse_args(argv)
    partes = check(load_settings())
    tabla = Table("parte", "dirección", "estado", "ms")
    for nombre, donde, mal, ms in partes:
        tabla.add_row(nombre, donde, mal or "bien", f"{ms:.0f}")
    Console().print(tabla)
    return FALLO if any(mal for _, _, mal, _ in partes) else HECHO


if __name__ == "__main__":
    sys.exit(run(main))
