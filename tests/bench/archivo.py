"""Ten million readings archived, restored and archived again: rate, and memory of the process.

Each step is a child process, as a user starts it. The first one finds months of which nothing is
archived yet, and takes their partitions whole; the other two move reading by reading.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from postgres_propio import postgres
from rich.console import Console
from rich.table import Table

from detection.number_format import numero
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.postgres.store import migrate
from serving.cli import FALLO, HECHO, Parser, entero, run
from serving.settings import Settings

DESDE = datetime(2024, 1, 1, tzinfo=UTC)
"""All is so old that the archiver takes it, whatever today is."""
CLIENTES = 1_000
MEMORIA_MB = 300.0
"""What the process may take at most: the promise."""
TROZO_HORAS = 24 * 30

# A process begins with the peak of the one that starts it, and this one is larger than what it
# measures: a small one stands in between.
LANZAR = """
import resource, subprocess, sys
estado = subprocess.run([sys.executable, "-m", "consumo", *sys.argv[1:]]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(estado)
"""
RELLENAR = """
INSERT INTO consumos_diarios (propietario_id, timestamp_consumo, fecha, hora, consumo_kwh,
    anomalia_detectada, score_anomalia, severidad, tipos_anomalia, es_sospechoso,
    consumo_esperado_kwh, version_modelo)
SELECT 'CLI_' || lpad(c::text, 5, '0'), t, (t AT TIME ZONE 'Europe/Madrid')::date,
    extract(hour FROM t AT TIME ZONE 'Europe/Madrid')::int, round((h * 7919 + c) %% 3000 / 1000.0, 3),
    false, 0.1, 'normal', '{}', false, 1.0, 'banco-1'
FROM generate_series(%(desde)s, %(hasta)s - 1) AS h
CROSS JOIN generate_series(1, %(clientes)s) AS c
CROSS JOIN LATERAL (SELECT %(inicio)s::timestamptz + h * INTERVAL '1 hour' AS t) AS momento
"""  # noqa: E501
MESES = """
SELECT crear_particion('consumos_diarios', mes::date) FROM generate_series(
    %s::timestamp, %s::timestamp, '1 month') AS mes
"""
# One reading of each month is in the archive already, so that no month can go whole.
ESTORBAR = """
DO $$
DECLARE
    parte TEXT;
BEGIN
    UPDATE dias_archivados SET retenido_hasta = NULL;
    FOR parte IN SELECT inhrelid::regclass::text FROM pg_inherits
                 WHERE inhparent = 'consumos_diarios'::regclass LOOP
        PERFORM crear_particion('consumos_diarios_archivo',
            to_date(right(parte, 7), 'YYYY_MM'));
        EXECUTE format('WITH una AS (DELETE FROM %1$I WHERE ctid = (SELECT ctid FROM %1$I LIMIT 1)
            RETURNING *) INSERT INTO consumos_diarios_archivo SELECT * FROM una', parte);
    END LOOP;
END $$
"""
TODAS = "SELECT count(*), sum(id), sum(consumo_kwh) FROM consumos_historia"


@dataclass(frozen=True, slots=True)
class Pasada:
    """A child process that moves readings.

    Parameters
    ----------
    nombre, dicho : str
    estado : int
    segundos : float
        From its start to its end.
    pico_mb : float
        The most memory it had resident.
    entera : bool
        All readings are where they should be.
    """

    nombre: str
    dicho: str
    estado: int
    segundos: float
    pico_mb: float
    entera: bool


def main(argv: Sequence[str]) -> int:
    """Measure, print, and say with the exit status whether the promise holds."""
    parser = Parser("archivo.py", "Mide el ritmo y la memoria de archivar y restaurar.")
    parser.add_argument("--filas", type=entero(50_000), default=10_000_000, metavar="N")
    opciones = parser.parse_args(argv)
    consola = Console(highlight=False, soft_wrap=True)
    with (
        tempfile.TemporaryDirectory() as carpeta,
        EmbeddedServices(Path(carpeta), puertos_libres=True, mlflow=False) as servicios,
    ):
        settings = Settings.model_validate(
            {clave.lower(): valor for clave, valor in servicios.variables().items()}
        )
        entorno = {**os.environ, **servicios.variables()}
        filas, segundos = fill(consola, settings, opciones.filas)
        consola.print(
            f"{date.today()}, {platform.machine()}, {os.cpu_count()} núcleos, Python "
            f"{platform.python_version()}, PostgreSQL embebido; {numero(filas, 0)} lecturas de "
            f"{numero(CLIENTES, 0)} clientes, insertadas en {numero(segundos, 0)} s."
        )
        pasadas = list(move(settings, entorno, filas))
    show(consola, pasadas, filas)
    bien = all(p.estado == HECHO and p.entera and p.pico_mb < MEMORIA_MB for p in pasadas)
    return HECHO if bien else FALLO


def fill(consola: Console, settings: Settings, filas: int) -> tuple[int, float]:
    """Return how many readings were made, and in how many seconds."""
    migrate(settings)
    horas = -(-filas // CLIENTES)
    hasta = DESDE + timedelta(hours=horas)
    inicio = time.perf_counter()
    with consola.status("Llenando la tabla…"), postgres(settings) as cursor:
        cursor.execute(MESES, (DESDE.replace(tzinfo=None), hasta.replace(tzinfo=None)))
        for hora in range(0, horas, TROZO_HORAS):
            cursor.execute(
                RELLENAR,
                {
                    "inicio": DESDE,
                    "desde": hora,
                    "hasta": min(hora + TROZO_HORAS, horas),
                    "clientes": CLIENTES,
                },
            )
        cursor.execute("VACUUM ANALYZE consumos_diarios")
    return horas * CLIENTES, time.perf_counter() - inicio


def move(settings: Settings, entorno: dict[str, str], filas: int) -> Iterator[Pasada]:
    """Give each pass after it is done."""
    with postgres(settings) as cursor:
        cursor.execute(TODAS)
        todas = cursor.fetchone()
    archivar = ("archivar", "--solo-postgres")
    rango = ("--fecha-inicio", "2000-01-01", "--fecha-fin", str(date.today()))
    archivo = "consumos_diarios_archivo"
    for nombre, argv, tabla in (
        ("archivar, meses enteros", archivar, archivo),
        ("restaurar, lectura a lectura", ("restaurar", "--restaurar", *rango), "consumos_diarios"),
        ("archivar, lectura a lectura", archivar, archivo),
    ):
        if nombre == "archivar, lectura a lectura":
            with postgres(settings) as cursor:
                cursor.execute(ESTORBAR)
        dicho, estado, segundos, pico_mb = run_measured(argv, entorno)
        with postgres(settings) as cursor:
            cursor.execute(TODAS)
            iguales = cursor.fetchone() == todas
            cursor.execute(f"SELECT count(*) FROM {tabla}")
            (en_su_sitio,) = cursor.fetchone()
        entera = iguales and en_su_sitio == filas
        yield Pasada(nombre, dicho, estado, segundos, pico_mb, entera)


def run_measured(argv: Sequence[str], entorno: dict[str, str]) -> tuple[str, int, float, float]:
    """Return what a verb said first, its exit status, its seconds and its peak memory, MB."""
    inicio = time.perf_counter()
    hijo = subprocess.run(
        [sys.executable, "-c", LANZAR, *argv],
        env=entorno, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    segundos = time.perf_counter() - inicio
    *dicho, pico = hijo.stdout.splitlines()
    # Linux tells it in kibibytes.
    return (dicho or ["sin explicación"])[0], hijo.returncode, segundos, int(pico) * 1.024e-3


def show(consola: Console, pasadas: Sequence[Pasada], filas: int) -> None:
    """Print what each pass took and said."""
    tabla = Table("", "s", "lecturas/s", "memoria, MB", "íntegras")
    for pasada in pasadas:
        tabla.add_row(
            pasada.nombre,
            numero(pasada.segundos, 1),
            numero(filas / pasada.segundos, 0),
            f"{numero(pasada.pico_mb, 0)} de {numero(MEMORIA_MB, 0)}",
            "sí" if pasada.entera and pasada.estado == HECHO else "NO",
        )
    consola.print(tabla)
    for pasada in pasadas:
        consola.print(pasada.dicho)


if __name__ == "__main__":
    sys.exit(run(main))
