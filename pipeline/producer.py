"""The producer: synthetic or real readings to Kafka, each one confirmed (``consumo producir``)."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from detection.domain import HORAS_POR_DIA, SEGUNDOS_POR_HORA, Lecturas
from detection.errors import EntregaError
from detection.simulation.population import SEMILLA, SEMILLA_MAXIMA, customers
from pipeline.ingest.files.blocks import Rechazada
from pipeline.ingest.files.command_options import (
    add_reading_options,
    describe_rejected,
    show_progress,
)
from pipeline.ingest.files.files_together import FilesTogether
from pipeline.ingest.files.hourly_file import Etiqueta, MeterFile, OpcionesLectura, Trozo
from pipeline.ingest.files.meter_file import open_meter_file
from pipeline.ingest.files.recognition import PERFIL_PROPIO, known_names
from pipeline.ingest.files.text_cells import printable
from pipeline.ingest.messages import MessageEncoder
from pipeline.streaming.kafka import KafkaProducer, ensure_topics
from serving.cli import FALLO, HECHO, Parser, entero, greater_than, run
from serving.logs import configure_logs
from serving.settings import Settings, load_settings

if TYPE_CHECKING:
    from detection.simulation.synthesis import SimulatedCustomer

LECTURAS_POR_TROZO = 20_000
LECTURAS_GENERADAS = 200_000
"""At a time: the generator's cost is by customer and call, a piece of 4 hours costs 200 times more
a reading than one of 20 days."""

_registro = logging.getLogger(__name__)


@dataclass(slots=True)
class ReadingSender:
    """Readings on their way to the topic, and what is known of them."""

    productor: KafkaProducer
    codificador: MessageEncoder
    clientes: set[str] = field(default_factory=set)

    def send(
        self,
        lecturas: Lecturas,
        etiqueta: Sequence[Etiqueta] | None = None,
        metodo: Sequence[str | None] | None = None,
    ) -> None:
        """Hand readings over in their order; raise ``EntregaError`` once one has failed."""
        valores = self.codificador.encode(lecturas, etiqueta, metodo)
        self.clientes.update(lecturas.propietario_id)
        self.productor.send(lecturas.propietario_id, valores)

    def summary(self) -> str:
        """Return the last line of a run; after a flush, sent = answered by the broker."""
        enviadas = self.productor.confirmadas + self.productor.fallidas
        return (
            f"enviadas {enviadas} lecturas de {len(self.clientes)} clientes; "
            f"confirmadas {self.productor.confirmadas}"
        )


def open_envio(settings: Settings) -> ReadingSender:
    """Return a way to the topic, which exists from now on.

    Raises
    ------
    TransientError
        The broker does not answer.
    """
    ensure_topics(settings)
    return ReadingSender(KafkaProducer(settings), MessageEncoder(settings.zona_horaria))


def send_hours(
    envio: ReadingSender,
    clientes: Sequence[SimulatedCustomer],
    desde_hora: int,
    hasta_hora: int,
    zona: str,
    avanzar: Callable[[float], None] = lambda _parte: None,
) -> None:
    """Send the readings of the absolute hours ``[desde_hora, hasta_hora)``, hour after hour.

    Parameters
    ----------
    avanzar : callable
        Told the part that is sent, 0 to 1.
    """
    from pipeline.generator.service import generate_lecturas

    paso = max(HORAS_POR_DIA, LECTURAS_GENERADAS // max(1, len(clientes)))
    hechas, total = 0, max(1, len(clientes) * (hasta_hora - desde_hora))
    for inicio in range(desde_hora, hasta_hora, paso):
        todas = generate_lecturas(clientes, inicio, min(hasta_hora, inicio + paso), zona)
        for i in range(0, len(todas), LECTURAS_POR_TROZO):
            trozo = slice(i, i + LECTURAS_POR_TROZO)
            lecturas = Lecturas(
                todas.propietario_id[trozo], todas.hora_utc[trozo], todas.consumo_kwh[trozo]
            )
            envio.send(lecturas, todas.etiqueta[trozo])
            hechas += len(lecturas)
            avanzar(hechas / total)


def send_live(
    envio: ReadingSender,
    clientes: Sequence[SimulatedCustomer],
    desde_hora: int,
    zona: str,
    minutos: float,
    parar: threading.Event,
    reloj: Callable[[], float] = time.time,
) -> None:
    """Send what is not sent yet every ``minutos``, until ``parar`` is set.

    The first round sends the full hours from ``desde_hora`` on, each later one those that have
    become full since; a round without a new hour sends nothing.
    """
    siguiente = desde_hora
    while not parar.is_set():
        completas = int(reloj()) // SEGUNDOS_POR_HORA
        if completas > siguiente:
            send_hours(envio, clientes, siguiente, completas, zona)
            envio.productor.flush()
            siguiente = completas
            _say(envio.summary())
        parar.wait(minutos * 60.0)


def send_pieces(envio: ReadingSender, trozos: Iterable[Trozo]) -> list[Rechazada]:
    """Send the readings of files; return their bad rows, with their lines."""
    rechazadas: list[Rechazada] = []
    for trozo in trozos:
        envio.send(trozo.lecturas, trozo.etiqueta, trozo.metodo)
        rechazadas.extend(trozo.rechazadas)
    return rechazadas


def _say(texto: str) -> None:
    print(texto, flush=True)  # noqa: T201


def _warn(texto: str) -> None:
    print(texto, file=sys.stderr, flush=True)  # noqa: T201


def _build_parser() -> Parser:
    parser = Parser(
        "consumo producir",
        "Envía lecturas a Kafka, sintéticas o de un archivo, y comprueba que se entregan todas. "
        "Un cliente sintético es siempre el mismo, también el de la demo: enviar otra vez una hora "
        "suya no cambia nada.",
    )
    parser.add_argument(
        "--mode",
        choices=("once", "continuous"),
        default="once",
        help="once: un lote y termina (por defecto); continuous: sigue con cada hora nueva",
    )
    parser.add_argument(
        "--interval",
        type=greater_than(0),
        default=1.0,
        metavar="MINUTOS",
        help="minutos entre dos envíos de continuous (por defecto, 1)",
    )
    parser.add_argument(
        "--clients",
        type=entero(1, 100_000),
        metavar="N",
        help="clientes sintéticos (por defecto, 50)",
    )
    parser.add_argument(
        "--dias",
        type=entero(1, 3660),
        metavar="N",
        help="días de historia que se envían primero (por defecto, 1)",
    )
    parser.add_argument(
        "--sospechosos",
        type=entero(0),
        metavar="N",
        help="cuántos de ellos hacen algo sospechoso en esos días: se envían otros clientes, no "
        "otros datos de los mismos (por defecto, los primeros, unos 8 de cada 50)",
    )
    parser.add_argument(
        "--semilla",
        type=entero(0, SEMILLA_MAXIMA),
        metavar="N",
        help="otra semilla, otros clientes, con ella en su nombre: S9_00001 (por defecto, "
        f"{SEMILLA}, y los nombres son CLI_00001)",
    )
    _add_archivo(parser)
    return parser


def _add_archivo(parser: Parser) -> None:
    parser.add_argument(
        "--archivo",
        type=Path,
        nargs="+",
        metavar="ARCHIVO",
        help="lecturas de archivos, en vez de sintéticas; se reconocen: "
        f"{'; '.join(known_names())}",
    )
    add_reading_options(parser)


def main(argv: Sequence[str]) -> int:
    """Send what the flags say; return the exit status."""
    parser = _build_parser()
    opciones = parser.parse_args(argv)
    sinteticas = ("clients", "dias", "sospechosos", "semilla")
    if opciones.archivo is not None:
        sobran = [f"--{nombre}" for nombre in sinteticas if getattr(opciones, nombre) is not None]
        if opciones.mode != "once":
            sobran.append("--mode continuous")
        if sobran:
            parser.error(f"{sobran[0]} no se admite junto a --archivo")
    elif opciones.perfil is not None or opciones.unidad:
        parser.error("--perfil y --unidad dicen cómo es el --archivo, que falta")
    clientes = 50 if opciones.clients is None else opciones.clients
    sospechosos = opciones.sospechosos
    if sospechosos is not None and sospechosos > clientes:
        parser.error(f"--sospechosos: no puede haber {sospechosos} entre {clientes} clientes")
    settings = load_settings()
    configure_logs(settings.nivel_log)
    if opciones.archivo is not None:
        return _run_files(settings, opciones.archivo, opciones.perfil, opciones.unidad)
    semilla = SEMILLA if opciones.semilla is None else opciones.semilla
    dias = opciones.dias or 1
    minutos = opciones.interval if opciones.mode == "continuous" else None
    return _run_synthetic(settings, clientes, sospechosos, dias, semilla, minutos)


def _run_files(settings: Settings, rutas: Sequence[Path], perfil: Path | None, unidad: str) -> int:
    lectura = OpcionesLectura(
        settings.zona_horaria,
        settings.consumo_maximo_kwh,
        int(time.time()) // SEGUNDOS_POR_HORA,
        perfil,
        unidad,
    )
    nombres = [printable(str(ruta)) for ruta in rutas]
    titulo = f"enviando {printable(rutas[0].name)}" + "…" * (len(rutas) > 1)
    with show_progress(titulo) as avanzar, FilesTogether(nombres) as juntas:
        # All that is wrong with a file as a whole is said before the broker is asked for.
        archivos = [open_meter_file(ruta, lectura, avanzar) for ruta in rutas]
        trozos = _pieces(archivos, juntas, avanzar)
        primeros = list(islice(trozos, 1))
        dichos = _tell_notes(archivos, juntas, set())
        envio = open_envio(settings)
        with _delivery(envio):
            rechazadas = send_pieces(envio, chain(primeros, trozos))
        _tell_notes(archivos, juntas, dichos)
    if rechazadas:
        cuales = " y ".join(f"«{nombre}»" for nombre in nombres)
        _warn(f"error: {len(rechazadas)} filas de {cuales} no son lecturas y no se enviaron:")
    for linea in describe_rejected(rechazadas):
        _warn(linea)
    return FALLO if rechazadas else HECHO


def _pieces(
    archivos: Sequence[MeterFile], juntas: FilesTogether, avanzar: Callable[[float], None]
) -> Iterator[Trozo]:
    """Yield the hours of files: of one as they come, of several once all of them have been read."""
    if len(archivos) == 1:
        yield from archivos[0].trozos(avanzar)
        return
    for k, archivo in enumerate(archivos):
        for trozo in archivo.trozos(avanzar):
            juntas.add(k, trozo)
    yield from juntas.trozos()


def _tell_notes(archivos: Sequence[MeterFile], juntas: FilesTogether, dichos: set[str]) -> set[str]:
    """Say what should be known of files and has not been said; return all that has been."""
    avisos = [
        f"«{archivo.ruta}»: {aviso}"
        for archivo in archivos
        for aviso in (
            *([f"formato {archivo.informe.formato}"] * (archivo.informe.formato != PERFIL_PROPIO)),
            *archivo.notes(),
        )
    ]
    for aviso in [*avisos, *juntas.notes()]:
        if aviso not in dichos:
            _registro.info("%s", printable(aviso))
    return dichos | {*avisos, *juntas.notes()}


def _run_synthetic(
    settings: Settings,
    clientes: int,
    sospechosos: int | None,
    dias: int,
    semilla: int,
    minutos: float | None,
) -> int:
    """Send ``dias`` days up to the last full hour; with ``minutos``, go on with what follows."""
    envio = open_envio(settings)
    hasta = int(time.time()) // SEGUNDOS_POR_HORA
    desde = hasta - dias * HORAS_POR_DIA
    # Once for the whole run: in another interval others are suspicious.
    poblacion = customers(semilla, clientes, sospechosos, desde, hasta)
    zona = settings.zona_horaria
    try:
        with _interrupted_by_sigterm(), _delivery(envio):
            with show_progress("enviando lecturas") as avanzar:
                send_hours(envio, poblacion, desde, hasta, zona, avanzar)
            if minutos is not None:
                envio.productor.flush()
                _say(envio.summary())
                send_live(envio, poblacion, hasta, zona, minutos, threading.Event())
    except KeyboardInterrupt:
        if minutos is None:
            raise
    return HECHO


@contextlib.contextmanager
def _delivery(envio: ReadingSender) -> Iterator[None]:
    """Wait for every confirmation at the end, and say how many there were, whatever ended it."""
    try:
        yield
    except EntregaError:
        raise
    except BaseException:
        envio.productor.flush()
        if envio.clientes:
            _say(envio.summary())
        raise
    envio.productor.flush()
    _say(envio.summary())


@contextlib.contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Make SIGTERM the same as Ctrl-C."""
    antes = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, antes)


if __name__ == "__main__":
    sys.exit(run(main))
