"""The dashboard as an analyst uses it: a real browser, the real API, real stores and MLflow.

Screenshots go to the folder that ``CONSUMO_CAPTURAS`` names, or to a temporary one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from apoyo_api import AHORA, CLAVES, base_sembrada, claves_de_prueba, esperar, servir
from apoyo_versiones import registrar
from bench.served_dashboard import browser_path, serve_dashboard
from contracts.fakes import explicar, hacer_caso, hacer_lote

from dashboard.navigation import PAGES
from detection.domain import hora_absoluta
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.customer_context import ContextoCliente
from pipeline.stores.mongo.cases import MongoCaseStore
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.customer_context import PostgresContextStore
from serving.champion import Examen
from serving.registry import ModelRegistry
from serving.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.timeout(280)

CLIENTES, SOSPECHOSOS, DIAS, CASOS = 5, 3, 36, 4
PLAZO_S = 45
PLAZO_MS = PLAZO_S * 1000
ALTO_FILA = 35
"""Of the table of anomalies, its head too, in pixels."""
INGLES = re.compile(
    r"\b(Deploy|Running|Stop|Press Enter|Search|Choose|Select|No results|Loading|Download|"
    r"Fullscreen|Error|Connecting|Settings|Rerun|Show|Hide|Reset|Jan|Apr|Aug|Dec|Monday|Mon)\b"
)
"""What Streamlit and Plotly would say of their own accord."""
VISIBLE = """() => {
  const textos = [], nodos = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (nodos.nextNode()) {
    const padre = nodos.currentNode.parentElement, caja = padre.getBoundingClientRect();
    const oculto = padre.closest("[data-testid=stIconMaterial], style, script");
    if (!oculto && caja.width > 2 && caja.height > 2 && getComputedStyle(padre).fontSize !== "0px")
      textos.push(nodos.currentNode.textContent);
  }
  return textos.join("\\n");
}"""
"""Gives the text that can be seen: not what is only told to screen readers, nor icons' names."""


@dataclass(frozen=True)
class Tablero:
    """A dashboard that is being served, the API behind it, and what it has asked elsewhere."""

    url: str
    api: str
    versiones: tuple[int, int]
    settings: Settings

    def leer(self, ruta: str, rol: str = "lectura", **parametros: object) -> list[dict[str, Any]]:
        """Return the rows of a list of the API."""
        respuesta = httpx.get(
            f"{self.api}{ruta}", params=parametros, headers={"X-API-Key": CLAVES[rol]},  # type: ignore[arg-type]
            trust_env=False, timeout=PLAZO_S,
        )  # fmt: skip
        return list(respuesta.raise_for_status().json()["elementos"])


@pytest.fixture(scope="module")
def tablero(
    servicios: EmbeddedServices,
    mlflow_vacio: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Tablero]:
    """Give a dashboard over 5 customers × 36 days and two versions, the first one champion."""
    carpeta = tmp_path_factory.mktemp("tablero")
    otras = {
        "api_claves": claves_de_prueba(), "api_limite_minuto": 0,
        "mlflow_tracking_uri": mlflow_vacio, "modelos_dir": str(carpeta / "modelos"),
    }  # fmt: skip
    with base_sembrada(servicios, CLIENTES, SOSPECHOSOS, DIAS, **otras) as datos:
        settings = datos.settings
        with closing(MongoCaseStore(settings)) as casos:
            casos.save([
                hacer_caso(f"CLI_{i:05d}", energia_en_juego_kwh=2000.0 - 300 * i)
                for i in range(1, CASOS + 1)
            ])  # fmt: skip
        with closing(PostgresContextStore(settings)) as contexto:
            contexto.save([
                ContextoCliente(
                    propietario_id=f"CLI_{i:05d}", direccion=f"Calle Mayor, {i}", actividad=None,
                    latitud=39.0 + i / 200, longitud=-3.0, potencia_contratada_kw=4.6,
                    tarifa="2.0TD", transformador="CT-001",
                )
                for i in range(1, CASOS)
            ])  # fmt: skip
        versiones = (registrar(settings), registrar(settings))
        _examine(settings, versiones)
        with servir(settings) as http:
            api = str(http.base_url).rstrip("/")
            # Before any page: a dashboard that remembers another champion may not change it.
            http.post(
                f"/api/modelos/{versiones[0]}/promover", json={"motivo": "de partida"},
                headers={"X-API-Key": CLAVES["administracion"]},
            ).raise_for_status()  # fmt: skip
            with serve_dashboard(api, carpeta) as url:
                yield Tablero(url, api, versiones, settings)


