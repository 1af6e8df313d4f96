"""Kafka: topics and their identity, the producer, and the library's errors in our words.

A customer's readings must always land in the same partition, whoever sends them, since state
follows partitions. The partitioner is Java's (``murmur2_random``): other producers of the house,
most of them Java, agree with ours without a setting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from detection.errors import (
    ConfiguracionError,
    ConsumoError,
    EntregaError,
    PermanentError,
    TransientError,
)
from serving.settings import Settings

_LOG = logging.getLogger(__name__)

CONTACTO_S = 10.0
"""How long the first contact with the broker may take."""
PING_S = 3.0
_PASO_S = 0.05
"""Between two looks for a topic just made: the controller knows it before the brokers do."""

COMUN: dict[str, Any] = {
    # Only what is fatal: errors reach us through callbacks, and users through our log.
    "log_level": 0,
    "reconnect.backoff.max.ms": 2000,
}
LEJOS = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TRANSPORT,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._MSG_TIMED_OUT,
    }
)
RECHAZO = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._SSL,
    }
)
"""Who we are, or who the broker is, could not be proven."""
PASAJEROS = LEJOS | {KafkaError.KAFKA_STORAGE_ERROR}
"""After which another try makes sense, whatever the library thinks of it."""
ENTREGA_S = 20.0
"""How long a reading may wait for its confirmation; after that it counts as not delivered."""
MENSAJES_POR_SONDEO = 1000
PRODUCTOR: dict[str, Any] = {
    **COMUN,
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",
    "compression.type": "lz4",
    "linger.ms": 20,
    "batch.size": 1 << 20,
    "queue.buffering.max.messages": 200_000,
}


def conexion(settings: Settings) -> dict[str, Any]:
    """Return what each client needs to reach the broker and to prove who is who."""
    datos: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_broker,
        "security.protocol": settings.kafka_seguridad,
    }
    if settings.kafka_seguridad.startswith("SASL"):
        datos["sasl.mechanism"] = settings.kafka_mecanismo
        datos["sasl.username"] = settings.kafka_user
        datos["sasl.password"] = settings.kafka_password
    if settings.kafka_ca:
        datos["ssl.ca.location"] = settings.kafka_ca
    if settings.kafka_cert:
        datos["ssl.certificate.location"] = datos["ssl.key.location"] = settings.kafka_cert
    return datos


def ensure_topics(settings: Settings) -> None:
    """Create the topic of readings and that of dead letters where they are missing.

    ``TransientError``: the broker does not answer. ``PermanentError``: it refuses to create them.
    """
    with _admin(settings) as admin:
        hay = admin.list_topics(timeout=CONTACTO_S).topics
        faltan = [
            NewTopic(nombre, settings.kafka_particiones, settings.kafka_replicas)
            for nombre in (settings.kafka_topic, settings.kafka_topic_dlq)
            if nombre not in hay
        ]
        if not faltan:
            return
        try:
            for futuro in admin.create_topics(faltan, request_timeout=CONTACTO_S).values():
                futuro.result(CONTACTO_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def ping_kafka(settings: Settings) -> None:
    """Return if the broker answers; raise ``TransientError`` otherwise."""
    with _admin(settings) as admin:
        admin.list_topics(timeout=PING_S)


def log_identity(settings: Settings) -> str:
    """Return what tells the topic's log from that of a topic made anew under its name.

    Empty where the broker is too old to know (Kafka before 2.8); then they cannot be told apart.

    ``TransientError``: the broker does not answer.
    """
    temas = TopicCollection([settings.kafka_topic])
    limite = time.monotonic() + CONTACTO_S
    with _admin(settings) as admin:
        while True:
            try:
                preguntas = admin.describe_topics(temas, request_timeout=CONTACTO_S)
                return str(preguntas[settings.kafka_topic].result(CONTACTO_S).topic_id)
            except KafkaException as error:
                motivo = error.args[0]
                if motivo.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    if time.monotonic() >= limite:
                        raise TransientError(
                            describe_error(motivo, settings.kafka_broker)
                        ) from error
                elif motivo.code() in LEJOS or motivo.retriable():
                    raise
                else:
                    _LOG.warning("este servidor de Kafka no dice qué registro es el del topic")
                    return ""
            time.sleep(_PASO_S)


@contextmanager
def _admin(settings: Settings) -> Iterator[AdminClient]:
    """Give a client whose errors leave the block in our words.

    A refused password or certificate comes by callback only: to who asks, time runs out.
    """
    rechazos: list[KafkaError] = []

    def on_error(error: KafkaError) -> None:
        if error.code() in RECHAZO:
            rechazos.append(error)

    todo: dict[str, Any] = {**COMUN, **conexion(settings), "error_cb": on_error}
    admin = AdminClient(todo)
    try:
        yield admin
    except KafkaException as error:
        admin.poll(0)
        motivo = rechazos[-1] if rechazos else error.args[0]
        raise ours(motivo, settings.kafka_broker) from error


def describe_error(error: KafkaError | None, broker: str) -> str:
    """Return what is wrong with the broker, in Spanish."""
    if error is None or error.code() in LEJOS:
        return f"Kafka no responde en {broker}"
    if error.code() == KafkaError._SSL:
        return (
            f"Kafka en {broker}: no hay conexión TLS de confianza; "
            "revise KAFKA_SEGURIDAD, KAFKA_CA y KAFKA_CERT"
        )
    if error.code() in RECHAZO:
        return (
            f"Kafka en {broker} rechaza la conexión: revise KAFKA_SEGURIDAD, KAFKA_MECANISMO, "
            "KAFKA_USER y KAFKA_PASSWORD"
        )
    if error.code() == KafkaError.KAFKA_STORAGE_ERROR:
        return f"Kafka en {broker} no puede escribir en su disco: ¿queda sitio?"
    return f"Kafka en {broker}: {error.str()}"


def ours(error: KafkaError, broker: str) -> ConsumoError:
    """Return the error of our tree for one of the library's."""
    if error.code() in RECHAZO:
        return ConfiguracionError(describe_error(error, broker))
    if error.code() in PASAJEROS or error.retriable():
        return TransientError(describe_error(error, broker))
    return PermanentError(describe_error(error, broker))


