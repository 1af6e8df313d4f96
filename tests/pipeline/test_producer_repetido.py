"""No command that the documents give spoils a reading that is there."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path

import forks
import pytest
from test_producer import read_all

from detection.domain import hora_absoluta
from detection.simulation.population import SEMILLA, scene
from pipeline.generator.service import generate_lecturas
from serving.settings import Settings

_ORDEN = re.compile(r"(?:consumo producir|producer\.py) (--mode [^\n`#;|]+)")


def documented(raiz: Path) -> list[list[str]]:
    """Return the arguments of every synthetic producer command that a user may copy."""
    textos = [*raiz.glob("*.md"), *(raiz / "docs").glob("*.md"), raiz / "docker-compose.yml"]
    ordenes = {m[1].strip() for f in textos for m in _ORDEN.finditer(f.read_text("utf-8"))}
    return [shlex.split(orden) for orden in sorted(ordenes) if "\\" not in orden]


def test_the_documents_have_such_commands(raiz: Path) -> None:
    """Both modes are documented; a pattern that finds nothing would keep no promise."""
    ordenes = documented(raiz)
    assert ["--mode", "once", "--clients", "50"] in ordenes
    assert any("continuous" in orden for orden in ordenes)


@pytest.mark.timeout(240)
def test_a_documented_command_changes_no_reading(
    entorno: Settings, variables: dict[str, str], raiz: Path
) -> None:
    """The demo's customers, and whoever another command has sent, keep every kWh."""
    hasta = int(time.time()) // 3600
    desde = hasta - 60 * 24
    escena = scene(SEMILLA, 50, 8, desde, hasta)
    demo = generate_lecturas(escena, hasta - 4 * 24, hasta, entorno.zona_horaria)
    guardadas = dict(
        zip(zip(demo.propietario_id, demo.hora_utc.tolist(), strict=True),
            demo.consumo_kwh.tolist(), strict=True)
    )  # fmt: skip
    enviadas, comunes = 0, 0
    for orden in documented(raiz):
        if "--dias" in orden:
            # As many readings as the others: the first days are those of the last ones.
            orden[orden.index("--dias") + 1] = "3"
        enviadas += _produce(orden, variables)
    for m in read_all(entorno, enviadas):
        identidad = (m["propietario_id"], hora_absoluta(datetime.fromisoformat(m["timestamp"])))
        comunes += identidad in guardadas
        assert guardadas.setdefault(identidad, m["consumo_kwh"]) == m["consumo_kwh"], json.dumps(m)
    assert comunes > 3 * 24


def _produce(orden: list[str], variables: dict[str, str]) -> int:
    """Return how many readings a command has sent; a continuous one is stopped after a round."""
    proceso = forks.start(variables, "producir", *orden, stdout=subprocess.PIPE)
    assert proceso.stdout is not None
    linea = proceso.stdout.readline()
    if "continuous" in orden:
        proceso.send_signal(signal.SIGTERM)
    resto, _ = proceso.communicate(timeout=100)
    assert proceso.returncode == 0
    ultima = (linea + resto).strip().splitlines()[-1]
    return int(re.search(r"confirmadas (\d+)", ultima)[1])  # type: ignore[index]
