"""An API for the pages: full, empty, or away. The clock of all of them is that of the API tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from apoyo_api import base_nueva, base_sembrada, claves_de_prueba, servir
from contracts.fakes import hacer_caso

from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.customer_context import ContextoCliente
from pipeline.stores.mongo.cases import MongoCaseStore
from pipeline.stores.postgres.customer_context import PostgresContextStore

CLIENTES, SOSPECHOSOS, DIAS = 5, 3, 36
CONTEXTO = [
    {
        "propietario_id": f"CLI_0000{i}", "direccion": f"Calle del <b>Olmo</b>, {i}",
        "latitud": 40.4 + i / 100, "longitud": -3.7, "potencia_contratada_kw": 0.2,
        "tarifa": "2.0TD", "actividad": None, "transformador": "CT-1",
    }
    for i in (1, 2)
]  # fmt: skip


@pytest.fixture(scope="session")
def api_llena(servicios: EmbeddedServices) -> Iterator[str]:
    """Give the address of an API over 5 customers × 36 days, three frauds, and an open case."""
    otras = {"api_claves": claves_de_prueba(), "api_limite_minuto": 0}
    with base_sembrada(servicios, CLIENTES, SOSPECHOSOS, DIAS, **otras) as datos:
        with closing(MongoCaseStore(datos.settings)) as casos:
            casos.save([hacer_caso("CLI_00001")])
        with closing(PostgresContextStore(datos.settings)) as contexto:
            contexto.save([ContextoCliente.model_validate(suyo) for suyo in CONTEXTO])
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
