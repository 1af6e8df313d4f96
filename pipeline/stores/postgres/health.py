"""How fresh the history is: when the consumer last wrote, and with which model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg2.errors

from detection.errors import TransientError
from pipeline.stores.postgres.connection import Conexion
from pipeline.stores.watchdog import PREGUNTA
from serving.settings import Settings

LIMITE_MS = 2_000
"""Whoever asks for health wants an answer, even this one: it is slow."""
_LIMITE = "SET LOCAL statement_timeout = %s"
# The newest row of each month's index, and of those the newest: no month is read.
_ULTIMA = """
SELECT timestamp_procesado AT TIME ZONE 'UTC', timestamp_consumo, version_modelo
FROM consumos_diarios ORDER BY id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class UltimaEscritura:
    """The latest row that was added to the history.

    Parameters
    ----------
    procesada, consumo : datetime
        Aware: when it was stored, and when its hour begins.
    version_modelo : str
        What judged it.
    """

    procesada: datetime
    consumo: datetime
    version_modelo: str


class SaludPostgres:
    """Asks PostgreSQL for its health; threads may share one.

    Examples
    --------
    >>> from serving.settings import Settings
    >>> SaludPostgres(Settings()).close()
    """

    def __init__(self, settings: Settings) -> None:
        self._conexion = Conexion(settings, "consumo salud", PREGUNTA)

    def latest_write(self) -> UltimaEscritura | None:
        """Return the latest row, None = there is none; ``TransientError`` if it is away."""
        try:
            with self._conexion.transaction() as cursor:
                cursor.execute(_LIMITE, (LIMITE_MS,))
                cursor.execute(_ULTIMA)
                fila = cursor.fetchone()
        except psycopg2.errors.UndefinedTable as error:
            raise TransientError("PostgreSQL todavía no tiene las tablas de Consumo") from error
        return None if fila is None else UltimaEscritura(*fila)

    def close(self) -> None:
        """Close the connection."""
        self._conexion.close()
