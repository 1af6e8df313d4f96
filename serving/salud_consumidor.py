"""How the consumers are, from three facts: their heartbeats, the lag, and the last write.

The one place where that is decided: the API, ``consumo salud`` and the metrics say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

SENAL_S = 5.0
"""Between two heartbeats."""
MUDO = timedelta(seconds=30)
"""Without a heartbeat for this long a consumer counts as dead; a reading that has waited for this
long, as late. Six heartbeats; with the few seconds that a look is remembered and the 20 s between
two looks of the dashboard's side bar it is said within 60 s everywhere. Kafka's session is 6 s."""
SIN_LECTURAS = timedelta(hours=2)
"""After which hourly readings are missed. By hand, 2026-11-24."""

Estado = Literal[
    "al día", "atrasado", "esperando", "muerto", "parado", "sin consumidor", "sin datos",
    "sin lecturas nuevas", "desconocido",
]  # fmt: skip
Gravedad = Literal["bien", "aviso", "mal"]


@dataclass(frozen=True, slots=True)
class Situacion:
    """What a consumer says of itself; its times are seconds ago, since its clock is its own.

    Parameters
    ----------
    particiones : tuple of int
        Those that it reads.
    lecturas : int
        Saved since it started.
    ultimo_lote_hace_s : float or None
        Since the last batch was saved; None = none was.
    version_modelo : str
        The champion in use; '' = the rules alone.
    modelo_rechazado, rechazo : str
        The version that it would not use, and why; '' = none.
    espera : str
        What it waits for, one Spanish line; '' = nothing.
    espera_hace_s : float or None
        Since when.
    """

    particiones: tuple[int, ...] = ()
    lecturas: int = 0
    ultimo_lote_hace_s: float | None = None
    version_modelo: str = ""
    modelo_rechazado: str = ""
    rechazo: str = ""
    espera: str = ""
    espera_hace_s: float | None = None


@dataclass(frozen=True, slots=True)
class Latido:
    """A consumer's row; every time is the store's clock.

    Parameters
    ----------
    maquina, proceso : str, int
        Who it is.
    desde, latido : datetime
        When it started, and when it was last heard of.
    fin : datetime or None
        When it ended by itself; None = it has not said so.
    motivo : str
        The error that it ended with; '' = it was asked to stop, or had read all.
    ultimo_lote, espera_desde : datetime or None
    particiones, lecturas, version_modelo, modelo_rechazado, rechazo, espera
        See ``Situacion``.
    """

    maquina: str
    proceso: int
    desde: datetime
    latido: datetime
    fin: datetime | None
    motivo: str
    particiones: tuple[int, ...]
    lecturas: int
    ultimo_lote: datetime | None
    version_modelo: str
    modelo_rechazado: str
    rechazo: str
    espera: str
    espera_desde: datetime | None


@dataclass(frozen=True, slots=True)
class Latidos:
    """All heartbeats of a group, as of a moment of the store's clock.

    Parameters
    ----------
    ahora : datetime
    fiable_desde : datetime
        Since when the store has been there to be written to: silence before that says nothing.
    filas : sequence of Latido
        The latest first.
    """

    ahora: datetime
    fiable_desde: datetime
    filas: Sequence[Latido] = ()

    def vivos(self) -> list[Latido]:
        """Return the consumers that are heard of."""
        return [f for f in self.filas if f.fin is None and self.ahora - f.latido <= MUDO]

    def sin_relevo(self) -> list[Latido]:
        """Return those that fell silent, and in whose place nobody has started since."""
        vivos = self.vivos()
        mudos = [f for f in self.filas if f.fin is None and self.ahora - f.latido > MUDO]
        return [f for f in mudos if not any(v.desde > f.latido for v in vivos)]


@dataclass(frozen=True, slots=True)
class Retraso:
    """What the broker has and the group has not read.

    Parameters
    ----------
    por_particion : mapping of int to int
        Messages of each partition of the topic.
    mas_antigua : datetime or None
        When the oldest of them was sent, by its producer's clock; None = none waits, or its
        message does not say.
    """

    por_particion: Mapping[int, int]
    mas_antigua: datetime | None = None

    @property
    def total(self) -> int:
        """Return how many wait."""
        return sum(self.por_particion.values())


@dataclass(frozen=True, slots=True)
class Diagnostico:
    """How the consumers are.

    Parameters
    ----------
    estado, gravedad : str
        In a word; only "mal" is something to get up for.
    texto : str
        One Spanish sentence, without a full stop.
    desde : datetime or None
        Since when it is so, where that is known.
    """

    estado: Estado
    gravedad: Gravedad
    texto: str
    desde: datetime | None = None


def judge(
    latidos: Latidos | None,
    retraso: Retraso | None,
    ultima: datetime | None,
    ahora: datetime,
    zona: ZoneInfo,
) -> Diagnostico:
    """Return how the consumers are.

    Parameters
    ----------
    latidos : Latidos or None
        None = the store that keeps them does not answer.
    retraso : Retraso or None
        None = the broker does not say.
    ultima : datetime or None
        When a reading was last stored; None = never.
    ahora : datetime
        Of whoever asks, to say how old the last write is.
    zona : ZoneInfo
        In which hours are told.
    """
    if latidos is None:
        return Diagnostico(
            "desconocido", "aviso", "No se sabe cómo está el consumidor: PostgreSQL no responde"
        )
    if latidos.vivos():
        return _with_consumer(latidos, retraso, ultima, ahora, zona)
    return _without_consumer(latidos, retraso, ultima, zona)


def _with_consumer(
    latidos: Latidos,
    retraso: Retraso | None,
    ultima: datetime | None,
    ahora: datetime,
    zona: ZoneInfo,
) -> Diagnostico:
    parados = [v for v in latidos.vivos() if v.espera_desde is not None]
    espera = min(parados, key=lambda v: v.espera_desde or v.latido, default=None)
    hace = _Hace(latidos.ahora, zona)
    antigua = retraso.mas_antigua if retraso else None
    if antigua is not None and latidos.ahora - antigua > MUDO:
        motivo = f" ({espera.espera})" if espera else ""
        texto = (
            f"El consumidor va atrasado{motivo}: {_waiting(retraso)}, la más antigua desde "
            f"{hace(antigua)}"
        )
        return Diagnostico("atrasado", "mal", texto, antigua)
    if espera and espera.espera_desde and latidos.ahora - espera.espera_desde > MUDO:
        texto = f"El consumidor espera desde {hace(espera.espera_desde)}: {espera.espera}"
        return Diagnostico("esperando", "mal", texto, espera.espera_desde)
    if mudos := latidos.sin_relevo():
        otros = "otro" if len(mudos) == 1 else f"otros {len(mudos)}"
        verbo = "no da señales" if len(mudos) == 1 else "no dan señales"
        ultimo = max(mudos, key=lambda f: f.latido).latido
        texto = f"Hay consumidor, pero {otros} {verbo} desde {hace(ultimo)}: {_waiting(retraso)}"
        return Diagnostico("al día", "aviso", texto, ultimo)
    if retraso is None:
        texto = f"El consumidor da señales; {_waiting(None)}: Kafka no responde"
        return Diagnostico("desconocido", "aviso", texto)
    if ultima is None and not retraso.total:
        return Diagnostico("sin datos", "aviso", "Todavía no hay lecturas")
    if ultima is not None and ahora - ultima > SIN_LECTURAS:
        texto = f"Sin lecturas nuevas desde {_Hace(ahora, zona)(ultima)}"
        return Diagnostico("sin lecturas nuevas", "aviso", texto, ultima)
    return Diagnostico("al día", "bien", "El consumidor está al día")


def _without_consumer(
    latidos: Latidos, retraso: Retraso | None, ultima: datetime | None, zona: ZoneInfo
) -> Diagnostico:
    esperan = retraso.total if retraso else 0
    hace = _Hace(latidos.ahora, zona)
    if not latidos.filas:
        if esperan:
            texto = f"Ningún consumidor ha arrancado: {_waiting(retraso)}"
            desde = retraso.mas_antigua if retraso else None
            return Diagnostico("sin consumidor", "mal", texto, desde)
        if ultima is None:
            texto = "Todavía no hay lecturas ni ha arrancado ningún consumidor"
            return Diagnostico("sin datos", "aviso", texto)
        texto = f"No hay ningún consumidor: {_waiting(retraso)}"
        return Diagnostico("sin consumidor", "aviso", texto)
    ultimo = latidos.filas[0]
    if ultimo.fin is None:
        if latidos.ahora - latidos.fiable_desde <= MUDO:
            texto = "PostgreSQL acaba de volver: se espera la señal del consumidor"
            return Diagnostico("desconocido", "aviso", texto, latidos.fiable_desde)
        texto = f"El consumidor no da señales desde {hace(ultimo.latido)}: {_waiting(retraso)}"
        return Diagnostico("muerto", "mal", texto, ultimo.latido)
    if ultimo.motivo:
        texto = (
            f"El consumidor acabó con un error ({ultimo.motivo}) a {hace(ultimo.fin)}: "
            f"{_waiting(retraso)}"
        )
        return Diagnostico("muerto", "mal", texto, ultimo.fin)
    texto = f"El consumidor está parado desde {hace(ultimo.fin)}: {_waiting(retraso)}"
    return Diagnostico("parado", "mal" if esperan else "aviso", texto, ultimo.fin)


def _waiting(retraso: Retraso | None) -> str:
    """Return how many readings wait, as the end of a sentence.

    Examples
    --------
    >>> _waiting(Retraso({0: 1000, 1: 200})), _waiting(Retraso({0: 1})), _waiting(Retraso({}))
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
        self._ahora = ahora
        self._zona = zona

    def __call__(self, cuando: datetime) -> str:
        local = cuando.astimezone(self._zona)
        articulo = "la" if local.hour == 1 else "las"
        hora = f"{articulo} {local:%-H:%M}"
        if local.date() != self._ahora.astimezone(self._zona).date():
            hora = f"{hora} del {local:%d/%m/%Y}"
        return f"{hora} ({_ago(self._ahora - cuando)})"


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
