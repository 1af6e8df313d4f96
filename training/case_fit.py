"""What a version knows of cases: boosted trees over the rows of ``case_rows``, and thresholds.

The trees learn from homes that are attacked by simulation and from innocent ones. Thresholds come
from what trees that never saw a home say of its clean days, followed day by day by the very rule
that the clock follows: so that hardly any clean home has a case.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.cases.case import DIAS_SUAVIZADO, CaseThresholds, follow
from detection.cases.model import CaseModel
from detection.domain import take
from detection.jit import jit
from detection.memory.day_memory import DIAS_MEMORIA, NO_EVIDENCE, DayMemory, encode_evidence
from detection.models.boosted_trees import FlatBoostedTrees
from training.boosting import find_cortes, fit_boosted, to_cajas
from training.case_population import (
    ATAQUE,
    LIMPIO,
    REVISADO,
    CaseHome,
    CaseSeries,
    home_series,
    neighbours,
)
from training.case_rows import CaseRows, make_rows
from training.history import lot_of
from training.kind_fit import learn_kinds

_LOG = logging.getLogger("entrenamiento")

ARBOLES, HOJAS, NIVELES, MINIMO_HOJA, PASO, L2, RASGOS_POR_CORTE = 130, 31, 8, 40, 0.11, 5.0, 0.3
"""Of the boosting. Chosen 2026-11-30 by leaving Australia out, development homes alone."""
FILAS_MAXIMAS = 100_000
"""Rows that are learnt from, drawn by lot: twice as many gain nothing (as above)."""
CAJAS_MAXIMAS = 255
PARTES = 3
"""Parts of the homes that are left out in turn."""
PESO_LIMPIO, PESO_ATAQUE, PESO_INOCENTE = 8.0, 0.5, 1.0
"""Of a row of a clean home in each round, of an attacked and of an innocent one. By hand,
2026-11-30."""
PESO_DE_TIPO: Mapping[str, float] = {"picos": 0.3, "carga_nocturna": 0.3, "congelado": 0.3}
"""Of kinds that add hours as a heater on a timer does, or freeze as an empty home does; the hour
finds them. At their whole weight a twentieth less is found of all the others (as above)."""
PESO_REVISADO = 10.0
"""Of a case that an analyst has judged against one that is simulated. By hand, 2026-12-01: of each
home there are some thirty of these."""
PESO_PRIMEROS_DIAS, PRIMEROS_DIAS = 0.5, 7
"""Of the first days of an attack against the later ones: they are the hour's to find."""
CAMBIO_MINIMO = 0.05
"""Of an attack's last days: below, it does nothing that could be seen (``CaseRows.cambio``)."""
ABIERTOS_LIMPIOS = 0.015
"""Share of the days of clean homes with an open case. By hand, 2026-11-30: the goal is 2 %."""
TOPE_POR_HOGAR = 0.1
"""Share of its days that a clean home counts for at most: a few odd ones would have a case for ever
whatever the threshold, and be one visit each. By hand, 2026-11-30: so Australia's clean homes,
which nothing was learnt from, have 1 to 2 % of their days in a case."""
MARGEN_ABRE = 0.3
"""Log odds beyond what homes of the same countries ask for: those of another are odder. Chosen
2026-11-30 on the development homes of Australia, which nothing is learnt from: 1.3 % of their clean
days have an open case, 3.3 % without it."""
HISTERESIS = 2.0
"""Log odds by which a case closes below what opens it. Chosen 2026-11-30 as above."""
MARGEN_ALTA, MARGEN_CRITICA = 0.5, 1.0
"""Log odds of ``alta`` beyond anything that clean homes have shown, and of ``critica`` beyond that:
a case that is alta for nothing is so every hour for weeks. By hand, 2026-11-30."""
_PARTE_ALTA = 0.0003
"""Share of the days of clean homes above the highest threshold that is tried."""
_SORTEO_FILAS = 62
"""Stream of the rows that are learnt from; ``case_rows`` has 61."""
_FALTA = np.float32(-1e9)
"""Stands for NaN while learning: the flat trees take NaN to the left, as below every cut."""


@dataclass(frozen=True, slots=True, eq=False)
class CaseLessons:
    """What is learnt from: rows of homes with everything, and each day of the clean ones."""

    filas: CaseRows
    limpias: CaseRows
    hechos: frozenset[str]  # groups of made homes, which weigh as much as all the others
    vueltas: int  # times that a metered home meets everything


def make_lessons(
    hogares: Sequence[CaseHome],
    semilla: int,
    *,
    vueltas: int = 2,
    parte_hechos: float = 0.5,
    tambien: Sequence[CaseSeries] = (),
) -> CaseLessons:
    """Return the lessons that homes give.

    Parameters
    ----------
    vueltas : int
        Times that each attack and event is drawn for a metered home; once for a made one.
    parte_hechos : float
        Share of them that a made home gets.
    tambien : sequence of CaseSeries
        What has happened to others, beside it.
    """

    def todas() -> Iterator[CaseSeries]:
        for hogar, vecinos in zip(hogares, neighbours(hogares, vueltas), strict=True):
            cuantas, parte = (1, parte_hechos) if hogar.hecho else (vueltas, 1.0)
            yield from home_series(hogar, vecinos, semilla, vueltas=cuantas, parte=parte)
        yield from tambien

    limpias = (next(home_series(h, [h], semilla, vueltas=0)) for h in hogares if not h.espejo)
    return CaseLessons(
        make_rows(todas(), semilla),
        make_rows(limpias, semilla, paso_dias=1),
        frozenset(h.grupo for h in hogares if h.hecho),
        vueltas,
    )


