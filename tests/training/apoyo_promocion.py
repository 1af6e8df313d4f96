"""Versions made for one promise each: what they are worth on their set is known beforehand."""

from __future__ import annotations

import tempfile
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from sklearn.ensemble import IsolationForest

from detection.domain import Lecturas
from detection.features.hourly import RASGOS
from detection.models.isolation_forest import FlatIsolationForest
from detection.models.tails import EmpiricalTail
from detection.params import Params
from detection.rules.registry import CALIBRACIONES, rules_fingerprint
from detection.scoring_model import ScoringModel
from serving.model_package import save_paquete
from serving.model_versions import CAMPEON, MODELO, VersionInfo
from serving.registry import ModelRegistry
from serving.settings import Settings
from training.holdout import EVALUACION, Conjunto

CORTE = 490_000
PASADO_HORAS, JUZGADAS_HORAS = 28 * 24, 7 * 24
LIMPIOS, ATACADOS = 4, 2


@lru_cache(maxsize=4)
def conjunto(semilla: int = 1) -> Conjunto:
    """Return steady loads, and some with three spikes a day that no rule can miss."""
    rng = np.random.default_rng(semilla)
    clientes, n = LIMPIOS + ATACADOS, PASADO_HORAS + JUZGADAS_HORAS
    hora = np.repeat(np.arange(CORTE - PASADO_HORAS, CORTE + JUZGADAS_HORAS), clientes)
    cliente = np.tile(np.arange(clientes), n)
    kwh = 1.0 + 0.1 * rng.uniform(-1.0, 1.0, hora.size)
    pico = (hora >= CORTE) & (hora % 8 == 0) & (cliente >= LIMPIOS)
    kwh[pico] *= 12.0
    return Conjunto(
        Lecturas([f"cliente_{k:02d}" for k in cliente], hora, kwh),
        np.zeros(hora.size, np.int32),
        (hora >= CORTE) & ((cliente < LIMPIOS) | pico),
        np.where(pico, "picos", "").tolist(),
    )


@lru_cache(maxsize=4)
def modelo(peso: float = 1.0) -> ScoringModel:
    """Return the rules, their weights times ``peso``, beside two models that never raise alarm.

    With 0 nothing is ever found; with 1 it is the rules alone.
    """
    filas = np.random.default_rng(0).random((300, len(RASGOS)), np.float32)
    bosque = IsolationForest(n_estimators=5, random_state=0).fit(filas)
    muda = EmpiricalTail(np.array([0.0, 1.0]), np.array([0.0, -0.001]))
    return ScoringModel(
        version="sin registrar",
        bosque=FlatIsolationForest.from_sklearn(bosque),
        cola_offline=muda,
        cola_online=muda,
        huella_online="ninguna",
        calibraciones={n: replace(c, peso=c.peso * peso) for n, c in CALIBRACIONES.items()},
        rasgos=RASGOS,
        huella_params=rules_fingerprint(Params()),
    )


def registrar(
    settings: Settings,
    que: float | ScoringModel,
    extras: Mapping[str, bytes] | None = None,
    semilla: int = 1,
) -> int:
    """Return the number of a new version, which the alias ``challenger`` points to.

    ``que``: the version, or the weight of the one to be made (``modelo``).
    """
    if extras is None:
        extras = {EVALUACION: conjunto(semilla).to_parquet()}
    with tempfile.TemporaryDirectory() as carpeta:
        nueva = que if isinstance(que, ScoringModel) else modelo(que)
        save_paquete(nueva, Path(carpeta), extras=extras)
        return ModelRegistry(settings).register(
            Path(carpeta),
            np.zeros((2, len(RASGOS)), np.float32),
            parametros={},
            metricas={},
            etiquetas={},
        )


def ficha(settings: Settings, version: int) -> VersionInfo:
    """Return what MLflow knows of a version."""
    return next(v for v in ModelRegistry(settings).versions() if v.version == version)


def a_mano(settings: Settings, version: int | None) -> None:
    """Move the champion's alias as MLflow's UI does, or take it away."""
    from mlflow import MlflowClient

    cliente = MlflowClient(settings.mlflow_tracking_uri, settings.mlflow_tracking_uri)
    if version is None:
        cliente.delete_registered_model_alias(MODELO, CAMPEON)
    else:
        cliente.set_registered_model_alias(MODELO, CAMPEON, str(version))


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


def sin_hora(etiquetas: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tags of a promotion without the time."""
    return {
        clave: valor
        for clave, valor in etiquetas.items()
        if clave.startswith("promovido_") and clave != "promovido_en"
    }
