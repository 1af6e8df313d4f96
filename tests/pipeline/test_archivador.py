"""``consumo archivar``: what it moves, what it says, and what it does when something is away."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import date, timedelta
from pathlib import Path

import pytest
from apoyo_archivo import (
    ARCHIVADAS,
    ARCHIVO,
    DIARIOS,
    HOY,
    PRIMER_DIA,
    VIVAS,
    Casa,
    dias_entre,
    llenar,
    poner_entorno,
)
from bases import base_llena

from pipeline.archivador import main
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.postgres.advisory_lock import exclusive
from serving.cli import FALLO, HECHO, MAL_USO, run
from serving.settings import Settings

AYER = HOY - timedelta(days=1)


def archivar(*argv: str) -> int:
    """Return the exit status of the verb on the day ``HOY``."""
    return run(lambda argumentos: main(argumentos, HOY), argv)


def sin_nadie() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as enchufe:
        enchufe.bind(("127.0.0.1", 0))
        return int(enchufe.getsockname()[1])


@pytest.fixture
def entorno(servicios: EmbeddedServices) -> Iterator[Settings]:
    """Give two months of readings and anomalies, copied."""
    with base_llena(servicios, llenar) as (settings, _):
        yield settings


@pytest.fixture
def casa(entorno: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Casa]:
    poner_entorno(monkeypatch, entorno)
    with closing(Casa(entorno)) as abierta:
        yield abierta


@pytest.mark.parametrize(("argv", "dias"), [((), 30), (("--agresivo",), 7), (("--dias", "2"), 2)])
def test_se_archiva_lo_de_hace_mas_de_n_dias(
    casa: Casa, argv: Sequence[str], dias: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """In both stores, each whole local day; one line each says what; again there is nothing."""
    limite = HOY - timedelta(days=dias)
    assert archivar(*argv) == HECHO
    lineas = capsys.readouterr().out.splitlines()
    viejos = dias_entre(PRIMER_DIA, limite - timedelta(days=1))
    assert casa.dias(ARCHIVO) == viejos
    assert casa.dias(DIARIOS) == dias_entre(limite, HOY)
    assert max(casa.dias_de_anomalias(ARCHIVADAS)) < limite <= min(casa.dias_de_anomalias(VIVAS))
    casa.intacta()
    lecturas, anomalias = (
        len(casa.historia(ARCHIVO)),
        casa.base[ARCHIVADAS].count_documents({}),
    )
    miles = f"{lecturas:,}".replace(",", ".")
    assert lineas[0].startswith(f"PostgreSQL: {miles} lecturas archivadas, de antes del {limite}; ")
    assert lineas[1].startswith(f"MongoDB: {anomalias} anomalías archivadas, de antes del {limite}")
    assert all("MB liberados" in linea and "/s)" in linea for linea in lineas)
    assert archivar(*argv) == HECHO
    assert capsys.readouterr().out.splitlines() == [
        f"PostgreSQL: no hay lecturas que archivar de antes del {limite}",
        f"MongoDB: no hay anomalías que archivar de antes del {limite}",
    ]
    registro = casa.sql("SELECT estado, registros_movidos FROM log_archivado ORDER BY id")
    assert registro == [("completado", lecturas), ("completado", 0)]
    apuntes = casa.base["log_archivado_mongo"].find().sort("fecha_archivado", 1)
    assert [(d["estado"], d["documentos_movidos"]) for d in apuntes] == [
        ("completado", anomalias),
        ("completado", 0),
    ]


@pytest.mark.parametrize("solo", ["postgres", "mongodb"])
def test_solo_un_almacen(casa: Casa, solo: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The other one is not touched, nor spoken of."""
    assert archivar(f"--solo-{solo}") == HECHO
    (linea,) = capsys.readouterr().out.splitlines()
    assert linea.startswith({"postgres": "PostgreSQL: ", "mongodb": "MongoDB: "}[solo])
    assert bool(casa.dias(ARCHIVO)) == (solo == "postgres")
    assert bool(casa.anomalias(ARCHIVADAS)) == (solo == "mongodb")


def test_el_reporte_dice_lo_que_haria_y_no_lo_hace(
    casa: Casa, capsys: pytest.CaptureFixture[str]
) -> None:
    """Month by month, the readings, days and space of both; then that is what moves."""
    assert archivar("--reporte") == HECHO
    texto = capsys.readouterr().out
    assert (casa.historia(DIARIOS), casa.anomalias(VIVAS)) == (casa.filas, casa.documentos)
    assert "lecturas que se archivarían, de antes del 2026-03-11" in texto
    assert "anomalías que se archivarían, de antes del 2026-03-11" in texto
    filas = [linea.split() for linea in texto.splitlines()]
    meses = [f for f in filas if f[:1] in (["2026-02"], ["2026-03"])]
    totales = [f[1] for f in filas if f[:1] == ["total"]]
    assert meses[0][:4] == ["2026-02", "1.820", "2026-02-10", "2026-02-28"]
    assert meses[1][:4] == ["2026-03", "960", "2026-03-01", "2026-03-10"]
    assert "crítica" in meses[2]
    archivar()
    dicho = [linea.split()[1] for linea in capsys.readouterr().out.splitlines()]
    assert totales == dicho
    assert archivar("--reporte") == HECHO
    vacio = [linea.split() for linea in capsys.readouterr().out.splitlines()]
    assert [f[1] for f in vacio if f[:1] == ["total"]] == ["0", "0"]


