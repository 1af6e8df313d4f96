"""``consumo demo``: the whole product on one machine, with data.

Starts the embedded services, the generator and a consumer; sends a past with some suspicious
customers through Kafka; trains and promotes a first model; says who is most suspicious and why;
goes on with live data. Whichever of its processes ends is started again.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from detection.domain import HORAS_POR_DIA, SEGUNDOS_POR_HORA
from detection.errors import PermanentError
from detection.simulation.population import SEMILLA, SEMILLA_MAXIMA, SOSPECHOSOS_DE_50, scene
from pipeline.embedded.demo.delivery import DemoDelivery
from pipeline.embedded.demo.made_context import write_context
from pipeline.embedded.demo.parts import (
    CLIENTES_PARA_ENTRENAR,
    DIAS_PARA_ENTRENAR,
    DemoProcesses,
    has_model,
    train_first,
)
from pipeline.embedded.demo.report import DemoReport, describe_hora, progress_bars, show_report
from pipeline.embedded.progress import paso
from pipeline.embedded.services import CARPETA, EmbeddedServices, announce
from pipeline.embedded.supervisor import PASO_VIGILANCIA_S
from pipeline.jobs.context import load_context
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.store import PostgresStore, migrate
from serving.cli import FALLO, HECHO, Parser, entero
from serving.settings import Settings
from serving.shutdown import StopRequest

if TYPE_CHECKING:
    from detection.simulation.synthesis import SimulatedCustomer

CLIENTES_DE_LA_DEMO = 50
DIAS_DE_LA_DEMO = 84
POBLACION = 2
"""Which customers ``escena.json`` speaks of: without it, of before names were for life."""
HORAS_EN_VIVO = 24
"""The last day is kept back and told hour by hour, so that "live" shows something at once."""
PASO_EN_VIVO_S = 5.0


@dataclass(frozen=True, slots=True)
class DemoScene:
    """What a demo shows; the same scene again goes on where it was left."""

    semilla: int
    clientes: int
    dias: int
    # desde_hora, hasta_hora: absolute hours of the past that is sent first.
    desde_hora: int
    hasta_hora: int
    poblacion_version: int = POBLACION  # of the way in which its customers are made

    @property
    def sospechosos(self) -> int:
        """Return how many of the customers are suspicious: 8 of 50, in proportion."""
        return max(1, self.clientes * SOSPECHOSOS_DE_50 // 50)

    def poblacion(self) -> Sequence[SimulatedCustomer]:
        """Return the customers, always the same ones: chosen among those of the producer."""
        return scene(
            self.semilla, self.clientes, self.sospechosos, self.desde_hora, self.hasta_hora
        )


def main(argv: Sequence[str]) -> int:
    """Run the demo; return 0, or 1 if what was checked is not as it should be."""
    parser = Parser(
        "consumo demo",
        "Arranca todo en esta máquina, envía el pasado de unos clientes por Kafka, enseña los más "
        "sospechosos con sus motivos y sigue con datos en vivo. La parte que cae se arranca de "
        "nuevo. Ctrl-C lo para.",
    )
    parser.add_argument(
        "--una-vez",
        action="store_true",
        help="lo hace una vez, lo comprueba, resume y termina sin dejar nada",
    )
    parser.add_argument(
        "--clientes",
        type=entero(1, 5000),
        default=CLIENTES_DE_LA_DEMO,
        metavar="N",
        help="clientes (por defecto: %(default)s)",
    )
    parser.add_argument(
        "--dias",
        type=entero(2, 1000),
        default=DIAS_DE_LA_DEMO,
        metavar="N",
        help="días de pasado (por defecto: %(default)s)",
    )
    parser.add_argument(
        "--semilla",
        type=entero(0, SEMILLA_MAXIMA),
        default=SEMILLA,
        metavar="N",
        help="otra semilla, otros clientes (por defecto: %(default)s)",
    )
    parser.add_argument(
        "--datos",
        type=Path,
        metavar="CARPETA",
        help="dónde se guardan los datos (por defecto: una carpeta en .consumo)",
    )
    opciones = parser.parse_args(argv)
    consola = Console(highlight=False)
    with _folder(opciones.una_vez, opciones.datos, opciones) as carpeta:
        escena = _load_escena(carpeta, opciones, HORAS_EN_VIVO * (not opciones.una_vez))
        return _play(consola, carpeta, escena, una_vez=opciones.una_vez)


def _play(consola: Console, carpeta: Path, escena: DemoScene, *, una_vez: bool) -> int:
    inicio = time.monotonic()
    with ExitStack() as pila:
        procesos, settings = _start_all(consola, carpeta, pila, una_vez=una_vez)
        historial = PostgresStore(settings)
        anomalias, consultas = MongoAnomalyStore(settings), MongoQueries(settings)
        for almacen in (historial, anomalias, consultas):
            pila.callback(almacen.close)
        envio = DemoDelivery(consola, settings, escena.poblacion(), historial, procesos.supervisor)
        contexto = carpeta / "contexto.csv"
        write_context(contexto, envio.propietarios, escena.semilla)
        procesos.supervisor.insist(lambda: load_context(settings, contexto))
        enviado, modelo = _send_and_train(consola, escena, envio, procesos, una_vez=una_vez)
        with paso(consola, "Sumando los meses"):
            procesos.run("agregar")
        if modelo and not una_vez:
            with paso(consola, "Midiendo la deriva"):
                procesos.run("deriva")
        segundos = time.monotonic() - inicio if enviado else None
        informe = DemoReport(
            escena, historial, anomalias, consultas, envio.first_kept(escena.desde_hora),
            segundos, modelo and una_vez,
        )  # fmt: skip
        bien = show_report(consola, informe, procesos.direcciones, procesos.supervisor)
        if una_vez:
            consola.print("[bold green]Todo comprobado.[/]" if bien else "[bold red]No cuadra.[/]")
            return HECHO if bien else FALLO
        if modelo:
            procesos.start_retraining()
        consola.print(
            f"Los avisos, en {procesos.start_alerts()}; con AVISOS_URLS, a un correo o a un chat.",
            soft_wrap=True,
        )
        consola.print(
            "Para confirmar anomalías o promover modelos en el tablero, esta clave: "
            f"{procesos.clave}"
        )
        with suppress(KeyboardInterrupt):
            _go_live(consola, escena, envio, historial)
        consola.print("Deteniendo todo…")
    consola.print("Detenido. Los datos quedan en " + str(carpeta))
    return HECHO


def _start_all(
    consola: Console, carpeta: Path, pila: ExitStack, *, una_vez: bool
) -> tuple[DemoProcesses, Settings]:
    """Start servers and parts, which the stack stops, and return them with their settings."""

    def avisar(texto: str) -> None:
        consola.print(texto, markup=False, soft_wrap=True)

    parada = pila.enter_context(StopRequest())
    with paso(consola, "") as mostrar:
        servicios = pila.enter_context(
            EmbeddedServices(carpeta, parada=parada, avisar=mostrar, avisar_caida=avisar)
        )
        procesos = DemoProcesses(servicios)
        procesos.start(mostrar)
        anuncio = {**servicios.variables(), **procesos.own_ports()}
        pila.enter_context(announce(anuncio, crear=not una_vez))
        settings = Settings.model_validate({k.lower(): v for k, v in procesos.entorno.items()})
        procesos.supervisor.insist(lambda: migrate(settings))
    return procesos, settings


@contextmanager
def _folder(una_vez: bool, datos: Path | None, opciones: object) -> Iterator[Path]:
    """Give the data folder: one for each scene, a temporary one for ``--una-vez``."""
    if una_vez and datos is None:
        carpeta = Path(tempfile.mkdtemp(prefix="consumo-demo-"))
        try:
            yield carpeta
        finally:
            shutil.rmtree(carpeta, ignore_errors=True)
        return
    valores = vars(opciones)
    nombre = f"demo-{valores['clientes']}-{valores['dias']}-{valores['semilla']}"
    yield datos or CARPETA / nombre


def _load_escena(carpeta: Path, opciones: object, reservadas: int) -> DemoScene:
    """Return the folder's scene, or a new one that ends with the last full hour."""
    valores = {k: vars(opciones)[k] for k in ("semilla", "clientes", "dias")}
    archivo = carpeta / "escena.json"
    if archivo.exists():
        guardada = DemoScene(**{"poblacion_version": 1, **json.loads(archivo.read_text())})
        if guardada.poblacion_version != POBLACION:
            raise PermanentError(
                f"la carpeta {carpeta} tiene la demo de una versión anterior, con otros clientes; "
                "bórrela o use otra"
            )
        if any(getattr(guardada, k) != v for k, v in valores.items()):
            raise PermanentError(
                f"la carpeta {carpeta} tiene otra demo (--clientes {guardada.clientes} --dias "
                f"{guardada.dias} --semilla {guardada.semilla}); use esos valores u otra carpeta"
            )
        return guardada
    if (carpeta / "postgres").exists():
        raise PermanentError(f"la carpeta {carpeta} tiene datos que no son de una demo; use otra")
    hasta = int(time.time()) // SEGUNDOS_POR_HORA - reservadas
    escena = DemoScene(
        desde_hora=hasta - valores["dias"] * HORAS_POR_DIA, hasta_hora=hasta, **valores
    )
    carpeta.mkdir(parents=True, exist_ok=True)
    archivo.write_text(json.dumps(asdict(escena)))
    return escena


