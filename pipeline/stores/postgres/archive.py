"""The archive of readings: from ``consumos_diarios`` to ``consumos_diarios_archivo`` and back.

A day is marked before its readings move (``postgres_dias``), and every step is one transaction that
copies, compares and deletes while nobody saves readings of that day, so whatever is killed at
whatever instant, each reading is in exactly one of the tables and the next run goes on. A month of
which nothing is archived yet goes as a whole partition, without a copy. One archiver or restorer at
a time: the caller sees to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from typing import Any

import psycopg2.errors

from detection.errors import TransientError
from pipeline.stores.archive_records import MesArchivo, Movidos
from pipeline.stores.months import siguiente
from pipeline.stores.postgres.archive_log import Anotacion, latest, open_log
from pipeline.stores.postgres.connection import Conexion, connect, guarded, traducir
from pipeline.stores.postgres.day_marks import (
    ARCHIVO,
    DIARIOS,
    ensure_months,
    give_back,
    lock_day,
    lock_marks,
    mark,
    month_of,
)
from pipeline.stores.postgres.transfer import (
    drop_if_empty,
    is_empty,
    lock_tables,
    move,
    move_month,
    partitions,
    parts_of_day,
    size_bytes,
    unite,
)
from pipeline.stores.watchdog import TRABAJO
from serving.settings import Settings

TANDA = 50_000
"""Readings a transaction: about a second's work."""
ESPERA_CERROJO_MS = 2_000
"""Whoever waits to take a table's partition away makes all others wait behind it: not for long."""
DIAS_A_LA_VEZ = 31
"""Days with nothing archived that are given back at once: tens of milliseconds without saves."""
MEGABYTE = 1_000_000

UN_DIA = timedelta(days=1)
log = logging.getLogger(__name__)

Avance = Callable[[int], None]
"""Told how many more readings are in their new place."""

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
_RETENIDOS = "SELECT fecha FROM dias_archivados WHERE retenido_hasta >= %s"
_MARCADOS = """
SELECT fecha FROM dias_archivados WHERE en_archivo AND fecha BETWEEN %s AND %s ORDER BY fecha
"""
# A look into the index for each day, and none at the days between them.
_CON_LECTURAS = f"""
SELECT d.dia FROM unnest(%s::date[]) AS d (dia)
CROSS JOIN LATERAL (SELECT FROM {ARCHIVO} WHERE fecha = d.dia LIMIT 1) AS una ORDER BY d.dia
"""
_BORRAR = """
DELETE FROM {parte} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {parte} WHERE fecha = %s LIMIT %s))
"""
_SIGUIENTE_DIA = "SELECT min(fecha) FROM {tabla} WHERE fecha >= %s AND fecha <= %s"


