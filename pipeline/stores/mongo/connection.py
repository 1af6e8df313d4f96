"""Connections to MongoDB that notice a dead server, and its errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from detection.errors import ConsumoError, TransientError
from pipeline.stores.server_errors import SIN_SITIO, StoreServer
from pipeline.stores.watchdog import GUARDADO, PREGUNTA, Paciencia
from serving.settings import Settings

DUPLICADO = 11000
"""MongoDB's error code for a second document with a unique key."""
_SIN_SITIO = frozenset({14031})
"""OutOfDiskSpace."""
_INTERNO = 1
"""InternalError: what a server says that has broken down, of a full disk for one."""
_SIN_PERMISO = frozenset({13, 18})
"""Unauthorized, AuthenticationFailed."""
# Retryable server states (drivers' specification, "Retryable Writes"): stepping down, shutting
# down, no primary, and a write concern or a time limit that was not met.
_PASAJEROS = frozenset(
    {6, 7, 50, 64, 89, 91, 112, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436}
)
# What OpenSSL calls a handshake that time will not mend: not trusted, or no TLS on that port.
_INSEGURAS = (
    "certificate verify failed",
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "_ALERT_",
)
ESPERA_RESPUESTA_MS = 20_000
REINTENTO_S = 2.0
"""A server that is silent stays so for longer than one that starts again."""
# Between two heartbeats of a server, and for an answer to one or for a server to be found, ms: by
# them pymongo tells whoever waits that it is frozen (the specification "Server Discovery And
# Monitoring", a timeout of the monitor). Whoever looks at a screen is told within 0.5 s + twice
# 1.5 s, and half a second of pymongo's; the others at pymongo's own pace, for a busy server's pause
# must not stop them.
_LATIDOS_PREGUNTA_MS = (500, 1_500)
_LATIDOS_MS = (10_000, 3_000)


def connect(
    settings: Settings, programa: str, paciencia: Paciencia = GUARDADO
) -> MongoClient[dict[str, Any]]:
    """Return a client that notices a dead or frozen server; nothing is sent before its use.

    ``programa``: what the server's list of connections shows. ``paciencia``: who waits:
    ``PREGUNTA`` is told sooner than the others.
    """
    cada_ms, espera_ms = _LATIDOS_PREGUNTA_MS if paciencia is PREGUNTA else _LATIDOS_MS
    return MongoClient(
        settings.mongo_host,
        settings.mongo_port,
        username=settings.mongo_user or None,
        password=settings.mongo_password or None,
        tls=settings.mongo_tls,
        tlsCAFile=settings.mongo_ca or None,
        tlsCertificateKeyFile=settings.mongo_cert or None,
        appname=programa,
        tz_aware=True,
        # Saved means on disk: without it a server that is killed forgets its last tenth of a
        # second, which Kafka has been told is stored.
        journal=True,
        connect=False,
        heartbeatFrequencyMS=cada_ms,
        serverSelectionTimeoutMS=espera_ms,
        connectTimeoutMS=espera_ms,
        socketTimeoutMS=ESPERA_RESPUESTA_MS,
    )


def check_awake(settings: Settings, cliente: MongoClient[dict[str, Any]]) -> None:
    """Return unless every server has left the latest heartbeat without an answer.

    Whoever asks nevertheless waits in vain; the client goes on by itself.

    ``TransientError``: they have.
    """
    servidores = cliente.topology_description.server_descriptions().values()
    if all(isinstance(servidor.error, NetworkTimeout) for servidor in servidores):
        raise _servidor(settings).away(REINTENTO_S)


@contextmanager
def traducidos(settings: Settings) -> Iterator[None]:
    """Turn pymongo's errors into ours where another try or another setting helps."""
    try:
        yield
    except PyMongoError as error:
        traducido = traducir(settings, error)
        if traducido is None:
            raise
        raise traducido from error


def traducir(settings: Settings, error: PyMongoError) -> ConsumoError | None:
    """Return our error for one of pymongo's, or None if it is a defect.

    The text names the server, never the password.
    """
    servidor = _servidor(settings)
    codigos = {error.code} if isinstance(error, OperationFailure) else set()
    if isinstance(error, BulkWriteError):
        codigos = {fallo["code"] for fallo in error.details["writeErrors"]}
        codigos |= {write_concern(error)} - {None}
    if codigos & _SIN_PERMISO:
        return servidor.rejects()
    if isinstance(error, ExecutionTimeout | WTimeoutError):
        return servidor.slow()
    if codigos == {DUPLICADO}:
        return servidor.contended()
    if settings.mongo_tls and any(motivo in str(error) for motivo in _INSEGURAS):
        return servidor.insecure()
    if codigos & _SIN_SITIO or SIN_SITIO in str(error):
        return servidor.full()
    if _INTERNO in codigos:
        return TransientError(f"{servidor.nombre} tiene un fallo interno: su registro dice cuál")
    if isinstance(error, ConnectionFailure) or codigos & _PASAJEROS:
        return servidor.away()
    return None


def _servidor(settings: Settings) -> StoreServer:
    return StoreServer(
        f"MongoDB en {settings.mongo_host}:{settings.mongo_port}",
        f"MONGO_USER ({settings.mongo_user or 'vacío'}), MONGO_PASSWORD y MONGO_DB "
        f"({settings.mongo_db})",
        "MONGO_TLS, MONGO_CA y MONGO_CERT",
    )


def write_concern(error: BulkWriteError) -> int | None:
    """Return the code of the write concern that was not met, if any."""
    fallos = error.details.get("writeConcernErrors") or []
    return fallos[0]["code"] if fallos else None
