"""What every test may ask for: real servers of its own, fresh names, the shared folder.

Nothing of the developer's leaks in: variables of the product, ``.env`` and
``.consumo/servicios.env`` are out of sight of every test.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bases import administrar, nueva_base, settings_de

from pipeline.embedded.probes import ANFITRION
from pipeline.embedded.servers import mlflow_server
from pipeline.embedded.services import EmbeddedServices, falta_embebido
from serving.settings import Settings

RAIZ = Path(__file__).resolve().parent.parent

LENTAS = tuple(RAIZ / "tests" / d for d in ("faults", "kafka_real", "seguridad/test_kafka_sasl.py"))
"""Run by ``make test-fallos`` alone."""
MEMORIA = Path("/dev/shm")
SITIO_BYTES = 4 << 30
"""Each process of tests takes half a gigabyte of it."""
UNIDADES = tuple(
    tuple(f"tests/{f}.py" for f in unidad.split())
    for unidad in (
        # One process compiles all loops meanwhile; what the next two begin with needs none of them.
        "detection/test_reglas_llanas detection/test_half_space_trees",
        "pipeline/test_local pipeline/test_kafka_io pipeline/test_producer "
        "pipeline/test_producer_repetido",
        # MLflow, and children that import it: two servers of either, and not one a process.
        "serving/test_registry serving/test_registry_senales seguridad/test_nada_se_ejecuta "
        "api/test_modelos_http api/test_openapi notebooks/test_cuadernos e2e/test_tablero",
        "training/test_fit training/test_retrain training/test_drift training/test_promotion "
        "pipeline/test_servidor_mlflow pipeline/test_salud integration/test_vida_modelos",
        # Bases that are dear to fill.
        "api/test_al_dia api/test_anomalias api/test_clientes api/test_consumos api/test_curl "
        "api/test_errores api/test_estadisticas api/test_exportar api/test_metrics "
        "api/test_puerta_http api/test_seguridad api/test_tablero_http api/test_veredictos",
        "dashboard/test_paginas dashboard/test_seleccion dashboard/test_cambiar_campeon",
        "pipeline/test_postgres_consultas pipeline/test_postgres_consultas_clientes "
        "pipeline/test_postgres_consultas_conexiones pipeline/test_postgres_consultas_global "
        "pipeline/test_consultas_limites pipeline/test_consultas_recuerdo "
        "pipeline/test_mongo_consultas pipeline/test_mongo_consultas_planes "
        "pipeline/test_mongo_consultas_resumenes",
        "seguridad/test_secretos seguridad/test_tls",
        # Nothing is shared; they take long.
        "pipeline/test_ida_y_vuelta_disposiciones", "integration/test_camino",
        "integration/test_muerte", "despliegue/test_contenedores", "api/test_consumidor_muerto",
        "pipeline/test_mongo_archivo_a_la_vez", "pipeline/test_mongo_consultas_embebido",
        "pipeline/test_restaurador", "pipeline/test_archivador", "pipeline/test_aggregator",
        "detection/test_casos", "e2e/test_demo", "training/test_version_base",
        "training/test_blend_fit", "training/test_casos_propios", "training/test_casos_aprendidos",
    )
)  # fmt: skip
"""Test files that one process runs, one after the other; every other file stands alone.

