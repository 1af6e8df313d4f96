"""What the utility knows of its customers: address, place, contracted power, tariff, transformer.

Revision: 0010, after 0009.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

CONTEXTO = """
CREATE TABLE contexto_clientes (
    propietario_id VARCHAR(20) COLLATE "C" PRIMARY KEY,
    direccion VARCHAR(200),
    latitud DOUBLE PRECISION,
    longitud DOUBLE PRECISION,
    potencia_contratada_kw DOUBLE PRECISION,
    tarifa VARCHAR(40),
    actividad VARCHAR(100),
    transformador VARCHAR(40),
    CONSTRAINT contexto_clientes_latitud CHECK (latitud BETWEEN -90 AND 90),
    CONSTRAINT contexto_clientes_longitud CHECK (longitud BETWEEN -180 AND 180),
    CONSTRAINT contexto_clientes_sitio CHECK ((latitud IS NULL) = (longitud IS NULL)),
    CONSTRAINT contexto_clientes_potencia CHECK (potencia_contratada_kw > 0)
);

CREATE INDEX contexto_clientes_por_transformador ON contexto_clientes (transformador);
CREATE INDEX contexto_clientes_por_tarifa ON contexto_clientes (tarifa, potencia_contratada_kw);

COMMENT ON TABLE contexto_clientes IS
    'Lo que la distribuidora sabe de cada cliente, si lo ha dado; lo que no se sabe es nulo';
COMMENT ON COLUMN contexto_clientes.propietario_id IS 'Cliente, de 1 a 20 caracteres';
COMMENT ON COLUMN contexto_clientes.direccion IS 'Dirección';
COMMENT ON COLUMN contexto_clientes.latitud IS 'Grados, WGS 84';
COMMENT ON COLUMN contexto_clientes.longitud IS 'Grados, WGS 84';
COMMENT ON COLUMN contexto_clientes.potencia_contratada_kw IS 'Potencia contratada, kW';
COMMENT ON COLUMN contexto_clientes.tarifa IS 'Tarifa de acceso';
COMMENT ON COLUMN contexto_clientes.actividad IS 'A qué se dedica';
COMMENT ON COLUMN contexto_clientes.transformador IS 'Transformador del que cuelga';
"""


def upgrade() -> None:
    """Create the table, empty: nobody has to fill it."""
    op.execute(CONTEXTO)


def downgrade() -> None:
    """Drop the table."""
    op.execute("DROP TABLE contexto_clientes")
