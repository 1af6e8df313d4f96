"""Who changed what through the API, in PostgreSQL: rows are added and read, never changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from psycopg2.extras import Json
from pydantic import Field

from detection.errors import TransientError
from pipeline.stores.postgres.connection import Conexion
from pipeline.stores.record_base import StoredRecord, de
from pipeline.stores.watchdog import PREGUNTA, Paciencia
from serving.settings import Settings

LIMITE_MS = 5_000
"""A row is written or read in a millisecond; whoever asks waits no longer than this."""
TURNO = Paciencia(PREGUNTA.silencio_s)
"""Whoever has the turn keeps it while they work, and for as long as PostgreSQL answers."""
TURNO_MS = 300_000
"""Hundreds of anomalies take seconds: a process that froze half way lets the others go on."""
_OCIOSA = "SET LOCAL idle_in_transaction_session_timeout = %s"
_ANOTA = """
INSERT INTO auditoria (clave, rol, accion, objeto, detalle, ip, peticion_id)
VALUES (%(clave)s, %(rol)s, %(accion)s, %(objeto)s, %(detalle)s, %(ip)s, %(peticion_id)s)
RETURNING id
"""
_TURNO = "SELECT pg_advisory_xact_lock(hashtextextended('consumo veredictos', 0))"
_UNA = """
SELECT id, momento, clave, rol, accion, objeto, detalle, ip, peticion_id FROM auditoria
WHERE id = %(numero)s
"""
_LISTA = """
SELECT id, momento, clave, rol, accion, objeto, detalle, ip, peticion_id FROM auditoria
WHERE (%(antes)s::bigint IS NULL OR id < %(antes)s::bigint)
ORDER BY id DESC LIMIT %(limite)s
"""


class Anotacion(StoredRecord):
    """One row of the audit; ``clave`` is the key's name and the beginning of its hash alone."""

    model_config = de("Un cambio que alguien pidió.")
    id: int = Field(description="Número de anotación, creciente", examples=[17])
    momento: datetime = Field(description="Cuándo se pidió")
    clave: str = Field(description="De quién es la clave", examples=["ana (1f3a99c0)"])
    rol: str = Field(description="Rol de la clave", examples=["analista"])
    accion: str = Field(description="Qué se pidió", examples=["veredicto"])
    objeto: str = Field(description="Sobre qué", examples=["anomalia 6745a1b2c3d4e5f6a7b8c9d0"])
    detalle: dict[str, Any] = Field(
        description="Con qué valores; «fallo» si al final no se hizo",
        examples=[{"estado": "confirmada"}],
    )
    ip: str = Field(description="Desde qué dirección", examples=["10.0.0.7"])
    peticion_id: str = Field(description="La petición, en el registro de la API")


def clean(valor: Any) -> Any:
    r"""Return a value as PostgreSQL can hold it: no NUL, no half characters, all the way down.

    Examples
    --------
    >>> clean({"motivo": "por\0que", "ids": ["a"], "antes": None})
    {'motivo': 'porque', 'ids': ['a'], 'antes': None}
    """
    if isinstance(valor, str):
        return valor.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(valor, Mapping):
        return {clean(clave): clean(dentro) for clave, dentro in valor.items()}
    if isinstance(valor, list | tuple):
        return [clean(dentro) for dentro in valor]
    return valor


class AuditoriaPostgres:
    """The table ``auditoria``; threads may share one."""

    def __init__(self, settings: Settings) -> None:
        self._conexion = Conexion(settings, "consumo auditoría", PREGUNTA, limite_ms=LIMITE_MS)
        self._turno = Conexion(
            settings, "consumo turno de veredictos", TURNO, LIMITE_MS / 1000, LIMITE_MS
        )

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let one block run at a time, in all the processes that judge anomalies.

        What is written down and done within it takes effect in the order of the rows' numbers.
        The lock dies with its holder.

        ``TransientError``: PostgreSQL is away, or the others take too long.
        """
        hecho = False
        try:
            with self._turno.transaction() as cursor:
                cursor.execute(_OCIOSA, (TURNO_MS,))
                cursor.execute(_TURNO)
                yield
                hecho = True
        except TransientError:
            # The transaction holds nothing but the turn: what the block did stands without it.
            if not hecho:
                raise

    def write(
        self,
        *,
        clave: str,
        rol: str,
        accion: str,
        objeto: str,
        detalle: Mapping[str, Any],
        ip: str,
        peticion_id: str,
    ) -> int:
        """Add a row and return its number; ``TransientError`` while PostgreSQL is away."""
        fila = {
            "clave": clave,
            "rol": rol,
            "accion": accion,
            "objeto": clean(objeto),
            "detalle": Json(clean(dict(detalle))),
            "ip": ip,
            "peticion_id": peticion_id,
        }
        with self._conexion.transaction() as cursor:
            cursor.execute(_ANOTA, fila)
            (numero,) = cursor.fetchone()
        return int(numero)

    def read(self, numero: int) -> Anotacion | None:
        """Return the row of a number; None = there is none."""
        with self._conexion.transaction() as cursor:
            cursor.execute(_UNA, {"numero": numero})
            fila = cursor.fetchone()
        return None if fila is None else Anotacion.from_row(fila)

    def latest(self, limite: int, antes_de: int | None = None) -> list[Anotacion]:
        """Return rows, the newest first.

        ``limite``: how many, at most. ``antes_de``: only rows with a smaller number.
        """
        with self._conexion.transaction() as cursor:
            cursor.execute(_LISTA, {"limite": limite, "antes": antes_de})
            return [Anotacion.from_row(fila) for fila in cursor.fetchall()]

    def close(self) -> None:
        """Close the connections."""
        self._conexion.close()
        self._turno.close()
