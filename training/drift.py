"""``consumo deriva``: whether the last days still look like what the champion was measured on.

Both sides are made alike: a sample of all customers goes through the detector with the version,
from weeks before on, so that windows and online model are warm. Those under suspicion are on both
sides: their share is no drift, and days after which everybody is under suspicion can still be
looked at. The current scores are what the champion says, whichever version the stored verdicts
came from: a promotion in the middle of the days is no drift.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detection.detector import DetectorConsumo, ScoringTrace
from detection.domain import HORAS_POR_DIA, Calendario, hora_absoluta, instante
from detection.errors import ConsumoError, ModeloInvalidoError, PermanentError
from detection.features.hourly import RASGOS
from detection.number_format import numero
from detection.scoring_model import ScoringModel
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.postgres.store import PostgresStore, migrate
from serving.champion import load_version
from serving.cli import HECHO, Parser, entero
from serving.local_time import load_calendario
from serving.model_versions import CAMPEON, is_base
from serving.registry import ModelRegistry
from serving.settings import Settings
from training.calibrate import measure_held_out
from training.drift_comparison import ResultadoDeriva, compare_distributions
from training.history import (
    PASADO_HORAS,
    SEMILLA_ENTRENAMIENTO,
    DrawnCustomers,
    HeldOut,
    HistoryReader,
    draw_customers,
    load_held_out,
)

if TYPE_CHECKING:
    import pandas as pd

_LOG = logging.getLogger("deriva")

REFERENCIA = "referencia.parquet"
"""Name of the reference among the side files of a package."""
CLIENTES_MIRADOS = 200
"""Customers looked at: with two months each, 300 000 readings, which takes seconds. By hand,
2026-11-24."""
SEMANAS_CON_LECTURAS = 3
FILAS_REFERENCIA = 20_000
"""Rows of the drift reference. By hand, 2026-11-24: enough for the shape of any column."""
PASADO_DIAS = 56
"""Days before: 28 fill the windows, and 28 more teach the online model. By hand, 2026-11-24."""
CARPETA_DERIVA = "deriva"
"""Folder of the reports among the artifacts of the champion's run."""


@dataclass(frozen=True, slots=True)
class Recientes:
    """Which days are looked at: absolute hours ``[desde_hora, hasta_hora)``."""

    desde_hora: int
    hasta_hora: int

    @property
    def dias(self) -> int:
        """Return how many days they are."""
        return (self.hasta_hora - self.desde_hora) // HORAS_POR_DIA


@dataclass(frozen=True, slots=True, eq=False)
class DriftChampion:
    """The champion with its drift reference."""

    version: int
    modelo: ScoringModel
    referencia: pd.DataFrame


def read_sample(
    almacen: HistoryReader,
    horas: tuple[int, int],
    *,
    particiones: int,
    semilla: int = SEMILLA_ENTRENAMIENTO,
    pasado_horas: int = PASADO_HORAS,
) -> tuple[HeldOut, DrawnCustomers]:
    """Return readings of some customers of the absolute hours ``[desde, hasta)``, and who they are.

    They are drawn by lot among those who are read in each of the last three weeks: two fill the
    windows, and there is something to look at in the third.

    ``particiones``: of the topic, >= 1. ``pasado_horas``: hours before, >= 0. ``TransientError``:
    the history is away.
    """
    pasado = (horas[1] - SEMANAS_CON_LECTURAS * 7 * HORAS_POR_DIA, horas[1], SEMANAS_CON_LECTURAS)
    elegidos = draw_customers(almacen, horas, pasado, CLIENTES_MIRADOS, (semilla, "deriva"))
    por_particion = max(elegidos.conocidos, 1) / particiones
    ids = elegidos.clientes
    return load_held_out(almacen, ids, horas, por_particion, pasado_horas), elegidos


def measure_columns(
    retenidas: HeldOut, modelo: ScoringModel, calendario: Calendario
) -> dict[str, Any]:
    """Return what held-out readings look like to a version, column by column.

    Columns: the features, ``score_offline`` (raw), ``score_anomalia``, ``laborable`` (Monday to
    Friday) and ``hora`` (local). Readings without features are left out.
    """
    detector = DetectorConsumo(calendario)
    detector.use(modelo)
    return _columns(measure_held_out(retenidas, detector), modelo)


