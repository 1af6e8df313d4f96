"""Apache Kafka with TLS and passwords (SASL_SSL): the whole way in, and who is turned away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from apoyo_tls import ANFITRION, Papeles
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from integration.camino import (
    comprobar_exactamente_una_vez,
    consumo,
    escribir_csv,
    lecturas_de_prueba,
)
from kafka_real.apoyo_kafka import NodoKafka, SinKafkaError, carpeta_de_kafka, fetch_kafka

from detection.errors import ConfiguracionError
from pipeline.embedded.probes import puerto_del_sistema
from pipeline.streaming.kafka import ping_kafka
from serving.settings import Settings

pytestmark = pytest.mark.timeout(300)

USUARIO = "vigia"
CLAVE = "kafka-s3creto-6621"
MODULO = "org.apache.kafka.common.security"


def _con_puerta_segura(carpeta: Path, papeles: Papeles) -> int:
    """Return the port of one more listener, with TLS and passwords, added to a node's settings."""
    puerto = puerto_del_sistema()
    ajustes = carpeta / "server.properties"
    antes = dict(linea.split("=", 1) for linea in ajustes.read_text().splitlines())
    puerta = f"SEGURA://{ANFITRION}:{puerto}"
    nuevos = {
        "listeners": f"{antes['listeners']},{puerta}",
        "advertised.listeners": f"{antes['advertised.listeners']},{puerta}",
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SEGURA:SASL_SSL"
        ),
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.name.segura.ssl.keystore.type": "PEM",
        "listener.name.segura.ssl.keystore.location": papeles.servidor,
        "listener.name.segura.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.segura.plain.sasl.jaas.config": (
            f'{MODULO}.plain.PlainLoginModule required user_{USUARIO}="{CLAVE}";'
        ),
    }
    for mecanismo in ("scram-sha-256", "scram-sha-512"):
        clave = f"listener.name.segura.{mecanismo}.sasl.jaas.config"
        nuevos[clave] = f"{MODULO}.scram.ScramLoginModule required;"
    ajustes.write_text("".join(f"{k}={v}\n" for k, v in (antes | nuevos).items()))
    return puerto


@pytest.fixture(scope="module")
def puerta(papeles: Papeles) -> Iterator[int]:
    """Give the port of a running node where clients say who they are."""
    pytest.importorskip("psutil", reason="psutil viene con el extra [embebido]")
    try:
        bibliotecas = fetch_kafka(carpeta_de_kafka())
    except SinKafkaError as error:
        pytest.skip(f"sin Apache Kafka: {error}")
    with tempfile.TemporaryDirectory(prefix="consumo-sasl-") as carpeta:
        nodo = NodoKafka(bibliotecas, Path(carpeta))
        puerto = _con_puerta_segura(Path(carpeta), papeles)
        try:
            nodo.start()
            admin = AdminClient({"bootstrap.servers": nodo.direccion})
            for mecanismo in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
                alta = UserScramCredentialUpsertion(
                    USUARIO, ScramCredentialInfo(mecanismo, 4096), CLAVE.encode()
                )
                for futuro in admin.alter_user_scram_credentials([alta]).values():
                    futuro.result(30)
            yield puerto
        finally:
            nodo.kill()


@pytest.fixture
def con_sasl(entorno: Settings, puerta: int, papeles: Papeles) -> Settings:
    """Return settings that lead to that node, with the right user, password and authority."""
    return Settings.model_validate(
        entorno.model_dump()
        | {
            "kafka_broker": f"{ANFITRION}:{puerta}",
            "kafka_seguridad": "SASL_SSL",
            "kafka_user": USUARIO,
            "kafka_password": CLAVE,
            "kafka_ca": papeles.ca,
        }
    )


@pytest.mark.parametrize("mecanismo", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_entra_quien_da_su_contrasena(con_sasl: Settings, mecanismo: str) -> None:
    """Each mechanism lets the right password in; another is a wrong setting, and is not shown."""
    ping_kafka(con_sasl.model_copy(update={"kafka_mecanismo": mecanismo}))
    malo = con_sasl.model_copy(
        update={"kafka_mecanismo": mecanismo, "kafka_password": "s3creta-mala"}
    )
    with pytest.raises(ConfiguracionError, match="KAFKA_PASSWORD") as error:
        ping_kafka(malo)
    assert "s3creta" not in str(error.value)


def test_no_se_da_la_contrasena_a_quien_no_es_kafka(con_sasl: Settings, ajenos: Papeles) -> None:
    """With another authority's certificate the handshake ends before any password is sent."""
    with pytest.raises(ConfiguracionError, match="KAFKA_CA"):
        ping_kafka(con_sasl.model_copy(update={"kafka_ca": ajenos.ca}))


def test_todo_el_camino_con_contrasena(
    con_sasl: Settings, variables: dict[str, str], tmp_path: Path
) -> None:
    """Producer and consumer over SASL_SSL: each reading arrives once."""
    seguras = {k.upper(): str(v) for k, v in con_sasl.model_dump().items()}
    lecturas = lecturas_de_prueba(clientes=5, dias=8)
    archivo = escribir_csv(tmp_path / "lecturas.csv", lecturas)
    for argv in (("producir", "--archivo", str(archivo)), ("consumir", "--hasta-vacio")):
        r = consumo(variables, *argv, **seguras)
        assert r.returncode == 0, r.stderr
        assert CLAVE not in r.stdout + r.stderr
    comprobar_exactamente_una_vez(con_sasl, lecturas)
