"""``/docs``: the OpenAPI document as one Spanish page that needs nothing from elsewhere.

The usual pages fetch their scripts from a CDN, which a utility's closed network does not reach, and
speak English. This one is made here, from the same document that machines read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from serving.web.docs_examples import ejemplo, resolver, tipo_de

METODOS = ("get", "post", "put", "patch", "delete")
CABECERA_CLAVE = "X-API-Key"
_LUGARES = {"path": "en la ruta", "query": "en la consulta", "header": "en la cabecera"}


def make_pagina(documento: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    info = documento["info"]
    por_etiqueta = _by_tag(documento)
    return "".join(
        [
            '<!doctype html><html lang="es"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(info['title'])}: API</title>",
            '<link rel="stylesheet" href="/docs/docs.css">',
            '<script src="/docs/docs.js" defer></script></head><body>',
            '<a class="salto" href="#contenido">Ir al contenido</a>',
            _nav(info, por_etiqueta),
            '<main id="contenido">',
            f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
            f'<p class="resumen">{escape(info.get("summary", ""))}</p>',
            prosa(info.get("description", "")),
            _clave() if _wants_key(documento) else "",
            *(_section(documento, etiqueta, ops) for etiqueta, ops in por_etiqueta.items()),
            _schemas(documento),
            "</main></body></html>",
        ]
    )


def prosa(texto: str) -> str:
    """Return HTML for the little Markdown that our descriptions use.

    Examples
    --------
    >>> prosa("Uno `a<b` y **dos**.")
    '<p>Uno <code>a&lt;b</code> y <strong>dos</strong>.</p>'
    """
    salida = []
    for parrafo in filter(None, re.split(r"\n\s*\n", texto.strip())):
        lineas = parrafo.split("\n")
        if lineas[0].startswith("- "):
            puntos = re.split(r"(?:^|\n)- ", parrafo)[1:]
            salida.append("<ul>" + "".join(f"<li>{_linea(p)}</li>" for p in puntos) + "</ul>")
        else:
            salida.append(f"<p>{_linea(parrafo)}</p>")
    return "".join(salida)


def _linea(texto: str) -> str:
    seguro = escape(" ".join(texto.split()), quote=False)
    seguro = re.sub(r"`([^`]+)`", r"<code>\1</code>", seguro)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", seguro)


def _by_tag(documento: Mapping[str, Any]) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    """Return path, method and operation of each tag, tags and paths in their order."""
    orden: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
        etiqueta["name"]: [] for etiqueta in documento.get("tags", ())
    }
    for ruta, metodos in documento["paths"].items():
        for metodo in METODOS:
            if metodo in metodos:
                for etiqueta in metodos[metodo].get("tags", ["otros"]):
                    orden.setdefault(etiqueta, []).append((ruta, metodo, metodos[metodo]))
    return {etiqueta: ops for etiqueta, ops in orden.items() if ops}


def _nav(info: Mapping[str, Any], por_etiqueta: Mapping[str, Any]) -> str:
    partes = [
        '<nav aria-label="Operaciones"><label class="oculta" for="filtro">Filtrar</label>'
        '<input id="filtro" type="search" placeholder="Filtrar operaciones" autocomplete="off">'
    ]
    for etiqueta, operaciones in por_etiqueta.items():
        partes.append(f"<h2>{escape(etiqueta)}</h2><ul>")
        partes += [
            f'<li><a href="#{op["operationId"]}"><span class="metodo {metodo}">{metodo.upper()}'
            f"</span> {escape(op.get('summary', ruta))}</a></li>"
            for ruta, metodo, op in operaciones
        ]
        partes.append("</ul>")
    partes.append(
        '<h2>documento</h2><ul><li><a href="#esquemas">Esquemas</a></li>'
        '<li><a href="/openapi.json">openapi.json</a></li></ul></nav>'
    )
    return "".join(partes)


def _wants_key(documento: Mapping[str, Any]) -> bool:
    return bool(documento.get("components", {}).get("securitySchemes"))


def _clave() -> str:
    return (
        '<form class="clave" autocomplete="off"><label for="clave">Clave '
        f"(<code>{CABECERA_CLAVE}</code>) para probar desde esta página</label>"
        '<input id="clave" type="password" autocomplete="off" '
        'placeholder="se queda en esta página y se olvida al cerrarla"></form>'
    )


def _section(
    documento: Mapping[str, Any], etiqueta: str, operaciones: list[tuple[str, str, dict[str, Any]]]
) -> str:
    que = {e["name"]: e.get("description", "") for e in documento.get("tags", ())}
    cuerpo = "".join(_operation(documento, *operacion) for operacion in operaciones)
    return (
        f"<section><h2>{escape(etiqueta.capitalize())}</h2>{prosa(que.get(etiqueta, ''))}"
        f"{cuerpo}</section>"
    )


def _operation(documento: Mapping[str, Any], ruta: str, metodo: str, op: dict[str, Any]) -> str:
    nombre = op["operationId"]
    llave = '<span class="llave">pide clave</span>' if op.get("security") else ""
    return (
        f'<article id="{nombre}"><h3>{escape(op.get("summary", ""))} {llave}</h3>'
        f'<p class="ruta"><span class="metodo {metodo}">{metodo.upper()}</span> '
        f"<code>{escape(ruta)}</code></p>{prosa(op.get('description', ''))}"
        f'<form class="probar" data-metodo="{metodo.upper()}" data-ruta="{escape(ruta)}">'
        f"{_params(op, nombre)}{_body(documento, op, nombre)}"
        '<p><button type="submit">Probar</button> <button type="button" class="copiar">'
        "Copiar como curl</button></p></form>"
        '<div class="resultado" aria-live="polite" hidden></div>'
        f"{_responses(documento, op)}</article>"
    )


def _params(op: Mapping[str, Any], nombre: str) -> str:
    parametros = op.get("parameters", [])
    if not parametros:
        return ""
    filas = "".join(_param(p, f"{nombre}-{i}") for i, p in enumerate(parametros))
    return (
        '<table class="parametros"><thead><tr><th>Parámetro</th><th>Valor</th>'
        f"<th>Qué es</th></tr></thead><tbody>{filas}</tbody></table>"
    )


def _param(p: Mapping[str, Any], id_: str) -> str:
    esquema = p.get("schema", {})
    falta = '<abbr title="obligatorio">*</abbr>' if p.get("required") else ""
    defecto = esquema.get("default")
    nota = (
        "" if defecto in (None, []) else f" Si falta, <code>{escape(json.dumps(defecto))}</code>."
    )
    ejemplos = (esquema.get("examples") or [""]) if p.get("required") else [""]
    return (
        f'<tr><th scope="row"><label for="{id_}"><code>{escape(p["name"])}</code>{falta}</label>'
        f'<small>{_LUGARES.get(p["in"], p["in"])}</small></th><td><input id="{id_}" '
        f'name="{escape(p["name"])}" data-en="{p["in"]}" '
        f"{'data-lista' if tipo_de(esquema).startswith('lista') else ''} "
        f'value="{escape(str(ejemplos[0]))}"{" required" if p.get("required") else ""}></td>'
        f"<td><em>{escape(tipo_de(esquema))}</em>. {_linea(p.get('description', ''))}.{nota}"
        "</td></tr>"
    )


def _body(documento: Mapping[str, Any], op: Mapping[str, Any], nombre: str) -> str:
    contenido = op.get("requestBody", {}).get("content", {}).get("application/json")
    if contenido is None:
        return ""
    muestra = json.dumps(ejemplo(documento, contenido["schema"]), ensure_ascii=False, indent=2)
    return (
        f'<label for="{nombre}-cuerpo">Cuerpo, JSON ({_enlace(contenido["schema"])})</label>'
        f'<textarea id="{nombre}-cuerpo" class="cuerpo" rows="{muestra.count(chr(10)) + 2}" '
        f'spellcheck="false">{escape(muestra)}</textarea>'
    )


def _responses(documento: Mapping[str, Any], op: Mapping[str, Any]) -> str:
    filas, muestras = [], []
    for estado, respuesta in sorted(op["responses"].items()):
        tipos = respuesta.get("content", {})
        esquema = next((c["schema"] for c in tipos.values() if c.get("schema")), None)
        filas.append(
            f'<tr><th scope="row">{estado}</th><td>{_linea(respuesta["description"])}</td>'
            f"<td>{escape(', '.join(tipos))} {_enlace(esquema) if esquema else ''}</td></tr>"
        )
        if estado.startswith("2") and "application/json" in tipos and esquema:
            texto = json.dumps(ejemplo(documento, esquema), ensure_ascii=False, indent=2)
            muestras.append(
                f"<details><summary>Ejemplo de respuesta</summary><pre>{escape(texto)}</pre>"
                "</details>"
            )
    return (
        "<details><summary>Respuestas</summary><table><tbody>"
        f"{''.join(filas)}</tbody></table></details>{''.join(muestras)}"
    )


def _enlace(esquema: Mapping[str, Any]) -> str:
    """Return a link to what a schema refers to, or its type."""
    if "$ref" in esquema:
        nombre = esquema["$ref"].rpartition("/")[2]
        return f'<a href="#esquema-{escape(nombre)}">{escape(nombre)}</a>'
    if esquema.get("items"):
        return f"lista de {_enlace(esquema['items'])}"
    if "anyOf" in esquema:
        return " o ".join(_enlace(parte) for parte in esquema["anyOf"])
    return escape(tipo_de(esquema))


def _schemas(documento: Mapping[str, Any]) -> str:
    esquemas = documento.get("components", {}).get("schemas", {})
    partes = ['<section id="esquemas"><h2>Esquemas</h2>']
    for nombre, esquema in sorted(esquemas.items()):
        filas = "".join(_fields(documento, esquema))
        partes.append(
            f'<article id="esquema-{escape(nombre)}"><h3>{escape(nombre)}</h3>'
            f"{prosa(esquema.get('description', ''))}<table><tbody>{filas}</tbody></table>"
            "</article>"
        )
    return "".join([*partes, "</section>"])


def _fields(documento: Mapping[str, Any], esquema: Mapping[str, Any]) -> Iterator[str]:
    for campo, suyo in resolver(documento, esquema).get("properties", {}).items():
        yield (
            f'<tr><th scope="row"><code>{escape(campo)}</code></th><td>{_enlace(suyo)}</td>'
            f"<td>{_linea(suyo.get('description', ''))}</td></tr>"
        )
