"""What stopping in order promises: signals are noted, groups unwind, a folder has one owner."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from detection.errors import PermanentError
from pipeline.embedded.supervisor import Cerrojo, RestartPolicy, Supervisor
from serving.shutdown import StopRequest, hold_signals


class Miembro:
    """A member of a group that records what happens to it."""

    def __init__(self, nombre: str, diario: list[str], falla: bool = False) -> None:
        self.nombre, self.diario, self.falla = nombre, diario, falla
        self.al_volver = ""
        self.caida: str | None = None

    def caido(self) -> str | None:
        return self.caida

    def lanzar(self) -> None:
        self.diario.append(f"*{self.nombre}")

    def responde(self) -> bool:
        raise PermanentError(f"{self.nombre} terminó por su cuenta")

    def __enter__(self) -> Miembro:
        if self.falla:
            raise PermanentError(f"{self.nombre} no arranca")
        self.diario.append(f"+{self.nombre}")
        return self

    def __exit__(self, *_: object) -> None:
        self.diario.append(f"-{self.nombre}")


def test_group_stops_in_reverse_order() -> None:
    """What started last stops first."""
    diario: list[str] = []
    with Supervisor() as supervisor:
        for nombre in "abc":
            supervisor.start(Miembro(nombre, diario))
    assert diario == ["+a", "+b", "+c", "-c", "-b", "-a"]


def test_a_member_that_fails_stops_those_before_it() -> None:
    """A start that fails half way leaves nothing running."""
    diario: list[str] = []

    def arrancar() -> None:
        with Supervisor() as supervisor:
            supervisor.start(Miembro("a", diario))
            supervisor.start(Miembro("b", diario, falla=True))

    with pytest.raises(PermanentError, match="b no arranca"):
        arrancar()
    assert diario == ["+a", "-a"]


def test_group_notices_a_member_that_ended() -> None:
    """A member that ends and cannot be started again is named, and the others are stopped."""
    diario: list[str] = []
    politica = RestartPolicy(espera_s=0.0, fallos=3)

    def funcionar() -> None:
        with Supervisor(politica=politica) as supervisor:
            supervisor.start(Miembro("a", diario))
            supervisor.start(Miembro("b", diario)).caida = "b terminó por su cuenta"
            supervisor.wait()

    with pytest.raises(PermanentError, match="b terminó"):
        funcionar()
    assert diario == ["+a", "+b", "*b", "*b", "-b", "-a"]


@pytest.mark.parametrize("senal", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_are_noted_not_thrown(senal: signal.Signals) -> None:
    """Ctrl-C, also twice, interrupts nothing while a StopRequest listens, and nothing is left."""
    # Under ``nohup`` one of them is ignored, and that is respected: here none is.
    antes = signal.signal(senal, signal.default_int_handler)
    try:
        with StopRequest() as parada, Supervisor(parada) as supervisor:
            signal.raise_signal(senal)
            signal.raise_signal(senal)
            supervisor.wait()
            assert parada.pedida
        assert signal.getsignal(senal) == signal.default_int_handler
    finally:
        signal.signal(senal, antes)


def test_wait_ends_in_time_without_a_stop() -> None:
    """Waiting for a stop that nobody asks for lasts as long as was asked."""
    inicio = time.monotonic()
    assert not StopRequest().esperar(0.1)
    assert time.monotonic() - inicio >= 0.1


def test_nohup_is_respected() -> None:
    """A process whose hang-up signal is ignored goes on when the terminal closes."""
    antes = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as parada:
            signal.raise_signal(signal.SIGHUP)
            assert not parada.pedida
    finally:
        signal.signal(signal.SIGHUP, antes)


def test_ctrl_c_waits_for_the_stop_to_be_done() -> None:
    """Ctrl-C pressed twice while a group stops is delivered once, when all is stopped."""
    diario: list[str] = []

    class Impaciente(Miembro):
        def __exit__(self, *_: object) -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            super().__exit__()

    def funcionar() -> None:
        with Supervisor() as supervisor:
            supervisor.start(Miembro("a", diario))
            supervisor.start(Impaciente("b", diario))

    antes = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            funcionar()
    finally:
        signal.signal(signal.SIGINT, antes)
    assert diario[-2:] == ["-b", "-a"]


def test_block_without_signals_changes_nothing() -> None:
    """Holding signals back leaves the handlers as they were."""
    antes = signal.getsignal(signal.SIGINT)
    with hold_signals():
        pass
    assert signal.getsignal(signal.SIGINT) == antes


def test_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    """The second to ask for a folder gets one Spanish line with the first one's number."""
    uno = rf"proceso {os.getpid()}\) usa la carpeta"
    with Cerrojo(tmp_path), pytest.raises(PermanentError, match=uno):
        Cerrojo(tmp_path).__enter__()
    with Cerrojo(tmp_path):
        pass
