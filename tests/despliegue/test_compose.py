"""docker-compose.yml says what the specification and the contracts say, to any Compose."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from apoyo_compose import (
    COMPOSE,
    RAIZ,
    VARIABLE,
    load_crudo,
    load_servicios,
    nuestros,
    segundos,
    transform,
)

from pipeline.embedded.servers import ENTORNO_MLFLOW
from serving.settings import Settings

ESPECIFICADOS = {
    "zookeeper", "kafka", "kafka-ui", "data-generator", "postgres", "mongodb", "consumer",
    "backend", "frontend", "producer",
}  # fmt: skip
"""The specification, "Docker Compose" and the commands that use ``consumo-producer``."""
PUERTOS = {
    "data-generator": 8000, "kafka": 9092, "kafka-ui": 8080, "postgres": 5432, "mongodb": 27017,
    "backend": 8001, "frontend": 8501, "zookeeper": 2181, "mlflow": 5000, "prometheus": 9090,
    "grafana": 3000,
}  # fmt: skip
"""Contract 7, and those of the two programs that show the metrics."""
TABLERO = {
    "API_URL", "API_CLAVE_TABLERO", "TABLERO_HOST", "TABLERO_PORT", "TABLERO_TESELAS",
    "TABLERO_TESELAS_AUTOR",
}  # fmt: skip
"""The dashboard reads its variables itself (dashboard/variables.py)."""
DE_LOS_SERVIDORES = {
    "zookeeper": "ZOOKEEPER_[A-Z_]+|KAFKA_HEAP_OPTS",
    "kafka": "KAFKA_[A-Z_]+",
    "kafka-ui": "KAFKA_CLUSTERS_0_[A-Z]+|JAVA_OPTS",
    "postgres": "POSTGRES_(USER|PASSWORD|DB|INITDB_ARGS)|USUARIO_APLICACION",
    "mongodb": "MONGO_INITDB_ROOT_(USERNAME|PASSWORD)",
    "mlflow": "|".join(ENTORNO_MLFLOW),
    "mantenimiento": "TZ",
    "grafana": "GF_[A-Z_]+",
}
"""Variables of the servers and of the system; USUARIO_APLICACION is our PostgreSQL image's."""
FIJADAS = {
    "POSTGRES_HOST", "MONGO_HOST", "KAFKA_BROKER", "MLFLOW_TRACKING_URI", "MODELOS_DIR",
    "METRICAS_HOST", "METRICAS_PORT", "API_URL",
    # Its servers take neither TLS nor, Kafka, passwords: nobody else is on that network.
    "POSTGRES_SSLMODE", "POSTGRES_CA", "POSTGRES_CERT", "MONGO_TLS", "MONGO_CA", "MONGO_CERT",
    "KAFKA_SEGURIDAD", "KAFKA_MECANISMO", "KAFKA_USER", "KAFKA_PASSWORD", "KAFKA_CA", "KAFKA_CERT",
}  # fmt: skip
"""Inside the containers' network these have one value, whatever ``.env`` says."""
DE_EJEMPLO = {"POSTGRES_PASSWORD": "password", "MONGO_USER": "admin", "MONGO_PASSWORD": "password"}
"""The specification's ``.env``; where the product's own default is empty."""
SECRETAS = {"POSTGRES_PASSWORD", "MONGO_PASSWORD", "MONGO_INITDB_ROOT_PASSWORD"}

CRUDO = load_crudo()
SERVICIOS = load_servicios()
UNA_VEZ = {
    otro
    for servicio in SERVICIOS.values()
    for otro, como in servicio.get("depends_on", {}).items()
    if como["condition"] == "service_completed_successfully"
}
"""Those that end: they are neither healthy nor restarted."""
cada_uno = pytest.mark.parametrize("nombre", sorted(SERVICIOS))
cada_nuestro = pytest.mark.parametrize("nombre", sorted(nuestros(SERVICIOS)))


def test_los_servicios_y_los_nombres_son_los_de_la_especificacion() -> None:
    """Every service of the specification is there, and MLflow and the nightly job; names match."""
    assert set(SERVICIOS) >= ESPECIFICADOS | {"mlflow", "mantenimiento"}
    assert all(s["container_name"] == f"consumo-{n}" for n, s in SERVICIOS.items())


def test_los_puertos_son_los_del_contrato_y_solo_los_ve_esta_maquina() -> None:
    """Without a ``.env``, the ports of contract 7 are published on loopback, and no other."""
    publicados = {n: s["ports"] for n, s in SERVICIOS.items() if "ports" in s}
    assert set(publicados) == set(PUERTOS)
    for nombre, (publicado,) in publicados.items():
        anfitrion, puerto, _ = publicado.split(":")
        assert (anfitrion, int(puerto)) == ("127.0.0.1", PUERTOS[nombre])


