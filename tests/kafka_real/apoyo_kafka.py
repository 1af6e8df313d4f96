"""Apache Kafka itself: fetched once with Maven, then one KRaft node that keeps its log on disk."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from integration.camino import conectar, consumo, escribir_csv, esperar

from detection.domain import Lecturas
from pipeline.embedded.probes import ANFITRION, escucha, kafka_responde, puerto_libre
from pipeline.embedded.processes import Proceso, ejecutar
from serving.settings import Settings

POM = Path(__file__).with_name("pom.xml")
JAVA_MINIMO = 17
"""The oldest that Kafka 4 runs on."""
DESCARGA_S = 200
"""Some 50 MB; a test may take 300 s in all."""
ARRANQUE_S = 90.0
ESPERA_S = 20.0
# A short life: what pays is a quick start, not compiled code or a collector with threads.
OPCIONES_JAVA = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=WARN")
PUERTOS = (20_000, 32_000)
"""Below those that the system gives to clients: a node that is killed finds its own free again."""


class SinKafkaError(Exception):
    """Kafka cannot be had on this machine; says why in Spanish."""


def carpeta_de_kafka() -> Path:
    """Return where the libraries of the pinned version are kept, from one run to the next."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    huella = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    return cache / "consumo" / f"kafka-{huella}"


def fetch_kafka(carpeta: Path) -> Path:
    """Return the folder of Kafka's libraries; Maven fetches them if they are not there yet.

    Raises
    ------
    SinKafkaError
        No Java, no Maven, or Maven cannot fetch them.
    """
    _check_java()
    if carpeta.is_dir():
        return carpeta
    mvn = shutil.which("mvn")
    if mvn is None:
        raise SinKafkaError("Kafka no está descargado y falta Maven (mvn) para hacerlo")
    try:
        carpeta.parent.mkdir(parents=True, exist_ok=True)
        with _alone(carpeta.with_suffix(".cerrojo")):
            if not carpeta.is_dir():  # another process may have fetched it while we waited
                _download(mvn, carpeta)
    except OSError as error:
        raise SinKafkaError(f"no se puede guardar Kafka en {carpeta}: {error}") from error
    return carpeta


def _check_java() -> None:
    java = shutil.which("java")
    if java is None:
        raise SinKafkaError(f"falta Java {JAVA_MINIMO} o posterior")
    r = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=60)
    version = re.search(r'version "(\d+)', r.stderr)
    if version is None or int(version[1]) < JAVA_MINIMO:
        hay = (r.stderr.splitlines() or ["no dice su versión"])[0]
        raise SinKafkaError(f"hace falta Java {JAVA_MINIMO} o posterior ({hay})")