def test_si_falta_mongodb_se_archivan_las_lecturas(
    casa: Casa, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear line, exit status 1, and what could be done is done; next time the rest is."""
    with monkeypatch.context() as parche:
        parche.setenv("MONGO_PORT", str(sin_nadie()))
        assert archivar() == FALLO
    salida = capsys.readouterr()
    assert salida.out.startswith("PostgreSQL: 2.780 lecturas archivadas")
    (linea,) = salida.err.splitlines()
    assert linea.startswith("error: MongoDB en 127.0.0.1:")
    assert archivar() == HECHO
    assert casa.anomalias(ARCHIVADAS)
    casa.intacta()


@pytest.mark.parametrize("argv", [(), ("--solo-mongodb",)])
def test_sin_postgresql_no_hay_cerrojo_y_no_se_mueve_nada(
    casa: Casa,
    argv: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without the lock nobody can tell that no restorer is at work: one clear line, status 1."""
    monkeypatch.setenv("POSTGRES_PORT", str(sin_nadie()))
    assert archivar(*argv) == FALLO
    salida = capsys.readouterr()
    assert salida.out == ""
    (linea,) = salida.err.splitlines()
    assert "PostgreSQL" in linea
    assert "no responde" in linea
    assert casa.anomalias(ARCHIVADAS) == []


def test_uno_a_la_vez(casa: Casa, capsys: pytest.CaptureFixture[str]) -> None:
    """While another one is at work nothing moves, and a report is still given."""
    with exclusive(casa.entorno, "archivado"):
        assert archivar() == FALLO
        assert "otro archivado o restauración" in capsys.readouterr().err
        assert archivar("--reporte") == HECHO
    assert casa.dias(ARCHIVO) == []
    assert archivar() == HECHO


@pytest.mark.parametrize(
    ("argv", "texto"),
    [
        (("--dias", "1"), "el mínimo es 2, porque las lecturas de hoy y de ayer todavía llegan"),
        (("--dias", "siete"), "«siete» no es un número entero"),
        (("--dias", "99999"), "el máximo 36500"),
        (("--dias", "8", "--agresivo"), "--agresivo no se admite junto a --dias"),
        (("--solo-postgres", "--solo-mongodb"), "no se admite junto a"),
    ],
)
def test_mal_uso(argv: Sequence[str], texto: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused before anything is connected to, with the reason."""
    with pytest.raises(SystemExit) as fin:
        archivar(*argv)
    assert fin.value.code == MAL_USO
    assert texto in capsys.readouterr().err


def test_como_lo_escribe_la_especificacion_y_con_barra(
    casa: Casa, variables: dict[str, str], raiz: Path
) -> None:
    """``python archivador.py --agresivo`` on a terminal shows how far it is."""
    amo, esclavo = pty.openpty()
    with ThreadPoolExecutor(1) as hilo:
        # As it is shown: a terminal that nobody reads is full after 4 KB.
        mirada = hilo.submit(_leer_todo, amo)
        hijo = subprocess.run(
            [sys.executable, str(raiz / "pipeline" / "archivador.py"), "--agresivo"],
            env={**variables, "TERM": "xterm", "COLUMNS": "100"},
            stdout=subprocess.PIPE, stderr=esclavo, text=True, timeout=60, check=False,
        )  # fmt: skip
        os.close(esclavo)
        visto = mirada.result().decode()
    os.close(amo)
    assert hijo.returncode == HECHO, visto
    assert "PostgreSQL: archivando" in visto
    assert "100%" in visto
    # On the real today all of it is old.
    assert casa.dias(DIARIOS) == []
    assert hijo.stdout.startswith("PostgreSQL: 5.664 lecturas archivadas")
    casa.intacta()


def _leer_todo(amo: int) -> bytes:
    """Return what is shown on a terminal until nobody writes there any more."""
    visto = b""
    with suppress(OSError):
        while trozo := os.read(amo, 4096):
            visto += trozo
    return visto


def test_lo_que_llega_tarde_va_al_archivo(casa: Casa) -> None:
    """A reading of an archived day, with its anomaly, is stored where its day lives."""
    archivar("--dias", "2")
    momento = casa.documentos[0]["timestamp_consumo"]
    hora_utc = int(momento.timestamp()) // 3600
    casa.guardar([("TARDE", hora_utc)], [9.0], [4])
    for tabla, n in ((DIARIOS, 0), (ARCHIVO, 1)):
        assert len(casa.sql(f"SELECT 1 FROM {tabla} WHERE propietario_id = 'TARDE'")) == n
    assert casa.base[VIVAS].count_documents({"propietario_id": "TARDE"}) == 0
    assert casa.base[ARCHIVADAS].count_documents({"propietario_id": "TARDE"}) == 1
    assert casa.dias(DIARIOS) == [AYER - timedelta(days=1), AYER, date(2026, 4, 10)]
