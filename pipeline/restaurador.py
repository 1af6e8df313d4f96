"""``consumo restaurar``: what the archive holds, days of it brought back, or deleted for good.

The counterpart of ``pipeline.archivador``. Restored days stay until their date, so that the next
archiver does not take them back at once. Only what is in the archive can be deleted here.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import date, timedelta

from detection.errors import PermanentError
from detection.texts import numero
from pipeline.jobs.archive_report import Cronometro, bar, say_moved, show_table
from pipeline.jobs.archive_stores import AMBOS, Almacen, Archivo, in_each, one_at_a_time, today
from serving.cli import HECHO, Parser, entero, run
from serving.local_time import PRIMER_ANIO
from serving.logs import configure_logs
from serving.settings import Settings, load_settings

RETENER_DIAS = 30
"""How long restored days stay; the specification's age of archiving."""
ELIMINAR_DIAS_MINIMOS = 30
DIAS_MAXIMOS = 36_500
UN_DIA = timedelta(days=1)


def show_archive(settings: Settings) -> int:
    """Return the exit status of showing what both archives hold."""

    def show(almacen: Almacen, archivo: Archivo) -> None:
        titulo = f"{almacen.varios} archivadas"
        show_table(almacen, titulo, archivo.listar(), settings.zona_horaria)

    return in_each(settings, AMBOS, show)


def restore(settings: Settings, desde: date, hasta: date, retenido_hasta: date) -> int:
    """Return the exit status of bringing local days back, ``hasta`` included.

    Raises
    ------
    TransientError
        Another archiver or restorer is at work, or PostgreSQL, which keeps the lock, is away.
    """

    def move(almacen: Almacen, archivo: Archivo) -> None:
        def contar() -> int:
            return archivo.contar(hasta + UN_DIA) - archivo.contar(desde)

        reloj = Cronometro()
        with bar(f"{almacen.nombre}: restaurando", contar) as avance:
            movidos = archivo.restaurar(desde, hasta, retenido_hasta, avance)
        cuales = f"del {desde} al {hasta}"
        texto = say_moved(almacen, "restaurada", cuales, movidos, reloj.segundos())
        if not movidos.registros:
            texto = f"{almacen.nombre}: no hay {almacen.varios} archivadas {cuales}"
        print(texto)  # noqa: T201

    with one_at_a_time(settings):
        estado = in_each(settings, AMBOS, move)
    if estado == HECHO:
        print(f"El archivador dejará esos días donde están hasta el {retenido_hasta}, incluido.")  # noqa: T201
    return estado


def delete(settings: Settings, antes_de: date, *, preguntar: bool) -> int:
    """Return the exit status of deleting archived days before ``antes_de``, for good.

    Parameters
    ----------
    preguntar : bool
        Ask for the number of rows first; nobody is kept waiting for the answer.

    Raises
    ------
    PermanentError
        The answer is another number, or there are more or fewer by now: nothing is deleted.
    TransientError
        A store is away, so that nobody can tell how many they are; nothing is deleted.
    """
    cuentas = _count(settings, antes_de)
    if not sum(cuentas):
        print(f"no hay nada archivado de antes del {antes_de}")  # noqa: T201
        return HECHO
    if preguntar:
        _confirm(cuentas, antes_de)

    def remove(almacen: Almacen, archivo: Archivo) -> None:
        reloj = Cronometro()
        with bar(f"{almacen.nombre}: eliminando", lambda: archivo.contar(antes_de)) as avance:
            movidos = archivo.eliminar(antes_de, avance)
        cuales = f"de antes del {antes_de}"
        print(say_moved(almacen, "eliminada", cuales, movidos, reloj.segundos()))  # noqa: T201

    with one_at_a_time(settings):
        ahora = _count(settings, antes_de)
        if preguntar and ahora != cuentas:
            raise PermanentError(
                f"mientras tanto ha cambiado el archivo: ahora son {_both(ahora)}; no se ha "
                "eliminado nada, repita la orden"
            )
        return in_each(settings, AMBOS, remove)


def _count(settings: Settings, antes_de: date) -> list[int]:
    """Return how many of the days before ``antes_de`` each archive holds."""
    cuentas = []
    for almacen in AMBOS:
        with closing(almacen.abrir(settings)) as archivo:
            cuentas.append(archivo.contar(antes_de))
    return cuentas


def _both(cuentas: Sequence[int]) -> str:
    return " y ".join(
        f"{numero(n, 0)} {almacen.uno if n == 1 else almacen.varios}"
        for n, almacen in zip(cuentas, AMBOS, strict=True)
    )


def _confirm(cuentas: Sequence[int], antes_de: date) -> None:
    """Return once the number of rows has been typed."""
    total = sum(cuentas)
    print(  # noqa: T201
        f"Se van a eliminar del archivo, para siempre, {_both(cuentas)} de antes del {antes_de}: "
        f"{numero(total, 0)} en total. No hay vuelta atrás."
    )
    try:
        respuesta = input("Para confirmarlo, escriba cuántas son en total: ")
    except EOFError:
        respuesta = ""
    if respuesta.replace(".", "").strip() != str(total):
        raise PermanentError("no es ese número: no se ha eliminado nada")


def _fecha(texto: str) -> date:
    """Return a day of the command line."""
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

    Parameters
    ----------
    hoy : date or None
        Local day; None = that of now.
    """
    parser = _parser()
    opciones = parser.parse_args(argv)
    settings = load_settings()
    hoy = hoy or today(settings)
    _check(parser, opciones, hoy)
    configure_logs(settings.nivel_log)
    if opciones.listar:
        return show_archive(settings)
    if opciones.restaurar:
        retenido_hasta = hoy + timedelta(days=opciones.retener or RETENER_DIAS)
        return restore(settings, opciones.fecha_inicio, opciones.fecha_fin, retenido_hasta)
    antes_de = hoy - timedelta(days=opciones.dias)
    return delete(settings, antes_de, preguntar=not opciones.si)


if __name__ == "__main__":
    sys.exit(run(main))
