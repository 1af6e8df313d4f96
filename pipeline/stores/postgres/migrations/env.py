"""Alembic's way in: it runs the revisions on the connection that ``aplicar`` hands over."""

from __future__ import annotations

from alembic import context

# Alembic gives the module ``context`` a ``config`` only while it runs this file; imported by
# anybody else (a test collector, an editor) the file does nothing.
if hasattr(context, "config"):
    # ``aplicar`` holds the lock and the transaction: a revision that fails leaves nothing behind.
    context.configure(connection=context.config.attributes["connection"], target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()
