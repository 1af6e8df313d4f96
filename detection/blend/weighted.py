"""From what the detectors measured to one score: calibration, blend, severidad, suspicion.

Calibration. A detector's excess over its threshold becomes the frequency with which *this
customer* would show such a value, and the frequency becomes a score in [0, 1]: 0.50 is about
once a week, 0.80 about twice a year (``Params.frecuencias``). That makes detectors comparable,
and a customer who is erratic by nature is not an alarm every evening. A model's raw score becomes
its empirical tail probability first (``modelo.Cola``).

Blend. Below 0.50 the highest score stands. Above, the detectors that pass 0.50 add up as
independent causes do (noisy-or; Pearl, "Probabilistic Reasoning in Intelligent Systems", 1988):
``0.5 + 0.5 * (1 - prod(1 - peso * (2 * score - 1)))``. A detector alone reaches at most
``0.5 + 0.5 * peso``; one that is not ready has no vote.

Learned blend. Where a version has one and is ready (``aprendida``), its tail probability gives the
score in place of the weighted one, by the frequencies that the alert budget allows
(``Params.presupuesto``), and a reading that it flags bears ``modelo_offline``: it is part of the
same version. The detectors keep their votes, for the explanation.

The online model is scored and taught here, reading after reading, because what it learns from
depends on what the blend says.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from detection.blend.suspicion import day_weights, look_back
from detection.blend.votes import Mezcla, Turno, Votos
from detection.compiled import compilado
from detection.domain import MASCARA_DTYPE, TIPOS, TipoAnomalia
from detection.memory.hourly_ring import (
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
from detection.models.half_space_trees import Arboles, Estados, learn_at, score_at
from detection.models.scoring_model import Cola, tail_log_p
from detection.params import HORAS_ANILLO, Calibracion, Params

ONLINE = TIPOS.index(TipoAnomalia.MODELO_ONLINE)
OFFLINE = TIPOS.index(TipoAnomalia.MODELO_OFFLINE)
"""Columns of the two models among the detectors."""


class Blend(Protocol):
    """Turns votes into verdicts, remembering what it decided in the ring of marks."""

    def weights(self) -> NDArray[np.float64]:
        """Return the weight (d,) of each detector."""
        ...

    def combine(self, ventanas: Ventanas, estados: Estados, turno: Turno, votos: Votos) -> Mezcla:
        """Return the verdicts of readings in order of arrival, and mark them in their rings."""
        ...

    def preview(self, campeon: Mezcla, votos: Votos) -> Mezcla:
        """Return what it would have said where another blend has just decided, marking nothing."""
        ...


class _Calibrado(NamedTuple):
    """Calibrations as columns, one place a detector."""

    tasa: NDArray[np.float64]
    alfa: NDArray[np.float64]
    fraccion: NDArray[np.float64]
    peso: NDArray[np.float64]
    log_frecuencias: NDArray[np.float64]
    log_presupuesto: NDArray[np.float64]
    previa: float


class _Anillo(NamedTuple):
    marcas: NDArray[np.uint16]
    ultima: NDArray[np.int64]
    ganancia_dia: NDArray[np.int32]
    cuenta_dia: NDArray[np.int8]


class _Online(NamedTuple):
    rasgo: NDArray
    corte: NDArray
    altura: int
    ventana: int
    masa_l: NDArray
    masa_r: NDArray
    cuenta: NDArray
    listo: NDArray
    cola_scores: NDArray[np.float64]
    cola_log_p: NDArray[np.float64]
    aprende_siempre: bool


class WeightedBlend:
    """The transparent blend described at the top of this file.

    Parameters
    ----------
    params : Params
    calibraciones : sequence of Calibracion
        One a detector, in the registry's order.
    arboles : Arboles
        Of the online model.
    cola_online : Cola, optional
        Tail of the online model's scores; without it the model learns but has no vote.
    """

    def __init__(
        self,
        params: Params,
        calibraciones: list[Calibracion],
        arboles: Arboles,
        cola_online: Cola | None = None,
    ) -> None:
        self.params = params
        self._arboles = arboles
        vacia = np.empty(0, np.float64)
        self._cola = (cola_online.scores, cola_online.log_p) if cola_online else (vacia, vacia)
        self._calibrado = _Calibrado(
            np.array([c.tasa for c in calibraciones]),
            np.array([c.alfa for c in calibraciones]),
            np.array([c.fraccion for c in calibraciones]),
            np.array([c.peso for c in calibraciones]),
            np.log(np.array([1.0, *params.frecuencias])),
            np.log(np.array([1.0, *params.frecuencias_presupuesto()])),
            params.tasa_previa_horas,
        )
        self._umbrales = np.array(
            [params.umbral_baja, params.umbral_media, params.umbral_alta, params.umbral_critica],
            np.int64,
        )
        self._pesos_dia = day_weights(params.sospecha_semivida_dias)

    def weights(self) -> NDArray[np.float64]:
        """Return the weight (d,) of each detector."""
        return self._calibrado.peso

    def combine(self, ventanas: Ventanas, estados: Estados, turno: Turno, votos: Votos) -> Mezcla:
        """Return the verdicts of readings in order of arrival, and mark them in their rings."""
        mezcla = _vacia(votos)
        a = self._arboles
        online = _Online(
            a.rasgo, a.corte, a.altura, a.ventana, estados.masa_l, estados.masa_r, estados.cuenta,
            estados.listo, *self._cola, self.params.online_aprende_de_anomalias,
        )  # fmt: skip
        _combine(
            _anillo(ventanas), online, self._calibrado, self._umbrales, self._pesos_dia, GANANCIA,
            self.params.sospecha_entra, self.params.sospecha_sale, turno.fila, turno.propia,
            turno.hora, turno.repetida, turno.ensena, turno.particion, turno.rasgos, votos.exceso,
            votos.dispara, votos.con_referencia, votos.learned(), mezcla.scores,
            mezcla.score_centesimas, mezcla.severidad, mezcla.tipos, mezcla.es_sospechoso,
            mezcla.online, mezcla.veces, mezcla.listas,
        )  # fmt: skip
        return mezcla

    def preview(self, campeon: Mezcla, votos: Votos) -> Mezcla:
        """Return what it would have said where another blend has just decided, marking nothing.

        Whether a customer is under suspicion is not its affair: that column is False.
        """
        mezcla = _vacia(votos)
        _preview(
            self._calibrado, self._umbrales, votos.exceso, votos.dispara, votos.learned(),
            campeon.veces,
            campeon.listas, mezcla.scores, mezcla.score_centesimas, mezcla.severidad, mezcla.tipos,
        )  # fmt: skip
        mezcla.es_sospechoso[:] = False
        return mezcla


def _anillo(v: Ventanas) -> _Anillo:
    return _Anillo(v.marcas, v.ultima_marca, v.ganancia_dia, v.cuenta_dia)


def _vacia(votos: Votos) -> Mezcla:
    n, d = votos.exceso.shape
    return Mezcla(
        np.empty((n, d), np.float32), np.empty(n, np.uint8), np.empty(n, np.uint8),
        np.empty(n, MASCARA_DTYPE), np.empty(n, np.bool_), np.full(n, np.nan),
        np.empty((n, CONTABLES), np.int64), np.empty(n, np.int64),
    )  # fmt: skip


_SCORES_FRECUENCIA = np.array([0.0, 0.50, 0.65, 0.80, 0.90, 1.0])
"""Score at each of the frequencies 1, then those of ``Params``."""


@compilado()
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


@compilado()
def _vote(i, exceso, dispara, calibrado, veces, listas, scores):  # type: ignore[no-untyped-def]
    """Fill the detectors' scores of reading i; return the blended one in hundredths, and types."""
    alto = 0.0
    resto = 1.0
    mascara = 0
    previa = calibrado.previa
    for k in range(exceso.shape[1]):
        scores[i, k] = np.nan
        e = exceso[i, k]
        if np.isnan(e):
            continue
        p = calibrado.tasa[k]
        if k < CONTABLES:
            propias = veces[k] + previa * calibrado.tasa[k]
            p = propias / (calibrado.fraccion[k] * listas + previa)
        log_p = np.log(p) - calibrado.alfa[k] * np.log(max(e, 1e-9))
        s = _score(log_p, calibrado.log_frecuencias)
        if dispara[i, k]:
            mascara |= 1 << k
        else:
            s = min(s, 0.49)
        scores[i, k] = s
        alto = max(alto, s)
        if s >= 0.5:
            resto *= 1.0 - calibrado.peso[k] * (2.0 * s - 1.0)
    # Rounded before it is judged, so that the stored score and severidad always agree.
    if alto >= 0.5:
        return int(np.floor(100.0 * (1.0 - 0.5 * resto) + 0.5)), mascara
    return min(int(100.0 * alto + 0.5), 49), mascara


