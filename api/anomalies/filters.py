"""What anomalies are asked for: filters, and between which instants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends

from api.params import (
    Desde,
    Estados,
    Hasta,
    IdCliente,
    IdClienteOTodos,
    Intervalo,
    Severidades,
    Tipos,
    make_intervalo,
)
from pipeline.stores.anomaly_records import FiltroAnomalias
from pipeline.stores.presentation import Presentacion

DIAS_LISTA = 1100
"""Days of anomalies in a list: three years."""
DIAS_TODOS, DIAS_CLIENTE, DIAS_HORAS = 92, 400, 31
"""Days of anomalies that are added up: of everybody, of one customer, and hour by hour."""
MES_DIAS = 29
"""Up to now these and today are 30 days."""


@dataclass(frozen=True, slots=True)
class FiltrosPedidos:
    """What is asked of anomalies.

    Parameters
    ----------
    desde, hasta : str or None
        As they came.
    severidades, tipos, estados : sequence of str
        Empty = all.
    """

    propietario_id: str | None
    desde: str | None
    hasta: str | None
    severidades: Sequence[str]
    tipos: Sequence[str]
    estados: Sequence[str]


async def _filtros(
    propietario_id: IdClienteOTodos = None,
    desde: Desde = None,
    hasta: Hasta = None,
    severidad: Severidades = [],  # noqa: B006 - FastAPI copies it
    tipo: Tipos = [],  # noqa: B006
    estado: Estados = [],  # noqa: B006
) -> FiltrosPedidos:
    return FiltrosPedidos(propietario_id, desde, hasta, severidad, tipo, estado)


async def _filtros_de_criticas(
    propietario_id: IdClienteOTodos = None,
    desde: Desde = None,
    hasta: Hasta = None,
    tipo: Tipos = [],  # noqa: B006
    estado: Estados = [],  # noqa: B006
) -> FiltrosPedidos:
    return FiltrosPedidos(propietario_id, desde, hasta, ("crítica",), tipo, estado)


async def _filtros_de_cliente(
    propietario_id: IdCliente,
    desde: Desde = None,
    hasta: Hasta = None,
    severidad: Severidades = [],  # noqa: B006
    tipo: Tipos = [],  # noqa: B006
    estado: Estados = [],  # noqa: B006
) -> FiltrosPedidos:
    return FiltrosPedidos(propietario_id, desde, hasta, severidad, tipo, estado)


ConFiltros = Annotated[FiltrosPedidos, Depends(_filtros)]
"""All filters of anomalies."""
FiltrosDeCriticas = Annotated[FiltrosPedidos, Depends(_filtros_de_criticas)]
"""The same, of critical ones only."""
FiltrosDeCliente = Annotated[FiltrosPedidos, Depends(_filtros_de_cliente)]
"""The same, the customer coming from the path."""


def filter_of(filtros: FiltrosPedidos, intervalo: Intervalo | None) -> FiltroAnomalias:
    """Return the store's filter; None = without limits of time."""
    return FiltroAnomalias(
        filtros.propietario_id,
        intervalo.desde if intervalo else None,
        intervalo.hasta if intervalo else None,
        tuple(filtros.severidades),
        tuple(filtros.tipos),
        tuple(filtros.estados),
    )


def list_filter(
    filtros: FiltrosPedidos, ahora: datetime, presenta: Presentacion, *, por_score: bool
) -> FiltroAnomalias:
    """Return the filter of a list, which has limits of time only where some are given.

    Parameters
    ----------
    por_score : bool
        It is sorted by score: in memory, so that limits are needed, the last 30 days if not given.
    """
    if por_score:
        return filter_of(filtros, span(filtros, ahora, presenta))
    if filtros.desde is None and filtros.hasta is None:
        return filter_of(filtros, None)
    return filter_of(filtros, span(filtros, ahora, presenta, DIAS_LISTA, DIAS_LISTA))


def span(
    filtros: FiltrosPedidos,
    ahora: datetime,
    presenta: Presentacion,
    dias: int = MES_DIAS,
    maximo: int | None = None,
) -> Intervalo:
    """Return between which instants something is added up.

    Parameters
    ----------
    dias : int
        Days where ``desde`` is missing.
    maximo : int or None
        Days that it may span; None = as many as can be added up.
    """
    if maximo is None:
        maximo = DIAS_TODOS if filtros.propietario_id is None else DIAS_CLIENTE
    return make_intervalo(filtros.desde, filtros.hasta, ahora, presenta, dias=dias, maximo=maximo)
