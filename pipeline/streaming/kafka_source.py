"""Kafka: the topic of readings as the source of the consumer's loop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as KafkaMessage

from detection.errors import PermanentError
from pipeline.streaming.consumer_loop import DeadLetter, Message
from pipeline.streaming.kafka import (
    COMUN,
    CONTACTO_S,
    LEJOS,
    PRODUCTOR,
    RECHAZO,
    conexion,
    describe_error,
    ensure_topics,
    log_identity,
    ours,
)
from serving.settings import Settings

_LOG = logging.getLogger(__name__)

ENTREGA_MUERTA_S = 5.0
"""For the confirmation of a dead letter: the loop does not listen to the group meanwhile."""
SIN_PARTICIONES_S = 15.0
"""After this long without partitions there is nothing for us to read: others have them all."""
CARTA_MAXIMA_BYTES, CLAVE_MAXIMA_BYTES = 900_000, 100_000
"""Larger dead letters are cut: with the headers they would pass the broker's 1 MiB and block."""

# The fetch settings have their measurements in architecture.md, "What bit us".
_CONSUMIDOR: dict[str, Any] = {
    **COMUN,
    "enable.auto.commit": False,
    # Where there is no position, or not any more, we start from the first message: see _start_over.
    "auto.offset.reset": "error",
    "partition.assignment.strategy": "cooperative-sticky",
    "session.timeout.ms": 6000,
    "heartbeat.interval.ms": 2000,
    "fetch.min.bytes": 1,
    "fetch.wait.max.ms": 10,
    "fetch.queue.backoff.ms": 5,
    "queued.min.messages": 200_000,
    "allow.auto.create.topics": False,
    # Partitions that are added, or a topic made anew, are seen after this long (default: 5 min).
    "topic.metadata.refresh.interval.ms": 10_000,
}


