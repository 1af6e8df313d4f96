"""What registered versions are called, and what is known of one (contract 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

EXPERIMENTO = "consumo"
MODELO = "consumo-detector"
CAMPEON = "champion"
ASPIRANTE = "challenger"


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """A registered version, as MLflow knows it.

    Parameters
    ----------
    version : int
        From 1 on.
    creada : datetime
        UTC.
    etiquetas : mapping of str to str
    metricas : mapping of str to float
        Those of the run that made it.
    alias : tuple of str
        E.g. ("champion",).
    """

    version: int
    creada: datetime
    etiquetas: Mapping[str, str]
    metricas: Mapping[str, float]
    alias: tuple[str, ...]
