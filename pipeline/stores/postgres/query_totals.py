"""What is asked of all customers at once: windows, days, scores."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple

from detection.domain import SEVERIDADES, hora_absoluta
from pipeline.stores.postgres.query_connections import ReadConnections
from pipeline.stores.postgres.query_customers import PostgresCustomers
from pipeline.stores.postgres.query_readings import limits
from pipeline.stores.presentation import Presentacion
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import ConsultaInvalidaError
from pipeline.stores.record_base import PorSeveridad
from pipeline.stores.records import DiaGlobal, ResumenHistoria, Ventana

DIAS_GLOBALES = 92
SCORES = 101
GRAVES = tuple(str(severidad) for severidad in SEVERIDADES[1:])

_DEL_DIA = """FROM consumos_historia
WHERE fecha = %(fecha)s AND timestamp_consumo >= %(desde)s AND timestamp_consumo < %(hasta)s"""
_CUENTAS = ", ".join(f"count(*) FILTER (WHERE severidad = '{severidad}')" for severidad in GRAVES)
DIA = f"""
SELECT extract(epoch FROM timestamp_consumo)::bigint / 3600, count(*), sum(consumo_kwh)::float8,
    {_CUENTAS}, count(*) FILTER (WHERE es_sospechoso)
{_DEL_DIA} GROUP BY timestamp_consumo
"""
SCORES_DEL_DIA = f"SELECT (score_anomalia * 100)::int, count(*) {_DEL_DIA} GROUP BY 1"
SCORES_DE_CLIENTE = """
SELECT (score_anomalia * 100)::int, count(*) FROM consumos_historia
WHERE propietario_id = %(cliente)s AND fecha >= %(primera)s AND fecha <= %(ultima)s
    AND timestamp_consumo >= %(desde)s AND timestamp_consumo < %(hasta)s
