"""One job of a name at a time, on however many machines: locks that die with their holder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg2

from pipeline.stores.postgres.connection import connect, guarded, traducidos
from pipeline.stores.watchdog import GUARDADO, PREGUNTA
from serving.settings import Settings

_CERROJO = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_SOLTAR = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"


@contextmanager
def exclusive(settings: Settings, nombre: str) -> Iterator[bool]:
    """Give whether nobody else runs the job ``nombre``; if so, nobody else does until the end.

    The lock belongs to a session of its own: when the process ends, however it ends, the server
    lets go of it. At the end of the block it is free at once: whoever asks next gets it.

    ``TransientError``: PostgreSQL is away. ``ConfiguracionError``: it refuses the user, the
    password or the database.
    """
    with traducidos(settings):
        conexion = connect(settings, f"consumo {nombre}")
    with closing(conexion):
        with (
            traducidos(settings),
            guarded(settings, GUARDADO, conexion),
            conexion.cursor() as cursor,
        ):
            # Otherwise the session would wait inside a transaction, which the server ends soon.
            conexion.autocommit = True
            cursor.execute(_CERROJO, (f"consumo {nombre}",))
            (nuestro,) = cursor.fetchone()
        try:
            yield nuestro
        finally:
            if nuestro:
                _release(settings, conexion, nombre)


def _release(settings: Settings, conexion: psycopg2.extensions.connection, nombre: str) -> None:
    """Let go of the lock before the session ends, which the server does in its own time."""
    # A session that died took its lock along: there is nothing left to free.
    with (
        suppress(psycopg2.Error),
        guarded(settings, PREGUNTA, conexion),
        conexion.cursor() as cursor,
    ):
        cursor.execute(_SOLTAR, (f"consumo {nombre}",))
