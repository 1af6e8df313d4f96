"""Versions in MLflow: what is registered is what comes down, and never half of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import forks
import numpy as np
import pytest
from apoyo_paquete import (
    cliente_de,
    estropeado,
    modelo,
    paquete,
    rasgos,
    registro_en,
    servidor,
)

from detection.errors import ModeloInvalidoError, PermanentError, TransientError
from detection.features.hourly import RASGOS
from serving.model_package import package_fingerprint
from serving.model_versions import with_promotion
from serving.registry import ModelRegistry
from serving.run_card import RunCard, UsedData


@pytest.fixture
def registro(mlflow_uri: str) -> ModelRegistry:
    """Return a registry of its own on the shared server."""
    return registro_en(mlflow_uri)


def _registrar(registro: ModelRegistry, carpeta: Path, semilla: int = 1, **otros: Any) -> int:
    datos: dict[str, Any] = {
        "parametros": {"arboles": 5},
        "metricas": {"precision_media": 0.5},
        "etiquetas": {"ventana": "2026"},
    }
    origen = paquete(carpeta / f"origen-{semilla}", semilla)
    return registro.register(origen, rasgos(5), **(datos | otros))


def _bytes(carpeta: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in carpeta.iterdir()}


def test_lo_registrado_es_lo_que_se_baja(registro: ModelRegistry, tmp_path: Path) -> None:
    """A version comes down byte for byte, and stands in MLflow with all that was said of it."""
    graficas = tmp_path / "graficas"
    (graficas / "a").mkdir(parents=True)
    (graficas / "a" / "curva.png").write_bytes(b"png")
    parametros = {f"p{i}": i for i in range(150)}
    metricas = {f"falsas_alarmas/crítica {i}": i / 8 for i in range(150)}
    version = _registrar(
        registro, tmp_path, parametros=parametros, metricas=metricas, artefactos=graficas
    )
    destino = tmp_path / "modelos" / "1"
    assert registro.download(version, destino) == destino
    assert _bytes(destino) == _bytes(tmp_path / "origen-1")
    assert [f.name for f in destino.parent.iterdir()] == ["1"]

    (info,) = registro.versions()
    assert (info.version, info.alias, info.metricas) == (1, ("challenger",), metricas)
    assert info.etiquetas == {"ventana": "2026", "huella_paquete": package_fingerprint(destino)}
    cliente = cliente_de(registro._uri)
    run = cliente.get_run(cliente.get_model_version(registro.modelo, "1").run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {n: str(v) for n, v in parametros.items()}
    assert [f.path for f in cliente.list_artifacts(run.info.run_id, "a")] == ["a/curva.png"]


def test_lo_que_ya_esta_no_se_baja_otra_vez(registro: ModelRegistry, tmp_path: Path) -> None:
    """A whole copy is left alone; one that was damaged, or is of another version, is replaced."""
    una = _registrar(registro, tmp_path, 1)
    otra = _registrar(registro, tmp_path, 2)
    destino = registro.download(una, tmp_path / "copia")
    nodo = destino.stat().st_ino
    assert registro.download(una, destino).stat().st_ino == nodo
    (destino / "colas.npz").write_bytes(b"roto")
    assert _bytes(registro.download(una, destino)) == _bytes(tmp_path / "origen-1")
    assert _bytes(registro.download(otra, destino)) == _bytes(tmp_path / "origen-2")


def test_un_cientifico_la_carga_por_su_alias(registro: ModelRegistry, tmp_path: Path) -> None:
    """``mlflow.pyfunc`` alone, in another process, gives our scores from features in any order."""
    registro.set_alias("champion", _registrar(registro, tmp_path), {})
    x = rasgos(9, 3)
    x[2, 4] = np.nan
    np.save(tmp_path / "x.npy", x)
    programa = f"""
