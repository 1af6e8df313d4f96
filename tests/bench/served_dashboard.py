"""``consumo tablero`` in a process of its own, and the browser that looks at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

RAIZ = Path(__file__).resolve().parents[2]
ARRANQUE_S = 60.0
NAVEGADORES = ("chromium", "chromium-browser", "google-chrome")


def browser_path() -> str | None:
    """Return where Debian's Chromium is; None = it is not installed."""
    return next(filter(None, map(shutil.which, NAVEGADORES)), None)


def serve_dashboard(api: str, carpeta: Path) -> AbstractContextManager[str]:
    """Give the address of a dashboard over an API; it must neither fall nor leave a traceback."""
    puerto = _free_port()
    propias = {"API_URL": api, "TABLERO_PORT": str(puerto)}
    return _served(["consumo", "tablero"], propias, puerto, carpeta / "tablero.log")


def serve_bare_page(carpeta: Path) -> AbstractContextManager[str]:
    """Give the address of a page of Streamlit's that has one card and nothing of ours."""
    guion, puerto = carpeta / "pelada.py", _free_port()
    guion.write_text("import streamlit\nstreamlit.html('<div class=\"kpi\">1</div>')\n")
    opciones = [
        "--server.address=127.0.0.1", f"--server.port={puerto}", "--server.headless=true",
        "--server.fileWatcherType=none", "--browser.gatherUsageStats=false",
    ]  # fmt: skip
    arranque = ["streamlit", "run", str(guion), *opciones]
    return _served(arranque, {}, puerto, carpeta / "pelada.log")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as enchufe:
        return int(enchufe.getsockname()[1])


@contextmanager
def _served(
    arranque: Sequence[str], propias: dict[str, str], puerto: int, salida: Path
) -> Iterator[str]:
    with salida.open("wb") as registro:
        proceso = subprocess.Popen(
            [sys.executable, "-m", *arranque],
            cwd=salida.parent, env={**os.environ, "PYTHONPATH": str(RAIZ), **propias},
            stdout=registro, stderr=subprocess.STDOUT,
        )  # fmt: skip
    url = f"http://127.0.0.1:{puerto}"
    try:
        wait_for(f"{url}/_stcore/health", lambda: proceso.poll() is not None)
        yield url
    finally:
        proceso.terminate()
        proceso.wait(20)
    assert "Traceback" not in salida.read_text(), salida.read_text()


def wait_for(url: str, caido: Callable[[], bool] = lambda: False) -> None:
    """Return once an address answers; fail if it does not in time, or its server has fallen."""
    limite = time.monotonic() + ARRANQUE_S
    while not _answers(url):
        assert not caido(), f"its server has fallen: {url}"
        assert time.monotonic() < limite, f"does not answer: {url}"
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as respuesta:
            return bool(respuesta.status == 200)
    except OSError:
        return False
