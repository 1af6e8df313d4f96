"""Where a day's readings live: in ``consumos_diarios`` or in the archive.

A day is marked before its first reading moves to the archive, and unmarked when the last one is
back: whoever writes a reading of a marked day, or finds one that is on its way, has it in the
archive (``merge``). Only readings of marked days are in the archive, or move.

Marks change under an exclusive lock that every save shares, so a save never writes to a place that
has just stopped being the day's; it is held for an instant, not while readings move. While they do,
each marked day has a lock of its own: shared by those who save readings of it, exclusive for each
step that moves or deletes some. So nobody looks for a reading in one table while it is on its way
to the other and not committed yet. A save of days that are not marked takes none.

All locks are taken in one order, so nobody waits in a circle: that of the marks, those of the days
by their numbers, and then those of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.stores.archive import EPOCA
from pipeline.stores.postgres.partitions import ARCHIVO, ensure_months, months_around

# Any number that no other program on the same server uses: "dias" in hex.
CERROJO = 0x64696173

CERROJOS_DE_DIA = 64
"""Days so far apart share one: a batch of ten years must not fill the server's table of locks, with
its room for 64 times ``max_connections`` (max_locks_per_transaction, 64 by default)."""

_ARCHIVADOS = f"""
SELECT pg_advisory_xact_lock_shared({CERROJO});
SELECT fecha FROM dias_archivados WHERE en_archivo AND fecha = ANY(%s)
"""
# A pair of numbers is another lock than any single number.
_COMPARTIR = f"SELECT pg_advisory_xact_lock_shared({CERROJO}, n) FROM unnest(%s::int[]) AS n"
_CERRAR = f"SELECT pg_advisory_xact_lock({CERROJO}, %s)"
_MARCAR = """
INSERT INTO dias_archivados (fecha, en_archivo) SELECT unnest(%s::date[]), true
ON CONFLICT (fecha) DO UPDATE SET en_archivo = true, retenido_hasta = NULL
"""
_DEVOLVER = """
INSERT INTO dias_archivados (fecha, en_archivo, retenido_hasta)
SELECT unnest(%(dias)s::date[]), false, %(retenido)s
ON CONFLICT (fecha) DO UPDATE SET en_archivo = false, retenido_hasta = excluded.retenido_hasta
"""
_RETENIDOS = "SELECT fecha FROM dias_archivados WHERE retenido_hasta >= %s"
_MARCADOS = """
SELECT fecha FROM dias_archivados WHERE en_archivo AND fecha BETWEEN %s AND %s ORDER BY fecha
"""


def archived(cursor: Any, dia_local: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which readings (n,) live in the archive, and keep it so until the transaction ends.

    Until then nobody moves or deletes anything of their days.

    ``dia_local`` (n,): local days since 1970-01-01.
    """
    # A batch is of very few days, mostly of one.
    distintos = np.unique(dia_local)
    cursor.execute(_ARCHIVADOS, ([EPOCA + timedelta(days=int(d)) for d in distintos],))
    en_archivo = [(fecha - EPOCA).days for (fecha,) in cursor]
    if en_archivo:
        cursor.execute(_COMPARTIR, (sorted({dia % CERROJOS_DE_DIA for dia in en_archivo}),))
    return np.isin(dia_local, en_archivo)


def lock_marks(cursor: Any) -> None:
    """Wait until no save is under way, and keep new ones out until the transaction ends."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (CERROJO,))


def lock_day(cursor: Any, dia: date) -> None:
    """Wait until nobody saves, moves or deletes anything of a marked day, and keep it so.

    Whoever moves or deletes some of it calls this first, in the same transaction; of more than one
    day only with ``lock_marks``.
    """
    cursor.execute(_CERRAR, ((dia - EPOCA).days % CERROJOS_DE_DIA,))


def marked(cursor: Any, desde: date, hasta: date) -> list[date]:
    """Return the days that live in the archive, ``hasta`` included, in order."""
    cursor.execute(_MARCADOS, (desde, hasta))
    return [dia for (dia,) in cursor]


def retained(cursor: Any, hoy: date) -> set[date]:
    """Return the days that were restored and have to stay at ``hoy``."""
    cursor.execute(_RETENIDOS, (hoy,))
    return {dia for (dia,) in cursor}


def mark(cursor: Any, dias: Sequence[date]) -> None:
    """Say that days live in the archive from now on; the caller has ``lock_marks``."""
    ensure_months(cursor, ARCHIVO, months_around(dias))
    cursor.execute(_MARCAR, (list(dias),))


def give_back(cursor: Any, dias: Sequence[date], retenido_hasta: date) -> None:
    """Say that days live in ``consumos_diarios`` again; the caller has ``lock_marks``."""
    cursor.execute(_DEVOLVER, {"dias": list(dias), "retenido": retenido_hasta})
