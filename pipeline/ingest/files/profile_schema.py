"""A layout of meter files as data: what a TOML profile may say, and its loader.

A profile is found by the names in a header (or by a pattern of the first line, where there is no
header) and says which column is what. Names are compared without case, accents and punctuation:
``Método obtención`` and ``metodo_obtencion`` are one name. ``*`` stands for any characters.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from detection.errors import PermanentError
from pipeline.ingest.files.text_cells import brief
from serving.cli import describe_os

PERFILES = Path(__file__).parent / "profiles"
_PERFIL_MAXIMO = 1 << 18
_NO_ALFANUMERICO = re.compile(r"[^0-9a-z*#]+")


def normalize(nombre: str) -> str:
    """Return a column's name as names are compared.

    Examples
    --------
    >>> normalize(" Método obtención (R/E)")
    'metodo_obtencion_r_e'
    """
    return _NO_ALFANUMERICO.sub("_", normalize_cell(nombre)).strip("_")


def normalize_cell(celda: str) -> str:
    """Return a cell's text as contents are compared: signs count, as in ``A+`` and ``A-``.

    Examples
    --------
    >>> normalize_cell("  Método  A+ ")
    'metodo a+'
    """
    sin_marcas = unicodedata.normalize("NFKD", celda.replace("\ufeff", "").lower())
    letras = "".join(c for c in sin_marcas if not unicodedata.combining(c))
    return " ".join(letras.split())


def _pattern(texto: str) -> str:
    try:
        re.compile(texto)
    except re.error as error:
        raise ValueError(f"no es una expresión regular (carácter {error.pos})") from None
    return texto


def _zone(texto: str) -> str:
    try:
        ZoneInfo(texto)
    except (KeyError, ValueError, OSError):
        raise ValueError("no es una zona horaria IANA, como Europe/Madrid") from None
    return texto


def _as_list(valor: object) -> object:
    return [valor] if isinstance(valor, str | int) else valor


def _cells(textos: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(normalize_cell(texto) for texto in textos)


Patron: TypeAlias = Annotated[str, AfterValidator(_pattern)]
Zona: TypeAlias = Annotated[str, AfterValidator(_zone)]
Celdas: TypeAlias = Annotated[
    tuple[str, ...], BeforeValidator(_as_list), AfterValidator(_cells), Field(strict=False)
]
"""Contents of cells; case and accents do not count, ``*`` stands for any characters."""
Columna: TypeAlias = Annotated[
    tuple[str | int, ...], BeforeValidator(_as_list), Field(min_length=1, strict=False)
]
"""A column: its spellings or, in a file without header, its number from 1."""
Unidad: TypeAlias = Literal["Wh", "kWh", "MWh", "W", "kW", "columna", "desconocida"]
"""``columna``: each row says it in ``columnas.unidad``; ``desconocida``: the file does not say it,
and it is taken for kWh where that can be a home."""


class _Parte(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Reconocimiento(_Parte):
    """How a file is known to be of this layout.

    Parameters
    ----------
    cabecera : str
        ``primera``: the first line that is not blank; ``buscar``: one of the first 60, below lines
        about the contract; ``no``: there is none, columns are numbers from 1.
    columnas : tuple
        Each must be in the header, in one of its spellings; so must the customer's column, those of
        the time and one of ``valor`` without that being said here. Provenance, unit, channel and
        revision may be missing from a file unless they are here. Of two layouts that fit, that
        one is taken which asks for all the columns of the other and more; else both are named and
        the file is refused.
    sin_columnas : tuple
        None of these may be in the header.
    sin_encima : str
        A line above the header that matches this anywhere says that the file is no consumption.
        What a line above it states of itself (unit, quantity, direction) is compared in ``encima``.
    fila : str
        What the first row below the header matches anywhere.
    linea : str
        Without header: what the first line that is not blank matches (the whole of it).
    """

    cabecera: Literal["primera", "buscar", "no"] = "primera"
    columnas: Annotated[tuple[Columna, ...], Field(strict=False)] = ()
    sin_columnas: Annotated[tuple[str, ...], Field(strict=False)] = ()
    sin_encima: Patron = ""
    fila: Patron = ""
    linea: Patron = ""


class Valor(_Parte):
    """A column with the energy; the first ``[[valor]]`` of which the header has a column is read.

    Parameters
    ----------
    columna : tuple
        In ``dia_por_fila``: a pattern for the names of all the columns, with ``#`` for the digits,
        as ``H#`` or ``#:#-#:#``; they are the day's intervals in the order of the header. Without
        header: the number of the first one.
    unidad : str
        Energy (Wh, kWh, MWh) or mean power (W, kW), which is multiplied by the step.
    unidades : tuple of str
        With ``unidad = "columna"``: what rows may say. Power is energy only where the layout has
        it as the mean of its interval.
    enteros : bool
        The layout writes whole numbers, large customers' too: they do not make its unit doubtful.
    suma : tuple
        Columns whose energy is consumption too and is added, in the same unit; may be missing.
    vertida : tuple
        Columns with exported energy, which is told and not read; may be missing.
    metodo : tuple
        Column with the provenance of this column, where each has its own; of columns with one name
        the next one to the right is meant.
    """

    columna: Columna
    unidad: Unidad
    unidades: Annotated[
        tuple[Literal["Wh", "kWh", "MWh", "W", "kW"], ...], Field(min_length=1, strict=False)
    ] = ("Wh", "kWh", "MWh")
    enteros: bool = False
    suma: Annotated[tuple[Columna, ...], Field(strict=False)] = ()
    vertida: Annotated[tuple[Columna, ...], Field(strict=False)] = ()
    metodo: Columna | None = None


class ColumnasPerfil(_Parte):
    """Which column is what; those that a shape does not use stay out.

    Parameters
    ----------
    id : tuple
        The customer.
    instante : tuple
        Day and time in one.
    fecha, hora : tuple
        Day, and time or number, in two.
    fin : tuple
        End of the interval, beside ``instante`` or the clock's ``hora``: then each row says how
        long it is.
    duracion : tuple
        Minutes of the interval, beside the clock's ``hora``.
    estacion : tuple
        1 = summer time, 0 = winter time, at the instant.
    metodo, unidad : tuple
    canal : tuple
        Register or meter: the rows of one interval that differ in it are summed.
    revision : tuple
        A number or an instant; the later one wins.
    etiqueta, tipo : tuple
        Truth of a reading and its kind, for ``consumo evaluar``.
    """

    id: Columna | None = None
    instante: Columna | None = None
    fecha: Columna | None = None
    hora: Columna | None = None
    fin: Columna | None = None
    duracion: Columna | None = None
    estacion: Columna | None = None
    metodo: Columna | None = None
    unidad: Columna | None = None
    canal: Columna | None = None
    revision: Columna | None = None
    etiqueta: Columna | None = None
    tipo: Columna | None = None


class Tiempo(_Parte):
    """When a row is.

    Parameters
    ----------
    forma : str
        ``instante`` (one column), ``fecha_y_hora`` (two), ``dia_por_fila`` (a row a day, 23 to 100
        columns), ``instante_por_columna`` (the header has the instants, a row is a meter).
    marca : str
        What the time names: ``inicio`` or ``fin`` of the interval. A number from 1 is neither.
    hora : str
        Of ``fecha_y_hora``: ``numero`` (1 to 24/25, 0 to 23, 1 to 96/100), ``reloj`` (HH:MM, also
        24:00) or ``tramo`` (``00:00-01:00``, its beginning counts).
    medianoche : str
        Of the clock's ends: ``24:00`` where a day ends so in every file; then 00:00 is none.
    orden : str
        Of dates that do not begin with the year: ``dmy`` or ``mdy``; ``ymd``: only those that do.
    zona : str
        Of times without offset; "" = the product's ``ZONA_HORARIA``.
    pasos : tuple of int
        Minutes that an interval may have. What a file has is measured.
    paso : int
        Minutes of an interval where a customer has too few rows to measure them; 0 = refused.
    paso_encima : tuple
        Field above the header that says the minutes of an interval.
    """

    forma: Literal["instante", "fecha_y_hora", "dia_por_fila", "instante_por_columna"]
    marca: Literal["inicio", "fin"] = "fin"
    hora: Literal["numero", "reloj", "tramo"] = "reloj"
    medianoche: Literal["", "24:00"] = ""
    orden: Literal["dmy", "mdy", "ymd"] = "dmy"
    zona: Zona | Literal[""] = ""
    pasos: Annotated[tuple[Literal[5, 10, 15, 20, 30, 60], ...], Field(strict=False)] = (15, 30, 60)
    paso: Literal[0, 5, 10, 15, 20, 30, 60] = 0
    paso_encima: Columna | None = None


class Identidad(_Parte):
    """Who the customer is.

    Parameters
    ----------
    de : tuple of str
        Where it is looked for, in this order: ``columna``, ``encima`` (lines above the header, by
        ``patron``), ``nombre`` (the file's name, by ``patron``), ``archivo`` (the file's name is
        the customer).
    patron : str
        Its first group, or all of it, is the customer.
    clase : str
        ``cups``: the first 20 characters of 22; ``texto``: as it is, where it has more than 20
        characters 11 of them and a digest; ``exacto``: as it is, never shortened.
    quita : str
        Beginning that is taken away, as ``sensor.``.
    """

    de: Annotated[
        tuple[Literal["columna", "encima", "nombre", "archivo"], ...], Field(strict=False)
    ] = ("columna",)
    patron: Patron = ""
    clase: Literal["cups", "texto", "exacto"] = "texto"
    quita: str = ""


class Metodo(_Parte):
    """What cells of the provenance mean; any other one means that the file does not say."""

    real: Celdas = ("r", "real", "a")
    estimada: Celdas = ("e", "estimada", "estimado")


class FiltroFilas(_Parte):
    """Which rows are consumption, by the content of a column.

    A row whose cell is in none of the lists is refused with its line. Of contents that fit, the
    one with most characters that are no ``*`` counts.

    Parameters
    ----------
    columna : tuple
    consumo, vertida, otras : tuple of str
        Contents (``*`` stands for any characters): consumption; exported energy, which is told;
        what is neither and is left out.
    """

    columna: Columna
    consumo: Celdas
    vertida: Celdas = ()
    otras: Celdas = ()


class DichoEncima(_Parte):
    """What a line above the header may say, where the file has it: unit, quantity, direction.

    Parameters
    ----------
    campo : tuple
        Spellings of its name; its value stands beside it or, under a line of names, below it.
    admite : tuple of str
        Contents with which the file is this layout's consumption; with another one it is refused.
    """

    campo: Columna
    admite: Annotated[Celdas, Field(min_length=1)]


class PerfilCurva(_Parte):
    """A layout.

    Parameters
    ----------
    nombre : str
        For the user.
    fuente : str
        Where the layout is documented.
    separador : str
        "" = told by the header: of ``;``, tab, ``|`` and ``,`` the one that it has most.
    decimal : str
        Mark where the file's numbers prove none; ``""`` = a comma with ``;``, a point with ``,``,
        and of ``1.234`` in other files is said that it cannot be told.
    pie : str
        Rows whose first cell matches this are no rows (totals).
    """

    nombre: Annotated[str, Field(min_length=1)]
    fuente: str = ""
    separador: Literal["", ";", ",", "\t", "|"] = ""
    decimal: Literal["", ".", ","] = ""
    pie: Patron = ""
    reconoce: Reconocimiento = Reconocimiento()
    tiempo: Tiempo
    columnas: ColumnasPerfil
    valor: Annotated[tuple[Valor, ...], Field(min_length=1, strict=False)]
    identidad: Identidad = Identidad()
    metodo: Metodo = Metodo()
    filas: Annotated[tuple[FiltroFilas, ...], Field(strict=False)] = ()
    encima: Annotated[tuple[DichoEncima, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _agree(self) -> PerfilCurva:
        """Refuse what cannot be read: each mistake has its sentence."""
        for falta in self._missing():
            raise ValueError(falta)
        return self

    def _missing(self) -> list[str]:
        tiempo, columnas, reconoce = self.tiempo, self.columnas, self.reconoce
        faltan = [
            f'con tiempo.forma = "{tiempo.forma}" hace falta columnas.{nombre}'
            for nombre in NECESARIAS[tiempo.forma]
            if getattr(columnas, nombre) is None
        ]
        if "columna" in self.identidad.de and columnas.id is None:
            faltan.append('identidad.de dice "columna" y falta columnas.id')
        if {"encima", "nombre"} & set(self.identidad.de) and not self.identidad.patron:
            faltan.append("identidad.de busca en el texto y falta identidad.patron")
        if reconoce.cabecera == "no" and not reconoce.linea:
            faltan.append("sin cabecera hace falta reconoce.linea, un patrón de la primera línea")
        numeros = [c for c in self.mentioned() if any(isinstance(n, int) for n in c)]
        if reconoce.cabecera != "no" and numeros:
            faltan.append(f"la columna {numeros[0][0]} es un número, y el archivo tiene cabecera")
        if reconoce.cabecera == "no" and any(
            isinstance(n, str) for c in self.mentioned() for n in c
        ):
            faltan.append("sin cabecera las columnas se dicen con su número, desde 1")
        if any(v.unidad == "columna" for v in self.valor) and columnas.unidad is None:
            faltan.append('valor.unidad dice "columna" y falta columnas.unidad')
        por_reloj = tiempo.forma == "fecha_y_hora" and tiempo.hora == "reloj"
        con_fin = tiempo.forma == "instante" or (por_reloj and tiempo.marca == "inicio")
        if columnas.fin is not None and not con_fin:
            faltan.append('columnas.fin va con columnas.instante, o con hora y marca = "inicio"')
        if columnas.duracion is not None and not por_reloj:
            faltan.append('columnas.duracion va con tiempo.hora = "reloj"')
        if tiempo.medianoche and not (por_reloj and tiempo.marca == "fin"):
            faltan.append('tiempo.medianoche va con hora = "reloj" y marca = "fin"')
        if tiempo.paso and tiempo.paso not in tiempo.pasos:
            faltan.append("tiempo.paso no está entre tiempo.pasos")
        return faltan

    def mentioned(self) -> list[Columna]:
        """Return every column that the profile names."""
        suyas = [c for c in self.columnas.model_dump().values() if c is not None]
        for valor in self.valor:
            suyas += [valor.columna, *valor.suma, *valor.vertida]
            suyas += [] if valor.metodo is None else [valor.metodo]
        return suyas + [filas.columna for filas in self.filas]


NECESARIAS: dict[str, tuple[str, ...]] = {
    "instante": ("instante",),
    "fecha_y_hora": ("fecha", "hora"),
    "dia_por_fila": ("fecha",),
    "instante_por_columna": (),
}
"""Columns without which a shape cannot be read."""


def load_profile(ruta: Path) -> PerfilCurva:
    """Return the profile of a TOML file.

    Raises
    ------
    PermanentError
        It cannot be read or says what it may not; the Spanish text names key and mistake.
    """
    if ruta.is_fifo():
        raise PermanentError(f"el perfil «{ruta}» es una tubería, y no un archivo")
    try:
        with ruta.open("rb") as archivo:
            datos = archivo.read(_PERFIL_MAXIMO + 1)
    except FileNotFoundError:
        raise PermanentError(f"no existe el perfil «{ruta}»") from None
    except OSError as error:
        raise PermanentError(
            f"no se puede leer el perfil «{ruta}»: {describe_os(error)}"
        ) from error
    if len(datos) > _PERFIL_MAXIMO:
        raise PermanentError(f"el perfil «{ruta}» tiene más de {_PERFIL_MAXIMO} bytes")
    try:
        return parse_profile(datos.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise PermanentError(f"el perfil «{ruta}» no está en UTF-8") from None
    except ValueError as error:
        raise PermanentError(f"el perfil «{ruta}»: {error}") from error


def parse_profile(texto: str) -> PerfilCurva:
    """Return the profile that a TOML text is.

    Raises
    ------
    ValueError
        It is none; the Spanish text names key and mistake.
    """
    try:
        campos = tomllib.loads(texto)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        sitio = re.search(r"line (\d+), column (\d+)", str(error))
        donde = f" (línea {sitio.group(1)}, columna {sitio.group(2)})" if sitio else ""
        raise ValueError(f"no es TOML{donde}") from None
    try:
        return PerfilCurva.model_validate(campos)
    except ValidationError as error:
        raise ValueError(_describe(error)) from None


def _describe(error: ValidationError) -> str:
    """Return the first mistake in Spanish, with its key."""
    primero: Any = error.errors(include_url=False)[0]
    sitio = ".".join(
        f"{parte + 1}" if isinstance(parte, int) else parte
        for parte in primero["loc"]
        if not isinstance(parte, str) or not parte.startswith(("literal[", "function-"))
    )
    contexto = primero.get("ctx", {})
    entrada = brief(repr(primero["input"]))
    textos = {
        "extra_forbidden": "es una clave que no se conoce",
        "missing": "falta",
        "literal_error": f"no admite {entrada}; se admite {contexto.get('expected', '')}",
        "string_type": "debe ser un texto",
        "int_type": "debe ser un número entero",
        "tuple_type": "debe ser una lista",
        "model_type": "debe ser una tabla",
        "too_short": "está vacía",
        "string_too_short": "está vacío",
        "value_error": str(contexto.get("error", "")),
    }
    texto = textos.get(primero["type"], "no es del tipo que debe").replace(" or ", " o ")
    return f"{sitio}: {texto}" if sitio else texto


@lru_cache(maxsize=1)
def known_profiles() -> tuple[PerfilCurva, ...]:
    """Return the product's own profiles, by the names of their files."""
    return tuple(load_profile(ruta) for ruta in sorted(PERFILES.glob("*.toml")))
