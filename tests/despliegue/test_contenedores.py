"""Every container's command, variables and health check, as plain processes from compose itself."""

from __future__ import annotations

import http.client
import json
import shlex
import signal
import socketserver
import subprocess
import threading
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from apoyo_compose import (
    Sitio,
    kill_group,
    load_servicios,
    make_app,
    nuestros,
    run_sql_inicial,
    segundos,
)

from detection.errors import TransientError
from pipeline.embedded.postgres import programa_pg
from pipeline.embedded.probes import ANFITRION, puerto_del_sistema
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.postgres.store import PostgresStore
from serving.settings import Settings

pytestmark = pytest.mark.timeout(600)

PLAZO_S = 240.0
"""For a busy machine; alone, all of it is up in 15 s."""
BASE = "t_despliegue"
VARIABLES = {
    "POSTGRES_USER": "aplicacion", "POSTGRES_PASSWORD": "z8-Kq-larga", "POSTGRES_DB": BASE,
    "MONGO_PASSWORD": "otra-distinta", "MONGO_DB": BASE, "KAFKA_PARTICIONES": "2",
    "KAFKA_TOPIC": "consumos-data-t-despliegue", "KAFKA_GRUPO": "t-despliegue",
}  # fmt: skip
"""What a ``.env`` would say."""
ESCUCHAN = {
    "mlflow": 5000,
    "data-generator": 8000,
    "consumer": 9100,
    "backend": 8001,
    "frontend": 8501,
}
"""Where our servers listen inside the compose network."""
ORDENES = (
    "docker exec consumo-producer python producer.py --mode once --clients 50",
    "docker exec consumo-consumer python aggregator.py 2026-01",
    "docker exec consumo-consumer python archivador.py --reporte",
    "docker exec consumo-consumer python archivador.py --agresivo",
    "docker exec consumo-consumer python restaurador.py --listar",
)
"""The specification's commands, one for each script, as typed."""
DIAS_DE_DEMO = 2
"""Instead of its 84: what comes out is the same, and the machine has other tests to run."""
LECTURAS_DE_LA_DEMO = 50 * 24 * DIAS_DE_DEMO
TERMINADO_POR_LA_SENAL = -signal.SIGTERM
"""How programs end that do not look at it; Docker says 143."""

SERVICIOS = load_servicios(VARIABLES)
SIEMPRE = {n: s for n, s in nuestros(SERVICIOS).items() if s["restart"] != "no"}
cada_uno = pytest.mark.parametrize("nombre", sorted(SIEMPRE))


@dataclass
class Vida:
    """What was seen from the start of all containers to their end."""

    enfermos: dict[str, str | None] = field(default_factory=dict)
    ordenes: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)
    respuestas: dict[str, tuple[int, Any]] = field(default_factory=dict)
    finales: dict[str, tuple[int | None, float]] = field(default_factory=dict)
    registros: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def sitio(servicios: EmbeddedServices, tmp_path_factory: pytest.TempPathFactory) -> Sitio:
    """Give the image's folders, and the compose network's names as addresses of this machine."""
    carpeta = tmp_path_factory.mktemp("despliegue")
    datos = carpeta / "datos"
    for nombre in ("mlflow", "modelos"):
        (datos / nombre).mkdir(parents=True)
    propias = servicios.variables()
    puertos = {str(p): str(puerto_del_sistema()) for p in ESCUCHAN.values()}
    enteros = {
        **puertos,
        "postgres": propias["POSTGRES_HOST"],
        "5432": propias["POSTGRES_PORT"],
        "mongodb": propias["MONGO_HOST"],
        "27017": propias["MONGO_PORT"],
    }
    trozos = {
        "mlflow:5000": f"{ANFITRION}:{puertos['5000']}",
        "--port=5000": f"--port={puertos['5000']}",
        "backend:8001": f"{ANFITRION}:{puertos['8001']}",
        "kafka:9092": propias["KAFKA_BROKER"],
        "/tcp/mongodb/27017": f"/tcp/{ANFITRION}/{propias['MONGO_PORT']}",
        "/tcp/127.0.0.1/9092": f"/tcp/{propias['KAFKA_BROKER'].replace(':', '/')}",
        "127.0.0.1 -p 5432": f"{ANFITRION} -p {propias['POSTGRES_PORT']}",
        "--dias 84": f"--dias {DIAS_DE_DEMO}",
        "/datos": str(datos),
    }

    def traducir(texto: str) -> str:
        if texto in enteros:
            return enteros[texto]
        for de, a in trozos.items():
            texto = texto.replace(de, a)
        return texto

    # The embedded MongoDB has no users.
    return Sitio(make_app(carpeta), datos, traducir, {"MONGO_USER": "", "MONGO_PASSWORD": ""})


