"""One job of a name at a time, on however many machines: locks that die with their holder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg2

from pipeline.almacenes.postgres_conexion import connect, traducir
from serving.settings import Settings

_CERROJO = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"


@contextmanager
def exclusive(settings: Settings, nombre: str) -> Iterator[bool]:
    """Give whether nobody else runs the job ``nombre``; if so, nobody else does until the end.

    The lock belongs to a session of its own: when the process ends, however it ends, the server
    lets go of it.

    Raises
    ------
    TransientError
        PostgreSQL is away.
    ConfiguracionError
        It refuses the user, the password or the database.
    """
    with ExitStack() as salida:
        try:
            conexion = salida.enter_context(closing(connect(settings, f"consumo {nombre}")))
            # Otherwise the session would wait inside a transaction, which the server ends soon.
            conexion.autocommit = True
            with conexion.cursor() as cursor:
                cursor.execute(_CERROJO, (f"consumo {nombre}",))
                (nuestro,) = cursor.fetchone()
        except psycopg2.Error as error:
            raise traducir(settings, error) or error from error
        yield nuestro
