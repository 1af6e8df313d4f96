"""What archiver and restorer show: a table by months, a bar, and the line of what was done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from zoneinfo import ZoneInfo

from detection.texts import numero
from pipeline.jobs.archive_stores import Almacen, Avance
from pipeline.stores.archive_records import MesAnomalias, MesArchivo, Movidos
from pipeline.stores.months import mes_str

ANCHO_SIN_PANTALLA = 110
"""Columns of a table that goes to a file or a log: the widest one fits."""


def show_table(almacen: Almacen, titulo: str, meses: Sequence[MesArchivo], zona: str) -> None:
    """Print what each month holds, and all of them together.

    Parameters
    ----------
    zona : str
        IANA zone of the days that are shown.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    tabla = Table(box=box.SIMPLE, show_footer=True)
    con_severidad = any(isinstance(mes, MesAnomalias) for mes in meses)
    tabla.add_column("mes", footer="total", no_wrap=True)
    tabla.add_column(
        almacen.varios, footer=numero(sum(m.registros for m in meses), 0), justify="right"
    )
    tabla.add_column("desde", no_wrap=True)
    tabla.add_column("hasta", no_wrap=True)
    tabla.add_column("MB", footer=_mb(_total_mb(meses)), justify="right")
    if con_severidad:
        tabla.add_column("severidad")
    for mes in meses:
        dias = [t.astimezone(ZoneInfo(zona)).date().isoformat() for t in (mes.desde, mes.hasta)]
        fila = [mes_str(mes.mes), numero(mes.registros, 0), *dias, _mb(mes.espacio_mb)]
        tabla.add_row(*fila, *([_severidad(mes)] if con_severidad else []))
    ancho = None if sys.stdout.isatty() else ANCHO_SIN_PANTALLA
    consola = Console(width=ancho, highlight=False)
    # Not the table's own title, which is as narrow as the table.
    consola.print(f"{almacen.nombre}: {titulo}", style="bold", soft_wrap=True)
    consola.print(tabla)


@contextmanager
def bar(texto: str, contar: Callable[[], int]) -> Iterator[Avance]:
    """Give a function that is told the progress; it shows where somebody looks.

    Parameters
    ----------
    contar : callable
        How many there are to move; asked only if it is shown.
    """
    if not sys.stderr.isatty():
        yield lambda _n: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columnas = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columnas, TimeElapsedColumn(), console=Console(stderr=True)) as barra:
        tarea = barra.add_task(texto, total=contar())
        yield lambda n: barra.update(tarea, advance=n)


class Cronometro:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._inicio = time.perf_counter()

    def segundos(self) -> float:
        """Return how many have passed."""
        return time.perf_counter() - self._inicio


def say_moved(almacen: Almacen, hecho: str, cuales: str, movidos: Movidos, segundos: float) -> str:
    """Return the line of what was done in a store, for the user.

    Parameters
    ----------
    hecho : str
        What was done with one, as "archivada".
    cuales : str
        Which they were.

    Examples
    --------
    >>> from pipeline.jobs.archive_stores import POSTGRES
    >>> say_moved(POSTGRES, "archivada", "de antes del 2026-10-25", Movidos(1200, 0.5), 2.0)
    'PostgreSQL: 1.200 lecturas archivadas, de antes del 2026-10-25; 0,50 MB liberados; 2,0 s (600 lecturas/s)'
    """  # noqa: E501
    n = movidos.registros
    cosa = almacen.uno if n == 1 else almacen.varios
    liberado = movidos.espacio_liberado_mb
    espacio = "espacio sin medir" if liberado is None else f"{_mb(liberado)} MB liberados"
    ritmo = numero(n / max(segundos, 1e-9), 0)
    return (
        f"{almacen.nombre}: {numero(n, 0)} {cosa} {hecho}{'s' * (n != 1)}, {cuales}; {espacio}; "
        f"{numero(segundos, 1)} s ({ritmo} {almacen.varios}/s)"
    )


def _total_mb(meses: Sequence[MesArchivo]) -> float | None:
    conocidos = [mes.espacio_mb for mes in meses if mes.espacio_mb is not None]
    return None if len(conocidos) < len(meses) else sum(conocidos)


def _mb(espacio: float | None) -> str:
    return "?" if espacio is None else numero(espacio, 2)


def _severidad(mes: MesArchivo) -> str:
    """Return how many of each severidad a month holds, the gravest first."""
    cuenta = mes.por_severidad if isinstance(mes, MesAnomalias) else {}
    return ", ".join(f"{severidad} {numero(n, 0)}" for severidad, n in cuenta.items())
