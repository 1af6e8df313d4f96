"""Which layout a file has, by its content: the name of a file says nothing here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.ingest.files.blocks import Convertidor, LectorEnCodigo
from pipeline.ingest.files.container import Entrada
from pipeline.ingest.files.layout import (
    LINEAS_DE_CABECERA,
    SEPARADORES,
    Cabecera,
    Disposicion,
    declared_separator,
    find,
    lay,
    lay_without_header,
    missing,
    required,
    split_header,
)
from pipeline.ingest.files.profile_schema import PerfilCurva, known_profiles, normalize
from pipeline.ingest.files.readers import CONVERTIDORES, LECTORES
from pipeline.ingest.files.stated import check_stated
from pipeline.ingest.files.text_cells import FormatoError, brief

_LARGO_DE_LINEA = 120
_AJENOS = (
    (b"%PDF", "es un PDF"),
    (b"\xd0\xcf\x11\xe0", "es un libro de Excel antiguo (.xls); guárdelo como .xlsx o como CSV"),
    (b"\x89PNG", "es una imagen"),
    (b"\xff\xd8\xff", "es una imagen"),
    (b"GIF8", "es una imagen"),
    (b"7z\xbc\xaf", "es un archivo 7z; descomprímalo antes"),
    (b"Rar!", "es un archivo RAR; descomprímalo antes"),
    (b"{\\rtf", "es un documento RTF"),
    (b"SQLite format 3", "es una base de datos"),
)
_PAGINA = re.compile(rb"\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_JSON = re.compile(rb"[{\[]\s*(?:[{}\[\]\"\d-]|$)")
_TABLA_AJENA = 3
"""Lines with as many separators each that make a text a table, though of no known layout."""
_PARECIDO = 0.5
"""Part of a layout's columns that a header must have for the layout to be named as the closest."""
PERFIL_PROPIO = "CSV con propietario_id,timestamp,consumo_kwh"


@dataclass(frozen=True, slots=True)
class Lineas:
    """The first lines of a file, as (line for the user, text)."""

    todas: list[tuple[int, str]]
    separador: str = ""


def known_names() -> tuple[str, ...]:
    """Return the names of all layouts, for the user."""
    perfiles = [perfil.nombre for perfil in known_profiles()]
    codigo = [lector.nombre for lector in LECTORES] + [c.nombre for c in CONVERTIDORES]
    return tuple(
        dict.fromkeys([PERFIL_PROPIO, "Parquet con las mismas columnas", *perfiles, *codigo])
    )


def first_lines(entrada: Entrada) -> Lineas:
    """Return the lines among which a header may be, without blank ones and ``sep=``."""
    lineas = [(i + 1, linea) for i, linea in enumerate(entrada.head()) if linea.strip()]
    separador = declared_separator(lineas[0][1]) if lineas else ""
    return Lineas((lineas[1:] if separador else lineas)[:LINEAS_DE_CABECERA], separador)


def header_of_cells(celdas: Sequence[str]) -> str:
    """Return cells as a line whose separator is the tab."""
    return "\t".join(c.replace("\t", " ").replace("\n", " ").replace('"', "'") for c in celdas)


class FormatoAjenoError(FormatoError):
    """A file that is no table at all, as what stands beside the curves in a zip."""


def refuse_foreign(entrada: Entrada) -> None:
    """Refuse by its name what is no curve: a PDF, an image, an old workbook, a page of an error."""
    muestra = entrada.muestra
    for magia, que in _AJENOS:
        if muestra.startswith(magia):
            raise FormatoAjenoError(que)
    comienzo = muestra.lstrip(b"\xef\xbb\xbf \t\r\n")
    dicho = brief(comienzo[:_LARGO_DE_LINEA].decode("utf-8", "replace"), _LARGO_DE_LINEA)
    if _PAGINA.match(comienzo):
        raise FormatoAjenoError("es una página web (HTML), no una curva: ¿falló la descarga?")
    if _JSON.match(comienzo) and find_converter(entrada) is None:
        raise FormatoAjenoError(f"es un JSON sin lecturas que se conozcan: «{dicho}»")
    if comienzo[:5] == b"<?xml":
        raise FormatoAjenoError("es un XML, y no de los que se conocen (Green Button, SDAT)")


def _is_prose(lineas: Lineas) -> bool:
    """Return whether lines are no table of any kind."""
    for separador in SEPARADORES:
        cuentas = [texto.count(separador) for _, texto in lineas.todas]
        if max((cuentas.count(n) for n in set(cuentas) - {0}), default=0) >= _TABLA_AJENA:
            return False
    return True


def find_reader(entrada: Entrada) -> LectorEnCodigo | None:
    """Return the reader in code of a file, if it has one."""
    return next((lector for lector in LECTORES if lector.es_suyo(entrada)), None)


def find_converter(entrada: Entrada) -> Convertidor | None:
    """Return what writes a file's rows as a table, if it has to be written so."""
    return next((c for c in CONVERTIDORES if c.es_suyo(entrada)), None)


