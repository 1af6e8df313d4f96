"""A customer's readings, asked for by whoever looks at them: the latest, a range, days, weeks.

All of it walks the identity's index (customer, instant), archived readings included, between two
instants, so that the months outside are not even opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from pipeline.stores.postgres.query_connections import ReadConnections
from pipeline.stores.presentation import Presentacion
from pipeline.stores.query_limits import (
    PRIMER_INSTANTE,
    Pagina,
    check_id,
    check_ids,
    check_limit,
    check_range,
    check_severities,
    decode_cursor,
    encode_cursor,
)
from pipeline.stores.records import CeldaCalor, CeldaSemana, DiaCliente, LecturaPuntuada

DIAS_RANGO = 1_100
"""Days of readings that one question may span: three years."""
DIAS_TODOS = 31
DIAS_MAPA = 400
CLIENTES_A_LA_VEZ = 20
_ATRAS_DIAS = (35, 400, 36_525)
"""How far back the latest readings are looked for, step by step: most customers need the first."""

_NUMERICAS = {"consumo_kwh", "score_anomalia"}
"""Columns of type NUMERIC, which psycopg2 would hand over as decimals."""
CAMPOS = ", ".join(f"{c}::float8" if c in _NUMERICAS else c for c in LecturaPuntuada._fields)
DEL_CLIENTE = """FROM consumos_historia
WHERE propietario_id = %(cliente)s
    AND timestamp_consumo >= %(desde)s AND timestamp_consumo < %(hasta)s"""

EXISTE = "SELECT 1 FROM consumos_historia WHERE propietario_id = %(cliente)s LIMIT 1"
ULTIMAS = f"""
SELECT {CAMPOS} {DEL_CLIENTE} ORDER BY timestamp_consumo DESC LIMIT %(limite)s
"""
_FILTROS = """
    AND (%(severidades)s::text[] = '{}' OR severidad = ANY(%(severidades)s::text[]))
    AND (%(tipos)s::text[] = '{}' OR tipos_anomalia && %(tipos)s::text[])
"""
_RANGO = f"SELECT {CAMPOS} {DEL_CLIENTE} {_FILTROS} ORDER BY timestamp_consumo"
RANGO = f"{_RANGO} LIMIT %(limite)s"
RANGO_DESCENDENTE = f"{_RANGO} DESC LIMIT %(limite)s"
RANGO_TODOS = f"""
SELECT {CAMPOS} FROM consumos_historia
WHERE fecha = %(fecha)s AND timestamp_consumo >= %(desde)s AND timestamp_consumo < %(hasta)s
    AND (timestamp_consumo, propietario_id) > (%(momento)s, %(tras)s) {_FILTROS}
ORDER BY timestamp_consumo, propietario_id LIMIT %(limite)s
"""
MAPA = f"""
SELECT fecha, hora, consumo_kwh::float8, score_anomalia::float8, severidad
{DEL_CLIENTE} ORDER BY timestamp_consumo
"""
SEMANA = f"""
SELECT extract(isodow FROM fecha)::int - 1, hora, avg(consumo_kwh)::float8, count(*)
{DEL_CLIENTE} GROUP BY 1, 2 ORDER BY 1, 2
"""
DIARIOS = """
SELECT d.propietario_id, d.fecha, sum(d.consumo_kwh)::float8, count(*),
    count(*) FILTER (WHERE d.anomalia_detectada)
