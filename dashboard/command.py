"""``consumo tablero``: the dashboard's server."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dashboard.theme import opciones_streamlit
from dashboard.variables import VariableError, Variables, load_variables

_HECHO, _FALLO, _MAL_USO = 0, 1, 2
"""Exit statuses by contract; this room imports nothing of the others, so it has its own."""
_AYUDA = """\
uso: consumo tablero [-h]

Sirve el tablero en el navegador. Todo lo que enseña se lo pide a la API REST, que ha de
estar en marcha («consumo api»). Ctrl-C lo para.

variables:
  TABLERO_HOST, TABLERO_PORT  dónde atiende (por defecto, 127.0.0.1 y 8501)
  API_URL                     la API (por defecto, http://127.0.0.1 y API_PORT)
  API_CLAVE_TABLERO           clave con que lee, si leer pide clave
"""


def opciones(variables: Variables) -> dict[str, str]:
    """Return Streamlit's options: Spanish, calm, and without asking anyone outside."""
    return {
        "server.address": variables.host,
        "server.port": str(variables.port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.runOnSave": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "runner.magicEnabled": "false",
        "logger.hideWelcomeMessage": "true",
        "logger.level": "warning",
        **opciones_streamlit(),
    }


def orden(variables: Variables) -> list[str]:
    """Return the command that serves the dashboard."""
    banderas = [f"--{nombre}={valor}" for nombre, valor in opciones(variables).items()]
    guion = str(Path(__file__).with_name("app.py"))
    return [sys.executable, "-m", "dashboard.server", "run", guion, *banderas]


def main(argv: Sequence[str]) -> int:
    """Serve until Ctrl-C or SIGTERM: Streamlit takes this process over."""
    if any(argumento in {"-h", "--help"} for argumento in argv):
        sys.stdout.write(_AYUDA)
        return _HECHO
    if argv:
        sys.stderr.write(f"{_AYUDA}\nerror: argumentos desconocidos: {' '.join(argv)}\n")
        return _MAL_USO
    try:
        variables = load_variables()
    except VariableError as error:
        sys.stderr.write(f"error: {error}\n")
        return _MAL_USO
    visible = f"[{variables.host}]" if ":" in variables.host else variables.host
    sys.stdout.write(f"tablero en http://{visible}:{variables.port} (API: {variables.api_url})\n")
    sys.stdout.flush()
    # The project's root has to be found from wherever the verb is called.
    raiz = str(Path(__file__).resolve().parent.parent)
    ruta = os.pathsep.join(filter(None, (raiz, os.environ.get("PYTHONPATH"))))
    try:
        os.execve(sys.executable, orden(variables), {**os.environ, "PYTHONPATH": ruta})
    except OSError as error:
        sys.stderr.write(f"error: no se puede arrancar el tablero: {error}\n")
        return _FALLO


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
