"""The demo's processes beside the servers: generator, consumer, API, dashboard, its verbs.

Its first model is trained on the past that was just stored, judged, and put to work.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from detection.errors import PermanentError
from pipeline.embedded.probes import ANFITRION, choose_port, responde_http
from pipeline.embedded.processes import Proceso
from pipeline.embedded.progress import paso
from pipeline.embedded.services import EmbeddedServices
from pipeline.embedded.supervisor import PASO_INSISTIR_S

_PLAZO_S = 120.0
"""By hand, 2026-11-30: the API takes 5 s on two idle cores, 40 s where ten programs share them."""
PLAZO_ORDEN_S = 600.0
DESPEDIDA_ORDEN_S = 20.0
"""That a verb may take to undo what it was about to register."""
SONDEO_DEMO_S = 2.0
"""How often the demo's consumer looks for another champion: a visitor does not wait 10 s."""
DIAS_PARA_ENTRENAR = 44
"""Of past: 28 for the windows, one to learn from, 14 held out, and the last one for the model."""
CLIENTES_PARA_ENTRENAR = 10
"""Of fewer, too few are left to learn from, to calibrate on and to be judged on. By hand,
2026-11-24."""


@dataclass(frozen=True, slots=True)
class _DemoPart:
    """A verb; if it serves HTTP: its port's variable, how it is ready, what a visitor opens."""

    nombre: str
    argv: tuple[str, ...]
    variable_puerto: str | None = None
    puerto: int = 0
    lista: str = ""
    visita: str = ""


_PARTES = (
    _DemoPart("generador", ("generador",), "GENERADOR_PORT", 8000, "/health", "/docs"),
    _DemoPart("consumidor", ("consumir",)),
    _DemoPart("API", ("api",), "API_PORT", 8001, "/salud/viva", "/docs"),
    _DemoPart("tablero", ("tablero",), "TABLERO_PORT", 8501, "/_stcore/health"),
)
_REENTRENAMIENTO = _DemoPart("reentrenamiento", ("reentrenar", "--cada", "24"))
_AVISOS = _DemoPart("avisos", ("avisos",))
PUERTOS_PROPIOS = tuple(parte.variable_puerto for parte in _PARTES if parte.variable_puerto)
"""What the other verbs have to know of the demo beside its servers."""


