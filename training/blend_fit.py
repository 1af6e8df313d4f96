"""The learned blend: boosted trees over what the detectors say and what is remembered.

It learns from injected attacks: each customer whose days are clean is there as it is, and several
times again with an attack, a different kind each time (``evaluation.attacked_homes``). What
analysts confirmed or discarded is there too. Nobody's own readings calibrate it: in turn, a part of
the customers is left out, the trees that never saw them score their clean days, and the tails of
all of these scores are the version's. The trees that are kept have seen everybody.

Boosting is scikit-learn's histogram one (G. Ke et al., "LightGBM", NeurIPS 2017, is its model); a
detector's excess can only raise the score (``detection.blend.learned.CRECIENTES``).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detection.blend.learned import COLUMNAS, CRECIENTES, RECORD_COLUMNS, LearnedBlend, rarest
from detection.detector import DetectorConsumo
from detection.domain import HORAS_POR_DIA, Calendario, Lecturas, stack, take
from detection.errors import PermanentError
from detection.models.boosted_trees import FlatBoostedTrees
from detection.models.tails import EmpiricalTail
from detection.params import HORAS_VENTANA
from detection.scoring_model import ScoringModel
from training.calibrate import LECTURAS_POR_LOTE
from training.evaluation.attacked_homes import TODOS, Poblacion, attack_homes
from training.history import HistoryReader, lot_of, readings_of

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

_LOG = logging.getLogger("entrenamiento")

LIMPIOS_MINIMOS = 20
"""Fewer clean customers say too little of what is ordinary. By hand, 2026-11-24."""
VUELTAS = 10
"""Times that each customer is attacked, at most; and what all of it may come to: """
LECTURAS_MAXIMAS = 1_800_000
PARTES = 4
"""Parts of the customers that are left out in turn. By hand, 2026-11-24."""
FILAS_LIMPIAS, FILAS_ATACADAS = 600, 120
"""Readings of a customer as it is, and of each of its attacks, that are learnt from, at most."""
CALENTAMIENTOS_DIAS = (28, 14)
"""Clean days before any attack: a whole window where the history is long enough."""
PESO_ATAQUES = 0.5
"""Weight of all attacked readings over that of all clean ones, the same for every kind: a spike is
two readings a day, and counted as they come they were not learnt at all. By hand, 2026-11-24, on
the development half: spikes found go from 4 to 28 %, average precision from 0.880 to 0.878."""
PESO_VEREDICTO = 3.0
"""Weight of an analyst's word, in readings. By hand, 2026-11-24."""
_SEMILLA_PARTES = 0
SIEMPRE = -1
"""Part of what is learnt from whoever is left out."""

ARBOLES, HOJAS, NIVELES, MINIMO_HOJA, PASO, L2 = 100, 31, 6, 60, 0.1, 20.0
"""Of the boosting. Chosen on the development half of the Swiss households by cross-validation over
customers, 2026-11-29: leaves of 500 readings cannot tell a few odd homes apart, and 200 smaller
steps gain nothing."""
FRACCION_HOJA = 1 / 400
"""Where there are few readings, a leaf holds this share of them at least."""
CAJAS = 128
"""Boxes of a column at most. By hand, 2026-11-24."""
MUESTRA = 200_000
"""Rows that the places are found in, at most: scikit-learn's own figure."""
VEREDICTOS_DE_QUE_APRENDER = 2_000
"""Latest verdicts that are learnt from. By hand, 2026-11-24: each costs 28 days of one customer."""
HORAS_DE_UN_CLIENTE = 96
"""Latest of one customer: a verdict on a case is one on weeks of hours that are alike, and must not
crowd out what was said of everybody else. By hand, 2026-11-30: four days hold every hour twice."""
CLIENTES_POR_BLOQUE = 50


@dataclass(frozen=True, slots=True, eq=False)
class Ejemplos:
    """Labelled rows to learn a blend from."""

    columnas: NDArray[np.float32]  # (n, len(COLUMNAS))
    sospechosa: NDArray[np.bool_]  # (n,)
    peso: NDArray[np.float64]  # (n,)
    # (n,): part of the customers that the row's is in, 0 to PARTES - 1, or SIEMPRE.
    parte: NDArray[np.int64]
    cliente: NDArray[np.int64]  # (n,): whose it is, the same for a customer and its attacks
    score: NDArray[np.uint8]  # (n,): what the weighted blend says of it, in hundredths
    tipo: NDArray[np.int64]  # (n,): kind of attack, as an index into ``TODOS``; -1 = none


