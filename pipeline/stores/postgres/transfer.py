"""Readings from one of the two tables to the other, some at a time or a whole month at once.

Everything here runs inside the caller's transaction: either all of a step is seen, or none of it.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from detection.errors import PermanentError
from pipeline.stores.months import siguiente
from pipeline.stores.postgres.day_marks import ARCHIVO, DIARIOS, lock_day, month_of

_PARTICIONES = """
SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = %s::regclass ORDER BY c.relname
"""
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


def partitions(cursor: Any, tabla: str) -> dict[date, str]:
    """Return the partition of each month, given by its first day, of a table."""
    cursor.execute(_PARTICIONES, (tabla,))
    encontradas = {}
    for (nombre,) in cursor:
        partes = re.fullmatch(rf"{tabla}_(\d{{4}})_(\d{{2}})", nombre)
        if partes:
            encontradas[date(int(partes[1]), int(partes[2]), 1)] = nombre
    return encontradas


def parts_of_day(particiones: dict[date, str], dia: date) -> list[str]:
    """Return the partitions that may hold readings of a local day: its month's, in any zone."""
    meses = sorted({month_of(dia + timedelta(days=k)) for k in (-1, 0, 1)})
    return [particiones[mes] for mes in meses if mes in particiones]


def unite(cursor: Any, dia: date) -> int:
    """Return how many readings of a marked day were in both tables; the older rows are gone."""
    lock_day(cursor, dia)
    cursor.execute("SET LOCAL statement_timeout = 0")
    cursor.execute(_UNIR, {"dia": dia})
    return int(cursor.fetchone()[0])


def move(cursor: Any, parte: str, destino: str, dia: date, tanda: int) -> int:
    """Return how many readings of a marked day went from a partition to another table.

    Copied, compared, and only then deleted, while nobody saves readings of that day.

    Parameters
    ----------
    parte : str
        A partition that ``partitions`` has returned.
    destino : str
        ``DIARIOS`` or ``ARCHIVO``; it has the month's partition.
    tanda : int
        How many at most.

    Raises
    ------
    PermanentError
        The copy is not the original; the transaction must not be committed.
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


def move_month(cursor: Any, mes: date) -> int | None:
    """Return how many readings went to the archive with the whole partition of a UTC month.

    No reading is copied. None = the archive has readings of that month already, or there is
    none to move. The caller has ``lock_marks``, has marked the month's days, and has
    ``lock_tables``.
    """
    parte = partitions(cursor, DIARIOS).get(mes)
    archivada = partitions(cursor, ARCHIVO).get(mes)
    if parte is None:
        return None
    if archivada is not None and not drop_if_empty(cursor, archivada):
        return None
    cursor.execute(f"ALTER TABLE {DIARIOS} DETACH PARTITION {parte}")
    cursor.execute(f"SELECT count(*) FROM {parte}")  # nosec B608 # the names are ours
    (registros,) = cursor.fetchone()
    nombre = f"{ARCHIVO}_{mes:%Y_%m}"
    cursor.execute(f"ALTER TABLE {parte} RENAME TO {nombre}")
    cursor.execute(
        f"ALTER TABLE {ARCHIVO} ATTACH PARTITION {nombre} FOR VALUES FROM (%s) TO (%s)",
        (f"{mes} 00:00:00+00", f"{siguiente(mes)} 00:00:00+00"),
    )
    return int(registros)


def lock_tables(cursor: Any) -> None:
    """Wait until nobody reads the history, and keep it so until the transaction ends.

    Whoever is about to take a partition away calls this before touching one. Readers lock a table,
    then the other one, in the order of ``consumos_historia``, then partitions: with a partition in
    hand nobody may ask for a table.
    """
    cursor.execute(f"LOCK TABLE ONLY {DIARIOS}, ONLY {ARCHIVO} IN ACCESS EXCLUSIVE MODE")


def is_empty(cursor: Any, parte: str) -> bool:
    """Return whether a partition holds no reading; a long look if many have been deleted."""
    cursor.execute(f"SELECT NOT EXISTS (TABLE {parte})")
    return bool(cursor.fetchone()[0])


def drop_if_empty(cursor: Any, parte: str) -> bool:
    """Return whether a partition held no reading and is gone.

    The caller has ``lock_marks`` and ``lock_tables``.
    """
    # Before it is looked at: what somebody has not committed yet would be dropped unseen.
    cursor.execute(f"LOCK TABLE {parte} IN ACCESS EXCLUSIVE MODE")
    if not is_empty(cursor, parte):
        return False
    cursor.execute(f"DROP TABLE {parte}")
    return True


def size_bytes(cursor: Any, partes: list[str]) -> dict[str, int]:
    """Return what each partition takes on disk with its indexes, bytes; 0 = it is gone."""
    cursor.execute(
        "SELECT nombre, coalesce(pg_total_relation_size(to_regclass(nombre)), 0) "
        "FROM unnest(%s::text[]) AS nombre",
        (partes,),
    )
    return {nombre: int(ocupa) for nombre, ocupa in cursor}
