"""The demo's processes beside the servers: generator, consumer, API, dashboard, retraining."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.embedded.demo.first_model import variables_de
from pipeline.embedded.probes import ANFITRION, puerto_del_sistema, puerto_libre, responde_http
from pipeline.embedded.processes import Proceso
from pipeline.embedded.services import EmbeddedServices
from pipeline.embedded.supervisor import Grupo
from serving.shutdown import Parada

PLAZO_S = 120.0
"""By hand, 2026-11-30: the API takes 5 s on two idle cores, 40 s where ten programs share them."""


@dataclass(frozen=True, slots=True)
class _Pieza:
    """A verb; if it serves HTTP: its port's variable, how it is ready, what a visitor opens."""

    nombre: str
    argv: tuple[str, ...]
    variable_puerto: str | None = None
    puerto: int = 0
    lista: str = ""
    visita: str = ""


_PIEZAS = (
    _Pieza("generador", ("generador",), "GENERADOR_PORT", 8000, "/health", "/docs"),
    _Pieza("consumidor", ("consumir",)),
    _Pieza("API", ("api",), "API_PORT", 8001, "/salud/viva", "/docs"),
    _Pieza("tablero", ("tablero",), "TABLERO_PORT", 8501, "/_stcore/health"),
)
_REENTRENAMIENTO = _Pieza("reentrenamiento", ("reentrenar", "--cada", "24"))


class Piezas:
    """Starts the demo's processes, in their group.

    Parameters
    ----------
    grupo, parada : Grupo, Parada
    servicios : EmbeddedServices
        Started.
    avisar : callable
        Told in Spanish what is being started.
    """

    def __init__(
        self,
        grupo: Grupo,
        parada: Parada,
        servicios: EmbeddedServices,
        avisar: Callable[[str], None],
    ) -> None:
        self._grupo = grupo
        self._parada = parada
        self._servicios = servicios
        self._avisar = avisar
        self._entorno: dict[str, str] = {}
        self.clave = _key(servicios.carpeta)
        self.direcciones: dict[str, str] = {}

    def start(self) -> Mapping[str, str]:
        """Start all but the retraining, and return the environment that they have."""
        huella = hashlib.sha256(self.clave.encode()).hexdigest()
        self._entorno = {
            **os.environ,
            **self._servicios.variables(),
            **variables_de(self._servicios.carpeta),
            "API_CLAVES": f"demo:administracion:{huella}",
        }
        for pieza in _PIEZAS:
            listo: Callable[[], bool] | None = None
            if pieza.variable_puerto:
                puerto = pieza.puerto if puerto_libre(pieza.puerto) else puerto_del_sistema()
                self._entorno[pieza.variable_puerto] = str(puerto)
                self.direcciones[pieza.nombre] = f"http://{ANFITRION}:{puerto}{pieza.visita}"
                listo = _answers(puerto, pieza.lista)
            self._avisar(f"Arrancando {pieza.nombre}")
            self._start(pieza, listo)
        # The first thing to look at, first.
        self.direcciones = {"tablero": self.direcciones.pop("tablero"), **self.direcciones}
        for nombre, puerto in self._servicios.puertos.items():
            web = "http://" if nombre == "MLflow" else ""
            self.direcciones[nombre] = f"{web}{ANFITRION}:{puerto}"
        return self._entorno

    def start_retraining(self) -> None:
        """Look every day whether the model should be trained again."""
        self._start(_REENTRENAMIENTO, None)

    def _start(self, pieza: _Pieza, listo: Callable[[], bool] | None) -> None:
        self._grupo.entrar(
            Proceso(
                pieza.nombre,
                [sys.executable, "-m", "consumo", *pieza.argv],
                self._servicios.carpeta / "procesos",
                env=dict(self._entorno),
                listo=listo,
                plazo_s=PLAZO_S,
                parada=self._parada,
            )
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
