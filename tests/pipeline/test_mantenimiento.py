"""``consumo mantenimiento``: every step in its order, whatever happens to the others."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from apoyo_archivo import ARCHIVO, DIARIOS, Casa, llenar, poner_entorno

from detection.errors import TransientError
from pipeline.jobs.nightly import (
    MESES_ADELANTE,
    Paso,
    ResultadoPaso,
    main,
    maintain,
    make_steps,
    run_child,
    say,
)
from pipeline.stores.months import siguiente
from pipeline.stores.postgres.advisory_lock import exclusive
from serving.cli import FALLO, HECHO, INTERRUMPIDO, run
from serving.settings import Settings
from serving.shutdown import StopRequest

PACIENCIA_S = 20.0


def orden(guion: str) -> list[str]:
    return [sys.executable, "-c", guion]


def paso(nombre: str, guion: str) -> Paso:
    return Paso(nombre, lambda parada: run_child(orden(guion), parada))


def fallar() -> ResultadoPaso:
    raise TransientError("PostgreSQL no responde")


def sigue_vivo(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ---- The steps ----


def test_el_orden_de_la_noche(entorno: Settings) -> None:
    """Months are added up before their readings go; models come last, or not at all."""
    todos = [paso.nombre for paso in make_steps(entorno, con_modelos=True)]
    # reentrenar measures the drift: a step of its own would store the report twice a night.
    assert todos == ["casos", "agregar", "archivar", "particiones", "memoria", "reentrenar"]
    assert [paso.nombre for paso in make_steps(entorno, con_modelos=False)] == todos[:5]


def test_un_paso_que_falla_no_detiene_a_los_demas(
    entorno: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A line each, in order: seconds, status, and what it said, the last line of a failure."""
    pasos = [
        paso("uno", "print('hecho esto'); print('y esto')"),
        paso("dos", "import sys; print('mal'); sys.exit('error: se acabó el disco')"),
        Paso("tres", lambda _: fallar()),
        paso("cuatro", "import os; os.kill(os.getpid(), 9)"),
        paso("cinco", ""),
    ]
    caplog.set_level(logging.INFO, "mantenimiento")
    fallidos = maintain(entorno, pasos, StopRequest())
    assert fallidos == {
        "dos": "se acabó el disco", "tres": "PostgreSQL no responde", "cuatro": "sin explicación"
    }  # fmt: skip
    lineas = [re.sub(r"\d+,\d s", "N s", r.getMessage()) for r in caplog.records]
    assert lineas == [
        "uno: hecho en N s (estado 0): hecho esto; y esto",
        "dos: ha fallado en N s (estado 1): se acabó el disco",
        "tres: ha fallado en N s (estado 1): PostgreSQL no responde",
        "cuatro: ha fallado en N s (estado -9): sin explicación",
        "cinco: hecho en N s (estado 0): sin nada que decir",
    ]
    assert say(pasos, fallidos, 12.3) == (
        "mantenimiento: 2 de 5 pasos sin fallos; fallan dos, tres, cuatro; 12 s"
    )


# ---- Stopping ----


def test_se_para_en_seguida_y_no_deja_nada_en_marcha(
    entorno: Settings, variables: dict[str, str], tmp_path: Path
) -> None:
    """SIGTERM ends the step at work and those after it are not begun; the lock is free."""
    testigo = tmp_path / "pid"
    guion = f"""
import sys
from pipeline.jobs.nightly import Paso, maintain, run_child
from serving.cli import run
from serving.logs import configure_logs
from serving.shutdown import StopRequest
from serving.settings import load_settings
LARGO = "import os, pathlib, time; p = pathlib.Path({str(testigo)!r}); "
LARGO += "p.with_suffix('.a').write_text(str(os.getpid())); p.with_suffix('.a').rename(p); "
LARGO += "time.sleep(60)"

def noche(_argv):
    with StopRequest() as parada:
        orden = [sys.executable, "-c", LARGO]
        pasos = [Paso(n, lambda p: run_child(orden, p)) for n in ("uno", "dos")]
        maintain(load_settings(), pasos, parada)

configure_logs("INFO")
sys.exit(run(noche, []))
"""
    proceso = subprocess.Popen(orden(guion), env=variables, stderr=subprocess.PIPE, text=True)
    limite = time.monotonic() + PACIENCIA_S
    while not testigo.exists():
        assert time.monotonic() < limite
        assert proceso.poll() is None
        time.sleep(0.02)
    inicio = time.monotonic()
    proceso.send_signal(signal.SIGTERM)
    _, dicho = proceso.communicate(timeout=PACIENCIA_S)
    assert time.monotonic() - inicio < 5.0
    assert proceso.returncode == INTERRUMPIDO
    assert "uno: interrumpido" in dicho
    assert "dos" not in dicho
    assert not sigue_vivo(int(testigo.read_text()))
    with exclusive(entorno, "mantenimiento") as libre:
        assert libre


