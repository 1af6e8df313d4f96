"""The consumers' heartbeats in PostgreSQL: one row a start, times of the server's clock.

They live in the store that a consumer cannot work without: where they cannot be written, nothing
is being stored either; and it has one clock, however many machines the consumers run on.
"""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import replace

import psycopg2.errors

from detection.errors import TransientError
from pipeline.stores.postgres.audit import clean
from pipeline.stores.postgres.connection import Conexion
from pipeline.stores.watchdog import PREGUNTA
from serving.consumer_health import MUDO, Latido, Latidos, Situacion
from serving.settings import Settings

LIMITE_MS = 2_000
"""A row is written or read in a millisecond; the next heartbeat is tried 5 s later."""
SE_GUARDAN_DIAS = 7
SE_GUARDAN_FILAS = 50
"""Ended ones are kept to be looked at, but not those of a week of restarts."""

_LIMITE = "SET LOCAL statement_timeout = %s"
_ESCRIBE = """
INSERT INTO consumidores (
    id, grupo, topic, maquina, proceso, particiones, lecturas, ultimo_lote, version_modelo,
    modelo_rechazado, rechazo, espera, espera_desde, fin, motivo
) VALUES (
    %(id)s, %(grupo)s, %(topic)s, %(maquina)s, %(proceso)s, %(particiones)s::integer[],
    %(lecturas)s, now() - %(ultimo_lote)s::float8 * interval '1 second', %(version_modelo)s,
    %(modelo_rechazado)s, %(rechazo)s, %(espera)s,
    now() - %(espera_desde)s::float8 * interval '1 second',
    CASE WHEN %(acaba)s THEN now() END, %(motivo)s
)
ON CONFLICT (id) DO UPDATE SET
    latido = now(), particiones = excluded.particiones, lecturas = excluded.lecturas,
    ultimo_lote = excluded.ultimo_lote, version_modelo = excluded.version_modelo,
    modelo_rechazado = excluded.modelo_rechazado, rechazo = excluded.rechazo,
    espera = excluded.espera, espera_desde = excluded.espera_desde,
    fin = excluded.fin, motivo = excluded.motivo
"""
_LIMPIA = """
DELETE FROM consumidores WHERE grupo = %(grupo)s AND topic = %(topic)s
    AND (fin IS NOT NULL OR latido < now() - %(mudo)s)
    AND (latido < now() - %(dias)s * interval '1 day' OR id NOT IN (
        SELECT id FROM consumidores WHERE grupo = %(grupo)s AND topic = %(topic)s
        ORDER BY latido DESC LIMIT %(filas)s))
"""
_LEE = """
SELECT maquina, proceso, desde, latido, fin, motivo, particiones, lecturas, ultimo_lote,
    version_modelo, modelo_rechazado, rechazo, espera, espera_desde
FROM consumidores WHERE grupo = %(grupo)s AND topic = %(topic)s
ORDER BY latido DESC, desde DESC LIMIT %(filas)s
"""


class LatidosPostgres:
    """The table ``consumidores``; one thread writes, or one reads.

    Examples
    --------
    >>> from serving.settings import Settings
    >>> LatidosPostgres(Settings()).close()
    """

    def __init__(self, settings: Settings) -> None:
        self._conexion = Conexion(settings, "consumo latido", PREGUNTA)
        self._id = str(uuid.uuid4())
        self._grupo = {"grupo": settings.kafka_grupo, "topic": settings.kafka_topic}
        self._limpio = False

    def write(self, situacion: Situacion, *, acaba: bool = False, motivo: str = "") -> None:
        """Say that this consumer lives and how it is, or that it ends and why.

        Raises
        ------
        TransientError
            PostgreSQL is away, or has no such table yet.
        """
        fila = {
            **self._grupo,
            "id": self._id,
            "maquina": socket.gethostname(),
            "proceso": os.getpid(),
            "particiones": list(situacion.particiones),
            "lecturas": situacion.lecturas,
            "ultimo_lote": situacion.ultimo_lote_hace_s,
            "version_modelo": situacion.version_modelo,
            "modelo_rechazado": situacion.modelo_rechazado,
            "rechazo": clean(situacion.rechazo),
            "espera": clean(situacion.espera),
            "espera_desde": situacion.espera_hace_s,
            "acaba": acaba,
            "motivo": clean(motivo),
        }
        try:
            with self._conexion.transaction() as cursor:
                cursor.execute(_LIMITE, (LIMITE_MS,))
                cursor.execute(_ESCRIBE, fila)
                if not self._limpio:
                    cursor.execute(
                        _LIMPIA,
                        {
                            **self._grupo,
                            "mudo": MUDO,
                            "dias": SE_GUARDAN_DIAS,
                            "filas": SE_GUARDAN_FILAS,
                        },
                    )
        except psycopg2.errors.UndefinedTable as error:
            raise TransientError("PostgreSQL todavía no tiene la tabla «consumidores»") from error
        self._limpio = True

    def read(self) -> Latidos:
        """Return the heartbeats of the group, the latest first; ``TransientError`` = away."""
        try:
            with self._conexion.transaction() as cursor:
                cursor.execute(_LIMITE, (LIMITE_MS,))
                cursor.execute("SELECT now(), pg_postmaster_start_time()")
                ahora, servidor = cursor.fetchone()
                cursor.execute(_LEE, {**self._grupo, "filas": SE_GUARDAN_FILAS})
                filas = [
                    replace(latido, particiones=tuple(latido.particiones))
                    for latido in (Latido(*fila) for fila in cursor.fetchall())
                ]
        except psycopg2.errors.UndefinedTable as error:
            raise TransientError("PostgreSQL todavía no tiene la tabla «consumidores»") from error
        return Latidos(ahora, servidor, filas)

    def close(self) -> None:
        """Close the connection."""
        self._conexion.close()
