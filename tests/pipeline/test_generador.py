"""Promises of the generator's service, over real HTTP."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from detection.domain import hora_absoluta
from detection.errors import ConfiguracionError
from detection.simulation.attacks import ETIQUETAS
from detection.simulation.population import customers
from detection.simulation.synthesis import TIPOS_SOSPECHOSOS
from pipeline.generator import service
from pipeline.generator.schemas import MAX_CUERPO_BYTES
from pipeline.generator.service import create_generator, generate_lecturas
from serving.settings import Settings
from serving.web.server import make_server

RAIZ = Path(__file__).parents[2]
AHORA = datetime(2026, 11, 24, 10, 25, tzinfo=UTC)
PLAZO_S = 20.0
ORDEN = [sys.executable, str(RAIZ / "consumo.py"), "generador"]
ENTORNO = {**os.environ, "PYTHONPATH": str(RAIZ)}


def esperar(condicion: object) -> None:
    limite = time.monotonic() + PLAZO_S
    while not condicion():  # type: ignore[operator]
        assert time.monotonic() < limite, "no llegó a tiempo"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def cliente() -> Iterator[httpx.Client]:
    """Yield a client of a service in a thread, at a fixed time, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as enchufe:
        app = create_generator(Settings(_env_file=None), lambda: AHORA)
        servidor = make_server(app)
        hilo = threading.Thread(target=servidor.run, kwargs={"sockets": [enchufe]})
        hilo.start()
        esperar(lambda: servidor.started)
        url = f"http://127.0.0.1:{enchufe.getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=PLAZO_S, trust_env=False) as http:
            yield http
        servidor.should_exit = True
        hilo.join(PLAZO_S)


def correr(*argumentos: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ORDEN, *argumentos], capture_output=True, text=True, timeout=60, check=False, env=ENTORNO
    )


def es_problema(respuesta: httpx.Response, estado: int, texto: str) -> None:
    assert respuesta.status_code == estado
    assert respuesta.headers["content-type"] == "application/problem+json"
    cuerpo = json.loads(respuesta.content.decode("utf-8"))
    assert set(cuerpo) == {"type", "title", "status", "detail", "instance"}
    assert cuerpo["status"] == estado
    assert texto in cuerpo["detail"]


def lote(cliente: httpx.Client, **cuerpo: object) -> httpx.Response:
    return cliente.post("/generar/batch", json=cuerpo)


def test_health_answers(cliente: httpx.Client) -> None:
    """/health says that the service lives, and in which zone."""
    assert cliente.get("/health").json() == {
        "estado": "ok",
        "servicio": "generador",
        "zona_horaria": "Europe/Madrid",
    }


def test_a_customer_has_its_last_24_full_hours(cliente: httpx.Client) -> None:
    """One message of contract 2 an hour, with its label, up to the last full hour of now."""
    lecturas = cliente.get("/generar/cliente/CLI_00007").json()
    assert [set(x) for x in lecturas] == [
        {"propietario_id", "timestamp", "consumo_kwh", "etiqueta"}
    ] * 24
    horas = [datetime.fromisoformat(x["timestamp"]) for x in lecturas]
    assert lecturas[-1]["timestamp"] == "2026-11-24T10:00:00+01:00"
    assert {b - a for a, b in pairwise(horas)} == {timedelta(hours=1)}
    assert {x["propietario_id"] for x in lecturas} == {"CLI_00007"}
    assert all(isinstance(x["consumo_kwh"], float) and x["consumo_kwh"] >= 0 for x in lecturas)


def test_all_customers_and_one_agree(cliente: httpx.Client) -> None:
    """/generar/todos holds 24 h of 50 customers, each as /generar/cliente gives it."""
    todos = cliente.get("/generar/todos").json()
    assert len(todos) == 24 * 50
    for propietario in ("CLI_00001", "CLI_00033", "CLI_00050"):
        uno = cliente.get(f"/generar/cliente/{propietario}").json()
        assert [x for x in todos if x["propietario_id"] == propietario] == uno
    assert {x["etiqueta"] for x in todos} <= set(ETIQUETAS)
    assert len({x["propietario_id"] for x in todos if x["etiqueta"] != "normal"}) >= 5


def test_the_number_of_customers_can_be_asked(cliente: httpx.Client) -> None:
    """?clientes, ?sospechosos and ?semilla do what they say."""
    seis = cliente.get("/generar/todos", params={"clientes": 6, "sospechosos": 0}).json()
    assert len(seis) == 24 * 6
    assert {x["etiqueta"] for x in seis} == {"normal"}
    otra = cliente.get("/generar/todos", params={"clientes": 6, "semilla": 2}).json()
    assert [x["consumo_kwh"] for x in otra] != [x["consumo_kwh"] for x in seis]


