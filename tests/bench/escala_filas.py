"""What the history in PostgreSQL takes as its rows grow: time to save, time to ask, disk.

Rows come hour after hour, of every customer, as a consumer brings them, so that the indexes are as
full as they get; but all is made by the server itself, which is faster.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from datos import ZONA, make_detector
from escala_memoria import LOTE
from medidas import timed
from postgres_propio import postgres

from detection.domain import Lecturas, hora_absoluta, instante
from detection.errors import PermanentError
from detection.number_format import numero
from detection.params import HORAS_ANILLO
from pipeline.stores.postgres.queries import PostgresQueries
from pipeline.stores.postgres.store import PostgresStore, migrate
from serving.settings import Settings

DESDE = datetime(2026, 1, 1, tzinfo=UTC)
PASOS = 4
HORAS_POR_PASO = 1_000
"""More than a month of each customer, so that all steps are asked for the same."""
FILAS_POR_ORDEN = 500_000
LOTES = 20
LOTES_MINIMOS = 4
FILAS_POR_LOTE = 500_000
"""What is saved to be measured is to be a small part of the rows."""
PREGUNTAS = 60
DIAS_MES = 31
ULTIMAS = 100
RECARGAR = 100
"""Customers whose history a starting consumer asks for at once."""
BYTES_DE_SOBRA = 600.0
"""Disk for each row, with the log of the server and its sorting; measured 350."""

RELLENAR = """
INSERT INTO consumos_diarios (propietario_id, timestamp_consumo, fecha, hora, consumo_kwh,
    anomalia_detectada, score_anomalia, severidad, tipos_anomalia, es_sospechoso,
    consumo_esperado_kwh, version_modelo)
SELECT 'CLI_' || lpad(c::text, 7, '0'), t, (t AT TIME ZONE %(zona)s)::date,
    extract(hour FROM t AT TIME ZONE %(zona)s)::int, round((h * 7919 + c) %% 3000 / 1000.0, 3),
    false, 0.1, 'normal', '{}', false, 1.0, %(version)s
FROM generate_series(%(desde)s, %(hasta)s - 1) AS h
CROSS JOIN LATERAL (SELECT %(inicio)s::timestamptz + h * INTERVAL '1 hour' AS t) AS momento
CROSS JOIN generate_series(0, %(clientes)s - 1) AS c
"""
MESES = """
SELECT crear_particion('consumos_diarios', mes::date) FROM generate_series(
    %s::timestamp, %s::timestamp, '1 month') AS mes
