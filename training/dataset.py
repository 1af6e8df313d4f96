"""What a version learns from, is calibrated on and is judged on, out of PostgreSQL.

The split is by time: the last ``RETENIDOS_DIAS`` days are held out, all before them may be learnt
from. How history is read without filling the memory is in ``lectura.py``.

Of what may be learnt, readings that were flagged are left out. Of the held-out customers they are
not: what a clean customer does once a month is the tail that the calibration has to know. Held-out
customers are chosen as a whole: never under suspicion, never with a confirmed fraud. Half of them
judge, on the held-out days. The other half calibrate, on eight weeks: nothing is learnt from them
at any time, for two weeks of a few customers say too little of a tail in which one journey is a
hundred readings. So no threshold is judged on the customers that it was set by. Which half a
customer is in is in its name: in every training the same, or else the champion would be judged on
the customers that it was calibrated on.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, Calendario, Lecturas
from detection.errors import PermanentError
from detection.features.hourly import RASGOS
from detection.params import Params
from training.history_reader import (
    CALIBRACION_DIAS,
    PASADO_HORAS,
    RETENIDOS_DIAS,
    RETENIDOS_HORAS,
    Elegidos,
    Lector,
    Lectura,
    Limites,
    Ventana,
    by_lot,
    choose,
    lot_of,
    readings_of,
)

__all__ = [
    "RETENIDOS_DIAS",
    "HistoriaCortaError",
    "Lector",
    "Limites",
    "Muestra",
    "Retenidas",
    "Ventana",
    "by_lot",
    "load_retenidas",
    "make_ventana",
    "partition_of",
    "partitions_for",
    "read_muestra",
    "readings_of",
]

_LOG = logging.getLogger("entrenamiento")

MINIMO_DIAS = 29
"""Days to learn from, at least: a whole window of 28 and a day after it."""
PARTES_PASADO = 4
"""Of the ``MINIMO_DIAS`` before the cut: weeks, in each of which a customer is read."""
MINIMO_POR_PAPEL = 2
MINIMO_CLIENTES = 2 * MINIMO_POR_PAPEL
"""Two to calibrate on and two to be judged on."""
SEMILLA_PAPEL = 0
"""Of who calibrates and who judges; never the training's, with which they would change sides."""
MITAD = bytes([0x80])
"""Half of all lots are before it."""
MINIMO_FILAS = 1_000
"""Readings to learn from, at least: four times what one tree of the forest draws."""


class HistoriaCortaError(PermanentError):
    """The history is still too short, or of too few customers, for a model."""


@dataclass(frozen=True, slots=True, eq=False)
class Retenidas:
    """Readings of held-out customers in the order of the log: by hour, then customer.

    Parameters
    ----------
    lecturas : Lecturas
        With the past that they are compared with.
    particion : ndarray (n,), int32
        Partition that each customer's readings go to: few, so that each has about as many
        customers as one of the topic has live.
    retenida : ndarray (n,), bool
        The reading is held out, not only the past of one.
    """

    lecturas: Lecturas
    particion: NDArray[np.int32]
    retenida: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Muestra:
    """What was read.

    Parameters
    ----------
    ventana : Ventana
    rasgos : ndarray (m, F), float32
        Features to learn from, by customer and hour.
    propietario_id : list of str (m,)
    hora_utc : ndarray (m,), int64
    calibracion, evaluacion : Retenidas
        Of disjoint customers.
    recuento : mapping of str to int
        Customers, readings, and how many were left out for which reason.
    clientes_por_particion : float
        Live, on average: all known customers over the topic's partitions.
    sha256 : str
        Of all that was read: customers, hours, kWh, and what could be learnt from.
    elegidos : Elegidos
        Whose history was read.
    """

    ventana: Ventana
    rasgos: NDArray[np.float32]
    propietario_id: list[str]
    hora_utc: NDArray[np.int64]
    calibracion: Retenidas
    evaluacion: Retenidas
    recuento: Mapping[str, int]
    clientes_por_particion: float
    sha256: str
    elegidos: Elegidos


