"""The notebooks run from top to bottom on few households, and are kept without what they said."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from apoyo_cuadernos import FIGURA, RAIZ, de_corrido, entorno
from apoyo_modelos import modelo_de_prueba

from detection.domain import Lecturas, instante
from detection.features.hourly import RASGOS
from detection.params import Params
from detection.rules.registry import CALIBRACIONES, rules_fingerprint
from detection.simulation.synthesis import generate, make_population
from serving.local_time import load_calendario
from serving.model_package import save_paquete
from serving.model_versions import CAMPEON
from serving.registry import ModelRegistry
from serving.settings import Settings
from training.evaluation.version_metrics import evaluate
from training.holdout import EVALUACION, Conjunto
from training.promotion import compare_versions

if TYPE_CHECKING:
    from nbformat import NotebookNode

pytestmark = pytest.mark.timeout(290)

CUADERNOS = sorted((RAIZ / "notebooks").glob("*.ipynb"))
DE_MLFLOW = "04_comparacion_modelos"
HABITACIONES = {"detection", "serving", "pipeline", "training", "api", "dashboard", "consumo"}
DE_FUERA = {"numpy", "pandas", "IPython"}
"""Numbers, tables and what puts them under a cell; every other library has its one door."""
PLAZO_CELDA_S = 240
SIN_DATOS = "/no/hay"


def _leer(ruta: Path) -> dict[str, Any]:
    return dict(json.loads(ruta.read_text(encoding="utf-8")))


def _celdas(ruta: Path, clase: str) -> list[dict[str, Any]]:
    return [c for c in _leer(ruta)["cells"] if c["cell_type"] == clase]


def _nombre(ruta: Path) -> str:
    return ruta.stem


def ejecutar(ruta: Path, carpeta: Path, **variables: str) -> NotebookNode:
    """Return a notebook with its outputs, run in a kernel that sees these variables alone."""
    for falta in ("ipykernel", "nbclient"):
        if find_spec(falta) is None:
            pytest.skip(f"falta {falta}, que viene con el extra [dev]")
    import nbformat
    from nbclient import NotebookClient

    cuaderno = nbformat.read(ruta, as_version=4)
    cliente = NotebookClient(
        cuaderno, timeout=PLAZO_CELDA_S, kernel_name="python3",
        resources={"metadata": {"path": str(ruta.parent)}},
    )  # fmt: skip
    return cliente.execute(env=entorno(carpeta, **variables))


def dicho(cuaderno: NotebookNode) -> str:
    """Return all that the cells of a run notebook say, as one text."""
    trozos = []
    for celda in cuaderno.cells:
        for salida in celda.get("outputs", []):
            assert salida.output_type != "stream", f"{celda.id}: {salida.text}"
            datos: Mapping[str, Any] = salida.get("data", {})
            trozos += [str(datos[c]) for c in ("text/markdown", "text/plain") if c in datos]
    return "\n".join(trozos)


def figuras(cuaderno: NotebookNode) -> list[Any]:
    """Return the Plotly figures of a run notebook."""
    return [
        salida.data[FIGURA]
        for celda in cuaderno.cells
        for salida in celda.get("outputs", [])
        if FIGURA in salida.get("data", {})
    ]


@pytest.fixture
def taller(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder for what Jupyter writes; its sockets want a short path."""
    with tempfile.TemporaryDirectory(prefix="cuadernos-") as carpeta:
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", carpeta)
        yield Path(carpeta)