def test_a_batch_is_what_the_producer_would_send(cliente: httpx.Client) -> None:
    """A batch is what ``consumo producir`` sends of the same seed, customers and hours."""
    respuesta = lote(cliente, clientes=12, dias=45, sospechosos=4, semilla=9)
    hasta = hora_absoluta(AHORA)
    desde = hasta - 45 * 24
    poblacion = customers(9, 12, 4, desde, hasta)
    esperadas = generate_lecturas(poblacion, desde, hasta, "Europe/Madrid")
    recibidas = respuesta.json()
    assert [x["consumo_kwh"] for x in recibidas] == esperadas.consumo_kwh.tolist()
    assert [x["etiqueta"] for x in recibidas] == esperadas.etiqueta
    assert [x["propietario_id"] for x in recibidas] == esperadas.propietario_id
    assert [hora_absoluta(datetime.fromisoformat(x["timestamp"])) for x in recibidas] == (
        esperadas.hora_utc.tolist()
    )


@pytest.mark.parametrize("tipo", TIPOS_SOSPECHOSOS)
def test_each_kind_of_suspect_can_be_asked_by_name(cliente: httpx.Client, tipo: str) -> None:
    """The named customer, and nobody else, bears the label that was asked for."""
    recibidas = lote(
        cliente,
        propietarios=["CLI_00003", "CLI_00123"],
        dias=3,
        sospechosos=[{"tipo": tipo, "propietario_id": "CLI_00123"}],
    ).json()
    malas = {(x["propietario_id"], x["etiqueta"]) for x in recibidas if x["etiqueta"] != "normal"}
    ((propietario, etiqueta),) = malas
    assert propietario == "CLI_00123"
    assert etiqueta.startswith("fraude") or etiqueta == "puente_nocturno" or etiqueta == tipo
    assert tipo in ("fraude", etiqueta)


def test_unnamed_suspects_are_spread_and_start_when_told(cliente: httpx.Client) -> None:
    """Suspects without an id go to different customers; ``desde`` is their first hour."""
    recibidas = lote(
        cliente,
        clientes=10,
        desde="2026-06-01T00:00:00",
        dias=2,
        sospechosos=[
            {"tipo": "cannabis"},
            {"tipo": "congelado", "desde": "2026-06-02T05:00:00+02:00"},
        ],
    ).json()
    inicio = {}
    for x in recibidas:
        if x["etiqueta"] != "normal":
            inicio.setdefault((x["etiqueta"], x["propietario_id"]), x["timestamp"])
    assert inicio == {
        ("cannabis", "CLI_00003"): "2026-06-01T00:00:00+02:00",
        ("congelado", "CLI_00008"): "2026-06-02T05:00:00+02:00",
    }


@pytest.mark.parametrize(("dia", "horas"), [("2026-10-25", 25), ("2026-03-29", 23)])
def test_local_days_have_their_hours(cliente: httpx.Client, dia: str, horas: int) -> None:
    """Local midnight to local midnight is 25 or 23 readings, all with their own instant."""
    siguiente = (datetime.fromisoformat(dia) + timedelta(days=1)).date().isoformat()
    recibidas = lote(
        cliente, clientes=1, desde=f"{dia}T00:00:00", hasta=f"{siguiente}T00:00:00"
    ).json()
    assert len({x["timestamp"] for x in recibidas}) == len(recibidas) == horas


@pytest.mark.parametrize(
    ("extremos", "primera", "ultima"),
    [
        ({}, "2026-11-23T11:00:00+01:00", "2026-11-24T10:00:00+01:00"),
        ({"horas": 2}, "2026-11-24T09:00:00+01:00", "2026-11-24T10:00:00+01:00"),
        (
            {"desde": "2026-11-24T08:00:00Z"},
            "2026-11-24T09:00:00+01:00",
            "2026-11-24T10:00:00+01:00",
        ),
        (
            {"desde": "2026-01-01T00:00:00", "horas": 3},
            "2026-01-01T00:00:00+01:00",
            "2026-01-01T02:00:00+01:00",
        ),
        (
            {"hasta": "2026-01-02T00:00:00", "dias": 1},
            "2026-01-01T00:00:00+01:00",
            "2026-01-01T23:00:00+01:00",
        ),
    ],
)
def test_intervals_can_be_told_in_every_way(
    cliente: httpx.Client, extremos: dict[str, object], primera: str, ultima: str
) -> None:
    """Nothing, a length, an end and a length: the interval is what the words say."""
    recibidas = lote(cliente, clientes=1, **extremos).json()
    assert (recibidas[0]["timestamp"], recibidas[-1]["timestamp"]) == (primera, ultima)


