"""The archive of readings: from ``consumos_diarios`` to ``consumos_diarios_archivo`` and back.

Every step is one transaction that copies, compares and deletes while nobody saves readings of that
day, so each reading is in exactly one of the tables. A month of which nothing is archived yet goes
as a whole partition, without a copy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from functools import partial
from typing import Any

from psycopg2 import errors

from detection.errors import TransientError
from pipeline.stores.archive import (
    MEGABYTE,
    UN_DIA,
    MesArchivo,
    Movidos,
    OnProgress,
    ignore,
    run_steps,
)
from pipeline.stores.months import mes_str, siguiente
from pipeline.stores.postgres.case_memory import forget_customers, forget_old_pages
from pipeline.stores.postgres.connection import Conexion, connect, guarded, traducidos
from pipeline.stores.postgres.day_marks import give_back, lock_marks, mark, marked, retained
from pipeline.stores.postgres.partitions import (
    ARCHIVO,
    DIARIOS,
    count,
    drop_if_empty,
    ensure_months,
    is_empty,
    lock_partition,
    lock_tables,
    month_of,
    months_around,
    move_month,
    partitions,
    parts_of_day,
    size_bytes,
)
from pipeline.stores.postgres.transfer import move, remove, unite
from pipeline.stores.watchdog import TRABAJO
from serving.settings import Settings

_OLDER_THAN = f"SELECT count(*) FROM {ARCHIVO} WHERE fecha < %s"
TANDA = 50_000
"""Readings a transaction: about a second's work."""
ESPERA_CERROJO_MS = 2_000
"""Whoever waits to take a table's partition away makes all others wait behind it: not for long."""
DIAS_A_LA_VEZ = 31
"""Days with nothing archived that are given back at once: tens of milliseconds without saves."""

log = logging.getLogger(__name__)

# A month's readings take their share of what their partition takes.
_POR_MES = """
WITH grupos AS (
    SELECT d.tableoid AS parte, date_trunc('month', d.fecha)::date AS mes,
        d.fecha < %(limite)s AND r.fecha IS NULL AS toca, count(*) AS registros,
        min(d.timestamp_consumo) AS desde, max(d.timestamp_consumo) AS hasta
    FROM {tabla} AS d
    LEFT JOIN dias_archivados AS r ON r.fecha = d.fecha AND r.retenido_hasta >= %(hoy)s
    GROUP BY 1, 2, 3
), partes AS (
    SELECT parte, pg_total_relation_size(parte) / sum(registros) AS por_registro
    FROM grupos GROUP BY parte
)
SELECT mes, sum(registros)::bigint, min(desde), max(hasta),
    sum(registros * por_registro)::float8
FROM grupos JOIN partes USING (parte) WHERE toca GROUP BY mes ORDER BY mes
"""
# A look into the index for each day, and none at the days between them.
_CON_LECTURAS = f"""
SELECT d.dia FROM unnest(%s::date[]) AS d (dia)
CROSS JOIN LATERAL (SELECT FROM {ARCHIVO} WHERE fecha = d.dia LIMIT 1) AS una ORDER BY d.dia
"""
_SIGUIENTE_DIA = "SELECT min(fecha) FROM {tabla} WHERE fecha >= %s AND fecha <= %s"
_INTERRUMPIR = "UPDATE log_archivado SET estado = 'interrumpido' WHERE estado = 'en curso'"
_ABRIR = """
INSERT INTO log_archivado (registros_movidos, estado, operacion, desde, hasta)
VALUES (0, 'en curso', %s, %s, %s) RETURNING id
"""
_SUMAR = "UPDATE log_archivado SET registros_movidos = registros_movidos + %s WHERE id = %s"
_CERRAR = "UPDATE log_archivado SET estado = %s, espacio_liberado_mb = %s WHERE id = %s"


