"""The verdicts of a fixed population stay what they are, whatever moves around the detector.

``poblacion.parquet`` holds the readings, and beside each its verdict by the rules alone and by a
version learnt from its first fifty days, as ``consumo evaluar`` gave them at commit e7d8637. Where
a change of verdicts is wanted, ``REFRESCAR_DORADOS=1`` writes them anew; look at what changed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from training.evaluation.command import main

POBLACION = Path(__file__).parent / "poblacion.parquet"
LECTURA = ["propietario_id", "timestamp", "consumo_kwh"]
VEREDICTO = ["score_anomalia", "severidad", "tipos_anomalia", "es_sospechoso"]
MODOS = {"reglas": ["--modelo", "reglas"], "aprendida": ["--entrenamiento", "50d"]}
IGUALES = 0.999
"""Share of readings that a learnt version has to score the same: sums of another processor may
differ in the last bit, and a score that lies between two hundredths with them."""


def _evaluar(modo: str, carpeta: Path) -> pd.DataFrame:
    datos, salida = carpeta / "datos.parquet", carpeta / "salida.parquet"
    pd.read_parquet(POBLACION, columns=LECTURA).to_parquet(datos)
    assert main(["--datos", str(datos), "--salida", str(salida), *MODOS[modo]]) == 0
    veredictos = pd.read_parquet(salida).sort_values(LECTURA[:2], ignore_index=True)
    veredictos["tipos_anomalia"] = veredictos["tipos_anomalia"].map("|".join)
    return veredictos


@pytest.mark.parametrize(
    "modo",
    ["reglas", pytest.param("aprendida", marks=[pytest.mark.lenta, pytest.mark.timeout(900)])],
)
def test_los_veredictos_son_los_de_siempre(modo: str, tmp_path: Path) -> None:
    """By the rules every verdict is the same; by a learnt version nearly every one, nearly."""
    hay = _evaluar(modo, tmp_path)
    antes = pd.read_parquet(POBLACION)
    if os.environ.get("REFRESCAR_DORADOS"):
        antes[[f"{columna}_{modo}" for columna in VEREDICTO]] = hay[VEREDICTO]
        antes.to_parquet(POBLACION, compression="zstd", compression_level=19)
        pytest.skip(f"escritos los veredictos de «{modo}»")
    for columna in VEREDICTO:
        iguales = hay[columna] == antes[f"{columna}_{modo}"]
        assert iguales.mean() >= (1.0 if modo == "reglas" else IGUALES), columna
    lejos = (hay["score_anomalia"] - antes[f"score_anomalia_{modo}"]).abs().max()
    assert lejos <= 0.02, lejos
