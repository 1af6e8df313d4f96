"""The demo as a user runs it: a process in an empty folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.embedded.services import falta_embebido
from serving.settings import Settings

pytestmark = pytest.mark.timeout(280)

ARGUMENTOS = ("--clientes", "8", "--dias", "36", "--semilla", "3")


@pytest.fixture
def variables(raiz: Path, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a user without any variable of ours."""
    falta = falta_embebido()
    if falta is not None:
        pytest.skip(falta)
    temporal = tmp_path / "tmp"
    temporal.mkdir()
    limpias = {k: v for k, v in os.environ.items() if k.lower() not in Settings.model_fields}
    return {**limpias, "PYTHONPATH": str(raiz), "TMPDIR": str(temporal), "COLUMNS": "120"}


def _hijos(carpeta: Path) -> list[str]:
    """Return the command lines of processes that work in a folder."""
    vivos = []
    for proceso in psutil.process_iter(["cmdline"]):
        orden = " ".join(proceso.info["cmdline"] or ())
        if str(carpeta) in orden:
            vivos.append(orden)
    return vivos


@pytest.mark.lenta
def test_una_vez_lo_comprueba_y_no_deja_nada(variables: dict[str, str], tmp_path: Path) -> None:
    """``--una-vez``: the ranking with reasons, both checks, status 0, no process and no file."""
    casa = tmp_path / "casa"
    casa.mkdir()
    r = subprocess.run(
        [sys.executable, "-m", "consumo", "demo", "--una-vez", *ARGUMENTOS],
        cwd=casa, env=variables, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert r.returncode == 0, r.stdout + r.stderr
    assert "Clientes más sospechosos" in r.stdout
    assert "✓ PostgreSQL tiene las 6.912 lecturas enviadas, cada una una vez" in r.stdout
    assert "anomalías de MongoDB son las de PostgreSQL" in r.stdout
    assert "✗" not in r.stdout
    assert "en realidad: cannabis" in r.stdout
    assert r.stdout.rstrip().endswith("Todo comprobado.")
    assert not list(casa.iterdir())
    assert not list((tmp_path / "tmp").glob("consumo-demo-*"))
    assert not _hijos(tmp_path)


@pytest.fixture
def demo(variables: dict[str, str], tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Give the demos that a test starts; none outlives it."""
    lista: list[subprocess.Popen[bytes]] = []
    yield lista
    for proceso in lista:
        if proceso.poll() is None:
            proceso.kill()
        proceso.wait()


def _start(variables: dict[str, str], casa: Path, salida: Path) -> subprocess.Popen[bytes]:
    with salida.open("wb") as f:
        return subprocess.Popen(
            [sys.executable, "-m", "consumo", "demo", *ARGUMENTOS],
            cwd=casa, env=variables, stdout=f, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def _wait_for(salida: Path, texto: str, proceso: subprocess.Popen[bytes]) -> None:
    _wait_until(lambda: texto in salida.read_text(errors="replace"), salida, proceso)


def _wait_until(
    condicion: Callable[[], bool], salida: Path, proceso: subprocess.Popen[bytes]
) -> None:
    limite = time.monotonic() + 200
    while not condicion():
        assert proceso.poll() is None, salida.read_text()
        assert time.monotonic() < limite, salida.read_text()
        time.sleep(0.1)


def _pid(casa: Path, nombre: str) -> int:
    (archivo,) = casa.glob(f".consumo/demo-*/procesos/{nombre}.pid")
    return int(json.loads(archivo.read_text())["pid"])


@pytest.mark.lenta
def test_ctrl_c_lo_para_y_otra_vez_continua(
    variables: dict[str, str], tmp_path: Path, demo: list[subprocess.Popen[bytes]]
) -> None:
    """Live until Ctrl-C, which ends all with 0; started again it goes on where it was left.

    Beside it somebody archives, and the consumer and the API are killed: they come back, it goes
    on, and the checks of the second start are right though there are live and archived readings.
    """
    casa = tmp_path / "casa"
    casa.mkdir()
    for vez in ("primera", "segunda"):
        salida = tmp_path / f"{vez}.txt"
        demo.append(_start(variables, casa, salida))
        _wait_for(salida, "anomalías ", demo[-1])
        _wait_for(salida, "En vivo", demo[-1])
        anuncio = (casa / ".consumo" / "servicios.env").read_text()
        assert all(f"{v}=" in anuncio for v in ("POSTGRES_PORT", "API_PORT", "TABLERO_PORT"))
        if vez == "primera":
            _archivar_y_matar(variables, casa, salida, demo[-1])
        demo[-1].send_signal(signal.SIGINT)
        assert demo[-1].wait(60) == 0, salida.read_text()
        assert "Detenido. Los datos quedan en" in salida.read_text()
        assert "✓ PostgreSQL tiene las 6.912 lecturas enviadas" in salida.read_text()
        assert "✗" not in salida.read_text()
        assert not _hijos(casa)
        assert not (casa / ".consumo" / "servicios.env").exists()
    assert "El pasado ya estaba guardado" in (tmp_path / "segunda.txt").read_text()
    # To a file: a line a step.
    pasos = (tmp_path / "primera.txt").read_text().splitlines()
    esperados = ("Arrancando PostgreSQL…", "Arrancando tablero…", "Sumando los meses…")
    assert [linea for linea in pasos if linea in esperados] == list(esperados)
    assert "6.912 de 6.912 guardadas con su veredicto." in pasos


def _archivar_y_matar(
    variables: dict[str, str], casa: Path, salida: Path, proceso: subprocess.Popen[bytes]
) -> None:
    """Archive beside the running demo, kill its consumer and API, and see that it goes on."""
    r = subprocess.run(
        [sys.executable, "-m", "consumo", "archivar", "--dias", "20"],
        cwd=casa, env=variables, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert r.returncode == 0, r.stderr
    assert "lecturas archivadas" in r.stdout
    antes = {nombre: _pid(casa, nombre) for nombre in ("consumidor", "API")}
    for pid in antes.values():
        os.kill(pid, signal.SIGKILL)
    for nombre, pid in antes.items():
        _wait_for(salida, f"{nombre} se arranca de nuevo en 1 s", proceso)
        _wait_for(salida, f"{nombre} funciona de nuevo", proceso)
        assert _pid(casa, nombre) != pid
    dichas = _horas_dichas(salida)
    # On a slow machine all may have been said by now.
    _wait_until(lambda: dichas < _horas_dichas(salida) or dichas == 24, salida, proceso)


def _horas_dichas(salida: Path) -> int:
    return len(re.findall(r"^\d\d/\d\d \d\d:00  anomalías", salida.read_text(), re.MULTILINE))
