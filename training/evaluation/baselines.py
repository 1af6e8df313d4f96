"""What simpler means find on the same readings: a detector that does not beat them is not needed.

|z| by hour of the week is the usual first idea. ECOD (Z. Li et al., "ECOD: Unsupervised Outlier
Detection Using Empirical Cumulative Distribution Functions", IEEE Transactions on Knowledge and
Data Engineering 35(12), 2023) and HBOS (M. Goldstein and A. Dengel, "Histogram-Based Outlier
Score", KI 2012) are PyOD's, on the features that our models see.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, TIPOS, Calendario
from detection.simulation.draws import Floats

Z_SEMANAL = "|z| por hora de la semana"
ECOD = "ECOD (PyOD)"
HBOS = "HBOS (PyOD)"

HORAS_POR_SEMANA = 7 * HORAS_POR_DIA
SUELO_SIGMA = 0.05
"""Least standard deviation, as a share of the customer's mean so far: two equal readings are no
certainty. By hand, 2026-11-24."""
FILAS_AJUSTE = 20_000
"""Rows that PyOD's models are fitted on, and scored at once. By hand, 2026-11-24: more changes
neither of them, and ECOD sorts what it scores together with what it was fitted on."""


def weekly_z(
    cliente: NDArray[np.integer],
    hora_utc: NDArray[np.int64],
    consumo_kwh: Floats,
    calendario: Calendario,
) -> Floats:
    """Return |z| (n,) of each reading against its customer's earlier ones of that hour of the week.

    NaN with fewer than two earlier ones. ``cliente``, ``hora_utc``, ``consumo_kwh`` (n,): in the
    order of the log.
    """
    hueco = calendario.local(hora_utc) % HORAS_POR_SEMANA
    grupo = cliente.astype(np.int64) * HORAS_POR_SEMANA + hueco
    n, suma, cuadrados = _before(grupo, consumo_kwh)
    de_cliente = _before(cliente.astype(np.int64), consumo_kwh)
    with np.errstate(divide="ignore", invalid="ignore"):
        media = suma / n
        varianza = np.maximum(cuadrados - n * media**2, 0.0) / (n - 1)
        sigma = np.maximum(np.sqrt(varianza), SUELO_SIGMA * de_cliente[1] / de_cliente[0])
        z = np.where(consumo_kwh == media, 0.0, np.abs(consumo_kwh - media) / sigma)
    return np.asarray(np.where(n >= 2, z, np.nan))


def _before(grupo: NDArray[np.int64], x: Floats) -> tuple[Floats, Floats, Floats]:
    """Return count, sum and sum of squares (n,) of what came before each row in its group."""
    orden = np.argsort(grupo, kind="stable")
    g, ordenado = grupo[orden], x[orden]
    primero = np.flatnonzero(np.append(True, np.diff(g) != 0))
    inicio = np.repeat(primero, np.diff(np.append(primero, g.size)))
    salida = []
    for columna in (np.ones_like(ordenado), ordenado, ordenado**2):
        hasta = np.concatenate([[0.0], np.cumsum(columna)])
        parte = np.empty_like(ordenado)
        parte[orden] = hasta[:-1] - hasta[inicio]
        salida.append(parte)
    return salida[0], salida[1], salida[2]


def pyod_scores(
    aprende: NDArray[np.float32], rasgos: NDArray[np.float32], semilla: int
) -> dict[str, NDArray[np.float32]]:
    """Return the scores (n,) of PyOD's models on features, by name; NaN where a row is not ready.

    Parameters
    ----------
    aprende : ndarray (m, F)
        What they are fitted on; rows of NaN are left out.
    rasgos : ndarray (n, F)
    """
    from pyod.models import ecod, hbos

    listas = aprende[~np.isnan(aprende).any(axis=1)].astype(np.float64)
    salida = {nombre: np.full(rasgos.shape[0], np.nan, np.float32) for nombre in (ECOD, HBOS)}
    if listas.shape[0] < 2:
        return salida
    rng = np.random.default_rng(semilla)
    if listas.shape[0] > FILAS_AJUSTE:
        listas = listas[np.sort(rng.choice(listas.shape[0], FILAS_AJUSTE, replace=False))]
    modelos = {ECOD: ecod.ECOD().fit(listas), HBOS: hbos.HBOS().fit(listas)}
    buenas = np.flatnonzero(~np.isnan(rasgos).any(axis=1))
    for inicio in range(0, buenas.size, FILAS_AJUSTE):
        filas = buenas[inicio : inicio + FILAS_AJUSTE]
        trozo = rasgos[filas].astype(np.float64)
        for nombre, modelo in modelos.items():
            salida[nombre][filas] = modelo.decision_function(trozo)
    return salida


def alone(scores: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return each detector's own score (n,), by its name, from scores (n, d)."""
    return {str(tipo): scores[:, k] for k, tipo in enumerate(TIPOS)}
