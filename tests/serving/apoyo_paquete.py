"""Small models, quick to make, for the tests of what keeps and carries them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from detection.features import RASGOS
from detection.modelo import Cola, Modelo
from detection.offline import Bosque
from detection.params import CALIBRACIONES, Params
from serving.paquete import save_paquete


def rasgos(n: int = 200, semilla: int = 1) -> NDArray[np.float32]:
    """Return rows of features (n, F), any numbers of [0, 1]."""
    return np.random.default_rng(semilla).random((n, len(RASGOS))).astype(np.float32)


def modelo(semilla: int = 1) -> Modelo:
    """Return a model; another seed gives another."""
    x = rasgos(semilla=semilla)
    bosque = Bosque.from_sklearn(IsolationForest(n_estimators=5, random_state=semilla).fit(x))
    scores = bosque.scores(x)
    return Modelo(
        version="sin registrar",
        bosque=bosque,
        cola_offline=Cola.fit(scores),
        cola_online=Cola.fit(scores / 2),
        huella_online="0123456789ab",
        calibraciones=CALIBRACIONES,
        rasgos=RASGOS,
        huella_params=Params().fingerprint(),
    )


def paquete(carpeta: Path, semilla: int = 1) -> Path:
    """Return a folder with a package, and one side file in it."""
    save_paquete(modelo(semilla), carpeta, extras={"referencia.parquet": b"PAR1" * 10})
    return carpeta
