"""E-REDES' load diagram (Portugal): mean kW of 15 minutes, stamped with their END.

Times are those of Europe/Lisbon, whatever ``ZONA_HORARIA`` says. The file names no customer: its
CPE is looked for in the lines above the header and then in the file's name; without one, the
file's name (``entrada.short_id``) is the customer.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from detection.errors import LecturaInvalidaError
from pipeline.ingest.files import column_chunk
from pipeline.ingest.files.column_chunk import Filas
from pipeline.ingest.files.instants import to_instants, to_local
from pipeline.ingest.files.intervals import Sumador, read_kwh
from pipeline.ingest.files.source_file import Entrada, read_table, short_id
from pipeline.ingest.files.spain import METODOS
from pipeline.ingest.validation import Motivo, invalida

ZONA = "Europe/Lisbon"
_MINUTOS = 15
_KWH_POR_KW = _MINUTOS / 60
_CONSUMO = re.compile(r"consumo.*ativa.*\(kw\)")
_CPE = re.compile(r"PT\d{16}[A-Z]{2}", re.ASCII)

_registro = logging.getLogger(__name__)


def fits_eredes(nombres: Sequence[str]) -> bool:
    """Return whether a header is that of the quarters of an hour."""
    return {"data", "hora"} <= set(nombres) and any(_CONSUMO.match(n) for n in nombres)


def read_eredes(entrada: Entrada) -> Iterator[Filas]:
    """Yield the hours of a file."""
    sumador = Sumador()
    with entrada.text() as lineas:
        tabla = read_table(lineas, fits_eredes)
        propietario_id = _find_id(tabla.antes, entrada)
        nombres = tabla.nombres
        sitios = tabla.find(("data", "hora"))
        sitios.append(next(i for i, n in enumerate(nombres) if _CONSUMO.match(n)))
        estado = nombres.index("estado") if "estado" in nombres else None
        reloj = _Reloj(ZoneInfo(ZONA))
        for linea, celdas in tabla.filas:
            fecha, hora, potencia = (celdas[sitio] for sitio in sitios)
            try:
                inicio = reloj.start(to_local(fecha, hora))
            except LecturaInvalidaError as error:
                sumador.reject(linea, error)
                continue
            metodo = None if estado is None else METODOS.get(celdas[estado].lower())
            try:
                kwh = read_kwh(potencia, _KWH_POR_KW, tabla.con_coma)
            except LecturaInvalidaError as error:
                sumador.reject_interval(linea, propietario_id, inicio, error)
                continue
            sumador.add(linea, propietario_id, inicio, _MINUTOS * 60, kwh, metodo)
            if len(sumador) >= column_chunk.FILAS_POR_TROZO:
                yield sumador.take(entrada.avance)
        resto = sumador.close()
        if len(resto):
            yield resto


def _find_id(antes: list[str], entrada: Entrada) -> str:
    """Return the customer: the CPE of the lines above the header, or what the file's name says."""
    nombre = entrada.ruta.name
    for texto in (*antes, nombre):
        cpe = _CPE.search(texto.upper())
        if cpe:
            return cpe.group()
    propietario_id = short_id(nombre.partition(".")[0])
    _registro.info("«%s» no dice su CPE; el cliente será %s", entrada.ruta, propietario_id)
    return propietario_id


class _Reloj:
    """Instants of a row of quarters whose clock may be put back in between."""

    def __init__(self, zona: ZoneInfo) -> None:
        self._zona = zona
        self._fin_anterior = 0

    def start(self, fin: datetime) -> int:
        """Return when the quarter starts that ends at a local time, in seconds since 1970.

        In October a stamp may mean two quarters: the one that follows the row before is meant,
        else the first. The last quarter before the change may be stamped with the old offset or
        with the new one; both are understood.
        """
        cuarto = timedelta(minutes=_MINUTOS)
        candidatos = {i - cuarto for i in to_instants(fin, self._zona)}
        candidatos.update(to_instants(fin - cuarto, self._zona))
        if not candidatos:
            raise invalida(Motivo.HORA_INEXISTENTE, f"«{fin:%Y-%m-%d %H:%M}» no existe en {ZONA}")
        inicios = sorted(int(c.timestamp()) for c in candidatos)
        if inicios[0] % (_MINUTOS * 60):
            raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{fin:%H:%M}» no es un cuarto de hora")
        inicio = self._fin_anterior if self._fin_anterior in inicios else inicios[0]
        self._fin_anterior = inicio + _MINUTOS * 60
        return inicio
