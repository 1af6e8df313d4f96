"""New anomalies as they are found: none is missed, none comes twice, nobody stays for ever."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import httpx
import numpy as np
import pytest
from apoyo_api import es_problema, esperar, servir_app, veredictos
from contracts.fakes import hacer_caso
from contracts.sondas import CasosMongo
from fastapi import FastAPI

from api.app import create_api
from api.streams import EventStreams
from detection.domain import Lecturas
from detection.errors import TransientError
from pipeline.stores.mongo.case_moves import CaseMove, MongoCaseMoves
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.mongo.store import MongoAnomalyStore
from serving.settings import Settings

RUTA, RUTA_CASOS = "/api/anomalias/eventos", "/api/casos/eventos"
HORA = 490_000
PLAZO_S = 15.0


@pytest.fixture
def app(entorno: Settings) -> Iterator[FastAPI]:
    """Give the app over an empty base, whose listeners ask often and hear of all at once."""
    app = create_api(entorno)
    recursos = app.state.recursos
    app.state.recursos = replace(
        recursos,
        anomalias=MongoQueries(entorno, margen_s=0.0),
        flujos=EventStreams(recursos.metricas.oyentes, maximo=2, sondeo_s=0.02, latido_s=0.2),
    )
    yield app
    recursos.anomalias.close()


@pytest.fixture
def http(app: FastAPI) -> Iterator[httpx.Client]:
    with servir_app(app) as cliente:
        yield cliente


@pytest.fixture
def almacen(entorno: Settings) -> Iterator[MongoAnomalyStore]:
    almacen = MongoAnomalyStore(entorno)
    yield almacen
    almacen.close()


def hallar(almacen: MongoAnomalyStore, cliente: str, horas: list[int], severidad: int = 4) -> None:
    """Store an anomaly of a customer at each hour, as the consumer does."""
    n = len(horas)
    lecturas = Lecturas([cliente] * n, HORA + np.array(horas, np.int64), np.ones(n))
    juicio = veredictos([95] * n, [severidad] * n, "reglas-1")
    almacen.save(lecturas, juicio, [()] * n, np.zeros(n, bool), HORA)


class Oyente:
    """A listener in a thread: its events in order, and the id of the last thing it was told."""

    def __init__(self, respuesta: httpx.Response) -> None:
        self.ultimo_id = ""
        self.comentarios = 0
        self.fallo: Exception | None = None
        self.sucesos: queue.Queue[dict[str, Any]] = queue.Queue()
        self.terminado = threading.Event()
        self._respuesta = respuesta
        threading.Thread(target=self._leer, daemon=True).start()

    def _leer(self) -> None:
        datos: list[str] = []
        try:
            for linea in self._respuesta.iter_lines():
                campo, _, valor = linea.partition(": ")
                if linea.startswith(":"):
                    self.comentarios += 1
                elif campo == "id":
                    self.ultimo_id = valor
                elif campo == "data":
                    datos.append(valor)
                elif not linea and datos:
                    self.sucesos.put(json.loads("\n".join(datos)))
                    datos = []
        except (httpx.HTTPError, httpx.StreamError) as error:
            self.fallo = error
        finally:
            self.terminado.set()

    def oye(self, cuantos: int) -> list[tuple[str, str]]:
        """Return customer and hour of the next events; fail if they do not come."""
        sucesos = [self.sucesos.get(timeout=PLAZO_S) for _ in range(cuantos)]
        return [(s["propietario_id"], s["timestamp_consumo"]) for s in sucesos]


@contextmanager
def escuchar(
    http: httpx.Client, consulta: str = "", ruta: str = RUTA, **cabeceras: str
) -> Iterator[Oyente]:
    """Give a listener whose first message has arrived."""
    with http.stream("GET", ruta + consulta, headers=cabeceras) as respuesta:
        assert respuesta.status_code == 200, respuesta.read()
        assert respuesta.headers["content-type"].startswith("text/event-stream")
        assert respuesta.headers["cache-control"] == "no-store"
        oyente = Oyente(respuesta)
        esperar(lambda: oyente.ultimo_id, "the listener has its place")
        yield oyente
        # Closing alone would wait for the thread that reads.
        enchufe = respuesta.extensions["network_stream"].get_extra_info("socket")
        enchufe.shutdown(socket.SHUT_RDWR)
        assert oyente.terminado.wait(PLAZO_S)


def test_llega_lo_nuevo_y_no_lo_de_antes(http: httpx.Client, almacen: MongoAnomalyStore) -> None:
    """A listener hears what is found from now on, whole, with the place as its id."""
    hallar(almacen, "ANTES", [0])
    with escuchar(http) as oyente:
        hallar(almacen, "CLI_00001", [1])
        suceso = oyente.sucesos.get(timeout=PLAZO_S)
        assert suceso["propietario_id"] == "CLI_00001"
        assert suceso["severidad"] == "crítica"
        assert suceso["timestamp_consumo"].endswith(("+01:00", "+02:00"))
        assert suceso == http.get("/api/anomalias/últimas").json()["elementos"][0]
        hallar(almacen, "CLI_00002", [1])
        assert [c for c, _ in oyente.oye(1)] == ["CLI_00002"]
        assert oyente.sucesos.empty()


def test_los_casos_nuevos_y_lo_que_se_hace_con_ellos(http: httpx.Client, entorno: Settings) -> None:
    """A case that is found, one that ends, one that is moved: each is told, once, as it is now."""
    caso = hacer_caso("CLI_00001")
    with closing(CasosMongo(entorno)) as sonda, escuchar(http, ruta=RUTA_CASOS) as oyente:
        sonda.store.save([caso])
        suceso = oyente.sucesos.get(timeout=PLAZO_S)
        assert (suceso["id"], suceso["estado"]) == (caso.clave, "nuevo")
        assert suceso == http.get("/api/casos").json()["elementos"][0]
        sitio = oyente.ultimo_id
        # One more day is no news.
        sonda.store.save([replace(caso, hasta=date(2026, 11, 21))])
        sonda.store.save([hacer_caso("OTRO")])
        assert oyente.sucesos.get(timeout=PLAZO_S)["propietario_id"] == "OTRO"
        sonda.store.save([replace(caso, hasta=date(2026, 11, 22), fecha_cierre=date(2026, 11, 22))])
        assert oyente.sucesos.get(timeout=PLAZO_S)["estado"] == "terminado"
        with closing(MongoCaseMoves(entorno)) as movimientos:
            nota = CaseMove("comentario", "ana", datetime.now(UTC), 7, lambda _: {}, "Llamar.")
            movimientos.move(caso.clave, nota)
        assert oyente.sucesos.get(timeout=PLAZO_S)["revision"] == "7"
        assert oyente.sucesos.empty()
    with escuchar(http, f"?cursor={sitio}&propietario_id=OTRO", RUTA_CASOS) as oyente:
        assert oyente.sucesos.get(timeout=PLAZO_S)["propietario_id"] == "OTRO"
        assert oyente.sucesos.empty()


def test_quien_vuelve_sigue_donde_estaba(http: httpx.Client, almacen: MongoAnomalyStore) -> None:
    """With Last-Event-ID, or cursor: what was found meanwhile comes, once, pages of it."""
    with escuchar(http) as oyente:
        hallar(almacen, "A", [1])
        oyente.oye(1)
        id_ = oyente.ultimo_id
    hallar(almacen, "B", list(range(250)))
    with escuchar(http, f"?cursor={id_}") as oyente:
        assert {c for c, _ in oyente.oye(250)} == {"B"}
    with escuchar(http, **{"Last-Event-ID": id_}) as oyente:
        vistos = oyente.oye(250)
        assert len(set(vistos)) == 250
        hallar(almacen, "C", [1])
        assert [c for c, _ in oyente.oye(1)] == ["C"]
        assert oyente.sucesos.empty()


def test_solo_lo_que_se_pide(http: httpx.Client, almacen: MongoAnomalyStore) -> None:
    """A listener that asks for some severities, or a customer, hears of nothing else."""
    with escuchar(http, "?severidad=critica&severidad=alta&propietario_id=A") as oyente:
        hallar(almacen, "A", [1], severidad=1)
        hallar(almacen, "B", [1], severidad=4)
        hallar(almacen, "A", [2], severidad=3)
        suceso = oyente.sucesos.get(timeout=PLAZO_S)
        assert (suceso["propietario_id"], suceso["severidad"]) == ("A", "alta")
        assert oyente.sucesos.empty()


def test_el_silencio_lleva_latidos_y_el_sitio(
    http: httpx.Client, almacen: MongoAnomalyStore
) -> None:
    """Nothing to tell: a comment keeps the connection, and with it comes the place to go on."""
    with escuchar(http, "?severidad=crítica") as oyente:
        sitio = oyente.ultimo_id
        hallar(almacen, "A", [1], severidad=1)
        esperar(lambda: oyente.ultimo_id != sitio, "a heartbeat beyond what was not wanted")
        esperar(lambda: oyente.comentarios >= 3, "three heartbeats")
        assert oyente.sucesos.empty()


def test_caben_los_que_caben(http: httpx.Client) -> None:
    """One too many is 503 with Retry-After; whoever leaves makes room, and the metrics know."""
    with escuchar(http):
        with escuchar(http):
            assert "consumo_api_oyentes 2.0" in http.get("/metrics").text
            respuesta = http.get(RUTA)
            es_problema(respuesta, 503, "ya hay 2 oyentes")
            assert int(respuesta.headers["retry-after"]) == 30
        esperar(lambda: "consumo_api_oyentes 1.0" in http.get("/metrics").text, "one has left")
        with escuchar(http):
            pass
    esperar(lambda: "consumo_api_oyentes 0.0" in http.get("/metrics").text, "all have left")


def test_dura_lo_que_se_pide(http: httpx.Client) -> None:
    """With ``durante`` the answer ends by itself, properly."""
    inicio = time.monotonic()
    respuesta = http.get(f"{RUTA}?durante=1")
    assert respuesta.status_code == 200
    assert 0.9 < time.monotonic() - inicio < 10
    assert respuesta.text.startswith("retry: 3000\n\n")


def test_lo_que_no_vale_no_empieza(http: httpx.Client) -> None:
    """A wrong place or filter is 422 before any stream begins."""
    for consulta in ("cursor=noesuncursor", "cursor=%27%20OR%201", "durante=0", "severidad=enorme"):
        es_problema(http.get(f"{RUTA}?{consulta}"), 422)


class AlmacenCaprichoso:
    """The store of another, away while it is told to be."""

    def __init__(self, bueno: MongoQueries) -> None:
        self._bueno = bueno
        self.caido = False
        self.fallos = 0

    @property
    def lists(self) -> AlmacenCaprichoso:
        return self

    def new(self, cursor: str | None, limite: int) -> object:
        if self.caido:
            self.fallos += 1
            raise TransientError("MongoDB no responde")
        return self._bueno.lists.new(cursor, limite)

    def __getattr__(self, nombre: str) -> object:
        return getattr(self._bueno.lists, nombre)


def test_el_almacen_se_va_y_vuelve(app: FastAPI, almacen: MongoAnomalyStore) -> None:
    """The store goes away under a listener: it waits, and hears afterwards what it missed."""
    caprichoso = AlmacenCaprichoso(app.state.recursos.anomalias)
    app.state.recursos = replace(app.state.recursos, anomalias=caprichoso)
    with servir_app(app) as http, escuchar(http) as oyente:
        caprichoso.caido = True
        esperar(lambda: caprichoso.fallos > 2, "the store is missed")
        es_problema(http.get(RUTA), 503, "MongoDB no responde")
        hallar(almacen, "A", [1])
        caprichoso.caido = False
        assert [c for c, _ in oyente.oye(1)] == ["A"]


def test_al_parar_el_servidor_se_van_todos(app: FastAPI) -> None:
    """A stop lets the listeners go at once; their answers end properly."""
    # A client of its own: the server's is closed before the server is.
    with httpx.Client(timeout=PLAZO_S, trust_env=False) as otro:
        with servir_app(app) as http:
            peticion = otro.build_request("GET", http.base_url.join(RUTA))
            oyente = Oyente(otro.send(peticion, stream=True))
            esperar(lambda: oyente.ultimo_id, "the listener has its place")
            inicio = time.monotonic()
        assert time.monotonic() - inicio < 4
        assert oyente.terminado.wait(PLAZO_S)
        assert oyente.fallo is None