class PostgresArchive:
    """``Archive`` of the readings.

    ``tanda``: readings a transaction, at most.
    """

    def __init__(
        self, settings: Settings, tanda: int = TANDA, espera_ms: int = ESPERA_CERROJO_MS
    ) -> None:
        self._settings = settings
        self._conexion = Conexion(settings, "consumo archivo", TRABAJO)
        self._tanda = tanda
        self._espera_ms = espera_ms

    def pendientes(self, limite: date, hoy: date) -> list[MesArchivo]:
        """Return what ``archivar`` would move, by local month; changes nothing.

        ``espacio_mb`` is the readings' share of what their partitions take on disk.
        """
        return self._by_month(DIARIOS, limite, hoy)

    def listar(self) -> list[MesArchivo]:
        """Return what the archive holds, by local month."""
        return self._by_month(ARCHIVO, date.max, date.max)

    def contar(self, antes_de: date) -> int:
        """Return how many readings of days before ``antes_de`` the archive holds."""
        with self._conexion.transaction() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute(_OLDER_THAN, (antes_de,))
            return int(cursor.fetchone()[0])

    def archivar(self, limite: date, hoy: date, avance: OnProgress = ignore) -> Movidos:
        """Move every reading of the local days before ``limite`` to the archive.

        Days that were restored stay until they are no longer retained at ``hoy``.
        """
        run = _Run(self._conexion, "archivar", DIARIOS, None, limite - UN_DIA)
        return run_steps(run, self._archive(run, limite, hoy), avance)

    def restaurar(
        self, desde: date, hasta: date, retenido_hasta: date, avance: OnProgress = ignore
    ) -> Movidos:
        """Bring the readings of local days back, ``hasta`` included."""
        run = _Run(self._conexion, "restaurar", ARCHIVO, desde, hasta)
        return run_steps(run, self._restore(run, desde, hasta, retenido_hasta), avance)

    def eliminar(self, antes_de: date, avance: OnProgress = ignore) -> Movidos:
        """Delete the archive's readings of the days before ``antes_de``, for good.

        Their days stay marked: a reading that still comes of one of them goes to the archive. What
        the case clock remembers of a customer that has had no reading since goes as well.
        """
        run = _Run(self._conexion, "eliminar", ARCHIVO, None, antes_de - UN_DIA)
        return run_steps(run, self._delete(run, antes_de), avance)

    def ensure_partitions(self, hoy: date, meses: int) -> int:
        """Return how many partitions were missing, of this UTC month and of ``meses`` more."""
        faltan = [month_of(hoy)]
        for _ in range(meses):
            faltan.append(siguiente(faltan[-1]))
        with self._conexion.transaction() as cursor:
            return ensure_months(cursor, DIARIOS, faltan)

    def forget_old_days(self) -> int:
        """Return how many months of customers' days are gone that the case clock is done with."""
        with self._conexion.transaction() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
            return forget_old_pages(cursor)

    def close(self) -> None:
        """Close the connection."""
        self._conexion.close()

    def _by_month(self, tabla: str, limite: date, hoy: date) -> list[MesArchivo]:
        with self._conexion.transaction() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute(_POR_MES.format(tabla=tabla), {"limite": limite, "hoy": hoy})
            return [
                MesArchivo(mes, registros, desde, hasta, ocupa / MEGABYTE)
                for mes, registros, desde, hasta, ocupa in cursor
            ]

    def _archive(self, run: _Run, limite: date, hoy: date) -> Iterator[int]:
        retenidos, marcados = self._mark_before(limite, hoy)
        for mes, parte in self._whole_months(limite, retenidos):
            yield self._move_month(run, mes, parte)
        for dia in self._days_with_readings(DIARIOS, date.min, limite - UN_DIA):
            # Not one of an earlier day, which may have come since: its day is not marked.
            if dia in marcados:
                yield from self._move_day(run, DIARIOS, ARCHIVO, dia)
        self._drop_empty(run, limite, retenidos)

    def _restore(self, run: _Run, desde: date, hasta: date, retenido_hasta: date) -> Iterator[int]:
        for dia in self._days_with_readings(ARCHIVO, desde, hasta):
            with self._conexion.transaction() as cursor:
                ensure_months(cursor, DIARIOS, months_around([dia]))
            yield from self._move_day(run, ARCHIVO, DIARIOS, dia)
            self._give_back(run, [dia], retenido_hasta)
        # The other days have nothing archived, and are few at a time: nobody saves meanwhile.
        with self._conexion.transaction() as cursor:
            vacios = marked(cursor, desde, hasta)
        for k in range(0, len(vacios), DIAS_A_LA_VEZ):
            self._give_back(run, vacios[k : k + DIAS_A_LA_VEZ], retenido_hasta)
        self._vacuum(run.partes)

    def _delete(self, run: _Run, antes_de: date) -> Iterator[int]:
        with self._conexion.transaction() as cursor:
            partes = partitions(cursor, ARCHIVO)
        for mes, parte in partes.items():
            if siguiente(mes) < antes_de:
                yield self._truncate(run, parte)
            for dia in self._days_with_readings(parte, date.min, antes_de - UN_DIA):
                yield from self._in_steps(run, parte, remove, dia)
        with self._conexion.transaction() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
            forget_customers(cursor, antes_de)
            forget_old_pages(cursor)
        self._vacuum(run.partes)

    def _mark_before(self, limite: date, hoy: date) -> tuple[set[date], set[date]]:
        """Mark the days that are to move; return those that are retained, and those."""
        with self._conexion.transaction() as cursor:
            lock_marks(cursor)
            retenidos = retained(cursor, hoy)
            cursor.execute(_SIGUIENTE_DIA.format(tabla=DIARIOS), (date.min, limite - UN_DIA))
            (primero,) = cursor.fetchone()
            marcados = set() if primero is None else set(_days(primero, limite)) - retenidos
            mark(cursor, sorted(marcados))
        return retenidos, marcados

    def _days_with_readings(self, tabla: str, desde: date, hasta: date) -> Iterator[date]:
        """Give the days of which a table has readings, in order, each as it is come to."""
        while True:
            with self._conexion.transaction() as cursor:
                cursor.execute(_SIGUIENTE_DIA.format(tabla=tabla), (desde, hasta))
                (dia,) = cursor.fetchone()
            if dia is None:
                return
            yield dia
            desde = dia + UN_DIA

    def _whole_months(self, limite: date, retenidos: set[date]) -> list[tuple[date, str]]:
        """Return the UTC months all of whose local days are to be archived."""
        with self._conexion.transaction() as cursor:
            partes = partitions(cursor, DIARIOS)
        # A partition's last local day may be the first of the next month.
        return [
            (mes, parte)
            for mes, parte in partes.items()
            if siguiente(mes) < limite
            and not any(mes - UN_DIA <= dia <= siguiente(mes) for dia in retenidos)
        ]

    def _move_month(self, run: _Run, mes: date, parte: str) -> int:
        """Return how many readings went with a whole partition; 0 = not this way."""
        movidas = 0
        si_no = "%s está en uso: sus lecturas se archivan día a día"
        with self._unless_busy(si_no, mes_str(mes)) as cursor:
            lock_marks(cursor)
            # A reading may have come of a day before the first one that was marked.
            mark(cursor, _days(mes - UN_DIA, siguiente(mes) + UN_DIA))
            # After it: whoever creates a partition has the lock of that first.
            lock_tables(cursor)
            movidas = move_month(cursor, mes)
            run.add(cursor, parte, movidas)
        return movidas

    def _move_day(self, run: _Run, origen: str, destino: str, dia: date) -> Iterator[int]:
        """Move a day, and give how many readings each step has moved."""
        with self._conexion.transaction() as cursor:
            if dobles := unite(cursor, dia):
                log.warning("%d lecturas del %s estaban en las dos tablas", dobles, dia)
            partes = parts_of_day(cursor, origen, dia)
        for parte in partes:
            yield from self._in_steps(run, parte, partial(move, destino=destino), dia)

    def _in_steps(
        self, run: _Run, parte: str, paso: Callable[..., int], dia: date
    ) -> Iterator[int]:
        """Take a step of a day, each in a transaction of its own, until one is not whole.

        Not until there is none: what is corrected meanwhile goes back, and again back.
        """
        entera = True
        while entera:
            with self._conexion.transaction() as cursor:
                n = paso(cursor, parte, dia, self._tanda)
                run.add(cursor, parte, n)
            yield n
            entera = n >= self._tanda

    def _give_back(self, run: _Run, dias: list[date], retenido_hasta: date) -> None:
        """Say that a few days are back, and bring what came of them meanwhile."""
        with self._conexion.transaction() as cursor:
            # Passing by what was deleted tells the index: the next look, with no saves, is short.
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute(_CON_LECTURAS, (dias,))
        with self._conexion.transaction() as cursor:
            lock_marks(cursor)
            cursor.execute(_CON_LECTURAS, (dias,))
            for (dia,) in cursor.fetchall():
                ensure_months(cursor, DIARIOS, months_around([dia]))
                for parte in parts_of_day(cursor, ARCHIVO, dia):
                    while n := move(cursor, parte, dia, self._tanda, DIARIOS):
                        run.add(cursor, parte, n)
            give_back(cursor, dias, retenido_hasta)

    def _drop_empty(self, run: _Run, limite: date, retenidos: set[date]) -> None:
        """Vacuum what the run has taken readings from, and drop what has none of any day left."""
        vacias = []
        for _, parte in self._whole_months(limite, retenidos):
            with self._conexion.transaction() as cursor:
                cursor.execute("SET LOCAL statement_timeout = 0")
                if is_empty(cursor, parte):
                    vacias.append(parte)
        # First: or all the others would wait while what was deleted is looked through again.
        self._vacuum(run.partes.union(vacias))
        for parte in vacias:
            si_no = "%s está en uso: su espacio se devuelve la próxima vez"
            with self._unless_busy(si_no, parte) as cursor:
                lock_marks(cursor)
                lock_tables(cursor)
                drop_if_empty(cursor, parte)

    def _truncate(self, run: _Run, parte: str) -> int:
        """Return how many readings a partition had, all of which are gone; 0 = not this way."""
        eliminadas = 0
        si_no = "%s está en uso: sus lecturas se eliminan día a día"
        with self._unless_busy(si_no, parte) as cursor:
            # Stands for the locks of all its days.
            lock_partition(cursor, parte)
            eliminadas = count(cursor, parte)
            if eliminadas:
                cursor.execute(f"TRUNCATE {parte}")
            run.add(cursor, parte, eliminadas)
        return eliminadas

    def _vacuum(self, partes: Collection[str]) -> None:
        """Give the space of deleted rows back to the disk where the server can."""
        with (
            traducidos(self._settings),
            closing(connect(self._settings, "consumo archivo", limite_ms=0)) as conexion,
            guarded(self._settings, TRABAJO, conexion),
            conexion.cursor() as cursor,
        ):
            # VACUUM runs in no transaction.
            conexion.autocommit = True
            for parte, ocupa in size_bytes(cursor, partes).items():
                if ocupa:
                    cursor.execute(f"VACUUM (ANALYZE) {parte}")

    @contextmanager
    def _unless_busy(self, si_no: str, cual: str) -> Iterator[Any]:
        """Give a transaction any time to work, but little to wait for others' locks.

        Where somebody has the table for longer, or waits for us, it is rolled back, and the log
        says ``si_no``.
        """
        try:
            with self._conexion.transaction() as cursor:
                cursor.execute("SET LOCAL statement_timeout = 0")
                cursor.execute(f"SET LOCAL lock_timeout = {self._espera_ms}")
                try:
                    yield cursor
                except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
                    raise _OcupadaError("otro proceso usa la tabla") from error
        except _OcupadaError:
            log.info(si_no, cual)


