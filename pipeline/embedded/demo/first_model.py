"""The demo's first model: trained on the past that was just stored, judged, and put to work."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from detection.errors import PermanentError
from pipeline.embedded.demo.parts import PLAZO_ORDEN_S, DemoProcesses
from pipeline.embedded.progress import paso
from pipeline.embedded.supervisor import PASO_INSISTIR_S

DIAS_PARA_ENTRENAR = 44
"""Of past: 28 for the windows, one to learn from, 14 held out, and the last one for the model."""
CLIENTES_PARA_ENTRENAR = 10
"""Of fewer, too few are left to learn from, to calibrate on and to be judged on. By hand,
2026-11-24."""


def has_model(carpeta: Path) -> bool:
    """Return whether the consumer of this folder has had a champion."""
    return (carpeta / "modelos" / "campeon.json").exists()


def train_first(consola: Console, procesos: DemoProcesses) -> bool:
    """Train, judge and promote; return whether the consumer scores with a model from now on.

    ``PermanentError``: the training failed, though there was history enough, or the consumer does
    not follow.
    """
    with paso(consola, "Entrenando el primer modelo con el pasado"):
        procesos.run("entrenar")
    with paso(consola, "Comparándolo con las reglas solas"):
        estado, salida = procesos.outcome("promover")
    consola.print(salida.rstrip(), markup=False, highlight=False, soft_wrap=True)
    if estado != 0:
        consola.print("El modelo no pasa el examen: de momento deciden solo las reglas.")
        return False
    limite = time.monotonic() + PLAZO_ORDEN_S
    with paso(consola, "El consumidor toma el modelo"):
        while not has_model(procesos.carpeta):
            if time.monotonic() > limite:
                raise PermanentError("el consumidor no ha tomado el modelo promovido")
            procesos.supervisor.pause(PASO_INSISTIR_S)
    return True
