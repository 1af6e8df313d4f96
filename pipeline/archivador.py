"""``consumo archivar``: what is old goes to the archive (``pipeline.jobs.archive``)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date, timedelta

from pipeline.jobs.archive import archive, report
from pipeline.jobs.archive_stores import AMBOS, MONGO, POSTGRES, Almacen, today
from serving.cli import Parser, entero, run
from serving.logs import configure_logs
from serving.settings import load_settings

DIAS = 30
DIAS_AGRESIVO = 7
"""Both as in the specification."""
DIAS_MINIMOS = 2
"""Readings of today and yesterday still come and are corrected, and the stores keep these two
days out of the archive (``mongo.day_marks.DIAS_SIEMPRE_VIVOS``)."""
DIAS_MAXIMOS = 36_500
"""A hundred years: no reading is older (contract 2)."""


def _dias(texto: str) -> int:
    dias = entero(0, DIAS_MAXIMOS)(texto)
    if dias < DIAS_MINIMOS:
        raise argparse.ArgumentTypeError(
            f"el mínimo es {DIAS_MINIMOS}, porque las lecturas de hoy y de ayer todavía llegan y "
            f"se corrigen; se dio {dias}"
        )
    return dias


def _parser() -> Parser:
    parser = Parser(
        "consumo archivar",
        "Lleva al archivo las lecturas (PostgreSQL) y las anomalías (MongoDB) de hace más de "
        f"{DIAS} días, y dice cuántas, el espacio liberado y el ritmo. Se puede interrumpir en "
        "cualquier momento y repetir. Los días restaurados se quedan hasta su fecha. Si falta un "
        "almacén se hace el otro, y el estado de salida es 1; sin PostgreSQL, que guarda el "
        "cerrojo, no se mueve nada.",
    )
    cuando = parser.add_mutually_exclusive_group()
    cuando.add_argument(
        "--agresivo", action="store_true", help=f"lo de hace más de {DIAS_AGRESIVO} días"
    )
    cuando.add_argument(
        "--dias", type=_dias, metavar="N", help=f"lo de hace más de N días, {DIAS_MINIMOS} o más"
    )
    parser.add_argument(
        "--reporte", action="store_true", help="dice qué se archivaría, sin cambiar nada"
    )
    donde = parser.add_mutually_exclusive_group()
    donde.add_argument("--solo-postgres", action="store_true", help="solo las lecturas")
    donde.add_argument("--solo-mongodb", action="store_true", help="solo las anomalías")
    return parser


def main(argv: Sequence[str], hoy: date | None = None) -> int:
    """Archive or report, and say in a line for each store what was done.

    ``hoy``: local day; None = that of now.
    """
    opciones = _parser().parse_args(argv)
    settings = load_settings()
    configure_logs(settings.nivel_log)
    hoy = hoy or today(settings)
    dias = opciones.dias or (DIAS_AGRESIVO if opciones.agresivo else DIAS)
    almacenes: tuple[Almacen, ...] = AMBOS
    if opciones.solo_postgres:
        almacenes = (POSTGRES,)
    elif opciones.solo_mongodb:
        almacenes = (MONGO,)
    hacer = report if opciones.reporte else archive
    return hacer(settings, almacenes, hoy - timedelta(days=dias), hoy)


if __name__ == "__main__":
    sys.exit(run(main))
