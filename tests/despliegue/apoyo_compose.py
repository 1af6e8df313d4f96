"""docker-compose.yml and Dockerfile as data, and containers as plain processes."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from pipeline.embedded.postgres import programa_pg
from pipeline.embedded.services import EmbeddedServices

RAIZ = Path(__file__).resolve().parents[2]
COMPOSE = RAIZ / "docker-compose.yml"
DOCKERFILE = RAIZ / "Dockerfile"
VARIABLE = re.compile(r"\$\$|\$\{([A-Z_]+):-([^}]*)\}")
"""All that our file uses of Compose's interpolation."""
CADA_S = 1.0
"""Between two looks at a health check."""


def load_crudo() -> dict[str, Any]:
    """Return the compose file with its anchors resolved and its variables as they are written."""
    return dict(yaml.safe_load(COMPOSE.read_text(encoding="utf-8")))


def load_servicios(variables: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Return the services as Compose makes them of a ``.env`` with these variables."""
    valores = variables or {}

    def poner(hallado: re.Match[str]) -> str:
        if hallado[0] == "$$":
            return "$"
        return valores.get(hallado[1]) or hallado[2]

    servicios = transform(load_crudo()["services"], lambda texto: VARIABLE.sub(poner, texto))
    return dict(servicios)


def transform(nodo: Any, funcion: Callable[[str], str]) -> Any:
    """Return a tree of dicts and lists with a function applied to every text in it."""
    if isinstance(nodo, dict):
        return {clave: transform(valor, funcion) for clave, valor in nodo.items()}
    if isinstance(nodo, list):
        return [transform(valor, funcion) for valor in nodo]
    return funcion(nodo) if isinstance(nodo, str) else nodo


def nuestros(servicios: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the services that run our image."""
    return {n: s for n, s in servicios.items() if s.get("build", {}).get("target") == "consumo"}


def segundos(duracion: str) -> float:
    """Return the seconds of a duration as the file writes them: "90s", "5m"."""
    return float(duracion[:-1]) * {"s": 1, "m": 60}[duracion[-1]]


def etapas() -> dict[str, list[tuple[str, str]]]:
    """Return the instructions of each stage of the Dockerfile, in order."""
    texto = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    resultado: dict[str, list[tuple[str, str]]] = {}
    actual: list[tuple[str, str]] = []
    for linea in texto.replace("\\\n", "").splitlines():
        orden, _, resto = linea.strip().partition(" ")
        if orden == "FROM":
            actual = resultado.setdefault(resto.rpartition(" AS ")[2], [])
        if orden:
            actual.append((orden, resto))
    return resultado


def instruccion(etapa: str, orden: str) -> str:
    """Return the one instruction of its kind in a stage, or the last of several."""
    return [resto for nombre, resto in etapas()[etapa] if nombre == orden][-1]


def entorno_de_imagen() -> dict[str, str]:
    """Return the variables that the image sets."""
    partes = shlex.split(instruccion("consumo", "ENV"))
    return dict(parte.split("=", 1) for parte in partes)


def fuentes() -> list[tuple[str, str]]:
    """Return what the image takes from the repository, and where to, relative to /app."""
    copias = [shlex.split(r) for orden, r in etapas()["constructor"] if orden == "COPY"]
    return [(origen, destino) for origen, destino in copias if destino.startswith("./")]


def make_app(carpeta: Path) -> Path:
    """Return a folder laid out like the image's /app, by links to the repository's files.

    Links, so that the loops that the other tests have compiled are found compiled.
    """
    app = carpeta / "app"
    app.mkdir()
    for origen, destino in fuentes():
        hasta = (app / destino / Path(origen).name) if destino == "./" else app / destino
        if (RAIZ / origen).is_dir():
            # A folder of our own: what a process leaves where it works must not land in the house.
            hasta.mkdir()
            for hijo in (RAIZ / origen).iterdir():
                (hasta / hijo.name).symlink_to(hijo)
        else:
            hasta.symlink_to(RAIZ / origen)
    return app


@dataclass(frozen=True, slots=True)
class Sitio:
    """Where processes stand in for containers.

    Parameters
    ----------
    app, datos : Path
        What is /app and /datos in the image.
    traducir : callable
        Turns names and ports of the compose network into those of this machine.
    propias : mapping
        Variables that these servers want otherwise.
    """

    app: Path
    datos: Path
    traducir: Callable[[str], str]
    propias: Mapping[str, str]

    def entorno(self, servicio: Mapping[str, Any]) -> dict[str, str]:
        """Return all the variables of a container, and none of ours."""
        imagen = entorno_de_imagen()
        # The image's own paths; the compiled loops are where the repository has them.
        del imagen["NUMBA_CACHE_DIR"]
        ruta = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        return {
            **imagen,
            "PATH": ruta,
            "PYTHONPATH": str(self.app),
            "HOME": str(self.datos),
            **transform(servicio.get("environment", {}), self.traducir),
            **self.propias,
        }

    @property
    def cwd(self) -> Path:
        """Return where the image's commands run."""
        return self.app / Path(instruccion("consumo", "WORKDIR")).relative_to("/app")

    def start(self, servicio: Mapping[str, Any], registro: Path) -> subprocess.Popen[bytes]:
        """Start a service's command."""
        with registro.open("wb") as salida:
            return subprocess.Popen(
                transform(servicio["command"], self.traducir),
                env=self.entorno(servicio),
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=salida,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def execute(
        self, servicio: Mapping[str, Any], orden: Sequence[str], plazo_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Return how ``docker exec`` of a command would end."""
        return subprocess.run(
            list(orden),
            env=self.entorno(servicio),
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=plazo_s,
            check=False,
        )

    def check(self, servicio: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        """Return how a service's health check ends."""
        salud = servicio["healthcheck"]
        clase, *orden = transform(salud["test"], self.traducir)
        if clase == "CMD-SHELL":
            orden = ["sh", "-c", *orden]
        return self.execute(servicio, orden, segundos(salud["timeout"]))

    def await_healthy(
        self, servicio: Mapping[str, Any], proceso: subprocess.Popen[bytes], plazo_s: float
    ) -> str | None:
        """Return None once the health check passes, and otherwise why it did not in time."""
        limite = time.monotonic() + plazo_s
        ultimo = "sin comprobar"
        while time.monotonic() < limite:
            if proceso.poll() is not None:
                return f"terminó con {proceso.returncode}"
            try:
                resultado = self.check(servicio)
            except subprocess.TimeoutExpired:
                ultimo = "la comprobación tardó demasiado"
            else:
                if resultado.returncode == 0:
                    return None
                ultimo = resultado.stderr[-500:] or f"estado {resultado.returncode}"
            time.sleep(CADA_S)
        return ultimo


def run_sql_inicial(servicios: EmbeddedServices, base: str, usuario: str, clave: str) -> None:
    """Run what the PostgreSQL image runs once its database is made."""
    escribir = next(r for o, r in etapas()["postgres"] if o == "RUN")
    lineas, _, destino = escribir.rpartition(">")
    assert destino.strip().startswith("/docker-entrypoint-initdb.d/")
    sql = subprocess.run(["sh", "-c", lineas], capture_output=True, text=True, check=True).stdout
    variables = servicios.variables()
    r = subprocess.run(
        [programa_pg("psql"), "-X", "-v", "ON_ERROR_STOP=1", "-d", base, "-U", "admin",
         "-h", variables["POSTGRES_HOST"], "-p", variables["POSTGRES_PORT"]],
        input=sql, env={"USUARIO_APLICACION": usuario, "POSTGRES_PASSWORD": clave},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert r.returncode == 0, r.stderr
    assert clave not in r.stdout + r.stderr


def kill_group(proceso: subprocess.Popen[bytes]) -> None:
    """End a process that ``Sitio.start`` started and whatever it has started itself."""
    try:
        os.killpg(proceso.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        proceso.wait()
