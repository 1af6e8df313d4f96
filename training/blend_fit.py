"""The learned blend: boosted trees over what the detectors say and what is remembered.

It learns from what ``blend_examples`` makes of clean customers, and starts from the base version's
trees: the score is the mean of both, in which the utility's own weigh the more the more customers
there are. Nobody's own readings calibrate it: in turn, a part of the customers is left out, the
trees that never saw them score their clean days, and the tails of all of these scores are the
version's. The trees that are kept have seen everybody.

Boosting is scikit-learn's histogram one (G. Ke et al., "LightGBM", NeurIPS 2017, is its model); a
detector's excess can only raise the score (``detection.blend.learned.CRECIENTES``).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detection.blend.learned import COLUMNAS, CRECIENTES, RECORD_COLUMNS, LearnedBlend, rarest
from detection.domain import Calendario, Lecturas, stack, take
from detection.errors import PermanentError
from detection.models.boosted_trees import FlatBoostedTrees
from detection.models.tails import EmpiricalTail
from detection.scoring_model import ScoringModel
from training.blend_examples import CLIENTE_LIMPIO, PARTES, Ejemplos, make_ejemplos
from training.boosting import CAJAS, find_cortes, fit_boosted, to_cajas

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

_LOG = logging.getLogger("entrenamiento")

LIMPIOS_MINIMOS = 20
"""Fewer clean customers say too little of what is ordinary. By hand, 2026-11-24."""
CLIENTES_DE_BASE = 60
"""Clean customers whose trees weigh as much as the base version's. By hand, 2026-11-30."""
ARBOLES, HOJAS, NIVELES, MINIMO_HOJA, PASO, L2 = 100, 31, 6, 60, 0.1, 20.0
"""Of the boosting. Chosen on the development half of the Swiss households by cross-validation over
customers, 2026-11-29: leaves of 500 readings cannot tell a few odd homes apart, and 200 smaller
steps gain nothing."""
FRACCION_HOJA = 1 / 400
"""Where there are few readings, a leaf holds this share of them at least."""


def learn_mezcla(
    limpias: Lecturas,
    modelo: ScoringModel,
    calendario: Calendario,
    *,
    semilla: int,
    dichos: Ejemplos | None = None,
    base: LearnedBlend | None = None,
) -> LearnedBlend | None:
    """Return a blend; where there is too little to learn it from, the base version's.

    None: there is neither, or what was learnt is no better than the weighted blend.

    Parameters
    ----------
    limpias : Lecturas
        Clean readings of customers that the forest did not learn from.
    modelo : ScoringModel
        Forest and calibrations of the version, without a learned blend.
    dichos : Ejemplos, optional
        What analysts said (``read_reviewed``).
    base : LearnedBlend, optional
        The base version's.
    """
    clientes = len(set(limpias.propietario_id))
    if clientes < LIMPIOS_MINIMOS:
        _LOG.info("de menos de %d clientes limpios la mezcla no aprende", LIMPIOS_MINIMOS)
        return base
    try:
        ejemplos = make_ejemplos(limpias, modelo, calendario, semilla)
    except PermanentError as error:
        _LOG.info("la mezcla no aprende: %s", error)
        return base
    return fit_mezcla(ejemplos, semilla, dichos, base)


