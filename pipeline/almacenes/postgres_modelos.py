"""The models' own tables: online models by partition and offset, and the challenger's shadow.

Every function works inside the caller's transaction, on its cursor.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from detection.dominio import SEVERIDADES, Lecturas, Veredictos, instante
from pipeline.almacenes.puertos import DIFERENCIA_CENTESIMAS, PUNTOS_POR_PARTICION, PuntoOnline

# A consumer that has lost a partition without knowing it yet may write what another one forgets,
# in any order of rows: one of them at a time. Until the transaction ends, by partition.
_ESPERA_TURNO = """
SELECT pg_advisory_xact_lock(hashtext(%(topic)s), p) FROM unnest(%(particiones)s::int[]) AS p
"""
# A state that is saved again gets a new number: which ones are the newest is a matter of when
# they were saved and not of their offset, which starts again when a topic is made anew.
_GUARDA_PUNTOS = """
INSERT INTO modelo_online (topic, particion, siguiente_offset, estado)
SELECT %(topic)s, * FROM unnest(%(particiones)s::int[], %(offsets)s::bigint[], %(estados)s::bytea[])
ON CONFLICT (topic, particion, siguiente_offset) DO UPDATE
SET orden = excluded.orden, estado = excluded.estado, guardado = now()
"""
_OLVIDA_PUNTOS = """
DELETE FROM modelo_online AS m USING unnest(%(particiones)s::int[]) AS p(particion)
WHERE m.topic = %(topic)s AND m.particion = p.particion AND m.orden <= (
    SELECT orden FROM modelo_online AS n
    WHERE n.topic = %(topic)s AND n.particion = p.particion
    ORDER BY orden DESC OFFSET %(quedan)s LIMIT 1
)
"""
_PUNTOS_HASTA = """
SELECT p.indice, m.estado
FROM unnest(%(particiones)s::int[], %(offsets)s::bigint[])
    WITH ORDINALITY AS p(particion, hasta_offset, indice)
CROSS JOIN LATERAL (
    SELECT estado FROM modelo_online AS n
    WHERE n.topic = %(topic)s AND n.particion = p.particion
      AND n.siguiente_offset <= p.hasta_offset
    ORDER BY n.siguiente_offset DESC LIMIT 1
) AS m
"""

_COLUMNAS_SOMBRA = (
    "propietario_id",
    "timestamp_consumo",
    "version_aspirante",
    "version_campeon",
    "score_campeon",
    "score_aspirante",
    "severidad_campeon",
    "severidad_aspirante",
)
_LISTA_SOMBRA = ", ".join(_COLUMNAS_SOMBRA)
_CAMBIANTES_SOMBRA = ", ".join(_COLUMNAS_SOMBRA[3:])
_NUEVAS_SOMBRA = ", ".join(f"excluded.{columna}" for columna in _COLUMNAS_SOMBRA[3:])
_CREA_SOMBRA = f"""
CREATE TEMP TABLE IF NOT EXISTS sombra ON COMMIT DELETE ROWS AS
SELECT {_LISTA_SOMBRA} FROM comparacion_sombra WITH NO DATA
"""
_COPIA_SOMBRA = f"COPY pg_temp.sombra ({_LISTA_SOMBRA}) FROM STDIN"
_MEZCLA_SOMBRA = f"""
INSERT INTO comparacion_sombra ({_LISTA_SOMBRA})
SELECT {_LISTA_SOMBRA} FROM pg_temp.sombra
ORDER BY propietario_id, timestamp_consumo
ON CONFLICT (propietario_id, timestamp_consumo, version_aspirante) DO UPDATE
SET ({_CAMBIANTES_SOMBRA}) = ROW({_NUEVAS_SOMBRA})
"""
_PARES = """
SELECT severidad_campeon, severidad_aspirante, count(*) FROM comparacion_sombra
WHERE version_aspirante = %s GROUP BY 1, 2
"""
# What COPY's text format takes for itself (PostgreSQL manual, COPY, "Text Format").
_ESCAPE = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def put_online(cursor: Any, topic: str, puntos: Sequence[PuntoOnline]) -> None:
    """Store online models, and forget what of each partition is older than the newest ones."""
    if not puntos:
        return
    # Every writer waits for its partitions in their order: none waits for another for ever.
    unicos = sorted({(p.particion, p.siguiente_offset): p.estado for p in puntos}.items())
    parametros = {
        "topic": topic,
        "particiones": [particion for (particion, _), _ in unicos],
        "offsets": [siguiente for (_, siguiente), _ in unicos],
        "estados": [estado for _, estado in unicos],
        "quedan": PUNTOS_POR_PARTICION,
    }
    cursor.execute(_ESPERA_TURNO, parametros)
    cursor.execute(_GUARDA_PUNTOS, parametros)
    cursor.execute(_OLVIDA_PUNTOS, parametros)


def online_upto(
    cursor: Any, topic: str, particiones: Sequence[int], hasta_offset: Sequence[int]
) -> list[bytes | None]:
    """Return, for each partition i, its state with the greatest offset <= ``hasta_offset[i]``."""
    estados: list[bytes | None] = [None] * len(particiones)
    parametros = {
        "topic": topic,
        "particiones": [int(particion) for particion in particiones],
        "offsets": [int(offset) for offset in hasta_offset],
    }
    cursor.execute(_PUNTOS_HASTA, parametros)
    for indice, estado in cursor:
        # WITH ORDINALITY counts from 1.
        estados[indice - 1] = bytes(estado)
    return estados


def put_shadow(cursor: Any, lecturas: Lecturas, campeon: Veredictos, aspirante: Veredictos) -> int:
    """Store both verdicts where they matter, and return of how many readings."""
    diferencia = np.abs(
        campeon.score_centesimas.astype(np.int64) - aspirante.score_centesimas.astype(np.int64)
    )
    importan = np.flatnonzero(
        (campeon.severidad > 0) | (aspirante.severidad > 0) | (diferencia >= DIFERENCIA_CENTESIMAS)
    )
    if importan.size == 0:
        return 0
    versiones = [
        version.translate(_ESCAPE) for version in (aspirante.version_modelo, campeon.version_modelo)
    ]
    lineas = []
    for i in importan.tolist():
        campos = [
            lecturas.propietario_id[i].translate(_ESCAPE),
            instante(lecturas.hora_utc[i]).isoformat(),
            *versiones,
            str(int(campeon.score_centesimas[i]) / 100),
            str(int(aspirante.score_centesimas[i]) / 100),
            str(SEVERIDADES[campeon.severidad[i]]),
            str(SEVERIDADES[aspirante.severidad[i]]),
        ]
        lineas.append("\t".join(campos) + "\n")
    cursor.execute("SET LOCAL client_min_messages = warning")
    cursor.execute(_CREA_SOMBRA)
    cursor.copy_expert(_COPIA_SOMBRA, io.BytesIO("".join(lineas).encode()))
    cursor.execute(_MEZCLA_SOMBRA)
    return len(lineas)


def shadow_pairs(cursor: Any, version_aspirante: str) -> dict[tuple[str, str], int]:
    """Return how many stored readings have each pair (champion's severidad, challenger's)."""
    cursor.execute(_PARES, (version_aspirante,))
    return {(campeon, aspirante): n for campeon, aspirante, n in cursor}
