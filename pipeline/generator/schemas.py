"""What the generator's service says over HTTP: its models, its errors, its limits."""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, RootModel
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from detection.errors import ConfiguracionError
from detection.simulation.population import SEMILLA, SEMILLA_MAXIMA, name_of
from detection.simulation.synthesis import ETIQUETAS, TIPOS_SOSPECHOSOS

log = logging.getLogger("generador")

MAX_CLIENTES = 10_000
MAX_HORAS = 1_000_000
MAX_CUERPO_BYTES = 1_000_000
"""Ten thousand ids fit, or as many suspicious customers with their ids and starts."""

CLIENTES = 50

_ID = re.compile(r"(?:CLI|S\d+)_(\d{5,9})", re.ASCII)

_TITULOS = {
    400: "Petición mal formada",
    404: "No existe",
    405: "Método no admitido",
    413: "Cuerpo demasiado grande",
    421: "Anfitrión no admitido",
    422: "Petición no válida",
    500: "Error interno",
}

_DETALLES = {
    404: "no existe esa ruta",
    405: "esa ruta no admite ese método",
    500: "el generador ha fallado; el motivo está en su registro",
}

_VALIDACION = {
    "missing": "falta",
    "extra_forbidden": "no se conoce ese campo",
    "int_parsing": "se esperaba un número entero",
    "int_type": "se esperaba un número entero",
    "int_from_float": "se esperaba un número entero",
    "int_parsing_size": "el número es demasiado grande",
    "string_type": "se esperaba un texto",
    "list_type": "se esperaba una lista",
    "bool_type": "se esperaba true o false",
    "bool_parsing": "se esperaba true o false",
    "model_attributes_type": "se esperaba un objeto JSON",
    "model_type": "se esperaba un objeto JSON",
    "dict_type": "se esperaba un objeto JSON",
    "json_invalid": "el cuerpo no es JSON válido",
    "greater_than_equal": "el mínimo es {ge}",
    "less_than_equal": "el máximo es {le}",
    "too_short": "hacen falta al menos {min_length}",
    "too_long": "caben como mucho {max_length}",
    "literal_error": "se esperaba uno de: {expected}",
}


def _texto(descripcion: str, ejemplo: object = None) -> ConfigDict:
    """Return a model's settings with its Spanish description; the docstring is for us."""
    extra: dict[str, Any] = {"description": descripcion}
    if ejemplo is not None:
        extra["examples"] = [ejemplo]
    return ConfigDict(extra="forbid", json_schema_extra=extra)


class Lectura(BaseModel):
    """A reading as the topic carries it (contract 2), with its label."""

    model_config = _texto(
        "Consumo de un cliente en una hora, tal como viaja por Kafka.",
        {
            "propietario_id": "CLI_00001",
            "timestamp": "2026-01-15T02:00:00+01:00",
            "consumo_kwh": 1.234,
            "etiqueta": "normal",
        },
    )
    propietario_id: str = Field(description="Identificador del cliente")
    timestamp: datetime = Field(description="Comienzo de la hora, ISO 8601 con desfase")
    consumo_kwh: float = Field(ge=0, description="Energía de esa hora, en kWh")
    etiqueta: Literal[ETIQUETAS] = Field(  # type: ignore[valid-type]
        description="La verdad de la lectura; el detector nunca la lee"
    )


class Lecturas(RootModel[list[Lectura]]):
    """A list of readings."""

    model_config = ConfigDict(json_schema_extra={"description": "Lecturas, hora a hora."})


class Problema(BaseModel):
    """An error as RFC 9457 wants it."""

    model_config = _texto("Error según la RFC 9457 (application/problem+json).")
    type: str = Field("about:blank", description="Clase de problema")
    title: str = Field(description="Resumen", examples=["Petición no válida"])
    status: int = Field(description="Código de estado HTTP", examples=[422])
    detail: str = Field(description="Qué ha pasado", examples=["clientes: el mínimo es 1"])
    instance: str = Field(description="Ruta pedida", examples=["/generar/todos"])


