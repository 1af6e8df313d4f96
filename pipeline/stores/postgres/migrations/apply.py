"""Brings the database to a revision of the schema, one process at a time.

Alembic takes longer to import than everything else that a verb needs, so whoever only asks for help
does not import it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2

from pipeline.stores.postgres.connection import connect, guarded, traducir
from pipeline.stores.postgres.time_zone import settle_zone
from pipeline.stores.watchdog import TRABAJO
from serving.settings import Settings

CARPETA = Path(__file__).parent
# Any number that no other program on the same server uses: the letters of "consumo" in hex.
CERROJO = 0x636F6E73756D6F


def migrate(settings: Settings) -> str:
    """Return the revision of the schema after bringing it to the newest one.

    Several processes may call at once: the first one migrates, the others wait for it and
    find nothing left to do. The zone of the data is checked, too (``time_zone``).

    ``TransientError``: PostgreSQL is away. ``ConfiguracionError``: it refuses the user, the
    password or the database, or its data are of another zone.
    """
    from alembic import command

    def upgrade(config: Any) -> None:
        command.upgrade(config, "head")
        settle_zone(config.attributes["connection"].connection.cursor(), settings)

    return _run(settings, upgrade)


def downgrade(settings: Settings, revision: str) -> str:
    """Return the revision of the schema after taking it back to ``revision`` ("base" = empty)."""
    from alembic import command

    return _run(settings, lambda config: command.downgrade(config, revision))


def _run(settings: Settings, orden: Callable[[Any], None]) -> str:
    """Return the revision after ``orden``, run under the lock and in one transaction."""
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    config = Config()
    # Alembic reads the folder through configparser, for which a "%" is special.
    config.set_main_option("script_location", str(CARPETA).replace("%", "%%"))
    # A migration of a large table may take its time: no limit.
    motor = create_engine(
        "postgresql+psycopg2://",
        creator=lambda: connect(settings, "consumo migrar", limite_ms=0),
        poolclass=NullPool,
    )
    try:
        with (
            motor.connect() as conexion,
            guarded(settings, TRABAJO, conexion.connection.driver_connection),
            conexion.begin(),
        ):
            # Of the transaction, so that it ends with it even if this process is killed.
            conexion.execute(text("SELECT pg_advisory_xact_lock(:llave)"), {"llave": CERROJO})
            config.attributes["connection"] = conexion
            orden(config)
            return MigrationContext.configure(conexion).get_current_revision() or "base"
    except (DBAPIError, psycopg2.Error) as error:
        # SQLAlchemy's around the driver's, or the driver's own.
        traducido = traducir(settings, error.orig if isinstance(error, DBAPIError) else error)
        if traducido is not None:
            raise traducido from error
        raise