def make_ventana(primera_hora: int | None, ultima_hora: int | None, dias: int) -> Ventana:
    """Return the window: ``dias`` days to learn from, or what there is, and those held out.

    Parameters
    ----------
    primera_hora, ultima_hora : int or None
        First and last absolute hour of the history; None = it is empty.

    Raises
    ------
    HistoriaCortaError
        There is no history, or too little of it.

    Examples
    --------
    >>> make_ventana(1000, 1000 + 60 * 24 - 1, 30)
    Ventana(desde_hora=1384, corte_hora=2104, hasta_hora=2440)
    """
    if primera_hora is None or ultima_hora is None:
        raise HistoriaCortaError("no hay historia con que entrenar: consumos_diarios está vacía")
    hasta = ultima_hora + 1
    corte = hasta - RETENIDOS_HORAS
    hay = (hasta - primera_hora) // HORAS_POR_DIA
    if corte - primera_hora < MINIMO_DIAS * HORAS_POR_DIA:
        raise HistoriaCortaError(
            f"la historia abarca {hay} días y para entrenar hacen falta al menos "
            f"{MINIMO_DIAS + RETENIDOS_DIAS} ({MINIMO_DIAS} de que aprender, incluidos los "
            f"{MINIMO_DIAS - 1} que llenan la ventana, y {RETENIDOS_DIAS} retenidos para evaluar)"
        )
    return Ventana(max(primera_hora, corte - dias * HORAS_POR_DIA), corte, hasta)


def read_muestra(
    almacen: Lector,
    calendario: Calendario,
    params: Params,
    ventana: Ventana,
    *,
    semilla: int,
    confirmados: Mapping[str, int],
    particiones: int,
    limites: Limites | None = None,
) -> Muestra:
    """Return the sample of a window; the same history and seed give the same sample.

    Parameters
    ----------
    confirmados : mapping of str to int
        First absolute hour of a confirmed fraud by customer; from 28 days before it on, nothing
        is learnt from that customer.
    particiones : int
        Of the topic, >= 1.

    Raises
    ------
    PermanentError
        Nothing in them ever changes, or (``HistoriaCortaError``) there are too few.
    TransientError
        The history is away.
    """
    limites = limites or Limites()
    elegidos, hasta = _choose(almacen, ventana, limites, semilla), ventana.hasta_hora
    lectura = Lectura(almacen, calendario, params, ventana, semilla, confirmados, limites)
    lectura.read(elegidos.clientes)
    calibran, juzgan = _split(lectura.limpios, limites)
    propietario_id, hora_utc, rasgos = lectura.without(calibran)
    _check(rasgos)
    por_particion = elegidos.conocidos / particiones
    retenidas = [
        load_retenidas(almacen, ids, (hasta - dias * HORAS_POR_DIA, hasta), por_particion)
        for ids, dias in ((calibran, CALIBRACION_DIAS), (juzgan, RETENIDOS_DIAS))
    ]
    _hash_into(lectura.huella, retenidas)
    lectura.recuento |= {
        "clientes_conocidos": elegidos.conocidos, "clientes_con_historia": elegidos.con_historia,
        "filas": rasgos.shape[0],
        "clientes_calibran": len(calibran), "clientes_juzgan": len(juzgan),
    }  # fmt: skip
    return Muestra(
        ventana, rasgos, propietario_id, hora_utc, retenidas[0], retenidas[1],
        lectura.recuento, por_particion, lectura.huella.hexdigest(), elegidos,
    )  # fmt: skip


def _choose(almacen: Lector, ventana: Ventana, limites: Limites, semilla: int) -> Elegidos:
    """Return whose history is read: those who are there in each week before the cut."""
    corte = ventana.corte_hora
    elegidos = choose(
        almacen, (ventana.desde_hora, ventana.hasta_hora),
        (corte - MINIMO_DIAS * HORAS_POR_DIA, corte, PARTES_PASADO),
        limites.clientes, (semilla, "cliente"),
    )  # fmt: skip
    _check_customers(elegidos)
    _LOG.info("se leen %s", elegidos)
    return elegidos


def _hash_into(huella: Any, retenidas: Sequence[Retenidas]) -> None:
    for parte in retenidas:
        huella.update("\n".join(parte.lecturas.propietario_id).encode())
        huella.update(parte.lecturas.hora_utc.tobytes())
        huella.update(parte.lecturas.consumo_kwh.tobytes())


