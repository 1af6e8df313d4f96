"""``make bench-tablero``: how soon each page of the dashboard shows something useful.

A headless Chromium opens each page over the API with the data of ``make bench-api``; what counts is
the time from the navigation until the first figure, table or card of the page's own is painted, as
the page itself sees it (its navigation's clock, the frame after it is there). The first visit
finds nothing remembered, neither in the dashboard nor in the browser; the others are new visitors
while the dashboard still remembers some answers.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from banco_mundo import fill, serve_api
from rich.console import Console
from rich.table import Table
from served_dashboard import browser_path, serve_dashboard, wait_for

from dashboard.navigation import PAGES
from detection.errors import ConfiguracionError
from detection.number_format import numero
from pipeline.embedded.services import EmbeddedServices
from serving.cli import HECHO, Parser, entero, run
from serving.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

META_S = 2.0
PLAZO_MS = 60_000
UTIL = (
    "[data-testid=stMain] :is(.kpi, .tabla, .vacio, .luz, .filas, .carriles, .historia, "
    ".js-plotly-plot .main-svg, [data-testid=stDataFrame] canvas)"
)
"""What of a page is worth looking at; its title is not."""
_TESTIGO = """
(() => {
  const testigo = new MutationObserver(() => {
    if (!document.querySelector(UTIL)) return;
    testigo.disconnect();
    // A frame, and the task after it: by then it has been painted.
    requestAnimationFrame(() => {
      const canal = new MessageChannel();
      canal.port1.onmessage = () => { window.pintado = performance.now(); };
      canal.port2.postMessage(0);
    });
  });
  testigo.observe(document, { childList: true, subtree: true });
})()
"""
"""Notes when something useful was painted, in the page itself: who asks from outside is only
answered once the page has nothing else to do."""


def main(argv: Sequence[str]) -> int:
    """Measure and print; figures also as JSON if asked for."""
    parser = Parser("make bench-tablero", "Mide lo que tarda cada página en enseñar algo útil.")
    parser.add_argument("--clientes", type=entero(50), default=1000, metavar="N")
    parser.add_argument("--dias", type=entero(35), default=60, metavar="N")
    parser.add_argument("--veces", type=entero(2), default=5, metavar="N", help="de cada página")
    parser.add_argument("--semilla", type=entero(0), default=1, metavar="N")
    parser.add_argument("--json", type=Path, metavar="ARCHIVO", help="guarda las cifras")
    opciones = parser.parse_args(argv)
    camino = browser_path()
    if camino is None:
        raise ConfiguracionError("no hay ningún navegador: instale el paquete chromium")
    consola = Console(highlight=False)
    with (
        tempfile.TemporaryDirectory() as carpeta,
        EmbeddedServices(Path(carpeta), puertos_libres=True, mlflow=False) as servicios,
    ):
        settings = Settings.model_validate(
            {clave.lower(): valor for clave, valor in servicios.variables().items()}
        )
        mundo = fill(settings, opciones.clientes, opciones.dias, opciones.semilla)
        consola.print(
            f"{date.today()}, {platform.machine()}, {os.cpu_count()} núcleos, Python "
            f"{platform.python_version()}; {opciones.clientes} clientes, {opciones.dias} días, "
            f"{len(mundo.anomalias)} anomalías."
        )
        with serve_api(settings, Path(carpeta)) as puerto:
            api = f"http://127.0.0.1:{puerto}"
            wait_for(f"{api}/salud/lista")
            with serve_dashboard(api, Path(carpeta)) as url:
                cifras = _measure(url, camino, mundo.graves[0], opciones.veces)
    _show(consola, cifras)
    if opciones.json:
        opciones.json.write_text(json.dumps(cifras, indent=2, ensure_ascii=False))
    return HECHO


def _measure(url: str, camino: str, cliente: str, veces: int) -> dict[str, dict[str, Any]]:
    """Return the seconds of each page: of the first visit, and of those after it."""
    from playwright.sync_api import sync_playwright

    rutas = {p.title: p.url for p in PAGES}
    rutas["Ficha de un cliente"] = f"buscar-cliente?cliente={cliente}"
    cifras: dict[str, dict[str, Any]] = {}
    with sync_playwright() as motor:
        navegador = motor.chromium.launch(executable_path=camino, args=["--no-sandbox"])
        # The server compiles and imports for its very first visitor, who is no analyst.
        _visit(navegador, f"{url}/deriva")
        for titulo, ruta in rutas.items():
            tardan = [_visit(navegador, f"{url}/{ruta}") for _ in range(veces)]
            cifras[titulo] = {
                "primera_s": tardan[0],
                "despues_s": statistics.median(tardan[1:]),
                "peor_s": max(tardan),
            }
        navegador.close()
    return cifras


def _visit(navegador: Browser, url: str) -> float:
    """Return the seconds until a new visitor sees something useful."""
    contexto = navegador.new_context(viewport={"width": 1280, "height": 900}, locale="es-ES")
    pagina = contexto.new_page()
    pagina.add_init_script(_TESTIGO.replace("UTIL", json.dumps(UTIL)))
    pagina.goto(url, wait_until="commit")
    pagina.wait_for_function("window.pintado !== undefined", timeout=PLAZO_MS)
    tarda = pagina.evaluate("window.pintado") / 1e3
    contexto.close()
    return float(tarda)


def _show(consola: Console, cifras: dict[str, dict[str, Any]]) -> None:
    tabla = Table(title=f"Hasta enseñar algo útil (meta: menos de {META_S:g} s)")
    tabla.add_column("página")
    for nombre in ("primera visita, s", "las demás, s", "la peor, s", "meta"):
        tabla.add_column(nombre, justify="right")
    for titulo, una in cifras.items():
        cumple = "✓" if una["peor_s"] < META_S else "✗"
        columnas = (numero(una[c], 2) for c in ("primera_s", "despues_s", "peor_s"))
        tabla.add_row(titulo, *columnas, cumple)
    consola.print(tabla)


if __name__ == "__main__":
    sys.exit(run(main))
