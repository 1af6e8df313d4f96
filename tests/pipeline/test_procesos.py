"""What a supervised child promises: ready or explained, and never left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from detection.errors import PermanentError
from pipeline.embedded.processes import Proceso, ejecutar, vive
from serving.shutdown import StopRequest

psutil = pytest.importorskip("psutil", reason="psutil viene con el extra [embebido]")

PLAZO_S = 20.0
# Says that it runs by making the file "listo" in its folder, then sleeps.
DORMIR = "import pathlib, time; pathlib.Path('listo').touch(); time.sleep(600)"
SORDO = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {DORMIR}"


def esperar(condicion: Callable[[], bool], plazo_s: float = PLAZO_S) -> bool:
    limite = time.monotonic() + plazo_s
    while not condicion():
        if time.monotonic() > limite:
            return False
        time.sleep(0.02)
    return True


def ha_muerto(pid: int) -> bool:
    try:
        return not vive(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


def hijo(carpeta: Path, codigo: str, **cambios: object) -> Proceso:
    opciones = {"cwd": carpeta, "listo": (carpeta / "listo").exists, "plazo_s": PLAZO_S} | cambios
    return Proceso("hijo", [sys.executable, "-c", codigo], carpeta, **opciones)  # type: ignore[arg-type]


@pytest.fixture
def lanzador(tmp_path: Path, raiz: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start another Python that supervises a child with the given code, as we would."""
    lanzados: list[subprocess.Popen[bytes]] = []

    def lanzar(codigo: str) -> subprocess.Popen[bytes]:
        guion = (
            "import sys, time; from pathlib import Path\n"
            "from pipeline.embedded.processes import Proceso\n"
            f"carpeta = Path({str(tmp_path)!r})\n"
            f"Proceso('hijo', [sys.executable, '-c', {codigo!r}], carpeta, cwd=carpeta,\n"
            "    listo=(carpeta / 'listo').exists).iniciar()\n"
            "(carpeta / 'padre_listo').touch(); time.sleep(600)\n"
        )
        padre = subprocess.Popen(
            [sys.executable, "-c", guion], env={**os.environ, "PYTHONPATH": str(raiz)}
        )
        lanzados.append(padre)
        assert esperar((tmp_path / "padre_listo").exists)
        return padre

    yield lanzar
    for padre in lanzados:
        padre.kill()
        padre.wait()
    with suppress(OSError, ValueError, psutil.NoSuchProcess):
        psutil.Process(json.loads((tmp_path / "hijo.pid").read_text())["pid"]).kill()


def test_runs_while_the_block_runs(tmp_path: Path) -> None:
    """Inside the block the child is ready and runs; after it neither child nor pid file is left."""
    with hijo(tmp_path, DORMIR) as proceso:
        assert (tmp_path / "listo").exists()
        assert proceso.caido() is None
        assert json.loads(proceso.archivo_pid.read_text())["pid"] == proceso.pid
    assert ha_muerto(proceso.pid)
    assert not proceso.archivo_pid.exists()


def test_early_death_is_explained_with_its_log(tmp_path: Path) -> None:
    """A child that ends before it is ready gives one Spanish line with its last words."""
    codigo = "import sys; print('uno'); print('puerto ocupado', file=sys.stderr); sys.exit(3)"
    with pytest.raises(PermanentError) as error:
        hijo(tmp_path, codigo).iniciar()
    texto = str(error.value)
    assert "hijo terminó por su cuenta (código 3)" in texto
    assert "puerto ocupado" in texto
    assert "\n" not in texto


def test_death_by_a_signal_names_the_signal(tmp_path: Path) -> None:
    """The error says which signal ended the child."""
    with pytest.raises(PermanentError, match="señal SIGKILL"):
        hijo(tmp_path, "import os; os.kill(os.getpid(), 9)").iniciar()


def test_an_answer_of_somebody_else_does_not_make_it_ready(tmp_path: Path) -> None:
    """A probe that is met although the child is dead does not count."""
    proceso = hijo(tmp_path, "pass")

    def responde_otro() -> bool:
        return esperar(lambda: proceso.caido() is not None)

    proceso.listo = responde_otro
    with pytest.raises(PermanentError, match="terminó por su cuenta"):
        proceso.iniciar()


def test_not_ready_in_time_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    """A child that never answers is stopped, and the error says how long we waited."""
    proceso = hijo(tmp_path, DORMIR, listo=lambda: False, plazo_s=0.3)
    with pytest.raises(PermanentError, match=r"no está listo tras 0\.3 s"):
        proceso.iniciar()
    assert ha_muerto(proceso.pid)


def test_unknown_program_is_one_spanish_line(tmp_path: Path) -> None:
    """A program that does not exist is our error, not a traceback."""
    with pytest.raises(PermanentError, match="hijo no arranca"):
        Proceso("hijo", [str(tmp_path / "no-existe")], tmp_path).iniciar()


def test_stop_escalates_to_sigkill(tmp_path: Path) -> None:
    """A child deaf to its stop signal is killed after the grace."""
    proceso = hijo(tmp_path, SORDO, gracia_s=0.2)
    proceso.iniciar()
    proceso.detener()
    assert ha_muerto(proceso.pid)
    assert "SIGKILL" in (proceso.caido() or "")


