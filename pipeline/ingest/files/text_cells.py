"""Texts of files as they are compared, cut and named: cells, customers, errors."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

LARGO_ID = 20
LARGO_DICHO = 40
TRAMOS_MOSTRADOS = 100
"""Ranges of lines that are shown at once."""
# Ministry's code: ES, 4 + 12 digits, 2 check letters; 2 more characters name the border point.
_CUPS = re.compile(r"(ES\d{16}[A-Z]{2})[0-9A-Z]{2}", re.ASCII)
_FORMULA = re.compile(r'="([^"]*)"')


class FormatoError(Exception):
    """What is wrong with a file as a whole, in Spanish."""


def read_rows(
    lineas: Iterator[str], separador: str, saltadas: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, cells stripped, each with the line at which it ends.

    ``saltadas`` lines of the file are read already.
    """
    lector: Any = csv.reader(lineas, delimiter=separador)
    try:
        for fila in lector:
            celdas = [celda.strip() for celda in fila]
            if any(celdas):
                yield saltadas + lector.line_num, celdas
    except csv.Error as error:
        raise FormatoError(
            f"la línea {saltadas + lector.line_num + 1} no es CSV (¿comillas sin cerrar?)"
        ) from error


def clean(celda: str) -> str:
    """Return a cell without blanks and without the ``="…"`` by which Excel keeps zeros.

    Examples
    --------
    >>> clean(' ="0541" ')
    '0541'
    """
    limpia = celda.strip()
    formula = _FORMULA.fullmatch(limpia) if limpia.startswith("=") else None
    return formula.group(1).strip() if formula else limpia


def is_one_of(celda: str, textos: Sequence[str]) -> bool:
    """Return whether a normalized cell is one of some contents, ``*`` for any characters."""
    return any(celda == t or ("*" in t and fnmatchcase(celda, t)) for t in textos)


def id_from_cups(texto: str) -> str:
    """Return the ``propietario_id`` of a CUPS: its first 20 characters.

    A CUPS has 20 characters, or 22 where the two last name the border point (1F, 1P, 00). The
    20 are the supply point; ``propietario_id`` has room for no more.

    Examples
    --------
    >>> id_from_cups("es0021000000000000aa1p")
    'ES0021000000000000AA'
    """
    cups = texto.strip().upper()
    largo = _CUPS.fullmatch(cups)
    return largo.group(1) if largo else cups


def brief(texto: str, largo: int = LARGO_DICHO) -> str:
    """Return a text as it may stand in a line for the user: cut, and without control codes."""
    return printable(texto if len(texto) <= largo else f"{texto[:largo]}…")


def printable(texto: str) -> str:
    r"""Return a text whose control codes, and marks that turn its direction, are written out.

    Examples
    --------
    >>> printable("casa \x1b[31m")
    'casa \\x1b[31m'
    """
    if texto.isprintable():
        return texto
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in texto)


def short_id(texto: str) -> str:
    """Return a stable ``propietario_id`` for a name of any length.

    Up to 20 characters it is the name itself; of a longer one, its first 11 characters, "_"
    and 8 hexadecimal digits of its SHA-256: the same name gives always the same customer.

    Examples
    --------
    >>> short_id("6345172663"), short_id("contador_energia_total")
    ('6345172663', 'contador_en_40764c96')
    """
    if len(texto) <= LARGO_ID:
        return texto
    return f"{texto[: LARGO_ID - 9]}_{hashlib.sha256(texto.encode()).hexdigest()[:8]}"


def describe_lines(lineas: Iterable[int]) -> str:
    """Return line numbers for the user, as ranges.

    Examples
    --------
    >>> describe_lines([8, 7, 12]), describe_lines([3])
    ('líneas 7-8, 12', 'línea 3')
    """
    orden = sorted(lineas)
    tramos: list[list[int]] = []
    for linea in orden:
        if tramos and linea <= tramos[-1][1] + 1:
            tramos[-1][1] = linea
        else:
            tramos.append([linea, linea])
    textos = [f"{a}-{b}" if b > a else str(a) for a, b in tramos[:TRAMOS_MOSTRADOS]]
    resto = len(tramos) - TRAMOS_MOSTRADOS
    mas = f" y {resto} tramos más" if resto > 0 else ""
    return f"línea{'s' * (len(orden) > 1)} {', '.join(textos)}{mas}"
