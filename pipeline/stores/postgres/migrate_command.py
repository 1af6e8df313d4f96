"""``consumo migrar``: brings the database's schema to the newest revision."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pipeline.stores.postgres.migrations.apply import migrate
from serving.cli import HECHO, Parser, run
from serving.logs import configure_logs
from serving.settings import load_settings


def main(argv: Sequence[str]) -> int:
    """Return the exit status of ``consumo migrar``."""
    Parser(
        "consumo migrar",
        "Crea las tablas de PostgreSQL o las lleva a la última versión. Repetirlo no cambia nada.",
    ).parse_args(argv)
    settings = load_settings()
    configure_logs(settings.nivel_log)
    revision = migrate(settings)
    print(f"Esquema de {settings.postgres_db} en la revisión {revision}.")  # noqa: T201
    return HECHO


if __name__ == "__main__":
    sys.exit(run(main))
