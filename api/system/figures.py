"""What the metrics say of cases, the champion, drift, nights and alerts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from pipeline.stores.mongo.query_gauges import MongoGauges, StoreGauges
from serving.consumer_health import seconds_since
from serving.health import CHAMPION, HealthMonitor, PartHealth
from serving.metrics import SystemFigures
from serving.model_versions import CAMPEON
from serving.registry import ModelRegistry
from serving.settings import Settings

CUENTAS = "cuentas"
"""What the figures of MongoDB are called among those that are asked for."""
SEMAFOROS = ("verde", "ámbar", "rojo")


def _champion_age(registro: ModelRegistry) -> tuple[int, datetime] | None:
    """Return the champion and when it was registered; None = there is none."""
    version = registro.version_of(CAMPEON)
    return None if version is None else (version, registro.created(version))


class SystemReader:
    """Reads what only the metrics ask for: of MongoDB, and the champion's age.

    ``segundos``: rising seconds.
    """

    def __init__(
        self, settings: Settings, registro: ModelRegistry, segundos: Callable[[], float]
    ) -> None:
        self._cuentas = MongoGauges(settings)
        self._monitor = HealthMonitor(
            {CUENTAS: self._cuentas.read, CHAMPION: partial(_champion_age, registro)}, segundos
        )

    def read(self, servidores: Mapping[str, PartHealth], ahora: datetime) -> SystemFigures:
        """Return how the servers were found, and the rest as of now or of a moment ago."""
        partes = {nombre: parte.mal is None for nombre, parte in servidores.items()}
        medidas = self._monitor.look()
        campeon, cuentas = medidas[CHAMPION].dato, medidas[CUENTAS].dato
        cifras = SystemFigures(partes, {})
        if isinstance(cuentas, StoreGauges):
            cifras = SystemFigures(
                partes,
                cuentas.casos,
                deriva=_drift(cuentas.deriva, ahora) or cifras.deriva,
                noche=_night(cuentas.noche, ahora) or cifras.noche,
                avisos=(cuentas.avisa, cuentas.avisos_pendientes),
            )
        if isinstance(campeon, tuple):
            version, creada = campeon
            cifras = replace(cifras, campeon=(version, seconds_since(creada, ahora)))
        return cifras

    def close(self) -> None:
        """Close every connection."""
        self._monitor.close()
        self._cuentas.close()


def _drift(informe: Mapping[str, Any] | None, ahora: datetime) -> tuple[float, float, float] | None:
    if informe is None:
        return None
    movidas = informe.get("resumen", {}).get("fraccion_movidas", math.nan)
    edad = seconds_since(informe["fecha"], ahora)
    return SEMAFOROS.index(informe["semaforo"]), movidas, edad


def _night(noche: Mapping[str, Any] | None, ahora: datetime) -> tuple[float, float] | None:
    if noche is None:
        return None
    return len(noche["fallidos"]), seconds_since(noche["fin"], ahora)
