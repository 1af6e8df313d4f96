"""``consumo api`` as a process: it serves, says where, and stops when told, or says why not."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import forks
import httpx
import pytest
from apoyo_api import esperar

PLAZO_S = 60.0


def _responde(url: str) -> bool:
    try:
        return httpx.get(f"{url}/salud/viva", timeout=5.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_sirve_y_para(variables: dict[str, str], tmp_path: Path) -> None:
    """It serves on its port, tells of each request, and leaves with 0 on SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as libre:
        puerto = libre.getsockname()[1]
    registro = tmp_path / "api.log"
    with registro.open("wb") as salida:
        proceso = forks.start(variables, "api", "--port", str(puerto), stdout=salida, stderr=salida)
    try:
        esperar(lambda: _responde(f"http://127.0.0.1:{puerto}"), "the API answers", PLAZO_S)
        proceso.send_signal(signal.SIGTERM)
        assert proceso.wait(20) == 0
    finally:
        proceso.kill()
        proceso.wait()
    texto = registro.read_text(encoding="utf-8")
    assert f"API en http://127.0.0.1:{puerto} (documentación en /docs)" in texto
    assert "metodo=GET ruta=/salud/viva estado=200" in texto
    assert texto.rstrip().endswith("API parada")
    assert "uvicorn" not in texto


def test_en_red_sin_claves_es_mal_uso(variables: dict[str, str]) -> None:
    """For others to reach and without a key: status 2, one line that says what to do."""
    r = forks.run(variables, "api", "--host", "0.0.0.0")
    assert r.returncode == 2
    assert "API_SIN_CLAVES=True" in r.stderr.strip().splitlines()[-1]
    assert "Traceback" not in r.stderr


def test_un_puerto_ocupado_se_dice(variables: dict[str, str]) -> None:
    """A port that is taken: status 1 and one Spanish line."""
    with socket.create_server(("127.0.0.1", 0)) as otro:
        r = forks.run(variables, "api", "--port", str(otro.getsockname()[1]))
    assert r.returncode == 1
    assert r.stderr.strip().splitlines()[-1].startswith("error: no se puede escuchar en 127.0.0.1")


@pytest.mark.parametrize("precio", ["-0.01", "101", "quince", "nan"])
def test_un_precio_imposible_es_mal_uso(variables: dict[str, str], precio: str) -> None:
    """A price that nobody pays: status 2 and one Spanish line that names its variable."""
    r = forks.run({**variables, "PRECIO_KWH_EUR": precio}, "api")
    assert r.returncode == 2
    assert r.stderr.startswith("error: variable PRECIO_KWH_EUR no válida: ")
    assert r.stderr.count("\n") == 1
