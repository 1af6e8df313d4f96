"""The figures are what they say, on a case small enough to count by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from detection.domain import TIPOS, Lecturas, Veredictos
from detection.params import Params
from training.evaluation.version_metrics import Metricas, informe_texto, measure
from training.holdout import Conjunto

CORTE = 490_000


def _caso() -> tuple[Conjunto, Veredictos]:
    """Two clean customers with 24 judged hours each, and two attacked ones."""
    ids, hora, juzgada, tipo, centesimas, severidad = [], [], [], [], [], []

    def poner(quien: str, h: int, juzga: bool, que: str, score: int, nivel: int) -> None:
        ids.append(quien)
        hora.append(CORTE + h)
        juzgada.append(juzga)
        tipo.append(que)
        centesimas.append(score)
        severidad.append(nivel)

    for h in range(-1, 24):
        for quien in ("limpio_0001", "limpio_0002"):
            # An alarm before the judged days, which does not count, and three in them.
            alarma = {-1: (95, 4), 3: (70, 2), 4: (55, 1)}.get(h) if quien[-1] == "1" else None
            score, nivel = alarma or (10, 0)
            if quien[-1] == "2" and h == 9:
                score, nivel = 92, 4
            poner(quien, h, h >= 0, "", score, nivel)
    for h, score, nivel in ((0, 95, 4), (1, 60, 1), (2, 5, 0)):
        poner("gemelo_0001", h, True, "picos", score, nivel)
    for h, score, nivel in ((0, 50, 1), (1, 20, 0)):
        poner("gemelo_0002", h, True, "cannabis", score, nivel)
    poner("gemelo_0002", 2, False, "", 99, 4)
    # A twin that its attack never touches is nobody's clean customer.
    poner("gemelo_0003", 2, False, "", 10, 0)
    n = len(ids)
    scores = np.full((n, len(TIPOS)), np.nan, np.float32)
    scores[:, 0] = np.array(centesimas) / 100
    conjunto = Conjunto(
        Lecturas(ids, np.array(hora, np.int64), np.ones(n)),
        np.zeros(n, np.int32),
        np.array(juzgada),
        tipo,
    )
    vacio = np.zeros(n, np.float32)
    veredictos = Veredictos(
        np.array(hora, np.int64), np.array(centesimas, np.uint8), np.array(severidad, np.uint8),
        np.zeros(n, np.uint8), np.zeros(n, np.bool_), vacio, vacio, vacio, "v1", scores,
        np.zeros((n, len(TIPOS), 0), np.float32),
    )  # fmt: skip
    return conjunto, veredictos


def test_las_cifras_se_cuentan_a_mano() -> None:
    """Average precision, what is found by kind, and false alarms by customer and day."""
    m = measure(*_caso(), {"fraude": 0.25})
    # Ranked: 95 +, 92 -, 70 -, 60 +, 55 -, 50 +, 20 +, then 45 clean at 10, then 5 +.
    esperada = (1 / 1 + 2 / 4 + 3 / 6 + 4 / 7 + 5 / 53) / 5
    assert m.precision_media == pytest.approx(esperada)
    assert m.precision_sola["desviacion_estadistica"] == pytest.approx(esperada)
    assert m.precision_sola["modelo_offline"] == pytest.approx(5 / 53), "not ready says nothing"
    assert m.hallados_lecturas == {"cannabis": 0.0, "picos": pytest.approx(1 / 3)}
    assert m.hallados_clientes == {"cannabis": 1.0, "picos": 1.0}, "any hour of the judged days"
    assert m.clientes_atacados == {"cannabis": 1, "picos": 1}
    assert (m.clientes_limpios, m.dias_limpios) == (2, 2.0)
    assert m.falsas_alarmas == {"baja": 500.0, "media": 500.0, "alta": 0.0, "crítica": 500.0}
    assert (m.lecturas_juzgadas, m.lecturas_atacadas) == (53, 5)
    assert m.precision_sin == {"fraude": 0.25}


def test_van_y_vuelven() -> None:
    """Through JSON and back, in the same order and to the last digit."""
    m = measure(*_caso(), {"fraude": 1 / 3})
    assert Metricas(**json.loads(m.to_json())) == m
    assert Metricas(**json.loads(m.to_json())).to_json() == m.to_json()
    assert next(iter(m.figures())) == "precision_media"
    assert all(isinstance(valor, float) for valor in m.figures().values())
    assert all(nombre.isascii() for nombre in m.figures()), "a registry wants plain names"


def test_el_informe_dice_lo_que_aporta_cada_uno_y_si_supera_el_presupuesto() -> None:
    """What is measured is in the table, with Spanish numbers; what was not is a dash."""
    m = measure(*_caso(), {"fraude": 0.25})
    texto = informe_texto(m, Params(presupuesto=(500.0, 100.0, 10.0, 4.0)))
    lineas = {linea.split()[0]: linea for linea in texto.splitlines() if linea}
    assert lineas["fraude"].split() == ["fraude", "0,094", "0,250", "+0,283"]
    assert lineas["pico_consumo"].split()[-2:] == ["–", "–"]
    assert lineas["picos"].split() == ["picos", "1", "100", "%", "33", "%"]
    assert not lineas["baja"].endswith("supera")
    assert lineas["media"].endswith("supera")
    assert max(map(len, texto.splitlines())) <= 100
    assert texto.startswith("Aspirante: 2 clientes limpios y 2 gemelos con un ataque; 5 de 53 ")
    assert "(al azar: 0,094)" in texto, "the share that is attacked"
