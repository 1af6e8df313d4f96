"""From what the detectors measured to one score: calibration, blend, severidad, suspicion.

Calibration. A detector's excess over its threshold becomes the frequency with which *this
customer* would show such a value, and the frequency becomes a score in [0, 1]: 0.50 is about
once a week, 0.80 about twice a year (``Params.frecuencias``). That makes detectors comparable,
and a customer who is erratic by nature is not an alarm every evening. A model's raw score becomes
its empirical tail probability first (``EmpiricalTail``).

Blend. Below 0.50 the highest score stands. Above, the detectors that pass 0.50 add up as
independent causes do (noisy-or; Pearl, "Probabilistic Reasoning in Intelligent Systems", 1988):
``0.5 + 0.5 * (1 - prod(1 - peso * (2 * score - 1)))``. A detector alone reaches at most
``0.5 + 0.5 * peso``; one that is not ready has no vote.

Learned blend. Where a version has one and is ready (``learned``), its tail probability gives the
score in place of the weighted one, by the frequencies that the alert budget allows
(``Params.presupuesto``), and a reading that it flags bears ``modelo_offline``: it is part of the
same version. The detectors keep their votes, for the explanation.

Cases. While a case of the customer is open (``cases``), it is under suspicion, and the hours that
go on with what the case found have at least the case's score. A version without a model of cases
suspects by the hours' evidence alone (``suspicion``).

The online model is scored and taught here, reading after reading, because what it learns from
depends on what the blend says: not from what is flagged, nor from a customer with an open case.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.blend.severity import frequency_score, severity_of, severity_thresholds
from detection.blend.suspicion import day_weights, look_back
from detection.cases.case import case_score, case_type, daily_kwh, goes_on, smoothed, was_open
from detection.cases.clock import CaseClock, turn_day
from detection.cases.innocent_kind import innocent_levels, innocent_was_open, is_explained
from detection.domain import CASE_COLUMNS, MASCARA_DTYPE, TIPOS, Mascaras, TipoAnomalia
from detection.jit import jit
from detection.memory.daily import BLOQUES
from detection.memory.day_memory import AFTER, BEFORE
from detection.memory.hourly_ring import (
    COUNTED,
    COUNTED_MASK,
    COUNTED_SHIFT,
    GAIN,
    REFERENCE_BIT,
    SCORE_BITS,
    SUSPECT_BIT,
    VERDICT_BIT,
    HourlyRing,
    advance_verdicts,
    write_verdict,
)
from detection.models.half_space_trees import learn_at, score_at
from detection.models.partition_states import PartitionStates
from detection.models.tails import EmpiricalTail, tail_log_p
from detection.params import HORAS_ANILLO, Calibracion, Params

PLANTACION = TIPOS.index(TipoAnomalia.PLANTACION_CANNABIS)
ONLINE = TIPOS.index(TipoAnomalia.MODELO_ONLINE)
OFFLINE = TIPOS.index(TipoAnomalia.MODELO_OFFLINE)
"""Columns of the two models among the detectors."""


class Arrivals(NamedTuple):
    """Readings of a chunk in order of arrival, and where their state is."""

    fila: NDArray[np.int64]  # (n,): row of the rings whose past each reading is compared with
    # (n,): its customer's own row; another one only for a reading that comes very late.
    propia: NDArray[np.int64]
    hora: NDArray[np.int64]  # (n,): absolute hours
    # (n,): the customer had that same value already: what was decided then stands.
    repetida: NDArray[np.bool_]
    # (n,): the online model may learn from the reading: it has not seen it before.
    ensena: NDArray[np.bool_]
    particion: NDArray[np.int64]  # (n,): row of the online model's state
    rasgos: NDArray[np.float32]  # (n, F)
    hora_local: NDArray[np.int64]  # (n,): absolute local hours

    def part(self, trozo: slice) -> Arrivals:
        """Return some of the readings, as views."""
        return Arrivals._make(columna[trozo] for columna in self)


class Votes(NamedTuple):
    """What all detectors measured on a chunk; the second axis is the registry's order.

    The online model's column is filled while blending.
    """

    exceso: NDArray[np.float32]  # (n, d)
    dispara: NDArray[np.bool_]  # (n, d)
    con_referencia: NDArray[np.bool_]  # (n,)
    # (n,): log tail probability that the learned blend gives each reading; NaN = not ready, or
    # there is no learned blend.
    aprendida: NDArray[np.float64]


class Blended(NamedTuple):
    """What the blend decided on a chunk (columns as in ``Veredictos``).

    ``online`` holds the online model's raw scores, float64 (n,), NaN = not ready; ``veces``
    (n, COUNTED) and ``listas`` (n,) what its customer's past verdicts said when a reading's turn
    came.
    """

    scores: NDArray[np.float32]
    score_centesimas: NDArray[np.uint8]
    severidad: NDArray[np.uint8]
    tipos: Mascaras
    es_sospechoso: NDArray[np.bool_]
    online: NDArray[np.float64]
    veces: NDArray[np.int64]
    listas: NDArray[np.int64]
    # (n, CASE_COLUMNS): as in ``Veredictos.caso``.
    caso: NDArray[np.float32]

    @staticmethod
    def empty(n: int, d: int) -> Blended:
        """Return columns to fill, of n readings and d detectors."""
        return Blended(
            np.empty((n, d), np.float32),
            np.empty(n, np.uint8),
            np.empty(n, np.uint8),
            np.empty(n, MASCARA_DTYPE),
            np.zeros(n, np.bool_),
            np.full(n, np.nan),
            np.empty((n, COUNTED), np.int64),
            np.empty(n, np.int64),
            np.full((n, CASE_COLUMNS), np.nan, np.float32),
        )


class _Calibrations(NamedTuple):
    """Calibrations as columns, one place a detector, and the frequencies of the scores."""

    tasa: NDArray[np.float64]
    alfa: NDArray[np.float64]
    fraccion: NDArray[np.float64]
    peso: NDArray[np.float64]
    log_frecuencias: NDArray[np.float64]
    log_presupuesto: NDArray[np.float64]
    previa: float


class _Settings(NamedTuple):
    """What the loops go by; they hand on no more of it than is needed: arrays are dear to pass."""

    calibrations: _Calibrations
    umbrales: NDArray[np.int64]
    pesos_dia: NDArray[np.float64]
    entra: float
    sale: float
    aprende_siempre: bool
    tail_scores: NDArray[np.float64]
    tail_log_p: NDArray[np.float64]


class WeightedBlend:
    """The transparent blend described at the top of this file.

    ``calibraciones``: one a detector, in the registry's order. ``online_tail``: tail of the online
    model's scores; without it the model learns but has no vote.
    """

    def __init__(
        self,
        params: Params,
        calibraciones: list[Calibracion],
        online_tail: EmpiricalTail | None = None,
    ) -> None:
        vacia = np.empty(0, np.float64)
        self._settings = _Settings(
            _Calibrations(
                np.array([c.tasa for c in calibraciones]),
                np.array([c.alfa for c in calibraciones]),
                np.array([c.fraccion for c in calibraciones]),
                np.array([c.peso for c in calibraciones]),
                np.log(np.array([1.0, *params.frecuencias])),
                np.log(np.array([1.0, *params.frecuencias_presupuesto()])),
                params.tasa_previa_horas,
            ),
            severity_thresholds(params),
            day_weights(params.sospecha_semivida_dias),
            params.sospecha_entra,
            params.sospecha_sale,
            params.online_aprende_de_anomalias,
            online_tail.scores if online_tail else vacia,
            online_tail.log_p if online_tail else vacia,
        )

    def weights(self) -> NDArray[np.float64]:
        """Return the weight (d,) of each detector."""
        return self._settings.calibrations.peso

    def combine(
        self,
        ring: HourlyRing,
        states: PartitionStates,
        arrivals: Arrivals,
        votes: Votes,
        clock: CaseClock,
        ventana: NDArray[np.float32],
    ) -> Blended:
        """Return the verdicts of readings in order of arrival, and keep them in their rings.

        ``ventana`` (n, HORAS_VENTANA + 1): as ``extract_windows`` fills it.
        """
        blended = Blended.empty(*votes.exceso.shape)
        _combine(
            ring.verdicts(), states.online_model(), self._settings, arrivals, votes, clock, ventana,
            blended,
        )  # fmt: skip
        return blended

    def preview(self, champion: Blended, votes: Votes) -> Blended:
        """Return what it would have said where another blend has just decided, keeping nothing.

        Whether a customer is under suspicion is not its affair: that column is False.
        """
        blended = Blended.empty(*votes.exceso.shape)
        _preview(self._settings, votes, champion, blended)
        return blended


@jit()
def _vote(i, exceso, dispara, cal, veces, listas, scores):  # type: ignore[no-untyped-def]
    """Fill the detectors' scores of reading i; return the blended one in hundredths, and types."""
    alto = 0.0
    resto = 1.0
    mascara = 0
    for k in range(exceso.shape[1]):
        scores[i, k] = np.nan
        e = exceso[i, k]
        if np.isnan(e):
            continue
        p = cal.tasa[k]
        if k < COUNTED:
            propias = veces[k] + cal.previa * cal.tasa[k]
            p = propias / (cal.fraccion[k] * listas + cal.previa)
        log_p = np.log(p) - cal.alfa[k] * np.log(max(e, 1e-9))
        s = frequency_score(log_p, cal.log_frecuencias)
        if dispara[i, k]:
            mascara |= 1 << k
        else:
            s = min(s, 0.49)
        scores[i, k] = s
        alto = max(alto, s)
        if s >= 0.5:
            resto *= 1.0 - cal.peso[k] * (2.0 * s - 1.0)
    # Rounded before it is judged, so that the stored score and severidad always agree.
    if alto >= 0.5:
        return int(np.floor(100.0 * (1.0 - 0.5 * resto) + 0.5)), mascara
    return min(int(100.0 * alto + 0.5), 49), mascara


