"""``make soak``: a consumer under a steady load; memory, open files and backlog must stay flat.

The readings are those of years gone by, hour after hour, so that a minute brings as many as it
should; they end now. Before the clock starts, four weeks of every customer are stored, which is
what a consumer remembers of each. What the servers take is printed too, and not judged: they keep
what they are given.
"""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from detection.domain import SEGUNDOS_POR_HORA, Lecturas
from detection.errors import PermanentError
from detection.number_format import numero
from detection.simulation.synthesis import SimulatedCustomer, make_population
from pipeline.embedded.probes import puerto_del_sistema
from pipeline.embedded.processes import cola
from pipeline.embedded.services import EmbeddedServices
from pipeline.generator.service import generate_lecturas
from pipeline.producer import ReadingSender, open_envio
from pipeline.stores.postgres.store import PostgresStore
from serving.cli import FALLO, HECHO, Parser, entero, run
from serving.settings import Settings

HISTORIA_H = 24 * 29
CALENTAMIENTO = 0.3
"""Part of the run that is not judged: buffers fill, code is loaded where it is first needed."""
MUESTRA_S = 2.0
PASO_S = 0.5
MEMORIA_MB_MIN = 1.0
"""What the consumer's memory may grow, as a line through its samples. By hand: a leak of one
reading's object (200 bytes) at 500 readings/s would be 6 MB a minute."""
DESCRIPTORES = 5
"""How far open files may move: a lost connection that is opened again before the old one goes."""
ATRASO_S = 15.0
"""Backlog, in seconds of load: what a busy machine needs to catch its breath, and no more."""
PLAZO_S = 180.0
NOMBRES = {"postgres": "PostgreSQL", "tansu": "Kafka", "secantus": "MongoDB"}


@dataclass(frozen=True, slots=True)
class Muestra:
    """One look at the run.

    Parameters
    ----------
    segundos : float
        Since the clock started.
    memoria_mb : float
        Resident memory of the consumer.
    descriptores, hilos : int
        Open files and threads of the consumer.
    atraso : int
        Readings sent that the consumer has not yet in both stores.
    servidores_mb : dict
        Resident memory of each server, by name.
    """

    segundos: float
    memoria_mb: float
    descriptores: int
    hilos: int
    atraso: int
    servidores_mb: dict[str, float]


@dataclass(frozen=True, slots=True)
class Limite:
    """Something that is judged: how it is called, what it was, what it may be at most."""

    nombre: str
    valor: float
    maximo: float
    unidad: str

    @property
    def bien(self) -> bool:
        """Return whether it holds."""
        return self.valor <= self.maximo