def test_un_paso_que_no_quiere_acabar_se_mata(tmp_path: Path) -> None:
    """A child that ignores SIGTERM has its time, and no more."""
    testigo = tmp_path / "pid"
    guion = (
        "import os, pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"p = pathlib.Path({str(testigo)!r}); p.with_suffix('.a').write_text(str(os.getpid())); "
        "p.with_suffix('.a').rename(p); time.sleep(60)"
    )
    parada = StopRequest()

    def parar() -> None:
        limite = time.monotonic() + PACIENCIA_S
        while not testigo.exists() and time.monotonic() < limite:
            time.sleep(0.01)
        parada.pedir()

    hilo = threading.Thread(target=parar)
    hilo.start()
    with pytest.raises(KeyboardInterrupt):
        run_child(orden(guion), parada, despedida_s=0.2)
    hilo.join()
    assert not sigue_vivo(int(testigo.read_text()))


def test_una_parada_ya_pedida_no_empieza_nada(entorno: Settings) -> None:
    """Between two steps as well."""
    parada = StopRequest()
    hechos: list[str] = []

    def hacer(_parada: StopRequest) -> ResultadoPaso:
        hechos.append("uno")
        parada.pedir()
        return ResultadoPaso(HECHO, "")

    with pytest.raises(KeyboardInterrupt):
        maintain(entorno, [Paso("uno", hacer), Paso("dos", hacer)], parada)
    assert hechos == ["uno"]


# ---- The verb ----


def test_una_noche_de_verdad(entorno: Settings, variables: dict[str, str]) -> None:
    """Months added up, old readings archived, room for the months to come, a line each."""
    meses = [datetime.now(UTC).date().replace(day=1)]
    for _ in range(MESES_ADELANTE):
        meses.append(siguiente(meses[-1]))
    particiones = [f"consumos_diarios_{mes:%Y_%m}" for mes in meses]
    llenar(entorno)
    with closing(Casa(entorno)) as casa:
        casa.sql(f"DROP TABLE {particiones[-1]}")
        hijo = subprocess.run(
            [sys.executable, "-m", "consumo", "mantenimiento", "--sin-modelos"],
            env=variables, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert hijo.returncode == HECHO, hijo.stderr
        lineas = [linea.split(" mantenimiento ")[1] for linea in hijo.stderr.splitlines()]
        pasos = ["casos", "agregar", "archivar", "particiones", "memoria"]
        assert [linea.split(":")[0] for linea in lineas] == pasos
        assert lineas[0].endswith("(estado 0): ninguna hora que juzgar")
        assert "3 meses agregados (2026-02 a 2026-04)" in lineas[1]
        assert "PostgreSQL: 5.664 lecturas archivadas" in lineas[2]
        assert "MongoDB: " in lineas[2]
        assert lineas[3].endswith("(estado 0): 1 nueva")
        assert lineas[4].endswith("(estado 0): nada que olvidar")
        assert hijo.stdout.startswith("mantenimiento: 5 de 5 pasos sin fallos; ")
        assert casa.dias(DIARIOS) == []
        assert len(casa.historia(ARCHIVO)) == len(casa.filas)
        assert casa.base["consumos_mensuales"].count_documents({}) == 12
        for nombre in particiones:
            assert casa.sql("SELECT to_regclass(%s) IS NOT NULL", (nombre,)) == [(True,)]


def test_uno_a_la_vez(
    entorno: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second one says so in a line, and does nothing."""
    poner_entorno(monkeypatch, entorno)
    with exclusive(entorno, "mantenimiento"):
        assert run(main, ["--sin-modelos"]) == FALLO
    salida = capsys.readouterr()
    assert salida.err.splitlines() == ["error: hay otro mantenimiento en marcha; este no hace nada"]
    assert salida.out == ""
