"""Endesa's customer area: lines about the contract, then a row an hour in Wh.

The hour is written as ``00:00-01:00``, local time; October's second ``02:00-03:00`` is told apart
by its order. The CUPS stands in the lines above the header.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.ingest.files.column_chunk import Filas, in_pieces, scale, to_number
from pipeline.ingest.files.instants import to_local
from pipeline.ingest.files.source_file import Entrada, FormatoError, id_from_cups, read_table

_FACTORES = {"consumo (wh)": 1e-3, "consumo (kwh)": 1.0}
_CUPS = re.compile(r"\bES\d{16}[A-Z]{2}(?:[0-9A-Z]{2})?\b", re.ASCII)


def fits_endesa(nombres: Sequence[str]) -> bool:
    """Return whether a header is that of the hours."""
    return list(nombres[:2]) == ["fecha", "hora"] and any(n in _FACTORES for n in nombres)


def read_endesa(entrada: Entrada) -> Iterator[Filas]:
    """Yield the hours of a file; its line of totals is none."""
    with entrada.text() as lineas:
        tabla = read_table(lineas, fits_endesa)
        cups = _CUPS.findall("\n".join(tabla.antes).upper())
        if not cups:
            raise FormatoError("no dice su CUPS en las líneas de encima de la cabecera")
        consumo = next(n for n in tabla.nombres if n in _FACTORES)
        sitio, factor = tabla.nombres.index(consumo), _FACTORES[consumo]

        def put(filas: Filas, linea: int, celdas: Sequence[str]) -> None:
            if celdas[0].lower().startswith("total"):
                return
            inicio = to_local(celdas[0], celdas[1].partition("-")[0].strip())
            valor = scale(to_number(celdas[sitio] or None, tabla.con_coma), factor)
            filas.add(linea, id_from_cups(cups[0]), inicio.isoformat(), valor, None)

        yield from in_pieces(entrada, tabla.filas, put)
