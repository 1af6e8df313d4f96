"""What the consumer and training ask of the stores; ``postgres.py`` and ``mongo.py`` give it.

Whoever calls saves to the history first and to the anomalies second, so an
anomaly can only exist where the history has its reading. The identities in one
call are distinct: of a reading that comes twice in a batch only the last is saved.

A reading that comes again with the same kWh changes nothing (contract 2): its stored verdict
stands, whatever a newer model would say. With another kWh it is a correction and replaces it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detection.cases.records import CaseGoingOn, CaseMemory, Caso
from detection.domain import (
    MASCARA_DTYPE,
    Explicacion,
    Historia,
    Lecturas,
    Mascaras,
    Veredictos,
)
from pipeline.stores.archive import MesArchivo, Movidos, OnProgress
from pipeline.stores.customer_context import ContextoCliente

DIFERENCIA_CENTESIMAS = 10
"""Scores this far apart, in hundredths, are worth comparing: the span of a severidad, about. By
hand, 2026-11-24."""


@dataclass(frozen=True, slots=True)
class PuntoOnline:
    """The online model of one partition, as it is after the readings below an offset."""

    particion: int  # partition of the topic, >= 0
    siguiente_offset: int  # offset of the first reading that the model has not seen, >= 0
    estado: bytes  # the model (see ``detection.models.half_space_trees``)
    # Which log the offset counts in: a topic that is made anew starts its offsets again and is
    # another log under the same name.
    registro: str


@dataclass(frozen=True, slots=True, eq=False)
class Guardado:
    """What ``HistoryStore.save`` did with a batch of n readings, k of them kept against us."""

    repetida: NDArray[np.bool_]  # (n,): a reading of that identity was there before
    # (k,): Positions, rising, of the readings that are stored with the same kWh and another verdict
    # than the one in the batch. The stored one stands; it follows.
    conservadas: NDArray[np.int64]
    score_centesimas: NDArray[np.uint8]  # (k,)
    severidad: NDArray[np.uint8]  # (k,)
    tipos: Mascaras  # (k,)
    es_sospechoso: NDArray[np.bool_]  # (k,)
    esperado_kwh: NDArray[np.float32]  # (k,): NaN = too little history
    version_modelo: list[str]  # (k,)

    @staticmethod
    def as_given(repetida: NDArray[np.bool_]) -> Guardado:
        """Return that every reading (n,) is now stored with the verdict of the batch."""
        return Guardado(
            repetida,
            np.empty(0, np.int64),
            np.empty(0, np.uint8),
            np.empty(0, np.uint8),
            np.empty(0, MASCARA_DTYPE),
            np.empty(0, np.bool_),
            np.empty(0, np.float32),
            [],
        )

    def with_others(self, otras: Guardado) -> Guardado:
        """Return what was done with a batch of which each of the two stored a part."""
        conservadas = np.concatenate([self.conservadas, otras.conservadas])
        orden = np.argsort(conservadas)
        versiones = [*self.version_modelo, *otras.version_modelo]
        return Guardado(
            self.repetida | otras.repetida,
            conservadas[orden],
            np.concatenate([self.score_centesimas, otras.score_centesimas])[orden],
            np.concatenate([self.severidad, otras.severidad])[orden],
            np.concatenate([self.tipos, otras.tipos])[orden],
            np.concatenate([self.es_sospechoso, otras.es_sospechoso])[orden],
            np.concatenate([self.esperado_kwh, otras.esperado_kwh])[orden],
            [versiones[i] for i in orden],
        )


class HistoryStore(Protocol):
    """Every reading with its verdict, the models' states and the shadow (PostgreSQL)."""

    def save(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        puntos: Sequence[PuntoOnline] = (),
        memoria: CaseMemory | None = None,
    ) -> Guardado:
        """Store all of it or nothing, and return what was there before.

        Saving the same batch twice leaves the same rows. Raises ``TransientError`` while the
        store is away.

        ``puntos``: the online models after this batch, one of a partition at most. Each takes the
        place of its partition's, unless that has seen more of the same ``registro``: a consumer
        that has lost the partition without knowing it yet does not take a model back.

        ``memoria``: what the batch has changed of the case clock's memory; a customer has one
        state at most, and one where it has a page. It takes the place of what is stored, unless
        that is of a later ``hoy``, for the same reason; ``sucio`` at the same ``hoy`` stays the
        earlier of the two.
        """
        ...

    def load_online(
        self, registro: str, particiones: Sequence[int]
    ) -> list[tuple[int, bytes] | None]:
        """Return, for each partition, ``siguiente_offset`` and ``estado`` of its online model.

        None = there is none of this ``registro``. Every reading below the offset is stored.
        """
        ...

    def load_case_memory(self, propietario_id: Sequence[str]) -> CaseMemory:
        """Return what the case clock remembers of distinct customers, in their order.

        Pages come by month, from that of a customer's ``primero`` to that of its ``hoy``. Who has
        no memory yet is left out.
        """
        ...

    def customers(self, desde_hora: int, hasta_hora: int, partes: int = 1) -> list[str]:
        """Return the customers with a reading in each of ``partes`` of the hours, sorted.

        The hours are [``desde_hora``, ``hasta_hora``), the parts equal.
        """
        ...

    def load_range(
        self, propietario_id: Sequence[str], desde_hora: int, hasta_hora: int
    ) -> Historia:
        """Return the rows of [``desde_hora``, ``hasta_hora``), by customer and hour."""
        ...

    def load_latest(self, propietario_id: Sequence[str], horas: int) -> Historia:
        """Return, for each customer, the ``horas`` hours up to and including its latest row.

        Rows are ordered by customer and hour; a customer that the store does not know has none.
        """
        ...

    def load_before(
        self, propietario_id: Sequence[str], antes_de_hora: NDArray[np.int64], horas: int
    ) -> Historia:
        """Return each customer i's rows of the ``horas`` hours before ``antes_de_hora[i]``."""
        ...

    def save_shadow(self, lecturas: Lecturas, campeon: Veredictos, aspirante: Veredictos) -> int:
        """Store both verdicts where they matter, and return of how many readings.

        They matter where either is not normal or the scores are ``DIFERENCIA_CENTESIMAS`` apart;
        elsewhere, what an earlier verdict left of the same challenger goes. Saving twice equals
        once.
        """
        ...

    def ping(self) -> None:
        """Return if the store answers; raise ``TransientError`` otherwise."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class AnomalyStore(Protocol):
    """Anomalies with their explanation, and the last hours of readings (MongoDB)."""

    def save(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        explicaciones: Sequence[Sequence[Explicacion]],
        repetida: NDArray[np.bool_],
        ahora_hora: int,
    ) -> None:
        """Store the batch so that its anomalies, and only they, stand for its readings.

        Parameters
        ----------
        explicaciones : sequence (n,)
            What the detectors say, for each anomaly; empty for normal readings.
        repetida : ndarray (n,), bool
            From ``HistoryStore.save``: the reading may have an anomaly from before, which a new
            verdict replaces or removes.
        ahora_hora : int
            Absolute hour of now: only readings of the last hours go to ``consumos_horarios``.
        """
        ...

    def restore(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        explicaciones: Sequence[Sequence[Explicacion]],
        ahora_hora: int,
    ) -> None:
        """Make the anomalies agree with verdicts that the history has kept (``Guardado``).

        What agrees already is not touched at all; an anomaly that is missing is inserted, an open
        one of a normal reading goes. One that says something else (its correction reached the
        history only) gets the verdict and keeps its ``estado``. The same for the last hours.

        Parameters
        ----------
        veredictos : Veredictos (k,)
            As they are stored, ``version_modelo`` included; only what the history stores is read.
        explicaciones : sequence (k,)
            For anomalies that have none yet.
        ahora_hora : int
            As in ``save``.
        """
        ...

    def ping(self) -> None:
        """Return if the store answers; raise ``TransientError`` otherwise."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class CaseStore(Protocol):
    """Cases: what goes on, or went on until it ended (MongoDB)."""

    def save(self, casos: Sequence[Caso]) -> None:
        """Store what is thought of cases now, by ``Caso.clave``; each comes once.

        Twice equals once. What people have said of a case stays; one that nobody has dealt with is
        ``nuevo`` while it goes on and ``terminado`` once it has a ``fecha_cierre``, and back. What
        is stored of a later ``hasta`` stays as it is.

        A customer has one open case, and one of innocent kind while it has no other. Another one
        that seemed open on the day on which this one opened has been taken back by a late
        correction: it goes, unless people have dealt with it. One that was last looked at before
        has ended unnoticed. What stays ends at its ``hasta``.
        """
        ...

    def discarded(self, propietario_id: Sequence[str]) -> dict[str, date]:
        """Return, of some customers, the onset of the latest case that people have discarded.

        Customers without one are not there.
        """
        ...

    def discarded_since(self, momento: datetime) -> dict[str, date]:
        """Return the customer and the onset of each case that was discarded from then on."""
        ...

    def going_on(self, propietario_id: Sequence[str]) -> list[CaseGoingOn]:
        """Return the cases of some customers that go on, and that nobody has discarded."""
        ...

    def going_on_since(self, momento: datetime) -> list[CaseGoingOn]:
        """Return those that were found or moved from then on."""
        ...

    def ping(self) -> None:
        """Return if the store answers; raise ``TransientError`` otherwise."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class ContextStore(Protocol):
    """What the utility knows of customers beside their readings (PostgreSQL)."""

    def save(self, contextos: Sequence[ContextoCliente]) -> None:
        """Add what is known of distinct customers, all of it or nothing; twice equals once.

        A field that is None leaves what was known. Raises ``TransientError`` while the store is
        away.
        """
        ...

    def without_readings(self, propietario_ids: Sequence[str]) -> int:
        """Return how many of some customers have never had a reading."""
        ...

    def delete(self, propietario_ids: Sequence[str]) -> list[str]:
        """Return of which customers something was known, sorted; now nothing is."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Archive(Protocol):
    """A store's old records, moved by local day to its archive and back (both stores).

    Whatever is killed at whatever instant, nothing is lost, and the next run goes on; twice equals
    once. One archiver or restorer at a time: the caller sees to it. Raises ``TransientError`` while
    the store is away. ``avance`` is told how many more are in their new place.
    """

    def pendientes(self, limite: date, hoy: date) -> Sequence[MesArchivo]:
        """Return what ``archivar`` would move, by month; changes nothing."""
        ...

    def listar(self) -> Sequence[MesArchivo]:
        """Return what the archive holds, by month."""
        ...

    def contar(self, antes_de: date) -> int:
        """Return how many of the days before ``antes_de`` are in the archive."""
        ...

    def archivar(self, limite: date, hoy: date, avance: OnProgress) -> Movidos:
        """Move what is of the days before ``limite`` to the archive.

        Days that were restored stay until they are no longer retained at ``hoy``.
        """
        ...

    def restaurar(
        self, desde: date, hasta: date, retenido_hasta: date, avance: OnProgress
    ) -> Movidos:
        """Bring days back, ``hasta`` included, to stay at least until ``retenido_hasta``."""
        ...

    def eliminar(self, antes_de: date, avance: OnProgress) -> Movidos:
        """Delete from the archive what is of the days before ``antes_de``, for good.

        What still comes of one of those days goes to the archive, as before.
        """
        ...

    def close(self) -> None:
        """Close every connection."""
        ...
