"""Which format a file has, by its content, and its readings.

The name of a file says nothing here. Every format is a test of the first bytes or of the names in
a header; a file that passes none, or more than one, is refused with the list of what is known.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.ingest.files import endesa, eredes, green_button, home_assistant, nem12, spain, table
from pipeline.ingest.files.column_chunk import Lector, Trozo, read_trozos
from pipeline.ingest.files.source_file import Entrada, FormatoError, split_header
from pipeline.ingest.validation import Reglas

LINEAS_DE_CABECERA = 30
"""How far down the header is looked for: lines about the contract may stand above it."""

_registro = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Formato:
    """A format that is recognised by its first bytes or by the names of its header.

    Parameters
    ----------
    nombre : str
        For the user.
    leer : Lector
    por_bytes, por_nombres : callable
        Return whether a file, or a header's names (lower case, without accents), is of this format.
    con_cabecera_arriba : bool
        Whether the header is the first line that is not blank.
    """

    nombre: str
    leer: Lector
    por_bytes: Callable[[Entrada], bool] | None = None
    por_nombres: Callable[[Sequence[str]], bool] | None = None
    con_cabecera_arriba: bool = True


FORMATOS = (
    Formato(
        "CSV con propietario_id,timestamp,consumo_kwh",
        table.read_csv,
        por_nombres=table.fits_tabla,
    ),
    Formato("Parquet con las mismas columnas", table.read_parquet, table.is_parquet),
    Formato("CNMC o distribuidora", spain.CNMC.read, por_nombres=spain.CNMC.fits),
    Formato(
        "CNMC o distribuidora",
        spain.CNMC_SIN_UNIDAD.read,
        por_nombres=spain.CNMC_SIN_UNIDAD.fits,
    ),
    Formato("Datadis (API)", spain.DATADIS_API.read, por_nombres=spain.DATADIS_API.fits),
    Formato("Datadis (web)", spain.DATADIS_WEB.read, por_nombres=spain.DATADIS_WEB.fits),
    Formato("e-distribución", spain.E_DISTRIBUCION.read, por_nombres=spain.E_DISTRIBUCION.fits),
    Formato("P5D", spain.read_p5d, spain.is_p5d),
    Formato(
        "Endesa (área de cliente)",
        endesa.read_endesa,
        por_nombres=endesa.fits_endesa,
        con_cabecera_arriba=False,
    ),
    Formato(
        "E-REDES (15 minutos)",
        eredes.read_eredes,
        por_nombres=eredes.fits_eredes,
        con_cabecera_arriba=False,
    ),
    Formato("NEM12", nem12.read_nem12, nem12.is_nem12),
    Formato("Green Button (ESPI XML)", green_button.read_greenbutton, green_button.is_greenbutton),
    Formato(
        "Home Assistant (historial)",
        home_assistant.read_historial,
        por_nombres=home_assistant.fits_historial,
    ),
    Formato(
        "Home Assistant (estadísticas)",
        home_assistant.read_estadisticas,
        por_nombres=home_assistant.fits_estadisticas,
    ),
)
_TABLAS = FORMATOS[:2]
NOMBRES = tuple(dict.fromkeys(formato.nombre for formato in FORMATOS))


def read_archivo(ruta: Path, reglas: Reglas, ahora_hora: int, zona: str) -> Iterator[Trozo]:
    """Yield the readings of a file of any format that is recognised, piece by piece.

    Parameters
    ----------
    ruta : Path
        May be packed with gzip.
    reglas : Reglas
    ahora_hora : int
        Absolute hour of now.
    zona : str
        IANA zone of local times, where the format has no zone of its own.

    Raises
    ------
    PermanentError
        The file cannot be read or is of no known format; its text says which those are.
    """

    def choose(entrada: Entrada) -> Lector:
        formato = recognise(entrada)
        if formato not in _TABLAS:
            _registro.info("«%s»: formato %s", ruta, formato.nombre)
        return formato.leer

    return read_trozos(ruta, choose, reglas, ahora_hora, ZoneInfo(zona))


def recognise(entrada: Entrada) -> Formato:
    """Return the format of a file.

    Raises
    ------
    FormatoError
        It is none that is known, or it could be more than one.
    """
    if not entrada.muestra.strip():
        raise FormatoError("está vacío")
    for formato in FORMATOS:
        if formato.por_bytes is not None and formato.por_bytes(entrada):
            return formato
    lineas = [linea for linea in entrada.head()[:LINEAS_DE_CABECERA] if linea.strip()]
    for i, linea in enumerate(lineas):
        nombres = split_header(linea)[1]
        hallados = [
            formato
            for formato in FORMATOS
            if formato.por_nombres is not None
            and (i == 0 or not formato.con_cabecera_arriba)
            and formato.por_nombres(nombres)
        ]
        if len({formato.nombre for formato in hallados}) > 1:
            raise FormatoError(
                f"podría ser {' o '.join(formato.nombre for formato in hallados)}: "
                "sobran columnas en su cabecera"
            )
        if hallados:
            return hallados[0]
        if i == 0 and set(nombres) & set(table.COLUMNAS):
            # Its reader says which columns are missing.
            return _TABLAS[0]
    raise FormatoError(f"no se reconoce su formato; se admiten: {'; '.join(NOMBRES)}")
