"""Connections of many threads to PostgreSQL that can only read, and never wait for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg2

from detection.errors import TransientError
from pipeline.stores.postgres.connection import connect, guarded, traducir
from pipeline.stores.watchdog import PREGUNTA
from serving.settings import Settings

ESPERA_S = 2.0
"""Longest wait for a connection. By hand, 2026-11-24: whoever looks at a screen gives up later."""


class ReadConnections:
    """Up to ``cuantas`` connections, opened when needed, each lent to one thread at a time.

    Parameters
    ----------
    programa : str
        What the server's list of connections shows.
    cuantas : int
        At most, >= 1.
    limite_ms : int
        Longest statement, ms.
    """

    def __init__(self, settings: Settings, programa: str, cuantas: int, limite_ms: int) -> None:
        self._settings = settings
        self._programa = programa
        self._limite_ms = limite_ms
        self._turnos = threading.BoundedSemaphore(cuantas)
        self._mutex = threading.Lock()
        self._libres: list[Any] = []
        self._cerradas = 0

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """Give a cursor; each statement is a transaction of its own that can change nothing.

        ``TransientError``: PostgreSQL is away, a statement takes too long, or all connections are
        in use. ``ConfiguracionError``: it refuses the user, the password or the database.
        """
        if not self._turnos.acquire(timeout=ESPERA_S):
            raise TransientError("hay demasiadas consultas a la vez en PostgreSQL", ESPERA_S)
        try:
            with self._lent() as conexion, conexion.cursor() as cursor:
                yield cursor
        finally:
            self._turnos.release()

    def rows(self, consulta: str, parametros: Mapping[str, Any]) -> list[Any]:
        """Return the rows that a query gives."""
        with self.cursor() as cursor:
            cursor.execute(consulta, parametros)
            filas: list[Any] = cursor.fetchall()
        return filas

    @contextmanager
    def _lent(self) -> Iterator[Any]:
        try:
            conexion, epoca = self._take()
            try:
                with guarded(self._settings, PREGUNTA, conexion):
                    yield conexion
            except psycopg2.Error:
                if conexion.closed:
                    # Where one was lost the others are: nobody else needs to find out.
                    self.close()
                self._give_back(conexion, epoca)
                raise
            except BaseException:
                # Perhaps in the middle of a statement.
                conexion.close()
                raise
            self._give_back(conexion, epoca)
        except psycopg2.Error as error:
            traducido = traducir(self._settings, error)
            if traducido is None:
                raise
            raise traducido from error

    def _take(self) -> tuple[Any, int]:
        with self._mutex:
            if self._libres:
                return self._libres.pop(), self._cerradas
            epoca = self._cerradas
        conexion = connect(
            self._settings, self._programa, limite_ms=self._limite_ms, paciencia=PREGUNTA
        )
        with guarded(self._settings, PREGUNTA, conexion):
            # One round trip a statement instead of three.
            conexion.set_session(readonly=True, autocommit=True)
        return conexion, epoca

    def _give_back(self, conexion: Any, epoca: int) -> None:
        with self._mutex:
            if epoca == self._cerradas and not conexion.closed:
                self._libres.append(conexion)
                return
        conexion.close()

    def close(self) -> None:
        """Close the connections that nobody has; those in use are closed when they come back."""
        with self._mutex:
            libres, self._libres = self._libres, []
            self._cerradas += 1
        for conexion in libres:
            conexion.close()
