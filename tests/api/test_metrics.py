"""What Prometheus reads, of the API and of a consumer that really consumes."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import time
import urllib.request
from pathlib import Path

import forks
import httpx
import numpy as np
import pytest
from apoyo_api import esperar

from detection.domain import Lecturas
from detection.errors import ConfiguracionError
from pipeline.ingest.messages import MessageEncoder
from pipeline.streaming.kafka import KafkaProducer, ensure_topics
from serving.metrics import ConsumerMetrics
from serving.settings import Settings


def valor(texto: str, serie: str) -> float:
    """Return the value of one series; 0 = it is not there."""
    hallado = re.search(rf"^{re.escape(serie)} (\S+)$", texto, re.MULTILINE)
    return float(hallado[1]) if hallado else 0.0


def test_la_api_cuenta_peticiones_por_ruta_y_estado(cliente: httpx.Client) -> None:
    """Requests are counted under the route's template; what exists nowhere has one name."""
    antes = cliente.get("/metrics").text
    for version in (1, 2, 3):
        cliente.get(f"/api/modelos/{version}/promover")
    cliente.get("/api/auditoria")
    cliente.get("/nada/de/nada")
    cliente.get("/nada/de/nadie")
    respuesta = cliente.get("/metrics")
    assert respuesta.headers["content-type"].startswith("text/plain; version=")
    despues = respuesta.text
    for serie, veces in {
        'consumo_api_peticiones_total{estado="401",metodo="GET",ruta="/api/auditoría"}': 1,
        'consumo_api_peticiones_total{estado="404",metodo="GET",ruta="otra"}': 2,
        'consumo_api_peticion_segundos_count{ruta="otra"}': 2,
    }.items():
        assert valor(despues, serie) - valor(antes, serie) == veces, serie
    assert "nadie" not in despues
    assert valor(despues, "process_resident_memory_bytes") > 0
    # The one that asks is going on.
    assert valor(despues, "consumo_api_peticiones_en_curso") >= 1


def test_un_metodo_inventado_no_llena_la_memoria(cliente: httpx.Client) -> None:
    """Whatever a client calls its method, there are few names of methods in the metrics."""
    for i in range(20):
        cliente.request(f"INVENTADO{i}", "/salud/viva")
    assert "INVENTADO" not in cliente.get("/metrics").text


def suma(texto: str, nombre: str) -> float:
    """Return the sum of all series of a name."""
    patron = rf"^{nombre}(?:\{{.*\}})? (\S+)$"
    return sum(map(float, re.findall(patron, texto, re.MULTILINE)))


def test_el_modelo_en_uso_es_uno() -> None:
    """After a swap the old version is no longer among the series."""
    metricas = ConsumerMetrics()
    for version in ("consumo-detector-1", "consumo-detector-2"):
        metricas.lote(np.zeros(3, np.uint8), 0.1, version)
    texto = metricas.texto().decode()
    assert valor(texto, 'consumo_modelo{version="consumo-detector-2"}') == 1
    assert "consumo-detector-1" not in texto
    assert valor(texto, 'consumo_lecturas_total{severidad="normal"}') == 6
    assert valor(texto, 'consumo_lecturas_total{severidad="crítica"}') == 0


def test_contar_un_lote_no_cuesta_nada() -> None:
    """Counting a batch of 5 000 takes less than a reading's share of 0.1 µs."""
    metricas = ConsumerMetrics()
    severidad = np.random.default_rng(1).integers(0, 5, 5000).astype(np.uint8)

    def medir() -> float:
        inicio = time.perf_counter()
        metricas.lote(severidad, 0.02, "v")
        return time.perf_counter() - inicio

    assert min(medir() for _ in range(200)) < 5000 * 0.1e-6


def test_un_puerto_ocupado_cede_a_otro_libre() -> None:
    """Several consumers of one machine have one setting: each serves, on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as otro:
        puerto = otro.getsockname()[1]
        with (
            ConsumerMetrics().servir("127.0.0.1", puerto) as uno,
            ConsumerMetrics().servir("127.0.0.1", puerto) as dos,
        ):
            assert len({puerto, uno, dos}) == 3
            assert "consumo_lote_segundos" in _leer(dos)


def test_una_direccion_que_no_es_nuestra_se_dice() -> None:
    """An address of another machine is a wrong setting, in one Spanish line."""
    with (
        pytest.raises(ConfiguracionError, match="METRICAS_HOST"),
        ConsumerMetrics().servir("192.0.2.1", 9464),
    ):
        raise AssertionError("it serves")


def _leer(puerto: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{puerto}/metrics", timeout=10) as respuesta:
        texto: str = respuesta.read().decode()
    return texto


@pytest.fixture
def puerto_libre() -> int:
    with socket.create_server(("127.0.0.1", 0)) as enchufe:
        return int(enchufe.getsockname()[1])


def _enviar(entorno: Settings, buenas: int, malas: int) -> None:
    """Send readings of one customer, and messages that are none."""
    ensure_topics(entorno)
    hasta = int(time.time()) // 3600
    lecturas = Lecturas(
        ["CLI_00001"] * buenas,
        np.arange(hasta - buenas, hasta, dtype=np.int64),
        1.0 + np.arange(buenas) % 24 / 24.0,
    )
    productor = KafkaProducer(entorno)
    productor.send(["CLI_00001"] * malas, [b"{no es JSON"] * malas)
    productor.send(lecturas.propietario_id, MessageEncoder(entorno.zona_horaria).encode(lecturas))
    productor.flush()


def test_un_consumidor_de_verdad_cuenta_lo_que_guarda(
    entorno: Settings, variables: dict[str, str], puerto_libre: int, tmp_path: Path
) -> None:
    """What a consumer stored is what its metrics say: readings, batches, dead letters, no lag."""
    _enviar(entorno, buenas=40, malas=3)
    registro = tmp_path / "consumidor.log"
    with registro.open("wb") as salida:
        proceso = forks.start(
            {**variables, "METRICAS_PORT": str(puerto_libre)}, "consumir",
            stdout=salida, stderr=salida,
        )  # fmt: skip
    try:
        texto = ""

        def ha_guardado() -> bool:
            nonlocal texto
            assert proceso.poll() is None, registro.read_text()
            with contextlib.suppress(OSError):
                texto = _leer(puerto_libre)
            retrasos = re.findall(r"^consumo_retraso_mensajes\{.*\} (\S+)$", texto, re.MULTILINE)
            return suma(texto, "consumo_lecturas_total") == 40 and 0.0 in map(float, retrasos)

        esperar(ha_guardado, "40 readings are stored", 60.0)
        assert suma(texto, "consumo_mensajes_no_validos_total") == 3
        assert suma(texto, "consumo_retraso_mensajes") == 0
        assert valor(texto, "consumo_lote_segundos_count") >= 1
        assert abs(valor(texto, "consumo_ultimo_lote_timestamp_seconds") - time.time()) < 60
        assert re.search(r'^consumo_modelo\{version="consumo-detector-base', texto, re.MULTILINE)
        proceso.send_signal(signal.SIGTERM)
        assert proceso.wait(30) == 0, registro.read_text()
    finally:
        proceso.kill()
        proceso.wait()
