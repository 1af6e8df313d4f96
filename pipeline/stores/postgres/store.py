"""The history of readings in PostgreSQL, with the models that learn from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import psycopg2.errors
from numpy.typing import NDArray

from detection.cases.records import CaseMemory
from detection.domain import (
    HORAS_POR_DIA,
    SEVERIDADES,
    Historia,
    Lecturas,
    Veredictos,
    instante,
)
from pipeline.stores.ports import Guardado, PuntoOnline
from pipeline.stores.postgres.case_memory import get_memory, put_memory
from pipeline.stores.postgres.connection import Conexion
from pipeline.stores.postgres.copy_rows import by_identity
from pipeline.stores.postgres.day_marks import archived
from pipeline.stores.postgres.history import ANTERIORES, RANGO, ULTIMAS, customers_query, load
from pipeline.stores.postgres.merge import copy_new, merge
from pipeline.stores.postgres.migrations.apply import migrate
from pipeline.stores.postgres.model_state import (
    drop_shadow,
    get_online,
    put_online,
    put_shadow,
    shadow_matters,
)
from pipeline.stores.postgres.partitions import ARCHIVO, DIARIOS, ensure_months, months_of
from serving.settings import Settings

__all__ = ["PostgresStore", "migrate"]

log = logging.getLogger(__name__)

# By the index on fecha: no zone is more than a day away from UTC.
_DE_HORA = """
SELECT propietario_id, severidad, tipos_anomalia FROM consumos_historia
WHERE fecha BETWEEN %(dia)s - 1 AND %(dia)s + 1 AND timestamp_consumo = %(momento)s
  AND anomalia_detectada
ORDER BY score_anomalia DESC, propietario_id
"""
_POR_HORA = """
SELECT EXTRACT(epoch FROM timestamp_consumo)::bigint / 3600, count(*),
    count(DISTINCT propietario_id)
FROM consumos_historia
WHERE propietario_id = ANY(%(clientes)s) AND timestamp_consumo >= %(desde)s
  AND timestamp_consumo < %(hasta)s
GROUP BY timestamp_consumo
"""
_ANOMALIAS_DE = """
SELECT severidad, count(*) FROM consumos_historia
WHERE propietario_id = ANY(%(clientes)s) AND timestamp_consumo >= %(desde)s
  AND timestamp_consumo < %(hasta)s AND anomalia_detectada
