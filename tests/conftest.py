"""What every test may ask for: real servers of its own, fresh names, the shared folder.

Nothing of the developer's leaks in: variables of the product, ``.env`` and
``.consumo/servicios.env`` are out of sight of every test.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.local import EmbeddedServices, falta_embebido
from serving.settings import Settings

RAIZ = Path(__file__).resolve().parent.parent
PARTICIONES = 3
"""Enough for two consumers to share, few enough to be created quickly."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the embedded servers: ``-m 'not servicios'`` leaves it out."""
    for item in items:
        if "servicios" in getattr(item, "fixturenames", ()):
            item.add_marker("servicios")


@pytest.fixture(scope="session", autouse=True)
def _aislados() -> Iterator[None]:
    """Run all tests in an empty folder and without the product's variables."""
    with pytest.MonkeyPatch.context() as parche, tempfile.TemporaryDirectory() as vacia:
        for campo in Settings.model_fields:
            parche.delenv(campo.upper(), raising=False)
        parche.chdir(vacia)
        yield


@pytest.fixture(scope="session")
def raiz() -> Path:
    """Return the project's root: tests run elsewhere."""
    return RAIZ


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real data and design that lies beside the project."""
    carpeta = Path(os.environ.get("CONSUMO_SHARED", RAIZ.parent / "shared"))
    if not carpeta.is_dir():
        pytest.skip(f"no existe la carpeta compartida {carpeta} (variable CONSUMO_SHARED)")
    return carpeta.resolve()


@pytest.fixture(scope="session")
def servicios(_aislados: None) -> Iterator[EmbeddedServices]:
    """Give PostgreSQL, MongoDB and Kafka of this test run alone, on ports of their own."""
    falta = falta_embebido()
    if falta is not None:
        pytest.skip(falta)
    with (
        tempfile.TemporaryDirectory(prefix="consumo-") as carpeta,
        EmbeddedServices(Path(carpeta), puertos_libres=True) as en_marcha,
    ):
        yield en_marcha


@pytest.fixture
def entorno(servicios: EmbeddedServices) -> Iterator[Settings]:
    """Give settings that lead to an empty database, an empty Mongo base and unused Kafka names."""
    unico = f"t_{uuid.uuid4().hex[:12]}"
    servicios.crear_base(unico)
    valores = {clave.lower(): valor for clave, valor in servicios.variables().items()}
    valores |= {
        "postgres_db": unico,
        "mongo_db": unico,
        "kafka_topic": f"consumos-data-{unico}",
        "kafka_grupo": f"consumo-processor-group-{unico}",
        "kafka_particiones": str(PARTICIONES),
    }
    yield Settings.model_validate(valores)
    servicios.borrar_base(unico)


@pytest.fixture
def variables(entorno: Settings) -> dict[str, str]:
    """Return the whole environment of a child process that has the settings of ``entorno``.

    Every variable of the product is in it, so that no file can change one.
    """
    propias = {clave.upper(): str(valor) for clave, valor in entorno.model_dump().items()}
    return {**os.environ, **propias, "PYTHONPATH": str(RAIZ)}
