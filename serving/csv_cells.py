"""Texts in a CSV: written so that no spreadsheet runs them, and read back as they were."""

from __future__ import annotations

_PROTEGIDOS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""How a text begins that a spreadsheet would run (OWASP, "CSV Injection"), and the apostrophe that
is put before it: so an apostrophe of the text itself is told from ours."""


def protect(texto: str) -> str:
    """Return a text that no spreadsheet runs as a formula; ``unprotect`` gives it back.

    Blanks at its ends are kept in the same way from readers that take them for nothing.

    Examples
    --------
    >>> protect("=1+1"), protect("'=1+1"), protect("CLI_00001")
    ("'=1+1", "''=1+1", 'CLI_00001')
    """
    return f"'{texto}" if texto.startswith(_PROTEGIDOS) or texto != texto.strip() else texto


def unprotect(celda: str) -> str:
    """Return the text of a cell: as it was before ``protect``, or without blanks around it.

    Examples
    --------
    >>> unprotect("'=1+1"), unprotect("''=1+1"), unprotect(" 't Hof ")
    ('=1+1', "'=1+1", "'t Hof")
    """
    resto = celda[1:]
    if celda.startswith("'") and (resto.startswith(_PROTEGIDOS) or resto != resto.strip()):
        return resto
    return celda.strip()
