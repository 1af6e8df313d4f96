"""An API for the pages: full, empty, or away. The clock of all of them is that of the API tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from apoyo_api import base_nueva, base_sembrada, claves_de_prueba, servir

from pipeline.embedded.services import EmbeddedServices

CLIENTES, SOSPECHOSOS, DIAS = 5, 3, 36


@pytest.fixture(scope="session")
def api_llena(servicios: EmbeddedServices) -> Iterator[str]:
    """Give the address of an API over 5 customers × 36 days, three of them frauds."""
    otras = {"api_claves": claves_de_prueba(), "api_limite_minuto": 0}
    with (
        base_sembrada(servicios, CLIENTES, SOSPECHOSOS, DIAS, **otras) as datos,
        servir(datos.settings) as http,
    ):
        yield str(http.base_url).rstrip("/")


@pytest.fixture(scope="session")
def api_vacia(servicios: EmbeddedServices) -> Iterator[str]:
    """Give the address of an API over stores without a single reading."""
    with (
        base_nueva(servicios, migrada=True, api_limite_minuto=0) as settings,
        servir(settings) as http,
    ):
        yield str(http.base_url).rstrip("/")
