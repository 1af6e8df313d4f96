"""Topics, producer and the loop's source, on a real broker."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from apoyo_bucle import AHORA_HORA, ProcesadorFalso, wait_until
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from detection.domain import Lecturas
from detection.errors import TransientError
from pipeline.embedded.probes import ANFITRION, kafka_responde, puerto_del_sistema
from pipeline.embedded.processes import Proceso
from pipeline.embedded.services import EmbeddedServices
from pipeline.ingest.messages import MessageDecoder, MessageEncoder
from pipeline.streaming.consumer_loop import ConsumerLoop, RunSummary
from pipeline.streaming.kafka import (
    KafkaProducer,
    ensure_topics,
    log_identity,
    ping_kafka,
)
from pipeline.streaming.kafka_lag import LagReader
from pipeline.streaming.kafka_source import KafkaSource
from serving.settings import Settings

CLIENTES = 12


def send(entorno: Settings, kwh: range) -> None:
    """Send a reading for each number, its kWh, customer after customer."""
    ensure_topics(entorno)
    lecturas = Lecturas(
        [f"CLI_{i % CLIENTES:05d}" for i in kwh],
        np.array([AHORA_HORA - 9_000 + i for i in kwh], np.int64),
        np.array(kwh, np.float64),
    )
    productor = KafkaProducer(entorno)
    productor.send(lecturas.propietario_id, MessageEncoder(entorno.zona_horaria).encode(lecturas))
    productor.flush()
    assert productor.confirmadas == len(kwh)


def build(
    entorno: Settings, procesador: ProcesadorFalso, *, hasta_vacio: bool = True
) -> ConsumerLoop:
    return ConsumerLoop(
        KafkaSource(entorno),
        procesador,
        MessageDecoder(entorno.zona_horaria, entorno.consumo_maximo_kwh),
        lote_maximo=50,
        hasta_vacio=hasta_vacio,
        reloj=lambda: AHORA_HORA,
    )


def consume(entorno: Settings, procesador: ProcesadorFalso) -> RunSummary:
    return build(entorno, procesador).run()


@contextmanager
def running(bucle: ConsumerLoop) -> Iterator[None]:
    """Run a loop beside the test; stop it at the end, and let its failure be the test's."""
    fallo: list[BaseException] = []

    def run() -> None:
        try:
            bucle.run()
        except BaseException as error:  # noqa: BLE001  raised below, in the test's thread
            fallo.append(error)

    hilo = threading.Thread(target=run)
    hilo.start()
    try:
        yield
    finally:
        bucle.stop()
        hilo.join(60)
    assert not hilo.is_alive()
    if fallo:
        raise fallo[0]


def committed(entorno: Settings) -> int:
    """Return how many messages the group has committed, over all partitions."""
    consumidor = Consumer(
        {"bootstrap.servers": entorno.kafka_broker, "group.id": entorno.kafka_grupo}
    )
    try:
        todas = [TopicPartition(entorno.kafka_topic, p) for p in range(entorno.kafka_particiones)]
        return sum(max(0, tp.offset) for tp in consumidor.committed(todas, 10))
    finally:
        consumidor.close()


def read_letters(entorno: Settings, cuantas: int) -> list[object]:
    """Return the first messages of the dead-letter topic."""
    consumidor = Consumer(
        {
            "bootstrap.servers": entorno.kafka_broker,
            "group.id": f"{entorno.kafka_grupo}-dlq",
            "enable.auto.commit": False,
        }
    )
    consumidor.assign(
        [TopicPartition(entorno.kafka_topic_dlq, p, 0) for p in range(entorno.kafka_particiones)]
    )
    cartas: list[object] = []
    wait_until(lambda: cartas.extend(consumidor.consume(10, 0.1)) or len(cartas) >= cuantas)
    consumidor.close()
    return cartas


def test_topics_are_created_once(entorno: Settings) -> None:
    """Both topics get the partitions of the settings; asking again is fine."""
    ensure_topics(entorno)
    ensure_topics(entorno)
    topics = AdminClient({"bootstrap.servers": entorno.kafka_broker}).list_topics(timeout=10).topics
    for nombre in (entorno.kafka_topic, entorno.kafka_topic_dlq):
        assert len(topics[nombre].partitions) == entorno.kafka_particiones
    ping_kafka(entorno)


