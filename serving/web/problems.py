"""Errors of our HTTP services as RFC 9457 ``application/problem+json``, in Spanish.

A service that numbers its requests (``state["peticion_id"]`` of their scope) also says that
number, which fields are wrong, and the reasons of a refusal.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

TIPO_PROBLEMA = "application/problem+json"
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
    "int_parsing_size": "el número es demasiado grande",
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
_CUERPO_ILEGIBLE = "There was an error parsing the body"
"""What FastAPI says, with status 400, of a body that is not even text (fastapi 0.165)."""


class ProblemaSinPeticion(BaseModel):
    """An error as RFC 9457 wants it, of a request of which too little has come to be one."""

    model_config = ConfigDict(
        json_schema_extra={"description": "Error según la RFC 9457, de una petición a medias."}
    )
    type: str = Field(description="Clase de problema", examples=["urn:consumo:problema:no-valida"])
    title: str = Field(description="Resumen", examples=["Petición no válida"])
    status: int = Field(description="Código de estado HTTP", examples=[422])
    detail: str = Field(description="Qué ha pasado", examples=["limite: el máximo es 1000"])


def problem(
    scope: Scope,
    estado: int,
    detalle: str | None = None,
    *,
    errores: list[dict[str, str]] | None = None,
    razones: list[str] | None = None,
    cabeceras: dict[str, str] | None = None,
) -> Response:
    """Return the answer to a request; ``detalle`` None = what its status means."""
    clase, titulo, defecto = _PROBLEMAS.get(estado) or ("otro", HTTPStatus(estado).phrase, "")
    cuerpo: dict[str, Any] = {
        "type": f"urn:consumo:problema:{clase}",
        "title": titulo,
        "status": estado,
        "detail": detalle or defecto or titulo,
        "instance": scope["path"],
    }
    peticion_id = request_id(scope)
    if peticion_id:
        propias = {"peticion_id": peticion_id, "errores": errores, "razones": razones}
        cuerpo |= {nombre: valor for nombre, valor in propias.items() if valor}
    return Response(
        json.dumps(cuerpo, ensure_ascii=False).encode("utf-8", "replace"),
        estado,
        headers={"Cache-Control": "no-store", **(cabeceras or {})},
        media_type=TIPO_PROBLEMA,
    )


def request_id(scope: Scope) -> str:
    """Return the number that a middleware has given a request; empty = none."""
    return str(scope.get("state", {}).get("peticion_id", ""))


def in_spanish(error: dict[str, Any]) -> dict[str, str]:
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


def install_problems(app: FastAPI) -> None:
    """Make FastAPI's own errors, and every ``HTTPException``, a problem in Spanish.

    An exception's ``errores`` and ``razones``, if it has them, are told too.
    """

    @app.exception_handler(RequestValidationError)
    async def _validacion(peticion: Request, error: RequestValidationError) -> Response:
        errores = [in_spanish(e) for e in error.errors()]
        unicos = list({tuple(e.items()): e for e in errores}.values())[:ERRORES_MAXIMOS]
        detalle = "; ".join(f"{e['campo']}: {e['mensaje']}" for e in unicos)
        return problem(peticion.scope, 422, detalle, errores=unicos)

    @app.exception_handler(HTTPException)
    async def _http(peticion: Request, error: HTTPException) -> Response:
        if error.detail == _CUERPO_ILEGIBLE:
            campo = {"campo": "cuerpo", "mensaje": "no es JSON en UTF-8"}
            return problem(peticion.scope, 422, "cuerpo: no es JSON en UTF-8", errores=[campo])
        cabeceras = dict(error.headers or {})
        if error.status_code == 405:
            cabeceras["Allow"] = ", ".join(_methods(peticion))
        return problem(
            peticion.scope, error.status_code, str(error.detail) if _is_ours(error) else None,
            errores=getattr(error, "errores", None), razones=getattr(error, "razones", None),
            cabeceras=cabeceras,
        )  # fmt: skip


def _is_ours(error: HTTPException) -> bool:
    """Return whether an error says more than the English name of its status."""
    try:
        return error.detail != HTTPStatus(error.status_code).phrase
    except ValueError:
        return True


def _methods(peticion: Request) -> list[str]:
    """Return the methods that a path admits, sorted: each is a route of its own.

    Of the first path that fits, as it is routed: one that takes whatever is left fits many.
    """
    rutas = iter_route_contexts(peticion.app.routes)
    suyas = [ruta for ruta in rutas if ruta.matches(peticion.scope)[0] is not Match.NONE]
    primera = {ruta.path for ruta in suyas[:1]}
    metodos = {metodo for ruta in suyas if ruta.path in primera for metodo in ruta.methods or ()}
    return sorted(metodos | ({"HEAD"} if "GET" in metodos else set()))
