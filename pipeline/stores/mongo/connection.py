"""Connections to MongoDB that notice a dead server, and its errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

from detection.errors import ConfiguracionError, ConsumoError, SinSitioError, TransientError
from serving.settings import Settings

DUPLICADO = 11000
"""MongoDB's error code for a second document with a unique key."""
SIN_SITIO = frozenset({14031})
"""OutOfDiskSpace."""
INTERNO = 1
"""InternalError: what a server says that has broken down, of a full disk for one."""
SIN_PERMISO = frozenset({13, 18})
"""Unauthorized, AuthenticationFailed."""
# Retryable server states (drivers' specification, "Retryable Writes"): stepping down, shutting
# down, no primary, and a write concern or a time limit that was not met.
ESTADOS_PASAJEROS = frozenset(
    {6, 7, 50, 64, 89, 91, 112, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436}
)
INSEGURAS = ("certificate verify failed", "WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "_ALERT_")
"""What OpenSSL calls a handshake that time will not mend: not trusted, or no TLS on that port."""
ESPERA_RESPUESTA_MS = 20_000
REINTENTO_S = 2.0
"""A server that is silent stays so for longer than one that starts again."""


@dataclass(frozen=True, slots=True)
class Latido:
    """How a client finds out that a server is frozen: it is greeted again and again.

    Whoever waits for it then is told so by pymongo (the specification "Server Discovery And
    Monitoring", a timeout of the monitor).

    Parameters
    ----------
    cada_ms : int
        Between two greetings.
    espera_ms : int
        For an answer to one, and for a server to be found.
    """

    cada_ms: int
    espera_ms: int


PREGUNTA = Latido(500, 1_500)
"""Whoever looks at a screen: told within 0.5 s + twice 1.5 s, and half a second of pymongo's."""
TRABAJO = Latido(10_000, 3_000)
"""The consumer and the jobs, which a busy server's pause must not stop: pymongo's own pace."""


def connect(
    settings: Settings, programa: str, latido: Latido = TRABAJO
) -> MongoClient[dict[str, Any]]:
    """Return a client that notices a dead or frozen server; nothing is sent before its use.

    Parameters
    ----------
    programa : str
        What the server's list of connections shows.
    """
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
        heartbeatFrequencyMS=latido.cada_ms,
        serverSelectionTimeoutMS=latido.espera_ms,
        connectTimeoutMS=latido.espera_ms,
        socketTimeoutMS=ESPERA_RESPUESTA_MS,
    )


def check_awake(settings: Settings, cliente: MongoClient[dict[str, Any]]) -> None:
    """Return unless every server has left the latest greeting without an answer.

    Whoever asks nevertheless waits in vain; the client goes on greeting by itself.

    Raises
    ------
    TransientError
        They have.
    """
    servidores = cliente.topology_description.server_descriptions().values()
    if all(isinstance(servidor.error, NetworkTimeout) for servidor in servidores):
        raise TransientError(f"{_servidor(settings)} no responde", REINTENTO_S)


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
    if codigos & SIN_PERMISO:
        return ConfiguracionError(
            f"{servidor} rechaza la conexión: revise MONGO_USER ({settings.mongo_user or 'vacío'}),"
            f" MONGO_PASSWORD y MONGO_DB ({settings.mongo_db})"
        )
    if isinstance(error, ExecutionTimeout | WTimeoutError):
        return TransientError(f"{servidor} tarda demasiado en responder")
    if codigos == {DUPLICADO}:
        return TransientError(f"{servidor}: otro proceso escribía las mismas lecturas")
    if settings.mongo_tls and any(motivo in str(error) for motivo in INSEGURAS):
        return ConfiguracionError(
            f"{servidor}: no hay conexión TLS de confianza; revise MONGO_TLS, MONGO_CA y MONGO_CERT"
        )
    if codigos & SIN_SITIO or "No space left on device" in str(error):
        return SinSitioError(servidor)
    if INTERNO in codigos:
        return TransientError(f"{servidor} tiene un fallo interno: su registro dice cuál")
    if isinstance(error, ConnectionFailure) or codigos & ESTADOS_PASAJEROS:
        return TransientError(f"{servidor} no responde")
    return None


def _servidor(settings: Settings) -> str:
    return f"MongoDB en {settings.mongo_host}:{settings.mongo_port}"


def write_concern(error: BulkWriteError) -> int | None:
    """Return the code of the write concern that was not met, if any."""
    fallos = error.details.get("writeConcernErrors") or []
    return fallos[0]["code"] if fallos else None
