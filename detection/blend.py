"""From what the detectors measured to one score: calibration, blend, severidad, suspicion.

Calibration. A detector's excess over its threshold becomes the frequency with which *this
customer* would show such a value, and the frequency becomes a score in [0, 1]: 0.50 is about
once a week, 0.80 about twice a year (``Params.frecuencias``). That makes detectors comparable,
and a customer who is erratic by nature is not an alarm every evening.

Blend. Below 0.50 the highest score stands. Above, the detectors that pass 0.50 add up as
independent causes do (noisy-or; Pearl, "Probabilistic Reasoning in Intelligent Systems", 1988):
``0.5 + 0.5 * (1 - prod(1 - peso * (2 * score - 1)))``. A detector alone reaches at most
``0.5 + 0.5 * peso``; one that is not ready has no vote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detection.params import HORAS_ANILLO, Calibracion, Params
from detection.suspicion import day_weights, look_back
from detection.windows import (
    CONTABLES,
    GANANCIA,
    MARCA_CONTABLES,
    MARCA_LECTURA,
    MARCA_REFERENCIA,
    MARCA_SCORE,
    MARCA_SOSPECHOSO,
    Ventanas,
    advance_marks,
    write_mark,
)


@dataclass(frozen=True, slots=True)
class Votos:
    """What all detectors measured on a chunk; the second axis is the registry's order.

    Parameters
    ----------
    exceso : ndarray (n, d), float32
    dispara : ndarray (n, d), bool
    con_referencia : ndarray (n,), bool
    """

    exceso: NDArray[np.float32]
    dispara: NDArray[np.bool_]
    con_referencia: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Mezcla:
    """What the blend decided on a chunk (columns as in ``Veredictos``)."""

    scores: NDArray[np.float32]
    score_centesimas: NDArray[np.uint8]
    severidad: NDArray[np.uint8]
    tipos: NDArray[np.uint8]
    es_sospechoso: NDArray[np.bool_]


class Blend(Protocol):
    """Turns votes into verdicts, remembering what it decided in the ring of marks."""

    def weights(self) -> NDArray[np.float64]:
        """Return the weight (d,) of each detector."""
        ...

    def combine(
        self, ventanas: Ventanas, fila: NDArray[np.int64], hora: NDArray[np.int64], votos: Votos
    ) -> Mezcla:
        """Return the verdicts of readings in order of arrival, and mark them in their rings."""
        ...


class WeightedBlend:
    """The transparent blend described at the top of this file.

    Parameters
    ----------
    params : Params
    calibraciones : sequence of Calibracion
        One a detector, in the registry's order.
    """

    def __init__(self, params: Params, calibraciones: list[Calibracion]) -> None:
        self.params = params
        self._tasa = np.array([c.tasa for c in calibraciones])
        self._alfa = np.array([c.alfa for c in calibraciones])
        self._fraccion = np.array([c.fraccion for c in calibraciones[:CONTABLES]])
        self._peso = np.array([c.peso for c in calibraciones])
        self._log_frecuencias = np.log(np.array([1.0, *params.frecuencias]))
        self._umbrales = np.array(
            [params.umbral_baja, params.umbral_media, params.umbral_alta, params.umbral_critica],
            np.int64,
        )
        self._pesos_dia = day_weights(params.sospecha_semivida_dias)

    def weights(self) -> NDArray[np.float64]:
        """Return the weight (d,) of each detector."""
        return self._peso

    def combine(
        self, ventanas: Ventanas, fila: NDArray[np.int64], hora: NDArray[np.int64], votos: Votos
    ) -> Mezcla:
        """Return the verdicts of readings in order of arrival, and mark them in their rings."""
        n, d = votos.exceso.shape
        mezcla = Mezcla(
            np.empty((n, d), np.float32), np.empty(n, np.uint8), np.empty(n, np.uint8),
            np.empty(n, np.uint8), np.empty(n, np.bool_),
        )  # fmt: skip
        v = ventanas
        _combine(
            v.marcas, v.ultima_marca, v.ganancia_dia, v.cuenta_dia, fila, hora, votos.exceso,
            votos.dispara, votos.con_referencia, self._tasa, self._alfa, self._fraccion,
            self._peso, self._log_frecuencias, self._umbrales, self.params.tasa_previa_horas,
            GANANCIA, self._pesos_dia, self.params.sospecha_entra, self.params.sospecha_sale,
            mezcla.scores, mezcla.score_centesimas, mezcla.severidad, mezcla.tipos,
            mezcla.es_sospechoso,
        )  # fmt: skip
        return mezcla


_SCORES_FRECUENCIA = np.array([0.0, 0.50, 0.65, 0.80, 0.90, 1.0])
"""Score at each of the frequencies 1, then ``Params.frecuencias``."""


@njit(cache=True, nogil=True)
def _score(log_p, log_frecuencias):  # type: ignore[no-untyped-def]
    """Return the score of a log frequency: linear in it between the fixed points."""
    if log_p >= 0.0:
        return 0.0
    for k in range(1, log_frecuencias.shape[0]):
        if log_p >= log_frecuencias[k]:
            parte = (log_frecuencias[k - 1] - log_p) / (log_frecuencias[k - 1] - log_frecuencias[k])
            return _SCORES_FRECUENCIA[k - 1] + parte * (
                _SCORES_FRECUENCIA[k] - _SCORES_FRECUENCIA[k - 1]
            )
    return 1.0


@njit(cache=True, nogil=True)
def _vote(i, exceso, dispara, tasa, alfa, fraccion, peso, log_frecuencias,  # type: ignore[no-untyped-def]
          previa, veces, listas, scores):  # fmt: skip
    """Fill the detectors' scores of reading i; return the blended one in hundredths, and types."""
    alto = 0.0
    resto = 1.0
    mascara = 0
    for k in range(exceso.shape[1]):
        scores[i, k] = np.nan
        e = exceso[i, k]
        if np.isnan(e):
            continue
        p = tasa[k]
        if k < CONTABLES:
            p = (veces[k] + previa * tasa[k]) / (fraccion[k] * listas + previa)
        s = _score(np.log(p) - alfa[k] * np.log(max(e, 1e-9)), log_frecuencias)
        if dispara[i, k]:
            mascara |= 1 << k
        else:
            s = min(s, 0.49)
        scores[i, k] = s
        alto = max(alto, s)
        if s >= 0.5:
            resto *= 1.0 - peso[k] * (2.0 * s - 1.0)
    # Rounded before it is judged, so that the stored score and severidad always agree.
    if alto >= 0.5:
        return int(np.floor(100.0 * (1.0 - 0.5 * resto) + 0.5)), mascara
    return min(int(100.0 * alto + 0.5), 49), mascara


