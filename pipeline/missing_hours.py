"""Which hours of a customer there are, as runs, and which are missing between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

TRAMOS_SUELTOS = 5_000
"""Runs of one customer that may wait before those that touch are put together."""


@dataclass(slots=True)
class HoursSeen:
    """Absolute hours of one customer.

    Examples
    --------
    >>> vistas = HoursSeen()
    >>> for hora in (7, 8, 5, 12, 11):
    ...     vistas.see(hora)
    >>> list(vistas.gaps()), vistas.span()
    ([(6, 7), (9, 11)], (5, 13))
    """

    _tramos: list[list[int]] = field(default_factory=list)

    def see(self, hora: int) -> None:
        """Take an hour; most follow the last one, or go before it."""
        if self._tramos:
            ultimo = self._tramos[-1]
            if hora == ultimo[1]:
                ultimo[1] += 1
                return
            if hora == ultimo[0] - 1:
                ultimo[0] -= 1
                return
        self._tramos.append([hora, hora + 1])
        if len(self._tramos) % TRAMOS_SUELTOS == 0:
            self._join()

    def _join(self) -> list[list[int]]:
        """Put the runs that touch together, and return them in order."""
        juntos: list[list[int]] = []
        for desde, hasta in sorted(self._tramos):
            if juntos and desde <= juntos[-1][1]:
                juntos[-1][1] = max(juntos[-1][1], hasta)
            else:
                juntos.append([desde, hasta])
        self._tramos = juntos
        return juntos

    def span(self) -> tuple[int, int]:
        """Return the first hour, and that behind the last one."""
        return min(desde for desde, _ in self._tramos), max(hasta for _, hasta in self._tramos)

    def gaps(self) -> Iterator[tuple[int, int]]:
        """Yield the first hour of each gap, and that behind its last one."""
        for (_, antes), (despues, _) in pairwise(self._join()):
            yield antes, despues