class Salud(BaseModel):
    """The service's health."""

    model_config = _texto("Estado del servicio.")
    estado: Literal["ok"] = Field(description="«ok» mientras el servicio atiende")
    servicio: Literal["generador"] = Field(description="Quién contesta")
    zona_horaria: str = Field(description="Zona de las horas locales", examples=["Europe/Madrid"])


class Sospechoso(BaseModel):
    """A suspicious customer that is asked for."""

    model_config = _texto("Un cliente con comportamiento sospechoso.", {"tipo": "cannabis"})
    tipo: Literal[TIPOS_SOSPECHOSOS] = Field(  # type: ignore[valid-type]
        description="Comportamiento; «fraude» elige uno de los siete fraudes"
    )
    propietario_id: str | None = Field(
        None, description="Cliente; si falta, se reparten entre todos", examples=["CLI_00003"]
    )
    desde: datetime | None = Field(
        None, description="Comienzo; si falta, tras un tiempo limpio (en menos de 16 días, ya)"
    )


class Lote(BaseModel):
    """The body of a custom batch."""

    model_config = _texto(
        "Qué generar. El intervalo se da con «desde» y «hasta», o con uno de ellos y «dias» u "
        "«horas»; sin extremos termina en la última hora completa, y sin nada son 24 horas.",
        {"clientes": 20, "dias": 60, "sospechosos": [{"tipo": "cannabis"}], "semilla": 1},
    )
    clientes: int | None = Field(None, ge=1, le=MAX_CLIENTES, description="Cuántos (50 si falta)")
    propietarios: list[str] | None = Field(
        None, min_length=1, max_length=MAX_CLIENTES, description="O cuáles, uno a uno"
    )
    dias: int | None = Field(None, ge=1, le=MAX_HORAS, description="Duración en días de 24 h")
    horas: int | None = Field(None, ge=1, le=MAX_HORAS, description="Duración en horas")
    desde: datetime | None = Field(None, description="Primera hora; sin desfase es hora local")
    hasta: datetime | None = Field(None, description="Hora en que termina, sin incluirla")
    sospechosos: list[Sospechoso] | Annotated[int, Field(ge=0, le=MAX_CLIENTES)] | None = Field(
        None,
        description="Cuántos hacen algo en el intervalo; si falta, los que sean entre los que se "
        "piden. Una lista hace otra versión de esos clientes, para probar: no la guarde junto a "
        "las lecturas de «consumo producir», que los llama igual",
    )
    semilla: int = Field(
        SEMILLA,
        ge=0,
        le=SEMILLA_MAXIMA,
        description="Otra semilla, otros clientes, con ella en su nombre",
    )
    rango_completo: bool = Field(
        False, description="Admite también ataques tan leves que casi no se aprecian"
    )


ClientesPedidos = Annotated[
    int, Query(ge=1, le=MAX_CLIENTES, description="Clientes de la población")
]
SospechososPedidos = Annotated[
    int | None,
    Query(
        ge=0,
        le=MAX_CLIENTES,
        description="Cuántos de ellos hacen algo sospechoso en esas horas; si falta, los que sean "
        "entre los primeros, unos 8 de cada 50",
    ),
]
SemillaPedida = Annotated[
    int,
    Query(
        ge=0,
        le=SEMILLA_MAXIMA,
        description=f"Otra que {SEMILLA}, otros clientes, con ella en su nombre: S9_00001",
    ),
]

RESPUESTAS_DE_ERROR: dict[int | str, dict[str, Any]] = {
    codigo: {
        "description": texto,
        "content": {"application/problem+json": {"schema": Problema.model_json_schema()}},
    }
    for codigo, texto in (
        (404, "No existe ese cliente"),
        (413, "El cuerpo es demasiado grande"),
        (422, "La petición no es válida"),
    )
}


