"""${message}.

Revision: ${up_revision}, after ${down_revision | comma,n}.
"""

from __future__ import annotations

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.execute("""${upgrades if upgrades else "SELECT 1"}""")


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.execute("""${downgrades if downgrades else "SELECT 1"}""")
