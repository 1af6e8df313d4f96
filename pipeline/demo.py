"""``consumo demo``: the whole product on one machine, with data.

Starts the embedded services, the generator and a consumer; sends a past with some suspicious
customers through Kafka; trains and promotes a first model; says who is most suspicious and why;
goes on with live data. Its processes are those of ``demo_piezas``.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from detection.dominio import HORAS_POR_DIA, SEGUNDOS_POR_HORA
from detection.errors import ConsumoError, PermanentError
from detection.poblacion import SEMILLA, SEMILLA_MAXIMA, SOSPECHOSOS_DE_50, scene
from pipeline.almacenes.mongo import MongoAnomalyStore
from pipeline.almacenes.mongo_consultas import MongoConsultas
from pipeline.almacenes.postgres import PostgresStore, migrate
from pipeline.anuncio import announce
from pipeline.demo_informe import Informe, barras, describe_hora, show_informe
from pipeline.demo_modelos import (
    CLIENTES_MINIMOS,
    DIAS_MINIMOS,
    has_model,
    run_verb,
    train_first,
)
from pipeline.demo_piezas import Piezas
from pipeline.local import CARPETA, EmbeddedServices
from pipeline.producer import Envio, open_envio, send_hours
from pipeline.supervision import Grupo
from serving.cli import FALLO, HECHO, Parser, entero, run
from serving.parada import Parada
from serving.settings import Settings

if TYPE_CHECKING:
    from detection.synth import Cliente

CLIENTES = 50
DIAS = 60
POBLACION = 2
"""Which customers ``escena.json`` speaks of: without it, of before names were for life."""
HORAS_EN_VIVO = 24
"""The last day is kept back and told hour by hour, so that "live" shows something at once."""
PASO_EN_VIVO_S = 5.0
PLAZO_GUARDADO_S = 300.0
PASO_SONDEO_S = 0.2
PUERTOS_PROPIOS = ("API_PORT", "TABLERO_PORT", "GENERADOR_PORT")
"""What the other verbs have to know of the demo beside its servers."""


@dataclass(frozen=True, slots=True)
class Escena:
    """What a demo shows; the same scene again goes on where it was left.

    Parameters
    ----------
    semilla, clientes, dias : int
    desde_hora, hasta_hora : int
        Absolute hours of the past that is sent first.
    poblacion_version : int
        Of the way in which its customers are made.
    """

    semilla: int
    clientes: int
    dias: int
    desde_hora: int
    hasta_hora: int
    poblacion_version: int = POBLACION

    @property
    def sospechosos(self) -> int:
        """Return how many of the customers are suspicious: 8 of 50, in proportion."""
        return max(1, self.clientes * SOSPECHOSOS_DE_50 // 50)

    def poblacion(self) -> Sequence[Cliente]:
        """Return the customers, always the same ones: chosen among those of the producer."""
        return scene(
            self.semilla, self.clientes, self.sospechosos, self.desde_hora, self.hasta_hora
        )


def main(argv: Sequence[str]) -> int:
    """Run the demo; return 0, or 1 if what was checked is not as it should be."""
    parser = Parser(
        "consumo demo",
        "Arranca todo en esta máquina, envía el pasado de unos clientes por Kafka, enseña los más "
        "sospechosos con sus motivos y sigue con datos en vivo. Ctrl-C lo para.",
    )
    parser.add_argument(
        "--una-vez",
        action="store_true",
        help="lo hace una vez, lo comprueba, resume y termina sin dejar nada",
    )
    parser.add_argument(
        "--clientes",
        type=entero(1, 5000),
        default=CLIENTES,
        metavar="N",
        help="clientes (por defecto: %(default)s)",
    )
    parser.add_argument(
        "--dias",
        type=entero(2, 1000),
        default=DIAS,
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


def _play(consola: Console, carpeta: Path, escena: Escena, *, una_vez: bool) -> int:
    inicio = time.monotonic()
    with ExitStack() as pila:
        parada = pila.enter_context(Parada())
        grupo = pila.enter_context(Grupo())
        with consola.status("Arrancando los servicios…") as estado:
            servicios = grupo.entrar(
                EmbeddedServices(
                    carpeta, parada=parada, avisar=lambda texto: estado.update(f"{texto}…")
                )
            )
            piezas = Piezas(grupo, parada, servicios)
            entorno = piezas.start()
            puertos = {nombre: entorno[nombre] for nombre in PUERTOS_PROPIOS}
            pila.enter_context(announce({**servicios.variables(), **puertos}, crear=not una_vez))
            settings = Settings.model_validate({k.lower(): v for k, v in entorno.items()})
            migrate(settings)
        historial = PostgresStore(settings)
        anomalias, consultas = MongoAnomalyStore(settings), MongoConsultas(settings)
        pila.callback(consultas.close)
        pila.callback(historial.close)
        pila.callback(anomalias.close)
        taller = _Taller(
            consola, open_envio(settings), escena, settings, historial, anomalias, grupo, parada
        )
        enviadas, modelo = _tell_past(taller, carpeta, entorno, una_vez=una_vez)
        with consola.status("Sumando los meses…"):
            run_verb("agregar", entorno, carpeta, parada)
        if modelo and not una_vez:
            with consola.status("Midiendo la deriva…"):
                run_verb("deriva", entorno, carpeta, parada)
        informe = Informe(
            escena, historial, anomalias, consultas, enviadas, time.monotonic() - inicio,
            modelo and una_vez,
        )  # fmt: skip
        bien = show_informe(consola, informe, piezas.direcciones)
        if una_vez:
            consola.print("[bold green]Todo comprobado.[/]" if bien else "[bold red]No cuadra.[/]")
            return HECHO if bien else FALLO
        if modelo:
            piezas.start_retraining()
        consola.print(
            f"Para confirmar anomalías o promover modelos en el tablero, esta clave: {piezas.clave}"
        )
        _go_live(taller)
        consola.print("Deteniendo todo…")
    consola.print("Detenido. Los datos quedan en " + str(carpeta))
    return HECHO


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


def _load_escena(carpeta: Path, opciones: object, reservadas: int) -> Escena:
    """Return the folder's scene, or a new one that ends with the last full hour."""
    valores = {k: vars(opciones)[k] for k in ("semilla", "clientes", "dias")}
    archivo = carpeta / "escena.json"
    if archivo.exists():
        guardada = Escena(**{"poblacion_version": 1, **json.loads(archivo.read_text())})
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
    escena = Escena(desde_hora=hasta - valores["dias"] * HORAS_POR_DIA, hasta_hora=hasta, **valores)
    carpeta.mkdir(parents=True, exist_ok=True)
    archivo.write_text(json.dumps(asdict(escena)))
    return escena


