"""What the consumer asks of what is around it: messages, a processor, versions of the model.

Adapters: ``kafka_io.FuenteKafka``, ``batch``, ``serving.model_watcher`` and the tests' fakes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from detection.domain import Lecturas
from detection.errors import LecturaInvalidaError
from detection.scoring_model import ScoringModel
from serving.scorer import Origen

Borrador: TypeAlias = Any
"""Scores of a batch that no store has yet: the processor's own affair."""


class Procesador(Protocol):
    """What the loop feeds; ``save`` runs in the writer thread, all else in the loop's."""

    def draft(self, lecturas: Lecturas, origen: Origen) -> Borrador:
        """Return the scores of a batch; raise ``TransientError`` if history cannot be loaded."""
        ...

    def save(self, borrador: Borrador) -> None:
        """Store in both stores; raise ``TransientError`` while one is away."""
        ...

    def accept(self, borrador: Borrador) -> None:
        """Make a saved draft part of what is remembered."""
        ...

    def discard(self, borrador: Borrador) -> None:
        """Forget a draft that was not saved."""
        ...

    def forget(self, particiones: Iterable[int]) -> None:
        """Drop the customers of partitions that are no longer ours."""
        ...


class Modelos(Protocol):
    """Where new versions of the model come from. Adapter: ``serving.model_watcher.Vigilante``."""

    def take(self) -> ScoringModel | None:
        """Return a champion that is new since the last call; must not wait for anything."""
        ...

    @property
    def challenger(self) -> ScoringModel | None:
        """Return who is to score in shadow now; None = nobody."""
        ...


class Mensaje(Protocol):
    """A message of the source."""

    def value(self) -> bytes | None: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def partition(self) -> int: ...  # noqa: D102
    def offset(self) -> int: ...  # noqa: D102


Muerta: TypeAlias = tuple[Mensaje, LecturaInvalidaError]


class Fuente(Protocol):
    """Where messages come from. Adapter: ``kafka_io.FuenteKafka``."""

    @property
    def registro(self) -> str:
        """Return the identity of the log, once open: a topic made anew has another one."""
        ...

    def open(
        self, al_revocar: Callable[[set[int]], None], al_perder: Callable[[set[int]], None]
    ) -> None:
        """Join; from now on ``read`` calls back when partitions leave us."""
        ...

    def read(self, maximo: int, espera_s: float) -> Sequence[Mensaje]:
        """Return up to ``maximo`` messages, fewer if they do not come in time."""
        ...

    def pause(self) -> None:
        """Bring no messages; partitions that come later are paused too."""
        ...

    def resume(self) -> None:
        """Bring messages again."""
        ...

    def commit(self, siguientes: Mapping[int, int], *, espera: bool) -> None:
        """Record the next offset to read of each partition, waiting for the answer or not."""
        ...

    def bury(self, muertas: Sequence[Muerta]) -> list[Muerta]:
        """Send to the dead letters; return those that were not confirmed."""
        ...

    def al_dia(self) -> bool:
        """Return whether all that is known to exist in our partitions has been read."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...
