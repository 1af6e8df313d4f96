"""What verdicts on labelled readings are worth: pure figures, with intervals by customer.

A reading is judged or not, attacked or not. An event is one customer's attack from its first to its
last attacked reading; two stretches of attacked readings with more than ``HUECO_DIAS`` between them
are two events. Intervals are bootstrap percentiles (B. Efron and R. Tibshirani, "An Introduction to
the Bootstrap", 1993, ch. 13) over customers, who are what is independent: a journey is a hundred
rare readings of one of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA
from detection.memory.hourly_ring import GAIN
from detection.simulation.draws import Floats

HUECO_DIAS = 7
"""Honest days that end an event. By hand, 2026-11-24: who pauses over a weekend goes on."""
GRACIA_HORAS = HORAS_POR_DIA
"""Hours after its last attacked reading in which an event may still be found. By hand."""
HALLADA_DESDE, AVISA_DESDE = 2, 3
"""Indices of severidad: from ``media`` on the promotion gate counts an attack as found; from
``alta`` on people are called, which is what reports count, in what is found and in false alarms."""
DIAS_MES = 30
REMUESTRAS = 300
"""Resamples of an interval: enough for two digits of its ends."""
CONFIANZA = 0.95
PUNTOS_CURVA = 200
"""Points of a drawn curve."""
REMUESTRAS_GANANCIA = 400
"""Of a gain, whose bounds decide: they are then good to a tenth of the interval. By hand,
2026-11-24."""
COLA_GANANCIA = 0.05
"""Share of a gain's resamples beyond either bound. By hand, 2026-11-24."""
_CLASES_MAXIMAS = 4_000_000
"""Cells of the table (customers, scores) that a bootstrap draws from."""
_REMUESTRAS_A_LA_VEZ = 25

Enteros = NDArray[np.int64]
Logicos = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Casos:
    """Labelled readings, in any order in which each customer's hours rise."""

    cliente: Enteros  # (n,): 0 to c - 1
    hora_utc: Enteros  # (n,)
    # atacada, juzgada: (n,)
    atacada: Logicos
    juzgada: Logicos
    perdida_kwh: Floats  # (n,), kWh: consumed beyond what was metered
    tipo_cliente: Sequence[str]  # (c,): kind of each customer's attack, "" = clean
    # (c,): Number of the household behind each customer, where one is there several times: it is
    # households that are drawn. None = each customer is one.
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


