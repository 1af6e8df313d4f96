"""What is read back from the history, by training too: customers, and their hours as columns.

Archived or not makes no difference here: a model and a window see the same past either way.
"""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

from detection.domain import SEGUNDOS_POR_HORA, TIPOS, Historia
from pipeline.stores.postgres.copy_rows import decode_history

MASCARA = " + ".join(
    f"CASE WHEN '{tipo}' = ANY(d.tipos_anomalia) THEN {1 << bit} ELSE 0 END"
    for bit, tipo in enumerate(TIPOS)
)
_CAMPOS_HISTORIA = f"""
    p.indice::int, d.timestamp_consumo, d.consumo_kwh::float8,
    (d.score_anomalia * 100)::smallint,
    (CASE WHEN d.tipos_anomalia = '{{}}' THEN 0 ELSE {MASCARA} END)::smallint,
    d.consumo_esperado_kwh IS NOT NULL, d.es_sospechoso
"""
ULTIMAS = f"""
SELECT {_CAMPOS_HISTORIA}
FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS p(propietario_id, indice)
CROSS JOIN LATERAL (
    SELECT greatest(
        (SELECT u.timestamp_consumo FROM consumos_diarios AS u
         WHERE u.propietario_id = p.propietario_id ORDER BY u.timestamp_consumo DESC LIMIT 1),
        (SELECT u.timestamp_consumo FROM consumos_diarios_archivo AS u
         WHERE u.propietario_id = p.propietario_id ORDER BY u.timestamp_consumo DESC LIMIT 1)
    ) AS hasta
    OFFSET 0
) AS ultima
CROSS JOIN LATERAL (
    SELECT * FROM consumos_historia AS c
    WHERE c.propietario_id = p.propietario_id AND c.timestamp_consumo <= hasta
      AND c.timestamp_consumo > hasta - make_interval(hours => %(horas)s)
    OFFSET 0
) AS d
"""
ANTERIORES = f"""
SELECT {_CAMPOS_HISTORIA}
FROM unnest(%(ids)s::text[], %(antes)s::bigint[])
    WITH ORDINALITY AS p(propietario_id, antes, indice)
CROSS JOIN LATERAL (
    SELECT * FROM consumos_historia AS c
    WHERE c.propietario_id = p.propietario_id
      AND c.timestamp_consumo < to_timestamp(p.antes * {SEGUNDOS_POR_HORA})
      AND c.timestamp_consumo >= to_timestamp((p.antes - %(horas)s) * {SEGUNDOS_POR_HORA})
    OFFSET 0
) AS d
"""
RANGO = f"""
SELECT {_CAMPOS_HISTORIA}
FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS p(propietario_id, indice)
CROSS JOIN LATERAL (
    SELECT * FROM consumos_historia AS c
    WHERE c.propietario_id = p.propietario_id
      AND c.timestamp_consumo >= %(desde)s AND c.timestamp_consumo < %(hasta)s
    OFFSET 0
) AS d
"""
# One look at the index for each part, of the months that it touches; as a value it is not turned
# into a join, which would read them.
_PRESENTE = """(
    SELECT true FROM consumos_historia AS c WHERE c.propietario_id = valor.propietario_id
      AND c.timestamp_consumo >= {desde} AND c.timestamp_consumo < {hasta} LIMIT 1
)"""


def distinct_query(campo: str, tabla: str, cuales: str = "true") -> str:
    """Return the query of the distinct values of a field, in order.

    From value to value along its index: of ten million rows it looks at two for each value, where
    SELECT DISTINCT reads them all.
    """
    return f"""
WITH RECURSIVE valor AS (
    (SELECT {campo} FROM {tabla} WHERE {cuales} ORDER BY {campo} LIMIT 1)
    UNION ALL
    SELECT siguiente.{campo} FROM valor CROSS JOIN LATERAL (
        SELECT {campo} FROM {tabla} WHERE {campo} > valor.{campo} AND {cuales}
        ORDER BY {campo} LIMIT 1
    ) AS siguiente
)
SELECT {campo} FROM valor"""  # nosec B608 # the names are ours


def customers_query(desde_hora: int, hasta_hora: int, partes: int) -> str:
    """Return the query of the customers with a reading in each equal part of those hours."""
    limites = [desde_hora + k * (hasta_hora - desde_hora) // partes for k in range(partes + 1)]
    instantes = [f"to_timestamp({hora * SEGUNDOS_POR_HORA})" for hora in limites]
    # The newest part first: it has the fewest.
    tramos = [_PRESENTE.format(desde=a, hasta=b) for a, b in pairwise(instantes)][::-1]
    clientes = distinct_query("propietario_id", "consumos_historia")
    return f"{clientes} WHERE {' AND '.join(tramos)} ORDER BY propietario_id"


def load(cursor: Any, consulta: str, parametros: dict[str, Any]) -> Historia:
    """Return the rows of ``ULTIMAS``, ``ANTERIORES`` or ``RANGO``, by customer and hour."""
    salida = io.BytesIO()
    sql = cursor.mogrify(consulta, parametros).decode()
    cursor.copy_expert(f"COPY ({sql}) TO STDOUT (FORMAT binary)", salida)
    historia = decode_history(salida.getbuffer())
    # WITH ORDINALITY counts from 1.
    historia.indice[:] -= 1
    return historia