def _examine(settings: Settings, versiones: tuple[int, int]) -> None:
    """Keep with either version what the gate said: the first one passes, the second does not."""
    registro, cuando = ModelRegistry(settings), "2026-11-20T10:00:00+01:00"
    caida = {
        "nombre": "hallados: plantacion", "campeon": 0.9, "aspirante": 0.2, "limite": "≥ 0,850",
        "cumple": False, "azar": None,
    }  # fmt: skip
    registro.tag(versiones[0], Examen(None, True, "es mejor", cuando).tags())
    registro.tag(versiones[1], Examen(versiones[0], False, "no", cuando, (caida,)).tags())


@pytest.fixture(scope="module")
def navegador() -> Iterator[Browser]:
    """Give Debian's Chromium, or skip."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="falta playwright")
    camino = browser_path()
    if camino is None:
        pytest.skip("no hay ningún navegador: instale el paquete chromium")
    with sync_api.sync_playwright() as motor:
        abierto = motor.chromium.launch(executable_path=camino, args=["--no-sandbox"])
        yield abierto
        abierto.close()


@pytest.fixture(scope="module")
def capturas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where screenshots go."""
    carpeta = Path(os.environ.get("CONSUMO_CAPTURAS") or tmp_path_factory.mktemp("capturas"))
    carpeta.mkdir(parents=True, exist_ok=True)
    return carpeta


Ventana = Callable[..., "Page"]


@pytest.fixture
def ventana(navegador: Browser, tablero: Tablero) -> Iterator[Ventana]:
    """Give windows of visitors who do not know each other; none asks any other server."""
    abiertas: list[BrowserContext] = []
    fuera: list[str] = []
    fallos: list[str] = []

    def abrir(ruta: str = "", ancho: int = 1280, tema: str = "light") -> Page:
        contexto = navegador.new_context(
            viewport={"width": ancho, "height": 900}, color_scheme=tema, locale="es-ES",  # type: ignore[arg-type]
        )  # fmt: skip
        contexto.set_default_timeout(PLAZO_MS)
        abiertas.append(contexto)
        pagina = contexto.new_page()
        pagina.on("request", lambda r: fuera.append(r.url))
        pagina.on("pageerror", lambda e: fallos.append(str(e)))
        pagina.goto(f"{tablero.url}/{ruta}")
        _ready(pagina)
        return pagina

    yield abrir
    for contexto in abiertas:
        contexto.close()
    ajenas = [u for u in fuera if not u.startswith((tablero.url, "data:", "blob:", "ws://127"))]
    assert not ajenas
    assert not fallos


def _ready(pagina: Page) -> None:
    """Return once a page has its title and waits for nothing more."""
    pagina.locator("h1").first.wait_for()
    pagina.wait_for_function(
        "() => !document.querySelector('[data-testid=stSpinner], [data-testid=stSkeleton]') && "
        "document.querySelector('[data-testid=stApp]').dataset.testScriptState !== 'running'"
    )


def _photo(pagina: Page, ruta: Path) -> None:
    """Save the whole page, which scrolls inside of itself."""
    ancho = pagina.viewport_size["width"] if pagina.viewport_size else 1280
    alto = pagina.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    pagina.set_viewport_size({"width": ancho, "height": min(int(alto) + 20, 6000)})
    _ready(pagina)
    pagina.screenshot(path=str(ruta))
    pagina.set_viewport_size({"width": ancho, "height": 900})


def _give_key(pagina: Page, clave: str) -> None:
    barra = pagina.get_by_test_id("stSidebar")
    if not barra.locator("input[type=password]").is_visible():
        barra.get_by_text("Entrar", exact=True).first.click()
    barra.locator("input[type=password]").fill(clave)
    barra.locator("input[type=password]").press("Enter")
    barra.get_by_text(re.compile("Salir|no es válida")).first.wait_for()
    _ready(pagina)


