"""The schema of PostgreSQL: Alembic's environment and one raw-SQL file a revision."""
