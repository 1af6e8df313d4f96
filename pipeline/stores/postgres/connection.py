"""Connections to PostgreSQL that notice a dead server, and its errors in our words."""

from __future__ import annotations

import math
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import lru_cache
from typing import Any

import psycopg2
import psycopg2.errors

from detection.errors import ConsumoError, TransientError
from pipeline.stores.server_errors import SIN_SITIO, StoreServer
from pipeline.stores.watchdog import GUARDADO, Paciencia, Watchdog
from serving.reachability import probe
from serving.settings import Settings

LIMITE_MS = 30_000
"""Longest statement of the consumer: hundreds of times a batch's or a load's usual time."""
ESPERA_CONEXION_S = 3
SALUDO = struct.pack("!ii", 8, 80877104)
"""GSSENCRequest: answered with a letter before anybody says who they are (PostgreSQL 15, "Message
Formats"), and without a line in the server's log, also where SSLRequest would begin with TLS."""
SALUDO_S = 0.5
"""It is answered in a millisecond, and asked twice; by hand, 2026-11-25."""

Direccion = tuple[int, Any]
"""A family of sockets, and an address as that family has them."""

# SQLSTATE classes after which another try makes sense: connection (08), out of resources (53),
# operator intervention (57P: shutdown, crash, starting up), serialization and deadlock (40).
_PASAJEROS = ("08", "53", "57", "40")
# A refused connection carries no SQLSTATE, only the server's text, in its
# own language.
_RECHAZOS = (
    *("authentication failed", "no password supplied", "does not exist", "pg_hba.conf"),
    *("autentificación", "no existe la base", "no existe el rol"),
)
# Nor does one without the security that was asked for: libpq's text, always English in its wheel.
_INSEGURAS = (
    *("certificate verify failed", "does not match host name", "does not support SSL"),
    *("no encryption", "SSL encryption", "client certificate", "private key file"),
    *("certificate required", "unknown ca", "tlsv1 alert", "sslv3 alert"),
)


@lru_cache(maxsize=64)
def _watchdog(direcciones: tuple[Direccion, ...]) -> Watchdog:
    """Return who watches over all of this process that wait for a server, or any of several."""

    def answers() -> bool:
        callada = False
        for familia, direccion in direcciones:
            try:
                probe(familia, direccion, SALUDO, SALUDO_S)
            except TimeoutError:
                callada = True
            except OSError:
                # Gone, not silent: whoever waits is told so by the network.
                continue
            else:
                return True
        return not callada

    return Watchdog(answers)


def _peer(conexion: Any, enchufe: socket.socket) -> tuple[Direccion, ...]:
    """Return where a connection leads, which of several servers it may be; empty = it is lost."""
    if enchufe.family == socket.AF_UNIX:
        # The name of the server's end is as the server sees it, perhaps from another root.
        return (_unix(conexion.info.host, conexion.info.port),)
    try:
        return ((enchufe.family, enchufe.getpeername()),)
    except OSError:
        return ()


def _reachable(settings: Settings) -> tuple[Direccion, ...]:
    """Return where a new connection may lead; empty = libpq's own choice.

    A look-up of names has no deadline, so it is the caller who waits for it, as for libpq's.

    Raises
    ------
    psycopg2.OperationalError
        None of the names is known.
    """
    direcciones: list[Direccion] = []
    for anfitrion in filter(None, settings.postgres_host.split(",")):
        if anfitrion.startswith(("/", "@")):
            direcciones.append(_unix(anfitrion, settings.postgres_port))
            continue
        with suppress(OSError, UnicodeError):
            halladas = socket.getaddrinfo(
                anfitrion, settings.postgres_port, type=socket.SOCK_STREAM
            )
            direcciones += [(familia, direccion) for familia, *_, direccion in halladas]
    if settings.postgres_host and not direcciones:
        raise psycopg2.OperationalError(f"could not translate host name {settings.postgres_host}")
    return tuple(dict.fromkeys(direcciones))


def _unix(carpeta: str, puerto: int) -> Direccion:
    """Return a Unix socket as libpq names it: "@" begins an abstract one."""
    ruta = f"{carpeta}/.s.PGSQL.{puerto}"
    return socket.AF_UNIX, f"\0{ruta[1:]}" if ruta.startswith("@") else ruta