@jit()
def _learned(log_p, log_presupuesto, umbral_baja, mascara):  # type: ignore[no-untyped-def]
    """Return the learned blend's score in hundredths, and the types with the one that it bears."""
    c = int(np.floor(100.0 * frequency_score(log_p, log_presupuesto) + 0.5))
    if c >= umbral_baja:
        mascara |= 1 << OFFLINE
    return c, mascara


@jit()
def _pack(centesimas, sospechoso, con_referencia, contable, mascara):  # type: ignore[no-untyped-def]
    """Return a verdict in the 16 bits that the ring keeps of it."""
    veredicto = VERDICT_BIT | (centesimas & SCORE_BITS)
    if sospechoso:
        veredicto |= SUSPECT_BIT
    if con_referencia:
        veredicto |= REFERENCE_BIT
    if contable:
        veredicto |= (mascara & COUNTED_MASK) << COUNTED_SHIFT
    return np.uint16(veredicto)


@jit()
def _keep(ring, fila, hora, repetida, veredicto):  # type: ignore[no-untyped-def]
    """Keep a verdict if its hour is within the ring; of a repeated reading the first one stands."""
    if hora <= ring.ultimo[fila] - HORAS_ANILLO:
        return
    if repetida and ring.veredictos[fila, hora % HORAS_ANILLO] & VERDICT_BIT:
        return
    write_verdict(ring, fila, hora, veredicto)