What takes longest comes first: at the end no process waits long for the others.
"""
UNIDAD_DE = {archivo: unidad[0] for unidad in UNIDADES for archivo in unidad}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out ``UNIDADES``."""
    from xdist.scheduler import LoadScopeScheduling

    class PorUnidades(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            archivo = nodeid.partition("::")[0]
            return UNIDAD_DE.get(archivo, archivo)

    return PorUnidades(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark what is slow, and what needs the embedded servers (``-m 'not servicios'``); sort."""
    for item in items:
        if any(item.path.is_relative_to(lugar) for lugar in LENTAS):
            item.add_marker("lenta")
        if {"servicios", "mlflow_uri"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("servicios")
    yield
    en_orden = [RAIZ / archivo for unidad in UNIDADES for archivo in unidad]
    lugares = {archivo: lugar for lugar, archivo in enumerate(en_orden)}
    items.sort(key=lambda item: lugares.get(item.path, len(lugares)))


@pytest.fixture(scope="session", autouse=True)
def _aislados() -> Iterator[None]:
    """Run all tests in an empty folder and without the product's variables."""
    with pytest.MonkeyPatch.context() as parche, tempfile.TemporaryDirectory() as vacia:
        for campo in Settings.model_fields:
            parche.delenv(campo.upper(), raising=False)
        parche.chdir(vacia)
        yield


@pytest.fixture(autouse=True)
def _registro_intacto() -> Iterator[None]:
    """Leave the log as it was: a verb that is run within a test sends it to that test's stderr."""
    raiz_del_registro = logging.getLogger()
    antes, nivel = list(raiz_del_registro.handlers), raiz_del_registro.level
    yield
    # Pytest's own come and go with each phase.
    propios = [h for h in raiz_del_registro.handlers if type(h) is logging.StreamHandler]
    if any(h not in antes for h in propios):
        raiz_del_registro.handlers[:] = antes
        raiz_del_registro.setLevel(nivel)


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
    """Give PostgreSQL, MongoDB and Kafka of this test run alone, on ports of their own.

    Without MLflow, which takes longer to start than all tests of a file: see ``mlflow_uri``.
    """
    falta = falta_embebido()
    if falta is not None:
        pytest.skip(falta)
    with (
        tempfile.TemporaryDirectory(prefix="consumo-", dir=_en_memoria()) as carpeta,
        EmbeddedServices(Path(carpeta), puertos_libres=True, mlflow=False) as en_marcha,
    ):
        # Who pulls the plug of a machine that runs tests loses the tests.
        administrar(en_marcha, "ALTER SYSTEM SET fsync = off")
        administrar(en_marcha, "SELECT pg_reload_conf()")
        yield en_marcha


@pytest.fixture
def entorno(servicios: EmbeddedServices) -> Iterator[Settings]:
    """Give settings that lead to migrated tables, an empty Mongo base and unused Kafka names."""
    with nueva_base(servicios, migrada=True) as settings:
        yield settings


@pytest.fixture
def entorno_mongo(servicios: EmbeddedServices) -> Settings:
    """Give settings of an empty Mongo base, to whoever uses nothing else: PostgreSQL has none."""
    return settings_de(servicios, f"t_{uuid.uuid4().hex[:12]}")


@pytest.fixture
def entorno_vacio(servicios: EmbeddedServices) -> Iterator[Settings]:
    """Give the same before any migration: a database without tables."""
    with nueva_base(servicios) as settings:
        yield settings


@pytest.fixture(scope="session")
def mlflow_uri(_aislados: None) -> Iterator[str]:
    """Give the address of an MLflow server of this test run alone, on a port of its own."""
    pytest.importorskip("psutil", reason="psutil viene con el extra [embebido]")
    with (
        tempfile.TemporaryDirectory(prefix="consumo-mlflow-", dir=_en_memoria()) as carpeta,
        mlflow_server(Path(carpeta), 0) as servidor,
    ):
        yield f"http://{ANFITRION}:{servidor.puerto}"


@pytest.fixture(scope="module")
def mlflow_vacio(mlflow_uri: str) -> str:
    """Give the address of that server once nothing is left in it of the test files before."""
    _vaciar_mlflow(mlflow_uri)
    return mlflow_uri


@pytest.fixture
def entorno_mlflow(entorno: Settings, mlflow_uri: str, tmp_path: Path) -> Settings:
    """Give ``entorno`` with an MLflow server that holds no model and no experiment of ours."""
    _vaciar_mlflow(mlflow_uri)
    return entorno.model_copy(
        update={"mlflow_tracking_uri": mlflow_uri, "modelos_dir": tmp_path / "modelos"}
    )


@pytest.fixture
def variables_mlflow(entorno_mlflow: Settings) -> dict[str, str]:
    """Return the whole environment of a child process with the settings of ``entorno_mlflow``."""
    return _de_hijo(entorno_mlflow)


@pytest.fixture
def variables(entorno: Settings) -> dict[str, str]:
    """Return the whole environment of a child process that has the settings of ``entorno``.

    Every variable of the product is in it, so that no file can change one.
    """
    return _de_hijo(entorno)


def _en_memoria() -> Path | None:
    """Return where servers that outlive nobody keep their data: nobody waits for a disk there."""
    cabe = MEMORIA.is_dir() and shutil.disk_usage(MEMORIA).free >= SITIO_BYTES
    return MEMORIA if cabe else None


def _de_hijo(entorno: Settings) -> dict[str, str]:
    propias = {clave.upper(): str(valor) for clave, valor in entorno.model_dump().items()}
    return {**os.environ, **propias, "PYTHONPATH": str(RAIZ)}


def _vaciar_mlflow(uri: str) -> None:
    """Remove what the tests before have registered, so that fixed names are fresh ones."""
    for modelo in _llamar_mlflow(uri, "GET", "registered-models/search").get(
        "registered_models", []
    ):
        _llamar_mlflow(uri, "DELETE", "registered-models/delete", {"name": modelo["name"]})
    buscados = _llamar_mlflow(uri, "POST", "experiments/search", {"max_results": 1000})
    for experimento in buscados.get("experiments", []):
        clave = experimento["experiment_id"]
        if clave != "0":
            # A deleted one keeps its name.
            retirado = {"experiment_id": clave, "new_name": f"retirado-{uuid.uuid4().hex}"}
            _llamar_mlflow(uri, "POST", "experiments/update", retirado)
            _llamar_mlflow(uri, "POST", "experiments/delete", {"experiment_id": clave})


def _llamar_mlflow(
    uri: str, metodo: str, ruta: str, cuerpo: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the answer of MLflow's REST interface."""
    peticion = urllib.request.Request(
        f"{uri}/api/2.0/mlflow/{ruta}",
        data=None if cuerpo is None else json.dumps(cuerpo).encode(),
        headers={"Content-Type": "application/json"},
        method=metodo,
    )
    with urllib.request.urlopen(peticion, timeout=30) as respuesta:
        return dict(json.load(respuesta))
