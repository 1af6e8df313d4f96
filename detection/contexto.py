"""What every detector may look at: readings, each with its own past, and what is derived from it.

A detector sees a chunk of readings with the 672 hours before each, laid out in time order, so it
is a plain loop over rows that knows nothing of rings, customers or of what comes later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detection.dominio import TipoAnomalia
from detection.features import compute_rasgos, most_unusual
from detection.params import DIAS_VENTANA, HORAS_VENTANA, Params

HORAS_VALIDAS_DIA = 20
"""Hours of 24 that a day must have to stand for a day. By hand, 2026-11-24."""


@dataclass(frozen=True, slots=True)
class Referencia:
    """The customer's own same hour of day: what is expected, and how it varies.

    Parameters
    ----------
    media_kwh, sigma_kwh : ndarray (n,), float64
        Mean and sample standard deviation; NaN = too little history.
    dias : ndarray (n,), int16
        Readings behind them.
    clase : ndarray (n,), int8
        0 = every day, 1 = weekdays only, 2 = weekends only.
    """

    media_kwh: NDArray[np.float64]
    sigma_kwh: NDArray[np.float64]
    dias: NDArray[np.int16]
    clase: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Dias:
    """The last 28 times 24 hours, this reading's hour included, as days that end with it.

    Day 0 is the last 24 hours. Each such day has every hour of day once, and seven of them every
    weekday once, so days compare without a calendar. NaN = the day lacks too many readings.

    Parameters
    ----------
    total_kwh, minimo_kwh, maximo_kwh, noche_kwh : ndarray (n, 28), float32
        Mean of the day's hours times 24; its lowest and its highest hour; mean of its night hours.
    ceros : ndarray (n, 28), int16
        Hours that read zero.
    perfil_reciente, perfil_pasado : ndarray (n, 24), float32
        Mean by hour of day of days 0-3, and of days 7-27. Column c is local hour
        ``(hora_local + 1 + c) % 24``: time runs from left to right and ends with the reading's.
    """

    total_kwh: NDArray[np.float32]
    minimo_kwh: NDArray[np.float32]
    maximo_kwh: NDArray[np.float32]
    noche_kwh: NDArray[np.float32]
    ceros: NDArray[np.int16]
    perfil_reciente: NDArray[np.float32]
    perfil_pasado: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Contexto:
    """A chunk of readings with their past.

    Parameters
    ----------
    consumo_kwh : ndarray (n,), float64
        The readings.
    ventana : ndarray (n, 673), float32
        The 672 hours before each, oldest first, and the reading itself last; NaN = no reading.
    hora_local : ndarray (n,), int64
        Absolute local hour of each reading.
    salto_indice, salto_horas : ndarray (n,), int64
        First column with the reading's own offset from UTC, and by how much that is more than
        the offset before it; see ``same_hour``. 0 = the clock did not change in the window.
    referencia : Referencia
    dias : Dias
    rasgos : ndarray (n, F), float32
        The models' features (``features.RASGOS``), in [0, 1]; a row of NaN = not ready.
    inusuales : ndarray (n, 4), float32
        Which two of them stray most (``features.most_unusual``), for the models' sentences.
    """

    consumo_kwh: NDArray[np.float64]
    ventana: NDArray[np.float32]
    hora_local: NDArray[np.int64]
    salto_indice: NDArray[np.int64]
    salto_horas: NDArray[np.int64]
    referencia: Referencia
    dias: Dias
    rasgos: NDArray[np.float32]
    inusuales: NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.consumo_kwh.shape[0])


DIAS_RECIENTES = 4
PRIMER_DIA_PASADO = 7
"""Days 0-3 are lately, days 7-27 are before: what lies between belongs to neither, so that a
change is not yet part of what it is compared with."""

MEDIDAS = 5
"""Numbers that a detector may keep for its sentence."""


@dataclass(frozen=True, slots=True)
class Medida:
    """What a detector measured.

    Parameters
    ----------
    exceso : ndarray (n,), float32
        Its statistic over its threshold: above 1 = more than the threshold; NaN = not ready.
    dispara : ndarray (n,), bool
        Whether its definition is met, to the letter.
    datos : ndarray (n, MEDIDAS), float32
        The numbers of its sentence.
    """

    exceso: NDArray[np.float32]
    dispara: NDArray[np.bool_]
    datos: NDArray[np.float32]


class Detector(Protocol):
    """A thing with a name that measures readings and says what it saw."""

    @property
    def nombre(self) -> TipoAnomalia:
        """Return its name."""
        ...

    def measure(self, contexto: Contexto, params: Params) -> Medida:
        """Return what it measures on each reading of the chunk."""
        ...

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return one Spanish sentence with the numbers of a reading on which it is ready."""
        ...