class ArchivoPostgres:
    """What the archiver and the restorer ask of PostgreSQL.

    Parameters
    ----------
    tanda : int
        Readings a transaction, at most.

    Examples
    --------
    >>> from serving.settings import Settings
    >>> ArchivoPostgres(Settings()).close()
    """

    def __init__(self, settings: Settings, tanda: int = TANDA) -> None:
        self._settings = settings
        self._conexion = Conexion(settings, "consumo archivo", TRABAJO)
        self._tanda = tanda

    def pendientes(self, limite: date, hoy: date) -> list[MesArchivo]:
        """Return what ``archivar`` would move, by local month; changes nothing.

        ``espacio_mb`` is the readings' share of what their partitions take on disk.
        """
        return self._por_mes(DIARIOS, limite, hoy)

    def listar(self) -> list[MesArchivo]:
        """Return what the archive holds, by local month."""
        return self._por_mes(ARCHIVO, date.max, date.max)

    def _por_mes(self, tabla: str, limite: date, hoy: date) -> list[MesArchivo]:
        with self._conexion.transaction() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute(_POR_MES.format(tabla=tabla), {"limite": limite, "hoy": hoy})
            return [
                MesArchivo(mes, registros, desde, hasta, ocupa / MEGABYTE)
                for mes, registros, desde, hasta, ocupa in cursor
            ]

    def archivar(self, limite: date, hoy: date, avance: Avance = lambda _n: None) -> Movidos:
        """Move every reading of the local days before ``limite`` to the archive.

        Days that were restored stay until they are no longer retained at ``hoy``.
        """
        with open_log(self._conexion, "archivar", None, limite - UN_DIA) as anotacion:
            retenidos, marcados = self._mark_before(limite, hoy)
            antes = self._sizes(DIARIOS)
            tocadas: set[str] = set()
            for mes, parte in self._whole_months(limite, retenidos):
                if n := self._move_month(anotacion, mes):
                    tocadas.add(parte)
                    avance(n)
            for dia in self._dias(DIARIOS, date.min, limite - UN_DIA):
                # Not one of an earlier day, which may have come since: its day is not marked.
                if dia in marcados:
                    for parte, n in self._move_day(anotacion, DIARIOS, ARCHIVO, dia):
                        tocadas.add(parte)
                        avance(n)
            self._drop_empty(limite, retenidos)
            return self._finish(anotacion, {p: antes.get(p, 0) for p in tocadas})

    def restaurar(
        self,
        desde: date,
        hasta: date,
        retenido_hasta: date,
        avance: Avance = lambda _n: None,
    ) -> Movidos:
        """Bring the readings of local days back, ``hasta`` included.

        Parameters
        ----------
        retenido_hasta : date
            Until then the archiver leaves those days alone.
        """
        with open_log(self._conexion, "restaurar", desde, hasta) as anotacion:
            antes = self._sizes(ARCHIVO)
            tocadas: set[str] = set()
            for dia in self._dias(ARCHIVO, desde, hasta):
                with self._conexion.transaction() as cursor:
                    _ensure_around(cursor, dia)
                for parte, n in self._move_day(anotacion, ARCHIVO, DIARIOS, dia):
                    tocadas.add(parte)
                    avance(n)
                self._give_back(anotacion, [dia], retenido_hasta)
            # The other days have nothing archived, and are few at a time: nobody saves meanwhile.
            vacios = self._marked(desde, hasta)
            for k in range(0, len(vacios), DIAS_A_LA_VEZ):
                self._give_back(anotacion, vacios[k : k + DIAS_A_LA_VEZ], retenido_hasta)
            return self._finish(anotacion, {p: antes.get(p, 0) for p in tocadas})

    def contar(self, antes_de: date) -> int:
        """Return how many readings of days before ``antes_de`` the archive holds."""
        with self._conexion.transaction() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
            orden = f"SELECT count(*) FROM {ARCHIVO} WHERE fecha < %s"
            cursor.execute(orden, (antes_de,))
            return int(cursor.fetchone()[0])

    def eliminar(self, antes_de: date, avance: Avance = lambda _n: None) -> Movidos:
        """Delete the archive's readings of the days before ``antes_de``, for good.

        Their days stay marked: a reading that still comes of one of them goes to the archive.
        """
        with open_log(self._conexion, "eliminar", None, antes_de - UN_DIA) as anotacion:
            antes = self._sizes(ARCHIVO)
            with self._conexion.transaction() as cursor:
                partes = partitions(cursor, ARCHIVO)
            tocadas: set[str] = set()
            for mes, parte in partes.items():
                if siguiente(mes) < antes_de and (n := self._empty(anotacion, parte)):
                    tocadas.add(parte)
                    avance(n)
                for n in self._delete(anotacion, parte, antes_de):
                    tocadas.add(parte)
                    avance(n)
            return self._finish(anotacion, {p: antes.get(p, 0) for p in tocadas})

    def asegurar_particiones(self, hoy: date, meses: int) -> int:
        """Return how many partitions were missing, of this UTC month and of ``meses`` more."""
        faltan = [month_of(hoy)]
        for _ in range(meses):
            faltan.append(siguiente(faltan[-1]))
        with self._conexion.transaction() as cursor:
            return ensure_months(cursor, DIARIOS, faltan)

    def historial(self, limite: int) -> list[dict[str, Any]]:
        """Return the latest rows of ``log_archivado``, the newest first."""
        return latest(self._conexion, limite)

    def close(self) -> None:
        """Close the connection."""
        self._conexion.close()

    def _finish(self, anotacion: Anotacion, antes: dict[str, int]) -> Movidos:
        """Measure what the partitions have shrunk, and close this run's row."""
        self._vacuum(list(antes))
        with self._conexion.transaction() as cursor:
            ahora = size_bytes(cursor, list(antes))
            liberado = sum(antes.values()) - sum(ahora.values())
            mb = round(max(liberado, 0) / MEGABYTE, 2)
            anotacion.close(cursor, "completado", mb)
        return Movidos(anotacion.registros, mb)

    def _vacuum(self, partes: list[str]) -> None:
        """Give the space of deleted rows back to the disk where the server can."""
        try:
            with closing(connect(self._settings, "consumo archivo", limite_ms=0)) as conexion:
                # VACUUM runs in no transaction.
                conexion.autocommit = True
                with guarded(self._settings, TRABAJO, conexion), conexion.cursor() as cursor:
                    vivas = [p for p, ocupa in size_bytes(cursor, partes).items() if ocupa]
                    for parte in vivas:
                        cursor.execute(f"VACUUM (ANALYZE) {parte}")
        except psycopg2.Error as error:
            raise traducir(self._settings, error) or error from error

    def _mark_before(self, limite: date, hoy: date) -> tuple[set[date], set[date]]:
        """Mark the days that are to move; return those that are retained, and those."""
        with self._conexion.transaction() as cursor:
            lock_marks(cursor)
            cursor.execute(_RETENIDOS, (hoy,))
            retenidos = {dia for (dia,) in cursor}
            cursor.execute(_SIGUIENTE_DIA.format(tabla=DIARIOS), (date.min, limite - UN_DIA))
            (primero,) = cursor.fetchone()
            marcados = set() if primero is None else set(_days(primero, limite)) - retenidos
            mark(cursor, sorted(marcados))
        return retenidos, marcados

    def _dias(self, tabla: str, desde: date, hasta: date) -> Iterator[date]:
        """Give the days of which a table has readings, in order."""
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

    def _move_month(self, anotacion: Anotacion, mes: date) -> int:
        """Return how many readings went with a whole partition; 0 = not this way."""
        try:
            with self._conexion.transaction() as cursor, _patient(cursor):
                lock_marks(cursor)
                # A reading may have come of a day before the first one that was marked.
                mark(cursor, _days(mes - UN_DIA, siguiente(mes) + UN_DIA))
                # After it: whoever creates a partition has the lock of that first.
                lock_tables(cursor)
                registros = move_month(cursor, mes) or 0
                anotacion.add(cursor, registros)
        except _OcupadaError:
            log.info("%s está en uso: sus lecturas se archivan día a día", f"{mes:%Y-%m}")
            return 0
        return registros

    def _move_day(
        self, anotacion: Anotacion, origen: str, destino: str, dia: date
    ) -> Iterator[tuple[str, int]]:
        """Move a day, and give each step's partition and readings."""
        with self._conexion.transaction() as cursor:
            if dobles := unite(cursor, dia):
                log.warning("%d lecturas del %s estaban en las dos tablas", dobles, dia)
            partes = parts_of_day(partitions(cursor, origen), dia)
        for parte in partes:
            while True:
                with self._conexion.transaction() as cursor:
                    n = move(cursor, parte, destino, dia, self._tanda)
                    anotacion.add(cursor, n)
                if n:
                    yield parte, n
                # Not until there is none: what is corrected meanwhile goes back, and again back.
                if n < self._tanda:
                    break

    def _marked(self, desde: date, hasta: date) -> list[date]:
        """Return the days that live in the archive, ``hasta`` included, in order."""
        with self._conexion.transaction() as cursor:
            cursor.execute(_MARCADOS, (desde, hasta))
            return [dia for (dia,) in cursor]

    def _give_back(self, anotacion: Anotacion, dias: list[date], retenido_hasta: date) -> None:
        """Say that a few days are back, and bring what came of them meanwhile."""
        with self._conexion.transaction() as cursor:
            # Passing by what was deleted tells the index: the next look, with no saves, is short.
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute(_CON_LECTURAS, (dias,))
        with self._conexion.transaction() as cursor:
            lock_marks(cursor)
            cursor.execute(_CON_LECTURAS, (dias,))
            for (dia,) in cursor.fetchall():
                _ensure_around(cursor, dia)
                for parte in parts_of_day(partitions(cursor, ARCHIVO), dia):
                    while n := move(cursor, parte, DIARIOS, dia, self._tanda):
                        anotacion.add(cursor, n)
            give_back(cursor, dias, retenido_hasta)

    def _drop_empty(self, limite: date, retenidos: set[date]) -> None:
        """Drop the partitions of which every day is archived, and nothing is left."""
        for _, parte in self._whole_months(limite, retenidos):
            with self._conexion.transaction() as cursor:
                cursor.execute("SET LOCAL statement_timeout = 0")
                if not is_empty(cursor, parte):
                    continue
            # Or all the others would wait while what was deleted is looked through again.
            self._vacuum([parte])
            try:
                with self._conexion.transaction() as cursor, _patient(cursor):
                    lock_marks(cursor)
                    lock_tables(cursor)
                    drop_if_empty(cursor, parte)
            except _OcupadaError:
                log.info("%s está en uso: su espacio se devuelve la próxima vez", parte)

    def _sizes(self, tabla: str) -> dict[str, int]:
        """Return what each partition of a table takes, bytes."""
        with self._conexion.transaction() as cursor:
            return size_bytes(cursor, list(partitions(cursor, tabla).values()))

    def _empty(self, anotacion: Anotacion, parte: str) -> int:
        """Return how many readings a partition had, all of which are gone; 0 = not this way."""
        try:
            with self._conexion.transaction() as cursor, _patient(cursor):
                # Stands for the locks of all its days.
                cursor.execute(f"LOCK TABLE {parte} IN ACCESS EXCLUSIVE MODE")
                cursor.execute(f"SELECT count(*) FROM {parte}")  # nosec B608 # the names are ours
                (n,) = cursor.fetchone()
                if n:
                    cursor.execute(f"TRUNCATE {parte}")
                anotacion.add(cursor, n)
        except _OcupadaError:
            log.info("%s está en uso: sus lecturas se eliminan día a día", parte)
            return 0
        return int(n)

    def _delete(self, anotacion: Anotacion, parte: str, antes_de: date) -> Iterator[int]:
        """Delete a partition's readings before a day, and give how many at each step."""
        for dia in self._dias(parte, date.min, antes_de - UN_DIA):
            while True:
                with self._conexion.transaction() as cursor:
                    lock_day(cursor, dia)
                    cursor.execute(_BORRAR.format(parte=parte), (dia, self._tanda))
                    n = cursor.rowcount
                    anotacion.add(cursor, n)
                if n:
                    yield n
                if n < self._tanda:
                    break


def _days(desde: date, hasta: date) -> list[date]:
    """Return the days from one to another, which is not included."""
    return [desde + timedelta(days=k) for k in range((hasta - desde).days)]


def _ensure_around(cursor: Any, dia: date) -> None:
    """See to it that ``consumos_diarios`` has a place for a day, in any zone."""
    ensure_months(cursor, DIARIOS, {month_of(dia + timedelta(days=k)) for k in (-1, 0, 1)})


@contextmanager
def _patient(cursor: Any) -> Iterator[None]:
    """Give a block any time to work, but little to wait for others' locks.

    Raises
    ------
    _OcupadaError
        Somebody has the table for longer, or waits for us; the transaction is rolled back.
    """
    cursor.execute("SET LOCAL statement_timeout = 0")
    cursor.execute(f"SET LOCAL lock_timeout = {ESPERA_CERROJO_MS}")
    try:
        yield
    except (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected) as error:
        raise _OcupadaError("otro proceso usa la tabla") from error


class _OcupadaError(TransientError):
    """A table is in somebody's hands."""