def learn_mezcla(
    limpias: Lecturas,
    modelo: ScoringModel,
    calendario: Calendario,
    *,
    semilla: int,
    dichos: Ejemplos | None = None,
) -> LearnedBlend | None:
    """Return a blend, None where there is too little to learn it from, or it is no better.

    Parameters
    ----------
    limpias : Lecturas
        Clean readings of customers that the forest did not learn from.
    modelo : ScoringModel
        Forest and calibrations of the version, without a learned blend.
    dichos : Ejemplos, optional
        What analysts said (``read_reviewed``).
    """
    clientes = len(set(limpias.propietario_id))
    if clientes < LIMPIOS_MINIMOS:
        _LOG.info("la mezcla no se aprende con menos de %d clientes limpios", LIMPIOS_MINIMOS)
        return None
    try:
        ejemplos = make_ejemplos(limpias, modelo, calendario, semilla)
    except PermanentError as error:
        _LOG.info("la mezcla no se aprende: %s", error)
        return None
    return fit_mezcla(ejemplos, semilla, dichos)


def fit_mezcla(
    ejemplos: Ejemplos, semilla: int, dichos: Ejemplos | None = None
) -> LearnedBlend | None:
    """Return the blend that examples teach, None if it is no better than the weighted one.

    Better: a higher average precision than the weighted blend's, on customers left out.
    """
    fuera = _left_out(ejemplos, dichos, semilla)
    aprendida, pesada = (_precision(ejemplos, s) for s in (fuera, ejemplos.score))
    _LOG.info(
        "mezcla aprendida de %d lecturas: precisión media %.3f en clientes que no vio; "
        "la ponderada, %.3f; al azar, %.3f", ejemplos.sospechosa.size, aprendida, pesada,
        np.average(ejemplos.sospechosa, weights=ejemplos.peso),
    )  # fmt: skip
    if aprendida <= pesada:
        return None
    return LearnedBlend(fit_arboles(ejemplos, semilla, dichos), *_tails(ejemplos, fuera))


def fit_arboles(
    ejemplos: Ejemplos, semilla: int, dichos: Ejemplos | None = None
) -> FlatBoostedTrees:
    """Return the trees that examples, and what analysts said, teach."""
    juntos = ejemplos if dichos is None else stack([ejemplos, dichos])
    cortes = find_cortes(juntos.columnas, juntos.peso, semilla)
    return FlatBoostedTrees.from_sklearn(_fit(juntos, cortes, semilla), cortes)


def without(ejemplos: Ejemplos, tipo: str) -> Ejemplos:
    """Return the examples but those of one kind of attack, as if nobody had thought of it."""
    quedan = take(ejemplos, ejemplos.tipo != TODOS.index(tipo))
    return replace(quedan, peso=_weights(quedan.tipo))


def _tails(
    ejemplos: Ejemplos, fuera: NDArray[np.float64]
) -> tuple[tuple[EmpiricalTail, ...], EmpiricalTail]:
    """Return the tails of clean readings: of the trees, of each record, of the rarest of all.

    Plain ones: what a few odd customers do is in them as it came, for the alert budget is a mean
    over customers, too.
    """
    limpia = ~ejemplos.sospechosa & ~np.isnan(fuera)
    columnas = ejemplos.columnas[limpia]
    colas = (
        EmpiricalTail.fit(fuera[limpia]),
        *(EmpiricalTail.fit(columnas[:, j].astype(np.float64)) for j in RECORD_COLUMNS),
    )
    return colas, EmpiricalTail.fit(rarest(fuera[limpia], columnas, colas))


