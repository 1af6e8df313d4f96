"""A consumer's heartbeat: written with or without readings, in nobody's way, gone in order."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import closing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from apoyo_bucle import FuenteFalsa, ProcesadorFalso, message, wait_until
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from detection.errors import ConfiguracionError, TransientError
from pipeline.consumer import wait_for_stores
from pipeline.embedded.probes import ANFITRION, puerto_del_sistema
from pipeline.ingest.messages import MessageDecoder
from pipeline.jobs.health import check_consumidor
from pipeline.stores.postgres.connection import Conexion
from pipeline.stores.postgres.health import SE_GUARDAN_FILAS, PostgresHealth
from pipeline.streaming.consumer_loop import ConsumerLoop
from pipeline.streaming.heartbeat import ConsumerStatus, HeartbeatThread
from pipeline.streaming.kafka import KafkaProducer, conexion, ensure_topics
from pipeline.streaming.kafka_lag import LagReader, committed
from serving.consumer_health import MUDO, SelfReport
from serving.model_watcher import WatcherState
from serving.settings import Settings
from serving.shutdown import StopRequest

SITUACION = SelfReport(
    (0, 2), 1200, 3.0, "consumo-detector-3", "consumo-detector-4", "le falta un rasgo",
    "MongoDB no responde", 60.0,
)  # fmt: skip


@dataclass
class AlmacenFalso:
    """A store of heartbeats that remembers them, and fails as it is told."""

    fallos: list[BaseException] = field(default_factory=list)
    escritos: list[tuple[SelfReport, bool, str]] = field(default_factory=list)
    hilos: set[str] = field(default_factory=set)
    cerrado: bool = False

    def write(self, situacion: SelfReport, *, acaba: bool = False, motivo: str = "") -> None:
        self.hilos.add(threading.current_thread().name)
        if self.fallos:
            raise self.fallos.pop()
        self.escritos.append((situacion, acaba, motivo))

    def close(self) -> None:
        self.cerrado = True


def test_late_solo_y_sobrevive_a_un_almacen_que_falla() -> None:
    """It beats without readings, in its own thread, through a store that is away or broken."""
    almacen = AlmacenFalso([TransientError("PostgreSQL no responde"), RuntimeError("defecto")])
    with HeartbeatThread(almacen, SelfReport, cada_s=0.01):
        wait_until(lambda: len(almacen.escritos) >= 3)
    assert almacen.hilos == {"latido"}
    assert [acaba for _, acaba, _ in almacen.escritos].count(True) == 1
    assert almacen.escritos[-1][1:] == (True, "")
    assert almacen.cerrado


def test_dice_con_que_error_acaba() -> None:
    """An end that nobody asked for is told apart from a stop, with its line."""
    for error, motivo in (
        (ConfiguracionError("no hay topic"), "no hay topic"),
        (ZeroDivisionError("secreto"), "ZeroDivisionError"),
    ):
        almacen = AlmacenFalso()
        with pytest.raises(type(error)), HeartbeatThread(almacen, SelfReport, cada_s=60):
            raise error
        assert almacen.escritos[-1] == (SelfReport(), True, motivo)


class _Modelos:
    def estado(self) -> WatcherState:
        return WatcherState("m-3", "mlflow", None, "m-4", "no casa")


def test_dice_a_que_espera_y_lo_que_lleva() -> None:
    """What the loop waits for, what it saved, and the model that it refused are in the beat."""
    observado = ConsumerStatus(_Modelos(), lambda: (1, 2))  # type: ignore[arg-type]
    assert observado.situacion().espera == ""
    observado.waits("MongoDB no responde")
    arranque = observado.situacion()
    assert (arranque.espera, arranque.particiones) == ("MongoDB no responde", (1, 2))
    assert (arranque.modelo_rechazado, arranque.rechazo) == ("m-4", "no casa")

    fallar, vistas = [True], []

    def guardar(_kwh: list[float]) -> None:
        if fallar[0]:
            raise TransientError("PostgreSQL no responde", 0.02)

    procesador = ProcesadorFalso(al_guardar=guardar)
    bucle = ConsumerLoop(
        FuenteFalsa([[message(1.0)]], procesador.hechos),
        procesador,
        MessageDecoder("Europe/Madrid", 10_000.0),
        lote_maximo=10,
        hasta_vacio=True,
    )
    observado.runs(bucle)
    hilo = threading.Thread(target=bucle.run)
    hilo.start()
    wait_until(lambda: observado.situacion().espera == "PostgreSQL no responde")
    vistas.append(observado.situacion())
    fallar[0] = False
    hilo.join(30.0)
    assert vistas[0].lecturas == 0
    assert vistas[0].ultimo_lote_hace_s is None
    despues = observado.situacion()
    assert (despues.espera, despues.lecturas) == ("", 1)
    assert despues.ultimo_lote_hace_s is not None


def test_la_fila_dice_lo_que_se_escribio_con_el_reloj_del_servidor(
    entorno: Settings, entorno_vacio: Settings
) -> None:
    """What is written is what is read; every time is the server's; a stop leaves its mark."""
    with closing(PostgresHealth(entorno_vacio)) as sin_tabla:
        with pytest.raises(TransientError, match="consumidores"):
            sin_tabla.write(SITUACION)
        with pytest.raises(TransientError, match="consumidores"):
            sin_tabla.heartbeats()
    otro = entorno.model_copy(update={"kafka_grupo": "otro"})
    with closing(PostgresHealth(entorno)) as uno, closing(PostgresHealth(otro)) as ajeno:
        assert not uno.heartbeats().filas
        ajeno.write(SelfReport())
        uno.write(SITUACION)
        visto = uno.heartbeats()
        (fila,) = visto.filas
        assert visto.vivos() == [fila]
        assert fila.desde <= fila.latido <= visto.ahora
        assert (fila.particiones, fila.lecturas) == ((0, 2), 1200)
        assert fila.ultimo_lote is not None
        assert (fila.latido - fila.ultimo_lote).total_seconds() == pytest.approx(3.0)
        assert fila.espera_desde is not None
        assert (fila.latido - fila.espera_desde).total_seconds() == pytest.approx(60.0)
        assert (fila.modelo_rechazado, fila.rechazo) == ("consumo-detector-4", "le falta un rasgo")
        uno.write(SelfReport(), acaba=True, motivo="mal\0")
        (fila,) = uno.heartbeats().filas
        assert (fila.fin, fila.motivo, fila.espera) == (fila.latido, "mal", "")


