"""The real API in a thread, over stores filled by the real detector."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx
import numpy as np
from bases import base_llena, nueva_base
from fastapi import FastAPI

from api.api_keys import key_hash
from api.app import api_server, create_api
from detection.detector import DetectorConsumo
from detection.domain import Lecturas, Veredictos, hora_absoluta, instante
from detection.simulation.synthesis import generate, make_population
from pipeline.embedded.services import EmbeddedServices
from pipeline.jobs.aggregate import aggregate
from pipeline.stores.mongo.cases import MongoCaseStore
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.store import PostgresStore
from pipeline.streaming.batch import ScoringProcessor
from serving.local_time import load_calendario
from serving.scorer import BatchOrigin, Scorer
from serving.settings import ROLES, Settings

AHORA = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
"""The app's clock; the latest reading is of the hour before."""
LOTE = 1000
PLAZO_S = 20.0
ZONA = "Europe/Madrid"
SEMILLA = 5
CLAVES = {rol: f"clave-de-prueba-{rol}" for rol in ROLES}


@dataclass(frozen=True)
class Datos:
    """What the stores hold: readings in order of arrival, and the settings that lead there."""

    settings: Settings
    lecturas: Lecturas
    clientes: list[str]
    desde: datetime
    hasta: datetime


def esperar(condicion: Callable[[], object], texto: str, plazo_s: float = PLAZO_S) -> None:
    """Return once a condition holds; fail with ``texto`` if it does not in time."""
    limite = time.monotonic() + plazo_s
    while not condicion():
        assert time.monotonic() < limite, f"not in time: {texto}"
        time.sleep(0.05)


def llenar(settings: Settings, lecturas: Lecturas, ahora_hora: int) -> None:
    """Store readings with the verdicts of the detector, as the consumer does."""
    historial, anomalias = PostgresStore(settings), MongoAnomalyStore(settings)
    casos = MongoCaseStore(settings)
    with contextlib.closing(historial), contextlib.closing(anomalias), contextlib.closing(casos):
        anomalias.ensure_indexes()
        casos.ensure_indexes()
        scorer = Scorer(DetectorConsumo(load_calendario(ZONA)), historial)
        procesador = ScoringProcessor(scorer, historial, anomalias, casos, lambda: ahora_hora)
        for desde in range(0, len(lecturas), LOTE):
            cuales = np.arange(desde, min(desde + LOTE, len(lecturas)))
            origen = BatchOrigin(
                np.zeros(cuales.size, np.int32), cuales, {0: int(cuales[-1]) + 1}, "r"
            )
            puntuado = procesador.draft(lecturas.elegir(cuales), origen)
            procesador.save(puntuado)
            procesador.accept(puntuado)


def sembrar(settings: Settings, clientes: int, sospechosos: int, dias: int) -> Datos:
    """Store, judge and aggregate the days before ``AHORA`` of some customers, frauds among them."""
    hasta = hora_absoluta(AHORA.replace(minute=0))
    desde = hasta - 24 * dias
    poblacion = make_population(SEMILLA, clientes, sospechosos, desde, hasta)
    lecturas = generate(poblacion, desde, hasta, load_calendario(ZONA)).lecturas()
    llenar(settings, lecturas, hasta)
    aggregate(settings, None, AHORA)
    nombres = sorted(set(lecturas.propietario_id))
    return Datos(settings, lecturas, nombres, instante(desde), instante(hasta))


@contextlib.contextmanager
def base_sembrada(
    servicios: EmbeddedServices, clientes: int, sospechosos: int, dias: int, **otras: object
) -> Iterator[Datos]:
    """Give a copy of its own of what ``sembrar`` stores of some customers."""
    with base_llena(servicios, sembrar, clientes, sospechosos, dias) as (settings, datos):
        with contextlib.closing(MongoAnomalyStore(settings)) as anomalias:
            anomalias.ensure_indexes()
        suya = Settings.model_validate({**settings.model_dump(), **otras})
        yield replace(datos, settings=suya)


@contextlib.contextmanager
def base_nueva(
    servicios: EmbeddedServices, *, migrada: bool = False, **otras: object
) -> Iterator[Settings]:
    """Give settings that lead to an empty database and an empty Mongo base of their own."""
    with nueva_base(servicios, migrada=migrada) as settings:
        yield Settings.model_validate({**settings.model_dump(), **otras})


@contextlib.contextmanager
def servir(
    settings: Settings, ahora: Callable[[], datetime] = lambda: AHORA
) -> Iterator[httpx.Client]:
    """Give a client of the API in a thread, on a free port, as ``consumo api`` serves it."""
    with servir_app(create_api(settings, ahora)) as http:
        yield http


@contextlib.contextmanager
def servir_app(app: FastAPI) -> Iterator[httpx.Client]:
    """Give a client of an app in a thread; at the end its server has stopped in good time."""
    with socket.create_server(("127.0.0.1", 0)) as enchufe:
        servidor = api_server(app)
        hilo = threading.Thread(target=servidor.run, kwargs={"sockets": [enchufe]})
        hilo.start()
        try:
            esperar(lambda: servidor.started or not hilo.is_alive(), "the API starts")
            assert servidor.started
            url = f"http://127.0.0.1:{enchufe.getsockname()[1]}"
            with httpx.Client(base_url=url, timeout=PLAZO_S, trust_env=False) as http:
                yield http
        finally:
            servidor.should_exit = True
            hilo.join(PLAZO_S)
            assert not hilo.is_alive()


def claves_de_prueba() -> str:
    """Return ``API_CLAVES`` with one key of each role."""
    return ",".join(f"{rol}-1:{rol}:{key_hash(clave)}" for rol, clave in CLAVES.items())


def es_problema(respuesta: httpx.Response, estado: int, texto: str = "") -> dict[str, object]:
    """Check that an answer is a problem of RFC 9457 with a status and a text; return its body."""
    assert respuesta.status_code == estado, respuesta.text
    assert respuesta.headers["content-type"] == "application/problem+json"
    cuerpo: dict[str, object] = respuesta.json()
    assert {"type", "title", "status", "detail", "instance", "peticion_id"} <= cuerpo.keys()
    assert cuerpo["status"] == estado
    assert cuerpo["peticion_id"] == respuesta.headers["x-request-id"]
    assert texto in str(cuerpo["detail"])
    return cuerpo


def veredictos(score: list[int], severidad: list[int], version: str) -> Veredictos:
    """Return verdicts (n,) with these scores, in hundredths, and severities."""
    n = len(score)
    nada = np.zeros(n, np.float32)
    return Veredictos(
        np.zeros(n, np.int64), np.array(score, np.uint8), np.array(severidad, np.uint8),
        np.zeros(n, np.uint8), np.zeros(n, bool), nada, nada, nada, version,
        np.zeros((n, 8), np.float32), np.zeros((n, 8, 1), np.float32),
    )  # fmt: skip