def make_contexto(
    consumo_kwh: NDArray[np.float64],
    ventana: NDArray[np.float32],
    hora_local: NDArray[np.int64],
    salto_indice: NDArray[np.int64],
    salto_horas: NDArray[np.int64],
    params: Params,
) -> Contexto:
    """Return the context of a chunk: its reference and its days are computed once for all."""
    n = consumo_kwh.shape[0]
    referencia = make_referencia(ventana, hora_local, salto_indice, salto_horas, params)
    dias = Dias(
        np.empty((n, DIAS_VENTANA), np.float32),
        np.empty((n, DIAS_VENTANA), np.float32),
        np.empty((n, DIAS_VENTANA), np.float32),
        np.empty((n, DIAS_VENTANA), np.float32),
        np.empty((n, DIAS_VENTANA), np.int16),
        np.empty((n, 24), np.float32),
        np.empty((n, 24), np.float32),
    )
    _days(
        ventana, hora_local, salto_indice, salto_horas, params.noche_desde, params.noche_hasta,
        dias.total_kwh, dias.minimo_kwh, dias.maximo_kwh, dias.noche_kwh, dias.ceros,
        dias.perfil_reciente, dias.perfil_pasado,
    )  # fmt: skip
    rasgos = compute_rasgos(consumo_kwh, ventana, referencia, dias)
    return Contexto(
        consumo_kwh, ventana, hora_local, salto_indice, salto_horas, referencia, dias, rasgos,
        most_unusual(rasgos),
    )  # fmt: skip


def make_referencia(
    ventana: NDArray[np.float32],
    hora_local: NDArray[np.int64],
    salto_indice: NDArray[np.int64],
    salto_horas: NDArray[np.int64],
    params: Params,
) -> Referencia:
    """Return the reference of a chunk, for who needs no more than what is expected."""
    n = ventana.shape[0]
    referencia = Referencia(
        np.empty(n, np.float64),
        np.empty(n, np.float64),
        np.empty(n, np.int16),
        np.empty(n, np.int8),
    )
    _reference(
        ventana, hora_local, salto_indice, salto_horas, params.dias_minimos,
        params.dias_minimos_clase, referencia.media_kwh, referencia.sigma_kwh, referencia.dias,
        referencia.clase,
    )  # fmt: skip
    return referencia


@njit(cache=True, nogil=True)
def clock_changes(desfase, desde_hora, hora, salto_indice, salto_horas):  # type: ignore[no-untyped-def]
    """Fill where summer time changed in the 28 days before each reading (see ``Contexto``)."""
    for i in range(hora.shape[0]):
        ahora = desfase[hora[i] - desde_hora]
        entonces = desfase[hora[i] - HORAS_VENTANA - desde_hora]
        salto_indice[i] = 0
        salto_horas[i] = ahora - entonces
        if ahora != entonces:
            bajo, alto = 0, HORAS_VENTANA
            while alto - bajo > 1:
                medio = (bajo + alto) // 2
                if desfase[hora[i] - HORAS_VENTANA + medio - desde_hora] == entonces:
                    bajo = medio
                else:
                    alto = medio
            salto_indice[i] = alto


@njit(cache=True, nogil=True)
def same_hour(ventana, i, dia, atras, salto_indice, salto_horas):  # type: ignore[no-untyped-def]
    """Return the reading at the local time of another one, ``dia`` days before it; NaN if none.

    The other one is ``atras`` hours before reading i. A local time that a day does not have (the
    hour lost in March) is NaN; of one that it has twice, the one with the other's offset.
    """
    columna = HORAS_VENTANA - atras
    j = columna - 24 * dia
    if j < salto_indice[i] <= columna:
        j += salto_horas[i]
        if j >= salto_indice[i]:
            return np.float32(np.nan)
    return ventana[i, j] if j >= 0 else np.float32(np.nan)


@njit(cache=True, nogil=True)
def hours_since(hora, i, salto_indice, salto_horas):  # type: ignore[no-untyped-def]
    """Return how many hours have passed at local hour ``hora`` of reading i since its midnight."""
    pasadas = hora - salto_horas[i]
    return pasadas if HORAS_VENTANA - pasadas < salto_indice[i] else hora


@njit(cache=True, nogil=True)
def _reference(ventana, hora_local, salto_i, salto_h, minimos, minimos_clase, media, sigma, dias,  # type: ignore[no-untyped-def]
               clase):  # fmt: skip
    valores = np.empty(DIAS_VENTANA, np.float64)
    propios = np.empty(DIAS_VENTANA, np.bool_)
    for i in range(ventana.shape[0]):
        hoy = hora_local[i] // 24
        es_finde = (hoy + 3) % 7 >= 5
        n = 0
        n_clase = 0
        for dia in range(1, DIAS_VENTANA + 1):
            v = same_hour(ventana, i, dia, 0, salto_i, salto_h)
            if not np.isnan(v):
                valores[n] = v
                propios[n] = ((hoy - dia + 3) % 7 >= 5) == es_finde
                n_clase += propios[n]
                n += 1
        media[i] = np.nan
        sigma[i] = np.nan
        dias[i] = n
        clase[i] = 0
        if n < minimos:
            continue
        por_clase = n_clase >= minimos_clase and n_clase < n
        usados = n_clase if por_clase else n
        suma = 0.0
        for k in range(n):
            if propios[k] or not por_clase:
                suma += valores[k]
        m = suma / usados
        cuadrados = 0.0
        for k in range(n):
            if propios[k] or not por_clase:
                cuadrados += (valores[k] - m) ** 2
        media[i] = m
        sigma[i] = np.sqrt(cuadrados / (usados - 1))
        dias[i] = usados
        if por_clase:
            clase[i] = 2 if es_finde else 1


