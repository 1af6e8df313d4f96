"""Deviation and rise, each against the same hour of the customer's last 28 days."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detection.domain import TipoAnomalia
from detection.features.context import Context
from detection.measurement import Measurement
from detection.number_format import kwh, numero, porcentaje
from detection.params import Calibracion, Params

# Rates and exponents: measured on 321 clean public households (Switzerland, Belgium, California,
# London): |z| > 3 in 2.6 to 3.5 % of hours with exponent 1.9 to 2.6, rises over 150 % in 2.2 to
# 5.9 % with exponent 1.5 to 1.7.
_CLASES = ("a esta hora", "a esta hora en días laborables", "a esta hora en fin de semana")
_SIGMA_RELATIVA_MINIMA = 1e-6
"""Below this share of the mean a history has no spread but rounding: sigma says nothing."""


class DesviacionEstadistica:
    """More than 3 sigma from the same hour of the last 28 days, up or down."""

    nombre = TipoAnomalia.DESVIACION_ESTADISTICA
    calibracion = Calibracion(3.0e-2, 2.0, 1.0, 0.60)

    def measure(self, context: Context, params: Params) -> Measurement:
        """Return |z| over the threshold; not ready while the history is short or has no spread.

        It fires by |z| alone. What counts for the score is z in units of its own spread: with a
        mean and a sigma out of n readings z follows Student's t, whose variance is
        ``(n + 1) / n * (n - 1) / (n - 3)``, so eight weekend hours prove less than twenty.
        """
        measurement = Measurement.not_ready(len(context))
        r = context.reference
        con_sigma = r.sigma_kwh > _SIGMA_RELATIVA_MINIMA * r.media_kwh
        z = np.full(len(context), np.nan)
        np.divide(context.windows.consumo_kwh - r.media_kwh, r.sigma_kwh, out=z, where=con_sigma)
        n = np.maximum(r.dias.astype(np.float64), 4.0)
        measurement.exceso[:] = (
            np.abs(z) / params.sigmas * np.sqrt((n * (n - 3)) / ((n + 1) * (n - 1)))
        )
        measurement.dispara[:] = np.abs(z) > params.sigmas
        measurement.datos[:, 0] = z
        measurement.datos[:, 1] = r.media_kwh
        measurement.datos[:, 2] = r.sigma_kwh
        measurement.datos[:, 3] = r.dias
        measurement.datos[:, 4] = r.clase
        return measurement

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return how many sigmas away, and from what."""
        z, media, sigma, dias, clase = datos
        lado = "por encima" if z > 0 else "por debajo"
        return (
            f"{kwh(consumo_kwh)}: {numero(abs(z), 1)} sigmas {lado} de los "
            f"{kwh(media)} (sigma {kwh(sigma)}) de {int(dias)} lecturas "
            f"{_CLASES[int(clase)]}."
        )


class PicoConsumo:
    """A rise of more than 150 % over the expected consumption."""

    nombre = TipoAnomalia.PICO_CONSUMO
    calibracion = Calibracion(4.5e-2, 1.6, 1.0, 0.60)

    def measure(self, context: Context, params: Params) -> Measurement:
        """Return the rise over the threshold; not ready where nothing at all is expected."""
        measurement = Measurement.not_ready(len(context))
        r = context.reference
        sube = np.full(len(context), np.nan)
        np.divide(
            context.windows.consumo_kwh - r.media_kwh, r.media_kwh, out=sube, where=r.media_kwh > 0
        )
        measurement.exceso[:] = np.maximum(sube, 0.0) / params.incremento
        measurement.dispara[:] = sube > params.incremento
        measurement.datos[:, 0] = sube
        measurement.datos[:, 1] = r.media_kwh
        measurement.datos[:, 3] = r.dias
        measurement.datos[:, 4] = r.clase
        return measurement

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return the rise in per cent, and over what."""
        sube, media, _, dias, clase = datos
        cambio = f"un {porcentaje(abs(sube))} {'más' if sube >= 0 else 'menos'} que"
        return (
            f"{kwh(consumo_kwh)}: {cambio} los {kwh(media)} esperados "
            f"(media de {int(dias)} lecturas {_CLASES[int(clase)]})."
        )
