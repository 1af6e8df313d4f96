"""No room left where PostgreSQL keeps its tables: the consumer waits for room, and says so once."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from apoyo_faltas import (
    ESPERAR,
    Arranque,
    confirmados,
    enviar,
    esperar_filas,
    por_dias,
    recuperacion,
    terminar_bien,
)
from integration.camino import (
    comprobar_exactamente_una_vez,
    comprobar_veredictos,
    conectar,
    esperar,
)

from detection.domain import Lecturas
from pipeline.embedded.services import EmbeddedServices
from serving.settings import Settings

pytestmark = pytest.mark.timeout(240)

HISTORIA_DIAS = 22
DISCO_MB = 48
"""A new database takes 8, its tables and indexes for this test few more."""


@pytest.fixture
def disco(servicios: EmbeddedServices) -> Iterator[Path]:
    """Give a small disk that PostgreSQL may write to."""
    carpeta = servicios.carpeta / "disco"
    carpeta.mkdir()
    orden = ["mount", "-t", "tmpfs", "-o", f"size={DISCO_MB}m", "tmpfs", str(carpeta)]
    try:
        if shutil.which("mount") is None:
            pytest.skip("no hay con qué montar un disco pequeño: falta mount")
        r = subprocess.run(orden, capture_output=True, text=True, check=False, timeout=30)
        if r.returncode:
            pytest.skip(
                f"no se puede montar un disco pequeño (hace falta root): {r.stderr.strip()}"
            )
        duenio = (servicios.carpeta / "postgres").stat()
        os.chown(carpeta, duenio.st_uid, duenio.st_gid)
        try:
            yield carpeta
        finally:
            subprocess.run(["umount", str(carpeta)], check=True, timeout=30)
    finally:
        carpeta.rmdir()


@pytest.fixture
def en_disco(entorno: Settings, disco: Path) -> Iterator[Settings]:
    """Return settings whose database lies on the small disk; the log of its server does not."""
    base = entorno.postgres_db
    with closing(conectar(entorno, "postgres")) as conexion, conexion.cursor() as cursor:
        cursor.execute("CREATE TABLESPACE pequeno LOCATION %s", [str(disco)])
        try:
            cursor.execute(f"ALTER DATABASE {base} SET TABLESPACE pequeno")
            yield entorno
        finally:
            cursor.execute(f"DROP DATABASE {base} WITH (FORCE)")
            cursor.execute("DROP TABLESPACE pequeno")


def _llenar(disco: Path) -> Path:
    """Leave not a byte free; return the file to be removed for room."""
    lastre = disco / "lastre"
    with lastre.open("wb", buffering=0) as f:
        try:
            while f.write(bytes(1 << 16)):
                pass
        except OSError:
            return lastre


def test_sin_sitio_en_el_disco_se_espera_a_que_haya(
    en_disco: Settings,
    variables: dict[str, str],
    disco: Path,
    lecturas: Lecturas,
    arrancar: Arranque,
    record_property: Callable[[str, object], None],
) -> None:
    """Full half way: the reason is told once, the process waits; with room all is stored."""
    proceso, relato = arrancar(variables)
    historia, resto = por_dias(lecturas, HISTORIA_DIAS)
    enviar(en_disco, historia)
    esperar_filas(en_disco, len(historia), relato)
    lastre = _llenar(disco)
    enviar(en_disco, resto)
    sin_sitio = "PostgreSQL en .*: no queda sitio en su disco; se espera y se reintenta"
    esperar(lambda: relato.dice(sin_sitio), "the trouble is told", registros=[relato.ruta])
    assert proceso.poll() is None
    lastre.unlink()
    with recuperacion("disco lleno, desde que hay sitio", record_property):
        esperar_filas(en_disco, len(lecturas), relato)
    esperar(lambda: relato.dice("recuperado tras"), "the recovery is told")
    terminar_bien(proceso, relato)
    assert relato.ruta.read_text().count(ESPERAR) == 1
    assert confirmados(en_disco) == len(lecturas)
    comprobar_exactamente_una_vez(en_disco, lecturas)
    comprobar_veredictos(en_disco, lecturas)
