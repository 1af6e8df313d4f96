"""SIGKILL of each store half way, and back on what it has on disk: nothing lost or doubled."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from apoyo_faltas import (
    ESPERAR,
    Arranque,
    Cables,
    ServidorMatable,
    confirmados,
    enviar,
    esperar_filas,
    por_dias,
    recuperacion,
    terminar_bien,
)
from integration.camino import (
    comprobar_exactamente_una_vez,
    comprobar_veredictos,
    esperar,
    filas_guardadas,
)

from detection.domain import Lecturas
from pipeline.embedded.services import EmbeddedServices, falta_embebido
from serving.settings import Settings

pytestmark = pytest.mark.timeout(240)

HISTORIA_DIAS = 22
RETRASO_S = 0.05


@pytest.fixture(scope="module")
def servicios(_aislados: None) -> Iterator[EmbeddedServices]:
    """Give servers of this file alone: those of the session serve others."""
    falta = falta_embebido()
    if falta is not None:
        pytest.skip(falta)
    with (
        tempfile.TemporaryDirectory(prefix="consumo-") as carpeta,
        EmbeddedServices(Path(carpeta), puertos_libres=True, mlflow=False) as en_marcha,
    ):
        yield en_marcha


@pytest.fixture(scope="module")
def resucitados(servicios: EmbeddedServices) -> Iterator[ExitStack]:
    """Give what stops the servers that were brought back, at the end of the file."""
    with ExitStack() as pila:
        yield pila


@pytest.mark.parametrize("nombre", ["PostgreSQL", "MongoDB"])
def test_un_almacen_muere_a_medias_y_vuelve_con_sus_datos(
    por_cable: tuple[Settings, dict[str, str]],
    cables: Cables,
    servicios: EmbeddedServices,
    resucitados: ExitStack,
    lecturas: Lecturas,
    arrancar: Arranque,
    record_property: Callable[[str, object], None],
    nombre: str,
) -> None:
    """The consumer waits, says so once and goes on; what it was told is saved has been saved."""
    entorno, variables = por_cable
    servidor = ServidorMatable(servicios, nombre)
    proceso, relato = arrancar(variables)
    historia, resto = por_dias(lecturas, HISTORIA_DIAS)
    enviar(entorno, historia)
    esperar_filas(entorno, len(historia), relato)
    cables.postgres.frenar(RETRASO_S)  # so that there is a middle
    enviar(entorno, resto)
    esperar(lambda: filas_guardadas(entorno) > len(historia), "a part stored")
    assert filas_guardadas(entorno) < len(lecturas), "it is killed half way"
    servidor.matar()
    esperar(lambda: relato.dice(f"{nombre} en .* no responde"), "the trouble is told")
    cables.sanar()
    with recuperacion(f"{nombre} muerto, desde que se arranca", record_property):
        resucitados.callback(servidor.resucitar().detener)
        esperar_filas(entorno, len(lecturas), relato)
    esperar(lambda: relato.dice("recuperado tras"), "the recovery is told")
    terminar_bien(proceso, relato)
    assert 1 <= relato.ruta.read_text().count(ESPERAR) <= 2
    assert confirmados(entorno) == len(lecturas)
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)
