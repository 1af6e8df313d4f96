"""What anomalies are asked for: filters, and between which instants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends

from api.deps import Ahora
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
from api.presentation import Presenta
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
    """What is asked of anomalies; ``desde`` and ``hasta`` as they came."""

    filtro: FiltroAnomalias
    desde: str | None
    hasta: str | None
    ahora: datetime
    presenta: Presentacion

    def span(self, dias: int = MES_DIAS, maximo: int | None = None) -> Intervalo:
        """Return between which instants something is added up.

        ``dias``: days where ``desde`` is missing. ``maximo``: days that it may span; None = as many
        as can be added up.
        """
        if maximo is None:
            maximo = DIAS_TODOS if self.filtro.propietario_id is None else DIAS_CLIENTE
        return make_intervalo(
            self.desde, self.hasta, self.ahora, self.presenta, dias=dias, maximo=maximo
        )

    def within(self, intervalo: Intervalo, archivadas: bool = False) -> FiltroAnomalias:
        """Return the store's filter of a span of time."""
        return self.filtro._replace(
            desde=intervalo.desde, hasta=intervalo.hasta, con_archivo=archivadas
        )

    def of_list(self, archivadas: bool, *, por_score: bool) -> FiltroAnomalias:
        """Return the filter of a list, which has limits of time only where some are given.

        ``por_score``: it is sorted by score: in memory, so that limits are needed, the last 30 days
        if not given.
        """
        if por_score:
            return self.within(self.span(), archivadas)
        if self.desde is None and self.hasta is None:
            return self.filtro._replace(con_archivo=archivadas)
        return self.within(self.span(DIAS_LISTA, DIAS_LISTA), archivadas)


async def _filtros(
    ahora: Ahora,
    presenta: Presenta,
    propietario_id: IdClienteOTodos = None,
    desde: Desde = None,
    hasta: Hasta = None,
    severidad: Severidades = [],  # noqa: B006 - FastAPI copies it
    tipo: Tipos = [],  # noqa: B006
    estado: Estados = [],  # noqa: B006
) -> FiltrosPedidos:
    filtro = FiltroAnomalias(
        propietario_id, severidades=tuple(severidad), tipos=tuple(tipo), estados=tuple(estado)
    )
    return FiltrosPedidos(filtro, desde, hasta, ahora, presenta)


async def _filtros_de_criticas(
    ahora: Ahora,
    presenta: Presenta,
    propietario_id: IdClienteOTodos = None,
    desde: Desde = None,
    hasta: Hasta = None,
    tipo: Tipos = [],  # noqa: B006
    estado: Estados = [],  # noqa: B006
) -> FiltrosPedidos:
    return await _filtros(ahora, presenta, propietario_id, desde, hasta, ["crítica"], tipo, estado)


async def _filtros_de_cliente(
    ahora: Ahora,
    presenta: Presenta,
    propietario_id: IdCliente,
    desde: Desde = None,
    hasta: Hasta = None,
    severidad: Severidades = [],  # noqa: B006
    tipo: Tipos = [],  # noqa: B006
    estado: Estados = [],  # noqa: B006
) -> FiltrosPedidos:
    return await _filtros(ahora, presenta, propietario_id, desde, hasta, severidad, tipo, estado)


ConFiltros = Annotated[FiltrosPedidos, Depends(_filtros)]
"""All filters of anomalies."""
FiltrosDeCriticas = Annotated[FiltrosPedidos, Depends(_filtros_de_criticas)]
"""The same, of critical ones only."""
FiltrosDeCliente = Annotated[FiltrosPedidos, Depends(_filtros_de_cliente)]
"""The same, the customer coming from the path."""
