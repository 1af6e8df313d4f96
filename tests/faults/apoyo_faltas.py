"""What breaks on purpose: a wire that is cut, mute or slow, and servers killed and brought back."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from confluent_kafka import Consumer, TopicPartition
from forks import Fork
from integration.camino import consumidor, esperar, filas_guardadas

from detection.domain import Lecturas
from pipeline.embedded.postgres import Cluster, entorno_minimo
from pipeline.embedded.probes import ANFITRION, escucha, mongo_responde
from pipeline.embedded.processes import Proceso
from pipeline.embedded.services import EmbeddedServices
from pipeline.producer import open_envio
from serving.settings import Settings

CLIENTES, DIAS = 4, 34
ESPERAR = "se espera y se reintenta"
"""What the consumer says of a store that is away."""
AL_CERRAR_RST = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: the other side sees a reset and not an end (socket(7))."""


class Cable(AbstractContextManager["Cable"]):
    """A wire to a server of this machine, whole at first.

    Parameters
    ----------
    destino : int
        The server's port; may be set later.
    """

    def __init__(self, destino: int = 0) -> None:
        self.destino = destino
        self.puerto = 0
        self.retenidos = 0
        """Pieces that somebody has sent and that a mute wire keeps."""
        self._retraso_s = 0.0
        self._cortado = False
        self._abiertas: set[asyncio.StreamWriter] = set()
        self._bucle = asyncio.new_event_loop()
        self._hilo = threading.Thread(target=self._bucle.run_forever, daemon=True)
        self._pasa = asyncio.Event()
        self._pasa.set()

    def cortar(self) -> None:
        """Reset every connection, and each new one as soon as it is made."""
        self._hacer(self._cortar)

    def callar(self) -> None:
        """Reset every connection; new ones are taken, and nothing passes."""

        def callar() -> None:
            self._cortar()
            self._cortado = False
            self._pasa.clear()

        self._hacer(callar)

    def congelar(self) -> None:
        """Keep every connection and let nothing pass: what is sent waits for better times."""
        self._hacer(self._pasa.clear)

    def frenar(self, retraso_s: float) -> None:
        """Let each piece pass after a while."""
        self._retraso_s = retraso_s

    def sanar(self) -> None:
        """Let everything pass at once, what has waited first."""

        def sanar() -> None:
            self._cortado = False
            self._retraso_s = 0.0
            self.retenidos = 0
            self._pasa.set()

        self._hacer(sanar)

    def __enter__(self) -> Cable:
        self._hilo.start()
        escuchar = asyncio.start_server(self._atender, ANFITRION, 0)
        self._servidor = asyncio.run_coroutine_threadsafe(escuchar, self._bucle).result(10)
        self.puerto = int(self._servidor.sockets[0].getsockname()[1])
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._cerrar(), self._bucle).result(10)
        self._bucle.call_soon_threadsafe(self._bucle.stop)
        self._hilo.join()
        self._bucle.close()

    def _hacer(self, que: Callable[[], object]) -> None:
        async def hacer() -> None:
            que()

        asyncio.run_coroutine_threadsafe(hacer(), self._bucle).result(10)

    def _cortar(self) -> None:
        self._cortado = True
        for salida in list(self._abiertas):
            _reset(salida)

    async def _cerrar(self) -> None:
        self._servidor.close()
        otras = asyncio.all_tasks() - {asyncio.current_task()}
        for tarea in otras:
            tarea.cancel()
        await asyncio.gather(*otras, return_exceptions=True)

    async def _atender(self, lector: asyncio.StreamReader, salida: asyncio.StreamWriter) -> None:
        if self._cortado:
            _reset(salida)
            return
        with suppress(OSError):
            lector_2, salida_2 = await asyncio.open_connection(ANFITRION, self.destino)
            suyas = {salida, salida_2}
            self._abiertas |= suyas
            try:
                await asyncio.gather(self._copiar(lector, salida_2), self._copiar(lector_2, salida))
            finally:
                self._abiertas -= suyas
                salida_2.close()
        salida.close()

    async def _copiar(self, lector: asyncio.StreamReader, salida: asyncio.StreamWriter) -> None:
        try:
            while trozo := await lector.read(1 << 16):
                self.retenidos += not self._pasa.is_set()
                await self._pasa.wait()
                await asyncio.sleep(self._retraso_s)
                salida.write(trozo)
                await salida.drain()
        finally:
            salida.close()


def _reset(salida: asyncio.StreamWriter) -> None:
    enchufe = salida.get_extra_info("socket")
    with suppress(OSError):
        enchufe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AL_CERRAR_RST)
    salida.transport.abort()


@dataclass(frozen=True)
class Cables:
    """A wire to each server, by its name."""

    postgres: Cable
    mongo: Cable
    kafka: Cable

    def sanar(self) -> None:
        """Mend all."""
        for cable in (self.postgres, self.mongo, self.kafka):
            cable.sanar()


