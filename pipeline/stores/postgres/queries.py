"""All that is asked of the history by whoever only looks; within limits, safe from many threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pipeline.stores.postgres.query_cases import PostgresCases
from pipeline.stores.postgres.query_connections import ReadConnections
from pipeline.stores.postgres.query_context import PostgresContext
from pipeline.stores.postgres.query_customers import PostgresCustomers
from pipeline.stores.postgres.query_peers import DIAS_BANDA, PostgresPeers
from pipeline.stores.postgres.query_readings import PostgresReadings
from pipeline.stores.postgres.query_shadow import PostgresShadow
from pipeline.stores.postgres.query_totals import PostgresTotals
from pipeline.stores.presentation import make_presentacion
from pipeline.stores.query_cache import AnswerCache
from serving.settings import Settings


class PostgresQueries:
    """The questions to PostgreSQL, by subject.

    Parameters
    ----------
    conexiones : int
        Connections at most.
    limite_ms : int
        Longest statement, ms.
    reloj : callable, optional
        The time, aware.
    segundos : callable, optional
        Rising seconds, by which what is remembered grows old.
    """

    def __init__(
        self,
        settings: Settings,
        conexiones: int = 8,
        limite_ms: int = 5_000,
        reloj: Callable[[], datetime] = lambda: datetime.now(UTC),
        segundos: Callable[[], float] = time.monotonic,
    ) -> None:
        presenta = make_presentacion(settings)
        recuerdo = AnswerCache(reloj=segundos)
        self._reloj = reloj
        self._conexiones = ReadConnections(settings, "consumo api", conexiones, limite_ms)
        self.readings = PostgresReadings(self._conexiones, presenta, reloj)
        self.customers = PostgresCustomers(
            self._conexiones, recuerdo, self.readings, settings, presenta
        )
        self.peers = PostgresPeers(self._conexiones, recuerdo, self.customers, presenta)
        self.context = PostgresContext(self._conexiones)
        self.cases = PostgresCases(
            self._conexiones, recuerdo, self.customers, self.context, presenta
        )
        self.totals = PostgresTotals(self._conexiones, recuerdo, self.customers, presenta, reloj)
        self.shadow = PostgresShadow(self._conexiones, recuerdo, presenta)

    def warm_up(self) -> None:
        """Load what draws a band, which takes a second, so that nobody waits for it."""
        clientes = self.customers.active()
        if clientes:
            hasta = self._reloj()
            self.peers.band(clientes[0], hasta - timedelta(days=DIAS_BANDA), hasta)

    def ping(self) -> None:
        """Return if PostgreSQL answers; raise ``TransientError`` otherwise."""
        self._conexiones.rows("SELECT 1", {})

    def close(self) -> None:
        """Close the connections."""
        self._conexiones.close()