@contextmanager
def guarded(settings: Settings, paciencia: Paciencia, conexion: Any = None) -> Iterator[None]:
    """Let a block wait for PostgreSQL no longer than somebody's patience.

    Whatever the connection is doing then, it fails: a statement, a COPY or a commit. The latter may
    have been done all the same, as whenever a connection is lost.

    ``conexion``: None = there is none yet.

    Raises
    ------
    psycopg2.OperationalError
        The server answers nobody.
    """
    # A socket of our own, so that it cannot be another's by the time it is shut down.
    enchufe = None if conexion is None else socket.socket(fileno=os.dup(conexion.fileno()))
    with enchufe or nullcontext():
        donde = _reachable(settings) if enchufe is None else _peer(conexion, enchufe)
        watchdog = _watchdog(donde)
        if watchdog.is_silent(paciencia):
            raise psycopg2.OperationalError("the server answers nobody")
        with watchdog.guard(paciencia, enchufe) as espera:
            try:
                yield
            except psycopg2.Error as error:
                if not espera.cortada:
                    raise
                raise psycopg2.OperationalError("the server did not answer in time") from error
            finally:
                if espera.cortada and conexion is not None:
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

    ``programa``: what the server's list of connections shows. ``limite_ms``: longest statement, ms;
    0 = no limit.
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


@contextmanager
def traducidos(settings: Settings) -> Iterator[None]:
    """Turn psycopg2's errors into ours where another try or another setting helps."""
    try:
        yield
    except psycopg2.Error as error:
        traducido = traducir(settings, error)
        if traducido is None:
            raise
        raise traducido from error


def traducir(settings: Settings, error: BaseException | None) -> ConsumoError | None:
    """Return our error for one of psycopg2's, or None if it is a defect.

    The text names the server, never the password.
    """
    estado = getattr(error, "pgcode", None)
    suyo = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    if not suyo and not (estado or "").startswith(_PASAJEROS):
        return None
    servidor = StoreServer(
        f"PostgreSQL en {settings.postgres_host}:{settings.postgres_port}",
        f"POSTGRES_USER ({settings.postgres_user}), POSTGRES_PASSWORD y POSTGRES_DB "
        f"({settings.postgres_db})",
        f"POSTGRES_SSLMODE ({settings.postgres_sslmode}), POSTGRES_CA y POSTGRES_CERT",
    )
    texto = str(error)
    if estado is None and any(motivo in texto for motivo in _INSEGURAS):
        return servidor.insecure()
    if estado is None and any(motivo in texto for motivo in _RECHAZOS):
        return servidor.rejects()
    if isinstance(error, psycopg2.errors.QueryCanceled):
        return servidor.slow()
    if isinstance(error, psycopg2.errors.DiskFull) or SIN_SITIO in texto:
        return servidor.full()
    if (estado or "").startswith("40"):
        return servidor.contended()
    return servidor.away()


class Conexion:
    """One connection, opened when needed, used by one thread at a time, replaced when lost.

    Parameters
    ----------
    programa : str
        What the server's list of connections shows.
    paciencia : Paciencia
        How long a transaction waits for a server that is frozen.
    turno_s : float or None
        How long a thread waits for the others' transactions; None = as long as a transaction lasts.
    limite_ms : int
        Longest statement, ms; 0 = no limit.
    """

    def __init__(
        self,
        settings: Settings,
        programa: str,
        paciencia: Paciencia = GUARDADO,
        turno_s: float | None = None,
        limite_ms: int = LIMITE_MS,
    ) -> None:
        self._settings = settings
        self._programa = programa
        self._paciencia = paciencia
        self._limite_ms = limite_ms
        # Of a lock, "for ever" is -1.
        sin_fin = -1.0 if math.isinf(paciencia.total_s) else paciencia.total_s
        self._turno_s = sin_fin if turno_s is None else turno_s
        self._cerrojo = threading.RLock()
        self._conexion: Any = None

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Give a cursor inside a transaction: committed at the end, rolled back on any error.

        ``TransientError``: PostgreSQL is away, or the other threads take too long.
        """
        with self._turn():
            try:
                if self._conexion is None or self._conexion.closed:
                    self._conexion = connect(
                        self._settings,
                        self._programa,
                        limite_ms=self._limite_ms,
                        paciencia=self._paciencia,
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

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._cerrojo.acquire(timeout=self._turno_s):
            raise TransientError("hay demasiadas operaciones a la vez en PostgreSQL", self._turno_s)
        try:
            yield
        finally:
            self._cerrojo.release()

    def close(self) -> None:
        """Close the connection; the next transaction opens another."""
        with self._cerrojo:
            if self._conexion is not None and not self._conexion.closed:
                self._conexion.close()
            self._conexion = None
