"""Home Assistant's two exports of an energy counter, both with times in UTC.

*Long-term statistics*: a row an hour, its energy in ``change``. *History*: the counter's state
(kWh, growing) at each change. An hour's consumption is the counter at its end minus the counter at
its beginning; a state holds until the next one. No reading comes out of an hour at one of whose
ends the counter was unknown (``unavailable``), of a silence of more than six hours in which it
moved or of more than 31 days, nor of an hour in which it went back. The hours that the file cuts,
at both its ends, are no hours of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from detection.domain import SEGUNDOS_POR_HORA
from pipeline.ingest.files.column_chunk import (
    Filas,
    MotivoArchivo,
    in_pieces,
    reject,
    scale,
    to_number,
)
from pipeline.ingest.files.instants import read_moment, to_text
from pipeline.ingest.files.source_file import Entrada, brief, read_table, short_id
from pipeline.ingest.validation import Motivo, invalida
from serving.local_time import PRIMER_ANIO, ULTIMO_ANIO

HORAS_DE_SILENCIO = 6
"""A household's counter moves every hour; a longer silence is Home Assistant's, not the house's."""
HORAS_PARADO = 31 * 24
"""So long may a counter stand still, as in an empty house; after that it is not believed."""
_HISTORIAL = ("entity_id", "state", "last_changed")
_ESTADISTICAS = ("statistic_id", "unit", "start", "change")
_FACTORES = {"wh": 1e-3, "kwh": 1.0, "mwh": 1e3}
_PRIMERO = (PRIMER_ANIO - 1970) * 31_536_000
_ULTIMO = (ULTIMO_ANIO + 1 - 1970) * 31_622_400


def fits_historial(nombres: Sequence[str]) -> bool:
    """Return whether a header is that of the history."""
    return set(_HISTORIAL) <= set(nombres)


def fits_estadisticas(nombres: Sequence[str]) -> bool:
    """Return whether a header is that of the long-term statistics."""
    return set(_ESTADISTICAS) <= set(nombres)


def read_estadisticas(entrada: Entrada) -> Iterator[Filas]:
    """Yield the hours of the long-term statistics."""

    def put(filas: Filas, linea: int, celdas: Sequence[str]) -> None:
        nombre, unidad, inicio, cambio = celdas
        factor = _FACTORES.get(unidad.lower())
        if factor is None:
            detalle = f"la unidad «{brief(unidad)}» no es de energía"
            raise reject(MotivoArchivo.REGISTRO_NO_VALIDO, detalle)
        kwh = scale(to_number(cambio or None), factor)
        filas.add(linea, _id(nombre), inicio or None, kwh, None)

    yield from in_pieces(entrada, _cells(entrada, _ESTADISTICAS), put)


def read_historial(entrada: Entrada) -> Iterator[Filas]:
    """Yield the hours of the history."""
    contadores: dict[str, _Contador] = {}

    def put(filas: Filas, linea: int, celdas: Sequence[str]) -> None:
        nombre, estado, cuando = celdas
        valor = to_number(estado or None)
        momento = read_moment(cuando)
        if not _PRIMERO <= momento <= _ULTIMO:
            raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(cuando)}»")
        contador = contadores.setdefault(nombre, _Contador(_id(nombre)))
        kwh = valor if isinstance(valor, float) and math.isfinite(valor) else None
        contador.see(linea, momento, kwh, filas)

    yield from in_pieces(entrada, _cells(entrada, _HISTORIAL), put)


def _cells(entrada: Entrada, columnas: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the line and the named cells of each row."""
    with entrada.text() as lineas:
        tabla = read_table(lineas, lambda nombres: set(columnas) <= set(nombres))
        sitios = tabla.find(columnas)
        for linea, celdas in tabla.filas:
            yield linea, tuple(celdas[sitio] for sitio in sitios)


def _id(nombre: str) -> str | None:
    """Return the customer of a sensor: its name without ``sensor.``, shortened if need be."""
    return short_id(nombre.removeprefix("sensor.")) or None


@dataclass(slots=True)
class _Contador:
    """A counter, and what is known of the hour that is running.

    ``inicio_kwh`` is the counter at the beginning of ``hora``, ``ultimo_kwh`` its last known
    state; None = unknown. An hour that is ``muda`` ends without a reading and without a word.
    """

    propietario_id: str | None
    hora: int = -1
    inicio_kwh: float | None = None
    kwh: float | None = None
    ultimo_kwh: float | None = None
    momento: int = -1
    muda: bool = False
    retrocede: bool = False

    def see(self, linea: int, momento: int, kwh: float | None, filas: Filas) -> None:
        """Take a state; the hours that end before it or with it come out."""
        if momento < self.momento:
            raise invalida(Motivo.TIEMPO_ILEGIBLE, "es anterior a la fila de antes")
        hora, resto = divmod(momento, SEGUNDOS_POR_HORA)
        atras = kwh is not None and self.ultimo_kwh is not None and kwh < self.ultimo_kwh
        if self.momento < 0:
            # What the beginning of the file cuts is no hour of the file.
            self.hora, self.muda = hora, resto > 0
            self.inicio_kwh = kwh
        elif self._was_silent(momento, kwh):
            horas = (momento - self.momento) // SEGUNDOS_POR_HORA
            detalle = f"{brief(self.propietario_id or '')}: {horas} h sin datos"
            filas.rechazadas.append((linea, reject(MotivoArchivo.HORA_INCOMPLETA, detalle)))
            self.hora, self.inicio_kwh, self.muda, self.retrocede = hora, kwh, resto > 0, False
        else:
            self.retrocede = self.retrocede or (atras and resto == 0)
            while self.hora < hora:
                al_fin = self.hora + 1 == hora and resto == 0
                self._close_hour(linea, kwh if al_fin else self.kwh, filas)
            self.retrocede = self.retrocede or (atras and resto > 0)
        self.kwh, self.momento = kwh, momento
        self.ultimo_kwh = self.ultimo_kwh if kwh is None else kwh

    def _was_silent(self, momento: int, kwh: float | None) -> bool:
        horas = (momento - self.momento) / SEGUNDOS_POR_HORA
        movido = None not in (kwh, self.kwh) and kwh != self.kwh
        return horas > HORAS_PARADO or (horas > HORAS_DE_SILENCIO and movido)

    def _close_hour(self, linea: int, fin_kwh: float | None, filas: Filas) -> None:
        """End the running hour with the counter at its end, and begin the next one."""
        inicio = to_text(self.hora * SEGUNDOS_POR_HORA)
        cual = f"{brief(self.propietario_id or '')}, {inicio}"
        if self.muda:
            pass
        elif self.inicio_kwh is None or fin_kwh is None:
            detalle = f"{cual}: no se conoce el contador al empezar o al acabar"
            filas.rechazadas.append((linea, reject(MotivoArchivo.HORA_INCOMPLETA, detalle)))
        elif self.retrocede or fin_kwh < self.inicio_kwh:
            detalle = f"{cual}: baja a {fin_kwh:g} kWh"
            filas.rechazadas.append((linea, reject(MotivoArchivo.CONTADOR_RETROCEDE, detalle)))
        else:
            consumo = scale(fin_kwh - self.inicio_kwh, 1.0)
            filas.add(linea, self.propietario_id, inicio, consumo, None)
        self.hora, self.inicio_kwh = self.hora + 1, fin_kwh
        self.muda = self.retrocede = False
