"""Spanish hourly curves: CNMC/distributors, Datadis, e-distribución and P5D.

All of them name the hour by its END and count it in local time of ``ZONA_HORARIA``. Exported
energy (autoconsumo) is no consumption and is left out; energy that was produced and consumed at
home is consumption: e-distribución tells it apart in ``AE_AUTOCONS_kWh``, which is added to what
came from the grid. Datadis does not say whether its own column is inside ``consumo``: not added.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

from detection.domain import SEGUNDOS_POR_HORA
from detection.errors import LecturaInvalidaError
from pipeline.ingest.files import column_chunk
from pipeline.ingest.files.column_chunk import (
    ESTIMADA,
    REAL,
    Filas,
    MotivoArchivo,
    in_pieces,
    reject,
    scale,
    to_number,
)
from pipeline.ingest.files.instants import Dia, load_day, to_date, to_instants, to_local, to_text
from pipeline.ingest.files.source_file import (
    Entrada,
    Tabla,
    brief,
    id_from_cups,
    read_rows,
    read_table,
)
from pipeline.ingest.validation import Motivo, invalida

METODOS = {"r": REAL, "real": REAL, "e": ESTIMADA, "estimada": ESTIMADA, "estimado": ESTIMADA}
_NUMERO_DE_HORA = re.compile(r"(\d\d?)(:00)?", re.ASCII)
_P5D = re.compile(r"ES[0-9A-Z]{18,20};\d{4}/\d\d/\d\d \d\d:\d\d;[01];\d*;\d*;?")

_registro = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Curva:
    """A CSV with a row for each hour, the hour as a number from 1.

    Parameters
    ----------
    columnas : tuple of str
        What must be there: CUPS, day, hour, kWh and provenance, lower case, without accents.
    sumada : str
        Column with kWh that are consumption too; may be missing.
    vertida : str
        Column with exported kWh, which is not read; may be missing.
    """

    columnas: tuple[str, str, str, str, str]
    sumada: str = ""
    vertida: str = ""

    def fits(self, nombres: Sequence[str]) -> bool:
        """Return whether a header has all the columns."""
        return set(self.columnas) <= set(nombres)

    def read(self, entrada: Entrada) -> Iterator[Filas]:
        """Yield the rows of a file."""
        with entrada.text() as lineas:
            tabla = read_table(lineas, self.fits)
            lector = _Hojas(self, tabla, entrada)
            for hoja in _pages(tabla.filas, tabla.nombres.index(self.columnas[1])):
                yield lector.read(hoja)


class _Aviso:
    """Says once that a file has energy which is not consumption."""

    def __init__(self, entrada: Entrada, columna: str) -> None:
        self._ruta = entrada.ruta
        self._columna = columna
        self._dicho = False

    def look(self, texto: str) -> None:
        if not self._dicho and texto.strip("0,. "):
            self._dicho = True
            _registro.info(
                "«%s»: la energía vertida (%s) no es consumo y no se envía",
                self._ruta,
                self._columna,
            )


def _pages(
    filas: Iterator[tuple[int, list[str]]], sitio_fecha: int
) -> Iterator[list[tuple[int, list[str]]]]:
    """Yield the rows in lists that end between two days, so that no day is cut."""
    hoja: list[tuple[int, list[str]]] = []
    anterior = ""
    for linea, fila in filas:
        fecha = fila[sitio_fecha]
        lleno = len(hoja) >= column_chunk.FILAS_POR_TROZO
        if lleno and (fecha != anterior or len(hoja) >= 2 * column_chunk.FILAS_POR_TROZO):
            yield hoja
            hoja = []
        hoja.append((linea, fila))
        anterior = fecha
    if hoja:
        yield hoja


class _Hojas:
    """Reads pages of rows of one file."""

    def __init__(self, curva: Curva, tabla: Tabla, entrada: Entrada) -> None:
        self._sitios = tabla.find(curva.columnas)
        nombres = tabla.nombres
        self._sumada = nombres.index(curva.sumada) if curva.sumada in nombres else None
        self._vertida = nombres.index(curva.vertida) if curva.vertida in nombres else None
        self._con_coma = tabla.con_coma
        self._entrada = entrada
        self._aviso = _Aviso(entrada, curva.vertida)
        self._dia = lru_cache(maxsize=4096)(lambda fecha: load_day(to_date(fecha), entrada.zona))

    def read(self, hoja: list[tuple[int, list[str]]]) -> Filas:
        filas = Filas(avance=self._entrada.avance)
        for (linea, fila), inicio in zip(hoja, self._starts(hoja), strict=True):
            if isinstance(inicio, LecturaInvalidaError):
                filas.rechazadas.append((linea, inicio))
                continue
            cups, _, _, _, metodo = (fila[sitio] for sitio in self._sitios)
            if self._vertida is not None:
                self._aviso.look(fila[self._vertida])
            kwh = self._kwh(fila)
            filas.add(linea, id_from_cups(cups) or None, inicio, kwh, METODOS.get(metodo.lower()))
        return filas

    def _kwh(self, fila: list[str]) -> object:
        kwh = to_number(fila[self._sitios[3]] or None, self._con_coma)
        propia = "" if self._sumada is None else fila[self._sumada]
        if not propia or not isinstance(kwh, float):
            return kwh
        suma = to_number(propia, self._con_coma)
        return scale(kwh + suma, 1.0) if isinstance(suma, float) else suma

    def _starts(self, hoja: list[tuple[int, list[str]]]) -> list[str | LecturaInvalidaError]:
        """Return when each row starts, or why that cannot be told."""
        inicios: list[str | LecturaInvalidaError] = [""] * len(hoja)
        dias: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for i, (_, fila) in enumerate(hoja):
            cups, fecha, hora = (fila[sitio] for sitio in self._sitios[:3])
            numero = _NUMERO_DE_HORA.fullmatch(hora)
            if numero is None:
                inicios[i] = invalida(
                    Motivo.TIEMPO_ILEGIBLE if hora else Motivo.TIEMPO_AUSENTE,
                    f"«{brief(hora)}» no es una hora de 1 a 25",
                )
            else:
                dias.setdefault((cups, fecha), []).append((i, int(numero.group(1))))
        for (_, fecha), horas in dias.items():
            try:
                self._place(self._dia(fecha), horas, inicios)
            except LecturaInvalidaError as error:
                for i, _ in horas:
                    inicios[i] = error
        return inicios

    def _place(
        self,
        dia: Dia,
        horas: list[tuple[int, int]],
        inicios: list[str | LecturaInvalidaError],
    ) -> None:
        sitios = dia.places([numero for _, numero in horas])
        for (i, numero), sitio in zip(horas, sitios, strict=True):
            if sitio is None:
                inicios[i] = invalida(
                    Motivo.HORA_INEXISTENTE,
                    f"no hay hora {numero} el {dia.fecha}, que tiene {dia.horas}",
                )
            else:
                inicios[i] = to_text(dia.inicio + sitio * SEGUNDOS_POR_HORA)


CNMC = Curva(("cups", "fecha", "hora", "consumo_kwh", "metodo_obtencion"))
CNMC_SIN_UNIDAD = Curva(("cups", "fecha", "hora", "consumo", "metodo_obtencion"))
DATADIS_API = Curva(
    ("cups", "date", "time", "consumptionkwh", "obtainmethod"), vertida="surplusenergykwh"
)
DATADIS_WEB = Curva(
    ("cups", "fecha", "hora", "consumo_kwh", "metodoobtencion"), vertida="energiavertida_kwh"
)
E_DISTRIBUCION = Curva(
    ("cups", "fecha", "hora", "ae_kwh", "real/estimado"),
    sumada="ae_autocons_kwh",
    vertida="as_kwh",
)


def is_p5d(entrada: Entrada) -> bool:
    """Return whether the first line that is not blank is a row of a P5D."""
    primera = next((linea for linea in entrada.head() if linea.strip()), "")
    return _P5D.fullmatch(primera.strip()) is not None


def read_p5d(entrada: Entrada) -> Iterator[Filas]:
    """Yield the rows of a P5D: CUPS; end of the hour; 1 summer, 0 winter; Wh in; Wh out."""
    aviso = _Aviso(entrada, "Wh salientes")
    start = lru_cache(maxsize=4096)(partial(_p5d_start, entrada.zona))

    def put(filas: Filas, linea: int, fila: Sequence[str]) -> None:
        if len(fila) < 4:
            raise reject(MotivoArchivo.REGISTRO_NO_VALIDO, f"{len(fila)} campos; un P5D tiene 5")
        if len(fila) > 4:
            aviso.look(fila[4])
        inicio = start(fila[1], fila[2])
        wh = scale(to_number(fila[3] or None), 1e-3)
        filas.add(linea, id_from_cups(fila[0]) or None, inicio, wh, None)

    with entrada.text() as lineas:
        yield from in_pieces(entrada, read_rows(lineas, ";"), put)


def _p5d_start(zona: ZoneInfo, fin: str, estacion: str) -> str:
    """Return when the hour starts that ends at a local time of a season.

    The season is that of the end of the hour or, where that cannot be, of its start: both ways
    of writing October's hours are told apart.
    """
    fecha, _, hora = fin.partition(" ")
    local = to_local(fecha, hora)
    if estacion not in {"0", "1"}:
        raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(estacion)}» no es una estación, 0 o 1")
    una_hora = SEGUNDOS_POR_HORA
    for momento, adelanto in ((local, una_hora), (local - timedelta(hours=1), 0)):
        for instante in to_instants(momento, zona):
            if bool(instante.astimezone(zona).dst()) == (estacion == "1"):
                return to_text(int(instante.timestamp()) - adelanto)
    raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(fin)}» no es de la estación {estacion}")
