"""Where a customer's case of innocent kind stands, beside its other case.

Revision: 0009, after 0008.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

COLUMNAS = """
ALTER TABLE memoria_clientes
    ADD COLUMN inocente_inicio DATE,
    ADD COLUMN inocente_apertura DATE,
    ADD COLUMN inocente_cierre DATE,
    ADD COLUMN inocente_tipo INTEGER;

COMMENT ON COLUMN memoria_clientes.inocente_inicio IS
    'Primer día distinto del caso de clase inocente; nulo = no hay';
COMMENT ON COLUMN memoria_clientes.inocente_apertura IS
    'Día a cuyo final se abrió el caso de clase inocente; nulo = no hay';
COMMENT ON COLUMN memoria_clientes.inocente_cierre IS
    'Día a cuyo final acabó el caso de clase inocente; nulo = sigue, o no hay';
COMMENT ON COLUMN memoria_clientes.inocente_tipo IS
    'Qué parece, por su puesto entre las clases inocentes, desde 0; nulo = no hay caso';
"""


def upgrade() -> None:
    """Add the columns, empty: the next days fill them."""
    op.execute(COLUMNAS)


def downgrade() -> None:
    """Drop the columns."""
    op.execute(
        "ALTER TABLE memoria_clientes DROP COLUMN inocente_inicio, DROP COLUMN inocente_apertura, "
        "DROP COLUMN inocente_cierre, DROP COLUMN inocente_tipo"
    )
