"""Each server behind TLS: whom it shows itself to be is checked, and who we are is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from apoyo_servidores import servir_kafka, servir_mongo
from apoyo_tls import ANFITRION, Apoderado, Papeles

from detection.errors import ConfiguracionError, TransientError
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.store import PostgresStore, migrate
from pipeline.streaming.kafka import ensure_topics, ping_kafka
from serving.settings import Settings


def _con(settings: Settings, **cambios: object) -> Settings:
    return Settings.model_validate(settings.model_dump() | cambios)


def test_postgres_con_tls_de_confianza(
    entorno: Settings, papeles: Papeles, postgres_tras: Callable[..., int]
) -> None:
    """verify-full with the right authority: the history works, migrations included."""
    seguro = _con(
        entorno,
        postgres_port=postgres_tras(papeles.servidor),
        postgres_sslmode="verify-full",
        postgres_ca=papeles.ca,
    )
    migrate(seguro)
    PostgresStore(seguro).ping()


def test_postgres_de_otra_autoridad_o_de_otro_sitio_se_rechaza(
    entorno: Settings, papeles: Papeles, ajenos: Papeles, postgres_tras: Callable[..., int]
) -> None:
    """A forged certificate, or one of another host, is a wrong setting, said in one line."""
    firma = {"postgres_sslmode": "verify-full", "postgres_ca": papeles.ca}
    for certificado in (ajenos.servidor, papeles.de_otro_sitio):
        malo = _con(entorno, postgres_port=postgres_tras(certificado), **firma)
        with pytest.raises(ConfiguracionError, match="POSTGRES_CA"):
            PostgresStore(malo).ping()
        with pytest.raises(ConfiguracionError, match="POSTGRES_CA"):
            migrate(malo)
    # verify-ca asks who signs, not for whom.
    puerto = postgres_tras(papeles.de_otro_sitio)
    PostgresStore(
        _con(entorno, **firma | {"postgres_port": puerto, "postgres_sslmode": "verify-ca"})
    ).ping()


@pytest.mark.parametrize("modo", ["require", "verify-ca", "verify-full"])
def test_postgres_sin_tls_se_rechaza_si_se_pide(
    entorno: Settings, papeles: Papeles, modo: str
) -> None:
    """What was asked to be encrypted is never sent in the clear."""
    pedido = _con(
        entorno,
        postgres_sslmode=modo,
        postgres_ca=papeles.ca if modo.startswith("verify") else "",
    )
    with pytest.raises(ConfiguracionError, match="POSTGRES_SSLMODE"):
        PostgresStore(pedido).ping()


def test_postgres_pide_un_certificado_y_se_le_ensena(
    entorno: Settings, papeles: Papeles, ajenos: Papeles, postgres_tras: Callable[..., int]
) -> None:
    """A server that asks for certificates takes ours, and no other."""
    seguro = {
        "postgres_port": postgres_tras(papeles.servidor, papeles.ca),
        "postgres_sslmode": "verify-full",
        "postgres_ca": papeles.ca,
    }
    PostgresStore(_con(entorno, **seguro, postgres_cert=papeles.cliente)).ping()
    for cert in ("", ajenos.cliente):
        with pytest.raises((ConfiguracionError, TransientError)):
            PostgresStore(_con(entorno, **seguro, postgres_cert=cert)).ping()


def test_mongo_con_tls_y_contrasena(entorno: Settings, mongo_seguro: dict[str, object]) -> None:
    """The right authority and the right password: it answers, and indexes can be made."""
    store = MongoAnomalyStore(_con(entorno, **mongo_seguro))
    store.ping()
    store.close()


def test_mongo_de_otra_autoridad_se_rechaza(
    entorno: Settings, mongo_seguro: dict[str, object], ajenos: Papeles
) -> None:
    """A forged certificate, or one the system knows nothing of, is a wrong setting."""
    for ca in (ajenos.ca, ""):
        with pytest.raises(ConfiguracionError, match="MONGO_CA"):
            MongoAnomalyStore(_con(entorno, **mongo_seguro | {"mongo_ca": ca})).ping()


def test_mongo_sin_tls_se_rechaza_si_se_pide(entorno: Settings, papeles: Papeles) -> None:
    """What was asked to be encrypted is never sent in the clear."""
    with pytest.raises((ConfiguracionError, TransientError)):
        MongoAnomalyStore(_con(entorno, mongo_tls=True, mongo_ca=papeles.ca)).ping()


def test_mongo_pide_un_certificado_y_se_le_ensena(
    entorno: Settings, papeles: Papeles, ajenos: Papeles, tmp_path: Path
) -> None:
    """A server that asks for certificates takes ours, and no other."""
    tls = ("--tls-cert-file", papeles.servidor, "--tls-key-file", papeles.servidor)
    tls += ("--tls-ca-file", papeles.ca, "--tls-require-client-cert")
    with servir_mongo(tmp_path, *tls) as puerto:
        seguro = {"mongo_port": puerto, "mongo_tls": True, "mongo_ca": papeles.ca}
        MongoAnomalyStore(_con(entorno, **seguro, mongo_cert=papeles.cliente)).ping()
        for cert in ("", ajenos.cliente):
            with pytest.raises((ConfiguracionError, TransientError)):
                MongoAnomalyStore(_con(entorno, **seguro, mongo_cert=cert)).ping()


def test_kafka_con_tls_de_confianza(entorno: Settings, kafka_seguro: dict[str, object]) -> None:
    """The right authority: topics are made."""
    seguro = _con(entorno, **kafka_seguro)
    ensure_topics(seguro)
    ping_kafka(seguro)


def test_kafka_de_otra_autoridad_o_de_otro_sitio_se_rechaza(
    entorno: Settings, papeles: Papeles, ajenos: Papeles, servicios: object, tmp_path: Path
) -> None:
    """A forged certificate, or one of another host, is a wrong setting, said in one line."""
    for certificado in (ajenos.servidor, papeles.de_otro_sitio):
        with Apoderado(certificado) as apoderado, servir_kafka(tmp_path, apoderado):
            malo = _con(
                entorno,
                kafka_broker=f"{ANFITRION}:{apoderado.puerto}",
                kafka_seguridad="SSL",
                kafka_ca=papeles.ca,
            )
            with pytest.raises(ConfiguracionError, match="KAFKA_CA"):
                ping_kafka(malo)


def test_kafka_pide_un_certificado_y_se_le_ensena(
    entorno: Settings, papeles: Papeles, ajenos: Papeles, tmp_path: Path
) -> None:
    """A server that asks for certificates takes ours, and no other."""
    with (
        Apoderado(papeles.servidor, papeles.ca) as apoderado,
        servir_kafka(tmp_path, apoderado),
    ):
        seguro = {
            "kafka_broker": f"{ANFITRION}:{apoderado.puerto}",
            "kafka_seguridad": "SSL",
            "kafka_ca": papeles.ca,
        }
        ping_kafka(_con(entorno, **seguro, kafka_cert=papeles.cliente))
        for cert in ("", ajenos.cliente):
            with pytest.raises((ConfiguracionError, TransientError)):
                ping_kafka(_con(entorno, **seguro, kafka_cert=cert))
