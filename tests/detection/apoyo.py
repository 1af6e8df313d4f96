"""Customers made for one promise each."""

from __future__ import annotations

from datetime import UTC as ZULU
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import Calendario, Explicacion, Lecturas, Veredictos, hora_absoluta
from serving.local_time import load_calendario

MADRID = load_calendario("Europe/Madrid")
UTC = Calendario("UTC", 0, np.zeros(1_000_000, np.int8))
LUNES = hora_absoluta(datetime(2026, 6, 1, tzinfo=ZULU))
"""2026-06-01T00:00Z, a Monday."""


def horas(n: int, desde: int = LUNES) -> NDArray[np.int64]:
    """Return n hours in a row."""
    return np.arange(desde, desde + n, dtype=np.int64)


def lecturas(
    hora_utc: NDArray[np.int64], kwh: NDArray[np.float64] | list[float], cliente: str = "CLI_00001"
) -> Lecturas:
    """Return readings of one customer."""
    return Lecturas([cliente] * len(hora_utc), hora_utc, np.asarray(kwh, np.float64))


def estable(
    n: int, semilla: int = 1, nivel: float = 1.0, ruido: float = 0.05
) -> NDArray[np.float64]:
    """Return a stable load: one level with Gaussian noise."""
    rng = np.random.default_rng(semilla)
    return nivel * (1.0 + ruido * rng.standard_normal(n))


def hogar(n: int, semilla: int = 1) -> NDArray[np.float64]:
    """Return a household: base, evening peak, noise that is never zero."""
    rng = np.random.default_rng(semilla)
    hora = np.arange(n) % 24
    forma = 0.15 + 0.25 * (hora >= 7) + 0.6 * np.exp(-0.5 * ((hora - 21) / 1.8) ** 2)
    return forma * rng.lognormal(0.0, 0.25, n)


def score(
    hora_utc: NDArray[np.int64],
    kwh: NDArray[np.float64] | list[float],
    calendario: Calendario = UTC,
) -> tuple[DetectorConsumo, Veredictos]:
    """Return a fresh detector and its verdicts on one customer."""
    detector = DetectorConsumo(calendario)
    return detector, detector.score(lecturas(hora_utc, kwh))


def dispara(veredictos: Veredictos, i: int, tipo: str) -> bool:
    """Return whether a detector's definition is met in reading i."""
    from detection.domain import nombres_de_tipos

    return tipo in nombres_de_tipos(int(veredictos.tipos[i]))


def explicacion(
    detector: DetectorConsumo, veredictos: Veredictos, i: int, kwh: float, tipo: str
) -> Explicacion:
    """Return what one detector says of reading i."""
    return next(e for e in detector.explain(veredictos, i, kwh) if e.detector == tipo)