def test_quien_publica_en_otra_direccion_lo_dice_con_las_variables_del_producto() -> None:
    """``.env`` moves and opens the API, the dashboard and the generator; never a store."""
    abierto = dict.fromkeys(("API_HOST", "TABLERO_HOST", "GENERADOR_HOST"), "0.0.0.0")
    servicios = load_servicios({**abierto, "API_PORT": "9001", "POSTGRES_PORT": "6432"})
    assert servicios["backend"]["ports"] == ["0.0.0.0:9001:8001"]
    assert servicios["postgres"]["ports"] == ["127.0.0.1:6432:5432"]
    abiertos = {n for n, s in servicios.items() for p in s.get("ports", []) if "0.0.0.0" in p}
    assert abiertos == {"backend", "frontend", "data-generator"}


@cada_uno
def test_cada_imagen_tiene_su_version(nombre: str) -> None:
    """No image floats: a version with at least two numbers, never ``latest``."""
    assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)?$", SERVICIOS[nombre]["image"])


def test_las_versiones_son_las_de_la_especificacion() -> None:
    """PostgreSQL 15, MongoDB 7, Confluent's Kafka with its ZooKeeper, and our own version."""
    imagenes = {n: s["image"] for n, s in SERVICIOS.items()}
    assert re.fullmatch(r"consumo-postgres:15\.\d+", imagenes["postgres"])
    assert imagenes["mongodb"].startswith("mongo:7.")
    # The last line that still works with ZooKeeper.
    assert imagenes["kafka"].startswith("confluentinc/cp-kafka:7.")
    assert imagenes["zookeeper"].rpartition(":")[2] == imagenes["kafka"].rpartition(":")[2]
    version = re.search(r'^version = "(.+)"$', (RAIZ / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert {s["image"] for s in nuestros(SERVICIOS).values()} == {f"consumo:{version[1]}"}


@cada_uno
def test_cada_servicio_esta_acotado_y_sin_privilegios(nombre: str) -> None:
    """Each one has limits, a user that is not root, no capability, and a bounded log."""
    servicio = SERVICIOS[nombre]
    assert re.fullmatch(r"\d+[mg]", servicio["mem_limit"])
    # More than the machine has is refused by Docker.
    assert 0 < servicio["cpus"] <= 2
    assert servicio["pids_limit"] > 0
    assert servicio["user"].partition(":")[0] not in {"", "0", "root"}
    assert servicio["cap_drop"] == ["ALL"]
    assert servicio["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid"} & set(servicio)
    assert {"max-size", "max-file"} <= set(servicio["logging"]["options"])


@cada_uno
def test_cada_servicio_se_comprueba_y_se_vuelve_a_arrancar(nombre: str) -> None:
    """Each one is checked and comes back after a crash or a reboot, but for those that end."""
    servicio = SERVICIOS[nombre]
    if nombre in UNA_VEZ:
        assert servicio["restart"] == "no"
        return
    salud = servicio["healthcheck"]
    assert servicio["restart"] == "unless-stopped"
    assert salud["test"][0] in {"CMD", "CMD-SHELL"}
    assert segundos(salud["timeout"]) <= segundos(salud["interval"])
    assert salud["retries"] >= 2
    assert segundos(salud["start_period"]) >= 10
    assert segundos(servicio["stop_grace_period"]) >= 10


@cada_uno
def test_nadie_arranca_antes_que_lo_que_necesita(nombre: str) -> None:
    """Everything waits for what it needs to be healthy, and all but the demo for the check."""
    depende = SERVICIOS[nombre].get("depends_on", {})
    for otro, como in depende.items():
        esperado = "service_completed_successfully" if otro in UNA_VEZ else "service_healthy"
        assert como == {"condition": esperado}
    if nombre in UNA_VEZ or SERVICIOS[nombre].get("profiles") == ["demo"]:
        # The check looks for the demo: waiting for each other they would never start.
        assert not depende
        return
    antes: set[str] = set()
    faltan = {nombre}
    while faltan:
        faltan = {o for n in faltan for o in SERVICIOS[n].get("depends_on", {})} - antes
        antes |= faltan
    assert "comprobacion" in antes
    variables = SERVICIOS[nombre].get("environment", {})
    # Who only asks Kafka how much waits does without it: it is the consumer that needs it.
    for variable, otro in (("LOTE_MAXIMO", "kafka"), ("POSTGRES_HOST", "postgres"),
                           ("MONGO_HOST", "mongodb"), ("API_URL", "backend")):  # fmt: skip
        assert variable not in variables or otro in antes


def test_los_datos_estan_en_volumenes_con_nombre() -> None:
    """Whatever must survive ``docker-compose down`` lies in a named volume, each used once."""
    todos = [v.partition(":") for s in SERVICIOS.values() for v in s.get("volumes", [])]
    nuestros_ficheros = [m for m in todos if m[0].startswith("./")]
    assert all((RAIZ / m[0]).exists() and m[2].endswith(":ro") for m in nuestros_ficheros)
    montados = [m for m in todos if m not in nuestros_ficheros]
    assert sorted(m[0] for m in montados) == sorted(CRUDO["volumes"])
    carpetas = {m[2] for m in montados}
    # Each path that the servers' images declare as a volume, or an anonymous one would hold it.
    assert carpetas >= {
        "/var/lib/postgresql/data", "/data/db", "/data/configdb", "/var/lib/kafka/data",
        "/var/lib/zookeeper/data", "/var/lib/zookeeper/log", "/datos/mlflow", "/datos/modelos",
    }  # fmt: skip


def _variables_nombradas() -> dict[str, set[str]]:
    """Return each variable of ``.env`` that the file uses, and the defaults it gives it."""
    nombradas: dict[str, set[str]] = {}
    for nombre, defecto in re.findall(VARIABLE.pattern, COMPOSE.read_text(encoding="utf-8")):
        if nombre:
            nombradas.setdefault(nombre, set()).add(defecto)
    return nombradas


@cada_uno
def test_cada_variable_existe(nombre: str) -> None:
    """What a container is given is a variable of the product or one of the server's own."""
    producto = {campo.upper() for campo in Settings.model_fields} | TABLERO
    propias = DE_LOS_SERVIDORES.get(nombre, "-")
    for variable in SERVICIOS[nombre].get("environment", {}):
        del_producto = nombre in nuestros(SERVICIOS) and variable in producto
        assert del_producto or re.fullmatch(propias, variable), variable


def test_las_variables_del_tablero_son_suyas() -> None:
    """The dashboard's variables are the ones that it reads."""
    texto = (RAIZ / "dashboard" / "variables.py").read_text(encoding="utf-8")
    assert all(f'"{variable}"' in texto for variable in TABLERO)


def test_cada_variable_de_env_actua_tambien_en_docker() -> None:
    """Each variable of the product reaches a process or a port, with the same default."""
    nombradas = _variables_nombradas()
    for nombre, campo in Settings.model_fields.items():
        variable = nombre.upper()
        if variable in FIJADAS:
            assert variable not in nombradas
            continue
        defecto = DE_EJEMPLO.get(variable, str(campo.default))
        assert nombradas.get(variable) == {defecto}, variable
    assert set(nombradas) <= {campo.upper() for campo in Settings.model_fields} | TABLERO


@cada_nuestro
def test_lo_que_recibe_cada_proceso_es_valido(nombre: str) -> None:
    """With the defaults, the settings of each of our processes load."""
    variables = SERVICIOS[nombre].get("environment", {})
    valores = {k.lower(): v for k, v in variables.items() if k.lower() in Settings.model_fields}
    Settings.model_validate(valores)


def test_las_contrasenas_solo_las_tiene_quien_las_usa() -> None:
    """No process holds a password that it has no use for, and none is written in the file."""
    con = {n for n, s in SERVICIOS.items() if SECRETAS & set(s.get("environment", {}))}
    assert con == {
        *("comprobacion", "postgres", "mongodb", "consumer", "backend", "mantenimiento", "avisos"),
    }
    escritas = re.findall(r"^ *(\w*(?:PASSWORD|CLAVES?\w*)): (.+)$", COMPOSE.read_text(), re.M)
    assert escritas
    assert all(valor.startswith("${") for clave, valor in escritas if clave != "API_SIN_CLAVES")


def test_mlflow_arranca_como_en_el_embebido() -> None:
    """The same switches as the server of ``consumo servicios``: no telemetry, no job runner."""
    del_compose = SERVICIOS["mlflow"]["environment"]
    assert del_compose == {k: ENTORNO_MLFLOW[k] for k in del_compose}
    # Its -P is the image's PYTHONSAFEPATH.
    assert set(ENTORNO_MLFLOW) - set(del_compose) == {"PYTHONSAFEPATH"}


def _compose() -> list[str]:
    """Return the command of the Compose that this machine has."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if shutil.which("docker"):
        orden = ["docker", "compose"]
        if subprocess.run([*orden, "version"], capture_output=True, check=False).returncode == 0:
            return orden
    pytest.skip("no hay docker-compose (en Debian: apt install docker-compose)")


@pytest.mark.parametrize("perfil", [[], ["--profile", "demo"]], ids=["sin perfil", "demo"])
def test_compose_lo_entiende_igual(perfil: list[str], tmp_path: Path) -> None:
    """A real Compose accepts the file and makes of it what these tests read."""
    variables = {"POSTGRES_PASSWORD": "una-larga=con#signos", "API_PORT": "9001"}
    (tmp_path / ".env").write_text("".join(f"{k}={v}\n" for k, v in variables.items()))
    r = subprocess.run(
        [*_compose(), "-f", str(COMPOSE), "--project-directory", str(tmp_path), *perfil, "config"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert r.returncode == 0, r.stderr
    assert "warn" not in r.stderr.lower()
    hecho = yaml.safe_load(r.stdout)["services"]
    esperado = {n: s for n, s in load_servicios(variables).items() if perfil or "profiles" not in s}
    # Compose 1 shows what a profile leaves out.
    assert set(esperado) <= set(hecho) <= set(load_servicios())
    for nombre, servicio in esperado.items():
        for campo in ("command", "environment", "user", "image", "container_name"):
            assert _sin_escapes(hecho[nombre].get(campo)) == _sin_escapes(servicio.get(campo))


def _sin_escapes(nodo: Any) -> str:
    """Return a node as text in which an escaped dollar is as a plain one: Composes differ."""
    plano = transform(nodo or None, lambda texto: texto.replace("$$", "$"))
    return json.dumps(plano, sort_keys=True)
