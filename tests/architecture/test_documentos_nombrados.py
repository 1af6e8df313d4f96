"""What README and QUICK_START name is there, and what there is they name."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

import consumo
from api.app import create_app
from pipeline.generator import service
from serving.settings import Settings

RAIZ = Path(__file__).resolve().parents[2]
README = (RAIZ / "README.md").read_text(encoding="utf-8")
RAPIDO = (RAIZ / "QUICK_START.md").read_text(encoding="utf-8")
AMBOS = f"{README}\n{RAPIDO}"
MAKEFILE = (RAIZ / "Makefile").read_text(encoding="utf-8")
PUERTOS = {
    "PostgreSQL": 5432, "MongoDB": 27017, "Kafka": 9092, "MLflow": 5000, "API": 8001,
    "tablero": 8501, "generador": 8000, "Kafka UI": 8080, "ZooKeeper": 2181,
}  # fmt: skip
"""Contract 7, as the specification has them."""


def _codigo(texto: str) -> str:
    """Return only what a document shows as code: blocks and words in backticks."""
    bloques = re.findall(r"```[a-z]*\n(.*?)```", texto, re.DOTALL)
    sueltos = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", texto, flags=re.DOTALL))
    return "\n".join([*bloques, *sueltos])


def _ordenes_de_make() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))


def test_cada_orden_de_make_esta_en_los_documentos_y_al_reves() -> None:
    """README names each target that ``make help`` shows; no document names another."""
    nombradas = set(re.findall(r"\bmake ([a-z-]+)", _codigo(AMBOS)))
    assert nombradas - {"help"} <= _ordenes_de_make()
    assert _ordenes_de_make() - {"help"} <= nombradas


def test_cada_verbo_que_se_nombra_existe() -> None:
    """``consumo X`` in any document is a verb, and each verb is in README."""
    nombrados = set(re.findall(r"(?:^|[/ `|])consumo ([a-z]+)\b", _codigo(AMBOS), re.MULTILINE))
    nombrados -= {"y"}
    assert nombrados <= set(consumo.VERBOS)
    assert set(consumo.VERBOS) <= nombrados


def test_cada_opcion_que_se_nombra_existe(capsys: pytest.CaptureFixture[str]) -> None:
    """A flag written behind a verb is one that its help shows."""
    pedidas: dict[str, set[str]] = {}
    for linea in _codigo(AMBOS).splitlines():
        orden = re.match(r"(?:\$ |.*&& )?(?:[\w./]*/)?consumo ([a-z]+)(.*)", linea)
        if orden and orden[1] in consumo.VERBOS:
            opciones = re.findall(r"(--[a-z-]+)", orden[2].partition("#")[0])
            pedidas.setdefault(orden[1], set()).update(opciones)
    # The table of verbs: flags stand beside the verb.
    for verbo, fila in re.findall(r"^\| `consumo ([a-z]+)` \|(.*)\|", README, re.MULTILINE):
        pedidas.setdefault(verbo, set()).update(re.findall(r"(--[a-z-]+)", fila))
    assert set(pedidas) == set(consumo.VERBOS)
    for verbo, opciones in pedidas.items():
        with contextlib.suppress(SystemExit):
            consumo.main([verbo, "--help"])
        ayuda = capsys.readouterr().out
        faltan = {o for o in opciones if not re.search(rf"{o}\b(?!-)", ayuda)}
        assert not faltan, f"consumo {verbo} has no {faltan}"


def _rutas_de(documento: dict[str, object]) -> set[str]:
    caminos = documento["paths"]
    assert isinstance(caminos, dict)
    return {re.sub(r"\{\w+\}", "{}", camino) for camino in caminos}


@pytest.fixture(scope="module")
def rutas() -> set[str]:
    """Return every path of the API and of the generator, parameters as ``{}``."""
    de_la_api = _rutas_de(create_app(Settings()).openapi())
    return de_la_api | _rutas_de(service.create_app(Settings()).openapi())


def _nombradas(rutas: set[str]) -> tuple[set[str], set[str]]:
    """Return the paths that README names, and what it writes as one and is none.

    A cell may go on with ``/otra`` after ``/api/grupo/una``: that is in the same group.
    """
    halladas, sobran = set(), set()
    for linea in README.splitlines():
        base = ""
        for trozo in re.findall(r"`(?:(?:GET|POST) )?(/[^`\s]*)`", linea):
            camino = re.sub(r"\{\w+\}|(?<=/)N(?=/|$)|…", "{}", trozo.partition("?")[0])
            candidatos = [camino]
            partes = base.split("/")
            candidatos += [f"{'/'.join(partes[:n])}{camino}" for n in range(len(partes), 1, -1)]
            ruta = next((c for c in candidatos if c in rutas), None)
            if ruta is None:
                sobran.add(trozo)
            else:
                halladas.add(ruta)
                base = base or ruta
    return halladas, sobran


def test_cada_ruta_esta_en_el_readme_y_al_reves(rutas: set[str]) -> None:
    """Every path of both servers is in README; README names no other."""
    halladas, sobran = _nombradas(rutas)
    assert sobran <= {"/docs", "/openapi.json"}
    assert halladas == rutas


def test_las_direcciones_de_los_ejemplos_contestan(rutas: set[str]) -> None:
    """Each address in a ``curl`` of a document has the path of one route."""
    formas = {re.compile(re.sub(r"\\\{\\\}", "[^/]+", re.escape(ruta)) + r"$") for ruta in rutas}
    for camino in re.findall(r"curl[^\n]*?https?://[\w.:]+(/[^\s\"'?`]*)", AMBOS):
        assert any(forma.match(camino) for forma in formas), camino


@pytest.mark.parametrize(("quien", "puerto"), PUERTOS.items())
def test_cada_puerto_esta_en_el_readme(quien: str, puerto: int) -> None:
    """A port of the contract stands in README beside whom it belongs to."""
    assert re.search(rf"\b{puerto}\b", README), quien


def test_no_se_nombra_un_puerto_que_no_es() -> None:
    """An address of this machine has a port of the contract."""
    hallados = set(re.findall(r"(?:localhost|127\.0\.0\.1):(\d+)", AMBOS))
    assert {int(p) for p in hallados} <= set(PUERTOS.values())


def test_los_enlaces_llevan_a_algo() -> None:
    """A relative link of either document is a file, and its anchor a heading there."""
    for texto in (README, RAPIDO):
        for destino in re.findall(r"\]\(([^)\s]+)\)", texto):
            if "://" in destino:
                continue
            fichero, _, ancla = destino.partition("#")
            assert (RAIZ / (fichero or "README.md")).exists(), destino
            titulos = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
            assert not ancla or ancla in {t.lower().replace(" ", "-") for t in titulos}, destino


def test_la_imagen_es_pequena() -> None:
    """A clone stays light: the picture of the dashboard is under 300 KB."""
    imagen = RAIZ / "dashboard" / "imagenes" / "tablero.png"
    assert imagen.read_bytes().startswith(b"\x89PNG")
    assert imagen.stat().st_size < 300_000
