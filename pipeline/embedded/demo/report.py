"""What the demo shows: bars while it sends, the ranking with reasons, what was checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from detection.domain import Severidad, instante
from detection.number_format import numero
from pipeline.embedded.progress import paso
from pipeline.embedded.supervisor import PASO_INSISTIR_S, Supervisor
from pipeline.stores.anomaly_records import ClienteRanking
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.store import PostgresStore
from serving.base_version import VERSION
from serving.model_versions import MODELO

if TYPE_CHECKING:
    from pipeline.embedded.demo.command import DemoScene

FILAS = 10
MOTIVOS = 2
_CALMA_S = 30.0
"""As long as a batch or an archiver may take to write to the second store what the first one has.
"""
_COLORES = {
    Severidad.CRITICA: "bold red",
    Severidad.ALTA: "red",
    Severidad.MEDIA: "yellow",
    Severidad.BAJA: "cyan",
    Severidad.NORMAL: "dim",
}


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What is known once the past is stored."""

    escena: DemoScene
    historial: PostgresStore
    anomalias: MongoAnomalyStore
    consultas: MongoQueries
    desde_hora: int  # first absolute hour of the past that nobody has deleted for good
    segundos: float | None  # since the start of the demo; None = the past was there already
    modelo: bool  # whether a model was promoted before the last of these readings

    @property
    def hasta(self) -> datetime:
        """Return the end of the past."""
        return instante(self.escena.hasta_hora)

    def ranking(self, limite: int) -> list[ClienteRanking]:
        """Return the most suspicious customers at the end of the past, as the API ranks them."""
        return self.consultas.ranking.first(limite, self.hasta)

    def verdad(self) -> dict[str, str]:
        """Return what the generator made of each suspicious customer."""
        return {
            c.propietario_id: c.ataque.tipo for c in self.escena.poblacion() if c.ataque is not None
        }


def show_report(
    console: Console, informe: DemoReport, direcciones: Mapping[str, str], supervisor: Supervisor
) -> bool:
    """Print the ranking, the addresses and the checks; return whether all checks hold."""
    cuenta = supervisor.insist(informe.historial.contar)
    console.print(supervisor.insist(lambda: _ranking(informe)))
    verdad = informe.verdad()
    ranking = supervisor.insist(lambda: informe.ranking(len(verdad)))
    primeros = {c.propietario_id for c in ranking}
    console.print(
        f"{len(primeros & verdad.keys())} de los {len(verdad)} clientes que el generador hizo "
        f"sospechosos están entre los {len(verdad)} primeros."
    )
    severidades = ", ".join(f"{s} {numero(n, 0)}" for s, n in cuenta["anomalias"].items())
    en = "" if informe.segundos is None else f" en {numero(informe.segundos, 0)} s"
    console.print(
        f"{numero(cuenta['lecturas'], 0)} lecturas de {cuenta['clientes']} clientes{en}. "
        f"Anomalías: {severidades}."
    )
    bien = True
    for texto, cierto in _settled_checks(informe, supervisor):
        bien = bien and cierto
        console.print(f"  {'[green]✓[/]' if cierto else '[red]✗[/]'} {texto}")
    tabla = Table("qué", "dónde", title="En marcha", title_justify="left")
    for que, donde in direcciones.items():
        tabla.add_row(que, donde)
    console.print(tabla)
    return bien


def describe_hora(historial: PostgresStore, hora: int, zona: str) -> str:
    """Return one line on an hour of live data."""
    cuando = instante(hora).astimezone(ZoneInfo(zona))
    anomalas = historial.anomalias_de_hora(hora)
    graves = [a for a in anomalas if a[1] in {Severidad.ALTA, Severidad.CRITICA}]
    texto = ", ".join(
        f"[{_COLORES[Severidad(severidad)]}]{cliente} {severidad}[/] ({', '.join(tipos)})"
        for cliente, severidad, tipos in graves
    )
    return f"{cuando:%d/%m %H:%M}  anomalías {len(anomalas)}  {texto or 'ninguna grave'}"


