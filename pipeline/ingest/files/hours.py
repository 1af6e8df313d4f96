"""Whole hours out of intervals: what repeats, what is summed, and what is no hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.domain import SEGUNDOS_POR_HORA
from pipeline.ingest.files.blocks import ESTIMADA, METODOS, REAL, MotivoArchivo, Rechazada, reject
from pipeline.ingest.files.customer_facts import changes
from pipeline.ingest.files.interval_store import Filas, in_order, only
from pipeline.ingest.files.line_names import LineNames
from pipeline.ingest.files.moments import to_text
from pipeline.ingest.files.profile_schema import normalize_cell
from pipeline.ingest.files.text_cells import brief
from pipeline.ingest.files.units import without_dust

_REAL, _ESTIMADA = METODOS.index(REAL), METODOS.index(ESTIMADA)
_LINEAS_DICHAS = 4
_UN_DIA = 86_400
_TOTAL = frozenset({"total", "totaal", "totale", "totais", "gesamt"})
LINEAS_GUARDADAS = 10_000


@dataclass(slots=True)
class Cuentas:
    """What has been counted over all parts of a file.

    Parameters
    ----------
    repetidas : int
        Intervals that came again with the same value: one of each counts.
    sustituidas : int
        Intervals that a better method or a later revision replaced.
    sumadas : int
        Intervals shorter than an hour in the hours that came out.
    lineas_repetidas, lineas_sustituidas : list of int
        Where they are, the first ``LINEAS_GUARDADAS`` of them.
    """

    repetidas: int = 0
    sustituidas: int = 0
    sumadas: int = 0
    lineas_repetidas: list[int] = field(default_factory=list)
    lineas_sustituidas: list[int] = field(default_factory=list)

    def repeat(self, lineas: list[int]) -> None:
        """Count rows that say again what another one says."""
        self.repetidas += len(lineas)
        self.lineas_repetidas += lineas[: LINEAS_GUARDADAS - len(self.lineas_repetidas)]

    def replace(self, lineas: list[int]) -> None:
        """Count rows that another one replaces."""
        self.sustituidas += len(lineas)
        self.lineas_sustituidas += lineas[: LINEAS_GUARDADAS - len(self.lineas_sustituidas)]


@dataclass(slots=True)
class HourMaker:
    """Makes hours of the rows of a part.

    Parameters
    ----------
    clientes : list of str
        Names by code.
    exigidos : mapping of str to set of int
        Channels without which an hour of a customer is not whole.
    cuentas : Cuentas
    nombres_de_canal : mapping of int to str
        For the user.
    lineas : LineNames
    totales : frozenset of (int, int)
        Channels of which the first is the total and the second a part.
    """

    clientes: list[str]
    exigidos: Mapping[str, set[int]]
    cuentas: Cuentas = field(default_factory=Cuentas)
    nombres_de_canal: Mapping[int, str] = field(default_factory=dict)
    lineas: LineNames = field(default_factory=LineNames)
    totales: frozenset[tuple[int, int]] = frozenset()

    def make(self, filas: Filas) -> tuple[Filas, list[Rechazada]]:
        """Return a row for each whole hour, its instant in hours since 1970; and refused rows."""
        rechazadas: list[Rechazada] = []
        filas = self._refuse_crossing(filas, rechazadas)
        if not filas.size:
            return filas, rechazadas
        filas = in_order(filas, *(filas[c] for c in ("cliente", "momento", "canal", "linea")))
        self._refuse_totals(filas, rechazadas)
        filas, dudosa = self._resolve_repeated(filas, rechazadas)
        return self._sum(filas, dudosa, rechazadas), rechazadas

    def _refuse_crossing(self, filas: Filas, rechazadas: list[Rechazada]) -> Filas:
        """Leave out intervals that are in no one hour."""
        resto = filas["momento"] % SEGUNDOS_POR_HORA
        cabe = (filas["segundos"] > 0) & (resto + filas["segundos"] <= SEGUNDOS_POR_HORA)
        for fila in filas[~cabe & ~filas["dicho"]]:
            segundos = int(fila["segundos"])
            detalle = f"un intervalo de {segundos} s no cabe en una hora de reloj"
            if abs(segundos - _UN_DIA) <= SEGUNDOS_POR_HORA:
                detalle = f"{brief(self.clientes[int(fila['cliente'])])}: es el total de un día"
            error = reject(MotivoArchivo.INTERVALO_NO_HORARIO, detalle)
            rechazadas.append((int(fila["linea"]), error))
        if cabe.all():
            return filas
        # What another one runs into is no hour of its own; a total of hours is beside them.
        cruza = filas[~cabe & (filas["segundos"] > 0) & (filas["segundos"] <= SEGUNDOS_POR_HORA)]
        pisadas = {
            (int(c), (int(m) + d) // SEGUNDOS_POR_HORA)
            for c, m in zip(cruza["cliente"].tolist(), cruza["momento"].tolist(), strict=True)
            for d in (0, SEGUNDOS_POR_HORA - 1)
        }
        filas = only(filas, cabe)
        for i in self._within(filas, pisadas):
            filas["valor"][i], filas["dicho"][i] = np.nan, True
        return filas

    @staticmethod
    def _within(filas: Filas, horas: set[tuple[int, int]]) -> list[int]:
        """Return which rows are in some hours of customers."""
        de_hora = filas["momento"] // SEGUNDOS_POR_HORA
        posibles = np.flatnonzero(np.isin(de_hora, [h for _, h in horas]))
        return [
            i for i in posibles.tolist() if (int(filas["cliente"][i]), int(de_hora[i])) in horas
        ]

    def _refuse_totals(self, filas: Filas, rechazadas: list[Rechazada]) -> None:
        """Take the value from intervals that have a total beside its parts, and say so."""
        if not self.totales:
            return
        instante = filas["cliente"].astype(np.int64) << 32 | filas["momento"]
        for total, parte in sorted(self.totales):
            suyas, otras = filas["canal"] == total, filas["canal"] == parte
            ambas = np.intersect1d(instante[suyas], instante[otras])
            malas = (suyas | otras) & np.isin(instante, ambas)
            for fila in filas[malas & suyas & ~filas["dicho"]]:
                detalle = f"{self._name(fila)}: hay un total junto a sus partes, y no se suman"
                error = reject(MotivoArchivo.HORA_REPETIDA, detalle)
                rechazadas.append((int(fila["linea"]), error))
            filas["valor"][malas], filas["dicho"][malas] = np.nan, True

    def _resolve_repeated(
        self, filas: Filas, rechazadas: list[Rechazada]
    ) -> tuple[Filas, NDArray[np.bool_]]:
        """Return one row for each interval, and whether its value is in doubt."""
        inicios = _starts(filas, "cliente", "momento", "canal")
        cuantas = np.diff(np.append(inicios, filas.size))
        dudosa = np.zeros(filas.size, np.bool_)
        queda = np.ones(filas.size, np.bool_)
        if inicios.size == filas.size:
            return filas, dudosa
        iguales = self._collapse_equal(filas, inicios, cuantas, queda)
        varias = (cuantas > 1) & ~iguales
        for a, n in zip(inicios[varias].tolist(), cuantas[varias].tolist(), strict=True):
            grupo = filas[a : a + n]
            elegida = self._choose(grupo)
            queda[a : a + n] = False
            queda[a + elegida[0]] = True
            if len(elegida) > 1:
                dudosa[a + elegida[0]] = True
                self._tell_repeated(grupo[elegida], rechazadas)
        return filas[queda], dudosa[queda]

    def _collapse_equal(
        self,
        filas: Filas,
        inicios: NDArray[np.int64],
        cuantas: NDArray[np.int64],
        queda: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Return which intervals say the same each time; the first row of each counts."""
        igual = np.ones(filas.size, np.bool_)
        for campo in ("valor", "segundos", "metodo", "revision"):
            igual[1:] &= filas[campo][1:] == filas[campo][:-1]
        igual[inicios] = True
        iguales = np.asarray(np.logical_and.reduceat(igual, inicios))
        repetida = np.repeat(iguales, cuantas)
        repetida[inicios] = False
        queda &= ~repetida
        self.cuentas.repeat(filas["linea"][repetida].tolist())
        return iguales

    def _choose(self, grupo: Filas) -> list[int]:
        """Return the row that counts among some of one interval; several, if it cannot be told."""
        # A row without a value has been told, and says nothing against another one.
        con_valor = np.flatnonzero(np.isfinite(grupo["valor"])).tolist() or [0]
        quedan = con_valor
        metodos = grupo["metodo"].tolist()
        if _REAL in [metodos[i] for i in quedan]:
            quedan = [i for i in quedan if metodos[i] != _ESTIMADA]
        ultima = max(int(grupo["revision"][i]) for i in quedan)
        quedan = [i for i in quedan if grupo["revision"][i] == ultima]
        distintos = {(repr(float(grupo["valor"][i])), int(grupo["segundos"][i])) for i in quedan}
        if len(distintos) > 1:
            return quedan
        lineas = grupo["linea"].tolist()
        self.cuentas.repeat([lineas[i] for i in quedan[1:]])
        self.cuentas.replace([lineas[i] for i in con_valor if i not in quedan])
        return quedan[:1]

    def _tell_repeated(self, grupo: Filas, rechazadas: list[Rechazada]) -> None:
        lineas = grupo["linea"].tolist()
        texto = ", ".join(map(self.lineas.name, lineas[:_LINEAS_DICHAS]))
        texto += "…" * (len(lineas) > _LINEAS_DICHAS)
        distintos = list(dict.fromkeys(grupo["valor"].tolist()))
        valores = " y ".join(f"{v:g}" for v in distintos[:2])
        detalle = (
            f"{self._name(grupo[0])}: las líneas {texto} dicen valores distintos ({valores}) "
            "y nada dice cuál vale"
        )
        error = reject(MotivoArchivo.HORA_REPETIDA, detalle)
        rechazadas.extend((linea, error) for linea in lineas)

    def _name(self, fila: Any) -> str:
        return f"{brief(self.clientes[int(fila['cliente'])])}, {to_text(int(fila['momento']))}"

    def _sum(self, filas: Filas, dudosa: NDArray[np.bool_], rechazadas: list[Rechazada]) -> Filas:
        """Return the whole hours of intervals that are each there once."""
        hora = filas["momento"] // SEGUNDOS_POR_HORA
        inicios = changes(filas["cliente"], hora)
        cuantas = np.diff(np.append(inicios, filas.size))
        hay = np.logical_and.reduceat(np.isfinite(filas["valor"]), inicios)
        dicha = np.logical_or.reduceat(filas["dicho"] | dudosa, inicios)
        entera = self._covered(filas, hora, inicios)
        buena = hay & entera & ~dicha
        for k in np.flatnonzero(~buena & ~dicha).tolist():
            suyas = filas[inicios[k] : inicios[k] + cuantas[k]]
            rechazadas.append((int(suyas["linea"].min()), self._incomplete(suyas)))
        horas = filas[inicios]
        horas["momento"] = hora[inicios]
        if inicios.size == filas.size:
            return only(horas, buena)
        suma = np.add.reduceat(filas["valor"], inicios)
        horas["valor"] = np.where(cuantas > 1, without_dust(suma), horas["valor"])
        estimada = np.logical_or.reduceat(filas["metodo"] == _ESTIMADA, inicios)
        real = np.logical_and.reduceat(filas["metodo"] == _REAL, inicios)
        horas["metodo"] = np.where(estimada, _ESTIMADA, np.where(real, _REAL, 0))
        for campo in ("etiqueta", "tipo", "linea"):
            horas[campo] = np.maximum.reduceat(filas[campo], inicios)
        self.cuentas.sumadas += int(cuantas[buena & (cuantas > 1)].sum())
        return only(horas, buena)

    def _covered(
        self, filas: Filas, hora: NDArray[np.int64], inicios: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return whether each hour (h,) is covered without gaps by what it needs."""
        if (filas["segundos"] == SEGUNDOS_POR_HORA).all() and not (
            self.exigidos or filas["canal"].any()
        ):
            return np.ones(inicios.size, np.bool_)
        sola = _tiles(filas, inicios)
        if not self.exigidos and not filas["canal"].any():
            return sola
        cual = np.repeat(np.arange(inicios.size), np.diff(np.append(inicios, filas.size)))
        orden = np.lexsort((filas["momento"], filas["canal"], cual))
        por_canal, cual_orden = filas[orden], cual[orden]
        cortes = changes(cual_orden, por_canal["canal"])
        cubre = _tiles(por_canal, cortes)
        todos = np.ones(inicios.size, np.bool_)
        np.logical_and.at(todos, cual_orden[cortes], cubre)
        exigido = self._required(filas)
        suyos = np.array(
            [
                (c, k) in exigido
                for c, k in zip(
                    por_canal["cliente"][cortes].tolist(),
                    por_canal["canal"][cortes].tolist(),
                    strict=True,
                )
            ],
            np.bool_,
        )
        completos = np.bincount(cual_orden[cortes], cubre & suyos, inicios.size)
        cuantos = _count_by_first(exigido)
        hacen_falta = np.array([cuantos.get(c, 0) for c in filas["cliente"][inicios].tolist()])
        # ``sola``: channels that take turns within the hour, one at a time.
        return np.asarray((todos | (sola & (hacen_falta == 0))) & (completos >= hacen_falta))

    def _required(self, filas: Filas) -> set[tuple[int, int]]:
        """Return the customers and channels without which an hour is not whole.

        Beside those of ``exigidos``, channels that have been seen to run side by side.
        """
        codigos = {nombre: codigo for codigo, nombre in enumerate(self.clientes)}
        exigido = {
            (codigos[nombre], canal)
            for nombre, canales in self.exigidos.items()
            if nombre in codigos
            for canal in canales
        }
        juntos = np.zeros(filas.size, np.bool_)
        igual = (filas["cliente"][1:] == filas["cliente"][:-1]) & (
            filas["momento"][1:] == filas["momento"][:-1]
        )
        juntos[1:] |= igual
        juntos[:-1] |= igual
        lados = np.unique(filas[juntos][["cliente", "canal"]])
        return exigido | {(int(c), int(k)) for c, k in lados.tolist()}

    def _incomplete(self, suyas: Filas) -> Any:
        """Return why the intervals of an hour are no hour."""
        hora = int(suyas["momento"][0]) // SEGUNDOS_POR_HORA * SEGUNDOS_POR_HORA
        nombre = f"{brief(self.clientes[int(suyas['cliente'][0])])}, {to_text(hora)}"
        con_valor = suyas[np.isfinite(suyas["valor"])]
        canales = np.unique(suyas["canal"])
        minutos = int(con_valor["segundos"].sum()) // 60 // max(1, canales.size)
        detalle = f"{nombre}: {minutos} de 60 minutos{_gaps(con_valor)}"
        nombre_de_cliente = self.clientes[int(suyas["cliente"][0])]
        faltan = self.exigidos.get(nombre_de_cliente, set()) - set(canales.tolist())
        if faltan and con_valor.size:
            textos = sorted(self.nombres_de_canal.get(k, str(k)) for k in faltan)
            detalle = f"{nombre}: falta el canal {', '.join(textos)}"
        elif minutos > 60 and canales.size == 1:
            detalle = f"{nombre}: sus intervalos suman {minutos} minutos, y se pisan"
        elif minutos >= 60:
            detalle = f"{nombre}: falta alguno de los canales o registros que se suman"
        return reject(MotivoArchivo.HORA_INCOMPLETA, detalle)


def find_totals(canales: Sequence[str]) -> frozenset[tuple[int, int]]:
    """Return which channels, by their place, are totals and of which others.

    Examples
    --------
    >>> sorted(find_totals(["Afname Dag", "Afname", "Afname Nacht"]))
    [(1, 0), (1, 2)]
    >>> sorted(find_totals(["Afname Totaal", "Afname Dag"])), len(find_totals(["1", "10"]))
    ([(0, 1)], 0)
    """
    palabras = [[p for p in normalize_cell(c).split() if p not in _TOTAL] for c in canales]
    de_total = [_TOTAL.intersection(normalize_cell(c).split()) for c in canales]
    return frozenset(
        (a, b)
        for a, suyas in enumerate(palabras)
        for b, otras in enumerate(palabras)
        if a != b
        and otras[: len(suyas)] == suyas
        and (len(otras) > len(suyas) > 0 or (de_total[a] and not de_total[b]))
    )


def _count_by_first(pares: set[tuple[int, int]]) -> dict[int, int]:
    cuenta: dict[int, int] = {}
    for cliente, _ in pares:
        cuenta[cliente] = cuenta.get(cliente, 0) + 1
    return cuenta


def _starts(filas: Filas, *campos: str) -> NDArray[np.int64]:
    return changes(*(filas[campo] for campo in campos))


def _tiles(filas: Filas, inicios: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether the rows of each group follow each other from an hour's start to its end."""
    resto = filas["momento"] % SEGUNDOS_POR_HORA
    fin = resto + filas["segundos"]
    sigue = np.ones(filas.size, np.bool_)
    sigue[1:] = resto[1:] == fin[:-1]
    sigue[inicios] = resto[inicios] == 0
    ultimos = np.append(inicios[1:], filas.size) - 1
    cubre = np.logical_and.reduceat(sigue, inicios) & (fin[ultimos] == SEGUNDOS_POR_HORA)
    return np.asarray(cubre)


def _gaps(filas: Filas) -> str:
    """Return which intervals are missing from an hour that has some of them, for the user."""
    if not filas.size:
        return ""
    paso = int(filas["segundos"].min()) // 60
    hay: set[int] = set()
    for momento, segundos in zip(
        filas["momento"].tolist(), filas["segundos"].tolist(), strict=True
    ):
        desde = momento % SEGUNDOS_POR_HORA // 60
        hay.update(range(desde, desde + segundos // 60))
    faltan = [m for m in range(0, 60, max(1, paso)) if m not in hay]
    cuales = ", ".join(f":{m:02}" for m in faltan)
    return f", sin {'los' if len(faltan) > 1 else 'el'} de {cuales}" if faltan else ""
