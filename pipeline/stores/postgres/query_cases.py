"""The history of customers with a case: their days, their hours, and how others changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from detection.cases.records import day_of
from detection.domain import SEVERIDADES
from pipeline.stores.case_history import (
    CambioVecino,
    CambioVecinos,
    ClaseGrupo,
    CustomerDay,
    GrupoVecinos,
    NeighbourGroup,
    changes_of,
    compared_days,
    most_alike,
)
from pipeline.stores.customer_context import Companions
from pipeline.stores.postgres.query_connections import ReadConnections
from pipeline.stores.postgres.query_context import PostgresContext
from pipeline.stores.postgres.query_customers import PostgresCustomers
from pipeline.stores.postgres.query_peers import DE_VARIOS, PARES_SERIE, sample, series
from pipeline.stores.presentation import Presentacion
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import check_id, check_ids, check_range
from serving.local_time import load_calendario

CLIENTES_MAXIMOS = 100
DIAS_VARIOS, DIAS_UNO = 93, 1_000
"""Days of many customers, and of one; an hour more than 92 in autumn."""
UN_DIA = timedelta(days=1)

DIAS = f"""
SELECT d.propietario_id, d.fecha, sum(d.consumo_kwh)::float8, count(*),
    max(array_position(%(severidades)s::text[], d.severidad::text)) - 1, bool_or(d.es_sospechoso)
FROM {DE_VARIOS} GROUP BY 1, 2 ORDER BY 1, 2
"""
CAMBIOS = f"""
SELECT d.propietario_id, d.timestamp_consumo >= %(corte)s, sum(d.consumo_kwh)::float8, count(*)
FROM {DE_VARIOS} GROUP BY 1, 2
"""


class PostgresCases:
    """What is asked of customers with a case."""

    def __init__(
        self,
        conexiones: ReadConnections,
        recuerdo: AnswerCache,
        clientes: PostgresCustomers,
        contexto: PostgresContext,
        presenta: Presentacion,
    ) -> None:
        self._rows = conexiones.rows
        self._recuerdo = recuerdo
        self._clientes = clientes
        self._contexto = contexto
        self._presenta = presenta

    def days(
        self, propietario_ids: Sequence[str], desde: date, hasta: date
    ) -> dict[str, list[CustomerDay]]:
        """Return the local days of customers (``CaseHistoryQueries.days``)."""
        clientes = check_ids(propietario_ids, CLIENTES_MAXIMOS)
        inicio, fin = self._presenta.medianoche(desde), self._presenta.medianoche(hasta + UN_DIA)
        check_range(inicio, fin, DIAS_UNO if len(clientes) == 1 else DIAS_VARIOS)
        if not clientes:
            return {}
        clave = ("días de casos", tuple(clientes), desde, hasta)
        return self._recuerdo.get(clave, partial(self._load_days, clientes, inicio, fin))

    def _load_days(
        self, clientes: list[str], inicio: object, fin: object
    ) -> dict[str, list[CustomerDay]]:
        severidades = [str(severidad) for severidad in SEVERIDADES]
        parametros = {
            "clientes": clientes, "desde": inicio, "hasta": fin, "severidades": severidades,
        }  # fmt: skip
        dias: dict[str, list[CustomerDay]] = defaultdict(list)
        for cliente, *dia in self._rows(DIAS, parametros):
            dias[cliente].append(CustomerDay(*dia))
        return dict(dias)

    def hours(self, propietario_id: str, desde: date, hasta: date) -> NDArray[np.float64]:
        """Return the kWh of each local hour (``CaseHistoryQueries.hours``)."""
        inicio, fin = self._presenta.medianoche(desde), self._presenta.medianoche(hasta + UN_DIA)
        check_range(inicio, fin, DIAS_UNO)
        limites = {"cliente": check_id(propietario_id), "desde": inicio, "hasta": fin}
        hora, kwh = series(self._rows, limites)
        local = load_calendario(self._presenta.zona.key).local(hora)
        dia = local // 24 - day_of(desde)
        horas = np.full(((hasta - desde).days + 1, 24), np.nan)
        horas[dia, local % 24] = kwh
        return horas

    def neighbours(self, propietario_id: str, inicio: date, hasta: date) -> CambioVecinos:
        """Return how a customer and others changed (``CaseHistoryQueries.neighbours``)."""
        dias = compared_days(inicio, hasta)
        clave = ("vecinos", check_id(propietario_id), inicio, dias)
        return self._recuerdo.get(
            clave, partial(self._load_neighbours, propietario_id, inicio, dias)
        )

    def _load_neighbours(self, propietario_id: str, inicio: date, dias: int) -> CambioVecinos:
        otros = [c for c in sample(self._clientes.active(), PARES_SERIE + 1) if c != propietario_id]
        propio, cambios = self._changes(propietario_id, otros, inicio, dias)
        return CambioVecinos(dias=dias, propio=propio, elementos=most_alike(propio, cambios))

    def groups(self, propietario_id: str, inicio: date, hasta: date) -> list[NeighbourGroup]:
        """Return how those who share something changed (``CaseHistoryQueries.groups``)."""
        dias = compared_days(inicio, hasta)
        clave = ("grupos de vecinos", check_id(propietario_id), inicio, dias)
        return self._recuerdo.get(clave, partial(self._load_groups, propietario_id, inicio, dias))

    def _load_groups(self, propietario_id: str, inicio: date, dias: int) -> list[NeighbourGroup]:
        clases: dict[ClaseGrupo, Callable[[str], Companions]] = {
            "tarifa_y_potencia": self._contexto.same_tariff,
            "transformador": self._contexto.same_transformer,
        }
        salida = []
        for clase, hallar in clases.items():
            suyos = hallar(propietario_id)
            if not suyos.cuantos:
                continue
            propio, cambios = self._changes(propietario_id, suyos.clientes, inicio, dias)
            grupo = GrupoVecinos(
                clase=clase,
                clientes=suyos.cuantos,
                comparados=len(cambios),
                antes_kwh=median(c.antes_kwh for c in cambios) if cambios else None,
                despues_kwh=median(c.despues_kwh for c in cambios) if cambios else None,
                elementos=most_alike(propio, cambios),
            )
            salida.append(NeighbourGroup(grupo, suyos.clientes))
        return salida

    def _changes(
        self, propietario_id: str, otros: Sequence[str], inicio: date, dias: int
    ) -> tuple[CambioVecino | None, list[CambioVecino]]:
        """Return how a customer changed, and the first ``PARES_SERIE`` of others.

        Who lacks readings on one side is left out.
        """
        parametros = {
            "clientes": [propietario_id, *otros[:PARES_SERIE]],
            "desde": self._presenta.medianoche(inicio - dias * UN_DIA),
            "corte": self._presenta.medianoche(inicio),
            "hasta": self._presenta.medianoche(inicio + dias * UN_DIA),
        }
        cambios = changes_of(self._rows(CAMBIOS, parametros), dias)
        return cambios.pop(propietario_id, None), list(cambios.values())