def make_ejemplos(
    limpias: Lecturas,
    modelo: ScoringModel,
    calendario: Calendario,
    semilla: int,
) -> Ejemplos:
    """Return the rows of clean customers and of their attacks, each kind as often as the others.

    ``PermanentError``: the readings end before an attack could have started.
    """
    vueltas = int(np.clip(LECTURAS_MAXIMAS // max(len(limpias), 1) - 1, 1, VUELTAS))
    dias = int(np.ptp(limpias.hora_utc)) // HORAS_POR_DIA
    largo, corto = CALENTAMIENTOS_DIAS
    calentamiento = largo if dias >= 2 * largo else corto
    partes = []
    for vuelta in range(vueltas + 1):
        # Another seed each time, so that a customer meets another kind.
        poblacion = attack_homes(
            limpias, calendario, semilla + vuelta, tipos=TODOS,
            proporcion=float(vuelta > 0),
            calentamiento_dias=calentamiento,
        )  # fmt: skip
        partes.append(_measure(poblacion, modelo, calendario, semilla + vuelta))
    juntos = stack(partes)
    return replace(juntos, peso=_weights(juntos.tipo))


def _weights(tipo: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the weight (n,) of each row: one of a clean reading, every kind of attack alike."""
    cuantas = np.bincount(tipo + 1)
    hay = np.flatnonzero(cuantas[1:]) + 1
    peso = np.ones(cuantas.size)
    peso[hay] = PESO_ATAQUES * cuantas[0] / (hay.size * cuantas[hay])
    return np.asarray(peso[tipo + 1])


def _measure(
    poblacion: Poblacion,
    modelo: ScoringModel,
    calendario: Calendario,
    semilla: int,
) -> Ejemplos:
    """Return the rows drawn of one population, measured by the very path of live readings."""
    detector = DetectorConsumo(calendario, con_columnas=True)
    detector.use(modelo)
    elegida = _draw(poblacion, semilla)
    columnas, scores = [], []
    for inicio in range(0, len(poblacion), LECTURAS_POR_LOTE):
        trozo = np.arange(inicio, min(inicio + LECTURAS_POR_LOTE, len(poblacion)))
        crudos = detector.measure(poblacion.lecturas.elegir(trozo))
        filas = elegida[trozo] & ~np.isnan(crudos.columnas[:, 0])
        elegida[trozo] = filas
        columnas.append(crudos.columnas[filas])
        scores.append(crudos.veredictos.score_centesimas[filas])
    partes = np.array([part_of(c) for c in poblacion.clientes], np.int64)
    cliente = poblacion.cliente[elegida]
    cual = np.array([TODOS.index(t) if t else -1 for t in poblacion.ataque], np.int64)
    return Ejemplos(
        np.concatenate(columnas),
        poblacion.atacada[elegida],
        np.ones(cliente.size),
        partes[cliente],
        cliente,
        np.concatenate(scores),
        np.where(poblacion.atacada[elegida], cual[cliente], -1),
    )


def part_of(propietario_id: str) -> int:
    """Return the part of the customers that one is in, the same in every training."""
    return lot_of(propietario_id, _SEMILLA_PARTES, "mezcla")[0] % PARTES


def _draw(poblacion: Poblacion, semilla: int) -> NDArray[np.bool_]:
    """Return which judged readings are learnt from: of each customer so many at most."""
    rng = np.random.default_rng(np.random.SeedSequence([semilla, 21]))
    elegida = np.zeros(len(poblacion), np.bool_)
    azar = rng.random(len(poblacion))
    orden = np.lexsort((azar, poblacion.cliente))
    orden = orden[poblacion.juzgada[orden]]
    cuantas = np.bincount(poblacion.cliente[orden], minlength=len(poblacion.clientes))
    puesto = np.arange(orden.size) - np.repeat(np.cumsum(cuantas) - cuantas, cuantas)
    limite = np.where(poblacion.atacada[orden], FILAS_ATACADAS, FILAS_LIMPIAS)
    elegida[orden[puesto < limite]] = True
    return elegida


def _left_out(ejemplos: Ejemplos, dichos: Ejemplos | None, semilla: int) -> NDArray[np.float64]:
    """Return the score (n,) of each row by trees that never saw its customer."""
    fuera = np.full(ejemplos.sospechosa.size, np.nan)
    for parte in range(PARTES):
        suya = ejemplos.parte == parte
        resto = take(ejemplos, ~suya)
        if not suya.any() or not resto.sospechosa.any() or resto.sospechosa.all():
            continue
        arboles = fit_arboles(resto, semilla, dichos)
        fuera[suya] = arboles.scores(ejemplos.columnas[suya])
    return fuera


def _fit(
    ejemplos: Ejemplos, cortes: Sequence[NDArray[np.float32]], semilla: int
) -> HistGradientBoostingClassifier:
    from sklearn.ensemble import HistGradientBoostingClassifier

    clasificador = HistGradientBoostingClassifier(
        max_iter=ARBOLES, learning_rate=PASO, max_leaf_nodes=HOJAS, max_depth=NIVELES,
        min_samples_leaf=max(min(MINIMO_HOJA, int(FRACCION_HOJA * ejemplos.peso.size)), 20),
        l2_regularization=L2, max_bins=CAJAS, early_stopping=False, random_state=semilla,
        monotonic_cst=[int(nombre in CRECIENTES) for nombre in COLUMNAS],
    )  # fmt: skip
    cajas = to_cajas(ejemplos.columnas, cortes)
    return clasificador.fit(cajas, ejemplos.sospechosa, sample_weight=ejemplos.peso)


def _precision(ejemplos: Ejemplos, scores: NDArray) -> float:
    from sklearn.metrics import average_precision_score

    hay = ~np.isnan(scores.astype(np.float64))
    return float(
        average_precision_score(
            ejemplos.sospechosa[hay], scores[hay], sample_weight=ejemplos.peso[hay]
        )
    )


def find_cortes(
    columnas: NDArray[np.float32], peso: NDArray[np.float64], semilla: int
) -> list[NDArray[np.float32]]:
    """Return, for each column, the highest value of each box but the last, rising.

    As scikit-learn's histogram boosting does by itself, but with weights it sorts a column once
    for every box, which is most of the time that a fit on a short history takes (1.9, 2026-11-29).
    Boxes of equal weight; where a column has no more than ``CAJAS`` values, each is its own.

    Parameters
    ----------
    columnas : ndarray (n, c), float32
        NaN = not known: in no box.
    peso : ndarray (n,), > 0

    Examples
    --------
    >>> columna = np.array([[3.0], [1.0], [2.0], [1.0]], np.float32)
    >>> [c.tolist() for c in find_cortes(columna, np.ones(4), 1)]
    [[1.0, 2.0]]
    """
    if peso.size > MUESTRA:
        filas = np.random.default_rng(semilla).choice(peso.size, MUESTRA, replace=False)
        columnas, peso = columnas[filas], peso[filas]
    return [_edges(columna, peso) for columna in columnas.T]


def to_cajas(
    columnas: NDArray[np.float32], cortes: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the number (n, c) of each value's box, 0 for the lowest; NaN stays NaN."""
    salida = np.empty(columnas.shape, np.float32)
    for j, corte in enumerate(cortes):
        salida[:, j] = np.searchsorted(corte, columnas[:, j])
    salida[np.isnan(columnas)] = np.nan
    return salida


def _edges(columna: NDArray[np.float32], peso: NDArray[np.float64]) -> NDArray[np.float32]:
    hay = ~np.isnan(columna)
    valores, cual = np.unique(columna[hay], return_inverse=True)
    if valores.size <= CAJAS:
        return valores[:-1]
    hasta = np.cumsum(np.bincount(cual, peso[hay]))
    partes = np.arange(1, CAJAS) / CAJAS * hasta[-1]
    return np.unique(valores[np.minimum(np.searchsorted(hasta, partes), valores.size - 2)])


def read_reviewed(
    almacen: HistoryReader,
    casos: Mapping[tuple[str, int], bool],
    modelo: ScoringModel,
    calendario: Calendario,
) -> Ejemplos | None:
    """Return a row for each verdict whose reading is still there; None = there is none.

    A confirmed anomaly is suspicious whatever the models think of it, a discarded one is not. Each
    row is what the detector sees of that hour today, out of the stored history.

    ``casos``: customer and absolute hour to whether it was confirmed.
    """
    ultimos = _latest(casos)
    clientes = sorted({quien for quien, _ in ultimos})
    partes = [
        _reviewed_rows(
            almacen, ids, {c: casos[c] for c in ultimos if c[0] in set(ids)}, modelo, calendario
        )
        for ids in (
            clientes[i : i + CLIENTES_POR_BLOQUE]
            for i in range(0, len(clientes), CLIENTES_POR_BLOQUE)
        )
    ]  # fmt: skip
    if not any(parte.cliente.size for parte in partes):
        return None
    dichos = stack(partes)
    confirmados = int(dichos.sospechosa.sum())
    _LOG.info(
        "de los analistas se aprende: %d anomalías confirmadas y %d descartadas",
        confirmados, dichos.sospechosa.size - confirmados,
    )  # fmt: skip
    return dichos


def _latest(casos: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the customers and hours of the verdicts that are learnt from."""
    cuantas: Counter[str] = Counter()
    ultimos: list[tuple[str, int]] = []
    for quien, hora in sorted(casos, key=lambda caso: (-caso[1], caso[0])):
        cuantas[quien] += 1
        if cuantas[quien] <= HORAS_DE_UN_CLIENTE:
            ultimos.append((quien, hora))
    return ultimos[:VEREDICTOS_DE_QUE_APRENDER]


def _reviewed_rows(
    almacen: HistoryReader,
    ids: Sequence[str],
    casos: Mapping[tuple[str, int], bool],
    modelo: ScoringModel,
    calendario: Calendario,
) -> Ejemplos:
    horas = [hora for _, hora in casos]
    historia = almacen.load_range(ids, min(horas) - HORAS_VENTANA, max(horas) + 1)
    lecturas = readings_of(ids, historia)
    detector = DetectorConsumo(calendario, con_columnas=True)
    detector.use(modelo)
    crudos = detector.measure(lecturas)
    claves = list(zip(lecturas.propietario_id, lecturas.hora_utc.tolist(), strict=True))
    filas = np.array(
        [i for i, c in enumerate(claves) if c in casos and not np.isnan(crudos.columnas[i, 0])],
        np.int64,
    )
    return Ejemplos(
        crudos.columnas[filas],
        np.array([casos[claves[i]] for i in filas.tolist()], np.bool_),
        np.full(filas.size, PESO_VEREDICTO),
        np.full(filas.size, SIEMPRE, np.int64),
        historia.indice[filas].astype(np.int64),
        crudos.veredictos.score_centesimas[filas],
        np.full(filas.size, -1, np.int64),
    )