class KafkaProducer:
    """Readings to the topic, each confirmed by the broker, each customer in one partition.

    ``entrega_s``: how long a reading may wait for its confirmation.
    """

    def __init__(self, settings: Settings, entrega_s: float = ENTREGA_S) -> None:
        self.confirmadas = 0
        self.fallidas = 0
        self.posiciones: dict[int, int] = {}
        """For each partition, the offset after the last message of ours that was confirmed."""
        self._entrega_s = entrega_s
        self._topic = settings.kafka_topic
        self._broker = settings.kafka_broker
        self._motivo: KafkaError | None = None
        self._productor = Producer(
            {
                **PRODUCTOR,
                **conexion(settings),
                "message.timeout.ms": int(entrega_s * 1000),
            }
        )

    def send(self, claves: Sequence[str], valores: Sequence[bytes]) -> None:
        """Hand over messages in this order; waits while the queue to the broker is full.

        ``EntregaError``: a delivery has failed: there is no sense in sending more.
        """
        productor, topic, al_entregar = self._productor, self._topic, self._on_delivery
        for inicio in range(0, len(valores), MENSAJES_POR_SONDEO):
            fin = inicio + MENSAJES_POR_SONDEO
            for clave, valor in zip(claves[inicio:fin], valores[inicio:fin], strict=True):
                while True:
                    try:
                        productor.produce(topic, valor, clave, on_delivery=al_entregar)
                        break
                    except BufferError:
                        productor.poll(0.05)
                    except KafkaException as error:
                        raise ours(error.args[0], self._broker) from error
            productor.poll(0)
            self._raise_if_failed()

    def pending(self, espera_s: float) -> int:
        """Return how many messages are not confirmed yet, after ``espera_s`` at most."""
        quedan = int(self._productor.flush(espera_s))
        self._raise_if_failed()
        return quedan

    def flush(self) -> None:
        """Return when every message handed over is confirmed; raise ``EntregaError`` otherwise."""
        sin_respuesta = self._productor.flush(self._entrega_s + 5.0)
        self.fallidas += sin_respuesta
        self._raise_if_failed()

    def _on_delivery(self, error: KafkaError | None, mensaje: Message) -> None:
        if error is None:
            self.confirmadas += 1
            particion, offset = mensaje.partition(), mensaje.offset()
            # A repeated request is confirmed without saying where its messages are.
            if particion is not None and offset is not None and offset >= 0:
                self.posiciones[particion] = offset + 1
        else:
            self.fallidas += 1
            self._motivo = error

    def _raise_if_failed(self) -> None:
        if self.fallidas:
            texto = describe_error(self._motivo, self._broker)
            raise EntregaError(
                f"{texto}: no todas las lecturas se entregaron (confirmadas {self.confirmadas})"
            )
