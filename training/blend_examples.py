"""What a learned blend is learnt from: rows of homes clean, attacked and with innocent events.

Each customer whose days are clean is there as it is, several times again with an attack, a
different kind each time, and several times with something innocent
(``evaluation.attacked_homes``); so are the honest hours after an attack. What analysts confirmed or
discarded is there too.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import HORAS_POR_DIA, Calendario, Lecturas, stack, take
from detection.params import HORAS_VENTANA
from detection.scoring_model import ScoringModel
from detection.simulation.innocent_events import INOCENTES
from training.calibrate import LECTURAS_POR_LOTE
from training.evaluation.attacked_homes import TODOS, Poblacion, attack_homes, eventful_homes
from training.history import HistoryReader, lot_of, readings_of

_LOG = logging.getLogger("entrenamiento")

VUELTAS = 5
"""Times that each customer is attacked, and something innocent happens to it, at most; and what all
of it may come to: """
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
PESO_INOCENTES = 1.0
"""Weight of all readings under something innocent, and of those after an attack, the same for every
kind. Chosen 2026-11-30 on the development homes of Australia, which nothing is learnt from: with
0.5 a tenth of the innocent events give an alta, with 1 a twelfth, with 1.5 a fifteenth and fewer
attacks are found; with none of them the odd clean homes hide every attack."""
PESO_VEREDICTO = 3.0
"""Weight of an analyst's word, in readings. By hand, 2026-11-24."""
_SEMILLA_PARTES = 0
SIEMPRE = -1
"""Part of what is learnt from whoever is left out."""
CLIENTE_LIMPIO = -1
"""Kind of the rows of customers to whom nothing happens."""
_INOCENTES_DESDE = len(TODOS)
_TRAS_ATAQUE = len(TODOS) + len(INOCENTES)
_NO_SIRVE = -2
"""Kinds of rows beyond the attacks: of innocent events, of what comes after attacks, and of
what is not learnt from."""
FILAS_TRAS_ATAQUE = 30
"""Readings after each attack that are learnt from, at most."""

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
    # (n,): kind of attack, as an index into ``TODOS``, of innocent event beyond them, or
    # ``CLIENTE_LIMPIO``.
    tipo: NDArray[np.int64]


def make_ejemplos(
    limpias: Lecturas,
    modelo: ScoringModel,
    calendario: Calendario,
    semilla: int,
) -> Ejemplos:
    """Return the rows of clean customers, of their attacks and of innocent events.

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
        # Half as often: an event is rows enough.
        if vuelta % 2:
            sucesos = eventful_homes(
                limpias, calendario, semilla + vuelta, calentamiento_dias=calentamiento
            )
            partes.append(_measure(sucesos, modelo, calendario, semilla + vuelta))
    juntos = stack(partes)
    return replace(juntos, peso=_weights(juntos.tipo))


def _weights(tipo: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the weight (n,) of each row: one of a clean reading, all kinds of a class alike."""
    cuantas = np.bincount(tipo + 1, minlength=_TRAS_ATAQUE + 2)
    peso = np.ones(cuantas.size)
    hay = np.flatnonzero(cuantas[1:])
    de_ataque = hay < _INOCENTES_DESDE
    for cuales, total in ((hay[de_ataque], PESO_ATAQUES), (hay[~de_ataque], PESO_INOCENTES)):
        peso[cuales + 1] = total * cuantas[0] / (max(cuales.size, 1) * cuantas[cuales + 1])
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
    tipo = _kinds(poblacion)
    elegida = _draw(poblacion, tipo, semilla)
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
    return Ejemplos(
        np.concatenate(columnas),
        poblacion.atacada[elegida],
        np.ones(cliente.size),
        partes[cliente],
        cliente,
        np.concatenate(scores),
        tipo[elegida],
    )


def _kinds(poblacion: Poblacion) -> NDArray[np.int64]:
    """Return the kind (n,) of each reading that may be learnt from, ``_NO_SIRVE`` of the others."""
    todos = (*TODOS, *INOCENTES)
    propio = np.array([todos.index(t) if t else CLIENTE_LIMPIO for t in poblacion.ataque], np.int64)
    tipo = np.where(poblacion.juzgada, propio[poblacion.cliente], _NO_SIRVE)
    fin = np.full(len(poblacion.clientes), -1, np.int64)
    atacadas = np.flatnonzero(poblacion.atacada)
    np.maximum.at(fin, poblacion.cliente[atacadas], poblacion.lecturas.hora_utc[atacadas])
    suyo = fin[poblacion.cliente]
    tipo[(suyo >= 0) & (poblacion.lecturas.hora_utc > suyo)] = _TRAS_ATAQUE
    return tipo


def part_of(propietario_id: str) -> int:
    """Return the part of the customers that one is in, the same in every training.

    Stretches of one household (``household#2``) are in the same part.
    """
    return lot_of(propietario_id.partition("#")[0], _SEMILLA_PARTES, "mezcla")[0] % PARTES


def _draw(poblacion: Poblacion, tipo: NDArray[np.int64], semilla: int) -> NDArray[np.bool_]:
    """Return which readings are learnt from: of each customer and class so many at most."""
    rng = np.random.default_rng(np.random.SeedSequence([semilla, 21]))
    elegida = np.zeros(len(poblacion), np.bool_)
    azar = rng.random(len(poblacion))
    for donde, limite in (
        (tipo == CLIENTE_LIMPIO, FILAS_LIMPIAS),
        ((tipo >= 0) & (tipo < _TRAS_ATAQUE), FILAS_ATACADAS),
        (tipo == _TRAS_ATAQUE, FILAS_TRAS_ATAQUE),
    ):
        suyas = np.flatnonzero(donde)
        orden = suyas[np.lexsort((azar[suyas], poblacion.cliente[suyas]))]
        cuantas = np.bincount(poblacion.cliente[orden], minlength=len(poblacion.clientes))
        puesto = np.arange(orden.size) - np.repeat(np.cumsum(cuantas) - cuantas, cuantas)
        elegida[orden[puesto < limite]] = True
    return elegida


def without(ejemplos: Ejemplos, tipo: str) -> Ejemplos:
    """Return the examples but those of one kind of attack, as if nobody had thought of it."""
    quedan = take(ejemplos, ejemplos.tipo != TODOS.index(tipo))
    return replace(quedan, peso=_weights(quedan.tipo))


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
        np.full(filas.size, CLIENTE_LIMPIO, np.int64),
    )
