"""How MLflow is spoken to: whether its address answers at all, and its client's manners."""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit

PLAZO_S = 2.0
"""To reach a port. By hand, 2026-11-24: across a continent it takes 0.2 s."""
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


def teach_manners() -> None:
    """Tell MLflow's client, not yet imported, to be quiet, to stay at home and not to wait long."""
    for nombre, valor in _ENTORNO.items():
        os.environ.setdefault(nombre, valor)
