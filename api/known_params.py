"""Parameters that no route knows are refused: a misspelt filter is not the same as no filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request

from api.errors import Invalida

_NOMBRE_MAXIMO = 40
"""Characters of a name that are told back."""

Conocidos = Mapping[tuple[str, str], frozenset[str]]
"""The query parameters of each path and method."""


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
