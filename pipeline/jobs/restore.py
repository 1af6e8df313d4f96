"""What the archive holds: shown, days of it brought back, or deleted for good.

Restored days stay until their date, so that the next archiver does not take them back at once. Only
what is in the archive can be deleted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import date

from detection.errors import PermanentError
from detection.number_format import numero
from pipeline.jobs.archive import AMBOS, Almacen, Tarea, in_each, one_at_a_time
from pipeline.jobs.reporting import show_months
from pipeline.stores.archive import UN_DIA
from pipeline.stores.ports import Archive
from serving.cli import HECHO
from serving.settings import Settings


def show_archive(settings: Settings) -> int:
    """Return the exit status of showing what both archives hold."""

    def show(almacen: Almacen, archivo: Archive) -> None:
        titulo = f"{almacen.nombre}: {almacen.varios} archivadas"
        show_months(titulo, almacen.varios, archivo.listar(), settings.zona_horaria)

    return in_each(settings, AMBOS, show)


def restore(settings: Settings, desde: date, hasta: date, retenido_hasta: date) -> int:
    """Return the exit status of bringing local days back, ``hasta`` included.

    ``TransientError``: another archiver or restorer is at work, or PostgreSQL, which keeps the
    lock, is away.
    """
    restaurar = Tarea(
        haciendo="restaurando",
        hecho="restaurada",
        cuales=f"del {desde} al {hasta}",
        nada="archivadas",
        contar=lambda archivo: archivo.contar(hasta + UN_DIA) - archivo.contar(desde),
        mover=lambda archivo, avance: archivo.restaurar(desde, hasta, retenido_hasta, avance),
    )
    with one_at_a_time(settings):
        estado = in_each(settings, AMBOS, restaurar.run)
    if estado == HECHO:
        print(f"El archivador dejará esos días donde están hasta el {retenido_hasta}, incluido.")  # noqa: T201
    return estado


def delete(settings: Settings, antes_de: date, *, preguntar: bool) -> int:
    """Return the exit status of deleting archived days before ``antes_de``, for good.

    ``preguntar``: ask for the number of rows first; nobody is kept waiting for the answer.
    ``PermanentError``: the answer is another number, or there are more or fewer by now: nothing is
    deleted. ``TransientError``: a store is away, so that nobody can tell how many they are; nothing
    is deleted.
    """
    cuentas = _count(settings, antes_de)
    if not sum(cuentas):
        print(f"no hay nada archivado de antes del {antes_de}")  # noqa: T201
        return HECHO
    if preguntar:
        _confirm(cuentas, antes_de)
    eliminar = Tarea(
        haciendo="eliminando",
        hecho="eliminada",
        cuales=f"de antes del {antes_de}",
        nada=None,
        contar=lambda archivo: archivo.contar(antes_de),
        mover=lambda archivo, avance: archivo.eliminar(antes_de, avance),
    )
    with one_at_a_time(settings):
        ahora = _count(settings, antes_de)
        if preguntar and ahora != cuentas:
            raise PermanentError(
                f"mientras tanto ha cambiado el archivo: ahora son {_both(ahora)}; no se ha "
                "eliminado nada, repita la orden"
            )
        return in_each(settings, AMBOS, eliminar.run)


def _count(settings: Settings, antes_de: date) -> list[int]:
    """Return how many of the days before ``antes_de`` each archive holds."""
    cuentas = []
    for almacen in AMBOS:
        with closing(almacen.abrir(settings)) as archivo:
            cuentas.append(archivo.contar(antes_de))
    return cuentas


def _both(cuentas: Sequence[int]) -> str:
    return " y ".join(almacen.some(n) for n, almacen in zip(cuentas, AMBOS, strict=True))


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