@pytest.mark.lenta
@pytest.mark.parametrize(("ancho", "tema"), [(1280, "light"), (390, "dark")])
def test_todas_las_paginas(
    ventana: Ventana, tablero: Tablero, capturas: Path, ancho: int, tema: str
) -> None:
    """Every page has its title, fits the width, and says nothing in English nor as a machine.

    The menu leads to every page, and so does its address.
    """
    abierta = ventana("", ancho, tema)
    for pagina in PAGES:
        if ancho > 1000 and pagina.in_menu:
            menu = abierta.get_by_test_id("stSidebarNav")
            menu.get_by_text(pagina.title, exact=True).click()
            abierta.locator("h1", has_text=pagina.title).wait_for()
        else:
            abierta.goto(f"{tablero.url}/{pagina.url}")
        _ready(abierta)
        assert abierta.locator("h1").inner_text() == pagina.title
        assert abierta.evaluate("document.documentElement.lang") == "es"
        _photo(abierta, capturas / f"{pagina.module}-{ancho}-{tema}.png")
        texto = abierta.evaluate(VISIBLE)
        assert not INGLES.search(texto), (pagina.module, INGLES.findall(texto))
        assert not re.search(r"Traceback|\bNone\b|\bnan\b|\{\"", texto), pagina.module
        assert "Algo ha fallado" not in texto, pagina.module
        sobra = abierta.evaluate(
            "(() => { const m = document.querySelector('[data-testid=stMain]');"
            " return m.scrollWidth - m.clientWidth })()"
        )
        assert sobra <= 0, f"{pagina.module}: {sobra} px wider than the window"


@pytest.mark.lenta
def test_buscar_confirmar_y_recargar(ventana: Ventana, tablero: Tablero, capturas: Path) -> None:
    """A customer is found while typing, an anomaly confirmed, and it stays so after a reload."""
    cliente = tablero.leer("/api/dashboard/top-anomalias", limite=1)[0]["propietario_id"]
    abierta = ventana("buscar-cliente")
    _give_key(abierta, CLAVES["analista"])
    # Typed key by key and without Enter: it answers by itself.
    abierta.get_by_placeholder("Escriba parte del identificador").press_sequentially(cliente[2:])
    abierta.get_by_text("Resultados:").wait_for()
    abierta.get_by_role("button", name=cliente, exact=False).first.click()
    abierta.get_by_text("Otro cliente").wait_for()
    assert f"cliente={cliente}" in abierta.url
    abierta.get_by_role("radio", name="Anomalías").or_(
        abierta.get_by_test_id("stMain").get_by_role("button", name="Anomalías")
    ).first.click()
    abierta.get_by_label("Motivo").fill("contador puenteado")
    abierta.get_by_role("button", name="Confirmar").click()
    abierta.get_by_text("contador puenteado").first.wait_for()
    abierta.reload()
    _ready(abierta)
    detalle = abierta.locator(".st-key-detalle")
    detalle.get_by_text("Confirmada").first.wait_for()
    detalle.get_by_text("contador puenteado").wait_for()
    _photo(abierta, capturas / "confirmada.png")
    suyas = tablero.leer("/api/anomalias/veredictos", propietario_id=cliente)
    assert suyas[0]["veredicto"]["quien"] == "analista-1"
    assert "clave-de-prueba" not in abierta.url


def _press(pagina: Page, *teclas: str) -> None:
    """Press keys as a person does: each one once the page has answered the one before it."""
    for tecla in teclas:
        pagina.keyboard.press(tecla)
        _ready(pagina)


def _in_dialog(pagina: Page) -> None:
    """Return once the cursor is in a dialog's first field."""
    pagina.wait_for_function(
        "document.activeElement === document.querySelector('[role=dialog] input')"
    )


def _case(tablero: Tablero, cual: str) -> dict[str, Any]:
    respuesta = httpx.get(f"{tablero.api}/api/casos/{cual}", trust_env=False, timeout=PLAZO_S)
    return dict(respuesta.raise_for_status().json())


