"""The routes of the API, by what they are about."""

from __future__ import annotations

from fastapi import APIRouter

from api.anomalies.events import router as events
from api.anomalies.figures import router as figures
from api.anomalies.incidents import router as incidents
from api.anomalies.reviews import router as reviews
from api.anomalies.routes import router as anomalies
from api.customers.routes import router as customers
from api.models.drift import router as drift
from api.models.routes import router as models
from api.readings.months import router as months
from api.readings.routes import router as readings
from api.stats.overview import router as overview
from api.stats.routes import router as stats

ROUTERS: tuple[APIRouter, ...] = (
    readings,
    months,
    # Before anomalies, whose last path takes whatever is left.
    events,
    reviews,
    figures,
    anomalies,
    incidents,
    customers,
    stats,
    overview,
    models,
    drift,
)
"""Everything under ``/api``, in the order in which the documentation shows it."""
