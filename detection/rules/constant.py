"""Readings that stand still, hour after hour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detection.domain import TipoAnomalia
from detection.features.context import Context
from detection.jit import jit
from detection.measurement import Measurement
from detection.number_format import kwh
from detection.params import HORAS_VENTANA, Calibracion, Params

_EXCESO_DE_UN_PASO = 1.2
"""What a run of one or two steps of the meter's resolution can reach: low severity. By hand,
2026-11-24."""


class ConsumoConstante:
    """The same value hour after hour, as no inhabited home shows."""

    nombre = TipoAnomalia.CONSUMO_CONSTANTE
    calibracion = Calibracion(5.0e-3, 4.0, 1.0, 0.90)  # by hand, 2026-11-24

    def measure(self, context: Context, params: Params) -> Measurement:
        """Return the run of equal readings over the threshold.

        24 hours, or 72 of zeros after something else; half as long again as the longest run that
        the customer has had before. A supply that has never read anything but zero never fires.
        """
        measurement = Measurement.not_ready(len(context))
        w, m = context.windows, measurement
        _constant(
            w.consumo_kwh, w.ventana, context.days.total_kwh, params.constante_horas,
            params.constante_horas_cero, params.constante_tolerancia, params.constante_dias_minimos,
            m.exceso, m.dispara, m.datos,
        )  # fmt: skip
        return measurement

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return how long the meter has stood still."""
        racha, antes = int(datos[0]), int(datos[1])
        if racha < 2:
            return f"El consumo varía: {kwh(consumo_kwh)} tras un valor distinto."
        if racha < params.constante_horas:
            return f"{racha} horas seguidas en {kwh(consumo_kwh)}."
        previo = f"su racha más larga antes fue de {antes}" if antes > 1 else "antes variaba"
        tope = " o más" if racha > HORAS_VENTANA else ""
        return f"{racha}{tope} horas seguidas en {kwh(consumo_kwh)}; {previo}."


@jit()
def _constant(kwh_, ventana, total, horas, horas_cero, tolerancia, dias_minimos, exceso, dispara,  # type: ignore[no-untyped-def]
              datos):  # fmt: skip
    for i in range(kwh_.shape[0]):
        dias = 0
        for d in range(total.shape[1]):
            dias += not np.isnan(total[i, d])
        if dias < dias_minimos:
            continue
        x = kwh_[i]
        margen = tolerancia * x
        racha = 1
        j = HORAS_VENTANA - 1
        while j >= 0 and abs(ventana[i, j] - x) <= margen:
            racha += 1
            j -= 1
        limite = float(horas if x > 0.0 else horas_cero)
        antes = 0
        # Only a run that might fire is worth the walk through the rest of the window.
        if racha >= horas:
            antes, vario, paso = _longest_run(ventana, i, j, tolerancia)
            if x == 0.0 and not vario:
                exceso[i] = 0.0
                continue
            limite = max(limite, 1.5 * antes)
            if 0.0 < x <= 2.0 * paso:
                # One or two steps of a coarse meter: a small load stands still on it by nature.
                limite = max(limite, racha / _EXCESO_DE_UN_PASO)
        exceso[i] = racha / limite
        dispara[i] = racha >= limite
        datos[i, 0] = racha
        datos[i, 1] = antes


@jit()
def _longest_run(ventana, i, hasta, tolerancia):  # type: ignore[no-untyped-def]
    """Return what came before a run, up to a column.

    The longest run of equal readings, whether any was above zero, and the least step between two
    readings in a row (0 if they never differ).
    """
    paso = np.inf
    mayor = 0
    seguida = 0
    previo = np.float32(np.nan)
    vario = False
    for j in range(hasta + 1):
        v = ventana[i, j]
        if np.isnan(v):
            seguida = 0
        else:
            seguida = seguida + 1 if abs(v - previo) <= tolerancia * previo else 1
            vario = vario or v != 0.0
            if v != previo and abs(v - previo) < paso:
                paso = abs(v - previo)
        mayor = max(mayor, seguida)
        previo = v
    return mayor, vario, (paso if paso < np.inf else 0.0)
