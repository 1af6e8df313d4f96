"""Rows of a part of a file with their steps and their instants, whatever their times were like."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.files.blocks import MotivoArchivo, Rechazada, reject
from pipeline.ingest.files.customer_facts import NUNCA, Enteros, changes
from pipeline.ingest.files.end_marks import EndsSeen
from pipeline.ingest.files.interval_store import Filas, in_order, only
from pipeline.ingest.files.local_days import Colocacion, Dia, Indicios, load_day, place_day
from pipeline.ingest.files.moments import EPOCA, MINUTOS_POR_DIA
from pipeline.ingest.files.numbering import NumbersSeen
from pipeline.ingest.files.steps import (
    DIAS_LARGOS,
    CustomerSteps,
    Pasos,
    few_long_days,
    measure,
    mixed_steps,
    sparse_customers,
)
from pipeline.ingest.files.text_cells import brief
from pipeline.ingest.validation import Motivo, invalida
from serving.local_time import PRIMER_ANIO, ULTIMO_ANIO

CEROS_USUALES = 0.01
"""Part of a customer's intervals that are zero from which on one of them says nothing. By hand,
2026-11-30."""
_SEGUNDOS_POR_DIA = 86_400
_DIAS_CONTADOS = 1 << 20
_DOS_PASOS = (
    "las filas de un método parecen horas y las del otro son intervalos menores: no se sabe si lo "
    "son, o son algunos de esos intervalos"
)
_PRIMER_INSTANTE = (PRIMER_ANIO - 1970) * 31_536_000
_ULTIMO_INSTANTE = (ULTIMO_ANIO + 1 - 1970) * 31_622_400


@dataclass(frozen=True, slots=True)
class _LocalRows:
    """Rows with their local times (n,).

    Parameters
    ----------
    filas : ndarray
    dia : ndarray
        Local day, from 1970.
    minuto : ndarray
        Of that day, at which the interval begins, or ends, if each day had 24 hours.
    paso : ndarray
        Minutes of the interval; 0 = not known.
    """

    filas: Filas
    dia: Enteros
    minuto: Enteros
    paso: Enteros

    @property
    def cliente(self) -> Enteros:
        return self.filas["cliente"].astype(np.int64)

    def only(self, cuales: NDArray[np.bool_]) -> _LocalRows:
        """Return some of the rows; all of them without a copy."""
        return self if cuales.all() else self._take(cuales)

    def sorted(self) -> _LocalRows:
        """Return the rows by customer, day and line."""
        orden = np.arange(self.filas.size)
        suyo = in_order(orden, self.filas["cliente"], self.dia, self.filas["linea"])
        return self if suyo is orden else self._take(suyo)

    def _take(self, cuales: NDArray[Any]) -> _LocalRows:
        return _LocalRows(
            self.filas[cuales], self.dia[cuales], self.minuto[cuales], self.paso[cuales]
        )

    def spoil_hours(self, cabe: NDArray[np.bool_]) -> None:
        """Take the values away from the hours in which there is a time that fits no step.

        There must be shorter intervals than the layout has: what bears the full hour is no hour.
        """
        hora = (self.minuto - self.filas["fin"]) // 60
        clave = (self.cliente * 65_536 + self.dia) * 32 + hora
        tocada = np.isin(clave, clave[~cabe])
        self.filas["valor"][tocada] = np.nan
        self.filas["dicho"][tocada] = True

    def steps_of_day(self) -> Enteros:
        """Return the steps (n,) that rows say, or the shortest that others of their day do.

        0 = none does. Rows are by customer and day.
        """
        dice = self.paso > 0
        if dice.all() or not dice.any():
            return self.paso
        inicios = changes(self.filas["cliente"], self.dia)
        menor = np.minimum.reduceat(np.where(dice, self.paso, NUNCA), inicios)
        menor[menor == NUNCA] = 0
        de_dia = np.repeat(menor, np.diff(np.append(inicios, dice.size)))
        return np.where(dice, self.paso, de_dia)

    def zeros(self) -> tuple[Enteros, Enteros]:
        """Return how many rows each customer has, and how many of them say zero."""
        cliente = self.filas["cliente"]
        cuantas = np.bincount(cliente)
        return cuantas, np.bincount(cliente[self.filas["valor"] == 0.0], minlength=cuantas.size)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where rows are (n,): minutes that have passed in their day, and which of them are good."""

    sitio: Enteros
    buena: NDArray[np.bool_]