def test_las_filas_de_los_que_ya_no_estan_se_limpian(entorno: Settings) -> None:
    """A week of restarts does not fill the table, and the living and the latest stay."""
    with (
        closing(PostgresHealth(entorno)) as vivo,
        closing(Conexion(entorno, "prueba")) as conexion,
    ):
        vivo.write(SelfReport())
        with conexion.transaction() as cursor:
            cursor.execute(
                "INSERT INTO consumidores (id, grupo, topic, maquina, proceso, latido) "
                "SELECT gen_random_uuid(), %s, %s, 'x', n, now() - n * interval '1 hour' "
                "FROM generate_series(1, 300) AS n",
                (entorno.kafka_grupo, entorno.kafka_topic),
            )
        with closing(PostgresHealth(entorno)) as nuevo:
            nuevo.write(SelfReport())
        with conexion.transaction() as cursor:
            cursor.execute("SELECT proceso FROM consumidores WHERE maquina = 'x'")
            quedan = sorted(proceso for (proceso,) in cursor.fetchall())
        assert quedan == list(range(1, SE_GUARDAN_FILAS - 1))
        assert len(vivo.heartbeats().vivos()) == 2
    assert MUDO.total_seconds() == 30


def test_el_retraso_es_el_del_grupo_y_nadie_lo_nota(entorno: Settings) -> None:
    """What the broker has beyond the group is counted to the message, also in its last batch."""
    with closing(LagReader(entorno, plazo_s=15.0)) as lector:
        assert lector.read().por_particion == {}  # and it has not made the topic
        ensure_topics(entorno)
        assert lector.read().por_particion == {0: 0, 1: 0, 2: 0}
        productor = KafkaProducer(entorno)
        for n in (300, 1, 200):
            productor.send([f"k{i % 40}" for i in range(n)], [b"x" * 40] * n)
            productor.flush()
        primera = lector.read()
        assert primera.total == 501
        assert primera.mas_antigua is not None
        assert primera.primeras == {p: 0 for p, n in primera.por_particion.items() if n}
        assert lector.read() == primera


