"""Heartbeats of the consumers: who reads, since when, and what it is waiting for.

Revision: 0007, after 0006.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

# Every row is written every few seconds: room in its page makes that an update in place.
CONSUMIDORES = """
CREATE TABLE consumidores (
    id UUID PRIMARY KEY,
    grupo TEXT NOT NULL,
    topic TEXT NOT NULL,
    maquina TEXT NOT NULL,
    proceso INTEGER NOT NULL,
    desde TIMESTAMPTZ NOT NULL DEFAULT now(),
    latido TIMESTAMPTZ NOT NULL DEFAULT now(),
    fin TIMESTAMPTZ,
    motivo TEXT NOT NULL DEFAULT '',
    particiones INTEGER[] NOT NULL DEFAULT '{}',
    lecturas BIGINT NOT NULL DEFAULT 0,
    ultimo_lote TIMESTAMPTZ,
    version_modelo TEXT NOT NULL DEFAULT '',
    modelo_rechazado TEXT NOT NULL DEFAULT '',
    rechazo TEXT NOT NULL DEFAULT '',
    espera TEXT NOT NULL DEFAULT '',
    espera_desde TIMESTAMPTZ
) WITH (fillfactor = 50);

COMMENT ON TABLE consumidores IS
    'Señales de vida de los consumidores; todas las horas son del reloj de este servidor';
COMMENT ON COLUMN consumidores.id IS 'Arranque de un consumidor';
COMMENT ON COLUMN consumidores.grupo IS 'Grupo de Kafka';
COMMENT ON COLUMN consumidores.topic IS 'Topic que lee';
COMMENT ON COLUMN consumidores.maquina IS 'Nombre de la máquina';
COMMENT ON COLUMN consumidores.proceso IS 'Número del proceso';
COMMENT ON COLUMN consumidores.desde IS 'Cuándo arrancó';
COMMENT ON COLUMN consumidores.latido IS 'Última señal de vida';
COMMENT ON COLUMN consumidores.fin IS 'Cuándo acabó por sí mismo; NULL = no lo ha dicho';
COMMENT ON COLUMN consumidores.motivo IS 'Error con el que acabó; vacío = se le pidió que parara';
COMMENT ON COLUMN consumidores.particiones IS 'Particiones que lee';
COMMENT ON COLUMN consumidores.lecturas IS 'Lecturas guardadas desde que arrancó';
COMMENT ON COLUMN consumidores.ultimo_lote IS 'Cuándo guardó el último lote';
COMMENT ON COLUMN consumidores.version_modelo IS 'Campeón que usa; vacío = solo las reglas';
COMMENT ON COLUMN consumidores.modelo_rechazado IS 'Versión que no ha querido usar';
COMMENT ON COLUMN consumidores.rechazo IS 'Por qué no la ha querido usar';
COMMENT ON COLUMN consumidores.espera IS 'A qué espera; vacío = a nada';
COMMENT ON COLUMN consumidores.espera_desde IS 'Desde cuándo espera';
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(CONSUMIDORES)


def downgrade() -> None:
    """Drop the table."""
    op.execute("DROP TABLE consumidores")
