"""Days whose hours are not what they seem: in another unit, a counter's, or with their own total.

Each is looked at beside the customer's other days: what a single hour hides, whole days show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.files.blocks import MotivoArchivo, Rechazada, reject
from pipeline.ingest.files.customer_facts import Enteros, changes
from pipeline.ingest.files.customer_values import CONTADOR_MINIMO_KWH
from pipeline.ingest.files.interval_store import Filas, only
from pipeline.ingest.files.local_days import load_day
from pipeline.ingest.files.moments import EPOCA
from pipeline.ingest.files.text_cells import brief
from pipeline.ingest.files.units import MEDIANA_MAXIMA_KWH, MEDIANA_MINIMA_KWH

HORAS_DE_PRUEBA = 6
"""So many hours that are not zero show what a day is."""
VECES_OTRA_UNIDAD = 300.0
"""Between units lies a factor of 1000; a customer's days do not differ by half an order less. By
hand, 2026-11-30."""
_SALTO = 30.0
_POCOS = 4
"""Of so many days one may be the odd one; more, and it is not known which unit is the right one."""
HORAS_CRECIENTES = 10
"""So many hours a counter grows, for each time that it begins anew; a home's go up and down."""
HORAS_DE_UN_DIA = 20
"""Where it never begins anew, so many in a row up to more than a home's highest tariff."""
_VECES_QUE_CRECE = 8.0
"""A counter of the day goes from nothing to its sum…"""
_CRECE_SIN_EMPEZAR = 1.5
"""…and one of which a single day is seen, far from where it was."""
_BAJO_KWH = 10 * MEDIANA_MINIMA_KWH
_IGUAL_KWH = 5e-4
_ENTEROS = 0.9


@dataclass(frozen=True, slots=True)
class _Days:
    """The days of some hours (d,), by customer and day; ``hora`` (n,) are these, sorted so."""

    inicios: Enteros
    cuantas: Enteros
    cliente: Enteros
    dia: Enteros
    hora: Enteros

    def rows(self, k: int) -> slice:
        return slice(int(self.inicios[k]), int(self.inicios[k] + self.cuantas[k]))

    def of_customers(self, cuales: NDArray[np.bool_]) -> Iterator[Enteros]:
        """Yield the days of each customer of which some day is among some."""
        if not cuales.any():
            return
        suyos = np.isin(self.cliente, self.cliente[cuales])
        for cliente in np.unique(self.cliente[suyos]).tolist():
            yield np.flatnonzero(self.cliente == cliente)


def refuse_odd_days(
    horas: Filas, zona: ZoneInfo, clientes: list[str], rechazadas: list[Rechazada]
) -> Filas:
    """Return hours without the days, or customers, whose values are no consumption in kWh.

    Parameters
    ----------
    horas : ndarray (n,)
        By customer and hour; ``momento`` is hours since 1970.
    zona : ZoneInfo
        Whose days they are.
    clientes : list of str
        Names by code.
    rechazadas : list
        Takes the hours that are left out.
    """
    if horas.size < HORAS_DE_PRUEBA:
        return horas
    dias = _split(horas, zona)
    valor = np.where(np.isfinite(horas["valor"]), horas["valor"], 0.0)
    mala = np.zeros(horas.size, np.bool_)
    for cuales, motivo, detalle in (
        *_in_another_unit(valor, dias),
        *_counters(valor, dias),
        *_totals(valor, dias),
    ):
        for k in cuales.tolist():
            suyas = dias.rows(k)
            quedan = horas[suyas][~mala[suyas]]
            mala[suyas] = True
            cual = date.fromordinal(int(dias.dia[k]) + EPOCA)
            nombre = brief(clientes[int(dias.cliente[k])])
            error = reject(motivo, f"{nombre}, {cual}: {detalle}")
            rechazadas.extend((linea, error) for linea in quedan["linea"].tolist())
    return only(horas, ~mala)