@jit()
def _ask_online(model, p, rasgos, i, tasa, tail_scores, tail_log_ps, exceso, dispara):  # type: ignore[no-untyped-def]
    """Return the online model's raw score of reading i, and fill its vote."""
    exceso[i, ONLINE] = np.nan
    dispara[i, ONLINE] = False
    if np.isnan(rasgos[i, 0]):
        return np.nan
    crudo = score_at(model, p, rasgos, i)
    if not np.isnan(crudo) and tail_scores.shape[0] > 0:
        e = tasa * np.exp(-tail_log_p(crudo, tail_scores, tail_log_ps))
        exceso[i, ONLINE] = e
        dispara[i, ONLINE] = e > 1.0
    return crudo


@jit()
def _raise_to_case(clock, umbrales, p, hora_local, kwh, c, mascara, caso):  # type: ignore[no-untyped-def]
    """Return score and types of an hour of a customer with an open case, and fill what it is."""
    days = clock.days
    if not goes_on(days.niveles[p], hora_local % 24, kwh):
        return c, mascara
    ventaja = smoothed(days, p, hora_local // 24 - 1)
    suelo = case_score(ventaja, clock.umbrales, umbrales)
    caso[0] = clock.umbrales.abre if np.isnan(ventaja) else ventaja  # nothing was thought of late
    caso[1] = days.inicio[p]
    caso[2] = daily_kwh(days.niveles[p, BEFORE])
    caso[3] = daily_kwh(days.niveles[p, AFTER])
    caso[4] = suelo
    if suelo <= c:
        return c, mascara
    return suelo, mascara | 1 << case_type(days, p, hora_local // 24 - 1)


@jit()
def _lower_to_innocent(days, p, hora_local, kwh, c, mascara, alta, caso):  # type: ignore[no-untyped-def]
    """Return the score of an hour of a customer with a case of innocent kind, and fill what it is.

    What it explains is media at most. Lamps stay as they are: a plantation likes empty homes.
    """
    if mascara >> PLANTACION & 1:
        return c
    ayer = hora_local // 24 - 1
    if not is_explained(days, p, ayer, kwh):
        return c
    niveles = np.empty((2, BLOQUES), np.uint8)
    innocent_levels(days, p, ayer, niveles)
    caso[1] = days.inocente_inicio[p]
    caso[2] = daily_kwh(niveles[BEFORE])
    caso[3] = daily_kwh(niveles[AFTER])
    caso[4] = days.inocente_tipo[p]
    return alta - 1


@jit()
def _combine(ring, model, settings, arrivals, votes, clock, ventana, out):  # type: ignore[no-untyped-def]
    days = clock.days
    cal, umbrales, pesos_dia = settings.calibrations, settings.umbrales, settings.pesos_dia
    exceso, dispara, rasgos = votes.exceso, votes.dispara, arrivals.rasgos
    for i in range(arrivals.fila.shape[0]):
        f = arrivals.fila[i]
        h = arrivals.hora[i]
        repetida, propia = arrivals.repetida[i], arrivals.propia[i]
        dia = arrivals.hora_local[i] // 24
        if dia != days.hoy[propia]:
            turn_day(clock, ring, propia, dia, h, not repetida, ventana[i])
        abierto = clock.juzga and was_open(days, propia, dia - 1)
        advance_verdicts(ring, f, h)
        evidencia, out.listas[i], antes = look_back(ring, f, h, pesos_dia, out.veces[i])
        if exceso.shape[1] > ONLINE:
            out.online[i] = _ask_online(
                model, arrivals.particion[i], rasgos, i, cal.tasa[ONLINE], settings.tail_scores,
                settings.tail_log_p, exceso, dispara,
            )  # fmt: skip
        c, mascara = _vote(i, exceso, dispara, cal, out.veces[i], out.listas[i], out.scores)
        if not np.isnan(votes.aprendida[i]):
            c, mascara = _learned(votes.aprendida[i], cal.log_presupuesto, umbrales[0], mascara)
        if abierto:
            c, mascara = _raise_to_case(
                clock, umbrales, propia, arrivals.hora_local[i], ventana[i, -1], c, mascara,
                out.caso[i],
            )  # fmt: skip
        elif c >= umbrales[2] and innocent_was_open(days, propia, dia - 1):
            c = _lower_to_innocent(
                days, propia, arrivals.hora_local[i], ventana[i, -1], c, mascara, umbrales[2],
                out.caso[i],
            )  # fmt: skip
        evidencia += GAIN[c] * pesos_dia[0]
        nivel = severity_of(c, umbrales)
        sospechoso = abierto
        if not clock.juzga:
            sospechoso = evidencia >= settings.entra or (antes and evidencia >= settings.sale)
        out.score_centesimas[i] = c
        out.severidad[i] = nivel
        out.tipos[i] = mascara
        out.es_sospechoso[i] = sospechoso
        # What it has learnt before, or compares with a past that only this reading has, it skips.
        aprende = arrivals.ensena[i] and not repetida and propia == f and not abierto
        con_rasgos = not np.isnan(rasgos[i, 0])
        if aprende and con_rasgos and (nivel == 0 or settings.aprende_siempre):
            learn_at(model, arrivals.particion[i], rasgos, i)
        veredicto = _pack(c, sospechoso, votes.con_referencia[i], c < umbrales[1], mascara)
        _keep(ring, f, h, repetida, veredicto)
        if propia != f:
            _keep(ring, propia, h, repetida, veredicto)


@jit()
def _preview(settings, votes, champion, out):  # type: ignore[no-untyped-def]
    cal, umbrales = settings.calibrations, settings.umbrales
    for i in range(votes.exceso.shape[0]):
        c, mascara = _vote(
            i, votes.exceso, votes.dispara, cal, champion.veces[i], champion.listas[i], out.scores
        )
        if not np.isnan(votes.aprendida[i]):
            c, mascara = _learned(votes.aprendida[i], cal.log_presupuesto, umbrales[0], mascara)
        if not np.isnan(champion.caso[i, 0]):
            # Cases are the version's in use: whoever is in shadow has none of its own.
            c = max(c, int(champion.caso[i, 4]))
        elif not np.isnan(champion.caso[i, 1]):
            c = min(c, umbrales[2] - 1)
        out.score_centesimas[i] = c
        out.severidad[i] = severity_of(c, umbrales)
        out.tipos[i] = mascara
