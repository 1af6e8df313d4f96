"""Who takes alerts in the tests: a real SMTP server and a real webhook, in threads."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from pipeline.alerts.message import AlertMessage
from pipeline.embedded.probes import ANFITRION, puerto_del_sistema


@dataclass
class Buzon:
    """What has come: subject and text of each message; ``cae``: nothing is taken."""

    url: str
    llegados: list[tuple[str, str]] = field(default_factory=list)
    cae: bool = False


@contextmanager
def correo() -> Iterator[Buzon]:
    """Give an SMTP server."""
    buzon = Buzon("")

    class Cartero:
        async def handle_DATA(  # noqa: N802 - the library's name
            self, _servidor: Any, _sesion: Any, sobre: Any
        ) -> str:
            if buzon.cae:
                return "451 Requested action aborted"
            carta = message_from_bytes(sobre.content, policy=default)
            cuerpo = carta.get_body(("plain", "html"))
            assert cuerpo is not None
            asunto = str(make_header(decode_header(str(carta["subject"]))))
            buzon.llegados.append((asunto, cuerpo.get_content()))
            return "250 OK"

    servidor = Controller(Cartero(), hostname=ANFITRION, port=puerto_del_sistema())
    servidor.start()
    buzon.url = (
        f"mailto://{ANFITRION}:{servidor.port}/?from=consumo@example.com&to=turno@example.com"
        "&mode=insecure"
    )
    try:
        yield buzon
    finally:
        servidor.stop()


@contextmanager
def webhook() -> Iterator[Buzon]:
    """Give a server that takes JSON."""
    buzon = Buzon("")

    class Gancho(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            cuerpo = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not buzon.cae:
                buzon.llegados.append((cuerpo["title"], cuerpo["message"]))
            self.send_response(503 if buzon.cae else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    with ThreadingHTTPServer((ANFITRION, 0), Gancho) as http:
        hilo = threading.Thread(target=http.serve_forever, args=(0.02,))
        hilo.start()
        buzon.url = f"json://{ANFITRION}:{http.server_port}/avisos"
        try:
            yield buzon
        finally:
            http.shutdown()
            hilo.join()


@dataclass
class DestinoFalso:
    """A destination that keeps what it is told, or refuses it."""

    clave: str
    nombre: str = "falso"
    cae: bool = False
    mensajes: list[AlertMessage] = field(default_factory=list)

    def send(self, mensaje: AlertMessage) -> bool:
        if not self.cae:
            self.mensajes.append(mensaje)
        return not self.cae


def esperar(condicion: Callable[[], object], texto: Callable[[], str], plazo_s: float) -> None:
    """Return once a condition holds; fail if it does not in time."""
    limite = time.monotonic() + plazo_s
    while not condicion():
        assert time.monotonic() < limite, texto()
        time.sleep(0.1)
