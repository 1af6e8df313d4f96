"""Who is looked at: a wave of new customers takes nobody's place, in training or in drift."""

from __future__ import annotations

import numpy as np
import pytest
from apoyo_entrenamiento import (
    CLIENTES,
    HASTA,
    HistoriaEnMemoria,
    en_memoria,
    en_vivo,
    leer,
    puntuadas,
)

from detection.domain import Lecturas
from detection.errors import PermanentError
from training import drift
from training.dataset import Limites
from training.drift import read_sample
from training.history import DrawnCustomers, draw_customers

NUEVOS = 60
DIAS_NUEVOS = 3


def con_oleada(lecturas: Lecturas) -> HistoriaEnMemoria:
    """Return a history after a wave of customers who have come three days ago."""
    horas = np.arange(HASTA - DIAS_NUEVOS * 24, HASTA)
    nombres = [f"N{i:03d}" for i in range(NUEVOS)]
    todas = Lecturas(
        [*lecturas.propietario_id, *nombres * horas.size],
        np.concatenate([lecturas.hora_utc, np.repeat(horas, NUEVOS)]),
        np.concatenate([lecturas.consumo_kwh, np.full(horas.size * NUEVOS, 0.3)]),
    )
    return HistoriaEnMemoria(todas, en_vivo(todas).veredictos)


def test_una_oleada_de_nuevos_no_deja_sin_datos_al_entrenamiento() -> None:
    """With room for as many as have a past, they are read, and the counts say who is not."""
    antes = en_memoria()
    limites = Limites(clientes=CLIENTES)
    muestra = leer(con_oleada(antes.lecturas), limites=limites)
    assert {p for p in muestra.propietario_id if p.startswith("N")} == set()
    assert muestra.recuento["clientes"] == CLIENTES
    assert muestra.recuento["lecturas"] == leer(antes, limites=limites).recuento["lecturas"]
    assert muestra.recuento["clientes_conocidos"] == CLIENTES + NUEVOS
    assert muestra.recuento["clientes_con_historia"] == CLIENTES
    assert str(muestra.elegidos) == (
        f"{CLIENTES} clientes de los {CLIENTES} con historia suficiente; otros {NUEVOS} tienen "
        "demasiado poca"
    )
    retenidos = {*muestra.calibracion.lecturas.propietario_id}
    retenidos |= {*muestra.evaluacion.lecturas.propietario_id}
    assert retenidos
    assert not any(p.startswith("N") for p in retenidos)


def test_una_oleada_de_nuevos_no_deja_sin_datos_a_la_deriva(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reference and recent days are of the same customers as before the wave."""
    monkeypatch.setattr(drift, "CLIENTES_MIRADOS", 10)
    antes = en_memoria()
    despues = con_oleada(antes.lecturas)
    for dias in (7, 56):
        horas = (HASTA - dias * 24, HASTA)
        una, quienes = read_sample(antes, horas, particiones=3)
        otra, otros = read_sample(despues, horas, particiones=3)
        assert quienes.clientes == otros.clientes
        assert una.lecturas.consumo_kwh.tolist() == otra.lecturas.consumo_kwh.tolist()
        assert (otros.conocidos, otros.con_historia) == (CLIENTES + NUEVOS, CLIENTES)


def test_con_solo_nuevos_se_dice_cuantos_y_que_les_falta() -> None:
    """Nobody with a past: one line with both numbers."""
    lecturas, _ = puntuadas()
    con_hueco = lecturas.hora_utc >= HASTA - 20 * 24
    pocos = (np.array(lecturas.propietario_id) < "CLI_00003") | con_hueco
    with pytest.raises(PermanentError, match="de los 76 clientes de la historia solo 2 tienen"):
        leer(con_oleada(lecturas.elegir(np.flatnonzero(pocos))))


def test_el_sorteo_es_de_cada_cliente() -> None:
    """The same seed draws the same; who has joined the draw changes only what they win."""
    memoria = en_memoria()
    horas, pasado = (HASTA - 168, HASTA), (HASTA - 504, HASTA, 3)
    uno = draw_customers(memoria, horas, pasado, 5, (1, "x"))
    assert uno == draw_customers(memoria, horas, pasado, 5, (1, "x"))
    assert uno.clientes != draw_customers(memoria, horas, pasado, 5, (2, "x")).clientes
    assert set(uno.clientes) <= set(draw_customers(memoria, horas, pasado, 8, (1, "x")).clientes)
    assert str(DrawnCustomers(["A"], 1, 1)) == "1 cliente de los 1 con historia suficiente"
