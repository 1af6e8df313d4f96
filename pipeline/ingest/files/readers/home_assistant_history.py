"""Home Assistant's history of an energy counter: its states, in kWh, with times in UTC.

An hour's consumption is the counter at its end minus the counter at its beginning; a state holds
until the next one. What is older than ten days comes from the long-term statistics, in the same
columns: a row an hour, stamped with the hour's BEGINNING to the millisecond, with the counter at
its END. Such a row is told by its stamp, and is read as the state of an hour later.

No reading comes out of an hour at one of whose ends the counter was unknown (``unavailable``), of
a silence in which it moved (six hours; one where statistics are missing) or of more than 31 days,
nor of an hour in which it went back. The hours that the file cuts, at both its ends, are no hours
of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from detection.domain import SEGUNDOS_POR_HORA
from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.blocks import (
    FILAS_POR_TROZO,
    Informe,
    Intervalos,
    LectorEnCodigo,
    MotivoArchivo,
    Recogida,
    reject,
)
from pipeline.ingest.files.instants import read_moment, to_text
from pipeline.ingest.files.source_file import Entrada, brief, read_table, short_id, split_header
from pipeline.ingest.validation import Motivo, invalida
from serving.local_time import PRIMER_ANIO, ULTIMO_ANIO

HORAS_DE_SILENCIO = 6
"""A household's counter moves every hour; a longer silence is Home Assistant's, not the house's."""
HORAS_PARADO = 31 * 24
"""So long may a counter stand still, as in an empty house; after that it is not believed."""
_COLUMNAS = ("entity_id", "state", "last_changed")
_EN_PUNTO = re.compile(r".*[T ]\d\d:(\d\d):(\d\d)\.000\d*(?:Z|\+00:00)", re.ASCII)
_PRIMERO = (PRIMER_ANIO - 1970) * 31_536_000
_ULTIMO = (ULTIMO_ANIO + 1 - 1970) * 31_622_400


def is_history(entrada: Entrada) -> bool:
    """Return whether the first line that is not blank is the header of a history."""
    primera = next((linea for linea in entrada.head() if linea.strip()), "")
    return set(_COLUMNAS) <= set(split_header(primera)[1])


def read_history(entrada: Entrada, informe: Informe) -> Iterator[Intervalos]:
    """Yield the hours of a history."""
    informe.unidad, informe.zona = "kWh (contador)", "UTC"
    con_estadisticas = _has_statistics(entrada)
    if con_estadisticas:
        informe.note(
            "tiene filas de estadísticas (el principio de la hora con el contador a su fin)"
        )
    contadores: dict[str, _Contador] = {}
    recogida = Recogida()
    for linea, (nombre, estado, cuando) in _rows(entrada):
        try:
            momento = read_moment(cuando)
            if not _PRIMERO <= momento <= _ULTIMO:
                raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(cuando)}»")
            es_hora = con_estadisticas and _is_on_the_hour(cuando)
            if es_hora:
                momento += SEGUNDOS_POR_HORA
            contador = contadores.setdefault(
                nombre, _Contador(short_id(nombre.removeprefix("sensor.")))
            )
            contador.see(linea, momento, _to_kwh(estado), es_hora, recogida)
        except LecturaInvalidaError as error:
            recogida.reject(linea, error)
        if len(recogida) >= FILAS_POR_TROZO:
            yield recogida.take(entrada.avance)
    if len(recogida):
        yield recogida.take(1.0)


def _rows(entrada: Entrada) -> Iterator[tuple[int, tuple[str, str, str]]]:
    with entrada.text() as lineas:
        tabla = read_table(lineas, lambda nombres: set(_COLUMNAS) <= set(nombres))
        sitios = tabla.find(_COLUMNAS)
        for linea, celdas in tabla.filas:
            nombre, estado, cuando = (celdas[sitio] for sitio in sitios)
            yield linea, (nombre, estado, cuando)


def _has_statistics(entrada: Entrada) -> bool:
    """Return whether rows on the hour, to the millisecond, are statistics.

    A state is seen at any millisecond: where others too have none, their times have been rounded
    and say nothing.
    """
    en_punto = False
    for _, (_, _, cuando) in _rows(entrada):
        partes = _EN_PUNTO.fullmatch(cuando)
        if partes is None:
            continue
        if partes.group(1, 2) != ("00", "00"):
            return False
        en_punto = True
    return en_punto


