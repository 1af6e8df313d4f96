"""Rows of a part of a file with their steps and their instants, whatever their times were like."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.files.blocks import MotivoArchivo, Rechazada, reject
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


def by_customer_and_day(
    filas: Filas, dia: NDArray[np.int64], minuto: NDArray[np.int64], cabe: NDArray[np.bool_]
) -> tuple[Filas, NDArray[np.int64], NDArray[np.int64]]:
    """Return some of the rows by customer, day and line, and what goes with them."""
    orden = np.flatnonzero(cabe)
    cliente, linea = filas["cliente"][orden], filas["linea"][orden]
    orden = in_order(orden, cliente, dia[orden], linea)
    if orden.size == filas.size and (orden[1:] > orden[:-1]).all():
        return filas, dia, minuto
    return filas[orden], dia[orden], minuto[orden]


def _spoil_hours(
    filas: Filas, dia: NDArray[np.int64], minuto: NDArray[np.int64], cabe: NDArray[np.bool_]
) -> None:
    """Take the values away from the hours in which there is a time that fits no step.

    There must be shorter intervals than the layout has: what bears the full hour is no hour.
    """
    hora = (minuto - filas["fin"]) // 60
    clave = (filas["cliente"].astype(np.int64) * 65_536 + dia) * 32 + hora
    tocada = np.isin(clave, clave[~cabe])
    filas["valor"][tocada] = np.nan
    filas["dicho"][tocada] = True


@dataclass(frozen=True, slots=True)
class _RowsOfDays:
    """Rows with local times, by customer and day (n,).

    Parameters
    ----------
    filas : ndarray
    minuto, paso : ndarray
        At which an interval would begin if each day had 24 hours, and how long it is.
    sitio : ndarray
        Minutes that have passed in the day.
    buena : ndarray of bool
    """

    filas: Filas
    minuto: NDArray[np.int64]
    paso: NDArray[np.int64]
    sitio: NDArray[np.int64]
    buena: NDArray[np.bool_]

    def zeros(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return how many rows each customer has, and how many of them say zero."""
        cliente = self.filas["cliente"]
        cuantas = np.bincount(cliente)
        return cuantas, np.bincount(cliente[self.filas["valor"] == 0.0], minlength=cuantas.size)


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
    _dudosos: NDArray[np.int32] | None = None
    _mezcla: bool = False

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
        rechazadas: list[Rechazada] = []
        filas = self._refuse_beginnings(filas, rechazadas)
        exactas = filas["exacto"]
        if exactas.all():
            return self._measure_exact(filas, rechazadas), rechazadas
        if not exactas.any():
            return self._place_local(filas, rechazadas), rechazadas
        self._mezcla = True
        unas = self._measure_exact(filas[exactas], rechazadas)
        return np.concatenate([unas, self._place_local(filas[~exactas], rechazadas)]), rechazadas

    def _refuse_beginnings(self, filas: Filas, rechazadas: list[Rechazada]) -> Filas:
        """Leave out the customers whose times are said to be ends and look like beginnings."""
        if not isinstance(self.vistos, EndsSeen):
            return filas
        if self._dudosos is None:
            self._dudosos = np.array(sorted(self.vistos.doubtful(self.pasos.pasos)), np.int32)
        mala = np.isin(filas["cliente"], self._dudosos)
        if not self.vistos.con_estacion:
            mala &= ~filas["exacto"]
        self._refuse(filas, mala, MotivoArchivo.TIEMPO_DUDOSO, self.vistos.describe(), rechazadas)
        return self._refuse_contradicted(only(filas, ~mala), self.vistos, rechazadas)

    def _refuse_contradicted(
        self, filas: Filas, vistos: EndsSeen, rechazadas: list[Rechazada]
    ) -> Filas:
        """Leave out the days of the change on which some row's season contradicts its time."""
        if not vistos.contradichos or not filas.size:
            return filas
        dia, _ = self._local_days(filas)
        clave = filas["cliente"].astype(np.int64) * _DIAS_CONTADOS + dia
        mala = np.isin(clave, [c * _DIAS_CONTADOS + d for c, d in vistos.contradichos])
        detalle = "en el día del cambio de hora hay filas cuya estación no es la de su hora"
        self._refuse(filas, mala, MotivoArchivo.DIA_CONTRADICE_CALENDARIO, detalle, rechazadas)
        return only(filas, ~mala)

    def _refuse(
        self,
        filas: Filas,
        mala: NDArray[np.bool_],
        motivo: MotivoArchivo,
        detalle: str,
        rechazadas: list[Rechazada],
    ) -> None:
        """Tell why some rows are none, with the name of their customer."""
        for cliente, linea in zip(
            filas["cliente"][mala].tolist(), filas["linea"][mala].tolist(), strict=True
        ):
            nombre = brief(self.clientes[cliente])
            rechazadas.append((linea, reject(motivo, f"{nombre}: {detalle}")))

    def _measure_exact(self, filas: Filas, rechazadas: list[Rechazada]) -> Filas:
        """Return rows whose instants are known with their lengths."""
        sin_paso = filas["segundos"] == 0
        if not sin_paso.any():
            return filas
        medidas = filas[sin_paso]
        dia, minuto = self._local_days(medidas)
        medidas, dia, minuto, paso = self._measure(medidas, dia, minuto, rechazadas)
        medidas["segundos"] = paso * 60
        medidas["momento"] -= np.where(medidas["fin"], paso * 60, 0)
        medidas["fin"] = False
        return medidas if sin_paso.all() else np.concatenate([filas[~sin_paso], medidas])

    def _local_days(self, filas: Filas) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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

    def _measure(
        self,
        filas: Filas,
        dia: NDArray[np.int64],
        minuto: NDArray[np.int64],
        rechazadas: list[Rechazada],
    ) -> tuple[Filas, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return rows by customer and day with their steps, without those that have none."""
        cabe = self.pasos.fits(minuto)
        for linea, m in zip(filas["linea"][~cabe].tolist(), minuto[~cabe].tolist(), strict=True):
            detalle = (
                f"«{m // 60 % 24:02}:{m % 60:02}» no está en punto, "
                f"y los pasos son {', '.join(map(str, self.pasos.pasos))} minutos"
            )
            rechazadas.append((linea, invalida(Motivo.HORA_NO_EN_PUNTO, detalle)))
        if not cabe.all():
            _spoil_hours(filas, dia, minuto, cabe)
        filas, dia, minuto = by_customer_and_day(filas, dia, minuto, cabe)
        if not filas.size:
            return filas, dia, minuto, dia
        dado = filas["segundos"] // 60
        cliente = filas["cliente"].astype(np.int64)
        medido = measure(cliente, dia, minuto, self.pasos, self._pasos_vistos)
        paso = np.where(dado > 0, dado, medido)
        paso = self._refuse_other_steps(filas, dia, minuto, paso, rechazadas)
        sabido = paso > 0
        for linea in filas["linea"][paso == 0].tolist():
            detalle = "es la única fila de su día, y no se sabe cuánto dura"
            rechazadas.append((linea, reject(MotivoArchivo.HORA_INCOMPLETA, detalle)))
        medida = sabido & (dado == 0)
        if medida.all():
            sabido = self._check_steps(filas, dia, minuto, paso, rechazadas)
        elif medida.any():
            sabido[medida] = self._check_steps(
                filas[medida], dia[medida], minuto[medida], paso[medida], rechazadas
            )
        if sabido.all():
            return filas, dia, minuto, paso
        return filas[sabido], dia[sabido], minuto[sabido], paso[sabido]

    def _refuse_other_steps(
        self,
        filas: Filas,
        dia: NDArray[np.int64],
        minuto: NDArray[np.int64],
        paso: NDArray[np.int64],
        rechazadas: list[Rechazada],
    ) -> NDArray[np.int64]:
        """Return steps, -1 where rows of two steps are mixed or none is what the file says."""
        cliente, dicho = filas["cliente"].astype(np.int64), self.pasos.dicho
        medida = (filas["segundos"] == 0) & (paso > 0)
        mezclada = mixed_steps(cliente, dia, minuto, paso, filas["metodo"]) & medida
        self._refuse(filas, mezclada, MotivoArchivo.TIEMPO_DUDOSO, _DOS_PASOS, rechazadas)
        corta = medida & ~mezclada & (paso < dicho)
        corta &= not (paso[medida] == dicho).any()
        detalle = f"el archivo dice que sus intervalos son de {dicho} minutos, y los suyos se pisan"
        self._refuse(filas, corta, MotivoArchivo.TIEMPO_DUDOSO, detalle, rechazadas)
        return np.where(mezclada | corta, -1, paso)

    def _check_steps(
        self,
        filas: Filas,
        dia: NDArray[np.int64],
        minuto: NDArray[np.int64],
        paso: NDArray[np.int64],
        rechazadas: list[Rechazada],
    ) -> NDArray[np.bool_]:
        """Return which rows stay, of rows whose step has been measured."""
        buena = self._check_sparse(filas, dia, minuto, rechazadas)
        cliente = filas["cliente"].astype(np.int64)
        pocos = few_long_days(cliente, dia, paso, self._pasos_vistos) & buena
        for p in np.unique(paso[pocos]).tolist():
            detalle = (
                f"hay días con filas cada {p} minutos, menos de {DIAS_LARGOS}, delante de otros de "
                f"intervalos menores: no se sabe si son de {p} minutos o les faltan filas"
            )
            mala = pocos & (paso == p)
            self._refuse(filas, mala, MotivoArchivo.TIEMPO_DUDOSO, detalle, rechazadas)
        return buena & ~pocos

    def _check_sparse(
        self,
        filas: Filas,
        dia: NDArray[np.int64],
        minuto: NDArray[np.int64],
        rechazadas: list[Rechazada],
    ) -> NDArray[np.bool_]:
        """Return which rows stay: those that are hours apart are no hours."""
        buena = np.ones(filas.size, np.bool_)
        if self._mezcla:
            # Those with an offset and those without stand apart: neither are all of them.
            return buena
        cliente = filas["cliente"].astype(np.int64)
        for uno, minutos in sparse_customers(cliente, dia, minuto).items():
            detalle = f"sus filas van de {minutos} en {minutos} minutos, y no son horas"
            if abs(minutos - MINUTOS_POR_DIA) <= 60:
                detalle = "tiene una fila al día, como un total diario, y no horas"
            elif minutos > MINUTOS_POR_DIA:
                detalle = "tiene filas de días que no son seguidos, como totales, y no horas"
            mala = cliente == uno
            self._refuse(filas, mala, MotivoArchivo.INTERVALO_NO_HORARIO, detalle, rechazadas)
            buena &= ~mala
        return buena

    def _number(
        self, filas: Filas, vistos: NumbersSeen, rechazadas: list[Rechazada]
    ) -> tuple[Filas, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return rows of numbered intervals as ``_measure`` does; ``momento`` is their number."""
        todas = np.ones(filas.size, np.bool_)
        filas, dia, numero = by_customer_and_day(
            filas, filas["dia"].astype(np.int64), filas["momento"], todas
        )
        dias = vistos.decide(filas["cliente"].astype(np.int64), dia, numero)
        cuantas = np.diff(np.append(dias.inicios, filas.size))
        paso = np.repeat(dias.paso, cuantas)
        minuto = (numero - np.repeat(dias.base, cuantas)) * paso
        buena = np.repeat(
            np.isin(np.arange(cuantas.size), list(dias.motivos), invert=True), cuantas
        )
        for k, motivo in sorted(dias.motivos.items()):
            primera = int(dias.inicios[k])
            cual = date.fromordinal(int(dia[primera]) + EPOCA)
            suyas = filas[primera : primera + int(cuantas[k])]
            todas = np.ones(suyas.size, np.bool_)
            self._refuse(suyas, todas, MotivoArchivo.TIEMPO_DUDOSO, f"{cual}: {motivo}", rechazadas)
        cliente = filas["cliente"].astype(np.int64)
        mezclada = mixed_steps(cliente, dia, minuto, paso, filas["metodo"], numeradas=True) & buena
        self._refuse(filas, mezclada, MotivoArchivo.TIEMPO_DUDOSO, _DOS_PASOS, rechazadas)
        buena &= ~mezclada
        if buena.all():
            buena = self._check_sparse(filas, dia, minuto, rechazadas)
        elif buena.any():
            buena[buena] = self._check_sparse(filas[buena], dia[buena], minuto[buena], rechazadas)
        if buena.all():
            return filas, dia, minuto, paso
        return filas[buena], dia[buena], minuto[buena], paso[buena]

    def _place_local(self, filas: Filas, rechazadas: list[Rechazada]) -> Filas:
        """Return rows with local times with their instants."""
        if isinstance(self.vistos, NumbersSeen):
            filas, dia, minuto, paso = self._number(filas, self.vistos, rechazadas)
        else:
            dia, minuto = filas["dia"].astype(np.int64), filas["momento"]
            filas, dia, minuto, paso = self._measure(filas, dia, minuto, rechazadas)
        if not filas.size:
            return filas
        minuto = minuto - np.where(filas["fin"], paso, 0)
        unicos, cual = np.unique(dia, return_inverse=True)
        dias = [load_day(d, self.zona) for d in unicos.tolist()]
        inicio = np.array([d.inicio for d in dias], np.int64)[cual]
        largo = np.array([d.minutos for d in dias], np.int64)[cual]
        todas = _RowsOfDays(filas, minuto, paso, minuto.copy(), np.ones(filas.size, np.bool_))
        grupos = self._groups(filas, dia, (largo != MINUTOS_POR_DIA) | self._odd(minuto))
        ceros = todas.zeros() if grupos else None
        for grupo in grupos:
            self._place_group(dias[int(cual[grupo.start])], todas, grupo, ceros, rechazadas)
        filas["momento"] = inicio + todas.sitio * 60
        filas["segundos"] = paso * 60
        filas["exacto"], filas["fin"] = True, False
        return only(filas, todas.buena)

    @staticmethod
    def _odd(minuto: NDArray[np.int64]) -> NDArray[np.bool_]:
        return (minuto < 0) | (minuto >= MINUTOS_POR_DIA)

    @staticmethod
    def _groups(filas: Filas, dia: NDArray[np.int64], mirar: NDArray[np.bool_]) -> list[slice]:
        """Return the days of customers in which some row has to be looked at."""
        nuevo = np.ones(filas.size, np.bool_)
        nuevo[1:] = (filas["cliente"][1:] != filas["cliente"][:-1]) | (dia[1:] != dia[:-1])
        inicios = np.flatnonzero(nuevo)
        fines = np.append(inicios[1:], filas.size)
        hay = np.logical_or.reduceat(mirar, inicios)
        return [
            slice(a, b) for a, b in zip(inicios[hay].tolist(), fines[hay].tolist(), strict=True)
        ]

    def _place_group(
        self,
        dia: Dia,
        todas: _RowsOfDays,
        grupo: slice,
        ceros: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
        rechazadas: list[Rechazada],
    ) -> None:
        """Place one customer's day of the change, or refuse it whole."""
        suyas: Any = todas.filas[grupo]
        minuto = todas.minuto[grupo]
        sitios: list[int] = []
        if dia.minutos == MINUTOS_POR_DIA:
            horas = sorted({int(m) // 60 + 1 for m in minuto if not 0 <= m < 1440})
            motivo = f"el día tiene 24 horas y el archivo trae la {', '.join(map(str, horas))}"
        else:
            cliente = int(suyas["cliente"][0])
            cuantas, nulas = (0, 0) if ceros is None else (int(c[cliente]) for c in ceros)
            nulas -= int(np.count_nonzero(suyas["valor"] == 0.0))
            motivo, sitios = self._place_change(
                dia, suyas, minuto, int(todas.paso[grupo.start]), nulas >= CEROS_USUALES * cuantas
            )
        cual = date.fromordinal(int(dia.inicio + 43_200) // _SEGUNDOS_POR_DIA + EPOCA)
        if motivo:
            nombre = brief(self.clientes[int(suyas["cliente"][0])])
            error = reject(MotivoArchivo.DIA_CONTRADICE_CALENDARIO, f"{nombre}, {cual}: {motivo}")
            todas.buena[grupo] = False
            rechazadas.extend((linea, error) for linea in suyas["linea"].tolist())
            return
        for i, donde in enumerate(sitios, grupo.start):
            todas.sitio[i] = donde
            if donde < 0:
                todas.buena[i] = False
                detalle = f"no existe esa hora el {cual}, que tiene {dia.minutos // 60}"
                rechazadas.append(
                    (int(todas.filas["linea"][i]), invalida(Motivo.HORA_INEXISTENTE, detalle))
                )

    def _place_change(
        self, dia: Dia, suyas: Filas, minuto: NDArray[np.int64], paso: int, con_ceros: bool
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
        self, dia: Dia, suyas: Filas, minuto: NDArray[np.int64], paso: int, con_ceros: bool
    ) -> Colocacion:
        indicios = Indicios(suyas["metodo"].tolist(), con_ceros, self.dobles_sueltos)
        return place_day(dia, minuto.tolist(), suyas["valor"].tolist(), paso, self.modos, indicios)

    def _place_twice(
        self, dia: Dia, suyas: Filas, minuto: NDArray[np.int64], paso: int, con_ceros: bool
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