def test_a_broker_away_is_said_in_one_line(entorno: Settings) -> None:
    """Nobody listens there: a transient error that names the address."""
    nadie = entorno.model_copy(update={"kafka_broker": f"{ANFITRION}:{puerto_del_sistema()}"})
    with pytest.raises(TransientError, match=f"Kafka no responde en {nadie.kafka_broker}"):
        ping_kafka(nadie)


def test_one_broker_that_answers_is_enough(entorno: Settings) -> None:
    """Kafka is reached through any of its servers."""
    ping_kafka(entorno.model_copy(update={"kafka_broker": f"127.0.0.1:9,{entorno.kafka_broker}"}))


def test_every_reading_is_saved_once_and_its_position_committed(entorno: Settings) -> None:
    """All that was sent is saved, each customer from one partition; then nothing is left."""
    send(entorno, range(300))
    primero = ProcesadorFalso()
    assert consume(entorno, primero).lecturas == 300
    assert sorted(primero.guardadas) == [float(i) for i in range(300)]
    assert len(primero.particion_de) == CLIENTES
    assert all(len(particiones) == 1 for particiones in primero.particion_de.values())
    assert len(set.union(*primero.particion_de.values())) == entorno.kafka_particiones
    for cliente in range(CLIENTES):
        propias = [kwh for kwh in primero.guardadas if kwh % CLIENTES == cliente]
        assert propias == sorted(propias)
    assert committed(entorno) == 300
    segundo = ProcesadorFalso()
    assert consume(entorno, segundo).lecturas == 0
    assert segundo.hechos == []


def test_poison_goes_to_the_dead_letters_as_it_came(entorno: Settings) -> None:
    """Invalid messages keep bytes and key, say why and whence; the others are saved."""
    send(entorno, range(10))
    productor = KafkaProducer(entorno)
    productor.send(["CLI_00003", "CLI_00003"], [b"\x00\xff no es JSON", b"[]"])
    productor.flush()
    send(entorno, range(10, 20))
    procesador = ProcesadorFalso()
    resumen = consume(entorno, procesador)
    assert (resumen.lecturas, resumen.invalidas) == (20, 2)
    assert sorted(procesador.guardadas) == [float(i) for i in range(20)]
    assert committed(entorno) == 22
    cartas = read_letters(entorno, 2)
    assert {c.value() for c in cartas} == {b"\x00\xff no es JSON", b"[]"}  # type: ignore[attr-defined]
    assert {c.key() for c in cartas} == {b"CLI_00003"}  # type: ignore[attr-defined]
    for carta in cartas:
        cabeceras = {nombre: valor.decode() for nombre, valor in carta.headers()}  # type: ignore[attr-defined]
        assert cabeceras["motivo"] in {"no_es_json", "no_es_objeto"}
        assert cabeceras["topic"] == entorno.kafka_topic
        assert 0 <= int(cabeceras["partition"]) < entorno.kafka_particiones
        assert int(cabeceras["offset"]) >= 0


def test_nothing_is_committed_before_it_is_saved(entorno: Settings) -> None:
    """While the stores are away nothing is committed and no more is read; then all of it is."""
    fuera = threading.Event()
    intentos: list[int] = []

    def refuse(_kwh: list[float]) -> None:
        intentos.append(1)
        if not fuera.is_set():
            raise TransientError("la base de datos no responde", retry_after_s=0.01)

    send(entorno, range(300))
    procesador = ProcesadorFalso(al_guardar=refuse)
    with running(build(entorno, procesador, hasta_vacio=False)):
        wait_until(lambda: len(intentos) >= 4)
        assert committed(entorno) == 0
        assert procesador.guardadas == []
        assert [nombre for nombre, _ in procesador.hechos].count("draft") <= 2
        fuera.set()
        wait_until(lambda: len(procesador.guardadas) == 300)
    assert committed(entorno) == 300
    assert sorted(procesador.guardadas) == [float(i) for i in range(300)]


