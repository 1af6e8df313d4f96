"""What readings look like to a version: its drift reference, and the recent days to compare with.

Both are drawn alike, from all customers: those under suspicion are on both sides, so their share
is no drift, and days after which everybody is under suspicion can still be looked at.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from detection.detector import DetectorConsumo, ScoringTrace
from detection.domain import HORAS_POR_DIA, Calendario
from detection.features.hourly import RASGOS
from detection.params import Params
from detection.scoring_model import ScoringModel
from training.calibrate import measure_retenidas
from training.dataset import Lector, Retenidas, load_retenidas
from training.history_reader import PASADO_HORAS, Elegidos, choose

REFERENCIA = "referencia.parquet"
"""Name of the reference among the side files of a package."""
CLIENTES = 200
"""Customers looked at: with two months each, 300 000 readings, which takes seconds. By hand,
2026-11-24."""
SEMANAS = 3
SEMILLA = 20_261_124
"""Of who they are: the same customers on both sides, while they are there."""
FILAS_REFERENCIA = 20_000
"""Rows of the drift reference. By hand, 2026-11-24: enough for the shape of any column."""


def read_sample(
    almacen: Lector,
    horas: tuple[int, int],
    *,
    particiones: int,
    semilla: int = SEMILLA,
    pasado_horas: int = PASADO_HORAS,
) -> tuple[Retenidas, Elegidos]:
    """Return readings of some customers of the absolute hours ``[desde, hasta)``, and who they are.

    They are drawn by lot among those who are read in each of the last three weeks: two fill the
    windows, and there is something to look at in the third.

    Parameters
    ----------
    particiones : int
        Of the topic, >= 1.
    pasado_horas : int
        Hours before, >= 0.

    Raises
    ------
    TransientError
        The history is away.
    """
    pasado = (horas[1] - SEMANAS * 7 * HORAS_POR_DIA, horas[1], SEMANAS)
    elegidos = choose(almacen, horas, pasado, CLIENTES, (semilla, "deriva"))
    por_particion = max(elegidos.conocidos, 1) / particiones
    ids = elegidos.clientes
    return load_retenidas(almacen, ids, horas, por_particion, pasado_horas), elegidos


def measure_columns(
    retenidas: Retenidas, modelo: ScoringModel, calendario: Calendario, params: Params
) -> dict[str, Any]:
    """Return what held-out readings look like to a version, column by column.

    Columns: the features, ``score_offline`` (raw), ``score_anomalia``, ``laborable`` (Monday to
    Friday) and ``hora`` (local). Readings without features are left out.
    """
    detector = DetectorConsumo(calendario, params)
    detector.use(modelo)
    return _columns(measure_retenidas(retenidas, detector), modelo)


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


def make_referencia(
    retenidas: Retenidas, modelo: ScoringModel, calendario: Calendario, params: Params, semilla: int
) -> bytes:
    """Return the drift reference of a version as Parquet, the columns of ``measure_columns``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columnas = measure_columns(retenidas, modelo, calendario, params)
    n = columnas["hora"].size
    if n > FILAS_REFERENCIA:
        rng = np.random.default_rng(semilla)
        filas = np.sort(rng.choice(n, FILAS_REFERENCIA, replace=False))
        columnas = {nombre: columna[filas] for nombre, columna in columnas.items()}
    salida = io.BytesIO()
    pq.write_table(pa.table(columnas), salida, compression="zstd")
    return salida.getvalue()