class ScoreTable:
    """Scores of labelled readings, and their counts by customer, score and label.

    Figures are scikit-learn's. Those of resamples are the same out of the counts: sorting the
    readings anew for each of hundreds of them would take minutes.

    Parameters
    ----------
    score : ndarray (n,), high = more anomalous, NaN = not ready, counts as the lowest
    verdad : ndarray (n,), bool
    cliente : ndarray (n,), int64

    Examples
    --------
    >>> tabla = ScoreTable(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]),
    ...     np.arange(4))
    >>> tabla.roc_auc(), round(tabla.precision_media(), 4)
    (0.75, 0.8333)
    """

    def __init__(self, score: NDArray[Any], verdad: Logicos, cliente: Enteros) -> None:
        numeros, self._quien = np.unique(cliente, return_inverse=True)
        self.clientes = numeros.size
        self._rango, self._verdad = _ranks(score), verdad
        # Among readings of one label any order is perfect.
        self._hay = bool(verdad.any() and not verdad.all())

    def roc_auc(self) -> float | None:
        """Return the area under the ROC curve; None where one label is missing."""
        from sklearn.metrics import roc_auc_score

        return float(roc_auc_score(self._verdad, self._rango)) if self._hay else None

    def precision_media(self) -> float | None:
        """Return the average precision; None where one label is missing."""
        from sklearn.metrics import average_precision_score

        return float(average_precision_score(self._verdad, self._rango)) if self._hay else None

    def weighted(self, veces: NDArray[np.number]) -> Floats:
        """Return area and average precision (2, r) where each customer counts so often.

        ``veces`` (r, c): by customer, in the order of their numbers. NaN comes of a row that leaves
        one label without readings.
        """
        positivos, negativos = (veces.astype(np.float64) @ c for c in self._counts)
        p, n = positivos.sum(axis=1), negativos.sum(axis=1)
        debajo = np.cumsum(negativos, axis=1) - negativos
        arriba = np.cumsum(positivos[:, ::-1], axis=1)
        todos = np.cumsum((positivos + negativos)[:, ::-1], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            area = (positivos * (debajo + 0.5 * negativos)).sum(axis=1) / (p * n)
            precision = np.where(todos > 0.0, arriba / todos, 0.0)
            media = (positivos[:, ::-1] * precision).sum(axis=1) / np.where(n > 0.0, p, np.nan)
        return np.stack([area, media])

    def resample(self, semilla: int, veces: int = REMUESTRAS) -> Floats:
        """Return area and average precision (2, ``veces``) of each resample of the customers.

        Of the same customers the same seed draws the same ones, whatever the scores: two scores
        are compared resample by resample.
        """
        return bootstrap_customers(self.weighted, self.clientes, semilla, veces)

    def intervalos(self, semilla: int) -> tuple[Cifra, Cifra]:
        """Return area and average precision with their intervals."""
        if not self._hay:
            return Cifra(None), Cifra(None)
        areas, medias = self.resample(semilla)
        return interval_of(self.roc_auc(), areas), interval_of(self.precision_media(), medias)

    def curvas(self) -> dict[str, list[float]]:
        """Return the points of both curves, at most ``PUNTOS_CURVA``: shares of 0 to 1."""
        todos = np.bincount(self._rango)[::-1].cumsum()
        arriba = np.bincount(self._rango, self._verdad)[::-1].cumsum()
        puntos = np.arange(todos.size)
        if puntos.size > PUNTOS_CURVA:
            # Close together where few readings are: that is where a threshold would be.
            marcas = np.geomspace(1, todos[-1], PUNTOS_CURVA)
            puntos = np.unique(np.searchsorted(todos, marcas).clip(max=todos.size - 1))
        abajo = todos - arriba
        return {
            "falsas": (abajo / max(abajo[-1:].sum(), 1))[puntos].round(5).tolist(),
            "halladas": (arriba / max(arriba[-1:].sum(), 1))[puntos].round(5).tolist(),
            "precision": (arriba / np.maximum(todos, 1))[puntos].round(5).tolist(),
        }

    @cached_property
    def _counts(self) -> tuple[Floats, Floats]:
        """Return positives and negatives (c, k), scores in coarser classes where they are many."""
        todos = np.bincount(self._rango)
        cuantas = max(2, min(todos.size, _CLASES_MAXIMAS // max(self.clientes, 1)))
        clase = np.arange(todos.size)
        if todos.size > cuantas:
            # As many readings in each: what is rare at the top stays apart.
            acumulado = np.cumsum(todos)
            clase = np.minimum((acumulado - 1) * cuantas // acumulado[-1], cuantas - 1)
        celda, forma = self._quien * cuantas + clase[self._rango], (self.clientes, cuantas)
        de_cada = [
            np.bincount(celda, peso, minlength=self.clientes * cuantas)
            .reshape(forma)
            .astype(np.float64)
            for peso in (self._verdad, ~self._verdad)
        ]
        return de_cada[0], de_cada[1]


def _ranks(score: NDArray[Any]) -> Enteros:
    """Return (n,) the rank of each score among the distinct ones, from the lowest on."""
    limpio = np.where(np.isnan(score), -np.inf, score.astype(np.float64))
    return np.unique(limpio, return_inverse=True)[1].astype(np.int64)


def bootstrap_customers(
    medida: Callable[[Enteros], Floats], clientes: int, semilla: int, veces: int = REMUESTRAS
) -> Floats:
    """Return a figure, or several (..., ``veces``), of each resample of the customers.

    ``medida``: from how often each customer counts (r, c) to the figure of each row (..., r).
    ``clientes``: one alone is all that can be drawn: the figure does not vary.
    """
    from scipy.stats import DegenerateDataWarning, bootstrap

    if clientes < 2:
        return np.repeat(medida(np.ones((1, clientes), np.int64)), veces, axis=-1)

    def of_drawn(quienes: Enteros, axis: int) -> Floats:
        filas = np.atleast_2d(quienes)
        celda = filas + clientes * np.arange(filas.shape[0])[:, None]
        cuenta = np.bincount(celda.ravel(), minlength=filas.shape[0] * clientes)
        salida = medida(cuenta.reshape(-1, clientes))
        return salida if quienes.ndim == 2 else salida[..., 0]

    with warnings.catch_warnings():
        # Of its own interval, which it cannot give where a resample has no figure.
        warnings.simplefilter("ignore", (DegenerateDataWarning, RuntimeWarning))
        resultado = bootstrap(
            (np.arange(clientes),), of_drawn, n_resamples=veces, batch=_REMUESTRAS_A_LA_VEZ,
            vectorized=True, method="percentile", rng=np.random.default_rng(semilla),
        )  # fmt: skip
    return np.asarray(resultado.bootstrap_distribution)


def interval_of(valor: float | None, remuestras: Floats) -> Cifra:
    """Return a figure with the percentiles of its resamples; NaN among them are left out."""
    buenas = remuestras[~np.isnan(remuestras)]
    if valor is None or not buenas.size:
        return Cifra(valor)
    cola = 50.0 * (1.0 - CONFIANZA)
    desde, hasta = np.percentile(buenas, [cola, 100.0 - cola])
    return Cifra(valor, float(desde), float(hasta))


def figure_by_customer(medida: Callable[[Enteros], Floats], clientes: int, semilla: int) -> Cifra:
    """Return a figure and its interval; ``medida`` as in ``bootstrap_customers``, NaN = none."""
    if not clientes:
        return Cifra(None)
    valor = float(medida(np.ones((1, clientes), np.int64))[0])
    if np.isnan(valor):
        return Cifra(None)
    return interval_of(valor, bootstrap_customers(medida, clientes, semilla))


@dataclass(frozen=True, slots=True)
class Ganancia:
    """What the average precision gains from one scoring of the same readings to another."""

    media: float  # on the readings as they are; -1 to 1
    # inferior, superior: bounds of which the gain is beyond either in one of twenty draws of
    # customers; NaN = one customer, which says nothing of others.
    inferior: float
    superior: float


def measure_gain(antes: ScoreTable, ahora: ScoreTable, semilla: int) -> Ganancia:
    """Return what the second scores of the same readings gain over the first. Seeded."""
    n, valores = antes.clientes, (antes.precision_media(), ahora.precision_media())
    if valores[0] is None or valores[1] is None:
        return Ganancia(np.nan, np.nan, np.nan)
    media = valores[1] - valores[0]
    suyas, nuevas = (t.resample(semilla, REMUESTRAS_GANANCIA)[1] for t in (antes, ahora))
    sorteadas = (nuevas - suyas)[~np.isnan(nuevas - suyas)]
    if n < 2 or not sorteadas.size:
        return Ganancia(media, np.nan, np.nan)
    # Draws of n customers vary by (n - 1) / n of what samples of the population do.
    factor = np.sqrt(n / (n - 1))
    cuantiles = np.quantile(sorteadas, (COLA_GANANCIA, 1.0 - COLA_GANANCIA))
    inferior, superior = media + factor * (cuantiles - media)
    return Ganancia(media, float(inferior), float(superior))


@dataclass(frozen=True, slots=True)
class Eventos:
    """Events and when each was found."""

    cliente: Enteros  # (e,)
    # (e,), h: from the first attacked reading to the first alarm; inf = never found.
    retraso_horas: Floats
    # (e,), kWh: lost from the first attacked reading until then, >= 0; all of it if never found.
    perdida_kwh: Floats
    total_kwh: Floats  # (e,), kWh: lost in the whole event, >= 0

    def __len__(self) -> int:
        return int(self.cliente.size)

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
    return figure_by_customer(lambda veces: veces @ alarmas / (veces @ meses), meses.size, semilla)


def precision_at(ranking: Floats, atacado: Logicos, k: int, semilla: int = 0) -> float | None:
    """Return the share of attacked customers among the k that rank highest, ties by lot.

    None where there are fewer, or nobody to tell them from.

    ``ranking`` (c,): high = first.
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
    clase = _ranks(score)
    cuantas = np.bincount(clase)
    debajo = np.cumsum(cuantas) - cuantas
    return np.asarray(100 * debajo[clase] // max(clase.size, 1), np.int64)