@njit(cache=True, nogil=True)
def _mark(centesimas, sospechoso, con_referencia, contable, mascara):  # type: ignore[no-untyped-def]
    marca = MARCA_LECTURA | (centesimas & MARCA_SCORE)
    if sospechoso:
        marca |= MARCA_SOSPECHOSO
    if con_referencia:
        marca |= MARCA_REFERENCIA
    if contable:
        marca |= (mascara & ((1 << CONTABLES) - 1)) << MARCA_CONTABLES
    return np.uint16(marca)


@njit(cache=True, nogil=True)
def _combine(marcas, ultima, ganancia_dia, cuenta_dia, fila, hora, exceso,  # type: ignore[no-untyped-def]
             dispara, con_referencia, tasa, alfa, fraccion, peso, log_frecuencias, umbrales, previa,
             ganancia, pesos_dia, entra, sale, scores, centesimas, severidad, tipos,
             sospechoso):  # fmt: skip
    veces = np.empty(CONTABLES, np.int64)
    for i in range(fila.shape[0]):
        f = fila[i]
        h = hora[i]
        advance_marks(marcas, ultima, ganancia_dia, cuenta_dia, f, h)
        evidencia, listas, antes = look_back(
            marcas, ultima, ganancia_dia, cuenta_dia, f, h, ganancia, pesos_dia, veces
        )
        c, mascara = _vote(
            i, exceso, dispara, tasa, alfa, fraccion, peso, log_frecuencias, previa, veces, listas,
            scores,
        )  # fmt: skip
        evidencia += ganancia[c] * pesos_dia[0]
        nivel = 0
        for u in range(umbrales.shape[0]):
            nivel += c >= umbrales[u]
        centesimas[i] = c
        severidad[i] = nivel
        tipos[i] = mascara
        sospechoso[i] = evidencia >= entra or (antes and evidencia >= sale)
        if h > ultima[f] - HORAS_ANILLO:
            marca = _mark(c, sospechoso[i], con_referencia[i], c < umbrales[1], mascara)
            write_mark(marcas, ultima, ganancia_dia, cuenta_dia, f, h, marca, ganancia)