GROUP BY 1
"""
# Of every partition what the server thinks it holds; -1 = it has never looked.
ESTIMADAS = """
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
FROM unnest(ARRAY['consumos_diarios', 'consumos_diarios_archivo']) AS tabla
CROSS JOIN pg_partition_tree(tabla) AS p JOIN pg_class AS c ON c.oid = p.relid
WHERE p.isleaf
"""


class _Hora(NamedTuple):
    """All readings of an absolute hour."""

    hora_utc: int
    lecturas: int
    consumo_kwh: float
    baja: int
    media: int
    alta: int
    critica: int
    sospechosos: int


class PostgresTotals:
    """What is asked of everybody's readings."""

    def __init__(
        self,
        conexiones: ReadConnections,
        recuerdo: AnswerCache,
        clientes: PostgresCustomers,
        presenta: Presentacion,
        reloj: Callable[[], datetime],
    ) -> None:
        self._rows = conexiones.rows
        self._recuerdo = recuerdo
        self._clientes = clientes
        self._presenta = presenta
        self._reloj = reloj

    def overview(self, ahora: datetime | None = None) -> ResumenHistoria:
        """Return windows up to the end of this hour (``TotalQueries.overview``)."""
        ahora = ahora or self._reloj()
        hasta = ahora.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        hoy = self._presenta.fecha(ahora)
        dias = self._hours(hoy - timedelta(days=30), hoy + timedelta(days=1))
        horas = sorted(hora for _, suyas in dias for hora in suyas)
        semana = timedelta(days=7)
        return ResumenHistoria(
            momento=self._presenta.hora(ahora),
            ultimas_24h=self._add_up(horas, hasta - timedelta(days=1), hasta),
            ultimos_7d=self._add_up(horas, hasta - semana, hasta),
            anteriores_7d=self._add_up(horas, hasta - 2 * semana, hasta - semana),
            ultimos_30d=self._add_up(horas, hasta - timedelta(days=30), hasta),
            lecturas_estimadas=self._recuerdo.get("estimadas", self._estimate),
            ultima_lectura=self._presenta.hora_o_nada(self._clientes.latest_reading()),
        )

    def days(self, desde: date, hasta: date) -> list[DiaGlobal]:
        """Return every local day of an interval, both ends included, ``DIAS_GLOBALES`` at most."""
        _check_days(desde, hasta)
        return [DiaGlobal(fecha=dia, **_sums(horas)) for dia, horas in self._hours(desde, hasta)]

    def score_histogram(
        self, desde: date, hasta: date, propietario_id: str | None = None
    ) -> list[int]:
        """Return how often each score is, of ``DIAS_GLOBALES`` days at most (``TotalQueries``)."""
        _check_days(desde, hasta)
        cuentas = [0] * SCORES
        if propietario_id is None:
            filas = self._recuerdo.get(
                ("scores", desde, hasta), partial(self._load_scores, desde, hasta)
            )
        else:
            limites = limits(
                propietario_id, _day_limits(desde)["desde"],
                _day_limits(hasta)["hasta"], DIAS_GLOBALES + 4,
            )  # fmt: skip
            filas = self._rows(SCORES_DE_CLIENTE, {**limites, "primera": desde, "ultima": hasta})
        for score, n in filas:
            cuentas[score] += n
        return cuentas

    def _hours(self, desde: date, hasta: date) -> list[tuple[date, list[_Hora]]]:
        """Return every local day of an interval, both ends included, with its hours."""
        return self._recuerdo.get(("horas", desde, hasta), partial(self._load_hours, desde, hasta))

    def _load_hours(self, desde: date, hasta: date) -> list[tuple[date, list[_Hora]]]:
        return [
            (dia, [_Hora(*fila) for fila in self._rows(DIA, _day_limits(dia))])
            for dia in _days(desde, hasta)
        ]

    def _load_scores(self, desde: date, hasta: date) -> list[tuple[int, int]]:
        # Day by day, so that no statement takes long however many customers there are.
        return [
            fila
            for dia in _days(desde, hasta)
            for fila in self._rows(SCORES_DEL_DIA, _day_limits(dia))
        ]

    def _estimate(self) -> int:
        return int(self._rows(ESTIMADAS, {})[0][0])

    def _add_up(self, horas: Sequence[_Hora], desde: datetime, hasta: datetime) -> Ventana:
        """Return what the hours between two instants add up to; ``horas`` in order of time."""
        primera, fin = (bisect_left(horas, (hora_absoluta(borde),)) for borde in (desde, hasta))
        return Ventana(
            desde=self._presenta.hora(desde),
            hasta=self._presenta.hora(hasta),
            **_sums(horas[primera:fin]),
        )


def _day_limits(dia: date) -> dict[str, Any]:
    """Return a local day and instants around it: no zone is more than a day from UTC."""
    # Rows written while another ZONA_HORARIA was set keep their ``fecha``.
    inicio = datetime.combine(dia, time(), UTC)
    return {
        "fecha": dia,
        "desde": inicio - timedelta(days=1),
        "hasta": inicio + timedelta(days=2),
    }


def _days(desde: date, hasta: date) -> list[date]:
    return [desde + timedelta(days=i) for i in range((hasta - desde).days + 1)]


def _check_days(desde: date, hasta: date) -> None:
    if not date(2000, 1, 1) <= desde <= hasta <= date(2099, 12, 31):
        raise ConsultaInvalidaError(
            "«desde» no puede ser posterior a «hasta», y los años van de 2000 a 2099"
        )
    if len(_days(desde, hasta)) > DIAS_GLOBALES:
        raise ConsultaInvalidaError(f"el intervalo es de {DIAS_GLOBALES} días como mucho")


def _sums(horas: Sequence[_Hora]) -> dict[str, Any]:
    """Return what hours add up to, as the fields of a record."""
    _, lecturas, kwh, *graves, sospechosos = zip(*horas, strict=True) if horas else ((0,),) * 8
    anomalias = dict(zip(GRAVES, map(sum, graves), strict=True))
    return {
        "lecturas": sum(lecturas),
        "consumo_kwh": sum(kwh),
        "clientes": max(lecturas),
        "sospechosos": max(sospechosos),
        "anomalias": PorSeveridad.of(anomalias),
        "anomalias_total": sum(anomalias.values()),
    }
