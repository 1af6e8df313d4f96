"""Every name of ours that a document writes as code is a name of ours."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from detection.domain import TIPOS

RAIZ = Path(__file__).resolve().parents[2]
DOCUMENTOS = ("README.md", "QUICK_START.md", "CONTRIBUTING.md")
CODIGO = ("api", "dashboard", "detection", "pipeline", "serving", "training", "tests", "notebooks")
AJENOS = {
    "COUNT",
    "DOCKER_HOST",
    "EXPLAIN",
    "INTEGER",
    "NUMERIC",
    "SMALLINT",
    "TIMESTAMPTZ",
    "PYTHONPATH",
    "PATH",
}
"""Names that are not ours: of PostgreSQL, of Docker, of the shell."""
HUECOS = {"CONTENEDOR", "SERVICIO"}
"""What whoever reads puts a name of his own for."""
VOLUMEN = re.compile(r"-v (\w[\w-]*):")


@lru_cache(maxsize=1)
def _conocidos() -> frozenset[str]:
    """Return every name that our code defines, and every word of its settings files."""
    nombres: set[str] = set()
    ficheros = [RAIZ / "consumo.py", *(f for c in CODIGO for f in (RAIZ / c).rglob("*.py"))]
    for fichero in ficheros:
        for nodo in ast.walk(ast.parse(fichero.read_text(encoding="utf-8"))):
            if isinstance(nodo, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                nombres.add(nodo.name)
            elif isinstance(nodo, ast.Name) and isinstance(nodo.ctx, ast.Store):
                nombres.add(nodo.id)
            elif isinstance(nodo, ast.arg):
                nombres.add(nodo.arg)
            elif isinstance(nodo, ast.alias):
                nombres.add(nodo.name)
            elif isinstance(nodo, ast.Constant) and isinstance(nodo.value, str):
                # Variables of the environment are looked up by their name.
                nombres |= {nodo.value} if re.fullmatch(r"[A-Z_]+", nodo.value) else set()
    otros = [RAIZ / n for n in (".env.example", "docker-compose.yml", "Dockerfile", "Makefile")]
    for otro in (*otros, *(RAIZ / "notebooks").glob("*.ipynb")):
        nombres |= set(re.findall(r"\w+", otro.read_text(encoding="utf-8")))
    return frozenset(nombres)


def _en_codigo(texto: str) -> set[str]:
    """Return what stands in backticks outside blocks and looks like a class or a constant."""
    sueltos = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", texto, flags=re.DOTALL))
    forma = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]*[A-Z])+|[A-Z]{5,}|[A-Z][a-z]+(?:[A-Z][a-z]+)+")
    sueltos = [suelto for suelto in sueltos if not suelto.endswith(".md")]
    return {t for suelto in sueltos for t in re.split(r"[.()=:, ]", suelto) if forma.fullmatch(t)}


@pytest.mark.parametrize("documento", DOCUMENTOS)
def test_cada_nombre_en_codigo_existe(documento: str) -> None:
    """A class, constant or variable that a document names is one that the code has."""
    nombrados = _en_codigo((RAIZ / documento).read_text(encoding="utf-8"))
    assert nombrados - _conocidos() - AJENOS - HUECOS == set()


def test_el_lugar_que_se_dice_es_el_suyo() -> None:
    """Where a document puts a file in brackets behind a name, the name is defined in that file."""
    hallados = 0
    for documento in DOCUMENTOS:
        texto = (RAIZ / documento).read_text(encoding="utf-8")
        for nombre, ruta in re.findall(r"`([A-Za-z_]\w*)`\s+\(`([\w/]+\.py)`", texto):
            definido = rf"^(?:class |def )?{nombre}\b(?::|\(| =)"
            assert re.search(definido, (RAIZ / ruta).read_text(encoding="utf-8"), re.MULTILINE), (
                f"{documento}: {nombre} is not in {ruta}"
            )
            hallados += 1
    assert hallados >= 4


def test_las_copias_nombran_volumenes_que_existen_en_cualquier_carpeta() -> None:
    """A volume in a command of README bears the name that docker-compose.yml gives it itself."""
    compose = yaml.safe_load((RAIZ / "docker-compose.yml").read_text(encoding="utf-8"))
    suyos = {v.get("name") for v in (uno or {} for uno in compose["volumes"].values())}
    assert None not in suyos, "a volume without a name of its own is called after the folder"
    nombrados = set(VOLUMEN.findall((RAIZ / "README.md").read_text(encoding="utf-8")))
    assert nombrados
    assert nombrados <= suyos


def test_una_mascara_de_tipos_no_tiene_ancho_escrito_a_mano() -> None:
    """No file of ours says uint8 of a mask of types; there are no more types than a SMALLINT holds.

    Keyword, annotation or docstring: what is called ``tipos`` is of ``MASCARA_DTYPE``.
    """
    malo = re.compile(r"\btipos\b[^#\n]*\buint8\b|_MASCARAS\s*=\s*\d")
    for carpeta in ("detection", "serving", "pipeline", "training", "api"):
        for fichero in (RAIZ / carpeta).rglob("*.py"):
            lineas = fichero.read_text(encoding="utf-8").splitlines()
            malas = [n for n, linea in enumerate(lineas, 1) if malo.search(linea)]
            assert not malas, f"{fichero.relative_to(RAIZ)}: {malas}"
    assert len(TIPOS) <= 15
