"""A table that a profile describes: what the whole of it shows, and then its rows as numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.above_header import check_above
from pipeline.ingest.files.blocks import (
    ESTIMADA,
    METODOS,
    REAL,
    Informe,
    MotivoArchivo,
    Rechazada,
    reject,
)
from pipeline.ingest.files.cell_reader import CellReader, CodigosDeFilas, Errores
from pipeline.ingest.files.customer_values import CustomerValues
from pipeline.ingest.files.identity import id_of_file, read_id
from pipeline.ingest.files.interval_store import FILA, Filas, in_order
from pipeline.ingest.files.layout import Disposicion
from pipeline.ingest.files.moments import read_instant
from pipeline.ingest.files.number_marks import Marcas, NumberReader
from pipeline.ingest.files.profile_schema import normalize_cell
from pipeline.ingest.files.row_filter import RowFilter
from pipeline.ingest.files.rows import Columnas
from pipeline.ingest.files.table_times import TableTimes
from pipeline.ingest.files.text_cells import FormatoError, brief, clean, is_one_of
from pipeline.ingest.files.units import (
    FACTORES,
    POTENCIAS,
    UNIDADES_DUDOSAS,
    VOLUMENES,
    decide_unit,
    doubt_unit,
    has_fine_decimals,
    median,
    scaled,
    unit_of,
    without_dust,
)
from pipeline.ingest.validation import Motivo, invalida

TEXTOS_CONTADOS = 200_000
"""Distinct values that are counted for the median."""
_ABREVIADO = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.ASCII)
"""A long number as Excel writes it: customers that it makes alike are not one."""
_METODOS_DICHOS = 5
_POLVO = 1e-6
_TOTALES = ("total*", "subtotal*", "suma")
_DECIMAL_DE = {";": ",", ",": "."}


Trozos: TypeAlias = "Callable[[Sequence[int]], Iterator[Columnas]]"


@dataclass(slots=True)
class TableSource:
    """Reads one table twice.

    Parameters
    ----------
    disposicion : Disposicion
    trozos : callable
        Gives the columns that are asked for from the beginning of the table.
    zona : ZoneInfo
        Of times without offset.
    nombre : str
        The file's, where the customer may be.
    unidad : str
        What the user says; "" = nothing.
    codigos : CodigosDeFilas
    hoja : str
        Of a workbook with more than one.
    valores : CustomerValues
        What each customer's values look like, once the rows have been read.
    """

    disposicion: Disposicion
    trozos: Trozos
    zona: ZoneInfo
    nombre: str
    unidad: str
    codigos: CodigosDeFilas
    hoja: str = ""
    tiempos: TableTimes = field(init=False)
    valores: CustomerValues = field(init=False)
    _filtro: RowFilter = field(init=False)
    _metodos_raros: dict[str, bool] = field(default_factory=dict)
    _marcas: Marcas = field(default_factory=Marcas)
    _lectores: dict[str, CellReader] = field(default_factory=dict)
    _numeros: NumberReader = field(init=False)

    def __post_init__(self) -> None:
        self.tiempos = TableTimes(self.disposicion, self.zona)
        self._filtro = RowFilter(self.disposicion)

    # ---- the first reading

    def survey(self, informe: Informe, avanzar: Callable[[], None] = lambda: None) -> None:
        """Read the whole table, and decide all that does not depend on a single row.

        Raises
        ------
        FormatoError
            It cannot be told what its numbers or times mean.
        """
        disposicion = self.disposicion
        contados: Counter[str] = Counter()
        valores = set(disposicion.valores)
        vistas = {*disposicion.valores, *disposicion.sumas, *self.tiempos.columns()}
        for columnas in self.trozos(sorted(vistas)):
            self.tiempos.survey(columnas)
            for sitio in (*disposicion.valores, *disposicion.sumas):
                textos = [clean(t) for t in columnas.textos[sitio]]
                self._marcas.see(textos)
                if sitio in valores:
                    self._count(contados, textos, columnas.codigos[sitio])
            avanzar()
        self.tiempos.decide()
        perfil = disposicion.perfil
        decimal = perfil.decimal or _DECIMAL_DE.get(disposicion.separador, "")
        self._numeros = NumberReader(self._marcas, decimal)
        leidos = {t: self._numeros.read(t) for t in contados}
        buenos = {t: v for t, v in leidos.items() if isinstance(v, float)}
        por_hora = [v * 60 / self.tiempos.menor for v in buenos.values()]
        pesos = [contados[t] for t in buenos]
        unidad = decide_unit(disposicion.valor.unidad, self.unidad, por_hora, pesos)
        factor = FACTORES.get(unidad.lower(), 0.0)
        if unidad.lower() in POTENCIAS:
            factor *= self.tiempos.menor / 60
        aviso = doubt_unit(median(por_hora, pesos) * factor)
        if aviso and not disposicion.valor.enteros:
            informe.note(aviso)
        if self.unidad and disposicion.valor.unidad not in {"desconocida", self.unidad}:
            informe.note(
                f"el archivo dice {disposicion.valor.unidad}; se lee en {self.unidad}, como se pide"
            )
        self.valores = self._new_values(unidad)
        self.unidad = unidad
        self._check_whole()
        informe.unidad = "la que dice cada fila" if unidad == "columna" else unidad
        informe.decimal = self._marcas.describe() or f"«{decimal or '.'}» decimal"
        informe.see_step(self.tiempos.menor)
        informe.marca = self.tiempos.describe()

    def _check_whole(self) -> None:
        """Refuse a table that says above its header that it is another one, or not how long it is.

        Of one column with an instant nobody knows whether it is an hour, a day or a month.
        """
        d = self.disposicion
        check_above(d, self.unidad, self.tiempos.menor, self.zona)
        if d.perfil.tiempo.forma == "instante_por_columna" and len(d.valores) == 1:
            raise FormatoError("tiene una sola columna de energía: no se sabe si es de una hora")

    def _new_values(self, unidad: str) -> CustomerValues:
        """Return what will look at each customer's values, in the unit that has been decided.

        What is power is not doubted, nor what the user says where the file says the same.
        """
        declarada = self.disposicion.valor.unidad
        dicha = "kWh" if unidad == "columna" else unidad
        dudosa = dicha in UNIDADES_DUDOSAS and not self.disposicion.valor.enteros
        if not self.unidad:
            return CustomerValues(dicha if dudosa else "", self.tiempos.menor)
        contra = "" if declarada == self.unidad else declarada
        return CustomerValues(self.unidad if contra else "", self.tiempos.menor, contra)

    @staticmethod
    def _count(contados: Counter[str], textos: list[str], codigos: NDArray[np.int32]) -> None:
        veces = np.bincount(codigos, minlength=len(textos)).tolist()
        lleno = len(contados) >= TEXTOS_CONTADOS
        for texto, n in zip(textos, veces, strict=True):
            if not lleno or texto in contados:
                contados[texto] += n

    def _asked(self) -> list[int]:
        """Return which columns are read."""
        d = self.disposicion
        suyas = {*d.valores, *d.sumas, *d.sitios.values()} - {-1}
        return sorted(suyas | self._filtro.columns())

    # ---- the second reading

    def rows(self, informe: Informe) -> Iterator[tuple[Filas, list[Rechazada]]]:
        """Yield the rows of the table, and those that are none."""
        unico = self._customer_of_file(informe)
        self._filtro.pass_over_numbers(self.trozos)
        for columnas in self.trozos(self._asked()):
            errores = Errores(columnas.lineas)
            filas = np.zeros(len(columnas), FILA)
            filas["linea"] = columnas.lineas
            filas["etiqueta"] = filas["tipo"] = -1
            fuera = self._filtro.left_out(columnas, errores, informe, self.unidad)
            errores.mala |= fuera
            if unico is None:
                filas["cliente"] = self._reader("id", self._customer, np.int32).read(
                    columnas, errores
                )
            else:
                filas["cliente"] = unico
            self._read_marks(columnas, filas)
            self._refuse_totals(columnas, errores)
            if self.disposicion.perfil.tiempo.forma in {"dia_por_fila", "instante_por_columna"}:
                filas, buena = self._widen(columnas, filas, errores)
                fina = None
            else:
                self.tiempos.read(columnas, filas, errores)
                buena = ~errores.mala
                self._read_values(columnas, filas, errores)
                sitio = self.disposicion.valores[0]
                fina = has_fine_decimals(columnas.textos[sitio])[columnas.codigos[sitio]]
            self._see_methods(columnas, errores)
            filas = filas[buena]
            self._see_values(filas, None if fina is None else fina[buena])
            yield filas, errores.rechazadas
        self._tell_methods(informe)

    def _tell_methods(self, informe: Informe) -> None:
        raros = [celda for celda, hay in self._metodos_raros.items() if hay]
        if raros:
            textos = ", ".join(f"«{brief(clean(t))}»" for t in raros[:_METODOS_DICHOS])
            informe.note(f"no se sabe si es real o estimado lo que dice {textos}")

    def _see_values(self, filas: Filas, fina: NDArray[np.bool_] | None) -> None:
        """Keep what the values of each customer look like."""
        valor = filas["valor"]
        if filas.size and self.disposicion.perfil.tiempo.forma == "dia_por_fila":
            filas = in_order(filas, filas["linea"], filas["momento"])
            valor = filas["valor"]
        por_hora = valor
        if self.tiempos.menor < 60:
            with np.errstate(over="ignore"):
                por_hora = np.where(filas["potencia"], valor, valor * (60 / self.tiempos.menor))
        # As they are written: whole Wh are whole numbers.
        factor = FACTORES.get(self.unidad.lower(), 1.0)
        escritos = valor if factor == 1.0 else np.round(valor / factor, 6)
        if fina is None:
            fina = np.abs(escritos * 10 - np.round(escritos * 10)) > _POLVO
        self.valores.see(filas["cliente"], escritos, por_hora, fina)

    def _refuse_cut(self, columnas: Columnas, errores: Errores) -> None:
        """Refuse the rows that have not the header's cells: which value is whose is unknown."""
        hay, suya = columnas.celdas, self.disposicion
        ultima = suya.columnas if hay is None or not hay.size else int(hay[-1])
        if columnas.sin_fin and ultima - 1 in {*suya.valores, *suya.sumas}:
            errores.take(
                np.arange(len(columnas)) == len(columnas) - 1,
                lambda _: reject(
                    MotivoArchivo.NUMERO_DUDOSO,
                    "la última línea no tiene fin de línea: si la descarga se cortó, a su número "
                    "le pueden faltar cifras",
                ),
            )
        if hay is None:
            return
        malas = (hay < suya.minimas) | (hay > suya.columnas)

        def error_de(i: int) -> LecturaInvalidaError:
            n = int(hay[i])
            detalle = f"tiene {n} celda{'s' * (n != 1)} y la cabecera {suya.columnas}"
            return reject(MotivoArchivo.REGISTRO_NO_VALIDO, detalle)

        errores.take(malas, error_de)

    def _customer_of_file(self, informe: Informe) -> int | None:
        """Return the customer of all rows, where no column names it."""
        identidad = self.disposicion.perfil.identidad
        if "columna" in identidad.de and "id" in self.disposicion.sitios:
            return None
        nombre = id_of_file(identidad, self.disposicion.encima, self.nombre)
        informe.note(f"el cliente de todas las filas es {brief(nombre)}")
        return self.codigos.clientes.code(nombre)

    def _reader(self, nombre: str, leer: Callable[[str], Any], clase: Any) -> CellReader:
        if nombre not in self._lectores:
            sitio = self.disposicion.sitios[nombre]
            self._lectores[nombre] = CellReader(sitio, leer, clase)
        return self._lectores[nombre]

    def _customer(self, celda: str) -> int | LecturaInvalidaError:
        if _ABREVIADO.fullmatch(clean(celda)):
            detalle = f"«{brief(clean(celda))}» es un código que una hoja de cálculo ha abreviado"
            return reject(MotivoArchivo.REGISTRO_NO_VALIDO, detalle)
        nombre = read_id(celda, self.disposicion.perfil.identidad)
        if not nombre:
            return invalida(Motivo.PROPIETARIO_AUSENTE, "falta propietario_id")
        return self.codigos.clientes.code(nombre)

    def _read_marks(self, columnas: Columnas, filas: Filas) -> None:
        """Write provenance, channel, revision and labels."""
        sitios = self.disposicion.sitios
        perfil = self.disposicion.perfil
        lectores: dict[str, Callable[[str], Any]] = {
            "metodo": self._method,
            "canal": lambda t: self.codigos.canales.code(clean(t)),
            "revision": lambda t: _revision(t, perfil.tiempo.orden),
            "etiqueta": lambda t: self.codigos.etiquetas.code(t.strip()) if t.strip() else -1,
            "tipo": lambda t: self.codigos.tipos.code(t.strip()) if t.strip() else -1,
        }
        for nombre, leer in lectores.items():
            if nombre in sitios:
                lector = self._reader(nombre, leer, np.int64)
                filas[nombre] = lector.read(columnas, Errores(columnas.lineas))

    def _method(self, celda: str) -> int:
        suya, metodo = normalize_cell(celda), self.disposicion.perfil.metodo
        if is_one_of(suya, metodo.real):
            return METODOS.index(REAL)
        if is_one_of(suya, metodo.estimada):
            return METODOS.index(ESTIMADA)
        if suya:
            self._metodos_raros[celda] = False
        return 0

    def _refuse_totals(self, columnas: Columnas, errores: Errores) -> None:
        """Refuse the rows whose method says that they are the sum of others."""
        sitio = self.disposicion.sitios.get("metodo", -1)
        if sitio < 0:
            return
        total = [is_one_of(normalize_cell(t), _TOTALES) for t in columnas.textos[sitio]]
        errores.take(
            np.array(total, np.bool_)[columnas.codigos[sitio]],
            lambda _: reject(
                MotivoArchivo.INTERVALO_NO_HORARIO, "dice que es un total, y no horas"
            ),
        )

    def _see_methods(self, columnas: Columnas, errores: Errores) -> None:
        """Keep which of the methods that are not known stand in rows that are read."""
        if not self._metodos_raros:
            return
        sitio = self.disposicion.sitios["metodo"]
        for codigo in np.unique(columnas.codigos[sitio][~errores.mala]).tolist():
            celda = columnas.textos[sitio][codigo]
            if celda in self._metodos_raros:
                self._metodos_raros[celda] = True

    # ---- the values

    def _read_values(self, columnas: Columnas, filas: Filas, errores: Errores) -> None:
        """Write the energy; a row with a bad one stays, so that its hour is not summed without."""
        factor, potencia = self._factors(columnas, filas, errores)
        valor = self._values(self.disposicion.valores[0], columnas, errores)
        for sitio in self.disposicion.sumas:
            hay = np.array([bool(clean(t)) for t in columnas.textos[sitio]], np.bool_)
            hay = hay[columnas.codigos[sitio]]
            if hay.any():
                # An empty cell adds nothing and is no error.
                otros = Errores(columnas.lineas)
                otros.mala = ~hay | errores.mala
                suma = self._values(sitio, columnas, otros)
                errores.rechazadas.extend(otros.rechazadas)
                errores.mala |= otros.mala & hay
                valor = np.where(hay, without_dust(valor + suma), valor)
        self._refuse_cut(columnas, errores)
        filas["valor"] = scaled(valor, factor)
        filas["potencia"] = potencia
        filas["dicho"] = errores.mala

    def _values(self, sitio: int, columnas: Columnas, errores: Errores) -> NDArray[np.float64]:
        nombre = f"valor {sitio}"
        if nombre not in self._lectores:
            self._lectores[nombre] = CellReader(sitio, self._energy, np.float64)
        return self._lectores[nombre].read(columnas, errores)

    def _energy(self, celda: str) -> float | LecturaInvalidaError:
        valor = self._numeros.read(celda)
        if isinstance(valor, float) and valor < 0:
            return invalida(Motivo.CONSUMO_NEGATIVO, f"{brief(clean(celda))} es menor que cero")
        return valor

    def _factors(self, columnas: Columnas, filas: Filas, errores: Errores) -> tuple[Any, Any]:
        """Return by what values are multiplied to be kWh, or kW, and whether they are power."""
        if self.unidad != "columna":
            clase = self.unidad.lower()
            return FACTORES[clase], clase in POTENCIAS
        sitio = self.disposicion.sitios["unidad"]
        textos = [unit_of(t) for t in columnas.textos[sitio]]
        codigos = columnas.codigos[sitio]
        dichas = self.disposicion.valor.unidades
        admitidas = {unidad.lower() for unidad in dichas}
        volumen = np.array([normalize_cell(t) in VOLUMENES for t in textos], np.bool_)[codigos]
        self.valores.see_volumes(filas["cliente"][volumen & ~errores.mala])
        malos = np.array([t not in admitidas for t in textos], np.bool_)
        errores.take(
            malos[codigos],
            lambda i: reject(
                MotivoArchivo.REGISTRO_NO_VALIDO,
                f"la unidad «{brief(textos[codigos[i]])}» no es {' ni '.join(dichas)}",
            ),
        )
        factores = np.array([FACTORES.get(t, np.nan) for t in textos], np.float64)
        potencias = np.array([t in POTENCIAS for t in textos], np.bool_)
        return factores[codigos], potencias[codigos]

    def _widen(
        self, columnas: Columnas, filas: Filas, errores: Errores
    ) -> tuple[Filas, NDArray[np.bool_]]:
        """Return a row for each interval of rows that have many."""
        instantes = self.disposicion.perfil.tiempo.forma == "instante_por_columna"
        dia = np.zeros(len(columnas), np.int64)
        if not instantes:
            dia = self.tiempos.days(columnas, errores)
        factor, potencia = self._factors(columnas, filas, errores)
        self._refuse_cut(columnas, errores)
        buena = ~errores.mala
        partes: list[Filas] = []
        for k, sitio in enumerate(self.disposicion.valores):
            hay = np.array([bool(clean(t)) for t in columnas.textos[sitio]], np.bool_)
            suyas = filas.copy()
            if instantes:
                momento = read_instant(self.disposicion.titulos[k], "ymd")
                if isinstance(momento, LecturaInvalidaError):
                    raise FormatoError(f"«{brief(self.disposicion.titulos[k])}» no es un instante")
                suyas["exacto"] = momento.exacto
                suyas["momento"] = momento.valor if momento.exacto else momento.valor % 1440
                suyas["dia"] = momento.valor // 1440 * (not momento.exacto)
            else:
                suyas["dia"], suyas["momento"] = dia, self.tiempos.columnas[k]
                suyas["segundos"] = self.tiempos.menor * 60
            otros = Errores(columnas.lineas)
            queda = buena & hay[columnas.codigos[sitio]]
            otros.mala = ~queda
            valor = self._values(sitio, columnas, otros)
            errores.rechazadas.extend(otros.rechazadas)
            suyas["valor"] = scaled(valor, factor)
            suyas["potencia"] = potencia
            suyas["dicho"] = otros.mala & queda
            partes.append(suyas[queda])
        todas = np.concatenate(partes)
        return todas, np.ones(todas.size, np.bool_)


def _revision(celda: str, orden: str) -> int:
    texto = clean(celda)
    if texto.isascii() and texto.isdigit() and len(texto) <= 18:
        return int(texto)
    momento = read_instant(texto, orden)
    return 0 if isinstance(momento, LecturaInvalidaError) else momento.valor
