"""Whether servers answer at all, and the manners of MLflow's client."""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

PLAZO_S = 2.0
"""To reach a port, and to be answered. By hand, 2026-11-24: across a continent it takes 0.2 s."""
_PUERTOS = {"http": 80, "https": 443}
_ENTORNO: Mapping[str, str] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # One more try after 10 s of silence. By hand, 2026-11-24: a busy server answers in less.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Names and meanings read in mlflow 3.17; whoever has set one of them wins."""


def greet(anfitrion: str, puerto: int, saludo: bytes, respuesta_s: float = PLAZO_S) -> None:
    """Return once a server has said anything at all to a greeting.

    A connection alone tells nothing: the kernel makes it, also for a process that is stopped. What
    is said does not matter, an error or an end will do: somebody is there.

    Parameters
    ----------
    respuesta_s : float
        Longest silence.

    Raises
    ------
    TimeoutError
        Silence.
    OSError
        Nobody listens, or there is no such address.
    """
    with socket.create_connection((anfitrion, puerto), min(PLAZO_S, respuesta_s)) as enchufe:
        _exchange(enchufe, saludo, respuesta_s)


def greet_at(familia: int, direccion: Any, saludo: bytes, respuesta_s: float = PLAZO_S) -> None:
    """Return as ``greet`` does, of a server whose address needs no look-up: nothing else waits.

    Parameters
    ----------
    familia : int
        ``AF_INET``, ``AF_INET6`` or ``AF_UNIX``.
    direccion : tuple or str
        As ``socket.connect`` takes it.

    Raises
    ------
    TimeoutError
        Silence.
    OSError
        Nobody listens.
    """
    with socket.socket(familia, socket.SOCK_STREAM) as enchufe:
        enchufe.settimeout(min(PLAZO_S, respuesta_s))
        try:
            enchufe.connect(direccion)
        except BlockingIOError as error:
            # A Unix socket whose queue is full says so at once: nobody takes from it.
            raise TimeoutError from error
        _exchange(enchufe, saludo, respuesta_s)


def _exchange(enchufe: socket.socket, saludo: bytes, respuesta_s: float) -> None:
    enchufe.settimeout(respuesta_s)
    with suppress(ConnectionResetError):
        enchufe.sendall(saludo)
        enchufe.recv(1)


def listens(uri: str, respuesta_s: float = PLAZO_S) -> bool:
    """Return whether something answers at an address, as far as that can be seen from here.

    True where it cannot: behind a proxy, and for what is no address of a web server.

    Parameters
    ----------
    respuesta_s : float
        Longest silence.

    Examples
    --------
    >>> listens("sqlite:///mlflow.db")
    True
    """
    partes = urlsplit(uri)
    anfitrion = partes.hostname
    if partes.scheme not in _PUERTOS or anfitrion is None:
        return True
    por_proxy = partes.scheme in urllib.request.getproxies()
    if por_proxy and not urllib.request.proxy_bypass(anfitrion):
        return True
    # Where TLS is spoken this is no request, and is answered with an alert.
    saludo = f"GET {partes.path.rstrip('/')}/health HTTP/1.0\r\nHost: {anfitrion}\r\n\r\n"
    try:
        greet(anfitrion, partes.port or _PUERTOS[partes.scheme], saludo.encode(), respuesta_s)
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


def teach_manners(espera_s: int | None = None) -> None:
    """Tell MLflow's client, not yet imported, to be quiet, to stay at home and not to wait long.

    Parameters
    ----------
    espera_s : int or None
        Of silence, in which case there is no other try; None = what a job may wait.
    """
    if espera_s is not None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(espera_s))
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for nombre, valor in _ENTORNO.items():
        os.environ.setdefault(nombre, valor)
