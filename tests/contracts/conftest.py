"""Every adapter of each port, behind the probe that looks into it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from contracts.sondas import (
    Anomalias,
    AnomaliasEnMemoria,
    AnomaliasMongo,
    Casos,
    CasosEnMemoria,
    CasosMongo,
    Historial,
    HistorialEnMemoria,
    HistorialPostgres,
)


@pytest.fixture(params=["memoria", "postgresql"])
def historial(request: pytest.FixtureRequest) -> Iterator[Historial]:
    if request.param == "memoria":
        yield HistorialEnMemoria()
        return
    sonda = HistorialPostgres(request.getfixturevalue("entorno"))
    yield sonda
    sonda.store.close()


@pytest.fixture(params=["memoria", "mongodb"])
def anomalias(request: pytest.FixtureRequest) -> Iterator[Anomalias]:
    if request.param == "memoria":
        yield AnomaliasEnMemoria()
        return
    sonda = AnomaliasMongo(request.getfixturevalue("entorno_mongo"))
    yield sonda
    sonda.store.close()
    sonda.cliente.close()


@pytest.fixture(params=["memoria", "mongodb"])
def casos(request: pytest.FixtureRequest) -> Iterator[Casos]:
    if request.param == "memoria":
        yield CasosEnMemoria()
        return
    sonda = CasosMongo(request.getfixturevalue("entorno_mongo"))
    yield sonda
    sonda.close()