@dataclass(frozen=True, slots=True)
class _Taller:
    """What sending readings and waiting for their verdicts takes."""

    consola: Console
    envio: Envio
    escena: Escena
    settings: Settings
    historial: PostgresStore
    anomalias: MongoAnomalyStore
    grupo: Grupo
    parada: Parada


def _tell_past(
    t: _Taller, carpeta: Path, entorno: Mapping[str, str], *, una_vez: bool
) -> tuple[int, bool]:
    """Send the past and train on it; return the readings expected, and whether a model scores.

    Once only, the model gets the last day of the past: there will be nothing live for it.
    """
    entrenable = t.escena.dias >= DIAS_MINIMOS and t.escena.clientes >= CLIENTES_MINIMOS
    corte = t.escena.hasta_hora - HORAS_POR_DIA * (entrenable and una_vez)
    esperadas = _send_past(t, t.escena.desde_hora, corte)
    if not entrenable:
        t.consola.print(
            f"Con menos de {DIAS_MINIMOS} días o de {CLIENTES_MINIMOS} clientes no se entrena: "
            "deciden las reglas."
        )
        return esperadas, False
    modelo = has_model(carpeta) or train_first(t.consola, carpeta, entorno, t.parada)
    return _send_past(t, corte, t.escena.hasta_hora) if una_vez else esperadas, modelo


def _send_past(t: _Taller, desde: int, hasta: int) -> int:
    """Send the hours of the past, wait until they are stored with their verdicts.

    Return the readings expected up to there.
    """
    esperadas = t.escena.clientes * (hasta - t.escena.desde_hora)
    faltan = t.escena.clientes * (hasta - desde)
    if t.historial.contar()["lecturas"] >= esperadas:
        t.consola.print("El pasado ya estaba guardado: se continúa donde se dejó.")
        return esperadas
    with barras(t.consola, faltan) as (enviadas, guardadas):

        def avanzar(parte: float) -> None:
            enviadas(int(parte * faltan))
            _check_alive(t)

        send_hours(t.envio, t.escena.poblacion(), desde, hasta, t.settings.zona_horaria, avanzar)
        t.envio.productor.flush()
        _wait_stored(t, esperadas, lambda hay: guardadas(hay - esperadas + faltan))
    return esperadas


def _wait_stored(t: _Taller, esperadas: int, avanzar: Callable[[int], None]) -> None:
    """Return once both stores have everything: the second one has it a moment later."""
    limite = time.monotonic() + PLAZO_GUARDADO_S
    while True:
        cuenta = t.historial.contar()
        hay = int(cuenta["lecturas"])
        avanzar(hay)
        if hay >= esperadas and t.anomalias.contar_anomalias() == cuenta["anomalias"]:
            return
        _check_alive(t)
        if time.monotonic() > limite:
            raise ConsumoError(
                f"el consumidor no ha guardado las lecturas a tiempo ({hay} de {esperadas})"
            )
        t.parada.esperar(PASO_SONDEO_S)


def _check_alive(t: _Taller) -> None:
    if t.parada.pedida:
        raise KeyboardInterrupt
    caida = t.grupo.caido()
    if caida is not None:
        raise PermanentError(caida)


def _go_live(t: _Taller) -> None:
    """Send hour after hour: what is missing up to now in quick steps, then as hours pass."""
    t.consola.print(
        "\n[bold]En vivo[/]: el último día, hora a hora cada 5 segundos, y luego cada hora en "
        "punto. Ctrl-C para terminar."
    )
    poblacion = t.escena.poblacion()
    ultima = t.historial.contar()["hasta"]
    siguiente = int(ultima.timestamp()) // SEGUNDOS_POR_HORA + 1
    while not t.parada.pedida:
        if siguiente < int(time.time()) // SEGUNDOS_POR_HORA:
            antes = int(t.historial.contar()["lecturas"])
            send_hours(t.envio, poblacion, siguiente, siguiente + 1, t.settings.zona_horaria)
            t.envio.productor.flush()
            try:
                _wait_stored(t, antes + len(poblacion), lambda _: None)
            except KeyboardInterrupt:
                return
            t.consola.print(describe_hora(t.historial, siguiente, t.settings.zona_horaria))
            siguiente += 1
        if t.parada.esperar(PASO_EN_VIVO_S):
            return
        _check_alive(t)


if __name__ == "__main__":
    sys.exit(run(main))
