"""Readings of a marked day from one of the two tables to the other, or out of the archive.

Everything here runs inside the caller's transaction: either all of a step is seen, or none of it.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from detection.errors import PermanentError
from pipeline.stores.postgres.day_marks import lock_day
from pipeline.stores.postgres.partitions import ARCHIVO, DIARIOS

_CREA_TANDA = "CREATE TEMP TABLE IF NOT EXISTS tanda (fila TID) ON COMMIT DELETE ROWS"
_ELEGIR = """
INSERT INTO pg_temp.tanda SELECT ctid FROM {parte} WHERE fecha = %(dia)s LIMIT %(tanda)s
"""
_COPIAR = """
WITH copia AS (
    INSERT INTO {destino}
    SELECT d.* FROM pg_temp.tanda AS t JOIN {parte} AS d ON d.ctid = t.fila RETURNING *
)
SELECT count(*), coalesce(sum(hashtextextended(copia::text, 0)), 0) FROM copia
"""
_BORRAR = """
WITH fuera AS (
    DELETE FROM {parte} AS d USING pg_temp.tanda AS t WHERE d.ctid = t.fila RETURNING d.*
)
SELECT count(*), coalesce(sum(hashtextextended(fuera::text, 0)), 0) FROM fuera
"""
# As a save left them that did not see what the restorer had not committed yet (until r0005).
_UNIR = f"""
WITH dobles AS MATERIALIZED (
    SELECT propietario_id, timestamp_consumo,
        a.timestamp_procesado > d.timestamp_procesado AS queda_archivada
    FROM {DIARIOS} AS d JOIN {ARCHIVO} AS a USING (propietario_id, timestamp_consumo)
    WHERE d.fecha = %(dia)s AND a.fecha = %(dia)s
), vivas AS (
    DELETE FROM {DIARIOS} AS d USING dobles AS r
    WHERE (d.propietario_id, d.timestamp_consumo) = (r.propietario_id, r.timestamp_consumo)
      AND d.fecha = %(dia)s AND queda_archivada
), archivadas AS (
    DELETE FROM {ARCHIVO} AS a USING dobles AS r
    WHERE (a.propietario_id, a.timestamp_consumo) = (r.propietario_id, r.timestamp_consumo)
      AND a.fecha = %(dia)s AND NOT queda_archivada
)
SELECT count(*) FROM dobles
"""
_ELIMINAR = """
DELETE FROM {parte} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {parte} WHERE fecha = %s LIMIT %s))
"""


def unite(cursor: Any, dia: date) -> int:
    """Return how many readings of a marked day were in both tables; the older rows are gone."""
    lock_day(cursor, dia)
    cursor.execute("SET LOCAL statement_timeout = 0")
    cursor.execute(_UNIR, {"dia": dia})
    return int(cursor.fetchone()[0])


def move(cursor: Any, parte: str, dia: date, tanda: int, destino: str) -> int:
    """Return how many readings of a marked day went from a partition to another table.

    Copied, compared, and only then deleted, while nobody saves readings of that day.

    ``PermanentError``: the copy is not the original; the transaction must not be committed.

    Parameters
    ----------
    parte : str
        A partition that ``partitions`` has returned.
    tanda : int
        How many at most.
    destino : str
        ``DIARIOS`` or ``ARCHIVO``; it has the month's partition.
    """
    lock_day(cursor, dia)
    cursor.execute("SET LOCAL client_min_messages = warning")
    cursor.execute(_CREA_TANDA)
    # Without statistics of a temporary table the planner may read the whole partition instead of
    # going to each row where it lies.
    cursor.execute("SET LOCAL enable_hashjoin = off")
    cursor.execute("SET LOCAL enable_mergejoin = off")
    cursor.execute(_ELEGIR.format(parte=parte), {"dia": dia, "tanda": tanda})
    if cursor.rowcount == 0:
        return 0
    cursor.execute(_COPIAR.format(parte=parte, destino=destino))
    copiadas = cursor.fetchone()
    cursor.execute(_BORRAR.format(parte=parte))
    borradas = cursor.fetchone()
    if copiadas != borradas:
        raise PermanentError(
            f"la copia de {dia} no es igual al original ({copiadas[0]} filas, suma {copiadas[1]}; "
            f"{borradas[0]} filas, suma {borradas[1]}): no se ha movido nada"
        )
    # ON COMMIT would be too late for a second step in the same transaction.
    cursor.execute("TRUNCATE pg_temp.tanda")
    return int(copiadas[0])


def remove(cursor: Any, parte: str, dia: date, tanda: int) -> int:
    """Return how many readings of a marked day, at most ``tanda``, are gone for good."""
    lock_day(cursor, dia)
    cursor.execute(_ELIMINAR.format(parte=parte), (dia, tanda))
    return int(cursor.rowcount)
