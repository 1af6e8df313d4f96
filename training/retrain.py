"""``consumo reentrenar``: drift or age -> train -> gate -> promote or not, each run written down.

::

    lock (one run at a time, on however many machines)
      why?      --forzar, no champion or a damaged one, its age, or drift; else nothing is done,
                nor days after a version was refused: of the same data comes the same one
      train     registers a challenger: all or nothing; too little history for a first one is
                no failure
      examine   challenger and champion on the same frozen data; kept with the version
      appoint   only if the gate says so and the champion is still the one that was compared
    historial_modelos: one document a run, failed ones included

A stop (SIGTERM, Ctrl-C) interrupts training and judging at once; moving the alias and writing the
run down are short and are never cut in two.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from detection.domain import SEGUNDOS_POR_HORA
from detection.errors import ConsumoError, ModeloInvalidoError, PermanentError
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.postgres.advisory_lock import exclusive
from serving.cli import HECHO, Parser, greater_than
from serving.model_versions import CAMPEON, is_base
from serving.registry import ModelRegistry
from serving.settings import Settings
from serving.shutdown import PASO_S, StopRequest, end_child
from training.promotion import examine, promote_accepted, who
from training.promotion_policy import Criterio, Politica

_LOG = logging.getLogger("reentrenamiento")

CERROJO_DE_REENTRENAR = "reentrenar"
NO_HACE_FALTA, PROMOVIDO, RECHAZADO, FALLIDO = "no hace falta", "promovido", "rechazado", "fallido"
PLAZO_DE_PARADA_S = 8.0
"""What a run has to end in when a stop is asked for: Docker kills after 10 s."""
SEGUNDOS_POR_DIA = 86_400.0
EJECUCIONES = 1000
"""Runs that are looked back on: three years of nights."""


def train_version(settings: Settings) -> int:
    """Return the number of a version that was trained on the stored history, and registered."""
    from training.fit import train

    return train(settings).version


@dataclass(slots=True)
class RetrainRun:
    """A run of the job, filled in as it goes; its fields are the document's."""

    # inicio, fin: aware.
    inicio: datetime
    fin: datetime
    motivo: str = ""  # why a model was trained, or why not, in Spanish
    semaforo: str | None = None  # the drift report's; None = drift was not measured
    resultado: str = FALLIDO  # ``NO_HACE_FALTA``, ``PROMOVIDO``, ``RECHAZADO`` or ``FALLIDO``
    detalle: str = ""  # what the gate said, or the error
    version: int | None = None  # the version that was trained; None = none
    criterios: Sequence[Criterio] = ()  # the gate's

    def documento(self) -> dict[str, Any]:
        """Return the run as ``historial_modelos`` keeps it."""
        return asdict(self)


def retrain(
    settings: Settings,
    parada: StopRequest,
    *,
    forzar: bool = False,
    politica: Politica | None = None,
    ahora: datetime | None = None,
    entrenar: Callable[[Settings], int] = train_version,
) -> RetrainRun | None:
    """Return what a run has done, already written down; None = another one is running.

    ``PermanentError``, ``TransientError``: the run failed, which is written down too; nothing is
    half registered. ``KeyboardInterrupt``: a stop was asked for in the middle of it.

    Parameters
    ----------
    forzar : bool
        Train although neither drift nor age ask for it. The gate is asked all the same.
    ahora : datetime or None
        Aware, when the run begins; None = now.
    entrenar : callable
        Registers a new version and returns its number.
    """
    with (
        closing(MongoModelLog(settings)) as historial,
        exclusive(settings, CERROJO_DE_REENTRENAR) as nuestro,
    ):
        if not nuestro:
            return None
        # Before the hard work: a run that cannot be written down is not begun.
        historial.ensure_indexes()
        inicio = ahora or datetime.now(UTC)
        ejecucion = RetrainRun(inicio, inicio)
        try:
            _advance(settings, parada, historial, ejecucion, forzar, politica, entrenar)
        except BaseException as error:
            ejecucion.resultado = FALLIDO
            ejecucion.detalle = _dicho(error)
            _append_anyway(historial, ejecucion)
            raise
        _append(historial, ejecucion)
    return ejecucion


@dataclass(frozen=True, slots=True)
class Razon:
    """Why to train, or why not."""

    motivo: str  # in Spanish
    entrena: bool = True  # which of the two it is
    renovacion: bool = False  # the champion is out of date, by its age or by drift
    danado: bool = False  # the champion cannot be loaded