def fit_mezcla(
    ejemplos: Ejemplos,
    semilla: int,
    dichos: Ejemplos | None = None,
    base: LearnedBlend | None = None,
) -> LearnedBlend | None:
    """Return the blend that examples teach, None if it is no better than the weighted one.

    Better: a higher average precision than the weighted blend's, on customers left out.
    """
    clientes = np.unique(ejemplos.cliente).size
    propia = 1.0 if base is None else clientes / (clientes + CLIENTES_DE_BASE)
    fuera = _left_out(ejemplos, dichos, semilla)
    if base is not None:
        fuera = propia * fuera + (1.0 - propia) * base.arboles.scores(ejemplos.columnas)
    aprendida, pesada = (_precision(ejemplos, s) for s in (fuera, ejemplos.score))
    _LOG.info(
        "mezcla aprendida de %d lecturas: precisión media %.3f en clientes que no vio; "
        "la ponderada, %.3f; al azar, %.3f", ejemplos.sospechosa.size, aprendida, pesada,
        np.average(ejemplos.sospechosa, weights=ejemplos.peso),
    )  # fmt: skip
    if aprendida <= pesada:
        return None
    arboles = fit_arboles(ejemplos, semilla, dichos)
    if base is not None:
        arboles = arboles.mean_with(base.arboles, propia)
    return LearnedBlend(arboles, *_tails(ejemplos, fuera))


def fit_arboles(
    ejemplos: Ejemplos, semilla: int, dichos: Ejemplos | None = None
) -> FlatBoostedTrees:
    """Return the trees that examples, and what analysts said, teach."""
    juntos = ejemplos if dichos is None else stack([ejemplos, dichos])
    cortes = find_cortes(juntos.columnas, juntos.peso, semilla)
    return FlatBoostedTrees.from_sklearn(_fit(juntos, cortes, semilla), cortes)


def _tails(
    ejemplos: Ejemplos, fuera: NDArray[np.float64]
) -> tuple[tuple[EmpiricalTail, ...], EmpiricalTail]:
    """Return the tails of clean readings: of the trees, of each record, of the rarest of all.

    Plain ones: what a few odd customers do is in them as it came, for the alert budget is a mean
    over customers, too.
    """
    limpia = (ejemplos.tipo == CLIENTE_LIMPIO) & ~np.isnan(fuera)
    columnas = ejemplos.columnas[limpia]
    colas = (
        EmpiricalTail.fit(fuera[limpia]),
        *(EmpiricalTail.fit(columnas[:, j].astype(np.float64)) for j in RECORD_COLUMNS),
    )
    return colas, EmpiricalTail.fit(rarest(fuera[limpia], columnas, colas))


def _left_out(ejemplos: Ejemplos, dichos: Ejemplos | None, semilla: int) -> NDArray[np.float64]:
    """Return the score (n,) of each row by trees that never saw its customer."""
    fuera = np.full(ejemplos.sospechosa.size, np.nan)
    for parte in range(PARTES):
        suya = ejemplos.parte == parte
        resto = take(ejemplos, ~suya)
        if not suya.any() or not resto.sospechosa.any() or resto.sospechosa.all():
            continue
        arboles = fit_arboles(resto, semilla, dichos)
        fuera[suya] = arboles.scores(ejemplos.columnas[suya])
    return fuera


def _fit(
    ejemplos: Ejemplos, cortes: Sequence[NDArray[np.float32]], semilla: int
) -> HistGradientBoostingClassifier:
    from sklearn.ensemble import HistGradientBoostingClassifier

    clasificador = HistGradientBoostingClassifier(
        max_iter=ARBOLES, learning_rate=PASO, max_leaf_nodes=HOJAS, max_depth=NIVELES,
        min_samples_leaf=max(min(MINIMO_HOJA, int(FRACCION_HOJA * ejemplos.peso.size)), 20),
        l2_regularization=L2, max_bins=CAJAS, early_stopping=False, random_state=semilla,
        monotonic_cst=[int(nombre in CRECIENTES) for nombre in COLUMNAS],
    )  # fmt: skip
    cajas = to_cajas(ejemplos.columnas, cortes)
    return fit_boosted(clasificador, cajas, ejemplos.sospechosa, ejemplos.peso)


def _precision(ejemplos: Ejemplos, scores: NDArray) -> float:
    from sklearn.metrics import average_precision_score

    hay = ~np.isnan(scores.astype(np.float64))
    return float(
        average_precision_score(
            ejemplos.sospechosa[hay], scores[hay], sample_weight=ejemplos.peso[hay]
        )
    )
