"""Consumer loop: the commit protocol, what happens to a batch, in which order, whatever fails.

::

    read -> decode -> dead letters produced and confirmed -> draft -> save -> accept -> commit

- Nothing is committed before it is saved, and offsets follow the order of arrival.
- One writer thread saves batch k while batch k+1 is read, decoded and drafted; so ``accept(k)``
  may come after ``draft(k+1)``, and a ``discard`` always comes newest draft first.
- A store away (``TransientError``): every partition is paused, the source is still listened to
  (the group keeps us), and the step that failed is tried again, with back-off, until it works.
- Partitions revoked: the save in flight is finished within a bound and committed, every other
  draft is discarded, what belongs to partitions that we keep is drafted again, and the customers
  of the others leave memory. Partitions lost: the same, without finishing or committing.
- A stop (SIGTERM) finishes the save in flight, commits, and leaves the group. Anything unexpected
  ends the loop with its traceback, and nothing of its batch is committed.

A batch may so be saved twice; the stores make that the same as once.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import queue
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np

from detection.domain import Lecturas
from detection.errors import LecturaInvalidaError, LoteEnVueloError, TransientError
from pipeline.ingest.messages import MessageDecoder
from serving.metrics import ConsumerMetrics
from serving.scorer import BatchOrigin
from serving.shutdown import StopRequest

_LOG = logging.getLogger(__name__)

MENSAJES_POR_LECTURA = 500
"""Larger fetches are slower in Python (architecture.md, "What bit us")."""
_ESPERA_S = 0.05
"""A batch closes when nothing has come for this long; also the pace of an idle loop."""
ESCUCHA_S = 1.0
"""How long the loop may wait for the writer before it listens to the group again."""
PLAZO_GUARDAR_S = 20.0
"""Bound on the save in flight when partitions are revoked, or at a stop."""
REINTENTO_MAXIMO_S = 30.0
LOTES_ENTRE_BARRIDOS = 200
"""The garbage collector runs only between batches, once every so many."""
RETRASO_S = 1.0
"""Between two looks at the lag. By hand, 2026-11-24: Prometheus looks every 15 s."""


class Message(Protocol):
    """A message of the source."""

    def value(self) -> bytes | None: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def partition(self) -> int: ...  # noqa: D102
    def offset(self) -> int: ...  # noqa: D102


DeadLetter: TypeAlias = tuple[Message, LecturaInvalidaError]


class MessageSource(Protocol):
    """Where messages come from. Adapter: ``pipeline.streaming.kafka_source.KafkaSource``."""

    @property
    def log_id(self) -> str:
        """Return the identity of the log, once open: a topic made anew has another one."""
        ...

    def open(
        self, al_revocar: Callable[[set[int]], None], al_perder: Callable[[set[int]], None]
    ) -> None:
        """Join; from now on ``read`` calls back when partitions leave us."""
        ...

    def read(self, maximo: int, espera_s: float) -> Sequence[Message]:
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

    def send_dead_letters(self, muertas: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Send to the dead letters; return those that were not confirmed."""
        ...

    def is_caught_up(self) -> bool:
        """Return whether all that is known to exist in our partitions has been read."""
        ...

    def lag(self) -> Mapping[int, int]:
        """Return how many messages of each partition are known and not read."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class BatchProcessor(Protocol):
    """What the loop feeds; ``save`` runs in the writer thread, all else in the loop's.

    A draft, the scores of a batch that no store has yet, is the processor's own affair. Adapter:
    ``pipeline.streaming.batch.ScoringProcessor``.
    """

    def draft(self, lecturas: Lecturas, origen: BatchOrigin) -> Any:
        """Return the scores of a batch; raise ``TransientError`` if history cannot be loaded."""
        ...

    def save(self, borrador: Any) -> None:
        """Store in both stores; raise ``TransientError`` while one is away."""
        ...

    def accept(self, borrador: Any) -> None:
        """Make a saved draft part of what is remembered."""
        ...

    def discard(self, borrador: Any) -> None:
        """Forget a draft that was not saved."""
        ...

    def forget(self, particiones: Iterable[int]) -> None:
        """Drop the customers of partitions that are no longer ours."""
        ...


@dataclass(slots=True)
class RunSummary:
    """What a run did: readings saved, messages to the dead letters, batches."""

    lecturas: int = 0
    invalidas: int = 0
    lotes: int = 0


@dataclass(slots=True)
class _Lote:
    """Messages on their way; every stage that is done stays done when a later one fails."""

    mensajes: list[Message]
    lecturas: Lecturas | None = None
    origen: BatchOrigin | None = None
    muertas: list[DeadLetter] = field(default_factory=list)
    borrador: Any = None

    def next_offsets(self) -> dict[int, int]:
        return {m.partition(): m.offset() + 1 for m in self.mensajes}

    def without(self, particiones: set[int]) -> _Lote:
        quedan = [m for m in self.mensajes if m.partition() not in particiones]
        if len(quedan) == len(self.mensajes):
            return self
        # Letters that were confirmed before are sent again: rather twice than never.
        return _Lote(quedan)


@dataclass(slots=True)
class _Vuelo:
    lote: _Lote
    guardado: Future[None] | None
    desde: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class LoopProgress:
    """How far the loop is, for whoever watches it from another thread."""

    lecturas: int  # saved so far
    # When a batch was last saved, as ``time.monotonic`` counts; None = none was.
    ultimo_lote: float | None
    espera: tuple[str, float] | None  # what is waited for, and since when; None = nothing


@dataclass(slots=True)
class _Caida:
    """Something is away: since when, at which step, how often tried, when to try again."""

    desde: float
    motivo: str
    al_guardar: bool = False
    intentos: int = 0
    proximo: float = 0.0


class WriterThread(threading.Thread):
    """Saves a batch while the loop reads and scores the next one.

    A daemon: a store that hangs must not keep the process alive.
    """

    def __init__(self, guardar: Callable[[Any], None]) -> None:
        super().__init__(name="escritor", daemon=True)
        self._guardar = guardar
        self._cola: queue.SimpleQueue[tuple[Any, Future[None]] | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Save what is submitted, in order, until closed."""
        while (encargo := self._cola.get()) is not None:
            borrador, futuro = encargo
            try:
                self._guardar(borrador)
            except BaseException as error:  # noqa: BLE001  the loop raises it again
                futuro.set_exception(error)
            else:
                futuro.set_result(None)

    def submit(self, borrador: Any) -> Future[None]:
        """Return the outcome of a save that is to come."""
        futuro: Future[None] = Future()
        self._cola.put((borrador, futuro))
        return futuro

    def close(self) -> None:
        """Let the thread end once what was submitted is done."""
        self._cola.put(None)