def choose_profile(lineas: Lineas, propio: PerfilCurva | None = None) -> Disposicion:
    """Return the profile of a file, laid over its header.

    Parameters
    ----------
    lineas : Lineas
    propio : PerfilCurva, optional
        The only one that is tried.

    Raises
    ------
    FormatoError
        It is of none that is known, or could be of more than one.
    """
    perfiles = known_profiles() if propio is None else (propio,)
    if not lineas.todas:
        raise FormatoError("está vacío")
    hallados: list[Disposicion] = []
    for perfil in perfiles:
        if perfil.reconoce.cabecera == "no":
            numero, primera = lineas.todas[0]
            disposicion = lay_without_header(perfil, primera, numero)
        else:
            disposicion = _lay_below(perfil, lineas)
        if disposicion is not None:
            hallados.append(disposicion)
    mejores = _best(hallados)
    if len(mejores) > 1:
        nombres = " o ".join(d.perfil.nombre for d in mejores)
        raise FormatoError(f"podría ser {nombres}: sobran columnas en su cabecera")
    if mejores:
        check_stated(mejores[0])
        return mejores[0]
    texto = _describe_unknown(perfiles, lineas, propio)
    raise FormatoAjenoError(texto) if _is_prose(lineas) else FormatoError(texto)


def _lay_below(perfil: PerfilCurva, lineas: Lineas) -> Disposicion | None:
    """Return a profile laid over the first line that can be its header."""
    cuantas = 1 if perfil.reconoce.cabecera == "primera" else len(lineas.todas)
    for i, (numero, texto) in enumerate(lineas.todas[:cuantas]):
        separador = lineas.separador or perfil.separador
        disposicion = lay(
            perfil,
            split_header(texto, numero, separador),
            [linea for _, linea in lineas.todas[:i]],
        )
        if disposicion is not None and _fits_below(perfil, lineas.todas[i + 1 :]):
            return disposicion
    return None


def _fits_below(perfil: PerfilCurva, debajo: Sequence[tuple[int, str]]) -> bool:
    """Return whether the first row is as the layout has it."""
    patron = perfil.reconoce.fila
    return not patron or not debajo or re.search(patron, debajo[0][1]) is not None


def _asked(perfil: PerfilCurva) -> set[str]:
    nombres = {normalize(str(c[0])) for c in required(perfil)}
    return nombres | {normalize(str(perfil.valor[0].columna[0]))}


def _best(hallados: Sequence[Disposicion]) -> list[Disposicion]:
    """Return those that do not ask for less than another one, or the product's own table."""
    propias = [uno for uno in hallados if uno.perfil.nombre == PERFIL_PROPIO]
    return propias or [
        uno
        for uno in hallados
        if not any(_asked(uno.perfil) < _asked(otro.perfil) for otro in hallados)
    ]


def _describe_unknown(
    perfiles: Sequence[PerfilCurva], lineas: Lineas, propio: PerfilCurva | None
) -> str:
    """Return what an unknown file looks like: its first line and the closest layout."""
    _, primera = lineas.todas[0]
    comienzo = f"su primera línea es «{brief(primera.strip(), _LARGO_DE_LINEA)}»"
    cercano = _closest(perfiles, lineas)
    if propio is not None:
        faltan = "" if cercano is None else f"; falta {', '.join(cercano[1])}"
        return f"no es como dice el perfil «{propio.nombre}»{faltan}; {comienzo}"
    if vertida := _only_exported(perfiles, lineas):
        return vertida
    if cercano is not None:
        nombre, faltan_en, _ = cercano
        return f"parece {nombre}; falta{'n' * (len(faltan_en) > 1)} {', '.join(faltan_en)}; " + (
            f"{comienzo}. Con --perfil se describe otra disposición"
        )
    return (
        f"no se reconoce su formato; {comienzo}; se admiten: {'; '.join(known_names())}. "
        "Con --perfil se describe otra disposición"
    )


def _only_exported(perfiles: Sequence[PerfilCurva], lineas: Lineas) -> str:
    """Return what is said of a file that lacks nothing but its consumption; "" of others."""
    for perfil in perfiles:
        vertidas = [columna for valor in perfil.valor for columna in valor.vertida]
        if perfil.reconoce.cabecera == "no" or not vertidas:
            continue
        for numero, texto in lineas.todas:
            cabecera = split_header(texto, numero, lineas.separador or perfil.separador)
            hay = [c for c in vertidas if find(c, cabecera.nombres) >= 0]
            if hay and missing(perfil, cabecera) == [str(perfil.valor[0].columna[0])]:
                return (
                    f"es de {perfil.nombre} y solo tiene energía vertida («{hay[0][0]}»), que no "
                    "es consumo"
                )
    return ""


def _closest(
    perfiles: Sequence[PerfilCurva], lineas: Lineas
) -> tuple[str, list[str], float] | None:
    """Return the name of the layout of which a header has most, what it lacks, and how much."""
    mejor: tuple[str, list[str], float] | None = None
    for perfil in perfiles:
        if perfil.reconoce.cabecera == "no":
            continue
        total = len(_asked(perfil))
        for numero, texto in lineas.todas:
            cabecera: Cabecera = split_header(texto, numero, lineas.separador or perfil.separador)
            faltan = missing(perfil, cabecera)
            parte = 1.0 - len(faltan) / max(1, total)
            if faltan and parte >= _PARECIDO and (mejor is None or parte > mejor[2]):
                mejor = (perfil.nombre, faltan, parte)
    return mejor