def partition_of(propietario_id: str, particiones: int) -> int:
    """Return a customer's partition: a stable hash, as Kafka spreads its keys.

    Examples
    --------
    >>> partition_of("CLI_00001", 6)
    0
    """
    return zlib.crc32(propietario_id.encode()) % particiones


def partitions_for(clientes: int, clientes_por_particion: float) -> int:
    """Return into how many partitions some customers go to have as many each as live have.

    What the online model finds rare depends on how many customers it has learnt from.

    Parameters
    ----------
    clientes_por_particion : float
        > 0; where there are fewer customers than that, one partition is as near as it gets.

    Examples
    --------
    >>> partitions_for(24, 50 / 6), partitions_for(200, 300.0)
    (3, 1)
    """
    return max(1, round(clientes / clientes_por_particion))


def _split(limpios: list[str], limites: Limites) -> tuple[list[str], list[str]]:
    """Return who calibrates and who judges, by the half of all lots that theirs is in.

    Where few are on one side, the nearest lots of the other make up for it.
    """
    if len(limpios) < MINIMO_CLIENTES:
        raise HistoriaCortaError(
            f"solo {len(limpios)} clientes sin sospecha tienen casi completas las últimas seis "
            f"semanas y hacen falta al menos {MINIMO_CLIENTES}"
        )
    orden = by_lot(limpios, SEMILLA_PAPEL, "retenido")
    debajo = sum(lot_of(p, SEMILLA_PAPEL, "retenido") < MITAD for p in orden)
    medio = min(max(debajo, MINIMO_POR_PAPEL), len(orden) - MINIMO_POR_PAPEL)
    return orden[:medio][: limites.calibran], orden[medio:][::-1][: limites.juzgan]


def _check_customers(elegidos: Elegidos) -> None:
    n = elegidos.conocidos
    if n < MINIMO_CLIENTES:
        raise HistoriaCortaError(
            f"la historia es de {n} cliente{'s' * (n != 1)} y para entrenar hacen falta al menos "
            f"{MINIMO_CLIENTES}"
        )
    if elegidos.con_historia < MINIMO_CLIENTES:
        raise HistoriaCortaError(
            f"de los {n} clientes de la historia solo {elegidos.con_historia} tienen lecturas en "
            f"cada una de las {PARTES_PASADO} semanas anteriores a los {RETENIDOS_DIAS} días "
            f"retenidos, y para entrenar hacen falta al menos {MINIMO_CLIENTES}"
        )


def _check(rasgos: NDArray[np.float32]) -> None:
    if rasgos.shape[0] < MINIMO_FILAS:
        raise HistoriaCortaError(
            f"de la historia solo quedan {rasgos.shape[0]} lecturas limpias con pasado suficiente "
            f"y para entrenar hacen falta al menos {MINIMO_FILAS}"
        )
    constantes = np.ptp(rasgos, axis=0) == 0.0
    if constantes.all():
        raise PermanentError(
            "ningún rasgo varía en la historia: todas las lecturas son iguales y nada se aprende"
        )
    if constantes.any():
        cuales = ", ".join(n for n, c in zip(RASGOS, constantes, strict=True) if c)
        _LOG.warning("rasgos que no varían en toda la historia: %s", cuales)


def load_retenidas(
    almacen: Lector,
    ids: list[str],
    horas: tuple[int, int],
    clientes_por_particion: float,
    pasado_horas: int = PASADO_HORAS,
) -> Retenidas:
    """Return some customers' readings of the absolute hours ``[desde, hasta)``, and their past.

    Parameters
    ----------
    clientes_por_particion : float
        As live, > 0: they go into as many partitions as keep it.
    pasado_horas : int
        Hours before, >= 0.
    """
    ids = sorted(ids)
    desde, hasta = horas
    historia = almacen.load_range(ids, desde - pasado_horas, hasta)
    orden = np.lexsort((historia.indice, historia.hora_utc))
    lecturas = readings_of(ids, historia).elegir(orden)
    particiones = partitions_for(len(ids), clientes_por_particion)
    particion = np.array([partition_of(p, particiones) for p in ids], np.int32)
    return Retenidas(lecturas, particion[historia.indice[orden]], lecturas.hora_utc >= desde)
