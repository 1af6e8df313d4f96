"""The story of one batch, without Kafka: score on a draft, save to both stores, accept.

The history, and the days and cases that it has moved on, are saved before the anomalies and the
cases. So an anomaly can only exist where the history has its reading, and what the history calls
new needs no look at the anomalies; after a crash in between, the batch comes again, the history
says "repeated", and the anomalies are made to agree with it.

The same reading again changes nothing, even where another version of the model has another
opinion by now: the history keeps its verdict and says so, and the anomalies follow it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np

from detection.domain import Explicacion, Lecturas, Veredictos
from detection.scoring_model import ScoringModel
from pipeline.stores.ports import AnomalyStore, CaseStore, Guardado, HistoryStore, PuntoOnline
from serving.metrics import ConsumerMetrics
from serving.scorer import BatchOrigin, Draft, Scorer

SONDEO_DESCARTADOS_S = 10.0
_MARGEN = timedelta(minutes=1)
"""By which two looks overlap: other machines write what people say, and clocks differ."""


class ModelSource(Protocol):
    """Where new versions of the model come from. Adapter: ``serving.model_watcher``."""

    def take(self) -> ScoringModel | None:
        """Return a champion that is new since the last call; must not wait for anything."""
        ...

    @property
    def challenger(self) -> ScoringModel | None:
        """Return who is to score in shadow now; None = nobody."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ScoredBatch:
    """A draft as the stores get it."""

    borrador: Draft  # all of it, for the scorer
    # lecturas, veredictos: (n,); the last reading of each identity, with its verdict.
    lecturas: Lecturas
    veredictos: Veredictos
    # (n,): what the detectors say of each anomaly; empty for normal readings.
    explicaciones: Sequence[Sequence[Explicacion]]
    puntos: Sequence[PuntoOnline]  # the online models after the batch
    sombra: Veredictos | None  # (n,): what a challenger in shadow would have said
    desde: float  # when its scoring began, as ``time.perf_counter`` counts


