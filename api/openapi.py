"""The OpenAPI document: its head, its tags, how its errors look, and what routes are asked.

A parameter that it does not know is refused: a misspelt filter is not the same as no filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi

from api.errors import Invalida, Problema
from serving.web.problems import TIPO_PROBLEMA, ProblemaSinPeticion

RESUMEN = "Anomalías en el consumo eléctrico horario: qué se ha medido, qué se sospecha y por qué"
DESCRIPCION = """
Cada lectura horaria de cada cliente lleva un veredicto: `score_anomalia` de 0 a 1, `severidad`,
los tipos de anomalía y, si lo es, una explicación con números. Esta API los da.

- **Instantes**: ISO 8601 con desfase; en los parámetros, sin desfase es la hora local.
- **Energía**: kWh en la hora.
- **Listas**: `limite` y `cursor`; el campo `siguiente` de una página es el `cursor` de la otra.
- **Errores**: `application/problem+json` (RFC 9457); `peticion_id` es el mismo del registro.
- **Claves**: en la cabecera `X-API-Key`. Leer no pide clave salvo que el servicio lo exija; cambiar
  algo pide una con el rol que se indica, y queda anotado.
- **Tildes**: las rutas se escriben con tilde; sin ella también valen.
"""
PRESENTACION: dict[str, Any] = {
    "title": "Consumo", "version": "1.0.0", "summary": RESUMEN, "description": DESCRIPCION,
}  # fmt: skip
ETIQUETAS = (
    {"name": "consumos", "description": "Lecturas horarias y consumos mensuales de los clientes"},
    {"name": "anomalías", "description": "Lo que los detectores han encontrado, y por qué"},
    {"name": "incidencias", "description": "Anomalías seguidas de un cliente, reunidas en una"},
    {"name": "casos", "description": "Cambios en el consumo de un cliente que no han vuelto atrás"},
    {"name": "clientes", "description": "Búsqueda, orden por sospecha y perfil de consumo"},
    {"name": "estadísticas", "description": "Cifras de un cliente y de todos"},
    {"name": "dashboard", "description": "Lo que enseña la primera página del tablero"},
    {"name": "modelos", "description": "Versiones del modelo: métricas, campeón, sombra"},
    {"name": "deriva", "description": "Si los datos recientes se parecen a los del entrenamiento"},
    {"name": "sistema", "description": "Salud, métricas y auditoría del propio servicio"},
)
_REFERENCIA, _SIN_PETICION = (
    f"#/components/schemas/{modelo.__name__}" for modelo in (Problema, ProblemaSinPeticion)
)
_NOMBRE_MAXIMO = 40
"""Characters of a name that are told back."""

Conocidos = Mapping[tuple[str, str], frozenset[str]]
"""The query parameters of each path and method."""
_VALIDACION = ("HTTPValidationError", "ValidationError")


def make_documento(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an app, made once."""
    if app.openapi_schema is None:
        documento = get_openapi(
            title=app.title, version=app.version, openapi_version=app.openapi_version,
            summary=app.summary, description=app.description, routes=app.routes,
            tags=app.openapi_tags,
        )  # fmt: skip
        for operacion in _operaciones(documento):
            if "requestBody" in operacion:
                operacion["responses"]["413"] = {
                    "description": "El cuerpo es demasiado grande",
                    "content": {TIPO_PROBLEMA: {"schema": {"$ref": _REFERENCIA}}},
                }
            for respuesta in operacion["responses"].values():
                _as_problem(respuesta)
        for nombre in _VALIDACION:
            documento.get("components", {}).get("schemas", {}).pop(nombre, None)
        app.openapi_schema = documento
    return app.openapi_schema


def _operaciones(documento: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for ruta in documento["paths"].values():
        yield from (op for op in ruta.values() if isinstance(op, dict) and "responses" in op)


def _as_problem(respuesta: dict[str, Any]) -> None:
    """Give a response that is a problem the media type that it is sent with.

    FastAPI puts every extra model under the media type of the route's own answer.
    """
    contenido = respuesta.get("content", {})
    dichos = {c.get("schema", {}).get("$ref") for c in contenido.values()}
    if problemas := dichos & {_REFERENCIA, _SIN_PETICION}:
        respuesta["content"] = {TIPO_PROBLEMA: {"schema": {"$ref": problemas.pop()}}}


def known_params(documento: Mapping[str, Any]) -> Conocidos:
    """Return the query parameters that an OpenAPI document declares.

    Examples
    --------
    >>> op = {"parameters": [{"in": "query", "name": "limite"}, {"in": "path", "name": "id"}]}
    >>> known_params({"paths": {"/a/{id}": {"get": op}}})
    {('/a/{id}', 'GET'): frozenset({'limite'})}
    """
    return {
        (ruta, metodo.upper()): frozenset(
            p["name"] for p in operacion.get("parameters", ()) if p["in"] == "query"
        )
        for ruta, operaciones in documento["paths"].items()
        for metodo, operacion in operaciones.items()
    }


async def check_consulta(peticion: Request) -> None:
    """Return if every parameter of a request is known to its route; 422 otherwise."""
    conocidos: Conocidos = peticion.app.state.conocidos
    ruta = getattr(peticion.scope.get("route"), "path_format", "")
    suyos = conocidos.get((ruta, peticion.method))
    if suyos is None:  # Not in the document: the page and its files.
        return
    for nombre in peticion.query_params:
        if nombre not in suyos:
            raise Invalida(nombre[:_NOMBRE_MAXIMO], "no se conoce ese parámetro")