"""
OCUPADO = """
SELECT sum(pg_table_size(relid)), sum(pg_indexes_size(relid))
FROM pg_partition_tree('consumos_diarios') WHERE isleaf
"""


@dataclass(frozen=True, slots=True)
class Paso:
    """What so many rows take.

    Parameters
    ----------
    filas : int
    rellenar_s : float
        Since the step before.
    guardar_ms, repetir_ms : float
        A batch of new readings, and one that is all there already; medians.
    mes_ms, ultimas_ms : float
        A customer's 31 days, and its latest 100 readings; medians.
    recargar_ms : float
        The window of a customer, as a starting consumer asks for it.
    tabla_bytes, indices_bytes : int
    """

    filas: int
    rellenar_s: float
    guardar_ms: float
    repetir_ms: float
    mes_ms: float
    ultimas_ms: float
    recargar_ms: float
    tabla_bytes: int
    indices_bytes: int


def check_disk(carpeta: Path, filas: int) -> None:
    """Return if so many rows fit on the disk; raise otherwise."""
    hacen_falta = filas * BYTES_DE_SOBRA / 1e9
    libres = shutil.disk_usage(carpeta).free / 1e9
    if hacen_falta > libres:
        raise PermanentError(
            f"{numero(filas, 0)} filas piden unos {numero(hacen_falta, 1)} GB de disco y quedan "
            f"{numero(libres, 1)} GB libres en {carpeta}: baje --filas"
        )


def measure_rows(settings: Settings, filas: int, semilla: int) -> Iterator[Paso]:
    """Yield what each quarter of the rows takes."""
    migrate(settings)
    clientes = filas // (PASOS * HORAS_POR_PASO)
    rng = np.random.default_rng(semilla)
    hechas = 0
    lotes = min(LOTES, max(LOTES_MINIMOS, filas // FILAS_POR_LOTE))
    for _ in range(PASOS):
        hasta = hechas + HORAS_POR_PASO
        rellenar_s = timed(_fill, settings, clientes, hechas, hasta)
        horas = -(-(lotes + 1) * LOTE // clientes)
        guardar_ms, repetir_ms = _save(settings, clientes, hasta, horas)
        hechas = hasta + horas
        tabla_bytes, indices_bytes = _occupied(settings)
        mes_ms, ultimas_ms, recargar_ms = _ask(settings, clientes, hechas, rng)
        yield Paso(
            clientes * hechas, rellenar_s, guardar_ms, repetir_ms, mes_ms, ultimas_ms,
            recargar_ms, tabla_bytes, indices_bytes,
        )  # fmt: skip


def _fill(settings: Settings, clientes: int, desde: int, hasta: int) -> None:
    """Insert the hours ``[desde, hasta)`` of all customers."""
    horas = max(1, FILAS_POR_ORDEN // clientes)
    fin = DESDE + timedelta(hours=hasta)
    version = make_detector().version_modelo
    with postgres(settings) as cursor:
        cursor.execute(MESES, (DESDE.replace(tzinfo=None), fin.replace(tzinfo=None)))
        for hora in range(desde, hasta, horas):
            limites = {"desde": hora, "hasta": min(hora + horas, hasta), "inicio": DESDE}
            quienes = {"clientes": clientes, "zona": ZONA, "version": f"banco-1+{version}"}
            cursor.execute(RELLENAR, {**limites, **quienes})
        cursor.execute("VACUUM ANALYZE consumos_diarios")


def _save(settings: Settings, clientes: int, desde: int, horas: int) -> tuple[float, float]:
    """Save the hours that come next, and again; return the time of a batch, new and repeated."""
    detector = make_detector()
    n = clientes * horas
    cual = np.arange(n)
    nombres = [f"CLI_{i:07d}" for i in range(clientes)]
    hora = hora_absoluta(DESDE) + desde + cual // clientes
    lecturas = Lecturas(nombres * horas, hora, np.round((cual * 7919 % 3000) / 1000, 3))
    almacen = PostgresStore(settings)
    nuevas_s, repetidas_s = [], []
    for inicio in range(0, n, LOTE):
        lote = lecturas.elegir(cual[inicio : inicio + LOTE])
        veredictos = detector.score(lote)
        nuevas_s.append(timed(almacen.save, lote, veredictos))
    for inicio in range(0, n, LOTE):
        lote = lecturas.elegir(cual[inicio : inicio + LOTE])
        repetidas_s.append(timed(almacen.save, lote, detector.score(lote)))
    almacen.close()
    # The first one makes what is missing; the last one may not be full.
    return tuple(1e3 * statistics.median(s[1:-1]) for s in (nuevas_s, repetidas_s))


def _ask(
    settings: Settings, clientes: int, horas: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return the time of a customer's month, of its latest readings and of its window, ms."""
    ahora = instante(hora_absoluta(DESDE) + horas)
    consultas = PostgresQueries(settings, reloj=lambda: ahora)
    historial = PostgresStore(settings)
    nombres = [f"CLI_{i:07d}" for i in rng.choice(clientes, PREGUNTAS + 1)]
    limites = (ahora - timedelta(days=DIAS_MES), ahora)
    meses_s = [timed(lambda c: consultas.readings.range(c, *limites), uno) for uno in nombres]
    nombres = [f"CLI_{i:07d}" for i in rng.choice(clientes, PREGUNTAS + 1)]
    ultimas_s = [timed(consultas.readings.latest, uno, ULTIMAS) for uno in nombres]
    recargar_s = []
    for _ in range(6):
        grupo = [f"CLI_{i:07d}" for i in rng.choice(clientes, min(RECARGAR, clientes), False)]
        recargar_s.append(timed(historial.load_latest, grupo, HORAS_ANILLO) / len(grupo))
    consultas.close()
    historial.close()
    # The first one connects and plans.
    medianas = [1e3 * statistics.median(s[1:]) for s in (meses_s, ultimas_s, recargar_s)]
    return medianas[0], medianas[1], medianas[2]


def _occupied(settings: Settings) -> tuple[int, int]:
    with postgres(settings) as cursor:
        cursor.execute(OCUPADO)
        tabla_bytes, indices_bytes = cursor.fetchone()
    return int(tabla_bytes), int(indices_bytes)
