"""The OpenAPI document and the API agree: thousands of requests that a machine thought of."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from apoyo_api import AHORA, CLAVES, base_sembrada, claves_de_prueba, servir
from apoyo_versiones import registrar
from contracts.fakes import hacer_caso

from api.api_keys import CABECERA_CLAVE
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.mongo.cases import MongoCaseStore
from pipeline.stores.mongo.model_log import MongoModelLog

SEMILLA = 20261124
PLAZO_S = 240.0

# 422: what a schema cannot say makes a request wrong all the same: an opaque cursor of another
# list, an interval that ends before it begins. 404 and 409: what is asked for is not there.
AJUSTES = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 404, 409, 422]
"""


@pytest.fixture
def completa(servicios: EmbeddedServices, mlflow_uri: str) -> Iterator[httpx.Client]:
    """Give an API of its own that has everything: readings, cases, models, a drift report."""
    otras = {"api_claves": claves_de_prueba(), "mlflow_tracking_uri": mlflow_uri}
    with base_sembrada(servicios, 6, 3, 40, api_limite_minuto=0, **otras) as datos:
        settings = datos.settings
        registrar(settings)
        registrar(settings)
        with closing(MongoCaseStore(settings)) as casos:
            # The one of the document's examples.
            casos.save([hacer_caso()])
        with closing(MongoModelLog(settings)) as modelos:
            modelos.save_informe(
                {
                    "fecha": AHORA, "desde": AHORA - timedelta(days=7), "hasta": AHORA,
                    "version": "consumo-detector-1", "semaforo": "verde", "columnas": [],
                    "resumen": {"texto": "x"}, "html": "<html></html>",
                }
            )  # fmt: skip
        with servir(settings) as http:
            yield http


@pytest.mark.parametrize(
    ("fases", "ejemplos", "minimo"),
    [
        ("examples,fuzzing", 1, 40),
        pytest.param("examples,coverage,fuzzing,stateful", 4, 500, marks=pytest.mark.lenta),
    ],
    ids=["corta", "entera"],
)
def test_el_documento_y_la_api_dicen_lo_mismo(
    completa: httpx.Client, tmp_path: Path, fases: str, ejemplos: int, minimo: int
) -> None:
    """Every check of schemathesis, chains of requests too: no 500, no undocumented answer.

    ``make test-fallos`` asks for the limits of every parameter and for chains; a request or two of
    each operation are asked always. The streams, without end, have test_eventos.py.
    """
    (tmp_path / "schemathesis.toml").write_text(AJUSTES, encoding="utf-8")
    r = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run", f"{completa.base_url}/openapi.json",
            "-H", f"{CABECERA_CLAVE}: {CLAVES['administracion']}",
            "--exclude-path", "/api/anomalias/eventos", "--exclude-path", "/api/casos/eventos",
            "--phases", fases, "--checks", "all",
            "--max-examples", str(ejemplos), "--seed", str(SEMILLA), "--generation-deterministic",
            "--workers", "2", "--warnings", "off", "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PLAZO_S,
    )  # fmt: skip
    assert r.returncode == 0, r.stdout[-8000:] + r.stderr[-2000:]
    generados = re.search(r"(\d+) generated", r.stdout)
    assert generados, r.stdout[-2000:]
    assert int(generados[1]) > minimo


# ---- What a person reads ----


@pytest.fixture(scope="module")
def documento(cliente: httpx.Client) -> dict[str, Any]:
    documento: dict[str, Any] = cliente.get("/openapi.json").json()
    return documento


def _operaciones(documento: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for ruta, metodos in documento["paths"].items():
        for metodo, operacion in metodos.items():
            yield f"{metodo.upper()} {ruta}", operacion


def test_estan_los_caminos_de_la_especificacion(documento: dict[str, Any]) -> None:
    """Every path of the specification is in the document, with its accents, once."""
    suyos = {
        "/api/consumos/últimas24h/{}", "/api/consumos/rango", "/api/consumos/mensuales/{}",
        "/api/anomalias/últimas", "/api/anomalias/cliente/{}", "/api/anomalias/críticas",
        "/api/estadisticas/cliente/{}", "/api/estadisticas/resumen",
        "/api/estadisticas/mensuales/{}", "/api/dashboard/top-anomalias", "/api/dashboard/resumen",
    }  # fmt: skip
    hay = [re.sub(r"\{[^}]*\}", "{}", ruta) for ruta in documento["paths"]]
    assert suyos <= set(hay)
    assert len({ruta.translate(str.maketrans("áéíóú", "aeiou")) for ruta in hay}) == len(hay)


def test_cada_operacion_se_explica(documento: dict[str, Any]) -> None:
    """Each operation has a Spanish summary, a described tag, described parameters and answers."""
    etiquetas = {e["name"] for e in documento["tags"]}
    nombres = []
    for donde, operacion in _operaciones(documento):
        nombres.append(operacion["operationId"])
        assert operacion["summary"].strip(), donde
        assert set(operacion["tags"]) <= etiquetas, donde
        for parametro in operacion.get("parameters", ()):
            assert parametro.get("description"), (donde, parametro["name"])
        for estado, respuesta in operacion["responses"].items():
            assert respuesta["description"] != "Successful Response", (donde, estado)
            if int(estado) >= 400:
                assert list(respuesta["content"]) == ["application/problem+json"], (donde, estado)
    assert len(set(nombres)) == len(nombres)
    assert all(nombre.isascii() for nombre in nombres)


def test_cada_campo_se_explica(documento: dict[str, Any]) -> None:
    """Each field of each schema says what it is."""
    for nombre, esquema in documento["components"]["schemas"].items():
        assert esquema.get("description"), nombre
        for campo, suyo in esquema.get("properties", {}).items():
            assert suyo.get("description"), (nombre, campo)


def test_lo_que_cambia_algo_pide_clave(documento: dict[str, Any]) -> None:
    """What is not a GET asks for a key in the document, and says that it may refuse."""
    for donde, operacion in _operaciones(documento):
        if not donde.startswith("GET "):
            assert operacion["security"] == [{"clave": []}], donde
            assert {"401", "403"} <= operacion["responses"].keys(), donde


def test_la_pagina_no_pide_nada_fuera(cliente: httpx.Client) -> None:
    """/docs shows the document; what it loads is here, and nothing else may be loaded."""
    respuesta = cliente.get("/docs")
    pagina = respuesta.text
    assert respuesta.headers["content-type"] == "text/html; charset=utf-8"
    assert '<html lang="es">' in pagina
    politica = respuesta.headers["content-security-policy"]
    assert "default-src 'none'" in politica
    assert "script-src 'self'" in politica
    assert not re.search(r"unsafe|https?:|\*", politica)
    ficheros = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', pagina)
    assert len(ficheros) == 3
    for ruta in ficheros:
        assert ruta.startswith("/docs/")
        assert cliente.get(ruta).status_code == 200, ruta
    assert '"/openapi.json"' in cliente.get("/docs/docs.js").text
    assert cliente.get("/docs/otro.js").status_code == 404
    assert cliente.get("/", follow_redirects=True).text == pagina
