"""Verdicts on a draft of the state: nothing counts until the stores have the batch.

``draft`` scores, ``accept`` says that the verdicts are stored, ``discard`` that they never will
be. The store is the truth: customers of a discarded draft are forgotten, and whoever is not in
memory is loaded from the store when next seen, all new customers of a batch in one query.

A reading more than four days older than its customer's newest (a correction, a file that is sent
again) does not find its window in memory any more. It is scored in rings of its own, filled with
what the store holds from before it, so that a replay gives the verdicts of the first time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.dominio import Historia, Lecturas, Veredictos, join_veredictos
from detection.errors import LoteEnVueloError
from detection.params import HORAS_ANILLO, HORAS_VENTANA
from detection.windows import SIN_HORA, Ventanas

_RETRASO_HORAS = HORAS_ANILLO - HORAS_VENTANA
"""A reading this many hours older than the newest misses the oldest hour of its window."""


class HistoryLoader(Protocol):
    """What the scorer asks of the store (see ``pipeline.almacenes.puertos.HistoryStore``)."""

    def load_latest(self, propietario_id: Sequence[str], horas: int) -> Historia:
        """Return, for each customer, the hours up to and including its latest row."""
        ...

    def load_before(
        self, propietario_id: Sequence[str], antes_de_hora: NDArray[np.int64], horas: int
    ) -> Historia:
        """Return, for each customer i, its rows in the hours before ``antes_de_hora[i]``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Borrador:
    """Readings with verdicts that are not stored yet.

    Parameters
    ----------
    lecturas : Lecturas
    veredictos : Veredictos
    nuevos : list of str
        Customers that came into memory with this draft.
    """

    lecturas: Lecturas
    veredictos: Veredictos
    nuevos: list[str]


class Scorer:
    """The detector with its state by customer, and the store behind it.

    Parameters
    ----------
    detector : DetectorConsumo
    historia : HistoryLoader
    """

    def __init__(self, detector: DetectorConsumo, historia: HistoryLoader) -> None:
        self.detector = detector
        self._historia = historia
        self._en_vuelo: list[Borrador] = []

    def draft(self, lecturas: Lecturas) -> Borrador:
        """Return verdicts on a draft of the state.

        Raises
        ------
        TransientError
            The store that holds the customers' history is away. Nothing has changed: try again.
        LoteEnVueloError
            A replayed reading has to wait for the drafts before it to be stored.
        """
        nuevos = self._load_new(lecturas)
        atrasada = self._late(lecturas)
        if atrasada.any():
            veredictos = self._score_with_late(lecturas, atrasada)
        else:
            veredictos = self.detector.score(lecturas)
        borrador = Borrador(lecturas, veredictos, nuevos)
        self._en_vuelo.append(borrador)
        return borrador

    def accept(self, borrador: Borrador) -> None:
        """Take note that a draft is stored; drafts are accepted in their order."""
        self._en_vuelo.remove(borrador)

    def discard(self, borrador: Borrador) -> None:
        """Forget the customers of a draft that will not be stored."""
        self._en_vuelo.remove(borrador)
        self.detector.forget(dict.fromkeys(borrador.lecturas.propietario_id))

    def forget(self, propietario_id: Iterable[str]) -> None:
        """Drop customers, who belong to another consumer from now on."""
        self.detector.forget(propietario_id)

    def _load_new(self, lecturas: Lecturas) -> list[str]:
        ventanas = self.detector.ventanas
        nuevos = [p for p in dict.fromkeys(lecturas.propietario_id) if ventanas.row(p) < 0]
        if nuevos:
            historia = self._historia.load_latest(nuevos, HORAS_ANILLO)
            self.detector.load(nuevos, historia)
        return nuevos

    def _late(self, lecturas: Lecturas) -> NDArray[np.bool_]:
        ventanas = self.detector.ventanas
        ultima = ventanas.ultima_valor[ventanas.rows(lecturas.propietario_id)]
        conocida = ultima != SIN_HORA
        limite = np.where(conocida, ultima, 0) - _RETRASO_HORAS
        atrasada: NDArray[np.bool_] = conocida & (lecturas.hora_utc <= limite)
        return atrasada

    def _score_with_late(self, lecturas: Lecturas, atrasada: NDArray[np.bool_]) -> Veredictos:
        if self._en_vuelo:
            # What is being stored may be the very past of these readings.
            raise LoteEnVueloError
        ids = np.array(lecturas.propietario_id)
        viejas = np.flatnonzero(atrasada)
        viejas = viejas[np.lexsort((viejas, lecturas.hora_utc[viejas], ids[viejas]))]
        de_antes = self._score_late(lecturas.elegir(viejas))
        self.detector.remember(lecturas.elegir(viejas), de_antes)
        nuevas = np.flatnonzero(~atrasada)
        de_ahora = self.detector.score(lecturas.elegir(nuevas))
        orden = np.argsort(np.concatenate([viejas, nuevas]), kind="stable")
        return join_veredictos(de_antes, de_ahora).elegir(orden)

    def _score_late(self, lecturas: Lecturas) -> Veredictos:
        """Return verdicts of readings sorted by customer and hour, each run of hours on its own."""
        hora = lecturas.hora_utc
        corte = np.ones(len(lecturas), np.bool_)
        ids = np.array(lecturas.propietario_id)
        corte[1:] = (ids[1:] != ids[:-1]) | (hora[1:] - hora[:-1] > 1)
        tramo = np.cumsum(corte) - 1
        inicio = np.flatnonzero(corte)
        historia = self._historia.load_before(
            [lecturas.propietario_id[i] for i in inicio], hora[inicio], HORAS_ANILLO
        )
        # A run is a customer of its own here: nothing in it knows of the other runs.
        nombres = [str(k) for k in range(len(inicio))]
        ventanas = Ventanas(len(inicio))
        self.detector.load_into(ventanas, nombres, historia)
        return self.detector.score_rows(
            ventanas, Lecturas([nombres[k] for k in tramo], hora, lecturas.consumo_kwh)
        )
