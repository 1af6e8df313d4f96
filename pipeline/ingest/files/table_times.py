"""When the rows of a table are, in the ways in which layouts write it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.cell_reader import CellReader, Errores
from pipeline.ingest.files.date_order import DateOrder
from pipeline.ingest.files.day_columns import columns_by_name, columns_by_place
from pipeline.ingest.files.end_marks import EndsSeen
from pipeline.ingest.files.interval_store import Filas
from pipeline.ingest.files.layout import Disposicion
from pipeline.ingest.files.local_days import CORRIDA, RELOJ, RELOJ_DEL_FIN, load_day
from pipeline.ingest.files.moments import (
    MINUTOS_POR_DIA,
    Momento,
    end_by_season,
    read_clock,
    read_day,
    read_instant,
    read_minutes,
    read_number,
    read_range,
)
from pipeline.ingest.files.numbering import NumbersSeen
from pipeline.ingest.files.rows import Columnas
from pipeline.ingest.files.stated import read_stated
from pipeline.ingest.files.steps import MinutosVistos
from pipeline.ingest.files.text_cells import FormatoError, brief, clean
from pipeline.ingest.validation import Motivo, invalida

_CERO_DE_RELOJ = (
    "en este formato las horas van numeradas, y tiene las 00:00 del reloj: no se sabe si son el "
    'principio de un día o el fin de otro. Lo dice un perfil propio (--perfil) con hora = "reloj" '
    "y su marca"
)


@dataclass(slots=True)
class TableTimes:
    """Times of one table: first what all of them show, then each row's.

    Parameters
    ----------
    disposicion : Disposicion
    zona : ZoneInfo
        Of times without offset.
    menor : int
        Minutes of the shortest interval.
    columnas : list of int
        Minutes of the day at which the interval of each column of energy begins, in a row a day.
    pruebas : NumbersSeen, EndsSeen or None
        What the rows show of each customer: parts of one file share it.
    """

    disposicion: Disposicion
    zona: ZoneInfo
    vistos: MinutosVistos = field(default_factory=MinutosVistos)
    menor: int = 60
    columnas: list[int] = field(default_factory=list)
    pruebas: NumbersSeen | EndsSeen | None = None
    _numeros: set[int] = field(default_factory=set)
    _cero_de_reloj: bool = False
    _por_reloj: bool = False
    _lectores: dict[str, CellReader] = field(default_factory=dict)
    _orden: DateOrder = field(init=False)

    def __post_init__(self) -> None:
        self._orden = DateOrder(self.disposicion.perfil.tiempo.orden)
        self.pruebas = self._new_evidence()

    def _new_evidence(self) -> NumbersSeen | EndsSeen | None:
        tiempo = self.disposicion.perfil.tiempo
        if tiempo.forma == "fecha_y_hora" and tiempo.hora == "numero":
            return NumbersSeen(tiempo.pasos, tiempo.paso, self.zona)
        con_fines = tiempo.forma == "instante" or (tiempo.forma, tiempo.hora) == (
            "fecha_y_hora",
            "reloj",
        )
        if con_fines and tiempo.marca == "fin":
            con_estacion = "estacion" in self.disposicion.sitios
            return EndsSeen(tiempo.forma == "instante", con_estacion, bool(tiempo.medianoche))
        return None

    def columns(self) -> list[int]:
        """Return which columns show, over the whole table, when its rows are."""
        sitios = self.disposicion.sitios
        return [sitios[n] for n in ("instante", "fecha", "hora", "fin", "estacion") if n in sitios]

    def _reader(self, nombre: str, leer: Callable[[str], Any], clase: Any = np.int64) -> CellReader:
        if nombre not in self._lectores:
            sitio = self.disposicion.sitios[nombre]
            self._lectores[nombre] = CellReader(sitio, leer, clase)
        return self._lectores[nombre]

    def _day_reader(self) -> CellReader:
        orden = self.disposicion.perfil.tiempo.orden
        return self._reader("fecha", partial(read_day, orden=orden))

    # ---- the first reading

    def survey(self, columnas: Columnas) -> None:
        """Look at the times of some rows."""
        tiempo = self.disposicion.perfil.tiempo
        for nombre in ("instante", "fecha", "fin"):
            if nombre in self.disposicion.sitios:
                self._orden.see(columnas.textos[self.disposicion.sitios[nombre]])
        if tiempo.forma == "instante":
            leer = partial(read_instant, orden=tiempo.orden)
            for leido in self._reader("instante", leer, object).texts(columnas):
                if isinstance(leido, Momento):
                    self.vistos.see((leido.valor // 60 if leido.exacto else leido.valor,))
        elif tiempo.forma == "fecha_y_hora":
            self._survey_hours(columnas, tiempo.hora)

    def _survey_hours(self, columnas: Columnas, clase: str) -> None:
        if clase == "reloj":
            leidos = self._reader("hora", read_clock).texts(columnas)
            self.vistos.see(x for x in leidos if isinstance(x, int))
        elif clase == "tramo":
            for leido in self._reader("hora", read_range, object).texts(columnas):
                if isinstance(leido, tuple):
                    self.vistos.see((leido[0], leido[0] + leido[1]))
        else:
            leidos = self._reader("hora", read_number).texts(columnas)
            self._numeros.update(x for x in leidos if isinstance(x, int))
            textos = columnas.textos[self.disposicion.sitios["hora"]]
            ceros = (":" in t for t, x in zip(textos, leidos, strict=True) if x == 0)
            self._cero_de_reloj |= any(ceros)

    def decide(self) -> None:
        """Decide the shortest step and when columns are, once all rows have been seen.

        Raises
        ------
        FormatoError
            It cannot be told.
        """
        tiempo = self.disposicion.perfil.tiempo
        self._orden.check()
        if tiempo.forma == "dia_por_fila":
            self._decide_columns()
        elif tiempo.forma == "fecha_y_hora" and tiempo.hora == "numero":
            if self._cero_de_reloj:
                raise FormatoError(_CERO_DE_RELOJ)
            mayor = max(self._numeros, default=0)
            cortos = [p for p in tiempo.pasos if mayor <= 25 * 60 // p]
            self.menor = max(cortos, default=min(tiempo.pasos))
        elif tiempo.forma != "instante_por_columna":
            self.menor = self.vistos.shortest(tiempo.pasos)

    def _decide_columns(self) -> None:
        """Decide when the columns of a row a day are."""
        suya, tiempo = self.disposicion, self.disposicion.perfil.tiempo
        if suya.titulos:
            columnas = columns_by_name(suya.titulos, suya.valor, tiempo)
        else:
            columnas = columns_by_place(len(suya.valores), tiempo)
        self.menor, self.columnas = columnas.paso, columnas.minutos
        self._por_reloj = columnas.por_reloj

    def stated_step(self) -> int:
        """Return the minutes that the lines above the table say; 0 = they say nothing."""
        campo = self.disposicion.perfil.tiempo.paso_encima
        minutos = 0 if campo is None else read_minutes(read_stated(self.disposicion.encima, campo))
        # What is longer than an hour is told by its rows.
        return minutos if isinstance(minutos, int) and minutos <= 60 else 0

    def ways(self) -> tuple[str, ...]:
        """Return how the rows of a day of the change may be numbered in this layout."""
        tiempo = self.disposicion.perfil.tiempo
        if tiempo.forma == "dia_por_fila":
            return (RELOJ,) if self._por_reloj else (CORRIDA, RELOJ)
        if tiempo.forma == "fecha_y_hora" and tiempo.hora == "numero":
            return (CORRIDA, RELOJ)
        if tiempo.marca == "inicio" or (tiempo.forma, tiempo.hora) == ("fecha_y_hora", "tramo"):
            return (RELOJ,)
        relojes = (RELOJ, RELOJ_DEL_FIN)
        return relojes if tiempo.forma == "instante" else (CORRIDA, *relojes)

    def describe(self) -> str:
        """Return how the time is written, for the user."""
        tiempo = self.disposicion.perfil.tiempo
        if isinstance(self.pruebas, NumbersSeen):
            que = "horas numeradas" if self.menor == 60 else "intervalos numerados"
            return f"{que} {self.pruebas.describe()}"
        if tiempo.forma in {"dia_por_fila", "instante_por_columna"}:
            return "una columna por intervalo"
        return "principio del intervalo" if tiempo.marca == "inicio" else "fin del intervalo"

    # ---- the second reading

    def read(self, columnas: Columnas, filas: Filas, errores: Errores) -> None:
        """Write the times of some rows into them."""
        tiempo = self.disposicion.perfil.tiempo
        filas["fin"] = tiempo.marca == "fin"
        if tiempo.forma == "instante":
            if "estacion" in self.disposicion.sitios:
                self._read_seasons(columnas, filas, errores)
            else:
                self._read_instants(columnas, filas, errores)
        elif tiempo.forma == "fecha_y_hora":
            self._read_hours(columnas, filas, errores)

    def _read_instants(self, columnas: Columnas, filas: Filas, errores: Errores) -> None:
        orden = self.disposicion.perfil.tiempo.orden
        leer = partial(read_instant, orden=orden)
        momento, exacto = self._moments("instante", leer, columnas, errores)
        filas["exacto"] = exacto
        filas["dia"] = (momento - filas["fin"]) // MINUTOS_POR_DIA * ~exacto
        filas["momento"] = momento - filas["dia"].astype(np.int64) * MINUTOS_POR_DIA
        if isinstance(self.pruebas, EndsSeen):
            locales = ~exacto & ~errores.mala
            dia, minuto = np.divmod(momento[locales], MINUTOS_POR_DIA)
            self.pruebas.see(filas["cliente"][locales], dia, minuto)
        if "fin" not in self.disposicion.sitios:
            return
        fin, otro = self._moments("fin", leer, columnas, errores)
        largo = _to_its_end((fin - momento) // np.where(exacto, 60, 1))
        medida = ~exacto & self._may_change(filas["dia"], filas["momento"], largo)
        mal = ((largo <= 0) & ~medida) | (largo > MINUTOS_POR_DIA) | (exacto != otro)
        errores.take(
            mal,
            lambda i: invalida(
                Motivo.TIEMPO_ILEGIBLE, "el intervalo no acaba después de empezar, el mismo día"
            ),
        )
        filas["segundos"] = np.where(mal | medida, 0, largo * 60)
        filas["fin"] = False

    def _moments(
        self, nombre: str, leer: Callable[[str], Any], columnas: Columnas, errores: Errores
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        lector = self._reader(nombre, leer, object)
        leidos = lector.texts(columnas)
        codigos = columnas.codigos[lector.sitio]
        malos = np.array([not isinstance(x, Momento) for x in leidos], np.bool_)
        if malos.any():
            errores.take(malos[codigos], lambda i: leidos[codigos[i]])
        valores = np.array([x.valor if isinstance(x, Momento) else 0 for x in leidos], np.int64)
        exactos = np.array([isinstance(x, Momento) and x.exacto for x in leidos], np.bool_)
        return valores[codigos], exactos[codigos]

    def _read_seasons(self, columnas: Columnas, filas: Filas, errores: Errores) -> None:
        """Read local times whose season stands beside them."""
        sitios = self.disposicion.sitios
        tiempo = self.disposicion.perfil.tiempo
        instantes = self._reader(
            "instante", partial(read_instant, orden=tiempo.orden), object
        ).texts(columnas)
        estaciones = columnas.textos[sitios["estacion"]]
        de_instante = columnas.codigos[sitios["instante"]].astype(np.int64)
        clave = de_instante * max(1, len(estaciones)) + columnas.codigos[sitios["estacion"]]
        pares, cual = np.unique(clave, return_inverse=True)
        leidos: list[Any] = [
            self._with_season(instantes[par // len(estaciones)], estaciones[par % len(estaciones)])
            for par in pares.tolist()
        ]
        malos = np.array([isinstance(x, LecturaInvalidaError) for x in leidos], np.bool_)
        rotas = malos[cual] & ~errores.mala
        if malos.any():
            errores.take(malos[cual], lambda i: leidos[cual[i]])
        valores = np.array([0 if m else x for x, m in zip(leidos, malos, strict=True)], np.int64)
        filas["momento"] = valores[cual] if leidos else 0
        filas["exacto"] = True
        locales = np.array(
            [x.valor if isinstance(x, Momento) and not x.exacto else -1 for x in instantes],
            np.int64,
        )
        de_cambio = self._changes(_day_of_end(locales).astype(np.int32)) & (locales >= 0)
        self._see_ends(filas, locales[de_instante], de_cambio[de_instante], ~errores.mala, rotas)

    def _see_ends(
        self,
        filas: Filas,
        local: NDArray[np.int64],
        de_cambio: NDArray[np.bool_],
        buena: NDArray[np.bool_],
        rota: NDArray[np.bool_],
    ) -> None:
        """Keep the local times of rows with a season, and days of the change that it contradicts.

        ``local`` is minutes, -1 where there is none; ``de_cambio`` are rows of a day of the change,
        ``rota`` those of another season.
        """
        if not isinstance(self.pruebas, EndsSeen):
            return
        cierta, cliente = (local >= 0) & buena, filas["cliente"]
        self.pruebas.see(cliente[cierta], *np.divmod(local[cierta], MINUTOS_POR_DIA))
        mal = de_cambio & rota
        pares = np.array([cliente[mal], local[mal]], np.int64)
        # Two times of one instant are one hour too many.
        suyas = de_cambio & buena
        todas = np.array([cliente[suyas], filas["momento"][suyas], local[suyas]], np.int64)
        todas = np.unique(todas, axis=1)
        doble = np.append(False, (todas[:2, 1:] == todas[:2, :-1]).all(0))[: todas.shape[1]]
        pares = np.concatenate([pares, todas[::2, doble]], axis=1)
        self.pruebas.contradichos.update(
            zip(pares[0].tolist(), _day_of_end(pares[1]).tolist(), strict=True)
        )

    def _with_season(self, instante: Any, estacion: str) -> int | LecturaInvalidaError:
        """Return the end of an interval in seconds, by its local time and its season."""
        if isinstance(instante, LecturaInvalidaError):
            return instante
        if instante.exacto:
            return int(instante.valor)
        dicha = clean(estacion).lower()
        if dicha not in {"0", "1"}:
            return invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(dicha)}» no es una estación, 0 o 1")
        paso = self.menor if self.disposicion.perfil.tiempo.marca == "fin" else 0
        fin = end_by_season(instante.valor, dicha == "1", paso, self.zona)
        if fin is None:
            return invalida(
                Motivo.TIEMPO_ILEGIBLE,
                f"su hora no es de la estación {dicha} (1 verano, 0 invierno)",
            )
        return fin

    def _read_hours(self, columnas: Columnas, filas: Filas, errores: Errores) -> None:
        """Read days and times of the day that stand in two columns."""
        tiempo = self.disposicion.perfil.tiempo
        dia = self.days(columnas, errores)
        if tiempo.hora == "numero":
            minuto = self._reader("hora", read_number).read(columnas, errores)
            filas["fin"] = False
        elif tiempo.hora == "reloj":
            minuto = self._reader("hora", read_clock).read(columnas, errores)
        else:
            minuto = self._read_ranges(columnas, filas, errores)
        if self.pruebas is not None:
            buena = ~errores.mala
            self.pruebas.see(filas["cliente"][buena], dia[buena], minuto[buena])
        # The end at 00:00 is the day before's.
        ayer = filas["fin"] & (minuto == 0)
        filas["dia"] = dia - ayer
        filas["momento"] = minuto + ayer * MINUTOS_POR_DIA
        if tiempo.hora == "reloj":
            self._read_lengths(columnas, filas, errores)

    def _read_lengths(self, columnas: Columnas, filas: Filas, errores: Errores) -> None:
        """Write how long each row says that it is, in minutes or by its end."""
        sitios = self.disposicion.sitios
        if "duracion" in sitios:
            minutos = self._reader("duracion", read_minutes).read(columnas, errores)
            filas["segundos"] = minutos * 60
        elif "fin" in sitios:
            fin = self._reader("fin", read_clock).read(columnas, errores)
            largo = _to_its_end(fin - filas["momento"]) % MINUTOS_POR_DIA
            medida = self._may_change(filas["dia"], filas["momento"], largo)
            largo = np.where(largo == 0, MINUTOS_POR_DIA, largo)
            filas["segundos"] = np.where(medida, 0, largo * 60)

    def _may_change(
        self, dia: NDArray[np.int32], inicio: NDArray[np.int64], largo: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return where the clock may change within an interval (n,): its length is to be measured.

        Of these the difference of local times is no length.
        """
        unicos, cual = np.unique(dia, return_inverse=True)
        dias = [load_day(d, self.zona) for d in unicos.tolist()]
        adelanto = np.array([MINUTOS_POR_DIA - d.minutos for d in dias], np.int64)[cual]
        cambio = np.array([d.cambio for d in dias], np.int64)[cual]
        desde, hasta = cambio + np.minimum(adelanto, 0), cambio + np.maximum(adelanto, 0)
        toca = (inicio < hasta) & (inicio + np.maximum(largo, 0) >= desde)
        return np.asarray(toca & (adelanto != 0) & (largo < MINUTOS_POR_DIA))

    def _changes(self, dia: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which days (n,) have not 24 hours."""
        unicos, cual = np.unique(dia, return_inverse=True)
        minutos = [load_day(d, self.zona).minutos for d in unicos.tolist()]
        return np.asarray((np.array(minutos, np.int64) != MINUTOS_POR_DIA)[cual])

    def _read_ranges(self, columnas: Columnas, filas: Filas, errores: Errores) -> NDArray[np.int64]:
        lector = self._reader("hora", read_range, object)
        leidos = lector.texts(columnas)
        codigos = columnas.codigos[lector.sitio]
        malos = np.array([not isinstance(x, tuple) for x in leidos], np.bool_)
        if malos.any():
            errores.take(malos[codigos], lambda i: leidos[codigos[i]])
        pares = np.array([x if isinstance(x, tuple) else (0, 0) for x in leidos], np.int64)
        filas["segundos"] = pares[codigos, 1] * 60
        filas["fin"] = False
        return np.asarray(pares[codigos, 0])

    def days(self, columnas: Columnas, errores: Errores) -> NDArray[np.int64]:
        """Return the day of each row, counted from 1970."""
        return self._day_reader().read(columnas, errores)


def _day_of_end(minutos: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the day of intervals that end at local minutes: midnight is the day before's."""
    return (minutos - 1) // MINUTOS_POR_DIA


def _to_its_end(minutos: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return lengths with the last minute: 00:59 ends the hour that began at 00:00."""
    return np.where(minutos % 5 == 4, minutos + 1, minutos)
