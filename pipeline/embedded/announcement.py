"""Where the embedded services are, left where every verb of this folder looks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pipeline.embedded.probes import puerto_libre
from serving.settings import SERVICIOS_ENV, announced


@contextmanager
def announce(variables: Mapping[str, str], *, crear: bool = True) -> Iterator[None]:
    """Leave the variables in ``.consumo/servicios.env`` while the block runs.

    What others have left there stays while their PostgreSQL listens. What nobody listens behind
    was left by a process that could not take it away, and gives way.

    ``crear``: make the folder where there is none.
    """
    if _is_taken() or not (crear or SERVICIOS_ENV.parent.is_dir()):
        yield
        return
    SERVICIOS_ENV.parent.mkdir(exist_ok=True)
    texto = "".join(f"{clave}={valor}\n" for clave, valor in variables.items())
    nuevo = SERVICIOS_ENV.with_name(f"{SERVICIOS_ENV.name}.{os.getpid()}")
    nuevo.write_text(texto, "utf-8")
    nuevo.replace(SERVICIOS_ENV)
    try:
        yield
    finally:
        if SERVICIOS_ENV.exists() and SERVICIOS_ENV.read_text("utf-8") == texto:
            SERVICIOS_ENV.unlink()


def _is_taken() -> bool:
    puerto = announced().get("POSTGRES_PORT", "")
    return puerto.isdecimal() and not puerto_libre(int(puerto))
