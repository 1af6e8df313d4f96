"""An installation that has been running for thirteen months: what ``make bench`` begins with.

Its customers' year is in days, as the case clock keeps them, and their last 28 days are readings in
``consumos_diarios``, scored with the base version. A consumer loads from there what it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
from datos import PRIMERA_HORA, TROZO, ZONA, Datos, make_anio
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import MASCARA_DTYPE, Historia
from detection.params import HORAS_ANILLO
from pipeline.stores.postgres.partitions import DIARIOS, ensure_months, months_of
from pipeline.stores.postgres.store import PostgresStore, migrate
from serving.base_version import load_base
from serving.local_time import load_calendario
from serving.settings import Settings

CLIENTES_A_LA_VEZ = 100
"""Customers whose year is generated at once: 30 MB."""


def fill(settings: Settings, datos: Datos, horas: int, con_meses: Callable[..., Any]) -> None:
    """Store what a consumer would have stored by now, and make the months that are to come.

    ``horas``: of the past before the readings. ``con_meses``: gives a cursor on the database.
    """
    migrate(settings)
    with con_meses(settings) as cursor:
        ensure_months(cursor, DIARIOS, months_of(datos.lecturas.hora_utc))
    detector = DetectorConsumo(load_calendario(ZONA), base=load_base())
    ids = datos.lecturas.propietario_id[: datos.clientes]
    for desde in range(0, len(ids), CLIENTES_A_LA_VEZ):
        tanda = ids[desde : desde + CLIENTES_A_LA_VEZ]
        kwh = make_anio(datos, desde, desde + len(tanda), horas)
        detector.load(tanda, _historia(kwh[:, -HORAS_ANILLO:]))
        detector.fill_days(tanda, _historia(kwh))
    with closing(PostgresStore(settings)) as historial:
        for inicio in range(0, datos.historia, TROZO):
            lote = datos.parte(inicio, min(datos.historia, inicio + TROZO))
            veredictos = detector.score(lote)
            filas = detector.ring.rows(lote.propietario_id)
            memoria, _ = detector.take_days(lote.propietario_id, filas)
            historial.save(lote, veredictos, (), memoria)


def load_as_consumer(settings: Settings, datos: Datos) -> Callable[[DetectorConsumo], None]:
    """Return what fills a detector's memory with what a consumer would load."""
    ids = datos.lecturas.propietario_id[: datos.clientes]
    with closing(PostgresStore(settings)) as historial:
        horas, dias = historial.load_latest(ids, HORAS_ANILLO), historial.load_case_memory(ids)

    def load(detector: DetectorConsumo) -> None:
        detector.load(ids, horas)
        detector.load_days(dias)

    return load


def _historia(kwh: NDArray[np.float64]) -> Historia:
    """Return the hours of customers (c, h) before the readings, with nothing found in them."""
    clientes, horas = kwh.shape
    ceros = (np.zeros(kwh.size, cual) for cual in (np.uint8, MASCARA_DTYPE, np.bool_, np.bool_))
    return Historia(
        np.repeat(np.arange(clientes), horas),
        np.tile(np.arange(PRIMERA_HORA - horas, PRIMERA_HORA), clientes),
        kwh.ravel().astype(np.float32),
        *ceros,
    )