@pytest.mark.parametrize(
    ("cuerpo", "texto"),
    [
        ({"clientes": 10**9}, "clientes: el máximo es 10000"),
        ({"clientes": 10_000, "dias": 100}, "serían 24000000 lecturas y el máximo es 1000000"),
        ({"dias": 10**9}, "dias: el máximo"),
        ({"horas": 999_999}, "el intervalo sale"),
        ({"clientes": 0}, "clientes: el mínimo es 1"),
        ({"clientes": "muchos"}, "clientes: se esperaba un número entero"),
        ({"dias": 1, "horas": 1}, "dias y horas no se admiten juntos"),
        ({"desde": "ayer"}, "desde: no es un instante ISO 8601"),
        ({"desde": "2026-01-01T00:30:00"}, "desde: ha de ser una hora en punto"),
        ({"desde": "2026-01-01T00:00:00+05:30"}, "desde: ha de ser una hora en punto"),
        ({"desde": "1999-12-31T00:00:00"}, "desde: el año va de"),
        ({"hasta": "9999-12-31T23:00:00Z"}, "hasta: el año va de"),
        ({"desde": "2026-01-02T00:00:00", "hasta": "2026-01-01T00:00:00"}, "posterior a desde"),
        ({"desde": "2026-01-01", "hasta": "2026-01-02", "horas": 1}, "sobran dias y horas"),
        ({"clientes": 2, "propietarios": ["CLI_00001"]}, "no se admiten juntos"),
        ({"propietarios": ["ñandú"]}, "no existe el cliente «ñandú»"),
        ({"propietarios": ["CLI_00000"]}, "no existe el cliente"),
        ({"propietarios": []}, "propietarios: hacen falta al menos 1"),
        ({"propietarios": ["CLI_00001"], "sospechosos": 1}, "dé la lista"),
        ({"sospechosos": 51}, "no puede haber 51 sospechosos entre 50 clientes"),
        ({"sospechosos": [{"tipo": "robo"}]}, "se esperaba uno de: fraude, cannabis"),
        ({"clientes": 1, "sospechosos": [{"tipo": "picos"}] * 2}, "hay más que clientes"),
        (
            {"sospechosos": [{"tipo": "picos", "propietario_id": "CLI_00077"}]},
            "CLI_00077 está repetido o no se pide",
        ),
        (
            {"sospechosos": [{"tipo": "picos", "desde": "2000-01-01T00:00:00"}]},
            "sospechosos.desde: el año va de",
        ),
        ({"semilla": -1}, "semilla: el mínimo es 0"),
        ({"año": 2026}, "año: no se conoce ese campo"),
    ],
)
def test_a_bad_batch_is_refused_in_spanish(
    cliente: httpx.Client, cuerpo: dict[str, object], texto: str
) -> None:
    """Wrong or absurd batches get 422 with the field and what is wrong, at once."""
    es_problema(lote(cliente, **cuerpo), 422, texto)


def test_bodies_that_are_no_batch(cliente: httpx.Client) -> None:
    """No body, no JSON, no object: 422; more than a megabyte: 413, announced or not."""
    json_ = {"content-type": "application/json"}
    es_problema(cliente.post("/generar/batch"), 422, "falta")
    es_problema(cliente.post("/generar/batch", json=[1]), 422, "se esperaba un objeto JSON")
    mal = cliente.post("/generar/batch", content=b'{"clientes":', headers=json_)
    es_problema(mal, 422, "el cuerpo no es JSON válido")
    enorme = b" " * (MAX_CUERPO_BYTES + 1)
    es_problema(
        cliente.post("/generar/batch", content=enorme, headers=json_), 413, "el cuerpo pasa de"
    )
    trozos = (enorme[:100_000] for _ in range(11))
    es_problema(
        cliente.post("/generar/batch", content=trozos, headers=json_), 413, "el cuerpo pasa de"
    )


@pytest.mark.parametrize(
    ("ruta", "estado", "texto"),
    [
        ("/generar/cliente/CLI_99999", 404, "la población tiene 50"),
        ("/generar/cliente/CLI_1", 404, "no existe el cliente «CLI_1»"),
        ("/generar/cliente/CLI_٠٠٠٠١", 404, "no existe el cliente"),
        ("/generar/cliente/José", 404, "no existe el cliente «José»"),
        ("/generar/nadie", 404, "no existe esa ruta"),
        ("/generar/batch", 405, "esa ruta no admite ese método"),
        ("/generar/todos?clientes=0", 422, "clientes: el mínimo es 1"),
        ("/generar/todos?clientes=10001", 422, "clientes: el máximo es 10000"),
        ("/generar/todos?clientes=3&sospechosos=4", 422, "4 sospechosos entre 3"),
        ("/generar/todos?semilla=x", 422, "semilla: se esperaba un número entero"),
    ],
)
def test_a_bad_get_is_refused_in_spanish(
    cliente: httpx.Client, ruta: str, estado: int, texto: str
) -> None:
    """Unknown customers and paths get 404, wrong parameters 422, all as RFC 9457 in Spanish."""
    es_problema(cliente.get(ruta), estado, texto)


