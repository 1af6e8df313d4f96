"""What every detector may look at: readings, each with its own past, and what is derived from it.

A detector sees a chunk of readings with the 672 hours before each, laid out in time order, so it
is a plain loop over rows that knows nothing of rings, customers or of what comes later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detection.compiled import compilado
from detection.domain import TipoAnomalia
from detection.features.hourly import compute_rasgos, most_unusual
from detection.memory.recent_days import Dias, make_dias
from detection.params import DIAS_VENTANA, HORAS_VENTANA, Params


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
    referencia = make_referencia(ventana, hora_local, salto_indice, salto_horas, params)
    dias = make_dias(ventana, hora_local, salto_indice, salto_horas, params)
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


@compilado()
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


@compilado()
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


@compilado()
def hours_since(hora, i, salto_indice, salto_horas):  # type: ignore[no-untyped-def]
    """Return how many hours have passed at local hour ``hora`` of reading i since its midnight."""
    pasadas = hora - salto_horas[i]
    return pasadas if HORAS_VENTANA - pasadas < salto_indice[i] else hora


@compilado()
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
            j = same_hour(dia, 0, salto_i[i], salto_h[i])
            if j >= 0 and not np.isnan(ventana[i, j]):
                valores[n] = ventana[i, j]
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
