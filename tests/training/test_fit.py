"""History in, a registered model out: the same one twice, or nothing and one clear line."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import forks
import numpy as np
import pyarrow.parquet as pq
import pytest
from apoyo_entrenamiento import CLIENTES, MADRID, PARTICIONES, SEMILLA, en_memoria, leer

from detection.errors import PermanentError, TransientError
from detection.features.hourly import RASGOS
from serving.model_package import load_paquete, save_paquete
from serving.registry import ModelRegistry
from serving.settings import Settings
from training.evaluation.version_metrics import Metricas, evaluate
from training.fit import Aprendido, learn, main, say, train
from training.history import SEMILLA_ENTRENAMIENTO
from training.holdout import Conjunto
from training.plots import draw_version

MUCHOS = 30
"""Enough customers that the tails of twelve of them say something of the others."""
PNG = b"\x89PNG\r\n\x1a\n"


@lru_cache(maxsize=1)
def _aprendido() -> Aprendido:
    settings = Settings(kafka_particiones=PARTICIONES)
    return learn(settings, en_memoria(clientes=MUCHOS), {}, semilla=SEMILLA)


def test_la_version_guardada_puntua_igual_que_la_que_se_evaluo(tmp_path: Path) -> None:
    """What the package holds is what the figures were measured on."""
    aprendido = _aprendido()
    save_paquete(aprendido.modelo, tmp_path, extras=aprendido.extras())
    modelo = load_paquete(tmp_path, aprendido.modelo.version)
    conjunto = Conjunto.from_parquet((tmp_path / "evaluacion.parquet").read_bytes())
    guardadas = Metricas(**json.loads((tmp_path / "metricas.json").read_bytes()))
    assert guardadas == aprendido.metricas
    medidas = evaluate(conjunto, modelo, MADRID, dejar_fuera=False)
    assert medidas.precision_media == guardadas.precision_media
    assert medidas.falsas_alarmas == guardadas.falsas_alarmas


def test_los_modelos_aportan_a_las_reglas() -> None:
    """With both models the blend ranks attacks better than the rules alone, and is all measured."""
    aprendido = _aprendido()
    falta = [1.0 - m.precision_media for m in (aprendido.metricas, aprendido.solo_reglas)]
    assert falta[0] < 0.7 * falta[1], "of what is missing to perfect"
    assert len(aprendido.metricas.precision_sin) == 8, "every detector was left out once"
    assert set(aprendido.importancia) == set(RASGOS)
    assert max(aprendido.importancia.values()) > 0.0


def test_la_referencia_es_lo_que_la_deriva_espera() -> None:
    """Features, both scores, and what a fair comparison of seasons needs."""
    tabla = pq.read_table(io.BytesIO(_aprendido().referencia)).to_pydict()
    assert list(tabla) == [*RASGOS, "score_offline", "score_anomalia", "laborable", "hora"]
    assert 1_000 < len(tabla["hora"]) <= 20_000
    assert set(tabla["hora"]) == set(range(24))
    assert set(tabla["laborable"]) == {True, False}
    assert 0.6 < np.mean(tabla["laborable"]) < 0.8, "five days of seven"
    # Of everybody, as the recent days will be, also of who is under suspicion.
    assert len(tabla["hora"]) == min(20_000, MUCHOS * 24 * 32)
    assert 0.0 <= min(tabla["score_anomalia"]) <= max(tabla["score_anomalia"]) <= 1.0


def test_las_graficas_son_imagenes_y_siempre_las_mismas() -> None:
    """Three plots, without a window system and without today's date in them."""
    aprendido = _aprendido()
    conjunto, modelo = aprendido.conjunto, aprendido.modelo
    una, otra = (draw_version(conjunto, modelo, aprendido.importancia, MADRID) for _ in range(2))
    assert len(una) == 3
    assert all(datos.startswith(PNG) and len(datos) > 10_000 for datos in una.values())
    assert una == otra


def _params(settings: Settings, version: int) -> dict[str, str]:
    """Return the parameters that MLflow shows beside a version."""
    from mlflow import MlflowClient

    cliente = MlflowClient(settings.mlflow_tracking_uri, settings.mlflow_tracking_uri)
    run = cliente.get_model_version("consumo-detector", str(version)).run_id
    return dict(cliente.get_run(run).data.params)


def _artifact(cliente: Any, run: str, ruta: str) -> Any:
    return json.loads(Path(cliente.download_artifacts(run, ruta)).read_bytes())