def _is_on_the_hour(cuando: str) -> bool:
    partes = _EN_PUNTO.fullmatch(cuando)
    return partes is not None and partes.group(1, 2) == ("00", "00")


def _to_kwh(estado: str) -> float | None:
    """Return the counter, or None where it was unknown."""
    try:
        valor = float(estado)
    except ValueError:
        return None
    return valor if math.isfinite(valor) and "_" not in estado else None


@dataclass(slots=True)
class _Contador:
    """A counter, and what is known of the hour that is running.

    ``inicio_kwh`` is the counter at the beginning of ``hora``, ``ultimo_kwh`` its last known
    state; None = unknown. An hour that is ``muda`` ends without a reading and without a word.
    """

    propietario_id: str
    hora: int = -1
    inicio_kwh: float | None = None
    kwh: float | None = None
    ultimo_kwh: float | None = None
    momento: int = -1
    muda: bool = False
    retrocede: bool = False

    def see(
        self, linea: int, momento: int, kwh: float | None, es_hora: bool, recogida: Recogida
    ) -> None:
        """Take a state; the hours that end before it or with it come out."""
        if momento < self.momento:
            raise invalida(Motivo.TIEMPO_ILEGIBLE, "es anterior a la fila de antes")
        hora, resto = divmod(momento, SEGUNDOS_POR_HORA)
        atras = kwh is not None and self.ultimo_kwh is not None and kwh < self.ultimo_kwh
        if self.momento < 0:
            # What the beginning of the file cuts is no hour of the file.
            self.hora, self.muda = hora, resto > 0
            self.inicio_kwh = kwh
        elif self._was_silent(momento, kwh, 1 if es_hora else HORAS_DE_SILENCIO):
            horas = (momento - self.momento) // SEGUNDOS_POR_HORA
            detalle = f"{brief(self.propietario_id)}: {horas} h sin datos"
            recogida.reject(linea, reject(MotivoArchivo.HORA_INCOMPLETA, detalle))
            self.hora, self.inicio_kwh, self.muda, self.retrocede = hora, kwh, resto > 0, False
        else:
            self.retrocede = self.retrocede or (atras and resto == 0)
            while self.hora < hora:
                al_fin = self.hora + 1 == hora and resto == 0
                self._close_hour(linea, kwh if al_fin else self.kwh, recogida)
            self.retrocede = self.retrocede or (atras and resto > 0)
        self.kwh, self.momento = kwh, momento
        self.ultimo_kwh = self.ultimo_kwh if kwh is None else kwh

    def _was_silent(self, momento: int, kwh: float | None, horas_de_silencio: int) -> bool:
        horas = (momento - self.momento) / SEGUNDOS_POR_HORA
        movido = None not in (kwh, self.kwh) and kwh != self.kwh
        return horas > HORAS_PARADO or (horas > horas_de_silencio and movido)

    def _close_hour(self, linea: int, fin_kwh: float | None, recogida: Recogida) -> None:
        """End the running hour with the counter at its end, and begin the next one."""
        inicio = self.hora * SEGUNDOS_POR_HORA
        cual = f"{brief(self.propietario_id)}, {to_text(inicio)}"
        if self.muda:
            pass
        elif self.inicio_kwh is None or fin_kwh is None:
            detalle = f"{cual}: no se conoce el contador al empezar o al acabar"
            recogida.reject(linea, reject(MotivoArchivo.HORA_INCOMPLETA, detalle))
        elif self.retrocede or fin_kwh < self.inicio_kwh:
            detalle = f"{cual}: baja a {fin_kwh:g} kWh"
            recogida.reject(linea, reject(MotivoArchivo.CONTADOR_RETROCEDE, detalle))
        else:
            consumo = round(fin_kwh - self.inicio_kwh, 9)
            recogida.add(linea, self.propietario_id, inicio, SEGUNDOS_POR_HORA, consumo)
        self.hora, self.inicio_kwh = self.hora + 1, fin_kwh
        self.muda = self.retrocede = False


HISTORIAL = LectorEnCodigo("Home Assistant (historial)", is_history, read_history)