class _Run:
    """The row of one run in ``log_archivado``.

    Readings are added to it in the transaction that moves them.
    """

    def __init__(
        self, conexion: Conexion, operacion: str, tabla: str, desde: date | None, hasta: date
    ) -> None:
        self._conexion = conexion
        self._registros = 0
        self.partes: set[str] = set()
        """The partitions from which something went."""
        with conexion.transaction() as cursor:
            # Nobody else runs, so whoever has not finished never will.
            cursor.execute(_INTERRUMPIR)
            cursor.execute(_ABRIR, (operacion, desde, hasta))
            (self._clave,) = cursor.fetchone()
            self._antes = size_bytes(cursor, partitions(cursor, tabla).values())

    def add(self, cursor: Any, parte: str, registros: int) -> None:
        """Add readings that a partition has lost, in the transaction that moves them."""
        if registros:
            cursor.execute(_SUMAR, (registros, self._clave))
            self._registros += registros
            self.partes.add(parte)

    def close(self, estado: str) -> Movidos:
        """Say how the run ended, and return what it has moved and by how much that shrank."""
        with self._conexion.transaction() as cursor:
            mb = None
            if estado == "completado":
                quedan = size_bytes(cursor, self.partes)
                liberado = sum(self._antes.get(parte, 0) - quedan[parte] for parte in self.partes)
                mb = round(max(liberado, 0) / MEGABYTE, 2)
            cursor.execute(_CERRAR, (estado, mb, self._clave))
        return Movidos(self._registros, mb)


class _OcupadaError(TransientError):
    """A table is in somebody's hands."""


def _days(desde: date, hasta: date) -> list[date]:
    """Return the days from one to another, which is not included."""
    return [desde + timedelta(days=k) for k in range((hasta - desde).days)]
