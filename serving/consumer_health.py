"""How the consumers are, from three facts: their heartbeats, the lag, and the last write.

The one place where that is decided: the API, ``consumo salud`` and the metrics say the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from detection.errors import ConsumoError
from serving.health import PartHealth

LATIDOS, RETRASO = "latidos", "retraso"
"""What heartbeats and lag are called among the parts that are looked at."""
SENAL_S = 5.0
"""Between two heartbeats."""
MUDO = timedelta(seconds=30)
"""Without a heartbeat for this long a consumer counts as dead; a reading that has waited for this
long, as late. Six heartbeats; with the few seconds that a look is remembered and the 20 s between
two looks of the dashboard's side bar it is said within 60 s everywhere. Kafka's session is 6 s."""
MIRADAS = 256
"""Of a partition, remembered at once: at one each 2 s those of 8 minutes; of older ones, fewer."""
SIN_LECTURAS = timedelta(hours=2)
"""After which hourly readings are missed. By hand, 2026-11-24."""

ConsumerState = Literal[
    "al día", "atrasado", "esperando", "muerto", "parado", "sin consumidor", "sin datos",
    "sin lecturas nuevas", "desconocido",
]  # fmt: skip
Gravedad = Literal["bien", "aviso", "mal"]


@dataclass(frozen=True, slots=True)
class SelfReport:
    """What a consumer says of itself; its times are seconds ago, since its clock is its own."""

    particiones: tuple[int, ...] = ()  # those that it reads
    lecturas: int = 0  # saved since it started
    ultimo_lote_hace_s: float | None = None  # since the last batch was saved; None = none was
    version_modelo: str = ""  # the champion in use; '' = the rules alone
    # modelo_rechazado, rechazo: the version that it would not use, and why; '' = none.
    modelo_rechazado: str = ""
    rechazo: str = ""
    espera: str = ""  # what it waits for, one Spanish line; '' = nothing
    espera_hace_s: float | None = None  # since when


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A consumer's row; every time is the store's clock."""

    # maquina, proceso: who it is.
    maquina: str
    proceso: int
    # desde, latido: when it started, and when it was last heard of.
    desde: datetime
    latido: datetime
    fin: datetime | None  # when it ended by itself; None = it has not said so
    motivo: str  # the error that it ended with; '' = it was asked to stop, or had read all
    # particiones, lecturas, version_modelo, modelo_rechazado, rechazo, espera: see ``SelfReport``.
    particiones: tuple[int, ...]
    lecturas: int
    ultimo_lote: datetime | None
    version_modelo: str
    modelo_rechazado: str
    rechazo: str
    espera: str
    espera_desde: datetime | None


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """All heartbeats of a group, as of a moment of the store's clock."""

    ahora: datetime
    # Since when the store has been there to be written to: silence before that says nothing.
    fiable_desde: datetime
    filas: Sequence[Heartbeat] = ()  # the latest first

    def vivos(self) -> list[Heartbeat]:
        """Return the consumers that are heard of."""
        return [f for f in self.filas if f.fin is None and self.ahora - f.latido <= MUDO]

    def sin_relevo(self) -> list[Heartbeat]:
        """Return those that fell silent, and whose work nobody has taken over.

        Whoever has started since has, and so have those who read all the partitions it read.
        """
        vivos = self.vivos()
        leidas = {p for v in vivos for p in v.particiones}
        return [
            f
            for f in self.filas
            if f.fin is None
            and self.ahora - f.latido > MUDO
            and not any(v.desde > f.latido for v in vivos)
            and not leidas.issuperset(f.particiones)
        ]


@dataclass(frozen=True, slots=True)
class LatestWrite:
    """The latest row that was added to the history."""

    # procesada, consumo: aware: when it was stored, and when its hour begins.
    procesada: datetime
    consumo: datetime
    version_modelo: str  # what judged it


