"""``log_archivado``: one row for each run of the archiver, the restorer and the eraser."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from detection.errors import ConsumoError
from pipeline.stores.postgres.connection import Conexion

log = logging.getLogger(__name__)

COLUMNAS = (
    *("id", "fecha_archivado", "operacion", "registros_movidos"),
    *("espacio_liberado_mb", "estado", "desde", "hasta"),
)


class Anotacion:
    """The row of one run; ``registros`` is what has moved so far."""

    def __init__(self, clave: int) -> None:
        self._clave = clave
        self.registros = 0

    def add(self, cursor: Any, registros: int) -> None:
        """Add to the row, in the transaction that moves the readings."""
        if registros:
            cursor.execute(
                "UPDATE log_archivado SET registros_movidos = registros_movidos + %s WHERE id = %s",
                (registros, self._clave),
            )
            self.registros += registros

    def close(self, cursor: Any, estado: str, espacio_liberado_mb: float | None) -> None:
        """Say how the run ended."""
        cursor.execute(
            "UPDATE log_archivado SET estado = %s, espacio_liberado_mb = %s WHERE id = %s",
            (estado, espacio_liberado_mb, self._clave),
        )


@contextmanager
def open_log(
    conexion: Conexion, operacion: str, desde: date | None, hasta: date
) -> Iterator[Anotacion]:
    """Give the row of this run; an error that leaves the block makes it "fallido"."""
    with conexion.transaction() as cursor:
        # Nobody else runs, so whoever has not finished never will.
        cursor.execute("UPDATE log_archivado SET estado = 'interrumpido' WHERE estado = 'en curso'")
        cursor.execute(
            "INSERT INTO log_archivado (registros_movidos, estado, operacion, desde, hasta) "
            "VALUES (0, 'en curso', %s, %s, %s) RETURNING id",
            (operacion, desde, hasta),
        )
        (clave,) = cursor.fetchone()
    anotacion = Anotacion(clave)
    try:
        yield anotacion
    except Exception:
        try:
            with conexion.transaction() as cursor:
                anotacion.close(cursor, "fallido", None)
        except ConsumoError as error:
            log.debug("la ejecución %d queda sin cerrar: %s", clave, error)
        raise


def latest(conexion: Conexion, limite: int) -> list[dict[str, Any]]:
    """Return the latest runs, at most ``limite``, the newest first."""
    with conexion.transaction() as cursor:
        orden = f"SELECT {', '.join(COLUMNAS)} FROM log_archivado ORDER BY id DESC LIMIT %s"
        cursor.execute(orden, (limite,))
        return [dict(zip(COLUMNAS, fila, strict=True)) for fila in cursor]