import mlflow, numpy, pandas
mlflow.set_tracking_uri({registro._uri!r})
modelo = mlflow.pyfunc.load_model("models:/{registro.modelo}@champion")
x = pandas.DataFrame(numpy.load("x.npy"), columns={list(RASGOS)!r})
numpy.save("scores.npy", modelo.predict(x[x.columns[::-1]]))
assert modelo.metadata.signature.inputs.input_names() == {list(RASGOS)!r}
assert len(modelo.input_example) == 5
"""
    hecho = forks.run(
        os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}, "-c", programa, cwd=tmp_path
    )
    assert hecho.returncode == 0, hecho.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), modelo().bosque.scores(x))


def test_los_alias_se_mueven_y_se_quitan(registro: ModelRegistry, tmp_path: Path) -> None:
    """An alias leads where it was last put, with the tags given; where nothing is, None."""
    assert registro.versions() == []
    assert registro.version_of("champion") is None
    registro.delete_alias("champion")
    una, otra = _registrar(registro, tmp_path, 1), _registrar(registro, tmp_path, 2)
    assert (una, otra, registro.version_of("challenger")) == (1, 2, 2)
    registro.set_alias("champion", otra, {})
    registro.set_alias("champion", una, {"promovida_por": "ana", "motivo": "más precisión"})
    assert registro.version_of("champion") == una
    registro.delete_alias("challenger")
    registro.delete_alias("challenger")
    nueva, vieja = registro.versions()
    assert (nueva.version, nueva.alias) == (2, ())
    assert (vieja.version, vieja.alias) == (1, ("champion",))
    assert vieja.etiquetas["motivo"] == "más precisión"


def _promocion(quien: str, desde: str) -> dict[str, str]:
    return {
        "promovido_por": quien,
        "promovido_en": "2026-11-24T10:00:00+01:00",
        "promovido_motivo": "más precisión",
        "promovido_desde": desde,
    }


def test_una_promocion_no_borra_las_de_antes(registro: ModelRegistry, tmp_path: Path) -> None:
    """Promoted again: ``promovido_*`` are the latest one's, and ``promociones`` tells them all."""
    version = _registrar(registro, tmp_path)
    cliente = cliente_de(registro._uri)
    for nombre, valor in _promocion("antigua", "ninguna").items():
        # As versions were tagged before there was a list.
        cliente.set_model_version_tag(registro.modelo, str(version), nombre, valor)
    registro.set_alias("champion", version, _promocion("ana", "3"))
    registro.set_alias("champion", version, _promocion("luis", "4"))
    etiquetas = registro.versions()[0].etiquetas
    assert (etiquetas["promovido_por"], etiquetas["promovido_desde"]) == ("luis", "4")
    historia = json.loads(etiquetas["promociones"])
    assert [(p["por"], p["desde"]) for p in historia] == [
        ("antigua", "ninguna"), ("ana", "3"), ("luis", "4"),
    ]  # fmt: skip
    assert all(set(p) == {"por", "en", "motivo", "desde"} for p in historia)


@pytest.mark.parametrize("texto", ["{", '{"por": "ana"}'])
def test_unas_promociones_tocadas_a_mano_se_guardan(texto: str) -> None:
    """What is no list stays readable in the list, whatever it was."""
    etiquetas = with_promotion({"promociones": texto}, _promocion("ana", "1"))
    ilegible, ultima = json.loads(etiquetas["promociones"])
    assert (ilegible, ultima["por"]) == ({"ilegible": texto}, "ana")


def test_las_promociones_caben_en_una_etiqueta() -> None:
    """Thousands of promotions: the oldest leave, the newest is there."""
    largas = json.dumps([{"por": f"{i}", "motivo": "x" * 1000} for i in range(500)])
    texto = with_promotion({"promociones": largas}, _promocion("ana", "1"))["promociones"]
    assert len(texto) <= 100_000
    historia = json.loads(texto)
    assert (historia[-1]["por"], historia[-2]["por"]) == ("ana", "499")
    assert len(historia) > 90


