"""The detector: a batch of readings in, a batch of verdicts out. All that other rooms call."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from detection.blend.learned import COLUMNAS, LearnedBlend, blend_columns
from detection.blend.weighted import OFFLINE, ONLINE, Arrivals, Blended, Votes, WeightedBlend
from detection.cases.case import DIAS_SUAVIZADO
from detection.cases.clock import CaseClock, judge_days, make_clock, make_scratch
from detection.cases.model import CaseModel
from detection.cases.pages import changed_rows, fill_from_hours, load_changes, take_changes
from detection.cases.records import CaseGoingOn, CaseMemory, Caso, day_of
from detection.cases.story import explain_hour, tell_cases
from detection.domain import (
    CASE_COLUMNS,
    HORAS_POR_DIA,
    MASCARA_DTYPE,
    TIPOS_INOCENTES,
    Calendario,
    Explicacion,
    Historia,
    Lecturas,
    Veredictos,
)
from detection.features.context import Context, make_context
from detection.features.evidence import INDICIOS, compute_evidence
from detection.features.hourly import RASGOS
from detection.measurement import MEDIDAS
from detection.memory.day_memory import DayMemory, Days
from detection.memory.hourly_ring import NO_HOUR, HourlyRing, extract_windows
from detection.memory.reference import Reference
from detection.memory.windows import make_windows
from detection.models.detectors import OfflineModelDetector, OnlineModelDetector
from detection.models.half_space_trees import build_trees
from detection.models.partition_states import PartitionStates
from detection.params import HORAS_VENTANA, Params
from detection.rules.registry import CALIBRACIONES, DETECTORES, rules_fingerprint
from detection.scoring_model import ScoringModel
from detection.shadow import Shadow

_TROZO = 512
"""Readings scored at once: their windows (1.4 MB) stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class ScoringTrace:
    """What the detectors measured before calibration, for training and reports."""

    rasgos: NDArray[np.float32]  # (n, F): features in [0, 1]; a row of NaN = not ready
    # (n, d): each detector's statistic over its threshold; NaN = not ready.
    exceso: NDArray[np.float32]
    online: NDArray[np.float64]  # (n,): the online model's raw score; NaN = not ready
    veredictos: Veredictos
    # sombra_centesimas, sombra_severidad: (n,); what the challenger in shadow would have said;
    # zeros without one.
    sombra_centesimas: NDArray[np.uint8]
    sombra_severidad: NDArray[np.uint8]
    # (n, c): what a learned blend looks at (``learned.COLUMNAS``); no columns unless asked for.
    columnas: NDArray[np.float32]


