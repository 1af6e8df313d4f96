"""What archiving answers with, whichever the store: rows moved and what a month holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class Movidos:
    """What a run moved or deleted.

    Attributes
    ----------
    registros : int
        Rows or documents, 0 or more.
    espacio_liberado_mb : float or None
        Space given back by the live tables, in MB, measured; None where the server
        cannot tell.
    """

    registros: int
    espacio_liberado_mb: float | None


@dataclass(frozen=True)
class MesArchivo:
    """What one calendar month, in local time, holds (or would give) to the archive.

    Attributes
    ----------
    mes : datetime.date
        First day of the month.
    registros : int
        Rows or documents, 1 or more.
    desde, hasta : datetime.datetime
        First and last instant among them, with their zone.
    espacio_mb : float or None
        Space they take, in MB, measured; None where the server cannot tell.
    """

    mes: date
    registros: int
    desde: datetime
    hasta: datetime
    espacio_mb: float | None


@dataclass(frozen=True)
class MesAnomalias(MesArchivo):
    """What one calendar month holds of anomalies.

    Attributes
    ----------
    por_severidad : dict
        How many of each severidad that there is, the gravest first.
    """

    por_severidad: dict[str, int]
