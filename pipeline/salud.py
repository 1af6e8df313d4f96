"""``consumo salud``: does every part answer? The exit status says it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from detection.errors import ConsumoError
from pipeline.almacenes.mongo import MongoAnomalyStore
from pipeline.almacenes.postgres import PostgresStore
from pipeline.kafka_io import ping_kafka
from serving.cli import FALLO, HECHO, Parser, run
from serving.settings import Settings, load_settings


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


def main(argv: Sequence[str]) -> int:
    """Print the health of every part; 0 if all answer, 1 otherwise."""
    parser = Parser("consumo salud", "Comprueba que PostgreSQL, MongoDB y Kafka responden.")
    parser.parse_args(argv)
    partes = check(load_settings())
    tabla = Table("parte", "dirección", "estado", "ms")
    for nombre, donde, mal, ms in partes:
        tabla.add_row(nombre, donde, mal or "bien", f"{ms:.0f}")
    Console().print(tabla)
    return FALLO if any(mal for _, _, mal, _ in partes) else HECHO


if __name__ == "__main__":
    sys.exit(run(main))
