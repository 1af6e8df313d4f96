"""Records: the last days against the highest and the lowest that four weeks had.

What is far from usual happens to everybody; what is far beyond all that ever was, to few. For the
compiled loops of ``evidence``. Chosen on the development half of Swiss households with injected
attacks, by hand, 2026-11-29.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from detection.features.day_table import MAXIMO, MEMORIAS, MINIMO, NOCHE, TOTAL, ULTIMA
from detection.jit import jit
from detection.memory.recent_days import PRIMER_DIA_PASADO, share_of
from detection.params import DIAS_VENTANA

_DE_LOS_DIAS = (
    "total_alto", "total_bajo", "noche_alta", "noche_baja", "minimo_alto", "minimo_bajo",
    "horas_altas", "horas_bajas",
)  # fmt: skip
STANDALONE_RECORDS: Mapping[str, float] = {"marca_hora_fuerte": 5e-4, "meseta_17h": 2e-3}
"""Records that the learned blend listens to by themselves, too, and how rare each has to be before
it does: an hour, and the level that 17 of the last 24 hours reach (lamps are lit 18), against the
highest of four weeks. Their floors are in kWh, for a home that is lived in again passes all its
records, but not by so much. By hand, 2026-11-29, on the development half: a plantation is found in
21 hours instead of 144 (median), spikes at once, and average precision falls from 0.812 to 0.802;
listened to however common they are, they would cost 0.09."""
RECORDS: tuple[str, ...] = (
    "hora_kwh", "marca_hora", "marca_hora_pasada", "marca_hora_fuerte", "meseta_12h",
    "meseta_17h",
    *(f"{q}_{k}d" for k in MEMORIAS for q in _DE_LOS_DIAS),
)  # fmt: skip
"""Names, in the order of the columns."""

LAMPARA_KWH = 1.0
"""A lamp of 600 W with its fan, and a half. By hand, 2026-11-29."""
HORA_KWH, HORA_FUERTE_KWH = 2.0, 5.0
"""What an oven and a kettle take in an hour; and what a home's connection gives, about, when much
is on at once. By hand, 2026-11-29."""


DIAS_ORDEN = 32
"""Days that are sorted at once: four more than there are, for processors take 8 or 16 at a time."""


@jit()
def fill_records(w, valida, dias, ahora, usual, suelo, orden, o, j):  # type: ignore[no-untyped-def]
    """Fill the columns of a row from place j on.

    ``dias`` is the table of days (``count_days``), ``ahora`` and ``usual`` the means of its rows
    over each memory and over the past; ``orden`` (24, 32) is room to sort in.
    """
    o[j] = w[ULTIMA] / (w[ULTIMA] + HORA_FUERTE_KWH)
    siempre = _highest(dias[MAXIMO], valida, 1)
    o[j + 1] = share_of(w[ULTIMA], siempre, suelo)
    o[j + 2] = share_of(w[ULTIMA], _highest(dias[MAXIMO], valida, PRIMER_DIA_PASADO), suelo)
    o[j + 3] = share_of(w[ULTIMA], siempre, HORA_KWH)
    _sort_days(w, orden)
    o[j + 4] = share_of(orden[_DOCE, 0], _highest(orden[_DOCE], valida, 1), LAMPARA_KWH)
    meseta = orden[_DIECISIETE]
    o[j + 5] = share_of(meseta[0], _highest(meseta, valida, 1), LAMPARA_KWH)
    j += 6
    altas = bajas = horas = d = 0
    for m in range(len(MEMORIAS)):
        for q in (TOTAL, NOCHE, MINIMO):
            mayor, menor = _extremes(dias[q], valida, MEMORIAS[m])
            o[j] = share_of(ahora[m, q], mayor, suelo)
            o[j + 1] = share_of(ahora[m, q], menor, suelo)
            j += 2
        while d < MEMORIAS[m]:
            if valida[d]:
                horas += 24
                for c in range(24):
                    v = w[ULTIMA - 24 * d - c]
                    altas += v > usual[MAXIMO]
                    bajas += v < usual[MINIMO]
            d += 1
        o[j] = altas / horas
        o[j + 1] = bajas / horas
        j += 2


@jit()
def _highest(fila, valida, desde):  # type: ignore[no-untyped-def]
    mayor = 0.0
    for d in range(desde, DIAS_VENTANA):
        if valida[d] and fila[d] > mayor:
            mayor = fila[d]
    return mayor


@jit()
def _extremes(fila, valida, k):  # type: ignore[no-untyped-def]
    """Return the highest and the lowest mean of a row over k days in a row of the past."""
    mayor, menor = -np.inf, np.inf
    suma = 0.0
    n = 0
    for d in range(PRIMER_DIA_PASADO, DIAS_VENTANA):
        if valida[d]:
            suma += fila[d]
            n += 1
        if d - k >= PRIMER_DIA_PASADO and valida[d - k]:
            suma -= fila[d - k]
            n -= 1
        if n > 0 and d >= PRIMER_DIA_PASADO + k - 1:
            mayor = max(mayor, suma / n)
            menor = min(menor, suma / n)
    return mayor, menor


def _network(n: int) -> NDArray[np.int64]:
    """Return the pairs (k, 2) that sort n values when each is put in order in turn.

    Batcher's merge exchange (D. E. Knuth, "The Art of Computer Programming", vol. 3, 5.2.2,
    algorithm M).
    """
    pares = []
    mayor = p = 1 << (n - 1).bit_length() - 1
    while p > 0:
        q, r, d = mayor, 0, p
        while d > 0:
            pares += [(i, i + d) for i in range(n - d) if i & p == r]
            d, q, r = q - p, q // 2, p
        p //= 2
    return np.array(pares, np.int64)


_DOCE, _DIECISIETE = 24 - 12, 24 - 17
"""Places, in rising order, of what 12 and what 17 of a day's 24 hours reach."""
_RED = _network(24)


@jit()
def _sort_days(w, orden):  # type: ignore[no-untyped-def]
    """Fill the hours (24, 32) of each day in rising order: all days at once, pair by pair."""
    for d in range(DIAS_VENTANA):
        base = ULTIMA - 23 - 24 * d
        for c in range(24):
            orden[c, d] = w[base + c]
    for k in range(_RED.shape[0]):
        bajo, alto = _RED[k, 0], _RED[k, 1]
        for d in range(DIAS_ORDEN):
            x, y = orden[bajo, d], orden[alto, d]
            orden[bajo, d] = min(x, y)
            orden[alto, d] = max(x, y)
