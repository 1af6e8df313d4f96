"""The zone of the stored data: ``fecha`` and ``hora`` are local, so it stays while they do.

Whoever opens the stores checks it first, one row read; with another ``ZONA_HORARIA`` months would
be rewritten in silence. The first start over a database stores its own, if what is there agrees,
or at least the latest reading, where no zone agrees with all.
"""

from __future__ import annotations

import logging
from contextlib import closing, suppress
from typing import Any

import numpy as np
import psycopg2.errors

from detection.errors import ConfiguracionError
from pipeline.stores.postgres.connection import connect, guarded, traducidos
from pipeline.stores.watchdog import PREGUNTA
from serving.local_time import load_calendario
from serving.settings import Settings

log = logging.getLogger(__name__)

_GUARDADA = "SELECT valor FROM ajustes WHERE nombre = 'zona_horaria'"
_FIJAR = """
INSERT INTO ajustes (nombre, valor) VALUES ('zona_horaria', %(zona)s) ON CONFLICT DO NOTHING
"""
# All the history of three customers, by the identity's index: both halves of the year. The third
# one has the newest row: the zone of today.
_MIRADAS = """
WITH miradas AS MATERIALIZED (
    SELECT timestamp_consumo, timestamp_procesado, fecha, hora FROM consumos_historia
    WHERE propietario_id = ANY (ARRAY[
        (SELECT propietario_id FROM consumos_historia ORDER BY propietario_id LIMIT 1),
        (SELECT propietario_id FROM consumos_historia ORDER BY propietario_id DESC LIMIT 1),
        (SELECT propietario_id FROM consumos_diarios ORDER BY id DESC LIMIT 1)])
)
"""
_DE_OTRA = """
(fecha, hora) <> ((timestamp_consumo AT TIME ZONE {zona})::date,
    extract(hour FROM timestamp_consumo AT TIME ZONE {zona})::int)
"""
_CUENTA = f"""
{_MIRADAS}
SELECT count(*) FILTER (WHERE otra), count(*),
    (array_agg(otra ORDER BY timestamp_consumo DESC, timestamp_procesado DESC))[1]
FROM (SELECT *, {_DE_OTRA.format(zona="%(zona)s")} AS otra FROM miradas) AS juzgadas
"""
_UNA = f"""
{_MIRADAS}
SELECT timestamp_consumo, fecha, hora FROM miradas WHERE {_DE_OTRA.format(zona="%(zona)s")}
ORDER BY timestamp_consumo DESC LIMIT 1
"""
# Whether there is one that all of them are of.
_HAY_UNA_ZONA = f"""
{_MIRADAS}
SELECT EXISTS (SELECT FROM pg_timezone_names AS z WHERE NOT EXISTS (
    SELECT FROM miradas WHERE {_DE_OTRA.format(zona="z.name")}))
"""
_SALIDA = (
    "póngala como estaba, o empiece con otra base de datos vacía (POSTGRES_DB y MONGO_DB) y "
    "envíe a ella las lecturas: las fechas y horas guardadas son locales"
)


def settle_zone(cursor: Any, settings: Settings) -> None:
    """Return if the data are of the zone in the settings; the first time, store it.

    Where the zone was changed before it was stored no zone is that of all of them: the latest
    reading decides, and the older ones are said.

    ``ConfiguracionError``: they are of another zone.
    """
    zona = {"zona": settings.zona_horaria}
    if _is_stored(cursor, settings):
        return
    cursor.execute(_CUENTA, zona)
    de_otra, miradas, la_ultima = cursor.fetchone()
    if de_otra:
        cursor.execute(_UNA, zona)
        momento, fecha, hora = cursor.fetchone()
        ejemplo = f"la de {momento:%Y-%m-%dT%H:%M%z} está guardada como {fecha} {hora} h"
        cursor.execute(_HAY_UNA_ZONA)
        if la_ultima or cursor.fetchone()[0]:
            raise ConfiguracionError(
                f"ZONA_HORARIA es {settings.zona_horaria}, pero en {settings.postgres_db} hay "
                f"lecturas de otra zona: {ejemplo}; {_SALIDA}"
            )
        log.warning(
            "%d de %d lecturas miradas de %s no son de la zona %s, que es la de la última: %s; sus "
            "fechas y horas quedan como están",
            de_otra,
            miradas,
            settings.postgres_db,
            settings.zona_horaria,
            ejemplo,
        )
    cursor.execute(_FIJAR, zona)


def check_zone(settings: Settings) -> None:
    """Return if the data are of the zone in the settings, or say nothing of it.

    ``ConfiguracionError``: they are of another zone. ``TransientError``: PostgreSQL is away.
    """
    with (
        traducidos(settings),
        closing(connect(settings, "consumo zona", paciencia=PREGUNTA)) as conexion,
        guarded(settings, PREGUNTA, conexion),
        suppress(psycopg2.errors.UndefinedTable),
    ):
        _is_stored(conexion.cursor(), settings)


def _is_stored(cursor: Any, settings: Settings) -> bool:
    """Return whether a zone is stored; raise ``ConfiguracionError`` if it is another one."""
    cursor.execute(_GUARDADA)
    fila = cursor.fetchone()
    if fila is None:
        return False
    if not _same(fila[0], settings.zona_horaria):
        raise ConfiguracionError(
            f"los datos de {settings.postgres_db} están en la zona {fila[0]} y ZONA_HORARIA es "
            f"{settings.zona_horaria}: {_SALIDA}"
        )
    return True


def _same(una: str, otra: str) -> bool:
    """Return whether two zones have the same hours, as two names of one zone have."""
    if una == otra:
        return True
    suya, nuestra = load_calendario(una), load_calendario(otra)
    return bool(np.array_equal(suya.desfase_horas, nuestra.desfase_horas))
