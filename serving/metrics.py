"""What Prometheus reads of the API and of a consumer: the only file with its client.

Each has a registry of its own, so that two in one process (tests) do not meet. Names are Spanish,
units in the name, as Prometheus wants them (prometheus.io, "Metric and label naming").
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Thread
from wsgiref.simple_server import WSGIServer
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    start_http_server,
)

from detection.domain import SEVERIDADES
from detection.errors import ConfiguracionError
from serving.consumer_health import ConsumersView, seconds_since

_TRAMOS_PETICION_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Around the goals: p50 < 10 ms, p99 < 50 ms (issue 5)."""
_TRAMOS_LOTE_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""From a batch of one reading to a store that has almost given up."""
_NADA = float("nan")
TIPO_METRICAS = CONTENT_TYPE_LATEST
PUERTOS_SEGUIDOS = 10
"""Ports tried one after the other: consumers of one machine, found by a list that Prometheus can
hold. By hand, 2026-11-30: no more run on a machine than it has cores."""


@dataclass(frozen=True, slots=True)
class SystemFigures:
    """What is measured beside requests and consumers; NaN = not known, or there is none yet."""

    partes: Mapping[str, bool]  # whether each server answers
    # Open cases by type: how many, and what is to be recovered of them, kWh.
    casos: Mapping[str, tuple[int, float]]
    campeon: tuple[float, float] = (_NADA, _NADA)  # version, and its age, s
    # The latest drift report: 0 green, 1 amber, 2 red; the share of features that have moved; age.
    deriva: tuple[float, float, float] = (_NADA, _NADA, _NADA)
    noche: tuple[float, float] = (_NADA, _NADA)  # the latest: steps that failed, and its age, s
    avisos: tuple[float, float] = (_NADA, _NADA)  # 1 = a process tells people; what is untold


class _Metricas:
    """A registry with what a process costs, and the text that Prometheus reads of it."""

    def __init__(self) -> None:
        self._series = CollectorRegistry()
        ProcessCollector(registry=self._series)

    def _gauge(self, nombre: str, texto: str, *etiquetas: str) -> Gauge:
        return Gauge(nombre, texto, etiquetas, registry=self._series)

    def _counter(self, nombre: str, texto: str, *etiquetas: str) -> Counter:
        return Counter(nombre, texto, etiquetas, registry=self._series)

    def texto(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._series)


class ApiMetrics(_Metricas):
    """Requests by route and status, their time, who is listening, and what ``/salud`` says.

    Examples
    --------
    >>> metricas = ApiMetrics()
    >>> metricas.peticion("GET", "/salud", 200, 0.001)
    >>> b'consumo_api_peticiones_total{estado="200"' in metricas.texto()
    True
    """

    def __init__(self) -> None:
        super().__init__()
        self._peticiones = self._counter(
            "consumo_api_peticiones", "Peticiones atendidas", "metodo", "ruta", "estado"
        )
        self._segundos = Histogram(
            "consumo_api_peticion_segundos", "Tiempo hasta la última parte de la respuesta",
            ("ruta",), buckets=_TRAMOS_PETICION_S, registry=self._series,
        )  # fmt: skip
        self._abiertas = self._gauge("consumo_api_peticiones_en_curso", "Peticiones sin terminar")
        self._oyentes = self._gauge("consumo_api_oyentes", "Clientes que escuchan anomalías nuevas")
        self._bien = self._gauge(
            "consumo_consumidor_bien", "1 si el consumidor no está mal; NaN = no se sabe"
        )
        self._vivos = self._gauge("consumo_consumidores_vivos", "Consumidores que dan señales")
        self._senal = self._gauge(
            "consumo_senal_segundos", "Desde la última señal de un consumidor"
        )
        self._esperan = self._gauge(
            "consumo_lecturas_esperando", "Lecturas sin leer en Kafka", "particion"
        )
        self._espera = self._gauge(
            "consumo_espera_segundos",
            "Desde que se vio esperar la más antigua de las que esperan",
        )
        self._guardado = self._gauge(
            "consumo_ultima_escritura_segundos", "Desde lo último guardado"
        )
        self._consumo = self._gauge(
            "consumo_ultimo_consumo_segundos", "Desde la hora de la última lectura guardada"
        )
        self._make_system_gauges()

    def _make_system_gauges(self) -> None:
        self._partes = self._gauge("consumo_parte_bien", "1 si la parte responde", "parte")
        self._casos = self._gauge("consumo_casos_abiertos", "Casos abiertos", "tipo")
        self._recuperable = self._gauge(
            "consumo_casos_recuperable_kwh", "Lo que cabe recuperar de los casos abiertos", "tipo"
        )
        self._campeon = (
            self._gauge("consumo_campeon_version", "Versión campeona"),
            self._gauge("consumo_campeon_edad_segundos", "Desde que se registró la campeona"),
        )
        self._deriva = (
            self._gauge("consumo_deriva_semaforo", "Último informe: 0 verde, 1 ámbar, 2 rojo"),
            self._gauge("consumo_deriva_fraccion", "Parte de los rasgos que se ha movido"),
            self._gauge("consumo_deriva_edad_segundos", "Desde el último informe de deriva"),
        )
        self._noche = (
            self._gauge("consumo_noche_fallos", "Pasos que fallaron la última noche"),
            self._gauge("consumo_noche_edad_segundos", "Desde que acabó la última noche"),
        )
        self._avisos = (
            self._gauge("consumo_avisos_en_marcha", "1 si hay un proceso que avisa"),
            self._gauge("consumo_avisos_pendientes", "Cosas que a alguien le falta saber"),
        )

    @contextmanager
    def en_curso(self) -> Iterator[None]:
        """Count a request as going on while the block runs."""
        with self._abiertas.track_inprogress():
            yield

    def peticion(self, metodo: str, ruta: str, estado: int, segundos: float | None) -> None:
        """Count a request that is over.

        ``ruta``: the route's template, never the path that was asked for: there are few of them.
        ``segundos``: None = it lasted as long as the client listened, which says nothing.
        """
        self._peticiones.labels(metodo, ruta, str(estado)).inc()
        if segundos is not None:
            self._segundos.labels(ruta).observe(segundos)

    def sistema(self, cifras: SystemFigures) -> None:
        """Say how the servers, cases, model, drift, night and alerts are."""
        for gauge in (self._partes, self._casos, self._recuperable):
            gauge.clear()
        for parte, bien in cifras.partes.items():
            self._partes.labels(parte).set(bien)
        for tipo, (casos, kwh) in cifras.casos.items():
            self._casos.labels(tipo).set(casos)
            self._recuperable.labels(tipo).set(kwh)
        for gauges, valores in (
            (self._campeon, cifras.campeon),
            (self._deriva, cifras.deriva),
            (self._noche, cifras.noche),
            (self._avisos, cifras.avisos),
        ):
            for gauge, valor in zip(gauges, valores, strict=True):
                gauge.set(valor)

    def oyentes(self, cuantos: int) -> None:
        """Say how many listen to new anomalies."""
        self._oyentes.set(cuantos)

    def consumidores(self, vista: ConsumersView, ahora: datetime, zona: ZoneInfo) -> None:
        """Say how the consumers are and how fresh the history is; NaN = not known."""
        nada = float("nan")
        diagnostico, latidos, retraso = vista.judge(ahora, zona), vista.latidos, vista.retraso
        sabido = diagnostico.estado != "desconocido"
        self._bien.set(diagnostico.gravedad != "mal" if sabido else nada)
        self._vivos.set(len(latidos.vivos()) if latidos else nada)
        senal, visto, guardado, consumo = nada, nada, nada, nada
        if latidos and latidos.filas:
            senal = (latidos.ahora - latidos.filas[0].latido).total_seconds()
        if retraso and retraso.por_particion and retraso.visto_s is not None:
            visto = retraso.visto_s
        if vista.ultima:
            guardado = seconds_since(vista.ultima.procesada, ahora)
            consumo = seconds_since(vista.ultima.consumo, ahora)
        self._senal.set(senal)
        self._espera.set(visto)
        self._guardado.set(guardado)
        self._consumo.set(consumo)
        _set_each(self._esperan, retraso.por_particion if retraso else {})


def _set_each(gauge: Gauge, por_particion: Mapping[int, int]) -> None:
    """Set a gauge by partition; those that are not told of any more are gone."""
    gauge.clear()
    for particion, mensajes in por_particion.items():
        gauge.labels(str(particion)).set(mensajes)


class ConsumerMetrics(_Metricas):
    """What a consumer has done, how far behind it is, and which model it uses.

    Told once a batch; a reading costs nothing.

    Examples
    --------
    >>> metricas = ConsumerMetrics()
    >>> metricas.lote(np.array([0, 0, 4], np.uint8), 0.02, "consumo-detector-3")
    >>> b'consumo_lecturas_total{severidad="normal"} 2.0' in metricas.texto()
    True
    """

    def __init__(self) -> None:
        super().__init__()
        lecturas = self._counter("consumo_lecturas", "Lecturas puntuadas y guardadas", "severidad")
        self._lecturas = [lecturas.labels(str(severidad)) for severidad in SEVERIDADES]
        self._lote = Histogram(
            "consumo_lote_segundos", "Tiempo de un lote, de puntuarlo a guardarlo",
            buckets=_TRAMOS_LOTE_S, registry=self._series,
        )  # fmt: skip
        self._invalidas = self._counter(
            "consumo_mensajes_no_validos", "Mensajes apartados", "motivo"
        )
        self._retraso = self._gauge(
            "consumo_retraso_mensajes", "Mensajes que faltan por leer", "particion"
        )
        self._modelo = self._gauge(
            "consumo_modelo", "Versión del modelo en uso: 1 la de ahora", "version"
        )
        self._guardado = self._gauge(
            "consumo_ultimo_lote_timestamp_seconds", "Instante en que se guardó el último lote"
        )
        self._version: str | None = None

    def lote(self, severidad: NDArray[np.uint8], segundos: float, version_modelo: str) -> None:
        """Count a batch that both stores have.

        ``severidad`` (n,): index into ``SEVERIDADES`` of each reading.
        """
        for contador, n in zip(
            self._lecturas, np.bincount(severidad, minlength=len(SEVERIDADES)), strict=True
        ):
            contador.inc(int(n))
        self._lote.observe(segundos)
        self._guardado.set(time.time())
        if version_modelo != self._version:
            self._modelo.clear()
            self._modelo.labels(version_modelo).set(1)
            self._version = version_modelo

    def invalidas(self, motivos: Mapping[str, int]) -> None:
        """Count messages that the dead letters have, by reason."""
        for motivo, n in motivos.items():
            self._invalidas.labels(motivo).inc(n)

    def retraso(self, por_particion: Mapping[int, int]) -> None:
        """Say how many messages are still to be read of each partition that is ours."""
        _set_each(self._retraso, por_particion)

    @contextmanager
    def servir(self, host: str, puerto: int) -> Iterator[int]:
        """Serve them on ``/metrics`` from a thread while the block runs; give the port.

        Several consumers of one machine have the same setting: a port that is taken gives way to
        the next ones, and those to one that the system chooses.

        ``ConfiguracionError``: the address is not ours, or the port may not be ours.
        """
        servidor, hilo = self._listen(host, puerto)
        try:
            yield int(servidor.server_address[1])
        finally:
            servidor.shutdown()
            servidor.server_close()
            hilo.join()

    def _listen(self, host: str, puerto: int) -> tuple[WSGIServer, Thread]:
        for candidato in [*range(puerto, min(puerto + PUERTOS_SEGUIDOS, 65_536)), 0]:
            try:
                return start_http_server(candidato, host, self._series)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or not candidato:
                    raise ConfiguracionError(
                        f"no se pueden servir métricas en {host}:{candidato} (METRICAS_HOST y "
                        f"METRICAS_PORT): {error}"
                    ) from error
        raise AssertionError("the system gives a port that is free")