@compilado()
def _learned(log_p, calibrado, umbral_baja, mascara):  # type: ignore[no-untyped-def]
    """Return the learned blend's score in hundredths, and the types with the one that it bears."""
    c = int(np.floor(100.0 * _score(log_p, calibrado.log_presupuesto) + 0.5))
    if c >= umbral_baja:
        mascara |= 1 << OFFLINE
    return c, mascara


@compilado()
def _mark(centesimas, sospechoso, con_referencia, contable, mascara):  # type: ignore[no-untyped-def]
    marca = MARCA_LECTURA | (centesimas & MARCA_SCORE)
    if sospechoso:
        marca |= MARCA_SOSPECHOSO
    if con_referencia:
        marca |= MARCA_REFERENCIA
    if contable:
        marca |= (mascara & ((1 << CONTABLES) - 1)) << MARCA_CONTABLES
    return np.uint16(marca)


@compilado()
def _keep(anillo, fila, hora, repetida, marca, ganancia):  # type: ignore[no-untyped-def]
    """Write a mark if its hour is within the ring; of a repeated reading the first one stands."""
    if hora <= anillo.ultima[fila] - HORAS_ANILLO:
        return
    if repetida and anillo.marcas[fila, hora % HORAS_ANILLO] & MARCA_LECTURA:
        return
    write_mark(
        anillo.marcas, anillo.ultima, anillo.ganancia_dia, anillo.cuenta_dia, fila, hora, marca,
        ganancia,
    )  # fmt: skip


