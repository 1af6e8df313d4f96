"""What a version knows of innocent kinds: trees that tell what has most likely changed.

They learn from the rows that the model of cases learns from: an innocent event that goes on is of
its kind; clean homes, attacks, and events that are over or that no day shows are of none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detection.domain import TIPOS_INOCENTES, TipoInocente
from detection.models.boosted_trees import FlatClassTrees
from training.boosting import fit_boosted
from training.case_population import INOCENTE
from training.case_rows import CaseRows

DE_SUCESO: Mapping[str, TipoInocente] = {
    "vivienda_vacia": TipoInocente.AUSENCIA,
    **{str(tipo): tipo for tipo in TIPOS_INOCENTES},
}
"""Kind of each event that is simulated; a home left for good is empty as one left for a while.
Working at home, guests, works, a second home and a clock that is wrong are of none: hardly a day
shows them."""
ARBOLES, HOJAS, NIVELES, MINIMO_HOJA, PASO, L2, RASGOS_POR_CORTE = 60, 20, 5, 20, 0.15, 5.0, 0.3
"""Of the boosting, for each kind. By hand, 2026-11-30, on a third of the homes, left out."""
CAJAS_MAXIMAS = 255
CAMBIO_MINIMO = 0.05
"""Of an event's last days: below, no day shows it (``CaseRows.cambio``)."""
DIAS_DESPUES = 28
"""Days after an event whose rows are left out: it is over, and still to be seen."""
PARTE_DE_CLASE, PESO_MAXIMO = 0.16, 6.0
"""Weight that the rows of a kind have together over that of those of none, at most so many times
their own: kinds that few days show would be never told. By hand, 2026-11-30, as above."""


def learn_kinds(
    filas: CaseRows,
    cajas: NDArray[np.float32],
    cortes: Sequence[NDArray[np.float32]],
    peso: NDArray[np.float64],
    semilla: int,
) -> FlatClassTrees | None:
    """Return what rows (n,) teach; None = there is a kind, or none of them, that no row is of.

    ``cajas``, ``cortes``: the rows in boxes (``boosting.to_cajas``). ``peso`` (n,).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    clase, sirve = _classes(filas)
    clase, cajas, peso = clase[sirve], cajas[sirve], peso[sirve].copy()
    clases = 1 + len(TIPOS_INOCENTES)
    if np.unique(clase).size < clases:
        return None
    juntos = np.bincount(clase, peso, clases)
    veces = np.minimum(PESO_MAXIMO, PARTE_DE_CLASE * juntos[0] / juntos)
    veces[0] = 1.0
    clasificador = HistGradientBoostingClassifier(
        max_iter=ARBOLES, learning_rate=PASO, max_leaf_nodes=HOJAS, max_depth=NIVELES,
        min_samples_leaf=MINIMO_HOJA, l2_regularization=L2, max_features=RASGOS_POR_CORTE,
        max_bins=CAJAS_MAXIMAS, early_stopping=False, random_state=semilla,
    )  # fmt: skip
    fit_boosted(clasificador, cajas, clase, peso * veces[clase])
    return FlatClassTrees.from_sklearn(clasificador, cortes)


def _classes(filas: CaseRows) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the class (n,) of each row, 0 = none of the kinds, and which rows say something."""
    suceso = filas.clase == INOCENTE
    pasa = suceso & (filas.dias > 0) & (filas.dias_tras <= 0)
    se_ve = pasa & (filas.cambio >= CAMBIO_MINIMO)
    clase = np.zeros(len(filas), np.int64)
    for nombre, tipo in DE_SUCESO.items():
        clase[se_ve & (filas.tipo == nombre)] = 1 + TIPOS_INOCENTES.index(tipo)
    acaba_de_pasar = suceso & (filas.dias_tras > 0) & (filas.dias_tras <= DIAS_DESPUES)
    return clase, (~pasa | se_ve) & ~acaba_de_pasar
