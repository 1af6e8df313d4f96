"""Whether recent readings still look like those that a model was measured on.

Each column is compared by the Jensen-Shannon distance of its two histograms: 0 = the same, 0.83 =
nothing in common. It is a size and not a p-value, so it neither grows with the number of readings
nor takes the hours of one customer for independent ones.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from detection.errors import PermanentError
from detection.features.hourly import RASGOS
from detection.number_format import numero, porcentaje

if TYPE_CHECKING:
    import pandas as pd

COLUMNAS_SCORE: tuple[str, ...] = ("score_offline", "score_anomalia")
VERDE, AMBAR, ROJO = "verde", "ámbar", "rojo"

UMBRAL_RASGO = 0.35
UMBRAL_SCORE = 0.3
"""Jensen-Shannon distance from which a column has moved. Evidently's own 0.1 suits independent
rows; customers share their weather. By hand, 2026-11-24, on the generator's households through
this very path: seeds 1 to 7, 25 or 60 customers, three start dates, a normal week after one or two
normal months. Normal weeks reach 0.31 in a feature and 0.23 in a score, everybody at +60 % or -40 %
gives a score 0.41 at least."""
FRACCION_ROJA = 1 / 3
"""More features than this have moved: not one habit but the population. By hand, 2026-11-24."""
FILAS_MINIMAS = 500
"""Fewer readings fill a histogram of twelve bins with chance. By hand, 2026-11-24."""
FILAS_MAXIMAS = 50_000
"""Readings compared at most: the report takes seconds, and more would not change it. By hand,
2026-11-24."""


@dataclass(frozen=True, slots=True)
class ColumnaDeriva:
    """How far one column has moved."""

    nombre: str  # a feature or one of ``COLUMNAS_SCORE``
    estadistico: float  # Jensen-Shannon distance, 0 to 0.83
    umbral: float  # from here on it counts as moved
    movida: bool
    # media_referencia, media_actual: so that one sees in which direction.
    media_referencia: float
    media_actual: float

    def __str__(self) -> str:
        """Return it as a Spanish clause.

        Examples
        --------
        >>> str(ColumnaDeriva("nivel_dia", 0.41, 0.3, True, 0.5, 0.62))
        'nivel_dia (media de 0,50 a 0,62; distancia 0,41, umbral 0,30)'
        """
        antes, ahora = numero(self.media_referencia, 2), numero(self.media_actual, 2)
        distancia, umbral = numero(self.estadistico, 2), numero(self.umbral, 2)
        return f"{self.nombre} (media de {antes} a {ahora}; distancia {distancia}, umbral {umbral})"


@dataclass(frozen=True, slots=True, eq=False)
class ResultadoDeriva:
    """What a comparison has found."""

    semaforo: str  # "verde", "ámbar" or "rojo"
    columnas: tuple[ColumnaDeriva, ...]  # all that could be compared, features first
    sin_comparar: tuple[str, ...]  # columns with too few values on one side
    fraccion_movidas: float  # share of the compared features that have moved, 0 to 1
    # filas_referencia, filas_actual: readings that were compared.
    filas_referencia: int
    filas_actual: int
    html: str  # Evidently's report, one page that stands alone
    json: dict[str, Any]  # the same and ours, with plain values only
    clientes: str = ""  # whose recent readings they are, in Spanish

    @property
    def movidas(self) -> tuple[ColumnaDeriva, ...]:
        """Return the columns that have moved, those furthest over their threshold first."""
        movidas = [columna for columna in self.columnas if columna.movida]
        return tuple(sorted(movidas, key=lambda c: c.umbral - c.estadistico))

    def __str__(self) -> str:
        """Return the light and why, in one Spanish line."""
        if not self.movidas:
            return f"{self.semaforo}: ninguna columna se ha movido"
        rasgos = porcentaje(self.fraccion_movidas)
        cuales = ", ".join(map(str, self.movidas))
        return f"{self.semaforo}: se ha movido un {rasgos} de los rasgos; columnas: {cuales}"


def compare_distributions(
    referencia: pd.DataFrame, actual: pd.DataFrame, *, semilla: int = 0
) -> ResultadoDeriva:
    """Return how far the current readings have moved from the reference. Seeded.

    The reference is first resampled to the current mix of weekday or weekend and hour of day: what
    only tells that there are more Sundays in one of them is no drift.

    ``PermanentError``: one side has fewer than ``FILAS_MINIMAS`` readings, or lacks a column.

    Parameters
    ----------
    referencia, actual : DataFrame
        A row for each reading: the features (``RASGOS``), ``COLUMNAS_SCORE``, ``laborable`` (bool)
        and ``hora`` (0-23, local). NaN in a score = there is none; rows without features are left
        out.
    """
    rng = np.random.default_rng(semilla)
    referencia, actual = _ready(referencia, "la referencia"), _ready(actual, "los días recientes")
    actual = actual[_cells(actual).isin(_cells(referencia))]
    _check_rows(actual, "los días recientes, a las horas que tiene la referencia,")
    if len(actual) > FILAS_MAXIMAS:
        actual = actual.iloc[np.sort(rng.choice(len(actual), FILAS_MAXIMAS, replace=False))]
    referencia = match_season(referencia, actual, rng)
    columnas = [
        columna
        for columna in (*RASGOS, *COLUMNAS_SCORE)
        if min(referencia[columna].count(), actual[columna].count()) >= FILAS_MINIMAS
    ]
    estadisticos, html, evidently = _run_evidently(referencia, actual, columnas)
    medidas = tuple(
        _measured(columna, estadisticos[columna], referencia, actual) for columna in columnas
    )
    sin_comparar = tuple(c for c in (*RASGOS, *COLUMNAS_SCORE) if c not in columnas)
    semaforo, fraccion = traffic_light(medidas)
    resumen = {
        "semaforo": semaforo,
        "fraccion_movidas": fraccion,
        "columnas": [asdict(medida) for medida in medidas],
        "sin_comparar": list(sin_comparar),
        "filas_referencia": len(referencia),
        "filas_actual": len(actual),
        "evidently": evidently,
    }
    return ResultadoDeriva(
        semaforo, medidas, sin_comparar, fraccion, len(referencia), len(actual), html, resumen
    )


def _measured(
    columna: str, estadistico: float, referencia: pd.DataFrame, actual: pd.DataFrame
) -> ColumnaDeriva:
    umbral = threshold(columna)
    medias = (float(filas[columna].mean()) for filas in (referencia, actual))
    return ColumnaDeriva(columna, estadistico, umbral, estadistico >= umbral, *medias)


def threshold(columna: str) -> float:
    """Return the distance from which a column has moved."""
    return UMBRAL_SCORE if columna in COLUMNAS_SCORE else UMBRAL_RASGO


def traffic_light(columnas: Sequence[ColumnaDeriva]) -> tuple[str, float]:
    """Return the light, and the share of the features that have moved.

    Examples
    --------
    >>> traffic_light([ColumnaDeriva("score_offline", 0.5, 0.25, True, 0.4, 0.6)])
    ('rojo', 0.0)
    >>> traffic_light([ColumnaDeriva("nivel_dia", 0.1, 0.3, False, 0.5, 0.5)])
    ('verde', 0.0)
    """
    rasgos = [columna.movida for columna in columnas if columna.nombre not in COLUMNAS_SCORE]
    fraccion = sum(rasgos) / len(rasgos) if rasgos else 0.0
    if fraccion > FRACCION_ROJA or any(c.movida for c in columnas if c.nombre in COLUMNAS_SCORE):
        return ROJO, fraccion
    return (AMBAR if any(rasgos) else VERDE), fraccion


def match_season(
    referencia: pd.DataFrame, actual: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Return reference rows in the current mix of weekday or weekend and hour of day.

    They are drawn at random, and with repetition only where there are too few.

    ``referencia``, ``actual``: every (``laborable``, ``hora``) of ``actual`` occurs in
    ``referencia``.
    """
    filas = min(len(referencia), FILAS_MAXIMAS)
    celda = _cells(referencia).to_numpy()
    elegidas = []
    for cual, fraccion in _cells(actual).value_counts(normalize=True).sort_index().items():
        candidatas = np.flatnonzero(celda == cual)
        n = max(1, round(fraccion * filas))
        elegidas.append(rng.choice(candidatas, n, replace=n > candidatas.size))
    return referencia.iloc[np.sort(np.concatenate(elegidas))]


