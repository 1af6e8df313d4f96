"""All detectors: the rules in the order of their bits, and how each is calibrated.

A new rule is a file here with a class (``measurement.AnomalyDetector``), its line in
``DETECTORES``, and its name in ``domain.TipoAnomalia``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

from detection.measurement import AnomalyDetector
from detection.models.detectors import OfflineModelDetector, OnlineModelDetector
from detection.params import Calibracion, Params
from detection.rules.cannabis import PlantacionCannabis
from detection.rules.constant import ConsumoConstante
from detection.rules.fraud import Fraude
from detection.rules.night import ConsumoNocheAnomalo
from detection.rules.statistical import DesviacionEstadistica, PicoConsumo

DETECTORES: tuple[AnomalyDetector, ...] = (
    DesviacionEstadistica(),
    PicoConsumo(),
    ConsumoNocheAnomalo(),
    ConsumoConstante(),
    PlantacionCannabis(),
    Fraude(),
)
"""The rules: position i is bit i of a verdict's ``tipos``, so it follows ``TIPOS``."""

CALIBRACIONES: Mapping[str, Calibracion] = {
    str(detector.nombre): detector.calibracion
    for detector in (*DETECTORES, OnlineModelDetector(), OfflineModelDetector())
}
"""The population's calibration of each detector, by name; a version may bring its own."""


def rules_fingerprint(params: Params) -> str:
    """Return 12 hexadecimal digits that change when any threshold or calibration does.

    Examples
    --------
    >>> rules_fingerprint(Params()) == rules_fingerprint(Params(sigmas=4.0))
    False
    """
    calibraciones = {nombre: asdict(c) for nombre, c in CALIBRACIONES.items()}
    texto = json.dumps([asdict(params), calibraciones], sort_keys=True)
    return hashlib.sha256(texto.encode()).hexdigest()[:12]
