"""The demo's readings: sent, waited for, and sent again where the broker took them with it.

What is waited for is what was sent: the consumer has read it, stored it, and committed the
position after it. What is missing is asked of the history by identity, archived readings included.
So it does not matter what others send, archive, restore or correct meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import Console

from detection.domain import SEGUNDOS_POR_HORA
from detection.errors import ConsumoError, EntregaError, TransientError
from pipeline.embedded.supervisor import PASO_INSISTIR_S, PLAZO_INSISTIR_S, Supervisor
from pipeline.producer import ReadingSender, open_envio, send_hours
from pipeline.stores.postgres.store import PostgresStore
from pipeline.streaming.kafka_lag import LagReader
from serving.settings import Settings

if TYPE_CHECKING:
    from detection.simulation.synthesis import SimulatedCustomer

SIN_AVANCE_S = 10.0
"""A position may be stored late, or its message lost; after this long the history is asked."""

_Told = Callable[[int], None]


class _EmptiedError(Exception):
    """The broker has ended, and with it what it had."""


class DemoDelivery:
    """Sends the scene's readings, until they are stored.

    ``clientes``: all that the scene has.
    """

    def __init__(
        self,
        consola: Console,
        settings: Settings,
        clientes: Sequence[SimulatedCustomer],
        historial: PostgresStore,
        supervisor: Supervisor,
    ) -> None:
        self._consola = consola
        self._settings = settings
        self._clientes = clientes
        self._historial = historial
        self.supervisor = supervisor
        self._envio: ReadingSender | None = None
        self._kafka_ends = 0

    @property
    def propietarios(self) -> list[str]:
        """Return who the customers are."""
        return [cliente.propietario_id for cliente in self._clientes]

    @property
    def zona(self) -> str:
        """Return the zone of the readings' local days."""
        return self._settings.zona_horaria

    def first_kept(self, desde: int) -> int:
        """Return the first hour from ``desde`` on that nobody has deleted for good."""
        ultimo = self.supervisor.insist(self._historial.deleted_until)
        if ultimo is None:
            return desde
        zona = ZoneInfo(self.zona)
        manana = datetime.combine(ultimo + timedelta(days=1), datetime.min.time(), zona)
        return max(desde, int(manana.timestamp()) // SEGUNDOS_POR_HORA)

    def missing(self, desde: int, hasta: int) -> range:
        """Return the hours from the first to the last in which a customer's reading is missing."""
        desde = self.first_kept(desde)
        if desde >= hasta:
            return range(0)
        cuenta = self.supervisor.insist(
            lambda: self._historial.count_by_hour(self.propietarios, desde, hasta)
        )
        todos = len(self._clientes)
        faltan = [h for h in range(desde, hasta) if cuenta.get(h, (0, 0))[1] < todos]
        return range(faltan[0], faltan[-1] + 1) if faltan else range(0)

    def deliver(
        self,
        horas: range,
        enviadas: _Told = lambda _n: None,
        guardadas: _Told = lambda _n: None,
    ) -> None:
        """Return once every reading of these hours is stored in both stores.

        ``enviadas``, ``guardadas``: told how many readings are sent, and stored. ``ConsumoError``:
        the consumer does not store them, though every part runs.
        """
        total = len(horas) * len(self._clientes)
        while horas:
            entera = self._send(horas, total, enviadas, guardadas)
            horas = self.missing(horas.start, horas.stop)
            if horas and entera:
                raise ConsumoError(
                    "el consumidor ha leído las lecturas, pero no están todas en PostgreSQL"
                )
            if horas:
                self._consola.print(
                    "Kafka las tenía solo en memoria: se envían otra vez las lecturas que faltan."
                )

    def _send(self, horas: range, total: int, enviadas: _Told, guardadas: _Told) -> bool:
        """Send, and wait for the consumer; return False if the broker lost them on the way."""
        estas = len(horas) * len(self._clientes)

        def avanzar(parte: float) -> None:
            enviadas(total - estas + int(parte * estas))
            self._check()

        try:
            envio = self._open()
            send_hours(envio, self._clientes, horas.start, horas.stop, self.zona, avanzar)
            while envio.productor.pending(PASO_INSISTIR_S):
                self._check()
            self._wait_read(envio, horas, lambda faltan: guardadas(total - min(estas, faltan)))
        except (EntregaError, TransientError, _EmptiedError):
            # A producer that has given messages up may have lost its sequence.
            self._envio = None
            self.supervisor.pause(PASO_INSISTIR_S)
            return False
        return True

    def pause(self, espera_s: float) -> None:
        """Keep the parts running; the topics of a broker that starts empty are made anew."""
        self.supervisor.pause(espera_s)
        if self._emptied():
            # A producer that is still there would have the broker make the topic, in its own way.
            self._envio = None
            if self.supervisor.running:
                with suppress(TransientError):  # it has ended again: the next look brings it back
                    self._open()

    def _open(self) -> ReadingSender:
        while not self.supervisor.running:
            self.supervisor.pause(PASO_INSISTIR_S)
        if self._envio is None or self._emptied():
            ends = self.supervisor.ends["Kafka"]
            self._envio, self._kafka_ends = open_envio(self._settings), ends
        return self._envio

    def _emptied(self) -> bool:
        return self.supervisor.ends["Kafka"] != self._kafka_ends

    def _check(self, espera_s: float = 0.0) -> None:
        self.supervisor.pause(espera_s)
        if self._emptied():
            raise _EmptiedError

    def _wait_read(self, envio: ReadingSender, horas: range, faltan: _Told) -> None:
        """Return once the group has committed all of it, or the history has it."""
        quedan, ultimo, mirado = -1, time.monotonic(), time.monotonic()
        with closing(LagReader(self._settings)) as grupo:
            while True:
                antes, quedan = quedan, grupo.unread(envio.productor.posiciones)
                faltan(quedan)
                if not quedan:
                    return
                ahora = time.monotonic()
                if quedan != antes or not self.supervisor.running:
                    ultimo = mirado = ahora
                if ahora - mirado > SIN_AVANCE_S:
                    mirado = ahora
                    if not self.missing(horas.start, horas.stop):
                        return
                if ahora - ultimo > PLAZO_INSISTIR_S:
                    raise ConsumoError(
                        f"el consumidor no avanza: hay {quedan} lecturas enviadas sin guardar"
                    )
                self._check(PASO_INSISTIR_S)