def indice_de(propietario_id: str, estado: int, semilla: int) -> int:
    """Return the number of a customer of a seed, or refuse its id with an HTTP status.

    With the names of no seed, it is the number of the seed that was asked for.
    """
    partes = _ID.fullmatch(propietario_id)
    numero = int(partes[1]) if partes else 0
    if not numero or propietario_id not in {name_of(semilla, numero), name_of(SEMILLA, numero)}:
        raise HTTPException(
            estado, f"no existe el cliente «{propietario_id[:40]}»; los hay desde CLI_00001"
        )
    return numero


def problema(estado: int, detalle: str, ruta: str) -> Response:
    """Return an answer of RFC 9457 in Spanish."""
    cuerpo = {
        "type": "about:blank",
        "title": _TITULOS.get(estado) or HTTPStatus(estado).phrase,
        "status": estado,
        "detail": detalle,
        "instance": ruta,
    }
    return Response(
        json.dumps(cuerpo, ensure_ascii=False).encode("utf-8", "replace"),
        estado,
        media_type="application/problem+json",
    )


def en_espanol(error: dict[str, Any]) -> str:
    """Return "campo: qué le pasa" for one of pydantic's errors."""
    tipo = str(error["type"])
    contexto = {clave: str(valor) for clave, valor in (error.get("ctx") or {}).items()}
    if "expected" in contexto:
        contexto["expected"] = contexto["expected"].replace(" or ", " o ").replace("'", "")
    por_defecto = "no es una fecha ISO 8601" if tipo.startswith("datetime") else "no es válido"
    texto = _VALIDACION.get(tipo, por_defecto).format(**contexto)
    # The first part says body, query or path; a union adds the name of the branch.
    lugar = [str(p) for p in error["loc"][1:] if not re.search(r"\[|^constrained", str(p))]
    if tipo == "json_invalid" or not lugar:
        return texto if tipo == "json_invalid" else f"cuerpo: {texto}"
    return f"{'.'.join(lugar)}: {texto}"


def install_errors(app: FastAPI) -> None:
    """Make every error of an app an ``application/problem+json`` in Spanish."""

    @app.exception_handler(RequestValidationError)
    async def _validacion(peticion: Request, error: RequestValidationError) -> Response:
        textos = dict.fromkeys(en_espanol(e) for e in error.errors()[:5])
        return problema(422, "; ".join(textos), peticion.url.path)

    @app.exception_handler(ConfiguracionError)
    async def _configuracion(peticion: Request, error: ConfiguracionError) -> Response:
        return problema(422, str(error), peticion.url.path)

    @app.exception_handler(HTTPException)
    async def _http(peticion: Request, error: HTTPException) -> Response:
        propio = error.detail != HTTPStatus(error.status_code).phrase
        detalle = error.detail if propio else _DETALLES.get(error.status_code, error.detail)
        respuesta = problema(error.status_code, detalle, peticion.url.path)
        respuesta.headers.update(error.headers or {})
        return respuesta

    @app.exception_handler(Exception)
    async def _inesperado(peticion: Request, error: Exception) -> Response:
        log.error("fallo al atender %s", peticion.url.path, exc_info=error)
        return problema(500, _DETALLES[500], peticion.url.path)


class BodyLimit:
    """ASGI middleware that answers 413 to bodies of more than ``MAX_CUERPO_BYTES``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting what comes of its body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        texto = f"el cuerpo pasa de {MAX_CUERPO_BYTES} bytes"
        anunciado = Headers(scope=scope).get("content-length", "0")
        if anunciado.isdigit() and int(anunciado) > MAX_CUERPO_BYTES:
            await problema(413, texto, scope["path"])(scope, receive, send)
            return
        recibido = 0

        async def contar() -> Message:
            nonlocal recibido
            mensaje = await receive()
            recibido += len(mensaje.get("body", b""))
            if recibido > MAX_CUERPO_BYTES:
                raise HTTPException(413, texto)
            return mensaje

        await self.app(scope, contar, send)
