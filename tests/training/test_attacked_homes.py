"""The red team: every reading rightly labelled, and nothing but the attack gives it away."""

from __future__ import annotations

import numpy as np
import pytest
from apoyo_entrenamiento import HASTA, MADRID

from detection.domain import Lecturas
from detection.errors import PermanentError
from detection.simulation.innocent_events import INOCENTES
from detection.simulation.meter import meter_step, to_meter
from detection.simulation.synthesis import generate
from detection.simulation.synthesis import make_population as make_hogares
from training.evaluation.attacked_homes import TODOS, Poblacion, attack_homes, eventful_homes

DIAS, CLIENTES = 40, 30
DESDE = HASTA - 24 * DIAS


@pytest.fixture(scope="module")
def reales() -> Lecturas:
    hogares = make_hogares(21, CLIENTES, 0, DESDE, HASTA)
    lecturas = generate(hogares, DESDE, HASTA, MADRID).lecturas()
    return Lecturas(
        lecturas.propietario_id, lecturas.hora_utc, to_meter(lecturas.consumo_kwh, 0.01)
    )


@pytest.fixture(scope="module")
def poblacion(reales: Lecturas) -> Poblacion:
    return attack_homes(reales, MADRID, 5, tipos=TODOS, proporcion=0.5)


def test_la_mitad_y_todos_los_tipos(poblacion: Poblacion) -> None:
    """A half of the customers is attacked, every kind in turn."""
    assert sum(t != "" for t in poblacion.ataque) == CLIENTES // 2
    assert {t for t in poblacion.ataque if t} == set(TODOS)


def test_lo_no_tocado_es_lo_de_antes(reales: Lecturas, poblacion: Poblacion) -> None:
    """Readings outside an attack are the household's own, and no attack is in the warm-up."""
    antes = dict(
        zip(
            zip(reales.propietario_id, reales.hora_utc.tolist(), strict=True),
            reales.consumo_kwh.tolist(), strict=True,
        )
    )  # fmt: skip
    lecturas = poblacion.lecturas
    honesto = np.array(
        [antes[c] for c in zip(lecturas.propietario_id, lecturas.hora_utc.tolist(), strict=True)]
    )
    fuera = ~poblacion.atacada
    np.testing.assert_allclose(lecturas.consumo_kwh[fuera], honesto[fuera], atol=1e-9)
    assert not poblacion.atacada[lecturas.hora_utc < poblacion.desde_hora].any()
    assert not poblacion.juzgada[lecturas.hora_utc < poblacion.desde_hora].any()


def test_el_contador_no_gana_cifras(poblacion: Poblacion) -> None:
    """Attacked readings have the resolution of the household's meter, or digits would tell."""
    atacadas = poblacion.lecturas.consumo_kwh[poblacion.atacada]
    assert atacadas.size > 1_000
    np.testing.assert_allclose(atacadas, np.round(atacadas, 2), atol=1e-9)
    assert meter_step(atacadas) >= 0.01


def test_misma_semilla_mismos_ataques(reales: Lecturas, poblacion: Poblacion) -> None:
    """Twice the same; with another seed, others."""
    otra = attack_homes(reales, MADRID, 5, tipos=TODOS, proporcion=0.5)
    assert (otra.lecturas.consumo_kwh == poblacion.lecturas.consumo_kwh).all()
    distinta = attack_homes(reales, MADRID, 6, tipos=TODOS, proporcion=0.5)
    assert distinta.ataque != poblacion.ataque


def test_hace_falta_sitio_para_un_ataque(reales: Lecturas) -> None:
    """Too few days: one clear line."""
    pocas = np.flatnonzero(reales.hora_utc < DESDE + 24 * 15)
    with pytest.raises(PermanentError, match="hacen falta más de 19"):
        attack_homes(reales.elegir(pocas), MADRID, 5)


def test_a_cada_hogar_le_pasa_algo_inocente(reales: Lecturas) -> None:
    """Kinds in turn, nothing attacked; before the event the readings are the home's own."""
    p = eventful_homes(reales, MADRID, 5)
    assert not p.atacada.any()
    assert len(set(p.ataque)) == min(len(p.clientes), len(INOCENTES))
    assert p.juzgada.any()
    propias = {
        (c, h): k
        for c, h, k in zip(
            reales.propietario_id, reales.hora_utc.tolist(), reales.consumo_kwh.tolist(),
            strict=True,
        )
    }  # fmt: skip
    antes = np.flatnonzero(~p.juzgada & (p.lecturas.hora_utc < p.desde_hora))
    for i in antes[:: max(1, antes.size // 200)].tolist():
        clave = (p.lecturas.propietario_id[i], int(p.lecturas.hora_utc[i]))
        assert p.lecturas.consumo_kwh[i] == pytest.approx(propias[clave], abs=5e-4)
    otra = eventful_homes(reales, MADRID, 5)
    assert (otra.lecturas.consumo_kwh == p.lecturas.consumo_kwh).all()
