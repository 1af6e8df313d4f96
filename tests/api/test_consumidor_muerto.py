"""A consumer that dies, stops or never was is said on every road: API, CLI, dashboard, metrics."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import forks
import httpx
import numpy as np
import pytest
from apoyo_api import base_nueva, esperar, servir
from bases import SIN_MLFLOW
from forks import Fork
from streamlit.testing.v1 import AppTest

from dashboard.client import forget_answers
from detection.domain import Lecturas
from pipeline.embedded.probes import puerto_del_sistema
from pipeline.embedded.services import EmbeddedServices
from pipeline.ingest.messages import MessageEncoder
from pipeline.jobs.health import main as consumo_salud
from pipeline.stores.postgres.connection import Conexion
from pipeline.stores.postgres.health import PostgresHealth
from pipeline.stores.postgres.store import migrate
from pipeline.streaming.kafka import KafkaProducer, ensure_topics
from serving.cli import FALLO, run
from serving.consumer_health import SelfReport
from serving.settings import Settings

PLAZO_S = 90.0
MUERTO = re.compile(r"El consumidor no da señales desde .* \(hace 2 min\): 1\.200 lecturas esperan")


@pytest.fixture
def entorno(entorno_vacio: Settings) -> Settings:
    """Give settings of a database without tables, as before the first start."""
    return entorno_vacio


def _enviar(entorno: Settings, n: int) -> None:
    ensure_topics(entorno)
    lecturas = Lecturas(
        tuple(f"CLI_{i % 40:05d}" for i in range(n)),
        490_000 + np.arange(n, dtype=np.int64) // 40,
        np.full(n, 0.4),
    )
    productor = KafkaProducer(entorno)
    productor.send(lecturas.propietario_id, MessageEncoder(entorno.zona_horaria).encode(lecturas))
    productor.flush()


@contextmanager
def _consumidor(variables: Mapping[str, str], registro: Path) -> Iterator[Fork]:
    with registro.open("wb") as salida:
        proceso = forks.start(variables, "consumir", stdout=salida, stderr=salida)
    try:
        yield proceso
    finally:
        proceso.kill()
        proceso.wait()


def _de(http: httpx.Client) -> dict[str, Any]:
    return dict(http.get("/salud").json()["consumidor"])


def _envejecer(entorno: Settings) -> None:
    """Let two minutes pass for the heartbeats: their clock is the server's."""
    with closing(Conexion(entorno, "prueba")) as conexion, conexion.transaction() as cursor:
        cursor.execute("UPDATE consumidores SET latido = latido - interval '2 minutes'")


def _barra(api: str, parche: pytest.MonkeyPatch) -> str:
    """Return what the side bar says."""

    def guion() -> None:
        from dashboard.session import health_line

        health_line()

    parche.setenv("API_URL", api)
    forget_answers()
    prueba = AppTest.from_function(guion, default_timeout=60).run()
    return re.sub(r"<[^>]+>", "", "\n".join(h.value for h in prueba.get("html")))


def _salud(entorno: Settings, api: str, parche: pytest.MonkeyPatch, salida: Any) -> tuple[int, str]:
    for campo, valor in entorno.model_dump().items():
        parche.setenv(campo.upper(), str(valor))
    parche.setenv("API_URL", api)
    parche.setenv("TABLERO_PORT", str(puerto_del_sistema()))
    parche.setenv("COLUMNS", "300")
    estado = run(consumo_salud, [])
    return estado, salida.readouterr().out


