"""The whole demo, its parts killed one by one: it sends again what was lost, and ends well."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.camino import esperar

from pipeline.embedded.services import falta_embebido
from serving.settings import Settings

pytestmark = pytest.mark.timeout(900)

PARTES = (
    *("consumidor", "API", "tablero", "generador"),
    *("PostgreSQL", "MongoDB", "Kafka", "MLflow"),
)
PLAZO_S = 300.0


@pytest.fixture
def demo(raiz: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Give a demo in a folder of its own, and the file that has what it says."""
    falta = falta_embebido()
    if falta is not None:
        pytest.skip(falta)
    limpias = {k: v for k, v in os.environ.items() if k.lower() not in Settings.model_fields}
    salida = tmp_path / "salida.txt"
    argv = ["--clientes", "8", "--dias", "40", "--semilla", "3", "--datos", str(tmp_path / "d")]
    with salida.open("wb") as f:
        proceso = subprocess.Popen(
            [sys.executable, "-m", "consumo", "demo", *argv],
            cwd=tmp_path, env={**limpias, "PYTHONPATH": str(raiz)},
            stdout=f, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield proceso, salida
    finally:
        if proceso.poll() is None:
            proceso.kill()
        proceso.wait()


def _matar(carpeta: Path, nombre: str) -> None:
    pid = int(json.loads((carpeta / "d" / "procesos" / f"{nombre}.pid").read_text())["pid"])
    os.kill(pid, signal.SIGKILL)


def test_cada_parte_muere_y_la_demo_sigue(
    demo: tuple[subprocess.Popen[bytes], Path], tmp_path: Path
) -> None:
    """Kafka dies with readings that nobody has read, then every part: all is stored once."""
    proceso, salida = demo

    def espera(que: str) -> None:
        esperar(
            lambda: proceso.poll() is not None or re.search(que, salida.read_text()) is not None,
            que, PLAZO_S, [salida],
        )  # fmt: skip
        assert proceso.poll() is None, salida.read_text()

    espera("Enviando 7.680 lecturas")
    _matar(tmp_path, "consumidor")
    _matar(tmp_path, "Kafka")
    espera("Kafka funciona de nuevo: vacío")
    espera("En vivo")
    assert "✓ PostgreSQL tiene las 7.680 lecturas enviadas, cada una una vez" in salida.read_text()
    for nombre in PARTES:
        antes = salida.read_text().count(f"{nombre} funciona de nuevo")
        _matar(tmp_path, nombre)
        espera(rf"(?s)(?:\n{nombre} funciona de nuevo.*){{{antes + 1}}}")
    proceso.send_signal(signal.SIGINT)
    assert proceso.wait(120) == 0, salida.read_text()
    assert "✗" not in salida.read_text()
