"""Runs verbs in processes that start in a millisecond: what they import is here already.

``python bifurcador.py`` reads orders, a line of JSON each: a verb, its arguments, the day of today,
and after how many seconds to kill it (null = never). For each it forks a process and says, as JSON,
how that ended (an exit status, or minus the signal that killed it) and after how many seconds.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
from datetime import date

import sqlalchemy
from alembic import command

from pipeline import archivador, restaurador
from serving.cli import run

VERBOS = {"archivar": archivador.main, "restaurar": restaurador.main}
DEFECTO = 99


def work(verbo: str, argv: list[str], hoy: date) -> None:
    """Run a verb in place of this process, which ends with its status."""
    estado = DEFECTO
    try:
        with open(os.devnull, "w") as nada:
            sys.stdout = nada
            estado = run(lambda argumentos: VERBOS[verbo](argumentos, hoy), argv)
    except BaseException:  # noqa: BLE001 - nothing may go on as if it were the parent
        traceback.print_exc()
    finally:
        os._exit(estado)


def wait(pid: int, segundos: float | None) -> int:
    """Return how a process ended, killed if it has not by then."""
    fd = os.pidfd_open(pid)
    acabado, _, _ = select.select([fd], [], [], segundos)
    os.close(fd)
    if not acabado:
        # Not waited for yet, so nobody else has its number.
        os.kill(pid, signal.SIGKILL)
    _, estado = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(estado)


def main() -> None:
    assert command
    assert sqlalchemy  # imported before any fork, like all else
    for linea in sys.stdin:
        verbo, argv, hoy, segundos = json.loads(linea)
        inicio = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            work(verbo, argv, date.fromisoformat(hoy))
        estado = wait(pid, segundos)
        print(json.dumps([estado, time.perf_counter() - inicio]), flush=True)


if __name__ == "__main__":
    main()
