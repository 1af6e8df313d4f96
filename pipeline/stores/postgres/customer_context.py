"""What the utility knows of customers, as it is written: ``contexto_clientes``."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg2.extras import execute_values

from pipeline.stores.customer_context import CAMPOS_CONTEXTO, ContextoCliente
from pipeline.stores.postgres.connection import Conexion
from serving.settings import Settings

_FILAS = 1_000
"""Rows of a statement."""
_CAMPOS = ", ".join(CAMPOS_CONTEXTO)
_ESTABAN = ", ".join(f"c.{campo}" for campo in CAMPOS_CONTEXTO)
_QUEDAN = ", ".join(f"coalesce(excluded.{campo}, c.{campo})" for campo in CAMPOS_CONTEXTO)
_GUARDA = f"""
INSERT INTO contexto_clientes AS c (propietario_id, {_CAMPOS}) VALUES %s
ON CONFLICT (propietario_id) DO UPDATE SET ({_CAMPOS}) = ROW({_QUEDAN})
WHERE ROW({_ESTABAN}) IS DISTINCT FROM ROW({_QUEDAN})
"""
_SIN_LECTURAS = """
SELECT count(*) FROM unnest(%(clientes)s::text[]) AS p(propietario_id)
WHERE NOT EXISTS (
    SELECT FROM consumos_historia AS c WHERE c.propietario_id = p.propietario_id OFFSET 0
)
"""
_QUITA = """
DELETE FROM contexto_clientes WHERE propietario_id = ANY(%(clientes)s) RETURNING propietario_id
"""


class PostgresContextStore:
    """The table ``contexto_clientes`` for whoever fills it (``ContextStore``)."""

    def __init__(self, settings: Settings) -> None:
        self._conexion = Conexion(settings, "consumo contexto")

    def save(self, contextos: Sequence[ContextoCliente]) -> None:
        """Add what is known of distinct customers, all of it or nothing."""
        # In the order of their keys, so that two writers never wait for each other in a circle.
        filas = sorted((tuple(dict(uno).values()) for uno in contextos), key=lambda fila: fila[0])
        with self._conexion.transaction() as cursor:
            execute_values(cursor, _GUARDA, filas, page_size=_FILAS)

    def without_readings(self, propietario_ids: Sequence[str]) -> int:
        """Return how many of some customers have never had a reading."""
        with self._conexion.transaction() as cursor:
            cursor.execute(_SIN_LECTURAS, {"clientes": list(propietario_ids)})
            (cuantos,) = cursor.fetchone()
        return int(cuantos)

    def delete(self, propietario_ids: Sequence[str]) -> list[str]:
        """Return of which customers something was known; now nothing is."""
        with self._conexion.transaction() as cursor:
            cursor.execute(_QUITA, {"clientes": list(propietario_ids)})
            return sorted(cliente for (cliente,) in cursor.fetchall())

    def close(self) -> None:
        """Close the connection."""
        self._conexion.close()
