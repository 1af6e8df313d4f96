"""The demo's first model: trained on the past that was just stored, judged, and put to work."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from detection.errors import PermanentError
from pipeline.embedded.demo.delivery import Guardia
from pipeline.embedded.progress import paso

DIAS_MINIMOS = 44
"""Of past: 28 for the windows, one to learn from, 14 held out, and the last one for the model."""
CLIENTES_MINIMOS = 10
"""Of fewer, too few are left to learn from, to calibrate on and to be judged on. By hand,
2026-11-24."""
PLAZO_S = 600.0
DESPEDIDA_S = 20.0
"""That a verb may take to undo what it was about to register."""
SONDEO_DEMO_S = 2.0
"""How often the demo's consumer looks for another champion: a visitor does not wait 10 s."""
PASO_S = 0.2


def variables_de(carpeta: Path) -> dict[str, str]:
    """Return the variables that keep the models of a demo in its own folder."""
    return {"MODELOS_DIR": str(carpeta / "modelos"), "MODELO_SONDEO_S": str(SONDEO_DEMO_S)}


def has_model(carpeta: Path) -> bool:
    """Return whether the consumer of this folder has had a champion."""
    return (carpeta / "modelos" / "campeon.json").exists()


class Verbos:
    """Verbs as processes of their own, run to their end.

    Parameters
    ----------
    carpeta : Path
        The demo's folder, which has their output in its logs.
    entorno : mapping
        Their environment.
    guardia : Guardia
        Keeps the parts that they need running.
    """

    def __init__(self, carpeta: Path, entorno: Mapping[str, str], guardia: Guardia) -> None:
        self.carpeta = carpeta
        self.guardia = guardia
        self._entorno = dict(entorno)

    def run(self, verbo: str) -> None:
        """Run a verb to its end.

        Raises
        ------
        PermanentError
            It failed, and said why, or did not end in time.
        KeyboardInterrupt
            A stop was asked for; the verb has ended.
        """
        estado, salida = self.outcome(verbo)
        if estado != 0:
            ultima = salida.rstrip().splitlines()[-1:] or ["sin explicación"]
            raise PermanentError(f"consumo {verbo} ha fallado: {ultima[0].removeprefix('error: ')}")

    def outcome(self, verbo: str) -> tuple[int, str]:
        """Return exit status and output of a verb, run again if a part was away meanwhile."""
        while True:
            antes = self.guardia.caidas
            estado, salida = self._outcome(verbo)
            self.guardia.watch()
            if estado == 0 or self.guardia.caidas == antes:
                return estado, salida
            while not self.guardia.en_marcha:
                self.guardia.watch(PASO_S)

    def _outcome(self, verbo: str) -> tuple[int, str]:
        archivo = self.carpeta / "procesos" / f"{verbo}.log"
        with archivo.open("w+", encoding="utf-8") as salida:
            proceso = subprocess.Popen(
                [sys.executable, "-m", "consumo", verbo],
                env=self._entorno, stdout=salida, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                limite = time.monotonic() + PLAZO_S
                while proceso.poll() is None:
                    self.guardia.watch(PASO_S)
                    if time.monotonic() > limite:
                        raise PermanentError(f"consumo {verbo} no ha terminado a tiempo")
            finally:
                _end(proceso)
            salida.seek(0)
            return proceso.returncode, salida.read()


def train_first(consola: Console, verbos: Verbos) -> bool:
    """Train, judge and promote; return whether the consumer scores with a model from now on.

    Raises
    ------
    PermanentError
        The training failed, though there was history enough, or the consumer does not follow.
    """
    with paso(consola, "Entrenando el primer modelo con el pasado"):
        verbos.run("entrenar")
    with paso(consola, "Comparándolo con las reglas solas"):
        estado, salida = verbos.outcome("promover")
    consola.print(salida.rstrip(), markup=False, highlight=False, soft_wrap=True)
    if estado != 0:
        consola.print("El modelo no pasa el examen: de momento deciden solo las reglas.")
        return False
    limite = time.monotonic() + PLAZO_S
    with paso(consola, "El consumidor toma el modelo"):
        while not has_model(verbos.carpeta):
            if time.monotonic() > limite:
                raise PermanentError("el consumidor no ha tomado el modelo promovido")
            verbos.guardia.watch(PASO_S)
    return True


def _end(proceso: subprocess.Popen[bytes]) -> None:
    """Let a verb that is still running undo what it has begun; then it has to go."""
    if proceso.poll() is None:
        proceso.terminate()
        try:
            proceso.wait(DESPEDIDA_S)
        except subprocess.TimeoutExpired:
            proceso.kill()
    proceso.wait()