class ServidorMatable:
    """A store of ``EmbeddedServices`` that can be killed and started again on what it kept."""

    def __init__(self, servicios: EmbeddedServices, nombre: str) -> None:
        self._carpeta = servicios.carpeta
        self._nombre = nombre
        self._puerto = servicios.puertos[nombre]
        self._registros = servicios.carpeta / "procesos"
        self._antes = next(p for p in psutil.Process().children() if escucha(p.pid, self._puerto))
        self._argv = self._antes.cmdline()

    def matar(self) -> None:
        """Kill it with SIGKILL, and return when it and all its children are gone."""
        todos = [self._antes, *self._antes.children(recursive=True)]
        self._antes.kill()
        _, quedan = psutil.wait_procs(todos, timeout=30)
        assert not quedan, f"{self._nombre}: {quedan}"

    def resucitar(self) -> Proceso:
        """Return it ready again, on the same port and folder."""
        proceso = Proceso(
            f"{self._nombre} resucitado",
            self._argv,
            self._registros,
            env=entorno_minimo(),
            cwd=self._carpeta,
            senal=signal.SIGKILL,  # nobody needs the files that an orderly end would tidy
        )
        if self._nombre == "PostgreSQL":
            cluster = Cluster(self._carpeta / "postgres", self._registros)
            proceso.usuario = cluster.usuario
            proceso.senal = signal.SIGQUIT  # likewise, and its children go first
            proceso.listo = lambda: cluster.listo(proceso.pid)
        else:
            proceso.listo = lambda: (
                escucha(proceso.pid, self._puerto) and mongo_responde(self._puerto)
            )
        proceso.iniciar()
        return proceso


class Relato:
    """A consumer's log, read from where it was read last."""

    def __init__(self, ruta: Path) -> None:
        self.ruta = ruta
        self._leido = 0

    def olvidar(self) -> None:
        """Take what has been said so far as read."""
        self._leido = len(self.ruta.read_text())

    def veces(self, expresion: str) -> int:
        """Return how often something was said since."""
        return len(re.findall(expresion, self.ruta.read_text()[self._leido :]))

    def dice(self, expresion: str) -> bool:
        """Return whether something was said since."""
        return self.veces(expresion) > 0


@dataclass
class Arranque:
    """Starts consumers that do not outlive the test."""

    carpeta: Path
    procesos: list[Fork]

    def __call__(self, variables: dict[str, str], **mas: str) -> tuple[Fork, Relato]:
        """Start one; return it and what it says."""
        registro = self.carpeta / f"consumidor-{len(self.procesos)}.log"
        proceso = consumidor(variables, registro, **{"LOTE_MAXIMO": "50", **mas})
        self.procesos.append(proceso)
        return proceso, Relato(registro)


def por_dias(lecturas: Lecturas, *cortes: int) -> list[Lecturas]:
    """Return the readings between the cuts, days since the first one."""
    tramo = np.searchsorted(cortes, (lecturas.hora_utc - lecturas.hora_utc.min()) // 24, "right")
    return [lecturas.elegir(np.flatnonzero(tramo == i)) for i in range(len(cortes) + 1)]


def enviar(entorno: Settings, lecturas: Lecturas) -> None:
    """Send readings as the product does, each confirmed."""
    envio = open_envio(entorno)
    envio.send(lecturas)
    envio.productor.flush()
    assert envio.productor.confirmadas == len(lecturas)


def esperar_filas(entorno: Settings, cuantas: int, relato: Relato) -> None:
    """Return once that many readings are stored."""
    esperar(
        lambda: filas_guardadas(entorno) == cuantas, f"{cuantas} stored", registros=[relato.ruta]
    )


def terminar_bien(proceso: Fork, relato: Relato) -> None:
    """Ask a consumer to stop, and see that it does so in good order."""
    proceso.send_signal(signal.SIGTERM)
    assert proceso.wait(60) == 0, relato.ruta.read_text()


@contextmanager
def recuperacion(que: str, anotar: Callable[[str, object], None]) -> Iterator[None]:
    """Print and record, not judge, how long the block took: from healed to all stored."""
    desde = time.monotonic()
    yield
    segundos = time.monotonic() - desde
    print(f"recuperación, {que}: {segundos:.1f} s")
    anotar(f"recuperacion_s {que}", round(segundos, 2))


def confirmados(entorno: Settings) -> int:
    """Return how many messages of the topic the group has recorded as read."""
    # The embedded broker is not asked where its log ends: it answers less than there is.
    ajustes = {"bootstrap.servers": entorno.kafka_broker, "group.id": entorno.kafka_grupo}
    with closing(Consumer(ajustes)) as miembro:
        todas = [TopicPartition(entorno.kafka_topic, p) for p in range(entorno.kafka_particiones)]
        return sum(max(0, tp.offset) for tp in miembro.committed(todas, 20.0))
