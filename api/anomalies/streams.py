"""The open streams of new anomalies: how many may be, with which threads, and when they end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TypeVar

import anyio
import anyio.to_thread

from detection.errors import TransientError

FLUJOS_MAXIMOS = 50
"""Streams at once; each asks MongoDB every ``SONDEO_S``. By hand, 2026-11-24."""
SONDEO_S = 1.0
LATIDO_S = 15.0
"""Silence after which proxies cut a connection is a minute at least; half-open ones are noticed."""
_HILOS = 4
_ESPERA_LLENO_S = 30.0

T = TypeVar("T")


class EventStreams:
    """The streams of one app.

    ``avisar``: told how many there are whenever that changes. ``sondeo_s``, ``latido_s``: between
    two questions to the store, and of silence at most, s.
    """

    def __init__(
        self,
        avisar: Callable[[int], None],
        *,
        maximo: int = FLUJOS_MAXIMOS,
        sondeo_s: float = SONDEO_S,
        latido_s: float = LATIDO_S,
    ) -> None:
        self._avisar = avisar
        self._maximo = maximo
        self.sondeo_s = sondeo_s
        self.latido_s = latido_s
        self._cuantos = 0
        self._fin = asyncio.Event()

    @cached_property
    def _hilos(self) -> anyio.CapacityLimiter:
        # Made inside the loop, as it wants to be.
        return anyio.CapacityLimiter(_HILOS)

    def check(self) -> None:
        """Return if there is room for one more; raise ``TransientError`` otherwise."""
        if self._cuantos >= self._maximo:
            raise TransientError(f"ya hay {self._maximo} oyentes", _ESPERA_LLENO_S)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one more while the block runs."""
        self._cuantos += 1
        self._avisar(self._cuantos)
        try:
            yield
        finally:
            self._cuantos -= 1
            self._avisar(self._cuantos)

    async def ask(self, pregunta: Callable[[], T]) -> T:
        """Return what the store answers, asked in one of the streams' own threads."""
        return await anyio.to_thread.run_sync(pregunta, limiter=self._hilos)

    async def pause(self, segundos: float) -> bool:
        """Wait, and return whether to go on; False = the server stops."""
        try:
            await asyncio.wait_for(self._fin.wait(), segundos)
        except TimeoutError:
            return True
        return False

    def end(self) -> None:
        """End every stream."""
        self._fin.set()
