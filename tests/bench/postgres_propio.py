"""A cursor on a bench's database that owes nothing to the product."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2

from serving.settings import Settings


@contextmanager
def postgres(settings: Settings) -> Iterator[Any]:
    """Give a cursor on a database, each statement a transaction."""
    conexion = psycopg2.connect(
        host=settings.postgres_host,
        port=settings.postgres_port,
        user=settings.postgres_user,
        password=settings.postgres_password,
        dbname=settings.postgres_db,
    )
    conexion.autocommit = True
    with closing(conexion), conexion.cursor() as cursor:
        yield cursor
