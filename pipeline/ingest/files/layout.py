"""A profile laid over the header of a file: which column of this file is what."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache

from pipeline.ingest.files.profile_schema import NECESARIAS, Columna, PerfilCurva, Valor, normalize
from pipeline.ingest.files.text_cells import clean

SEPARADORES = (";", "\t", "|", ",")
LINEAS_DE_CABECERA = 60
"""How far down the header is looked for: lines about the contract may stand above it."""
_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_INSTANTE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*")


@dataclass(frozen=True, slots=True)
class Disposicion:
    """Where in a file the columns of a profile are.

    Parameters
    ----------
    perfil : PerfilCurva
    separador : str
    columnas : int
        How many a row has.
    minimas : int
        Cells up to the last column that has a name: a row with fewer has been cut.
    saltadas : int
        Lines up to the header's, which is one of them.
    encima : list of str
        Lines above the header.
    valor : Valor
        The one of the profile's that the file has.
    valores : list of int
        Columns of the energy: one, or those of a day's intervals.
    titulos : list of str
        Names of these columns, where they say when.
    sitios : dict of str to int
        Other columns by what they are.
    sumas, vertidas, filas : list of int
        Columns that are added, that are exported energy, and that say what a row is (-1 = none).
    nombres : tuple of str
        Normalized names of all columns; none where there is no header.
    """

    perfil: PerfilCurva
    separador: str
    columnas: int
    minimas: int
    saltadas: int
    encima: list[str]
    valor: Valor
    valores: list[int]
    titulos: list[str] = field(default_factory=list)
    sitios: dict[str, int] = field(default_factory=dict)
    sumas: list[int] = field(default_factory=list)
    vertidas: list[int] = field(default_factory=list)
    filas: list[int] = field(default_factory=list)
    nombres: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cabecera:
    """A line of a file, seen as a header.

    Parameters
    ----------
    linea : int
        From 1.
    texto : str
    separador : str
    nombres : tuple of str
        Normalized.
    celdas : tuple of str
        As they are written.
    """

    linea: int
    texto: str
    separador: str
    nombres: tuple[str, ...]
    celdas: tuple[str, ...]


@lru_cache(maxsize=128)
def split_header(texto: str, linea: int = 1, separador: str = "") -> Cabecera:
    """Return a line as names of columns.

    Examples
    --------
    >>> split_header('CUPS;"Método_obtención" ;AE_kWh').nombres
    ('cups', 'metodo_obtencion', 'ae_kwh')
    """
    suyo = separador or max(SEPARADORES, key=texto.count)
    try:
        celdas = tuple(clean(c) for c in next(csv.reader([texto], delimiter=suyo), []))
    except csv.Error:
        celdas = ()
    return Cabecera(linea, texto, suyo, tuple(normalize(c) for c in celdas), celdas)


def declared_separator(linea: str) -> str:
    """Return what Excel's first line ``sep=;`` says; "" where a line is none."""
    dicho = _SEP.fullmatch(linea.strip().lstrip("\ufeff"))
    return dicho.group(1) if dicho else ""


@lru_cache(maxsize=4096)
def _spelling(nombre: str) -> str:
    return normalize(nombre)


def find(columna: Columna, nombres: Sequence[str], desde: int = 0) -> int:
    """Return where a column is, by its first spelling that is there; -1 = nowhere."""
    sitios = find_all(columna, nombres, desde)
    return sitios[0] if sitios else -1


def find_all(columna: Columna, nombres: Sequence[str], desde: int = 0) -> list[int]:
    """Return where the columns with the first spelling that is there are."""
    for nombre in columna:
        if isinstance(nombre, int):
            return [nombre - 1]
        suyo = _spelling(nombre)
        sitios = [
            i
            for i in range(desde, len(nombres))
            if nombres[i] == suyo or ("*" in suyo and fnmatchcase(nombres[i], suyo))
        ]
        if sitios:
            return sitios
    return []


def required(perfil: PerfilCurva) -> list[Columna]:
    """Return the columns that a file of a profile must have, apart from the energy."""
    columnas = perfil.columnas
    suyas = [getattr(columnas, nombre) for nombre in NECESARIAS[perfil.tiempo.forma]]
    if perfil.identidad.de == ("columna",):
        suyas.append(columnas.id)
    if any(v.unidad == "columna" for v in perfil.valor):
        suyas.append(columnas.unidad)
    suyas += [columnas.estacion, *perfil.reconoce.columnas]
    if perfil.tiempo.forma == "instante":
        suyas.append(columnas.fin)
    suyas += [filas.columna for filas in perfil.filas]
    return [columna for columna in suyas if columna is not None]


