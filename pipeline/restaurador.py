"""``consumo restaurar``: what the archive holds, days of it back, or gone for good.

The counterpart of ``pipeline.archivador``; the work is in ``pipeline.jobs.restore``.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import date, timedelta

from pipeline.jobs.archive import DIAS_MAXIMOS, today
from pipeline.jobs.restore import delete, restore, show_archive
from serving.cli import Parser, entero, run
from serving.local_time import PRIMER_ANIO

RETENER_DIAS = 30
"""How long restored days stay; the specification's age of archiving."""
ELIMINAR_DIAS_MINIMOS = 30


def _fecha(texto: str) -> date:
    # fromisoformat would also take weeks.
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", texto, re.ASCII):
        try:
            dia = date.fromisoformat(texto)
        except ValueError:
            raise argparse.ArgumentTypeError(f"«{texto}» no está en el calendario") from None
        if dia.year < PRIMER_ANIO:
            raise argparse.ArgumentTypeError(
                f"no hay lecturas anteriores a {PRIMER_ANIO}; se dio {texto}"
            )
        return dia
    raise argparse.ArgumentTypeError(
        f"«{texto}» no es una fecha; se espera AAAA-MM-DD, como 2026-01-31"
    )


def _parser() -> Parser:
    parser = Parser(
        "consumo restaurar",
        "Enseña el archivo, devuelve días de él a las tablas de siempre o los elimina para "
        "siempre. Se puede interrumpir en cualquier momento y repetir.",
    )
    accion = parser.add_mutually_exclusive_group(required=True)
    accion.add_argument("--listar", action="store_true", help="dice qué hay archivado, por meses")
    accion.add_argument(
        "--restaurar", action="store_true", help="devuelve los días de --fecha-inicio a --fecha-fin"
    )
    accion.add_argument(
        "--eliminar-permanentemente",
        action="store_true",
        help="elimina del archivo lo de hace más de --dias días; antes pide escribir cuánto es",
    )
    for opcion, ayuda in (
        ("--fecha-inicio", "primer día que se restaura"),
        ("--fecha-fin", "último día que se restaura, incluido"),
    ):
        parser.add_argument(opcion, type=_fecha, metavar="AAAA-MM-DD", help=ayuda)
    parser.add_argument(
        "--retener",
        type=entero(1, DIAS_MAXIMOS),
        metavar="DIAS",
        help="días que lo restaurado se queda antes de que el archivador lo vuelva a llevar "
        f"(por defecto: {RETENER_DIAS})",
    )
    parser.add_argument(
        "--dias",
        type=entero(ELIMINAR_DIAS_MINIMOS, DIAS_MAXIMOS),
        metavar="N",
        help=f"edad de lo que se elimina, {ELIMINAR_DIAS_MINIMOS} días o más",
    )
    parser.add_argument("--si", action="store_true", help="elimina sin preguntar")
    return parser


def _check(parser: Parser, opciones: argparse.Namespace, hoy: date) -> None:
    """Return if the options go together; leave with wrong usage otherwise."""
    de_cada = {
        "restaurar": ("fecha_inicio", "fecha_fin", "retener"),
        "eliminar_permanentemente": ("dias", "si"),
    }
    for accion, suyas in de_cada.items():
        dadas = [o for o in suyas if getattr(opciones, o) not in {None, False}]
        if dadas and not getattr(opciones, accion):
            parser.error(f"{_flag(dadas[0])} solo se admite junto a {_flag(accion)}")
    if opciones.restaurar:
        if None in {opciones.fecha_inicio, opciones.fecha_fin}:
            parser.error("--restaurar necesita --fecha-inicio y --fecha-fin")
        if opciones.fecha_inicio > opciones.fecha_fin:
            parser.error(
                f"--fecha-inicio ({opciones.fecha_inicio}) es posterior a --fecha-fin "
                f"({opciones.fecha_fin})"
            )
        if opciones.fecha_fin > hoy:
            parser.error(f"--fecha-fin ({opciones.fecha_fin}) es posterior a hoy ({hoy})")
    if opciones.eliminar_permanentemente:
        if opciones.dias is None:
            parser.error("--eliminar-permanentemente necesita --dias")
        if not opciones.si and not sys.stdin.isatty():
            parser.error("sin un terminal en que preguntar, eliminar necesita --si")


def _flag(nombre: str) -> str:
    return f"--{nombre.replace('_', '-')}"


def main(argv: Sequence[str], hoy: date | None = None) -> int:
    """List, restore or delete, and say what was done.

    ``hoy``: local day; None = that of now.
    """
    parser = _parser()
    opciones, settings = parser.start(argv)
    hoy = hoy or today(settings)
    _check(parser, opciones, hoy)
    if opciones.listar:
        return show_archive(settings)
    if opciones.restaurar:
        retenido_hasta = hoy + timedelta(days=opciones.retener or RETENER_DIAS)
        return restore(settings, opciones.fecha_inicio, opciones.fecha_fin, retenido_hasta)
    antes_de = hoy - timedelta(days=opciones.dias)
    return delete(settings, antes_de, preguntar=not opciones.si)


if __name__ == "__main__":
    sys.exit(run(main))
