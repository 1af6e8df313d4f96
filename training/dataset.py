"""What a version learns from, is calibrated on and is judged on, out of the stored history.

The split is by time: the last ``RETENIDOS_DIAS`` days are held out, all before them may be learnt
from. Of that, readings that were flagged are left out. Of the held-out customers they are not:
what a clean customer does once a month is the tail that the calibration has to know. Held-out
customers are chosen as a whole: never under suspicion, never with a confirmed fraud. Half of them
judge, on the held-out days. The other half calibrate, on eight weeks: nothing is learnt from them
at any time, for two weeks of a few customers say too little of a tail in which one journey is a
hundred readings. So no threshold is judged on the customers that it was set by. Which half a
customer is in is in its name: in every training the same, or else the champion would be judged on
the customers that it was calibrated on.

Blocks of customers go through ``DetectorConsumo.measure``, the very path of live readings, from
28 days before the window on: a feature in the sample is the feature that the consumer computed.
Ten million readings are read within what one block takes, and the sample.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import HORAS_POR_DIA, Calendario, Historia
from detection.errors import PermanentError
from detection.features.hourly import RASGOS
from detection.params import HORAS_VENTANA
from training.history import (
    PASADO_HORAS,
    DrawnCustomers,
    HeldOut,
    HistoryReader,
    by_lot,
    draw_customers,
    load_held_out,
    lot_of,
    readings_of,
)

_LOG = logging.getLogger("entrenamiento")

RETENIDOS_DIAS = 14
"""Days at the end that no model learns from: both kinds of day, twice. By hand, 2026-11-24."""
RETENIDOS_HORAS = RETENIDOS_DIAS * HORAS_POR_DIA
CALIBRACION_DIAS = 56
"""Last days on which the customers that calibrate do so. By hand, 2026-11-24."""
PARTE_PRESENTE = 0.8
"""Share of a held-out customer's hours that must be there. By hand, 2026-11-24."""
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
_CUENTAS = ("clientes", "lecturas", "sin_pasado", "marcadas", "confirmadas")
MINIMO_FILAS = 1_000
"""Readings to learn from, at least: four times what one tree of the forest draws."""


class HistoriaCortaError(PermanentError):
    """The history is still too short, or of too few customers, for a model."""


@dataclass(frozen=True, slots=True)
class Limites:
    """How much is read at once, and kept. By hand, 2026-11-24."""

    filas: int = 200_000  # rows to learn from, in all: each of a hundred trees draws 256
    filas_por_cliente: int = 2_000  # rows of one customer, so that none dominates
    clientes: int = 10_000  # customers that are read, not more than ``filas``
    # calibran, juzgan: customers held out for either.
    calibran: int = 200
    juzgan: int = 100
    # lecturas_por_bloque, clientes_por_bloque: what is in memory at once: 400 000 readings measured
    # take about 150 MB.
    lecturas_por_bloque: int = 400_000
    clientes_por_bloque: int = 200


@dataclass(frozen=True, slots=True)
class TrainingWindow:
    """Absolute hours: learnt from are ``[desde, corte)``, held out are ``[corte, hasta)``."""

    desde_hora: int
    corte_hora: int
    hasta_hora: int


@dataclass(frozen=True, slots=True, eq=False)
class Muestra:
    """What was read."""

    ventana: TrainingWindow
    rasgos: NDArray[np.float32]  # (m, F): features to learn from, by customer and hour
    propietario_id: list[str]  # (m,)
    hora_utc: NDArray[np.int64]  # (m,)
    # calibracion, evaluacion: of disjoint customers.
    calibracion: HeldOut
    evaluacion: HeldOut
    recuento: Mapping[str, int]  # customers, readings, and how many were left out for which reason
    # Live, on average: all known customers over the topic's partitions.
    clientes_por_particion: float
    sha256: str  # of all that was read: customers, hours, kWh, and what could be learnt from
    elegidos: DrawnCustomers  # whose history was read


