"""What a registered version holds for scoring: forest, tails, calibration, learned blend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from detection.blend.learned import LearnedBlend
from detection.cases.model import CaseModel
from detection.models.isolation_forest import FlatIsolationForest
from detection.models.tails import EmpiricalTail
from detection.params import Calibracion


@dataclass(frozen=True, slots=True, eq=False)
class ScoringModel:
    """A version of ``consumo-detector``, as the detector uses it."""

    # As verdicts carry it, e.g. "consumo-detector-3".
    version: str
    bosque: FlatIsolationForest  # the offline model
    # cola_offline, cola_online: tails of both models' raw scores on clean readings that neither
    # learnt from.
    cola_offline: EmpiricalTail
    cola_online: EmpiricalTail
    # Fingerprint of the online model that ``cola_online`` was measured with; another online model
    # has no vote.
    huella_online: str
    calibraciones: Mapping[str, Calibracion]  # the rules', by name
    rasgos: tuple[str, ...]  # names of the features, in the order of the forest's columns
    huella_params: str  # ``rules_fingerprint`` of the thresholds at training
    # None = there was too little to learn it from, and the weighted blend decides.
    mezcla: LearnedBlend | None = None
    # None = no case is ever opened, and the hours' evidence alone suspects.
    casos: CaseModel | None = None
