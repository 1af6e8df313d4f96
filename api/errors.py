"""Every error of the API as RFC 9457 ``application/problem+json``, in Spanish, and its docs.

Routes raise ``HTTPException(404, "no existe el cliente «CLI_9»")`` or ``Invalida``; our own
errors and FastAPI's are turned here. What a client reads never carries a trace, a server's
address or a variable; the log has those, under the same ``peticion_id``.
"""

from __future__ import annotations

import json
import logging
import math
import re
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Match

from detection.errors import ConsumoError, TransientError
from pipeline.stores.query_limits import ConsultaInvalidaError

log = logging.getLogger("api")

TIPO_PROBLEMA = "application/problem+json"
REINTENTO_MINIMO_S = 1
ERRORES_MAXIMOS = 10
"""Fields named in one answer, at most."""

_PROBLEMAS: dict[int, tuple[str, str, str]] = {
    400: ("mal-formada", "Petición mal formada", "la petición no se entiende"),
    401: ("sin-clave", "Falta una clave válida", "hace falta una clave válida en X-API-Key"),
    403: ("sin-permiso", "Sin permiso", "esa clave no permite hacerlo"),
    404: ("no-existe", "No existe", "no existe esa ruta"),
    405: ("metodo", "Método no admitido", "esa ruta no admite ese método"),
    406: ("formato", "Formato no disponible", "no se puede dar en ese formato"),
    409: ("conflicto", "Conflicto", "el estado actual no lo permite"),
    413: ("demasiado-grande", "Cuerpo demasiado grande", "el cuerpo es demasiado grande"),
    415: ("tipo-de-cuerpo", "Tipo de cuerpo no admitido", "se esperaba application/json"),
    421: ("anfitrion", "Anfitrión no admitido", "este servicio no atiende a ese nombre"),
    422: ("no-valida", "Petición no válida", "la petición no es válida"),
    429: ("demasiadas", "Demasiadas peticiones", "se ha pasado el límite de peticiones"),
    431: ("cabeceras", "Cabeceras demasiado grandes", "las cabeceras son demasiado grandes"),
    500: ("interno", "Error interno", "ha fallado el servidor; el motivo está en su registro"),
    503: ("no-disponible", "Servicio no disponible", "ahora no se puede; inténtelo de nuevo"),
}
"""Status -> last part of ``type``, ``title``, and ``detail`` where nothing better is known."""

_VALIDACION = {
    "missing": "falta",
    "extra_forbidden": "no se conoce ese campo",
    "int_parsing": "se esperaba un número entero",
    "int_type": "se esperaba un número entero",
    "int_from_float": "se esperaba un número entero",
    "int_parsing_size": "el número es demasiado grande",
    "float_parsing": "se esperaba un número",
    "float_type": "se esperaba un número",
    "finite_number": "se esperaba un número finito",
    "string_type": "se esperaba un texto",
    "string_unicode": "se esperaba un texto en UTF-8",
    "string_too_short": "el texto ha de tener al menos {min_length} caracteres",
    "string_too_long": "el texto ha de tener como mucho {max_length} caracteres",
    "string_pattern_mismatch": "no tiene la forma esperada ({pattern})",
    "list_type": "se esperaba una lista",
    "bool_type": "se esperaba true o false",
    "bool_parsing": "se esperaba true o false",
    "model_attributes_type": "se esperaba un objeto JSON",
    "model_type": "se esperaba un objeto JSON",
    "dict_type": "se esperaba un objeto JSON",
    "json_invalid": "el cuerpo no es JSON válido",
    "greater_than_equal": "el mínimo es {ge}",
    "greater_than": "ha de ser mayor que {gt}",
    "less_than_equal": "el máximo es {le}",
    "less_than": "ha de ser menor que {lt}",
    "too_short": "hacen falta al menos {min_length}",
    "too_long": "caben como mucho {max_length}",
    "literal_error": "se esperaba uno de: {expected}",
    "enum": "se esperaba uno de: {expected}",
    "timezone_aware": "falta el desfase horario, como +01:00 o Z",
}
_POR_PREFIJO = (
    ("datetime", "no es un instante ISO 8601, como 2026-01-15T02:00:00+01:00"),
    ("date", "no es una fecha ISO 8601, como 2026-01-15"),
    ("float", "se esperaba un número"),
    ("int", "se esperaba un número entero"),
)
_DIRECCION = re.compile(r" en \S+?:\d+(?=[\s:,;]|$)|(?<= en )https?://\S+")


_CUERPO_ILEGIBLE = "There was an error parsing the body"
"""What FastAPI says, with status 400, of a body that is not even text (fastapi 0.165)."""


class ErrorDeCampo(BaseModel):
    """What is wrong with one field of a request."""

    model_config = ConfigDict(json_schema_extra={"description": "Qué le pasa a un campo."})
    campo: str = Field(description="Nombre del campo", examples=["limite"])
    mensaje: str = Field(description="Qué le pasa", examples=["el máximo es 1000"])


