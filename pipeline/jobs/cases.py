"""``consumo casos``: what has changed at customers and goes on, most to recover first."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path

from detection.domain import ROTULOS
from detection.errors import PermanentError
from detection.number_format import numero, porcentaje
from pipeline.stores.case_records import CASOS_MAXIMOS, CasoResumen, FiltroCasos
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.mongo.query_cases import ORDENES
from pipeline.stores.query_limits import por_tramos
from pipeline.stores.query_ports import CaseQueries
from pipeline.stores.record_columns import columns, csv_pieces
from serving.cli import HECHO, Parser, describe_os, entero, run
from serving.settings import Settings

LIMITE = 20
"""Cases that are shown if nobody says how many."""
ANCHO_SIN_PANTALLA = 110
"""Columns where nobody's terminal says how many there are."""


def _parser() -> Parser:
    parser = Parser(
        "consumo casos",
        "Los casos abiertos: qué ha cambiado en el consumo de un cliente y sigue, desde cuándo, "
        "cuánto gastaba al día antes y cuánto ahora, lo que hay en juego, con su margen, y en qué "
        "está y quién lo lleva. Primero donde más se recupera: la energía en juego por la "
        "probabilidad de que haya algo.",
    )
    parser.add_argument(
        "--todos", action="store_true", help="también los que acabaron o alguien ha juzgado"
    )
    parser.add_argument(
        "--orden",
        choices=list(ORDENES),
        default=next(iter(ORDENES)),
        help="por lo que se recupera, por probabilidad o los que empezaron antes",
    )
    parser.add_argument(
        "--limite",
        type=entero(1),
        metavar="N",
        help=f"cuántos como mucho (por defecto, {LIMITE}; en un archivo, todos)",
    )
    parser.add_argument(
        "--pdf",
        metavar="ID",
        help="el informe de un caso, en PDF: de los mismos datos, el mismo archivo",
    )
    parser.add_argument(
        "--salida",
        type=Path,
        metavar="P.csv",
        help="los escribe en un CSV, con todos sus campos; con --pdf, dónde queda el informe",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Show the cases, or write them to a file; return the exit status."""
    opciones, settings = _parser().start(argv)
    if opciones.pdf is not None:
        print(_write_report(settings, opciones.pdf, opciones.salida))  # noqa: T201
        return HECHO
    with closing(MongoQueries(settings)) as consultas:
        casos = _read(consultas.cases, opciones.orden, solo_abiertos=not opciones.todos)
        if opciones.salida is not None:
            escritos = _write(opciones.salida, islice(casos, opciones.limite))
            print(f"{_some(escritos)} en {opciones.salida}")  # noqa: T201
            return HECHO
        limite = opciones.limite or LIMITE
        primeros = list(islice(casos, limite + 1))
    if not primeros:
        print("ningún caso" if opciones.todos else "ningún caso abierto")  # noqa: T201
        return HECHO
    varios = "s" * (len(primeros[:limite]) != 1)
    _show(primeros[:limite], "" if opciones.todos else f" abierto{varios}")
    if len(primeros) > limite:
        print("Hay más: --limite N los enseña, y --salida P.csv los escribe todos.")  # noqa: T201
    return HECHO


def _read(consultas: CaseQueries, orden: str, *, solo_abiertos: bool) -> Iterator[CasoResumen]:
    filtro = FiltroCasos(solo_abiertos=solo_abiertos)
    page = partial(consultas.page, filtro, orden=orden, limite=CASOS_MAXIMOS)
    for tramo in por_tramos(lambda cursor: page(cursor=cursor)):
        yield from tramo


def _write_report(settings: Settings, id_caso: str, salida: Path | None) -> str:
    """Write the report of a case, and return where it is and by what it is known."""
    from pipeline.evidence.facts import gather_facts
    from pipeline.evidence.report import make_report
    from pipeline.stores.postgres.queries import PostgresQueries

    with closing(MongoQueries(settings)) as consultas, closing(PostgresQueries(settings)) as dias:
        hechos = gather_facts(id_caso, consultas, dias)
    if hechos is None:
        raise PermanentError(f"no existe el caso {id_caso}")
    pdf = make_report(hechos)
    ruta = salida or Path(f"caso_{re.sub(r'[^A-Za-z0-9_.-]', '_', id_caso)}.pdf")
    try:
        ruta.write_bytes(pdf)
    except OSError as error:
        raise PermanentError(f"no se puede escribir {ruta}: {describe_os(error)}") from error
    return f"informe de {id_caso} en {ruta} (SHA-256 {hashlib.sha256(pdf).hexdigest()})"


def _some(casos: int) -> str:
    return f"{numero(casos, 0)} caso{'s' * (casos != 1)}"


def _write(ruta: Path, casos: Iterator[CasoResumen]) -> int:
    """Write cases to a CSV, as the API's; return how many."""
    escritos = 0

    def counted() -> Iterator[list[CasoResumen]]:
        nonlocal escritos
        for caso in casos:
            escritos += 1
            yield [caso]

    try:
        with ruta.open("wb") as archivo:
            archivo.writelines(csv_pieces(columns(CasoResumen), counted(), excel=False))
    except OSError as error:
        raise PermanentError(f"no se puede escribir {ruta}: {describe_os(error)}") from error
    return escritos


def _show(casos: Sequence[CasoResumen], cuales: str) -> None:
    """Print a table of cases, and below it what each is about."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    tabla = Table(box=box.SIMPLE)
    for texto in ("cliente", "desde", "qué parece", "estado"):
        tabla.add_column(texto, no_wrap=texto != "qué parece")
    for cifra in ("días", "kWh al día", "en juego", "prob."):
        tabla.add_column(cifra, justify="right", no_wrap=True)
    for caso in casos:
        celdas = (
            caso.propietario_id,
            caso.fecha_inicio.isoformat(),
            _what(caso.tipo),
            "\n".join(filter(None, (caso.estado, caso.asignado_a))),
            numero(caso.dias, 0),
            f"{_kwh(caso.consumo_antes_kwh)} → {_kwh(caso.consumo_despues_kwh)}",
            _at_stake(caso),
            porcentaje(caso.probabilidad),
        )
        # A customer's name is no markup.
        tabla.add_row(*map(Text, celdas))
    ancho = None if sys.stdout.isatty() else ANCHO_SIN_PANTALLA
    consola = Console(width=ancho, highlight=False)
    consola.print(f"{_some(len(casos))}{cuales}", style="bold", soft_wrap=True)
    consola.print(tabla)
    for caso in casos:
        consola.print(Text(f"{caso.propietario_id}: {caso.frase}"), soft_wrap=True)


def _what(tipo: str) -> str:
    return ROTULOS.get(tipo, tipo)


def _kwh(energia: float) -> str:
    return numero(energia, 1 if energia < 100 else 0)


def _at_stake(caso: CasoResumen) -> str:
    """Return the energy and the money at stake, each with its range."""
    lineas = []
    for unidad, simbolo in (("kwh", "kWh"), ("eur", "€")):
        suyas = (
            numero(getattr(caso, f"energia_{cual}_{unidad}"), 0)
            for cual in ("en_juego", "minima", "maxima")
        )
        lineas.append("{} {simbolo} ({} a {})".format(*suyas, simbolo=simbolo))
    return "\n".join(lineas)


if __name__ == "__main__":
    sys.exit(run(main))
