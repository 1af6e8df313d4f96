"""``consumo mantenimiento``: the night's work, in its order, by one machine at a time.

::

    casos         the hours that came since a case was judged get its verdict
    agregar       months that have changed, while their readings are still where they were
    archivar      what is older than 30 days
    particiones   room for the months to come
    memoria       days that the case clock is done with, out of its memory
    reentrenar    whether the last days still look like what the champion was measured on, and a
                  new model if that, or the champion's age, asks for it

A step that fails keeps none of the others from their work, since none needs what another leaves:
months are added up from the archive as well, so archiving after a failed aggregation only makes
the next one look there, and partitions that are missing are made by the save that needs them.
The exit status says whether all went well.

Steps are processes of their own, with a memory that goes with them, but for those that only tell
PostgreSQL what to do.
Drift is measured, and its report stored, by ``reentrenar`` alone: once a night. That a system is
still too young for a first model it says itself, for training knows what it needs; no failure.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from detection.errors import ConsumoError, TransientError
from detection.number_format import numero
from pipeline.stores.alert_records import Night
from pipeline.stores.mongo.alert_log import MongoAlertLog
from pipeline.stores.mongo.case_moves import MongoCaseMoves
from pipeline.stores.postgres.advisory_lock import exclusive
from pipeline.stores.postgres.archive import PostgresArchive
from pipeline.stores.postgres.audit import AuditoriaPostgres
from pipeline.stores.postgres.migrations.apply import migrate
from serving.cli import FALLO, HECHO, Parser
from serving.settings import Settings
from serving.shutdown import StopRequest, end_child

_LOG = logging.getLogger("mantenimiento")

_CERROJO = "mantenimiento"
MESES_ADELANTE = 2
"""Partitions ahead, as many as the migration makes; a reading is of tomorrow at the latest."""
_PASO_S = 0.1
_DESPEDIDA_S = 8.0
"""What a step has to end in when a stop is asked for: Docker kills after 10 s."""


@dataclass(frozen=True, slots=True)
class ResultadoPaso:
    """How a step ended."""

    estado: int  # its exit status
    dicho: str  # what it said of its work; of a failure, its last line


@dataclass(frozen=True, slots=True)
class Paso:
    """A step of the night."""

    nombre: str
    # Does it; raises ``KeyboardInterrupt`` where a stop is asked for meanwhile.
    hacer: Callable[[StopRequest], ResultadoPaso]


def make_steps(settings: Settings, *, con_modelos: bool) -> list[Paso]:
    """Return the steps of the night, in their order."""
    pasos = [
        # Before the archiver takes them, and before training learns from them.
        Paso("casos", lambda _parada: _judge_hours(settings)),
        _verb("agregar"),
        _verb("archivar"),
        Paso("particiones", lambda _parada: _make_partitions(settings)),
        Paso("memoria", lambda _parada: _forget_old_days(settings)),
    ]
    return [*pasos, _verb("reentrenar")] if con_modelos else pasos


def _verb(nombre: str) -> Paso:
    orden = [sys.executable, "-m", "consumo", nombre]
    return Paso(nombre, lambda parada: run_child(orden, parada))


def maintain(settings: Settings, pasos: Sequence[Paso], parada: StopRequest) -> dict[str, str]:
    """Return the steps that failed, by name, with what each said; after all of them.

    ``TransientError``: another one is at work, or PostgreSQL, which keeps the lock, is away.
    ``KeyboardInterrupt``: a stop was asked for: the step at work was ended, those after it were not
    begun.
    """
    with exclusive(settings, _CERROJO) as nuestro:
        if not nuestro:
            raise TransientError(
                "hay otro mantenimiento en marcha; este no hace nada", retry_after_s=60
            )
        hechos = {paso.nombre: _run_step(paso, parada) for paso in pasos}
        return {nombre: r.dicho for nombre, r in hechos.items() if r.estado != HECHO}


def _run_step(paso: Paso, parada: StopRequest) -> ResultadoPaso:
    """Return how a step ended, after a line in the log that says it."""
    if parada.pedida:
        raise KeyboardInterrupt
    inicio = time.monotonic()
    try:
        resultado = paso.hacer(parada)
    except KeyboardInterrupt:
        _LOG.warning("%s: interrumpido", paso.nombre)
        raise
    except ConsumoError as error:
        resultado = ResultadoPaso(FALLO, str(error))
    cuanto = f"{numero(time.monotonic() - inicio, 1)} s (estado {resultado.estado})"
    if resultado.estado == HECHO:
        _LOG.info("%s: hecho en %s: %s", paso.nombre, cuanto, resultado.dicho)
    else:
        _LOG.error("%s: ha fallado en %s: %s", paso.nombre, cuanto, resultado.dicho)
    return resultado


def run_child(
    orden: Sequence[str], parada: StopRequest, *, despedida_s: float = _DESPEDIDA_S
) -> ResultadoPaso:
    """Return how a command ended; a stop that is asked for ends it first.

    ``despedida_s``: what it has to end in then, before it is killed. ``KeyboardInterrupt``: it was
    asked for.
    """
    with tempfile.TemporaryFile("w+") as salida, tempfile.TemporaryFile("w+") as errores:
        hijo = subprocess.Popen(orden, stdin=subprocess.DEVNULL, stdout=salida, stderr=errores)
        try:
            while hijo.poll() is None:
                if parada.esperar(_PASO_S):
                    raise KeyboardInterrupt
        finally:
            end_child(hijo, despedida_s)
        dicho, quejas = _lines(salida), _lines(errores)
    for linea in quejas:
        _LOG.debug("%s", linea)
    if hijo.returncode == HECHO:
        return ResultadoPaso(HECHO, "; ".join(dicho) or "sin nada que decir")
    ultima = [*dicho, *quejas][-1:] or ["sin explicación"]
    return ResultadoPaso(hijo.returncode, ultima[0].removeprefix("error: "))


def _lines(salida: Any) -> list[str]:
    salida.seek(0)
    return [linea.strip() for linea in salida if linea.strip()]


def _judge_hours(settings: Settings) -> ResultadoPaso:
    hoy = datetime.now(ZoneInfo(settings.zona_horaria)).date()
    with closing(MongoCaseMoves(settings)) as casos, closing(AuditoriaPostgres(settings)) as quien:
        horas = casos.judge_hours(hoy, quien.turn)
    hecho = {0: "ninguna hora que juzgar", 1: "1 hora juzgada"}.get(horas)
    return ResultadoPaso(HECHO, hecho or f"{numero(horas, 0)} horas juzgadas")


def _make_partitions(settings: Settings) -> ResultadoPaso:
    migrate(settings)
    with closing(PostgresArchive(settings)) as archivo:
        nuevas = archivo.ensure_partitions(datetime.now(UTC).date(), MESES_ADELANTE)
    texto = {0: "ya estaban todas", 1: "1 nueva"}.get(nuevas, f"{nuevas} nuevas")
    return ResultadoPaso(HECHO, texto)


def _forget_old_days(settings: Settings) -> ResultadoPaso:
    migrate(settings)
    with closing(PostgresArchive(settings)) as archivo:
        meses = archivo.forget_old_days()
    hecho = {0: "nada que olvidar", 1: "1 mes olvidado"}.get(meses)
    return ResultadoPaso(HECHO, hecho or f"{numero(meses, 0)} meses olvidados")


def _remember(settings: Settings, noche: Night) -> None:
    """Keep how the night went, for ``consumo avisos``; without MongoDB it is told by the log."""
    try:
        with closing(MongoAlertLog(settings)) as apuntes:
            apuntes.save_night(noche)
    except ConsumoError as error:
        _LOG.warning("no queda apuntado cómo fue la noche: %s", error)


def say(pasos: Sequence[Paso], fallidos: Collection[str], segundos: float) -> str:
    """Return the line of the whole night, for the user."""
    hechos = f"mantenimiento: {len(pasos) - len(fallidos)} de {len(pasos)} pasos sin fallos"
    cuales = f"; falla{'n' * (len(fallidos) > 1)} {', '.join(fallidos)}" if fallidos else ""
    return f"{hechos}{cuales}; {numero(segundos, 0)} s"


def main(argv: Sequence[str]) -> int:
    """Do the night's work once, and say how it went."""
    parser = Parser(
        "consumo mantenimiento",
        "El trabajo de cada noche, para cron: dar el veredicto de cada caso a sus horas nuevas, "
        "agregar, archivar, crear las particiones de los "
        "meses que vienen, olvidar los días de hace más de trece meses, medir la deriva y "
        "reentrenar. Cada paso deja una línea en el registro; "
        "si uno falla se hacen los demás y el estado de salida es 1. Mientras no haya historia "
        "para un primer modelo, los pasos de los modelos no cuentan como fallos. Uno a la vez, "
        "aunque haya varias máquinas.",
    )
    parser.add_argument(
        "--sin-modelos", action="store_true", help="sin medir la deriva ni reentrenar"
    )
    opciones, settings = parser.start(argv)
    inicio, empezada = time.monotonic(), datetime.now(UTC)
    with StopRequest() as parada:
        pasos = make_steps(settings, con_modelos=not opciones.sin_modelos)
        fallidos = maintain(settings, pasos, parada)
        _remember(settings, Night(empezada, datetime.now(UTC), len(pasos), fallidos))
    print(say(pasos, fallidos, time.monotonic() - inicio))  # noqa: T201
    return FALLO if fallidos else HECHO
