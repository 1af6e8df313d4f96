"""Connections to PostgreSQL that notice a dead server, and its errors in our words."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg2
import psycopg2.errors

from detection.errors import ConfiguracionError, ConsumoError, SinSitioError, TransientError
from pipeline.almacenes.watchdog import GUARDADO, Paciencia, Watchdog
from serving.alcance import greet
from serving.settings import Settings

LIMITE_MS = 30_000
"""Longest statement of the consumer: hundreds of times a batch's or a load's usual time."""
ESPERA_CONEXION_S = 3
SALUDO = struct.pack("!ii", 8, 80877103)
"""SSLRequest: answered with a letter before anybody says who they are, and without a line in the
server's log (PostgreSQL 15, "Message Formats")."""
SALUDO_S = 1.0
"""It is answered in a millisecond; by hand, 2026-11-25."""

# SQLSTATE classes after which another try makes sense: connection (08), out of resources (53),
# operator intervention (57P: shutdown, crash, starting up), serialization and deadlock (40).
ESTADOS_PASAJEROS = ("08", "53", "57", "40")
# A refused connection carries no SQLSTATE, only the server's text, in its
# own language.
RECHAZOS = (
    *("authentication failed", "no password supplied", "does not exist", "pg_hba.conf"),
    *("autentificación", "no existe la base", "no existe el rol"),
)
SIN_SITIO = "No space left on device"
"""What the system says, whatever the server makes of it: a log that cannot grow has other codes."""
# Nor does one without the security that was asked for: libpq's text, always English in its wheel.
INSEGURAS = (
    *("certificate verify failed", "does not match host name", "does not support SSL"),
    *("no encryption", "SSL encryption", "client certificate", "private key file"),
    *("certificate required", "unknown ca", "tlsv1 alert", "sslv3 alert"),
)


@lru_cache(maxsize=16)
def _watchdog(anfitrion: str, puerto: int) -> Watchdog:
    """Return who watches over all of this process that wait for a server."""

    def answers() -> bool:
        try:
            greet(anfitrion, puerto, SALUDO, SALUDO_S)
        except TimeoutError:
            return False
        except OSError:
            # Gone, not silent: whoever waits is told so by the network.
            return True
        return True

    return Watchdog(answers)


@contextmanager
def guarded(settings: Settings, paciencia: Paciencia, conexion: Any = None) -> Iterator[None]:
    """Let a block wait for PostgreSQL no longer than somebody's patience.

    Whatever the connection is doing then, it fails: a statement, a COPY or a commit. The latter may
    have been done all the same, as whenever a connection is lost.

    Parameters
    ----------
    conexion : connection or None
        None = there is none yet.

    Raises
    ------
    psycopg2.OperationalError
        The server answers nobody.
    """
    watchdog = _watchdog(settings.postgres_host, settings.postgres_port)
    if watchdog.is_silent(paciencia):
        raise psycopg2.OperationalError("the server answers nobody")
    # A socket of our own, so that it cannot be another's by the time it is shut down.
    enchufe = None if conexion is None else socket.socket(fileno=os.dup(conexion.fileno()))
    try:
        with watchdog.guard(paciencia, enchufe) as espera:
            yield
    except psycopg2.Error as error:
        if espera.cortada:
            raise psycopg2.OperationalError("the server did not answer in time") from error
        raise
    finally:
        if enchufe is not None:
            enchufe.close()
            if espera.cortada:
                conexion.close()


def connect(
    settings: Settings,
    programa: str,
    *,
    limite_ms: int = LIMITE_MS,
    paciencia: Paciencia = GUARDADO,
) -> Any:
    """Return a new psycopg2 connection that notices a dead server within seconds.

    One that is alive but frozen is noticed by ``guarded`` alone: use the connection inside it.

    Parameters
    ----------
    programa : str
        What the server's list of connections shows.
    limite_ms : int
        Longest statement, ms; 0 = no limit.
    """
    with guarded(settings, paciencia):
        return _connect(settings, programa, limite_ms)