@dataclass(frozen=True, slots=True, eq=False)
class LearntCases:
    """Trees, and what has been learnt from."""

    arboles: FlatBoostedTrees
    # (n,): what trees that never saw the home say of each of its clean days; NaN = nobody does.
    fuera: NDArray[np.float64]
    lecciones: CaseLessons
    filas: CaseRows  # that were drawn
    peso: NDArray[np.float64]  # (m,): of each of them
    cajas: NDArray[np.float32]  # (m, RASGOS_CASO): each of them in boxes
    cortes: Sequence[NDArray[np.float32]]


def learn_cases(lecciones: CaseLessons, semilla: int) -> CaseModel:
    """Return what lessons teach; the same lessons and seed give the same model."""
    a = learn_trees(lecciones, semilla)
    umbrales = fit_thresholds(lecciones.limpias, a.fuera, lecciones.hechos)
    return CaseModel(a.arboles, umbrales, learn_kinds(a.filas, a.cajas, a.cortes, a.peso, semilla))


def learn_trees(lecciones: CaseLessons, semilla: int) -> LearntCases:
    """Return the trees that lessons grow, and what others say of the homes that they left out."""
    sirven, peso = _usable(lecciones)
    rng = np.random.default_rng(np.random.SeedSequence([semilla, _SORTEO_FILAS]))
    cuales = np.sort(rng.permutation(np.flatnonzero(sirven))[:FILAS_MAXIMAS])
    filas, peso = take(lecciones.filas, cuales), peso[cuales]
    columnas = np.where(np.isnan(filas.rasgos), _FALTA, filas.rasgos)
    cortes = find_cortes(columnas, peso, semilla)
    cajas = to_cajas(columnas, cortes)
    suya, suya_limpia = (
        np.array([part_of(h) for h in r.hogar.tolist()], np.int64)
        for r in (filas, lecciones.limpias)
    )
    fuera = np.full(len(lecciones.limpias), np.nan)
    for parte in range(PARTES):
        resto, van = suya != parte, suya_limpia == parte
        if not van.any() or np.unique(filas.atacada[resto]).size < 2:
            continue
        trees = _fit(cajas[resto], filas.atacada[resto], peso[resto], cortes, semilla)
        fuera[van] = trees.scores(lecciones.limpias.rasgos[van])
        _LOG.info("casos: parte %d de %d", parte + 1, PARTES)
    trees = _fit(cajas, filas.atacada, peso, cortes, semilla)
    return LearntCases(trees, fuera, lecciones, filas, peso, cajas, cortes)


def part_of(hogar: str) -> int:
    """Return the part of the homes that one is in, with all its stretches of time."""
    return lot_of(hogar.partition("#")[0], 0, "casos")[0] % PARTES


