"""Servers that freeze: their processes stop, their kernel goes on taking connections for them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from pipeline.embedded.probes import escucha
from pipeline.embedded.services import EmbeddedServices


@contextmanager
def congelado(servicios: EmbeddedServices, nombre: str) -> Iterator[None]:
    """Stop a server while the block runs (SIGSTOP), as a machine out of memory or disk would."""
    puerto = servicios.puertos[nombre]
    padre = next(p for p in psutil.Process().children() if escucha(p.pid, puerto))
    parados: list[psutil.Process] = []
    try:
        # The parent first: it starts no others then.
        for proceso in (padre, *padre.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                proceso.send_signal(signal.SIGSTOP)
                parados.append(proceso)
        yield
    finally:
        for proceso in reversed(parados):
            with suppress(psutil.NoSuchProcess):
                proceso.send_signal(signal.SIGCONT)
