"""A store that freezes under the consumer (SIGSTOP): said in time, nothing lost, no restart."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from apoyo_faltas import (
    ESPERAR,
    Arranque,
    enviar,
    esperar_filas,
    por_dias,
    recuperacion,
    terminar_bien,
)
from integration.camino import comprobar_exactamente_una_vez, comprobar_veredictos, esperar
from integration.congelar import congelado

from detection.domain import Lecturas
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.postgres.store import migrate
from serving.settings import Settings

pytestmark = pytest.mark.timeout(240)

AVISO_S = 30.0
"""Whoever is on call reads it in the consumer's log by then."""


@pytest.mark.parametrize("almacen", ["PostgreSQL", "MongoDB"])
def test_un_almacen_congelado_se_dice_y_no_pierde_nada(
    servicios: EmbeddedServices,
    entorno: Settings,
    variables: dict[str, str],
    lecturas: Lecturas,
    arrancar: Arranque,
    record_property: Callable[[str, object], None],
    almacen: str,
) -> None:
    """In 30 s the log says who is silent; when it thaws, every reading is stored once."""
    migrate(entorno)
    proceso, relato = arrancar(variables)
    historia, resto = por_dias(lecturas, 26)
    enviar(entorno, historia)
    esperar_filas(entorno, len(historia), relato)
    relato.olvidar()
    with congelado(servicios, almacen):
        enviar(entorno, resto)
        inicio = time.monotonic()
        esperar(lambda: relato.dice(f"{almacen} en .* no responde.*{ESPERAR}"), "it is said")
        tardo = time.monotonic() - inicio
        record_property(f"aviso_s {almacen}", round(tardo, 1))
        print(f"aviso, {almacen}: {tardo:.1f} s")
        assert tardo < AVISO_S
        assert proceso.poll() is None
    with recuperacion(f"{almacen} congelado", record_property):
        esperar_filas(entorno, len(lecturas), relato)
    esperar(lambda: relato.dice("recuperado tras"), "the recovery is told")
    terminar_bien(proceso, relato)
    assert relato.ruta.read_text().count("particiones asignadas") == 1
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)
