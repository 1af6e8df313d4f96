"""What the case clock remembers of each customer: where it stands, and thirteen months of days.

Revision: 0008, after 0007.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

# The row of a customer is written once a day, and so is its page of the month: with half of a page
# free, the new row lies beside the old one and the index is left alone (HOT). Pages are twelve to
# one of the server's and mostly of months that are over, so they have none.
MEMORIA = """
CREATE TABLE memoria_clientes (
    propietario_id VARCHAR(20) COLLATE "C" PRIMARY KEY,
    hoy DATE NOT NULL,
    primero DATE NOT NULL,
    sucio DATE,
    inicio DATE,
    apertura DATE,
    niveles BYTEA NOT NULL,
    CONSTRAINT memoria_clientes_niveles CHECK (octet_length(niveles) = 16)
) WITH (fillfactor = 50);

COMMENT ON TABLE memoria_clientes IS 'Dónde está el reloj de los casos en cada cliente';
COMMENT ON COLUMN memoria_clientes.propietario_id IS 'Cliente, de 1 a 20 caracteres';
COMMENT ON COLUMN memoria_clientes.hoy IS
    'Día local de su última lectura; los anteriores están cerrados';
COMMENT ON COLUMN memoria_clientes.primero IS 'Día más antiguo que se recuerda';
COMMENT ON COLUMN memoria_clientes.sucio IS
    'Primer día cerrado que ha cambiado desde entonces; nulo = ninguno';
COMMENT ON COLUMN memoria_clientes.inicio IS
    'Primer día distinto del caso abierto; nulo = no hay caso';
COMMENT ON COLUMN memoria_clientes.apertura IS
    'Día a cuyo final se abrió el caso; nulo = no hay caso';
COMMENT ON COLUMN memoria_clientes.niveles IS
    'Nivel medio de cada bloque de horas antes del caso abierto y desde él, un byte cada uno';

CREATE TABLE memoria_dias (
    propietario_id VARCHAR(20) COLLATE "C",
    mes DATE,
    dias BYTEA NOT NULL,
    PRIMARY KEY (propietario_id, mes),
    CONSTRAINT memoria_dias_mes CHECK (EXTRACT(day FROM mes) = 1),
    CONSTRAINT memoria_dias_dias CHECK (octet_length(dias) = 589)
);

COMMENT ON TABLE memoria_dias IS 'Los días de cada cliente que el reloj de los casos recuerda';
COMMENT ON COLUMN memoria_dias.propietario_id IS 'Cliente, de 1 a 20 caracteres';
COMMENT ON COLUMN memoria_dias.mes IS 'Primer día del mes';
COMMENT ON COLUMN memoria_dias.dias IS
    '31 días de 19 bytes: 18 cantidades del día y lo que se pensó al acabar';
"""


def upgrade() -> None:
    """Create the two tables, empty: the history fills them."""
    op.execute(MEMORIA)


def downgrade() -> None:
    """Drop the two tables."""
    op.execute("DROP TABLE memoria_dias, memoria_clientes")