def test_la_manana(ventana: Ventana, tablero: Tablero, capturas: Path) -> None:
    """An analyst's morning, with keys only once signed in.

    The first case is opened and read, assigned, its outcome noted and that undone; the next one is
    discarded; a filter is sent to a colleague, who sees the same, and the reader stays signed in
    across a reload of the page.
    """
    abierta = ventana("")
    _give_key(abierta, CLAVES["analista"])
    filas = abierta.locator("a[data-fila]")
    filas.first.wait_for()
    assert filas.count() == CASOS
    _photo(abierta, capturas / "mi-lista.png")
    abierta.locator("body").press("j")
    abierta.keyboard.press("Enter")
    abierta.wait_for_url(re.compile(r"/caso\?caso="))
    _ready(abierta)
    cual = abierta.url.partition("caso?caso=")[2]
    assert cual == "CLI_00001_2026-11-09"
    abierta.locator(".historia").get_by_text("Desde el 3 de noviembre gasta 88").wait_for()
    abierta.get_by_text("Empieza el 3 nov").wait_for()
    _photo(abierta, capturas / "caso.png")

    _press(abierta, "a")
    abierta.get_by_text("lo lleva analista-1").wait_for()
    assert _case(tablero, cual)["asignado_a"] == "analista-1"

    _press(abierta, "o")  # The outcome: something was found, so many kWh, so many euros.
    dialogo = abierta.get_by_role("dialog")
    dialogo.get_by_label("Energía recuperada, kWh").wait_for()
    _in_dialog(abierta)
    _photo(abierta, capturas / "resultado.png")
    abierta.keyboard.press("Tab")
    abierta.keyboard.type("1300")
    abierta.keyboard.press("Enter")
    abierta.get_by_text("Confirmado", exact=True).first.wait_for()
    _ready(abierta)
    assert _case(tablero, cual)["resultado"]["energia_recuperada_kwh"] == 1300
    _press(abierta, "z")
    abierta.get_by_text("Asignado", exact=True).first.wait_for()
    assert _case(tablero, cual)["resultado"] is None

    _press(abierta, "j")
    abierta.wait_for_url(re.compile("CLI_00002"))
    _press(abierta, "d")
    _in_dialog(abierta)
    abierta.keyboard.type("es una obra")
    abierta.keyboard.press("Enter")
    abierta.get_by_text("Descartado", exact=True).first.wait_for()
    assert _case(tablero, "CLI_00002_2026-11-09")["veredicto"]["motivo"] == "es una obra"

    otra = ventana("casos?estado=Asignado")
    assert otra.locator("a[data-fila]").count() == 1
    abierta.goto(otra.url)
    _ready(abierta)
    assert abierta.locator("a[data-fila] .cli b").all_inner_texts() == ["CLI_00001"]
    abierta.get_by_text("analista-1 · analista").wait_for()
    abierta.reload()
    _ready(abierta)
    abierta.get_by_text("analista-1 · analista").wait_for()
    assert "clave" not in abierta.url

    abierta.goto(f"{tablero.url}/mapa?de={cual.partition('_2026')[0]}")
    mapa = abierta.get_by_test_id("stDeckGlJsonChart")
    mapa.get_by_role("button", name="Acercar").wait_for()
    _ready(abierta)
    _photo(abierta, capturas / "mapa.png")
    sitio = mapa.bounding_box()
    assert sitio is not None
    x, y = sitio["x"] + sitio["width"] / 2, sitio["y"] + sitio["height"] / 2

    def pointed() -> bool:
        abierta.mouse.move(x + 2, y)
        abierta.mouse.move(x, y)
        return abierta.get_by_text("por recuperar").is_visible()

    esperar(pointed, "the map says what is under the mouse")
    abierta.mouse.click(x, y)
    abierta.wait_for_url(re.compile(cual))


def _arrive(settings: Settings, cuantas: int) -> None:
    """Store as many new anomalies, each of a new customer, of the latest hour."""
    hora = hora_absoluta(AHORA.replace(minute=0))
    claves = [(f"NUEVO_{i}", hora) for i in range(cuantas)]
    lote = hacer_lote(claves, [9.0] * cuantas, score=[99] * cuantas, severidad=[4] * cuantas)
    with closing(MongoAnomalyStore(settings)) as anomalias:
        anomalias.save(*lote, explicar(lote[1]), np.zeros(cuantas, np.bool_), hora)


