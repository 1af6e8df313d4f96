"""A small model version for tests, trained on synthetic homes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from apoyo import MADRID, hogar, horas
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest

from detection.cases.case import CaseThresholds
from detection.cases.features import RASGOS_CASO
from detection.cases.model import CaseModel
from detection.detector import DetectorConsumo
from detection.domain import Lecturas
from detection.features.hourly import RASGOS
from detection.models.boosted_trees import FlatBoostedTrees
from detection.models.isolation_forest import FlatIsolationForest
from detection.models.tails import EmpiricalTail
from detection.params import Params
from detection.rules.registry import rules_fingerprint
from detection.scoring_model import ScoringModel

PARAMS = Params(online_ventana=200)
"""With so short a window the online model is ready after some days of two customers."""


@lru_cache(maxsize=4)
def modelo_de_prueba(version: str = "consumo-detector-1", semilla: int = 1) -> ScoringModel:
    """Return a version whose two models are calibrated and so have a vote."""
    n, clientes = 24 * 60, 6
    detector = DetectorConsumo(MADRID, PARAMS)
    kwh = np.stack([hogar(n, 100 + c) for c in range(clientes)])
    ids = [f"C{c}" for _ in range(n) for c in range(clientes)]
    crudos = detector.measure(Lecturas(ids, np.repeat(horas(n), clientes), kwh.T.ravel()))
    rasgos = crudos.rasgos[~np.isnan(crudos.rasgos[:, 0])]
    bosque = FlatIsolationForest.from_sklearn(
        IsolationForest(n_estimators=20, max_samples=64, random_state=semilla).fit(rasgos)
    )
    return ScoringModel(
        version, bosque, EmpiricalTail.fit(bosque.scores(rasgos)), EmpiricalTail.fit(crudos.online),
        detector.trees.huella(), {}, RASGOS, rules_fingerprint(PARAMS),
    )  # fmt: skip


@lru_cache(maxsize=1)
def modelo_de_casos() -> CaseModel:
    """Return a model of cases that minds the first columns: what it says does not matter."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(3_000, RASGOS_CASO)).astype(np.float32)
    y = (x[:, 0] + x[:, 5] > 0).astype(int)
    clasificador = HistGradientBoostingClassifier(max_iter=40, max_depth=6, random_state=1)
    arboles = FlatBoostedTrees.from_sklearn(clasificador.fit(x, y))
    return CaseModel(arboles, CaseThresholds(0.4, -1.6, 3.0, 4.0))
