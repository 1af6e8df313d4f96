"""The door of our HTTP servers: whose requests never end, under which name, and HEAD."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from serving.web.middleware import AllowedHosts, HeadAsGet
from serving.web.server import make_server

PLAZO_S = 0.6
ESPERA_S = 10.0
CONEXIONES = 4
ENTERA = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""A whole request."""


async def _hola(peticion: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{peticion.method} {await peticion.body()!r}")


async def _gotas(segundos: float) -> AsyncIterator[str]:
    fin = time.monotonic() + segundos
    while time.monotonic() < fin:
        yield "gota\n"
        await asyncio.sleep(0.05)


def _lento(_peticion: Request) -> StreamingResponse:
    return StreamingResponse(_gotas(3 * PLAZO_S))


def _sin_fin(_peticion: Request) -> StreamingResponse:
    return StreamingResponse(_gotas(3600.0))


@pytest.fixture(scope="module")
def puerto() -> Iterator[int]:
    """Give the port of a server with little patience."""
    app = Starlette(
        routes=[
            Route("/", _hola, methods=["GET", "POST"]),
            Route("/lento", _lento),
            Route("/sin-fin", _sin_fin),
        ]
    )
    app.add_middleware(HeadAsGet)
    app.add_middleware(AllowedHosts, admitidos=("Consumo.example", "*.red.example", "10.0.0.7"))
    with socket.create_server(("127.0.0.1", 0)) as enchufe:
        servidor = make_server(app, limites={"plazo_s": PLAZO_S, "conexiones_maximas": CONEXIONES})
        hilo = threading.Thread(target=servidor.run, kwargs={"sockets": [enchufe]})
        hilo.start()
        _esperar(lambda: servidor.started)
        yield enchufe.getsockname()[1]
        servidor.should_exit = True
        hilo.join(ESPERA_S)


def _esperar(condicion: Callable[[], bool]) -> None:
    limite = time.monotonic() + ESPERA_S
    while not condicion():
        assert time.monotonic() < limite
        time.sleep(0.01)


def _abrir(puerto: int, *trozos: bytes) -> socket.socket:
    enchufe = socket.create_connection(("127.0.0.1", puerto), ESPERA_S)
    for trozo in trozos:
        enchufe.sendall(trozo)
    return enchufe


def _hasta_el_fin(enchufe: socket.socket) -> bytes:
    """Return all that a server still says before it ends the connection."""
    dicho = b""
    try:
        while trozo := enchufe.recv(4096):
            dicho += trozo
    except ConnectionResetError:
        pass
    return dicho


@pytest.mark.parametrize(
    "principio",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Largo: ",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nmedio",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nmed",
    ],
)
def test_lo_que_no_acaba_de_llegar_se_cierra(puerto: int, principio: bytes) -> None:
    """A head or a body that never ends is told so, and its connection does not stay."""
    with _abrir(puerto, principio) as enchufe:
        inicio = time.monotonic()
        assert b" 408 " in _hasta_el_fin(enchufe)
        assert PLAZO_S / 2 < time.monotonic() - inicio < ESPERA_S / 2


@pytest.mark.parametrize("antes", [b"", ENTERA])
def test_unas_gotas_no_alargan_el_plazo(puerto: int, antes: bytes) -> None:
    """Neither before the first request nor after one does a byte now and then buy more time."""
    with _abrir(puerto, antes) as enchufe:
        enchufe.settimeout(0.05)
        limite = time.monotonic() + ESPERA_S / 2
        dicho = b""
        while b" 408 " not in dicho:
            assert time.monotonic() < limite
            try:
                enchufe.sendall(b"\r\n")
                dicho += enchufe.recv(4096)
            except TimeoutError:
                continue
        assert (b" 200 " in dicho) == bool(antes)


def test_lo_que_llega_entero_tiene_su_tiempo(puerto: int) -> None:
    """An answer may take longer than a request, and the next request of a connection too."""
    with httpx.Client(base_url=f"http://127.0.0.1:{puerto}", trust_env=False) as cliente:
        for _ in range(2):
            inicio = time.monotonic()
            assert cliente.get("/lento").text.startswith("gota")
            assert time.monotonic() - inicio > 2 * PLAZO_S


def test_quien_no_pide_nada_deja_sitio(puerto: int) -> None:
    """With all connections taken by those who say nothing, who asks is answered."""
    mudas = [_abrir(puerto) for _ in range(3 * CONEXIONES)]
    try:
        with _abrir(puerto, ENTERA) as enchufe:
            assert b" 200 " in enchufe.recv(4096)
    finally:
        for muda in mudas:
            muda.close()


@pytest.mark.parametrize(
    ("anfitrion", "estado"),
    [
        *((uno, 200) for uno in ("localhost", "LOCALHOST:80", "localhost.", "127.0.0.1:8001")),
        *((uno, 200) for uno in ("[::1]", "[::1]:8001", "127.9.9.9", "consumo.EXAMPLE:1")),
        *((uno, 200) for uno in ("a.red.example", "10.0.0.7:8001")),
        *((uno, 421) for uno in ("evil.example", "localhost.evil.example", "red.example")),
        *((uno, 421) for uno in ("10.0.0.8", "[::2]", "consumo.example.evil.example")),
        *((uno, 400) for uno in ("", "localhost:80:80", "a b", "localhost/x", "á.example")),
    ],
)
def test_solo_se_atiende_a_los_nombres_propios(puerto: int, anfitrion: str, estado: int) -> None:
    """A page whose name leads to us reads nothing: its requests carry that name."""
    peticion = f"GET / HTTP/1.1\r\nHost: {anfitrion}\r\nConnection: close\r\n\r\n"
    with _abrir(puerto, peticion.encode()) as enchufe:
        assert _hasta_el_fin(enchufe).startswith(f"HTTP/1.1 {estado} ".encode())


@pytest.mark.parametrize(
    ("cabeza", "estado"),
    [
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
    ],
)
def test_sin_nombre_o_con_dos(puerto: int, cabeza: bytes, estado: int) -> None:
    """HTTP/1.1 names its host once; who speaks HTTP/1.0 need not."""
    with _abrir(puerto, cabeza) as enchufe:
        assert _hasta_el_fin(enchufe).startswith(b"HTTP/1.1 %d " % estado)


def test_head_es_un_get_sin_cuerpo(puerto: int) -> None:
    """The same status and headers, no body, and no end to wait for where there is none."""
    with httpx.Client(base_url=f"http://127.0.0.1:{puerto}", trust_env=False) as cliente:
        cabeza, entera = cliente.head("/"), cliente.get("/")
        assert entera.text == "GET b''"
        assert (cabeza.status_code, cabeza.content) == (200, b"")
        assert cabeza.headers["content-length"] == entera.headers["content-length"]
        inicio = time.monotonic()
        assert cliente.head("/sin-fin").status_code == 200
        assert time.monotonic() - inicio < ESPERA_S / 2
        assert cliente.head("/no-hay").status_code == 404