GROUP BY severidad
"""
_ELIMINADO = "SELECT max(hasta) FROM log_archivado WHERE operacion = 'eliminar'"
_CUENTA = """
SELECT severidad, count(*), min(timestamp_consumo), max(timestamp_consumo)
FROM consumos_historia GROUP BY severidad
"""
_CLIENTES = "SELECT count(DISTINCT propietario_id) FROM consumos_historia"
_VERSIONES = "SELECT version_modelo, count(*) FROM consumos_historia GROUP BY 1 ORDER BY 1"


class PostgresStore:
    """``HistoryStore`` over ``consumos_diarios``, its archive and the models' tables.

    A reading is stored where its day lives: late ones of an archived day go to the archive.

    Writing and reading have a connection each, so that one thread may save a batch while
    another loads history.
    """

    def __init__(self, settings: Settings) -> None:
        self._lectura = Conexion(settings, "consumo lectura")
        self._escritura = Conexion(settings, "consumo escritura")
        self._topic = settings.kafka_topic
        self._hubo_repetidas = False
        self._meses: set[date] = set()

    def save(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        puntos: Sequence[PuntoOnline] = (),
        memoria: CaseMemory | None = None,
    ) -> Guardado:
        """Store all of it or nothing, and return what was there before.

        A straight COPY is more than twice as fast as a merge, and nearly every batch is new; but
        one that meets an old reading is thrown away. Repeats come in rows (a replay after a
        rebalance, a file sent twice), so after a batch with repeats the next one is merged at
        once, until a batch has none.

        Rows go in the order of their identities: the index is walked from left to right (a tenth
        to a fifth faster), a customer's rows lie together for whoever loads them, and two writers
        of the same readings take their locks in the same order, so neither waits for ever. The
        online models come after all rows, in the order of their partitions, and the case clock's
        memory after them, in that of its customers, for the same reason.
        """
        orden = by_identity(lecturas)

        def put_states(cursor: Any) -> None:
            put_online(cursor, self._topic, puntos)
            if memoria is not None:
                put_memory(cursor, memoria)

        try:
            return self._save(lecturas, veredictos, orden, put_states)
        except psycopg2.errors.CheckViolation:
            # A month that the archiver has taken away since we last looked: it is made again.
            if not self._meses:
                raise
            self._meses.clear()
            return self._save(lecturas, veredictos, orden, put_states)

    def _save(
        self,
        lecturas: Lecturas,
        veredictos: Veredictos,
        orden: NDArray[np.int64],
        put_states: Callable[[Any], None],
    ) -> Guardado:
        self._ensure_months(lecturas)
        dia_local = veredictos.hora_local // HORAS_POR_DIA
        if not self._hubo_repetidas:
            try:
                with self._escritura.transaction() as cursor:
                    if not archived(cursor, dia_local).any():
                        copy_new(cursor, lecturas, veredictos, orden)
                        put_states(cursor)
                        return Guardado.as_given(np.zeros(len(lecturas), np.bool_))
            except psycopg2.errors.UniqueViolation:
                log.debug("lote con lecturas ya guardadas: se mezcla")
        with self._escritura.transaction() as cursor:
            en_archivo = archived(cursor, dia_local)[orden]
            guardado = merge(cursor, lecturas, veredictos, orden[~en_archivo])
            if en_archivo.any():
                tardias = merge(cursor, lecturas, veredictos, orden[en_archivo], ARCHIVO)
                guardado = guardado.with_others(tardias)
            put_states(cursor)
        self._hubo_repetidas = bool(guardado.repetida.any())
        return guardado

    def _ensure_months(self, lecturas: Lecturas) -> None:
        """Create the partitions that a batch needs and that we have not seen yet."""
        faltan = months_of(lecturas.hora_utc) - self._meses
        if faltan:
            with self._escritura.transaction() as cursor:
                ensure_months(cursor, DIARIOS, faltan)
            self._meses |= faltan

    def load_online(
        self, registro: str, particiones: Sequence[int]
    ) -> list[tuple[int, bytes] | None]:
        """Return, for each partition, ``siguiente_offset`` and ``estado`` of its online model.

        None = there is none of this ``registro``.
        """
        with self._lectura.transaction() as cursor:
            return get_online(cursor, self._topic, registro, particiones)

    def load_case_memory(self, propietario_id: Sequence[str]) -> CaseMemory:
        """Return what the case clock remembers of customers (``HistoryStore.load_case_memory``)."""
        with self._lectura.transaction() as cursor:
            return get_memory(cursor, propietario_id)

    def save_shadow(self, lecturas: Lecturas, campeon: Veredictos, aspirante: Veredictos) -> int:
        """Store both verdicts where they matter, and return of how many readings.

        What is there already of the others, from before a correction, goes. In a transaction of
        its own: each of the two takes its locks in the order of the identities, and one that did
        both would not.
        """
        importa = shadow_matters(campeon, aspirante)
        orden = by_identity(lecturas)
        importan, callan = orden[importa[orden]], orden[~importa[orden]]
        if callan.size:
            with self._escritura.transaction() as cursor:
                drop_shadow(cursor, lecturas, aspirante.version_modelo, callan)
        if importan.size:
            with self._escritura.transaction() as cursor:
                put_shadow(cursor, lecturas, campeon, aspirante, importan)
        return int(importan.size)

    def load_latest(self, propietario_id: Sequence[str], horas: int) -> Historia:
        """Return, for each customer, the ``horas`` hours up to and including its latest row."""
        return self._load(ULTIMAS, propietario_id, horas=int(horas))

    def load_before(
        self, propietario_id: Sequence[str], antes_de_hora: NDArray[np.int64], horas: int
    ) -> Historia:
        """Return, for each customer i, its rows of the ``horas`` before ``antes_de_hora[i]``."""
        antes = [int(hora) for hora in antes_de_hora]
        return self._load(ANTERIORES, propietario_id, antes=antes, horas=int(horas))

    def load_range(
        self, propietario_id: Sequence[str], desde_hora: int, hasta_hora: int
    ) -> Historia:
        """Return the customers' rows of [``desde_hora``, ``hasta_hora``), by customer and hour."""
        desde, hasta = instante(desde_hora), instante(hasta_hora)
        return self._load(RANGO, propietario_id, desde=desde, hasta=hasta)

    def _load(self, consulta: str, ids: Sequence[str], **limites: Any) -> Historia:
        if not ids:
            return Historia.vacia()
        with self._lectura.transaction() as cursor:
            return load(cursor, consulta, {"ids": list(ids), **limites})

    def customers(self, desde_hora: int, hasta_hora: int, partes: int = 1) -> list[str]:
        """Return the customers with a reading in each of ``partes`` of the hours, sorted.

        The hours are [``desde_hora``, ``hasta_hora``), the parts equal.
        """
        filas = self._rows(customers_query(desde_hora, hasta_hora, partes))
        return [cliente for (cliente,) in filas]

    def anomalias_de_hora(self, hora_utc: int) -> list[tuple[str, str, list[str]]]:
        """Return customer, severidad and types of each anomaly of an absolute hour.

        The highest score comes first.
        """
        momento = instante(hora_utc)
        return self._rows(_DE_HORA, {"momento": momento, "dia": momento.date()})

    def contar(self) -> dict[str, Any]:
        """Return what is stored.

        Keys: ``lecturas`` and ``clientes`` (int), ``anomalias`` (int for each severidad but
        normal), ``desde`` and ``hasta`` (datetime of the first and last reading, None if empty).
        """
        filas = self._rows(_CUENTA)
        ((clientes,),) = self._rows(_CLIENTES)
        cuenta = {severidad: n for severidad, n, _, _ in filas}
        limites: list[datetime] = [t for _, _, desde, hasta in filas for t in (desde, hasta)]
        return {
            "lecturas": sum(cuenta.values()),
            "clientes": clientes,
            "anomalias": {str(s): cuenta.get(str(s), 0) for s in reversed(SEVERIDADES[1:])},
            "desde": min(limites, default=None),
            "hasta": max(limites, default=None),
        }

    def count_by_hour(
        self, propietario_ids: Sequence[str], desde_hora: int, hasta_hora: int
    ) -> dict[int, tuple[int, int]]:
        """Return readings and customers of each absolute hour that has any, archived or not.

        Two equal numbers: each customer's reading is there once.

        ``propietario_ids``: others do not count. ``desde_hora``, ``hasta_hora``: absolute hours,
        the last one excluded.
        """
        filas = self._rows(_POR_HORA, _stretch(propietario_ids, desde_hora, hasta_hora))
        return {hora: (lecturas, clientes) for hora, lecturas, clientes in filas}

    def count_anomalies(
        self, propietario_ids: Sequence[str], desde_hora: int, hasta_hora: int
    ) -> dict[str, int]:
        """Return how many anomalies of each severidad that has any, archived or not.

        Parameters as in ``count_by_hour``; ``MongoAnomalyStore.count_anomalies`` counts the same.
        """
        return dict(self._rows(_ANOMALIAS_DE, _stretch(propietario_ids, desde_hora, hasta_hora)))

    def deleted_until(self) -> date | None:
        """Return the last local day that was deleted from the archive for good, None = none."""
        ((ultimo,),) = self._rows(_ELIMINADO)
        return ultimo  # type: ignore[no-any-return]

    def contar_versiones(self) -> dict[str, int]:
        """Return how many readings each ``version_modelo`` has judged."""
        return dict(self._rows(_VERSIONES))

    def ping(self) -> None:
        """Return if PostgreSQL answers; raise ``TransientError`` otherwise."""
        self._rows("SELECT 1")

    def _rows(self, consulta: str, parametros: dict[str, Any] | None = None) -> list[Any]:
        with self._lectura.transaction() as cursor:
            cursor.execute(consulta, parametros)
            return list(cursor)

    def close(self) -> None:
        """Close both connections."""
        self._escritura.close()
        self._lectura.close()


def _stretch(propietario_ids: Sequence[str], desde_hora: int, hasta_hora: int) -> dict[str, Any]:
    return {
        "clientes": list(propietario_ids),
        "desde": instante(desde_hora),
        "hasta": instante(hasta_hora),
    }