def test_a_large_batch_is_streamed(cliente: httpx.Client) -> None:
    """The first readings arrive long before the last: an answer is never held as a whole."""
    with cliente.stream("POST", "/generar/batch", json={"clientes": 50, "dias": 400}) as r:
        trozos = [len(x) for x in r.iter_raw()]
    assert r.status_code == 200
    assert "content-length" not in r.headers
    assert max(trozos) < sum(trozos) / 10


def test_documentation_is_complete_and_spanish(cliente: httpx.Client) -> None:
    """/docs loads; every operation, parameter and field is described, none in English."""
    pagina = cliente.get("/docs")
    assert pagina.status_code == 200
    assert "default-src 'none'" in pagina.headers["content-security-policy"]
    for ruta in re.findall(r'(?:src|href)="(?!data:)([^"]+)"', pagina.text):
        assert ruta.startswith("/docs/"), "another host's"
        assert cliente.get(ruta).status_code == 200, ruta
    documento = cliente.get("/openapi.json").json()
    assert set(documento["paths"]) == {
        "/health",
        "/generar/cliente/{propietario_id}",
        "/generar/todos",
        "/generar/batch",
    }
    textos = []
    for operaciones in documento["paths"].values():
        for operacion in operaciones.values():
            textos += [operacion["summary"], operacion["description"]]
            textos += [p["description"] for p in operacion.get("parameters", [])]
            textos += [r["description"] for r in operacion["responses"].values()]
    for esquema in documento["components"]["schemas"].values():
        textos.append(esquema["description"])
        textos += [p["description"] for p in esquema.get("properties", {}).values()]
    ingles = re.compile(r"\b(the|of|and|return|response|error of|successful|validation)\b", re.I)
    assert not [t for t in textos if not t or ingles.search(t)]
    assert "Validation Error" not in json.dumps(documento)
    assert "Successful Response" not in json.dumps(documento)


def test_a_zone_of_half_hours_is_refused_at_once() -> None:
    """A zone whose hours do not start with UTC's is refused before anything is served."""
    with pytest.raises(ConfiguracionError, match="Asia/Kolkata"):
        create_generator(Settings(_env_file=None, zona_horaria="Asia/Kolkata"))


def test_holidays_are_spains() -> None:
    """Christmas and Epiphany are holidays of the generated years; an ordinary Tuesday is not."""
    festivos = service._festivos(2025, 2028)
    dia = datetime(1970, 1, 1).toordinal()
    assert datetime(2026, 12, 25).toordinal() - dia in festivos
    assert datetime(2027, 1, 6).toordinal() - dia in festivos
    assert datetime(2026, 11, 24).toordinal() - dia not in festivos


def test_the_script_serves_and_leaves(tmp_path: Path) -> None:
    """``consumo generador --port N`` serves until it is told to stop."""
    with socket.create_server(("127.0.0.1", 0)) as enchufe:
        puerto = enchufe.getsockname()[1]
    opciones = ["--host", "127.0.0.1", "--port", str(puerto)]
    proceso = subprocess.Popen(
        ORDEN + opciones, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=ENTORNO
    )

    def responde() -> bool:
        assert proceso.poll() is None
        try:
            return httpx.get(f"http://127.0.0.1:{puerto}/health", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        esperar(responde)
        # A second one on the same port says so in one line.
        segundo = correr(*opciones)
    finally:
        proceso.terminate()
        _, registro = proceso.communicate(timeout=PLAZO_S)
    assert segundo.returncode == 1
    assert segundo.stderr.count("\n") == 1
    assert segundo.stderr.startswith("error: no se puede escuchar en 127.0.0.1:")
    assert f"generador en http://127.0.0.1:{puerto}" in registro
    assert "Traceback" not in registro


def test_help_and_wrong_usage_are_spanish() -> None:
    """--help ends with 0 and a wrong port with 2, both in Spanish."""
    ayuda = correr("--help")
    assert ayuda.returncode == 0
    assert "uso: consumo generador" in ayuda.stdout
    mal = correr("--port", "0")
    assert mal.returncode == 2
    assert "el mínimo es 1" in mal.stderr


def test_head_y_los_nombres_propios(cliente: httpx.Client) -> None:
    """HEAD answers like GET without a body; called by another's name, nothing is said."""
    for ruta in ("/health", "/generar/todos?clientes=2", "/docs", "/openapi.json"):
        cabeza, entera = cliente.head(ruta), cliente.get(ruta)
        assert (cabeza.status_code, cabeza.content) == (entera.status_code, b"") == (200, b"")
        assert cabeza.headers["content-type"] == entera.headers["content-type"]
    es_problema(cliente.get("/health", headers={"Host": "evil.example"}), 421, "nombre")
