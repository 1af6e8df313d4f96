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
from pipeline.ingest.files.interval_store import Filas
from pipeline.ingest.files.layout import Disposicion
from pipeline.ingest.files.local_days import load_day
from pipeline.ingest.files.moments import (
    MINUTOS_POR_DIA,
    Momento,
    end_by_season,
    read_clock,
    read_day,
    read_instant,
    read_number,
    read_range,
)
from pipeline.ingest.files.rows import Columnas
from pipeline.ingest.files.steps import MinutosVistos
from pipeline.ingest.files.text_cells import FormatoError, brief, clean
from pipeline.ingest.validation import Motivo, invalida

_HORAS = (23, 24, 25)
_DIA_LARGO = 1500


@dataclass(slots=True)
class TableTimes:
    """Times of one table: first what all of them show, then each row's.

    Parameters
    ----------
    disposicion : Disposicion
    zona : ZoneInfo
        Of times without offset.
    """

    disposicion: Disposicion
    zona: ZoneInfo
    vistos: MinutosVistos = field(default_factory=MinutosVistos)
    menor: int = 60
    base: int = 1
    aviso: str = ""
    _numeros: dict[int, set[int]] = field(default_factory=dict)
    _medianoches: set[int] = field(default_factory=set)
    _otras: set[int] = field(default_factory=set)
    _con_24: bool = False
    _lectores: dict[str, CellReader] = field(default_factory=dict)
    _orden: DateOrder = field(init=False)

    def __post_init__(self) -> None:
        self._orden = DateOrder(self.disposicion.perfil.tiempo.orden)

    def columns(self) -> list[int]:
        """Return which columns say the time."""
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
                    if not leido.exacto:
                        dia, minuto = divmod(leido.valor, MINUTOS_POR_DIA)
                        (self._otras if minuto else self._medianoches).add(dia)
        elif tiempo.forma == "fecha_y_hora":
            self._survey_hours(columnas, tiempo.hora)

    def _survey_hours(self, columnas: Columnas, clase: str) -> None:
        if clase == "reloj":
            leidos = self._reader("hora", read_clock).texts(columnas)
            self.vistos.see(x for x in leidos if isinstance(x, int))
            self._survey_midnights(leidos, columnas)
        elif clase == "tramo":
            for leido in self._reader("hora", read_range, object).texts(columnas):
                if isinstance(leido, tuple):
                    self.vistos.see((leido[0], leido[0] + leido[1]))
        else:
            self._survey_numbers(columnas)

    def _survey_midnights(self, minutos: list[Any], columnas: Columnas) -> None:
        """Keep the days that have a 00:00, and those that have another time."""
        dias = self._day_reader().texts(columnas)
        clase = np.array([x if isinstance(x, int) else -1 for x in minutos], np.int64)
        suya = clase[columnas.codigos[self.disposicion.sitios["hora"]]]
        de_dia = columnas.codigos[self.disposicion.sitios["fecha"]]
        self._con_24 = self._con_24 or bool((clase >= MINUTOS_POR_DIA).any())
        for cuales, donde in ((suya == 0, self._medianoches), (suya > 0, self._otras)):
            codigos = np.unique(de_dia[cuales]).tolist()
            donde.update(d for c in codigos if isinstance(d := dias[c], int))

    def _check_mark(self) -> None:
        """Refuse times that are said to be ends and look like beginnings.

        Ends run from after midnight to the midnight that is the next day's first time.
        """
        if self.disposicion.perfil.tiempo.marca != "fin" or not (self._medianoches and self._otras):
            return
        primero, ultimo = min(self._otras), max(self._otras)
        if self._con_24:
            raise FormatoError("tiene horas 00:00 y 24:00, y no se sabe de qué día son las 00:00")
        if min(self._medianoches) <= primero and max(self._medianoches) <= ultimo:
            texto = (
                "en este formato las horas son el fin del intervalo, y el archivo empieza a las "
                "00:00 y acaba antes de las 24:00, como si fueran el principio"
            )
            if self.disposicion.perfil.tiempo.forma != "instante":
                raise FormatoError(f"{texto}: no se sabe")
            self.aviso = texto

    def _survey_numbers(self, columnas: Columnas) -> None:
        """Keep which numbers there are, and the days of those that show how they are counted."""
        numeros = self._reader("hora", read_number).texts(columnas)
        dias = self._day_reader().texts(columnas)
        de_hora = columnas.codigos[self.disposicion.sitios["hora"]]
        de_dia = columnas.codigos[self.disposicion.sitios["fecha"]]
        for k, numero in enumerate(numeros):
            if not isinstance(numero, int):
                continue
            suyos = self._numeros.setdefault(numero, set())
            if numero in _HORAS:
                codigos = np.unique(de_dia[de_hora == k]).tolist()
                suyos.update(d for c in codigos if isinstance(d := dias[c], int))

    def decide(self) -> None:
        """Decide the shortest step and how intervals are numbered, once all rows have been seen.

        Raises
        ------
        FormatoError
            It cannot be told.
        """
        tiempo = self.disposicion.perfil.tiempo
        self._orden.check()
        if tiempo.forma == "dia_por_fila":
            self.menor = self._step_of_columns(len(self.disposicion.valores))
        elif tiempo.forma == "fecha_y_hora" and tiempo.hora == "numero":
            self.menor = self._step_of_numbers()
            self.base = self._first_number() if self.menor == 60 else self._first_short()
        elif tiempo.forma != "instante_por_columna":
            self.menor = self.vistos.shortest(tiempo.pasos)
            if "estacion" not in self.disposicion.sitios:
                self._check_mark()

    def _step_of_columns(self, cuantas: int) -> int:
        for paso in sorted(self.disposicion.perfil.tiempo.pasos, reverse=True):
            if 23 * 60 // paso <= cuantas <= 25 * 60 // paso:
                return paso
        raise FormatoError(
            f"tiene {cuantas} columnas de energía, y un día tiene 24 horas, 48 medias o 96 cuartos"
        )

    def _step_of_numbers(self) -> int:
        tiempo = self.disposicion.perfil.tiempo
        mayor = max(self._numeros, default=0)
        posibles = [p for p in sorted(tiempo.pasos) if mayor <= 25 * 60 // p] or [min(tiempo.pasos)]
        paso = posibles[-1]
        # A day of quarters that ends before the 26th is not told from one of hours.
        if len(posibles) > 1 and mayor < 23 * 60 // paso:
            if not tiempo.paso:
                raise FormatoError(f"no se sabe si sus números, hasta el {mayor}, son horas")
            paso = tiempo.paso
        return paso

    def _first_number(self) -> int:
        """Return the number of a day's first hour."""
        numeros = self._numeros
        if 0 in numeros:
            largos = (load_day(d, self.zona).minutos for d in numeros.get(24, ()))
            return 0 if all(m == _DIA_LARGO for m in largos) else 1
        if max(numeros, default=0) == 23 and any(
            load_day(d, self.zona).minutos >= MINUTOS_POR_DIA for d in numeros[23]
        ):
            raise FormatoError(
                "sus horas van de 1 a 23, y no se sabe si falta la 0 o la 24 de cada día"
            )
        return 1

    def _first_short(self) -> int:
        return 0 if 0 in self._numeros else 1

    def describe(self) -> str:
        """Return how the time is written, for the user."""
        tiempo = self.disposicion.perfil.tiempo
        if tiempo.forma == "fecha_y_hora" and tiempo.hora == "numero":
            que = "horas" if self.menor == 60 else "intervalos"
            return f"{que} numeradas desde {self.base}"
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
        if "fin" not in self.disposicion.sitios:
            return
        fin, otro = self._moments("fin", leer, columnas, errores)
        largo = (fin - momento) * np.where(exacto, 1, 60)
        # PG&E's 00:59 ends the hour that began at 00:00.
        largo = np.where(largo % 300 == 240, largo + 60, largo)
        # Across a change of the clock the difference of local times is no length: it is measured.
        unicos, cual = np.unique(filas["dia"], return_inverse=True)
        cambia = np.array(
            [load_day(d, self.zona).minutos != MINUTOS_POR_DIA for d in unicos.tolist()], np.bool_
        )
        largo = np.where(cambia[cual] & ~exacto, 0, largo)
        mal = ((largo <= 0) & ~(cambia[cual] & ~exacto)) | (largo > 86_400) | (exacto != otro)
        errores.take(
            mal,
            lambda i: invalida(
                Motivo.TIEMPO_ILEGIBLE, "el intervalo no acaba después de empezar, el mismo día"
            ),
        )
        filas["segundos"] = np.where(mal, 0, largo)
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
        if malos.any():
            errores.take(malos[cual], lambda i: leidos[cual[i]])
        valores = np.array([0 if m else x for x, m in zip(leidos, malos, strict=True)], np.int64)
        filas["momento"] = valores[cual] if leidos else 0
        filas["exacto"] = True

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
        if tiempo.hora == "reloj":
            minuto = self._reader("hora", read_clock).read(columnas, errores)
        elif tiempo.hora == "numero":
            numero = self._reader("hora", read_number).read(columnas, errores)
            minuto = (numero - self.base) * self.menor
            filas["segundos"] = self.menor * 60
            filas["fin"] = False
        else:
            minuto = self._read_ranges(columnas, filas, errores)
        # The end at 00:00 is the day before's.
        ayer = filas["fin"] & (minuto == 0)
        filas["dia"] = dia - ayer
        filas["momento"] = minuto + ayer * MINUTOS_POR_DIA

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
