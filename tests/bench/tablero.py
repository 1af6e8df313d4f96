"""``make bench-tablero``: how soon each page shows something useful, and answers a filter.

A headless Chromium opens each page over the API with the data of ``make bench-api``; what counts is
the time from the navigation until the first figure, table or card of the page's own is painted, as
the page itself sees it (its navigation's clock, the frame after it is there). The first visit
finds nothing remembered, neither in the dashboard nor in the browser; the others are new visitors
while the dashboard still remembers some answers. After each visit another one is paid to a page of
Streamlit's with one card and nothing of ours: of what a page takes, that is the floor, on this
machine at that moment. A filter is answered once the page has nothing more to draw.
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
from served_dashboard import browser_path, serve_bare_page, serve_dashboard, wait_for

from dashboard.navigation import PAGES, page_of
from detection.errors import ConfiguracionError
from detection.number_format import numero
from pipeline.embedded.services import EmbeddedServices
from serving.cli import HECHO, Parser, entero, run
from serving.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

META_S, META_FILTRO_S = 1.5, 0.5
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
_BOTON = """
(nombre) => [...document.querySelectorAll("[data-testid=stMain] :is(button, label)")]
  .find((uno) => uno.textContent.trim() === nombre)
"""
"""Gives a filter by its name; rows of a list may say the same."""
_CLIC = """
(nombre) => new Promise((hecho) => {
  const app = document.querySelector("[data-testid=stApp]"), desde = performance.now();
  (BOTON)(nombre).click();
  let corria = false;
  const mirar = () => {
    const corre = app.dataset.testScriptState === "running";
    corria ||= corre;
    if (corria && !corre) requestAnimationFrame(() => hecho(performance.now() - desde));
    else requestAnimationFrame(mirar);
  };
  mirar();
})
"""
"""Chooses a filter by its name and gives the milliseconds until the page is drawn again."""
_QUIETA = "document.querySelector('[data-testid=stApp]').dataset.testScriptState !== 'running'"
_FILTROS = {
    "casos": ("Nuevo", "Más probables"),
    "anomalias": ("Crítica", "30 días"),
    "calendario": ("30 días", "90 días"),
    "aciertos": ("90 días", "Todo"),
}
"""Page -> filters that are chosen one after the other."""


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
            with (
                serve_dashboard(api, Path(carpeta)) as url,
                serve_bare_page(Path(carpeta)) as pelada,
            ):
                rutas = _addresses((mundo.graves or mundo.clientes)[0], mundo.casos[0])
                cifras = _measure(url, pelada, camino, rutas, opciones.veces)
                filtros = _measure_filters(url, camino, opciones.veces)
    _show(consola, cifras)
    _show_filters(consola, filtros)
    if opciones.json:
        dichas = {"paginas": cifras, "filtros": filtros}
        opciones.json.write_text(json.dumps(dichas, indent=2, ensure_ascii=False))
    return HECHO


def _addresses(cliente: str, caso: str) -> dict[str, str]:
    """Return where each page is, by its title."""
    rutas = {p.title: p.url for p in PAGES}
    rutas["Ficha de un cliente"] = f"buscar-cliente?cliente={cliente}"
    rutas[page_of("caso").title] = f"caso?caso={caso}"
    return rutas


def _measure(
    url: str, pelada: str, camino: str, rutas: dict[str, str], veces: int
) -> dict[str, dict[str, Any]]:
    """Return the seconds of each page: of the first visit, of those after it, and of the floor."""
    from playwright.sync_api import sync_playwright

    cifras: dict[str, dict[str, Any]] = {}
    with sync_playwright() as motor:
        navegador = motor.chromium.launch(executable_path=camino, args=["--no-sandbox"])
        # The server compiles and imports for its very first visitor, who is no analyst.
        for una in (f"{url}/deriva", pelada):
            _visit(navegador, una)
        for titulo, ruta in rutas.items():
            pares = [
                (_visit(navegador, f"{url}/{ruta}"), _visit(navegador, pelada))
                for _ in range(veces)
            ]
            tardan, suelos = map(list, zip(*pares, strict=True))
            cifras[titulo] = {
                "primera_s": tardan[0],
                "despues_s": statistics.median(tardan[1:]),
                "peor_s": max(tardan),
                "suelo_s": statistics.median(suelos),
            }
        navegador.close()
    return cifras


def _measure_filters(url: str, camino: str, veces: int) -> dict[str, dict[str, float]]:
    """Return the seconds that each filter takes to be answered."""
    from playwright.sync_api import sync_playwright

    tardan: dict[str, list[float]] = {}
    with sync_playwright() as motor:
        navegador = motor.chromium.launch(executable_path=camino, args=["--no-sandbox"])
        for _ in range(veces):
            for ruta, nombres in _FILTROS.items():
                contexto = navegador.new_context(
                    viewport={"width": 1280, "height": 900}, locale="es-ES"
                )
                pagina = contexto.new_page()
                pagina.goto(f"{url}/{ruta}")
                pagina.locator(UTIL).first.wait_for(timeout=PLAZO_MS)
                pagina.wait_for_function(_QUIETA, timeout=PLAZO_MS)
                for nombre in nombres:
                    pagina.wait_for_function(_BOTON, arg=nombre, timeout=PLAZO_MS)
                    clic = _CLIC.replace("BOTON", _BOTON.strip())
                    segundos = float(pagina.evaluate(clic, nombre)) / 1e3
                    tardan.setdefault(f"{ruta}: {nombre}", []).append(segundos)
                contexto.close()
        navegador.close()
    return {
        nombre: {"mediana_s": statistics.median(todas), "peor_s": max(todas)}
        for nombre, todas in tardan.items()
    }


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
    for nombre in ("primera visita, s", "las demás, s", "la peor, s", "Streamlit solo, s", "meta"):
        tabla.add_column(nombre, justify="right")
    for titulo, una in cifras.items():
        cumple = "✓" if una["peor_s"] < META_S else "✗"
        columnas = (numero(una[c], 2) for c in ("primera_s", "despues_s", "peor_s", "suelo_s"))
        tabla.add_row(titulo, *columnas, cumple)
    consola.print(tabla)


def _show_filters(consola: Console, filtros: dict[str, dict[str, float]]) -> None:
    tabla = Table(title=f"Hasta contestar a un filtro (meta: menos de {META_FILTRO_S:g} s)")
    tabla.add_column("filtro")
    for nombre in ("mediana, s", "el peor, s", "meta"):
        tabla.add_column(nombre, justify="right")
    for nombre, uno in filtros.items():
        cumple = "✓" if uno["mediana_s"] < META_FILTRO_S else "✗"
        tabla.add_row(nombre, numero(uno["mediana_s"], 2), numero(uno["peor_s"], 2), cumple)
    consola.print(tabla)


if __name__ == "__main__":
    sys.exit(run(main))
