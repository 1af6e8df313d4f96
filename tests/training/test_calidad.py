"""What is found in real households may only get better: a small fixed part of ``make calidad``."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import hogares
from bench.hogares_largos import PAISES
from bench.hogares_reales import hay_datos

pytestmark = pytest.mark.timeout(290)


def test_lo_que_se_halla_no_empeora(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Development households of a country that taught nothing, against the committed figures."""
    monkeypatch.setenv("CONSUMO_SHARED", str(shared))
    if not hay_datos() or not all(hay_datos(pais.fuente) for pais in PAISES):
        pytest.skip("faltan hogares en la carpeta compartida")
    doradas = hogares.load_golden("rapido")
    assert doradas, "falta la parte rápida en calidad_dorada.json"
    assert hogares.worse(hogares.quick_part(), doradas) == []


def test_una_cifra_peor_se_dice() -> None:
    """A figure that falls by more than the tolerance is named, whichever way is worse."""
    doradas = {"roc_auc": {"valor": 0.93}, "alarmas": {"valor": 0.1}, "horas_picos": 4.0}
    assert hogares.worse(doradas, doradas) == []
    iguales = {"roc_auc": {"valor": 0.926}, "alarmas": {"valor": 0.14}, "horas_picos": 4.1}
    assert hogares.worse(iguales, doradas) == []
    peores = {"roc_auc": {"valor": 0.92}, "alarmas": {"valor": 0.2}, "horas_picos": None}
    assert len(hogares.worse(peores, doradas)) == 3
    assert hogares.worse(peores, doradas)[0] == "ROC-AUC por lectura: 0,920, y estaba en 0,930"