class DetectorConsumo:
    """Scores readings against each customer's own past, which it remembers.

    Parameters
    ----------
    calendario : Calendario
        Local time.
    sin : collection of str
        Detectors that have no vote: what would be without them? The learned blend goes with
        "modelo_offline", whose version it belongs to; "casos" leaves cases out.
    con_columnas : bool
        Measure also what a learned blend looks at, for training.
    base : ScoringModel, optional
        The base version: who scores while no other version is in use; None = the rules alone.

    Examples
    --------
    >>> import numpy as np
    >>> calendario = Calendario("UTC", 0, np.zeros(1_000_000, np.int8))
    >>> detector = DetectorConsumo(calendario)
    >>> horas = np.arange(490_000, 490_000 + 24 * 28, dtype=np.int64)
    >>> normal = 1.0 + 0.1 * np.sin(horas)
    >>> pasado = detector.score(Lecturas(["CLI_00001"] * 672, horas, normal))
    >>> hora = np.array([490_672], np.int64)
    >>> v = detector.score(Lecturas(["CLI_00001"], hora, np.array([9.0])))
    >>> [e.detector for e in detector.explain(v, 0, 9.0) if e.dispara]
    ['desviacion_estadistica', 'pico_consumo']
    """

    def __init__(
        self,
        calendario: Calendario,
        params: Params | None = None,
        sin: Collection[str] = (),
        con_columnas: bool = False,
        base: ScoringModel | None = None,
    ) -> None:
        self.calendario = calendario
        self.params = params or Params()
        self.sin = frozenset(sin)
        self.con_columnas = con_columnas
        self._base = base
        self.ring = HourlyRing()
        self.days = DayMemory(self.ring.ultimo_valor.shape[0])
        self._scratch = make_scratch()
        p = self.params
        self.trees = build_trees(
            RASGOS, arboles=p.online_arboles, altura=p.online_altura, ventana=p.online_ventana,
            semilla=p.online_semilla,
        )  # fmt: skip
        self.partitions = PartitionStates(self.trees)
        self.shadow: Shadow | None = None
        self.use(None)

    def use(self, modelo: ScoringModel | None) -> None:
        """Score with a version from now on; None = with the base version, or the rules alone."""
        modelo = modelo or self._base
        reglas = f"reglas-{rules_fingerprint(self.params)}"
        calibraciones = dict(CALIBRACIONES)
        offline, online_tail = OfflineModelDetector(), None
        self.learned: LearnedBlend | None = None
        self.case_model: CaseModel | None = None
        self.version_modelo = reglas
        if modelo is not None:
            self.version_modelo = f"{modelo.version}+{reglas}"
            calibraciones |= modelo.calibraciones
            offline = OfflineModelDetector(modelo.bosque, modelo.cola_offline)
            con_voto = modelo.huella_online == self.trees.huella()
            if con_voto and "modelo_online" not in self.sin:
                online_tail = modelo.cola_online
            if "modelo_offline" not in self.sin:
                self.learned = modelo.mezcla
            self.case_model = modelo.casos
            if self.case_model is None and self._base is not None:
                self.case_model = self._base.casos
        if "casos" in self.sin:
            self.case_model = None
        self.detectores = (*DETECTORES, OnlineModelDetector(), offline)
        self.blend = WeightedBlend(
            self.params, [calibraciones[str(d.nombre)] for d in self.detectores], online_tail
        )

    def use_shadow(self, modelo: ScoringModel | None) -> None:
        """Let a challenger say of each reading what it would have said; None = nobody."""
        self.shadow = None
        if modelo is not None:
            self.shadow = Shadow(modelo, self.params, self.trees.huella())

    def score(self, lecturas: Lecturas, particion: NDArray[np.integer] | None = None) -> Veredictos:
        """Return the verdicts of readings in order of arrival, and remember them.

        A verdict depends on earlier hours of its customer, and on what the earlier readings of
        its partition taught the online model, never on later ones; it is the same whether
        readings come one by one or in batches of any size.

        ``particion`` (n,): number of the partition that each reading came from; all from one if not
        given.
        """
        return self.measure(lecturas, particion).veredictos

    def measure(
        self, lecturas: Lecturas, particion: NDArray[np.integer] | None = None
    ) -> ScoringTrace:
        """Score like ``score``, and return also what was measured on the way."""
        for propietario_id in dict.fromkeys(lecturas.propietario_id):
            self.ring.add(propietario_id)
        fila = self.ring.rows(lecturas.propietario_id)
        return self.score_rows(lecturas, fila, fila, particion)

    def score_rows(
        self,
        lecturas: Lecturas,
        fila: NDArray[np.int64],
        propia: NDArray[np.int64],
        particion: NDArray[np.integer] | None = None,
        ensena: NDArray[np.bool_] | None = None,
    ) -> ScoringTrace:
        """Return the verdicts against given rows of the rings.

        ``ValueError``: a reading or its window lies outside the calendar.

        Parameters
        ----------
        fila, propia : ndarray (n,), int64
        ensena : ndarray (n,), bool, optional
            As in ``Arrivals``; all may teach if not given.
        """
        n = len(lecturas)
        self._check_calendar(lecturas.hora_utc)
        trace = self._empty(n, self.calendario.local(lecturas.hora_utc))
        arrivals = Arrivals(
            fila, propia, lecturas.hora_utc, np.empty(n, np.bool_),
            np.ones(n, np.bool_) if ensena is None else ensena,
            self._partition_rows(particion, n), trace.rasgos, trace.veredictos.hora_local,
        )  # fmt: skip
        ventana = np.empty((min(n, _TROZO), HORAS_VENTANA + 1), np.float32)
        clock = self._clock()
        for inicio in range(0, n, _TROZO):
            trozo = slice(inicio, min(inicio + _TROZO, n))
            self._score_chunk(arrivals, lecturas.consumo_kwh, trozo, ventana, clock, trace)
        return trace

    def _clock(self) -> CaseClock:
        return make_clock(
            self._day_columns(), self.calendario, self.case_model,
            self.params.sospecha_semivida_dias, self._scratch, self.learned is not None,
        )  # fmt: skip

    def _partition_rows(self, particion: NDArray[np.integer] | None, n: int) -> NDArray[np.int64]:
        if particion is None:
            particion = np.zeros(n, np.int64)
        distintas, cual = np.unique(particion, return_inverse=True)
        filas = np.empty(distintas.shape[0], np.int64)
        for k, numero in enumerate(distintas.tolist()):
            fila = self.partitions.row(numero)
            filas[k] = self.partitions.add(numero, None) if fila < 0 else fila
        return filas[cual]

    def load(self, propietario_id: list[str], historia: Historia) -> None:
        """Replace what is remembered of some customers by what the store remembers."""
        self.forget(propietario_id)
        filas = np.array([self.ring.add(p) for p in propietario_id], np.int64)
        self.ring.load(filas, historia, self.params.umbral_media)

    def forget(self, propietario_id: Iterable[str]) -> None:
        """Drop customers from memory."""
        self.days.reserve(self.ring.ultimo_valor.shape[0])
        for propietario in propietario_id:
            fila = self.ring.row(propietario)
            if fila >= 0:
                self.days.forget(fila)
            self.ring.forget(propietario)

    def _day_columns(self) -> Days:
        """Return the days of all customers, with room for every row of the ring."""
        self.days.reserve(self.ring.ultimo_valor.shape[0])
        return self.days.columns()

    def load_days(self, memoria: CaseMemory) -> None:
        """Fill the days of customers in memory with what the store keeps of them."""
        filas = {p: self.ring.row(p) for p in memoria.estados.propietario_id}
        load_changes(self._day_columns(), filas, memoria)

    def without_days(self, propietario_id: Iterable[str]) -> list[str]:
        """Return which customers in memory have hours, and no days that go on to them."""
        columns = self._day_columns()
        salida = []
        for propietario in propietario_id:
            fila = self.ring.row(propietario)
            ultima = self.ring.ultimo_valor[fila : fila + 1]
            if ultima[0] == NO_HOUR:
                continue
            if columns.hoy[fila] < self.calendario.local(ultima)[0] // HORAS_POR_DIA:
                salida.append(propietario)
        return salida

    def fill_days(self, propietario_id: list[str], historia: Historia) -> None:
        """Make the days of customers anew out of their stored hours."""
        columns = self._day_columns()
        corte = np.searchsorted(historia.indice, np.arange(len(propietario_id) + 1))
        for i, propietario in enumerate(propietario_id):
            suyas = slice(corte[i], corte[i + 1])
            fila = self.ring.row(propietario)
            self.days.forget(fila)
            if historia.hora_utc[suyas].size:
                fill_from_hours(
                    columns, fila, historia.hora_utc[suyas], historia.consumo_kwh[suyas],
                    self.calendario,
                )  # fmt: skip

    def accept_levels(self, desde: Mapping[str, date]) -> None:
        """Take for usual what began on a day at some customers: people have said that it is.

        Those who are not in memory are passed over, and so is what was accepted before.
        """
        self._day_columns()
        for propietario, dia in desde.items():
            fila = self.ring.row(propietario)
            if fila >= 0:
                self.days.accept_level(fila, day_of(dia))

    def accepted(self, casos: Iterable[CaseGoingOn]) -> list[CaseGoingOn]:
        """Return of which cases customers in memory have the level for usual (``accept_levels``).

        They had been discarded, and are no more.
        """
        self._day_columns()
        return [
            caso
            for caso in casos
            if (fila := self.ring.row(caso.propietario_id)) >= 0
            and self.days.is_accepted(fila, day_of(caso.fecha_inicio))
        ]

    def reopen(self, caso: CaseGoingOn, aceptado: date | None) -> None:
        """Go on with a case of a customer whose days have just been made anew (``fill_days``).

        Its days are judged anew, from the last ones that its opening rested on: it may have ended.

        ``aceptado``: the onset of an earlier case, whose level is the customer's own; None = none.
        """
        columns = self._day_columns()
        fila = self.ring.row(caso.propietario_id)
        inicio, apertura, hoy = (
            *(day_of(dia) for dia in (caso.fecha_inicio, caso.fecha_apertura)),
            int(columns.hoy[fila]),
        )
        if aceptado is not None:
            columns.primero[fila] = max(int(columns.primero[fila]), day_of(aceptado))
        if self.case_model is None or not columns.primero[fila] <= apertura < hoy:
            return
        inocente = TIPOS_INOCENTES.index(caso.tipo) if caso.tipo in TIPOS_INOCENTES else -1
        clock, ring = self._clock(), self.ring.verdicts()
        desde = max(apertura - DIAS_SUAVIZADO + 1, int(columns.primero[fila]))
        judge_days(clock, ring, fila, desde, apertura + 1)
        self.days.reopen(fila, inicio, apertura, inocente)
        judge_days(clock, ring, fila, apertura + 1, hoy)

    def take_days(
        self, propietario_id: list[str], propia: NDArray[np.int64]
    ) -> tuple[CaseMemory, list[Caso]]:
        """Return what readings (n,) have changed in their customers' days, and their cases.

        It counts as stored. ``propia`` (n,): row of each customer.
        """
        columns = self._day_columns()
        filas = changed_rows(columns, propia)
        primera = dict(zip(propia.tolist(), propietario_id, strict=True))
        nombres = [primera[fila] for fila in filas.tolist()]
        memoria = take_changes(columns, filas, nombres)
        casos = [
            caso
            for fila, nombre in zip(filas.tolist(), nombres, strict=True)
            for caso in tell_cases(columns, fila, nombre, self.version_modelo)
        ]
        return memoria, casos

    def explain(self, veredictos: Veredictos, i: int, consumo_kwh: float) -> list[Explicacion]:
        """Return what each detector says of reading i, in the registry's order."""
        pesos = self.blend.weights().tolist()
        scores = veredictos.scores[i].tolist()
        medidas = veredictos.medidas[i].tolist()
        tipos = int(veredictos.tipos[i])
        explicaciones = []
        for k, detector in enumerate(self.detectores):
            listo = not math.isnan(scores[k])
            explicaciones.append(
                Explicacion(
                    detector=str(detector.nombre),
                    score=round(scores[k], 4) if listo else None,
                    peso=pesos[k],
                    dispara=bool(tipos >> k & 1),
                    frase=detector.sentence(consumo_kwh, medidas[k], self.params)
                    if listo
                    else "Todavía no hay historia suficiente para opinar.",
                )
            )
        caso = None if veredictos.caso is None else veredictos.caso[i]
        if caso is not None and not math.isnan(caso[1]):
            hoy = int(veredictos.hora_local[i]) // HORAS_POR_DIA
            explicaciones.append(explain_hour(caso, hoy))
        return explicaciones

    def _score_chunk(
        self,
        todas: Arrivals,
        consumo_kwh: NDArray[np.float64],
        trozo: slice,
        ventana: NDArray[np.float32],
        clock: CaseClock,
        trace: ScoringTrace,
    ) -> None:
        out = trace.veredictos
        arrivals = todas.part(trozo)
        kwh = consumo_kwh[trozo]
        ventana = ventana[: kwh.shape[0]]
        extract_windows(
            self.ring.valores, self.ring.ultimo_valor, arrivals.fila, arrivals.propia,
            arrivals.hora, kwh, ventana, arrivals.repetida,
        )  # fmt: skip
        context = make_context(
            make_windows(self.calendario, arrivals.hora, kwh, ventana), self.params
        )
        arrivals.rasgos[:] = context.rasgos
        votes = self._measure_all(context, out.medidas[trozo])
        columnas = self._columns(context, votes)
        if self.con_columnas:
            trace.columnas[trozo] = columnas
        if self.learned is not None:
            _ask_learned(self.learned, columnas, votes, out.medidas[trozo])
        blended = self.blend.combine(self.ring, self.partitions, arrivals, votes, clock, ventana)
        with np.errstate(divide="ignore"):
            out.medidas[trozo, ONLINE, 0] = (
                votes.exceso[:, ONLINE] / OnlineModelDetector.calibracion.tasa
            )
        if self.shadow is not None:
            trace.sombra_centesimas[trozo], trace.sombra_severidad[trozo] = self.shadow.preview(
                context, votes, blended, columnas[:, : len(INDICIOS)]
            )
        trace.exceso[trozo] = votes.exceso
        trace.online[trozo] = blended.online
        self._fill_verdicts(out, trozo, blended, context.reference)

    def _fill_verdicts(
        self, out: Veredictos, trozo: slice, blended: Blended, reference: Reference
    ) -> None:
        out.scores[trozo] = blended.scores
        out.score_centesimas[trozo] = blended.score_centesimas
        out.severidad[trozo] = blended.severidad
        out.tipos[trozo] = blended.tipos
        out.es_sospechoso[trozo] = blended.es_sospechoso
        if out.caso is not None:
            out.caso[trozo] = blended.caso
        margen = self.params.sigmas * reference.sigma_kwh
        out.esperado_kwh[trozo] = reference.media_kwh
        out.banda_inferior_kwh[trozo] = np.maximum(reference.media_kwh - margen, 0.0)
        out.banda_superior_kwh[trozo] = reference.media_kwh + margen

    def _measure_all(self, context: Context, medidas: NDArray[np.float32]) -> Votes:
        n, d = len(context), len(self.detectores)
        votes = Votes(
            np.empty((n, d), np.float32),
            np.empty((n, d), np.bool_),
            ~np.isnan(context.reference.media_kwh),
            np.full(n, np.nan),
        )
        for k, detector in enumerate(self.detectores):
            measured = detector.measure(context, self.params)
            sin_voto = str(detector.nombre) in self.sin
            votes.exceso[:, k] = np.nan if sin_voto else measured.exceso
            votes.dispara[:, k] = False if sin_voto else measured.dispara
            medidas[:, k] = measured.datos
        return votes

    def _columns(self, context: Context, votes: Votes) -> NDArray[np.float32]:
        """Return what learned blends look at, nothing (0, 0) where there is none."""
        de_sombra = self.shadow is not None and self.shadow.modelo.mezcla is not None
        if not (self.con_columnas or self.learned is not None or de_sombra):
            return np.empty((0, 0), np.float32)
        return blend_columns(compute_evidence(context.windows, self.params), votes.exceso)

    def _check_calendar(self, hora: NDArray[np.int64]) -> None:
        # The compiled loops look hours up without asking.
        primera = self.calendario.desde_hora + HORAS_VENTANA
        ultima = self.calendario.desde_hora + self.calendario.desfase_horas.shape[0]
        if hora.size and not primera <= hora.min() <= hora.max() < ultima:
            raise ValueError("hay lecturas fuera de los años del calendario")

    def _empty(self, n: int, hora_local: NDArray[np.int64]) -> ScoringTrace:
        d = len(self.detectores)
        veredictos = Veredictos(
            hora_local=hora_local,
            score_centesimas=np.empty(n, np.uint8),
            severidad=np.empty(n, np.uint8),
            tipos=np.empty(n, MASCARA_DTYPE),
            es_sospechoso=np.empty(n, np.bool_),
            esperado_kwh=np.empty(n, np.float32),
            banda_inferior_kwh=np.empty(n, np.float32),
            banda_superior_kwh=np.empty(n, np.float32),
            version_modelo=self.version_modelo,
            scores=np.empty((n, d), np.float32),
            medidas=np.empty((n, d, MEDIDAS), np.float32),
            caso=np.empty((n, CASE_COLUMNS), np.float32),
        )
        return ScoringTrace(
            rasgos=np.empty((n, len(RASGOS)), np.float32),
            exceso=np.empty((n, d), np.float32),
            online=np.empty(n, np.float64),
            veredictos=veredictos,
            sombra_centesimas=np.zeros(n, np.uint8),
            sombra_severidad=np.zeros(n, np.uint8),
            columnas=np.empty((n, len(COLUMNAS) if self.con_columnas else 0), np.float32),
        )


def _ask_learned(
    learned: LearnedBlend,
    columnas: NDArray[np.float32],
    votes: Votes,
    medidas: NDArray[np.float32],
) -> None:
    """Fill what the learned blend says, and let ``modelo_offline`` vote with the rarer of both."""
    votes.aprendida[:] = learned.log_p(columnas)
    tasa = OfflineModelDetector.calibracion.tasa
    with np.errstate(invalid="ignore"):
        rareza = np.fmax(votes.exceso[:, OFFLINE], tasa * np.exp(-votes.aprendida))
    votes.exceso[:, OFFLINE] = rareza
    votes.dispara[:, OFFLINE] = rareza > 1.0
    medidas[:, OFFLINE, 0] = rareza / tasa
