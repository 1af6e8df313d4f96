"""The story of one batch, on stores in memory: what is saved, in which order, and when."""

from __future__ import annotations

import numpy as np
import pytest
from apoyo import LUNES, MADRID, hogar, horas
from contracts.fakes import FakeAnomalyStore, FakeHistoryStore

from detection.detector import DetectorConsumo
from detection.dominio import Lecturas
from detection.errors import TransientError
from pipeline.batch import Procesador
from serving.scorer import Origen, Scorer

N = 24 * 30


def _procesador() -> tuple[Procesador, FakeHistoryStore, FakeAnomalyStore]:
    historial, anomalias = FakeHistoryStore(), FakeAnomalyStore()
    scorer = Scorer(DetectorConsumo(MADRID), historial)
    return Procesador(scorer, historial, anomalias, lambda: LUNES + N), historial, anomalias


def _lecturas(kwh: np.ndarray, desde: int = 0, cliente: str = "CLI_1") -> Lecturas:
    return Lecturas([cliente] * kwh.size, horas(kwh.size) + desde, kwh)


def _origen(n: int, particion: int = 0) -> Origen:
    return Origen(np.full(n, particion, np.int32), {particion: 0}, {particion: n})


def _pasar(procesador: Procesador, lecturas: Lecturas, particion: int = 0) -> None:
    puntuado = procesador.draft(lecturas, _origen(len(lecturas), particion))
    procesador.save(puntuado)
    procesador.accept(puntuado)


def test_cada_anomalia_llega_con_lo_que_dicen_todos_los_detectores() -> None:
    """An anomaly is stored with what every detector says; a normal reading is not one."""
    procesador, historial, anomalias = _procesador()
    kwh = hogar(N)
    kwh[-1] = 40.0
    _pasar(procesador, _lecturas(kwh))
    assert len(historial.filas) == N
    ultima = anomalias.anomalias["CLI_1", LUNES + N - 1]
    assert len(ultima.explicacion) == 8
    assert any(e.dispara and "40,00 kWh" in e.frase for e in ultima.explicacion)
    normales = [k for k, fila in historial.filas.items() if fila.severidad == "normal"]
    assert not set(normales) & set(anomalias.anomalias)


def test_de_una_lectura_repetida_en_un_lote_gana_la_ultima() -> None:
    """Twice in one batch: the stores get one reading, the last."""
    procesador, historial, _ = _procesador()
    lecturas = Lecturas(["A", "B", "A"], np.array([LUNES, LUNES, LUNES]), np.array([1.0, 2.0, 3.0]))
    assert lecturas.vigentes().tolist() == [1, 2]
    _pasar(procesador, lecturas)
    assert historial.filas["A", LUNES].consumo_kwh == 3.0
    assert len(historial.filas) == 2


def test_con_el_segundo_almacen_caido_se_repite_sin_duplicar() -> None:
    """The history is saved, the anomalies are away: the same draft again leaves both right."""
    procesador, historial, anomalias = _procesador()
    kwh = hogar(N)
    kwh[-1] = 40.0
    lecturas = _lecturas(kwh)
    puntuado = procesador.draft(lecturas, _origen(N))
    anomalias.caido = True
    with pytest.raises(TransientError):
        procesador.save(puntuado)
    assert len(historial.filas) == N
    anomalias.caido = False
    procesador.save(puntuado)
    procesador.accept(puntuado)
    de_historial = {k for k, fila in historial.filas.items() if fila.severidad != "normal"}
    assert set(anomalias.anomalias) == de_historial


def test_las_particiones_que_se_van_se_llevan_a_sus_clientes() -> None:
    """A partition that another consumer reads from now on leaves nobody in memory."""
    procesador, _, _ = _procesador()
    _pasar(procesador, _lecturas(hogar(10), cliente="A"), particion=0)
    _pasar(procesador, _lecturas(hogar(10), cliente="B"), particion=1)
    procesador.forget([0, 7])
    assert procesador._scorer.detector.ventanas.customers() == ["B"]
