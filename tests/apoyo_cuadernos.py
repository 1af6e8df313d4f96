"""A notebook run cell by cell without a kernel, and what it shows."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forks

from serving.settings import Settings

RAIZ = Path(__file__).resolve().parents[1]
CLIENTES = "14"
"""Few, and enough for both models to have an opinion."""
FIGURA = "application/vnd.plotly.v1+json"
_DE_CORRIDO = """
import json, sys
import plotly.io  # its figures as they are, and no browser
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config
plotly.io.renderers.default = "plotly_mimetype"
consola = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
for celda in json.load(open(sys.argv[1], encoding="utf-8"))["cells"]:
    if celda["cell_type"] == "code":
        with capture_output() as capturado:
            hecho = consola.run_cell("".join(celda["source"]))
        hecho.raise_error()
        sys.stderr.write(capturado.stderr)
        datos = [uno.data for uno in capturado.outputs]
        if hecho.result is not None:
            datos.append(consola.display_formatter.format(hecho.result)[0])
        print(json.dumps(datos))
"""


@dataclass(frozen=True)
class Dicho:
    """What a notebook has shown."""

    texto: str  # all its texts and tables
    figuras: list[Any]  # as Plotly's JSON
    quejas: str  # what it has written to its error stream


def entorno(carpeta: Path, **variables: str) -> dict[str, str]:
    """Return all the variables of a notebook's process."""
    defectos = {n.upper(): str(c.default) for n, c in Settings.model_fields.items()}
    ajenas = {k: v for k, v in os.environ.items() if not k.startswith("CUADERNOS_")}
    propias = {"PYTHONPATH": str(RAIZ), "IPYTHONDIR": str(carpeta), "OMP_NUM_THREADS": "1"}
    return {**ajenas, **defectos, **propias, "CUADERNOS_CLIENTES": CLIENTES, **variables}


def de_corrido(ruta: Path, carpeta: Path, **variables: str) -> Dicho:
    """Return what a notebook shows, one cell after the other."""
    hecho = forks.run(entorno(carpeta, **variables), "-c", _DE_CORRIDO, str(ruta), cwd=ruta.parent)
    assert hecho.returncode == 0, hecho.stderr
    textos, figuras = [], []
    for linea in hecho.stdout.splitlines():
        for datos in json.loads(linea):
            textos += [str(datos[c]) for c in datos if c.startswith("text/")]
            figuras += [datos[FIGURA]] if FIGURA in datos else []
    return Dicho("\n".join(textos), figuras, hecho.stderr)
