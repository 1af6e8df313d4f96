"""Anomalies as columns: whatever is added up of them, with whatever filter, takes a moment.

A day of anomalies is a few hundred numbers; months of them fit where a list of documents would not.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.domain import SEVERIDADES, TIPOS, hora_absoluta
from pipeline.stores.anomaly_records import FiltroAnomalias

_SEVERIDAD = {str(severidad): i for i, severidad in enumerate(SEVERIDADES)}
_TIPO = {str(tipo): 1 << bit for bit, tipo in enumerate(TIPOS)}
_EPOCA = datetime(1970, 1, 1, tzinfo=UTC)


class FilaAnomalia(NamedTuple):
    """An anomaly as it comes from the store; ``estado`` is an index into ``estados``."""

    id: bytes
    propietario_id: str
    timestamp_consumo: datetime
    timestamp_deteccion: datetime
    consumo_kwh: float
    consumo_esperado_kwh: float | None
    tipos_anomalia: list[str]
    score_anomalia: float
    severidad: str
    es_sospechoso: bool
    estado: int


@dataclass(frozen=True, slots=True, eq=False)
class Columnas:
    """Anomalies, one a place.

    Parameters
    ----------
    nombres : tuple of str
        Customers in the order of their names; more than there are anomalies of, once some are left
        out. It never changes, so no thread can see a number without its name.
    id : ndarray (n,), V12
    cliente : ndarray (n,), int32
        Place in ``nombres``.
    hora : ndarray (n,), int64
        Absolute hour of the reading.
    deteccion : ndarray (n,), int64
        Milliseconds since 1970.
    kwh, esperado : ndarray (n,), float64
        NaN = no expected consumption.
    score : ndarray (n,), float64
        0 to 1.
    severidad, estado : ndarray (n,), uint8
    tipos : ndarray (n,), uint16
        Bit mask.
    sospechoso : ndarray (n,), bool
    """

    nombres: tuple[str, ...]
    id: NDArray[np.void]
    cliente: NDArray[np.int32]
    hora: NDArray[np.int64]
    deteccion: NDArray[np.int64]
    kwh: NDArray[np.float64]
    esperado: NDArray[np.float64]
    score: NDArray[np.float64]
    severidad: NDArray[np.uint8]
    estado: NDArray[np.uint8]
    tipos: NDArray[np.uint16]
    sospechoso: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.hora.shape[0])

    def take(self, cuales: NDArray[Any]) -> Columnas:
        """Return the anomalies at some places, or where a mask is true."""
        _, *columnas = (getattr(self, campo.name) for campo in fields(self))
        return Columnas(self.nombres, *(columna[cuales] for columna in columnas))

    def number(self, nombre: str) -> int:
        """Return a customer's place in ``nombres``, -1 if it has none."""
        lugar = bisect.bisect_left(self.nombres, nombre)
        return lugar if self.nombres[lugar : lugar + 1] == (nombre,) else -1


def make_columns(filas: Iterable[FilaAnomalia]) -> Columnas:
    """Return anomalies as columns."""
    lista = list(filas)
    n = len(lista)
    nombres = tuple(sorted({f.propietario_id for f in lista}))
    numeros = {nombre: numero for numero, nombre in enumerate(nombres)}
    esperado = [np.nan if f.consumo_esperado_kwh is None else f.consumo_esperado_kwh for f in lista]
    return Columnas(
        nombres,
        # As voids: S would drop the zero bytes at the end of an id.
        id=np.array([f.id for f in lista], dtype="V12") if n else np.empty(0, "V12"),
        cliente=np.fromiter((numeros[f.propietario_id] for f in lista), np.int32, n),
        hora=np.fromiter((hora_absoluta(f.timestamp_consumo) for f in lista), np.int64, n),
        deteccion=np.fromiter((_millis(f.timestamp_deteccion) for f in lista), np.int64, n),
        kwh=np.fromiter((f.consumo_kwh for f in lista), np.float64, n),
        esperado=np.array(esperado, np.float64),
        score=np.fromiter((f.score_anomalia for f in lista), np.float64, n),
        severidad=np.fromiter((_SEVERIDAD[f.severidad] for f in lista), np.uint8, n),
        estado=np.fromiter((f.estado for f in lista), np.uint8, n),
        tipos=np.fromiter((type_mask(f.tipos_anomalia) for f in lista), np.uint16, n),
        sospechoso=np.fromiter((f.es_sospechoso for f in lista), np.bool_, n),
    )


def choose(columnas: Columnas, filtro: FiltroAnomalias, estados: Sequence[str]) -> Columnas:
    """Return the anomalies that a filter lets through; those that are normal by now do not."""
    elegidas = np.ones(len(columnas), np.bool_)
    if filtro.severidades:
        elegidas &= np.isin(columnas.severidad, [_SEVERIDAD[s] for s in filtro.severidades])
    else:
        elegidas &= columnas.severidad > 0
    if filtro.propietario_id is not None:
        elegidas &= columnas.cliente == columnas.number(filtro.propietario_id)
    if filtro.desde is not None:
        elegidas &= columnas.hora >= -(-(filtro.desde - _EPOCA).total_seconds() // 3600)
    if filtro.hasta is not None:
        elegidas &= columnas.hora < -(-(filtro.hasta - _EPOCA).total_seconds() // 3600)
    if filtro.estados:
        elegidas &= np.isin(columnas.estado, [estados.index(e) for e in filtro.estados])
    if filtro.tipos:
        elegidas &= columnas.tipos & np.uint16(type_mask(filtro.tipos)) > 0
    return columnas.take(elegidas)


def type_mask(tipos: Iterable[str]) -> int:
    """Return the bit mask of some types; one that we do not know has no bit.

    Examples
    --------
    >>> type_mask(["pico_consumo", "de otra versión"])
    2
    """
    mascara = 0
    for tipo in tipos:
        mascara |= _TIPO.get(tipo, 0)
    return mascara


def _millis(momento: datetime) -> int:
    return round((momento - _EPOCA).total_seconds() * 1000)