def _tick(pagina: Page, *filas: int) -> None:
    """Tick rows of the table where its first column has their boxes."""
    caja = pagina.get_by_test_id("stDataFrame").locator("canvas").first.bounding_box()
    assert caja is not None
    for fila in filas:
        pagina.mouse.click(caja["x"] + 18, caja["y"] + ALTO_FILA * (fila + 1.5))
        _ready(pagina)


@pytest.mark.lenta  # tests/dashboard/test_seleccion.py keeps the same promises without a browser.
def test_dos_filas_marcadas_y_ninguna_otra(
    ventana: Ventana, tablero: Tablero, capturas: Path
) -> None:
    """Two rows ticked, new readings arrive, confirm: just those two; undone, none.

    After it nothing is ticked, nor is anything on the next page.
    """
    antes = {a["id"]: a["estado"] for a in tablero.leer("/api/anomalias/últimas", limite=1000)}
    # In the order of the page, a few down: what arrives pushes others to where they are.
    vistas = tablero.leer("/api/anomalias/últimas", orden="consumo", limite=50)
    dos = [fila for i, fila in enumerate(vistas) if i in (2, 3)]
    abierta = ventana("anomalias")
    _give_key(abierta, CLAVES["analista"])
    _tick(abierta, 2, 3)
    abierta.get_by_text("2 elegidas").wait_for()
    assert abierta.get_by_text(dos[0]["propietario_id"]).count() > 0
    _arrive(tablero.settings, 5)
    abierta.get_by_label("Motivo").fill("visto en la visita")
    _photo(abierta, capturas / "dos-elegidas.png")
    abierta.get_by_role("button", name="Confirmar").click()
    abierta.get_by_role("button", name="Deshacer").wait_for()
    _ready(abierta)

    def cambiadas() -> dict[str, str]:
        ahora = tablero.leer("/api/anomalias/últimas", limite=1000)
        return {a["id"]: a["estado"] for a in ahora if a["estado"] != antes.get(a["id"], "abierta")}

    assert cambiadas() == {fila["id"]: "confirmada" for fila in dos}
    main = abierta.get_by_test_id("stMain")
    for boton in ("Siguientes", "Anteriores"):
        assert main.get_by_text(re.compile("elegidas?$")).count() == 0
        assert main.get_by_role("button", name="Descartar").count() == 0
        main.get_by_role("button", name=boton).click()
        main.get_by_text(f"De la {51 if boton == 'Siguientes' else 1} a la").wait_for()
        _ready(abierta)
    _photo(abierta, capturas / "pagina-siguiente.png")
    main.get_by_role("button", name="Deshacer").click()
    abierta.get_by_text("Deshecho: 2 anomalías").first.wait_for()
    assert cambiadas() == {}


@pytest.mark.lenta  # tests/dashboard/test_paginas.py keeps the same promises without a browser.
def test_una_clave_mala_se_dice_y_el_motivo_no_se_pierde(
    ventana: Ventana, tablero: Tablero
) -> None:
    """A wrong key is said as it is typed; the reason typed meanwhile reaches the audit."""
    abierta = ventana("anomalias")
    barra = abierta.get_by_test_id("stSidebar")
    _give_key(abierta, "consumo_equivocada")
    barra.get_by_text("Esa clave no es válida").wait_for()
    _tick(abierta, 0)
    abierta.get_by_label("Motivo").fill("lo vi desde la calle")
    assert abierta.get_by_role("button", name="Confirmar").is_disabled()
    _give_key(abierta, CLAVES["analista"])
    barra.get_by_text("analista-1 · analista").wait_for()
    _ready(abierta)
    assert abierta.get_by_label("Motivo").input_value() == "lo vi desde la calle"
    abierta.get_by_role("button", name="Confirmar").click()
    abierta.get_by_role("button", name="Deshacer").wait_for()
    (ultima,) = tablero.leer("/api/auditoría", "administracion", limite=1)
    assert ultima["detalle"]["motivo"] == "lo vi desde la calle"
    abierta.get_by_role("button", name="Deshacer").click()
    abierta.get_by_text("Deshecho: 1 anomalía").first.wait_for()


