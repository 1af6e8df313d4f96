"""The routes of the API, by what they are about."""

from __future__ import annotations

from fastapi import APIRouter

from api.routes import (
    anomalias,
    cifras,
    clientes,
    consumos,
    deriva,
    estadisticas,
    eventos,
    incidencias,
    meses,
    modelos,
    tablero,
    veredictos,
)

ROUTERS: tuple[APIRouter, ...] = (
    consumos.router,
    meses.router,
    # Before anomalias, whose last path takes whatever is left.
    eventos.router,
    veredictos.router,
    cifras.router,
    anomalias.router,
    incidencias.router,
    clientes.router,
    estadisticas.router,
    tablero.router,
    modelos.router,
    deriva.router,
)
"""Everything under ``/api``, in the order in which the documentation shows it."""
