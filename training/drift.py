"""``consumo deriva``: whether the last days still look like what the champion was measured on.

The current side is made exactly as the reference was: a sample of customers goes through the
detector with the champion, from weeks before on, so that both windows and online model are warm.
Its scores are what this version says, whichever version the stored verdicts came from: a promotion
in the middle of the days is no drift.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from detection.detector import Crudos, DetectorConsumo
from detection.dominio import HORAS_POR_DIA, Calendario, hora_absoluta, instante
from detection.errors import ConsumoError, ModeloInvalidoError, PermanentError
from detection.features import RASGOS
from detection.modelo import Modelo
from detection.params import Params
from detection.textos import numero
from pipeline.almacenes.mongo_modelos import ModelosMongo
from pipeline.almacenes.postgres import PostgresStore, migrate
from serving.cli import HECHO, Parser, entero, run
from serving.logs import configure_logs
from serving.paquete import load_paquete
from serving.settings import Settings, load_settings
from serving.versiones import CAMPEON, MODELO
from serving.zona import load_calendario
from training.calibrate import measure_retenidas
from training.dataset import (
    Lector,
    Retenidas,
    by_lot,
    partition_of,
    readings_of,
)
from training.drift_informe import ResultadoDeriva, compare
from training.train import REFERENCIA

if TYPE_CHECKING:
    import pandas as pd

_LOG = logging.getLogger("deriva")

CLIENTES = 200
"""Customers looked at, as many as made the reference at most: with two months each, 300 000
readings, which takes seconds. By hand, 2026-11-24."""
PASADO_DIAS = 56
"""Days before: 28 fill the windows, and 28 more teach the online model. By hand, 2026-11-24."""
SEMILLA = 20_261_124
CARPETA = "deriva"
"""Folder of the reports among the artifacts of the champion's run."""


class Versiones(Protocol):
    """What is asked of the registry (``serving.registry.Registro`` gives it)."""

    def version_of(self, alias: str) -> int | None:
        """Return the version that an alias stands for."""
        ...

    def download(self, version: int, destino: Path) -> Path:
        """Return ``destino``, which then holds a version's package."""
        ...

    def log_artifact_to(self, version: int, fichero: Path, carpeta: str) -> None:
        """Put a file beside a version."""
        ...


@dataclass(frozen=True, slots=True)
class Recientes:
    """Which days are looked at: absolute hours ``[desde_hora, hasta_hora)``.

    Parameters
    ----------
    desde_hora, hasta_hora : int
    """

    desde_hora: int
    hasta_hora: int

    @property
    def dias(self) -> int:
        """Return how many days they are."""
        return (self.hasta_hora - self.desde_hora) // HORAS_POR_DIA


@dataclass(frozen=True, slots=True, eq=False)
class Campeon:
    """The champion with its drift reference.

    Parameters
    ----------
    version : int
    modelo : Modelo
    referencia : DataFrame
    """

    version: int
    modelo: Modelo
    referencia: pd.DataFrame


def run_drift(
    settings: Settings, ahora: datetime | None = None, *, dias: int | None = None
) -> ResultadoDeriva:
    """Return the drift of the last days against the champion, after storing its report.

    Parameters
    ----------
    ahora : datetime or None
        Aware, of the report; None = now.
    dias : int or None
        Days, the newest stored reading the last; None = ``settings.deriva_dias``.

    Raises
    ------
    PermanentError
        There is no champion, or too few readings.
    TransientError
        PostgreSQL, MongoDB or the registry is away.
    """
    from serving.registry import Registro

    return measure_drift(
        settings, Registro(settings), ahora or datetime.now(UTC), dias or settings.deriva_dias
    )


def measure_drift(
    settings: Settings, versiones: Versiones, ahora: datetime, dias: int
) -> ResultadoDeriva:
    """Return the drift against the champion of a registry, stored; see ``run_drift``."""
    campeon = load_champion(versiones)
    migrate(settings)
    with contextlib.closing(PostgresStore(settings)) as almacen:
        recientes = latest_days(almacen.contar()["hasta"], dias)
        actual = read_actual(
            almacen, load_calendario(settings.zona_horaria), Params(), campeon.modelo, recientes,
            particiones=settings.kafka_particiones,
        )  # fmt: skip
    resultado = compare(campeon.referencia, actual, semilla=SEMILLA)
    with contextlib.closing(ModelosMongo(settings)) as modelos:
        modelos.ensure_indexes()
        modelos.save_informe(make_documento(resultado, campeon, recientes, ahora))
    _log_artifacts(versiones, campeon.version, resultado, ahora)
    return resultado


