"""MLflow's server for one machine: its web, its registry and its artifacts under one folder.

``python -m mlflow server`` of our own interpreter; the package is not imported here. It is the
slow one of the servers (10 s, two imports of MLflow one after the other), so that starting it
has two steps: launch it first, start what else is needed, and wait for it at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from detection.errors import PermanentError
from pipeline.embedded.postgres import entorno_minimo
from pipeline.embedded.probes import (
    ANFITRION,
    escucha,
    puerto_del_sistema,
    puerto_libre,
    responde_http,
)
from pipeline.embedded.processes import Proceso
from serving.shutdown import Parada

NOMBRE = "MLflow"
PUERTO = 5000
"""Contract 7; where it is taken, the system chooses another."""
INTENTOS = 3
"""Starts of a server: between choosing a free port and using it another program may take it."""
PLAZO_S = 120.0
"""By hand, 2026-11-24: 11 s on two idle cores, ten times that on a slow or busy machine."""
DESPEDIDA_S = 3
"""What an upload that is under way has to end in, when the server is asked to stop."""

# Read in mlflow 3.17: its telemetry heeds both names, and its job runner, for evaluations of
# language models, starts processes of its own unless it is told not to.
ENTORNO: Mapping[str, str] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
    "PYTHONWARNINGS": "ignore",
    "PYTHONSAFEPATH": "1",
}


class ServidorMlflow(AbstractContextManager["ServidorMlflow"]):
    """MLflow's server, running while the block runs, usable after ``esperar`` (main thread).

    Parameters
    ----------
    carpeta : Path
        Its database and artifacts; made if needed. One server at a time.
    registros : Path
        Folder for its log and pid file.
    puerto_elegido : bool
        Let the system choose the port, instead of 5000 where it is free.
    parada : Parada, optional
        A stop asked for while it starts ends the wait with ``KeyboardInterrupt``.

    Examples
    --------
    ::

        with ServidorMlflow(carpeta / "mlflow", carpeta / "procesos") as servidor:
            ...  # start the others
            servidor.esperar()
            requests.get(servidor.uri)
    """

    def __init__(
        self,
        carpeta: Path,
        registros: Path,
        *,
        puerto_elegido: bool = False,
        parada: Parada | None = None,
    ) -> None:
        self.carpeta = carpeta.absolute()
        self.puerto = 0
        self._registros = registros.absolute()
        self._puerto_elegido = puerto_elegido
        self._parada = parada
        self._proceso = self._fabricar()

    @property
    def uri(self) -> str:
        """Return the address that MLflow's clients want."""
        return f"http://{ANFITRION}:{self.puerto}"

    @property
    def nombre(self) -> str:
        """Return what the user calls it."""
        return NOMBRE

    @property
    def al_volver(self) -> str:
        """Return what there is to know of it once it has been started again: nothing."""
        return self._proceso.al_volver

    def caido(self) -> str | None:
        """Return None while it runs, and otherwise one Spanish sentence on how it ended."""
        return self._proceso.caido()

    def lanzar(self) -> None:
        """Start it again, on the same port, without waiting."""
        self._proceso.lanzar()

    def responde(self) -> bool:
        """Return whether it answers, at once; ``PermanentError`` if it ended or is late."""
        return self._proceso.responde()

    def esperar(self) -> None:
        """Return when it answers; on another port if somebody was quicker on the first.

        Raises
        ------
        PermanentError
            It ended before it answered, or it did not answer in time.
        """
        for intento in range(1, INTENTOS + 1):
            try:
                return self._proceso.esperar()
            except PermanentError:
                if intento == INTENTOS or puerto_libre(self.puerto):
                    raise
                self._lanzar()

    def __enter__(self) -> ServidorMlflow:
        self.carpeta.mkdir(parents=True, exist_ok=True)
        self._lanzar()
        return self

    def __exit__(
        self,
        tipo: type[BaseException] | None,
        error: BaseException | None,
        traza: TracebackType | None,
        /,
    ) -> None:
        self._proceso.detener()

    def _lanzar(self) -> None:
        libre = not self._puerto_elegido and puerto_libre(PUERTO)
        self.puerto = PUERTO if libre else puerto_del_sistema()
        self._proceso = self._fabricar()
        self._proceso.lanzar()

    def _fabricar(self) -> Proceso:
        argv = [sys.executable, "-P", "-m", "mlflow", "server"]
        # Relative to its working folder: a path may have what a URI does not allow.
        argv += ["--backend-store-uri", "sqlite:///mlflow.db"]
        argv += ["--serve-artifacts", "--artifacts-destination", "./artefactos"]
        # Hosts and origins that it accepts by default: this machine's, on any port.
        argv += ["--host", ANFITRION, "--port", str(self.puerto), "--workers", "1"]
        opciones = f"--log-level warning --timeout-graceful-shutdown {DESPEDIDA_S}"
        argv += ["--uvicorn-opts", opciones]
        proceso = Proceso(
            NOMBRE,
            argv,
            self._registros,
            env={**entorno_minimo(), **ENTORNO},
            cwd=self.carpeta,
            plazo_s=PLAZO_S,
            parada=self._parada,
        )
        puerto = self.puerto
        # Another program may have taken the port: the answer must be our child's.
        proceso.listo = lambda: escucha(proceso.pid, puerto) and responde_http(puerto, "/health")
        return proceso