@pytest.mark.lenta  # The test above sees what is chosen in the address, and a reload that keeps it.
def test_un_filtro_viaja_en_su_direccion(ventana: Ventana, tablero: Tablero) -> None:
    """A filter goes into the address; who opens that address sees the same.

    With a name it is kept, and comes back from the page's other filters.
    """
    abierta = ventana("anomalias")
    abierta.get_by_test_id("stMain").get_by_text("Crítica", exact=True).first.click()
    abierta.wait_for_url(re.compile("severidad="))
    direccion = abierta.url.removeprefix(f"{tablero.url}/")
    otra = ventana(direccion)
    elegida = (
        otra.locator("[data-testid=stPills], [data-testid=stButtonGroup]")
        .filter(has_text="Severidad")
        .locator(
            "[aria-checked=true], [aria-pressed=true], [kind=pillsActive], [data-selected=true]"
        )
    )
    elegida.first.wait_for()
    assert [texto.strip() for texto in elegida.all_inner_texts()] == ["Crítica"]
    otra.get_by_text("Vistas guardadas").click()
    otra.get_by_label("Nombre de esta vista").fill("Las graves")
    otra.keyboard.press("Enter")
    otra.get_by_role("link", name="Las graves").wait_for()
    otra.goto(f"{tablero.url}/anomalias?severidad=Baja")
    _ready(otra)
    otra.get_by_text("Vistas guardadas").click()
    otra.get_by_role("link", name="Las graves").click()
    otra.wait_for_url(re.compile("severidad=Cr"))
    elegida.first.wait_for()
    assert [texto.strip() for texto in elegida.all_inner_texts()] == ["Crítica"]


@pytest.mark.lenta  # tests/dashboard/test_cambiar_campeon.py and tests/api/test_modelos_http.py.
def test_promover_y_volver(ventana: Ventana, tablero: Tablero, capturas: Path) -> None:
    """What the gate refused is shown as such, and promoted only by force, with a reason.

    The version before comes back with a reason, and no exam.
    """
    primera, segunda = tablero.versiones
    http = httpx.Client(base_url=tablero.api, trust_env=False, timeout=PLAZO_S)
    abierta = ventana("modelos")
    _give_key(abierta, CLAVES["administracion"])
    abierta.get_by_role("button", name="Promover").click()
    dialogo = abierta.get_by_role("dialog")
    dialogo.get_by_text(f"Promover la versión {segunda}").wait_for()
    dialogo.get_by_text("hallados: plantacion: 0,200, y se pide ≥ 0,850").wait_for()
    dialogo.get_by_label("Motivo").fill("menos falsas alarmas")
    dialogo.get_by_role("button", name="Sí, cambiar").click()
    dialogo.get_by_text("No se ha cambiado nada").wait_for()
    assert http.get("/api/modelos").json()["campeon"] == primera
    _photo(abierta, capturas / "no_aceptada.png")
    dialogo.get_by_text("Promover a la fuerza").click()
    dialogo.get_by_role("button", name="Sí, cambiar").click()
    abierta.get_by_text(f"La versión {segunda} es la campeona (a la fuerza)").wait_for()
    assert http.get("/api/modelos").json()["campeon"] == segunda
    _photo(abierta, capturas / "promovida.png")
    abierta.get_by_role("button", name=f"Volver a la v{primera}").click()
    dialogo.get_by_label("Motivo").fill("no convence")
    dialogo.get_by_role("button", name="Sí, cambiar").click()
    abierta.get_by_text(f"La versión {primera} es la campeona").wait_for()
    assert http.get("/api/modelos").json()["campeon"] == primera
    # Forced once, the second one is not what one goes back to without being asked again.
    abierta.get_by_role("button", name=f"Volver a la v{segunda}").click()
    dialogo.get_by_text("hallados: plantacion: 0,200, y se pide ≥ 0,850").wait_for()
    dialogo.get_by_label("Promover a la fuerza").wait_for()
    assert http.get("/api/modelos").json()["campeon"] == primera
    http.close()
