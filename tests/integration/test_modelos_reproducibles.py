"""Black box, with both models voting: crashes and rebalances change no score of any detector."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pymongo
import pytest
from bases import nueva_base
from camino import (
    comprobar_exactamente_una_vez,
    consumidor,
    consumo,
    escribir_csv,
    esperar,
    filas_guardadas,
    historico,
    lecturas_de_prueba,
    terminar,
)
from forks import Fork
from sklearn.ensemble import IsolationForest

from detection.detector import DetectorConsumo
from detection.domain import Lecturas
from detection.features.hourly import RASGOS
from detection.models.isolation_forest import FlatIsolationForest
from detection.models.tails import EmpiricalTail
from detection.rules.registry import rules_fingerprint
from detection.scoring_model import ScoringModel
from pipeline.embedded.services import EmbeddedServices
from serving.local_time import load_calendario
from serving.model_package import package_fingerprint, save_paquete
from serving.settings import Settings

pytestmark = pytest.mark.timeout(280)

Votos = dict[tuple[str, object], dict[str, float | None]]


@pytest.fixture(scope="module")
def lecturas() -> Lecturas:
    """Return enough readings for the online model of each partition to become ready."""
    return lecturas_de_prueba(clientes=24, dias=38)


@pytest.fixture(scope="module")
def modelos_dir(lecturas: Lecturas, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a champion, as a consumer leaves it: MLflow is away in these tests."""
    detector = DetectorConsumo(load_calendario("Europe/Madrid"))
    crudos = detector.measure(lecturas)
    rasgos = crudos.rasgos[~np.isnan(crudos.rasgos[:, 0])]
    bosque = FlatIsolationForest.from_sklearn(
        IsolationForest(n_estimators=30, random_state=1).fit(rasgos)
    )
    modelo = ScoringModel(
        "sin registrar", bosque, EmpiricalTail.fit(bosque.scores(rasgos)),
        EmpiricalTail.fit(crudos.online),
        detector.trees.huella(), {}, RASGOS, rules_fingerprint(detector.params),
    )  # fmt: skip
    carpeta = tmp_path_factory.mktemp("modelos")
    save_paquete(modelo, carpeta / "1")
    campeon = {
        "modelo": "consumo-detector",
        "version": 1,
        "huella": package_fingerprint(carpeta / "1"),
    }
    (carpeta / "campeon.json").write_text(json.dumps(campeon))
    return carpeta


@pytest.fixture
def otro_entorno(servicios: EmbeddedServices) -> Iterator[Settings]:
    """Give a second empty world beside ``entorno``."""
    with nueva_base(servicios) as settings:
        yield settings


def _variables(variables: dict[str, str], entorno: Settings, modelos_dir: Path) -> dict[str, str]:
    propias = {clave.upper(): str(valor) for clave, valor in entorno.model_dump().items()}
    return {**variables, **propias, "MODELOS_DIR": str(modelos_dir)}


def _votos(entorno: Settings) -> Votos:
    """Return what each detector said of each anomaly, to the last stored digit."""
    with pymongo.MongoClient(entorno.mongo_host, entorno.mongo_port, tz_aware=True) as cliente:
        return {
            (d["propietario_id"], d["timestamp_consumo"]): {
                e["detector"]: e["score"] for e in d["explicacion"]
            }
            for d in cliente[entorno.mongo_db].anomalias_detectadas.find()
        }


@pytest.mark.lenta
def test_muertes_y_repartos_no_cambian_lo_que_dicen_los_modelos(
    entorno: Settings,
    otro_entorno: Settings,
    variables: dict[str, str],
    lecturas: Lecturas,
    modelos_dir: Path,
    tmp_path: Path,
) -> None:
    """Killed in the middle, then shared by two, one of which leaves: as in one undisturbed run."""
    archivo = escribir_csv(tmp_path / "a.csv", lecturas)
    mundos = [_variables(variables, e, modelos_dir) for e in (entorno, otro_entorno)]
    for mundo in mundos:
        assert consumo(mundo, "producir", "--archivo", str(archivo)).returncode == 0
    r = consumo(mundos[0], "consumir", "--hasta-vacio")
    assert r.returncode == 0, r.stderr
    assert "MLflow no responde" in r.stderr

    procesos: list[Fork] = []
    try:
        procesos.append(consumidor(mundos[1], tmp_path / "1.log", LOTE_MAXIMO="150"))
        esperar(lambda: filas_guardadas(otro_entorno) > len(lecturas) // 2, "half of it stored")
        procesos[0].kill()
        procesos[0].wait()
        for k in (2, 3):
            procesos.append(consumidor(mundos[1], tmp_path / f"{k}.log", LOTE_MAXIMO="200"))
        esperar(lambda: filas_guardadas(otro_entorno) > 3 * len(lecturas) // 4, "most of it stored")
        procesos[1].send_signal(signal.SIGTERM)
        assert procesos[1].wait(60) == 0
        esperar(lambda: filas_guardadas(otro_entorno) == len(lecturas), "all of it stored")
        procesos[2].send_signal(signal.SIGTERM)
        assert procesos[2].wait(60) == 0
    finally:
        terminar(procesos)

    comprobar_exactamente_una_vez(otro_entorno, lecturas)
    assert historico(otro_entorno) == historico(entorno)
    votos = _votos(entorno)
    assert _votos(otro_entorno) == votos
    for modelo in ("modelo_online", "modelo_offline"):
        opinan = [v[modelo] for v in votos.values() if v[modelo] is not None]
        assert max(opinan) > 0.5, f"{modelo} has a vote that counts"
