"""Records as the rows of a CSV: one column for each field, those of a record inside it too."""

from __future__ import annotations

import csv
import io
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from serving.csv_cells import protect

SEPARADOR_EN_CELDA = "|"
_BOM = "\ufeff"
"""Without it Excel takes UTF-8 for the local code page."""


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column of a file: a field of a model, or a field of a model in a field."""

    nombre: str
    camino: tuple[str, ...]  # attributes that lead to it
    tipo: type  # str, bool, int, float, date, datetime or list

    def value(self, fila: object) -> Any:
        """Return its value in a row; None where a model on the way to it is missing."""
        for atributo in self.camino:
            if fila is None:
                return None
            fila = getattr(fila, atributo)
        return fila


def columns(modelo: type[BaseModel]) -> list[FileColumn]:
    """Return the columns of a model; those of a model inside it carry its name before theirs."""
    salida = []
    for atributo, campo in modelo.model_fields.items():
        tipo = _plain(campo.annotation)
        if issubclass(tipo, BaseModel):
            salida += [
                FileColumn(f"{atributo}_{una.nombre}", (atributo, *una.camino), una.tipo)
                for una in columns(tipo)
            ]
        else:
            # Files are read by programs: without the accents that JSON's aliases have.
            salida.append(FileColumn(atributo, (atributo,), tipo))
    return salida


def _plain(anotacion: Any) -> type:
    """Return the class behind an annotation: without None, and a Literal as what it holds."""
    origen = get_origin(anotacion)
    if origen is Annotated:
        return _plain(get_args(anotacion)[0])
    if origen in {Union, types.UnionType}:
        return _plain(next(a for a in get_args(anotacion) if a is not types.NoneType))
    if origen is Literal:
        return type(get_args(anotacion)[0])
    resultado: type = origen or anotacion
    return resultado


def csv_pieces(
    columnas: Sequence[FileColumn], tramos: Iterable[Sequence[object]], *, excel: bool
) -> Iterator[bytes]:
    """Yield a CSV, its header first.

    Plain, it is RFC 4180 with a decimal point, as ``consumo evaluar`` and ``consumo producir``
    read it. For Excel in Spanish: semicolons, a decimal comma and a byte-order mark.
    """
    texto = io.StringIO()
    escritor = csv.writer(texto, delimiter=";" if excel else ",", lineterminator="\r\n")
    if excel:
        texto.write(_BOM)
    escritor.writerow([columna.nombre for columna in columnas])
    for tramo in tramos:
        escritor.writerows([_cell(c.value(fila), excel) for c in columnas] for fila in tramo)
        yield _taken(texto)
    if texto.tell():
        yield _taken(texto)


def _taken(texto: io.StringIO) -> bytes:
    datos = texto.getvalue().encode()
    texto.seek(0)
    texto.truncate()
    return datos


def _cell(valor: Any, excel: bool) -> str:
    if valor is None:
        return ""
    if isinstance(valor, str):
        return protect(valor)
    if isinstance(valor, bool):
        return "true" if valor else "false"
    if isinstance(valor, float):
        return repr(valor).replace(".", ",") if excel else repr(valor)
    if isinstance(valor, datetime | date):
        return valor.isoformat()
    if isinstance(valor, list):
        return protect(SEPARADOR_EN_CELDA.join(map(str, valor)))
    return str(valor)
