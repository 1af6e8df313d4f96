"""The story of one batch, without Kafka: score on a draft, save to both stores, accept.

The history is saved before the anomalies. So an anomaly can only exist where the history has its
reading, and what the history calls new needs no look at the anomalies; after a crash in between,
the batch comes again, the history says "repeated", and the anomalies are made to agree with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from detection.dominio import Explicacion, Lecturas
from pipeline.almacenes.puertos import AnomalyStore, HistoryStore
from serving.scorer import Borrador, Scorer


class Procesador:
    """What the consumer's loop calls, one batch after the other.

    Parameters
    ----------
    scorer : Scorer
    historial, anomalias : HistoryStore, AnomalyStore
        The two stores; used by one thread at a time.
    ahora_hora : callable
        Absolute hour of now.
    al_aceptar : callable, optional
        Told of every batch that is stored.
    """

    def __init__(
        self,
        scorer: Scorer,
        historial: HistoryStore,
        anomalias: AnomalyStore,
        ahora_hora: Callable[[], int],
        al_aceptar: Callable[[Borrador], None] | None = None,
    ) -> None:
        self._scorer = scorer
        self._historial = historial
        self._anomalias = anomalias
        self._ahora_hora = ahora_hora
        self._al_aceptar = al_aceptar
        self._clientes: dict[int, set[str]] = {}

    def draft(self, lecturas: Lecturas, particiones: NDArray[np.int32]) -> Borrador:
        """Return verdicts on a draft; ``TransientError`` if the history is out of reach."""
        borrador = self._scorer.draft(lecturas)
        if borrador.nuevos:
            nuevos = set(borrador.nuevos)
            for propietario, particion in zip(lecturas.propietario_id, particiones, strict=True):
                if propietario in nuevos:
                    self._clientes.setdefault(int(particion), set()).add(propietario)
        return borrador

    def save(self, borrador: Borrador) -> None:
        """Save to both stores; ``TransientError`` while one is away. Twice equals once."""
        ultimas = last_of_each(borrador.lecturas)
        lecturas = borrador.lecturas.elegir(ultimas)
        veredictos = borrador.veredictos.elegir(ultimas)
        repetida = self._historial.save(lecturas, veredictos)
        explicaciones: list[Sequence[Explicacion]] = [()] * len(lecturas)
        for i in np.flatnonzero(veredictos.severidad):
            explicaciones[i] = self._scorer.detector.explain(
                veredictos, int(i), float(lecturas.consumo_kwh[i])
            )
        self._anomalias.save(lecturas, veredictos, explicaciones, repetida, self._ahora_hora())

    def accept(self, borrador: Borrador) -> None:
        """Take note that a draft is in both stores."""
        self._scorer.accept(borrador)
        if self._al_aceptar is not None:
            self._al_aceptar(borrador)

    def discard(self, borrador: Borrador) -> None:
        """Forget a draft that will not be saved."""
        self._scorer.discard(borrador)

    def forget(self, particiones: Iterable[int]) -> None:
        """Drop the customers of partitions that another consumer reads from now on."""
        for particion in particiones:
            self._scorer.forget(self._clientes.pop(int(particion), ()))

    def process_batch(self, lecturas: Lecturas, particiones: NDArray[np.int32]) -> Borrador:
        """Return the accepted draft of one batch: the whole story in a row, for one thread."""
        borrador = self.draft(lecturas, particiones)
        self.save(borrador)
        self.accept(borrador)
        return borrador


def last_of_each(lecturas: Lecturas) -> NDArray[np.int64]:
    """Return the indices, in order, of the last reading of each identity (customer, hour).

    Examples
    --------
    >>> horas = np.array([1, 2, 1])
    >>> last_of_each(Lecturas(["a", "a", "a"], horas, np.zeros(3))).tolist()
    [1, 2]
    """
    claves = zip(lecturas.propietario_id, lecturas.hora_utc.tolist(), strict=True)
    ultimas = {clave: i for i, clave in enumerate(claves)}
    if len(ultimas) == len(lecturas):
        return np.arange(len(lecturas))
    return np.array(sorted(ultimas.values()), np.int64)
