"""The CSV in which a utility tells what it knows of its customers, read whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from detection.errors import LecturaInvalidaError, PermanentError
from pipeline.ingest.files.container import Entrada, open_parts
from pipeline.ingest.files.layout import Cabecera, declared_separator, split_header
from pipeline.ingest.files.number_marks import Marcas, NumberReader
from pipeline.ingest.files.text_cells import FormatoError, brief, read_rows
from pipeline.ingest.validation import check_id
from pipeline.stores.customer_context import (
    CAMPOS_CONTEXTO,
    LARGOS,
    LIMITES,
    ContextoCliente,
)
from serving.cli import describe_os
from serving.csv_cells import unprotect

_ID = "propietario_id"
_ILEGIBLE = "\ufffd"

Fila = tuple[int, list[str]]
"""The line at which a row ends, and its cells."""


class ContextFile(NamedTuple):
    """What a file tells."""

    contextos: list[ContextoCliente]  # of distinct customers
    ajenas: list[str]  # columns that say nothing that we know of


def read_context(ruta: Path, zona: str) -> ContextFile:
    """Return what a CSV tells of customers.

    ``PermanentError``: it cannot be read, or one of its values is not valid; the text gives its
    line.
    """
    try:
        partes = open_parts(ruta, ZoneInfo(zona))
        if len(partes) != 1:
            raise FormatoError(f"tiene dentro {len(partes)} archivos y se esperaba uno")
        return _read(partes[0])
    except FormatoError as error:
        raise PermanentError(f"{ruta}: {error}") from error
    except OSError as error:
        raise PermanentError(f"no se puede leer {ruta}: {describe_os(error)}") from error


def _read(entrada: Entrada) -> ContextFile:
    with entrada.text() as lineas:
        saltadas, primera = 1, next(lineas, "")
        dicho = declared_separator(primera)
        if dicho:
            saltadas, primera = 2, next(lineas, "")
        cabecera = split_header(primera, saltadas, dicho)
        sitios = _places(cabecera)
        filas = list(read_rows(lineas, cabecera.separador, saltadas))
    if not filas:
        raise FormatoError("no tiene ningún cliente")
    for linea, celdas in filas:
        if len(celdas) != len(cabecera.celdas):
            raise FormatoError(
                f"la línea {linea} tiene {len(celdas)} celdas y la cabecera {len(cabecera.celdas)}"
            )
    leidas = _Rows(sitios, filas, cabecera.separador)
    contextos: dict[str, ContextoCliente] = {}
    lineas_de: dict[str, int] = {}
    for linea, celdas in filas:
        uno = leidas.read(linea, celdas)
        if uno.propietario_id in contextos:
            raise FormatoError(
                f"la línea {linea} repite el cliente «{brief(uno.propietario_id)}» de la línea "
                f"{lineas_de[uno.propietario_id]}"
            )
        contextos[uno.propietario_id], lineas_de[uno.propietario_id] = uno, linea
    ajenas = [
        celda
        for nombre, celda in zip(cabecera.nombres, cabecera.celdas, strict=True)
        if nombre not in sitios
    ]
    return ContextFile(list(contextos.values()), ajenas)


def _places(cabecera: Cabecera) -> dict[str, int]:
    """Return where each column that we know is."""
    conocidas = (_ID, *CAMPOS_CONTEXTO)
    hay = [nombre for nombre in cabecera.nombres if nombre in conocidas]
    if _ID not in hay:
        raise FormatoError(f"falta la columna {_ID}")
    if len(hay) == 1:
        raise FormatoError(f"no tiene ninguna de las columnas {', '.join(CAMPOS_CONTEXTO)}")
    for nombre in hay:
        if hay.count(nombre) > 1:
            raise FormatoError(f"la columna {nombre} está dos veces")
    return {nombre: cabecera.nombres.index(nombre) for nombre in hay}


class _Rows:
    """Reads rows, once it is known what their numbers prove of the decimal mark.

    ``sitios``: column -> where it is.
    """

    def __init__(self, sitios: Mapping[str, int], filas: Sequence[Fila], separador: str) -> None:
        self._sitios = sitios
        marcas = Marcas()
        for campo in LIMITES:
            if campo in sitios:
                marcas.see({celdas[sitios[campo]] for _, celdas in filas})
        # Where nothing proves it: the mark that goes with the separator in a spreadsheet.
        self._numeros = NumberReader(marcas, "," if separador == ";" else ".")

    def read(self, linea: int, celdas: Sequence[str]) -> ContextoCliente:
        """Return what a row tells; a cell that is empty tells nothing."""
        dicho = {campo: unprotect(celdas[sitio]) for campo, sitio in self._sitios.items()}
        try:
            valores = {
                _ID: check_id(dicho[_ID]),
                **{campo: _text(campo, dicho.get(campo, "")) for campo in LARGOS},
                **{campo: self._number(campo, dicho.get(campo, "")) for campo in LIMITES},
            }
        except LecturaInvalidaError as error:
            de_que = "" if error.detalle.startswith((_ID, "falta")) else f"{_ID}: "
            raise FormatoError(f"la línea {linea}: {de_que}{error.detalle}") from error
        except FormatoError as error:
            raise FormatoError(f"la línea {linea}: {error}") from error
        if (valores["latitud"] is None) != (valores["longitud"] is None):
            raise FormatoError(f"la línea {linea} tiene una sola de las dos coordenadas")
        return ContextoCliente(**{campo: valores[campo] for campo in (_ID, *CAMPOS_CONTEXTO)})

    def _number(self, campo: str, celda: str) -> float | None:
        if not celda:
            return None
        valor = self._numeros.read(celda)
        if isinstance(valor, LecturaInvalidaError):
            raise FormatoError(f"{campo}: {valor.detalle}")
        minimo, maximo = LIMITES[campo]
        if not minimo <= valor <= maximo:
            limites = f"{minimo:g} a {maximo:g}".replace(".", ",")
            raise FormatoError(f"{campo} va de {limites}; se dio «{brief(celda)}»")
        return valor


def _text(campo: str, celda: str) -> str | None:
    """Return a text on one line, without what cannot be read; None = it is empty."""
    texto = " ".join(celda.split())
    if len(texto) > LARGOS[campo]:
        raise FormatoError(
            f"{campo} tiene {len(texto)} caracteres y caben {LARGOS[campo]}: «{brief(texto)}»"
        )
    if not texto.isprintable() or _ILEGIBLE in texto:
        raise FormatoError(f"{campo} lleva caracteres que no se pueden leer: «{brief(texto)}»")
    return texto or None
