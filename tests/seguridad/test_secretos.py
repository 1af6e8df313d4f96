"""No password and no key is ever in a log, an answer, an error or on the screen."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg2
import pytest
from apoyo_servidores import servir_kafka
from apoyo_tls import ANFITRION, Apoderado, Papeles
from integration.camino import consumo, escribir_csv, esperar, lecturas_de_prueba

from pipeline.embedded.probes import puerto_del_sistema
from pipeline.embedded.services import EmbeddedServices
from serving.settings import Settings

pytestmark = pytest.mark.timeout(240)

CLAVE_API = "consumo_clave-s3creta-7730"
CLAVE_MALA = "equivocada-s3creta-1192"
CLAVE_POSTGRES = "pg-s3creto%$-5583"
CLAVE_MLFLOW = "mlflow-s3creto-2206"
CLAVE_KAFKA = "kafka-s3creto-9015"


@pytest.fixture
def con_contrasena(servicios: EmbeddedServices, entorno: Settings) -> Iterator[dict[str, str]]:
    """Give the variables of a PostgreSQL user that has to say its password."""
    usuario = f"u_{secrets.token_hex(6)}"
    reglas = servicios.carpeta / "postgres" / "pg_hba.conf"
    antes = reglas.read_text()

    def mandar(orden: str) -> None:
        conexion = psycopg2.connect(
            host=entorno.postgres_host, port=entorno.postgres_port, user=entorno.postgres_user,
            dbname=entorno.postgres_db,
        )  # fmt: skip
        conexion.autocommit = True
        with conexion.cursor() as cursor:
            cursor.execute(orden, {"clave": CLAVE_POSTGRES})
            cursor.execute("SELECT pg_reload_conf()")
        conexion.close()

    # In place: the server's user owns the file.
    reglas.write_text(f"host all {usuario} {ANFITRION}/32 scram-sha-256\n{antes}")
    mandar(f"CREATE ROLE {usuario} SUPERUSER LOGIN PASSWORD %(clave)s")
    yield {"POSTGRES_USER": usuario, "POSTGRES_PASSWORD": CLAVE_POSTGRES}
    reglas.write_text(antes)
    mandar(f"REASSIGN OWNED BY {usuario} TO CURRENT_USER; DROP ROLE {usuario}")


@pytest.fixture
def variables_secretas(entorno_seguro: Settings, con_contrasena: dict[str, str]) -> dict[str, str]:
    """Return the environment of a child process with a secret in each variable that holds one."""
    propias = {k.upper(): str(v) for k, v in entorno_seguro.model_dump().items()}
    huella = hashlib.sha256(CLAVE_API.encode()).hexdigest()
    return {
        **os.environ,
        **propias,
        **con_contrasena,
        "API_CLAVES": f"ana:administracion:{huella}",
        "API_CLAVE_TABLERO": CLAVE_API,
        "MLFLOW_TRACKING_URI": f"http://ana:{CLAVE_MLFLOW}@{ANFITRION}:9",
        "NIVEL_LOG": "DEBUG",
        "COLUMNS": "300",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }


def _formas(secreto: str) -> set[str]:
    """Return a secret as it is, as in an address, and as in an Authorization header."""
    usuario = base64.b64encode(f"ana:{secreto}".encode()).decode()
    return {secreto, quote(secreto, safe=""), quote(secreto), usuario}


def _exigir_sin_secretos(textos: Mapping[str, str], variables: Mapping[str, str]) -> None:
    secretos = [variables[v] for v in ("POSTGRES_PASSWORD", "MONGO_PASSWORD")]
    secretos += [variables["API_CLAVES"].rpartition(":")[2]]
    secretos += [CLAVE_API, CLAVE_MLFLOW, CLAVE_MALA, CLAVE_KAFKA]
    for donde, texto in textos.items():
        assert texto.strip(), f"{donde}: nothing was said, so nothing was looked at"
        for secreto in secretos:
            for forma in _formas(secreto):
                assert forma not in texto, f"{donde} shows a secret"


def _mandar(
    textos: dict[str, str], variables: Mapping[str, str], *argv: str, **mas: str
) -> tuple[int, str]:
    r = consumo(variables, *argv, **mas)
    texto = r.stdout + r.stderr
    textos[f"{' '.join(argv)} {sorted(mas)}"] = texto
    return r.returncode, texto


@pytest.mark.lenta
def test_el_camino_entero_no_ensena_ningun_secreto(
    variables_secretas: dict[str, str], tmp_path: Path
) -> None:
    """Everything at DEBUG, over TLS and with passwords: it works, and says none of them."""
    textos: dict[str, str] = {}
    lecturas = lecturas_de_prueba(clientes=5, dias=30)
    archivo = escribir_csv(tmp_path / "lecturas.csv", lecturas)
    for argv in (
        ("producir", "--archivo", str(archivo)),
        ("consumir", "--hasta-vacio"),
        ("agregar",),
        ("archivar", "--reporte"),
    ):
        estado, texto = _mandar(textos, variables_secretas, *argv)
        assert estado == 0, texto
    for argv in (("salud",), ("entrenar",), ("promover",), ("deriva",)):
        estado, texto = _mandar(textos, variables_secretas, *argv)
        assert estado == 1, texto  # there is no MLflow there
    textos |= _preguntar_a_la_api(variables_secretas, tmp_path)
    _exigir_sin_secretos(textos, variables_secretas)


def _preguntar_a_la_api(variables: Mapping[str, str], carpeta: Path) -> dict[str, str]:
    """Return what the API logs and answers, to good and bad keys."""
    base, registro = f"http://{ANFITRION}:{(puerto := puerto_del_sistema())}", carpeta / "api.log"
    with registro.open("wb") as salida:
        proceso = subprocess.Popen(
            [sys.executable, "-m", "consumo", "api", "--port", str(puerto)],
            env=variables, stdout=salida, stderr=salida,
        )  # fmt: skip
    textos = {}
    try:
        with httpx.Client(base_url=base, trust_env=False, timeout=20) as cliente:

            def responde() -> bool:
                try:
                    return cliente.get("/salud/viva").status_code == 200
                except httpx.HTTPError:
                    return False

            esperar(responde, "the API answers", 60)
            for clave in (CLAVE_API, CLAVE_MALA):
                cabeceras = {"X-API-Key": clave}
                for metodo, ruta in (
                    ("GET", "/salud"),
                    ("GET", "/metrics"),
                    ("GET", "/openapi.json"),
                    ("GET", "/api/auditoría"),
                    ("GET", "/api/modelos"),
                    ("GET", "/api/consumos/últimas24h/CLI_00001"),
                    ("GET", "/api/no-existe"),
                    ("POST", "/api/modelos/1/promover"),
                    ("POST", "/api/anomalias/6745a1b2c3d4e5f6a7b8c9d0/veredicto"),
                ):
                    r = cliente.request(metodo, ruta, headers=cabeceras, json={"veredicto": 1})
                    textos[f"{metodo} {ruta} {r.status_code}"] = f"{r.headers}\n{r.text}"
        proceso.send_signal(signal.SIGTERM)
        assert proceso.wait(20) == 0
    finally:
        proceso.kill()
        proceso.wait()
    estados = {clave.rpartition(" ")[2] for clave in textos}
    assert {"200", "401", "404", "503"} <= estados, estados
    return textos | {"api.log": registro.read_text(encoding="utf-8")}


def test_una_contrasena_que_no_es_no_se_ensena(
    variables_secretas: dict[str, str], papeles: Papeles, tmp_path: Path
) -> None:
    """A refused connection says which variables to look at, and not what was in them."""
    textos: dict[str, str] = {}
    for argv in (("migrar",), ("salud",), ("consumir", "--hasta-vacio")):
        estado, texto = _mandar(textos, variables_secretas, *argv, POSTGRES_PASSWORD=CLAVE_MALA)
        assert estado, texto
        assert "rechaza la conexión: revise POSTGRES_USER" in texto
    for argv in (("salud",), ("agregar",)):
        estado, texto = _mandar(textos, variables_secretas, *argv, MONGO_PASSWORD=CLAVE_MALA)
        assert estado, texto
        assert "rechaza la conexión: revise MONGO_USER" in texto
    with (
        Apoderado(papeles.servidor) as apoderado,
        servir_kafka(tmp_path, apoderado, "--authentication"),
    ):
        sasl = {
            "KAFKA_BROKER": f"{ANFITRION}:{apoderado.puerto}",
            "KAFKA_SEGURIDAD": "SASL_SSL",
            "KAFKA_USER": "ana",
            "KAFKA_PASSWORD": CLAVE_KAFKA,
        }
        for argv in (("producir", "--clients", "2"), ("consumir", "--hasta-vacio")):
            estado, texto = _mandar(textos, variables_secretas, *argv, **sasl)
            assert estado, texto
            assert "rechaza la conexión: revise KAFKA_SEGURIDAD" in texto
    _exigir_sin_secretos(textos, variables_secretas)


def test_una_variable_mal_escrita_no_ensena_su_valor(variables_secretas: dict[str, str]) -> None:
    """Not even where the value is what is wrong."""
    textos: dict[str, str] = {}
    for mas in (
        {"MLFLOW_TRACKING_URI": f"htp://ana:{CLAVE_MALA}@mlflow:5000"},
        {"API_CLAVES": f"ana:jefa:{CLAVE_MALA}"},
        {"KAFKA_USER": "", "KAFKA_PASSWORD": CLAVE_KAFKA},
    ):
        estado, texto = _mandar(textos, variables_secretas, "salud", **mas)
        assert estado == 2
        assert len(texto.splitlines()) == 1
    _exigir_sin_secretos(textos, variables_secretas)
