"""The network between the consumer and each server: reset, mute, frozen, slow, and well again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from apoyo_faltas import (
    ESPERAR,
    Arranque,
    Cable,
    Cables,
    Relato,
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
from serving.settings import Settings

pytestmark = pytest.mark.timeout(240)

RETRASO_S = 0.05
CORTES = (22, 26, 30)
"""In days: after the first, every batch has anomalies, which is what MongoDB is written."""
MODOS = ("cortar", "callar", "congelar")
DICHO = {"postgres": "PostgreSQL en .* no responde", "mongo": "MongoDB en .* no responde"}


def _notada(cable: Cable, modo: str, relato: Relato, frase: str) -> Callable[[], bool]:
    """Return whether the fault has reached the consumer: it says so, or its words are kept."""
    if modo == "congelar":
        return lambda: cable.retenidos > 0
    return lambda: relato.dice(frase)


@pytest.mark.parametrize("almacen", ["postgres", "mongo"])
def test_la_red_con_un_almacen_falla_y_vuelve(
    por_cable: tuple[Settings, dict[str, str]],
    cables: Cables,
    lecturas: Lecturas,
    arrancar: Arranque,
    record_property: Callable[[str, object], None],
    almacen: str,
) -> None:
    """Half way, in each manner: said once, nothing lost or doubled, the group keeps us."""
    entorno, variables = por_cable
    proceso, relato = arrancar(variables)
    cable: Cable = getattr(cables, almacen)
    historia, *partes = por_dias(lecturas, *CORTES)
    enviar(entorno, historia)
    total = len(historia)
    esperar_filas(entorno, total, relato)
    for modo, parte in zip(MODOS, partes, strict=True):
        cables.postgres.frenar(RETRASO_S)  # so that it lasts long enough to have a middle
        enviar(entorno, parte)
        esperar(lambda: filas_guardadas(entorno) > total, f"{modo}: a part stored")  # noqa: B023
        total += len(parte)
        assert filas_guardadas(entorno) < total, "it fails half way"
        relato.olvidar()
        getattr(cable, modo)()
        esperar(_notada(cable, modo, relato, DICHO[almacen]), f"{modo}: it is noted")
        cables.sanar()
        with recuperacion(f"{almacen}, {modo}", record_property):
            esperar_filas(entorno, total, relato)
        if modo != "congelar":
            esperar(lambda: relato.dice("recuperado tras"), f"{modo}: the recovery is told")
        assert relato.veces(ESPERAR) <= 2, relato.ruta.read_text()
    terminar_bien(proceso, relato)
    assert relato.ruta.read_text().count("particiones asignadas") == 1
    assert confirmados(entorno) == len(lecturas)
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)


def test_la_red_con_kafka_falla_y_vuelve(
    por_cable: tuple[Settings, dict[str, str]],
    cables: Cables,
    lecturas: Lecturas,
    arrancar: Arranque,
    record_property: Callable[[str, object], None],
) -> None:
    """Half way, in each manner: the consumer goes on by itself, nothing lost or doubled."""
    entorno, variables = por_cable
    proceso, relato = arrancar(variables)
    historia, *partes = por_dias(lecturas, *CORTES)
    enviar(entorno, historia)
    total = len(historia)
    esperar_filas(entorno, total, relato)
    for modo, parte in zip(MODOS, partes, strict=True):
        cables.postgres.frenar(RETRASO_S)
        antes, despues = por_dias(parte, 3)
        enviar(entorno, antes)
        esperar(lambda: filas_guardadas(entorno) > total, f"{modo}: a part stored")  # noqa: B023
        total += len(antes)
        assert filas_guardadas(entorno) < total, "it fails half way"
        relato.olvidar()
        getattr(cables.kafka, modo)()
        esperar(
            _notada(cables.kafka, modo, relato, "Kafka no responde"),
            f"{modo}: it is noted",
        )
        cables.sanar()
        with recuperacion(f"kafka, {modo}, hasta guardar lo siguiente", record_property):
            enviar(entorno, despues)
            total += len(despues)
            esperar_filas(entorno, total, relato)
    terminar_bien(proceso, relato)
    assert confirmados(entorno) == len(lecturas)
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)


def test_unos_almacenes_lentos_no_sacan_del_grupo(
    por_cable: tuple[Settings, dict[str, str]],
    cables: Cables,
    lecturas: Lecturas,
    arrancar: Arranque,
    record_property: Callable[[str, object], None],
) -> None:
    """Each piece to and from both 50 ms late, from the first to the last: slower, nothing else."""
    entorno, variables = por_cable
    proceso, relato = arrancar(variables, LOTE_MAXIMO="1000")
    esperar(lambda: relato.dice("particiones asignadas"), "it is in the group")
    cables.postgres.frenar(RETRASO_S)
    cables.mongo.frenar(RETRASO_S)
    with recuperacion("almacenes lentos, todo guardado", record_property):
        enviar(entorno, lecturas)
        esperar_filas(entorno, len(lecturas), relato)
    terminar_bien(proceso, relato)
    dicho = relato.ruta.read_text()
    assert dicho.count("particiones asignadas") == 1
    assert ESPERAR not in dicho
    assert confirmados(entorno) == len(lecturas)
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)
