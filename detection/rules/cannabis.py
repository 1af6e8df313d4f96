"""Indoor cannabis: lamps that are on 18 hours a day while plants grow and 12 while they flower.

What the meter shows is a high, flat plateau of 12 or 18 hours that returns every day at the same
hours. The detector fits that two-level cycle to the last three days, and to the last one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detection.domain import TipoAnomalia
from detection.features.context import Context
from detection.jit import jit
from detection.measurement import Measurement
from detection.memory.recent_days import PRIMER_DIA_PASADO
from detection.number_format import kwh, porcentaje
from detection.params import DIAS_VENTANA, HORAS_VENTANA, Calibracion, Params

DIAS_CICLO = 3
"""Days of the longer fit. By hand, 2026-11-24: three equal days are a cycle, two may be chance."""

_YA_ERA_ASI = 0.5
"""A step that reached half of today's before is the customer's custom (a shop, a workshop).
By hand, 2026-11-24."""
_EXCESO_YA_ERA_ASI = 1.2
"""... and cannot say more than low severity."""


class PlantacionCannabis:
    """A lamp-like load: a high, flat plateau on a 12/12 or 18/6 cycle."""

    nombre = TipoAnomalia.PLANTACION_CANNABIS
    calibracion = Calibracion(6.0e-3, 3.5, 1.0, 1.00)  # by hand, 2026-11-24

    def measure(self, context: Context, params: Params) -> Measurement:
        """Return how clearly the cycle stands out; not ready before three complete days.

        The excess is the least of three: unexplained variance allowed over unexplained variance
        found, the step in kWh over one lamp, the step over the customer's usual hourly mean.
        """
        measurement = Measurement.not_ready(len(context))
        _fit(
            context.windows, context.days, params.plantacion_r2, params.plantacion_r2_un_dia,
            params.plantacion_contraste_kwh, params.plantacion_contraste, measurement.exceso,
            measurement.datos,
        )  # fmt: skip
        np.greater(measurement.exceso, 1.0, out=measurement.dispara)
        return measurement

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return the cycle, its hours, its step and how well it fits."""
        horas, desde, escalon, r2, dias = datos
        if horas == 0:
            return "No hay un ciclo de 12 o 18 horas de carga alta y constante."
        hasta = int(desde + horas) % 24
        cuanto = "el último día" if dias == 1 else f"{int(dias)} días"
        return (
            f"Carga de {kwh(escalon)} por hora encendida {int(horas)} horas, de {int(desde)} a "
            f"{hasta} h, durante {cuanto}; ese ciclo explica el {porcentaje(r2)} de la variación "
            f"(lámparas {int(horas)}/{int(24 - horas)})."
        )


@jit()
def _best_cycle(perfil, total_ss, dias):  # type: ignore[no-untyped-def]
    """Return (r2, hours on, first column, step) of the two-level cycle that explains most.

    ``perfil`` (48,) is the mean day, twice in a row.
    """
    suma = 0.0
    for c in range(24):
        suma += perfil[c]
    mejor = (0.0, 0, 0, 0.0)
    mejor_ss = 0.0
    for horas in (12, 18):
        dentro = 0.0
        for c in range(horas):
            dentro += perfil[c]
        mayor = dentro
        primera = 0
        for c in range(1, 24):
            dentro += perfil[c + horas - 1] - perfil[c - 1]
            if dentro > mayor:
                mayor = dentro
                primera = c
        escalon = mayor / horas - (suma - mayor) / (24 - horas)
        explicada = dias * horas * (24 - horas) / 24.0 * escalon * escalon
        if escalon > 0.0 and explicada > mejor_ss:
            mejor_ss = explicada
            mejor = (min(explicada / total_ss, 0.999), horas, primera, escalon)
    return mejor


@jit()
def _profile(ventana, i, dias, perfil):  # type: ignore[no-untyped-def]
    """Fill the mean of the last days, twice in a row; return their sum of squares, NaN if holed."""
    suma = 0.0
    cuadrados = 0.0
    for c in range(24):
        perfil[c] = 0.0
    for d in range(dias):
        base = HORAS_VENTANA + 1 - 24 * (d + 1)
        for c in range(24):
            v = float(ventana[i, base + c])
            perfil[c] += v
            cuadrados += v * v
    for c in range(24):
        suma += perfil[c]
        perfil[c] /= dias
        perfil[c + 24] = perfil[c]
    return cuadrados - suma * suma / (24 * dias)


@jit()
def _already_so(antes, i, horas, primera, escalon):  # type: ignore[no-untyped-def]
    """Return whether the customer had such a step, at those hours, before."""
    dentro = 0.0
    fuera = 0.0
    for c in range(24):
        if (c - primera) % 24 < horas:
            dentro += antes[i, c] / horas
        else:
            fuera += antes[i, c] / (24 - horas)
    return dentro - fuera > _YA_ERA_ASI * escalon


@jit()
def _fit(windows, days, r2_min, r2_min_dia, paso_kwh, paso, exceso, datos):  # type: ignore[no-untyped-def]
    perfil = np.empty(48, np.float64)
    for i in range(exceso.shape[0]):
        habitual = 0.0
        n_habitual = 0
        for d in range(PRIMER_DIA_PASADO, DIAS_VENTANA):
            if not np.isnan(days.total_kwh[i, d]):
                habitual += days.total_kwh[i, d] / 24.0
                n_habitual += 1
        paso_minimo = paso_kwh
        if n_habitual > 0:
            paso_minimo = max(paso_minimo, paso * habitual / n_habitual)
        mejor = -1.0
        for dias in (DIAS_CICLO, 1):
            if dias == 1 and n_habitual == 0:
                continue
            ss = _profile(windows.ventana, i, dias, perfil)
            if np.isnan(ss):
                continue
            r2, horas, primera, escalon = _best_cycle(perfil, ss, dias)
            minimo = r2_min if dias == DIAS_CICLO else r2_min_dia
            e = min((1.0 - minimo) / (1.0 - r2), escalon / paso_minimo)
            if e > 1.0 and _already_so(days.perfil_pasado, i, horas, primera, escalon):
                e = min(e, _EXCESO_YA_ERA_ASI)
            if e > mejor:
                mejor = e
                datos[i, 0] = horas
                datos[i, 1] = (windows.hora_local[i] + 1 + primera) % 24
                datos[i, 2] = escalon
                datos[i, 3] = r2
                datos[i, 4] = dias
        if mejor >= 0.0:
            exceso[i] = mejor
