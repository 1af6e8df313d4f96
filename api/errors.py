"""What the API's errors say, in its answers and in its document.

Routes raise ``HTTPException(404, "no existe el cliente «CLI_9»")`` or ``Invalida``; our own
errors and FastAPI's are turned into problems. What a client reads never carries a trace, a server's
address or a variable; the log has those, under the same ``peticion_id``.
"""

from __future__ import annotations

import logging
import math
import re
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from detection.errors import ConsumoError, TransientError
from pipeline.stores.query_limits import ConsultaInvalidaError
from serving.web.problems import ProblemaSinPeticion, install_problems, problem, request_id

log = logging.getLogger("api")

REINTENTO_MINIMO_S = 1
_DIRECCION = re.compile(r" en \S+?:\d+(?=[\s:,;]|$)|(?<= en )https?://\S+")


class ErrorDeCampo(BaseModel):
    """What is wrong with one field of a request."""

    model_config = ConfigDict(json_schema_extra={"description": "Qué le pasa a un campo."})
    campo: str = Field(description="Nombre del campo", examples=["limite"])
    mensaje: str = Field(description="Qué le pasa", examples=["el máximo es 1000"])


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


class PromocionNoAdmitida(HTTPException):
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

    ``estados``: HTTP statuses. ``textos``: another description of one, under ``e404`` for 404.
    """
    return {
        estado: {
            "model": ProblemaSinPeticion if estado == 408 else Problema,
            "description": textos.get(f"e{estado}", _DESCRIPCIONES[estado]),
            **({"headers": _CABECERA_ESPERA} if estado in {429, 503} else {}),
        }
        for estado in estados
    }


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


def install_errors(app: FastAPI) -> None:
    """Make every error of the API a problem in Spanish."""
    install_problems(app)

    @app.exception_handler(TransientError)
    async def _pasajero(peticion: Request, error: TransientError) -> Response:
        log.warning("%s [%s]", error, request_id(peticion.scope))
        espera = str(max(REINTENTO_MINIMO_S, math.ceil(error.retry_after_s)))
        detalle = sin_direcciones(str(error))
        return problem(peticion.scope, 503, detalle, cabeceras={"Retry-After": espera})

    @app.exception_handler(ConsultaInvalidaError)
    async def _no_se_puede(peticion: Request, error: ConsultaInvalidaError) -> Response:
        return problem(peticion.scope, 422, str(error))

    @app.exception_handler(ConsumoError)
    async def _nuestro(peticion: Request, error: ConsumoError) -> Response:
        # A wrong password, a broken model: for whoever runs the API, not for its clients.
        quien = peticion.method, peticion.url.path
        log.error("%s %s: %s [%s]", *quien, error, request_id(peticion.scope))
        return problem(peticion.scope, 500)
