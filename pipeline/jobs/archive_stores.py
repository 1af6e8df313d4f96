"""The two stores that have an archive, and how a job goes through both of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from detection.errors import ConsumoError, TransientError
from pipeline.stores.archive_records import MesArchivo, Movidos
from pipeline.stores.mongo.archive import ArchivoMongo
from pipeline.stores.postgres.advisory_lock import exclusive
from pipeline.stores.postgres.archive import ArchivoPostgres
from pipeline.stores.postgres.time_zone import check_zone
from serving.cli import FALLO, HECHO
from serving.settings import Settings

CERROJO = "archivado"

Avance = Callable[[int], None]
"""Told how many more are in their new place."""


class Archivo(Protocol):
    """What archiver and restorer ask of a store; days are local ones."""

    def pendientes(self, limite: date, hoy: date) -> Sequence[MesArchivo]:
        """Return what ``archivar`` would move, by month; changes nothing."""
        ...

    def archivar(self, limite: date, hoy: date, avance: Avance) -> Movidos:
        """Move what is of the days before ``limite`` to the archive."""
        ...

    def restaurar(self, desde: date, hasta: date, retenido_hasta: date, avance: Avance) -> Movidos:
        """Bring days back, ``hasta`` included, to stay at least until ``retenido_hasta``."""
        ...

    def contar(self, antes_de: date) -> int:
        """Return how many of the days before ``antes_de`` are in the archive."""
        ...

    def eliminar(self, antes_de: date, avance: Avance) -> Movidos:
        """Delete from the archive what is of the days before ``antes_de``, for good."""
        ...

    def listar(self) -> Sequence[MesArchivo]:
        """Return what the archive holds, by month."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


@dataclass(frozen=True, slots=True)
class Almacen:
    """A store with an archive.

    Parameters
    ----------
    nombre : str
    uno, varios : str
        What it holds, feminine: one, and many.
    abrir : callable
        Settings -> its archive; nothing is connected before its first use.
    """

    nombre: str
    uno: str
    varios: str
    abrir: Callable[[Settings], Archivo]


def _open_postgres(settings: Settings) -> Archivo:
    # Alembic takes longer to import than everything else here, and --help does not need it.
    from pipeline.stores.postgres.migrations.apply import migrate

    migrate(settings)
    return ArchivoPostgres(settings)


POSTGRES = Almacen("PostgreSQL", "lectura", "lecturas", _open_postgres)
MONGO = Almacen("MongoDB", "anomalía", "anomalías", ArchivoMongo)
AMBOS = (POSTGRES, MONGO)


def today(settings: Settings) -> date:
    """Return the local day of now."""
    return datetime.now(ZoneInfo(settings.zona_horaria)).date()


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """Keep every other archiver and restorer of these stores out, on any machine.

    Raises
    ------
    TransientError
        Another one is at work, or PostgreSQL, which keeps the lock, is away.
    """
    with exclusive(settings, CERROJO) as nuestro:
        if not nuestro:
            raise TransientError(
                "hay otro archivado o restauración en marcha; espere a que acabe", retry_after_s=60
            )
        yield


def in_each(
    settings: Settings, almacenes: Sequence[Almacen], hacer: Callable[[Almacen, Archivo], None]
) -> int:
    """Return the exit status of a job in some stores: one that fails does not keep the others.

    Raises
    ------
    ConfiguracionError
        The data are of another zone: its days would be other days in any store.
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