def _usable(lecciones: CaseLessons) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which rows (n,) are learnt from, and the weight (n,) of each."""
    filas = lecciones.filas
    limpia, ataque = filas.clase == LIMPIO, filas.clase == ATAQUE
    # Before anything begins a day is one of the clean home's, which is there by itself.
    sirve = limpia | (filas.dias > 0)
    sirve &= ~ataque | (filas.atacada & (filas.cambio >= CAMBIO_MINIMO))
    peso = np.select([limpia, ataque], [PESO_LIMPIO, PESO_ATAQUE], PESO_INOCENTE)
    for tipo, parte in PESO_DE_TIPO.items():
        peso[ataque & (filas.tipo == tipo)] *= parte
    peso = np.where(ataque & (filas.dias <= PRIMEROS_DIAS), PESO_PRIMEROS_DIAS * peso, peso)
    peso[filas.tipo == REVISADO] *= PESO_REVISADO
    hecho = np.isin(filas.grupo, list(lecciones.hechos))
    # A metered home meets everything several times, and is itself but once.
    peso = np.where(limpia & ~hecho, lecciones.vueltas * peso, peso)
    metidos, hechos = peso[sirve & ~hecho].sum(), peso[sirve & hecho].sum()
    if metidos > 0.0 and hechos > 0.0:
        peso = np.where(hecho, peso * metidos / hechos, peso)
    return sirve, peso


def _fit(
    cajas: NDArray[np.float32],
    atacada: NDArray[np.bool_],
    peso: NDArray[np.float64],
    cortes: Sequence[NDArray[np.float32]],
    semilla: int,
) -> FlatBoostedTrees:
    from sklearn.ensemble import HistGradientBoostingClassifier

    clasificador = HistGradientBoostingClassifier(
        max_iter=ARBOLES, learning_rate=PASO, max_leaf_nodes=HOJAS, max_depth=NIVELES,
        min_samples_leaf=MINIMO_HOJA, l2_regularization=L2, max_features=RASGOS_POR_CORTE,
        max_bins=CAJAS_MAXIMAS, early_stopping=False, random_state=semilla,
    )  # fmt: skip
    return FlatBoostedTrees.from_sklearn(fit_boosted(clasificador, cajas, atacada, peso), cortes)


def fit_thresholds(
    limpias: CaseRows, ventaja: NDArray[np.float64], hechos: frozenset[str]
) -> CaseThresholds:
    """Return the thresholds that clean homes set.

    Parameters
    ----------
    limpias : CaseRows
        Every day of clean homes.
    ventaja : ndarray (n,)
        What trees that never saw the home say of each; NaN = nobody does.
    hechos : frozenset of str
        Groups of made homes, which count as much as all the others.
    """
    vale = ~np.isnan(ventaja)
    limpias, ventaja = take(limpias, vale), ventaja[vale]
    suave = smooth(limpias, ventaja)
    hecho = np.isin(limpias.grupo, list(hechos))
    peso = np.ones(suave.size)
    if hecho.any() and not hecho.all():
        peso[hecho] = (~hecho).sum() / hecho.sum()
    orden = np.argsort(suave)
    cima = np.cumsum(peso[orden][::-1])[::-1] / peso.sum()
    hay = suave.size - 1
    tope = float(suave[orden[min(int(np.searchsorted(-cima, -_PARTE_ALTA)), hay)]])
    bajo, alto = float(suave.min()), tope - MARGEN_ALTA
    # The higher the threshold, the fewer days: halved until it is known to a fiftieth.
    while alto - bajo > 0.02:
        medio = 0.5 * (bajo + alto)
        abierto = open_days(limpias, ventaja, _thresholds(medio, tope, tope))
        if _open_share(limpias, hecho, abierto) > ABIERTOS_LIMPIOS:
            bajo = medio
        else:
            alto = medio
    alta = float(suave.max()) + MARGEN_ALTA
    return _thresholds(alto + MARGEN_ABRE, alta, alta + MARGEN_CRITICA)


def _open_share(limpias: CaseRows, hecho: NDArray[np.bool_], abierto: NDArray[np.bool_]) -> float:
    """Return the mean share of open days, metered and made homes alike (``TOPE_POR_HOGAR``)."""
    _, cual = np.unique(limpias.hogar, return_inverse=True)
    parte = np.minimum(np.bincount(cual, abierto) / np.bincount(cual), TOPE_POR_HOGAR)
    es_hecho = np.bincount(cual, hecho) > 0
    clases = [parte[es_hecho == si].mean() for si in (False, True) if (es_hecho == si).any()]
    return float(np.mean(clases))


def _thresholds(abre: float, alta: float, critica: float) -> CaseThresholds:
    return CaseThresholds(abre, abre - HISTERESIS, alta, critica)


def open_days(
    filas: CaseRows, ventaja: NDArray[np.float64], umbrales: CaseThresholds
) -> NDArray[np.bool_]:
    """Return on which days (n,) a case is open; the rows of a series are of days that rise."""
    abierto = np.zeros(ventaja.size, np.bool_)
    memoria = DayMemory(1)
    for desde, hasta in _stretches(filas.serie):
        memoria.forget(0)
        _follow(  # type: ignore[no-untyped-call]
            memoria.columns(), filas.dia[desde:hasta], ventaja[desde:hasta], umbrales,
            abierto[desde:hasta],
        )  # fmt: skip
    return abierto


def smooth(filas: CaseRows, ventaja: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean log odds (n,) of the last days, as ``detection.cases.case.smoothed``."""
    salida = np.empty(ventaja.size)
    for desde, hasta in _stretches(filas.serie):
        dia, suma = filas.dia[desde:hasta], np.concatenate([[0.0], np.cumsum(ventaja[desde:hasta])])
        primera = np.searchsorted(dia, dia - DIAS_SUAVIZADO + 1)
        ultima = np.arange(1, dia.size + 1)
        salida[desde:hasta] = (suma[ultima] - suma[primera]) / (ultima - primera)
    return salida


def _stretches(serie: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    cortes = np.flatnonzero(np.diff(serie)) + 1
    yield from zip([0, *cortes.tolist()], [*cortes.tolist(), serie.size], strict=True)


@jit()
def _follow(days, dia, ventaja, umbrales, abierto):  # type: ignore[no-untyped-def]
    days.primero[0] = dia[0]
    k = 0
    for d in range(dia[0], dia[-1] + 1):
        days.hoy[0] = d + 1
        slot = d % DIAS_MEMORIA
        days.evidencia[0, slot] = NO_EVIDENCE
        if dia[k] == d:
            days.evidencia[0, slot] = encode_evidence(ventaja[k], False)
        days.primero[0] = max(days.primero[0], d - DIAS_MEMORIA + 1)
        sigue = follow(days, 0, d, d, False, umbrales)
        if dia[k] == d:
            abierto[k] = sigue
            k += 1
