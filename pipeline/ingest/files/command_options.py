"""What the commands that read a meter file share: options, progress, and what they refuse."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.blocks import LecturaDeParteError
from pipeline.ingest.files.text_cells import describe_lines

UNIDADES = ("Wh", "kWh", "MWh")


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Give a command the options that say how a file is to be read."""
    parser.add_argument(
        "--perfil",
        type=Path,
        metavar="X.toml",
        help="disposición propia del archivo, descrita en TOML (docs/formatos.md)",
    )
    parser.add_argument(
        "--unidad",
        choices=UNIDADES,
        default="",
        help="unidad del consumo, si el archivo no la dice o la dice mal",
    )


@contextlib.contextmanager
def show_progress(titulo: str) -> Iterator[Callable[[float], None]]:
    """Give a function that is told the part done; it shows where somebody looks."""
    if not sys.stderr.isatty():
        yield lambda _parte: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columnas = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columnas, TimeElapsedColumn(), console=Console(stderr=True)) as barra:
        tarea = barra.add_task(titulo, total=1.0)
        yield lambda parte: barra.update(tarea, completed=parte)


def describe_rejected(rechazadas: Iterable[tuple[int, LecturaInvalidaError]]) -> Iterator[str]:
    """Yield a line for each reason: how many rows, which lines, and what the first one has.

    Examples
    --------
    >>> error = LecturaInvalidaError("consumo_kwh_negativo", "-1 kWh es menor que cero")
    >>> list(describe_rejected([(7, error), (8, error), (12, error)]))
    ['  consumo_kwh_negativo: 3 (líneas 7-8, 12); la primera: -1 kWh es menor que cero']
    """
    por_motivo: dict[tuple[str, str], list[int]] = {}
    primeras: dict[tuple[str, str], str] = {}
    for linea, error in rechazadas:
        clave = error.motivo, error.parte if isinstance(error, LecturaDeParteError) else ""
        por_motivo.setdefault(clave, []).append(linea)
        primeras.setdefault(clave, error.detalle)
    for clave, lineas in por_motivo.items():
        texto = describe_lines(lineas)
        yield f"  {clave[0]}: {len(lineas)} ({texto}); la primera: {primeras[clave]}"
