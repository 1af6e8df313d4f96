"""What MLflow's ``pyfunc`` loads for a data scientist, found by this module's name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detection.scoring_model import ScoringModel
from serving.model_package import load_paquete
from serving.model_versions import MODELO

if TYPE_CHECKING:
    import pandas as pd


class Puntuador:
    """The offline model of a package."""

    def __init__(self, modelo: ScoringModel) -> None:
        self.modelo = modelo

    def predict(
        self, rasgos: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> NDArray[np.float64]:
        """Return raw scores (n,), high = more anomalous, NaN = not ready.

        ``rasgos`` (n, F): one column a feature, by name, in [0, 1]. ``params``: MLflow's; there are
        none.
        """
        return self.modelo.bosque.scores(rasgos[list(self.modelo.rasgos)].to_numpy(np.float32))


def _load_pyfunc(ruta: str) -> Puntuador:
    """Return the package of a folder, ready to predict; MLflow asks for it by this name."""
    return Puntuador(load_paquete(Path(ruta), MODELO))
