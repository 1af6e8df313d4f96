"""How the consumers are, as PostgreSQL knows it: their heartbeats and the latest stored reading.

Heartbeats (one row a start, times of the server's clock) live in the store that a consumer cannot
work without: where they cannot be written, nothing is being stored either; and it has one clock,
however many machines the consumers run on.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import psycopg2.errors

from detection.errors import TransientError
from pipeline.stores.postgres.audit import clean
from pipeline.stores.postgres.connection import Conexion
from pipeline.stores.watchdog import PREGUNTA
from serving.consumer_health import MUDO, Heartbeat, Heartbeats, LatestWrite, SelfReport
from serving.settings import Settings

LIMITE_MS = 2_000
"""Whoever asks for health wants an answer, even this one: it is slow. The next heartbeat is tried
5 s later."""
SE_GUARDAN_DIAS = 7
SE_GUARDAN_FILAS = 50
"""Ended ones are kept to be looked at, but not those of a week of restarts."""

_ESCRIBE = """
INSERT INTO consumidores (
    id, grupo, topic, maquina, proceso, particiones, lecturas, ultimo_lote, version_modelo,
    modelo_rechazado, rechazo, espera, espera_desde, fin, motivo
) VALUES (
    %(id)s, %(grupo)s, %(topic)s, %(maquina)s, %(proceso)s, %(particiones)s::integer[],
    %(lecturas)s, now() - %(ultimo_lote_hace_s)s::float8 * interval '1 second', %(version_modelo)s,
    %(modelo_rechazado)s, %(rechazo)s, %(espera)s,
    now() - %(espera_hace_s)s::float8 * interval '1 second',
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
# The newest row of each month's index, and of those the newest: no month is read.
_ULTIMA = """
SELECT timestamp_procesado AT TIME ZONE 'UTC', timestamp_consumo, version_modelo
FROM consumos_diarios ORDER BY id DESC LIMIT 1
"""


class PostgresHealth:
    """The table ``consumidores`` and the end of the history; threads may share one."""

    def __init__(self, settings: Settings) -> None:
        self._conexion = Conexion(settings, "consumo salud", PREGUNTA, limite_ms=LIMITE_MS)
        self._id = str(uuid.uuid4())
        self._grupo = {"grupo": settings.kafka_grupo, "topic": settings.kafka_topic}
        self._limpio = False

    def write(self, dice: SelfReport, *, acaba: bool = False, motivo: str = "") -> None:
        """Say that this consumer lives and how it is, or that it ends and why.

        ``TransientError``: PostgreSQL is away, or has no such table yet.
        """
        fila = {
            **asdict(dice),
            **self._grupo,
            "id": self._id,
            "maquina": socket.gethostname(),
            "proceso": os.getpid(),
            "particiones": list(dice.particiones),
            "rechazo": clean(dice.rechazo),
            "espera": clean(dice.espera),
            "acaba": acaba,
            "motivo": clean(motivo),
        }
        viejas = {"mudo": MUDO, "dias": SE_GUARDAN_DIAS, "filas": SE_GUARDAN_FILAS}
        with self._transaction("la tabla «consumidores»") as cursor:
            cursor.execute(_ESCRIBE, fila)
            if not self._limpio:
                cursor.execute(_LIMPIA, {**self._grupo, **viejas})
        self._limpio = True

    def heartbeats(self) -> Heartbeats:
        """Return the heartbeats of the group, the latest first; ``TransientError`` = away."""
        with self._transaction("la tabla «consumidores»") as cursor:
            cursor.execute("SELECT now(), pg_postmaster_start_time()")
            ahora, servidor = cursor.fetchone()
            cursor.execute(_LEE, {**self._grupo, "filas": SE_GUARDAN_FILAS})
            filas = [Heartbeat(*fila) for fila in cursor.fetchall()]
        return Heartbeats(
            ahora, servidor, [replace(f, particiones=tuple(f.particiones)) for f in filas]
        )

    def latest_write(self) -> LatestWrite | None:
        """Return the latest row of the history, None = there is none; ``TransientError`` = away."""
        with self._transaction("las tablas de Consumo") as cursor:
            cursor.execute(_ULTIMA)
            fila = cursor.fetchone()
        return None if fila is None else LatestWrite(*fila)

    @contextmanager
    def _transaction(self, necesita: str) -> Iterator[Any]:
        try:
            with self._conexion.transaction() as cursor:
                yield cursor
        except psycopg2.errors.UndefinedTable as error:
            raise TransientError(f"PostgreSQL todavía no tiene {necesita}") from error

    def close(self) -> None:
        """Close the connection."""
        self._conexion.close()