def test_stop_asks_first(tmp_path: Path) -> None:
    """A child that heeds the signal ends in its own way, with its own status."""
    codigo = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); {DORMIR}"
    proceso = hijo(tmp_path, codigo)
    proceso.iniciar()
    proceso.detener()
    assert "código 7" in (proceso.caido() or "")


def test_stop_reaches_what_the_child_started(tmp_path: Path) -> None:
    """Grandchildren in the child's session end with it."""
    codigo = (
        "import pathlib, subprocess, sys, time\n"
        "nieto = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path('nieto').write_text(str(nieto.pid))\n"
        "pathlib.Path('listo').touch(); time.sleep(600)"
    )
    with hijo(tmp_path, codigo):
        nieto = int((tmp_path / "nieto").read_text())
        assert not ha_muerto(nieto)
    assert esperar(lambda: ha_muerto(nieto))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="solo Linux avisa al hijo")
def test_killed_parent_leaves_no_child(
    tmp_path: Path, lanzador: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    """SIGKILL of the supervisor, which cannot clean up, ends the child all the same."""
    padre = lanzador(DORMIR)
    pid = json.loads((tmp_path / "hijo.pid").read_text())["pid"]
    padre.kill()
    assert esperar(lambda: ha_muerto(pid))


def test_leftover_of_a_killed_run_is_reclaimed(
    tmp_path: Path, lanzador: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    """A child that survived its supervisor is stopped before the next one starts."""
    padre = lanzador(SORDO)
    pid = json.loads((tmp_path / "hijo.pid").read_text())["pid"]
    padre.kill()
    padre.wait()
    assert not ha_muerto(pid)
    with hijo(tmp_path, DORMIR, gracia_s=0.2) as proceso:
        assert ha_muerto(pid)
        assert proceso.caido() is None


@pytest.mark.parametrize("contenido", ["", "no es json", "{}", '{"pid": "x"}', "[1]"])
def test_damaged_pid_file_does_not_hinder(tmp_path: Path, contenido: str) -> None:
    """Whatever a cut-off write left in the pid file, the child starts."""
    (tmp_path / "hijo.pid").write_text(contenido)
    with hijo(tmp_path, DORMIR) as proceso:
        assert proceso.caido() is None


def test_a_stranger_with_the_old_number_is_left_alone(tmp_path: Path) -> None:
    """A pid file whose number belongs to another program by now stops nobody."""
    extranio = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        (tmp_path / "hijo.pid").write_text(json.dumps({"pid": extranio.pid, "creado": 1.0}))
        with hijo(tmp_path, DORMIR):
            assert extranio.poll() is None
    finally:
        extranio.kill()
        extranio.wait()


def test_stop_asked_for_during_the_start(tmp_path: Path) -> None:
    """Ctrl-C while the child is not ready yet ends the start, and the child."""
    parada = StopRequest()
    proceso = hijo(tmp_path, "import time; time.sleep(600)", parada=parada)
    temporizador = threading.Timer(0.3, parada.pedir)
    temporizador.start()
    with pytest.raises(KeyboardInterrupt):
        proceso.iniciar()
    temporizador.join()
    assert ha_muerto(proceso.pid)


def test_own_session_keeps_the_terminals_ctrl_c_away(tmp_path: Path) -> None:
    """A Ctrl-C of the terminal goes to our group of processes; the child is not in it."""
    with hijo(tmp_path, DORMIR) as proceso:
        assert os.getpgid(proceso.pid) == proceso.pid != os.getpgrp()


def test_log_of_the_run_before_is_kept(tmp_path: Path) -> None:
    """The log holds this run only; the run before is beside it."""
    for texto in ("primera", "segunda"):
        (tmp_path / "listo").unlink(missing_ok=True)
        with hijo(tmp_path, f"print('{texto}', flush=True); {DORMIR}") as proceso:
            pass
    assert proceso.log.read_text().strip() == "segunda"
    assert (tmp_path / "hijo.anterior.log").read_text().strip() == "primera"


def test_environment_and_signal_are_as_asked(tmp_path: Path) -> None:
    """The child has the environment that it is given, and gets the signal that it wants."""
    codigo = (
        "import os, signal, sys; print(os.environ['SALUDO'], flush=True)\n"
        f"signal.signal(signal.SIGINT, lambda *_: sys.exit(5))\n{DORMIR}"
    )
    entorno = {"PATH": os.environ["PATH"], "SALUDO": "hola"}
    with hijo(tmp_path, codigo, env=entorno, senal=signal.SIGINT) as proceso:
        pass
    assert "código 5" in (proceso.caido() or "")
    assert "hola" in proceso.log.read_text()


def test_short_command_that_fails_is_explained(tmp_path: Path) -> None:
    """A command's failure is one Spanish line with its last words; its success says nothing."""
    log = tmp_path / "orden.log"
    ejecutar("orden", [sys.executable, "-c", "print(input())"], log=log, entrada="eco\n")
    assert log.read_text() == "eco\n"
    with pytest.raises(PermanentError, match=r"orden falló \(código 2\).*sin sitio"):
        ejecutar("orden", [sys.executable, "-c", "print('sin sitio'); exit(2)"], log=log)
    with pytest.raises(PermanentError, match="orden no acaba"):
        ejecutar("orden", [sys.executable, "-c", DORMIR], log=log, cwd=tmp_path, plazo_s=0.3)
    with pytest.raises(PermanentError, match="orden no arranca"):
        ejecutar("orden", [str(tmp_path / "no-existe")], log=log)