class ScoringProcessor:
    """A ``pipeline.streaming.consumer_loop.BatchProcessor`` of a scorer and both stores.

    Parameters
    ----------
    historial, anomalias, casos : HistoryStore, AnomalyStore, CaseStore
        The stores. One thread saves while another loads history.
    ahora_hora : callable
        Absolute hour of now.
    modelos : ModelSource, optional
        Where new versions of the model come from; looked at before each draft.
    metricas : ConsumerMetrics, optional
        Told of each batch that both stores have.
    sondeo_s : float
        Seconds between two looks at what people have discarded, >= 0.
    """

    def __init__(
        self,
        scorer: Scorer,
        historial: HistoryStore,
        anomalias: AnomalyStore,
        casos: CaseStore,
        ahora_hora: Callable[[], int],
        modelos: ModelSource | None = None,
        metricas: ConsumerMetrics | None = None,
        sondeo_s: float = SONDEO_DESCARTADOS_S,
    ) -> None:
        self._sondeo = timedelta(seconds=sondeo_s)
        self._mirado = datetime.now(UTC)
        self._scorer = scorer
        self._historial = historial
        self._anomalias = anomalias
        self._casos = casos
        self._ahora_hora = ahora_hora
        self._modelos = modelos
        self._metricas = metricas
        self._clientes: dict[int, set[str]] = {}

    def draft(self, lecturas: Lecturas, origen: BatchOrigin) -> ScoredBatch:
        """Return verdicts on a draft; ``TransientError`` if a store is out of reach."""
        desde = time.perf_counter()
        self._change_model()
        self._hear_people()
        borrador = self._scorer.draft(lecturas, origen)
        if borrador.nuevos:
            nuevos = set(borrador.nuevos)
            particiones = origen.particion.tolist()
            for propietario, particion in zip(lecturas.propietario_id, particiones, strict=True):
                if propietario in nuevos:
                    self._clientes.setdefault(particion, set()).add(propietario)
        return self._prepare(borrador, origen, desde)

    def _change_model(self) -> None:
        if self._modelos is None:
            return
        campeon = self._modelos.take()
        if campeon is not None:
            self._scorer.use(campeon)
        self._scorer.use_shadow(self._modelos.challenger)

    def _hear_people(self) -> None:
        """Take for usual what people have discarded of customers in memory, or no more."""
        ahora = datetime.now(UTC)
        if ahora - self._mirado < self._sondeo:
            return
        desde = self._mirado - _MARGEN
        self._scorer.accept_levels(self._casos.discarded_since(desde))
        self._scorer.reinstate(self._casos.going_on_since(desde))
        self._mirado = ahora

    def _prepare(self, borrador: Draft, origen: BatchOrigin, desde: float) -> ScoredBatch:
        # Here and not in ``save``: the thread that saves is the one that all wait for.
        ultimas = borrador.lecturas.vigentes()
        lecturas = borrador.lecturas.elegir(ultimas)
        veredictos = borrador.veredictos.elegir(ultimas)
        puntos = [
            PuntoOnline(particion, siguiente, estado, origen.log_id)
            for particion, (siguiente, estado) in borrador.online.items()
        ]
        sombra = None if borrador.sombra is None else borrador.sombra.elegir(ultimas)
        explicaciones = self._explain(lecturas, veredictos)
        return ScoredBatch(borrador, lecturas, veredictos, explicaciones, puntos, sombra, desde)

    def _explain(self, lecturas: Lecturas, veredictos: Veredictos) -> list[Sequence[Explicacion]]:
        explicaciones: list[Sequence[Explicacion]] = [()] * len(lecturas)
        for i in np.flatnonzero(veredictos.severidad).tolist():
            explicaciones[i] = self._scorer.detector.explain(
                veredictos, i, float(lecturas.consumo_kwh[i])
            )
        return explicaciones

    def save(self, puntuado: ScoredBatch) -> None:
        """Save to both stores; ``TransientError`` while one is away. Twice equals once."""
        lecturas, veredictos = puntuado.lecturas, puntuado.veredictos
        borrador = puntuado.borrador
        guardado = self._historial.save(lecturas, veredictos, puntuado.puntos, borrador.memoria)
        de_ahora = np.ones(len(lecturas), np.bool_)
        de_ahora[guardado.conservadas] = False
        cuales = np.flatnonzero(de_ahora)
        if puntuado.sombra is not None:
            self._historial.save_shadow(
                lecturas.elegir(cuales), veredictos.elegir(cuales), puntuado.sombra.elegir(cuales)
            )
        self._anomalias.save(
            lecturas.elegir(cuales),
            veredictos.elegir(cuales),
            [puntuado.explicaciones[i] for i in cuales.tolist()],
            guardado.repetida[cuales],
            self._ahora_hora(),
        )
        if guardado.conservadas.size:
            self._restore_anomalies(puntuado, guardado)
        if borrador.casos:
            self._casos.save(borrador.casos)

    def _restore_anomalies(self, puntuado: ScoredBatch, guardado: Guardado) -> None:
        """Make the anomalies agree with verdicts that the history kept, version by version."""
        versiones = np.array(guardado.version_modelo)
        for version in dict.fromkeys(guardado.version_modelo):
            de_ella = np.flatnonzero(versiones == version)
            cuales = guardado.conservadas[de_ella]
            lecturas = puntuado.lecturas.elegir(cuales)
            nuestros = puntuado.veredictos.elegir(cuales)
            suyos = replace(
                nuestros,
                score_centesimas=guardado.score_centesimas[de_ella],
                severidad=guardado.severidad[de_ella],
                tipos=guardado.tipos[de_ella],
                es_sospechoso=guardado.es_sospechoso[de_ella],
                esperado_kwh=guardado.esperado_kwh[de_ella],
                version_modelo=version,
            )
            explicaciones = self._explain(lecturas, suyos)
            self._anomalias.restore(lecturas, suyos, explicaciones, self._ahora_hora())

    def accept(self, puntuado: ScoredBatch) -> None:
        """Take note that a draft is in both stores."""
        self._scorer.accept(puntuado.borrador)
        if self._metricas:
            veredictos = puntuado.veredictos
            segundos = time.perf_counter() - puntuado.desde
            self._metricas.lote(veredictos.severidad, segundos, veredictos.version_modelo)

    def discard(self, puntuado: ScoredBatch) -> None:
        """Forget a draft that will not be saved."""
        self._scorer.discard(puntuado.borrador)

    def forget(self, particiones: Iterable[int]) -> None:
        """Drop the customers of partitions that another consumer reads from now on."""
        for particion in particiones:
            self._scorer.forget(self._clientes.pop(int(particion), ()), (int(particion),))
