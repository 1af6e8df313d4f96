"""``consumo tablero``: the dashboard's server."""

from __future__ import annotations

import logging
import os
import pkgutil
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.theme import streamlit_theme
from dashboard.variables import VariableError, Variables, load_variables

if TYPE_CHECKING:
    from dashboard.assets import Assets

_DONE, _FAILED, _WRONG_USAGE = 0, 1, 2
"""Exit statuses by contract; this room imports nothing of the others, so it has its own."""
_SLOW = ("pandas", "pyarrow", "pandas.io.formats.style")
"""What Streamlit itself imports only when it draws the first table."""
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


def streamlit_options(variables: Variables) -> dict[str, Any]:
    """Return Streamlit's options: Spanish, calm, and without asking anyone outside."""
    return {
        "server.address": variables.host,
        "server.port": variables.port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "runner.magicEnabled": False,
        "logger.hideWelcomeMessage": True,
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
    # The project's root has to be found from wherever the verb is called.
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    try:
        os.execve(
            sys.executable, [sys.executable, "-c", "from dashboard.command import serve; serve()"],
            {**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
    except OSError as error:
        sys.stderr.write(f"error: no se puede arrancar el tablero: {error}\n")
        return _FAILED


def serve() -> None:
    """Serve until Ctrl-C or SIGTERM, which end this process as having done its work."""
    from dashboard.assets import streamlit_app

    # What starts and stops without trouble says nothing.
    logging.getLogger("uvicorn.error").addFilter(lambda said: said.levelno >= logging.WARNING)
    app = streamlit_app(Path(__file__).resolve().parent / "app.py", _preload, _ask_ahead)
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, lambda *_: sys.exit(_DONE))
    app.run(config=streamlit_options(load_variables()))


def _ask_ahead(path: str, query: str) -> None:
    """Ask the API what a page will ask it first."""
    # Not before the application runs: Streamlit would warn that nothing is remembered on a disk.
    import_module("dashboard.ahead").ask_ahead(path, query)


def _preload(assets: Assets) -> None:
    """Import what pages draw with, and read what browsers do: or first visitors wait for it."""
    from dashboard.assets import read_assets, streamlit_folder

    for name in _SLOW:
        import_module(name)
    for name in ("dashboard.charts", "dashboard.views"):
        for one in pkgutil.iter_modules(import_module(name).__path__, f"{name}."):
            import_module(one.name)
    read_assets(streamlit_folder(), assets)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