@njit(cache=True, nogil=True)
def _days(ventana, hora_local, salto_i, salto_h, noche_desde, noche_hasta, total,  # type: ignore[no-untyped-def]
          minimo, maximo, noche, ceros, reciente, antes):  # fmt: skip
    parcial = np.empty(4, np.float32)
    noche_horas = noche_hasta - noche_desde
    for i in range(ventana.shape[0]):
        reciente[i] = 0.0
        antes[i] = 0.0
        # Column of the day at which the night begins, time running from left to right.
        noche_c = (noche_desde - hora_local[i] - 1) % 24
        for d in range(DIAS_VENTANA):
            base = HORAS_VENTANA + 1 - 24 * (d + 1)
            # Four sums side by side: a fixed order, and four times the speed of one.
            parcial[:] = 0.0
            bajo = np.float32(np.inf)
            alto = np.float32(-1.0)
            for c in range(0, 24, 4):
                for k in range(4):
                    v = ventana[i, base + c + k]
                    parcial[k] += v
                    bajo = v if v < bajo else bajo
                    alto = v if v > alto else alto
            suma = (parcial[0] + parcial[1]) + (parcial[2] + parcial[3])
            if np.isnan(suma):
                _holed_day(ventana, i, base, d, noche_c, noche_horas, total, minimo, maximo, noche,
                           ceros)  # fmt: skip
            else:
                total[i, d] = suma
                minimo[i, d] = bajo
                maximo[i, d] = alto
                noche[i, d] = _night_mean(ventana, i, base, noche_c, noche_horas)
                ceros[i, d] = (ventana[i, base : base + 24] == 0.0).sum() if bajo == 0.0 else 0
            if d < DIAS_RECIENTES:
                for c in range(24):
                    reciente[i, c] += ventana[i, base + c]
            elif d >= PRIMER_DIA_PASADO:
                for c in range(24):
                    antes[i, c] += ventana[i, base + c]
        for c in range(24):
            reciente[i, c] /= DIAS_RECIENTES
            antes[i, c] /= DIAS_VENTANA - PRIMER_DIA_PASADO
        cambio = salto_h[i] != 0
        if cambio or np.isnan(antes[i].sum()):
            _mean_profile(ventana, i, PRIMER_DIA_PASADO, DIAS_VENTANA, salto_i, salto_h, antes)
        if cambio or np.isnan(reciente[i].sum()):
            _mean_profile(ventana, i, 0, DIAS_RECIENTES, salto_i, salto_h, reciente)


@njit(cache=True, nogil=True)
def _night_mean(ventana, i, base, noche_c, noche_horas):  # type: ignore[no-untyped-def]
    s = np.float32(0.0)
    for k in range(noche_horas):
        c = noche_c + k
        s += ventana[i, base + (c if c < 24 else c - 24)]
    return s / noche_horas


@njit(cache=True, nogil=True)
def _holed_day(ventana, i, base, d, noche_c, noche_horas, total, minimo, maximo, noche,  # type: ignore[no-untyped-def]
               ceros):  # fmt: skip
    suma = suma_noche = np.float32(0.0)
    bajo = np.float32(np.inf)
    alto = np.float32(0.0)
    n = n_noche = z = 0
    for c in range(24):
        v = ventana[i, base + c]
        if np.isnan(v):
            continue
        suma += v
        n += 1
        bajo = min(bajo, v)
        alto = max(alto, v)
        z += v == 0.0
        if (c - noche_c) % 24 < noche_horas:
            suma_noche += v
            n_noche += 1
    completo = n >= HORAS_VALIDAS_DIA and n_noche > 0
    total[i, d] = 24.0 * suma / n if completo else np.nan
    minimo[i, d] = bajo if completo else np.nan
    maximo[i, d] = alto if completo else np.nan
    noche[i, d] = suma_noche / n_noche if completo else np.nan
    ceros[i, d] = z


@njit(cache=True, nogil=True)
def _mean_profile(ventana, i, desde_dia, hasta_dia, salto_i, salto_h, perfil):  # type: ignore[no-untyped-def]
    """Fill a profile by local time, out of the readings that there are."""
    for c in range(24):
        suma = np.float32(0.0)
        n = 0
        for d in range(desde_dia, hasta_dia):
            v = same_hour(ventana, i, d, 23 - c, salto_i, salto_h)
            if not np.isnan(v):
                suma += v
                n += 1
        perfil[i, c] = suma / n if n > 0 else np.nan
