"""What goes between the case clock and the stores: days by month, the clock's state, cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.domain import TIPOS_INOCENTES
from detection.memory.daily import BLOQUES, CANTIDADES

DIAS_PAGINA = 31
"""Days of a page: those of the longest month; a shorter one leaves the last empty."""
BYTES_DIA = CANTIDADES + 1
"""Of a day in a page: its quantities, and the evidence of its end."""
CAMPOS_ESTADO = (
    *("hoy", "primero", "sucio", "inicio", "apertura"),
    *("inocente_inicio", "inocente_apertura", "inocente_cierre", "inocente_tipo"),
)
"""Numbers of a state, by their names in ``Days``: local days, and the last one a kind."""
_EPOCA = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class CustomerStates:
    """Where the case clock stands at each customer."""

    propietario_id: list[str]  # (k,): each once
    # (k, len(CAMPOS_ESTADO)): local days from 1970-01-01 and a kind; ``NO_DAY`` = none
    dias: NDArray[np.int32]
    # (k, 2, BLOQUES): mean level of each block of hours before the open case and since, as bytes of
    # ``memory.daily``.
    niveles: NDArray[np.uint8]

    @staticmethod
    def empty() -> CustomerStates:
        """Return the states of nobody."""
        return CustomerStates(
            [], np.empty((0, len(CAMPOS_ESTADO)), np.int32), np.empty((0, 2, BLOQUES), np.uint8)
        )


@dataclass(frozen=True, slots=True, eq=False)
class DayPages:
    """Days of customers by calendar month."""

    propietario_id: list[str]  # (m,)
    mes: NDArray[np.int32]  # (m,): months from January 1970 on
    dias: NDArray[np.uint8]  # (m, DIAS_PAGINA, BYTES_DIA)

    @staticmethod
    def empty() -> DayPages:
        """Return no page."""
        return DayPages([], np.empty(0, np.int32), np.empty((0, DIAS_PAGINA, BYTES_DIA), np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class CaseMemory:
    """What the store keeps of the case clock: of a batch what it has changed, of a customer all."""

    estados: CustomerStates
    paginas: DayPages


@dataclass(frozen=True, slots=True)
class DayEvidence:
    """What was thought at the end of a day."""

    fecha: date
    probabilidad: float  # 0 to 1


@dataclass(frozen=True, slots=True)
class Caso:
    """A change in a customer's consumption that has not gone back, or had not until it ended."""

    propietario_id: str
    fecha_apertura: date  # the local day at whose end it was found
    fecha_inicio: date  # the first local day that is different
    fecha_cierre: date | None  # the local day at whose end it was over; None = it goes on
    hasta: date  # the local day at whose end all of this was thought
    tipo: str  # a ``TipoAnomalia``, or a ``TipoInocente``
    probabilidad: float  # 0 to 1, that there is something to be found
    consumo_antes_kwh: float  # a day, before the onset
    consumo_despues_kwh: float  # a day, since the onset
    # energia_en_juego_kwh: what is more or less since the onset than before it, in all;
    # energia_minima_kwh, energia_maxima_kwh: its range.
    energia_en_juego_kwh: float
    energia_minima_kwh: float
    energia_maxima_kwh: float
    evidencia: tuple[DayEvidence, ...]  # the newest days, rising
    frase: str  # one Spanish sentence with the numbers
    version_modelo: str

    @property
    def inocente(self) -> bool:
        """Return whether it is of innocent kind: there is most likely nothing to be found."""
        return self.tipo in TIPOS_INOCENTES

    @property
    def clave(self) -> str:
        """Identity (contract 11): the customer and the day on which it opened."""
        return f"{self.propietario_id}_{self.fecha_apertura.isoformat()}"


class CaseGoingOn(NamedTuple):
    """Which case goes on at a customer, as it was found."""

    propietario_id: str
    fecha_inicio: date
    fecha_apertura: date
    tipo: str


def date_of(dia: int) -> date:
    """Return the date of a local day.

    Examples
    --------
    >>> date_of(20_000).isoformat()
    '2024-10-04'
    """
    return _EPOCA + timedelta(days=int(dia))


def day_of(fecha: date) -> int:
    """Return the local day of a date.

    Examples
    --------
    >>> day_of(date(2024, 10, 4))
    20000
    """
    return (fecha - _EPOCA).days