@pytest.mark.parametrize("ruta", ["registered-models/alias", "model-versions/set-tag"])
def test_las_etiquetas_no_dicen_lo_que_no_paso(
    mlflow_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ruta: str
) -> None:
    """The alias does not move: no tag. It moves and the tags fail: the error says just that."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    directo = registro_en(mlflow_uri)
    version = _registrar(directo, tmp_path)
    with servidor(estropeado(mlflow_uri, lambda _, camino: 500 * (ruta in camino))) as uri:
        registro = registro_en(uri, directo.modelo)
        esperado = TransientError if "alias" in ruta else PermanentError
        with pytest.raises(esperado) as error:
            registro.set_alias("champion", version, _promocion("ana", "1"))
    movido = "alias" not in ruta
    assert directo.version_of("champion") == (version if movido else None)
    assert ("«champion» ya apunta a la versión 1, pero" in str(error.value)) == movido
    assert not any(n.startswith("promo") for n in directo.versions()[0].etiquetas)


def test_un_informe_va_a_la_ejecucion_de_su_version(
    registro: ModelRegistry, tmp_path: Path
) -> None:
    """A drift report lies among the artifacts of the run that made the version."""
    version = _registrar(registro, tmp_path)
    informe = tmp_path / "2026-11-24.html"
    informe.write_text("<p>verde</p>")
    registro.log_artifact_to(version, informe, "deriva")
    cliente = cliente_de(registro._uri)
    run = cliente.get_model_version(registro.modelo, str(version)).run_id
    assert [f.path for f in cliente.list_artifacts(run, "deriva")] == ["deriva/2026-11-24.html"]


def test_una_version_que_no_existe_se_dice(registro: ModelRegistry, tmp_path: Path) -> None:
    """Whatever is asked of a version that is not there: one Spanish line with its number."""
    _registrar(registro, tmp_path)
    informe = tmp_path / "informe"
    informe.write_text("x")
    for llamar in (
        lambda: registro.set_alias("champion", 99, {"a": "b"}),
        lambda: registro.download(99, tmp_path / "copia"),
        lambda: registro.log_artifact_to(99, informe, "deriva"),
    ):
        with pytest.raises(PermanentError, match="no existe la versión 99"):
            llamar()
    assert registro.version_of("champion") is None
    assert not (tmp_path / "copia").exists()


def test_una_version_danada_no_llega_al_disco(registro: ModelRegistry, tmp_path: Path) -> None:
    """Changed on the server, whole or not, or somebody else's model: refused, nothing is left."""
    cliente = cliente_de(registro._uri)
    versiones = [_registrar(registro, tmp_path, semilla) for semilla in (1, 2)]
    impostor = paquete(tmp_path / "impostor", semilla=3)
    cambios = [[impostor / "bosque.npz"], sorted(impostor.iterdir())]
    for version, ficheros in zip(versiones, cambios, strict=True):
        ficha = cliente.get_model_version(registro.modelo, str(version))
        for fichero in ficheros:
            cliente.log_model_artifact(
                ficha.source.removeprefix("models:/"), str(fichero), "data/paquete"
            )
    ajena = cliente.create_model_version(registro.modelo, f"runs:/{ficha.run_id}/x", ficha.run_id)
    textos = ["«bosque.npz» está dañado", "no es el que se registró", "no lleva un paquete"]
    for version, texto in zip([*versiones, int(ajena.version)], textos, strict=True):
        with pytest.raises(ModeloInvalidoError, match=texto):
            registro.download(version, tmp_path / "modelos" / str(version))
    assert list((tmp_path / "modelos").iterdir()) == []


def test_un_paquete_roto_no_se_registra(registro: ModelRegistry, tmp_path: Path) -> None:
    """What we could not load ourselves never reaches the server."""
    roto = paquete(tmp_path / "roto")
    (roto / "colas.npz").unlink()
    with pytest.raises(ModeloInvalidoError, match=r"colas\.npz"):
        registro.register(roto, rasgos(2), parametros={}, metricas={}, etiquetas={})
    assert registro.versions() == []
    assert cliente_de(registro._uri).get_experiment_by_name(registro.experimento) is None


