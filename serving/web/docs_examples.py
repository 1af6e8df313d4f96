"""What a schema of the OpenAPI document looks like: its type in Spanish, and an example of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROFUNDIDAD = 8
"""Levels of an example; ours have four, and a schema that holds itself would have no end."""
_TIPOS = {
    "integer": "entero",
    "number": "número",
    "string": "texto",
    "boolean": "true o false",
    "object": "objeto",
    "null": "nulo",
}
_FORMATOS = {"date-time": "instante", "date": "fecha", "binary": "fichero"}
_MUESTRAS = {
    "instante": "2026-11-23T02:00:00+01:00",
    "fecha": "2026-11-23",
    "entero": 0,
    "número": 0.0,
    "true o false": True,
    "texto": "…",
    "nulo": None,
}


def resolver(documento: Mapping[str, Any], esquema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema, or the one that it refers to."""
    referencia = esquema.get("$ref")
    if referencia is None:
        return esquema
    hallado: Mapping[str, Any] = documento["components"]["schemas"][referencia.rpartition("/")[2]]
    return hallado


def tipo_de(esquema: Mapping[str, Any]) -> str:
    """Return the type of a schema in Spanish.

    Examples
    --------
    >>> tipo_de({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]})
    'fecha o nulo'
    >>> tipo_de({"type": "array", "items": {"enum": ["alta", "baja"]}})
    'lista de alta, baja'
    """
    if "$ref" in esquema:
        return str(esquema["$ref"]).rpartition("/")[2]
    if "anyOf" in esquema:
        return " o ".join(dict.fromkeys(tipo_de(parte) for parte in esquema["anyOf"]))
    if "enum" in esquema:
        return ", ".join(map(str, esquema["enum"]))
    if "const" in esquema:
        return f"siempre {esquema['const']}"
    if esquema.get("type") == "array":
        return f"lista de {tipo_de(esquema.get('items', {}))}"
    tipo = _TIPOS.get(str(esquema.get("type")), "cualquiera")
    return _FORMATOS.get(str(esquema.get("format")), tipo)


def ejemplo(
    documento: Mapping[str, Any], esquema: Mapping[str, Any], profundidad: int = PROFUNDIDAD
) -> Any:
    """Return an example of a schema, put together from those of its fields.

    Examples
    --------
    >>> campos = {"a": {"type": "integer", "examples": [7]}, "b": {"type": "array", "items": {}}}
    >>> ejemplo({}, {"properties": campos})
    {'a': 7, 'b': [None]}
    """
    esquema = resolver(documento, esquema)
    for nombre in ("examples", "enum"):
        if esquema.get(nombre):
            return esquema[nombre][0]
    for nombre in ("example", "const", "default"):
        if esquema.get(nombre) is not None:
            return esquema[nombre]
    if profundidad == 0:
        return None
    if esquema.get("anyOf"):
        return ejemplo(documento, esquema["anyOf"][0], profundidad - 1)
    if "properties" in esquema:
        return {
            campo: ejemplo(documento, suyo, profundidad - 1)
            for campo, suyo in esquema["properties"].items()
        }
    if esquema.get("type") == "array":
        return [ejemplo(documento, esquema.get("items", {}), profundidad - 1)]
    if esquema.get("type") == "object":
        return {}
    return _MUESTRAS.get(tipo_de(esquema))
