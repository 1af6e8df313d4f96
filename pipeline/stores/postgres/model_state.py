"""The models' own tables: the online model of each partition, and the challenger's shadow.

Every function works inside the caller's transaction, on its cursor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.domain import SEGUNDOS_POR_HORA, SEVERIDADES, Lecturas, Veredictos
from pipeline.stores.ports import DIFERENCIA_CENTESIMAS, PuntoOnline

_GUARDA_PUNTOS = """
INSERT INTO modelo_online AS m (topic, particion, registro, siguiente_offset, estado)
SELECT %(topic)s, * FROM unnest(
    %(particiones)s::int[], %(registros)s::text[], %(offsets)s::bigint[], %(estados)s::bytea[]
)
ON CONFLICT (topic, particion) DO UPDATE
SET registro = excluded.registro, siguiente_offset = excluded.siguiente_offset,
    estado = excluded.estado, guardado = now()
WHERE m.registro <> excluded.registro OR m.siguiente_offset <= excluded.siguiente_offset
"""
_PUNTOS = """
SELECT particion, siguiente_offset, estado FROM modelo_online
WHERE topic = %s AND registro = %s AND particion = ANY(%s::int[])
"""

_GUARDA_SOMBRA = f"""
INSERT INTO comparacion_sombra (
    propietario_id, timestamp_consumo, version_aspirante, version_campeon,
    score_campeon, score_aspirante, severidad_campeon, severidad_aspirante
)
SELECT p.propietario_id, to_timestamp(p.hora * {SEGUNDOS_POR_HORA}), %(aspirante)s, %(campeon)s,
    p.score_campeon / 100.0, p.score_aspirante / 100.0, p.severidad_campeon, p.severidad_aspirante
FROM unnest(
    %(clientes)s::text[], %(horas)s::bigint[], %(scores_campeon)s::int[],
    %(scores_aspirante)s::int[], %(severidades_campeon)s::text[], %(severidades_aspirante)s::text[]
) AS p(
    propietario_id, hora, score_campeon, score_aspirante, severidad_campeon, severidad_aspirante
)
ORDER BY 1, 2
ON CONFLICT (propietario_id, timestamp_consumo, version_aspirante) DO UPDATE SET
    version_campeon = excluded.version_campeon,
    score_campeon = excluded.score_campeon, score_aspirante = excluded.score_aspirante,
    severidad_campeon = excluded.severidad_campeon,
    severidad_aspirante = excluded.severidad_aspirante
"""
# In the order of their identities; a locked row stays where it is, at its ctid.
_ESTABAN_SOMBRA = f"""
SELECT estaba.ctid FROM unnest(%s::text[], %s::bigint[]) AS p(propietario_id, hora)
CROSS JOIN LATERAL (
    SELECT ctid FROM comparacion_sombra AS c
    WHERE c.propietario_id = p.propietario_id AND c.version_aspirante = %s
      AND c.timestamp_consumo = to_timestamp(p.hora * {SEGUNDOS_POR_HORA})
    FOR UPDATE
) AS estaba
"""
_RETIRA_SOMBRA = "DELETE FROM comparacion_sombra WHERE ctid = ANY(%s::tid[])"


def put_online(cursor: Any, topic: str, puntos: Sequence[PuntoOnline]) -> None:
    """Store online models, one of a partition at most, where the store has no newer one."""
    if not puntos:
        return
    # Every writer takes its partitions in their order: none waits for another for ever.
    ordenados = sorted(puntos, key=lambda punto: punto.particion)
    parametros = {
        "topic": topic,
        "particiones": [punto.particion for punto in ordenados],
        "registros": [punto.registro for punto in ordenados],
        "offsets": [punto.siguiente_offset for punto in ordenados],
        "estados": [punto.estado for punto in ordenados],
    }
    cursor.execute(_GUARDA_PUNTOS, parametros)


def get_online(
    cursor: Any, topic: str, registro: str, particiones: Sequence[int]
) -> list[tuple[int, bytes] | None]:
    """Return, for each partition, offset and state of its online model of this log."""
    pedidas = [int(particion) for particion in particiones]
    cursor.execute(_PUNTOS, (topic, registro, pedidas))
    hay = {particion: (siguiente, bytes(estado)) for particion, siguiente, estado in cursor}
    return [hay.get(particion) for particion in pedidas]


def shadow_matters(campeon: Veredictos, aspirante: Veredictos) -> NDArray[np.bool_]:
    """Return (n,) where both verdicts of a reading are worth a row."""
    diferencia = np.abs(
        campeon.score_centesimas.astype(np.int64) - aspirante.score_centesimas.astype(np.int64)
    )
    importa: NDArray[np.bool_] = (
        (campeon.severidad > 0) | (aspirante.severidad > 0) | (diferencia >= DIFERENCIA_CENTESIMAS)
    )
    return importa


def drop_shadow(
    cursor: Any, lecturas: Lecturas, version_aspirante: str, cuales: NDArray[np.int64]
) -> None:
    """Remove what there is of the readings ``cuales`` (k,), by identity, of one challenger."""
    clientes = [lecturas.propietario_id[i] for i in cuales.tolist()]
    horas = lecturas.hora_utc[cuales].tolist()
    cursor.execute(_ESTABAN_SOMBRA, (clientes, horas, version_aspirante))
    sobran = [ctid for (ctid,) in cursor]
    if sobran:
        cursor.execute(_RETIRA_SOMBRA, (sobran,))


def put_shadow(
    cursor: Any,
    lecturas: Lecturas,
    campeon: Veredictos,
    aspirante: Veredictos,
    cuales: NDArray[np.int64],
) -> None:
    """Store both verdicts of the readings ``cuales`` (k,)."""
    cursor.execute(
        _GUARDA_SOMBRA,
        {
            "aspirante": aspirante.version_modelo,
            "campeon": campeon.version_modelo,
            "clientes": [lecturas.propietario_id[i] for i in cuales.tolist()],
            "horas": lecturas.hora_utc[cuales].tolist(),
            "scores_campeon": campeon.score_centesimas[cuales].tolist(),
            "scores_aspirante": aspirante.score_centesimas[cuales].tolist(),
            "severidades_campeon": _words(campeon, cuales),
            "severidades_aspirante": _words(aspirante, cuales),
        },
    )


def _words(veredictos: Veredictos, cuales: NDArray[np.int64]) -> list[str]:
    return [str(SEVERIDADES[severidad]) for severidad in veredictos.severidad[cuales]]
