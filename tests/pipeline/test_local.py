"""What the embedded services promise: real servers, kept data, a clean end, one owner a folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg2
import pymongo
import pytest
from confluent_kafka.admin import AdminClient

from detection.errors import PermanentError
from pipeline.embedded.probes import ANFITRION
from pipeline.embedded.processes import vive
from pipeline.embedded.servers import PUERTOS
from pipeline.embedded.services import EmbeddedServices, falta_embebido, main
from serving.cli import MAL_USO
from serving.settings import Settings
from serving.shutdown import StopRequest

psutil = pytest.importorskip("psutil", reason="psutil viene con el extra [embebido]")
pytestmark = [
    pytest.mark.servicios,
    pytest.mark.skipif(falta_embebido() is not None, reason=str(falta_embebido())),
]

PLAZO_S = 60.0
CON_Y_SIN_MLFLOW = pytest.mark.parametrize(
    ("opciones", "cuantas"),
    [(["--sin-mlflow"], 11), pytest.param([], 12, marks=pytest.mark.lenta)],
    ids=["sin MLflow", "con MLflow"],
)
"""The command's options, and how many variables it prints; MLflow's start takes ten seconds."""


def esperar(condicion: Callable[[], bool], plazo_s: float = PLAZO_S) -> bool:
    limite = time.monotonic() + plazo_s
    while not condicion():
        if time.monotonic() > limite:
            return False
        time.sleep(0.02)
    return True


def consultar(variables: dict[str, str], sql: str, usuario: str = "admin") -> list[tuple]:
    conexion = psycopg2.connect(
        host=variables["POSTGRES_HOST"],
        port=variables["POSTGRES_PORT"],
        user=usuario,
        dbname=variables["POSTGRES_DB"],
    )
    try:
        with conexion, conexion.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        conexion.close()


def mongo(variables: dict[str, str]) -> pymongo.MongoClient:
    return pymongo.MongoClient(variables["MONGO_HOST"], int(variables["MONGO_PORT"]), journal=True)


def hijos(carpeta: Path) -> list[int]:
    return [json.loads(p.read_text())["pid"] for p in (carpeta / "procesos").glob("*.pid")]


def con_descendencia(pids: list[int]) -> list[int]:
    """Return servers and what they started: MLflow answers from a child of its own."""
    nietos = [n.pid for pid in pids for n in psutil.Process(pid).children(recursive=True)]
    return pids + nietos


def han_muerto(pids: list[int]) -> bool:
    def muerto(pid: int) -> bool:
        try:
            return not vive(psutil.Process(pid))
        except psutil.NoSuchProcess:
            return True

    return all(map(muerto, pids))


@pytest.fixture
def orden(raiz: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``consumo servicios --datos <tmp>/datos``, and end it at the end."""
    lanzadas: list[subprocess.Popen[str]] = []

    def lanzar(*opciones: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "consumo", "servicios", "--datos", "datos", *opciones]
        entorno = {**os.environ, "PYTHONPATH": str(raiz)}
        lanzada = subprocess.Popen(
            argv,
            cwd=tmp_path,
            env=entorno,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        lanzadas.append(lanzada)
        return lanzada

    yield lanzar
    for lanzada in lanzadas:
        if lanzada.poll() is None:
            lanzada.terminate()
        lanzada.communicate(timeout=PLAZO_S)


def leer_variables(orden: subprocess.Popen[str], cuantas: int = 12) -> dict[str, str]:
    assert orden.stdout is not None
    lineas = [orden.stdout.readline().rstrip("\n") for _ in range(cuantas)]
    return dict(linea.split("=", 1) for linea in lineas)


def test_the_servers_are_real_and_settings_lead_to_them(entorno_vacio: Settings) -> None:
    """Each product's own client library works with the variables, and the names are fresh."""
    entorno = entorno_vacio
    variables = {clave.upper(): str(valor) for clave, valor in entorno.model_dump().items()}
    assert consultar(variables, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [
        (0,)
    ]
    base = mongo(variables)[entorno.mongo_db]
    assert base.list_collection_names() == []
    base.prueba.insert_one({"_id": 1})
    assert base.prueba.count_documents({}) == 1
    temas = AdminClient({"bootstrap.servers": entorno.kafka_broker}).list_topics(timeout=10).topics
    assert entorno.kafka_topic not in temas


def test_saved_means_saved(servicios: EmbeddedServices) -> None:
    """PostgreSQL confirms what is on disk (fsync: see the restart), speaks UTF-8, knows zones."""
    variables = servicios.variables()
    consulta = (
        "SELECT current_setting('synchronous_commit'), "
        "current_setting('server_encoding'), 'crítica'::varchar(7), "
        "extract(hour FROM timestamptz '2026-07-01 00:00+00' AT TIME ZONE 'Europe/Madrid')::int"
    )
    assert consultar(variables, consulta) == [("on", "UTF8", "crítica", 2)]


def test_the_specifications_user_is_known(servicios: EmbeddedServices) -> None:
    """The specification's ``psql -U postgres -d consumo_db`` works."""
    assert consultar(servicios.variables(), "SELECT current_user", "postgres") == [("postgres",)]


def test_only_loopback_listens(servicios: EmbeddedServices) -> None:
    """No server, all of them without passwords, is reachable from another machine."""
    puertos = set(servicios.puertos.values())
    direcciones = {
        c.laddr.ip
        for c in psutil.net_connections("tcp")
        if c.status == psutil.CONN_LISTEN and c.laddr.port in puertos
    }
    assert direcciones == {ANFITRION}


@pytest.mark.parametrize("nombre", ["", "x; DROP", 'a"b', "Mayúscula", "a" * 64])
def test_names_of_databases_are_checked(servicios: EmbeddedServices, nombre: str) -> None:
    """A name that would need quoting is refused."""
    with pytest.raises(PermanentError, match="no vale como nombre"):
        servicios.crear_base(nombre)


def test_restart_on_the_same_data_with_the_ports_taken(tmp_path: Path) -> None:
    """PostgreSQL and MongoDB keep their data; a taken port is replaced by a free one."""
    with EmbeddedServices(tmp_path, puertos_libres=True, mlflow=False) as servicios:
        variables = servicios.variables()
        assert "MLFLOW_TRACKING_URI" not in variables
        assert consultar(variables, "SHOW fsync") == [("on",)]
        assert servicios.archivo_env.read_text().splitlines() == [
            f"{clave}={valor}" for clave, valor in variables.items()
        ]
        consultar(variables, "CREATE TABLE t AS SELECT 1.25::numeric AS kwh")
        mongo(variables)[variables["MONGO_DB"]].t.insert_one({"_id": "CLI_00001_2026-01"})
        pids = hijos(tmp_path)
        assert len(pids) == 3
    assert han_muerto(pids)
    assert not servicios.archivo_env.exists()

    with ExitStack() as pila:
        # What another program holds may become free meanwhile: only ours are sure.
        nuestros: set[int] = set()
        for puerto in PUERTOS.values():
            with suppress(OSError):
                pila.enter_context(socket.create_server((ANFITRION, puerto)))
                nuestros.add(puerto)
        servicios = pila.enter_context(EmbeddedServices(tmp_path, mlflow=False))
        assert not set(servicios.puertos.values()) & nuestros
        variables = servicios.variables()
        assert [str(v) for (v,) in consultar(variables, "SELECT kwh FROM t")] == ["1.25"]
        assert mongo(variables)[variables["MONGO_DB"]].t.count_documents({}) == 1


@CON_Y_SIN_MLFLOW
def test_command_prints_variables_and_ends_cleanly_on_ctrl_c(
    orden: Callable[..., subprocess.Popen[str]], tmp_path: Path, opciones: list[str], cuantas: int
) -> None:
    """The command gives KEY=VALUE on standard output only; Ctrl-C, even twice, ends it with 0.

    Meanwhile a second instance on its folder is refused in one Spanish line, and harms nothing.
    """
    primera = orden(*opciones)
    variables = leer_variables(primera, cuantas)
    archivo = tmp_path / "datos" / "servicios.env"
    assert esperar(archivo.exists)
    assert variables == dict(linea.split("=", 1) for linea in archivo.read_text().splitlines())
    assert consultar(variables, "SELECT 1") == [(1,)]
    uri = variables.get("MLFLOW_TRACKING_URI")
    assert (uri is None) == bool(opciones)
    if uri is not None:
        with urllib.request.urlopen(f"{uri}/health", timeout=PLAZO_S) as respuesta:
            assert respuesta.status == 200

    segunda = orden()
    salida, error = segunda.communicate(timeout=PLAZO_S)
    assert (segunda.returncode, salida) == (1, "")
    assert error.count("\n") == 1
    assert f"error: otra instancia en marcha (proceso {primera.pid})" in error
    assert consultar(variables, "SELECT 1") == [(1,)]

    pids = hijos(tmp_path / "datos")
    assert len(pids) == (3 if uri is None else 4)
    pids = con_descendencia(pids)
    primera.send_signal(signal.SIGINT)
    primera.send_signal(signal.SIGINT)
    salida, error = primera.communicate(timeout=PLAZO_S)
    assert (primera.returncode, salida) == (0, "")
    assert uri is None or f"  MLflow     {uri}" in error
    assert "Kafka guarda sus mensajes solo en memoria" in error
    assert error.endswith("Servicios detenidos.\n")
    assert han_muerto(pids)
    assert not archivo.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="solo Linux avisa al hijo")
@CON_Y_SIN_MLFLOW
def test_sigkill_leaves_no_server_and_the_data_can_be_used_again(
    orden: Callable[..., subprocess.Popen[str]], tmp_path: Path, opciones: list[str], cuantas: int
) -> None:
    """After SIGKILL of the command its servers end, and the next start has what was saved."""
    victima = orden(*opciones)
    variables = leer_variables(victima, cuantas)
    consultar(variables, "CREATE TABLE t AS SELECT 7 AS n")
    carpeta = tmp_path / "datos"
    pids = con_descendencia(hijos(carpeta))
    victima.kill()
    victima.wait()
    # At once: what still is on its way out is waited for, what was left is removed.
    with EmbeddedServices(carpeta, puertos_libres=True, mlflow=False) as servicios:
        # What is not started again is not waited for: the kernel has told it.
        assert esperar(lambda: han_muerto(pids))
        assert consultar(servicios.variables(), "SELECT n FROM t") == [(7,)]


def test_a_server_that_dies_comes_back_where_it_was(
    orden: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Each one killed is started again on its port and its data, and a line says so.

    Of Kafka it says what is lost. The variables stay right, and Ctrl-C still ends all with 0.
    """
    en_marcha = orden("--sin-mlflow")
    variables = leer_variables(en_marcha, 11)
    archivo = tmp_path / "datos" / "servicios.env"
    assert esperar(archivo.exists)
    antes = archivo.read_text()
    consultar(variables, "CREATE TABLE t AS SELECT 7 AS n")
    mongo(variables)[variables["MONGO_DB"]].t.insert_one({"_id": 7})
    nombres = ("PostgreSQL", "MongoDB", "Kafka")
    for pid in hijos(tmp_path / "datos"):
        os.kill(pid, signal.SIGKILL)
    dicho = ""
    assert en_marcha.stderr is not None
    while not all(f"{nombre} funciona de nuevo" in dicho for nombre in nombres):
        linea = en_marcha.stderr.readline()
        assert linea, f"it has ended: {dicho}"
        dicho += linea
    for nombre in nombres:
        assert f"{nombre} se arranca de nuevo en 1 s: {nombre} terminó por su cuenta" in dicho
        assert dicho.count(f"{nombre} funciona de nuevo") == 1
    assert "las lecturas que nadie había leído se han perdido" in dicho
    assert consultar(variables, "SELECT n FROM t") == [(7,)]
    assert mongo(variables)[variables["MONGO_DB"]].t.count_documents({"_id": 7}) == 1
    kafka = AdminClient({"bootstrap.servers": variables["KAFKA_BROKER"]})
    assert not kafka.list_topics(timeout=10).topics
    assert archivo.read_text() == antes
    pids = hijos(tmp_path / "datos")
    assert len(pids) == 3
    en_marcha.send_signal(signal.SIGINT)
    _, error = en_marcha.communicate(timeout=PLAZO_S)
    assert en_marcha.returncode == 0, error
    assert han_muerto(pids)


def test_stop_asked_for_during_the_start_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C while the servers start stops those that run and frees the folder.

    MLflow is one of them: it starts first, beside the others, and is waited for last.
    """
    parada = StopRequest()
    vistos: list[int] = []

    def avisar(texto: str) -> None:
        if "MongoDB" in texto:  # PostgreSQL runs by now
            vistos.extend(hijos(tmp_path))
            parada.pedir()

    with pytest.raises(KeyboardInterrupt):
        EmbeddedServices(tmp_path, puertos_libres=True, parada=parada, avisar=avisar).__enter__()
    assert len(vistos) == 2
    assert han_muerto(vistos)
    assert hijos(tmp_path) == []
    assert not (tmp_path / "servicios.env").exists()


def test_damaged_data_are_explained(tmp_path: Path) -> None:
    """Data that PostgreSQL does not accept give one Spanish line with its own reason."""
    (tmp_path / "postgres").mkdir(mode=0o700)
    (tmp_path / "postgres" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(PermanentError, match="PostgreSQL terminó por su cuenta") as error:
        EmbeddedServices(tmp_path, puertos_libres=True, mlflow=False).__enter__()
    assert "\n" not in str(error.value)


def test_unusable_folder_is_one_spanish_line(tmp_path: Path) -> None:
    """A folder that cannot be made is our error, with its name."""
    archivo = tmp_path / "archivo"
    archivo.touch()
    with pytest.raises(PermanentError, match="no se puede usar la carpeta"):
        EmbeddedServices(archivo / "datos").__enter__()


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Help and wrong usage speak Spanish, and start nothing."""
    with pytest.raises(SystemExit) as salida:
        main(["--puerto", "1"])
    assert salida.value.code == MAL_USO
    assert "argumentos desconocidos: --puerto 1" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "uso: consumo servicios" in capsys.readouterr().out
