"""The archive of either store: what it answers with, and how a run of it goes.

A day is marked as archived before the first of its records leaves, and whatever still comes of it
is stored in the archive. Records go in steps, of which each leaves everything in its old place or
in the new one, so whatever is killed at whatever instant, nothing is lost, and the next run goes
on. One archiver or restorer at a time: the caller sees to it (``pipeline.jobs.archive``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

from detection.errors import ConsumoError

log = logging.getLogger(__name__)

EPOCA = date(1970, 1, 1)
UN_DIA = timedelta(days=1)
MEGABYTE = 1_000_000

OnProgress = Callable[[int], None]
"""Told how many more records are in their new place."""


@dataclass(frozen=True)
class Movidos:
    """What a run moved or deleted.

    ``registros``: rows or documents, 0 or more. ``espacio_liberado_mb``: space given back by the
    live tables, in MB, measured; None where the server cannot tell.
    """

    registros: int
    espacio_liberado_mb: float | None


@dataclass(frozen=True)
class MesArchivo:
    """What one calendar month, in local time, holds (or would give) to the archive."""

    mes: date  # first day of the month
    registros: int  # rows or documents, 1 or more
    # desde, hasta: first and last instant among them, with their zone.
    desde: datetime
    hasta: datetime
    espacio_mb: float | None  # space they take, in MB, measured; None where the server cannot tell
    # Of anomalies, how many of each severidad that there is, the gravest first.
    por_severidad: dict[str, int] = field(default_factory=dict)


class ArchiveRun(Protocol):
    """The record of a run in its store's log, which is kept up with what has moved so far."""

    def close(self, estado: str) -> Movidos:
        """Say how the run ended, and return what it has moved."""
        ...


def ignore(_movidos: int) -> None:
    """Show no progress."""


def run_steps(run: ArchiveRun, pasos: Iterable[int], avance: OnProgress) -> Movidos:
    """Return what a run has moved, step by step; an error that ends it makes it "fallido".

    ``pasos``: how many records each step has moved, as it is taken.
    """
    try:
        for movidos in pasos:
            if movidos:
                avance(movidos)
        return run.close("completado")
    except Exception:
        try:
            run.close("fallido")
        except ConsumoError as error:
            log.debug("la ejecución queda sin cerrar: %s", error)
        raise
