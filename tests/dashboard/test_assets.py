"""What browsers are given of Streamlit's own files, and what a page announces."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from dashboard.assets import (
    Assets,
    AssetServer,
    announced,
    read_assets,
    streamlit_app,
    streamlit_folder,
)
from dashboard.command import streamlit_options
from dashboard.variables import load_variables

ABIERTAS: list[tuple[str, str]] = []
PAGINA = b"<!doctype html><title>Consumo</title>"


@pytest.fixture(scope="module")
def leidos() -> Assets:
    """Give Streamlit's files, read once."""
    assets: Assets = {}
    read_assets(streamlit_folder(), assets)
    return assets


async def _streamlit(scope: Any, receive: Any, send: Any) -> None:
    """Answer as Streamlit does to the address of a page, or to one that is not a page's."""
    del receive
    kind = b"text/html; charset=utf-8" if scope["path"] == "/casos" else b"text/plain"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": PAGINA})


def _pedir(assets: Assets, *rutas: str, **cabeceras: str) -> list[httpx.Response]:
    async def todas() -> list[httpx.Response]:
        aplicacion = AssetServer(
            _streamlit, assets, announced(streamlit_folder()), lambda *una: ABIERTAS.append(una)
        )
        transporte = httpx.ASGITransport(app=aplicacion)
        async with httpx.AsyncClient(transport=transporte, base_url="http://x") as http:
            return [await http.get(ruta, headers=cabeceras) for ruta in rutas]

    return asyncio.run(todas())


def test_cada_fichero_llega_como_esta_en_el_disco(leidos: Assets) -> None:
    """Scripts, styles and fonts: their bytes, of their kind, to be kept by the browser."""
    rutas = sorted(leidos)
    for ruta, respuesta in zip(rutas, _pedir(leidos, *rutas), strict=True):
        assert respuesta.content == (streamlit_folder() / ruta[1:]).read_bytes(), ruta
        assert "immutable" in respuesta.headers["cache-control"]
    guion = next(ruta for ruta in rutas if "PlotlyChart" in ruta)
    [respuesta] = _pedir(leidos, guion)
    assert respuesta.headers["content-type"].startswith("text/javascript")
    assert int(respuesta.headers["content-length"]) < len(respuesta.content) / 2


def test_quien_no_lo_quiere_asi_lo_pide_a_streamlit(leidos: Assets) -> None:
    """Without compression, a part only, what is no file of Streamlit's: all as it was."""
    guion = next(ruta for ruta in leidos if "PlotlyChart" in ruta)
    assert _pedir(leidos, guion, **{"Accept-Encoding": "identity"})[0].content == PAGINA
    assert _pedir(leidos, guion, Range="bytes=0-9")[0].content == PAGINA
    assert _pedir({}, guion)[0].content == PAGINA
    respuestas = _pedir(leidos, "/static/../index.html", "/static/js/otro.js", "/_stcore/health")
    assert all(una.content == PAGINA and "link" not in una.headers for una in respuestas)


def test_una_pagina_anuncia_con_que_dibuja(leidos: Assets) -> None:
    """Each file is there and only once: none that the page names by itself."""
    ABIERTAS.clear()
    [respuesta] = _pedir(leidos, "/casos?estado=Nuevo")
    assert ABIERTAS == [("/casos", "estado=Nuevo")]
    anunciados = re.findall(r"<\.(/static/[^>]+)>; rel=modulepreload", respuesta.headers["link"])
    assert set(anunciados) <= set(leidos)
    for elemento in ("Html", "BidiComponent", "ButtonGroup", "TextInput"):
        assert any(elemento in uno for uno in anunciados)
    propios = (streamlit_folder() / "index.html").read_text()
    assert not any(uno in propios for uno in anunciados)


def test_la_aplicacion_es_la_de_streamlit(leidos: Assets) -> None:
    """What ``consumo tablero`` serves takes its options: they are of the types that it wants."""
    from streamlit import config

    assert streamlit_app(streamlit_folder().parent / "hello" / "hello.py", print, print)
    for nombre, valor in streamlit_options(load_variables()).items():
        assert isinstance(valor, config.get_config_options()[nombre].type), nombre