@pytest.mark.parametrize("ruta", CUADERNOS, ids=_nombre)
def test_se_guardan_sin_salidas(ruta: Path) -> None:
    """No output, no count and no trace of who ran it: a diff shows what somebody wrote."""
    for celda in _celdas(ruta, "code"):
        assert celda["outputs"] == [], celda["id"]
        assert celda["execution_count"] is None, celda["id"]
    assert set(_leer(ruta)["metadata"]) <= {"kernelspec", "language_info"}
    assert _leer(ruta)["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("ruta", CUADERNOS, ids=_nombre)
def test_solo_importan_de_las_habitaciones(ruta: Path) -> None:
    """Rooms, numbers and tables: what an outside library does is behind its door already."""
    for celda in _celdas(ruta, "code"):
        for nodo in ast.walk(ast.parse("".join(celda["source"]))):
            if isinstance(nodo, ast.Import):
                modulos = [alias.name for alias in nodo.names]
            elif isinstance(nodo, ast.ImportFrom):
                modulos = [nodo.module or ""]
                privados = [a.name for a in nodo.names if a.name.startswith("_")]
                assert not privados, f"{celda['id']} reaches for {privados}"
            else:
                continue
            for modulo in modulos:
                raiz = modulo.split(".")[0]
                conocido = raiz in HABITACIONES | DE_FUERA or raiz in sys.stdlib_module_names
                assert conocido, f"{celda['id']} imports {modulo}"


@pytest.mark.parametrize("ruta", CUADERNOS, ids=_nombre)
def test_no_llevan_rutas_de_ninguna_maquina(ruta: Path) -> None:
    """They run in anybody's folder, and what they take is said at their top."""
    texto = ruta.read_text(encoding="utf-8")
    assert not re.search(r"[\"'(\s](/(home|Users|work|tmp|root|mnt|opt|var)/|[A-Z]:\\\\)", texto)
    assert not re.search(r"https?://", texto)
    parametros = [c for c in _celdas(ruta, "code") if "parameters" in c["metadata"].get("tags", [])]
    assert parametros == _celdas(ruta, "code")[:1]


@pytest.mark.parametrize("ruta", CUADERNOS, ids=_nombre)
def test_el_texto_no_lleva_cifras_de_los_datos(ruta: Path) -> None:
    """A sentence that somebody typed stays true whatever the data: results come out of cells."""
    for celda in _celdas(ruta, "markdown"):
        prosa = re.sub(r"`[^`]*`|\]\([^)]*\)", "", "".join(celda["source"]))
        cifras = re.findall(r"\d+(?:[.,]\d+)? ?(?:kWh|€|clientes|hogares|lecturas)", prosa)
        assert not cifras, f"{celda['id']}: {cifras}"


@pytest.mark.parametrize("ruta", [r for r in CUADERNOS if r.stem != DE_MLFLOW], ids=_nombre)
def test_cada_celda_se_ejecuta_y_no_avisa_de_nada(ruta: Path, taller: Path) -> None:
    """On generated households, one cell after the other, by Python alone."""
    hecho = de_corrido(ruta, taller, CONSUMO_SHARED=SIN_DATOS)
    assert hecho.quejas == ""
    assert hecho.texto
    assert len(hecho.figuras) >= 4


def test_la_pagina_de_un_cuaderno_no_pide_nada_a_nadie(tmp_path: Path) -> None:
    """Texts, tables and figures, with what draws them inside; no text of theirs is a script."""
    malo = "</script><script>alert(1)</script>"
    figura = {"data": [{"y": [1, 2], "name": malo}], "layout": {}, "config": {"locale": "es"}}
    salidas = [
        {"output_type": "display_data", "data": {FIGURA: figura, "text/html": "otra vez"}},
        {"output_type": "display_data", "data": {
            "text/html": ["<script src='https://x.example/r.js'></script>", "<table></table>"],
        }},
        {"output_type": "stream", "name": "stdout", "text": malo},
        {"output_type": "execute_result", "data": {"text/markdown": f"**Sí**: {malo}"}},
        {"output_type": "error", "traceback": ["\x1b[31mValueError\x1b[0m: <b>"]},
    ]  # fmt: skip
    celdas = [
        {"cell_type": "markdown", "id": "a", "source": "Como en [el primero](01_x.ipynb)."},
        {"cell_type": "code", "id": "b", "source": ["1 <", " 2"], "outputs": salidas},
    ]
    cuaderno = tmp_path / "uno.ipynb"
    cuaderno.write_text(json.dumps({"cells": celdas}), encoding="utf-8")
    orden = [sys.executable, str(RAIZ / "notebooks" / "html_pages.py"), str(cuaderno)]
    subprocess.run(orden, check=True, capture_output=True)
    pagina = cuaderno.with_suffix(".html").read_text(encoding="utf-8")
    biblioteca, _, cuerpo = pagina.partition("</head>")
    assert len(biblioteca) > 1_000_000
    assert re.findall(r"""(?:src|href)=["'][^"']*""", cuerpo) == ['href="01_x.html']
    assert re.findall(r"<script[^>]*>(.{14})", cuerpo) == ["Plotly.newPlot"]
    for dicho in ("<strong>Sí</strong>", "<table></table>", "1 &lt; 2", "ValueError: &lt;b&gt;"):
        assert dicho in cuerpo
    assert "otra vez" not in cuerpo


@pytest.mark.lenta
@pytest.mark.parametrize("ruta", [r for r in CUADERNOS if r.stem != DE_MLFLOW], ids=_nombre)
def test_se_ejecutan_de_arriba_abajo(ruta: Path, taller: Path) -> None:
    """On generated households, as in a fresh clone: every cell runs, and warns of nothing."""
    hecho = ejecutar(ruta, taller, CONSUMO_SHARED=SIN_DATOS)
    assert len(figuras(hecho)) >= 4
    assert "nan" not in dicho(hecho).lower().split()


@pytest.mark.lenta
@pytest.mark.parametrize(
    "ruta", [r for r in CUADERNOS if r.stem.startswith(("01", "05"))], ids=_nombre
)
def test_se_ejecutan_sobre_hogares_reales(ruta: Path, taller: Path, shared: Path) -> None:
    """With the public households beside the project, these are what is looked at."""
    hecho = ejecutar(ruta, taller, CONSUMO_SHARED=str(shared))
    assert "CH-" in dicho(hecho)


def test_se_exploran_lecturas_propias(taller: Path, tmp_path: Path) -> None:
    """``CUADERNOS_DATOS`` names a file of one's own; of a customer switched off nothing is said."""
    calendario, hasta = load_calendario("Europe/Madrid"), 490_000
    poblacion = make_population(3, 5, 0, hasta - 15 * 24, hasta)
    lecturas = generate(poblacion, hasta - 15 * 24, hasta, calendario).lecturas()
    filas = ["propietario_id,timestamp,consumo_kwh"]
    for quien, hora, kwh in zip(
        lecturas.propietario_id, lecturas.hora_utc.tolist(), lecturas.consumo_kwh, strict=True
    ):
        leido = 0.0 if quien == "CLI_00002" else kwh
        filas.append(f"MIO_{quien[-1]},{instante(hora).isoformat()},{leido}")
    datos = tmp_path / "mias.csv"
    datos.write_text("\n".join(filas))
    texto = dicho(ejecutar(CUADERNOS[0], taller, CUADERNOS_DATOS=str(datos)))
    assert "archivo mias.csv" in texto
    assert re.search(r"hogares +4\b", texto)
    assert re.search(r"solo dan ceros, que no se miran +1\b", texto)


def _picos() -> Conjunto:
    """Return steady loads, half of them with spikes in the last week that no rule can miss."""
    corte, clientes = 490_000, 8
    hora = np.repeat(np.arange(corte - 28 * 24, corte + 7 * 24), clientes)
    cliente = np.tile(np.arange(clientes), 35 * 24)
    kwh = 1.0 + 0.1 * np.random.default_rng(1).uniform(-1.0, 1.0, hora.size)
    pico = (hora >= corte) & (hora % 8 == 0) & (cliente % 2 == 1)
    kwh[pico] *= 12.0
    return Conjunto(
        Lecturas([f"cliente_{k}" for k in cliente], hora, kwh), np.zeros(hora.size, np.int32),
        (hora >= corte) & ((cliente % 2 == 0) | pico), np.where(pico, "picos", "").tolist(),
    )  # fmt: skip


def _registrar(settings: Settings, peso: float) -> int:
    """Return the number of a small version, with the metrics of its own evaluation."""
    calibraciones = {n: replace(c, peso=c.peso * peso) for n, c in CALIBRACIONES.items()}
    version = replace(
        modelo_de_prueba(), calibraciones=calibraciones, huella_params=rules_fingerprint(Params())
    )
    picos = _picos()
    metricas = evaluate(picos, version, load_calendario(settings.zona_horaria), dejar_fuera=False)
    with tempfile.TemporaryDirectory() as carpeta:
        save_paquete(version, Path(carpeta), extras={EVALUACION: picos.to_parquet()})
        return ModelRegistry(settings).register(
            Path(carpeta), np.zeros((2, len(RASGOS)), np.float32), parametros={},
            metricas=metricas.figures(), etiquetas={"evaluacion_sha256": picos.sha256},
        )  # fmt: skip


def test_compara_las_versiones_de_mlflow(entorno_mlflow: Settings, taller: Path) -> None:
    """Two versions on a real server: both are there, and the gate says what it would do."""
    sorda, buena = _registrar(entorno_mlflow, 0.0), _registrar(entorno_mlflow, 1.0)
    registro = ModelRegistry(entorno_mlflow)
    registro.set_alias(CAMPEON, sorda, {"promovido_por": "prueba"})
    ruta = next(r for r in CUADERNOS if r.stem == DE_MLFLOW)
    hecho = ejecutar(ruta, taller, MLFLOW_TRACKING_URI=entorno_mlflow.mlflow_tracking_uri)
    texto = dicho(hecho)
    assert "2 versiones registradas" in texto
    decision = compare_versions(entorno_mlflow, registro, buena, sorda).decision
    assert f"Versión {buena} frente a la versión {sorda}: " in texto
    assert decision.motivo in texto
    assert ("**se promovería**" in texto) is decision.promueve
    assert all(c.nombre in texto for c in decision.criterios)
    assert [len(f["data"]) for f in figuras(hecho)] == [2, 2, 2, 2]
    assert registro.version_of(CAMPEON) == sorda, "looking moves nothing"


def test_sin_mlflow_lo_dice_y_acaba(taller: Path) -> None:
    """Without a server the notebook says so, and what to do; no cell fails."""
    ruta = next(r for r in CUADERNOS if r.stem == DE_MLFLOW)
    hecho = ejecutar(ruta, taller, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert "MLflow no responde" in dicho(hecho)
