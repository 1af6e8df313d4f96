"""Kafka: how many readings the group has still to read, asked from outside the group.

A broker's answer to "which is your latest offset" cannot be relied on: the embedded one gives the
first offset of its last batch, and one. What came with a fetch can. So a reader that joins no group
asks where the group is, fetches there, and takes from that one answer how far the log goes and when
the oldest unread message was sent. It commits nothing and creates nothing.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from detection.errors import TransientError
from pipeline.streaming.kafka import COMUN, CONTACTO_S, RECHAZO, conexion, ours
from serving.consumer_health import Lag
from serving.settings import Settings

_PLAZO_S = 3.0
"""For all of it. On loopback the first look takes up to 1 s, the others 0.1 s."""
_PASO_S = 0.1
MENSAJES = 100
_LECTOR: dict[str, Any] = {
    **COMUN,
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "allow.auto.create.topics": False,
    # One batch of each partition is enough: it is the answer's head that counts.
    "fetch.message.max.bytes": 1024,
    "queued.min.messages": 1,
    "fetch.wait.max.ms": 10,
    "fetch.queue.backoff.ms": 5,
}


class LagReader:
    """Asks the broker for the lag of ``KAFKA_GRUPO``; threads may share one, connected once.

    ``plazo_s``: how long a look may take.
    """

    def __init__(self, settings: Settings, plazo_s: float = _PLAZO_S) -> None:
        self._settings = settings
        self._plazo_s = plazo_s
        self._cerrojo = threading.Lock()
        self._lector: Consumer | None = None
        self._rechazos: list[KafkaError] = []

    def read(self) -> Lag:
        """Return what waits; nothing where there is no such topic.

        ``TransientError``: the broker does not say in time. ``ConfiguracionError``: it does not let
        us in.
        """
        limite = time.monotonic() + self._plazo_s
        with self._cerrojo:
            try:
                return self._look(self._open(), limite)
            except KafkaException as error:
                motivo = self._rechazos[-1] if self._rechazos else error.args[0]
                self._close()
                raise ours(motivo, self._settings.kafka_broker) from error
            except TransientError:
                self._close()
                raise

    def unread(self, posiciones: Mapping[int, int]) -> int:
        """Return how many messages lie between what the group has committed and these offsets.

        ``TransientError``: the broker does not answer.
        """
        if not posiciones:
            return 0
        with self._cerrojo:
            try:
                guardadas = committed(
                    self._open(), self._settings.kafka_topic, posiciones, CONTACTO_S
                )
            except KafkaException as error:
                raise ours(error.args[0], self._settings.kafka_broker) from error
        return sum(max(0, posiciones[p] - (offset or 0)) for p, offset in guardadas.items())

    def close(self) -> None:
        """Close the connections."""
        with self._cerrojo:
            self._close()

    def _open(self) -> Consumer:
        if self._lector is None:
            self._rechazos = []
            # The group is named to ask where it is; only who subscribes joins it.
            self._lector = Consumer(
                {
                    **_LECTOR,
                    **conexion(self._settings),
                    "group.id": self._settings.kafka_grupo,
                    "error_cb": self._on_error,
                }
            )
        return self._lector

    def _close(self) -> None:
        if self._lector is not None:
            self._lector.close()
            self._lector = None

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in RECHAZO:
            self._rechazos.append(error)

    def _look(self, lector: Consumer, limite: float) -> Lag:
        topic = self._settings.kafka_topic
        # All topics: to ask for one by its name would create it on some brokers.
        tema = lector.list_topics(timeout=_left(limite)).topics.get(topic)
        if tema is None or not tema.partitions:
            return Lag({})
        guardadas = committed(lector, topic, tema.partitions, _left(limite))
        lector.incremental_assign(
            [
                TopicPartition(topic, particion, OFFSET_BEGINNING if offset is None else offset)
                for particion, offset in guardadas.items()
            ]
        )
        try:
            return self._collect(lector, set(guardadas), limite)
        finally:
            with contextlib.suppress(KafkaException):
                lector.unassign()

    def _collect(self, lector: Consumer, faltan: set[int], limite: float) -> Lag:
        """Return the lag once each partition has answered with a message, or that it ends."""
        retraso: dict[int, int] = {}
        primeras: dict[int, int] = {}
        enviadas: list[datetime] = []
        while faltan:
            for mensaje in lector.consume(MENSAJES, min(_PASO_S, _left(limite))):
                particion = mensaje.partition()
                if particion is None or particion not in faltan:
                    continue
                if mensaje.error() is None:
                    retraso[particion] = self._beyond(lector, mensaje)
                    primeras[particion] = mensaje.offset() or 0
                    enviadas.extend(_sent(mensaje))
                elif not self._is_end(lector, mensaje):
                    continue
                else:
                    retraso[particion] = 0
                faltan.discard(particion)
        return Lag(dict(sorted(retraso.items())), min(enviadas, default=None), primeras)

    def _beyond(self, lector: Consumer, mensaje: Message) -> int:
        """Return how many messages there are from this one on, this one too."""
        donde = TopicPartition(self._settings.kafka_topic, mensaje.partition() or 0)
        _, siguiente = lector.get_watermark_offsets(donde, cached=True)
        return max(1, siguiente - (mensaje.offset() or 0))

    def _is_end(self, lector: Consumer, mensaje: Message) -> bool:
        """Return whether an answer means that all is read; start over where there is no such."""
        error = mensaje.error()
        assert error is not None
        if error.code() == KafkaError._PARTITION_EOF:
            return True
        if error.code() != KafkaError._AUTO_OFFSET_RESET:
            raise KafkaException(error)
        # Where the group was is not in the log any more: it will read from the first message.
        donde = TopicPartition(
            self._settings.kafka_topic, mensaje.partition() or 0, OFFSET_BEGINNING
        )
        lector.incremental_unassign([donde])
        lector.incremental_assign([donde])
        return False


def committed(
    cliente: Consumer, topic: str, particiones: Iterable[int], plazo_s: float
) -> dict[int, int | None]:
    """Return where a client's group is, by partition; None = it has never committed there.

    ``KafkaException``: the broker does not say, be it of one partition only: that is not to have
    read nothing.
    """
    preguntas = [TopicPartition(topic, particion) for particion in sorted(particiones)]
    guardadas: dict[int, int | None] = {}
    for guardada in cliente.committed(preguntas, timeout=plazo_s):
        if guardada.error is not None:
            raise KafkaException(guardada.error)
        guardadas[guardada.partition] = guardada.offset if guardada.offset >= 0 else None
    return guardadas


def _sent(mensaje: Message) -> list[datetime]:
    clase, ms = mensaje.timestamp()
    return [] if clase == TIMESTAMP_NOT_AVAILABLE else [datetime.fromtimestamp(ms / 1000, UTC)]


def _left(limite: float) -> float:
    resta = limite - time.monotonic()
    if resta <= 0:
        raise TransientError("Kafka no dice a tiempo cuántas lecturas esperan")
    return resta
