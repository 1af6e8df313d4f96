"""Whether a customer exists, for those routes that are about one."""

from __future__ import annotations

import logging

from fastapi import HTTPException

from api.deps import Recursos
from detection.errors import TransientError
from pipeline.stores.query_ports import HistoryQueries

log = logging.getLogger("api")

NO_EXISTE = "Nunca ha habido una lectura de ese cliente"
"""What the 404 of such a route means, for the documentation."""


def check_cliente(historico: HistoryQueries, propietario_id: str) -> None:
    """Return if there has ever been a reading of a customer; 404 otherwise."""
    if not historico.readings.exists(propietario_id):
        raise HTTPException(404, f"no existe el cliente «{propietario_id}»")


def check_cliente_sin_nada(recursos: Recursos, propietario_id: str) -> None:
    """Return if a customer of whom MongoDB has nothing exists; 404 otherwise.

    Only the history knows. While it is away, "nothing" is still true of a customer, and better
    than no answer.
    """
    try:
        recursos.preparacion.check()
        check_cliente(recursos.historico, propietario_id)
    except TransientError as error:
        log.warning("no se sabe si existe un cliente: %s", error)