def _send_and_train(
    consola: Console,
    escena: DemoScene,
    envio: DemoDelivery,
    procesos: DemoProcesses,
    *,
    una_vez: bool,
) -> tuple[bool, bool]:
    """Send the past and train on it; return whether any was missing, and whether a model scores.

    Once only, the model gets the last day of the past: there will be nothing live for it.
    """
    entrenable = escena.dias >= DIAS_PARA_ENTRENAR and escena.clientes >= CLIENTES_PARA_ENTRENAR
    corte = escena.hasta_hora - HORAS_POR_DIA * (entrenable and una_vez)
    enviado = _send_past(consola, envio, escena.desde_hora, corte)
    if not entrenable:
        consola.print(
            f"Con menos de {DIAS_PARA_ENTRENAR} días o de {CLIENTES_PARA_ENTRENAR} clientes no se "
            "entrena: decide la versión de base."
        )
        return enviado, False
    modelo = has_model(procesos.carpeta) or train_first(consola, procesos)
    if una_vez:
        _send_past(consola, envio, corte, escena.hasta_hora)
    return enviado, modelo


def _send_past(consola: Console, envio: DemoDelivery, desde: int, hasta: int) -> bool:
    """Send what is missing of the past; return whether anything was, now that all is stored."""
    horas = envio.missing(desde, hasta)
    if not horas:
        consola.print("El pasado ya estaba guardado: se continúa donde se dejó.")
        return False
    with progress_bars(consola, len(horas) * len(envio.propietarios)) as (enviadas, guardadas):
        envio.deliver(horas, enviadas, guardadas)
    return True


def _go_live(
    consola: Console, escena: DemoScene, envio: DemoDelivery, historial: PostgresStore
) -> None:
    """Send hour after hour: what is missing up to now in quick steps, then as hours pass."""
    consola.print(
        "\n[bold]En vivo[/]: el último día, hora a hora cada 5 segundos, y luego cada hora en "
        "punto. Ctrl-C para terminar."
    )
    faltan = envio.missing(escena.hasta_hora, _full_hours())
    siguiente = faltan.start if faltan else _full_hours()
    while True:
        if siguiente < _full_hours():
            envio.deliver(range(siguiente, siguiente + 1))
            consola.print(
                envio.supervisor.insist(lambda: describe_hora(historial, siguiente, envio.zona))  # noqa: B023
            )
            siguiente += 1
        limite = time.monotonic() + PASO_EN_VIVO_S
        while time.monotonic() < limite:
            envio.pause(PASO_VIGILANCIA_S)


def _full_hours() -> int:
    """Return the absolute hour that is not over yet: those before it are."""
    return int(time.time()) // SEGUNDOS_POR_HORA
