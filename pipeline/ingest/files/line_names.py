"""Lines of a file of many parts: in which file or sheet each one is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.files.blocks import LecturaDeParteError, Rechazada
from pipeline.ingest.files.text_cells import describe_lines

_LINEAS_POR_PARTE = 1 << 40


@dataclass(slots=True)
class LineNames:
    """Numbers the lines of all parts through, and says what they are called.

    Parameters
    ----------
    partes : list of str
        Names of the parts; of one alone there is nothing to say.

    Examples
    --------
    >>> lineas = LineNames(["a.csv", "b.csv"])
    >>> lineas.name(7 + lineas.offset(1)), LineNames(["a.csv"]).name(7)
    ('7 de b.csv', '7')
    """

    partes: list[str] = field(default_factory=list)

    def offset(self, parte: int) -> int:
        """Return what is added to the lines of a part."""
        return parte * _LINEAS_POR_PARTE if len(self.partes) > 1 else 0

    def own(self, lineas: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of lines in their own parts."""
        return lineas % _LINEAS_POR_PARTE

    def split(self, linea: int) -> tuple[str, int]:
        """Return the name of a line's part ("" = there is one alone) and its number in it."""
        parte, suya = divmod(linea, _LINEAS_POR_PARTE)
        return (self.partes[parte] if len(self.partes) > 1 else ""), suya

    def name(self, linea: int) -> str:
        """Return what a line is called."""
        parte, suya = self.split(linea)
        return f"{suya} de {parte}" if parte else str(suya)

    def told(self, rechazada: Rechazada) -> Rechazada:
        """Return a refused row whose line is that of its part, which its reason names."""
        parte, suya = self.split(rechazada[0])
        return suya, LecturaDeParteError(rechazada[1], parte) if parte else rechazada[1]

    def describe(self, lineas: Iterable[int]) -> str:
        """Return lines for the user, those of each part by themselves."""
        de_parte: dict[str, list[int]] = {}
        for linea in sorted(lineas):
            parte, suya = self.split(linea)
            de_parte.setdefault(parte, []).append(suya)
        textos = [
            f"{parte}: {describe_lines(suyas)}" if parte else describe_lines(suyas)
            for parte, suyas in de_parte.items()
        ]
        return "; ".join(textos)
