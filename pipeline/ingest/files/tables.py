"""The tables in a file: text, workbook, Parquet or another writing of one, each with its layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline.ingest.files.container import Entrada
from pipeline.ingest.files.layout import LINEAS_DE_CABECERA, Cabecera, Disposicion, lay, missing
from pipeline.ingest.files.profile_schema import PerfilCurva, known_profiles
from pipeline.ingest.files.recognition import (
    PERFIL_PROPIO,
    Lineas,
    choose_profile,
    find_converter,
    first_lines,
    header_of_cells,
)
from pipeline.ingest.files.rows import Columnas, read_columns
from pipeline.ingest.files.sheets import (
    columns_of,
    is_parquet,
    is_workbook,
    normalized,
    parquet_columns,
    parquet_names,
    read_workbook,
)
from pipeline.ingest.files.stated import check_stated
from pipeline.ingest.files.text_cells import FormatoError, brief


@dataclass(frozen=True, slots=True)
class Tabla:
    """A table whose layout is known.

    Parameters
    ----------
    disposicion : Disposicion
    trozos : callable
        Gives columns of it from its beginning, as often as it is asked.
    aviso : str
        What the user should know.
    hoja : str
        Of a workbook with more than one.
    """

    disposicion: Disposicion
    trozos: Callable[[Sequence[int]], Iterator[Columnas]]
    aviso: str = ""
    hoja: str = ""


def open_tables(entrada: Entrada, perfil: PerfilCurva | None) -> list[Tabla]:
    """Return the tables in a file: a workbook may have more than one.

    Raises
    ------
    FormatoError
        None of its layouts is known.
    """
    if is_parquet(entrada):
        return [_open_parquet(entrada, perfil)]
    if is_workbook(entrada):
        return _open_sheets(entrada, perfil)
    conversor = find_converter(entrada)
    if conversor is not None:
        filas = list(conversor.filas(entrada))
        return [_open_rows(filas, perfil)]
    disposicion = choose_profile(first_lines(entrada), perfil)
    return [
        Tabla(
            disposicion,
            partial(
                _text_columns, entrada, disposicion.separador, disposicion.columnas,
                disposicion.saltadas,
            ),
        )
    ]  # fmt: skip


def _text_columns(
    entrada: Entrada, separador: str, columnas: int, saltadas: int, pedidas: Sequence[int]
) -> Iterator[Columnas]:
    return read_columns(entrada, separador, columnas, pedidas, saltadas)


def _open_parquet(entrada: Entrada, perfil: PerfilCurva | None) -> Tabla:
    nombres = parquet_names(entrada)
    cabecera = Cabecera(0, ",".join(nombres), "", normalized(nombres), tuple(nombres))
    suyo = perfil or next(p for p in known_profiles() if p.nombre == PERFIL_PROPIO)
    disposicion = lay(suyo, cabecera, [])
    if disposicion is None:
        faltan = missing(suyo, cabecera)
        raise FormatoError(f"falta{'n' * (len(faltan) > 1)} {', '.join(faltan)}")
    check_stated(disposicion)
    sitio_id = disposicion.sitios.get("id", -1) if suyo.identidad.clase == "exacto" else -1
    return Tabla(disposicion, partial(parquet_columns, entrada, sitio_id))


def _open_sheets(entrada: Entrada, perfil: PerfilCurva | None) -> list[Tabla]:
    """Return the sheets of a workbook whose layout is known, if it is one and the same."""
    hojas = read_workbook(entrada)
    if not hojas:
        raise FormatoError("el libro de Excel está vacío")
    tablas: list[Tabla] = []
    ajenas: dict[str, FormatoError] = {}
    for nombre, hoja in hojas.items():
        try:
            tabla = _open_rows(hoja, perfil)
            tablas.append(replace(tabla, hoja=nombre) if len(hojas) > 1 else tabla)
        except FormatoError as error:
            ajenas[nombre] = error
    if not tablas:
        raise next(iter(ajenas.values()))
    if ajenas:
        nombres = ", ".join(f"«{brief(nombre)}»" for nombre in ajenas)
        tablas[0] = replace(tablas[0], aviso=f"no se leen las hojas {nombres}: otra disposición")
    return tablas


def _open_rows(filas: Sequence[tuple[int, list[str]]], perfil: PerfilCurva | None) -> Tabla:
    """Return a table whose rows are there as cells."""
    con_algo = [(n, celdas) for n, celdas in filas if any(map(str.strip, celdas))]
    primeras = con_algo[:LINEAS_DE_CABECERA]
    lineas = Lineas([(i + 1, header_of_cells(c)) for i, (_, c) in enumerate(primeras)], "\t")
    disposicion = choose_profile(lineas, perfil)
    return Tabla(disposicion, partial(columns_of, con_algo[disposicion.saltadas :]))
