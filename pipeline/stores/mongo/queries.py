"""All that is asked of MongoDB by whoever only looks; within limits, and safe from many threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING

from detection.domain import SEVERIDADES
from pipeline.stores.mongo.anomalies import ABIERTA, ANOMALIAS, ARCHIVO
from pipeline.stores.mongo.cases import CASOS
from pipeline.stores.mongo.cases import INDICES as DE_CASOS
from pipeline.stores.mongo.months import MENSUALES
from pipeline.stores.mongo.query_cases import MongoCases
from pipeline.stores.mongo.query_embedded import LECTURAS_MAXIMAS, EmbeddedSums
from pipeline.stores.mongo.query_filter import CONSUMO, DETECCION
from pipeline.stores.mongo.query_lists import VEREDICTO, MongoAnomalyLists
from pipeline.stores.mongo.query_months import ORDENES, MongoMonths
from pipeline.stores.mongo.query_ranking import MongoRanking
from pipeline.stores.mongo.query_summaries import MongoAnomalySummaries
from pipeline.stores.mongo.query_sums import AnomalySums
from pipeline.stores.mongo.reader import LIMITE_MS, MongoReader
from pipeline.stores.query_cache import AnswerCache
from serving.settings import Settings

_DE_CRITICAS = {"partialFilterExpression": {"severidad": str(SEVERIDADES[-1])}}
# "abierta" comes first in the alphabet, so these are what people have said.
_DE_JUZGADAS = {"partialFilterExpression": {"estado": {"$gt": ABIERTA}}}
INDICES: tuple[tuple[list[tuple[str, int]], dict[str, Any]], ...] = (
    ([(CONSUMO, DESCENDING)], {}),
    ([("severidad", ASCENDING), (DETECCION, DESCENDING), ("_id", DESCENDING)], _DE_CRITICAS),
    ([("severidad", ASCENDING), (CONSUMO, DESCENDING), ("_id", DESCENDING)], _DE_CRITICAS),
    ([("estado", ASCENDING)], _DE_JUZGADAS),
    ([(VEREDICTO, DESCENDING)], {"sparse": True}),
)
"""Beside those of the specification. Each costs the consumer time with every anomaly, so but for
the first they hold few: critical ones, and those that somebody has judged."""


class MongoQueries:
    """The questions to MongoDB, by subject.

    Parameters
    ----------
    conexiones : int
        Threads that ask at a time, at most.
    limite_ms : int
        Longest list, ms.
    margen_s : float
        Anomalies younger than this are not yet given as new: a batch is stored in less.
    reloj : callable, optional
        The time, aware.
    segundos : callable, optional
        Rising seconds, by which what is remembered grows old.
    embebido : bool, optional
        The server is the embedded one; it is asked what it is if not given.
    """

    def __init__(
        self,
        settings: Settings,
        conexiones: int = 8,
        limite_ms: int = LIMITE_MS,
        margen_s: float = 3.0,
        reloj: Callable[[], datetime] = lambda: datetime.now(UTC),
        segundos: Callable[[], float] = time.monotonic,
        embebido: bool | None = None,
    ) -> None:
        self._lector = MongoReader(settings, "consumo api", conexiones, limite_ms)
        self._recuerdo = AnswerCache(reloj=segundos)
        self._lecturas = AnswerCache(LECTURAS_MAXIMAS, segundos)
        pipelines = AnomalySums(self._lector)
        embedded = EmbeddedSums(self._lector, self._lecturas, reloj)

        def is_embedded() -> bool:
            return self._lector.is_embedded if embebido is None else embebido

        def sums() -> AnomalySums:
            return embedded if is_embedded() else pipelines

        margen = timedelta(seconds=margen_s)
        self.lists = MongoAnomalyLists(self._lector, sums, self._recuerdo, reloj, margen)
        self.summaries = MongoAnomalySummaries(self._lector, sums, self._recuerdo, reloj)
        self.cases = MongoCases(self._lector, self._recuerdo, reloj, margen)
        self.ranking = MongoRanking(self._lector.presenta, sums, self.cases, self._recuerdo, reloj)
        self.months = MongoMonths(self._lector, is_embedded, self._recuerdo)

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing: of anomalies, their archive, cases, months."""
        with self._lector.taken():
            for campos in DE_CASOS:
                self._lector.base[CASOS].create_index(campos)
            for nombre in (ANOMALIAS, ARCHIVO):
                for campos, opciones in INDICES:
                    self._lector.base[nombre].create_index(campos, **opciones)
            for orden in ORDENES:
                self._lector.base[MENSUALES].create_index(
                    [("mes_str", ASCENDING), (orden, DESCENDING), ("_id", DESCENDING)]
                )

    def forget(self) -> None:
        """Ask again next time: somebody has judged an anomaly."""
        # First what the other is made of.
        self._lecturas.clear()
        self._recuerdo.clear()

    def ping(self) -> None:
        """Return if MongoDB answers; raise ``TransientError`` otherwise."""
        self._lector.ping()

    def close(self) -> None:
        """Close every connection."""
        self._lector.close()