@pytest.fixture(scope="module")
def vida(servicios: EmbeddedServices, sitio: Sitio) -> Vida:
    """Return what was seen while all our containers lived, from ``up`` to ``down``."""
    return _live(servicios, sitio, SIEMPRE)


@pytest.fixture(scope="module")
def vida_corta(servicios: EmbeddedServices, sitio: Sitio) -> Vida:
    """Return what was seen while the two lived that everybody waits for."""
    return _live(servicios, sitio, {nombre: SIEMPRE[nombre] for nombre in ("consumer", "backend")})


def _live(servicios: EmbeddedServices, sitio: Sitio, cuales: Mapping[str, Any]) -> Vida:
    """Start containers, wait until they are healthy, use them if they are all, and stop them."""
    servicios.crear_base(BASE)
    visto = Vida()
    procesos: dict[str, subprocess.Popen[bytes]] = {}
    try:
        run_sql_inicial(servicios, BASE, VARIABLES["POSTGRES_USER"], VARIABLES["POSTGRES_PASSWORD"])
        for nombre, servicio in cuales.items():
            procesos[nombre] = sitio.start(servicio, sitio.datos / f"{nombre}.log")
        # The slow checks last: by then they pass at once.
        for nombre in sorted(cuales, key=lambda n: (n not in ESCUCHAN, n == "mantenimiento")):
            visto.enfermos[nombre] = sitio.await_healthy(cuales[nombre], procesos[nombre], PLAZO_S)
        if cuales is SIEMPRE and not any(visto.enfermos.values()):
            _use(sitio, visto)
        _stop(procesos, visto)
        for nombre in procesos:
            visto.registros[nombre] = (sitio.datos / f"{nombre}.log").read_text()
        return visto
    finally:
        for proceso in procesos.values():
            kill_group(proceso)
        servicios.borrar_base(BASE)


def _use(sitio: Sitio, visto: Vida) -> None:
    """Wait for the demo's readings, run the specification's commands, ask the servers."""
    settings = _settings(sitio)
    almacen = PostgresStore(settings)
    limite = time.monotonic() + PLAZO_S
    while _stored(almacen) < LECTURAS_DE_LA_DEMO and time.monotonic() < limite:
        time.sleep(0.5)
    almacen.close()
    for linea in ORDENES:
        _, _, contenedor, *orden = shlex.split(linea)
        servicio = SERVICIOS[contenedor.removeprefix("consumo-")]
        visto.ordenes[linea] = sitio.execute(servicio, orden, PLAZO_S)
    for nombre, ruta in (
        ("data-generator", "/generar/cliente/CLI_00001"),
        ("backend", "/api/consumos/últimas24h/CLI_00001"),
        ("backend", "/salud"),
    ):
        visto.respuestas[ruta] = _get(sitio, nombre, ruta)


def _settings(sitio: Sitio) -> Settings:
    """Return the consumer's settings."""
    entorno = sitio.entorno(SERVICIOS["consumer"])
    return Settings.model_validate({k.lower(): v for k, v in entorno.items()})


def _stored(almacen: PostgresStore) -> int:
    try:
        return int(almacen.contar()["lecturas"])
    except TransientError:
        return 0


def _get(sitio: Sitio, servicio: str, ruta: str) -> tuple[int, Any]:
    """Return status and JSON of a GET to a service's port."""
    puerto = int(sitio.traducir(str(ESCUCHAN[servicio])))
    conexion = http.client.HTTPConnection(ANFITRION, puerto, timeout=30)
    conexion.request("GET", quote(ruta))
    respuesta = conexion.getresponse()
    return respuesta.status, json.load(respuesta)