@compilado()
def _ask_online(o, p, rasgos, i, tasa, exceso, dispara):  # type: ignore[no-untyped-def]
    """Return the online model's raw score of reading i, and fill its vote."""
    exceso[i, ONLINE] = np.nan
    dispara[i, ONLINE] = False
    if np.isnan(rasgos[i, 0]):
        return np.nan
    crudo = score_at(o.rasgo, o.corte, o.altura, o.ventana, o.masa_r, o.listo, p, rasgos, i)
    if not np.isnan(crudo) and o.cola_scores.shape[0] > 0:
        e = tasa * np.exp(-tail_log_p(crudo, o.cola_scores, o.cola_log_p))
        exceso[i, ONLINE] = e
        dispara[i, ONLINE] = e > 1.0
    return crudo


@compilado()
def _combine(anillo, o, calibrado, umbrales, pesos_dia, ganancia, entra, sale, fila,  # type: ignore[no-untyped-def]
             propia, hora, repetida, ensena, particion, rasgos, exceso, dispara, con_referencia,
             aprendida, scores, centesimas, severidad, tipos, sospechoso, crudo, veces,
             listas):  # fmt: skip
    for i in range(fila.shape[0]):
        f = fila[i]
        h = hora[i]
        advance_marks(anillo.marcas, anillo.ultima, anillo.ganancia_dia, anillo.cuenta_dia, f, h)
        evidencia, listas[i], antes = look_back(
            anillo.marcas, anillo.ultima, anillo.ganancia_dia, anillo.cuenta_dia, f, h, ganancia,
            pesos_dia, veces[i],
        )  # fmt: skip
        if exceso.shape[1] > ONLINE:
            crudo[i] = _ask_online(
                o, particion[i], rasgos, i, calibrado.tasa[ONLINE], exceso, dispara
            )
        c, mascara = _vote(i, exceso, dispara, calibrado, veces[i], listas[i], scores)
        if not np.isnan(aprendida[i]):
            c, mascara = _learned(aprendida[i], calibrado, umbrales[0], mascara)
        evidencia += ganancia[c] * pesos_dia[0]
        nivel = 0
        for u in range(umbrales.shape[0]):
            nivel += c >= umbrales[u]
        centesimas[i] = c
        severidad[i] = nivel
        tipos[i] = mascara
        sospechoso[i] = evidencia >= entra or (antes and evidencia >= sale)
        # What it has learnt before, or compares with a past that only this reading has, it skips.
        aprende = ensena[i] and not repetida[i] and propia[i] == f
        if aprende and not np.isnan(rasgos[i, 0]) and (nivel == 0 or o.aprende_siempre):
            learn_at(
                o.rasgo, o.corte, o.altura, o.ventana, o.masa_l, o.masa_r, o.cuenta, o.listo,
                particion[i], rasgos, i,
            )  # fmt: skip
        marca = _mark(c, sospechoso[i], con_referencia[i], c < umbrales[1], mascara)
        _keep(anillo, f, h, repetida[i], marca, ganancia)
        if propia[i] != f:
            _keep(anillo, propia[i], h, repetida[i], marca, ganancia)


@compilado()
def _preview(calibrado, umbrales, exceso, dispara, aprendida, veces, listas, scores,  # type: ignore[no-untyped-def]
             centesimas, severidad, tipos):  # fmt: skip
    for i in range(exceso.shape[0]):
        c, mascara = _vote(i, exceso, dispara, calibrado, veces[i], listas[i], scores)
        if not np.isnan(aprendida[i]):
            c, mascara = _learned(aprendida[i], calibrado, umbrales[0], mascara)
        nivel = 0
        for u in range(umbrales.shape[0]):
            nivel += c >= umbrales[u]
        centesimas[i] = c
        severidad[i] = nivel
        tipos[i] = mascara
