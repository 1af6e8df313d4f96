"""The log: one line an event on standard error, time in UTC, Spanish text."""

from __future__ import annotations

import logging
import sys
import time


def configure_logs(nivel: str) -> None:
    """Send every logger's lines of at least ``nivel`` to standard error."""
    formato = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formato.converter = time.gmtime
    salida = logging.StreamHandler(sys.stderr)
    salida.setFormatter(formato)
    raiz = logging.getLogger()
    raiz.handlers[:] = [salida]
    raiz.setLevel(nivel)
    logging.getLogger("pymongo").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Its warnings are English, one for each try; who calls says in Spanish what came of them.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