def _split(horas: Filas, zona: ZoneInfo) -> _Days:
    """Return the local days of hours."""
    hora = horas["momento"].astype(np.int64)
    dias = range(int(hora.min()) // 24 - 1, int(hora.max()) // 24 + 2)
    inicios = np.array([load_day(d, zona).inicio for d in dias], np.int64)
    dia = np.searchsorted(inicios, hora * 3600, "right") - 1 + dias.start
    cliente = horas["cliente"].astype(np.int64)
    cortes = changes(cliente, dia)
    cuantas = np.diff(np.append(cortes, horas.size))
    return _Days(cortes, cuantas, cliente[cortes], dia[cortes], hora)


def _in_another_unit(
    valor: NDArray[np.float64], dias: _Days
) -> Iterator[tuple[Enteros, MotivoArchivo, str]]:
    """Yield the days that are a thousand times more, or less, than the customer's others."""
    mayor = np.maximum.reduceat(valor, dias.inicios)
    posible = (mayor > MEDIANA_MAXIMA_KWH) | ((mayor > 0) & (mayor < _BAJO_KWH))
    for todos in dias.of_customers(posible):
        de_dia = np.array([_median_of_day(valor[dias.rows(k)]) for k in todos.tolist()])
        suyos, medianas = todos[de_dia > 0], de_dia[de_dia > 0]
        if suyos.size < 2:
            continue
        orden = np.argsort(medianas)
        saltos = medianas[orden][1:] / medianas[orden][:-1]
        corte = int(saltos.argmax()) + 1
        bajos, altos = orden[:corte], orden[corte:]
        bajo, alto = float(np.median(medianas[bajos])), float(np.median(medianas[altos]))
        if saltos.max() < _SALTO or alto < VECES_OTRA_UNIDAD * bajo:
            continue
        if not _of_two_units(valor, dias, suyos[bajos], suyos[altos], bajo, alto):
            continue
        menos = min(bajos, altos, key=len)
        raros = suyos[menos if _POCOS * menos.size <= suyos.size else orden]
        yield (
            np.sort(np.append(raros, _beside(valor, dias, todos, raros, (bajo, alto)))),
            MotivoArchivo.UNIDAD_DUDOSA,
            f"unos días tienen {alto:.3g} kWh por hora y otros {bajo:.3g}, como si no estuvieran "
            "en la misma unidad",
        )


def _beside(
    valor: NDArray[np.float64],
    dias: _Days,
    todos: Enteros,
    raros: Enteros,
    niveles: tuple[float, float],
) -> Enteros:
    """Return the days beside odd ones with an hour like theirs: they may be another zone's days.

    ``niveles`` are the medians of the low days and of the high ones.
    """
    corte = float(np.sqrt(niveles[0] * niveles[1]))

    def levels(k: int) -> set[bool]:
        de_dia = valor[dias.rows(k)]
        return set((de_dia[de_dia > 0] > corte).tolist())

    suyos = {_median_of_day(valor[dias.rows(k)]) > corte for k in raros.tolist()}
    otros = np.setdiff1d(todos, raros)
    junto = np.isin(dias.dia[otros], np.append(dias.dia[raros] - 1, dias.dia[raros] + 1))
    return np.array([k for k in otros[junto].tolist() if levels(k) & suyos], np.int64)


def _of_two_units(
    valor: NDArray[np.float64],
    dias: _Days,
    bajos: Enteros,
    altos: Enteros,
    bajo: float,
    alto: float,
) -> bool:
    """Return whether high days look like Wh taken for kWh, or low ones like kWh taken for Wh.

    A shop that closes and a home that is empty differ as much: whole kWh, and parts of a Wh, tell.
    """
    unos = np.concatenate([valor[dias.rows(k)] for k in altos.tolist()])
    otros = np.concatenate([valor[dias.rows(k)] for k in bajos.tolist()])
    if alto > MEDIANA_MAXIMA_KWH and _whole(unos) >= _ENTEROS > _whole(otros):
        return True
    return bajo < MEDIANA_MINIMA_KWH and _whole(otros * 1e3) < _ENTEROS <= _whole(unos * 1e3)


def _median_of_day(valores: NDArray[np.float64]) -> float:
    hay = valores[valores > 0]
    return float(np.median(hay)) if hay.size >= HORAS_DE_PRUEBA else 0.0


def _whole(valores: NDArray[np.float64]) -> float:
    """Return which part of some values that are not zero are whole numbers."""
    hay = valores[valores > 0]
    return float((np.abs(hay - np.round(hay)) < 1e-6).mean()) if hay.size else 1.0


def _counters(
    valor: NDArray[np.float64], dias: _Days
) -> Iterator[tuple[Enteros, MotivoArchivo, str]]:
    """Yield the days of customers whose values only grow, and begin anew each day or never."""
    nuevo = np.zeros(valor.size, np.bool_)
    inicios = dias.inicios[changes(dias.cliente)]
    nuevo[inicios] = True
    antes = np.append(0.0, valor[:-1])
    suben = np.add.reduceat((valor > antes) & ~nuevo, inicios, dtype=np.int64)
    baja = (valor < antes) & ~nuevo
    bajan = np.add.reduceat(baja, inicios, dtype=np.int64)
    de_nuevo = np.add.reduceat(baja & (antes > _VECES_QUE_CRECE * valor), inicios, dtype=np.int64)
    ultimo = valor[np.append(inicios[1:], valor.size) - 1]
    # The first time may come soon after the file's beginning.
    crece = (de_nuevo > 0) & (bajan - de_nuevo <= 1) & (suben >= HORAS_CRECIENTES * (bajan + 1))
    crece |= (bajan == 0) & (suben >= HORAS_DE_UN_DIA) & (ultimo > CONTADOR_MINIMO_KWH)
    crece &= (bajan > 0) | (ultimo > _CRECE_SIN_EMPEZAR * valor[inicios])
    for cliente in dias.cliente[changes(dias.cliente)][crece].tolist():
        detalle = "sus valores no dejan de crecer cada día: parecen un contador, no consumos"
        suyos = np.flatnonzero(dias.cliente == cliente)
        primera, ultima = dias.rows(int(suyos[0])).start, dias.rows(int(suyos[-1])).stop
        if _once_a_day(np.flatnonzero(baja[primera:ultima]) + primera, dias):
            yield suyos, MotivoArchivo.LECTURA_DE_CONTADOR, detalle


def _once_a_day(bajadas: Enteros, dias: _Days) -> bool:
    """Return whether a counter begins anew at one hour of the day, as rows say; or never."""
    if bajadas.size < 2:
        return not bajadas.size or bool(np.isin(bajadas[0], dias.inicios))
    lejos = (dias.hora[bajadas] - dias.hora[bajadas[0]] + 12) % 24 - 12
    # The clock goes back and forth an hour.
    return bool((np.abs(lejos) <= 1).all())


def _totals(
    valor: NDArray[np.float64], dias: _Days
) -> Iterator[tuple[Enteros, MotivoArchivo, str]]:
    """Yield the days of which one hour is the sum of the others, day after day."""
    mayor = np.maximum.reduceat(valor, dias.inicios)
    suma = np.add.reduceat(valor, dias.inicios)
    hay = np.add.reduceat(valor > 0, dias.inicios, dtype=np.int64)
    # A sum over the cut is a total too.
    es_total = (hay > HORAS_DE_PRUEBA) & (np.abs(suma - 2 * mayor) <= _IGUAL_KWH)
    for suyos in dias.of_customers(es_total):
        cuales = suyos[es_total[suyos]]
        if 2 * cuales.size >= (hay[suyos] > HORAS_DE_PRUEBA).sum():
            detalle = "una de sus horas es la suma de las otras: parece el total del día"
            yield cuales, MotivoArchivo.INTERVALO_NO_HORARIO, detalle
