"""MLflow away while a consumer scores, and while one starts: the champion goes on scoring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from apoyo_faltas import (
    Arranque,
    Cable,
    Relato,
    confirmados,
    enviar,
    esperar_filas,
    por_dias,
    recuperacion,
    terminar_bien,
)
from apoyo_modelos import modelo_de_prueba
from integration.camino import comprobar_exactamente_una_vez, conectar, esperar

from detection.domain import Lecturas
from detection.features.hourly import RASGOS
from pipeline.embedded.probes import ANFITRION
from serving.model_package import save_paquete
from serving.model_versions import CAMPEON
from serving.registry import ModelRegistry
from serving.settings import Settings

pytestmark = pytest.mark.timeout(240)

CORTES = (24, 28)


@pytest.fixture
def cable(mlflow_uri: str) -> Iterator[Cable]:
    """Give a wire to MLflow."""
    with Cable(urlsplit(mlflow_uri).port or 0) as cable:
        yield cable


@pytest.fixture
def con_campeon(entorno_mlflow: Settings, tmp_path: Path) -> Settings:
    """Return settings of an MLflow server that has a champion."""
    carpeta = tmp_path / "paquete"
    save_paquete(modelo_de_prueba(), carpeta)
    ejemplo = np.random.default_rng(1).random((3, len(RASGOS))).astype(np.float32)
    registro = ModelRegistry(entorno_mlflow)
    version = registro.register(carpeta, ejemplo, parametros={}, metricas={}, etiquetas={})
    registro.set_alias(CAMPEON, version, {})
    return entorno_mlflow


def _versiones(entorno: Settings) -> list[str]:
    with closing(conectar(entorno)) as conexion, conexion.cursor() as cursor:
        cursor.execute("SELECT DISTINCT split_part(version_modelo, '+', 1) FROM consumos_diarios")
        return [version for (version,) in cursor.fetchall()]


def _dice(relato: Relato, expresion: str) -> None:
    esperar(lambda: relato.dice(expresion), expresion, registros=[relato.ruta])


def test_sin_mlflow_se_sigue_con_el_campeon(
    con_campeon: Settings,
    variables_mlflow: dict[str, str],
    cable: Cable,
    lecturas: Lecturas,
    arrancar: Arranque,
    record_property: Callable[[str, object], None],
) -> None:
    """In the middle it scores on with what it has; a new one starts with the copy on disk."""
    uri = f"http://{ANFITRION}:{cable.puerto}"
    variables = {**variables_mlflow, "MLFLOW_TRACKING_URI": uri, "MODELO_SONDEO_S": "1"}
    antes, sin_el, al_volver = por_dias(lecturas, *CORTES)
    proceso, relato = arrancar(variables, LOTE_MAXIMO="500")
    enviar(con_campeon, antes)
    esperar_filas(con_campeon, len(antes), relato)
    cable.cortar()
    _dice(relato, r"MLflow no responde .*; se sigue con consumo-detector-1\n")
    enviar(con_campeon, sin_el)
    esperar_filas(con_campeon, len(antes) + len(sin_el), relato)
    terminar_bien(proceso, relato)
    proceso, relato = arrancar(variables)
    _dice(relato, r"se sigue con consumo-detector-1 \(la última copia en disco\)")
    enviar(con_campeon, al_volver)
    esperar_filas(con_campeon, len(lecturas), relato)
    cable.sanar()
    with recuperacion("MLflow", record_property):
        _dice(relato, "MLflow vuelve a responder; se sigue con consumo-detector-1")
    terminar_bien(proceso, relato)
    assert relato.ruta.read_text().count("MLflow no responde") == 1
    assert _versiones(con_campeon) == ["consumo-detector-1"]
    assert confirmados(con_campeon) == len(lecturas)
    comprobar_exactamente_una_vez(con_campeon, lecturas)