def _advance(
    settings: Settings,
    parada: StopRequest,
    historial: MongoModelLog,
    ejecucion: RetrainRun,
    forzar: bool,
    politica: Politica | None,
    entrenar: Callable[[Settings], int],
) -> None:
    """Take a run from its reason to its end, noting every step in ``ejecucion``."""
    registro = ModelRegistry(settings)
    with parada.interruptible():
        razon = _reason(settings, registro, ejecucion, forzar)
        ejecucion.motivo = razon.motivo
        espera = None if forzar else _refused_lately(settings, historial, ejecucion)
        if razon.entrena and espera is not None:
            ejecucion.motivo = f"{razon.motivo}, pero {espera}"
        if not razon.entrena or espera is not None:
            ejecucion.resultado = NO_HACE_FALTA
            return
        _LOG.info("se reentrena: %s", ejecucion.motivo)
        from training.dataset import HistoriaCortaError

        try:
            version = entrenar(settings)
        except HistoriaCortaError as error:
            if _own_champion(registro) is not None:
                raise
            # A system is young before it has a first model: that is no failure of anybody's.
            ejecucion.motivo = f"{razon.motivo}, y todavía no puede haberlo: {error}"
            ejecucion.resultado = NO_HACE_FALTA
            return
        ejecucion.version = version
        campeon = registro.version_of(CAMPEON)
        juicio = examine(
            settings, registro, version, campeon, politica=politica, renovacion=razon.renovacion,
            suplir=razon.danado,
        )  # fmt: skip
        ejecucion.criterios = juicio.decision.criterios
        ejecucion.detalle = juicio.decision.motivo
    quien = f"consumo reentrenar, {who()}"
    promote_accepted(settings, registro, juicio, quien=quien)
    ejecucion.resultado = PROMOVIDO if juicio.decision.promueve else RECHAZADO


def _refused_lately(
    settings: Settings, historial: MongoModelLog, ejecucion: RetrainRun
) -> str | None:
    """Return why it is too soon to train again; None = it is not."""
    entrenadas = (e for e in historial.historial(EJECUCIONES) if e["version"] is not None)
    ultima = next(entrenadas, None)
    if ultima is None or ultima["resultado"] != RECHAZADO:
        return None
    dias = (ejecucion.inicio - ultima["inicio"]).total_seconds() / SEGUNDOS_POR_DIA
    if dias >= settings.deriva_dias:
        return None
    return (
        f"la versión {ultima['version']} se rechazó hace {_dias(dias)} y hasta los "
        f"{settings.deriva_dias} no se repite"
    )


def _reason(
    settings: Settings, registro: ModelRegistry, ejecucion: RetrainRun, forzar: bool
) -> Razon:
    campeon = _own_champion(registro)
    if campeon is None:
        return Razon("no hay campeón propio")
    creada = next((v.creada for v in registro.versions() if v.version == campeon), None)
    dias = (
        None if creada is None else (ejecucion.inicio - creada).total_seconds() / SEGUNDOS_POR_DIA
    )
    viejo = dias is not None and dias > settings.reentrenar_dias
    edad = f"el campeón (versión {campeon}) tiene {_dias(dias)}"
    motivos = ["se pide con --forzar"] if forzar else []
    if viejo:
        motivos.append(f"{edad}, más de {settings.reentrenar_dias}")
    deriva, danado = None, False
    try:
        deriva = _drift(settings, registro, ejecucion)
    except ModeloInvalidoError as error:
        deriva, danado = f"el campeón está dañado: {error}", True
    except PermanentError as error:
        # Too few recent readings: what else speaks for training still does.
        if not motivos:
            raise
        _LOG.warning("no se ha podido medir la deriva: %s", error)
    if deriva is not None:
        motivos.append(deriva)
    if motivos:
        return Razon("; ".join(motivos), True, viejo or deriva is not None, danado)
    return Razon(f"{edad} y el semáforo de la deriva está en {ejecucion.semaforo}", False)


def _own_champion(registro: ModelRegistry) -> int | None:
    """Return the champion; None = there is none, or the base version, which no customer taught."""
    campeon = registro.version_of(CAMPEON)
    if campeon is None or is_base(registro.tags_of(campeon)):
        return None
    return campeon