def _check_card(settings: Settings, version: int) -> None:
    """Check what a data scientist meets in MLflow: words, data, tables, curves, few tags."""
    from mlflow import MlflowClient

    cliente = MlflowClient(settings.mlflow_tracking_uri, settings.mlflow_tracking_uri)
    ficha = cliente.get_model_version("consumo-detector", str(version))
    run = cliente.get_run(ficha.run_id)
    assert re.fullmatch(r"2026-11-06: \d+ días de \d+ clientes", run.info.run_name)
    for parte in ("**Qué es.**", "**De qué aprendió.**", "| las reglas solas |", "**Cómo volver"):
        assert parte in ficha.description
    assert run.data.tags["mlflow.note.content"] == ficha.description
    assert "`champion`" in cliente.get_registered_model("consumo-detector").description
    assert set(ficha.tags) - {"examen"} == {
        "datos_desde", "datos_corte", "datos_hasta", "evaluacion_sha256", "huella_params",
        "huella_paquete",
    }  # fmt: skip
    huellas = _artifact(cliente, ficha.run_id, "huellas.json")
    assert huellas["datos_sha256"] == leer(semilla=SEMILLA_ENTRENAMIENTO).sha256
    usos = {e.tags[0].value: e.dataset for e in run.inputs.dataset_inputs}
    assert usos.keys() == {"training", "evaluation"}
    assert huellas["datos_sha256"].startswith(usos["training"].digest)
    assert [c["name"] for c in json.loads(usos["training"].schema)["mlflow_colspec"]] == [*RASGOS]
    tabla = _artifact(cliente, ficha.run_id, "evaluacion/ataques.json")
    assert tabla["columns"] == ["ataque", "clientes", "hallados_clientes", "hallados_lecturas"]
    curva = cliente.get_metric_history(ficha.run_id, "curva.precision_por_exhaustividad")
    assert [p.step for p in curva] == list(range(101))
    # What the dashboard and the examination read are figures, not curves.
    (info,) = ModelRegistry(settings).versions()
    assert not [n for n in info.metricas if n.startswith("curva.")]
    assert info.metricas["precision_media"] > 0


@pytest.mark.lenta
def test_entrena_y_registra_y_dos_veces_da_lo_mismo(
    con_historia: Settings, paquete_entrenado: Path
) -> None:
    """From PostgreSQL to MLflow: a version with alias challenger that holds what was learnt.

    The same history, read from memory, and seed: the same hash of the data and the same bytes.
    """
    resultado = train(con_historia)
    registro = ModelRegistry(con_historia)
    assert registro.version_of("challenger") == resultado.version
    assert registro.version_of("champion") is None, "training promotes nobody"
    carpeta = registro.download(resultado.version, con_historia.modelos_dir / "v")
    assert load_paquete(carpeta, "v").bosque.trees.n_rasgos == len(RASGOS)
    assert (
        Metricas(**json.loads((carpeta / "metricas.json").read_bytes()))
        == resultado.aprendido.metricas
    )
    assert "Registrada la versión" in say(resultado)
    assert "consumo-detector-0" not in say(resultado)
    params = _params(con_historia, resultado.version)
    assert params["clientes_por_particion"] == str(CLIENTES / PARTICIONES)
    # What can be compared: no dates, no fingerprints.
    assert not {n for n in params if n.startswith("datos_")}
    _check_card(con_historia, resultado.version)
    ficheros = {p.name for p in paquete_entrenado.iterdir()}
    assert {"referencia.parquet", "evaluacion.parquet", "metricas.json"} < ficheros
    assert ficheros == {p.name for p in carpeta.iterdir()}
    for nombre in ficheros:
        assert (carpeta / nombre).read_bytes() == (paquete_entrenado / nombre).read_bytes(), nombre


def test_sin_historia_no_se_registra_nada(entorno_mlflow: Settings) -> None:
    """An empty database is one clear line, and no version is half there."""
    with pytest.raises(PermanentError, match="no hay historia con que entrenar") as error:
        train(entorno_mlflow)
    assert len(str(error.value).splitlines()) == 1
    assert ModelRegistry(entorno_mlflow).versions() == []


def test_sin_mlflow_no_se_entrena(entorno: Settings) -> None:
    """MLflow away: one line at once, before anything is read."""
    lejos = entorno.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})
    with pytest.raises(TransientError, match="MLflow no responde"):
        train(lejos)


def test_sigterm_a_mitad_no_deja_nada(
    con_historia: Settings, variables_mlflow: dict[str, str]
) -> None:
    """A training that is told to end does so like after Ctrl-C, and no version is half there."""
    proceso = forks.start(
        variables_mlflow, "entrenar", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert proceso.stderr is not None
        assert "se aprende de" in proceso.stderr.readline()
        proceso.send_signal(signal.SIGTERM)
        salida, error = proceso.communicate(timeout=60.0)
    finally:
        proceso.kill()
    assert proceso.returncode == 130, error
    assert error.splitlines()[-1] == "interrumpido"
    assert salida == ""
    assert ModelRegistry(con_historia).versions() == []


@pytest.mark.parametrize("dias", ["28", "0", "muchos"])
def test_un_mal_uso_se_dice(dias: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage is status 2 with one line that says what is expected."""
    with pytest.raises(SystemExit) as salida:
        main(["--dias", dias])
    assert salida.value.code == 2
    assert "--dias" in capsys.readouterr().err
