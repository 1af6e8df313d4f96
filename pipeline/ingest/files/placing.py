"""Rows of a part of a file with their steps and their instants, whatever their times were like."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.files.blocks import MotivoArchivo, Rechazada, reject
from pipeline.ingest.files.interval_store import Filas, in_order, only
from pipeline.ingest.files.local_days import (
    CORRIDA,
    RELOJ,
    RELOJ_DEL_FIN,
    Dia,
    load_day,
    place_day,
)
from pipeline.ingest.files.moments import EPOCA, MINUTOS_POR_DIA
from pipeline.ingest.files.profile_schema import Tiempo
from pipeline.ingest.files.steps import CustomerSteps, Pasos, measure
from pipeline.ingest.files.text_cells import brief
from pipeline.ingest.validation import Motivo, invalida
from serving.local_time import PRIMER_ANIO, ULTIMO_ANIO

_SEGUNDOS_POR_DIA = 86_400
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


@dataclass(slots=True)
class Placer:
    """Gives rows their instants.

    Parameters
    ----------
    zona : ZoneInfo
        Of local times.
    tiempo : Tiempo or None
        How the layout writes times; None = they are all instants.
    pasos : Pasos
    clientes : list of str
        Names by code.
    formas : set of str
        How days of the change have been seen to be numbered.
    """

    zona: ZoneInfo
    tiempo: Tiempo | None
    pasos: Pasos
    clientes: list[str]
    formas: set[str] = field(default_factory=set)
    _vistos: CustomerSteps = field(default_factory=CustomerSteps)

    def place(self, filas: Filas) -> tuple[Filas, list[Rechazada]]:
        """Return rows with the instant of their beginning and their length, and refused ones."""
        rechazadas: list[Rechazada] = []
        exactas = filas["exacto"]
        if exactas.all():
            return self._measure_exact(filas, rechazadas), rechazadas
        if not exactas.any():
            return self._place_local(filas, rechazadas), rechazadas
        unas = self._measure_exact(filas[exactas], rechazadas)
        return np.concatenate([unas, self._place_local(filas[~exactas], rechazadas)]), rechazadas

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
        medido = measure(cliente, dia, minuto, self.pasos, self._vistos)
        paso = np.where(dado > 0, dado, medido)
        sabido = paso > 0
        for linea in filas["linea"][~sabido].tolist():
            detalle = "es la única fila de su día, y no se sabe cuánto dura"
            rechazadas.append((linea, reject(MotivoArchivo.HORA_INCOMPLETA, detalle)))
        if sabido.all():
            return filas, dia, minuto, paso
        return filas[sabido], dia[sabido], minuto[sabido], paso[sabido]

    def _place_local(self, filas: Filas, rechazadas: list[Rechazada]) -> Filas:
        """Return rows with local times with their instants."""
        dia, minuto = filas["dia"].astype(np.int64), filas["momento"]
        filas, dia, minuto, paso = self._measure(filas, dia, minuto, rechazadas)
        if not filas.size:
            return filas
        minuto = minuto - np.where(filas["fin"], paso, 0)
        unicos, cual = np.unique(dia, return_inverse=True)
        dias = [load_day(d, self.zona) for d in unicos.tolist()]
        inicio = np.array([d.inicio for d in dias], np.int64)[cual]
        largo = np.array([d.minutos for d in dias], np.int64)[cual]
        buena = np.ones(filas.size, np.bool_)
        sitio = minuto.copy()
        for grupo in self._groups(filas, dia, (largo != MINUTOS_POR_DIA) | self._odd(minuto)):
            un_dia = dias[int(cual[grupo.start])]
            self._place_group(un_dia, filas, grupo, minuto, paso, sitio, buena, rechazadas)
        filas["momento"] = inicio + sitio * 60
        filas["segundos"] = paso * 60
        filas["exacto"], filas["fin"] = True, False
        return only(filas, buena)

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
        filas: Filas,
        grupo: slice,
        minuto: NDArray[np.int64],
        paso: NDArray[np.int64],
        sitio: NDArray[np.int64],
        buena: NDArray[np.bool_],
        rechazadas: list[Rechazada],
    ) -> None:
        """Place one customer's day of the change, or refuse it whole."""
        suyas: Any = filas[grupo]
        sitios: list[int] = []
        if dia.minutos == MINUTOS_POR_DIA:
            horas = sorted({int(m) // 60 + 1 for m in minuto[grupo] if not 0 <= m < 1440})
            motivo = f"el día tiene 24 horas y el archivo trae la {', '.join(map(str, horas))}"
        else:
            motivo, sitios = self._place_change(dia, suyas, minuto[grupo], int(paso[grupo.start]))
        cual = date.fromordinal(int(dia.inicio + 43_200) // _SEGUNDOS_POR_DIA + EPOCA)
        if motivo:
            nombre = brief(self.clientes[int(suyas["cliente"][0])])
            error = reject(MotivoArchivo.DIA_CONTRADICE_CALENDARIO, f"{nombre}, {cual}: {motivo}")
            buena[grupo] = False
            rechazadas.extend((linea, error) for linea in suyas["linea"].tolist())
            return
        for i, donde in enumerate(sitios, grupo.start):
            sitio[i] = donde
            if donde < 0:
                buena[i] = False
                detalle = f"no existe esa hora el {cual}, que tiene {dia.minutos // 60}"
                rechazadas.append(
                    (int(filas["linea"][i]), invalida(Motivo.HORA_INEXISTENTE, detalle))
                )

    def _place_change(
        self, dia: Dia, suyas: Filas, minuto: NDArray[np.int64], paso: int
    ) -> tuple[str, list[int]]:
        """Return why a day of the change is refused, or where its rows are."""
        entera = place_day(dia, minuto.tolist(), suyas["valor"].tolist(), paso, self._ways())
        canales = np.unique(suyas["canal"])
        if entera.forma:
            self.formas.add(entera.forma)
        if not entera.motivo or canales.size == 1:
            return entera.motivo, entera.minutos
        # Registers that run side by side: each has the day once.
        sitios = np.zeros(minuto.size, np.int64)
        for canal in canales:
            suyos = suyas["canal"] == canal
            una = place_day(
                dia, minuto[suyos].tolist(), suyas["valor"][suyos].tolist(), paso, self._ways()
            )
            if una.motivo:
                return una.motivo, []
            sitios[suyos] = una.minutos
        return "", sitios.tolist()

    def _ways(self) -> tuple[str, ...]:
        """Return how the rows of a day may be numbered in this layout."""
        tiempo = self.tiempo
        if tiempo is None or tiempo.forma == "dia_por_fila":
            return (CORRIDA, RELOJ)
        if tiempo.forma == "fecha_y_hora" and tiempo.hora == "numero":
            return (CORRIDA, RELOJ)
        if tiempo.marca == "inicio" or (tiempo.forma, tiempo.hora) == ("fecha_y_hora", "tramo"):
            return (RELOJ,)
        relojes = (RELOJ, RELOJ_DEL_FIN)
        return relojes if tiempo.forma == "instante" else (CORRIDA, *relojes)