def _cells(filas: pd.DataFrame) -> pd.Series:
    """Return (n,) a number for weekday or weekend and hour of day."""
    return filas["laborable"].astype(np.int64) * 24 + filas["hora"].astype(np.int64)


def _ready(filas: pd.DataFrame, cual: str) -> pd.DataFrame:
    faltan = [c for c in (*RASGOS, *COLUMNAS_SCORE, "laborable", "hora") if c not in filas.columns]
    if faltan:
        raise PermanentError(f"a {cual} de la deriva le faltan columnas: {', '.join(faltan)}")
    listas = filas[filas[list(RASGOS)].notna().all(axis=1)]
    _check_rows(listas, cual)
    return listas


def _check_rows(filas: pd.DataFrame, cual: str) -> None:
    if len(filas) < FILAS_MINIMAS:
        raise PermanentError(
            f"no hay lecturas bastantes para medir la deriva: {cual} tiene {len(filas)} con "
            f"historia suficiente y hacen falta {FILAS_MINIMAS}"
        )


def _run_evidently(
    referencia: pd.DataFrame, actual: pd.DataFrame, columnas: Sequence[str]
) -> tuple[dict[str, float], str, dict[str, Any]]:
    """Return the distance by column, the page, and what Evidently says as plain values."""
    # Evidently reports its use to its makers unless this is set; it has no other switch.
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definicion = DataDefinition(numerical_columns=list(columnas))
    informe = Report(
        [
            DataDriftPreset(
                columns=list(columnas),
                method="jensenshannon",
                per_column_threshold={columna: threshold(columna) for columna in columnas},
                drift_share=FRACCION_ROJA,
            )
        ]
    )
    datos = [
        Dataset.from_pandas(
            filas[list(columnas)].astype(np.float64).reset_index(drop=True),
            data_definition=definicion,
        )
        for filas in (actual, referencia)
    ]
    with warnings.catch_warnings():
        # A column that does not vary has no correlation with the others: nothing is wrong.
        warnings.simplefilter("ignore", RuntimeWarning)
        resultado = informe.run(*datos)
        html = resultado.get_html_str(as_iframe=False)
        contenido: dict[str, Any] = json.loads(resultado.json())
    estadisticos = {
        medida["config"]["column"]: float(medida["value"])
        for medida in contenido["metrics"]
        if medida["config"]["type"].endswith(":ValueDrift")
    }
    return estadisticos, html, contenido