@contextmanager
def progress_bars(
    console: Console, total: int
) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """Give two functions that move the bars of what is sent and of what is stored."""
    if not console.is_terminal:
        with paso(console, f"Enviando {numero(total, 0)} lecturas a Kafka, que se puntúan"):
            yield lambda _n: None, _by_tenths(console, total)
        return
    with Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as progreso:
        enviar = progreso.add_task("Enviadas a Kafka", total=total)
        guardar = progreso.add_task("Guardadas con su veredicto", total=total)
        yield (
            lambda n: progreso.update(enviar, completed=n),
            lambda n: progreso.update(guardar, completed=n),
        )


def _by_tenths(console: Console, total: int) -> Callable[[int], None]:
    """Return what says each tenth of what is stored, once."""
    dichas = 0

    def guardadas(n: int) -> None:
        nonlocal dichas
        if 10 * n // total > dichas:
            dichas = 10 * n // total
            console.print(f"{numero(n, 0)} de {numero(total, 0)} guardadas con su veredicto.")

    return guardadas


def _ranking(informe: DemoReport) -> Table:
    clientes = informe.ranking(FILAS)
    motivos = informe.consultas.ranking.reasons(
        [c.propietario_id for c in clientes], MOTIVOS, informe.hasta
    )
    verdad = informe.verdad()
    tabla = Table(title="Clientes más sospechosos", title_justify="left", show_lines=True)
    tabla.add_column("cliente", no_wrap=True)
    tabla.add_column("motivos", ratio=1)
    for puesto, c in enumerate(clientes, 1):
        color = _COLORES[Severidad(c.severidad)]
        quien = [
            f"[bold]{puesto}. {c.propietario_id}[/]{' [bold red]sospechoso[/]' * c.es_sospechoso}",
            f"{c.anomalias} anomalías, máx. [{color}]{numero(c.score_maximo, 2)}[/]",
            f"[dim]en realidad: {verdad.get(c.propietario_id, 'normal')}[/]",
        ]
        suyos = [*c.motivos, *motivos.get(c.propietario_id, [])][:MOTIVOS]
        porque = suyos or ["sin anomalías"]
        tabla.add_row("\n".join(quien), "\n".join(f"- {motivo}" for motivo in porque))
    return tabla


def _settled_checks(informe: DemoReport, supervisor: Supervisor) -> list[tuple[str, bool]]:
    """Return what was checked, looked at again while a batch or an archiver is under way.

    Both stores are written one after the other: what is true of them is true once nothing moves.
    """
    limite = time.monotonic() + _CALMA_S
    while True:
        hechos = supervisor.insist(lambda: list(_checks(informe)))
        if all(cierto for _, cierto in hechos) or time.monotonic() > limite:
            return hechos
        supervisor.pause(PASO_INSISTIR_S)


def _checks(informe: DemoReport) -> Iterator[tuple[str, bool]]:
    """Yield each check of the scene's past, whatever else the stores hold, archived or not."""
    clientes = [c.propietario_id for c in informe.escena.poblacion()]
    tramo = informe.desde_hora, informe.escena.hasta_hora
    horas = informe.historial.count_by_hour(clientes, *tramo)
    esperadas = len(clientes) * max(0, tramo[1] - tramo[0])
    eliminadas = " que no se han eliminado" * (informe.desde_hora > informe.escena.desde_hora)
    yield (
        f"PostgreSQL tiene las {numero(esperadas, 0)} lecturas enviadas{eliminadas}, cada una una "
        "vez",
        sum(lecturas for lecturas, _ in horas.values()) == esperadas
        and all(lecturas == unicas for lecturas, unicas in horas.values()),
    )
    de_mongo = informe.anomalias.count_anomalies(clientes, *tramo)
    yield (
        f"las {numero(sum(de_mongo.values()), 0)} anomalías de MongoDB son las de PostgreSQL",
        de_mongo == informe.historial.count_anomalies(clientes, *tramo),
    )
    if informe.modelo:
        # What scored before it: the rules alone, and the base version, registered or not.
        con_modelo = {
            v: n
            for v, n in informe.historial.contar_versiones().items()
            if "+" in v and v.split("+")[0] not in {VERSION, f"{MODELO}-1"}
        }
        yield (
            "el consumidor ha tomado el modelo promovido sin parar"
            + "".join(f": {numero(n, 0)} con {v.split('+')[0]}" for v, n in con_modelo.items()),
            bool(con_modelo),
        )
