"""What verdicts on labelled readings are worth: pure figures, with intervals by customer.

A reading is judged or not, attacked or not. An event is one customer's attack from its first to its
last attacked reading; two stretches of attacked readings with more than ``HUECO_DIAS`` between them
are two events. Intervals are bootstrap percentiles (B. Efron and R. Tibshirani, "An Introduction to
the Bootstrap", 1993, ch. 13) over customers, who are what is independent: a journey is a hundred
rare readings of one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA
from detection.memory.hourly_ring import GAIN

HUECO_DIAS = 7
"""Honest days that end an event. By hand, 2026-11-24: who pauses over a weekend goes on."""
GRACIA_HORAS = HORAS_POR_DIA
"""Hours after its last attacked reading in which an event may still be found. By hand."""
DIAS_MES = 30
REMUESTRAS = 300
"""Resamples of an interval: enough for two digits of its ends."""
CONFIANZA = 0.95
PUNTOS_CURVA = 200
"""Points of a drawn curve."""
_CLASES_MAXIMAS = 4_000_000
"""Cells of the table (customers, scores) that a bootstrap draws from."""

Floats = NDArray[np.float64]
Enteros = NDArray[np.int64]
Logicos = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Casos:
    """Labelled readings, in any order in which each customer's hours rise.

    Parameters
    ----------
    cliente : ndarray (n,), int64
        0 to c - 1.
    hora_utc : ndarray (n,), int64
    atacada, juzgada : ndarray (n,), bool
    perdida_kwh : ndarray (n,), kWh
        Consumed beyond what was metered.
    tipo_cliente : list of str (c,)
        Kind of each customer's attack, "" = clean.
    hogar : ndarray (c,), int64, or None
        Number of the household behind each customer, where one is there several times: it is
        households that are drawn. None = each customer is one.
    """

    cliente: Enteros
    hora_utc: Enteros
    atacada: Logicos
    juzgada: Logicos
    perdida_kwh: Floats
    tipo_cliente: Sequence[str]
    hogar: Enteros | None = None

    @property
    def hogares(self) -> Enteros:
        """Return (c,) the number of each customer's household."""
        return np.arange(len(self.tipo_cliente)) if self.hogar is None else self.hogar

    @property
    def atacado(self) -> Logicos:
        """Return (c,) who is attacked."""
        return np.array([t != "" for t in self.tipo_cliente], np.bool_)

    @property
    def tipos(self) -> list[str]:
        """Return the kinds of attack that there are, sorted."""
        return sorted({t for t in self.tipo_cliente if t})

    def de_tipo(self, tipo: str) -> Logicos:
        """Return (n,) the judged readings of the clean customers and of one kind of attack."""
        suyo = np.array([t in {"", tipo} for t in self.tipo_cliente], np.bool_)
        return self.juzgada & suyo[self.cliente]


@dataclass(frozen=True, slots=True)
class Cifra:
    """A figure and its interval; None = it cannot be had from these readings."""

    valor: float | None
    desde: float | None = None
    hasta: float | None = None