@pytest.mark.parametrize(
    ("metodo", "ruta", "estado", "error"),
    [
        ("POST", "/runs/log-batch", 500, TransientError),
        ("PUT", "/curva.png", 500, TransientError),
        ("PUT", "/data/paquete/bosque.npz", 507, TransientError),
        ("PUT", "/MLmodel", 403, PermanentError),
        ("PATCH", "/logged-models/", 500, TransientError),
        ("POST", "/runs/update", 500, TransientError),
        ("POST", "/model-versions/create", 400, PermanentError),
        ("POST", "/registered-models/alias", 503, TransientError),
    ],
)
def test_todo_o_nada(
    mlflow_uri: str,
    tmp_path: Path,
    metodo: str,
    ruta: str,
    estado: int,
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever step fails, no version is left, aliases stand, and the run says FAILED."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (tmp_path / "graficas").mkdir()
    (tmp_path / "graficas" / "curva.png").write_bytes(b"png")
    directo = registro_en(mlflow_uri)
    _registrar(directo, tmp_path, 1)
    # The way breaks at the step, and works again for what is then taken back.
    fallos: list[str] = []

    def rota(verbo: str, camino: str) -> int:
        if verbo == metodo and ruta in camino and not fallos:
            fallos.append(camino)
            return estado
        return 0

    with servidor(estropeado(mlflow_uri, rota)) as uri, pytest.raises(error, match="MLflow no"):
        _registrar(registro_en(uri, directo.modelo), tmp_path, 2, artefactos=tmp_path / "graficas")
    assert fallos
    assert [v.version for v in directo.versions()] == [1]
    cliente = cliente_de(mlflow_uri)
    experimento = cliente.get_experiment_by_name(directo.experimento).experiment_id
    runs = cliente.search_runs([experimento])
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED"]
    assert len(cliente.search_logged_models([experimento])) == 1
    assert directo.version_of("challenger") == 1


def test_una_conexion_que_se_corta_al_bajar(mlflow_uri: str, tmp_path: Path) -> None:
    """A download that fails half way leaves no folder, and is no verdict on the version."""
    directo = registro_en(mlflow_uri)
    version = _registrar(directo, tmp_path)

    def rota(_: str, camino: str) -> int:
        return 500 if camino.endswith("colas.npz") else 0

    with (
        servidor(estropeado(mlflow_uri, rota)) as uri,
        pytest.raises(TransientError, match="MLflow no responde"),
    ):
        registro_en(uri, directo.modelo).download(version, tmp_path / "modelos" / "1")
    assert list((tmp_path / "modelos").iterdir()) == []


def test_sin_servidor_se_sabe_enseguida() -> None:
    """Nobody listens: one Spanish line within two seconds, without the password in it."""
    with socket.socket() as libre:
        libre.bind(("127.0.0.1", 0))
        puerto = libre.getsockname()[1]
        registro = registro_en(f"http://ana:secreto@127.0.0.1:{puerto}/raiz")
        for llamar in (registro.ping, lambda: registro.version_of("champion")):
            desde = time.monotonic()
            with pytest.raises(TransientError) as error:
                llamar()
            assert time.monotonic() - desde < 2.0
            assert str(error.value) == f"MLflow no responde en http://127.0.0.1:{puerto}/raiz"


def test_un_servidor_mudo_no_retiene(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and says nothing is away too, after the time allowed."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as mudo:
        registro = registro_en(f"http://127.0.0.1:{mudo.getsockname()[1]}")
        with pytest.raises(TransientError, match="MLflow no responde"):
            registro.version_of("champion")


def test_ping_y_nada_sale_de_la_maquina(mlflow_uri: str, tmp_path: Path) -> None:
    """MLflow is imported only when its server is there, and then without telemetry or a trace."""
    programa = f"""
import sys
from serving.registry import ModelRegistry
from serving.run_card import RunCard, UsedData
from serving.settings import Settings
from detection.errors import TransientError
try:
    ModelRegistry(Settings(mlflow_tracking_uri="http://127.0.0.1:1")).ping()
except TransientError:
    assert "mlflow" not in sys.modules
else:
    raise AssertionError
ModelRegistry(Settings(mlflow_tracking_uri={mlflow_uri!r})).ping()
from mlflow.telemetry import get_telemetry_client
from mlflow.telemetry.utils import is_telemetry_disabled
assert is_telemetry_disabled() and get_telemetry_client() is None
"""
    propias = ("PYTEST_", "MLFLOW_", "CI", "DO_NOT_TRACK", "GITHUB_")
    entorno = {n: v for n, v in os.environ.items() if not n.startswith(propias)}
    entorno["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    hecho = subprocess.run(
        [sys.executable, "-c", programa], check=False, cwd=tmp_path, env=entorno,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (hecho.returncode, hecho.stdout, hecho.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_lo_que_se_cuenta_de_una_version_esta_en_mlflow(
    registro: ModelRegistry, tmp_path: Path
) -> None:
    """A named run with its words, data, tables and curves; an experiment of models."""
    datos = UsedData(
        "lecturas", "training", "ab" * 32, {"tabla": "consumos_historia"}, ("a", "b"),
        {"num_rows": 7},
    )  # fmt: skip
    ficha = RunCard(
        "martes", "**Qué es.** Una prueba.", [datos],
        {"t/uno.json": {"x": [1, 2], "y": ["a", "b"]}}, {"precision": [0.5, 0.25]},
    )  # fmt: skip
    for _ in range(2):
        version = _registrar(registro, tmp_path, ficha=ficha)
    cliente = cliente_de(registro._uri)
    suya = cliente.get_model_version(registro.modelo, str(version))
    run = cliente.get_run(suya.run_id)
    assert (run.info.run_name, suya.description) == ("martes", ficha.texto)
    (entrada,) = run.inputs.dataset_inputs
    assert (entrada.dataset.name, entrada.tags[0].value) == ("lecturas", "training")
    assert json.loads(entrada.dataset.profile) == {"num_rows": 7}
    (ruta,) = cliente.list_artifacts(suya.run_id, "t")
    tabla = json.loads(Path(cliente.download_artifacts(suya.run_id, ruta.path)).read_bytes())
    assert tabla == {"columns": ["x", "y"], "data": [[1, "a"], [2, "b"]]}
    curva = cliente.get_metric_history(suya.run_id, "curva.precision")
    assert [(p.step, p.value) for p in curva] == [(0, 0.5), (1, 0.25)]
    assert registro.versions()[0].metricas == {"precision_media": 0.5}
    experimento = cliente.get_experiment_by_name(registro.experimento)
    assert experimento.tags["mlflow.experimentKind"] == "custom_model_development"
    assert "challenger" in cliente.get_registered_model(registro.modelo).description
