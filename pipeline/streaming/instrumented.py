"""What the consumer's loop is watched through: the same ports, and every batch counted.

The loop knows nothing of it; without metrics it is fed the parts themselves.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from detection.domain import Lecturas
from pipeline.streaming.batch import Procesador, Puntuado
from pipeline.streaming.ports import Fuente, Mensaje, Muerta
from serving.metrics import MetricasConsumidor
from serving.scorer import Origen


class FuenteConRetraso(Fuente, Protocol):
    """A source that knows how far behind it is."""

    def lag(self) -> Mapping[int, int]:
        """Return how many messages of each partition are known and not read."""
        ...


RETRASO_S = 1.0
"""Between two looks at the lag. By hand, 2026-11-24: Prometheus looks every 15 s."""


@dataclass(frozen=True, slots=True, eq=False)
class _Medido:
    """A draft, and when it was begun."""

    puntuado: Puntuado
    desde: float


class ProcesadorMedido:
    """A ``pipeline.streaming.ports.Procesador`` that counts what both stores have.

    Parameters
    ----------
    procesador : Procesador
    metricas : MetricasConsumidor
    """

    def __init__(self, procesador: Procesador, metricas: MetricasConsumidor) -> None:
        self._procesador = procesador
        self._metricas = metricas

    def draft(self, lecturas: Lecturas, origen: Origen) -> _Medido:
        """Return the scores of a batch."""
        desde = time.perf_counter()
        return _Medido(self._procesador.draft(lecturas, origen), desde)

    def save(self, medido: _Medido) -> None:
        """Store in both stores."""
        self._procesador.save(medido.puntuado)

    def accept(self, medido: _Medido) -> None:
        """Make a saved draft part of what is remembered, and count it."""
        self._procesador.accept(medido.puntuado)
        veredictos = medido.puntuado.veredictos
        self._metricas.lote(
            veredictos.severidad, time.perf_counter() - medido.desde, veredictos.version_modelo
        )

    def discard(self, medido: _Medido) -> None:
        """Forget a draft that was not saved."""
        self._procesador.discard(medido.puntuado)

    def forget(self, particiones: Iterable[int]) -> None:
        """Drop the customers of partitions that are no longer ours."""
        self._procesador.forget(particiones)


class FuenteMedida:
    """A ``pipeline.streaming.ports.Fuente`` that counts dead letters and tells the lag.

    Parameters
    ----------
    fuente : FuenteConRetraso
    metricas : MetricasConsumidor
    """

    def __init__(self, fuente: FuenteConRetraso, metricas: MetricasConsumidor) -> None:
        self._fuente = fuente
        self._metricas = metricas
        self._proxima = 0.0

    @property
    def registro(self) -> str:
        """Return the identity of the log."""
        return self._fuente.registro

    def open(
        self, al_revocar: Callable[[set[int]], None], al_perder: Callable[[set[int]], None]
    ) -> None:
        """Join the group."""
        self._fuente.open(al_revocar, al_perder)

    def read(self, maximo: int, espera_s: float) -> Sequence[Mensaje]:
        """Return messages; now and then, tell how many are left."""
        mensajes = self._fuente.read(maximo, espera_s)
        if time.monotonic() >= self._proxima:
            self._metricas.retraso(self._fuente.lag())
            self._proxima = time.monotonic() + RETRASO_S
        return mensajes

    def pause(self) -> None:
        """Bring no messages."""
        self._fuente.pause()

    def resume(self) -> None:
        """Bring messages again."""
        self._fuente.resume()

    def commit(self, siguientes: Mapping[int, int], *, espera: bool) -> None:
        """Record the next offset to read of each partition."""
        self._fuente.commit(siguientes, espera=espera)

    def bury(self, muertas: Sequence[Muerta]) -> list[Muerta]:
        """Send to the dead letters; count those that were confirmed."""
        quedan = self._fuente.bury(muertas)
        motivos = Counter(error.motivo for _, error in muertas)
        motivos.subtract(error.motivo for _, error in quedan)
        self._metricas.invalidas(+motivos)
        return quedan

    def al_dia(self) -> bool:
        """Return whether all that is known to exist has been read."""
        return self._fuente.al_dia()

    def close(self) -> None:
        """Leave the group."""
        self._fuente.close()
