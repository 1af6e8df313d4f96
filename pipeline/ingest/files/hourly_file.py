"""The readings of a file that has been looked at whole, by the hour and piece by piece.

Its rows wait, as numbers, in memory or (a long file's) on disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from detection.domain import Lecturas
from detection.errors import LecturaInvalidaError, PermanentError
from pipeline.ingest.files.blocks import (
    FILAS_POR_TROZO,
    METODOS,
    Informe,
    LectorEnCodigo,
    Rechazada,
)
from pipeline.ingest.files.cell_reader import CodigosDeFilas
from pipeline.ingest.files.container import Entrada
from pipeline.ingest.files.day_shapes import refuse_odd_days
from pipeline.ingest.files.hours import Cuentas, HourMaker, find_totals
from pipeline.ingest.files.interval_store import (
    FILA,
    Filas,
    IntervalStore,
    in_order,
    only,
    rows_of,
)
from pipeline.ingest.files.limits import LimitesLectura
from pipeline.ingest.files.line_names import LineNames
from pipeline.ingest.files.placing import Placer
from pipeline.ingest.files.profile_schema import PerfilCurva
from pipeline.ingest.files.recognition import PERFIL_PROPIO
from pipeline.ingest.files.steps import Pasos
from pipeline.ingest.files.table_source import TableSource
from pipeline.ingest.files.text_cells import FormatoError, brief, printable
from pipeline.ingest.files.units import scaled
from serving.cli import describe_os

Etiqueta: TypeAlias = "str | int | None"
Avance: TypeAlias = "Callable[[float], None]"

PRIMERA_PASADA, _SEGUNDA_PASADA, _HORAS = 0.4, 0.4, 0.2
"""Parts of the time that the two readings take, and the hours."""


_CODIFICACIONES = {
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
}


@dataclass(frozen=True, slots=True)
class OpcionesLectura:
    """How a file is to be read.

    Parameters
    ----------
    zona : str
        IANA zone of local times, where the layout has no zone of its own.
    consumo_maximo_kwh : float
        Largest reading admitted, kWh in one hour.
    ahora_hora : int
        Absolute hour of now.
    perfil : Path, optional
        Layout of the user's; no other one is tried.
    unidad : str
        Of the values, where the user says it: Wh, kWh or MWh.
    """

    zona: str
    consumo_maximo_kwh: float
    ahora_hora: int
    perfil: Path | None = None
    unidad: str = ""


@dataclass(frozen=True, slots=True)
class Trozo:
    """A piece of a file.

    Parameters
    ----------
    lecturas : Lecturas
        Whole hours, in the file's order.
    etiqueta, tipo : list or None
        Their labels; None = the file has no such column.
    rechazadas : list of (int, LecturaInvalidaError)
        Line of the file (the header of a CSV is line 1) or row (Parquet: from 1), and the reason.
    avance : float
        Part of the file that is done, 0 to 1.
    metodo : list or None
        "real" or "estimada" for each reading, None where the file does not say; None = it never
        says.
    lineas : ndarray (n,), int64
        Line of the last interval of each reading.
    revision : ndarray (n,), int64
        The later one of two readings of an hour counts; 0 where the format has none.
    """

    lecturas: Lecturas
    etiqueta: list[Etiqueta] | None
    rechazadas: list[Rechazada]
    avance: float
    metodo: list[str | None] | None
    tipo: list[str | None] | None
    lineas: NDArray[np.int64]
    revision: NDArray[np.int64]


@dataclass(slots=True)
class MeterFile:
    """A file that is known and has been looked at whole.

    Parameters
    ----------
    ruta : Path
    opciones : OpcionesLectura
    informe : Informe
        What it is and what has been decided; notes are added while it is read.
    cuentas : Cuentas
        What repeats and what is summed; grows while it is read.
    lineas : LineNames
        Of which part of the file a line is.
    """

    ruta: Path
    opciones: OpcionesLectura
    informe: Informe
    cuentas: Cuentas
    _fuentes: list[TableSource | tuple[LectorEnCodigo, Entrada]]
    _entradas: list[Entrada]
    _codigos: CodigosDeFilas = field(default_factory=CodigosDeFilas)
    lineas: LineNames = field(default_factory=LineNames)

    def trozos(self, avanzar: Avance = lambda _parte: None) -> Iterator[Trozo]:
        """Yield the readings, piece by piece.

        Raises
        ------
        PermanentError
            The file cannot be read to its end, or has no row.
        """
        with said_of(self.ruta), IntervalStore() as guardadas:
            tablas = self._tables()
            for tabla in tablas:
                tabla.tiempos.pruebas = tablas[0].tiempos.pruebas
            rechazadas = list(self._fill(guardadas, avanzar))
            dudosos = self._doubtful()
            hay = False
            for trozo in self._hours(guardadas, rechazadas, dudosos):
                hay = True
                avanzar(trozo.avance)
                yield trozo
            if not hay:
                raise FormatoError(
                    "solo tiene energía vertida, que no es consumo"
                    if self.informe.vertida
                    else "no tiene ninguna fila de lecturas"
                )

    def notes(self) -> list[str]:
        """Return what the user should know of a file that has been read."""
        return [*self.informe.avisos, *describe_counts(self.cuentas, self.lineas)]

    @property
    def zona(self) -> ZoneInfo:
        """Return the zone in which the file's hours are told: its own, if it has one."""
        tablas = self._tables()
        return tablas[0].zona if tablas else ZoneInfo(self.opciones.zona)

    @property
    def envase(self) -> str:
        """Return what the file is packed in and in which encoding its texts are, for the user."""
        dichos: dict[str, None] = {}
        for entrada in self._entradas:
            codificacion = _CODIFICACIONES.get(entrada.codificacion_vista, "")
            dichos[", ".join([*entrada.envases, *([codificacion] * bool(codificacion))])] = None
        return "; ".join(dicho for dicho in dichos if dicho)

    def _fill(self, guardadas: IntervalStore, avanzar: Avance) -> Iterator[Rechazada]:
        """Read all parts of the file into the store; yield the rows that are none."""
        partes = len(self._fuentes)
        for k, (fuente, entrada) in enumerate(zip(self._fuentes, self._entradas, strict=True)):
            if isinstance(fuente, TableSource):
                pares = fuente.rows(self.informe)
            else:
                pares = self._read_code(*fuente)
            desde = self.lineas.offset(k)
            for filas, rechazadas in pares:
                if desde:
                    filas["linea"] += desde
                guardadas.add(filas)
                yield from ((linea + desde, error) for linea, error in rechazadas)
                avanzar(PRIMERA_PASADA + _SEGUNDA_PASADA * (k + entrada.avance) / partes)

    def _doubtful(self) -> dict[int, LecturaInvalidaError]:
        """Return the customers whose values are not what they are said to be.

        Raises
        ------
        FormatoError
            There are no others.
        """
        dudosos: dict[int, LecturaInvalidaError] = {}
        for tabla in self._tables():
            dudosos.update(tabla.valores.doubtful())
        if dudosos and len(dudosos) == len(self._codigos.clientes.nombres):
            raise FormatoError(next(iter(dudosos.values())).detalle)
        return dudosos

    def _refuse_doubtful(
        self, filas: Filas, dudosos: dict[int, LecturaInvalidaError], rechazadas: list[Rechazada]
    ) -> Filas:
        if not dudosos:
            return filas
        suyas = np.isin(filas["cliente"], list(dudosos))
        for fila in filas[suyas]:
            codigo = int(fila["cliente"])
            error = dudosos[codigo]
            nombre = brief(self._codigos.clientes.nombres[codigo])
            propio = LecturaInvalidaError(error.motivo, f"{nombre}: {error.detalle}")
            rechazadas.append((int(fila["linea"]), propio))
        return only(filas, ~suyas)

    def _read_code(
        self, lector: LectorEnCodigo, entrada: Entrada
    ) -> Iterator[tuple[Filas, list[Rechazada]]]:
        for bloque in lector.leer(entrada, self.informe):
            codigos = np.array([self._codigos.clientes.code(c) for c in bloque.clientes], np.int32)
            if len(bloque):
                self.informe.see_step(int(bloque.segundos.min()) // 60)
            yield rows_of(bloque, codigos), bloque.rechazadas

    def _hours(
        self,
        guardadas: IntervalStore,
        rechazadas: list[Rechazada],
        dudosos: dict[int, LecturaInvalidaError],
    ) -> Iterator[Trozo]:
        """Yield the hours of what has been stored, and what has been refused in all."""
        colocador = self._placer()
        horas = HourMaker(
            self._codigos.clientes.nombres, self.informe.canales_exigidos, self.cuentas,
            self.informe.nombres_de_canal, self.lineas,
            find_totals(self._codigos.canales.nombres),
        )  # fmt: skip
        limites = LimitesLectura(
            self._codigos.clientes.nombres,
            self.opciones.zona,
            self.opciones.ahora_hora,
            self.opciones.consumo_maximo_kwh,
        )
        for filas, parte in guardadas.parts():
            ciertas = self._refuse_doubtful(filas, dudosos, rechazadas)
            colocadas, fuera = colocador.place(ciertas)
            rechazadas += fuera
            dentro, fuera = limites.check_rows(colocadas)
            rechazadas += fuera
            enteras, fuera = horas.make(_to_energy(dentro))
            rechazadas += fuera
            enteras = refuse_odd_days(
                enteras, colocador.zona, self._codigos.clientes.nombres, rechazadas
            )
            buenas, fuera = limites.check_hours(enteras)
            rechazadas += fuera
            self.informe.numeracion = ", ".join(sorted(colocador.formas))
            if colocador.aviso:
                self.informe.note(colocador.aviso)
            yield from self._cut(buenas, rechazadas, parte)
            rechazadas = []
        if rechazadas:
            yield from self._cut(np.zeros(0, FILA), rechazadas, 1.0)

    def _tables(self) -> list[TableSource]:
        return [f for f in self._fuentes if isinstance(f, TableSource)]

    def _placer(self) -> Placer:
        """Return what gives rows their instants; all tables of a file are of one layout."""
        tablas = self._tables()
        if not tablas:
            pasos = Pasos((60,), 60)
            return Placer(ZoneInfo(self.opciones.zona), (), pasos, self._codigos.clientes.nombres)
        tabla, tiempo = tablas[0], tablas[0].disposicion.perfil.tiempo
        self.informe.marca = tabla.tiempos.describe()
        return Placer(
            tabla.zona,
            tabla.tiempos.ways(),
            Pasos(
                tiempo.pasos,
                tiempo.paso,
                min(t.tiempos.menor for t in tablas),
                min(t.tiempos.stated_step() for t in tablas),
            ),
            self._codigos.clientes.nombres,
            tabla.tiempos.pruebas,
            tiempo.forma != "fecha_y_hora",
        )

    def _cut(self, horas: Filas, rechazadas: list[Rechazada], parte: float) -> Iterator[Trozo]:
        """Yield hours in pieces, in the order of their lines; refused rows come with the first."""
        horas = in_order(horas, horas["linea"])
        rechazadas = [self.lineas.told(r) for r in sorted(rechazadas, key=lambda r: r[0])]
        for i in range(0, max(1, horas.size), FILAS_POR_TROZO):
            suyas = horas[i : i + FILAS_POR_TROZO]
            falta = 1.0 - parte * (i + suyas.size) / max(1, horas.size)
            yield self._piece(suyas, rechazadas, 1.0 - _HORAS * falta)
            rechazadas = []

    def _piece(self, horas: Filas, rechazadas: list[Rechazada], avance: float) -> Trozo:
        nombres = self._codigos.clientes.nombres
        tabla = self._fuentes[0] if isinstance(self._fuentes[0], TableSource) else None
        sitios = {} if tabla is None else tabla.disposicion.sitios
        con_metodo = tabla is None or "metodo" in sitios or not _is_own(tabla.disposicion.perfil)
        etiquetas = tipos = None
        if tabla is not None and "etiqueta" in sitios:
            etiquetas = [
                _label(self._codigos.etiquetas.nombres, k) for k in horas["etiqueta"].tolist()
            ]
        if tabla is not None and "tipo" in sitios:
            suyos = self._codigos.tipos.nombres
            tipos = [None if k < 0 else suyos[k] for k in horas["tipo"].tolist()]
        return Trozo(
            Lecturas(
                [nombres[k] for k in horas["cliente"].tolist()],
                horas["momento"].copy(),
                horas["valor"] + 0.0,
            ),
            etiquetas,
            rechazadas,
            avance,
            [METODOS[k] for k in horas["metodo"].tolist()] if con_metodo else None,
            tipos,
            self.lineas.own(horas["linea"]),
            horas["revision"].copy(),
        )


def describe_counts(cuentas: Cuentas, lineas: LineNames) -> list[str]:
    """Return, for the user, what repeats and what has been summed."""
    avisos = []
    if cuentas.repetidas:
        donde = lineas.describe(cuentas.lineas_repetidas)
        avisos.append(f"{_repeating(cuentas.repetidas)} otra, con el mismo valor: {donde}")
    if cuentas.sustituidas:
        donde = lineas.describe(cuentas.lineas_sustituidas)
        avisos.append(
            f"{_repeating(cuentas.sustituidas)} otra con un valor que no ha valido, por ser "
            f"estimado o de una revisión anterior: {donde}"
        )
    if cuentas.sumadas:
        avisos.append(f"{cuentas.sumadas} intervalos menores se han sumado en horas enteras")
    return avisos


def _repeating(cuantas: int) -> str:
    return "1 fila repite" if cuantas == 1 else f"{cuantas} filas repiten"


def _to_energy(filas: Filas) -> Filas:
    """Return rows whose mean power has become the energy of their interval."""
    if filas["potencia"].any():
        horas = filas["segundos"] / 3600
        filas["valor"] = np.where(filas["potencia"], scaled(filas["valor"], horas), filas["valor"])
    return filas


def _is_own(perfil: PerfilCurva) -> bool:
    return perfil.nombre == PERFIL_PROPIO


def _label(nombres: Sequence[str], codigo: int) -> Etiqueta:
    texto = None if codigo < 0 else nombres[codigo]
    return int(texto) if texto in {"0", "1"} else texto


@contextlib.contextmanager
def said_of(ruta: Path) -> Iterator[None]:
    """Say in one sentence, with the file's name, why it cannot be read."""
    try:
        yield
    except FormatoError as error:
        raise PermanentError(f"«{printable(str(ruta))}»: {error}") from error
    except OSError as error:
        cual = printable(str(ruta))
        raise PermanentError(f"no se puede leer «{cual}»: {describe_os(error)}") from error
