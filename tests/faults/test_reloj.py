"""The clock jumps: what the consumer decides by it is which readings lie in the future, no more.

It decides so by ``time.time``, which a module of the test replaces in the child process.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from apoyo_faltas import confirmados, enviar
from integration.camino import (
    comprobar_exactamente_una_vez,
    comprobar_veredictos,
)

from detection.domain import Lecturas
from serving.settings import Settings

pytestmark = pytest.mark.timeout(240)

HORA_S, DIA_S = 3600, 86400
BASE = datetime(2026, 10, 1, tzinfo=UTC).timestamp()
"""A month after the last reading."""

# Python imports a ``sitecustomize`` before the product begins. At each look the clock is off by
# one of RELOJ_SALTOS_S, in turn.
RELOJ = """
import itertools, os, time
base, inicio = float(os.environ["RELOJ_BASE_S"]), time.monotonic()
saltos = itertools.cycle([float(s) for s in os.environ["RELOJ_SALTOS_S"].split(",")])
time.time = lambda: base + time.monotonic() - inicio + next(saltos)
"""


@pytest.fixture
def con_reloj(variables: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Return the environment of a child process that has a clock of the test."""
    (tmp_path / "sitecustomize.py").write_text(RELOJ)
    camino = f"{tmp_path}:{variables['PYTHONPATH']}"
    return {**variables, "PYTHONPATH": camino, "RELOJ_BASE_S": str(BASE)}


def test_un_reloj_que_salta_no_cambia_nada(
    entorno: Settings, con_reloj: dict[str, str], lecturas: Lecturas
) -> None:
    """Forwards a year, backwards an hour or weeks, at every look: the same rows and verdicts."""
    saltos = [0, 400 * DIA_S, -HORA_S, HORA_S, -20 * DIA_S, 3 * DIA_S, -5 * DIA_S]
    enviar(entorno, lecturas)
    # The test's clock comes by PYTHONPATH, as an interpreter starts.
    mas = {"LOTE_MAXIMO": "250", "RELOJ_SALTOS_S": ",".join(map(str, saltos))}
    r = subprocess.run(
        [sys.executable, "-m", "consumo", "consumir", "--hasta-vacio"], env={**con_reloj, **mas},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert r.returncode == 0, r.stderr
    assert "no válidos apartados" not in r.stderr
    assert confirmados(entorno) == len(lecturas)
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)
