"""What is older than a limit leaves the live tables for the archive; how a job goes through both.

Readings go from ``consumos_diarios`` to ``consumos_diarios_archivo`` in PostgreSQL, anomalies from
``anomalias_detectadas`` to ``anomalias_archivo`` in MongoDB. What is stored of a day is in the
archive from then on, also what comes late. A run can be killed at any instant and the next one goes
on; one archiver or restorer works at a time, on any machine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from detection.errors import ConsumoError, TransientError
from detection.number_format import numero
from pipeline.jobs.reporting import megabytes, progress_bar, show_months
from pipeline.stores.archive import Movidos, OnProgress
from pipeline.stores.mongo.archive import MongoArchive
from pipeline.stores.ports import Archive
from pipeline.stores.postgres.advisory_lock import exclusive
from pipeline.stores.postgres.archive import PostgresArchive
from pipeline.stores.postgres.migrations.apply import migrate
from pipeline.stores.postgres.time_zone import check_zone
from serving.cli import FALLO, HECHO
from serving.settings import Settings

_CERROJO = "archivado"
DIAS_MAXIMOS = 36_500
"""A hundred years: no reading is older (contract 2)."""


@dataclass(frozen=True, slots=True)
class Almacen:
    """A store with an archive."""

    nombre: str
    # uno, varios: what it holds, feminine: one, and many.
    uno: str
    varios: str
    # Settings -> its archive; nothing is connected before its first use.
    abrir: Callable[[Settings], Archive]

    def some(self, n: int) -> str:
        """Return a number of what it holds, for the user."""
        return f"{numero(n, 0)} {self.uno if n == 1 else self.varios}"


def _open_postgres(settings: Settings) -> Archive:
    migrate(settings)
    return PostgresArchive(settings)


ARCHIVO_POSTGRES = Almacen("PostgreSQL", "lectura", "lecturas", _open_postgres)
ARCHIVO_MONGO = Almacen("MongoDB", "anomalía", "anomalías", MongoArchive)
AMBOS = (ARCHIVO_POSTGRES, ARCHIVO_MONGO)


@dataclass(frozen=True, slots=True)
class Tarea:
    """What a job does to each archive, and its words for it."""

    # haciendo, hecho: what is being done, and what was done with one, as "archivando" and
    # "archivada".
    haciendo: str
    hecho: str
    cuales: str  # which ones
    # What there is none of, if nothing has moved; None = that is no line of its own.
    nada: str | None
    contar: Callable[[Archive], int]  # how many there are to move; asked only if somebody looks
    mover: Callable[[Archive, OnProgress], Movidos]  # moves them

    def run(self, almacen: Almacen, archivo: Archive) -> None:
        """Do it, and say in a line what was done."""
        inicio = time.perf_counter()
        texto = f"{almacen.nombre}: {self.haciendo}"
        with progress_bar(texto, lambda: self.contar(archivo)) as avanzar:
            movidos = self.mover(archivo, lambda n: avanzar(n, None))
        if self.nada and not movidos.registros:
            print(f"{almacen.nombre}: no hay {almacen.varios} {self.nada} {self.cuales}")  # noqa: T201
        else:
            print(self.say(almacen, movidos, time.perf_counter() - inicio))  # noqa: T201

    def say(self, almacen: Almacen, movidos: Movidos, segundos: float) -> str:
        """Return the line of what was done in a store, for the user."""
        n, liberado = movidos.registros, movidos.espacio_liberado_mb
        espacio = "espacio sin medir" if liberado is None else f"{megabytes(liberado)} MB liberados"
        ritmo = numero(n / max(segundos, 1e-9), 0)
        return (
            f"{almacen.nombre}: {almacen.some(n)} {self.hecho}{'s' * (n != 1)}, {self.cuales}; "
            f"{espacio}; {numero(segundos, 1)} s ({ritmo} {almacen.varios}/s)"
        )


def today(settings: Settings) -> date:
    """Return the local day of now."""
    return datetime.now(ZoneInfo(settings.zona_horaria)).date()


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """Keep every other archiver and restorer of these stores out, on any machine.

    ``TransientError``: another one is at work, or PostgreSQL, which keeps the lock, is away.
    """
    with exclusive(settings, _CERROJO) as nuestro:
        if not nuestro:
            raise TransientError(
                "hay otro archivado o restauración en marcha; espere a que acabe", retry_after_s=60
            )
        yield


def in_each(
    settings: Settings, almacenes: Sequence[Almacen], hacer: Callable[[Almacen, Archive], None]
) -> int:
    """Return the exit status of a job in some stores: one that fails does not keep the others.

    ``ConfiguracionError``: the data are of another zone: its days would be other days in any store.
    """
    with suppress(TransientError):
        check_zone(settings)
    estado = HECHO
    for almacen in almacenes:
        try:
            with closing(almacen.abrir(settings)) as archivo:
                hacer(almacen, archivo)
        except ConsumoError as error:
            print(f"error: {error}", file=sys.stderr)  # noqa: T201
            estado = FALLO
    return estado


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
