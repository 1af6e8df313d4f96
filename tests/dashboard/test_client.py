"""The door to the API, against a tiny real server at the port."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dashboard.client import ApiClient, ApiError, api_request, customer_path, drift_report

Respuesta = tuple[int, dict[str, str], bytes]


class Servidor(ThreadingHTTPServer):
    """Answers as it is told, in order, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Manejador)
        self.respuestas: list[Respuesta] = []
        self.peticiones: list[tuple[str, str, str | None, bytes]] = []

    def dar(self, estado: int, cuerpo: object, **cabeceras: str) -> None:
        datos = cuerpo if isinstance(cuerpo, bytes) else json.dumps(cuerpo).encode()
        self.respuestas.append(
            (estado, {k.replace("_", "-"): v for k, v in cabeceras.items()}, datos)
        )


class _Manejador(BaseHTTPRequestHandler):
    server: Servidor

    def _responder(self) -> None:
        cuerpo = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.peticiones.append(
            (self.command, self.path, self.headers.get("X-API-Key"), cuerpo)
        )
        estado, cabeceras, datos = self.server.respuestas.pop(0)
        self.send_response(estado)
        for nombre, valor in cabeceras.items():
            self.send_header(nombre, valor)
        self.send_header("Content-Length", str(len(datos)))
        self.end_headers()
        self.wfile.write(datos)

    do_GET = do_POST = _responder  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def servidor() -> Iterator[Servidor]:
    """Give a server on a free port."""
    with Servidor() as uno:
        hilo = threading.Thread(target=uno.serve_forever, kwargs={"poll_interval": 0.01})
        hilo.start()
        yield uno
        uno.shutdown()
        hilo.join(10)


@pytest.fixture
def nuevo(servidor: Servidor) -> Iterator[Callable[..., ApiClient]]:
    """Give clients of that server."""
    hechos: list[ApiClient] = []

    def hacer(**opciones: object) -> ApiClient:
        cliente = ApiClient(f"http://127.0.0.1:{servidor.server_port}", **opciones)  # type: ignore[arg-type]
        hechos.append(cliente)
        return cliente

    yield hacer
    for cliente in hechos:
        cliente.close()


def test_pide_con_acentos_y_filtros(servidor: Servidor, nuevo: Callable[..., ApiClient]) -> None:
    """Paths with accents and repeated filters arrive; the reading key goes along."""
    servidor.dar(200, {"elementos": []})
    peticion = api_request(
        "/api/anomalias/últimas", severidad=["alta", "crítica"], tipo=[], limite=5
    )
    assert nuevo(key="lee").get(*peticion) == {"elementos": []}
    metodo, ruta, clave, _ = servidor.peticiones[0]
    assert metodo == "GET"
    assert ruta == ("/api/anomalias/%C3%BAltimas?severidad=alta&severidad=cr%C3%ADtica&limite=5")
    assert clave == "lee"


def test_espera_lo_que_la_api_pide(servidor: Servidor, nuevo: Callable[..., ApiClient]) -> None:
    """A 503 with Retry-After is asked again after that time, and the answer is given."""
    servidor.dar(503, {"detail": "PostgreSQL no responde"}, Retry_After="1")
    servidor.dar(200, {"ya": True})
    antes = time.monotonic()
    assert nuevo().get("/x") == {"ya": True}
    assert 0.95 < time.monotonic() - antes < 5


def test_no_espera_mas_de_lo_que_puede(servidor: Servidor, nuevo: Callable[..., ApiClient]) -> None:
    """A page does not hang on an API that asks to come back much later."""
    servidor.dar(503, {"detail": "MongoDB no responde"}, Retry_After="60")
    antes = time.monotonic()
    with pytest.raises(ApiError, match="MongoDB no responde") as fallo:
        nuevo().get("/x")
    assert fallo.value.kind == "busy"
    assert fallo.value.transient
    assert time.monotonic() - antes < 5


@pytest.mark.parametrize(
    ("estado", "clase"),
    [(401, "permission"), (403, "permission"), (404, "not_found"), (409, "conflict"),
     (422, "invalid"), (500, "failure"), (418, "failure"), (301, "failure")],
)  # fmt: skip
def test_cada_problema_con_su_texto(
    servidor: Servidor, nuevo: Callable[..., ApiClient], estado: int, clase: str
) -> None:
    """A problem's ``detail`` is what the user reads, and its class what the page does about it."""
    servidor.dar(estado, {"title": "Título", "detail": "por esto"})
    with pytest.raises(ApiError, match=r"^por esto$") as fallo:
        nuevo().get("/x")
    assert fallo.value.kind == clase


