"""Settings of a connection that cannot be, or that would be ignored, are one Spanish line."""

from __future__ import annotations

from pathlib import Path

import pytest
from apoyo_tls import Papeles, make_clave_cifrada

from detection.errors import ConfiguracionError
from pipeline.streaming.kafka import conexion
from serving.settings import Settings, load_settings


def _mal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for nombre, valor in variables.items():
        monkeypatch.setenv(nombre, valor)
    with pytest.raises(ConfiguracionError) as error:
        load_settings()
    texto = str(error.value)
    assert "\n" not in texto
    return texto


@pytest.mark.parametrize(
    ("variables", "texto"),
    [
        (
            {"KAFKA_SEGURIDAD": "TLS"},
            "variable KAFKA_SEGURIDAD no válida: se esperaba una de PLAINTEXT, SSL, "
            "SASL_PLAINTEXT, SASL_SSL",
        ),
        (
            {"KAFKA_MECANISMO": "GSSAPI"},
            "variable KAFKA_MECANISMO no válida: se esperaba una de PLAIN, SCRAM-SHA-256, "
            "SCRAM-SHA-512",
        ),
        (
            {"POSTGRES_SSLMODE": "allow"},
            "variable POSTGRES_SSLMODE no válida: se esperaba una de disable, prefer, require, "
            "verify-ca, verify-full",
        ),
        ({"MONGO_TLS": "quizá"}, "variable MONGO_TLS no válida: se esperaba true o false"),
        (
            {"KAFKA_SEGURIDAD": "SASL_SSL", "KAFKA_USER": "ana"},
            "variables que no casan: KAFKA_SEGURIDAD con SASL pide KAFKA_USER y KAFKA_PASSWORD",
        ),
        (
            {"KAFKA_PASSWORD": "s3creta"},
            "variables que no casan: KAFKA_USER y KAFKA_PASSWORD piden KAFKA_SEGURIDAD=SASL_SSL "
            "(o SASL_PLAINTEXT)",
        ),
        (
            {"POSTGRES_SSLMODE": "verify-full"},
            "variables que no casan: POSTGRES_SSLMODE=verify-ca y verify-full piden POSTGRES_CA",
        ),
        ({"MONGO_USER": "ana"}, "variables que no casan: MONGO_USER pide MONGO_PASSWORD"),
    ],
)  # fmt: skip
def test_lo_que_no_puede_ser_se_dice_en_una_linea(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], texto: str
) -> None:
    """The line names the variables and what they may be, and shows no password."""
    assert _mal(monkeypatch, **variables) == texto


@pytest.mark.parametrize(
    ("variables", "texto"),
    [
        ({"KAFKA_CA": "ca"}, "KAFKA_CA y KAFKA_CERT piden KAFKA_SEGURIDAD=SSL o SASL_SSL"),
        ({"KAFKA_CERT": "cliente"}, "KAFKA_CA y KAFKA_CERT piden KAFKA_SEGURIDAD=SSL o SASL_SSL"),
        (
            {"POSTGRES_CA": "ca", "POSTGRES_SSLMODE": "require"},
            "POSTGRES_CA pide POSTGRES_SSLMODE=verify-full (o verify-ca)",
        ),
        (
            {"POSTGRES_CERT": "cliente", "POSTGRES_SSLMODE": "disable"},
            "POSTGRES_CERT no se usa con POSTGRES_SSLMODE=disable",
        ),
        ({"MONGO_CA": "ca"}, "MONGO_CA y MONGO_CERT piden MONGO_TLS=True"),
        ({"MONGO_CERT": "cliente"}, "MONGO_CA y MONGO_CERT piden MONGO_TLS=True"),
    ],
)
def test_un_certificado_que_no_se_usaria_se_rechaza(
    monkeypatch: pytest.MonkeyPatch, papeles: Papeles, variables: dict[str, str], texto: str
) -> None:
    """Who sets a certificate believes that it protects something."""
    variables = {
        k: getattr(papeles, v) if k.endswith(("_CA", "_CERT")) else v for k, v in variables.items()
    }
    assert _mal(monkeypatch, **variables) == f"variables que no casan: {texto}"


def test_un_fichero_que_no_vale_se_dice(
    monkeypatch: pytest.MonkeyPatch, papeles: Papeles, tmp_path: Path
) -> None:
    """Missing, no PEM, no key in it, a key with a phrase: each is said before anything connects."""
    monkeypatch.setenv("MONGO_TLS", "true")
    falta, texto = tmp_path / "no.pem", tmp_path / "texto.pem"
    texto.write_text("esto no es un certificado")
    cifrada = tmp_path / "cifrada.pem"
    cifrada.write_bytes(Path(papeles.ca).read_bytes() + make_clave_cifrada())
    assert f"MONGO_CA no válida: no se puede leer «{falta}»" in _mal(
        monkeypatch, MONGO_CA=str(falta)
    )
    assert f"«{texto}» no es un PEM con un certificado" in _mal(monkeypatch, MONGO_CA=str(texto))
    monkeypatch.delenv("MONGO_CA")
    assert f"«{papeles.ca}» no es un PEM con un certificado y su clave" in _mal(
        monkeypatch, MONGO_CERT=papeles.ca
    )
    assert "está cifrada" in _mal(monkeypatch, MONGO_CERT=str(cifrada))


def test_las_palabras_valen_en_mayusculas_o_minusculas(monkeypatch: pytest.MonkeyPatch) -> None:
    """``sasl_ssl`` is SASL_SSL and ``Require`` is require."""
    for nombre, valor in {
        "KAFKA_SEGURIDAD": "sasl_ssl", "KAFKA_USER": "ana", "KAFKA_PASSWORD": "s3creta",
        "KAFKA_MECANISMO": "scram-sha-256", "POSTGRES_SSLMODE": "Require",
    }.items():  # fmt: skip
        monkeypatch.setenv(nombre, valor)
    ajustes = load_settings()
    assert (ajustes.kafka_seguridad, ajustes.postgres_sslmode) == ("SASL_SSL", "require")
    assert conexion(ajustes) == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "ana",
        "sasl.password": "s3creta",
    }


def test_ninguna_contrasena_se_ve_en_el_texto_de_los_ajustes() -> None:
    """Neither what settings look like in a log nor an error about them shows a secret."""
    secreto = "s3creta-9917"
    ajustes = Settings(
        postgres_password=secreto, mongo_password=secreto, kafka_password=secreto,
        kafka_user="ana", kafka_seguridad="SASL_PLAINTEXT",
    )  # fmt: skip
    assert secreto not in repr(ajustes) + str(ajustes)
    with pytest.raises(ValueError, match="KAFKA_SEGURIDAD") as error:
        Settings(kafka_password=secreto)
    assert secreto not in str(error.value)
