"""What is read back from the history, by training too: customers, and their hours as columns.

Archived or not makes no difference here: a model and a window see the same past either way.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.domain import SEGUNDOS_POR_HORA, TIPOS, Historia, instante
from pipeline.stores.postgres.connection import Conexion
from pipeline.stores.postgres.copy_rows import decode_history
from serving.settings import Settings

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
# From customer to customer along the identity's index: of ten million rows it looks at two for
# each customer, where SELECT DISTINCT reads them all.
_CLIENTES = """
WITH RECURSIVE cliente AS (
    (SELECT propietario_id FROM consumos_historia ORDER BY propietario_id LIMIT 1)
    UNION ALL
    SELECT siguiente.propietario_id FROM cliente CROSS JOIN LATERAL (
        SELECT c.propietario_id FROM consumos_historia AS c
        WHERE c.propietario_id > cliente.propietario_id ORDER BY c.propietario_id LIMIT 1
    ) AS siguiente
)
SELECT propietario_id FROM cliente WHERE {presente} ORDER BY propietario_id
"""
# One look at the index for each part, of the months that it touches; as a value it is not turned
# into a join, which would read them.
_PRESENTE = """(
    SELECT true FROM consumos_historia AS c WHERE c.propietario_id = cliente.propietario_id
      AND c.timestamp_consumo >= {desde} AND c.timestamp_consumo < {hasta} LIMIT 1
)"""


def customers_query(desde_hora: int, hasta_hora: int, partes: int) -> str:
    """Return the query of the customers with a reading in each equal part of those hours."""
    limites = [desde_hora + k * (hasta_hora - desde_hora) // partes for k in range(partes + 1)]
    instantes = [f"to_timestamp({hora * SEGUNDOS_POR_HORA})" for hora in limites]
    # The newest part first: it has the fewest.
    tramos = [_PRESENTE.format(desde=a, hasta=b) for a, b in pairwise(instantes)][::-1]
    return _CLIENTES.format(presente=" AND ".join(tramos))


class HistoriaPostgres:
    """The history, to be read only.

    Examples
    --------
    >>> from serving.settings import Settings
    >>> HistoriaPostgres(Settings()).close()
    """

    def __init__(self, settings: Settings) -> None:
        self._lectura = Conexion(settings, "consumo lectura")

    def load_latest(self, propietario_id: Sequence[str], horas: int) -> Historia:
        """Return, for each customer, the ``horas`` hours up to and including its latest row."""
        return self._load(ULTIMAS, {"ids": list(propietario_id), "horas": int(horas)})

    def load_before(
        self, propietario_id: Sequence[str], antes_de_hora: NDArray[np.int64], horas: int
    ) -> Historia:
        """Return, for each customer i, its rows of the ``horas`` before ``antes_de_hora[i]``."""
        antes = [int(hora) for hora in antes_de_hora]
        ids = list(propietario_id)
        return self._load(ANTERIORES, {"ids": ids, "antes": antes, "horas": int(horas)})

    def customers(self, desde_hora: int, hasta_hora: int, partes: int = 1) -> list[str]:
        """Return the customers with a reading in each of ``partes`` of the hours, sorted.

        The hours are [``desde_hora``, ``hasta_hora``), the parts equal.
        """
        with self._lectura.transaction() as cursor:
            cursor.execute(customers_query(desde_hora, hasta_hora, partes))
            return [cliente for (cliente,) in cursor]

    def load_range(
        self, propietario_id: Sequence[str], desde_hora: int, hasta_hora: int
    ) -> Historia:
        """Return the customers' rows of [``desde_hora``, ``hasta_hora``), by customer and hour."""
        limites = {"desde": instante(desde_hora), "hasta": instante(hasta_hora)}
        return self._load(RANGO, {"ids": list(propietario_id), **limites})

    def _load(self, consulta: str, parametros: dict[str, Any]) -> Historia:
        if not parametros["ids"]:
            return Historia.vacia()
        salida = io.BytesIO()
        with self._lectura.transaction() as cursor:
            sql = cursor.mogrify(consulta, parametros).decode()
            cursor.copy_expert(f"COPY ({sql}) TO STDOUT (FORMAT binary)", salida)
        historia = decode_history(salida.getbuffer())
        # WITH ORDINALITY counts from 1.
        historia.indice[:] -= 1
        return historia

    def ping(self) -> None:
        """Return if PostgreSQL answers; raise ``TransientError`` otherwise."""
        with self._lectura.transaction() as cursor:
            cursor.execute("SELECT 1")

    def close(self) -> None:
        """Close the connection."""
        self._lectura.close()
