"""The history of readings in PostgreSQL: the only room with its SQL, beside the migrations."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg2.errors
from numpy.typing import NDArray

from detection.dominio import (
    SEGUNDOS_POR_HORA,
    SEVERIDADES,
    TIPOS,
    Historia,
    Lecturas,
    Veredictos,
    instante,
)
from pipeline.almacenes.postgres_conexion import Conexion
from pipeline.almacenes.postgres_copy import COLUMNAS, by_identity, decode_history, encode
from serving.settings import Settings

log = logging.getLogger(__name__)

TRAMO = 1 << 20
"""Bytes that psycopg2 hands to the network at a time; its own 8 KB cost a call each."""
HORAS_RANKING = 28 * 24
"""The ranking looks at the 28 days that a customer's window holds (contract 5)."""

_LISTA = ", ".join(COLUMNAS)
_CAMBIANTES = COLUMNAS[2:]
_NUEVAS = ", ".join(f"excluded.{columna}" for columna in _CAMBIANTES)
_ACTUALES = ", ".join(f"d.{columna}" for columna in _CAMBIANTES)

_COPIA_DIRECTA = f"COPY consumos_diarios ({_LISTA}) FROM STDIN (FORMAT binary)"
_COPIA_A_LOTE = f"COPY pg_temp.lote ({_LISTA}, posicion) FROM STDIN (FORMAT binary)"
_CREA_LOTE = f"""
CREATE TEMP TABLE IF NOT EXISTS lote ON COMMIT DELETE ROWS AS
SELECT {_LISTA}, 0 AS posicion FROM consumos_diarios WITH NO DATA
"""
# xmax = 0: the row version was born here and not by an update of an older one.
_MEZCLA = f"""
WITH escritas AS (
    INSERT INTO consumos_diarios AS d ({_LISTA})
    SELECT {_LISTA} FROM pg_temp.lote
    ON CONFLICT (propietario_id, timestamp_consumo) DO UPDATE
    SET ({", ".join(_CAMBIANTES)}) = ROW({_NUEVAS}),
        timestamp_procesado = now() AT TIME ZONE 'UTC'
    WHERE ({_ACTUALES}) IS DISTINCT FROM ({_NUEVAS})
    RETURNING d.propietario_id, d.timestamp_consumo, d.xmax = 0 AS nueva
)
SELECT posicion FROM escritas JOIN pg_temp.lote USING (propietario_id, timestamp_consumo)
WHERE nueva
"""