def test_what_fails_for_good_is_read_again_by_the_next(entorno: Settings) -> None:
    """An unexpected error is raised; its readings, not committed, come to the next consumer."""

    def fail(kwh: list[float]) -> None:
        if 200.0 in kwh:
            raise ZeroDivisionError("defecto")

    send(entorno, range(300))
    roto, sano = ProcesadorFalso(al_guardar=fail), ProcesadorFalso()
    with pytest.raises(ZeroDivisionError):
        consume(entorno, roto)
    assert committed(entorno) <= len(roto.guardadas)
    consume(entorno, sano)
    assert sorted({*roto.guardadas, *sano.guardadas}) == [float(i) for i in range(300)]
    assert 200.0 in sano.guardadas
    assert committed(entorno) == 300


def test_two_consumers_share_the_partitions(entorno: Settings) -> None:
    """One joins while the other works: nothing is lost, nothing is saved twice.

    What moves over was saved and committed before, and its customers leave memory.
    """
    guardar = threading.Event()
    primero = ProcesadorFalso(al_guardar=lambda _kwh: wait_until(guardar.is_set))
    segundo = ProcesadorFalso()
    send(entorno, range(40))
    with running(build(entorno, primero, hasta_vacio=False)):
        wait_until(lambda: primero.hechos)
        with running(build(entorno, segundo, hasta_vacio=False)):
            # The save that is in flight when the other joins ends while the partitions move.
            threading.Timer(1.0, guardar.set).start()
            wait_until(lambda: primero.olvidadas)
            send(entorno, range(40, 400))
            wait_until(lambda: len(primero.guardadas) + len(segundo.guardadas) >= 400)
    assert sorted(primero.guardadas + segundo.guardadas) == [float(i) for i in range(400)]
    assert segundo.guardadas
    assert len(primero.guardadas) > 40
    assert not set(primero.guardadas[40:]) & set(segundo.guardadas)
    movidas = set.union(*segundo.particion_de.values())
    assert movidas <= set(primero.olvidadas)
    assert committed(entorno) == 400


def test_a_broker_that_starts_empty_is_another_log(
    entorno: Settings, servicios: EmbeddedServices, tmp_path: Path
) -> None:
    """What comes after a broker lost its memory is of a new log, whoever made its topic again.

    Otherwise its first offsets would be taken for those of readings that were learnt from.
    """
    puerto = puerto_del_sistema()
    argv = [a.replace(str(servicios.puertos["Kafka"]), str(puerto)) for a in _broker(servicios)]
    kafka = Proceso("Kafka", argv, tmp_path, listo=lambda: kafka_responde(puerto))
    propio = entorno.model_copy(update={"kafka_broker": f"{ANFITRION}:{puerto}"})
    fuente = KafkaSource(propio)

    def leer() -> str:
        llegados: list[object] = []
        wait_until(lambda: llegados.extend(fuente.read(10, 0.05)) or llegados, plazo_s=60.0)
        return fuente.log_id

    with kafka:
        send(propio, range(1))
        fuente.open(lambda _: None, lambda _: None)
        primero = leer()
        os.kill(kafka.pid, signal.SIGKILL)
        kafka.iniciar()
        send(propio, range(1))
        assert log_identity(propio) != primero
        assert leer() == log_identity(propio)
        fuente.close()


def test_what_was_sent_is_known_to_be_read(entorno: Settings) -> None:
    """What the group has not committed of what a producer sent, whatever others send."""
    send(entorno, range(3))
    productor = KafkaProducer(entorno)
    lecturas = Lecturas(["A"], np.array([AHORA_HORA]), np.array([1.0]))
    productor.send(["A"], MessageEncoder(entorno.zona_horaria).encode(lecturas))
    while productor.pending(0.05):
        pass
    assert len(productor.posiciones) == 1
    with closing(LagReader(entorno)) as grupo:
        assert grupo.unread({}) == 0
        assert grupo.unread(productor.posiciones) == sum(productor.posiciones.values()) >= 1
        send(entorno, range(3, 6))
        consume(entorno, ProcesadorFalso())
        assert grupo.unread(productor.posiciones) == 0


def _broker(servicios: EmbeddedServices) -> list[str]:
    """Return the command line of the embedded broker."""
    datos = json.loads((servicios.carpeta / "procesos" / "Kafka.pid").read_text())
    return list(psutil.Process(datos["pid"]).cmdline())
