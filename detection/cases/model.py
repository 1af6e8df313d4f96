"""What a version knows of cases: the trees that judge a customer's day, and their thresholds."""

from __future__ import annotations

from dataclasses import dataclass

from detection.cases.case import CaseThresholds
from detection.models.boosted_trees import FlatBoostedTrees, FlatClassTrees


@dataclass(frozen=True, slots=True, eq=False)
class CaseModel:
    """What a version knows of cases."""

    arboles: FlatBoostedTrees  # over a row of ``case_features``
    umbrales: CaseThresholds
    # Over the same row: none of the kinds, then each of ``domain.TIPOS_INOCENTES``; None = it tells
    # no kinds.
    inocentes: FlatClassTrees | None = None
