"""The consumers of ``make bench``, each a process of its own, and how one is measured.

All are measured from outside and alike: the same tables with the same 28 days in them, the same
messages in the same topic. A consumer takes the first readings (it starts, joins its group and
loads its customers); then it is stopped for as long as the readings that are measured are being
sent; then it goes on, and what counts is how long it takes until all of them are stored, and the
processor time that it and the servers spend meanwhile.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from datos import Datos
from medidas import CpuDeProcesos
from postgres_propio import postgres

from detection.domain import instante
from detection.errors import PermanentError
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.mongo.cases import MongoCaseStore
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.streaming.kafka import KafkaProducer, ensure_topics
from pipeline.streaming.kafka_lag import LagReader
from serving.settings import Settings

AQUI = Path(__file__).parent
RAIZ = AQUI.parents[1]
LOTE = 5000
"""Readings of a batch of ours, and those that every consumer but (a) takes before it is measured:
whoever writes every so many has then written them all."""
SIN_MLFLOW = "http://127.0.0.1:9"
"""Nothing listens on the discard port: there is no version but the base one."""
PLAZO_S = 300.0
PASO_S = 0.05
ULTIMAS = 50
"""Last readings that are looked for in the table: some of every partition."""


@dataclass(frozen=True, slots=True)
class Contendiente:
    """A consumer.

    Parameters
    ----------
    clave, nombre : str
    orden : tuple of str
        How it is started, in the folder of the benches; {historia} = the file of ``Pasado``.
    lecturas : int
        How many it is measured with.
    antes : int
        How many it takes before.
    confirma : bool
        It commits its place in the topic once all is stored; otherwise the table is looked at.
    """

    clave: str
    nombre: str
    orden: tuple[str, ...]
    lecturas: int
    antes: int = LOTE
    confirma: bool = True


@dataclass(frozen=True, slots=True)
class Medida:
    """What one run of one consumer took.

    Parameters
    ----------
    lecturas : int
    segundos : float
    us_cpu : dict of str to float
        Processor time of each process, µs a reading.
    """

    lecturas: int
    segundos: float
    us_cpu: dict[str, float]

    @property
    def por_segundo(self) -> float:
        """Return the readings per second."""
        return self.lecturas / self.segundos

    @property
    def us_en_total(self) -> float:
        """Return the processor time of all processes, µs a reading."""
        return sum(self.us_cpu.values())


def contendientes(lecturas: int, python_rivales: Path | None) -> list[Contendiente]:
    """Return them, ours first; (c) and (d) only with an environment that has their libraries."""
    este = sys.executable
    todos = [
        Contendiente(
            "producción", "producción", (este, str(RAIZ / "consumo.py"), "consumir"), lecturas
        ),
        Contendiente(
            "a", "(a) mensaje a mensaje", (este, "consumidor_simple.py", "{historia}"),
            max(200, lecturas // 150), antes=max(200, lecturas // 300),
        ),
        Contendiente(
            "b", "(b) competente", (este, "consumidor_competente.py", "{historia}"), lecturas // 2
        ),
    ]  # fmt: skip
    if python_rivales is not None:
        pocas = max(LOTE, lecturas // 10 // LOTE * LOTE)
        suyo = str(python_rivales)
        # Every so many seconds it copies all customers for a recovery that nobody has asked for: 10
        # unless told otherwise, and then half of its time goes there.
        bytewax = (suyo, "-m", "bytewax.run", "-s", "3600", "rival_bytewax:flow")
        todos += [
            Contendiente("c", "(c) Quix Streams y River", (suyo, "rival_quix.py"), pocas),
            Contendiente("d", "(d) Bytewax y River", bytewax, pocas, confirma=False),
        ]
    return todos


@contextmanager
def fresh(servicios: EmbeddedServices, plantilla: str | None = None) -> Iterator[Settings]:
    """Give settings with a database, a Mongo base and a topic of their own, tables made.

    ``plantilla``: the database to copy; None = an empty one.
    """
    unico = f"b_{uuid.uuid4().hex[:12]}"
    ajustes = {k.lower(): v for k, v in servicios.variables().items()}
    ajustes |= {"postgres_db": unico, "mongo_db": unico, "lote_maximo": str(LOTE)}
    ajustes |= {"kafka_topic": f"t-{unico}", "kafka_grupo": f"g-{unico}"}
    ajustes |= {"mlflow_tracking_uri": SIN_MLFLOW}
    settings = Settings.model_validate(ajustes)
    with postgres(settings.model_copy(update={"postgres_db": "postgres"})) as cursor:
        cursor.execute(
            f"CREATE DATABASE {unico} TEMPLATE {plantilla or 'template0'} STRATEGY FILE_COPY"
        )
    for almacen in (MongoAnomalyStore, MongoCaseStore):
        with closing(almacen(settings)) as abierto:
            abierto.ensure_indexes()
    try:
        yield settings
    finally:
        servicios.borrar_base(unico)


def measure(
    settings: Settings, quien: Contendiente, datos: Datos, historia: Path, carpeta: Path
) -> Medida:
    """Return what a consumer takes for its part of the measured readings.

    ``PermanentError``: it has ended, or does not end in time; its log says why.
    """
    ensure_topics(settings)
    antes, hasta = datos.historia + quien.antes, datos.historia + quien.antes + quien.lecturas
    produce(settings, datos, datos.historia, antes)
    with _running(settings, quien, historia, carpeta) as proceso:
        with _watch(settings, quien, datos, antes) as hecho:
            _wait(proceso, hecho, quien)
        proceso.send_signal(signal.SIGSTOP)
        produce(settings, datos, antes, hasta)
        with _watch(settings, quien, datos, hasta) as hecho:
            cpu, inicio = CpuDeProcesos(proceso.pid), time.perf_counter()
            proceso.send_signal(signal.SIGCONT)
            _wait(proceso, hecho, quien)
        segundos, gastado = time.perf_counter() - inicio, cpu.elapsed()
    return Medida(
        quien.lecturas, segundos, {k: 1e6 * s / quien.lecturas for k, s in gastado.items()}
    )


def produce(settings: Settings, datos: Datos, desde: int, hasta: int) -> None:
    """Send readings, and return once the broker has them all."""
    productor = KafkaProducer(settings)
    for claves, valores in datos.mensajes(desde, hasta):
        productor.send(claves, valores)
    productor.flush()


@contextmanager
def _running(
    settings: Settings, quien: Contendiente, historia: Path, carpeta: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Give a consumer's process, and stop it at the end, whatever it does."""
    propias = {clave.upper(): str(valor) for clave, valor in settings.model_dump().items()}
    propias |= {"BANCO_HISTORIA": str(historia), "PYTHONPATH": str(RAIZ)}
    propias |= {"MODELOS_DIR": str(carpeta / "modelos"), "METRICAS_PORT": "0"}
    with (carpeta / f"{quien.clave}.log").open("wb") as registro:
        proceso = subprocess.Popen(
            [parte.format(historia=historia) for parte in quien.orden],
            cwd=AQUI, env={**os.environ, **propias}, stdout=registro, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield proceso
        finally:
            proceso.kill()
            proceso.wait()


@contextmanager
def _watch(
    settings: Settings, quien: Contendiente, datos: Datos, hasta: int
) -> Iterator[Callable[[], bool]]:
    """Give what tells whether all readings before ``hasta`` are stored."""
    if quien.confirma:
        with closing(LagReader(settings, PLAZO_S)) as lector:
            falta = lector.read()
            siguientes = {p: falta.primeras[p] + n for p, n in falta.por_particion.items() if n}
            yield lambda: lector.unread(siguientes) == 0
        return
    parte = datos.parte(hasta - ULTIMAS, hasta)
    horas = sorted(set(parte.hora_utc.tolist()))
    with postgres(settings) as cursor:

        def in_table() -> bool:
            cursor.execute(
                "SELECT count(*) FROM consumos_diarios WHERE propietario_id = ANY(%s) "
                "AND timestamp_consumo = ANY(%s)",
                (parte.propietario_id, [instante(hora) for hora in horas]),
            )
            return bool(cursor.fetchone()[0] >= len(parte))

        yield in_table


def _wait(proceso: subprocess.Popen[bytes], hecho: Callable[[], bool], quien: Contendiente) -> None:
    limite = time.monotonic() + PLAZO_S
    while not hecho():
        if proceso.poll() is not None:
            raise PermanentError(f"«{quien.nombre}» ha terminado con código {proceso.returncode}")
        if time.monotonic() > limite:
            raise PermanentError(f"«{quien.nombre}» no acaba en {PLAZO_S:.0f} s")
        time.sleep(PASO_S)


def alternate(
    quienes: Sequence[Contendiente], vueltas: int, medir: Callable[[Contendiente], Medida]
) -> dict[str, list[Medida]]:
    """Return the runs of each, in rounds of all: what is slow for a while is so for everybody."""
    medidas: dict[str, list[Medida]] = {quien.clave: [] for quien in quienes}
    for _ in range(vueltas):
        for quien in quienes:
            medidas[quien.clave].append(medir(quien))
    return medidas
