"""What the consumer asks of its two stores; ``postgres.py`` and ``mongo.py`` give it.

Whoever calls saves to the history first and to the anomalies second, so an
anomaly can only exist where the history has its reading. The identities in one
call are distinct: of a reading that comes twice in a batch only the last is saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detection.dominio import Explicacion, Historia, Lecturas, Veredictos


class HistoryStore(Protocol):
    """Every reading with its verdict (PostgreSQL, ``consumos_diarios``)."""

    def save(self, lecturas: Lecturas, veredictos: Veredictos) -> NDArray[np.bool_]:
        """Store all or nothing, and return (n,) where a reading of that identity was there before.

        Saving the same batch twice leaves the same rows. Raises ``TransientError`` while the
        store is away.
        """
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

    def ping(self) -> None:
        """Return if the store answers; raise ``TransientError`` otherwise."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
