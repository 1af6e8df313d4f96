"""``consumo contexto``: what the utility knows of its customers, stored or deleted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from detection.number_format import numero
from pipeline.ingest.context_file import read_context
from pipeline.ingest.files.text_cells import brief
from pipeline.stores.customer_context import CAMPOS_CONTEXTO
from pipeline.stores.ports import ContextStore
from pipeline.stores.postgres.customer_context import PostgresContextStore
from pipeline.stores.postgres.migrations.apply import migrate
from serving.cli import FALLO, HECHO, Parser, run
from serving.settings import Settings


def _parser() -> Parser:
    parser = Parser(
        "consumo contexto",
        "Guarda lo que la distribuidora sabe de sus clientes, todo opcional: de un CSV con la "
        f"columna propietario_id y las que haya de {', '.join(CAMPOS_CONTEXTO)}. Una celda vacía "
        "deja lo que se sabía; repetirlo no cambia nada. Con un valor malo no se guarda nada.",
    )
    accion = parser.add_mutually_exclusive_group(required=True)
    accion.add_argument(
        "--archivo",
        type=Path,
        metavar="P.csv",
        help="lo que se sabe, una línea por cliente; separador «,» o «;», con punto o coma decimal",
    )
    accion.add_argument(
        "--quitar",
        nargs="+",
        metavar="ID",
        help="elimina lo que se sabía de estos clientes; sus lecturas y casos se quedan",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Store or delete, and say how many; return the exit status."""
    opciones, settings = _parser().start(argv)
    if opciones.archivo is not None:
        for linea in load_context(settings, opciones.archivo):
            print(linea)  # noqa: T201
        return HECHO
    migrate(settings)
    with closing(PostgresContextStore(settings)) as almacen:
        return _delete(almacen, opciones.quitar)


def load_context(settings: Settings, ruta: Path) -> list[str]:
    """Store what a CSV tells of customers, and return what was done, for people.

    ``PermanentError``: a value is not valid; nothing is stored. ``TransientError``: PostgreSQL is
    away.
    """
    leido = read_context(ruta, settings.zona_horaria)
    clientes = [uno.propietario_id for uno in leido.contextos]
    migrate(settings)
    with closing(PostgresContextStore(settings)) as almacen:
        almacen.save(leido.contextos)
        nuevos = almacen.without_readings(clientes)
    sin = f"; {numero(nuevos, 0)} de ellos sin ninguna lectura todavía" if nuevos else ""
    dicho = [f"contexto de {_customers(len(clientes))} guardado{sin}"]
    if leido.ajenas:
        nombres = ", ".join(f"«{brief(ajena)}»" for ajena in leido.ajenas)
        dicho.append(f"columnas que no se usan: {nombres}")
    return dicho


def _delete(almacen: ContextStore, pedidos: Sequence[str]) -> int:
    hechos = almacen.delete(pedidos)
    print(f"contexto de {_customers(len(hechos))} eliminado")  # noqa: T201
    faltan = [cliente for cliente in dict.fromkeys(pedidos) if cliente not in hechos]
    if faltan:
        nombres = ", ".join(f"«{brief(cliente)}»" for cliente in faltan)
        print(f"no se sabía nada de {nombres}", file=sys.stderr)  # noqa: T201
    return FALLO if faltan else HECHO


def _customers(cuantos: int) -> str:
    return f"{numero(cuantos, 0)} cliente{'s' * (cuantos != 1)}"


if __name__ == "__main__":
    sys.exit(run(main))