class Tabla:
    """Scores of labelled readings counted by customer, score and label: every figure at once.

    Parameters
    ----------
    score : ndarray (n,), high = more anomalous, NaN = not ready, counts as the lowest
    verdad : ndarray (n,), bool
    cliente : ndarray (n,), int64

    Examples
    --------
    >>> tabla = Tabla(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]),
    ...     np.arange(4))
    >>> tabla.roc_auc(), round(tabla.precision_media(), 4)
    (0.75, 0.8333)
    """

    def __init__(self, score: NDArray[Any], verdad: Logicos, cliente: Enteros) -> None:
        _, quien = np.unique(cliente, return_inverse=True)
        self._clientes = int(quien.max()) + 1 if quien.size else 0
        clase = _classes(score)
        self._clases = int(clase.max()) + 1 if clase.size else 0
        todos = np.bincount(clase, minlength=self._clases).astype(np.float64)
        suyos = np.bincount(clase, verdad, minlength=self._clases).astype(np.float64)
        self._positivos, self._negativos = suyos, todos - suyos
        self._quien, self._clase, self._verdad = quien, clase, verdad

    def roc_auc(self) -> float | None:
        """Return the area under the ROC curve; None where one label is missing."""
        return _roc_auc(self._positivos, self._negativos)

    def precision_media(self) -> float | None:
        """Return the average precision; None where one label is missing."""
        return _average_precision(self._positivos, self._negativos)

    def resample(self, semilla: int) -> tuple[list[float | None], list[float | None]]:
        """Return area and average precision of each resample of the customers.

        Of the same customers the same seed draws the same ones, whatever the scores: two scores
        are compared resample by resample.
        """
        if not self._clientes:
            return [], []
        positivos, negativos = self._by_customer()
        veces = _draws(self._clientes, semilla).astype(np.float64)
        pares = list(zip(veces @ positivos, veces @ negativos, strict=True))
        return (
            [_roc_auc(p, n) for p, n in pares],
            [_average_precision(p, n) for p, n in pares],
        )

    def intervalos(self, semilla: int) -> tuple[Cifra, Cifra]:
        """Return area and average precision with their intervals."""
        areas, medias = self.resample(semilla)
        return interval(self.roc_auc(), areas), interval(self.precision_media(), medias)

    def curvas(self) -> dict[str, list[float]]:
        """Return the points of both curves, at most ``PUNTOS_CURVA``: shares of 0 to 1."""
        arriba = np.cumsum(self._positivos[::-1])
        abajo = np.cumsum(self._negativos[::-1])
        puntos = np.arange(arriba.size)
        if puntos.size > PUNTOS_CURVA:
            # Close together where few readings are: that is where a threshold would be.
            marcas = np.geomspace(1, arriba[-1] + abajo[-1], PUNTOS_CURVA)
            puntos = np.unique(np.searchsorted(arriba + abajo, marcas).clip(max=arriba.size - 1))
        arriba, abajo = arriba[puntos], abajo[puntos]
        return {
            "falsas": (abajo / max(self._negativos.sum(), 1)).round(5).tolist(),
            "halladas": (arriba / max(self._positivos.sum(), 1)).round(5).tolist(),
            "precision": (arriba / np.maximum(arriba + abajo, 1)).round(5).tolist(),
        }

    def _by_customer(self) -> tuple[Floats, Floats]:
        """Return positives and negatives (c, k), scores in coarser classes where they are many."""
        cuantas = max(2, min(self._clases, _CLASES_MAXIMAS // max(self._clientes, 1)))
        # As many readings in each: what is rare at the top stays apart.
        acumulado = np.cumsum(self._positivos + self._negativos)
        if self._clases > cuantas:
            gruesa = np.minimum((acumulado - 1) * cuantas // acumulado[-1], cuantas - 1)
            gruesa = gruesa.astype(np.int64)
        else:
            gruesa = np.arange(self._clases)
        celda = self._quien * cuantas + gruesa[self._clase]
        forma = (self._clientes, cuantas)
        todos = np.bincount(celda, minlength=self._clientes * cuantas).reshape(forma)
        suyos = np.bincount(celda, self._verdad, minlength=self._clientes * cuantas)
        positivos = suyos.reshape(forma).astype(np.float64)
        return positivos, todos - positivos


def _classes(score: NDArray[Any]) -> Enteros:
    """Return (n,) the rank of each score among the distinct ones, from the lowest on."""
    limpio = np.where(np.isnan(score), -np.inf, score.astype(np.float64))
    return np.unique(limpio, return_inverse=True)[1].astype(np.int64)


def _roc_auc(positivos: Floats, negativos: Floats) -> float | None:
    p, n = positivos.sum(), negativos.sum()
    if p == 0 or n == 0:
        return None
    debajo = np.cumsum(negativos) - negativos
    return float((positivos * (debajo + 0.5 * negativos)).sum() / (p * n))


def _average_precision(positivos: Floats, negativos: Floats) -> float | None:
    p = positivos.sum()
    if p == 0 or negativos.sum() == 0:
        # Among attacked readings alone any order is perfect.
        return None
    arriba = np.cumsum(positivos[::-1])
    todos = np.cumsum((positivos + negativos)[::-1])
    precision = arriba / np.maximum(todos, 1)
    return float((positivos[::-1] * precision).sum() / p)


def interval(valor: float | None, remuestras: Sequence[float | None]) -> Cifra:
    """Return a figure with the percentiles of its resamples; None among them are left out."""
    buenas = [r for r in remuestras if r is not None]
    if valor is None or not buenas:
        return Cifra(valor)
    cola = 50.0 * (1.0 - CONFIANZA)
    desde, hasta = np.percentile(buenas, [cola, 100.0 - cola])
    return Cifra(valor, float(desde), float(hasta))


@dataclass(frozen=True, slots=True)
class Eventos:
    """Events and when each was found.

    Parameters
    ----------
    cliente : ndarray (e,), int64
    retraso_horas : ndarray (e,), h
        From the first attacked reading to the first alarm; inf = never found.
    perdida_kwh : ndarray (e,), kWh
        Lost from the first attacked reading until then, >= 0; all of it if never found.
    total_kwh : ndarray (e,), kWh
        Lost in the whole event, >= 0.
    """

    cliente: Enteros
    retraso_horas: Floats
    perdida_kwh: Floats
    total_kwh: Floats

    def __len__(self) -> int:
        return int(self.cliente.size)

    def elegir(self, cuales: Logicos) -> Eventos:
        """Return some of the events."""
        return Eventos(
            self.cliente[cuales], self.retraso_horas[cuales], self.perdida_kwh[cuales],
            self.total_kwh[cuales],
        )  # fmt: skip

    @property
    def hallados(self) -> float | None:
        """Return the share of events that were found; None without events."""
        return float(np.isfinite(self.retraso_horas).mean()) if len(self) else None

    def retraso(self, cuantil: float) -> float | None:
        """Return a quantile of the delay, in hours; None = it lies among those never found."""
        if not len(self):
            return None
        # The observed value at or above it: between a delay and never there is nothing.
        valor = float(np.quantile(self.retraso_horas, cuantil, method="higher"))
        return valor if np.isfinite(valor) else None


def find_eventos(casos: Casos, alarma: Logicos) -> Eventos:
    """Return each event and when an alarm (n,) found it: during it, or in a day after its end."""
    orden = np.lexsort((casos.hora_utc, casos.cliente))
    cliente, hora = casos.cliente[orden], casos.hora_utc[orden]
    atacada, perdida = casos.atacada[orden], casos.perdida_kwh[orden]
    suyas = np.flatnonzero(atacada)
    if not suyas.size:
        nada = np.empty(0)
        return Eventos(np.empty(0, np.int64), nada, nada, nada)
    nuevo = np.ones(suyas.size, np.bool_)
    nuevo[1:] = (np.diff(cliente[suyas]) != 0) | (np.diff(hora[suyas]) > HUECO_DIAS * HORAS_POR_DIA)
    primeras = suyas[nuevo]
    ultimas = suyas[np.append(np.flatnonzero(nuevo)[1:], suyas.size) - 1]
    # Alarms as one sorted list of (customer, hour): where an event's first one is, is a search.
    largo = int(hora.max() - hora.min()) + 2 * HORAS_POR_DIA
    clave = cliente * largo + (hora - hora.min())
    alarmas = clave[alarma[orden]]
    donde = np.searchsorted(alarmas, clave[primeras])
    primera_alarma = np.append(alarmas, np.iinfo(np.int64).max)[donde]
    hallado = primera_alarma <= clave[ultimas] + GRACIA_HORAS
    retraso = np.where(hallado, primera_alarma - clave[primeras], np.inf).astype(np.float64)
    suma = np.concatenate([[0.0], np.cumsum(np.where(atacada, perdida, 0.0))])
    hasta = np.where(hallado, np.searchsorted(clave, primera_alarma), ultimas + 1)
    hasta = np.minimum(hasta, ultimas + 1)
    return Eventos(
        cliente[primeras],
        retraso,
        np.maximum(suma[hasta] - suma[primeras], 0.0),
        np.maximum(suma[ultimas + 1] - suma[primeras], 0.0),
    )


def false_alarms(casos: Casos, alarma: Logicos, semilla: int) -> Cifra:
    """Return alarms (n,) per clean customer and 30 days, with their interval."""
    limpia = casos.juzgada & ~casos.atacado[casos.cliente]
    if not limpia.any():
        return Cifra(None)
    _, quien = np.unique(casos.hogares[casos.cliente[limpia]], return_inverse=True)
    meses = np.bincount(quien) / (DIAS_MES * HORAS_POR_DIA)
    alarmas = np.bincount(quien, alarma[limpia])
    return by_customer(
        lambda veces: float((veces @ alarmas) / (veces @ meses)), meses.size, semilla
    )


def by_customer(
    medida: Callable[[NDArray[np.int64]], float | None], clientes: int, semilla: int
) -> Cifra:
    """Return a figure with its interval.

    Parameters
    ----------
    medida : callable
        From how often each customer (c,) counts to the figure.
    """
    if not clientes:
        return Cifra(None)
    veces = [medida(v) for v in _draws(clientes, semilla)]
    return interval(medida(np.ones(clientes, np.int64)), veces)


def _draws(clientes: int, semilla: int) -> Enteros:
    """Return (``REMUESTRAS``, c) how often each customer is drawn, c draws in each."""
    rng = np.random.default_rng(semilla)
    return rng.multinomial(clientes, np.full(clientes, 1 / clientes), size=REMUESTRAS)


def precision_at(ranking: Floats, atacado: Logicos, k: int, semilla: int = 0) -> float | None:
    """Return the share of attacked customers among the k that rank highest, ties by lot.

    None where there are fewer, or nobody to tell them from.

    Parameters
    ----------
    ranking : ndarray (c,)
        High = first.

    Examples
    --------
    >>> precision_at(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]), 2)
    0.5
    """
    if not 0 < k <= ranking.size or atacado.all() or not atacado.any():
        return None
    lote = np.random.default_rng(semilla).permutation(ranking.size)
    primeros = np.lexsort((lote, -ranking))[:k]
    return float(atacado[primeros].mean())


def rank_customers(
    cliente: Enteros,
    hora_utc: Enteros,
    score_centesimas: NDArray[np.integer],
    clientes: int,
    semivida_dias: float,
) -> Floats:
    """Return (c,) what customers are ranked by: the most evidence that each ever gathered.

    A reading contributes what it does to suspicion (``detection.memory.hourly_ring.GAIN``),
    halved with every half-life. The peak and not the end: an attack that is over is still one to
    look into.

    Parameters
    ----------
    score_centesimas : ndarray (n,), 0 to 100
    """
    if not cliente.size:
        return np.zeros(clientes)
    dia = hora_utc // HORAS_POR_DIA
    dia = dia - dia.min()
    dias = int(dia.max()) + 1
    ganancia = np.bincount(
        dia * clientes + cliente, GAIN[score_centesimas] / 10_000, minlength=dias * clientes
    ).reshape(dias, clientes)
    resto = 0.5 ** (1.0 / semivida_dias)
    evidencia, pico = np.zeros(clientes), np.zeros(clientes)
    for suyo in ganancia:
        evidencia = evidencia * resto + suyo
        np.maximum(pico, evidencia, out=pico)
    return pico


def to_centesimas(score: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return hundredths (n,) by rank: what share of all scores is lower, ties at their lowest.

    So any score can be gathered into evidence as ours is.

    Examples
    --------
    >>> to_centesimas(np.array([5.0, np.nan, 7.0, 5.0])).tolist()
    [25, 0, 75, 25]
    """
    clase = _classes(score)
    cuantas = np.bincount(clase)
    debajo = np.cumsum(cuantas) - cuantas
    return np.asarray(100 * debajo[clase] // max(clase.size, 1), np.int64)