class ConsumerLoop:
    """The consumer's loop.

    Parameters
    ----------
    lote_maximo : int
        Messages in a batch, at most.
    hasta_vacio : bool
        Return once everything known to exist has been read and saved.
    reloj : callable
        Gives the absolute hour of now.
    parada : StopRequest, optional
        Looked at between two steps: what is in flight is finished, and the loop returns.
    metricas : ConsumerMetrics, optional
        Told of dead letters and lag; the processor tells of the batches.
    """

    def __init__(
        self,
        fuente: MessageSource,
        procesador: BatchProcessor,
        decodificador: MessageDecoder,
        *,
        lote_maximo: int,
        hasta_vacio: bool = False,
        reloj: Callable[[], int] = lambda: int(time.time()) // 3600,
        parada: StopRequest | None = None,
        metricas: ConsumerMetrics | None = None,
    ) -> None:
        self._fuente = fuente
        self._procesador = procesador
        self._decodificador = decodificador
        self._lote_maximo = lote_maximo
        self._hasta_vacio = hasta_vacio
        self._reloj = reloj
        self._parada = parada or StopRequest()
        self._metricas = metricas
        self._proximo_retraso = 0.0
        self._escritor = WriterThread(procesador.save)
        self._recibidos: list[Message] = []
        self._pendientes: deque[_Lote] = deque()
        self._vuelo: _Vuelo | None = None
        self._guardados: dict[int, int] = {}
        self._caida: _Caida | None = None
        self._resumen = RunSummary()
        self._ultimo_lote: float | None = None
        self._abandonar = False
        self._pausada = False

    def stop(self) -> None:
        """Ask the loop to finish what is in flight and return; safe in a signal handler."""
        self._parada.pedir()

    def progreso(self) -> LoopProgress:
        """Return how far the loop is; any thread may ask, and the loop does not notice."""
        caida = self._caida
        espera = (caida.motivo, caida.desde) if caida else None
        return LoopProgress(self._resumen.lecturas, self._ultimo_lote, espera)

    def run(self) -> RunSummary:
        """Consume until a stop, or until all is read with ``hasta_vacio``; return what was done."""
        vacias = 0
        self._escritor.start()
        try:
            self._open()
            with _collector_between_batches() as sweep:
                while not self._parada.pedida and vacias < 2:
                    self._step()
                    sweep(self._resumen.lotes)
                    # Twice, because what has arrived lately may not be known yet.
                    vacias = vacias + 1 if self._hasta_vacio and self._is_done() else 0
            self._settle()
            self._discard_drafts()
            self._fuente.commit(self._guardados, espera=True)
        finally:
            self._abandonar = True
            self._escritor.close()
            self._fuente.close()
        return self._resumen

    def _open(self) -> None:
        """Open the source, once it answers: it may start after us."""
        while not self._parada.pedida:
            try:
                self._fuente.open(self._on_revoke, self._on_lost)
            except TransientError as error:
                self._back_off(error)
            else:
                self._recovered(al_guardar=False)
                return
            if self._caida:
                self._parada.esperar(self._caida.proximo - time.monotonic())

    def _is_done(self) -> bool:
        ocupada = self._vuelo or self._pendientes or self._recibidos or self._caida
        return not ocupada and self._fuente.is_caught_up()

    def _step(self) -> None:
        try:
            if self._caida and (resta := self._caida.proximo - time.monotonic()) > 0:
                if self._vuelo and self._vuelo.guardado:
                    self._collect(self._vuelo)
                self._listen(min(resta, _ESPERA_S))
            else:
                self._advance()
        except TransientError as error:
            self._back_off(error)
        if self._metricas and time.monotonic() >= self._proximo_retraso:
            self._metricas.retraso(self._fuente.lag())
            self._proximo_retraso = time.monotonic() + RETRASO_S

    def _advance(self) -> None:
        if self._vuelo:
            self._collect(self._vuelo)
        if not self._pendientes:
            if self._vuelo and self._caida:  # saving again: nothing new until it works
                self._listen(_ESPERA_S)
                return
            self._gather()
        if not self._pendientes:
            return
        lista = self._prepare(self._pendientes[0])
        if self._vuelo:
            self._wait_for_writer(self._vuelo)
        elif lista:
            self._launch(self._pendientes.popleft())

    def _gather(self) -> None:
        """Read until the batch is full or nothing more comes."""
        if self._pausada:
            self._fuente.resume()
            self._pausada = False
        while (falta := self._lote_maximo - len(self._recibidos)) > 0:
            pedidos = min(falta, MENSAJES_POR_LECTURA)
            llegados = self._fuente.read(pedidos, _ESPERA_S)
            self._recibidos.extend(llegados)
            if len(llegados) < pedidos:
                break
        if self._recibidos:
            self._pendientes.append(_Lote(self._recibidos))
            self._recibidos = []

    def _listen(self, espera_s: float) -> None:
        """Serve the group without taking messages."""
        if not self._pausada:
            self._fuente.pause()
            self._pausada = True
        # Reading may call back, and that may replace the list: first read, then extend.
        llegados = self._fuente.read(1, espera_s)
        self._recibidos.extend(llegados)

    def _prepare(self, lote: _Lote) -> bool:
        """Bring a batch to its draft; False if that has to wait for the batch in flight."""
        if lote.lecturas is None:
            self._decode(lote)
        if lote.muertas:
            self._set_aside(lote)
        if lote.borrador is None and lote.lecturas and lote.origen:
            try:
                lote.borrador = self._procesador.draft(lote.lecturas, lote.origen)
            except LoteEnVueloError:
                if self._vuelo is None:
                    raise
                return False
        self._recovered(al_guardar=False)
        return True

    def _decode(self, lote: _Lote) -> None:
        leidas = self._decodificador.decode([m.value() for m in lote.mensajes], self._reloj())
        lote.lecturas = leidas.lecturas
        particiones = np.array([m.partition() for m in lote.mensajes], np.int32)
        offsets = np.array([m.offset() for m in lote.mensajes], np.int64)
        lote.origen = BatchOrigin(
            particiones[leidas.posiciones], offsets[leidas.posiciones], lote.next_offsets(),
            self._fuente.log_id,
        )  # fmt: skip
        lote.muertas = [(lote.mensajes[i], error) for i, error in leidas.invalidas]
        if lote.muertas:
            motivos = Counter(error.motivo for _, error in lote.muertas)
            _LOG.warning(
                "mensajes no válidos apartados: %s",
                ", ".join(f"{motivo} ({veces})" for motivo, veces in motivos.most_common()),
            )

    def _set_aside(self, lote: _Lote) -> None:
        """Send invalid messages to the dead letters; what is not confirmed stays to be sent."""
        motivos = Counter(error.motivo for _, error in lote.muertas)
        lote.muertas = self._fuente.send_dead_letters(lote.muertas)
        motivos.subtract(error.motivo for _, error in lote.muertas)
        if self._metricas:
            self._metricas.invalidas(+motivos)
        if lote.muertas:
            raise TransientError("Kafka no confirma los mensajes no válidos")

    def _launch(self, lote: _Lote) -> None:
        guardado = None
        if lote.borrador is None:  # no valid reading in it
            guardado = Future[None]()
            guardado.set_result(None)
        self._vuelo = _Vuelo(lote, guardado or self._escritor.submit(lote.borrador))

    def _collect(self, vuelo: _Vuelo) -> None:
        """Accept and commit the batch in flight if it is saved; save again if that failed."""
        if vuelo.guardado is None:
            vuelo.guardado = self._escritor.submit(vuelo.lote.borrador)
        if not vuelo.guardado.done():
            return
        guardado, vuelo.guardado = vuelo.guardado, None
        guardado.result()
        lote, self._vuelo = vuelo.lote, None
        if lote.borrador is not None:
            self._procesador.accept(lote.borrador)
        siguientes = lote.next_offsets()
        self._guardados.update(siguientes)
        self._fuente.commit(siguientes, espera=False)
        validas = len(lote.lecturas or ())
        self._resumen.lecturas += validas
        self._resumen.invalidas += len(lote.mensajes) - validas
        self._resumen.lotes += 1
        self._ultimo_lote = time.monotonic()
        self._recovered(al_guardar=True)

    def _wait_for_writer(self, vuelo: _Vuelo) -> None:
        assert vuelo.guardado is not None
        wait([vuelo.guardado], _ESPERA_S)
        if not vuelo.guardado.done() and time.monotonic() - vuelo.desde > ESCUCHA_S:
            self._listen(0.0)

    def _back_off(self, error: TransientError) -> None:
        ahora = time.monotonic()
        if self._caida is None:
            self._caida = _Caida(ahora, str(error))
            _LOG.warning("%s; se espera y se reintenta, sin dar por leído lo no guardado", error)
        self._caida.al_guardar = bool(self._vuelo and self._vuelo.guardado is None)
        espera = min(REINTENTO_MAXIMO_S, error.retry_after_s * 2.0**self._caida.intentos)
        self._caida.intentos = min(self._caida.intentos + 1, 30)
        # Jitter, so that many consumers do not come back at the same moment.
        self._caida.proximo = ahora + espera * random.uniform(0.5, 1.0)  # nosec B311 # jitter, not a secret

    def _recovered(self, *, al_guardar: bool) -> None:
        if self._caida and self._caida.al_guardar == al_guardar:
            _LOG.warning("recuperado tras %.1f s", time.monotonic() - self._caida.desde)
            self._caida = None

    def _settle(self) -> None:
        """Give the save in flight its time; what a store refuses by then stays unsaved."""
        if self._vuelo and self._vuelo.guardado:
            wait([self._vuelo.guardado], PLAZO_GUARDAR_S)
            with contextlib.suppress(TransientError):
                self._collect(self._vuelo)

    def _discard_drafts(self) -> list[_Lote]:
        """Discard every draft, newest first; return the batches that they were of."""
        lotes = [*([self._vuelo.lote] if self._vuelo else []), *self._pendientes]
        self._vuelo = None
        for lote in reversed(lotes):
            if lote.borrador is not None:
                self._procesador.discard(lote.borrador)
                lote.borrador = None
        return lotes

    def _on_revoke(self, particiones: set[int]) -> None:
        if not self._abandonar:
            self._settle()
            self._fuente.commit(self._guardados, espera=True)
            self._drop(particiones)

    def _on_lost(self, particiones: set[int]) -> None:
        if not self._abandonar:
            self._drop(particiones)

    def _drop(self, particiones: set[int]) -> None:
        lotes = [lote.without(particiones) for lote in self._discard_drafts()]
        self._pendientes = deque(lote for lote in lotes if lote.mensajes)
        self._recibidos = [m for m in self._recibidos if m.partition() not in particiones]
        for particion in particiones:
            self._guardados.pop(particion, None)
        if not self._pendientes:
            self._caida = None
        self._procesador.forget(sorted(particiones))


@contextlib.contextmanager
def _collector_between_batches() -> Iterator[Callable[[int], None]]:
    """Give a function that collects now and then, told the batches done; in between nothing is."""
    activo, ultimo = gc.isenabled(), 0

    def sweep(lotes: int) -> None:
        nonlocal ultimo
        if lotes - ultimo >= LOTES_ENTRE_BARRIDOS:
            ultimo = lotes
            gc.collect()

    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield sweep
    finally:
        gc.unfreeze()
        if activo:
            gc.enable()
