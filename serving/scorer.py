"""Verdicts on a draft of the state: nothing counts until the stores have the batch.

``draft`` scores, ``accept`` says that the verdicts are stored, ``discard`` that they never will
be. The store is the truth: customers of a discarded draft are forgotten, and whoever is not in
memory is loaded from the store when next seen, all new customers of a batch in one query, and
their days and cases (``detection.cases``) in another; of who has hours and no days, the days are
made out of a year of hours. The online model of a partition is loaded with the partition's first
reading. It was stored in one transaction with the readings that taught it, so a reading below its
offset is stored already: the store keeps the verdict of the first time, and the model does not
learn from it twice.

A reading more than four days older than its customer's newest (a correction, a file that is sent
again) does not find its window in memory any more. It is compared with rings of its own, filled
with what the store holds from before it, so that a replay gives the verdicts of the first time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detection.cases.records import CaseGoingOn, CaseMemory, Caso
from detection.detector import DetectorConsumo
from detection.domain import HORAS_POR_DIA, LARGO_MAXIMO_ID, Historia, Lecturas, Veredictos
from detection.errors import LoteEnVueloError, TransientError
from detection.memory.day_memory import DIAS_MEMORIA
from detection.memory.hourly_ring import NO_HOUR
from detection.params import HORAS_ANILLO, HORAS_VENTANA
from detection.scoring_model import ScoringModel

_RETRASO_HORAS = HORAS_ANILLO - HORAS_VENTANA
"""A reading this many hours older than the newest misses the oldest hour of its window."""

_CLIENTES_A_LA_VEZ = 200
"""Customers whose year of hours is read at once: 80 MB of rows."""


@dataclass(frozen=True, slots=True, eq=False)
class BatchOrigin:
    """Where the readings of a batch come from."""

    particion: NDArray[np.int32]  # (n,): Kafka partition of each reading
    offset: NDArray[np.int64]  # (n,): its place in the partition
    siguiente: Mapping[int, int]  # for each partition, the offset after the batch's last message
    # Identity of the log: another one where a topic has been made anew and offsets restart.
    log_id: str


class HistoryLoader(Protocol):
    """What the scorer asks of the store (see ``pipeline.stores.ports.HistoryStore``)."""

    def load_latest(self, propietario_id: Sequence[str], horas: int) -> Historia:
        """Return, for each customer, the hours up to and including its latest row."""
        ...

    def load_before(
        self, propietario_id: Sequence[str], antes_de_hora: NDArray[np.int64], horas: int
    ) -> Historia:
        """Return, for each customer i, its rows in the hours before ``antes_de_hora[i]``."""
        ...

    def load_range(
        self, propietario_id: Sequence[str], desde_hora: int, hasta_hora: int
    ) -> Historia:
        """Return the rows of [``desde_hora``, ``hasta_hora``), by customer and hour."""
        ...

    def load_case_memory(self, propietario_id: Sequence[str]) -> CaseMemory:
        """Return the days and the cases that are kept of customers."""
        ...

    def load_online(
        self, registro: str, particiones: Sequence[int]
    ) -> list[tuple[int, bytes] | None]:
        """Return each partition's online model with the first offset it has not learnt from."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """Readings with verdicts that are not stored yet."""

    lecturas: Lecturas
    veredictos: Veredictos
    nuevos: list[str]  # customers that came into memory with this draft
    # The online model of each partition in it as it is after these readings, with the first offset
    # that it has not learnt from.
    online: Mapping[int, tuple[int, bytes]]
    sombra: Veredictos | None  # what a challenger in shadow would have said
    # memoria, casos: what these readings have changed in their customers' days, and the cases of
    # those customers.
    memoria: CaseMemory
    casos: Sequence[Caso]
    antes: Any  # the online models before these readings
    # The first offset of each partition that they had not learnt from.
    aprendido_antes: Mapping[int, int]


class CaseVerdicts(Protocol):
    """What people have said of cases (see ``pipeline.stores.ports.CaseStore``)."""

    def discarded(self, propietario_id: Sequence[str]) -> Mapping[str, date]:
        """Return the day on which what was last discarded began, of customers."""
        ...

    def going_on(self, propietario_id: Sequence[str]) -> Sequence[CaseGoingOn]:
        """Return the cases of customers that go on, and that are not discarded."""
        ...