_MASCARA = " + ".join(
    f"CASE WHEN '{tipo}' = ANY(d.tipos_anomalia) THEN {1 << bit} ELSE 0 END"
    for bit, tipo in enumerate(TIPOS)
)
_CAMPOS_HISTORIA = f"""
    p.indice::int, d.timestamp_consumo, d.consumo_kwh::float8,
    (d.score_anomalia * 100)::smallint,
    (CASE WHEN d.tipos_anomalia = '{{}}' THEN 0 ELSE {_MASCARA} END)::smallint,
    d.consumo_esperado_kwh IS NOT NULL, d.es_sospechoso
"""
ULTIMAS = f"""
SELECT {_CAMPOS_HISTORIA}
FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS p(propietario_id, indice)
CROSS JOIN LATERAL (
    SELECT timestamp_consumo AS hasta FROM consumos_diarios AS u
    WHERE u.propietario_id = p.propietario_id ORDER BY timestamp_consumo DESC LIMIT 1
) AS ultima
CROSS JOIN LATERAL (
    SELECT * FROM consumos_diarios AS c
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
    SELECT * FROM consumos_diarios AS c
    WHERE c.propietario_id = p.propietario_id
      AND c.timestamp_consumo < to_timestamp(p.antes * {SEGUNDOS_POR_HORA})
      AND c.timestamp_consumo >= to_timestamp((p.antes - %(horas)s) * {SEGUNDOS_POR_HORA})
    OFFSET 0
) AS d
"""
# One evidence for a customer: the part of each score above 0.5 (where anomalies begin), squared
# so that one grave hour outweighs many slight ones, halved with every half-life of age.
_RANKING = """
SELECT e.propietario_id, e.evidencia, u.es_sospechoso, coalesce(a.severidad, 'normal'),
    e.score_maximo, e.anomalias, t.tipos
FROM (
    SELECT propietario_id,
        coalesce(sum(power(2 * (score_anomalia::float8 - 0.5), 2) * power(0.5,
            EXTRACT(epoch FROM %(ahora)s - timestamp_consumo)::float8 / 3600 / %(semivida)s))
            FILTER (WHERE score_anomalia > 0.5), 0) AS evidencia,
        max(score_anomalia)::float8 AS score_maximo,
        count(*) FILTER (WHERE anomalia_detectada) AS anomalias,
        max(timestamp_consumo) AS ultima,
        max(timestamp_consumo) FILTER (WHERE anomalia_detectada) AS ultima_anomalia
    FROM consumos_diarios
    WHERE timestamp_consumo <= %(ahora)s AND timestamp_consumo > %(desde)s
    GROUP BY propietario_id
    ORDER BY evidencia DESC, propietario_id LIMIT %(limite)s
) AS e
JOIN consumos_diarios AS u ON (u.propietario_id, u.timestamp_consumo) = (e.propietario_id, e.ultima)
LEFT JOIN consumos_diarios AS a
    ON (a.propietario_id, a.timestamp_consumo) = (e.propietario_id, e.ultima_anomalia)
CROSS JOIN LATERAL (
    SELECT array(
        SELECT tipo FROM consumos_diarios AS c CROSS JOIN unnest(c.tipos_anomalia) AS tipo
        WHERE c.propietario_id = e.propietario_id AND c.anomalia_detectada
          AND c.timestamp_consumo <= %(ahora)s AND c.timestamp_consumo > %(desde)s
        GROUP BY tipo ORDER BY count(*) DESC, tipo
    ) AS tipos
) AS t
ORDER BY e.evidencia DESC, e.propietario_id
"""
# By the index on fecha: no zone is more than a day away from UTC.
_DE_HORA = """
SELECT propietario_id, severidad, tipos_anomalia FROM consumos_diarios
WHERE fecha BETWEEN %(dia)s - 1 AND %(dia)s + 1 AND timestamp_consumo = %(momento)s
  AND anomalia_detectada
ORDER BY score_anomalia DESC, propietario_id
"""
_CUENTA = """
SELECT severidad, count(*), min(timestamp_consumo), max(timestamp_consumo)
FROM consumos_diarios GROUP BY severidad
"""


@dataclass(frozen=True, slots=True)
class ClienteSospechoso:
    """One customer of the ranking.

    Parameters
    ----------
    propietario_id : str
    evidencia : float
        >= 0, high = more suspicious; comparable within one ranking.
    es_sospechoso : bool
        As of its latest reading.
    severidad : str
        Of its latest anomaly; "normal" if it has none.
    score_maximo : float
        0 to 1.
    anomalias : int
        Readings of the last 28 days that are anomalies.
    tipos_anomalia : tuple of str
        Types of those, the most frequent first.
    """

    propietario_id: str
    evidencia: float
    es_sospechoso: bool
    severidad: str
    score_maximo: float
    anomalias: int
    tipos_anomalia: tuple[str, ...]


def migrate(settings: Settings) -> str:
    """Return the revision of the schema after bringing it to the newest one (see ``aplicar``)."""
    # Alembic takes longer to import than everything else here, and only start-up needs it.
    from pipeline.almacenes.migraciones.aplicar import migrate as aplicar

    return aplicar(settings)


