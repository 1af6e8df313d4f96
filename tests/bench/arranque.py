"""What starts cost: CPU seconds, wall seconds and memory (``make bench-arranque``).

Each figure is the median of several processes of their own, after one that is not counted: it
compiles the loops, if nobody has, and brings the files into memory. MLflow is away: a consumer that
finds it imports its client too, in a thread, while it opens its stores. The system counts this
process's own memory as a child's, until that has more: what is small is shown as some 20 MB.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import IO

import psutil

from detection.errors import PermanentError
from detection.number_format import numero

RAIZ = Path(__file__).resolve().parents[2]
CONSUMO = (sys.executable, str(RAIZ / "consumo.py"))
CARGA_BASE = (
    "import time; from serving.base_version import load_base\n"
    "antes = time.process_time(); load_base(); print(time.process_time() - antes)"
)
LISTO = "consumidor en marcha"
"""In the line of a consumer's log that says that it begins to read."""
PLAZO_S = 300.0
"""For a first start, which may have to compile everything."""


@dataclass(frozen=True, slots=True)
class Arranque:
    """What one start took."""

    cpu_s: float  # user and system
    pared_s: float
    memoria_mb: float  # resident, the most that it ever was


def run_to_end(orden: Sequence[str]) -> Arranque:
    """Return what a process took that ends by itself.

    ``PermanentError``: it failed.
    """
    inicio = time.perf_counter()
    with subprocess.Popen(orden, cwd=RAIZ, stdout=subprocess.DEVNULL) as proceso:
        _, estado, uso = os.wait4(proceso.pid, 0)
        pared_s = time.perf_counter() - inicio
        proceso.returncode = os.waitstatus_to_exitcode(estado)
    if proceso.returncode:
        raise PermanentError(f"«{' '.join(orden)}» ha fallado")
    return Arranque(uso.ru_utime + uso.ru_stime, pared_s, uso.ru_maxrss * 1024 / 1e6)


def start_consumer(entorno: Mapping[str, str]) -> Arranque:
    """Return what a consumer took until it was ready; it is stopped then.

    ``PermanentError``: it ended before.
    """
    inicio = time.perf_counter()
    with subprocess.Popen(
        [*CONSUMO, "consumir"], cwd=RAIZ, env=entorno, stderr=subprocess.PIPE, text=True
    ) as proceso:
        assert proceso.stderr is not None
        plazo = threading.Timer(PLAZO_S, proceso.kill)
        plazo.start()
        try:
            _read_until(proceso.stderr, LISTO)
            pared_s = time.perf_counter() - inicio
            suyo = psutil.Process(proceso.pid)
            cpu_s, memoria = sum(suyo.cpu_times()[:2]), suyo.memory_info().rss
            proceso.terminate()
            proceso.stderr.read()
        finally:
            plazo.cancel()
            proceso.kill()
    return Arranque(cpu_s, pared_s, memoria / 1e6)


def _read_until(registro: IO[str], texto: str) -> None:
    lineas = []
    for linea in registro:
        if texto in linea:
            return
        lineas.append(linea)
    raise PermanentError(f"el consumidor no ha llegado a leer:\n{''.join(lineas)}")


def show(nombre: str, veces: Sequence[Arranque]) -> None:
    """Print the medians of some starts."""
    print(
        f"{nombre:<38}{numero(median(v.cpu_s for v in veces), 2):>8} s de CPU"
        f"{numero(median(v.pared_s for v in veces), 2):>8} s"
        f"{numero(median(v.memoria_mb for v in veces), 0):>7} MB"
    )


def _call_alone() -> float:
    """Return the CPU seconds of ``load_base`` without those of importing it."""
    return float(subprocess.check_output([sys.executable, "-c", CARGA_BASE], cwd=RAIZ))


def main() -> int:
    """Measure the starts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--veces", type=int, default=5, help="procesos de cada clase")
    veces = parser.parse_args().veces
    print(
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} núcleos, Python "
        f"{platform.python_version()}; medianas de {veces}."
    )
    carga = [sys.executable, "-c", CARGA_BASE]
    for nombre, orden in (
        ("consumo --help", [*CONSUMO, "--help"]),
        ("consumo consumir --help", [*CONSUMO, "consumir", "--help"]),
        ("cargar la versión de base", carga),
    ):
        show(nombre, [run_to_end(orden) for _ in range(1 + veces)][1:])
    # Not before: see what is said of memory at the top.
    from pipeline.embedded.services import EmbeddedServices

    sola = median(_call_alone() for _ in range(veces))
    print(f"{'  sin lo que se importa':<38}{numero(sola, 2):>8} s de CPU")
    with (
        tempfile.TemporaryDirectory() as carpeta,
        EmbeddedServices(Path(carpeta), puertos_libres=True, mlflow=False) as servicios,
    ):
        entorno = {**os.environ, **servicios.variables(), "METRICAS_PORT": "0"}
        entorno["MODELOS_DIR"] = str(Path(carpeta) / "modelos")
        show(
            "un consumidor, hasta que lee", [start_consumer(entorno) for _ in range(1 + veces)][1:]
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
