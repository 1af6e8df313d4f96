"""What is usual: the customer's own same hour of day in the 28 days before each reading."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.jit import jit
from detection.memory.windows import Windows, is_weekend, same_hour
from detection.params import DIAS_VENTANA, Params


class Reference(NamedTuple):
    """What is expected of readings, and how it varies."""

    # media_kwh, sigma_kwh: (n,); mean and sample standard deviation; NaN = too little history.
    media_kwh: NDArray[np.float64]
    sigma_kwh: NDArray[np.float64]
    dias: NDArray[np.int16]  # (n,): readings behind them
    clase: NDArray[np.int8]  # (n,): 0 = every day, 1 = weekdays only, 2 = weekends only


def make_reference(windows: Windows, params: Params) -> Reference:
    """Return the reference of a chunk of readings."""
    n = windows.ventana.shape[0]
    reference = Reference(
        np.empty(n, np.float64),
        np.empty(n, np.float64),
        np.empty(n, np.int16),
        np.empty(n, np.int8),
    )
    _reference(windows, params.dias_minimos, params.dias_minimos_clase, reference)
    return reference


@jit()
def _reference(windows, minimos, minimos_clase, reference):  # type: ignore[no-untyped-def]
    ventana, hora_local = windows.ventana, windows.hora_local
    salto_i, salto_h = windows.salto_indice, windows.salto_horas
    valores = np.empty(DIAS_VENTANA, np.float64)
    propios = np.empty(DIAS_VENTANA, np.bool_)
    for i in range(ventana.shape[0]):
        hoy = hora_local[i] // 24
        es_finde = is_weekend(hoy)
        n = 0
        n_clase = 0
        for dia in range(1, DIAS_VENTANA + 1):
            j = same_hour(dia, 0, salto_i[i], salto_h[i])
            if j >= 0 and not np.isnan(ventana[i, j]):
                valores[n] = ventana[i, j]
                propios[n] = is_weekend(hoy - dia) == es_finde
                n_clase += propios[n]
                n += 1
        reference.media_kwh[i] = np.nan
        reference.sigma_kwh[i] = np.nan
        reference.dias[i] = n
        reference.clase[i] = 0
        if n < minimos:
            continue
        por_clase = n_clase >= minimos_clase and n_clase < n
        usados = n_clase if por_clase else n
        suma = 0.0
        for k in range(n):
            if propios[k] or not por_clase:
                suma += valores[k]
        media = suma / usados
        cuadrados = 0.0
        for k in range(n):
            if propios[k] or not por_clase:
                cuadrados += (valores[k] - media) ** 2
        reference.media_kwh[i] = media
        reference.sigma_kwh[i] = np.sqrt(cuadrados / (usados - 1))
        reference.dias[i] = usados
        if por_clase:
            reference.clase[i] = 2 if es_finde else 1