class Carga:
    """Readings of a population, as many a second as asked for, hour after hour up to now."""

    def __init__(
        self,
        envio: ReadingSender,
        clientes: int,
        por_segundo: int,
        segundos: float,
        semilla: int,
        zona: str,
    ) -> None:
        horas = int(por_segundo * segundos) // clientes + 1
        hasta = int(time.time()) // SEGUNDOS_POR_HORA
        desde = hasta - horas
        self.enviadas = 0
        self._envio = envio
        self._por_segundo = por_segundo
        self._zona = zona
        poblacion = make_population(semilla, clientes, clientes // 12, desde - HISTORIA_H, hasta)
        self._trozos = _por_dias(poblacion, desde, hasta, zona)
        self._trozo = next(self._trozos)
        self._hechas = 0
        self._historia = _por_dias(poblacion, desde - HISTORIA_H, desde, zona)

    def send_history(self) -> Iterator[None]:
        """Send what comes before the load, a day at each step.

        All at once it would be a backlog, and the memory that one leaves free hides a leak.
        """
        for trozo in self._historia:
            self._send(trozo)
            self._envio.productor.flush()
            yield

    def send_until(self, segundos: float) -> None:
        """Send what is due by then, s since the clock started."""
        faltan = int(self._por_segundo * segundos) - self._hechas
        while faltan > 0:
            ahora, self._trozo = _partir(self._trozo, faltan)
            self._send(ahora)
            self._hechas += len(ahora)
            faltan -= len(ahora)
            if not len(self._trozo) and (otro := next(self._trozos, None)) is not None:
                self._trozo = otro
            elif not len(self._trozo):
                return

    def close(self) -> None:
        """Wait until all is confirmed."""
        self._envio.productor.flush()

    def _send(self, lecturas: Lecturas) -> None:
        self._envio.send(lecturas)
        self.enviadas += len(lecturas)


def _por_dias(
    clientes: list[SimulatedCustomer], desde: int, hasta: int, zona: str
) -> Iterator[Lecturas]:
    for hora in range(desde, hasta, 24):
        yield generate_lecturas(clientes, hora, min(hasta, hora + 24), zona).lecturas()


def _partir(lecturas: Lecturas, cuantas: int) -> tuple[Lecturas, Lecturas]:
    todas = np.arange(len(lecturas))
    return lecturas.elegir(todas[:cuantas]), lecturas.elegir(todas[cuantas:])


class Consumidor:
    """The product's consumer, a process, and what is seen of it from outside."""

    def __init__(self, variables: dict[str, str], registro: Path) -> None:
        self._registro = registro
        self._metricas = f"http://127.0.0.1:{variables['METRICAS_PORT']}/metrics"
        with registro.open("wb") as salida:
            self._proceso = subprocess.Popen(
                [sys.executable, "-m", "consumo", "consumir"],
                env={**os.environ, **variables},
                stdout=salida,
                stderr=subprocess.STDOUT,
            )
        self._visto = psutil.Process(self._proceso.pid)

    def saved(self) -> int:
        """Return how many readings it has in both stores; 0 while it does not answer yet."""
        if self._proceso.poll() is not None:
            raise PermanentError(f"el consumidor ha terminado. {cola(self._registro)}")
        try:
            with urllib.request.urlopen(self._metricas, timeout=10) as respuesta:
                texto = respuesta.read().decode()
        except OSError:
            return 0
        return int(
            sum(map(float, re.findall(r"^consumo_lecturas_total\{.*\} (\S+)$", texto, re.M)))
        )

    def wait_for(self, lecturas: int) -> None:
        """Return once it has that many readings."""
        limite = time.monotonic() + PLAZO_S
        while (hay := self.saved()) < lecturas:
            if time.monotonic() > limite:
                raise PermanentError(f"el consumidor solo ha guardado {hay} de {lecturas} lecturas")
            time.sleep(PASO_S)

    def look(self, segundos: float, enviadas: int) -> Muestra:
        """Return a sample."""
        atraso = enviadas - self.saved()
        return Muestra(
            segundos,
            self._visto.memory_info().rss / 1e6,
            self._visto.num_fds(),
            self._visto.num_threads(),
            atraso,
            _servers(self._proceso.pid),
        )

    def stop(self) -> int:
        """Ask it to stop, and return its exit status."""
        if self._proceso.poll() is None:
            self._proceso.send_signal(signal.SIGTERM)
        try:
            return self._proceso.wait(60)
        except subprocess.TimeoutExpired:
            self._proceso.kill()
            return self._proceso.wait()


def _servers(menos: int) -> dict[str, float]:
    """Return the resident memory of the servers, which are our children; shared parts once each."""
    suma = dict.fromkeys(NOMBRES.values(), 0.0)
    for hijo in psutil.Process().children():
        if hijo.pid == menos:
            continue
        try:
            texto = " ".join(hijo.cmdline())
            familia = [hijo, *hijo.children(recursive=True)]
            ocupado = sum(p.memory_info().rss - p.memory_info().shared for p in familia) / 1e6
        except psutil.Error:
            continue
        for clave, nombre in NOMBRES.items():
            if clave in texto:
                suma[nombre] += ocupado
                break
    return suma


def main(argv: Sequence[str]) -> int:
    """Run, print, and say with the exit status whether all stayed flat."""
    parser = Parser("make soak", "Un consumidor con carga constante: memoria, ficheros y atraso.")
    parser.add_argument("--minutos", type=entero(1), default=10, metavar="N")
    parser.add_argument("--lecturas", type=entero(10), default=500, metavar="N", help="por segundo")
    parser.add_argument("--clientes", type=entero(10), default=200, metavar="N")
    parser.add_argument("--semilla", type=entero(0), default=1, metavar="N")
    opciones = parser.parse_args(argv)
    consola = Console(highlight=False, soft_wrap=True)
    segundos = 60.0 * opciones.minutos
    with (
        tempfile.TemporaryDirectory() as carpeta,
        EmbeddedServices(Path(carpeta), puertos_libres=True, mlflow=False) as servicios,
    ):
        variables = {**servicios.variables(), "METRICAS_PORT": str(puerto_del_sistema())}
        settings = Settings.model_validate({k.lower(): v for k, v in variables.items()})
        carga = Carga(
            open_envio(settings), opciones.clientes, opciones.lecturas, segundos,
            opciones.semilla, settings.zona_horaria,
        )  # fmt: skip
        consola.print(
            f"{date.today()}, {platform.machine()}, {os.cpu_count()} núcleos, Python "
            f"{platform.python_version()}, servicios embebidos, sin MLflow; {opciones.minutos} min "
            f"a {numero(opciones.lecturas, 0)} lecturas/s de {opciones.clientes} clientes."
        )
        with running(variables, Path(carpeta, "consumidor.log")) as consumidor:
            for _ in carga.send_history():
                consumidor.wait_for(carga.enviadas)
            muestras = list(watch(consola, carga, consumidor, segundos))
            carga.close()
            consumidor.wait_for(carga.enviadas)
            estado = consumidor.stop()
        guardadas = _stored(settings)
    limites = judge(muestras, opciones.lecturas)
    limites.append(Limite("lecturas perdidas o dobles", abs(carga.enviadas - guardadas), 0, ""))
    limites.append(Limite("estado de salida del consumidor", estado, 0, ""))
    show(consola, muestras, limites)
    return HECHO if all(limite.bien for limite in limites) else FALLO


@contextmanager
def running(variables: dict[str, str], registro: Path) -> Iterator[Consumidor]:
    """Give a consumer that does not outlive the block."""
    consumidor = Consumidor(variables, registro)
    try:
        yield consumidor
    finally:
        consumidor.stop()


def watch(
    consola: Console, carga: Carga, consumidor: Consumidor, segundos: float
) -> Iterator[Muestra]:
    """Send what is due, and give a sample now and then, until the time is over."""
    inicio, proxima = time.monotonic(), 0.0
    with consola.status("Carga constante…") as estado:
        while (ahora := time.monotonic() - inicio) < segundos:
            carga.send_until(ahora)
            if ahora >= proxima:
                muestra = consumidor.look(ahora, carga.enviadas)
                yield muestra
                proxima = ahora + MUESTRA_S
                estado.update(
                    f"{ahora / 60:.1f} min: {muestra.memoria_mb:.0f} MB, atraso {muestra.atraso}"
                )
            time.sleep(PASO_S)


def judge(muestras: Sequence[Muestra], por_segundo: int) -> list[Limite]:
    """Return what is judged of the samples after the warm-up."""
    juzgadas = _judged(muestras)
    descriptores = [m.descriptores for m in juzgadas]
    atraso = max(m.atraso for m in juzgadas)
    return [
        Limite(
            "crecimiento de la memoria",
            slope([(m.segundos / 60, m.memoria_mb) for m in juzgadas]), MEMORIA_MB_MIN, "MB/min",
        ),
        Limite(
            "variación de ficheros abiertos",
            max(descriptores) - min(descriptores), DESCRIPTORES, "",
        ),
        Limite("atraso máximo", atraso / por_segundo, ATRASO_S, "s de carga"),
    ]  # fmt: skip


def _judged(muestras: Sequence[Muestra]) -> list[Muestra]:
    desde = muestras[-1].segundos * CALENTAMIENTO
    return [m for m in muestras if m.segundos >= desde]


def slope(puntos: Sequence[tuple[float, float]]) -> float:
    """Return how much y grows for each x, as the line of least squares has it."""
    xy: NDArray[np.float64] = np.array(puntos)
    return float(np.polyfit(xy[:, 0], xy[:, 1], 1)[0])


def _stored(settings: Settings) -> int:
    store = PostgresStore(settings)
    try:
        return int(store.contar()["lecturas"])
    finally:
        store.close()


def show(consola: Console, muestras: Sequence[Muestra], limites: Sequence[Limite]) -> None:
    """Print what was seen, and what is judged of it."""
    juzgadas = _judged(muestras)
    vista = Table("", "al empezar", "tras calentar", "al acabar", "máximo")
    filas: dict[str, list[float]] = {
        "memoria del consumidor, MB": [m.memoria_mb for m in muestras],
        "ficheros abiertos": [m.descriptores for m in muestras],
        "hilos": [m.hilos for m in muestras],
        "atraso, lecturas": [m.atraso for m in muestras],
    }
    for nombre in NOMBRES.values():
        filas[f"{nombre}, MB propios"] = [m.servidores_mb[nombre] for m in muestras]
    for nombre, valores in filas.items():
        calientes = valores[len(muestras) - len(juzgadas) :]
        cifras = (valores[0], calientes[0], valores[-1], max(valores))
        vista.add_row(nombre, *(numero(cifra, 0) for cifra in cifras))
    consola.print(vista)
    juicio = Table("tras calentar", "medido", "como mucho", "")
    for limite in limites:
        medido, maximo = numero(limite.valor, 2), numero(limite.maximo, 2)
        juicio.add_row(
            limite.nombre, f"{medido} {limite.unidad}", f"{maximo} {limite.unidad}",
            "bien" if limite.bien else "MAL",
        )  # fmt: skip
    consola.print(juicio)


if __name__ == "__main__":
    sys.exit(run(main))
