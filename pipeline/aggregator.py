"""``consumo agregar``: hourly readings become monthly documents (``pipeline.jobs.aggregate``)."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime

from pipeline.jobs.aggregate import aggregate, say
from pipeline.stores.months import mes_de
from serving.cli import HECHO, Parser, run


def _mes(texto: str) -> date:
    try:
        return mes_de(texto)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"«{texto}» no es un mes; se espera AAAA-MM, como 2026-01"
        ) from None


def main(argv: Sequence[str]) -> int:
    """Aggregate, and say in one line what was done."""
    parser = Parser(
        "consumo agregar",
        "Suma las lecturas de PostgreSQL, archivadas incluidas, por cliente y mes local, y las "
        "guarda en consumos_mensuales de MongoDB. Sin argumentos, los meses que han cambiado "
        "desde la última vez. Repetirlo no cambia nada; se puede interrumpir en cualquier momento. "
        "Un mes sin lecturas no es un fallo: se dice y el estado de salida es 0.",
    )
    parser.add_argument(
        "mes", nargs="?", type=_mes, metavar="AAAA-MM", help="solo ese mes, haya cambiado o no"
    )
    opciones, settings = parser.start(argv)
    inicio = time.perf_counter()
    resultado = aggregate(settings, opciones.mes, datetime.now(UTC))
    print(say(resultado, opciones.mes, time.perf_counter() - inicio))  # noqa: T201
    return HECHO


if __name__ == "__main__":
    sys.exit(run(main))