def training_window(primera_hora: int | None, ultima_hora: int | None, dias: int) -> TrainingWindow:
    """Return the window: ``dias`` days to learn from, or what there is, and those held out.

    ``primera_hora``, ``ultima_hora``: first and last absolute hour of the history; None = it is
    empty. ``HistoriaCortaError``: there is no history, or too little of it.
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
    return TrainingWindow(max(primera_hora, corte - dias * HORAS_POR_DIA), corte, hasta)


def read_muestra(
    almacen: HistoryReader,
    calendario: Calendario,
    ventana: TrainingWindow,
    *,
    semilla: int,
    confirmados: Mapping[str, int],
    particiones: int,
    limites: Limites | None = None,
) -> Muestra:
    """Return the sample of a window; the same history and seed give the same sample.

    ``confirmados``: first absolute hour of a confirmed fraud by customer; from 28 days before it
    on, nothing is learnt from that customer. ``particiones``: of the topic, >= 1.
    ``PermanentError``: nothing in them ever changes, or (``HistoriaCortaError``) there are too few.
    ``TransientError``: the history is away.
    """
    limites, hasta = limites or Limites(), ventana.hasta_hora
    elegidos = _draw_trainable(almacen, ventana, limites, semilla)
    detector = DetectorConsumo(calendario)
    muestreo = SampleReader(almacen, detector, ventana, semilla, confirmados, limites)
    muestreo.read(elegidos.clientes)
    calibran, juzgan = _split(muestreo.limpios, limites)
    propietario_id, hora_utc, rasgos = muestreo.without(calibran)
    _check_features(rasgos)
    por_particion = elegidos.conocidos / particiones
    retenidas = [
        load_held_out(almacen, ids, (hasta - dias * HORAS_POR_DIA, hasta), por_particion)
        for ids, dias in ((calibran, CALIBRACION_DIAS), (juzgan, RETENIDOS_DIAS))
    ]
    _add_readings(muestreo.huella, retenidas)
    muestreo.recuento |= {
        "clientes_conocidos": elegidos.conocidos, "clientes_con_historia": elegidos.con_historia,
        "filas": len(rasgos), "clientes_calibran": len(calibran), "clientes_juzgan": len(juzgan),
    }  # fmt: skip
    return Muestra(
        ventana, rasgos, propietario_id, hora_utc, retenidas[0], retenidas[1],
        muestreo.recuento, por_particion, muestreo.huella.hexdigest(), elegidos,
    )  # fmt: skip


def _add_readings(huella: Any, retenidas: Sequence[HeldOut]) -> None:
    for lecturas in (parte.lecturas for parte in retenidas):
        huella.update("\n".join(lecturas.propietario_id).encode())
        huella.update(lecturas.hora_utc.tobytes())
        huella.update(lecturas.consumo_kwh.tobytes())


def _draw_trainable(
    almacen: HistoryReader, ventana: TrainingWindow, limites: Limites, semilla: int
) -> DrawnCustomers:
    """Return whose history is read: those who are there in each week before the cut."""
    corte = ventana.corte_hora
    elegidos = draw_customers(
        almacen, (ventana.desde_hora, ventana.hasta_hora),
        (corte - MINIMO_DIAS * HORAS_POR_DIA, corte, PARTES_PASADO),
        limites.clientes, (semilla, "cliente"),
    )  # fmt: skip
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
    _LOG.info("se leen %s", elegidos)
    return elegidos


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


def _check_features(rasgos: NDArray[np.float32]) -> None:
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


@dataclass(slots=True, eq=False)
class SampleReader:
    """One pass over the customers, block by block, that keeps only the rows that are drawn."""

    almacen: HistoryReader
    detector: DetectorConsumo
    ventana: TrainingWindow
    semilla: int
    confirmados: Mapping[str, int]
    limites: Limites
    filas: list[tuple[str, NDArray[np.int64], NDArray[np.float32]]] = field(default_factory=list)
    limpios: list[str] = field(default_factory=list)
    recuento: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_CUENTAS, 0))
    huella: Any = field(default_factory=hashlib.sha256)

    def without(
        self, propietario_id: Sequence[str]
    ) -> tuple[list[str], NDArray[np.int64], NDArray[np.float32]]:
        """Return customer, hour and features of the rows drawn, but for those of some customers."""
        fuera = frozenset(propietario_id)
        filas = [fila for fila in self.filas if fila[0] not in fuera]
        return (
            [propietario for propietario, horas, _ in filas for _ in range(horas.size)],
            np.concatenate([np.empty(0, np.int64), *(horas for _, horas, _ in filas)]),
            np.concatenate([np.empty((0, len(RASGOS)), np.float32), *(x for _, _, x in filas)]),
        )

    def read(self, clientes: Sequence[str]) -> None:
        """Read customers, sorted by their ids."""
        v, limites = self.ventana, self.limites
        horas = v.hasta_hora - v.desde_hora + HORAS_VENTANA
        tamano = max(1, min(limites.clientes_por_bloque, limites.lecturas_por_bloque // horas))
        por_cliente = max(1, min(limites.filas_por_cliente, limites.filas // len(clientes)))
        for inicio in range(0, len(clientes), tamano):
            ids = clientes[inicio : inicio + tamano]
            historia = self.almacen.load_range(ids, v.desde_hora - HORAS_VENTANA, v.hasta_hora)
            self._read_block(ids, historia, por_cliente)
            _LOG.info(
                "leídos %d de %d clientes, %d lecturas",
                inicio + len(ids), len(clientes), self.recuento["lecturas"],
            )  # fmt: skip
        self.recuento["clientes"] = len(clientes)

    def _read_block(self, ids: Sequence[str], historia: Historia, por_cliente: int) -> None:
        antes = np.flatnonzero(historia.hora_utc < self.ventana.corte_hora)
        lecturas = readings_of(ids, historia).elegir(antes)
        rasgos = self.detector.measure(lecturas).rasgos
        self.detector.forget(ids)
        sirve = self._usable(ids, historia, antes, rasgos)
        for i, filas in _runs(historia.indice, len(ids)):
            if self._is_clean(ids[i], historia, filas):
                self.limpios.append(ids[i])
        for i, filas in _runs(historia.indice[antes], len(ids)):
            hora = lecturas.hora_utc[filas]
            self.huella.update(f"|{ids[i]}|{hora.size}|".encode())
            for columna in (hora, lecturas.consumo_kwh[filas], sirve[filas]):
                self.huella.update(columna.tobytes())
            posibles = filas.start + np.flatnonzero(sirve[filas])
            elegidas = _draw(self.semilla, ids[i], lecturas.hora_utc, posibles, por_cliente)
            self.filas.append((ids[i], lecturas.hora_utc[elegidas], rasgos[elegidas]))

    def _usable(
        self,
        ids: Sequence[str],
        historia: Historia,
        antes: NDArray[np.int64],
        rasgos: NDArray[np.float32],
    ) -> NDArray[np.bool_]:
        """Return what of a block may be learnt from, and count the rest by its reason."""
        nunca = np.iinfo(np.int64).max
        limite = np.array([self.confirmados.get(p, nunca) - HORAS_VENTANA for p in ids], np.int64)
        indice, hora = historia.indice[antes], historia.hora_utc[antes]
        dentro = hora >= self.ventana.desde_hora
        lista = ~np.isnan(rasgos).any(axis=1)
        confirmada = hora >= limite[indice]
        umbral = self.detector.params.umbral_media
        marcada = (historia.score_centesimas >= umbral) | historia.es_sospechoso
        marcada = marcada[antes]
        self.recuento["lecturas"] += int(dentro.sum())
        self.recuento["sin_pasado"] += int((dentro & ~lista).sum())
        self.recuento["confirmadas"] += int((dentro & lista & confirmada).sum())
        self.recuento["marcadas"] += int((dentro & lista & ~confirmada & marcada).sum())
        sirve: NDArray[np.bool_] = dentro & lista & ~confirmada & ~marcada
        return sirve

    def _is_clean(self, propietario_id: str, historia: Historia, filas: slice) -> bool:
        hora, hasta = historia.hora_utc[filas], self.ventana.hasta_hora
        seguidas = hora >= hasta - CALIBRACION_DIAS * HORAS_POR_DIA - PASADO_HORAS
        seis_semanas = RETENIDOS_HORAS + PASADO_HORAS
        return bool(
            propietario_id not in self.confirmados
            and not (seguidas & historia.es_sospechoso[filas]).any()
            and (hora >= hasta - seis_semanas).sum() >= PARTE_PRESENTE * seis_semanas
        )


def _runs(indice: NDArray[np.int64], n: int) -> Iterator[tuple[int, slice]]:
    """Give each customer of a block with its rows, which lie together."""
    limites = np.searchsorted(indice, np.arange(n + 1)).tolist()
    return ((i, slice(limites[i], limites[i + 1])) for i in range(n))


def _draw(
    semilla: int,
    propietario_id: str,
    hora: NDArray[np.int64],
    posibles: NDArray[np.int64],
    cuantas: int,
) -> NDArray[np.int64]:
    """Return ``cuantas`` of the possible rows, in order, drawn by customer and hour alone.

    So neither the order of blocks nor their size, nor a customer more, changes who is drawn.
    """
    if posibles.size <= cuantas:
        return posibles
    clave = hashlib.blake2b(f"{semilla}|{propietario_id}".encode(), digest_size=8).digest()
    # The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) over key and hour.
    x = hora[posibles].astype(np.uint64) + np.frombuffer(clave, np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.array([0xBF58476D1CE4E5B9], np.uint64)
    x = (x ^ (x >> np.uint64(27))) * np.array([0x94D049BB133111EB], np.uint64)
    x ^= x >> np.uint64(31)
    elegidas: NDArray[np.int64] = np.sort(posibles[np.argsort(x, kind="stable")[:cuantas]])
    return elegidas
