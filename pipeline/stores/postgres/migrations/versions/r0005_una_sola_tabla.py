"""Readings that a restoring left in both tables, or in the archive although their day is not.

Revision: 0005, after 0004. Until then a correction that came while its day was being restored could
be stored a second time (``postgres_dias`` says why that is over).
"""

from __future__ import annotations

import logging

import sqlalchemy
from alembic import op

revision = "0005"
down_revision = "0004"

log = logging.getLogger(__name__)

# No save under way, and none until this is over: the lock of ``postgres_dias``.
CERROJO = "SELECT pg_advisory_xact_lock(1684627827)"
# Both tables have the same months, so each is compared with itself alone.
DOBLES = """
SET LOCAL enable_partitionwise_join = on;
CREATE TEMP TABLE dobles ON COMMIT DROP AS
SELECT propietario_id, timestamp_consumo,
    a.timestamp_procesado > d.timestamp_procesado AS queda_archivada
FROM consumos_diarios AS d JOIN consumos_diarios_archivo AS a
    USING (propietario_id, timestamp_consumo);
ANALYZE dobles;
"""
QUITAR = """
DELETE FROM {tabla} AS c USING dobles AS r
WHERE (c.propietario_id, c.timestamp_consumo) = (r.propietario_id, r.timestamp_consumo)
  AND {cuales}
"""
SIN_MARCA = """
CREATE TEMP TABLE sin_marca ON COMMIT DROP AS
SELECT fecha, r.fecha IS NOT NULL AS restaurado
FROM (SELECT DISTINCT fecha FROM consumos_diarios_archivo) AS a
LEFT JOIN dias_archivados AS r USING (fecha) WHERE r.en_archivo IS NOT true;
INSERT INTO dias_archivados (fecha, en_archivo)
SELECT fecha, true FROM sin_marca WHERE NOT restaurado;
SELECT crear_particion('consumos_diarios', mes::date) FROM (
    SELECT DISTINCT date_trunc('month', timestamp_consumo AT TIME ZONE 'UTC') AS mes
    FROM consumos_diarios_archivo JOIN sin_marca USING (fecha) WHERE restaurado
) AS meses;
"""
DEVOLVER = """
WITH fuera AS (
    DELETE FROM consumos_diarios_archivo AS a USING sin_marca AS s
    WHERE a.fecha = s.fecha AND s.restaurado RETURNING a.*
)
INSERT INTO consumos_diarios SELECT * FROM fuera
"""


def upgrade() -> None:
    """Leave each reading in one table, in its newest form, and that table its day's."""
    op.execute(CERROJO)
    op.execute(DOBLES)
    dobles = _run(QUITAR.format(tabla="consumos_diarios", cuales="queda_archivada"))
    dobles += _run(QUITAR.format(tabla="consumos_diarios_archivo", cuales="NOT queda_archivada"))
    op.execute(SIN_MARCA)
    devueltas = _run(DEVOLVER)
    if dobles:
        log.warning("%d lecturas estaban en las dos tablas: queda la última de cada una", dobles)
    if devueltas:
        log.warning("%d lecturas de días ya restaurados vuelven del archivo", devueltas)


def downgrade() -> None:
    """Do nothing: the tables are as they were meant to be."""


def _run(orden: str) -> int:
    """Return how many rows a statement wrote."""
    return int(op.get_bind().execute(sqlalchemy.text(orden)).rowcount)