class PostgresStore:
    """``HistoryStore`` over ``consumos_diarios``.

    Writing and reading have a connection each, so that one thread may save a batch while
    another loads history.

    Examples
    --------
    >>> from serving.settings import Settings
    >>> PostgresStore(Settings()).close()
    """

    def __init__(self, settings: Settings) -> None:
        self._escritura = Conexion(settings, "consumo escritura")
        self._lectura = Conexion(settings, "consumo lectura")
        self._hubo_repetidas = False

    def save(self, lecturas: Lecturas, veredictos: Veredictos) -> NDArray[np.bool_]:
        """Store all or nothing, and return (n,) where a reading was there before.

        A straight COPY is more than twice as fast as a merge, and nearly every batch is new; but
        one that meets an old reading is thrown away. Repeats come in rows (a replay after a
        rebalance, a file sent twice), so after a batch with repeats the next one is merged at
        once, until a batch has none.

        Rows go in the order of their identities: the index is walked from left to right (a tenth
        to a fifth faster), a customer's rows lie together for whoever loads them, and two writers
        of the same readings take their locks in the same order, so neither waits for ever.
        """
        if len(lecturas) == 0:
            return np.zeros(0, np.bool_)
        orden = by_identity(lecturas)
        if not self._hubo_repetidas:
            datos = encode(lecturas, veredictos, orden, con_posicion=False)
            try:
                with self._escritura.transaction() as cursor:
                    cursor.copy_expert(_COPIA_DIRECTA, io.BytesIO(datos), TRAMO)
                return np.zeros(len(lecturas), np.bool_)
            except psycopg2.errors.UniqueViolation:
                log.debug("lote con lecturas ya guardadas: se mezcla")
        repetida = self._merge(lecturas, veredictos, orden)
        self._hubo_repetidas = bool(repetida.any())
        return repetida

    def _merge(
        self, lecturas: Lecturas, veredictos: Veredictos, orden: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return where a reading was there before, after storing what is new or different."""
        datos = encode(lecturas, veredictos, orden, con_posicion=True)
        with self._escritura.transaction() as cursor:
            cursor.execute("SET LOCAL client_min_messages = warning")
            cursor.execute(_CREA_LOTE)
            cursor.copy_expert(_COPIA_A_LOTE, io.BytesIO(datos), TRAMO)
            cursor.execute(_MEZCLA)
            nuevas = [posicion for (posicion,) in cursor]
        repetida = np.ones(len(lecturas), np.bool_)
        repetida[nuevas] = False
        return repetida

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

    def ranking_sospechosos(
        self, limite: int, ahora_hora: int, semivida_horas: float
    ) -> list[ClienteSospechoso]:
        """Return the customers with most evidence in the last 28 days, most suspicious first.

        Parameters
        ----------
        limite : int
            How many, at most.
        ahora_hora : int
            Absolute hour of now; later readings do not count.
        semivida_horas : float
            Age at which an anomaly counts half, h, > 0.
        """
        parametros = {
            "ahora": instante(ahora_hora),
            "desde": instante(ahora_hora - HORAS_RANKING),
            "semivida": float(semivida_horas),
            "limite": int(limite),
        }
        with self._lectura.transaction() as cursor:
            cursor.execute(_RANKING, parametros)
            filas = cursor.fetchall()
        return [
            ClienteSospechoso(cliente, evidencia, sospechoso, severidad, score, n, tuple(tipos))
            for cliente, evidencia, sospechoso, severidad, score, n, tipos in filas
        ]

    def anomalias_de_hora(self, hora_utc: int) -> list[tuple[str, str, list[str]]]:
        """Return customer, severidad and types of each anomaly of an absolute hour.

        The highest score comes first.
        """
        momento = instante(hora_utc)
        with self._lectura.transaction() as cursor:
            cursor.execute(_DE_HORA, {"momento": momento, "dia": momento.date()})
            filas: list[tuple[str, str, list[str]]] = cursor.fetchall()
        return filas

    def contar(self) -> dict[str, Any]:
        """Return what is stored.

        Keys: ``lecturas`` and ``clientes`` (int), ``anomalias`` (int for each severidad but
        normal), ``desde`` and ``hasta`` (datetime of the first and last reading, None if empty).
        """
        with self._lectura.transaction() as cursor:
            cursor.execute(_CUENTA)
            filas = cursor.fetchall()
            cursor.execute("SELECT count(DISTINCT propietario_id) FROM consumos_diarios")
            (clientes,) = cursor.fetchone()
        cuenta = {severidad: n for severidad, n, _, _ in filas}
        limites: list[datetime] = [t for _, _, desde, hasta in filas for t in (desde, hasta)]
        return {
            "lecturas": sum(cuenta.values()),
            "clientes": clientes,
            "anomalias": {str(s): cuenta.get(str(s), 0) for s in reversed(SEVERIDADES[1:])},
            "desde": min(limites, default=None),
            "hasta": max(limites, default=None),
        }

    def ping(self) -> None:
        """Return if PostgreSQL answers; raise ``TransientError`` otherwise."""
        with self._lectura.transaction() as cursor:
            cursor.execute("SELECT 1")

    def close(self) -> None:
        """Close both connections."""
        self._escritura.close()
        self._lectura.close()
