"""Two ways to put readings into their table, each inside the caller's transaction."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.domain import MASCARA_DTYPE, SEVERIDADES, Lecturas, Veredictos
from pipeline.stores.ports import Guardado
from pipeline.stores.postgres.copy_rows import COLUMNAS, VEREDICTO, encode
from pipeline.stores.postgres.history import MASCARA
from pipeline.stores.postgres.partitions import ARCHIVO, DIARIOS

TRAMO = 1 << 20
"""Bytes that psycopg2 hands to the network at a time; its own 8 KB cost a call each."""

_LISTA = ", ".join(COLUMNAS)
_CAMBIANTES = COLUMNAS[2:]
_NUEVAS = ", ".join(f"excluded.{columna}" for columna in _CAMBIANTES)
_GUARDADO = ", ".join(f"d.{columna}" for columna in VEREDICTO)
_DEL_LOTE = ", ".join(f"l.{columna}" for columna in VEREDICTO)

_COPIA_DIRECTA = f"COPY {DIARIOS} ({_LISTA}) FROM STDIN (FORMAT binary)"
_COPIA_A_LOTE = f"COPY pg_temp.lote ({_LISTA}, posicion) FROM STDIN (FORMAT binary)"
_CREA_LOTE = f"""
CREATE TEMP TABLE IF NOT EXISTS lote ON COMMIT DELETE ROWS AS
SELECT {_LISTA}, 0 AS posicion FROM {DIARIOS} WITH NO DATA
"""
_ESTABA = f"""(d.score_anomalia * 100)::int, d.severidad, {MASCARA}, d.es_sospechoso,
    d.consumo_esperado_kwh, d.version_modelo"""
# Each statement is made for either table of readings.
# Rows that stay as they are are looked up first and never offered to INSERT: ON CONFLICT would
# write a lock into each of them. OFFSET 0 keeps the look-up on the identity's index, whatever the
# planner thinks of a temporary table without statistics. The WHERE of the update is for a row
# that another writer put there since this statement began; nueva is NULL for it.
# A partitioned table does not show whether a row was born here or updated (xmax), so an update
# is dated a microsecond after the inserts of its transaction, and told from them by that.
_MEZCLA = f"""
WITH iguales AS MATERIALIZED (
    SELECT l.posicion, d.*, ({_GUARDADO}) IS DISTINCT FROM ({_DEL_LOTE}) AS difiere
    FROM pg_temp.lote AS l CROSS JOIN LATERAL (
        SELECT * FROM {{tabla}} AS c
        WHERE c.propietario_id = l.propietario_id AND c.timestamp_consumo = l.timestamp_consumo
        OFFSET 0
    ) AS d
    WHERE d.consumo_kwh = l.consumo_kwh
), escritas AS (
    INSERT INTO {{tabla}} AS d ({_LISTA}, timestamp_procesado)
    SELECT {_LISTA}, now() AT TIME ZONE 'UTC' FROM pg_temp.lote
    WHERE posicion NOT IN (SELECT posicion FROM iguales)
    ON CONFLICT (propietario_id, timestamp_consumo) DO UPDATE
    SET ({", ".join(_CAMBIANTES)}) = ROW({_NUEVAS}),
        timestamp_procesado = excluded.timestamp_procesado + INTERVAL '1 microsecond'
    WHERE d.consumo_kwh <> excluded.consumo_kwh
    RETURNING d.propietario_id, d.timestamp_consumo,
        d.timestamp_procesado = now() AT TIME ZONE 'UTC' AS nueva
)
SELECT posicion, nueva, 0, '', 0, false, 0::real, ''
FROM pg_temp.lote LEFT JOIN escritas USING (propietario_id, timestamp_consumo)
WHERE nueva IS NOT false AND posicion NOT IN (SELECT posicion FROM iguales)
UNION ALL
SELECT posicion, false, {_ESTABA} FROM iguales AS d WHERE difiere
"""
# The merge cannot see what it has skipped, but has locked it: the next statement sees the same
# row, with our kWh, and it stays until the transaction ends.
_SALTADAS = f"""
SELECT l.posicion, false, {_ESTABA}
FROM pg_temp.lote AS l CROSS JOIN LATERAL (
    SELECT * FROM {{tabla}} AS c
    WHERE c.propietario_id = l.propietario_id AND c.timestamp_consumo = l.timestamp_consumo
    OFFSET 0
) AS d
WHERE l.posicion = ANY(%s) AND ({_GUARDADO}) IS DISTINCT FROM ({_DEL_LOTE})
"""
# What the archiver has not moved yet of a day that it is moving, or the restorer has already
# moved: the reading that has just come must find the one that was there.
# Found and locked first in the order of the batch, as all rows are, and after that deleted.
_HALLAR = f"""
SELECT FROM pg_temp.lote AS l JOIN {DIARIOS} AS d USING (propietario_id, timestamp_consumo)
ORDER BY l.ctid FOR UPDATE OF d
"""
# None is in the archive as well (``unite``); if it were, the reading that has come counts.
_TRAER = f"""
WITH movidas AS (
    DELETE FROM {DIARIOS} AS d USING pg_temp.lote AS l
    WHERE d.propietario_id = l.propietario_id AND d.timestamp_consumo = l.timestamp_consumo
    RETURNING d.*
)
INSERT INTO {ARCHIVO} SELECT * FROM movidas ON CONFLICT DO NOTHING
"""


def copy_new(
    cursor: Any, lecturas: Lecturas, veredictos: Veredictos, orden: NDArray[np.int64]
) -> None:
    """Store the readings at ``orden`` (m,), in that order, of which none is there yet.

    Raises
    ------
    psycopg2.errors.UniqueViolation
        One is.
    """
    if orden.size:
        datos = encode(lecturas, veredictos, orden, con_posicion=False)
        cursor.copy_expert(_COPIA_DIRECTA, io.BytesIO(datos), TRAMO)


def merge(
    cursor: Any,
    lecturas: Lecturas,
    veredictos: Veredictos,
    orden: NDArray[np.int64],
    tabla: str = DIARIOS,
) -> Guardado:
    """Return what was there before, after storing what is new or has another kWh.

    ``orden`` (m,): positions of the readings to store, in the order in which they are written; of
    the others nothing is said. ``tabla``: ``DIARIOS`` or ``ARCHIVO``.
    """
    repetida = np.zeros(len(lecturas), np.bool_)
    if orden.size == 0:
        return Guardado.as_given(repetida)
    repetida[orden] = True
    datos = encode(lecturas, veredictos, orden, con_posicion=True)
    cursor.execute("SET LOCAL client_min_messages = warning")
    cursor.execute(_CREA_LOTE)
    if tabla == ARCHIVO:
        # After the other table's, in the same transaction.
        cursor.execute("TRUNCATE pg_temp.lote")
    cursor.copy_expert(_COPIA_A_LOTE, io.BytesIO(datos), TRAMO)
    if tabla == ARCHIVO:
        # Few rows, and no statistics that would tell the planner so.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(_HALLAR)
        if cursor.rowcount:
            cursor.execute(_TRAER)
        cursor.execute("SET LOCAL enable_seqscan = on")
    cursor.execute(_MEZCLA.format(tabla=tabla))
    conservadas, saltadas = [], []
    for fila in cursor:
        if fila[1] is None:
            saltadas.append(fila[0])
        elif fila[1]:
            repetida[fila[0]] = False
        else:
            conservadas.append(fila)
    if saltadas:
        cursor.execute(_SALTADAS.format(tabla=tabla), (saltadas,))
        conservadas.extend(cursor)
    return _kept(repetida, sorted(conservadas)) if conservadas else Guardado.as_given(repetida)


def _kept(repetida: NDArray[np.bool_], filas: list[tuple[Any, ...]]) -> Guardado:
    """Return what was done, given the rows that stayed, by position."""
    posicion, _, score, severidad, tipos, sospechoso, esperado, version = zip(*filas, strict=True)
    indices = {str(s): i for i, s in enumerate(SEVERIDADES)}
    return Guardado(
        repetida,
        np.array(posicion, np.int64),
        np.array(score, np.uint8),
        np.array([indices[s] for s in severidad], np.uint8),
        np.array(tipos, MASCARA_DTYPE),
        np.array(sospechoso, np.bool_),
        # None, where there was too little history, becomes NaN.
        np.array(esperado, np.float32),
        list(version),
    )
