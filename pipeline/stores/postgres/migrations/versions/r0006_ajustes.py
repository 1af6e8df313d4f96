"""What the stored data were written with, and would be wrong without: their zone.

Revision: 0006, after 0005.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

AJUSTES = """
CREATE TABLE ajustes (
    nombre VARCHAR(40) PRIMARY KEY,
    valor TEXT NOT NULL,
    desde TIMESTAMPTZ NOT NULL DEFAULT now()
);

COMMENT ON TABLE ajustes IS 'Con qué se escribieron los datos y no puede cambiar sobre ellos';
COMMENT ON COLUMN ajustes.nombre IS 'Variable, como «zona_horaria»';
COMMENT ON COLUMN ajustes.valor IS 'Su valor mientras haya datos';
COMMENT ON COLUMN ajustes.desde IS 'Instante en que se fijó';
"""


def upgrade() -> None:
    """Create the table, empty: the first process that starts says its zone."""
    op.execute(AJUSTES)


def downgrade() -> None:
    """Drop the table."""
    op.execute("DROP TABLE ajustes")
