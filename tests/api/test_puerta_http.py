"""Who may call the API, by which name, with HEAD, and for how long."""

from __future__ import annotations

import json
import re
import socket
import time
from typing import Any

import httpx
import pytest
from apoyo_api import Datos, es_problema, servir, servir_app

from api.app import create_api
from serving.web import server

VALORES = {"id_": "CLI_00001", "version": "1", "mes": "2026-11"}


def test_head_responde_como_get(cliente: httpx.Client, datos: Datos) -> None:
    """Every GET of the document: same status and type, no body; and the document has no HEAD."""
    documento: dict[str, Any] = cliente.get("/openapi.json").json()
    rutas = [ruta for ruta, metodos in documento["paths"].items() if "get" in metodos]
    assert len(rutas) > 20
    for plantilla in (*rutas, "/", "/docs", "/docs/swagger-ui.css", "/openapi.json"):
        assert "head" not in documento["paths"].get(plantilla, {})
        ruta = re.sub(r"\{\w+\}", datos.clientes[0], plantilla)
        cabeza = cliente.head(ruta)
        assert cabeza.content == b""
        if plantilla.endswith("/eventos"):  # A GET has no end.
            assert cabeza.status_code == 200
            continue
        entera = cliente.get(ruta)
        assert cabeza.status_code == entera.status_code, ruta
        for nombre in ("content-type", "etag", "cache-control"):
            assert cabeza.headers.get(nombre) == entera.headers.get(nombre), ruta
    assert "HEAD" in cliente.put("/salud").headers["allow"]


@pytest.mark.parametrize("ruta", ["/salud", "/api/anomalias/últimas", "/docs", "/metrics"])
def test_un_nombre_ajeno_no_lee_nada(cliente: httpx.Client, ruta: str) -> None:
    """A request that says another host's name (DNS rebinding) is a 421, whatever it asks."""
    for ajeno in ("evil.example", "evil.example:8001", "192.0.2.1"):
        respuesta = cliente.get(ruta, headers={"Host": ajeno})
        es_problema(respuesta, 421, "ese nombre")
    for propio in ("localhost", "127.0.0.1:1", "[::1]:8001"):
        assert cliente.get("/salud/viva", headers={"Host": propio}).status_code == 200


def test_lo_que_dice_la_puerta_esta_en_el_documento(cliente: httpx.Client) -> None:
    """Any path may be refused at the door: each operation says so, with the body that is sent."""
    documento = cliente.get("/openapi.json").json()
    esquemas = documento["components"]["schemas"]

    def required(respuesta: dict[str, Any]) -> set[str]:
        (contenido,) = respuesta["content"].values()
        return set(esquemas[contenido["schema"]["$ref"].rsplit("/", 1)[1]]["required"])

    ajena = cliente.get("/salud", headers={"Host": "evil.example"}).json()
    mal_pedida = cliente.get("/salud", headers={"Host": "a b"}).json()
    a_medias = json.loads(server._TARDE_CUERPO)
    for cuerpo in (mal_pedida, a_medias, ajena):
        for ruta, metodos in documento["paths"].items():
            for operacion in metodos.values():
                dicha = operacion["responses"].get(str(cuerpo["status"]))
                assert dicha is not None, (ruta, cuerpo["status"])
                assert required(dicha) <= cuerpo.keys(), (ruta, cuerpo["status"])


def test_los_nombres_dados_valen(datos: Datos) -> None:
    """``API_HOST`` and ``API_ANFITRIONES`` are names of ours too."""
    ajustes = {"api_host": "consumo.example", "api_anfitriones": "backend,,10.0.0.7"}
    with servir(datos.settings.model_copy(update=ajustes)) as http:
        for nombre in ("consumo.example:8001", "backend:8001", "10.0.0.7"):
            assert http.get("/salud/viva", headers={"Host": nombre}).status_code == 200
        es_problema(http.get("/salud/viva", headers={"Host": "evil.example"}), 421)


def test_una_peticion_a_medias_se_cierra_sin_que_falle_nada(
    datos: Datos, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a head nor a body that never ends keeps a connection, and no error is logged."""
    monkeypatch.setattr(server.Protocolo, "plazo_s", 1.0)
    with servir_app(create_api(datos.settings)) as http:
        puerto = http.base_url.port
        cuerpo = b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{"
        una = b"POST /api/anomalias/6745a1b2c3d4e5f6a7b8c9d0/veredicto HTTP/1.1\r\n"
        for principio in (b"GET /salud HTTP/1.1\r\nHost: loc", una + cuerpo):
            with socket.create_connection(("127.0.0.1", puerto), 10.0) as enchufe:
                enchufe.sendall(principio)
                inicio = time.monotonic()
                dicho = b"".join(iter(lambda: enchufe.recv(4096), b""))
                assert time.monotonic() - inicio < 5.0
                assert b" 408 " in dicho or b" 401 " in dicho
    assert not [r for r in caplog.records if r.levelname == "ERROR"]
