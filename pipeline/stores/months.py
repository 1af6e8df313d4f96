"""The words that both stores have for months; a month is given by its first day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

TRAMO = 5_000
"""Customers at a time, in memory and in a request: what the embedded MongoDB stores in 2 s."""
DECIMALES_KWH = 6
"""Results are rounded to a thousandth of a watt-hour, far below what any meter can tell; a month
of the largest customer (10 000 kWh an hour) still fits the 15 digits of a double."""


COBERTURA_ENTERA = 0.95
"""Part of its hours from which a period is compared as a whole one: the gaps of a meter are no
more, and what they hide is less than the changes that are told. By hand, 2026-11-30."""
HORAS_SEMANA = 7 * 24


@dataclass(frozen=True, slots=True)
class Huella:
    """What tells one state of a month's readings from another."""

    lecturas: int = 0  # readings, archived ones included
    # When the latest of them was stored or changed, ISO 8601, UTC; empty without readings.
    procesado_hasta: str = ""
    suma: int = 0  # sum of a hash of that time over all of them


class ResumenCliente(NamedTuple):
    """A customer's month; energies in kWh, rounded to ``DECIMALES_KWH``.

    ``consumo_promedio`` is per reading; the averages of night and peak are None without a
    reading in those hours.
    """

    propietario_id: str
    lecturas: int
    consumo_total: float
    consumo_promedio: float
    consumo_minimo: float
    consumo_maximo: float
    anomalias_detectadas: int
    anomalias_criticas: int
    consumo_noche_promedio: float | None
    consumo_punta_promedio: float | None


def is_whole(lecturas: int | None, posibles: int) -> bool:
    """Return whether a period has so many of its readings that it is compared with others.

    Examples
    --------
    >>> is_whole(744, 744), is_whole(24, 744), is_whole(None, 744), is_whole(0, 0)
    (True, False, False, False)
    """
    return lecturas is not None and 0 < COBERTURA_ENTERA * posibles <= lecturas


def hours_of(mes: date) -> int:
    """Return how many hours a month has; the one that a change of the clock moves is left out.

    Examples
    --------
    >>> hours_of(date(2026, 2, 1))
    672
    """
    return 24 * (siguiente(mes) - mes).days


def siguiente(mes: date) -> date:
    """Return the first day of the month after.

    Examples
    --------
    >>> siguiente(date(2026, 12, 1))
    datetime.date(2027, 1, 1)
    """
    return date(mes.year + mes.month // 12, mes.month % 12 + 1, 1)


def mes_str(mes: date) -> str:
    """Return the name of a month.

    Examples
    --------
    >>> mes_str(date(2026, 1, 1))
    '2026-01'
    """
    return mes.isoformat()[:7]


def mes_de(texto: str) -> date:
    """Return the first day of a month; ``ValueError`` if the text is none.

    Examples
    --------
    >>> mes_de("2026-01")
    datetime.date(2026, 1, 1)
    """
    # fromisoformat would also take weeks.
    if not re.fullmatch(r"\d{4}-\d{2}", texto, re.ASCII):
        raise ValueError(f"no es un mes: {texto!r}")
    return date.fromisoformat(f"{texto}-01")
