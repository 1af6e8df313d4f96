"""A model is numbers: nothing that is loaded can run code, whoever wrote it."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apoyo_modelos import modelo_de_prueba

from detection.errors import ModeloInvalidoError
from detection.features.hourly import RASGOS
from serving.model_package import load_paquete, save_paquete
from serving.puntuador import _load_pyfunc
from serving.registry import ModelRegistry
from serving.settings import Settings

RAIZ = Path(__file__).resolve().parents[2]
HABITACIONES = ("detection", "serving", "pipeline", "training", "api", "dashboard")
QUE_EJECUTAN = {
    "pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal",
}  # fmt: skip
"""Modules whose files run code when they are read."""
LLAMADAS = {"eval", "exec", "compile", "__import__"}
PUERTAS_DE_MLFLOW = {"load_model", "load_pyfunc", "read_pickle", "to_pickle", "unpickle"}


def _peligros(texto: str) -> Iterator[str]:
    """Give what of a source could run a file's content."""
    for nodo in ast.walk(ast.parse(texto)):
        if isinstance(nodo, ast.Import):
            yield from (a.name for a in nodo.names if a.name.split(".")[0] in QUE_EJECUTAN)
        elif isinstance(nodo, ast.ImportFrom):
            if (nodo.module or "").split(".")[0] in QUE_EJECUTAN:
                yield str(nodo.module)
            yield from (a.name for a in nodo.names if a.name in PUERTAS_DE_MLFLOW | QUE_EJECUTAN)
        elif isinstance(nodo, ast.Call):
            yield from _llamada_peligrosa(nodo)


def _llamada_peligrosa(nodo: ast.Call) -> Iterator[str]:
    texto = ast.unparse(nodo.func)
    opciones = {k.arg: ast.unparse(k.value) for k in nodo.keywords}
    if texto in LLAMADAS or texto.rpartition(".")[2] in PUERTAS_DE_MLFLOW:
        yield texto
    if texto in {"np.load", "numpy.load"} and opciones.get("allow_pickle") != "False":
        yield f"{texto} without allow_pickle=False"
    if opciones.get("allow_pickle", "False") != "False":
        yield f"{texto} with allow_pickle"
    if texto.rpartition(".")[2] == "import_module" and QUE_EJECUTAN & {
        a.value for a in nodo.args if isinstance(a, ast.Constant)
    }:
        yield texto


@pytest.mark.parametrize("donde", ["consumo.py", *HABITACIONES])
def test_ningun_modulo_lee_lo_que_ejecuta_codigo(donde: str) -> None:
    """No pickle, no eval, and numpy is told to read none either."""
    lugar = RAIZ / donde
    nuestros = sorted(lugar.rglob("*.py")) if lugar.is_dir() else [lugar]
    hallados = {
        p.relative_to(RAIZ).as_posix(): peligros
        for p in nuestros
        if (peligros := list(_peligros(p.read_text(encoding="utf-8"))))
    }
    assert nuestros
    assert not hallados


@pytest.mark.parametrize(
    "texto",
    [
        "import pickle", "from joblib import load", "from sklearn.externals import joblib",
        "import importlib\nimportlib.import_module('cloudpickle')", "eval('1')",
        "import numpy as np\nnp.load('x')", "import numpy as np\nnp.load('x', allow_pickle=True)",
        "np.lib.format.read_array(f, allow_pickle=quiza)", "mlflow.sklearn.load_model('m')",
        "from mlflow.pyfunc import load_model", "pd.read_pickle('x')",
    ],
)  # fmt: skip
def test_el_examen_ve_cada_forma_de_hacerlo(texto: str) -> None:
    """The examination above can fail."""
    assert list(_peligros(texto))


def paquete(carpeta: Path) -> Path:
    """Return a folder with a good package."""
    save_paquete(modelo_de_prueba(), carpeta)
    return carpeta


class Bomba:
    """What leaves a file behind when it is unpickled."""

    def __init__(self, huella: Path) -> None:
        self.huella = huella

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.huella,)


def _npz_con_bomba(huella: Path, original: bytes) -> bytes:
    """Return an archive like another, its first array replaced by one that runs code."""
    with np.load(io.BytesIO(original), allow_pickle=False) as archivo:
        arrays = {clave: archivo[clave] for clave in archivo.files}
    arrays[min(arrays)] = np.array([Bomba(huella)], dtype=object)
    salida = io.BytesIO()
    np.savez(salida, allow_pickle=True, **arrays)
    return salida.getvalue()