def _stop(procesos: Mapping[str, subprocess.Popen[bytes]], visto: Vida) -> None:
    """Ask all to end, as ``docker-compose down`` does, and note how and when each did."""
    inicio = time.monotonic()
    for proceso in procesos.values():
        proceso.terminate()
    for nombre, proceso in procesos.items():
        gracia = segundos(SIEMPRE[nombre]["stop_grace_period"])
        try:
            final: int | None = proceso.wait(max(0.0, inicio + gracia - time.monotonic()))
        except subprocess.TimeoutExpired:
            final = None
        visto.finales[nombre] = (final, time.monotonic() - inicio)


def test_el_consumidor_y_la_api_arrancan_y_se_paran(vida_corta: Vida) -> None:
    """With the variables of compose and no others: healthy, gone in time, and no password said."""
    assert vida_corta.enfermos == {"consumer": None, "backend": None}, vida_corta.registros
    assert vida_corta.finales["consumer"][0] == 0
    assert vida_corta.finales["backend"][0] in {0, TERMINADO_POR_LA_SENAL}
    assert "consumidor parado" in vida_corta.registros["consumer"]
    for registro in vida_corta.registros.values():
        assert "Traceback" not in registro
        assert VARIABLES["POSTGRES_PASSWORD"] not in registro


@pytest.mark.lenta
@cada_uno
def test_cada_contenedor_arranca_y_pasa_su_comprobacion(vida: Vida, nombre: str) -> None:
    """With the variables of compose and no others, each comes up and is healthy."""
    assert vida.enfermos[nombre] is None, vida.registros[nombre][-2000:]


@pytest.mark.lenta
@cada_uno
def test_cada_contenedor_se_para_a_tiempo(vida: Vida, nombre: str) -> None:
    """SIGTERM ends each one well within its ``stop_grace_period``: nobody is killed."""
    final, tardo = vida.finales[nombre]
    assert final is not None, f"sigue vivo a los {tardo:.0f} s: {vida.registros[nombre][-2000:]}"
    # Uvicorn says good-bye, and then lets the signal do what it does.
    assert final in {0, TERMINADO_POR_LA_SENAL}
    assert "Traceback" not in vida.registros[nombre]


@pytest.mark.lenta
def test_el_consumidor_se_despide(vida: Vida) -> None:
    """It ends by itself, all that it has read being stored and confirmed."""
    final, _ = vida.finales["consumer"]
    assert final == 0
    assert "consumidor parado" in vida.registros["consumer"]


@pytest.mark.lenta
@pytest.mark.parametrize("linea", ORDENES)
def test_las_ordenes_de_la_especificacion_funcionan_tal_cual(vida: Vida, linea: str) -> None:
    """The specification's ``docker exec`` lines do their work in their containers as typed."""
    hecho = vida.ordenes[linea]
    assert hecho.returncode == 0, hecho.stderr
    assert "Traceback" not in hecho.stderr
    assert hecho.stdout.strip()


@pytest.mark.lenta
def test_el_productor_entrega_lo_que_se_le_pide(vida: Vida) -> None:
    """``--mode once --clients 50`` sends a day of 50 customers, all of it confirmed."""
    dicho = vida.ordenes[ORDENES[0]].stdout
    assert "enviadas 1200 lecturas de 50 clientes; confirmadas 1200" in dicho


@pytest.mark.lenta
def test_las_lecturas_de_la_demo_llegan_a_la_api(vida: Vida) -> None:
    """Demo, Kafka, consumer, PostgreSQL and API: the readings of the first customer come out."""
    estado, cuerpo = vida.respuestas["/api/consumos/últimas24h/CLI_00001"]
    assert estado == 200
    assert "CLI_00001" in json.dumps(cuerpo)
    estado, salud = vida.respuestas["/salud"]
    assert (estado, salud["estado"]) == (200, "bien"), salud


