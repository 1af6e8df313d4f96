"""The log is ours: Spanish, and no library's chatter in it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

PROGRAMA = """
import sys
from detection.errors import TransientError
from serving.logs import configure_logs
from serving.registry import ModelRegistry
from serving.settings import Settings
configure_logs("INFO")
try:
    ModelRegistry(Settings(mlflow_tracking_uri=sys.argv[1])).ping()
except TransientError:
    sys.exit(7)
"""


def test_un_mlflow_mudo_no_llena_el_log_de_ingles(tmp_path: Path) -> None:
    """A server that takes the call and says nothing: our error, and no line of its client's."""
    entorno = os.environ | {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "1",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    }
    with socket.create_server(("127.0.0.1", 0)) as mudo:
        uri = f"http://127.0.0.1:{mudo.getsockname()[1]}"
        hecho = subprocess.run(
            [sys.executable, "-c", PROGRAMA, uri], check=False, cwd=tmp_path, env=entorno,
            capture_output=True, text=True,
        )  # fmt: skip
    assert (hecho.returncode, hecho.stdout, hecho.stderr) == (7, "", "")
