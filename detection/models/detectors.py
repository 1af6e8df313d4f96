"""The two models as detectors: how rare a reading is, by what nobody wrote a rule for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detection.domain import TipoAnomalia
from detection.features.context import Context
from detection.features.hourly import describe_feature
from detection.measurement import Measurement
from detection.models.isolation_forest import FlatIsolationForest
from detection.models.tails import EmpiricalTail
from detection.number_format import numero
from detection.params import Calibracion, Params

# A model's excess is tasa / p, p being its empirical tail probability: exponent 1 gives p back.
# It fires where p says once a month: at once a week each of them would spend the whole budget.
_TASA, _ALFA = 1.5e-3, 1.0


class OnlineModelDetector:
    """River's half-space trees of the reading's partition.

    Its score depends on what the partition's earlier readings taught it, so the blend asks it,
    reading after reading; here is only what its sentence needs.
    """

    nombre = TipoAnomalia.MODELO_ONLINE
    calibracion = Calibracion(_TASA, _ALFA, 1.0, 0.15)

    def measure(self, context: Context, params: Params) -> Measurement:
        """Return no vote yet, and the features that stray most."""
        return _unusual(context)

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return how rare, and what is unusual about it."""
        return _sentence(
            "entre lecturas limpias, según lo que el modelo aprende sobre la marcha", datos
        )


class OfflineModelDetector:
    """The isolation forest of the version in use (Liu, Ting & Zhou, ICDM 2008).

    ``forest``: None = there is no version in use, and it is not ready. ``tail``: of its scores.
    """

    nombre = TipoAnomalia.MODELO_OFFLINE
    calibracion = Calibracion(_TASA, _ALFA, 1.0, 0.60)

    def __init__(
        self, forest: FlatIsolationForest | None = None, tail: EmpiricalTail | None = None
    ) -> None:
        self._forest = forest
        self._tail = tail

    def measure(self, context: Context, params: Params) -> Measurement:
        """Return how much rarer than its threshold each reading is, and what strays most."""
        measurement = _unusual(context)
        if self._forest is not None and self._tail is not None:
            log_p = self._tail.log_p_of(self._forest.scores(context.rasgos))
            measurement.exceso[:] = self.calibracion.tasa * np.exp(-log_p)
            measurement.dispara[:] = measurement.exceso > 1.0
            measurement.datos[:, 0] = measurement.exceso / self.calibracion.tasa
        return measurement

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return how rare, and what is unusual about it."""
        return _sentence(
            "entre lecturas limpias, según la historia con que se entrenó el modelo", datos
        )


def _unusual(context: Context) -> Measurement:
    measurement = Measurement.not_ready(len(context))
    measurement.datos[:, 1:] = context.inusuales
    return measurement


def _sentence(frente_a: str, datos: Sequence[float]) -> str:
    una_de_cada, primero, valor, segundo, otro = datos
    if una_de_cada < 10.0:
        return f"Lectura corriente para {frente_a}."
    return (
        f"Lectura rara para {frente_a}: solo una de cada {numero(una_de_cada, 0)} lecturas "
        f"limpias lo es tanto; lo que más se aparta: {describe_feature(int(primero), valor)} y "
        f"{describe_feature(int(segundo), otro)}."
    )