class DemoProcesses:
    """Starts the demo's processes, under the supervisor of its servers, and runs its verbs.

    ``servicios``: started.
    """

    def __init__(self, servicios: EmbeddedServices) -> None:
        self.supervisor = servicios.supervisor
        self.carpeta = servicios.carpeta
        self.clave = _key(self.carpeta)
        self.direcciones: dict[str, str] = {}
        huella = hashlib.sha256(self.clave.encode()).hexdigest()
        self.entorno: dict[str, str] = {
            **os.environ,
            **servicios.variables(),
            "MODELOS_DIR": str(self.carpeta / "modelos"),
            "MODELO_SONDEO_S": str(SONDEO_DEMO_S),
            "API_CLAVES": f"demo:administracion:{huella}",
        }
        self._servidores = servicios.puertos

    def start(self, avisar: Callable[[str], None]) -> None:
        """Start what a visitor needs; ``avisar`` is told in Spanish what is being started."""
        for parte in _PARTES:
            listo: Callable[[], bool] | None = None
            if parte.variable_puerto:
                puerto = choose_port(parte.puerto)
                self.entorno[parte.variable_puerto] = str(puerto)
                self.direcciones[parte.nombre] = f"http://{ANFITRION}:{puerto}{parte.visita}"
                listo = _answers(puerto, parte.lista)
            avisar(f"Arrancando {parte.nombre}")
            self._start(parte, listo)
        # The first thing to look at, first.
        self.direcciones = {"tablero": self.direcciones.pop("tablero"), **self.direcciones}
        for nombre, puerto in self._servidores.items():
            web = "http://" if nombre == "MLflow" else ""
            self.direcciones[nombre] = f"{web}{ANFITRION}:{puerto}"

    def start_retraining(self) -> None:
        """Look every day whether the model should be trained again."""
        self._start(_REENTRENAMIENTO, None)

    def start_alerts(self) -> Path:
        """Tell people what happens; return the log that says what they were told."""
        tablero = f"http://{ANFITRION}:{self.entorno['TABLERO_PORT']}"
        self.entorno["AVISOS_ENLACE"] = self.entorno.get("AVISOS_ENLACE") or tablero
        return self._start(_AVISOS, None).log

    def own_ports(self) -> Mapping[str, str]:
        """Return the variables that lead to what serves HTTP."""
        return {nombre: self.entorno[nombre] for nombre in PUERTOS_PROPIOS}

    def run(self, verbo: str, *opciones: str) -> None:
        """Run a verb to its end.

        ``PermanentError``: it failed, and said why, or did not end in time. ``KeyboardInterrupt``:
        a stop was asked for; the verb has ended.
        """
        estado, salida = self.outcome(verbo, *opciones)
        if estado != 0:
            ultima = salida.rstrip().splitlines()[-1:] or ["sin explicación"]
            raise PermanentError(f"consumo {verbo} ha fallado: {ultima[0].removeprefix('error: ')}")

    def outcome(self, verbo: str, *opciones: str) -> tuple[int, str]:
        """Return exit status and output of a verb, run to its end."""
        orden = self._process(verbo, (verbo, *opciones))
        orden.plazo_s, orden.gracia_s = PLAZO_ORDEN_S, DESPEDIDA_ORDEN_S
        return self.supervisor.run(orden)

    def _start(self, parte: _DemoPart, listo: Callable[[], bool] | None) -> Proceso:
        proceso = self._process(parte.nombre, parte.argv)
        proceso.listo, proceso.plazo_s = listo, _PLAZO_S
        return self.supervisor.start(proceso)

    def _process(self, nombre: str, argv: tuple[str, ...]) -> Proceso:
        return Proceso(
            nombre,
            [sys.executable, "-m", "consumo", *argv],
            self.carpeta / "procesos",
            env=dict(self.entorno),
            parada=self.supervisor.parada,
        )


def _answers(puerto: int, ruta: str) -> Callable[[], bool]:
    return lambda: responde_http(puerto, ruta)


def _key(carpeta: Path) -> str:
    """Return the key of this demo's folder, which a browser may have kept; only we can read it."""
    archivo = carpeta / "clave.txt"
    if not archivo.exists():
        archivo.touch(mode=0o600)
        archivo.write_text("consumo_" + secrets.token_urlsafe(32))
    return archivo.read_text()


def has_model(carpeta: Path) -> bool:
    """Return whether the consumer of this folder has had a champion of its own.

    The first version is the base one.
    """
    archivo = carpeta / "modelos" / "campeon.json"
    return archivo.exists() and int(json.loads(archivo.read_text())["version"]) > 1


def train_first(consola: Console, procesos: DemoProcesses) -> bool:
    """Train, judge and promote; return whether the consumer scores with a model from now on.

    ``PermanentError``: the training failed, though there was history enough, or the consumer does
    not follow.
    """
    with paso(consola, "Registrando la versión de base"):
        procesos.run("promover", "--base")
    with paso(consola, "Entrenando el primer modelo con el pasado"):
        procesos.run("entrenar")
    with paso(consola, "Comparándolo con la versión de base"):
        estado, salida = procesos.outcome("promover")
    consola.print(salida.rstrip(), markup=False, highlight=False, soft_wrap=True)
    if estado != 0:
        consola.print("El modelo no pasa el examen: de momento decide la versión de base.")
        return False
    limite = time.monotonic() + PLAZO_ORDEN_S
    with paso(consola, "El consumidor toma el modelo"):
        while not has_model(procesos.carpeta):
            if time.monotonic() > limite:
                raise PermanentError("el consumidor no ha tomado el modelo promovido")
            procesos.supervisor.pause(PASO_INSISTIR_S)
    return True