@dataclass(slots=True)
class Placer:
    """Gives rows their instants.

    Parameters
    ----------
    zona : ZoneInfo
        Of local times.
    modos : tuple of str
        How the rows of a day of the change may be numbered in this layout.
    pasos : Pasos
    clientes : list of str
        Names by code.
    vistos : NumbersSeen, EndsSeen or None
        What the times of the whole file show of each customer.
    dobles_sueltos : bool
        As in ``Indicios``.
    formas : set of str
        How days of the change have been seen to be numbered.
    """

    zona: ZoneInfo
    modos: tuple[str, ...]
    pasos: Pasos
    clientes: list[str]
    vistos: NumbersSeen | EndsSeen | None = None
    dobles_sueltos: bool = True
    formas: set[str] = field(default_factory=set)
    _pasos_vistos: CustomerSteps = field(default_factory=CustomerSteps)
    _dudosos: dict[str, list[int]] | None = None
    _mezcla: bool = False
    _rechazadas: list[Rechazada] = field(default_factory=list)

    @property
    def aviso(self) -> str:
        """Return what the user should know of the times."""
        return self.vistos.aviso if isinstance(self.vistos, EndsSeen) else ""

    def place(self, filas: Filas) -> tuple[Filas, list[Rechazada]]:
        """Return rows with the instant of their beginning and their length, and refused ones.

        Raises
        ------
        FormatoError
            It is not known of any customer of the file whether its times are ends.
        """
        self._rechazadas = []
        filas = self._refuse_beginnings(filas)
        exactas = filas["exacto"]
        if exactas.all():
            filas = self._measure_exact(filas)
        elif not exactas.any():
            filas = self._place_local(filas)
        else:
            self._mezcla = True
            unas = self._measure_exact(filas[exactas])
            filas = np.concatenate([unas, self._place_local(filas[~exactas])])
        return filas, self._rechazadas

    def _refuse_beginnings(self, filas: Filas) -> Filas:
        """Leave out the customers whose times are said to be ends and look like beginnings."""
        if not isinstance(self.vistos, EndsSeen):
            return filas
        if self._dudosos is None:
            self._dudosos = self.vistos.doubtful(self.pasos.pasos)
        for motivo, clientes in self._dudosos.items():
            mala = np.isin(filas["cliente"], clientes)
            if not self.vistos.con_estacion:
                mala &= ~filas["exacto"]
            self._refuse(filas, mala, MotivoArchivo.TIEMPO_DUDOSO, motivo)
            filas = only(filas, ~mala)
        return self._refuse_contradicted(filas, self.vistos)

    def _refuse_contradicted(self, filas: Filas, vistos: EndsSeen) -> Filas:
        """Leave out the days of the change on which some row's season contradicts its time."""
        if not vistos.contradichos or not filas.size:
            return filas
        dia, _ = self._local_days(filas)
        clave = filas["cliente"].astype(np.int64) * _DIAS_CONTADOS + dia
        mala = np.isin(clave, [c * _DIAS_CONTADOS + d for c, d in vistos.contradichos])
        detalle = "en el día del cambio de hora hay filas cuya estación no es la de su hora"
        self._refuse(filas, mala, MotivoArchivo.DIA_CONTRADICE_CALENDARIO, detalle)
        return only(filas, ~mala)

    def _refuse(
        self, filas: Filas, mala: NDArray[np.bool_], motivo: MotivoArchivo, detalle: str
    ) -> None:
        """Tell why some rows are none, with the name of their customer."""
        for cliente, linea in zip(
            filas["cliente"][mala].tolist(), filas["linea"][mala].tolist(), strict=True
        ):
            nombre = brief(self.clientes[cliente])
            self._rechazadas.append((linea, reject(motivo, f"{nombre}: {detalle}")))

    def _measure_exact(self, filas: Filas) -> Filas:
        """Return rows whose instants are known with their lengths."""
        sin_paso = filas["segundos"] == 0
        if not sin_paso.any():
            return filas
        medidas = filas[sin_paso]
        suyas = self._measure(medidas, *self._local_days(medidas))
        medidas = suyas.filas
        medidas["segundos"] = suyas.paso * 60
        medidas["momento"] -= np.where(medidas["fin"], suyas.paso * 60, 0)
        medidas["fin"] = False
        return medidas if sin_paso.all() else np.concatenate([filas[~sin_paso], medidas])

    def _local_days(self, filas: Filas) -> tuple[Enteros, Enteros]:
        """Return the local day of instants, and the minutes that have passed in it."""
        momento = filas["momento"] - filas["fin"]
        primero, ultimo = int(momento.min()), int(momento.max())
        if not _PRIMER_INSTANTE < primero <= ultimo < _ULTIMO_INSTANTE:
            dia = momento // _SEGUNDOS_POR_DIA
            return dia, filas["momento"] // 60 - dia * MINUTOS_POR_DIA
        dias = range(primero // _SEGUNDOS_POR_DIA - 1, ultimo // _SEGUNDOS_POR_DIA + 2)
        inicios = np.array([load_day(d, self.zona).inicio for d in dias], np.int64)
        cual = np.searchsorted(inicios, momento, "right") - 1
        return cual + dias.start, (filas["momento"] - inicios[cual]) // 60

    def _measure(self, filas: Filas, dia: Enteros, minuto: Enteros) -> _LocalRows:
        """Return rows by customer and day with their steps, without those that have none."""
        locales = _LocalRows(filas, dia, minuto, filas["segundos"].astype(np.int64) // 60)
        cabe = self.pasos.fits(minuto)
        for linea, m in zip(filas["linea"][~cabe].tolist(), minuto[~cabe].tolist(), strict=True):
            detalle = (
                f"«{m // 60 % 24:02}:{m % 60:02}» no está en punto, "
                f"y los pasos son {', '.join(map(str, self.pasos.pasos))} minutos"
            )
            self._rechazadas.append((linea, invalida(Motivo.HORA_NO_EN_PUNTO, detalle)))
        if not cabe.all():
            locales.spoil_hours(cabe)
        locales = locales.only(cabe).sorted()
        if not locales.filas.size:
            return locales
        dado = locales.steps_of_day()
        medida = dado == 0
        medido = measure(
            locales.cliente, locales.dia, locales.minuto, self.pasos, self._pasos_vistos
        )
        locales = replace(locales, paso=np.where(medida, medido, dado))
        mala = self._refuse_other_steps(locales, medida)
        sin_paso = locales.paso == 0
        for linea in locales.filas["linea"][sin_paso].tolist():
            detalle = "es la única fila de su día, y no se sabe cuánto dura"
            self._rechazadas.append((linea, reject(MotivoArchivo.HORA_INCOMPLETA, detalle)))
        sabido = ~mala & ~sin_paso
        medida &= sabido
        if medida.any():
            sabido[medida] = self._check_steps(locales.only(medida))
        return locales.only(sabido)

    def _refuse_other_steps(
        self, locales: _LocalRows, medida: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return which rows (of those that are measured) are refused.

        Two steps are mixed in their day, or none is what the file says.
        """
        dicho = self.pasos.dicho
        medida = medida & (locales.paso > 0)
        metodo = locales.filas["metodo"]
        mezclada = medida & mixed_steps(
            locales.cliente, locales.dia, locales.minuto, locales.paso, metodo
        )
        self._refuse(locales.filas, mezclada, MotivoArchivo.TIEMPO_DUDOSO, _DOS_PASOS)
        corta = medida & ~mezclada & (locales.paso < dicho)
        corta &= not (locales.paso[medida] == dicho).any()
        detalle = f"el archivo dice que sus intervalos son de {dicho} minutos, y los suyos se pisan"
        self._refuse(locales.filas, corta, MotivoArchivo.TIEMPO_DUDOSO, detalle)
        return mezclada | corta

    def _check_steps(self, locales: _LocalRows) -> NDArray[np.bool_]:
        """Return which rows stay, of rows whose step has been measured."""
        buena = self._check_sparse(locales)
        pocos = few_long_days(locales.cliente, locales.dia, locales.paso, self._pasos_vistos)
        pocos &= buena
        for p in np.unique(locales.paso[pocos]).tolist():
            detalle = (
                f"hay días con filas cada {p} minutos, menos de {DIAS_LARGOS}, delante de otros de "
                f"intervalos menores: no se sabe si son de {p} minutos o les faltan filas"
            )
            mala = pocos & (locales.paso == p)
            self._refuse(locales.filas, mala, MotivoArchivo.TIEMPO_DUDOSO, detalle)
        return buena & ~pocos

    def _check_sparse(self, locales: _LocalRows) -> NDArray[np.bool_]:
        """Return which rows stay: those that are hours apart are no hours."""
        buena = np.ones(locales.filas.size, np.bool_)
        if self._mezcla:
            # Those with an offset and those without stand apart: neither are all of them.
            return buena
        cliente = locales.cliente
        for uno, minutos in sparse_customers(cliente, locales.dia, locales.minuto).items():
            detalle = f"sus filas van de {minutos} en {minutos} minutos, y no son horas"
            if abs(minutos - MINUTOS_POR_DIA) <= 60:
                detalle = "tiene una fila al día, como un total diario, y no horas"
            elif minutos > MINUTOS_POR_DIA:
                detalle = "tiene filas de días que no son seguidos, como totales, y no horas"
            mala = cliente == uno
            self._refuse(locales.filas, mala, MotivoArchivo.INTERVALO_NO_HORARIO, detalle)
            buena &= ~mala
        return buena

    def _number(self, filas: Filas, vistos: NumbersSeen) -> _LocalRows:
        """Return rows of numbered intervals as ``_measure`` does; ``momento`` is their number."""
        dia, numero = filas["dia"].astype(np.int64), filas["momento"]
        locales = _LocalRows(filas, dia, numero, np.zeros(filas.size, np.int64)).sorted()
        dias = vistos.decide(locales.cliente, locales.dia, locales.minuto)
        cuantas = np.diff(np.append(dias.inicios, filas.size))
        paso = np.repeat(dias.paso, cuantas)
        minuto = (locales.minuto - np.repeat(dias.base, cuantas)) * paso
        locales = replace(locales, minuto=minuto, paso=paso)
        buena = np.ones(filas.size, np.bool_)
        for k, motivo in sorted(dias.motivos.items()):
            primera = int(dias.inicios[k])
            cual = date.fromordinal(int(locales.dia[primera]) + EPOCA)
            suyas = slice(primera, primera + int(cuantas[k]))
            todas = np.ones(int(cuantas[k]), np.bool_)
            detalle = f"{cual}: {motivo}"
            self._refuse(locales.filas[suyas], todas, MotivoArchivo.TIEMPO_DUDOSO, detalle)
            buena[suyas] = False
        metodo = locales.filas["metodo"]
        mezclada = buena & mixed_steps(
            locales.cliente, locales.dia, minuto, paso, metodo, numeradas=True
        )
        self._refuse(locales.filas, mezclada, MotivoArchivo.TIEMPO_DUDOSO, _DOS_PASOS)
        locales = locales.only(buena & ~mezclada)
        return locales.only(self._check_sparse(locales)) if locales.filas.size else locales

    def _place_local(self, filas: Filas) -> Filas:
        """Return rows with local times with their instants."""
        if isinstance(self.vistos, NumbersSeen):
            locales = self._number(filas, self.vistos)
        else:
            locales = self._measure(filas, filas["dia"].astype(np.int64), filas["momento"])
        filas = locales.filas
        if not filas.size:
            return filas
        locales = replace(locales, minuto=locales.minuto - np.where(filas["fin"], locales.paso, 0))
        unicos, cual = np.unique(locales.dia, return_inverse=True)
        dias = [load_day(d, self.zona) for d in unicos.tolist()]
        inicio = np.array([d.inicio for d in dias], np.int64)[cual]
        largo = np.array([d.minutos for d in dias], np.int64)[cual]
        puestas = _Places(locales.minuto.copy(), np.ones(filas.size, np.bool_))
        mirar = (largo != MINUTOS_POR_DIA) | self._odd(locales.minuto)
        grupos = self._groups(filas, locales.dia, mirar)
        ceros = locales.zeros() if grupos else None
        for grupo in grupos:
            self._place_group(dias[int(cual[grupo.start])], locales, grupo, ceros, puestas)
        filas["momento"] = inicio + puestas.sitio * 60
        filas["segundos"] = locales.paso * 60
        filas["exacto"], filas["fin"] = True, False
        return only(filas, puestas.buena)

    @staticmethod
    def _odd(minuto: Enteros) -> NDArray[np.bool_]:
        return (minuto < 0) | (minuto >= MINUTOS_POR_DIA)

    @staticmethod
    def _groups(filas: Filas, dia: Enteros, mirar: NDArray[np.bool_]) -> list[slice]:
        """Return the days of customers in which some row has to be looked at."""
        inicios = changes(filas["cliente"], dia)
        fines = np.append(inicios[1:], filas.size)
        hay = np.logical_or.reduceat(mirar, inicios)
        return [
            slice(a, b) for a, b in zip(inicios[hay].tolist(), fines[hay].tolist(), strict=True)
        ]

    def _place_group(
        self,
        dia: Dia,
        locales: _LocalRows,
        grupo: slice,
        ceros: tuple[Enteros, Enteros] | None,
        puestas: _Places,
    ) -> None:
        """Place one customer's day of the change, or refuse it whole."""
        suyas: Any = locales.filas[grupo]
        minuto = locales.minuto[grupo]
        sitios: list[int] = []
        if dia.minutos == MINUTOS_POR_DIA:
            horas = sorted({int(m) // 60 + 1 for m in minuto if not 0 <= m < 1440})
            motivo = f"el día tiene 24 horas y el archivo trae la {', '.join(map(str, horas))}"
        else:
            cliente = int(suyas["cliente"][0])
            cuantas, nulas = (0, 0) if ceros is None else (int(c[cliente]) for c in ceros)
            nulas -= int(np.count_nonzero(suyas["valor"] == 0.0))
            motivo, sitios = self._place_change(
                dia, suyas, minuto, int(locales.paso[grupo.start]), nulas >= CEROS_USUALES * cuantas
            )
        cual = date.fromordinal(int(dia.inicio + 43_200) // _SEGUNDOS_POR_DIA + EPOCA)
        if motivo:
            nombre = brief(self.clientes[int(suyas["cliente"][0])])
            error = reject(MotivoArchivo.DIA_CONTRADICE_CALENDARIO, f"{nombre}, {cual}: {motivo}")
            self._rechazadas.extend((linea, error) for linea in suyas["linea"].tolist())
            puestas.buena[grupo] = False
            return
        for i, donde in enumerate(sitios, grupo.start):
            puestas.sitio[i] = donde
            if donde < 0:
                puestas.buena[i] = False
                detalle = f"no existe esa hora el {cual}, que tiene {dia.minutos // 60}"
                self._rechazadas.append(
                    (int(locales.filas["linea"][i]), invalida(Motivo.HORA_INEXISTENTE, detalle))
                )

    def _place_change(
        self, dia: Dia, suyas: Filas, minuto: Enteros, paso: int, con_ceros: bool
    ) -> tuple[str, list[int]]:
        """Return why a day of the change is refused, or where its rows are."""
        entera = self._place_rows(dia, suyas, minuto, paso, con_ceros)
        if entera.forma:
            self.formas.add(entera.forma)
        if not entera.motivo:
            return "", entera.minutos
        canales = np.unique(suyas["canal"])
        if canales.size == 1:
            sitios = self._place_twice(dia, suyas, minuto, paso, con_ceros)
            return ("", sitios) if sitios else (entera.motivo, [])
        # Registers that run side by side: each has the day once.
        todos = np.zeros(minuto.size, np.int64)
        for canal in canales:
            suyos = suyas["canal"] == canal
            una = self._place_rows(dia, suyas[suyos], minuto[suyos], paso, con_ceros)
            if una.motivo:
                return una.motivo, []
            todos[suyos] = una.minutos
        return "", todos.tolist()

    def _place_rows(
        self, dia: Dia, suyas: Filas, minuto: Enteros, paso: int, con_ceros: bool
    ) -> Colocacion:
        indicios = Indicios(suyas["metodo"].tolist(), con_ceros, self.dobles_sueltos)
        return place_day(dia, minuto.tolist(), suyas["valor"].tolist(), paso, self.modos, indicios)

    def _place_twice(
        self, dia: Dia, suyas: Filas, minuto: Enteros, paso: int, con_ceros: bool
    ) -> list[int]:
        """Return the places of a day that came more than once, each time whole; empty = it did not.

        A day that is there estimated and real, or in two files that have been put together.
        """
        sitios = np.full(minuto.size, -1, np.int64)
        metodos = suyas["metodo"]
        copias = minuto.size * paso // dia.minutos
        cuales = [metodos == m for m in np.unique(metodos).tolist()]
        if len(cuales) < 2:
            if copias < 2 or copias * dia.minutos != minuto.size * paso:
                return []
            cuales = [np.arange(minuto.size) * copias // minuto.size == k for k in range(copias)]
        for cual in cuales:
            una = self._place_rows(dia, suyas[cual], minuto[cual], paso, con_ceros)
            if not una.completa:
                return []
            sitios[cual] = una.minutos
        return sitios.tolist()
