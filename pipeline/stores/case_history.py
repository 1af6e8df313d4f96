"""What the history answers of customers with a case: their days, and how others changed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any, Literal, NamedTuple

from pydantic import Field

from pipeline.stores.record_base import Kwh, StoredRecord, de

DIAS_COMPARADOS = 28
"""Days on either side of an onset of which neighbours are compared, at most."""
VECINOS = 20
HORAS_MINIMAS = 72
"""Hours that a mean before or after needs: three days. By hand, 2026-11-30."""
_SUELO_KWH = 0.1


class CustomerDay(NamedTuple):
    """A customer's local day."""

    fecha: date
    consumo_kwh: float
    lecturas: int  # hours with a reading
    severidad: int  # the worst of its hours, 0 = normal, 4 = crítica
    es_sospechoso: bool  # in any of them


class CambioVecino(StoredRecord):
    """What a customer used a day, before and since a day."""

    model_config = de("Lo que consume un cliente al día, antes y desde un día.")
    propietario_id: str = Field(description="Cliente", examples=["CLI_00012"])
    antes_kwh: Kwh = Field(description="Al día, antes, kWh", examples=[8.4])
    despues_kwh: Kwh = Field(description="Al día, desde entonces, kWh", examples=[8.9])


class CambioVecinos(StoredRecord):
    """How a customer with a case changed, and how those most like it did."""

    model_config = de("Cómo cambió un cliente con un caso, y cómo los que más se le parecen.")
    dias: int = Field(
        ge=0, description="Días que se comparan a cada lado del comienzo", examples=[27]
    )
    propio: CambioVecino | None = Field(
        description="El del caso; nulo = le faltan lecturas a un lado"
    )
    elementos: list[CambioVecino] = Field(
        description="Los que antes gastaban lo más parecido, el más parecido primero"
    )


ClaseGrupo = Literal["tarifa_y_potencia", "transformador"]


class GrupoVecinos(StoredRecord):
    """How those who share something with a customer with a case changed on the same day."""

    model_config = de("Cómo cambiaron los que comparten algo con el cliente de un caso.")
    clase: ClaseGrupo = Field(
        description="Qué comparten: «tarifa_y_potencia», la misma tarifa y una potencia contratada "
        "de entre dos tercios y vez y media la suya; o «transformador»",
        examples=["transformador"],
    )
    clientes: int = Field(ge=1, description="Cuántos son, sin contarlo a él", examples=[41])
    comparados: int = Field(
        ge=0,
        description="De cuántos se ha mirado lo que gastan: 50 como mucho, con lecturas a los dos "
        "lados",
        examples=[40],
    )
    antes_kwh: Kwh | None = Field(
        description="Lo que gastaban al día, antes, kWh: la mediana de esos; nulo = ninguno",
        examples=[8.4],
    )
    despues_kwh: Kwh | None = Field(
        description="Lo que gastan al día, desde entonces, kWh: la mediana de esos; nulo = ninguno",
        examples=[8.9],
    )
    elementos: list[CambioVecino] = Field(
        description="De los comparados, los que antes gastaban lo más parecido, el más parecido "
        "primero"
    )


class NeighbourGroup(NamedTuple):
    """A group, and the names of those who are in it, of whom ``elementos`` are some."""

    grupo: GrupoVecinos
    miembros: list[str]


def changes_of(filas: Iterable[tuple[Any, ...]], dias: int) -> dict[str, CambioVecino]:
    """Return what customers used a day, before and since; who lacks readings is left out.

    ``filas``: customer, whether since, kWh in all, hours. ``dias``: on either side.
    """
    medias: dict[str, dict[bool, float]] = defaultdict(dict)
    for cliente, despues, suma, n in filas:
        if n >= min(HORAS_MINIMAS, 12 * dias):
            medias[cliente][despues] = 24 * suma / n
    return {
        cliente: CambioVecino(
            propietario_id=cliente, antes_kwh=suyas[False], despues_kwh=suyas[True]
        )
        for cliente, suyas in medias.items()
        if len(suyas) == 2
    }


def compared_days(inicio: date, hasta: date) -> int:
    """Return how many days on either side of an onset are compared."""
    return min(max((hasta - inicio).days + 1, 1), DIAS_COMPARADOS)


def most_alike(propio: CambioVecino | None, cambios: Iterable[CambioVecino]) -> list[CambioVecino]:
    """Return the ``VECINOS`` who used most nearly as much as a customer before, nearest first."""

    def unlike(otro: CambioVecino) -> tuple[float, str]:
        antes = 0.0 if propio is None else propio.antes_kwh
        razon = math.log((otro.antes_kwh + _SUELO_KWH) / (antes + _SUELO_KWH))
        return abs(razon), otro.propietario_id

    return sorted(cambios, key=unlike)[:VECINOS]
