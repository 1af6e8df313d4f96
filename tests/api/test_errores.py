"""Whatever goes wrong, the client reads one Spanish problem, and no more than that."""

from __future__ import annotations

import contextlib
import http.client
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from apoyo_api import Datos, es_problema, servir
from fastapi import FastAPI

from api.app import create_api
from detection.errors import ConfiguracionError, TransientError
from serving.web.problems import in_spanish


def test_una_ruta_que_no_existe(cliente: httpx.Client) -> None:
    """404 in Spanish, with the path as it was asked for."""
    cuerpo = es_problema(cliente.get("/api/nada"), 404, "no existe esa ruta")
    assert cuerpo["instance"] == "/api/nada"
    assert cuerpo["title"] == "No existe"
    assert cuerpo["type"] == "urn:consumo:problema:no-existe"


def test_un_metodo_que_no_vale(cliente: httpx.Client) -> None:
    """405 says which methods would do."""
    respuesta = cliente.delete("/salud")
    es_problema(respuesta, 405, "no admite ese método")
    assert respuesta.headers["allow"] == "GET, HEAD"
    # Two routes on one path: both methods are named.
    respuesta = cliente.put("/api/anomalias/veredictos")
    es_problema(respuesta, 405)
    assert respuesta.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("consulta", "campo", "mensaje"),
    [
        ("limite=0", "limite", "el mínimo es 1"),
        ("limite=100000", "limite", "el máximo es 1000"),
        ("limite=muchos", "limite", "se esperaba un número entero"),
        ("limite=1e99", "limite", "se esperaba un número entero"),
        ("limit=5", "limit", "no se conoce ese parámetro"),
        ("%00=5&limite=3", "\0", "no se conoce ese parámetro"),
    ],
)
def test_lo_que_no_vale_se_nombra(
    cliente: httpx.Client, consulta: str, campo: str, mensaje: str
) -> None:
    """422 names the field and says in Spanish what is wrong with it."""
    cuerpo = es_problema(cliente.get(f"/api/deriva/historial?{consulta}"), 422, f"{campo}: ")
    assert cuerpo["errores"] == [{"campo": campo, "mensaje": mensaje}]


@pytest.mark.parametrize(
    ("cuerpo", "detalle"),
    [
        (b"{", "cuerpo: el cuerpo no es JSON válido"),
        (b"\xc3\x28", "cuerpo: no es JSON en UTF-8"),
        (b"[]", "se esperaba un objeto JSON"),
        (b"{}", "motivo: falta"),
        (b'{"motivo": "x"}', "motivo: el texto ha de tener al menos 3 caracteres"),
        (b'{"motivo": 7}', "motivo: se esperaba un texto"),
        (b'{"motivo": "porque si", "otro": 1}', "otro: no se conoce ese campo"),
    ],
)
def test_un_cuerpo_que_no_vale(
    cliente: httpx.Client, claves: dict[str, dict[str, str]], cuerpo: bytes, detalle: str
) -> None:
    """422 for a body that is not what was expected, whatever it is."""
    cabeceras = {**claves["administracion"], "Content-Type": "application/json"}
    es_problema(
        cliente.post("/api/modelos/1/promover", content=cuerpo, headers=cabeceras), 422, detalle
    )


def test_quien_no_puede_no_se_entera_de_mas(cliente: httpx.Client) -> None:
    """Without a key even a broken request is 401: what it would have needed is not told."""
    es_problema(cliente.post("/api/modelos/1/promover", content=b"{"), 401)


def test_con_los_almacenes_caidos(datos: Datos) -> None:
    """Each store away: 503 with Retry-After and no address; the process lives and says so."""
    with socket.socket() as nadie:
        nadie.bind(("127.0.0.1", 0))
        puerto = nadie.getsockname()[1]
        settings = datos.settings.model_copy(
            update={
                "postgres_port": puerto,
                "mongo_port": puerto,
                "kafka_broker": f"127.0.0.1:{puerto}",
            }
        )
        with servir(settings) as cliente:
            salud = cliente.get("/salud").json()
            assert salud["estado"] == "degradado"
            assert not salud["lista"]
            assert {p["nombre"] for p in salud["partes"] if p["estado"] == "mal"} == {
                "PostgreSQL", "MongoDB", "Kafka", "MLflow"
            }  # fmt: skip
            assert salud["consumidor"]["estado"] == "desconocido"
            assert cliente.get("/salud/viva").status_code == 200
            for ruta in ("/salud/lista", "/api/deriva", "/api/modelos/sombra", "/api/modelos"):
                respuesta = cliente.get(ruta)
                es_problema(respuesta, 503)
                assert int(respuesta.headers["retry-after"]) >= 1
                assert str(puerto) not in respuesta.text
                assert "127.0.0.1" not in respuesta.text


@pytest.fixture
def rota(datos: Datos) -> FastAPI:
    """Return the app with three routes that fail, each in its way."""
    app = create_api(datos.settings)

    @app.get("/defecto")
    def defecto() -> None:
        raise RuntimeError("secreto interno")

    @app.get("/mal-configurada")
    def mal_configurada() -> None:
        raise ConfiguracionError("revise POSTGRES_USER (admin) y POSTGRES_PASSWORD")

    @app.get("/pasajera")
    def pasajera() -> None:
        raise TransientError("PostgreSQL en 10.0.0.7:5432 no responde", 2.5)

    return app


def test_un_defecto_no_ensena_nada(rota: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    """500 in Spanish without a trace; the log has the trace, under the same id."""
    transporte = httpx.ASGITransport(rota)
    import anyio

    async def pedir(ruta: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=transporte, base_url="http://localhost") as cliente:
            return await cliente.get(ruta, headers={"X-Request-ID": f"id{ruta.replace('/', '-')}"})

    respuesta = anyio.run(pedir, "/defecto")
    es_problema(respuesta, 500, "su registro")
    assert "secreto" not in respuesta.text
    assert "secreto interno" in caplog.text
    assert "id-defecto" in caplog.text
    configuracion = anyio.run(pedir, "/mal-configurada")
    es_problema(configuracion, 500)
    assert "POSTGRES" not in configuracion.text
    pasajera = anyio.run(pedir, "/pasajera")
    es_problema(pasajera, 503, "PostgreSQL no responde")
    assert pasajera.headers["retry-after"] == "3"
    assert "10.0.0.7" not in pasajera.text


@pytest.mark.parametrize(
    "ruta",
    ["/api/auditoría", "/api/auditor%C3%ADa", "/api/auditoria", "/api/auditori\u0301a"],
)
def test_las_tildes_valen_de_cualquier_forma(cliente: httpx.Client, ruta: str) -> None:
    """Accents raw on the wire as curl sends them, percent-encoded, left out, or decomposed."""
    servidor = urlsplit(str(cliente.base_url)).netloc
    with contextlib.closing(http.client.HTTPConnection(servidor, timeout=10)) as conexion:
        conexion._encode_request = lambda peticion: peticion.encode()  # type: ignore[attr-defined]
        conexion.putrequest("GET", ruta, skip_host=False, skip_accept_encoding=True)
        conexion.endheaders()
        respuesta = conexion.getresponse()
        assert respuesta.status == 401, respuesta.read()


def test_un_error_de_una_union_nombra_el_campo() -> None:
    """The branch of a union is no part of a field's name."""
    error = {"type": "int_type", "loc": ("body", "a", 0, "constrained-int"), "msg": ""}
    assert in_spanish(error) == {"campo": "a.0", "mensaje": "se esperaba un número entero"}