class ProblemaSinPeticion(BaseModel):
    """An error as RFC 9457 wants it, of a request of which too little has come to be one."""

    model_config = ConfigDict(
        json_schema_extra={"description": "Error según la RFC 9457, de una petición a medias."}
    )
    type: str = Field(description="Clase de problema", examples=["urn:consumo:problema:no-valida"])
    title: str = Field(description="Resumen", examples=["Petición no válida"])
    status: int = Field(description="Código de estado HTTP", examples=[422])
    detail: str = Field(description="Qué ha pasado", examples=["limite: el máximo es 1000"])


class Problema(ProblemaSinPeticion):
    """An error of a request, with what we add to it."""

    model_config = ConfigDict(
        json_schema_extra={"description": "Error según la RFC 9457 (application/problem+json)."}
    )
    instance: str = Field(description="Ruta pedida", examples=["/api/anomalias/últimas"])
    peticion_id: str = Field(
        description="Identificador de la petición, el mismo que en el registro del servidor",
        examples=["5f0c6d1e9a7b4c32"],
    )
    errores: list[ErrorDeCampo] | None = Field(
        None, description="Los campos que no valen, si se trata de eso"
    )
    razones: list[str] | None = Field(
        None, description="Por qué no se promueve una versión, si se trata de eso"
    )


class Invalida(HTTPException):
    """A 422 that names the field, for what only a route can check.

    Examples
    --------
    >>> Invalida("hasta", "ha de ser posterior a desde").detail
    'hasta: ha de ser posterior a desde'
    """

    def __init__(self, campo: str, mensaje: str) -> None:
        super().__init__(422, f"{campo}: {mensaje}")
        self.errores = [{"campo": campo, "mensaje": mensaje}]


class Rechazada(HTTPException):
    """A 409 that lists why a version is not promoted."""

    def __init__(self, detalle: str, razones: list[str]) -> None:
        super().__init__(409, sin_direcciones(detalle))
        self.razones = [sin_direcciones(razon) for razon in razones]


_CABECERA_ESPERA = {
    "Retry-After": {
        "description": "Segundos tras los que merece la pena repetir la petición",
        "schema": {"type": "integer", "minimum": REINTENTO_MINIMO_S},
    }
}
_DESCRIPCIONES = {
    400: "La cabecera `Host` falta o no es un nombre con su puerto",
    401: "Falta una clave válida en `X-API-Key`",
    403: "El rol de la clave no lo permite",
    404: "No existe",
    408: "La petición no ha llegado entera a tiempo",
    409: "El estado actual no lo permite",
    413: "El cuerpo es demasiado grande",
    421: "Este servicio no atiende a ese nombre de servidor",
    422: "La petición no es válida; dice qué campo y por qué",
    429: "Demasiadas peticiones en un minuto",
    500: "Fallo del servidor; su registro lo explica bajo `peticion_id`",
    503: "Un almacén no responde; `Retry-After` dice cuándo repetir",
}


def respuestas(*estados: int, **textos: str) -> dict[int | str, dict[str, Any]]:
    """Return ``responses=`` of a route for its errors.

    Of 408 there is no request yet that its answer could name.

    Parameters
    ----------
    estados : int
        HTTP statuses.
    textos : str
        Another description of one, under ``e404`` for 404.
    """
    return {
        estado: {
            "model": ProblemaSinPeticion if estado == 408 else Problema,
            "description": textos.get(f"e{estado}", _DESCRIPCIONES[estado]),
            **({"headers": _CABECERA_ESPERA} if estado in {429, 503} else {}),
        }
        for estado in estados
    }


def problema(
    estado: int,
    ruta: str,
    peticion_id: str,
    detalle: str | None = None,
    errores: list[dict[str, str]] | None = None,
    cabeceras: dict[str, str] | None = None,
    razones: list[str] | None = None,
) -> Response:
    """Return an answer of RFC 9457 in Spanish; ``detalle`` None = what its status means."""
    clase, titulo, defecto = _PROBLEMAS.get(estado) or ("otro", HTTPStatus(estado).phrase, "")
    cuerpo: dict[str, Any] = {
        "type": f"urn:consumo:problema:{clase}",
        "title": titulo,
        "status": estado,
        "detail": detalle or defecto or titulo,
        "instance": ruta,
        "peticion_id": peticion_id,
    }
    if errores:
        cuerpo["errores"] = errores
    if razones:
        cuerpo["razones"] = razones
    return Response(
        json.dumps(cuerpo, ensure_ascii=False).encode("utf-8", "replace"),
        estado,
        headers={"Cache-Control": "no-store", **(cabeceras or {})},
        media_type=TIPO_PROBLEMA,
    )