def _drift(settings: Settings, registro: ModelRegistry, ejecucion: RetrainRun) -> str | None:
    from training.drift import run_drift
    from training.drift_comparison import ROJO

    resultado = run_drift(settings, registro)
    ejecucion.semaforo = resultado.semaforo
    if resultado.semaforo != ROJO:
        return None
    return f"deriva en rojo: {', '.join(columna.nombre for columna in resultado.movidas)}"


def _dias(dias: float | None) -> str:
    if dias is None:
        return "edad desconocida"
    enteros = int(dias)
    return f"{enteros} {'día' if enteros == 1 else 'días'}"


def _dicho(error: BaseException) -> str:
    if isinstance(error, ConsumoError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrumpido"
    return f"defecto: {type(error).__name__}: {error}"


def _append(historial: MongoModelLog, ejecucion: RetrainRun) -> None:
    ejecucion.fin = datetime.now(UTC)
    historial.append_historial(ejecucion.documento())


def _append_anyway(historial: MongoModelLog, ejecucion: RetrainRun) -> None:
    """Write a failed run down; if that fails too, the first error is the one to tell."""
    try:
        _append(historial, ejecucion)
    except ConsumoError as error:
        _LOG.error("la ejecución fallida no se ha podido apuntar: %s", error)


def say(ejecucion: RetrainRun | None) -> str:
    """Return what a run has done in one line, for the user."""
    if ejecucion is None:
        return "otro reentrenamiento está en marcha; este no hace nada"
    if ejecucion.resultado == NO_HACE_FALTA:
        return f"no hace falta reentrenar: {ejecucion.motivo}"
    que = "es el nuevo campeón" if ejecucion.resultado == PROMOVIDO else "no se promueve"
    return (
        f"la versión {ejecucion.version} {que}: {ejecucion.detalle} (reentrenado porque "
        f"{ejecucion.motivo})"
    )


def keep_running(
    orden: Sequence[str],
    parada: StopRequest,
    cada_s: float,
    *,
    despedida_s: float = PLAZO_DE_PARADA_S,
) -> None:
    """Run a command now and every ``cada_s`` seconds, start to start, until a stop is asked for.

    A run is a process of its own: its memory goes with it, and whatever it dies of, the next one
    happens all the same. When a stop is asked for, it has ``despedida_s`` seconds to end in.
    """
    while not parada.pedida:
        inicio = time.monotonic()
        estado = _run_child(orden, parada, despedida_s)
        if estado != HECHO and not parada.pedida:
            _LOG.error("la ejecución ha fallado (estado %d); la próxima será a su hora", estado)
        parada.esperar(inicio + cada_s - time.monotonic())
    _LOG.info("reentrenamiento parado")


def _run_child(orden: Sequence[str], parada: StopRequest, despedida_s: float) -> int:
    """Return the exit status of a command, which a stop ends early."""
    with subprocess.Popen(orden) as hijo:
        while hijo.poll() is None and not parada.esperar(PASO_S):
            pass
        return end_child(hijo, despedida_s)


def main(argv: Sequence[str]) -> int:
    """Run the job once, or again and again."""
    parser = Parser(
        "consumo reentrenar",
        "Entrena y compara un modelo nuevo si hay deriva, si el campeón es viejo "
        "(REENTRENAR_DIAS) o si no hay ninguno, y lo hace campeón solo si es mejor. Cada ejecución "
        "y su motivo quedan en historial_modelos. Si ya hay otra en marcha, no hace nada.",
    )
    parser.add_argument(
        "--forzar",
        action="store_true",
        help="entrena aunque no haga falta; la comparación decide igualmente",
    )
    parser.add_argument(
        "--cada",
        type=greater_than(0.0),
        metavar="HORAS",
        help="se queda y lo repite cada tantas horas, hasta SIGTERM o Ctrl-C",
    )
    opciones, settings = parser.start(argv)
    with StopRequest() as parada:
        if opciones.cada is not None:
            forzar = ["--forzar"] if opciones.forzar else []
            orden = [sys.executable, "-m", "consumo", "reentrenar", *forzar]
            keep_running(orden, parada, opciones.cada * SEGUNDOS_POR_HORA)
        else:
            print(say(retrain(settings, parada, forzar=opciones.forzar)))  # noqa: T201
    return HECHO
