"""Nights unlike the customer's own nights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from detection.domain import TipoAnomalia
from detection.features.context import Context
from detection.jit import jit
from detection.measurement import Measurement
from detection.memory.windows import hours_since, is_weekend, same_hour
from detection.number_format import kwh, numero
from detection.params import DIAS_VENTANA, HORAS_VENTANA, Calibracion, Params


class _Thresholds(NamedTuple):
    desde: int
    hasta: int
    horas_minimas: int
    noches_minimas: int
    noches_clase: int
    sigmas: float
    exceso: float
    defecto: float


class ConsumoNocheAnomalo:
    """A night unlike one's own nights: sustained for hours, high or low."""

    nombre = TipoAnomalia.CONSUMO_NOCHE_ANOMALO
    calibracion = Calibracion(3.0e-2, 2.5, 0.125, 0.80)  # by hand, 2026-11-24

    def measure(self, context: Context, params: Params) -> Measurement:
        """Return how far tonight so far is from the same hours of earlier nights.

        Ready at night, from the third hour on. Fires above 3 sigma of the nights' means if
        it is also 1.5 times their mean, or half of it.
        """
        measurement = Measurement.not_ready(len(context))
        thresholds = _Thresholds(
            params.noche_desde, params.noche_hasta, params.noche_horas_minimas, params.dias_minimos,
            params.noche_noches_clase, params.sigmas, params.noche_exceso, params.noche_defecto,
        )  # fmt: skip
        m = measurement
        _night(context.windows, thresholds, m.exceso, m.dispara, m.datos)
        return measurement

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return tonight's mean against the usual one."""
        esta, media, z, noches, horas = datos
        veces = f"{numero(esta / media, 1)} veces" if media > 0 else "frente a"
        return (
            f"Lleva {int(horas)} horas de noche a {kwh(esta)} por hora, {veces} los "
            f"{kwh(media)} de sus {int(noches)} noches anteriores "
            f"({numero(abs(z), 1)} sigmas)."
        )


@jit()
def _own_nights(w, i, llevadas, minimas_clase, noches):  # type: ignore[no-untyped-def]
    """Fill the means of the same hours of earlier nights; return how many.

    Nights of the same class (weekday, weekend) alone, once there are enough of them.
    """
    hoy = w.hora_local[i] // 24
    es_finde = is_weekend(hoy)
    de_clase = np.empty(DIAS_VENTANA, np.bool_)
    n = 0
    n_clase = 0
    for dia in range(1, DIAS_VENTANA):
        s = 0.0
        for atras in range(llevadas):
            j = same_hour(dia, atras, w.salto_indice[i], w.salto_horas[i])
            s += w.ventana[i, j] if j >= 0 else np.nan
        if not np.isnan(s):
            noches[n] = s / llevadas
            de_clase[n] = is_weekend(hoy - dia) == es_finde
            n_clase += de_clase[n]
            n += 1
    if n_clase < minimas_clase:
        return n, n
    k = 0
    for m in range(n):
        if de_clase[m]:
            noches[k] = noches[m]
            k += 1
    return n, k


@jit()
def _night(w, t, exceso, dispara, datos):  # type: ignore[no-untyped-def]
    noches = np.empty(DIAS_VENTANA, np.float64)
    for i in range(exceso.shape[0]):
        hora = w.hora_local[i] % 24
        llevadas = hours_since(hora, w.salto_indice[i], w.salto_horas[i]) - t.desde + 1
        if not t.desde <= hora < t.hasta or llevadas < t.horas_minimas:
            continue
        esta = w.consumo_kwh[i]
        for atras in range(1, llevadas):
            esta += w.ventana[i, HORAS_VENTANA - atras]
        esta /= llevadas
        todas, n = _own_nights(w, i, llevadas, t.noches_clase, noches)
        if np.isnan(esta) or todas < t.noches_minimas:
            continue
        media = noches[:n].mean()
        # Nights of one and the same value leave no sigma: 5 % of the mean stands in for it.
        sigma = max(np.sqrt(((noches[:n] - media) ** 2).sum() / (n - 1)), 0.05 * media)
        if media <= 0.0:
            continue
        z = (esta - media) / sigma
        if esta >= media:
            veces = esta / media / t.exceso
        else:
            veces = t.defecto * media / esta if esta > 0.0 else np.inf
        exceso[i] = min(abs(z) / t.sigmas, veces)
        dispara[i] = abs(z) > t.sigmas and veces > 1.0
        datos[i, 0] = esta
        datos[i, 1] = media
        datos[i, 2] = z
        datos[i, 3] = n
        datos[i, 4] = llevadas
