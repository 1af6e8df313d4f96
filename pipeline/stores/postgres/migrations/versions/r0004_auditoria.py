"""Who changed what through the API: rows that are only ever added.

Revision: 0004, after 0003.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

AUDITORIA = """
CREATE TABLE auditoria (
    id BIGSERIAL PRIMARY KEY,
    momento TIMESTAMPTZ NOT NULL DEFAULT now(),
    clave TEXT NOT NULL,
    rol VARCHAR(20) NOT NULL,
    accion VARCHAR(40) NOT NULL,
    objeto TEXT NOT NULL,
    detalle JSONB NOT NULL DEFAULT '{}',
    ip TEXT NOT NULL,
    peticion_id VARCHAR(64) NOT NULL,
    CONSTRAINT auditoria_rol CHECK (rol IN ('lectura', 'analista', 'administracion'))
);
CREATE INDEX idx_auditoria_objeto ON auditoria(objeto, id);

COMMENT ON TABLE auditoria IS 'Quién cambió qué por la API; solo admite filas nuevas';
COMMENT ON COLUMN auditoria.id IS 'Número de fila, creciente';
COMMENT ON COLUMN auditoria.momento IS 'Instante en que se pidió';
COMMENT ON COLUMN auditoria.clave IS
    'Nombre de la clave y comienzo de su huella; nunca la clave';
COMMENT ON COLUMN auditoria.rol IS 'Rol de la clave: lectura, analista o administracion';
COMMENT ON COLUMN auditoria.accion IS 'Qué se pidió, como «veredicto» o «promover»';
COMMENT ON COLUMN auditoria.objeto IS 'Sobre qué, como «anomalia 6745…» o «modelo 3»';
COMMENT ON COLUMN auditoria.detalle IS 'Con qué valores; «fallo» si al final no se hizo';
COMMENT ON COLUMN auditoria.ip IS 'Dirección desde la que se pidió';
COMMENT ON COLUMN auditoria.peticion_id IS 'Identificador de la petición en el registro de la API';
"""
# Whoever may write through the product may not rewrite what was done with it.
SOLO_ALTAS = """
CREATE FUNCTION auditoria_solo_altas() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'auditoria solo admite filas nuevas' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER auditoria_solo_altas BEFORE UPDATE OR DELETE OR TRUNCATE ON auditoria
    FOR EACH STATEMENT EXECUTE FUNCTION auditoria_solo_altas();
"""


def upgrade() -> None:
    """Create the table, closed to changes."""
    op.execute(AUDITORIA)
    op.execute(SOLO_ALTAS)


def downgrade() -> None:
    """Drop the table."""
    op.execute("DROP TABLE auditoria")
    op.execute("DROP FUNCTION auditoria_solo_altas()")
