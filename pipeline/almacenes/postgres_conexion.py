"""Connections to PostgreSQL that notice a dead server, and its errors in our words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.errors

from detection.errors import ConfiguracionError, ConsumoError, TransientError
from serving.settings import Settings

LIMITE_MS = 30_000
"""Longest statement of the consumer: hundreds of times a batch's or a load's usual time."""
ESPERA_CONEXION_S = 3

# SQLSTATE classes after which another try makes sense: connection (08), out of resources (53),
# operator intervention (57P: shutdown, crash, starting up), serialization and deadlock (40).
ESTADOS_PASAJEROS = ("08", "53", "57", "40")
# A refused connection carries no SQLSTATE, only the server's text, in its
# own language.
RECHAZOS = (
    *("authentication failed", "no password supplied", "does not exist", "pg_hba.conf"),
    *("autentificación", "no existe la base", "no existe el rol"),
)
# Nor does one without the security that was asked for: libpq's text, always English in its wheel.
INSEGURAS = (
    *("certificate verify failed", "does not match host name", "does not support SSL"),
    *("no encryption", "SSL encryption", "client certificate", "private key file"),
    *("certificate required", "unknown ca", "tlsv1 alert", "sslv3 alert"),
)


def connect(settings: Settings, programa: str, *, limite_ms: int = LIMITE_MS) -> Any:
    """Return a new psycopg2 connection that notices a dead server within seconds.

    Parameters
    ----------
    programa : str
        What the server's list of connections shows.
    limite_ms : int
        Longest statement, ms; 0 = no limit.
    """
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
        options=f"-c statement_timeout={limite_ms} -c timezone=UTC "
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
    if isinstance(error, psycopg2.errors.DiskFull):
        return TransientError(f"{servidor} no tiene sitio en el disco")
    if (getattr(error, "pgcode", None) or "").startswith("40"):
        return TransientError(f"{servidor}: otro proceso escribía las mismas lecturas")
    return TransientError(f"{servidor} no responde")


class Conexion:
    """One connection, opened when needed, used by one thread at a time, replaced when lost."""

    def __init__(self, settings: Settings, programa: str) -> None:
        self._settings = settings
        self._programa = programa
        self._cerrojo = threading.RLock()
        self._conexion: Any = None

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Give a cursor inside a transaction: committed at the end, rolled back on any error."""
        with self._cerrojo:
            try:
                if self._conexion is None or self._conexion.closed:
                    self._conexion = connect(self._settings, self._programa)
                with self._conexion, self._conexion.cursor() as cursor:
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