def test_kafka_fuera_se_dice_a_tiempo() -> None:
    """A broker that is away costs its deadline and is an error of ours."""
    settings = Settings(kafka_broker=f"{ANFITRION}:{puerto_del_sistema()}")
    with (
        closing(LagReader(settings, plazo_s=0.3)) as lector,
        pytest.raises(TransientError, match="Kafka"),
    ):
        lector.read()


def test_una_particion_que_no_se_puede_leer_no_es_que_no_se_haya_leido_nada() -> None:
    """An error of one partition is an error, for the lag and for the demo, not offset 0."""
    mal = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)

    class Grupo:
        def committed(self, preguntas: list[TopicPartition], timeout: float) -> list[Any]:
            assert [p.partition for p in preguntas] == [0, 1, 2]
            dichas = [(0, 7, None), (1, -1001, None), (2, -1001, fallo)]
            return [SimpleNamespace(partition=p, offset=o, error=e) for p, o, e in dichas]

    fallo: KafkaError | None = None
    assert committed(Grupo(), "consumo", (2, 0, 1), 1.0) == {0: 7, 1: None, 2: None}  # type: ignore[arg-type]
    fallo = mal
    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
        committed(Grupo(), "consumo", (2, 0, 1), 1.0)  # type: ignore[arg-type]


def test_lo_que_acaba_de_llegar_no_es_un_atraso(entorno: Settings) -> None:
    """``consumo salud`` looks again before it says that an idle consumer is late."""
    ensure_topics(entorno)
    productor = KafkaProducer(entorno)
    productor.send(["A"], [b"x"])
    productor.flush()
    ((particion, siguiente),) = productor.posiciones.items()
    grupo = Consumer({**conexion(entorno), "group.id": entorno.kafka_grupo})

    def read_it(_segundos: float) -> None:
        donde = TopicPartition(entorno.kafka_topic, particion, siguiente)
        grupo.commit(offsets=[donde], asynchronous=False)

    with closing(PostgresHealth(entorno)) as latidos, closing(grupo):
        latidos.write(SelfReport((0, 1, 2), ultimo_lote_hace_s=3000.0))
        esperas: list[float] = []
        diagnostico, _ = check_consumidor(entorno, esperas.append)
        assert (diagnostico.estado, diagnostico.gravedad) == ("atrasado", "mal")
        assert "1 lectura espera" in diagnostico.texto
        diagnostico, _ = check_consumidor(entorno, read_it)
        assert diagnostico.gravedad != "mal"
        assert len(esperas) == 1


def test_se_puede_parar_mientras_se_espera_a_un_almacen() -> None:
    """A start that waits heeds SIGTERM, ends in order, and its row says that it was stopped."""
    almacen, avisos = AlmacenFalso(), []

    def abrir() -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        raise TransientError("PostgreSQL no responde", 3600.0)

    with StopRequest() as parada, HeartbeatThread(almacen, SelfReport, cada_s=60):
        assert wait_for_stores(abrir, avisos.append, parada.esperar) is None
    assert avisos == ["PostgreSQL no responde"]
    assert almacen.escritos[-1][1:] == (True, "")


def test_la_parada_llega_al_bucle_tarde_o_pronto() -> None:
    """A stop that is asked before the loop runs is heeded, and so is one asked while it waits."""
    antes, despues = StopRequest(), StopRequest()
    antes.pedir()
    for parada in (antes, despues):
        procesador = ProcesadorFalso()
        bucle = ConsumerLoop(
            FuenteFalsa([[message(1.0)]], procesador.hechos),
            procesador,
            MessageDecoder("Europe/Madrid", 10_000.0),
            lote_maximo=10,
            parada=parada,
        )
        hilo = threading.Thread(target=bucle.run)
        hilo.start()
        if parada is despues:
            wait_until(lambda: bucle.progreso().lecturas)  # noqa: B023
            parada.pedir()
        hilo.join(10.0)
        assert not hilo.is_alive()
        assert procesador.guardadas == ([] if parada is antes else [1.0])


def test_se_espera_a_los_almacenes_hasta_que_estan() -> None:
    """What is opened is given once both stores answer."""
    fallos: list[Exception] = [TransientError("x", 0.0), TransientError("x", 0.0)]

    def abrir() -> str:
        if fallos:
            raise fallos.pop()
        return "abierto"

    assert wait_for_stores(abrir, lambda _: None, lambda _: False) == "abierto"