def en_espanol(error: dict[str, Any]) -> dict[str, str]:
    """Return ``campo`` and ``mensaje`` for one of pydantic's errors."""
    tipo = str(error["type"])
    contexto = {clave: str(valor) for clave, valor in (error.get("ctx") or {}).items()}
    if "expected" in contexto:
        contexto["expected"] = contexto["expected"].replace(" or ", " o ").replace("'", "")
    if tipo in {"value_error", "assertion_error"} and "error" in contexto:
        mensaje = contexto["error"]
    else:
        defecto = next((t for p, t in _POR_PREFIJO if tipo.startswith(p)), "no es válido")
        mensaje = _VALIDACION.get(tipo, defecto).format_map(contexto)
    # The first part says body, query or path; a union adds the name of the branch.
    lugar = [str(p) for p in error["loc"][1:] if not re.search(r"\[|^constrained", str(p))]
    if tipo == "json_invalid" or not lugar:
        return {"campo": "cuerpo", "mensaje": mensaje}
    return {"campo": ".".join(lugar), "mensaje": mensaje}


def espera_de(error: TransientError) -> dict[str, str]:
    """Return the header that says when another try makes sense."""
    return {"Retry-After": str(max(REINTENTO_MINIMO_S, math.ceil(error.retry_after_s)))}


def sin_direcciones(texto: str) -> str:
    """Return a text without the addresses of our servers.

    Examples
    --------
    >>> sin_direcciones("PostgreSQL en 10.0.0.7:5432 no responde")
    'PostgreSQL no responde'
    >>> sin_direcciones("MLflow no responde en http://mlflow:5000")
    'MLflow no responde'
    """
    return re.sub(r" en(?=$|\s*[,;])", "", _DIRECCION.sub("", texto).rstrip())


def id_de(peticion: Request) -> str:
    """Return the request's id, which the middleware has given it."""
    return str(peticion.scope.get("state", {}).get("peticion_id", ""))


def _metodos(peticion: Request) -> list[str]:
    """Return the methods that a path admits, sorted: each is a route of its own."""
    rutas = iter_route_contexts(peticion.app.routes)
    suyas = [ruta for ruta in rutas if ruta.matches(peticion.scope)[0] is not Match.NONE]
    metodos = {metodo for ruta in suyas for metodo in ruta.methods or ()}
    return sorted(metodos | ({"HEAD"} if "GET" in metodos else set()))


def install_errors(app: FastAPI) -> None:
    """Make every error of an app an ``application/problem+json`` in Spanish."""

    @app.exception_handler(RequestValidationError)
    async def _validacion(peticion: Request, error: RequestValidationError) -> Response:
        errores = [en_espanol(e) for e in error.errors()]
        unicos = list({tuple(e.items()): e for e in errores}.values())[:ERRORES_MAXIMOS]
        detalle = "; ".join(f"{e['campo']}: {e['mensaje']}" for e in unicos)
        return problema(422, peticion.url.path, id_de(peticion), detalle, unicos)

    @app.exception_handler(StarletteHTTPException)
    async def _http(peticion: Request, error: StarletteHTTPException) -> Response:
        try:
            propio = error.detail != HTTPStatus(error.status_code).phrase
        except ValueError:
            propio = True
        if error.detail == _CUERPO_ILEGIBLE:
            campo = [{"campo": "cuerpo", "mensaje": "no es JSON en UTF-8"}]
            return problema(
                422, peticion.url.path, id_de(peticion), "cuerpo: no es JSON en UTF-8", campo
            )
        cabeceras = dict(error.headers or {})
        if error.status_code == 405:
            cabeceras["Allow"] = ", ".join(_metodos(peticion))
        return problema(
            error.status_code, peticion.url.path, id_de(peticion),
            str(error.detail) if propio and error.detail else None,
            getattr(error, "errores", None), cabeceras, getattr(error, "razones", None),
        )  # fmt: skip

    @app.exception_handler(TransientError)
    async def _pasajero(peticion: Request, error: TransientError) -> Response:
        log.warning("%s [%s]", error, id_de(peticion))
        detalle = sin_direcciones(str(error))
        return problema(
            503, peticion.url.path, id_de(peticion), detalle, cabeceras=espera_de(error)
        )

    @app.exception_handler(ConsultaInvalidaError)
    async def _no_se_puede(peticion: Request, error: ConsultaInvalidaError) -> Response:
        return problema(422, peticion.url.path, id_de(peticion), str(error))

    @app.exception_handler(ConsumoError)
    async def _nuestro(peticion: Request, error: ConsumoError) -> Response:
        # A wrong password, a broken model: for whoever runs the API, not for its clients.
        log.error("%s %s: %s [%s]", peticion.method, peticion.url.path, error, id_de(peticion))
        return problema(500, peticion.url.path, id_de(peticion))