def load_champion(versiones: Versiones) -> Campeon:
    """Return the champion of a registry.

    Raises
    ------
    PermanentError
        There is none, or its package is damaged.
    """
    import pandas as pd

    version = versiones.version_of(CAMPEON)
    if version is None:
        raise PermanentError(
            "no hay campeón con que comparar: haga antes «consumo entrenar» y «consumo promover»"
        )
    with tempfile.TemporaryDirectory(prefix="consumo-deriva-") as temporal:
        carpeta = versiones.download(version, Path(temporal) / "paquete")
        modelo = load_paquete(carpeta, f"{MODELO}-{version}")
        if not (carpeta / REFERENCIA).is_file():
            raise ModeloInvalidoError(f"a la versión {version} le falta «{REFERENCIA}»")
        return Campeon(version, modelo, pd.read_parquet(carpeta / REFERENCIA))


def latest_days(ultima: datetime | None, dias: int) -> Recientes:
    """Return the last ``dias`` times 24 hours up to the newest reading, itself included.

    Raises
    ------
    PermanentError
        There is no reading.

    Examples
    --------
    >>> latest_days(datetime(2026, 1, 8, 23, tzinfo=UTC), 7).desde_hora
    490920
    """
    if ultima is None:
        raise PermanentError("no hay lecturas con que medir la deriva: consumos_diarios está vacía")
    hasta = hora_absoluta(ultima) + 1
    return Recientes(hasta - dias * HORAS_POR_DIA, hasta)


def read_actual(
    almacen: Lector,
    calendario: Calendario,
    params: Params,
    modelo: Modelo,
    recientes: Recientes,
    *,
    particiones: int,
    semilla: int = SEMILLA,
) -> pd.DataFrame:
    """Return what recent readings look like to a version, in the columns of the reference.

    Readings without features are left out. The same history and seed give the same rows.

    Parameters
    ----------
    particiones : int
        Of the topic, >= 1.

    Raises
    ------
    TransientError
        The history is away.
    """
    conocidos = almacen.customers(recientes.desde_hora, recientes.hasta_hora)
    ids = sorted(by_lot(conocidos, semilla, "deriva")[:CLIENTES])
    antes = PASADO_DIAS * HORAS_POR_DIA
    historia = almacen.load_range(ids, recientes.desde_hora - antes, recientes.hasta_hora)
    orden = np.lexsort((historia.indice, historia.hora_utc))
    lecturas = readings_of(ids, historia).elegir(orden)
    particion = np.array([partition_of(p, particiones) for p in ids], np.int32)
    detector = DetectorConsumo(calendario, params)
    detector.use(modelo)
    miradas = Retenidas(
        lecturas, particion[historia.indice[orden]], lecturas.hora_utc >= recientes.desde_hora
    )
    return _table(measure_retenidas(miradas, detector), modelo)


def _table(crudos: Crudos, modelo: Modelo) -> pd.DataFrame:
    """Return what was measured, as ``training.train.make_referencia`` lays it out."""
    import pandas as pd

    listas = ~np.isnan(crudos.rasgos).any(axis=1)
    rasgos = crudos.rasgos[listas]
    local = crudos.veredictos.hora_local[listas]
    return pd.DataFrame(
        {
            **{nombre: rasgos[:, k] for k, nombre in enumerate(RASGOS)},
            "score_offline": modelo.bosque.scores(rasgos).astype(np.float32),
            "score_anomalia": crudos.veredictos.score_centesimas[listas].astype(np.float32) / 100,
            # 1970-01-01 was a Thursday, so Monday is 0 after adding 3.
            "laborable": (local // HORAS_POR_DIA + 3) % 7 < 5,
            "hora": (local % HORAS_POR_DIA).astype(np.int8),
        }
    )


def make_documento(
    resultado: ResultadoDeriva, campeon: Campeon, recientes: Recientes, ahora: datetime
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
        "resumen": {"texto": str(resultado), "dias": recientes.dias, **resumen},
        "html": resultado.html,
    }


def _log_artifacts(
    versiones: Versiones, version: int, resultado: ResultadoDeriva, ahora: datetime
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
                versiones.log_artifact_to(version, ruta, CARPETA)
        except ConsumoError as error:
            _LOG.warning("El informe queda en MongoDB pero no en MLflow: %s", error)


def say(resultado: ResultadoDeriva) -> str:
    """Return the light, and a line for every column that has moved, for the user."""
    lecturas = numero(resultado.filas_actual, 0)
    lineas = [f"Deriva: {resultado.semaforo} ({lecturas} lecturas recientes comparadas)"]
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
    opciones = parser.parse_args(argv)
    settings = load_settings()
    configure_logs(settings.nivel_log)
    print(say(run_drift(settings, dias=opciones.dias)))  # noqa: T201
    return HECHO


if __name__ == "__main__":
    sys.exit(run(main))