def _sellar(carpeta: Path) -> None:
    """Write the manifest as somebody would who knows how: every sum is right."""
    datos = json.loads((carpeta / "modelo.json").read_text("utf-8"))
    for nombre in datos["sha256"]:
        datos["sha256"][nombre] = hashlib.sha256((carpeta / nombre).read_bytes()).hexdigest()
    del datos["huella"]

    def escrito() -> bytes:
        return (json.dumps(datos, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()

    datos["huella"] = hashlib.sha256(escrito()).hexdigest()
    (carpeta / "modelo.json").write_bytes(escrito())


@pytest.fixture
def huella(tmp_path: Path) -> Path:
    """Return the file that is there if code of a forged model has run."""
    return tmp_path / "ejecutado"


@pytest.mark.parametrize("nombre", ["bosque.npz", "colas.npz"])
@pytest.mark.parametrize("entero", [False, True], ids=["dentro del archivo", "en su lugar"])
def test_un_paquete_falsificado_no_ejecuta_nada(
    huella: Path, tmp_path: Path, nombre: str, entero: bool
) -> None:
    """Even with every sum right it is refused, and nothing of it has run."""
    carpeta = paquete(tmp_path / "p")
    forjado = (
        pickle.dumps(Bomba(huella))
        if entero
        else _npz_con_bomba(huella, (carpeta / nombre).read_bytes())
    )
    (carpeta / nombre).write_bytes(forjado)
    with pytest.raises(ModeloInvalidoError, match="SHA-256"):
        load_paquete(carpeta, "v")
    _sellar(carpeta)
    for cargar in (lambda: load_paquete(carpeta, "v"), lambda: _load_pyfunc(str(carpeta))):
        with pytest.raises(ModeloInvalidoError, match="no es un archivo de matrices"):
            cargar()
    assert not huella.exists()


def test_la_bomba_estalla_si_se_la_deja(huella: Path, tmp_path: Path) -> None:
    """What the tests here load would run: it is not harmless by accident."""
    original = (paquete(tmp_path / "p") / "bosque.npz").read_bytes()
    with np.load(io.BytesIO(_npz_con_bomba(huella, original)), allow_pickle=True) as archivo:
        for clave in archivo.files:
            archivo[clave]
    assert huella.exists()


def test_una_version_falsificada_en_mlflow_no_ejecuta_nada(
    mlflow_uri: str, huella: Path, tmp_path: Path
) -> None:
    """Whoever can write to the registry can break a version, and run nothing here."""
    from mlflow import MlflowClient

    registro = ModelRegistry(
        Settings(mlflow_tracking_uri=mlflow_uri), experimento="forjado", modelo="forjado"
    )
    bueno = paquete(tmp_path / "bueno")
    ejemplo = np.full((5, len(RASGOS)), 0.5, np.float32)
    buena = registro.register(bueno, ejemplo, parametros={}, metricas={}, etiquetas={})
    cliente = MlflowClient(tracking_uri=mlflow_uri)
    ficha = cliente.get_model_version(registro.modelo, str(buena))

    forjado = tmp_path / "forjado"
    shutil.copytree(bueno, forjado)
    original = (bueno / "bosque.npz").read_bytes()
    (forjado / "bosque.npz").write_bytes(_npz_con_bomba(huella, original))
    _sellar(forjado)
    # As MLflow would load a model of any other kind: its own file says what runs.
    otro = tmp_path / "otro"
    shutil.copytree(forjado, otro / "data" / "paquete")
    (otro / "python_model.pkl").write_bytes(pickle.dumps(Bomba(huella)))
    (otro / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n"
        "    python_model: python_model.pkl\n    data: data/paquete\n"
    )
    experimento = cliente.get_run(ficha.run_id).info.experiment_id
    hecho = cliente.create_logged_model(experimento, registro.modelo, ficha.run_id)
    cliente.log_model_artifacts(hecho.model_id, str(otro))
    cliente.finalize_logged_model(hecho.model_id, "READY")
    mala = cliente.create_model_version(
        registro.modelo, f"models:/{hecho.model_id}", ficha.run_id, {}, model_id=hecho.model_id
    )
    bajado = registro.download(int(mala.version), tmp_path / "bajado")
    with pytest.raises(ModeloInvalidoError, match="no es un archivo de matrices"):
        load_paquete(bajado, "v")
    assert not huella.exists()
