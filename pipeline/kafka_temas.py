"""Kafka: topics and their identity, whether the broker answers, and its errors in our words."""

from __future__ import annotations

import logging
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from detection.errors import ConsumoError, PermanentError, TransientError
from serving.settings import Settings

_LOG = logging.getLogger(__name__)

CONTACTO_S = 10.0
"""How long the first contact with the broker may take."""
PING_S = 3.0

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


def ensure_topics(settings: Settings) -> None:
    """Create the topic of readings and that of dead letters where they are missing.

    Raises
    ------
    TransientError
        The broker does not answer.
    PermanentError
        It refuses to create them.
    """
    admin = AdminClient({**COMUN, "bootstrap.servers": settings.kafka_broker})
    try:
        hay = admin.list_topics(timeout=CONTACTO_S).topics
        faltan = [
            NewTopic(nombre, settings.kafka_particiones, settings.kafka_replicas)
            for nombre in (settings.kafka_topic, settings.kafka_topic_dlq)
            if nombre not in hay
        ]
        if not faltan:
            return
        for futuro in admin.create_topics(faltan, request_timeout=CONTACTO_S).values():
            futuro.result(CONTACTO_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise ours(error.args[0], settings.kafka_broker) from error


def ping_kafka(settings: Settings) -> None:
    """Return if the broker answers; raise ``TransientError`` otherwise."""
    admin = AdminClient({**COMUN, "bootstrap.servers": settings.kafka_broker})
    try:
        admin.list_topics(timeout=PING_S)
    except KafkaException as error:
        raise ours(error.args[0], settings.kafka_broker) from error


def log_identity(settings: Settings) -> str:
    """Return what tells the topic's log from that of a topic made anew under its name.

    Empty where the broker is too old to know (Kafka before 2.8); then they cannot be told apart.

    Raises
    ------
    TransientError
        The broker does not answer.
    """
    admin = AdminClient({**COMUN, "bootstrap.servers": settings.kafka_broker})
    temas = TopicCollection([settings.kafka_topic])
    try:
        futuro = admin.describe_topics(temas, request_timeout=CONTACTO_S)[settings.kafka_topic]
        return str(futuro.result(CONTACTO_S).topic_id)
    except KafkaException as error:
        if error.args[0].code() in LEJOS or error.args[0].retriable():
            raise ours(error.args[0], settings.kafka_broker) from error
        _LOG.warning("este servidor de Kafka no dice qué registro es el del topic")
        return ""


def describe(error: KafkaError | None, broker: str) -> str:
    """Return what is wrong with the broker, in Spanish."""
    if error is None or error.code() in LEJOS:
        return f"Kafka no responde en {broker}"
    return f"Kafka en {broker}: {error.str()}"


def ours(error: KafkaError, broker: str) -> ConsumoError:
    """Return the error of our tree for one of the library's."""
    if error.code() in LEJOS or error.retriable():
        return TransientError(describe(error, broker))
    return PermanentError(describe(error, broker))
