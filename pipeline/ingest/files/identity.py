"""Who the customer of a row, or of a whole file, is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.ingest.files.profile_schema import Identidad
from pipeline.ingest.files.text_cells import (
    FormatoError,
    clean,
    id_from_cups,
    short_id,
)
from serving.csv_cells import unprotect


def read_id(celda: str, identidad: Identidad) -> str:
    """Return the customer that a cell names; "" = none."""
    if identidad.clase == "exacto":
        return unprotect(celda)
    texto = clean(celda).removeprefix(identidad.quita)
    return id_from_cups(texto) if identidad.clase == "cups" else short_id(texto)


def id_of_file(identidad: Identidad, encima: Sequence[str], nombre: str) -> str:
    """Return the customer of a file that names none in its rows.

    Parameters
    ----------
    encima : sequence of str
        Lines above the header.
    nombre : str
        The file's.

    Raises
    ------
    FormatoError
        It says none where the layout should.
    """
    for sitio in identidad.de:
        if sitio == "archivo":
            return read_id(nombre.rpartition("/")[2].partition(".")[0], identidad)
        for texto in encima if sitio == "encima" else (nombre,):
            hallado = re.search(identidad.patron, texto, re.IGNORECASE)
            if hallado is not None:
                cual = hallado.group(1) if hallado.groups() else hallado.group()
                return read_id(cual.upper() if identidad.clase == "cups" else cual, identidad)
    que = "en las líneas de encima de la cabecera" if "encima" in identidad.de else "en su nombre"
    codigo = "CUPS" if identidad.clase == "cups" else "cliente"
    raise FormatoError(f"no dice su {codigo} {que}")
