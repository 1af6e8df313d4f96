"""The story of one batch, without Kafka: score on a draft, save to both stores, accept.

The history is saved before the anomalies. So an anomaly can only exist where the history has its
reading, and what the history calls new needs no look at the anomalies; after a crash in between,
the batch comes again, the history says "repeated", and the anomalies are made to agree with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.dominio import Explicacion, Lecturas, Veredictos
from pipeline.almacenes.puertos import AnomalyStore, HistoryStore
from serving.scorer import Borrador, Scorer


@dataclass(frozen=True, slots=True, eq=False)
class Puntuado:
    """A draft as the stores get it.

    Parameters
    ----------
    borrador : Borrador
        All of it, for the scorer.
    lecturas, veredictos : Lecturas, Veredictos (n,)
        The last reading of each identity, with its verdict.
    explicaciones : sequence (n,)
        What the detectors say of each anomaly; empty for normal readings.
    """

    borrador: Borrador
    lecturas: Lecturas
    veredictos: Veredictos
    explicaciones: Sequence[Sequence[Explicacion]]


class Procesador:
    """What the consumer's loop calls, one batch after the other.

    Parameters
    ----------
    scorer : Scorer
    historial, anomalias : HistoryStore, AnomalyStore
        The two stores; used by one thread at a time.
    ahora_hora : callable
        Absolute hour of now.
    """

    def __init__(
        self,
        scorer: Scorer,
        historial: HistoryStore,
        anomalias: AnomalyStore,
        ahora_hora: Callable[[], int],
    ) -> None:
        self._scorer = scorer
        self._historial = historial
        self._anomalias = anomalias
        self._ahora_hora = ahora_hora
        self._clientes: dict[int, set[str]] = {}

    def draft(self, lecturas: Lecturas, particiones: NDArray[np.int32]) -> Puntuado:
        """Return verdicts on a draft; ``TransientError`` if the history is out of reach."""
        borrador = self._scorer.draft(lecturas)
        if borrador.nuevos:
            nuevos = set(borrador.nuevos)
            for propietario, particion in zip(lecturas.propietario_id, particiones, strict=True):
                if propietario in nuevos:
                    self._clientes.setdefault(int(particion), set()).add(propietario)
        return self._prepare(borrador)

    def _prepare(self, borrador: Borrador) -> Puntuado:
        # Here and not in ``save``: the thread that saves is the one that all wait for.
        ultimas = last_of_each(borrador.lecturas)
        lecturas = borrador.lecturas.elegir(ultimas)
        veredictos = borrador.veredictos.elegir(ultimas)
        explicaciones: list[Sequence[Explicacion]] = [()] * len(lecturas)
        for i in np.flatnonzero(veredictos.severidad).tolist():
            explicaciones[i] = self._scorer.detector.explain(
                veredictos, i, float(lecturas.consumo_kwh[i])
            )
        return Puntuado(borrador, lecturas, veredictos, explicaciones)

    def save(self, puntuado: Puntuado) -> None:
        """Save to both stores; ``TransientError`` while one is away. Twice equals once."""
        lecturas, veredictos = puntuado.lecturas, puntuado.veredictos
        repetida = self._historial.save(lecturas, veredictos)
        self._anomalias.save(
            lecturas, veredictos, puntuado.explicaciones, repetida, self._ahora_hora()
        )

    def accept(self, puntuado: Puntuado) -> None:
        """Take note that a draft is in both stores."""
        self._scorer.accept(puntuado.borrador)

    def discard(self, puntuado: Puntuado) -> None:
        """Forget a draft that will not be saved."""
        self._scorer.discard(puntuado.borrador)

    def forget(self, particiones: Iterable[int]) -> None:
        """Drop the customers of partitions that another consumer reads from now on."""
        for particion in particiones:
            self._scorer.forget(self._clientes.pop(int(particion), ()))


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