@dataclass(frozen=True, slots=True)
class Lag:
    """What the broker has and the group has not read."""

    # Messages of each partition of the topic; empty = no such topic is seen.
    por_particion: Mapping[int, int]
    # When the oldest of them was sent, by its producer's clock, to be told and not to be judged by;
    # None = none waits, or its message does not say.
    mas_antigua: datetime | None = None
    # Offset of the first of them, of each partition where any wait.
    primeras: Mapping[int, int] = field(default_factory=dict)
    # How long one of them has been seen to wait; None = this was the only look.
    visto_s: float | None = None

    @property
    def total(self) -> int:
        """Return how many wait."""
        return sum(self.por_particion.values())

    def moves_past(self, antes: Lag) -> bool:
        """Return whether the group has passed all that an earlier look found waiting.

        Examples
        --------
        >>> antes = Lag({0: 1, 1: 2}, primeras={0: 7, 1: 9})
        >>> Lag({0: 0, 1: 1}, primeras={1: 10}).moves_past(antes)
        True
        >>> Lag({0: 0, 1: 3}, primeras={1: 9}).moves_past(antes)
        False
        """
        return all(
            self.primeras.get(p, primera + 1) > primera for p, primera in antes.primeras.items()
        )


class ConsumerWatch:
    """Reads heartbeats and lag again and again, and knows from one look what the next one means.

    What a look found at the end of a partition, and the group has not passed, has waited since
    that look, by the clock of who looks: neither the producers' clocks nor how often one looks can
    make that untrue. And where heartbeats could not be read, nor could they be written.

    ``leer_latidos``, ``leer_retraso``: each raises one of our errors where there is no answer.
    ``reloj``: rising seconds.

    Examples
    --------
    >>> reloj = iter((0.0, 40.0, 80.0)).__next__
    >>> retrasos = iter(Lag({0: 9}, primeras={0: n}) for n in (1, 5, 15))
    >>> watch = ConsumerWatch(lambda: None, retrasos.__next__, reloj)
    >>> [watch.lag().visto_s for _ in range(3)]
    [0.0, 40.0, 0.0]
    """

    def __init__(
        self,
        leer_latidos: Callable[[], Heartbeats],
        leer_retraso: Callable[[], Lag],
        reloj: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leer_latidos = leer_latidos
        self._leer_retraso = leer_retraso
        self._reloj = reloj
        self._miradas: dict[int, list[tuple[float, int, int]]] = {}
        self._hubo_silencio = False
        self._vuelta: datetime | None = None

    def heartbeats(self) -> Heartbeats:
        """Return the heartbeats, to be relied on since they can be read again."""
        try:
            latidos = self._leer_latidos()
        except ConsumoError:
            self._hubo_silencio = True
            raise
        if self._hubo_silencio:
            self._hubo_silencio, self._vuelta = False, latidos.ahora
        if self._vuelta is None:
            return latidos
        return replace(latidos, fiable_desde=max(latidos.fiable_desde, self._vuelta))

    def lag(self) -> Lag:
        """Return the lag, with how long the oldest of it has been seen to wait."""
        retraso = self._leer_retraso()
        ahora = self._reloj()
        self._miradas = {
            particion: self._seen(particion, ahora, primera, retraso.por_particion[particion])
            for particion, primera in retraso.primeras.items()
        }
        desde = min((miradas[0][0] for miradas in self._miradas.values()), default=ahora)
        return replace(retraso, visto_s=ahora - desde)

    def _seen(
        self, particion: int, ahora: float, primera: int, mensajes: int
    ) -> list[tuple[float, int, int]]:
        """Return when a partition's unread messages were first seen: instant, first, and end."""
        fin = primera + mensajes
        miradas = self._miradas.get(particion, [])
        if miradas and (primera < miradas[-1][1] or fin < miradas[-1][2]):
            miradas = []  # set back, or another log under the same name
        miradas = [m for m in miradas if m[2] > primera]
        if len(miradas) >= MIRADAS:
            miradas = miradas[::2]  # the first one stays: it is the one that dates the wait
        return [*miradas, (ahora, primera, fin)]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """How the consumers are."""

    # estado, gravedad: in a word; only "mal" is something to get up for.
    estado: ConsumerState
    gravedad: Gravedad
    texto: str  # one Spanish sentence, without a full stop
    desde: datetime | None = None  # since when it is so, where that is known


@dataclass(frozen=True, slots=True)
class ConsumersView:
    """The three facts that say how the consumers are; None = it could not be read."""

    latidos: Heartbeats | None
    retraso: Lag | None
    ultima: LatestWrite | None = None  # None = nothing is stored, too

    @staticmethod
    def of(partes: Mapping[str, PartHealth], historia: str) -> ConsumersView:
        """Return what a look at ``LATIDOS``, ``RETRASO`` and the part ``historia`` has found.

        Where the history does not answer, nothing is known of who writes it.
        """
        latidos, retraso, ultima = (partes[n].dato for n in (LATIDOS, RETRASO, historia))
        return ConsumersView(
            latidos if isinstance(latidos, Heartbeats) and not partes[historia].mal else None,
            retraso if isinstance(retraso, Lag) else None,
            ultima if isinstance(ultima, LatestWrite) else None,
        )

    @property
    def topic_hidden(self) -> bool:
        """Return whether no topic is seen though a living consumer reads it: we may not look."""
        if self.latidos is None or self.retraso is None or self.retraso.por_particion:
            return False
        return any(vivo.particiones for vivo in self.latidos.vivos())

    def judge(self, ahora: datetime, zona: ZoneInfo) -> Diagnosis:
        """Return how the consumers are.

        ``ahora``: of whoever asks, to say how old the last write is. ``zona``: in which hours are
        told.
        """
        if self.latidos is None:
            return Diagnosis(
                "desconocido", "aviso", "No se sabe cómo está el consumidor: PostgreSQL no responde"
            )
        ultima = self.ultima.procesada if self.ultima else None
        if self.latidos.vivos():
            retraso = None if self.topic_hidden else self.retraso
            visto = _working(self.latidos, retraso, _Hace(self.latidos.ahora, zona))
            return visto or _fresh(self.topic_hidden, retraso, ultima, _Hace(ahora, zona))
        return _without_consumer(self.latidos, self.retraso, ultima, zona)


def seconds_since(cuando: datetime, ahora: datetime) -> float:
    """Return how old something is, s, to a tenth; what is to come is 0 old."""
    return round(max(0.0, (ahora - cuando).total_seconds()), 1)


def _working(latidos: Heartbeats, retraso: Lag | None, hace: _Hace) -> Diagnosis | None:
    """Return what is amiss with consumers of which one lives; None = nothing."""
    parados = [v for v in latidos.vivos() if v.espera_desde is not None]
    espera = min(parados, key=lambda v: v.espera_desde or v.latido, default=None)
    if retraso is not None and (desde := _behind_since(latidos, retraso)):
        motivo = f" ({espera.espera})" if espera else ""
        texto = f"El consumidor va atrasado{motivo}: {_waiting(retraso)}"
        antigua = retraso.mas_antigua
        if antigua is not None and antigua <= latidos.ahora:
            texto = f"{texto}, la más antigua desde {hace(antigua)}"
        return Diagnosis("atrasado", "mal", texto, desde)
    if espera and espera.espera_desde and latidos.ahora - espera.espera_desde > MUDO:
        texto = f"El consumidor espera desde {hace(espera.espera_desde)}: {espera.espera}"
        return Diagnosis("esperando", "mal", texto, espera.espera_desde)
    if mudos := latidos.sin_relevo():
        otros = "otro" if len(mudos) == 1 else f"otros {len(mudos)}"
        verbo = "no da señales" if len(mudos) == 1 else "no dan señales"
        ultimo = max(mudos, key=lambda f: f.latido).latido
        texto = f"Hay consumidor, pero {otros} {verbo} desde {hace(ultimo)}: {_waiting(retraso)}"
        return Diagnosis("al día", "aviso", texto, ultimo)
    return None


def _fresh(oculto: bool, retraso: Lag | None, ultima: datetime | None, hace: _Hace) -> Diagnosis:
    """Return whether consumers with which nothing is amiss get readings."""
    if retraso is None:
        motivo = "Kafka no enseña el topic" if oculto else "Kafka no responde"
        texto = f"El consumidor da señales; {_waiting(None)}: {motivo}"
        return Diagnosis("desconocido", "aviso", texto)
    if ultima is None and not retraso.total:
        return Diagnosis("sin datos", "aviso", "Todavía no hay lecturas")
    if ultima is not None and hace.ahora - ultima > SIN_LECTURAS:
        texto = f"Sin lecturas nuevas desde {hace(ultima)}"
        return Diagnosis("sin lecturas nuevas", "aviso", texto, ultima)
    return Diagnosis("al día", "bien", "El consumidor está al día")


def _behind_since(latidos: Heartbeats, retraso: Lag) -> datetime | None:
    """Return since when readings have waited for too long; None = they have not.

    Who has looked once only knows that readings wait and nobody has saved any for too long.
    """
    if not retraso.total:
        return None
    if retraso.visto_s is not None:
        desde = latidos.ahora - timedelta(seconds=retraso.visto_s)
    else:
        desde = max(vivo.ultimo_lote or vivo.desde for vivo in latidos.vivos())
    return desde if latidos.ahora - desde > MUDO else None


def _without_consumer(
    latidos: Heartbeats, retraso: Lag | None, ultima: datetime | None, zona: ZoneInfo
) -> Diagnosis:
    esperan = retraso.total if retraso else 0
    hace = _Hace(latidos.ahora, zona)
    if not latidos.filas:
        if esperan:
            texto = f"Ningún consumidor ha arrancado: {_waiting(retraso)}"
            desde = retraso.mas_antigua if retraso else None
            return Diagnosis("sin consumidor", "mal", texto, desde)
        if ultima is None:
            texto = "Todavía no hay lecturas ni ha arrancado ningún consumidor"
            return Diagnosis("sin datos", "aviso", texto)
        texto = f"No hay ningún consumidor: {_waiting(retraso)}"
        return Diagnosis("sin consumidor", "aviso", texto)
    ultimo = latidos.filas[0]
    if ultimo.fin is None:
        if latidos.ahora - latidos.fiable_desde <= MUDO:
            texto = "PostgreSQL acaba de volver: se espera la señal del consumidor"
            return Diagnosis("desconocido", "aviso", texto, latidos.fiable_desde)
        texto = f"El consumidor no da señales desde {hace(ultimo.latido)}: {_waiting(retraso)}"
        return Diagnosis("muerto", "mal", texto, ultimo.latido)
    if ultimo.motivo:
        texto = (
            f"El consumidor acabó con un error ({ultimo.motivo}) a {hace(ultimo.fin)}: "
            f"{_waiting(retraso)}"
        )
        return Diagnosis("muerto", "mal", texto, ultimo.fin)
    texto = f"El consumidor está parado desde {hace(ultimo.fin)}: {_waiting(retraso)}"
    return Diagnosis("parado", "mal" if esperan else "aviso", texto, ultimo.fin)


def _waiting(retraso: Lag | None) -> str:
    """Return how many readings wait, as the end of a sentence.

    Examples
    --------
    >>> _waiting(Lag({0: 1000, 1: 200})), _waiting(Lag({0: 1})), _waiting(Lag({}))
    ('1.200 lecturas esperan', '1 lectura espera', 'no espera ninguna lectura')
    """
    if retraso is None:
        return "no se sabe cuántas lecturas esperan"
    if not retraso.total:
        return "no espera ninguna lectura"
    if retraso.total == 1:
        return "1 lectura espera"
    return f"{retraso.total:,} lecturas esperan".replace(",", ".")


class _Hace:
    """Tells instants as people do: the hour, the day where it is another one, and how long ago."""

    def __init__(self, ahora: datetime, zona: ZoneInfo) -> None:
        self.ahora = ahora
        self._zona = zona

    def __call__(self, cuando: datetime) -> str:
        local = cuando.astimezone(self._zona)
        articulo = "la" if local.hour == 1 else "las"
        hora = f"{articulo} {local:%-H:%M}"
        if local.date() != self.ahora.astimezone(self._zona).date():
            hora = f"{hora} del {local:%d/%m/%Y}"
        return f"{hora} ({_ago(self.ahora - cuando)})"


def _ago(edad: timedelta) -> str:
    """Return how long ago something was.

    Examples
    --------
    >>> _ago(timedelta(seconds=12)), _ago(timedelta(seconds=130)), _ago(timedelta(hours=50))
    ('hace 12 s', 'hace 2 min', 'hace 2 días')
    """
    segundos = max(0, int(edad.total_seconds()))
    for unidad, uno, varios in ((86_400, "día", "días"), (3600, "h", "h"), (60, "min", "min")):
        if cuantos := segundos // unidad:
            return f"hace {cuantos} {uno if cuantos == 1 else varios}"
    return f"hace {segundos} s"
