"""``consumo archivar``: what is old goes to the archive (``pipeline.jobs.archive``)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date, timedelta

from pipeline.jobs.archive import (
    AMBOS,
    ARCHIVO_MONGO,
    ARCHIVO_POSTGRES,
    DIAS_MAXIMOS,
    Almacen,
    archive,
    report,
    today,
)
from serving.cli import Parser, entero, run

_DIAS = 30
_DIAS_AGRESIVO = 7
"""Both as in the specification."""
_DIAS_MINIMOS = 2
"""Readings of today and yesterday still come and are corrected, and the stores keep these two
days out of the archive (``mongo.day_marks.DIAS_SIEMPRE_VIVOS``)."""


def _dias(texto: str) -> int:
    dias = entero(0, DIAS_MAXIMOS)(texto)
    if dias < _DIAS_MINIMOS:
        raise argparse.ArgumentTypeError(
            f"el mínimo es {_DIAS_MINIMOS}, porque las lecturas de hoy y de ayer todavía llegan y "
            f"se corrigen; se dio {dias}"
        )
    return dias


def _parser() -> Parser:
    parser = Parser(
        "consumo archivar",
        "Lleva al archivo las lecturas (PostgreSQL) y las anomalías (MongoDB) de hace más de "
        f"{_DIAS} días, y dice cuántas, el espacio liberado y el ritmo. Se puede interrumpir en "
        "cualquier momento y repetir. Los días restaurados se quedan hasta su fecha. Si falta un "
        "almacén se hace el otro, y el estado de salida es 1; sin PostgreSQL, que guarda el "
        "cerrojo, no se mueve nada.",
    )
    cuando = parser.add_mutually_exclusive_group()
    cuando.add_argument(
        "--agresivo", action="store_true", help=f"lo de hace más de {_DIAS_AGRESIVO} días"
    )
    cuando.add_argument(
        "--dias", type=_dias, metavar="N", help=f"lo de hace más de N días, {_DIAS_MINIMOS} o más"
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
    opciones, settings = _parser().start(argv)
    hoy = hoy or today(settings)
    dias = opciones.dias or (_DIAS_AGRESIVO if opciones.agresivo else _DIAS)
    almacenes: tuple[Almacen, ...] = AMBOS
    if opciones.solo_postgres:
        almacenes = (ARCHIVO_POSTGRES,)
    elif opciones.solo_mongodb:
        almacenes = (ARCHIVO_MONGO,)
    hacer = report if opciones.reporte else archive
    return hacer(settings, almacenes, hoy - timedelta(days=dias), hoy)


if __name__ == "__main__":
    sys.exit(run(main))
