"""Which layout a file has, by its content: the name of a file says nothing here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.ingest.files.blocks import Convertidor, LectorEnCodigo
from pipeline.ingest.files.container import Entrada
from pipeline.ingest.files.layout import (
    LINEAS_DE_CABECERA,
    Cabecera,
    Disposicion,
    declared_separator,
    lay,
    lay_without_header,
    missing,
    required,
    split_header,
)
from pipeline.ingest.files.profile_schema import PerfilCurva, known_profiles, normalize
from pipeline.ingest.files.readers import CONVERTIDORES, LECTORES
from pipeline.ingest.files.text_cells import FormatoError, brief

_LARGO_DE_LINEA = 120
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
        return mejores[0]
    raise FormatoError(_describe_unknown(perfiles, lineas, propio))


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
        if disposicion is not None:
            _refuse_other_energy(disposicion)
            return disposicion
    return None


def _refuse_other_energy(disposicion: Disposicion) -> None:
    """Refuse a file whose lines above the header say that it is no consumption."""
    patron = disposicion.perfil.reconoce.sin_encima
    for linea in disposicion.encima if patron else ():
        if re.search(patron, linea, re.IGNORECASE):
            nombre = disposicion.perfil.nombre
            raise FormatoError(f"es de {nombre} y no es consumo: «{brief(linea.strip())}»")


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
    if cercano is not None:
        nombre, faltan_en, _ = cercano
        return f"parece {nombre}; falta{'n' * (len(faltan_en) > 1)} {', '.join(faltan_en)}; " + (
            f"{comienzo}. Con --perfil se describe otra disposición"
        )
    return (
        f"no se reconoce su formato; {comienzo}; se admiten: {'; '.join(known_names())}. "
        "Con --perfil se describe otra disposición"
    )


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
