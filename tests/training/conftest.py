"""One trained version, and one stored history, for all tests that only need to have one."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from apoyo_entrenamiento import PARTICIONES, en_memoria, guardar_puntuadas
from bases import base_llena, nueva_base

from detection.features.hourly import RASGOS
from pipeline.embedded.services import EmbeddedServices
from serving.base_version import load_base
from serving.model_package import save_paquete
from serving.registry import ModelRegistry
from serving.settings import Settings
from training.fit import learn


@pytest.fixture(scope="session")
def paquete_entrenado(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Give the package of a version that is trained once in a run of the tests, by one worker."""
    base = tmp_path_factory.getbasetemp()
    carpeta = (base if worker_id == "master" else base.parent) / "version_entrenada"
    with carpeta.with_suffix(".cerrojo").open("w") as cerrojo:
        fcntl.flock(cerrojo, fcntl.LOCK_EX)
        if not carpeta.exists():
            settings = Settings(kafka_particiones=PARTICIONES)
            aprendido = learn(settings, en_memoria(), {}, base=load_base())
            a_medias = carpeta.with_suffix(".a_medias")
            save_paquete(aprendido.modelo, a_medias, extras=aprendido.extras())
            a_medias.rename(carpeta)
    return carpeta


@pytest.fixture
def entrenada(paquete_entrenado: Path) -> Callable[[Settings], int]:
    """Give what registers that version as a training would, and returns its number."""

    def registrar(settings: Settings) -> int:
        return ModelRegistry(settings).register(
            paquete_entrenado,
            np.zeros((2, len(RASGOS)), np.float32),
            parametros={},
            metricas={},
            etiquetas={},
        )

    return registrar


@pytest.fixture
def entorno(servicios: EmbeddedServices, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Give empty tables, or a copy of filled ones to who asks for ``con_historia``."""
    if "con_historia" in request.fixturenames:
        with base_llena(servicios, guardar_puntuadas) as (settings, _):
            yield settings
    else:
        with nueva_base(servicios, migrada=True) as settings:
            yield settings


@pytest.fixture
def con_historia(entorno_mlflow: Settings) -> Settings:
    """Give settings with sixty days of sixteen customers."""
    return entorno_mlflow
