"""A connection to MongoDB for those who only ask: few at a time, and none waits for ever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from threading import BoundedSemaphore
from typing import Any

from pymongo import MongoClient

from detection.errors import TransientError
from pipeline.stores.mongo.connection import check_awake, connect, traducidos
from pipeline.stores.presentation import make_presentacion
from pipeline.stores.watchdog import PREGUNTA
from serving.settings import Settings

ESPERA_S = 2.0
"""Longest wait for a turn. By hand, 2026-11-24: whoever looks at a screen gives up later."""
LIMITE_MS = 5_000
LIMITE_SUMAS_MS = 15_000
"""Longest question to the server, ms: a list, and what is added up of a month of anomalies."""

Documento = dict[str, Any]


class MongoReader:
    """Asks collections by name, in so many threads at a time.

    Parameters
    ----------
    programa : str
        What the server's list of connections shows.
    hilos : int
        Threads at a time, >= 1.
    limite_ms : int
        Longest list, ms.
    """

    def __init__(
        self, settings: Settings, programa: str, hilos: int, limite_ms: int = LIMITE_MS
    ) -> None:
        self._settings = settings
        self.presenta = make_presentacion(settings)
        self._limite_ms = limite_ms
        self._turnos = BoundedSemaphore(hilos)
        self._cliente: MongoClient[Documento] = connect(settings, programa, PREGUNTA)
        self.base = self._cliente[settings.mongo_db]

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Let a thread ask, with MongoDB's errors turned into ours.

        ``TransientError``: MongoDB is away, takes too long, or too many are asking.
        """
        if not self._turnos.acquire(timeout=ESPERA_S):
            raise TransientError("hay demasiadas consultas a la vez en MongoDB", ESPERA_S)
        try:
            check_awake(self._settings, self._cliente)
            with traducidos(self._settings):
                yield
        finally:
            self._turnos.release()

    def find(
        self,
        coleccion: str,
        condiciones: Mapping[str, Any],
        campos: Mapping[str, Any] | None,
        orden: Sequence[tuple[str, int]],
        limite: int,
    ) -> list[Documento]:
        """Return the first documents in an order."""
        with self.taken():
            cursor = self.base[coleccion].find(condiciones, campos, max_time_ms=self._limite_ms)
            return list(cursor.sort(list(orden)).limit(limite))

    def aggregate(self, coleccion: str, etapas: Sequence[Mapping[str, Any]]) -> list[Documento]:
        """Return what a pipeline gives."""
        with self.taken():
            return list(self.base[coleccion].aggregate(list(etapas), maxTimeMS=LIMITE_SUMAS_MS))

    @cached_property
    def is_embedded(self) -> bool:
        """Whether the server is the embedded one (SecantusDB), and not MongoDB."""
        with self.taken():
            return "secantusVersion" in self._cliente.admin.command("buildInfo")

    def ping(self) -> None:
        """Return if MongoDB answers; raise ``TransientError`` otherwise."""
        with self.taken():
            self._cliente.admin.command("ping")

    def close(self) -> None:
        """Close every connection."""
        self._cliente.close()