FROM unnest(%(clientes)s::text[]) AS p(propietario_id)
CROSS JOIN LATERAL (
    SELECT * FROM consumos_historia AS c
    WHERE c.propietario_id = p.propietario_id
        AND c.timestamp_consumo >= %(desde)s AND c.timestamp_consumo < %(hasta)s
    OFFSET 0
) AS d
GROUP BY 1, 2 ORDER BY 1, 2
"""


class PostgresReadings:
    """What is asked of one customer's readings, and of everybody's one after the other."""

    def __init__(
        self, conexiones: ReadConnections, presenta: Presentacion, reloj: Callable[[], datetime]
    ) -> None:
        self._rows = conexiones.rows
        self._presenta = presenta
        self._reloj = reloj

    def exists(self, propietario_id: str) -> bool:
        """Return whether a customer has ever had a reading."""
        return bool(self._rows(EXISTE, {"cliente": check_id(propietario_id)}))

    def latest(self, propietario_id: str, limite: int = 100) -> list[LecturaPuntuada]:
        """Return a customer's latest readings, the newest first."""
        check_id(propietario_id)
        parametros = {"cliente": propietario_id, "limite": check_limit(limite)}
        hasta = self._reloj() + timedelta(days=2)
        filas: list[Any] = []
        for dias in _ATRAS_DIAS:
            desde = max(hasta - timedelta(days=dias), PRIMER_INSTANTE)
            filas = self._rows(ULTIMAS, {**parametros, "desde": desde, "hasta": hasta})
            if len(filas) == limite:
                break
        return [LecturaPuntuada(*fila) for fila in filas]

    def range(
        self,
        propietario_id: str,
        desde: datetime,
        hasta: datetime,
        *,
        limite: int = 1_000,
        cursor: str | None = None,
        descendente: bool = False,
        severidades: Sequence[str] = (),
        tipos: Sequence[str] = (),
    ) -> Pagina[LecturaPuntuada]:
        """Return a page of ``DIAS_RANGO`` days at most (``ReadingQueries.range``)."""
        check_id(propietario_id)
        if desde.tzinfo is not None:
            desde = max(desde, PRIMER_INSTANTE)
        check_range(desde, hasta, DIAS_RANGO)
        check_limit(limite)
        check_severities(severidades, tipos)
        lista = "lecturas-" if descendente else "lecturas+"
        if cursor is not None:
            (desde_ahi,) = decode_cursor(lista, cursor, datetime)
            # The cursor is the reading that comes next, itself included.
            desde, hasta = (
                (desde, min(hasta, desde_ahi + timedelta(microseconds=1)))
                if descendente
                else (max(desde, desde_ahi), hasta)
            )
        parametros = {
            **{"cliente": propietario_id, "desde": desde, "hasta": hasta, "limite": limite + 1},
            **{"severidades": list(severidades), "tipos": list(tipos)},
        }
        filas = self._rows(RANGO_DESCENDENTE if descendente else RANGO, parametros)
        siguiente = encode_cursor(lista, filas[limite][1]) if len(filas) > limite else None
        return Pagina([LecturaPuntuada(*fila) for fila in filas[:limite]], siguiente)

    def range_of_all(
        self,
        desde: datetime,
        hasta: datetime,
        *,
        limite: int = 1_000,
        cursor: str | None = None,
        severidades: Sequence[str] = (),
        tipos: Sequence[str] = (),
    ) -> Pagina[LecturaPuntuada]:
        """Return a page of ``DIAS_TODOS`` days at most (``ReadingQueries.range_of_all``).

        Day by day along the index on ``fecha``; a page takes as long as a day of everybody.
        """
        check_range(desde, hasta, DIAS_TODOS)
        check_limit(limite)
        check_severities(severidades, tipos)
        tras = (desde, "")
        if cursor is not None:
            tras = decode_cursor("todos", cursor, datetime, str)
        filas: list[Any] = []
        # No reading's day is later than that of the last instant.
        ultimo = self._presenta.fecha(hasta - timedelta(microseconds=1))
        dia = self._presenta.fecha(max(desde, tras[0]))
        while dia <= ultimo and len(filas) <= limite:
            parametros = {
                **{"fecha": dia, "desde": max(desde, tras[0]), "hasta": hasta, "tras": tras[1]},
                **{"severidades": list(severidades), "tipos": list(tipos)},
                **{"momento": tras[0], "limite": limite + 1 - len(filas)},
            }
            filas += self._rows(RANGO_TODOS, parametros)
            dia += timedelta(days=1)
        siguiente = None
        if len(filas) > limite:
            siguiente = encode_cursor("todos", filas[limite - 1][1], filas[limite - 1][0])
        return Pagina([LecturaPuntuada(*fila) for fila in filas[:limite]], siguiente)

    def heatmap(self, propietario_id: str, desde: datetime, hasta: datetime) -> list[CeldaCalor]:
        """Return the hours of ``DIAS_MAPA`` days at most (``ReadingQueries.heatmap``)."""
        filas = self._rows(MAPA, limits(propietario_id, desde, hasta, DIAS_MAPA))
        return [CeldaCalor(*fila) for fila in filas]

    def typical_week(
        self, propietario_id: str, desde: datetime, hasta: datetime
    ) -> list[CeldaSemana]:
        """Return a customer's mean for each weekday and hour, of ``DIAS_MAPA`` days at most."""
        filas = self._rows(SEMANA, limits(propietario_id, desde, hasta, DIAS_MAPA))
        return [CeldaSemana.from_row(fila) for fila in filas]

    def daily(
        self, propietario_ids: Sequence[str], desde: datetime, hasta: datetime
    ) -> list[DiaCliente]:
        """Return what each of some customers used on each local day, by customer and day."""
        check_range(desde, hasta, DIAS_RANGO)
        clientes = check_ids(propietario_ids, CLIENTES_A_LA_VEZ)
        filas = self._rows(DIARIOS, {"clientes": clientes, "desde": desde, "hasta": hasta})
        return [DiaCliente.from_row(fila) for fila in filas]

    def until(self, cliente: str, hasta: datetime | None) -> datetime | None:
        """Return ``hasta``, or the end of a customer's latest reading if it is not given.

        So that who has not been heard of for long still shows; None = it has never been.
        """
        if hasta is not None:
            return hasta
        ultimas = self.latest(cliente, 1)
        return ultimas[0].timestamp_consumo + timedelta(hours=1) if ultimas else None


def limits(cliente: str, desde: datetime, hasta: datetime, dias: int) -> dict[str, Any]:
    """Return the parameters of a question about a customer between two instants."""
    check_id(cliente)
    check_range(desde, hasta, dias)
    return {"cliente": cliente, "desde": desde, "hasta": hasta}
