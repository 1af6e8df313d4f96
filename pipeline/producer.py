"""The producer: synthetic or real readings to Kafka, each one confirmed (``consumo producir``)."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from detection.domain import HORAS_POR_DIA, SEGUNDOS_POR_HORA, Lecturas
from detection.errors import EntregaError, LecturaInvalidaError
from detection.simulation.population import SEMILLA, SEMILLA_MAXIMA, customers
from pipeline.ingest.files.column_chunk import Etiqueta
from pipeline.ingest.files.recognition import NOMBRES, read_archivo
from pipeline.ingest.messages import MessageEncoder
from pipeline.ingest.validation import Reglas
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
TRAMOS_MOSTRADOS = 100
"""Ranges of lines shown for each reason of a file's bad rows."""


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


def send_file(
    envio: ReadingSender,
    ruta: Path,
    settings: Settings,
    avanzar: Callable[[float], None] = lambda _parte: None,
) -> list[tuple[int, LecturaInvalidaError]]:
    """Send the readings of a file of any known format; return its bad rows, with their lines."""
    reglas = Reglas(settings.zona_horaria, settings.consumo_maximo_kwh)
    rechazadas: list[tuple[int, LecturaInvalidaError]] = []
    ahora_hora = int(time.time()) // SEGUNDOS_POR_HORA
    for trozo in read_archivo(ruta, reglas, ahora_hora, settings.zona_horaria):
        envio.send(trozo.lecturas, trozo.etiqueta, trozo.metodo)
        rechazadas.extend(trozo.rechazadas)
        avanzar(trozo.avance)
    return rechazadas


def describe_rejected(rechazadas: Iterable[tuple[int, LecturaInvalidaError]]) -> Iterator[str]:
    """Yield a line for each reason: how many rows, which lines, and what the first one has.

    Examples
    --------
    >>> error = LecturaInvalidaError("consumo_kwh_negativo", "-1 kWh es menor que cero")
    >>> list(describe_rejected([(7, error), (8, error), (12, error)]))
    ['  consumo_kwh_negativo: 3 (líneas 7-8, 12); la primera: -1 kWh es menor que cero']
    """
    por_motivo: dict[str, list[int]] = {}
    primeras: dict[str, str] = {}
    for linea, error in rechazadas:
        por_motivo.setdefault(error.motivo, []).append(linea)
        primeras.setdefault(error.motivo, error.detalle)
    for motivo, lineas in por_motivo.items():
        tramos = list(_ranges(lineas))
        resto = len(tramos) - TRAMOS_MOSTRADOS
        texto = ", ".join(tramos[:TRAMOS_MOSTRADOS]) + (
            f" y {resto} tramos más" if resto > 0 else ""
        )
        nombre = "línea" if len(lineas) == 1 else "líneas"
        yield f"  {motivo}: {len(lineas)} ({nombre} {texto}); la primera: {primeras[motivo]}"


def _ranges(lineas: Sequence[int]) -> Iterator[str]:
    inicio = anterior = lineas[0]
    for linea in lineas[1:]:
        if linea != anterior + 1:
            yield str(inicio) if inicio == anterior else f"{inicio}-{anterior}"
            inicio = linea
        anterior = linea
    yield str(inicio) if inicio == anterior else f"{inicio}-{anterior}"


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
        metavar="ARCHIVO",
        help=f"lecturas de un archivo, en vez de sintéticas; se reconocen: {'; '.join(NOMBRES)}",
    )


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
    clientes = 50 if opciones.clients is None else opciones.clients
    sospechosos = opciones.sospechosos
    if sospechosos is not None and sospechosos > clientes:
        parser.error(f"--sospechosos: no puede haber {sospechosos} entre {clientes} clientes")
    settings = load_settings()
    configure_logs(settings.nivel_log)
    if opciones.archivo is not None:
        return _run_file(settings, opciones.archivo)
    semilla = SEMILLA if opciones.semilla is None else opciones.semilla
    dias = opciones.dias or 1
    minutos = opciones.interval if opciones.mode == "continuous" else None
    return _run_synthetic(settings, clientes, sospechosos, dias, semilla, minutos)


def _run_file(settings: Settings, ruta: Path) -> int:
    if ruta.is_dir() or not ruta.exists():
        # Said before the broker is asked for.
        zona = settings.zona_horaria
        next(read_archivo(ruta, Reglas(zona, math.inf), 0, zona), None)
    envio = open_envio(settings)
    with _delivery(envio), _bar(f"enviando {ruta.name}") as avanzar:
        rechazadas = send_file(envio, ruta, settings, avanzar)
    if not rechazadas:
        return HECHO
    _warn(f"error: {len(rechazadas)} filas de «{ruta}» no son lecturas y no se enviaron:")
    for linea in describe_rejected(rechazadas):
        _warn(linea)
    return FALLO


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
            with _bar("enviando lecturas") as avanzar:
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


@contextlib.contextmanager
def _bar(titulo: str) -> Iterator[Callable[[float], None]]:
    """Give a function that is told the part done; it shows where somebody looks."""
    if not sys.stderr.isatty():
        yield lambda _parte: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columnas = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columnas, TimeElapsedColumn(), console=Console(stderr=True)) as barra:
        tarea = barra.add_task(titulo, total=1.0)
        yield lambda parte: barra.update(tarea, completed=parte)


if __name__ == "__main__":
    sys.exit(run(main))