@contextmanager
def _alone(cerrojo: Path) -> Iterator[None]:
    with cerrojo.open("w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def _download(mvn: str, carpeta: Path) -> None:
    nueva = carpeta.with_suffix(".nueva")
    shutil.rmtree(nueva, ignore_errors=True)
    argv = [mvn, "-B", "-q", "-f", str(POM), "dependency:copy-dependencies"]
    try:
        r = subprocess.run(
            [*argv, f"-DoutputDirectory={nueva}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=DESCARGA_S, cwd=carpeta.parent,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise SinKafkaError(f"Maven no descarga Kafka en {DESCARGA_S} s") from error
    if r.returncode:
        errores = [linea for linea in r.stdout.splitlines() if linea.startswith("[ERROR]")]
        raise SinKafkaError(f"Maven no puede descargar Kafka: {(errores or [r.stderr])[0]}")
    nueva.replace(carpeta)


class NodoKafka:
    """One node, broker and controller in one, on ports of its own; stopped at first.

    Parameters
    ----------
    bibliotecas : Path
        Kafka's jars.
    carpeta : Path
        Its log, settings and output; what was written stays from one start to the next.
    """

    def __init__(self, bibliotecas: Path, carpeta: Path) -> None:
        self._bibliotecas = bibliotecas
        self._carpeta = carpeta
        self.puerto, self._puerto_controlador = _free_ports()
        self._proceso: Proceso | None = None
        self._format()

    @property
    def direccion(self) -> str:
        """Return what clients call KAFKA_BROKER."""
        return f"{ANFITRION}:{self.puerto}"

    def start(self) -> None:
        """Start it, if it does not run, on the log that it has; return when it answers."""
        if self._proceso is not None:
            return
        proceso = Proceso(
            "kafka",
            [*self._java(), "kafka.Kafka", str(self._ajustes)],
            self._carpeta,
            cwd=self._carpeta,
            senal=signal.SIGKILL,  # nobody needs the files that an orderly end would tidy
            plazo_s=ARRANQUE_S,
        )
        proceso.listo = lambda: escucha(proceso.pid, self.puerto) and kafka_responde(self.puerto)
        proceso.iniciar()
        self._proceso = proceso

    def kill(self) -> None:
        """Kill it with SIGKILL, if it runs."""
        if self._proceso is not None:
            self._proceso.detener()
            self._proceso = None

    @property
    def _ajustes(self) -> Path:
        return self._carpeta / "server.properties"

    def _java(self) -> list[str]:
        return ["java", *OPCIONES_JAVA, "-cp", f"{self._bibliotecas}/*"]

    def _format(self) -> None:
        propios = f"{ANFITRION}:{self.puerto}"
        control = f"{ANFITRION}:{self._puerto_controlador}"
        ajustes = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "listeners": f"PLAINTEXT://{propios},CONTROLLER://{control}",
            "advertised.listeners": f"PLAINTEXT://{propios}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@{control}",
            "log.dirs": self._carpeta / "datos",
            "auto.create.topics.enable": "false",
            # There is one node, and it has other tests to serve soon.
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
        }
        self._ajustes.write_text("".join(f"{k}={v}\n" for k, v in ajustes.items()))
        identidad = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        ejecutar(
            "El formato de Kafka",
            [
                *self._java(), "kafka.tools.StorageTool", "format",
                "--cluster-id", identidad, "--config", str(self._ajustes),
            ],
            log=self._carpeta / "formato.log",
            plazo_s=ARRANQUE_S,
        )  # fmt: skip


def _free_ports() -> tuple[int, int]:
    """Return two free ports, away from where the other test processes begin to look."""
    desde, hasta = PUERTOS
    inicio = desde + os.getpid() * 7 % (hasta - desde - 1000)
    libres = (p for p in range(inicio, hasta) if puerto_libre(p))
    return next(libres), next(libres)


def enviar(variables: dict[str, str], carpeta: Path, lecturas: Lecturas) -> None:
    """Send readings with the product's own verb."""
    archivo = escribir_csv(carpeta / "enviar.csv", lecturas)
    r = consumo(variables, "producir", "--archivo", str(archivo))
    assert r.returncode == 0, r.stderr
    assert f"confirmadas {len(lecturas)}" in r.stdout + r.stderr


def por_tiempo(lecturas: Lecturas, partes: int) -> list[Lecturas]:
    """Return the readings in consecutive stretches of time."""
    horas = lecturas.hora_utc - lecturas.hora_utc.min()
    cual = horas * partes // (horas.max() + 1)
    return [lecturas.elegir(np.flatnonzero(cual == parte)) for parte in range(partes)]


@dataclass(frozen=True)
class Carta:
    """A dead letter."""

    clave: bytes
    valor: bytes
    cabeceras: dict[str, str]


def leer_cartas(entorno: Settings, cuantas: int) -> list[Carta]:
    """Return the first messages of the dead-letter topic."""
    cartas: list[Carta] = []
    with closing(_consumer(entorno)) as consumidor:
        consumidor.assign([TopicPartition(entorno.kafka_topic_dlq, p, 0) for p in _todas(entorno)])

        def todas() -> bool:
            for m in consumidor.consume(cuantas, 0.2):
                assert m.error() is None, m.error()
                cabeceras = {nombre: valor.decode() for nombre, valor in m.headers()}
                cartas.append(Carta(m.key(), m.value(), cabeceras))
            return len(cartas) >= cuantas

        esperar(todas, "every dead letter read", ESPERA_S)
    return cartas


def retraso(entorno: Settings) -> dict[int, int]:
    """Return how many messages of each partition the group has not recorded as read."""
    with closing(_consumer(entorno)) as consumidor:
        faltan = {}
        todas = [TopicPartition(entorno.kafka_topic, p) for p in _todas(entorno)]
        for posicion in consumidor.committed(todas, ESPERA_S):
            primero, siguiente = consumidor.get_watermark_offsets(posicion, ESPERA_S)
            faltan[posicion.partition] = siguiente - max(primero, posicion.offset)
        return faltan


def borrar_mensajes(entorno: Settings) -> dict[int, int]:
    """Delete all that the topic has, as its retention would; return where each partition ends.

    Partitions that never had a message are left out.
    """
    with closing(_consumer(entorno)) as consumidor:
        fines = []
        for p in _todas(entorno):
            tp = TopicPartition(entorno.kafka_topic, p)
            _, tp.offset = consumidor.get_watermark_offsets(tp, ESPERA_S)
            if tp.offset:
                fines.append(tp)
    admin = AdminClient({"bootstrap.servers": entorno.kafka_broker})
    for futuro in admin.delete_records(fines, request_timeout=ESPERA_S).values():
        futuro.result(ESPERA_S)
    return {tp.partition: tp.offset for tp in fines}


def repartidas(registros: Sequence[Path]) -> list[int]:
    """Return how many partitions each consumer says that it has; 0 before it has any."""
    cuantas = []
    for registro in registros:
        suyas = re.findall(r"particiones asignadas: \[(.*)\]", registro.read_text())
        cuantas.append(len(suyas[-1].split(", ")) if suyas else 0)
    return cuantas


@contextmanager
def escritura_detenida(entorno: Settings) -> Iterator[Callable[[], int]]:
    """Let nobody write readings while the block runs; give how many wait to do so."""
    base = entorno.postgres_db
    with (
        closing(conectar(entorno)) as conexion,
        closing(conectar(entorno, "postgres")) as testigo,
        conexion.cursor() as cursor,
        testigo.cursor() as mirada,
    ):

        def cuantos_esperan() -> int:
            mirada.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = %s AND wait_event_type = 'Lock'",
                [base],
            )
            return int(mirada.fetchone()[0])

        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE consumos_diarios IN SHARE ROW EXCLUSIVE MODE")
        yield cuantos_esperan
        cursor.execute("ROLLBACK")


def sobre(lecturas: Lecturas, *partes: Lecturas) -> Lecturas:
    """Return those of ``lecturas`` that are in one of the parts, in their order."""
    horas = np.concatenate([parte.hora_utc for parte in partes])
    return lecturas.elegir(np.flatnonzero(np.isin(lecturas.hora_utc, horas)))


def _consumer(entorno: Settings) -> Consumer:
    """Return a client that knows the group's positions and is no member of it."""
    return Consumer(
        {
            "bootstrap.servers": entorno.kafka_broker,
            "group.id": entorno.kafka_grupo,
            "enable.auto.commit": False,
        }
    )


def _todas(entorno: Settings) -> range:
    return range(entorno.kafka_particiones)
