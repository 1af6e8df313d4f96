"""SIGKILL at any step of the hot path: redelivered, the two stores agree on every verdict."""

from __future__ import annotations

import signal
from pathlib import Path

import forks
import numpy as np
import pytest
from camino import (
    comprobar_exactamente_una_vez,
    comprobar_veredictos,
    consumo,
    escribir_csv,
    filas_guardadas,
    lecturas_de_prueba,
)
from consumidor_fragil import PASOS

from detection.domain import Lecturas
from serving.settings import Settings

pytestmark = pytest.mark.timeout(240)

LOTE = "1500"


@pytest.mark.parametrize(
    "paso",
    [
        paso if paso == "entre_los_dos_almacenes" else pytest.param(paso, marks=pytest.mark.lenta)
        for paso in PASOS
    ],
)
def test_muerto_en_cada_paso_los_almacenes_acaban_de_acuerdo(
    entorno: Settings, variables: dict[str, str], tmp_path: Path, paso: str
) -> None:
    """Killed at a step of the second batch: every reading once, with the verdict it had."""
    lecturas = lecturas_de_prueba(clientes=6, dias=34)
    archivo = escribir_csv(tmp_path / "a.csv", lecturas)
    assert consumo(variables, "producir", "--archivo", str(archivo)).returncode == 0
    guion = Path(__file__).with_name("consumidor_fragil.py")
    muerto = forks.run({**variables, "LOTE_MAXIMO": LOTE}, "-c", guion.read_text(), paso, "2")
    assert muerto.returncode == -signal.SIGKILL, muerto.stderr
    assert filas_guardadas(entorno) < len(lecturas)
    r = consumo(variables, "consumir", "--hasta-vacio", LOTE_MAXIMO=LOTE)
    assert r.returncode == 0, r.stderr
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)


@pytest.mark.lenta
def test_una_correccion_quita_la_anomalia_aunque_se_muera_en_medio(
    entorno: Settings, variables: dict[str, str], tmp_path: Path
) -> None:
    """Dead between the two stores while anomalies become normal: none keeps its old score."""
    lecturas = lecturas_de_prueba(clientes=6, dias=34)
    pico = lecturas.consumo_kwh.copy()
    ultimas = np.flatnonzero(lecturas.hora_utc > lecturas.hora_utc.max() - 12)
    pico[ultimas] = 60.0
    con_picos = Lecturas(lecturas.propietario_id, lecturas.hora_utc, pico)
    for vez, archivo in (("a", con_picos), ("b", lecturas.elegir(ultimas))):
        ruta = escribir_csv(tmp_path / f"{vez}.csv", archivo)
        assert consumo(variables, "producir", "--archivo", str(ruta)).returncode == 0
        if vez == "a":
            assert consumo(variables, "consumir", "--hasta-vacio").returncode == 0
            comprobar_exactamente_una_vez(entorno, con_picos)
    guion = Path(__file__).with_name("consumidor_fragil.py")
    muerto = forks.run(variables, "-c", guion.read_text(), "entre_los_dos_almacenes", "1")
    assert muerto.returncode == -signal.SIGKILL, muerto.stderr
    assert consumo(variables, "consumir", "--hasta-vacio").returncode == 0
    comprobar_exactamente_una_vez(entorno, lecturas)
