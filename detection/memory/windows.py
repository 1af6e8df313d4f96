"""Readings, each with the 28 days before it in order of time, and what the clock did in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.domain import Calendario
from detection.jit import jit
from detection.params import HORAS_VENTANA


class Windows(NamedTuple):
    """A chunk of readings with their past."""

    consumo_kwh: NDArray[np.float64]  # (n,): the readings
    # (n, 673): the 672 hours before each, oldest first, and the reading itself last; NaN = no
    # reading.
    ventana: NDArray[np.float32]
    hora_local: NDArray[np.int64]  # (n,): absolute local hour of each reading
    # salto_indice, salto_horas: (n,); first column with the reading's own offset from UTC, and by
    # how much that is more than the offset before it; see ``same_hour``. 0 = the clock did not
    # change in the window.
    salto_indice: NDArray[np.int64]
    salto_horas: NDArray[np.int64]


def make_windows(
    calendario: Calendario,
    hora_utc: NDArray[np.int64],
    consumo_kwh: NDArray[np.float64],
    ventana: NDArray[np.float32],
) -> Windows:
    """Return readings with their past (see ``Windows``) and with local time."""
    windows = Windows(
        consumo_kwh,
        ventana,
        calendario.local(hora_utc),
        np.empty(hora_utc.shape[0], np.int64),
        np.empty(hora_utc.shape[0], np.int64),
    )
    _clock_changes(calendario.desfase_horas, calendario.desde_hora, hora_utc, windows)
    return windows


@jit()
def _clock_changes(desfase, desde_hora, hora, windows):  # type: ignore[no-untyped-def]
    """Fill where summer time changed in the 28 days before each reading."""
    for i in range(hora.shape[0]):
        ahora = desfase[hora[i] - desde_hora]
        entonces = desfase[hora[i] - HORAS_VENTANA - desde_hora]
        windows.salto_indice[i] = 0
        windows.salto_horas[i] = ahora - entonces
        if ahora != entonces:
            bajo, alto = 0, HORAS_VENTANA
            while alto - bajo > 1:
                medio = (bajo + alto) // 2
                if desfase[hora[i] - HORAS_VENTANA + medio - desde_hora] == entonces:
                    bajo = medio
                else:
                    alto = medio
            windows.salto_indice[i] = alto


@jit()
def same_hour(dia, atras, salto_indice, salto_horas):  # type: ignore[no-untyped-def]
    """Return the column at the local time of another one, ``dia`` days before it; < 0 if none.

    The other one is ``atras`` hours before the reading whose window it is. A local time that a day
    does not have (the hour lost in March) has no column; of one that it has twice, the one with
    the other's offset. Numbers in, a number out: handing arrays over costs more than all of this.
    """
    columna = HORAS_VENTANA - atras
    j = columna - 24 * dia
    if j < salto_indice <= columna:
        j += salto_horas
        if j >= salto_indice:
            return -1
    return j


@jit()
def hours_since(hora, salto_indice, salto_horas):  # type: ignore[no-untyped-def]
    """Return how many hours have passed at a reading's local hour ``hora`` since its midnight."""
    pasadas = hora - salto_horas
    return pasadas if HORAS_VENTANA - pasadas < salto_indice else hora


@jit()
def is_weekend(dia):  # type: ignore[no-untyped-def]
    """Return whether a local day is a Saturday or a Sunday; day 0, in 1970, was a Thursday."""
    return (dia + 3) % 7 >= 5
