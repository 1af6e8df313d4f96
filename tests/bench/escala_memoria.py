"""Memory of one consumer's detector, and how fast it scores, as its customers grow.

In a process of its own: what others have held there before would count as the detector's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
from datos import PRIMERA_HORA, make_detector
from medidas import resident_mb, timed
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import HORAS_POR_DIA, Historia, Lecturas
from detection.errors import PermanentError
from detection.memory.hourly_ring import HourlyRing
from detection.number_format import numero
from detection.params import HORAS_VENTANA
from detection.scoring_model import ScoringModel
from pipeline.streaming.warmup import warm_up

LOTE = 5_000
PARTICIONES = 6
POR_TROZO = 2_000
"""Customers whose history is loaded at once: what is made to load them stays small."""
HORAS_PUNTUADAS = 2
AL_CRECER = 1.3
"""Of the state, while it grows; measured 1.15."""
APARTE_GB = 1.0
"""For the libraries, the customers' names, and to leave the machine some air."""


@dataclass(frozen=True, slots=True)
class Tamano:
    """What a number of customers takes.

    Parameters
    ----------
    clientes, filas : int
        Customers, and rows of the tables that hold them: these double when they are full.
    residente_mb, pico_mb : float
        Of the process: afterwards, and the most that it ever had.
    estado_bytes : int
        Of one customer.
    cargar_s : float
        To fill their windows, the history being in memory already.
    lecturas : int
    por_segundo : float
        Readings scored, in batches as the consumer makes them, and how many a second.
    """

    clientes: int
    filas: int
    residente_mb: float
    pico_mb: float
    estado_bytes: int
    cargar_s: float
    lecturas: int
    por_segundo: float


def rows_for(clientes: int) -> int:
    """Return how many rows the tables of so many customers have.

    Examples
    --------
    >>> [rows_for(c) for c in (1, 65, 1_000_000)]
    [64, 128, 1048576]
    """
    filas = len(HourlyRing().ultimo_valor)
    while filas < clientes:
        filas *= 2
    return filas


def check_memory(clientes: int) -> None:
    """Return if so many customers fit in the memory that is free; raise otherwise."""
    estado = rows_for(clientes) * HourlyRing().bytes_per_customer()
    hacen_falta = AL_CRECER * estado / 1e9 + APARTE_GB
    libres = psutil.virtual_memory().available / 1e9
    if hacen_falta > libres:
        raise PermanentError(
            f"{numero(clientes, 0)} clientes piden unos {numero(hacen_falta, 1)} GB de memoria y "
            f"quedan {numero(libres, 1)} GB libres: baje --clientes"
        )


def measure_sizes(
    modelo: ScoringModel, clientes: Sequence[int], lecturas: int, semilla: int
) -> tuple[float, list[Tamano]]:
    """Return the memory without customers, MB, and what each number of them takes.

    Parameters
    ----------
    clientes : sequence of int
        Rising.
    lecturas : int
        Scored at each size, at least.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as aparte:
        return aparte.submit(_measure_sizes, modelo, clientes, lecturas, semilla).result()


def make_historia(kwh: NDArray[np.float64], primera_hora: int) -> Historia:
    """Return a history without anomalies.

    Parameters
    ----------
    kwh : ndarray (c, h)
        Of each customer, hour after hour.
    """
    clientes, horas = kwh.shape
    n = kwh.size
    return Historia(
        indice=np.repeat(np.arange(clientes), horas),
        hora_utc=np.tile(np.arange(primera_hora, primera_hora + horas), clientes),
        consumo_kwh=kwh.ravel().astype(np.float32),
        score_centesimas=np.zeros(n, np.uint8),
        tipos=np.zeros(n, np.uint8),
        con_referencia=np.ones(n, np.bool_),
        es_sospechoso=np.zeros(n, np.bool_),
    )


def _measure_sizes(
    modelo: ScoringModel, clientes: Sequence[int], lecturas: int, semilla: int
) -> tuple[float, list[Tamano]]:
    detector = make_detector()
    detector.use(modelo)
    warm_up(detector)
    vacio_mb = resident_mb()
    rng = np.random.default_rng(semilla)
    tamanos, hechos = [], 0
    for cuantos in clientes:
        cargar_s = sum(_load(detector, hechos, cuantos, rng))
        hechos = cuantos
        lotes = _batches(cuantos, max(lecturas, HORAS_PUNTUADAS * cuantos), rng)
        detector.score(*next(lotes))  # the first one is slower: not what is measured
        tiempos = [(len(lote[0]), timed(detector.score, *lote)) for lote in lotes]
        puntuadas, puntuar_s = (sum(columna) for columna in zip(*tiempos, strict=True))
        tamanos.append(
            Tamano(
                cuantos, len(detector.ring.ultimo_valor), resident_mb(), _peak_mb(),
                detector.ring.bytes_per_customer(), cargar_s, puntuadas,
                puntuadas / puntuar_s,
            )
        )  # fmt: skip
    return vacio_mb, tamanos


def _load(
    detector: DetectorConsumo, desde: int, hasta: int, rng: np.random.Generator
) -> Iterator[float]:
    """Fill the windows of the customers ``[desde, hasta)``, and yield the seconds."""
    perfil = _profile(np.arange(HORAS_VENTANA))
    ruido = rng.gamma(4.0, 0.25, (POR_TROZO, HORAS_VENTANA))
    for inicio in range(desde, hasta, POR_TROZO):
        ids = _names(np.arange(inicio, min(inicio + POR_TROZO, hasta)))
        nivel = rng.gamma(3.0, 0.2, len(ids))
        # The same noise, but none of them has it at the same hours.
        kwh = nivel[:, None] * perfil * np.roll(ruido, int(rng.integers(HORAS_VENTANA)), axis=1)[
            : len(ids)
        ]  # fmt: skip
        historia = make_historia(np.round(kwh, 3), PRIMERA_HORA)
        yield timed(detector.load, ids, historia)


def _batches(
    clientes: int, lecturas: int, rng: np.random.Generator
) -> Iterator[tuple[Lecturas, NDArray[np.int64]]]:
    """Yield batches, with each reading's partition: hour after hour, customers as they come."""
    horas = -(-lecturas // clientes)
    cual = np.concatenate([rng.permutation(clientes) for _ in range(horas)])[:lecturas]
    hora = PRIMERA_HORA + HORAS_VENTANA + np.arange(lecturas) // clientes
    kwh = np.round(0.6 * _profile(hora) * rng.gamma(4.0, 0.25, lecturas), 3)
    for inicio in range(0, lecturas, LOTE):
        trozo = slice(inicio, inicio + LOTE)
        lote = Lecturas(_names(cual[trozo]), hora[trozo], kwh[trozo])
        yield lote, cual[trozo] % PARTICIONES


def _names(cual: NDArray[np.int64]) -> list[str]:
    return [f"CLI_{i:07d}" for i in cual.tolist()]


def _profile(hora: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what a household uses at each hour, relative to its mean: a day has its evening."""
    return 1.0 + 0.6 * np.sin(2 * np.pi * (hora - 14) / HORAS_POR_DIA)


def _peak_mb() -> float:
    """Return the most memory that this process has had, MB.

    ``getrusage`` would begin with the peak of the process that started this one.
    """
    estado = Path("/proc/self/status").read_text(encoding="ascii")
    (linea,) = (una for una in estado.splitlines() if una.startswith("VmHWM"))
    return int(linea.split()[1]) * 1.024e-3
