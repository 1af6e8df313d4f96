"""The API over real stores that real detector and aggregator have filled, once a run."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from apoyo_api import CLAVES, Datos, base_sembrada, claves_de_prueba, servir

from api.api_keys import CABECERA_CLAVE
from pipeline.embedded.services import EmbeddedServices

CLIENTES, SOSPECHOSOS, DIAS = 6, 3, 40


@pytest.fixture(scope="session")
def claves() -> dict[str, dict[str, str]]:
    """Return the header of a key of each role."""
    return {rol: {CABECERA_CLAVE: clave} for rol, clave in CLAVES.items()}


@pytest.fixture(scope="session")
def datos(servicios: EmbeddedServices) -> Iterator[Datos]:
    """Give 6 customers × 40 days, three of them frauds, stored, judged and aggregated."""
    otras = {"api_claves": claves_de_prueba(), "api_limite_minuto": 0}
    with base_sembrada(servicios, CLIENTES, SOSPECHOSOS, DIAS, **otras) as suyos:
        yield suyos


@pytest.fixture(scope="session")
def cliente(datos: Datos) -> Iterator[httpx.Client]:
    """Give a client of the API over ``datos``: reading is open, three keys change things."""
    with servir(datos.settings) as http:
        yield http