def missing(perfil: PerfilCurva, cabecera: Cabecera) -> list[str]:
    """Return the names of the columns that a header lacks to be of a profile."""
    faltan = [str(c[0]) for c in required(perfil) if find(c, cabecera.nombres) < 0]
    if not any(_values(perfil, v, cabecera) for v in perfil.valor):
        faltan.append(str(perfil.valor[0].columna[0]))
    return list(dict.fromkeys(faltan))


def lay(perfil: PerfilCurva, cabecera: Cabecera, encima: list[str]) -> Disposicion | None:
    """Return where the columns of a profile are in a file; None where it is of another layout."""
    nombres = cabecera.nombres
    if missing(perfil, cabecera) or any(
        find((nombre,), nombres) >= 0 for nombre in perfil.reconoce.sin_columnas
    ):
        return None
    valor = next(v for v in perfil.valor if _values(perfil, v, cabecera))
    valores = _values(perfil, valor, cabecera)
    sitios = {
        nombre: sitio
        for nombre, columna in perfil.columnas
        if columna is not None and (sitio := find(columna, nombres)) >= 0
    }
    propio = valor.metodo or perfil.columnas.metodo
    if propio is not None:
        detras = find(propio, nombres, valores[0] + 1)
        metodo = detras if detras >= 0 else find(propio, nombres)
        if metodo >= 0:
            sitios["metodo"] = metodo
    return Disposicion(
        perfil,
        cabecera.separador,
        len(nombres),
        max((i for i, nombre in enumerate(nombres, 1) if nombre), default=0),
        cabecera.linea,
        encima,
        valor,
        valores,
        [cabecera.celdas[i] for i in valores] if len(valores) > 1 or _by_instants(perfil) else [],
        sitios,
        [s for c in valor.suma if (s := find(c, nombres)) >= 0],
        [s for c in valor.vertida if (s := find(c, nombres)) >= 0],
        [find(filas.columna, nombres) for filas in perfil.filas],
        nombres,
    )


def lay_without_header(perfil: PerfilCurva, primera: str, linea: int) -> Disposicion | None:
    """Return where the columns are in a file without header, whose first row is ``primera``."""
    if not re.fullmatch(perfil.reconoce.linea, primera.strip()):
        return None
    fila = split_header(primera, linea, perfil.separador)
    valor = perfil.valor[0]
    primero = find(valor.columna, ())
    todos = list(range(primero, len(fila.nombres)))
    sitios = {n: find(c, ()) for n, c in perfil.columnas if c is not None}
    if valor.metodo is not None:
        sitios["metodo"] = find(valor.metodo, ())
    return Disposicion(
        perfil,
        fila.separador,
        len(fila.nombres),
        max((i for i, celda in enumerate(fila.celdas, 1) if celda), default=0),
        linea - 1,
        [],
        valor,
        todos if perfil.tiempo.forma == "dia_por_fila" else [primero],
        [],
        {n: s for n, s in sitios.items() if s < len(fila.nombres)},
        [s for c in valor.suma if (s := find(c, ())) < len(fila.nombres)],
        [s for c in valor.vertida if (s := find(c, ())) < len(fila.nombres)],
        [find(filas.columna, ()) for filas in perfil.filas],
    )


def _by_instants(perfil: PerfilCurva) -> bool:
    return perfil.tiempo.forma == "instante_por_columna"


def _values(perfil: PerfilCurva, valor: Valor, cabecera: Cabecera) -> list[int]:
    """Return the columns of the energy."""
    if _by_instants(perfil):
        return [i for i, celda in enumerate(cabecera.celdas) if _INSTANTE.fullmatch(celda)]
    if perfil.tiempo.forma != "dia_por_fila":
        sitio = find(valor.columna, cabecera.nombres)
        return [sitio] if sitio >= 0 else []
    for nombre in valor.columna:
        patron = re.escape(_spelling(str(nombre))).replace(r"\#", r"\d+").replace(r"\*", ".*")
        suyas = [i for i, n in enumerate(cabecera.nombres) if re.fullmatch(patron, n)]
        if suyas:
            return suyas
    return []
