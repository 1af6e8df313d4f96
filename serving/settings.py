"""Every variable of the product, read once, by entry points only.

Sources, the later winning: the defaults below, the file that
``consumo servicios`` leaves in ``.consumo/servicios.env`` while it runs, the
file ``.env``, the environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import time
from functools import cached_property
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from detection.domain import SEVERIDADES
from detection.errors import ConfiguracionError
from serving.tls import check_autoridad, check_certificado

SERVICIOS_ENV = Path(".consumo/servicios.env")
ROLES = ("lectura", "analista", "administracion")
"""What a key of the API may do, each all that those before it may."""


def _valid_if(check: Callable[[str], object], *, o_vacio: bool = False) -> AfterValidator:
    """Return what refuses a text as a check does, by ``ValueError``, and leaves it as it is."""

    def validate(valor: str) -> str:
        if valor or not o_vacio:
            check(valor)
        return valor

    return AfterValidator(validate)


def _one_of(*opciones: str) -> AfterValidator:
    """Return what takes one of some words, however it is written in capitals or not."""

    def validate(valor: str) -> str:
        for opcion in opciones:
            if opcion.upper() == valor.upper():
                return opcion
        raise ValueError(f"se esperaba una de {', '.join(opciones)}")

    return AfterValidator(validate)


def _check_zona(valor: str) -> None:
    try:
        ZoneInfo(valor)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"no existe la zona horaria «{valor}»") from error


def _check_servidor(valor: str) -> None:
    try:
        partes = urlsplit(valor)
        posible = partes.scheme in {"http", "https"} and partes.hostname and partes.port != 0
    except ValueError:
        posible = False
    # The value is not shown: it may carry a password.
    if not posible or re.search(r"\s", valor):
        raise ValueError(
            "se esperaba la dirección http(s) de un servidor de MLflow, "
            "como «http://127.0.0.1:5000»"
        )


def horas_de(texto: str) -> tuple[int, ...]:
    """Return the hours of the day that a text names, in rising order.

    ``ValueError``: it is not a list of hours and ranges; the text says so in Spanish.

    Examples
    --------
    >>> horas_de("10-13,18")
    (10, 11, 12, 13, 18)
    >>> horas_de("22-1")
    (0, 1, 22, 23)
    """
    horas: set[int] = set()
    for tramo in texto.split(","):
        partes = re.fullmatch(r"\s*(\d{1,2})\s*(?:-\s*(\d{1,2})\s*)?", tramo, re.ASCII)
        desde = int(partes[1]) if partes else 24
        hasta = int(partes[2]) if partes and partes[2] else desde
        if max(desde, hasta) > 23:
            raise ValueError(
                f"se esperaban horas de 0 a 23, como «0-5» o «10-13,18-21»; se dio «{texto}»"
            )
        horas.update(hora % 24 for hora in range(desde, hasta + (24 if hasta < desde else 0) + 1))
    return tuple(sorted(horas))


def claves_de(texto: str) -> tuple[tuple[str, str, str], ...]:
    """Return name, role and SHA-256 (hex) of each API key that a text lists.

    ``ValueError``: it is no such list; the text says so in Spanish, without what was given.
    """
    claves: dict[str, tuple[str, str, str]] = {}
    for trozo in filter(None, (trozo.strip() for trozo in texto.split(","))):
        partes = re.fullmatch(rf"([\w.-]{{1,40}}):({'|'.join(ROLES)}):([0-9a-f]{{64}})", trozo)
        if partes is None:
            raise ValueError(
                "se esperaba nombre:rol:huella, separadas por comas, como las que da "
                f"«consumo api --nueva-clave NOMBRE»; los roles son {', '.join(ROLES)}"
            )
        if partes[1] in claves:
            raise ValueError(f"la clave «{partes[1]}» está dos veces")
        claves[partes[1]] = (partes[1], partes[2], partes[3])
    return tuple(claves.values())


def silencio_de(texto: str) -> tuple[time, time] | None:
    """Return from when to when, local time, nobody is to be told anything; None = never.

    ``ValueError``: it is no such stretch of the day; the text says so in Spanish.

    Examples
    --------
    >>> silencio_de("22-7:30")
    (datetime.time(22, 0), datetime.time(7, 30))
    """
    if not texto:
        return None
    partes = re.fullmatch(r"(\d{1,2})(?::(\d\d))?-(\d{1,2})(?::(\d\d))?", texto, re.ASCII)
    try:
        desde, hasta = (time(int(partes[k]), int(partes[k + 1] or 0)) for k in (1, 3))  # type: ignore[index]
    except (TypeError, ValueError):
        desde = hasta = time()
    if desde == hasta:
        raise ValueError(
            f"se esperaba desde y hasta qué hora, como «22-7» o «22:30-7:15»; se dio «{texto}»"
        )
    return desde, hasta


def _listed(texto: str, patron: str, que: str) -> tuple[str, ...]:
    """Return the entries of a text, separated by commas, or say that one is not ``que``."""
    entradas = tuple(filter(None, (trozo.strip() for trozo in texto.split(","))))
    for entrada in entradas:
        if not re.fullmatch(patron, entrada, re.ASCII):
            raise ValueError(f"«{entrada}» no es {que}")
    return entradas


def origenes_de(texto: str) -> tuple[str, ...]:
    """Return the web origins that a text lists; ``ValueError`` in Spanish if one is none.

    Examples
    --------
    >>> origenes_de("https://tablero.example, http://localhost:8501")
    ('https://tablero.example', 'http://localhost:8501')
    """
    return _listed(texto, r"https?://[^\s/*?#@]+", "un origen, como «https://tablero.example»")


def anfitriones_de(texto: str) -> tuple[str, ...]:
    """Return the hosts, by name or address, that a text lists; ``ValueError`` if one is none.

    Examples
    --------
    >>> anfitriones_de("consumo.example, *.red.example,10.0.0.7")
    ('consumo.example', '*.red.example', '10.0.0.7')
    """
    return _listed(
        texto,
        r"\*|(\*\.)?[\w.-]+|\[?[0-9A-Fa-f:.]+\]?",
        "un nombre de servidor, como «consumo.example», sin puerto",
    )


_Silencio = Annotated[str, _valid_if(silencio_de)]
_Zona = Annotated[str, _valid_if(_check_zona)]
_Horas = Annotated[str, _valid_if(horas_de)]
_Claves = Annotated[str, _valid_if(claves_de)]
_Origenes = Annotated[str, _valid_if(origenes_de)]
_Anfitriones = Annotated[str, _valid_if(anfitriones_de)]
_Mlflow = Annotated[str, _valid_if(_check_servidor)]
_Ca = Annotated[str, _valid_if(check_autoridad, o_vacio=True)]
_Cert = Annotated[str, _valid_if(check_certificado, o_vacio=True)]


class Settings(BaseSettings):
    """The product's variables; each field's name in capitals is its variable."""

    model_config = SettingsConfigDict(
        env_file=(SERVICIOS_ENV, ".env"),
        env_file_encoding="utf-8-sig",  # with the mark that Windows puts before it, or without
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # it may be a password
    )

    postgres_host: str = Field("127.0.0.1", description="Servidor de PostgreSQL")
    postgres_port: int = Field(5432, ge=1, le=65535, description="Puerto de PostgreSQL")
    postgres_user: str = Field("admin", description="Usuario de PostgreSQL")
    postgres_password: str = Field("", repr=False, description="Contraseña de PostgreSQL")
    postgres_db: str = Field("consumo_db", description="Base de datos de PostgreSQL")
    postgres_sslmode: Annotated[
        str, _one_of("disable", "prefer", "require", "verify-ca", "verify-full")
    ] = Field(
        "prefer", description="TLS con PostgreSQL: disable, prefer, require, verify-ca, verify-full"
    )
    postgres_ca: _Ca = Field(
        "", description="PEM de la autoridad que firma el certificado de PostgreSQL"
    )
    postgres_cert: _Cert = Field(
        "", description="PEM con el certificado propio para PostgreSQL y su clave"
    )

    mongo_host: str = Field("127.0.0.1", description="Servidor de MongoDB")
    mongo_port: int = Field(27017, ge=1, le=65535, description="Puerto de MongoDB")
    mongo_user: str = Field("", description="Usuario de MongoDB; vacío = sin autenticación")
    mongo_password: str = Field("", repr=False, description="Contraseña de MongoDB")
    mongo_db: str = Field("consumo_db", description="Base de datos de MongoDB")
    mongo_tls: bool = Field(False, description="TLS con MongoDB")
    mongo_ca: _Ca = Field("", description="PEM de la autoridad de MongoDB; vacío = las del sistema")
    mongo_cert: _Cert = Field(
        "", description="PEM con el certificado propio para MongoDB y su clave"
    )

    kafka_broker: str = Field("127.0.0.1:9092", description="Servidores de Kafka, con coma")
    kafka_topic: str = Field("consumos-data", description="Topic de lecturas")
    kafka_particiones: int = Field(
        6, ge=1, le=1000, description="Particiones del topic si hay que crearlo"
    )
    kafka_replicas: int = Field(1, ge=1, le=9, description="Réplicas del topic si hay que crearlo")
    kafka_grupo: str = Field("consumo-processor-group", description="Grupo de consumidores")
    kafka_seguridad: Annotated[str, _one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")] = (
        Field(
            "PLAINTEXT", description="Conexión con Kafka: PLAINTEXT, SSL, SASL_PLAINTEXT o SASL_SSL"
        )
    )
    kafka_mecanismo: Annotated[str, _one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")] = Field(
        "SCRAM-SHA-512", description="Con SASL: PLAIN, SCRAM-SHA-256 o SCRAM-SHA-512"
    )
    kafka_user: str = Field("", description="Usuario de Kafka, con SASL")
    kafka_password: str = Field("", repr=False, description="Contraseña de Kafka, con SASL")
    kafka_ca: _Ca = Field("", description="PEM de la autoridad de Kafka; vacío = las del sistema")
    kafka_cert: _Cert = Field("", description="PEM con el certificado propio para Kafka y su clave")
    lote_maximo: int = Field(
        5000, ge=1, le=100_000, description="Lecturas por lote del consumidor, como mucho"
    )

    api_host: str = Field("127.0.0.1", description="Dirección de la API REST")
    api_port: int = Field(8001, ge=1, le=65535, description="Puerto de la API REST")
    api_claves: _Claves = Field(
        "",
        repr=False,
        description="Claves de la API: nombre:rol:huella, con coma; vacío = nadie cambia nada",
    )
    api_claves_lectura: _Claves = Field(
        "",
        repr=False,
        description="Claves que solo leen, igual; si hay alguna, leer también pide clave",
    )
    api_sin_claves: bool = Field(
        False, description="Servir fuera de esta máquina sin ninguna clave, a sabiendas"
    )
    api_limite_minuto: int = Field(
        1200, ge=0, le=1_000_000, description="Peticiones por minuto y clave o dirección; 0 = todas"
    )
    api_cors_origenes: _Origenes = Field(
        "", description="Orígenes web que pueden llamar a la API, con coma; vacío = ninguno"
    )
    api_url: str = Field(
        "", description="La API a la que se pregunta; vacío = la de esta máquina, en API_PORT"
    )
    tablero_host: str = Field("127.0.0.1", description="Dirección del tablero")
    tablero_port: int = Field(8501, ge=1, le=65535, description="Puerto del tablero")
    api_anfitriones: _Anfitriones = Field(
        "", description="Otros nombres por los que se llega a la API, con coma; * = cualquiera"
    )
    metricas_host: str = Field("127.0.0.1", description="Dirección de las métricas del consumidor")
    metricas_port: int = Field(
        9464,
        ge=0,
        le=65535,
        description="Puerto de las métricas del consumidor; ocupado = otro libre; 0 = no se sirven",
    )
    generador_host: str = Field("127.0.0.1", description="Dirección del generador de datos")
    generador_port: int = Field(8000, ge=1, le=65535, description="Puerto del generador de datos")
    generador_anfitriones: _Anfitriones = Field(
        "", description="Otros nombres por los que se llega al generador, con coma; * = cualquiera"
    )

    mlflow_tracking_uri: _Mlflow = Field("http://127.0.0.1:5000", description="Servidor de MLflow")
    modelos_dir: Path = Field(
        Path(".consumo/modelos"), description="Carpeta con copia de los modelos en uso"
    )
    modelo_sondeo_s: float = Field(
        10.0, gt=0, le=30, description="Cada cuánto se mira si hay otro campeón, s"
    )
    modelo_en_sombra: bool = Field(
        False, description="Puntuar además con el aspirante, solo para comparar"
    )
    entrenar_dias: int = Field(
        90, ge=29, le=3650, description="Días de historia con que se entrena"
    )
    deriva_dias: int = Field(7, ge=1, le=90, description="Días recientes que mira la deriva")
    reentrenar_dias: int = Field(
        30, ge=1, le=3650, description="Edad del campeón, en días, a la que toca reentrenar"
    )

    avisos_urls: str = Field(
        "",
        repr=False,
        description="Adónde van los avisos: direcciones de Apprise, con espacio; vacío = registro",
    )
    avisos_probabilidad: float = Field(
        0.5, ge=0, le=1, description="Probabilidad desde la que se avisa de un caso, de 0 a 1"
    )
    avisos_severidad: Annotated[str, _one_of(*map(str, SEVERIDADES[1:]))] = Field(
        str(SEVERIDADES[1]),
        description="Severidad que alguna hora del caso ha de tener: baja, media, alta o crítica",
    )
    avisos_silencio: _Silencio = Field(
        "",
        description="Horas locales en que no se avisa sino después, como 22-7; vacío = ninguna",
    )
    avisos_detalle: bool = Field(
        False,
        description="Decir en los avisos, además de quién es el cliente, cuánto gasta y cuándo",
    )
    avisos_plantilla: str = Field(
        "", description="Archivo con la plantilla (Jinja) de los avisos; vacío = la del producto"
    )
    avisos_enlace: str = Field(
        "", description="Dirección del tablero para los enlaces de los avisos; vacío = sin enlaces"
    )

    zona_horaria: _Zona = Field("Europe/Madrid", description="Zona de las horas sin desfase")
    consumo_maximo_kwh: float = Field(
        10_000.0, gt=0, description="Lectura máxima admisible, kWh en una hora"
    )
    retencion_horarios_horas: int = Field(
        48, ge=1, description="Horas que guarda consumos_horarios"
    )
    precio_kwh_eur: float = Field(
        0.15, ge=0, le=100, description="Precio de la energía para estimar importes, €/kWh"
    )
    horas_noche: _Horas = Field(
        "0-5", description="Horas locales de consumo_noche_promedio, de 0 a 23, ambas incluidas"
    )
    horas_punta: _Horas = Field(
        "10-13,18-21", description="Horas locales de consumo_punta_promedio, de 0 a 23"
    )
    nivel_log: Annotated[str, _one_of("DEBUG", "INFO", "WARNING", "ERROR")] = Field(
        "INFO", description="DEBUG, INFO, WARNING o ERROR"
    )

    @model_validator(mode="after")
    def _conexiones_posibles(self) -> Settings:
        """Refuse what would be ignored: who sets a certificate believes that it is used."""
        sasl, tls = self.kafka_seguridad.startswith("SASL"), self.kafka_seguridad.endswith("SSL")
        firma = self.postgres_sslmode.startswith("verify")
        pegas = {
            "KAFKA_SEGURIDAD con SASL pide KAFKA_USER y KAFKA_PASSWORD": (
                sasl and not (self.kafka_user and self.kafka_password)
            ),
            "KAFKA_USER y KAFKA_PASSWORD piden KAFKA_SEGURIDAD=SASL_SSL (o SASL_PLAINTEXT)": (
                not sasl and (self.kafka_user or self.kafka_password)
            ),
            "KAFKA_CA y KAFKA_CERT piden KAFKA_SEGURIDAD=SSL o SASL_SSL": (
                not tls and (self.kafka_ca or self.kafka_cert)
            ),
            "POSTGRES_SSLMODE=verify-ca y verify-full piden POSTGRES_CA": (
                firma and not self.postgres_ca
            ),
            "POSTGRES_CA pide POSTGRES_SSLMODE=verify-full (o verify-ca)": (
                self.postgres_ca and not firma
            ),
            "POSTGRES_CERT no se usa con POSTGRES_SSLMODE=disable": (
                self.postgres_cert and self.postgres_sslmode == "disable"
            ),
            "MONGO_CA y MONGO_CERT piden MONGO_TLS=True": (
                not self.mongo_tls and (self.mongo_ca or self.mongo_cert)
            ),
            "MONGO_USER pide MONGO_PASSWORD": self.mongo_user and not self.mongo_password,
        }
        for texto, pega in pegas.items():
            if pega:
                raise ValueError(texto)
        return self

    @cached_property
    def kafka_topic_dlq(self) -> str:
        """Return the dead-letter topic's name."""
        return f"{self.kafka_topic}-dlq"


