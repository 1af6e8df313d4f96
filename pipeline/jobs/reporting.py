"""What jobs show: a table by months, a bar, and the line of what was done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from zoneinfo import ZoneInfo

from detection.number_format import numero
from pipeline.stores.archive import MesArchivo
from pipeline.stores.months import mes_str

ANCHO_SIN_PANTALLA = 110
"""Columns of a table that goes to a file or a log: the widest one fits."""


@contextmanager
def progress_bar(
    texto: str, contar: Callable[[], int | None]
) -> Iterator[Callable[[int, str | None], None]]:
    """Give a function that is told how many more are done, and what is being done if it changes.

    It shows where somebody looks.

    ``contar``: how many there are, None = nobody knows; asked only if it is shown.
    """
    if not sys.stderr.isatty():
        yield lambda _n, _texto: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columnas = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columnas, TimeElapsedColumn(), console=Console(stderr=True)) as barra:
        tarea = barra.add_task(texto, total=contar())
        yield lambda n, que: barra.update(tarea, advance=n, description=que)


def show_months(titulo: str, varios: str, meses: Sequence[MesArchivo], zona: str) -> None:
    """Print what each month holds, and all of them together.

    ``varios``: what they hold. ``zona``: IANA zone of the days that are shown.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    tabla = Table(box=box.SIMPLE, show_footer=True)
    con_severidad = any(mes.por_severidad for mes in meses)
    total = numero(sum(mes.registros for mes in meses), 0)
    ocupan = [mes.espacio_mb for mes in meses if mes.espacio_mb is not None]
    tabla.add_column("mes", footer="total", no_wrap=True)
    tabla.add_column(varios, footer=total, justify="right")
    tabla.add_column("desde", no_wrap=True)
    tabla.add_column("hasta", no_wrap=True)
    todos = sum(ocupan) if len(ocupan) == len(meses) else None
    tabla.add_column("MB", footer=megabytes(todos), justify="right")
    if con_severidad:
        tabla.add_column("severidad")
    for mes in meses:
        dias = [t.astimezone(ZoneInfo(zona)).date().isoformat() for t in (mes.desde, mes.hasta)]
        fila = [mes_str(mes.mes), numero(mes.registros, 0), *dias, megabytes(mes.espacio_mb)]
        graves = ", ".join(f"{cual} {numero(n, 0)}" for cual, n in mes.por_severidad.items())
        tabla.add_row(*fila, *([graves] if con_severidad else []))
    ancho = None if sys.stdout.isatty() else ANCHO_SIN_PANTALLA
    consola = Console(width=ancho, highlight=False)
    # Not the table's own title, which is as narrow as the table.
    consola.print(titulo, style="bold", soft_wrap=True)
    consola.print(tabla)


def megabytes(espacio: float | None) -> str:
    """Return a space for the user, None = nobody knows."""
    return "?" if espacio is None else numero(espacio, 2)
