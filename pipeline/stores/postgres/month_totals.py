"""Months of readings in PostgreSQL: which have changed, and what each customer used in one.

Everything is added up by the server; what leaves it is a row for each customer and month.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import psycopg2.errors

from detection.errors import TransientError
from pipeline.stores.months import DECIMALES_KWH, TRAMO, Huella, ResumenCliente, siguiente
from pipeline.stores.postgres.connection import Conexion
from pipeline.stores.watchdog import TRABAJO
from serving.settings import Settings, horas_de

# Any number that no other program on the same server uses: "agregar" in hex.
CERROJO = 0x61677265676172
ESPERA_CERROJO_S = 30
"""A killed run's lock lives until its server process notices; a query's usual time."""

# Dates bound the month; instants say nothing new (no zone is more than a day from UTC), but let
# the server leave out the other months' partitions.
_DEL_MES = """fecha >= %(desde)s AND fecha < %(hasta)s
    AND timestamp_consumo >= %(no_antes)s AND timestamp_consumo < %(no_despues)s"""


def _kwh(agregado: str, filtro: str = "") -> str:
    return f"round({agregado}(consumo_kwh){filtro}, {DECIMALES_KWH})::float8"


# The sum of the hashes of timestamp_procesado is what betrays a change: unlike a maximum, it also
# sees a transaction that committed after a later one.
RESUMEN = f"""
SELECT propietario_id, count(*), {_kwh("sum")}, {_kwh("avg")}, {_kwh("min")}, {_kwh("max")},
    count(*) FILTER (WHERE anomalia_detectada),
    count(*) FILTER (WHERE severidad = 'crítica'),
    {_kwh("avg", " FILTER (WHERE hora = ANY(%(noche)s))")},
    {_kwh("avg", " FILTER (WHERE hora = ANY(%(punta)s))")},
    max(timestamp_procesado), sum(timestamp_hash(timestamp_procesado))
FROM consumos_historia WHERE {_DEL_MES}
GROUP BY propietario_id ORDER BY propietario_id
"""
_HUELLAS = """
SELECT date_trunc('month', fecha)::date AS mes, sum(lecturas)::bigint, max(ultimo),
    sum(suma)::bigint
FROM (
    SELECT fecha, count(*) AS lecturas, max(timestamp_procesado) AS ultimo,
        sum(timestamp_hash(timestamp_procesado)) AS suma
    FROM consumos_historia GROUP BY fecha
) AS dias
GROUP BY mes ORDER BY mes
"""


class LecturaDeMes:
    """One look at a month: ``tramos`` gives its customers, ``huella`` is complete after them.

    ``momento``: when the server looked, aware.
    """

    def __init__(self, conexion: Conexion, momento: datetime, tramo: int) -> None:
        self.momento = momento
        self.huella = Huella()
        self._conexion = conexion
        self._tramo = tramo

    def tramos(self) -> Iterator[list[ResumenCliente]]:
        """Give the month's customers by name, at most a chunk at a time."""
        while True:
            with self._conexion.transaction() as cursor:
                cursor.execute(f"FETCH {int(self._tramo)} FROM resumen")
                filas = cursor.fetchall()
            if not filas:
                return
            self.huella = Huella(
                self.huella.lecturas + sum(fila[1] for fila in filas),
                max(self.huella.procesado_hasta, *(fila[-2].isoformat() for fila in filas)),
                self.huella.suma + sum(int(fila[-1]) for fila in filas),
            )
            yield [ResumenCliente(*fila[:-2]) for fila in filas]


class MesesPostgres:
    """The months of ``consumos_diarios`` and of its archive together."""

    def __init__(self, settings: Settings, tramo: int = TRAMO) -> None:
        self._conexion = Conexion(settings, "consumo agregar", TRABAJO)
        self._horas = {
            "noche": list(horas_de(settings.horas_noche)),
            "punta": list(horas_de(settings.horas_punta)),
        }
        self._tramo = tramo

    def lock(self) -> None:
        """Keep other aggregations of this database out until ``close``, or until we die.

        It is an advisory lock: it keeps nobody from reading or writing the tables.

        ``TransientError``: another one is running and did not finish in time.
        """
        with self._conexion.transaction() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{ESPERA_CERROJO_S}s'")
            cursor.execute("SET LOCAL statement_timeout = 0")
            try:
                cursor.execute("SELECT pg_advisory_lock(%s)", (CERROJO,))
            except psycopg2.errors.LockNotAvailable as error:
                raise TransientError(
                    "otra agregación está en marcha; espere a que acabe"
                ) from error

    def huellas(self) -> dict[date, Huella]:
        """Return, for the first day of each month with readings, what tells its state.

        It reads all readings once, at twice the speed of adding them up.
        """
        with self._conexion.transaction() as cursor:
            _only_read(cursor)
            cursor.execute(_HUELLAS)
            filas = cursor.fetchall()
        return {
            mes: Huella(lecturas, ultimo.isoformat(), suma) for mes, lecturas, ultimo, suma in filas
        }

    @contextmanager
    def open_month(self, mes: date) -> Iterator[LecturaDeMes]:
        """Give the aggregates of a month, all of one instant.

        The cursor outlives the transaction (WITH HOLD): the server keeps the result, one row a
        customer, on its disk, and while it is sent on no snapshot holds back the server's
        cleaning and no lock stands in the archiver's way.
        """
        with self._conexion.transaction() as cursor:
            _only_read(cursor)
            cursor.execute("SELECT date_trunc('milliseconds', now())")
            (momento,) = cursor.fetchone()
            cursor.execute(
                f"DECLARE resumen NO SCROLL CURSOR WITH HOLD FOR {RESUMEN}", self.parametros(mes)
            )
        yield LecturaDeMes(self._conexion, momento.astimezone(UTC), self._tramo)
        with self._conexion.transaction() as cursor:
            cursor.execute("CLOSE resumen")

    def parametros(self, mes: date) -> dict[str, Any]:
        """Return the parameters of ``RESUMEN`` for a month, given by its first day."""
        desde, hasta = mes, siguiente(mes)
        return {
            "desde": desde,
            "hasta": hasta,
            "no_antes": datetime.combine(desde, time(), UTC) - timedelta(days=1),
            "no_despues": datetime.combine(hasta, time(), UTC) + timedelta(days=1),
            **self._horas,
        }

    def ping(self) -> None:
        """Return if PostgreSQL still holds our session; raise ``TransientError`` otherwise."""
        with self._conexion.transaction() as cursor:
            cursor.execute("SELECT 1")

    def close(self) -> None:
        """Close the connection and let other aggregations in."""
        self._conexion.close()


def _only_read(cursor: Any) -> None:
    """Make a transaction one look at the data, of any length, that can change nothing."""
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    cursor.execute("SET LOCAL statement_timeout = 0")
