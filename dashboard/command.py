"""``consumo tablero``: the dashboard's server."""

from __future__ import annotations

import os
import pkgutil
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from dashboard.theme import streamlit_theme
from dashboard.variables import VariableError, Variables, load_variables

_DONE, _FAILED, _WRONG_USAGE = 0, 1, 2
"""Exit statuses by contract; this room imports nothing of the others, so it has its own."""
_HELP = """\
uso: consumo tablero [-h]

Sirve el tablero en el navegador. Todo lo que enseña se lo pide a la API REST, que ha de
estar en marcha («consumo api»). Ctrl-C lo para.

variables:
  TABLERO_HOST, TABLERO_PORT  dónde atiende (por defecto, 127.0.0.1 y 8501)
  TABLERO_TESELAS             lo que va debajo del mapa: https://…/{z}/{x}/{y}.png (nada)
  TABLERO_TESELAS_AUTOR       de quién es, como pide que se diga
  API_URL                     la API (por defecto, http://127.0.0.1 y API_PORT)
  API_CLAVE_TABLERO           clave con que lee, si leer pide clave
"""


def streamlit_options(variables: Variables) -> dict[str, str]:
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
        **streamlit_theme(),
    }


def main(argv: Sequence[str]) -> int:
    """Serve until Ctrl-C or SIGTERM: Streamlit takes this process over."""
    if any(argument in {"-h", "--help"} for argument in argv):
        sys.stdout.write(_HELP)
        return _DONE
    if argv:
        sys.stderr.write(f"{_HELP}\nerror: argumentos desconocidos: {' '.join(argv)}\n")
        return _WRONG_USAGE
    try:
        variables = load_variables()
    except VariableError as error:
        sys.stderr.write(f"error: {error}\n")
        return _WRONG_USAGE
    host = f"[{variables.host}]" if ":" in variables.host else variables.host
    sys.stdout.write(f"tablero en http://{host}:{variables.port} (API: {variables.api_url})\n")
    sys.stdout.flush()
    here = Path(__file__).resolve().parent
    flags = [f"--{name}={value}" for name, value in streamlit_options(variables).items()]
    serve = [sys.executable, "-c", "from dashboard.command import serve; serve()", "run"]
    # The project's root has to be found from wherever the verb is called.
    path = os.pathsep.join(filter(None, (str(here.parent), os.environ.get("PYTHONPATH"))))
    try:
        os.execve(
            sys.executable, [*serve, str(here / "app.py"), *flags],
            {**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
    except OSError as error:
        sys.stderr.write(f"error: no se puede arrancar el tablero: {error}\n")
        return _FAILED


def serve() -> None:
    """Serve with the arguments of ``streamlit``, which this process was started with."""
    from streamlit.web.cli import main as streamlit

    # Not before: Streamlit makes Plotly look into pandas, which has to be whole or not there.
    threading.Thread(target=_preload, name="importaciones", daemon=True).start()
    streamlit(sys.argv[1:], prog_name="streamlit")


def _preload() -> None:
    """Import what the pages draw with: otherwise the first visitor of each waits for it."""
    import_module("pandas")
    charts = import_module("dashboard.charts")
    for chart in pkgutil.iter_modules(charts.__path__, "dashboard.charts."):
        import_module(chart.name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