class Scorer:
    """The detector with its state by customer and partition, and the stores behind it.

    ``casos``: asked of each customer that comes into memory; None = nobody says anything.
    """

    def __init__(
        self,
        detector: DetectorConsumo,
        historia: HistoryLoader,
        casos: CaseVerdicts | None = None,
    ) -> None:
        self.detector = detector
        self._historia = historia
        self._casos = casos
        self._en_vuelo: list[Draft] = []
        self._aprendido: dict[int, int] = {}
        self._log_id: str | None = None

    def use(self, modelo: ScoringModel) -> None:
        """Score with another version from the next draft on; drafts in flight keep theirs."""
        self.detector.use(modelo)

    def use_shadow(self, modelo: ScoringModel | None) -> None:
        """Let a challenger score beside from the next draft on; None = nobody."""
        sombra = self.detector.shadow
        if (None if sombra is None else sombra.modelo) is not modelo:
            self.detector.use_shadow(modelo)

    def accept_levels(self, desde: Mapping[str, date]) -> None:
        """Take for usual, from the next draft on, what began on a day at some customers."""
        self.detector.accept_levels(desde)

    def reinstate(self, casos: Sequence[CaseGoingOn]) -> None:
        """Let cases that had been discarded go on: their customers are loaded anew, with them.

        Those whose level is not accepted are passed over. ``LoteEnVueloError``: their hours have
        to be stored first.
        """
        suyos = self.detector.accepted(casos)
        if suyos and self._en_vuelo:
            raise LoteEnVueloError
        self.detector.forget([caso.propietario_id for caso in suyos])

    def draft(self, lecturas: Lecturas, origen: BatchOrigin) -> Draft:
        """Return verdicts on a draft of the state.

        Raises
        ------
        TransientError
            The store that holds the customers' history is away. Nothing has changed: try again.
        LoteEnVueloError
            A replayed reading has to wait for the drafts before it to be stored.
        """
        particiones: list[int] = np.unique(origen.particion).tolist()
        self._load_online(particiones, origen.log_id)
        nuevos = self._load_new(lecturas)
        try:
            return self._draft(lecturas, origen, particiones, nuevos)
        except TransientError:
            # As if nobody had come: whoever asks again is told once more who is new.
            self.detector.forget(nuevos)
            raise

    def _draft(
        self, lecturas: Lecturas, origen: BatchOrigin, particiones: list[int], nuevos: list[str]
    ) -> Draft:
        detector = self.detector
        propia = detector.ring.rows(lecturas.propietario_id)
        fila, prestadas = self._lend_rows(lecturas, propia)
        antes = detector.partitions.snapshot(
            detector.partitions.rows(np.array(particiones, np.int64))
        )
        aprendido = {p: self._aprendido.get(p, 0) for p in particiones}
        ensena = origen.offset >= _of_each(origen.particion, aprendido)
        try:
            crudos = detector.score_rows(lecturas, fila, propia, origen.particion, ensena)
        finally:
            detector.forget(prestadas)
        for p in particiones:
            self._aprendido[p] = max(aprendido[p], origen.siguiente[p])
        sombra = None
        if detector.shadow is not None:
            sombra = detector.shadow.veredictos(
                crudos.veredictos, crudos.sombra_centesimas, crudos.sombra_severidad
            )
        online = {p: (self._aprendido[p], detector.partitions.dump(p)) for p in particiones}
        memoria, casos = detector.take_days(lecturas.propietario_id, propia)
        borrador = Draft(
            lecturas, crudos.veredictos, nuevos, online, sombra, memoria, casos, antes, aprendido
        )
        self._en_vuelo.append(borrador)
        return borrador

    def accept(self, borrador: Draft) -> None:
        """Take note that a draft is stored; drafts are accepted in their order."""
        self._en_vuelo.remove(borrador)

    def discard(self, borrador: Draft) -> None:
        """Undo a draft that will not be stored, the newest first; its customers are forgotten."""
        self._en_vuelo.remove(borrador)
        self.detector.partitions.restore(borrador.antes)
        self._aprendido.update(borrador.aprendido_antes)
        self.detector.forget(dict.fromkeys(borrador.lecturas.propietario_id))

    def forget(self, propietario_id: Iterable[str], particiones: Iterable[int] = ()) -> None:
        """Drop customers and partitions that belong to another consumer from now on."""
        self.detector.forget(propietario_id)
        for particion in particiones:
            self.detector.partitions.forget(particion)
            self._aprendido.pop(particion, None)

    def _load_online(self, particiones: list[int], log_id: str) -> None:
        estados = self.detector.partitions
        if log_id != self._log_id:
            if self._en_vuelo:
                raise LoteEnVueloError
            for particion in estados.partitions():
                estados.forget(particion)
            self._log_id = log_id
        nuevas = [p for p in particiones if estados.row(p) < 0]
        if not nuevas:
            return
        guardados = self._historia.load_online(log_id, nuevas)
        for particion, guardado in zip(nuevas, guardados, strict=True):
            siguiente, estado = guardado or (0, None)
            estados.add(particion, estado)
            self._aprendido[particion] = siguiente

    def _load_new(self, lecturas: Lecturas) -> list[str]:
        ventanas = self.detector.ring
        nuevos = [p for p in dict.fromkeys(lecturas.propietario_id) if ventanas.row(p) < 0]
        if nuevos:
            historia = self._historia.load_latest(nuevos, HORAS_ANILLO)
            try:
                self.detector.load(nuevos, historia)
                self._load_days(nuevos)
                if self._casos is not None:
                    self._hear_people(self._casos, nuevos)
            except TransientError:
                self.detector.forget(nuevos)
                raise
        return nuevos

    def _hear_people(self, casos: CaseVerdicts, nuevos: list[str]) -> None:
        """Take for usual what is discarded, and go on with what is so no more."""
        descartados = casos.discarded(nuevos)
        self.detector.accept_levels(descartados)
        suyos = self.detector.accepted(casos.going_on(nuevos))
        self._make_days([caso.propietario_id for caso in suyos])
        for caso in suyos:
            self.detector.reopen(caso, descartados.get(caso.propietario_id))

    def _load_days(self, nuevos: list[str]) -> None:
        """Load the days of customers; of those who have hours and no days, make them."""
        detector = self.detector
        detector.load_days(self._historia.load_case_memory(nuevos))
        self._make_days(detector.without_days(nuevos))

    def _make_days(self, faltan: list[str]) -> None:
        """Make the days of customers out of their stored hours."""
        detector = self.detector
        for desde in range(0, len(faltan), _CLIENTES_A_LA_VEZ):
            tanda = faltan[desde : desde + _CLIENTES_A_LA_VEZ]
            ultimas = detector.ring.ultimo_valor[detector.ring.rows(tanda)]
            primera = int(ultimas.min()) - DIAS_MEMORIA * HORAS_POR_DIA
            historia = self._historia.load_range(tanda, primera, int(ultimas.max()) + 1)
            detector.fill_days(tanda, historia)

    def _late(self, lecturas: Lecturas, propia: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the indices of readings that do not find their window in memory."""
        ultima = self.detector.ring.ultimo_valor[propia]
        conocida = ultima != NO_HOUR
        limite = np.where(conocida, ultima, 0) - _RETRASO_HORAS
        return np.flatnonzero(conocida & (lecturas.hora_utc <= limite))

    def _lend_rows(
        self, lecturas: Lecturas, propia: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], list[str]]:
        """Return the row (n,) each reading is compared with, and the names of rows lent for it.

        Every run of a customer's late hours gets a row that knows of no other run.
        """
        viejas = self._late(lecturas, propia)
        if viejas.size == 0:
            return propia, []
        if self._en_vuelo:
            # What is being stored may be the very past of these readings.
            raise LoteEnVueloError
        hora = lecturas.hora_utc
        viejas = viejas[np.lexsort((viejas, hora[viejas], propia[viejas]))]
        corte = np.ones(viejas.size, np.bool_)
        corte[1:] = (np.diff(propia[viejas]) != 0) | (np.diff(hora[viejas]) > 1)
        primeras = viejas[corte]
        historia = self._historia.load_before(
            [lecturas.propietario_id[i] for i in primeras], hora[primeras], HORAS_ANILLO
        )
        # Longer than a customer's name can be, so never one of them.
        nombres = [f"{k}".rjust(LARGO_MAXIMO_ID + 1) for k in range(primeras.size)]
        self.detector.load(nombres, historia)
        prestadas = self.detector.ring.rows(nombres)
        fila = propia.copy()
        fila[viejas] = prestadas[np.cumsum(corte) - 1]
        return fila, nombres


def _of_each(particion: NDArray[np.int32], valor: Mapping[int, int]) -> NDArray[np.int64]:
    distintas, cual = np.unique(particion, return_inverse=True)
    return np.array([valor[p] for p in distintas.tolist()], np.int64)[cual]
