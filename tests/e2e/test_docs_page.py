"""/docs in a real browser: drawn from its own files alone, in Spanish, and good for trying."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI

from api.app import create_api
from pipeline.generator.service import create_generator
from serving.settings import Settings
from serving.web.server import make_server

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
PLAZO_MS = 60_000
INGLES = re.compile(
    r"\b(Parameters?|Responses?|Try it|Execute|Cancel|Clear|Schemas?|Authorize|Request|Server|"
    r"Example|Value|Download|Name|Description|Code|Links|Media type|required|header|Filter)\b"
)
"""What Swagger UI would say of its own accord."""
SIN_NADIE = {"postgres_port": 9, "mongo_port": 9, "kafka_broker": "127.0.0.1:9"}


@contextmanager
def _servida(app: FastAPI) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as enchufe:
        servidor = make_server(app)
        hilo = threading.Thread(target=servidor.run, kwargs={"sockets": [enchufe]})
        hilo.start()
        yield f"http://127.0.0.1:{enchufe.getsockname()[1]}"
        servidor.should_exit = True
        hilo.join(30)


@pytest.mark.parametrize("hacer", [create_generator, create_api], ids=["generador", "api"])
def test_la_pagina_se_dibuja_y_se_puede_probar(hacer: Callable[..., FastAPI]) -> None:
    """Every operation is there, one is tried, nothing is in English, no other host is asked."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="falta playwright")
    camino = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if camino is None:
        pytest.skip("no hay ningún navegador: instale el paquete chromium")
    app = hacer(Settings(_env_file=None, **SIN_NADIE))  # type: ignore[arg-type]
    pedidas: list[str] = []
    quejas: list[str] = []
    with _servida(app) as base, sync_api.sync_playwright() as motor:
        navegador = motor.chromium.launch(executable_path=camino, args=["--no-sandbox"])
        pagina = navegador.new_page()
        pagina.on("request", lambda peticion: pedidas.append(peticion.url))
        pagina.on("console", lambda mensaje: quejas.append(mensaje.text))
        pagina.goto(f"{base}/docs")
        pagina.wait_for_selector(".opblock", timeout=PLAZO_MS)
        operaciones = sum(len(metodos) for metodos in app.openapi()["paths"].values())
        assert pagina.locator(".opblock").count() == operaciones
        viva = pagina.locator(".opblock", has_text=re.compile(r"/health|/salud/viva"))
        viva.locator(".opblock-summary").click()
        viva.get_by_text("Probar").click()
        viva.get_by_text("Enviar").click()
        viva.locator(".live-responses-table .response-col_status").last.wait_for(timeout=PLAZO_MS)
        texto = pagina.locator("body").inner_text()
        navegador.close()
    assert "200" in texto
    assert not INGLES.findall(texto)
    assert all(url.startswith((base, "data:")) for url in pedidas)
    assert not [queja for queja in quejas if "Content Security Policy" in queja]
