"""The specification's curl examples, run as they are written."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import unicodedata
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from apoyo_api import Datos

EJEMPLOS = """
curl "http://localhost:8001/api/consumos/últimas24h/CLI_00001"
curl "http://localhost:8001/api/anomalias/críticas"
curl "http://localhost:8001/api/consumos/mensuales/CLI_00001"
curl "http://localhost:8001/api/estadisticas/cliente/CLI_00001"
curl "http://localhost:8001/api/dashboard/top-anomalias"
"""
"""The whole section "Ejemplos con curl" of the specification, in its order."""
OTRAS = """
curl "http://localhost:8001/api/consumos/rango?propietario_id=CLI_00001"
curl "http://localhost:8001/api/anomalias/últimas"
curl "http://localhost:8001/api/anomalias/cliente/CLI_00001"
curl "http://localhost:8001/api/estadisticas/resumen"
curl "http://localhost:8001/api/estadisticas/mensuales/CLI_00001"
curl "http://localhost:8001/api/dashboard/resumen"
"""
"""The other endpoints that the specification lists."""
RUTAS = re.findall(r'localhost:8001(/[^"]+)"', EJEMPLOS + OTRAS)
PLAZO_S = 20


def _sin_tildes(texto: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", texto) if not unicodedata.combining(c))


def _con_curl(base: httpx.URL, ruta: str) -> tuple[int, str]:
    """Return status and body of what curl sends for a URL as it is written."""
    curl = shutil.which("curl")
    if curl is None:
        return _a_mano(base, ruta.encode())
    orden = [curl, "--silent", "--max-time", str(PLAZO_S), "--noproxy", "*"]
    hecho = subprocess.run(
        [*orden, "--write-out", "\n%{http_code}", f"http://localhost:{base.port}{ruta}"],
        capture_output=True, timeout=2 * PLAZO_S, check=True,
    )  # fmt: skip
    cuerpo, _, estado = hecho.stdout.decode().rpartition("\n")
    return int(estado), cuerpo


def _a_mano(base: httpx.URL, ruta: bytes) -> tuple[int, str]:
    """Return status and body of a request line with these very bytes."""
    conexion = http.client.HTTPConnection("127.0.0.1", base.port, timeout=PLAZO_S)
    try:
        conexion.connect()
        cabeceras = f"Host: localhost:{base.port}\r\nConnection: close\r\n\r\n"
        conexion.sock.sendall(b"GET " + ruta + b" HTTP/1.1\r\n" + cabeceras.encode())
        respuesta = http.client.HTTPResponse(conexion.sock)
        respuesta.begin()
        return respuesta.status, respuesta.read().decode()
    finally:
        conexion.close()


def _leido(respuesta: tuple[int, str]) -> Any:
    estado, cuerpo = respuesta
    assert estado == 200, cuerpo
    return json.loads(cuerpo)


@pytest.mark.parametrize("ruta", RUTAS)
def test_los_ejemplos_de_la_especificacion(cliente: httpx.Client, datos: Datos, ruta: str) -> None:
    """Each documented request answers the same however its accents are written.

    Raw in UTF-8 as curl sends them, percent-encoded, decomposed as macOS types them, left out.
    """
    assert datos.clientes[0] == "CLI_00001"
    base = cliente.base_url
    cuerpo = _leido(_con_curl(base, ruta))
    assert cuerpo
    formas = {
        ruta.encode(),
        quote(ruta, safe="/?=&").encode(),
        quote(unicodedata.normalize("NFD", ruta), safe="/?=&").encode(),
        _sin_tildes(ruta).encode(),
    }
    assert len(formas) == (4 if not ruta.isascii() else 1)
    for forma in formas:
        assert _parte_fija(_leido(_a_mano(base, forma))) == _parte_fija(cuerpo)


def _parte_fija(cuerpo: Any) -> Any:
    """Return an answer without what may change from one moment to the next."""
    return {clave: valor for clave, valor in cuerpo.items() if clave != "lecturas_estimadas"}


def test_los_ejemplos_dan_lo_que_dicen(cliente: httpx.Client) -> None:
    """100 latest readings, only critical anomalies, months, figures, at most ten customers."""
    ultimas, criticas, meses, cifras, top = (
        _leido(_con_curl(cliente.base_url, ruta)) for ruta in RUTAS[:5]
    )
    assert len(ultimas["elementos"]) == 100
    assert {a["severidad"] for a in criticas["elementos"]} == {"crítica"}
    assert len(criticas["elementos"]) == 50
    assert {m["propietario_id"] for m in meses["elementos"]} == {"CLI_00001"}
    assert cifras["lecturas"] > 0
    assert 0 < len(top["elementos"]) <= 10


def test_solo_las_rutas_con_tilde_se_documentan(cliente: httpx.Client) -> None:
    """The OpenAPI document has each path once, with its accents, and /docs answers."""
    rutas = cliente.get("/openapi.json").json()["paths"]
    for ruta in RUTAS:
        plantilla = re.sub("CLI_00001", "{propietario_id}", ruta.partition("?")[0])
        assert plantilla in rutas
        assert plantilla.isascii() or _sin_tildes(plantilla) not in rutas
    docs = cliente.get("/docs")
    assert docs.status_code == 200
    assert docs.headers["content-type"].startswith("text/html")


def test_la_energia_dice_su_unidad(cliente: httpx.Client) -> None:
    """Every field in kWh or euros says so in its description, not only in its name."""
    esquemas = cliente.get("/openapi.json").json()["components"]["schemas"]
    for nombre, esquema in esquemas.items():
        for campo, definicion in esquema.get("properties", {}).items():
            for fin, unidad in (("_kwh", "kWh"), ("_eur", "€")):
                if campo.endswith(fin):
                    assert unidad in definicion["description"], f"{nombre}.{campo}"
