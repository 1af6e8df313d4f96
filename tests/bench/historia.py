"""What a consumer of the bench remembers before it begins, handed over in a file.

Each consumer is a process of its own, two of them in an environment of their own.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Decididos: TypeAlias = "dict[tuple[str, int], tuple[float, str]]"
"""Score and severidad of the readings that are anomalies, by customer and absolute hour: our own
verdicts, handed over for nothing, so that (a) and (b) write the same anomalies."""
NADA = (0.0, "normal")


@dataclass(frozen=True, slots=True)
class Pasado:
    """The hours before what is measured.

    Parameters
    ----------
    clientes : list of str (c,)
    primera_hora : int
    kwh : ndarray (h, c)
    decididos : Decididos
    """

    clientes: list[str]
    primera_hora: int
    kwh: NDArray[np.float64]
    decididos: Decididos

    def columna(self, propietario_id: str) -> list[tuple[int, float]]:
        """Return a customer's absolute hours and kWh; nothing of who is not there."""
        if propietario_id not in self.clientes:
            return []
        kwh = self.kwh[:, self.clientes.index(propietario_id)].tolist()
        return list(enumerate(kwh, self.primera_hora))

    def save(self, archivo: Path) -> None:
        """Write it, of nothing but plain Python and numpy."""
        archivo.write_bytes(
            pickle.dumps((self.clientes, self.primera_hora, self.kwh, self.decididos))
        )


def load_pasado(archivo: str) -> Pasado:
    """Return what ``save`` has written."""
    partes: Any = pickle.loads(Path(archivo).read_bytes())
    return Pasado(*partes)
