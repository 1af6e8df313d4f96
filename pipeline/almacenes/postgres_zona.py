"""The zone of the stored data: ``fecha`` and ``hora`` are local, so it stays while they do.

Whoever opens the stores checks it first, one row read; with another ``ZONA_HORARIA`` months would
be rewritten in silence. The first start over a database stores its own, if what is there agrees.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import psycopg2
import psycopg2.errors

from detection.errors import ConfiguracionError
from pipeline.almacenes.postgres_conexion import connect, guarded, traducir
from pipeline.almacenes.watchdog import PREGUNTA
from serving.settings import Settings
from serving.zona import load_calendario

_GUARDADA = "SELECT valor FROM ajustes WHERE nombre = 'zona_horaria'"
_FIJAR = """
INSERT INTO ajustes (nombre, valor) VALUES ('zona_horaria', %(zona)s) ON CONFLICT DO NOTHING
"""
# All the history of two customers, by the identity's index: both halves of the year.
_OTRA = """
SELECT timestamp_consumo, fecha, hora FROM consumos_historia
WHERE propietario_id = ANY (ARRAY[
        (SELECT propietario_id FROM consumos_historia ORDER BY propietario_id LIMIT 1),
        (SELECT propietario_id FROM consumos_historia ORDER BY propietario_id DESC LIMIT 1)])
    AND (fecha, hora) <> ((timestamp_consumo AT TIME ZONE %(zona)s)::date,
        extract(hour FROM timestamp_consumo AT TIME ZONE %(zona)s)::int)
ORDER BY timestamp_consumo LIMIT 1
"""
_SALIDA = (
    "póngala como estaba, o empiece con otra base de datos vacía (POSTGRES_DB y MONGO_DB) y "
    "envíe a ella las lecturas: las fechas y horas guardadas son locales"
)


def settle_zone(cursor: Any, settings: Settings) -> None:
    """Return if the data are of the zone in the settings; the first time, store it.

    Raises
    ------
    ConfiguracionError
        They are of another zone.
    """
    zona = settings.zona_horaria
    if _is_stored(cursor, settings):
        return
    cursor.execute(_OTRA, {"zona": zona})
    fila = cursor.fetchone()
    if fila is not None:
        momento, fecha, hora = fila
        raise ConfiguracionError(
            f"ZONA_HORARIA es {zona}, pero en {settings.postgres_db} hay lecturas de otra zona: la "
            f"de {momento:%Y-%m-%dT%H:%M%z} está guardada como {fecha} {hora} h; {_SALIDA}"
        )
    cursor.execute(_FIJAR, {"zona": zona})


def check_zone(settings: Settings) -> None:
    """Return if the data are of the zone in the settings, or say nothing of it.

    Raises
    ------
    ConfiguracionError
        They are of another zone.
    TransientError
        PostgreSQL is away.
    """
    try:
        with (
            contextlib.closing(connect(settings, "consumo zona", paciencia=PREGUNTA)) as conexion,
            guarded(settings, PREGUNTA, conexion),
            contextlib.suppress(psycopg2.errors.UndefinedTable),
        ):
            _is_stored(conexion.cursor(), settings)
    except psycopg2.Error as error:
        traducido = traducir(settings, error)
        if traducido is not None:
            raise traducido from error
        raise


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
