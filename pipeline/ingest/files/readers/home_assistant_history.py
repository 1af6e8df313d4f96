"""Home Assistant's history of an energy counter: its states, with times in UTC.

An hour's consumption is the counter at its end minus the counter at its beginning; a state holds
until the next one. What is older than ten days comes from the long-term statistics, in the same
columns: a row an hour, stamped with the hour's BEGINNING to the millisecond, with the counter at
its END. Such a row is told by its stamp, and is read as the state of an hour later.

The file does not say the counter's unit: kWh, unless it moves as no home's does. Nor does it say
what an entity is: one that goes down again and again (power, temperature) is no counter, and one
whose name says that it is exported energy, a power or a temperature is believed.

No reading comes out of an hour at one of whose ends the counter was unknown (``unavailable``), of
a silence of more than an hour in which it moved by more than its smallest step, or by one that
is no fine one, of one of more than
31 days, nor of an hour in which it went back. The hours that the file cuts, at both its ends, are
no hours of it.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

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
from pipeline.ingest.files.container import Entrada
from pipeline.ingest.files.layout import split_header
from pipeline.ingest.files.moments import read_moment, to_text
from pipeline.ingest.files.profile_schema import FiltroFilas, known_profiles, normalize
from pipeline.ingest.files.row_filter import class_of
from pipeline.ingest.files.text_cells import FormatoError, brief, read_rows, short_id
from pipeline.ingest.files.units import DECIMALES_KWH, FACTORES, decide_unit
from pipeline.ingest.validation import Motivo, invalida
from serving.local_time import PRIMER_ANIO, ULTIMO_ANIO

HORAS_DE_SILENCIO = 1
"""In a longer one nobody knows in which hour the counter moved, unless it moved by one step."""
PASO_FINO_KWH = 0.1
"""A step that may be that of an idle home; what is larger belongs to hours that are not known."""
HORAS_PARADO = 31 * 24
"""So long may a counter stand still, as in an empty house; after that it is not believed."""
_RESTO_DE_REINICIO = 0.1
_BAJADAS_DE_CONTADOR = 2
_PARTE_QUE_BAJA = 0.02
"""Counters go back by a rounding, or once by an exchange; what goes down more often is none."""
_POTENCIA = re.compile(
    r"(?:^|[._])(?:power|potencia|puissance|leistung|w|kw|watts?|temp|current|corriente|intensidad)"
    r"(?:$|[._])",
    re.IGNORECASE,
)
_ENERGIA = re.compile(r"energ|consum|kwh|import|meter|contador", re.IGNORECASE)
_COLUMNAS = ("entity_id", "state", "last_changed")
PERFIL_ESTADISTICAS = "Home Assistant (estadísticas)"
_EN_PUNTO = re.compile(r".*[T ]\d\d:(\d\d):(\d\d)\.000\d*(?:Z|\+00:00)", re.ASCII)
_PRIMERO = (PRIMER_ANIO - 1970) * 31_536_000
_ULTIMO = (ULTIMO_ANIO + 1 - 1970) * 31_622_400


def is_history(entrada: Entrada) -> bool:
    """Return whether the first line that is not blank is the header of a history."""
    primera = next((linea for linea in entrada.head() if linea.strip()), "")
    return set(_COLUMNAS) <= set(split_header(primera).nombres)


def read_history(entrada: Entrada, informe: Informe) -> Iterator[Intervalos]:
    """Yield the hours of a history."""
    con_estadisticas, vistos = _look_ahead(entrada)
    ajenas = _foreign(vistos, informe)
    unidad = informe.unidad_pedida or "kWh"
    for nombre, visto in vistos.items():
        if nombre in ajenas:
            continue
        unidad = decide_unit("desconocida", informe.unidad_pedida, [visto.mean()], [1])
    factor = FACTORES[unidad.lower()]
    informe.unidad, informe.zona = f"{unidad} (contador)", "UTC"
    if con_estadisticas:
        informe.note(
            "tiene filas de estadísticas (el principio de la hora con el contador a su fin)"
        )
    contadores: dict[str, _Contador] = {}
    recogida = Recogida()
    for linea, (nombre, estado, cuando) in _rows(entrada):
        if nombre in ajenas:
            error = ajenas[nombre]
            if error is not None:
                # Told once, with the first of its lines.
                recogida.reject(linea, error)
                ajenas[nombre] = None
            continue
        try:
            momento = read_moment(cuando)
            if not _PRIMERO <= momento <= _ULTIMO:
                raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(cuando)}»")
            es_hora = con_estadisticas and _is_on_the_hour(cuando)
            if es_hora:
                momento += SEGUNDOS_POR_HORA
            contador = contadores.setdefault(
                nombre,
                _Contador(
                    short_id(nombre.removeprefix("sensor.")), vistos[nombre].paso_kwh * factor
                ),
            )
            cuenta = _to_count(estado)
            kwh = None if cuenta is None else cuenta * factor
            contador.see(linea, momento, kwh, es_hora, recogida)
        except LecturaInvalidaError as error:
            recogida.reject(linea, error)
        if len(recogida) >= FILAS_POR_TROZO:
            yield recogida.take(entrada.avance)
    if len(recogida):
        yield recogida.take(1.0)


def _foreign(vistos: dict[str, _Visto], informe: Informe) -> dict[str, LecturaInvalidaError | None]:
    """Return the entities that are no counter of consumption, and why; None = it has been told.

    Raises
    ------
    FormatoError
        There is nothing else in the file.
    """
    ajenas: dict[str, LecturaInvalidaError | None] = {}
    for nombre, visto in vistos.items():
        clase = class_of(nombre, _statistics_names())
        if clase == "vertida":
            informe.note_exported(brief(nombre))
            ajenas[nombre] = None
        elif motivo := visto.why_no_counter(nombre, clase):
            ajenas[nombre] = reject(MotivoArchivo.NO_ES_CONTADOR, f"{brief(nombre)}: {motivo}")
    if vistos and len(ajenas) == len(vistos) and not informe.vertida:
        primera = next(error for error in ajenas.values() if error is not None)
        raise FormatoError(f"no tiene ningún contador de energía; {primera.detalle}")
    return ajenas


@lru_cache(maxsize=1)
def _statistics_names() -> FiltroFilas:
    """Return what the names of statistics mean, which are those of the same entities."""
    perfil = next(p for p in known_profiles() if p.nombre == PERFIL_ESTADISTICAS)
    return perfil.filas[0]


def _rows(entrada: Entrada) -> Iterator[tuple[int, tuple[str, str, str]]]:
    with entrada.text() as lineas:
        saltadas, cabecera = 0, ""
        while not cabecera.strip():
            saltadas, cabecera = saltadas + 1, next(lineas)
        nombres = split_header(cabecera)
        sitios = [nombres.nombres.index(columna) for columna in _COLUMNAS]
        for linea, celdas in read_rows(lineas, nombres.separador, saltadas):
            if set(_COLUMNAS) <= set(map(normalize, celdas)):
                if tuple(map(normalize, celdas)) != nombres.nombres:
                    raise FormatoError(f"la línea {linea} es otra cabecera, con otras columnas")
                continue
            llena = celdas + [""] * (len(nombres.nombres) - len(celdas))
            nombre, estado, cuando = (llena[sitio] for sitio in sitios)
            yield linea, (nombre, estado, cuando)


@dataclass(slots=True)
class _Visto:
    """What the whole file shows of a counter, in its own unit."""

    paso_kwh: float = 0.0
    avanzado: float = 0.0
    suben: int = 0
    bajan: int = 0
    ultimo: float | None = None
    desde: int = 0
    hasta: int = 0

    def see(self, cuenta: float, momento: int) -> None:
        paso = 0.0 if self.ultimo is None else cuenta - self.ultimo
        if paso > 0:
            self.paso_kwh = min(paso, self.paso_kwh or paso)
            self.avanzado += paso
            self.suben += 1
        elif paso < 0 and self.ultimo is not None and cuenta > _RESTO_DE_REINICIO * self.ultimo:
            # What goes back to nothing has been set to zero or exchanged.
            self.bajan += 1
        self.desde = self.desde or momento
        self.ultimo, self.hasta = cuenta, momento

    def why_no_counter(self, nombre: str, clase: str) -> str:
        """Return why an entity is no counter of energy; "" = it may be one."""
        if clase == "otras" or (_POTENCIA.search(nombre) and not _ENERGIA.search(nombre)):
            return "por su nombre no es un contador de energía"
        if self.bajan > max(_BAJADAS_DE_CONTADOR, _PARTE_QUE_BAJA * self.suben):
            return (
                f"sube {self.suben} veces y baja {self.bajan}: no es un contador de energía, sino "
                "una potencia, una temperatura o algo así"
            )
        return ""

    def mean(self) -> float:
        """Return what it moves in an hour."""
        return self.avanzado / max(1.0, (self.hasta - self.desde) / SEGUNDOS_POR_HORA)


def _look_ahead(entrada: Entrada) -> tuple[bool, dict[str, _Visto]]:
    """Return whether rows on the hour are statistics, and what the file shows of each counter.

    A state is seen at any millisecond: where others too have none, their times have been rounded
    and say nothing.
    """
    en_punto, redondeadas = False, False
    vistos: dict[str, _Visto] = {}
    for _, (nombre, estado, cuando) in _rows(entrada):
        partes = _EN_PUNTO.fullmatch(cuando)
        if partes is not None:
            en_punto = en_punto or partes.group(1, 2) == ("00", "00")
            redondeadas = redondeadas or partes.group(1, 2) != ("00", "00")
        visto, cuenta = vistos.setdefault(nombre, _Visto()), _to_count(estado)
        if cuenta is not None:
            with contextlib.suppress(LecturaInvalidaError):
                visto.see(cuenta, read_moment(cuando))
    return en_punto and not redondeadas, vistos


def _is_on_the_hour(cuando: str) -> bool:
    partes = _EN_PUNTO.fullmatch(cuando)
    return partes is not None and partes.group(1, 2) == ("00", "00")


def _to_count(estado: str) -> float | None:
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
    paso_kwh: float
    hora: int = -1
    inicio_kwh: float | None = None
    kwh: float | None = None
    ultimo_kwh: float | None = None
    momento: int = -1
    hasta_estadistica: int = -1
    muda: bool = False
    retrocede: bool = False

    def see(
        self, linea: int, momento: int, kwh: float | None, es_hora: bool, recogida: Recogida
    ) -> None:
        """Take a state; the hours that end before it or with it come out."""
        if momento < self.momento:
            if (
                self.momento == self.hasta_estadistica
                and momento > self.momento - SEGUNDOS_POR_HORA
            ):
                # A state of the last hour that the statistics tell already.
                return
            raise FormatoError(
                f"la línea {linea} es anterior a la de antes: un historial va en su orden"
            )
        if es_hora:
            self.hasta_estadistica = momento
        hora, resto = divmod(momento, SEGUNDOS_POR_HORA)
        atras = kwh is not None and self.ultimo_kwh is not None and kwh < self.ultimo_kwh
        if self.momento < 0:
            # What the beginning of the file cuts is no hour of the file.
            self.hora, self.muda = hora, resto > 0
            self.inicio_kwh = kwh
        elif self._was_silent(momento, kwh, es_hora):
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

    def _was_silent(self, momento: int, kwh: float | None, es_hora: bool) -> bool:
        horas = (momento - self.momento) / SEGUNDOS_POR_HORA
        if kwh is None or self.kwh is None or kwh == self.kwh:
            return horas > HORAS_PARADO
        # A fine counter that moves by one step has moved as it always does; in which of the hours
        # a step of a whole kWh was used is not known. Statistics have a row every hour, so that
        # one is missing.
        fino = self.paso_kwh <= PASO_FINO_KWH and not es_hora
        un_paso = fino and kwh - self.kwh <= self.paso_kwh * 1.001
        return horas > HORAS_PARADO or (horas > HORAS_DE_SILENCIO and not un_paso)

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
            consumo = round(fin_kwh - self.inicio_kwh, DECIMALES_KWH)
            recogida.add(linea, self.propietario_id, inicio, SEGUNDOS_POR_HORA, consumo)
        self.hora, self.inicio_kwh = self.hora + 1, fin_kwh
        self.muda = self.retrocede = False


HISTORIAL = LectorEnCodigo(
    "Home Assistant (historial)", is_history, read_history, dice_su_unidad=False
)