@pytest.mark.parametrize("cuerpo", [b"", b"<html>", b"[1]", b"\xff", b"null"])
def test_lo_que_no_es_un_problema(
    servidor: Servidor, nuevo: Callable[..., ApiClient], cuerpo: bytes
) -> None:
    """A proxy's page in the place of a problem still gives a Spanish sentence."""
    servidor.dar(502, cuerpo)
    with pytest.raises(ApiError, match="la API respondió 502"):
        nuevo().get("/x")


def test_lo_que_no_es_la_api(servidor: Servidor, nuevo: Callable[..., ApiClient]) -> None:
    """Another server at that address is told apart from the API."""
    servidor.dar(200, b"<html>hola")
    with pytest.raises(ApiError, match="no es la API"):
        nuevo().get("/x")


def test_sin_nadie_al_otro_lado(servidor: Servidor) -> None:
    """A closed port is an API that is away, said with its address."""
    puerto = servidor.server_port
    servidor.server_close()
    cliente = ApiClient(f"http://127.0.0.1:{puerto}")
    for preguntar in (
        lambda: cliente.get("/x"),
        lambda: cliente.post("/x", {}, "k"),
        lambda: cliente.download("/x", ()),
    ):
        with pytest.raises(ApiError, match=f"no responde en http://127.0.0.1:{puerto}") as fallo:
            preguntar()
        assert fallo.value.kind == "unreachable"
    cliente.close()


def test_un_cambio_se_pide_una_vez(servidor: Servidor, nuevo: Callable[..., ApiClient]) -> None:
    """A change goes with the analyst's key, and is never repeated by itself."""
    servidor.dar(503, {"detail": "ahora no"}, Retry_After="0")
    with pytest.raises(ApiError, match="ahora no"):
        nuevo(key="lee").post("/v", {"motivo": "ñ"}, "ana")
    assert len(servidor.peticiones) == 1
    metodo, _, clave, cuerpo = servidor.peticiones[0]
    assert (metodo, clave, json.loads(cuerpo)) == ("POST", "ana", {"motivo": "ñ"})


@pytest.mark.parametrize("clave", ["clavé", "a\nb", "a\x00"])
def test_una_clave_imposible_no_sale(nuevo: Callable[..., ApiClient], clave: str) -> None:
    """What cannot be a header is a wrong key, not a crash."""
    with pytest.raises(ApiError, match="clave no es válida") as fallo:
        nuevo().post("/v", {}, clave)
    assert fallo.value.kind == "permission"


def test_descargar(servidor: Servidor, nuevo: Callable[..., ApiClient]) -> None:
    """A whole list comes as it is; a refusal says why."""
    servidor.dar(200, b"a;b\n1;2\n")
    assert nuevo().download("/l", (("formato", "excel"),)) == b"a;b\n1;2\n"
    servidor.dar(422, {"detail": "hasta: es muy largo"})
    with pytest.raises(ApiError, match="hasta: es muy largo"):
        nuevo().download("/l", ())


def test_un_identificador_no_se_sale_de_su_ruta() -> None:
    """A customer's name cannot name another path."""
    assert customer_path("/api/clientes/{}/perfil", "../x?y#z/ñ") == (
        "/api/clientes/..%2Fx%3Fy%23z%2F%C3%B1/perfil"
    )


def test_cada_informe_de_deriva_tiene_su_pagina(
    servidor: Servidor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page of a report is fetched once, and a newer report never shows the page before it."""
    monkeypatch.setenv("API_URL", f"http://127.0.0.1:{servidor.server_address[1]}")
    servidor.dar(200, b"<p>uno</p>")
    servidor.dar(200, b"<p>dos</p>")
    dados = [drift_report(uno) for uno in ("1", "1", "2", "2")]
    assert dados == ["<p>uno</p>", "<p>uno</p>", "<p>dos</p>", "<p>dos</p>"]
    assert len(servidor.peticiones) == 2


def test_las_razones_de_un_rechazo_llegan(
    servidor: Servidor, nuevo: Callable[..., ApiClient]
) -> None:
    """A refused promotion comes with its reasons; another conflict with none."""
    servidor.dar(409, {"detail": "no se promueve", "razones": ["hallados: 0,200"]})
    servidor.dar(409, {"detail": "ya es la campeona", "razones": None})
    for razones in (["hallados: 0,200"], []):
        with pytest.raises(ApiError) as fallo:
            nuevo().post("/x", {}, "clave")
        assert (fallo.value.kind, fallo.value.reasons) == ("conflict", razones)
