"""Datadis' answers in JSON, as the rows of a table: a list of records, alone or in ``timeCurve``.

The file is decoded record by record, so that its size is no matter, and numbers stay the texts that
they are. An answer that is cut off is refused as a whole.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator

from pipeline.ingest.files.blocks import Convertidor
from pipeline.ingest.files.container import Entrada
from pipeline.ingest.files.text_cells import FormatoError, brief

_LISTA = re.compile(r'"timeCurve(?:List)?"\s*:\s*\[')
_HUECO = re.compile(r"[\s,]*")
_BLOQUE = 65_536
_REGISTRO_MAXIMO = 1 << 20
"""Characters without a whole record; no record of an hour is so long."""
_COLUMNAS = (
    "cups", "date", "time", "hour", "consumptionKWh", "measureMagnitudeActive", "obtainMethod",
    "metodoObtencion", "surplusEnergyKWh", "energyPoured",
)  # fmt: skip


def is_datadis_json(entrada: Entrada) -> bool:
    """Return whether a file begins as JSON and speaks of a CUPS' hours."""
    comienzo = entrada.muestra.lstrip(b"\xef\xbb\xbf \t\r\n")
    return (
        comienzo[:1] in {b"[", b"{"}
        and b'"cups"' in comienzo
        and (b'"consumptionKWh"' in comienzo or b'"measureMagnitudeActive"' in comienzo)
    )


def rows_of_datadis(entrada: Entrada) -> Iterator[tuple[int, list[str]]]:
    """Yield the header and the rows of a file, each with the line where its record begins."""
    columnas: list[str] = []
    for linea, registro in _records(entrada):
        if not isinstance(registro, dict):
            raise FormatoError(f"la línea {linea} no es un registro con sus campos")
        if not columnas:
            columnas = [c for c in _COLUMNAS if c in registro]
            # The header stands above the first record.
            yield linea - 1, columnas
        yield linea, [_to_text(registro.get(columna)) for columna in columnas]


def _to_text(valor: object) -> str:
    return "" if valor is None else valor if isinstance(valor, str) else brief(json.dumps(valor))


def _records(entrada: Entrada) -> Iterator[tuple[int, object]]:
    """Yield the items of the list, each with its line."""
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
    with entrada.open() as archivo, io.TextIOWrapper(archivo, "utf-8-sig", "replace") as texto:
        tampon, linea = _find_list(texto), 1
        while True:
            hueco = _HUECO.match(tampon)
            sitio = hueco.end() if hueco else 0
            linea, tampon = linea + tampon.count("\n", 0, sitio), tampon[sitio:]
            if tampon.startswith("]"):
                return
            try:
                registro, fin = decoder.raw_decode(tampon) if tampon else (None, 0)
            except (ValueError, RecursionError):
                fin = 0
            if fin:
                yield linea, registro
                linea, tampon = linea + tampon.count("\n", 0, fin), tampon[fin:]
                continue
            bloque = texto.read(_BLOQUE)
            if not bloque or len(tampon) > _REGISTRO_MAXIMO:
                raise FormatoError(f"el JSON está cortado o no es válido en la línea {linea}")
            tampon += bloque


def _find_list(texto: io.TextIOWrapper) -> str:
    """Return the text behind the bracket that opens the list, and lines for those before it."""
    tampon = texto.read(_BLOQUE)
    dentro = _LISTA.search(tampon) if tampon.lstrip().startswith("{") else None
    fin = tampon.find("[") + 1 if dentro is None else dentro.end()
    if tampon.lstrip().startswith("{") and dentro is None:
        raise FormatoError("el JSON no tiene la lista timeCurve")
    return "\n" * tampon.count("\n", 0, fin) + tampon[fin:]


DATADIS_JSON = Convertidor("Datadis (JSON)", is_datadis_json, rows_of_datadis)
