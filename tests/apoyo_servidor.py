"""A web server that answers every GET with one status."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

ANFITRION = "127.0.0.1"


@contextmanager
def servidor(estado: int, rutas: list[str]) -> Iterator[str]:
    """Give the address of a server that answers every GET with ``estado``."""

    class Respuesta(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            rutas.append(self.path)
            self.send_response(estado)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    with HTTPServer((ANFITRION, 0), Respuesta) as http:
        hilo = threading.Thread(target=http.serve_forever, args=(0.02,))
        hilo.start()
        try:
            yield f"{ANFITRION}:{http.server_port}"
        finally:
            http.shutdown()
            hilo.join()
