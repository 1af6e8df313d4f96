"""What is older than a limit leaves the live tables for the archive.

Readings go from ``consumos_diarios`` to ``consumos_diarios_archivo`` in PostgreSQL, anomalies from
``anomalias_detectadas`` to ``anomalias_archivo`` in MongoDB. What is stored of a day is in the
archive from then on, also what comes late. A run can be killed at any instant and the next one goes
on; one archiver or restorer works at a time, on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pipeline.jobs.archive_stores import Almacen, Tarea, in_each, one_at_a_time
from pipeline.jobs.reporting import show_months
from pipeline.stores.ports import Archive
from serving.settings import Settings


def archive(settings: Settings, almacenes: Sequence[Almacen], limite: date, hoy: date) -> int:
    """Return the exit status of archiving what is of the local days before ``limite``.

    ``TransientError``: another archiver or restorer is at work, or PostgreSQL, which keeps the
    lock, is away.
    """
    archivar = Tarea(
        haciendo="archivando",
        hecho="archivada",
        cuales=f"de antes del {limite}",
        nada="que archivar",
        contar=lambda archivo: sum(mes.registros for mes in archivo.pendientes(limite, hoy)),
        mover=lambda archivo, avance: archivo.archivar(limite, hoy, avance),
    )
    with one_at_a_time(settings):
        return in_each(settings, almacenes, archivar.run)


def report(settings: Settings, almacenes: Sequence[Almacen], limite: date, hoy: date) -> int:
    """Return the exit status of showing what would be archived; nothing changes."""

    def show(almacen: Almacen, archivo: Archive) -> None:
        titulo = f"{almacen.nombre}: {almacen.varios} que se archivarían, de antes del {limite}"
        meses = archivo.pendientes(limite, hoy)
        show_months(titulo, almacen.varios, meses, settings.zona_horaria)

    estado = in_each(settings, almacenes, show)
    print("Es un reporte: no se ha movido nada.")  # noqa: T201
    return estado
