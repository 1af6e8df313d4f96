"""The version that comes with the product (contract 6): learnt from public households.

``training.base_version`` makes it; its licence lies beside it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from detection.scoring_model import ScoringModel
from serving.model_package import load_paquete

CARPETA = Path(__file__).parent / "base"
VERSION = "consumo-detector-base"
"""What verdicts call it: it has no number in a registry."""


@lru_cache(maxsize=1)
def load_base() -> ScoringModel:
    """Return the base version.

    ``ModeloInvalidoError``: its package is missing or damaged; the product is not installed whole.
    """
    return load_paquete(CARPETA, VERSION)
