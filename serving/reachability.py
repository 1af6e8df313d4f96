"""Whether a server answers at all, asked on a plain socket: no client library, no long wait."""

from __future__ import annotations

import socket
import urllib.request
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

_PLAZO_S = 2.0
"""To reach a port, and to be answered. By hand, 2026-11-24: across a continent it takes 0.2 s."""
_PUERTOS = {"http": 80, "https": 443}


def probe(familia: int, direccion: Any, mensaje: bytes, respuesta_s: float = _PLAZO_S) -> None:
    """Return once a server, whose address needs no look-up, has said anything at all.

    A connection alone tells nothing: the kernel makes it, also for a process that is stopped. What
    is said does not matter, an error or an end will do: somebody is there.

    ``TimeoutError``: silence. ``OSError``: nobody listens.

    Parameters
    ----------
    familia : int
        ``AF_INET``, ``AF_INET6`` or ``AF_UNIX``.
    direccion : tuple or str
        As ``socket.connect`` takes it.
    mensaje : bytes
        What is sent.
    respuesta_s : float
        Longest silence.
    """
    with socket.socket(familia, socket.SOCK_STREAM) as enchufe:
        enchufe.settimeout(min(_PLAZO_S, respuesta_s))
        try:
            enchufe.connect(direccion)
        except BlockingIOError as error:
            # A Unix socket whose queue is full says so at once: nobody takes from it.
            raise TimeoutError from error
        _exchange(enchufe, mensaje, respuesta_s)


def _exchange(enchufe: socket.socket, mensaje: bytes, respuesta_s: float) -> None:
    enchufe.settimeout(respuesta_s)
    with suppress(ConnectionResetError):
        enchufe.sendall(mensaje)
        enchufe.recv(1)


def listens(uri: str, respuesta_s: float = _PLAZO_S) -> bool:
    """Return whether something answers at an address, as far as that can be seen from here.

    True where it cannot: behind a proxy, and for what is no address of a web server.

    ``respuesta_s``: longest silence.
    """
    partes = urlsplit(uri)
    anfitrion = partes.hostname
    if partes.scheme not in _PUERTOS or anfitrion is None:
        return True
    por_proxy = partes.scheme in urllib.request.getproxies()
    if por_proxy and not urllib.request.proxy_bypass(anfitrion):
        return True
    # Where TLS is spoken this is no request, and is answered with an alert.
    peticion = f"GET {partes.path.rstrip('/')}/health HTTP/1.0\r\nHost: {anfitrion}\r\n\r\n"
    try:
        puerto = partes.port or _PUERTOS[partes.scheme]
        with socket.create_connection((anfitrion, puerto), min(_PLAZO_S, respuesta_s)) as enchufe:
            _exchange(enchufe, peticion.encode(), respuesta_s)
    except (OSError, ValueError):
        return False
    return True


def without_password(uri: str) -> str:
    """Return an address without the user and password that it may carry.

    Examples
    --------
    >>> without_password("http://ana:secreto@mlflow:5000/raiz")
    'http://mlflow:5000/raiz'
    """
    # By hand: it is also what is said of an address that cannot be understood.
    principio, separador, resto = uri.partition("://")
    servidor, barra, ruta = resto.partition("/")
    return f"{principio}{separador}{servidor.rpartition('@')[2]}{barra}{ruta}"