class KafkaSource:
    """The topic of readings: a ``pipeline.streaming.consumer_loop.MessageSource``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumidor: Consumer | None = None
        self._cartas: Producer | None = None
        # Replaced, never changed: another thread may be looking at it.
        self._nuestras: frozenset[int] = frozenset()
        self._cambio = False
        self._pausada = False
        self._sin_particiones = time.monotonic()
        self._lejos = False
        self._mortal: KafkaError | None = None
        self._errores: list[KafkaMessage] = []
        self._log_id = ""
        self._sin_identificar = False

    @property
    def log_id(self) -> str:
        """Return the identity of the log, once open."""
        return self._log_id

    def particiones(self) -> tuple[int, ...]:
        """Return the partitions that are ours; any thread may ask."""
        return tuple(sorted(self._nuestras))

    def open(
        self, al_revocar: Callable[[set[int]], None], al_perder: Callable[[set[int]], None]
    ) -> None:
        """Make sure of the topics and join the group."""
        ensure_topics(self._settings)
        self._log_id = log_identity(self._settings)
        self._sin_particiones = time.monotonic()
        self._consumidor = Consumer(
            {
                **_CONSUMIDOR,
                **conexion(self._settings),
                "group.id": self._settings.kafka_grupo,
                "error_cb": self._on_error,
                "on_commit": self._on_commit,
            }
        )

        def leave(avisar: Callable[[set[int]], None], idas: list[TopicPartition]) -> None:
            particiones = {tp.partition for tp in idas}
            self._nuestras -= particiones
            self._sin_particiones = time.monotonic()
            self._cambio = True
            avisar(particiones)

        self._consumidor.subscribe(
            [self._settings.kafka_topic],
            on_assign=self._on_assign,
            on_revoke=lambda _consumidor, idas: leave(al_revocar, idas),
            on_lost=lambda _consumidor, idas: leave(al_perder, idas),
        )

    def read(self, maximo: int, espera_s: float) -> Sequence[Message]:
        """Return up to ``maximo`` messages of partitions that are ours."""
        while self._errores:  # here, where there are no messages yet to be lost if it fails
            self._on_message_error(self._errores[0])
            del self._errores[0]
        if self._sin_identificar:
            self._identify()
        self._cambio = False
        llegados = self._group.consume(maximo, espera_s)
        if self._mortal:
            raise PermanentError(f"Kafka: error irrecuperable ({self._mortal.str()})")
        buenos = [m for m in llegados if m.error() is None]
        if len(buenos) < len(llegados):
            self._errores = [m for m in llegados if m.error() is not None]
        if buenos and self._lejos:
            self._lejos = False
            _LOG.warning("Kafka responde de nuevo")
        if self._cambio:
            buenos = [m for m in buenos if m.partition() in self._nuestras]
        return cast(list[Message], buenos)  # the library's types leave room for None

    def pause(self) -> None:
        """Bring no messages; partitions that come later are paused too."""
        self._pausada = True
        self._group.pause(self._group.assignment())

    def resume(self) -> None:
        """Bring messages again."""
        self._pausada = False
        self._group.resume(self._group.assignment())

    def _identify(self) -> None:
        """Ask which log it is before a message of a new assignment is read.

        A broker that keeps its messages in memory, and a topic made anew, start at offset 0 under
        the old name; whoever took it for the old log would take new readings for known ones.
        """
        self._log_id = log_identity(self._settings)
        self._sin_identificar = False
        if not self._pausada:
            self._group.resume(self._group.assignment())

    def commit(self, siguientes: Mapping[int, int], *, espera: bool) -> None:
        """Record the next offset of each partition.

        A commit that fails loses nothing: the readings come again and change nothing.
        """
        if not siguientes:
            return
        topic = self._settings.kafka_topic
        posiciones = [TopicPartition(topic, *siguiente) for siguiente in siguientes.items()]
        try:
            if espera:
                self._group.commit(offsets=posiciones, asynchronous=False)
            else:
                self._group.commit(offsets=posiciones, asynchronous=True)
        except KafkaException as error:
            self._on_commit(error.args[0], posiciones)

    def send_dead_letters(self, muertas: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Send messages to the dead letters as they came; return those that were not confirmed."""
        if self._cartas is None:
            self._cartas = Producer(
                {
                    **PRODUCTOR,
                    **conexion(self._settings),
                    "message.timeout.ms": int(ENTREGA_MUERTA_S * 1000),
                    "linger.ms": 0,
                }
            )
        sin_confirmar = set(range(len(muertas)))
        for i, muerta in enumerate(muertas):
            self._send_letter(self._cartas, muerta, partial(sin_confirmar.discard, i))
        self._cartas.flush(ENTREGA_MUERTA_S + 1.0)
        if sin_confirmar:
            self._cartas = None  # one that has given letters up may have lost its sequence
        return [muertas[i] for i in sorted(sin_confirmar)]

    def _send_letter(
        self, cartas: Producer, muerta: DeadLetter, confirmar: Callable[[], None]
    ) -> None:
        mensaje, motivo = muerta
        valor = mensaje.value()
        cabeceras: dict[str, str | bytes | None] = {
            "motivo": motivo.motivo,
            "detalle": motivo.detalle,
            "topic": self._settings.kafka_topic,
            "partition": str(mensaje.partition()),
            "offset": str(mensaje.offset()),
        }
        clave = mensaje.key()
        if clave is not None and len(clave) > CLAVE_MAXIMA_BYTES:
            cabeceras["bytes_originales_clave"] = str(len(clave))
            clave = clave[:CLAVE_MAXIMA_BYTES]
        cabe = CARTA_MAXIMA_BYTES - len(clave or b"")
        if valor is not None and len(valor) > cabe:
            cabeceras["bytes_originales"] = str(len(valor))
            valor = valor[:cabe]

        def on_delivery(error: KafkaError | None, _mensaje: KafkaMessage) -> None:
            if error is None:
                confirmar()

        topic = self._settings.kafka_topic_dlq
        while True:
            try:
                cartas.produce(topic, valor, clave, headers=cabeceras, on_delivery=on_delivery)
                return
            except BufferError:
                cartas.poll(0.05)
            except KafkaException as error:
                self._cartas = None
                raise ours(error.args[0], self._settings.kafka_broker) from error

    def is_caught_up(self) -> bool:
        """Return whether our partitions have been read up to the last message known.

        Known = the high watermark that came with the last fetch: asked by itself, the embedded
        broker answers less.
        """
        asignadas = self._group.assignment()
        if not asignadas:
            return time.monotonic() - self._sin_particiones > SIN_PARTICIONES_S
        return all(self._is_at_end(posicion) for posicion in self._group.position(asignadas))

    def lag(self) -> dict[int, int]:
        """Return how many messages of each partition of ours are known and not read.

        As ``is_caught_up`` does: without asking the broker. What nothing is known of is left out.
        """
        retraso = {}
        for posicion in self._group.position(self._group.assignment()):
            _, ultimo = self._group.get_watermark_offsets(posicion, cached=True)
            if ultimo >= 0 and posicion.offset >= 0:
                retraso[posicion.partition] = max(0, ultimo - posicion.offset)
        return retraso

    def close(self) -> None:
        """Leave the group."""
        if self._consumidor is not None:
            self._consumidor.close()
            self._consumidor = None

    @property
    def _group(self) -> Consumer:
        assert self._consumidor is not None, "open() comes first"
        return self._consumidor

    def _is_at_end(self, posicion: TopicPartition) -> bool:
        primero, ultimo = self._group.get_watermark_offsets(posicion, cached=True)
        if ultimo < 0:
            return False
        siguiente = posicion.offset
        if siguiente < 0:  # nothing of it has come since we have it
            (guardada,) = self._group.committed([posicion], CONTACTO_S)
            # What is not in the log has no position in it: it will be read from its start.
            siguiente = guardada.offset if primero <= guardada.offset <= ultimo else primero
        return bool(siguiente >= ultimo)

    def _on_assign(self, consumidor: Consumer, nuevas: list[TopicPartition]) -> None:
        self._nuestras |= {tp.partition for tp in nuevas}
        self._sin_particiones = time.monotonic()
        self._cambio = True
        self._take(consumidor, nuevas)
        _LOG.info("particiones asignadas: %s", sorted(self._nuestras))

    def _take(self, consumidor: Consumer, nuevas: list[TopicPartition]) -> None:
        consumidor.incremental_assign(nuevas)
        self._sin_identificar = True
        consumidor.pause(nuevas)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._mortal = error
        elif error.code() in LEJOS | RECHAZO and not self._lejos:
            self._lejos = True
            _LOG.warning(
                "%s; se sigue intentando", describe_error(error, self._settings.kafka_broker)
            )

    def _on_message_error(self, mensaje: KafkaMessage) -> None:
        error = mensaje.error()
        if error is None or error.code() == KafkaError._PARTITION_EOF:
            return
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            _LOG.warning("el topic %s no existe; se crea", self._settings.kafka_topic)
            ensure_topics(self._settings)
            self._log_id = log_identity(self._settings)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._start_over(mensaje)
        elif error.code() in LEJOS or error.fatal():
            self._on_error(error)
        else:
            _LOG.warning("Kafka: %s", error.str())

    def _start_over(self, mensaje: KafkaMessage) -> None:
        """Read a partition from its first message: it has no position, or not the one we want."""
        particion, buscado = mensaje.partition(), mensaje.offset()
        if particion is None or particion not in self._nuestras:
            return
        desde = TopicPartition(self._settings.kafka_topic, particion)
        try:
            desde.offset, siguiente = self._group.get_watermark_offsets(desde, CONTACTO_S)
        except KafkaException as error:
            raise ours(error.args[0], self._settings.kafka_broker) from error
        if buscado is not None and buscado >= 0:
            _LOG.warning("%s", _describe_gap(particion, buscado, desde.offset, siguiente))
        # A seek is refused: the library does not read a partition without position at all.
        self._group.incremental_unassign([desde])
        self._take(self._group, [desde])

    def _on_commit(self, error: KafkaError | None, _posiciones: Iterable[TopicPartition]) -> None:
        if error is not None and error.code() != KafkaError._NO_OFFSET:
            _LOG.warning(
                "Kafka no ha guardado la posición (%s): se releerán lecturas, sin efecto",
                error.str(),
            )


def _describe_gap(particion: int, buscado: int, primero: int, siguiente: int) -> str:
    """Return, in Spanish, that a partition has no message ``buscado``, where we were to go on."""
    if buscado < primero:
        return (
            f"Kafka ya ha borrado mensajes sin leer de la partición {particion}, "
            f"del {buscado} al {primero - 1}: se sigue desde el {primero}"
        )
    return (
        f"la partición {particion} acaba antes del mensaje {siguiente} y tocaba leer el "
        f"{buscado}: se relee desde el {primero}, sin efecto en lo ya guardado"
    )