def _columns(crudos: ScoringTrace, modelo: ScoringModel) -> dict[str, Any]:
    listas = ~np.isnan(crudos.rasgos).any(axis=1)
    rasgos, veredictos = crudos.rasgos[listas], crudos.veredictos
    local = veredictos.hora_local[listas]
    return {
        **{nombre: rasgos[:, k] for k, nombre in enumerate(RASGOS)},
        "score_offline": modelo.bosque.scores(rasgos).astype(np.float32),
        "score_anomalia": veredictos.score_centesimas[listas].astype(np.float32) / 100,
        # 1970-01-01 was a Thursday, so Monday is 0 after adding 3.
        "laborable": (local // HORAS_POR_DIA + 3) % 7 < 5,
        "hora": (local % HORAS_POR_DIA).astype(np.int8),
    }


def reference_parquet(
    retenidas: HeldOut, modelo: ScoringModel, calendario: Calendario, semilla: int
) -> bytes:
    """Return the drift reference of a version as Parquet, the columns of ``measure_columns``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columnas = measure_columns(retenidas, modelo, calendario)
    n = columnas["hora"].size
    if n > FILAS_REFERENCIA:
        rng = np.random.default_rng(semilla)
        filas = np.sort(rng.choice(n, FILAS_REFERENCIA, replace=False))
        columnas = {nombre: columna[filas] for nombre, columna in columnas.items()}
    salida = io.BytesIO()
    pq.write_table(pa.table(columnas), salida, compression="zstd")
    return salida.getvalue()


def run_drift(
    settings: Settings,
    versiones: ModelRegistry,
    ahora: datetime | None = None,
    *,
    dias: int | None = None,
) -> ResultadoDeriva:
    """Return the drift of the last days against the champion, after storing its report.

    ``ahora``: aware, of the report; None = now. ``dias``: days, the newest stored reading the last;
    None = ``settings.deriva_dias``. ``PermanentError``: there is no champion, or too few readings.
    ``TransientError``: PostgreSQL, MongoDB or the registry is away.
    """
    ahora = ahora or datetime.now(UTC)
    campeon = load_champion(versiones)
    migrate(settings)
    with contextlib.closing(PostgresStore(settings)) as almacen:
        recientes = latest_days(almacen.contar()["hasta"], dias or settings.deriva_dias)
        actual, elegidos = read_actual(
            almacen, load_calendario(settings.zona_horaria), campeon.modelo, recientes,
            particiones=settings.kafka_particiones,
        )  # fmt: skip
    _LOG.info("se comparan lecturas de %s", elegidos)
    try:
        resultado = compare_distributions(campeon.referencia, actual, semilla=SEMILLA_ENTRENAMIENTO)
    except PermanentError as error:
        raise PermanentError(f"{error} (se han leído {elegidos})") from error
    with contextlib.closing(MongoModelLog(settings)) as modelos:
        modelos.ensure_indexes()
        modelos.save_informe(report_document(resultado, campeon, recientes, ahora, elegidos))
    _log_artifacts(versiones, campeon.version, resultado, ahora)
    return replace(resultado, clientes=str(elegidos))


def load_champion(versiones: ModelRegistry) -> DriftChampion:
    """Return the champion of a registry.

    ``PermanentError``: there is none, or its package is damaged.
    """
    import pandas as pd

    version = versiones.version_of(CAMPEON)
    if version is None or is_base(versiones.tags_of(version)):
        raise PermanentError(
            "no hay campeón propio con que comparar: haga antes «consumo entrenar» y «consumo "
            "promover»"
        )
    with tempfile.TemporaryDirectory(prefix="consumo-deriva-") as temporal:
        modelo, carpeta = load_version(versiones, version, Path(temporal), "campeón")
        if not (carpeta / REFERENCIA).is_file():
            raise ModeloInvalidoError(f"campeón (versión {version}): le falta «{REFERENCIA}»")
        return DriftChampion(version, modelo, pd.read_parquet(carpeta / REFERENCIA))


def latest_days(ultima: datetime | None, dias: int) -> Recientes:
    """Return the last ``dias`` times 24 hours up to the newest reading, itself included.

    ``PermanentError``: there is no reading.
    """
    if ultima is None:
        raise PermanentError("no hay lecturas con que medir la deriva: consumos_diarios está vacía")
    hasta = hora_absoluta(ultima) + 1
    return Recientes(hasta - dias * HORAS_POR_DIA, hasta)


def read_actual(
    almacen: HistoryReader,
    calendario: Calendario,
    modelo: ScoringModel,
    recientes: Recientes,
    *,
    particiones: int,
    semilla: int = SEMILLA_ENTRENAMIENTO,
) -> tuple[pd.DataFrame, DrawnCustomers]:
    """Return what recent readings look like to a version, in the columns of the reference.

    Readings without features are left out. The same history and seed give the same rows. Beside
    them, whose they are.

    ``particiones``: of the topic, >= 1. ``TransientError``: the history is away.
    """
    import pandas as pd

    miradas, elegidos = read_sample(
        almacen, (recientes.desde_hora, recientes.hasta_hora), particiones=particiones,
        semilla=semilla, pasado_horas=PASADO_DIAS * HORAS_POR_DIA,
    )  # fmt: skip
    return pd.DataFrame(measure_columns(miradas, modelo, calendario)), elegidos


def report_document(
    resultado: ResultadoDeriva,
    campeon: DriftChampion,
    recientes: Recientes,
    ahora: datetime,
    elegidos: DrawnCustomers,
) -> dict[str, object]:
    """Return the document of ``informes_deriva``, with plain values only."""
    resumen = {k: v for k, v in resultado.json.items() if k not in {"semaforo", "columnas"}}
    return {
        "fecha": ahora,
        "desde": instante(recientes.desde_hora),
        "hasta": instante(recientes.hasta_hora),
        "version": campeon.modelo.version,
        "semaforo": resultado.semaforo,
        "columnas": resultado.json["columnas"],
        "resumen": {
            "texto": str(resultado),
            "dias": recientes.dias,
            "clientes": str(elegidos),
            **resumen,
        },
        "html": resultado.html,
    }


def _log_artifacts(
    versiones: ModelRegistry, version: int, resultado: ResultadoDeriva, ahora: datetime
) -> None:
    """Put the report beside the champion in MLflow; where that fails, say so and go on."""
    nombre = f"deriva-{ahora.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    with tempfile.TemporaryDirectory(prefix="consumo-deriva-") as temporal:
        contenidos = {
            f"{nombre}.html": resultado.html,
            f"{nombre}.json": json.dumps(resultado.json, ensure_ascii=False, indent=2),
        }
        try:
            for fichero, contenido in contenidos.items():
                ruta = Path(temporal) / fichero
                ruta.write_text(contenido, encoding="utf-8")
                versiones.log_artifact_to(version, ruta, CARPETA_DERIVA)
        except ConsumoError as error:
            _LOG.warning("el informe queda en MongoDB pero no en MLflow: %s", error)


def say(resultado: ResultadoDeriva) -> str:
    """Return the light, and a line for every column that has moved, for the user."""
    lecturas = numero(resultado.filas_actual, 0)
    lineas = [f"Deriva: {resultado.semaforo} ({lecturas} lecturas recientes comparadas)"]
    if resultado.clientes:
        lineas.append(f"Son de {resultado.clientes}.")
    if resultado.movidas:
        lineas += ["Se han movido:", *(f"  {columna}" for columna in resultado.movidas)]
    else:
        lineas.append("Ninguna columna se ha movido.")
    if resultado.sin_comparar:
        lineas.append(f"Sin valores que comparar: {', '.join(resultado.sin_comparar)}")
    return "\n".join(lineas)


def main(argv: Sequence[str]) -> int:
    """Measure the drift, store its report, and print the light."""
    parser = Parser(
        "consumo deriva",
        "Compara los últimos días de PostgreSQL con la referencia del campeón (misma mezcla de "
        "laborables, fines de semana y horas) y guarda el informe en MongoDB y en MLflow. Verde: "
        "nada se ha movido; ámbar: algún rasgo; rojo: los scores o más de un tercio de los rasgos. "
        "El estado de salida es 0 sea cual sea el color.",
    )
    parser.add_argument(
        "--dias", type=entero(1, 90), metavar="N", help="días recientes (DERIVA_DIAS)"
    )
    opciones, settings = parser.start(argv)
    print(say(run_drift(settings, ModelRegistry(settings), dias=opciones.dias)))  # noqa: T201
    return HECHO
