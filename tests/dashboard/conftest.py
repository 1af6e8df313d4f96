"""An API for the pages: full, empty, or away. The clock of all of them is that of the API tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from apoyo_api import base_nueva, base_sembrada, claves_de_prueba, servir
from contracts.fakes import hacer_caso

from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.mongo.cases import MongoCaseStore

CLIENTES, SOSPECHOSOS, DIAS = 5, 3, 36


@pytest.fixture(scope="session")
def api_llena(servicios: EmbeddedServices) -> Iterator[str]:
    """Give the address of an API over 5 customers × 36 days, three frauds, and an open case."""
    otras = {"api_claves": claves_de_prueba(), "api_limite_minuto": 0}
    with base_sembrada(servicios, CLIENTES, SOSPECHOSOS, DIAS, **otras) as datos:
        with closing(MongoCaseStore(datos.settings)) as casos:
            casos.save([hacer_caso("CLI_00001")])
        with servir(datos.settings) as http:
            yield str(http.base_url).rstrip("/")


@pytest.fixture(scope="session")
def api_vacia(servicios: EmbeddedServices) -> Iterator[str]:
    """Give the address of an API over stores without a single reading."""
    with (
        base_nueva(servicios, migrada=True, api_limite_minuto=0) as settings,
        servir(settings) as http,
    ):
        yield str(http.base_url).rstrip("/")