@pytest.mark.lenta
def test_el_generador_contesta_lo_que_dice_la_especificacion(vida: Vida) -> None:
    """A day of a customer."""
    estado, cuerpo = vida.respuestas["/generar/cliente/CLI_00001"]
    assert estado == 200
    assert len(cuerpo) == 24


@pytest.mark.lenta
def test_nadie_escribe_una_contrasena(vida: Vida) -> None:
    """No log of any container holds a password."""
    assert set(vida.registros) == set(SIEMPRE)
    for registro in vida.registros.values():
        assert VARIABLES["POSTGRES_PASSWORD"] not in registro
        assert VARIABLES["MONGO_PASSWORD"] not in registro


@pytest.mark.parametrize(
    ("nombre", "donde"), [("kafka", "/9092"), ("mongodb", "/27017"), ("postgres", "-p 5432")]
)
def test_la_comprobacion_de_un_servidor_lo_reconoce(sitio: Sitio, nombre: str, donde: str) -> None:
    """Each store's health check passes on a real server, and fails where nobody listens."""
    servicio = deepcopy(SERVICIOS[nombre])
    servicio["environment"]["PATH"] = f"{Path(programa_pg('pg_isready')).parent}:/usr/bin:/bin"
    assert sitio.check(servicio).returncode == 0
    orden = servicio["healthcheck"]["test"]
    assert donde in orden[-1]
    nadie = donde.replace(donde.strip("/-p "), str(puerto_del_sistema()))
    orden[-1] = orden[-1].replace(donde, nadie).replace("/tcp/mongodb", "/tcp/127.0.0.1")
    assert sitio.check(servicio).returncode != 0


@pytest.mark.parametrize(
    ("dice", "sano"),
    [
        (b"Zookeeper version: 3.8.4\nLatency min/avg/max: 0/0/0\nMode: standalone\n", True),
        (b"This ZooKeeper instance is not currently serving requests\n", False),
        (b"", False),
    ],
    ids=["atiende", "no atiende", "calla"],
)
def test_la_comprobacion_de_zookeeper_lee_su_respuesta(
    sitio: Sitio, dice: bytes, sano: bool
) -> None:
    """It passes only if the server says in which mode it serves (the answer to ``srvr``)."""

    class Responde(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            assert self.request.recv(4) == b"srvr"
            self.request.sendall(dice)

    with socketserver.TCPServer((ANFITRION, 0), Responde) as servidor:
        hilo = threading.Thread(target=servidor.handle_request)
        hilo.start()
        servicio = deepcopy(SERVICIOS["zookeeper"])
        orden = servicio["healthcheck"]["test"]
        orden[-1] = orden[-1].replace("/2181", f"/{servidor.server_address[1]}")
        assert (sitio.check(servicio).returncode == 0) is sano
        hilo.join()


def test_el_mantenimiento_espera_a_las_tres_y_media(sitio: Sitio, tmp_path: Path) -> None:
    """The nightly container registers the base version, sleeps until 3:30, then works once.

    It is the customers' 3:30; and where the base version cannot be registered, the night comes too.
    """
    consumo = 'echo "consumo $*"; [ "$1" = mantenimiento ]'
    for programa, guion in (("sleep", 'echo "$1"'), ("consumo", consumo)):
        (tmp_path / programa).write_text(f"#!/bin/sh\n{guion}\n")
        (tmp_path / programa).chmod(0o755)
    servicio = load_servicios({"ZONA_HORARIA": "America/Bogota"})["mantenimiento"]
    entorno = {**servicio["environment"], "PATH": f"{tmp_path}:/usr/bin:/bin"}
    antes = time.time()
    r = sitio.execute({**servicio, "environment": entorno}, servicio["command"])
    registra, espera, hace = r.stdout.splitlines()
    assert registra == "consumo promover --base"
    assert 0 <= int(espera) < 86_400
    despierta = datetime.fromtimestamp(antes + int(espera), ZoneInfo("America/Bogota"))
    minutos = despierta.hour * 60 + despierta.minute + despierta.second / 60
    assert abs(minutos - (3 * 60 + 30)) <= 1
    assert hace == "consumo mantenimiento"
