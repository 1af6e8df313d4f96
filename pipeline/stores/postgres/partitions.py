"""Months of readings as partitions, by UTC month, of ``consumos_diarios`` and of its archive.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.stores.archive import EPOCA
from pipeline.stores.months import siguiente

DIARIOS = "consumos_diarios"
ARCHIVO = "consumos_diarios_archivo"

_PARTICIONES = """
SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = %s::regclass ORDER BY c.relname
"""
_OCUPAN = """
SELECT nombre, coalesce(pg_total_relation_size(to_regclass(nombre)), 0)
FROM unnest(%s::text[]) AS nombre
"""


def month_of(dia: date) -> date:
    """Return the first day of a day's month.

    Examples
    --------
    >>> month_of(date(2026, 1, 31))
    datetime.date(2026, 1, 1)
    """
    return dia.replace(day=1)


def months_of(hora_utc: NDArray[np.int64]) -> set[date]:
    """Return the first days of the UTC months of absolute hours (n,).

    Examples
    --------
    >>> sorted(mes.month for mes in months_of(np.array([0, 24 * 31])))
    [1, 2]
    """
    dias = np.unique(np.asarray(hora_utc) // 24)
    return {month_of(EPOCA + timedelta(days=int(dia))) for dia in dias}


def months_around(dias: Iterable[date]) -> set[date]:
    """Return the UTC months of local days: no zone is more than a day from UTC."""
    return {month_of(dia + timedelta(days=k)) for dia in dias for k in (-1, 0, 1)}


def partitions(cursor: Any, tabla: str) -> dict[date, str]:
    """Return the partition of each month, given by its first day, of a table."""
    cursor.execute(_PARTICIONES, (tabla,))
    nombres = (re.fullmatch(rf"{tabla}_(\d{{4}})_(\d{{2}})", nombre) for (nombre,) in cursor)
    return {date(int(n[1]), int(n[2]), 1): n[0] for n in nombres if n}


def parts_of_day(cursor: Any, tabla: str, dia: date) -> list[str]:
    """Return the partitions of a table that may hold readings of a local day, in order."""
    particiones = partitions(cursor, tabla)
    return [particiones[mes] for mes in sorted(months_around([dia])) if mes in particiones]


def ensure_months(cursor: Any, tabla: str, meses: Iterable[date]) -> int:
    """Create the missing partitions of months, given by their first days; return how many.

    What there was to lock stays locked until the transaction ends.
    """
    nuevas = 0
    for mes in sorted(meses):
        cursor.execute("SELECT crear_particion(%s, %s)", (tabla, mes))
        nuevas += int(cursor.fetchone()[0])
    return nuevas


def size_bytes(cursor: Any, partes: Iterable[str]) -> dict[str, int]:
    """Return what each partition takes on disk with its indexes, bytes; 0 = it is gone."""
    cursor.execute(_OCUPAN, (list(partes),))
    return {nombre: int(ocupa) for nombre, ocupa in cursor}


def is_empty(cursor: Any, parte: str) -> bool:
    """Return whether a partition holds no reading; a long look if many have been deleted."""
    cursor.execute(f"SELECT NOT EXISTS (TABLE {parte})")
    return bool(cursor.fetchone()[0])


def count(cursor: Any, parte: str) -> int:
    """Return how many readings a partition holds."""
    cursor.execute(f"SELECT count(*) FROM {parte}")  # nosec B608 # the names are ours
    return int(cursor.fetchone()[0])


def lock_tables(cursor: Any) -> None:
    """Wait until nobody reads the history, and keep it so until the transaction ends.

    Whoever is about to take a partition away calls this before touching one. Readers lock a table,
    then the other one, in the order of ``consumos_historia``, then partitions: with a partition in
    hand nobody may ask for a table.
    """
    cursor.execute(f"LOCK TABLE ONLY {DIARIOS}, ONLY {ARCHIVO} IN ACCESS EXCLUSIVE MODE")


def lock_partition(cursor: Any, parte: str) -> None:
    """Wait until nobody uses a partition, and keep it so until the transaction ends."""
    cursor.execute(f"LOCK TABLE {parte} IN ACCESS EXCLUSIVE MODE")


def drop_if_empty(cursor: Any, parte: str) -> bool:
    """Return whether a partition held no reading and is gone.

    The caller has ``lock_marks`` and ``lock_tables``.
    """
    # Before it is looked at: what somebody has not committed yet would be dropped unseen.
    lock_partition(cursor, parte)
    if not is_empty(cursor, parte):
        return False
    cursor.execute(f"DROP TABLE {parte}")
    return True


def move_month(cursor: Any, mes: date) -> int:
    """Return how many readings went to the archive with the whole partition of a UTC month.

    No reading is copied. 0 = the archive has readings of that month already, or there is none to
    move. The caller has ``lock_marks``, has marked the month's days, and has ``lock_tables``.
    """
    parte = partitions(cursor, DIARIOS).get(mes)
    archivada = partitions(cursor, ARCHIVO).get(mes)
    if parte is None or (archivada is not None and not drop_if_empty(cursor, archivada)):
        return 0
    cursor.execute(f"ALTER TABLE {DIARIOS} DETACH PARTITION {parte}")
    registros = count(cursor, parte)
    nombre = f"{ARCHIVO}_{mes:%Y_%m}"
    cursor.execute(f"ALTER TABLE {parte} RENAME TO {nombre}")
    cursor.execute(
        f"ALTER TABLE {ARCHIVO} ATTACH PARTITION {nombre} FOR VALUES FROM (%s) TO (%s)",
        (f"{mes} 00:00:00+00", f"{siguiente(mes)} 00:00:00+00"),
    )
    return registros
