"""Whether a server's address can be reached at all, asked before anything slow is begun."""

from __future__ import annotations

import socket
import urllib.request
from urllib.parse import urlsplit

PLAZO_S = 2.0
"""To reach a port. By hand, 2026-11-24: across a continent it takes 0.2 s."""
_PUERTOS = {"http": 80, "https": 443}


def listens(uri: str) -> bool:
    """Return whether something listens at an address, as far as that can be seen from here.

    True where it cannot: behind a proxy, and for what is no address of a web server.

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
    try:
        puerto = partes.port or _PUERTOS[partes.scheme]
        with socket.create_connection((anfitrion, puerto), PLAZO_S):
            return True
    except (OSError, ValueError):
        return False


def without_password(uri: str) -> str:
    """Return an address without the user and password that it may carry.

    Examples
    --------
    >>> without_password("http://ana:secreto@mlflow:5000/raiz")
    'http://mlflow:5000/raiz'
    """
    partes = urlsplit(uri)
    return partes._replace(netloc=partes.netloc.rpartition("@")[2]).geturl()