def test_muerto_con_1200_lecturas_lo_dicen_todos(
    entorno: Settings,
    variables: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Killed with -9: every road says since when, and that 1.200 wait, MLflow away or not."""
    registro = tmp_path / "consumidor.log"
    with servir(entorno) as http:
        with _consumidor(variables, registro) as proceso:

            def lee_todo() -> bool:
                assert proceso.poll() is None, registro.read_text()
                return [c["particiones"] for c in _de(http)["consumidores"]] == [[0, 1, 2]]

            esperar(lee_todo, "the heartbeat names the partitions", PLAZO_S)
            assert _de(http)["consumidores"][0]["vivo"]
            assert "métricas en http://127.0.0.1:" in registro.read_text()
            proceso.send_signal(signal.SIGKILL)
            proceso.wait()
        _enviar(entorno, 1200)
        _envejecer(entorno)
        # A server that has just started is given half a minute to hear of its consumers.
        esperar(lambda: _de(http)["lecturas_esperando"] == 1200, "the broker counts", PLAZO_S)
        esperar(lambda: _de(http)["estado"] == "muerto", "the consumer counts as dead", PLAZO_S)
        salud = http.get("/salud").json()
        assert salud["estado"] == "degradado"
        assert salud["consumidor"]["gravedad"] == "mal"
        assert MUERTO.fullmatch(salud["consumidor"]["texto"])
        assert http.get("/salud/lista").status_code == 200
        metricas = http.get("/metrics").text
        assert "\nconsumo_consumidor_bien 0.0" in metricas
        assert "\nconsumo_consumidores_vivos 0.0" in metricas
        esperan = re.findall(r"^consumo_lecturas_esperando\{.*\} (\S+)$", metricas, re.MULTILINE)
        assert sum(map(float, esperan)) == 1200
        senal = re.search(r"^consumo_senal_segundos (\S+)$", metricas, re.MULTILINE)
        assert senal
        assert 120 <= float(senal[1]) < 120 + PLAZO_S
        assert re.search(r"^consumo_ultima_escritura_segundos NaN$", metricas, re.MULTILINE)
        api = str(http.base_url).rstrip("/")
        estado, dicho = _salud(entorno, api, monkeypatch, capsys)
        assert estado == FALLO
        assert MUERTO.search(dicho), dicho
        # What else is away hides nothing.
        barra = _barra(api, monkeypatch)
        assert MUERTO.search(barra)
        assert "No responde: MLflow" in barra


def test_parado_en_orden_no_es_muerto(
    entorno: Settings, variables: dict[str, str], tmp_path: Path
) -> None:
    """After a SIGTERM the consumer is «parado», at once, and without readings that is no fault."""
    registro = tmp_path / "consumidor.log"
    with servir(entorno) as http, _consumidor(variables, registro) as proceso:
        esperar(
            lambda: any(c["particiones"] for c in _de(http)["consumidores"]), "it reads", PLAZO_S
        )
        proceso.send_signal(signal.SIGTERM)
        assert proceso.wait(PLAZO_S) == 0, registro.read_text()
        esperar(lambda: _de(http)["estado"] == "parado", "it has said goodbye", PLAZO_S)
        consumidor = _de(http)
        assert consumidor["gravedad"] == "aviso"
        assert consumidor["texto"].endswith("no espera ninguna lectura")
        _enviar(entorno, 40)
        esperar(lambda: _de(http)["gravedad"] == "mal", "40 readings wait", PLAZO_S)
        assert _de(http)["texto"].endswith("40 lecturas esperan")


def test_parado_mientras_espera_a_un_almacen_no_es_muerto(
    entorno: Settings, variables: dict[str, str], tmp_path: Path
) -> None:
    """A SIGTERM while MongoDB has not answered yet is a stop in order: status 0, and its mark."""
    migrate(entorno)
    registro = tmp_path / "consumidor.log"
    sin_mongo = {**variables, "MONGO_PORT": str(puerto_del_sistema())}
    with closing(PostgresHealth(entorno)) as latidos, _consumidor(sin_mongo, registro) as proceso:

        def waits() -> bool:
            assert proceso.poll() is None, registro.read_text()
            return any("MongoDB" in fila.espera for fila in latidos.heartbeats().filas)

        esperar(waits, "it waits for MongoDB", PLAZO_S)
        proceso.send_signal(signal.SIGTERM)
        assert proceso.wait(PLAZO_S) == 0, registro.read_text()
        (fila,) = latidos.heartbeats().filas
        assert (fila.fin is not None, fila.motivo) == (True, "")


def test_quien_va_al_dia_lo_dice_consumo_salud(
    entorno: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A living consumer has a row with its machine, and what it refuses and waits for."""
    migrate(entorno)
    ensure_topics(entorno)
    with servir(entorno) as http, closing(PostgresHealth(entorno)) as latidos:
        latidos.write(SelfReport((0, 1), 7, 1.0, "m-1", "m-2", "le falta un rasgo"))
        estado, dicho = _salud(entorno, str(http.base_url).rstrip("/"), monkeypatch, capsys)
        assert "particiones 0, 1; 7 lecturas; m-1; rechaza m-2: le falta un rasgo" in dicho
        assert "Todavía no hay lecturas" in dicho
        # MLflow and the dashboard are not there.
        assert (estado, dicho.count("no responde en")) == (FALLO, 2)
        assert "La API no responde" not in dicho
        (suyo,) = _de(http)["consumidores"]
        assert (suyo["modelo_rechazado"], suyo["rechazo"]) == ("m-2", "le falta un rasgo")
        assert not {"maquina", "proceso"} & suyo.keys()
    estado, dicho = _salud(entorno, "http://127.0.0.1:9", monkeypatch, capsys)
    assert "La API no responde en http://127.0.0.1:9" in dicho


def test_otros_puertos_de_los_servicios_embebidos_se_dicen(
    servicios: EmbeddedServices,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Settings that lead elsewhere than the services of this folder are told so."""
    monkeypatch.chdir(tmp_path)
    for variable in ("POSTGRES_PORT", "MONGO_PORT"):
        monkeypatch.setenv(variable, "9")
    monkeypatch.setenv("KAFKA_BROKER", "127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SIN_MLFLOW)
    (tmp_path / ".consumo").mkdir()
    (tmp_path / ".consumo" / "servicios.env").write_text("POSTGRES_PORT=54381\nMONGO_PORT=9\n")
    assert run(consumo_salud, ["--servicios"]) == FALLO
    dicho = capsys.readouterr().out
    assert "(.consumo/servicios.env): POSTGRES_PORT=54381." in dicho
    with base_nueva(servicios) as settings:
        for nombre in ("postgres_port", "mongo_port", "kafka_broker"):
            monkeypatch.setenv(nombre.upper(), str(getattr(settings, nombre)))
        monkeypatch.setenv("POSTGRES_DB", settings.postgres_db)
        assert run(consumo_salud, ["--servicios"]) == FALLO  # only MLflow is away
        assert capsys.readouterr().out.count("no responde") == 1
