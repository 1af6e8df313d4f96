"""A file of any known layout: what it is.

Everything that is decided is decided on the whole file, before the first reading is handed on: the
file is read twice.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.ingest.files.blocks import (
    Informe,
    LectorEnCodigo,
)
from pipeline.ingest.files.cell_reader import CodigosDeFilas
from pipeline.ingest.files.container import Entrada, open_parts
from pipeline.ingest.files.hourly_file import (
    PRIMERA_PASADA,
    Avance,
    MeterFile,
    OpcionesLectura,
    said_of,
)
from pipeline.ingest.files.hours import Cuentas
from pipeline.ingest.files.line_names import LineNames
from pipeline.ingest.files.profile_schema import PerfilCurva, load_profile
from pipeline.ingest.files.recognition import FormatoAjenoError, find_reader, refuse_foreign
from pipeline.ingest.files.table_source import TableSource
from pipeline.ingest.files.tables import open_tables
from pipeline.ingest.files.text_cells import FormatoError, brief
from pipeline.ingest.files.words import denies_consumption


def open_meter_file(
    ruta: Path, opciones: OpcionesLectura, avanzar: Avance = lambda _parte: None
) -> MeterFile:
    """Return a file that is known and has been read once.

    Parameters
    ----------
    avanzar : callable
        Told the part of all the work that is done, 0 to 1.

    Raises
    ------
    PermanentError
        The file cannot be read, is of no known layout, or it cannot be told what it means.
    """
    perfil = None if opciones.perfil is None else load_profile(opciones.perfil)
    informe, codigos = Informe(unidad_pedida=opciones.unidad), CodigosDeFilas()
    fuentes: list[TableSource | tuple[LectorEnCodigo, Entrada]] = []
    entradas: list[Entrada] = []
    formatos: list[str] = []
    nombres: list[str] = []
    ajenas: list[str] = []
    with said_of(ruta):
        partes = open_parts(ruta, ZoneInfo(opciones.zona))
        for k, entrada in enumerate(partes):
            nombre = brief(entrada.nombre) if len(partes) > 1 else ""
            if denies_consumption(re.sub(r"[^\w]+", " ", entrada.nombre)):
                informe.note(
                    f"se lee como consumo «{brief(entrada.nombre)}», cuyo nombre dice otra cosa"
                )
            with _named(nombre, ajenas):
                suyas = _open_sources(entrada, opciones, perfil, codigos, formatos, informe)
                for fuente in suyas:
                    if isinstance(fuente, TableSource):
                        hecho = _part_done(avanzar, k, entrada, len(partes))
                        fuente.survey(informe, hecho)
                fuentes += suyas
                entradas += [entrada] * len(suyas)
                nombres += [_name_part(nombre, fuente) for fuente in suyas]
        if not fuentes:
            raise FormatoError(ajenas[0])
        for ajena in ajenas:
            informe.note(f"no se lee {ajena}")
        if len(set(formatos)) > 1:
            raise FormatoError(f"mezcla formatos: {', '.join(dict.fromkeys(formatos))}")
    informe.formato = formatos[0]
    zonas = [f.zona.key for f in fuentes if isinstance(f, TableSource)]
    informe.zona = zonas[0] if zonas else "la que dice el propio formato"
    lineas = LineNames(nombres)
    return MeterFile(ruta, opciones, informe, Cuentas(), fuentes, entradas, codigos, lineas)


def _name_part(nombre: str, fuente: TableSource | tuple[LectorEnCodigo, Entrada]) -> str:
    """Return what a part of a file is called: the file inside, the sheet, or both."""
    hoja = fuente.hoja if isinstance(fuente, TableSource) else ""
    return ", ".join(texto for texto in (nombre, f"hoja {brief(hoja)}" * bool(hoja)) if texto)


def _open_sources(
    entrada: Entrada,
    opciones: OpcionesLectura,
    perfil: PerfilCurva | None,
    codigos: CodigosDeFilas,
    formatos: list[str],
    informe: Informe,
) -> list[TableSource | tuple[LectorEnCodigo, Entrada]]:
    """Return what reads a part of a file; the names of its layouts are added to ``formatos``."""
    if not entrada.muestra.strip():
        raise FormatoAjenoError("está vacío")
    lector = find_reader(entrada) if perfil is None else None
    if lector is not None:
        if opciones.unidad and lector.dice_su_unidad:
            raise FormatoError(f"{lector.nombre} dice su unidad: --unidad no se aplica")
        formatos.append(lector.nombre)
        return [(lector, entrada)]
    refuse_foreign(entrada)
    fuentes: list[TableSource | tuple[LectorEnCodigo, Entrada]] = []
    for tabla in open_tables(entrada, perfil):
        suyo = tabla.disposicion.perfil
        if tabla.aviso:
            informe.note(tabla.aviso)
        formatos.append(suyo.nombre)
        zona = ZoneInfo(suyo.tiempo.zona or opciones.zona)
        fuentes.append(
            TableSource(
                tabla.disposicion,
                tabla.trozos,
                zona,
                entrada.nombre,
                opciones.unidad,
                codigos,
                tabla.hoja,
            )
        )
    return fuentes


def _part_done(avanzar: Avance, k: int, entrada: Entrada, partes: int) -> Callable[[], None]:
    return lambda: avanzar(PRIMERA_PASADA * (k + entrada.avance) / partes)


@contextlib.contextmanager
def _named(nombre: str, ajenas: list[str]) -> Iterator[None]:
    """Say in which part of a file something is wrong; parts that are no table go to ``ajenas``."""
    try:
        yield
    except FormatoError as error:
        if not nombre:
            raise
        if not isinstance(error, FormatoAjenoError):
            raise FormatoError(f"{nombre}: {error}") from error
        ajenas.append(f"{nombre}: {str(error).partition(';')[0]}")