def _connect(settings: Settings, programa: str, limite_ms: int) -> Any:
    return psycopg2.connect(
        host=settings.postgres_host,
        port=settings.postgres_port,
        user=settings.postgres_user,
        password=settings.postgres_password,
        dbname=settings.postgres_db,
        sslmode=settings.postgres_sslmode,
        # Empty is as if not given: libpq's own defaults.
        sslrootcert=settings.postgres_ca,
        sslcert=settings.postgres_cert,
        sslkey=settings.postgres_cert,
        application_name=programa,
        client_encoding="UTF8",
        connect_timeout=ESPERA_CONEXION_S,
        # A silent network: probes after 5 s, given up after 5 + 3 * 2; unconfirmed data after 10.
        keepalives=1,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=10_000,
        # A writer that froze half way must not keep its locks for ever.
        # The style of dates is the one that psycopg2 would ask for, over a connection that nobody
        # can guard yet.
        options=f"-c statement_timeout={limite_ms} -c timezone=UTC -c datestyle=ISO "
        "-c idle_in_transaction_session_timeout=60000",
    )


def traducir(settings: Settings, error: Exception) -> ConsumoError | None:
    """Return our error for one of psycopg2's, or None if it is a defect.

    The text names the server, never the password.
    """
    if not isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        estado = getattr(error, "pgcode", None) or ""
        if not estado.startswith(ESTADOS_PASAJEROS):
            return None
    servidor = f"PostgreSQL en {settings.postgres_host}:{settings.postgres_port}"
    sin_codigo = getattr(error, "pgcode", None) is None
    if sin_codigo and any(i in str(error) for i in INSEGURAS):
        return ConfiguracionError(
            f"{servidor}: no hay conexión TLS de confianza; revise POSTGRES_SSLMODE "
            f"({settings.postgres_sslmode}), POSTGRES_CA y POSTGRES_CERT"
        )
    if sin_codigo and any(r in str(error) for r in RECHAZOS):
        return ConfiguracionError(
            f"{servidor} rechaza la conexión: revise POSTGRES_USER ({settings.postgres_user}), "
            f"POSTGRES_PASSWORD y POSTGRES_DB ({settings.postgres_db})"
        )
    if isinstance(error, psycopg2.errors.QueryCanceled):
        return TransientError(f"{servidor} tarda demasiado en responder")
    if isinstance(error, psycopg2.errors.DiskFull) or SIN_SITIO in str(error):
        return SinSitioError(servidor)
    if (getattr(error, "pgcode", None) or "").startswith("40"):
        return TransientError(f"{servidor}: otro proceso escribía las mismas lecturas")
    return TransientError(f"{servidor} no responde")


class Conexion:
    """One connection, opened when needed, used by one thread at a time, replaced when lost.

    Parameters
    ----------
    settings : Settings
    programa : str
        What the server's list of connections shows.
    paciencia : Paciencia
        How long a transaction waits for a server that is frozen.
    """

    def __init__(self, settings: Settings, programa: str, paciencia: Paciencia = GUARDADO) -> None:
        self._settings = settings
        self._programa = programa
        self._paciencia = paciencia
        self._cerrojo = threading.RLock()
        self._conexion: Any = None

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Give a cursor inside a transaction: committed at the end, rolled back on any error."""
        with self._cerrojo:
            try:
                if self._conexion is None or self._conexion.closed:
                    self._conexion = connect(
                        self._settings, self._programa, paciencia=self._paciencia
                    )
                with (
                    guarded(self._settings, self._paciencia, self._conexion),
                    self._conexion,
                    self._conexion.cursor() as cursor,
                ):
                    yield cursor
            except psycopg2.Error as error:
                traducido = traducir(self._settings, error)
                if traducido is None:
                    raise
                # What state the connection is in is not worth knowing: a new one is cheap.
                self.close()
                raise traducido from error

    def close(self) -> None:
        """Close the connection; the next transaction opens another."""
        with self._cerrojo:
            if self._conexion is not None and not self._conexion.closed:
                self._conexion.close()
            self._conexion = None
