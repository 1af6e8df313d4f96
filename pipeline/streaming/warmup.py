"""Everything that is compiled on first use, used once before the first reading waits for it."""

from __future__ import annotations

import numpy as np

from detection.blend.learned import COLUMNAS, LearnedBlend
from detection.cases.case import CaseThresholds
from detection.cases.clock import DIAS_MINIMOS_CASO
from detection.cases.features import RASGOS_CASO
from detection.cases.model import CaseModel
from detection.detector import DetectorConsumo
from detection.domain import Historia, Lecturas
from detection.features.extremes import STANDALONE_RECORDS
from detection.features.hourly import RASGOS
from detection.models.boosted_trees import FlatBoostedTrees
from detection.models.heap_trees import HeapTrees
from detection.models.isolation_forest import FlatIsolationForest
from detection.models.tails import EmpiricalTail
from detection.params import HORAS_VENTANA
from detection.rules.registry import rules_fingerprint
from detection.scoring_model import ScoringModel
from pipeline.stores.postgres.copy_rows import by_identity, encode

_HORAS = 24 * (DIAS_MINIMOS_CASO + 2)
"""A model of cases is asked at the end of the last day but one."""
_KWH_QUE_SALTA = 9.0


def warm_up(detector: DetectorConsumo) -> None:
    """Compile every loop of the way of a reading; the detector itself learns nothing from it.

    With a version that has all that a version may have, in use and in shadow, and with a history
    that a store gives back.
    """
    modelo = _smallest(detector)
    desechable = DetectorConsumo(detector.calendario, detector.params)
    desechable.use(modelo)
    desechable.use_shadow(modelo)
    hora = desechable.calendario.desde_hora + HORAS_VENTANA + np.arange(_HORAS, dtype=np.int64)
    kwh = 1.0 + (np.arange(_HORAS) % 24) / 24.0
    kwh[-1] = _KWH_QUE_SALTA
    lecturas = Lecturas(["-"] * _HORAS, hora, kwh)
    veredictos = desechable.score(lecturas)
    desechable.explain(veredictos, _HORAS - 1, _KWH_QUE_SALTA)
    desechable.take_days(lecturas.propietario_id, desechable.ring.rows(lecturas.propietario_id))
    historia = Historia.of(np.zeros(_HORAS, np.int64), lecturas, veredictos)
    desechable.load(["-"], historia)
    desechable.fill_days(["-"], historia)
    encode(lecturas, veredictos, by_identity(lecturas), con_posicion=True)


def _smallest(detector: DetectorConsumo) -> ScoringModel:
    """Return a version of one tree of one node each, which says nothing of anybody."""
    cola = EmpiricalTail(np.array([0.0, 1.0]), np.array([0.0, -1.0]))
    rasgo, corte = np.zeros((1, 1), np.uint32), np.zeros((1, 1), np.float32)
    hoja = np.zeros((1, 2), np.float64)
    arboles = FlatBoostedTrees(HeapTrees(rasgo, corte, hoja, len(COLUMNAS)), 0.0)
    return ScoringModel(
        version="-",
        bosque=FlatIsolationForest(HeapTrees(rasgo, corte, hoja, len(RASGOS)), 1.0),
        cola_offline=cola,
        cola_online=cola,
        huella_online=detector.trees.huella(),
        calibraciones={},
        rasgos=RASGOS,
        huella_params=rules_fingerprint(detector.params),
        mezcla=LearnedBlend(arboles, (cola,) * (1 + len(STANDALONE_RECORDS)), cola),
        casos=CaseModel(
            FlatBoostedTrees(HeapTrees(rasgo, corte, hoja, RASGOS_CASO), 9.0),
            CaseThresholds(1.0, 0.0, 2.0, 3.0),
        ),
    )
