"""Registered versions of the model, small and quick to make, and a way to break one."""

from __future__ import annotations

import tempfile
import urllib.request
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from sklearn.ensemble import IsolationForest

from detection.features.hourly import RASGOS
from detection.models.isolation_forest import FlatIsolationForest
from detection.models.tails import EmpiricalTail
from detection.params import Params
from detection.rules.registry import CALIBRACIONES, rules_fingerprint
from detection.scoring_model import ScoringModel
from serving.model_package import save_paquete
from serving.model_versions import MODELO
from serving.registry import ModelRegistry
from serving.settings import Settings


@lru_cache(maxsize=1)
def _modelo() -> ScoringModel:
    filas = np.random.default_rng(0).random((300, len(RASGOS)), np.float32)
    bosque = IsolationForest(n_estimators=5, random_state=0).fit(filas)
    cola = EmpiricalTail(np.array([0.0, 1.0]), np.array([0.0, -0.001]))
    return ScoringModel(
        version="sin registrar",
        bosque=FlatIsolationForest.from_sklearn(bosque),
        cola_offline=cola,
        cola_online=cola,
        huella_online="ninguna",
        calibraciones=CALIBRACIONES,
        rasgos=RASGOS,
        huella_params=rules_fingerprint(Params()),
    )


def registrar(settings: Settings) -> int:
    """Return the number of a new version, which the alias ``challenger`` points to."""
    with tempfile.TemporaryDirectory() as carpeta:
        save_paquete(_modelo(), Path(carpeta), extras={})
        return ModelRegistry(settings).register(
            Path(carpeta), np.zeros((2, len(RASGOS)), np.float32), parametros={},
            metricas={"precision_media": 0.71, "precision_media_azar": 0.125},
            etiquetas={"datos": "abc"},
        )  # fmt: skip


def estropear(settings: Settings, version: int) -> None:
    """Overwrite a version's forest on MLflow's disk, behind everybody's back."""
    from mlflow import MlflowClient

    uri = settings.mlflow_tracking_uri
    origen = MlflowClient(uri, uri).get_model_version_download_uri(MODELO, str(version))
    ruta = urlsplit(origen).path.strip("/")
    peticion = urllib.request.Request(
        f"{uri}/api/2.0/mlflow-artifacts/artifacts/{ruta}/data/paquete/bosque.npz",
        data=b"otra cosa",
        method="PUT",
    )
    with urllib.request.urlopen(peticion, timeout=30):
        pass
