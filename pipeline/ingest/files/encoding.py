"""In which encoding a text is, by all of its bytes."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

_BOM = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip


def find_encoding(bloques: Iterator[bytes], entero: bool = True) -> str:
    """Return UTF-16, UTF-8 or, where the bytes are no UTF-8, Windows' western encoding.

    Parameters
    ----------
    bloques : iterator of bytes
        The text from its beginning.
    entero : bool
        Whether that is all of it: a sample may end within a character.

    Examples
    --------
    >>> find_encoding(iter(["año".encode("cp1252")])), find_encoding(iter(["año".encode()]))
    ('cp1252', 'utf-8-sig')
    """
    primero = next(bloques, b"")
    for marca, nombre in _BOM:
        if primero.startswith(marca):
            return nombre
    comienzo = primero[:4096]
    # Latin letters in UTF-16 have a zero in every second byte.
    if len(comienzo) >= 8 and 4 * comienzo.count(0) >= len(comienzo):
        pares, nones = comienzo[::2].count(0), comienzo[1::2].count(0)
        if 8 * min(pares, nones) < max(pares, nones):
            return "utf-16-le" if nones > pares else "utf-16-be"
    decodificador = codecs.getincrementaldecoder("utf-8")()
    try:
        decodificador.decode(primero)
        for bloque in bloques:
            decodificador.decode(bloque)
        decodificador.decode(b"", entero)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"
