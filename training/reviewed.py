"""What analysts said of anomalies, as rows that a blend learns from.

A confirmed anomaly is suspicious whatever the models think of it, a discarded one is not. Each row
is what the detector sees of that hour today, out of the stored history.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from detection.detector import DetectorConsumo
from detection.domain import Calendario
from detection.params import HORAS_VENTANA, Params
from detection.scoring_model import ScoringModel
from training.blend_fit import PESO_VEREDICTO, SIEMPRE, Ejemplos, join_ejemplos
from training.history_reader import Lector, readings_of

_LOG = logging.getLogger("entrenamiento")

MAXIMO = 2_000
"""Latest verdicts that are learnt from. By hand, 2026-11-24: each costs 28 days of one customer."""
CLIENTES_POR_BLOQUE = 50


def read_dichos(
    almacen: Lector,
    casos: Mapping[tuple[str, int], bool],
    modelo: ScoringModel,
    calendario: Calendario,
    params: Params,
) -> Ejemplos | None:
    """Return a row for each verdict whose reading is still there; None = there is none.

    Parameters
    ----------
    casos : mapping of (str, int) to bool
        Customer and absolute hour to whether it was confirmed.
    """
    ultimos = sorted(casos, key=lambda caso: (caso[1], caso[0]))[-MAXIMO:]
    clientes = sorted({quien for quien, _ in ultimos})
    partes = [
        _read(almacen, ids, {c: casos[c] for c in ultimos if c[0] in set(ids)}, modelo,
              calendario, params)
        for ids in (
            clientes[i : i + CLIENTES_POR_BLOQUE]
            for i in range(0, len(clientes), CLIENTES_POR_BLOQUE)
        )
    ]  # fmt: skip
    dichos = join_ejemplos([parte for parte in partes if parte.cliente.size])
    if dichos is not None:
        confirmados = int(dichos.sospechosa.sum())
        _LOG.info(
            "de los analistas se aprende: %d anomalías confirmadas y %d descartadas",
            confirmados, dichos.sospechosa.size - confirmados,
        )  # fmt: skip
    return dichos


def _read(
    almacen: Lector,
    ids: Sequence[str],
    casos: Mapping[tuple[str, int], bool],
    modelo: ScoringModel,
    calendario: Calendario,
    params: Params,
) -> Ejemplos:
    horas = [hora for _, hora in casos]
    historia = almacen.load_range(ids, min(horas) - HORAS_VENTANA, max(horas) + 1)
    lecturas = readings_of(ids, historia)
    detector = DetectorConsumo(calendario, params, con_columnas=True)
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