def announced() -> dict[str, str]:
    """Return the variables that running embedded services have left in this folder."""
    try:
        lineas = SERVICIOS_ENV.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return dict(linea.split("=", 1) for linea in lineas if "=" in linea)


def load_settings() -> Settings:
    """Return the settings of this process.

    ``ConfiguracionError``: a variable is not valid, or a file of them no UTF-8; the text names it.
    """
    for fichero in (SERVICIOS_ENV, Path(".env")):
        _check_text(fichero)
    try:
        return Settings()
    except ValidationError as error:
        primero = error.errors()[0]
        nombre = ".".join(str(p) for p in primero["loc"]).upper()
        que = f"variable {nombre} no válida" if nombre else "variables que no casan"
        raise ConfiguracionError(f"{que}: {_en_espanol(primero)}") from error


def _check_text(fichero: Path) -> None:
    if not fichero.is_file():
        return
    try:
        contenido = fichero.read_bytes()
    except OSError as error:
        raise ConfiguracionError(f"{fichero}: no se puede leer ({error.strerror})") from error
    try:
        contenido.decode("utf-8")
        # UTF-16 of plain letters is UTF-8 as well, with a zero in every other byte.
        malo = contenido.find(0)
    except UnicodeDecodeError as error:
        malo = error.start
    if malo >= 0:
        linea = contenido.count(b"\n", 0, malo) + 1
        raise ConfiguracionError(
            f"{fichero}: no está en UTF-8 (línea {linea}): guárdelo como UTF-8"
        )


def _en_espanol(error: object) -> str:
    """Return one Spanish clause for a pydantic error, without the secret value."""
    assert isinstance(error, dict)
    contexto = error.get("ctx") or {}
    textos = {
        "int_parsing": "se esperaba un número entero",
        "float_parsing": "se esperaba un número",
        "greater_than_equal": f"el mínimo es {contexto.get('ge')}",
        "less_than_equal": f"el máximo es {contexto.get('le')}",
        "greater_than": f"ha de ser mayor que {contexto.get('gt')}",
        "bool_parsing": "se esperaba true o false",
    }
    if error["type"] == "value_error":
        return str(contexto.get("error", error["msg"]))
    return textos.get(error["type"], str(error["msg"]))
