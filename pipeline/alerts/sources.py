"""Reads what people may have to be told from the stores and the broker."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, datetime
from functools import partial
from zoneinfo import ZoneInfo

from detection.domain import SEVERIDADES
from pipeline.alerts.findings import (
    Finding,
    of_case,
    of_consumers,
    of_drift,
    of_night,
    of_silent_store,
)
from pipeline.stores.case_records import CASOS_MAXIMOS, CasoResumen, FiltroCasos
from pipeline.stores.mongo.alert_log import MongoAlertLog
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.postgres.health import PostgresHealth
from pipeline.stores.query_limits import por_tramos
from pipeline.streaming.kafka_lag import LagReader
from serving.consumer_health import LATIDOS, MUDO, RETRASO, ConsumersView, ConsumerWatch
from serving.health import POSTGRES, HealthMonitor
from serving.settings import Settings

_NIVELES = tuple(map(str, SEVERIDADES))


class AlertSources:
    """Asks the stores for what is so now.

    ``reloj``: the time, aware. ``segundos``: rising seconds.
    """

    def __init__(
        self,
        settings: Settings,
        log: MongoAlertLog,
        reloj: Callable[[], datetime],
        segundos: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._log = log
        self._reloj = reloj
        self._zona = ZoneInfo(settings.zona_horaria)
        self._silencio_desde: datetime | None = None
        with ExitStack() as pila:
            self._consultas = MongoQueries(settings, conexiones=1)
            self._modelos = MongoModelLog(settings)
            self._salud, retraso = PostgresHealth(settings), LagReader(settings)
            consumidores = ConsumerWatch(self._salud.heartbeats, retraso.read)
            self._monitor = HealthMonitor(
                {
                    POSTGRES: self._salud.latest_write,
                    LATIDOS: consumidores.heartbeats,
                    RETRASO: consumidores.lag,
                },
                segundos,
            )
            for uno in (self._consultas, self._modelos, self._salud, retraso, self._monitor):
                pila.callback(uno.close)
            self._pila = pila.pop_all()

    def cases(self) -> list[Finding]:
        """Return the open cases that are grave enough, the most probable first."""
        minimo = self._settings.avisos_probabilidad
        self._consultas.forget()
        page = partial(
            self._consultas.cases.page,
            FiltroCasos(solo_abiertos=True),
            orden="probabilidad",
            limite=CASOS_MAXIMOS,
        )
        casos: list[CasoResumen] = []
        for tramo in por_tramos(lambda cursor: page(cursor=cursor)):
            casos += [caso for caso in tramo if caso.probabilidad >= minimo]
            if not tramo or tramo[-1].probabilidad < minimo:
                break
        detalle = self._settings.avisos_detalle
        return [of_case(caso, detalle=detalle) for caso in self._grave(casos)]

    def _grave(self, casos: list[CasoResumen]) -> list[CasoResumen]:
        """Return those with an hour of ``AVISOS_SEVERIDAD`` since they began."""
        nivel = _NIVELES.index(self._settings.avisos_severidad)
        if nivel <= 1 or not casos:
            return casos
        por_inicio: dict[date, list[str]] = {}
        for caso in casos:
            por_inicio.setdefault(caso.fecha_inicio, []).append(caso.propietario_id)
        graves: set[str] = set()
        for dia, clientes in por_inicio.items():
            desde = datetime(dia.year, dia.month, dia.day, tzinfo=self._zona)
            graves |= set(self._log.customers_with(clientes, _NIVELES[nivel:], desde))
        return [caso for caso in casos if caso.propietario_id in graves]

    def consumers(self) -> list[Finding]:
        """Return what is wrong with the consumers, or with PostgreSQL, which knows of them."""
        vista = ConsumersView.of(self._monitor.look(), POSTGRES)
        ahora = self._reloj()
        if vista.latidos is None:
            self._silencio_desde = self._silencio_desde or ahora
            if ahora - self._silencio_desde < MUDO:
                return []
            return [of_silent_store(POSTGRES, hour_of(self._silencio_desde, self._zona))]
        self._silencio_desde = None
        hallado = of_consumers(vista.judge(vista.latidos.ahora, self._zona))
        return [hallado] if hallado else []

    def drift(self) -> list[Finding]:
        """Return that there is drift."""
        informes = self._modelos.informes(1)
        hallado = of_drift(informes[0] if informes else None)
        return [hallado] if hallado else []

    def night(self) -> list[Finding]:
        """Return what went wrong in the night."""
        return of_night(self._log.latest_night(), self._reloj())

    def close(self) -> None:
        """Close every connection."""
        self._pila.close()


def hour_of(instante: datetime, zona: ZoneInfo) -> str:
    """Return an instant's local hour and minute.

    Examples
    --------
    >>> from datetime import UTC
    >>> hour_of(datetime(2026, 11, 30, 3, 5, tzinfo=UTC), ZoneInfo("Europe/Madrid"))
    '4:05'
    """
    return f"{instante.astimezone(zona):%-H:%M}"
