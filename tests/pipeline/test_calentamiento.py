"""What a consumer compiles, it compiles before the first reading, whatever then comes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

LIMITE_S = 240

GUION = """
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from numba.core.dispatcher import Dispatcher
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest

from detection.blend.learned import COLUMNAS, LearnedBlend
from detection.domain import Lecturas
from detection.features.extremes import STANDALONE_RECORDS
from detection.features.hourly import RASGOS
from detection.models.boosted_trees import FlatBoostedTrees
from detection.models.isolation_forest import FlatIsolationForest
from detection.models.tails import EmpiricalTail
from detection.rules.registry import rules_fingerprint
from detection.scoring_model import ScoringModel
from pipeline.consumer import open_procesador
from serving.model_package import load_paquete, save_paquete
from serving.scorer import BatchOrigin
from serving.settings import load_settings


def compiled():
    bucles = {
        f"{o.py_func.__module__}.{o.py_func.__name__}": o
        for m in list(sys.modules.values())
        for o in vars(m).copy().values()
        if isinstance(o, Dispatcher)
    }
    return {nombre: len(bucle.signatures) for nombre, bucle in bucles.items()}


def make_version(detector):
    rng = np.random.default_rng(1)
    rasgos = rng.random((300, len(RASGOS)), np.float32)
    columnas = rng.random((300, len(COLUMNAS)), np.float32)
    bosque = FlatIsolationForest.from_sklearn(
        IsolationForest(n_estimators=5, random_state=1).fit(rasgos)
    )
    clasificador = HistGradientBoostingClassifier(max_iter=5, random_state=1)
    clasificador.fit(columnas, columnas[:, 0] > 0.5)
    cola = EmpiricalTail.fit(rng.random(500))
    mezcla = LearnedBlend(
        FlatBoostedTrees.from_sklearn(clasificador), (cola,) * (1 + len(STANDALONE_RECORDS)), cola
    )
    modelo = ScoringModel(
        "v",
        bosque,
        cola,
        cola,
        detector.trees.huella(),
        {},
        RASGOS,
        rules_fingerprint(detector.params),
        mezcla,
    )
    with tempfile.TemporaryDirectory() as carpeta:
        save_paquete(modelo, Path(carpeta))
        return load_paquete(Path(carpeta), "v")


def process(procesador, propietario, hora, kwh, desde):
    n = len(hora)
    origen = BatchOrigin(
        np.arange(n, dtype=np.int32) % 2, desde + np.arange(n), {0: desde + n, 1: desde + n}, "r"
    )
    puntuado = procesador.draft(Lecturas([propietario] * n, hora, kwh), origen)
    procesador.save(puntuado)
    procesador.accept(puntuado)


with open_procesador(load_settings()) as procesador:
    antes = compiled()
    procesador._scorer.use(make_version(procesador._scorer.detector))
    procesador._scorer.use_shadow(make_version(procesador._scorer.detector))
    rng = np.random.default_rng(2)
    n = 24 * 40
    hora = 490_000 + np.arange(n)
    kwh = np.round(rng.gamma(2.0, 0.3, n), 3)
    kwh[-30:-20] = 0.4
    kwh[-5:] = [0.0, 50.0, 0.1234567891234, 7.0, 7.0]
    process(procesador, "A", hora, kwh, 0)
    # Away and back from the store; corrected, late beyond its window, and with holes.
    procesador.forget([0, 1])
    process(procesador, "A", hora[-3:] + 3, kwh[-3:], n)
    process(procesador, "A", hora[100:110], kwh[:10], n + 10)
    process(procesador, "B", hora[::3].copy(), kwh[::3].copy(), n + 20)
    despues = compiled()
print(json.dumps({k: [antes.get(k, 0), v] for k, v in despues.items() if v != antes.get(k, 0)}))
print(json.dumps([k for k, v in antes.items() if v]))
"""


@pytest.mark.lenta
def test_la_primera_lectura_no_espera_a_que_se_compile(variables: dict[str, str]) -> None:
    """With a whole version in use and in shadow, from the store and back."""
    r = subprocess.run(
        [sys.executable, "-c", GUION], env=variables, capture_output=True, text=True,
        check=False, timeout=LIMITE_S,
    )  # fmt: skip
    assert r.returncode == 0, r.stderr
    nuevos, de_antes = map(json.loads, r.stdout.splitlines())
    assert nuevos == {}
    assert {
        "detection.features.evidence._compute",
        "detection.models.heap_trees._add_up",
        "detection.memory.hourly_ring._load",
        "pipeline.stores.postgres.copy_rows._encode_rows",
    } <= set(de_antes)
