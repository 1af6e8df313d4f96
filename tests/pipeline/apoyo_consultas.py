"""Some months of readings with verdicts, in both stores, and the same as plain rows to compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from bson import ObjectId
from contracts.sondas import conectar

from detection.domain import (
    SEVERIDADES,
    Explicacion,
    Lecturas,
    Veredictos,
    hora_absoluta,
    instante,
    nombres_de_tipos,
)
from pipeline.stores.mongo.anomalies import LoteAnomalias
from serving.local_time import load_calendario
from serving.settings import Settings

ZONA = "Europe/Madrid"
AHORA = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
DESDE = datetime(2026, 9, 20, tzinfo=UTC)
HASTA = datetime(2026, 11, 24, 11, tzinfo=UTC)
"""Over the end of summer time; the last reading is of the hour of ``AHORA``."""
CLIENTES = tuple(f"CLI_{i:05d}" for i in range(1, 21))
ANTIGUO = "VIEJO_01"
"""A customer with readings in the first week only, all of them archived."""
LIMITE_ARCHIVO = date(2026, 10, 5)
ESTADOS = ("abierta", "confirmada", "descartada")
UMBRALES = (50, 65, 80, 90)


@dataclass(frozen=True)
class Fila:
    """A reading with its verdict, by Python's own calendar."""

    cliente: str
    hora_utc: int
    kwh: float
    fecha: date
    hora: int
    centesimas: int
    severidad: str
    tipos: tuple[str, ...]
    sospechoso: bool
    esperado: float | None

    @property
    def momento(self) -> datetime:
        return instante(self.hora_utc)


def hacer_datos() -> tuple[Lecturas, Veredictos]:
    """Return the readings of all customers, hour after hour; one in 50 is an anomaly."""
    rng = np.random.default_rng(20261124)
    horas = np.arange(hora_absoluta(DESDE), hora_absoluta(HASTA))
    quien = np.concatenate([np.tile(np.arange(20), len(horas)), np.full(7 * 24, 20)])
    hora = np.concatenate([np.repeat(horas, 20), horas[: 7 * 24]])
    n = len(hora)
    local = load_calendario(ZONA).local(hora)
    forma = 1 + 0.5 * np.sin((local % 24) / 24 * 2 * np.pi)
    kwh = np.round((0.2 + quien / 10) * forma * rng.gamma(20, 0.05, n), 3)
    centesimas = rng.integers(0, 50, n)
    anomalas = rng.random(n) < 0.02
    centesimas[anomalas] = rng.integers(50, 101, anomalas.sum())
    severidad = np.searchsorted(UMBRALES, centesimas, side="right")
    tipos = np.where(anomalas, rng.integers(1, 256, n), 0)
    esperado = np.where(rng.random(n) < 0.1, np.nan, np.round(kwh * rng.uniform(0.5, 1.5, n), 3))
    ids = [*CLIENTES, ANTIGUO]
    vacias = np.full((n, 1), np.nan, np.float32)
    veredictos = Veredictos(
        local, centesimas.astype(np.uint8), severidad.astype(np.uint8), tipos.astype(np.uint8),
        (quien == 3) & (hora >= horas[-500]), esperado.astype(np.float32),
        esperado.astype(np.float32), esperado.astype(np.float32), "prueba-1", vacias,
        vacias[:, :, None],
    )  # fmt: skip
    return Lecturas([ids[i] for i in quien], hora, kwh), veredictos


def filas_de(lecturas: Lecturas, veredictos: Veredictos) -> list[Fila]:
    """Return a batch as rows."""
    filas = []
    for i, cliente in enumerate(lecturas.propietario_id):
        local = datetime(1970, 1, 1) + timedelta(hours=int(veredictos.hora_local[i]))
        esperado = veredictos.esperado_kwh[i]
        filas.append(
            Fila(
                cliente, int(lecturas.hora_utc[i]), float(lecturas.consumo_kwh[i]), local.date(),
                local.hour, int(veredictos.score_centesimas[i]),
                str(SEVERIDADES[veredictos.severidad[i]]),
                tuple(nombres_de_tipos(int(veredictos.tipos[i]))),
                bool(veredictos.es_sospechoso[i]),
                None if np.isnan(esperado) else float(str(esperado)),
            )
        )  # fmt: skip
    return filas


def hacer_anomalias() -> list[dict[str, Any]]:
    """Return the anomalies as documents, each found an hour after its reading.

    One in ten is confirmed, one in ten rejected; three more are of readings that are normal by now.
    """
    lecturas, veredictos = hacer_datos()
    anomalas = np.flatnonzero(veredictos.severidad > 0)
    de_ahora = lecturas.hora_utc == lecturas.hora_utc.max()
    normal = np.flatnonzero(de_ahora & (veredictos.severidad == 0))[-3:]
    todas = np.concatenate([anomalas, normal])
    lecturas, veredictos = lecturas.elegir(todas), veredictos.elegir(todas)
    ex = [[Explicacion("fraude", 0.9, 0.5, True, f"Frase {i}.")] for i in range(len(todas))]
    lote = LoteAnomalias(lecturas, veredictos, ex, np.zeros(len(todas), np.bool_), conservado=False)
    azar = np.random.default_rng(7).choice(ESTADOS, len(todas), p=(0.8, 0.1, 0.1)).tolist()
    azar[-3:] = ["confirmada"] * 3
    return [
        lote.document(
            i,
            {
                "_id": ObjectId(f"{i + 1:024x}"),
                "estado": azar[i],
                "timestamp_deteccion": instante(int(lecturas.hora_utc[i]) + 1),
            },
        )
        for i in range(len(todas))
    ]


def limite_archivo() -> datetime:
    """Return the instant at which the first day that is not archived begins."""
    return datetime.combine(LIMITE_ARCHIVO, time(), ZoneInfo(ZONA)).astimezone(UTC)


def ejecutar(entorno: Settings, *ordenes: str) -> None:
    """Run statements, each a transaction of its own."""
    conexion = conectar(entorno)
    conexion.autocommit = True
    with conexion.cursor() as cursor:
        for orden in ordenes:
            cursor.execute(orden)
    conexion.close()


def elegir(
    filas: Sequence[Fila], cliente: str | None, desde: datetime = DESDE, hasta: datetime = HASTA
) -> list[Fila]:
    """Return the rows of a customer, or of all, between two instants, in order of time."""
    primera, fin = hora_absoluta(desde), hora_absoluta(hasta)
    return sorted(
        (f for f in filas if cliente in {f.cliente, None} and primera <= f.hora_utc < fin),
        key=lambda f: f.hora_utc,
    )


def media(filas: Sequence[Fila]) -> float:
    return float(np.mean([f.kwh for f in filas]))


def contar(filas: Sequence[Fila]) -> dict[str, int]:
    """Return how many rows there are of each severidad but normal."""
    severidades = [f.severidad for f in filas]
    return {s: severidades.count(s) for s in ("baja", "media", "alta", "crítica")}
