"""A large customer's world for the benches: stores with months in them, and an API over them.

The data are those of an installation that has been running: readings scored by the detector in
their order, anomalies found an hour after their reading, months made by the nightly job.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from datos import SOSPECHOSOS_DE_100, TROZO, ZONA, make_detector
from pymongo import MongoClient

from detection.cases.records import Caso, DayEvidence
from detection.domain import HORAS_POR_DIA, Lecturas, hora_absoluta, instante
from detection.simulation.synthesis import make_population
from pipeline.embedded.probes import puerto_del_sistema
from pipeline.generator.service import generate_lecturas
from pipeline.jobs.aggregate import aggregate
from pipeline.stores.mongo.anomalies import ANOMALIAS, LoteAnomalias
from pipeline.stores.mongo.cases import MongoCaseStore
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.store import PostgresStore, migrate
from serving.settings import Settings

CASOS = 300
"""Open cases: of a thousand customers as many as nobody has."""


@dataclass(frozen=True)
class Mundo:
    """What there is to ask for."""

    clientes: list[str]
    graves: list[str]
    anomalias: list[str]
    casos: list[str]
    mes: str
    ahora: datetime


def fill(settings: Settings, clientes: int, dias: int, semilla: int) -> Mundo:
    """Store what a consumer would have stored by now."""
    migrate(settings)
    historial, anomalias = PostgresStore(settings), MongoAnomalyStore(settings)
    consultas = MongoQueries(settings)
    anomalias.ensure_indexes()
    consultas.ensure_indexes()
    ahora = datetime.now(UTC)
    hasta = hora_absoluta(ahora.replace(minute=0, second=0, microsecond=0))
    desde = hasta - dias * HORAS_POR_DIA
    sospechosos = clientes * SOSPECHOSOS_DE_100 // 100
    poblacion = make_population(semilla, clientes, sospechosos, desde + 28 * HORAS_POR_DIA, hasta)
    todas = generate_lecturas(poblacion, desde, hasta, ZONA)
    detector = make_detector()
    cliente: MongoClient[dict[str, Any]] = MongoClient(settings.mongo_host, settings.mongo_port)
    coleccion = cliente[settings.mongo_db][ANOMALIAS]
    documentos: list[dict[str, Any]] = []
    for inicio in range(0, len(todas), TROZO):
        trozo = slice(inicio, inicio + TROZO)
        lecturas = Lecturas(
            list(todas.propietario_id[trozo]), todas.hora_utc[trozo], todas.consumo_kwh[trozo]
        )
        veredictos = detector.score(lecturas)
        historial.save(lecturas, veredictos)
        cuales = np.flatnonzero(veredictos.severidad)
        explicaciones = [
            detector.explain(veredictos, i, float(lecturas.consumo_kwh[i])) for i in cuales.tolist()
        ]
        lote = LoteAnomalias(
            lecturas.elegir(cuales), veredictos.elegir(cuales), explicaciones,
            np.zeros(len(cuales), np.bool_), conservado=False,
        )  # fmt: skip
        for i in range(len(lote)):
            hallada = instante(int(lote.lecturas.hora_utc[i]) + 1) + timedelta(seconds=3)
            alta = {"estado": "abierta", "timestamp_deteccion": hallada}
            documentos.append(lote.document(i, alta))
    for inicio in range(0, len(documentos), 1_000):
        coleccion.insert_many(documentos[inicio : inicio + 1_000])
    aggregate(settings, None, ahora)
    for abierto in (historial, anomalias, consultas, cliente):
        abierto.close()
    recientes = documentos[-2_000:]
    nombres = sorted({uno.propietario_id for uno in poblacion})
    casos = [_case(nombre, ahora.date(), i) for i, nombre in enumerate(nombres[:CASOS])]
    with closing(MongoCaseStore(settings)) as abiertos:
        abiertos.save(casos)
    return Mundo(
        clientes=nombres,
        graves=sorted({d["propietario_id"] for d in recientes if d["severidad"] == "crítica"}),
        anomalias=[str(d["_id"]) for d in documentos],
        casos=[caso.clave for caso in casos],
        mes=(ahora - timedelta(days=31)).strftime("%Y-%m"),
        ahora=ahora,
    )


def _case(propietario_id: str, hoy: date, i: int) -> Caso:
    """Return a case that has been open for three weeks; the rules alone open none."""
    inicio = hoy - timedelta(days=27)
    evidencia = tuple(DayEvidence(inicio + timedelta(days=6 + d), 0.9) for d in range(21))
    return Caso(
        propietario_id=propietario_id, fecha_apertura=inicio + timedelta(days=6),
        fecha_inicio=inicio, fecha_cierre=None, hasta=hoy - timedelta(days=1), tipo="fraude",
        probabilidad=0.5 + 0.4 * (i % 10) / 10, consumo_antes_kwh=8.0, consumo_despues_kwh=4.0,
        energia_en_juego_kwh=100.0 + i, energia_minima_kwh=80.0, energia_maxima_kwh=200.0 + i,
        evidencia=evidencia, frase="Gasta 4 kWh al día y no 8.", version_modelo="v1",
    )  # fmt: skip


@contextmanager
def serve_api(settings: Settings, carpeta: Path) -> Iterator[int]:
    """Give the port of an API of our own, as ``consumo api`` starts it."""
    puerto = puerto_del_sistema()
    propias = {clave.upper(): str(valor) for clave, valor in settings.model_dump().items()}
    propias |= {"API_PORT": str(puerto), "API_LIMITE_MINUTO": "0"}
    with (carpeta / "api.log").open("wb") as registro:
        proceso = subprocess.Popen(
            [sys.executable, "consumo.py", "api"],
            env={**os.environ, **propias},
            stdout=registro,
            stderr=subprocess.STDOUT,
        )
        try:
            yield puerto
        finally:
            proceso.terminate()
            proceso.wait(30)
