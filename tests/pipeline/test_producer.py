"""The producer: everything sent is confirmed, or the exit status says that it is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from apoyo_bucle import wait_until
from confluent_kafka import Consumer, TopicPartition

from detection.domain import hora_absoluta
from detection.errors import EntregaError
from detection.simulation.synthesis import make_population
from pipeline import producer
from pipeline.embedded.probes import ANFITRION, puerto_del_sistema
from pipeline.producer import open_envio, send_live
from pipeline.streaming.kafka import KafkaProducer
from serving.cli import FALLO, HECHO, MAL_USO, run
from serving.settings import Settings


def read_all(entorno: Settings, cuantos: int) -> list[dict[str, Any]]:
    """Return the messages of the topic, partition after partition in their order."""
    consumidor = Consumer({"bootstrap.servers": entorno.kafka_broker, "group.id": "lector"})
    consumidor.assign(
        [TopicPartition(entorno.kafka_topic, p, 0) for p in range(entorno.kafka_particiones)]
    )
    mensajes: list[Any] = []
    wait_until(lambda: mensajes.extend(consumidor.consume(500, 0.1)) or len(mensajes) >= cuantos)
    mensajes.extend(consumidor.consume(500, 0.3))
    consumidor.close()
    for mensaje in mensajes:
        assert mensaje.key().decode() == json.loads(mensaje.value())["propietario_id"]
    return [json.loads(mensaje.value()) for mensaje in mensajes]


@pytest.fixture
def en_entorno(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the test's process read the settings of ``entorno``."""
    for nombre, valor in variables.items():
        monkeypatch.setenv(nombre, valor)


@pytest.mark.usefixtures("en_entorno")
def test_once_sends_the_last_full_day(
    entorno: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """24 hours of every customer, up to the last full hour, each with its label."""
    antes = int(time.time()) // 3600
    assert run(producer.main, ["--mode", "once", "--clients", "5"]) == HECHO
    despues = int(time.time()) // 3600
    assert capsys.readouterr().out == "enviadas 120 lecturas de 5 clientes; confirmadas 120\n"
    mensajes = read_all(entorno, 120)
    assert len(mensajes) == 120
    assert {m["propietario_id"] for m in mensajes} == {f"CLI_{i:05d}" for i in range(1, 6)}
    assert all(m["etiqueta"] for m in mensajes)
    horas = {hora_absoluta(datetime.fromisoformat(m["timestamp"])) for m in mensajes}
    assert len(horas) == 24
    assert antes - 1 <= max(horas) <= despues - 1


@pytest.mark.usefixtures("en_entorno")
def test_the_same_seed_sends_the_same(entorno: Settings) -> None:
    """Two runs with a seed send the same readings: the second changes nothing downstream."""
    for _ in range(2):
        assert run(producer.main, ["--clients", "3", "--dias", "2", "--semilla", "9"]) == HECHO
    mensajes = [json.dumps(m) for m in read_all(entorno, 288)]
    assert len(mensajes) == 288
    assert len(set(mensajes)) <= 3 * 49  # an hour may have gone by in between


@pytest.mark.usefixtures("en_entorno")
def test_a_file_is_sent_number_by_number(
    entorno: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kWh of the file are those of the messages, in the file's order; label = etiqueta."""
    ruta = tmp_path / "reales.csv"
    ruta.write_text(
        "propietario_id;timestamp;consumo_kwh;label;tarifa\n"
        "ES01;2026-10-25 02:00;0,123;0;2.0\nES01;2026-10-25 02:00;4,5;1;2.0\n"
        "ES01;2026-10-25 03:00;0;0;2.0\n"
    )
    assert run(producer.main, ["--archivo", str(ruta)]) == HECHO
    assert capsys.readouterr() == ("enviadas 3 lecturas de 1 clientes; confirmadas 3\n", "")
    assert [(m["timestamp"], m["consumo_kwh"], m["etiqueta"]) for m in read_all(entorno, 3)] == [
        ("2026-10-25T02:00:00+02:00", 0.123, 0),
        ("2026-10-25T02:00:00+01:00", 4.5, 1),
        ("2026-10-25T03:00:00+01:00", 0.0, 0),
    ]


@pytest.mark.usefixtures("en_entorno")
def test_bad_rows_are_told_and_the_good_ones_sent(
    entorno: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row that was not sent is named by reason and line; the exit status is 1.

    The good row that comes twice is one reading.
    """
    ruta = tmp_path / "mixto.csv"
    mala, buena = "A,2026-01-15T02:00:00Z,-1\n", "A,2026-01-15T02:00:00Z,1\n"
    ruta.write_text(
        "propietario_id,timestamp,consumo_kwh\n" + buena + mala * 3 + buena + mala + "A,x,1\n"
    )
    assert run(producer.main, ["--archivo", str(ruta)]) == FALLO
    salida, errores = capsys.readouterr()
    assert salida == "enviadas 1 lecturas de 1 clientes; confirmadas 1\n"
    lineas = errores.splitlines()
    assert "1 fila repite otra, con el mismo valor: línea 6" in lineas[0]
    assert lineas[1].startswith("error: 5 filas de «")
    assert lineas[2].startswith("  consumo_kwh_negativo: 4 (líneas 3-5, 7); la primera: -1")
    assert lineas[3].startswith("  tiempo_ilegible: 1 (línea 8); la primera: «x»")
    assert len(read_all(entorno, 1)) == 1


@pytest.mark.parametrize(
    ("argumentos", "texto"),
    [
        (["--mode", "siempre"], "siempre"),
        (["--interval", "0"], "mayor que 0"),
        (["--clients", "0"], "mínimo es 1"),
        (["--clients", "3", "--sospechosos", "4"], "no puede haber 4 entre 3"),
        (["--archivo", "x.csv", "--clients", "3"], "--clients no se admite"),
        (["--archivo", "x.csv", "--mode", "continuous"], "--mode continuous no se admite"),
        (["--perfil", "x.toml"], "falta"),
        (["--otra"], "--otra"),
    ],
)
def test_wrong_flags_leave_with_two(
    argumentos: list[str], texto: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong usage is told in Spanish before anything is contacted."""
    with pytest.raises(SystemExit) as salida:
        producer.main(argumentos)
    assert salida.value.code == MAL_USO
    assert texto in capsys.readouterr().err


def test_a_missing_file_is_told_before_the_broker_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit status 1, at once."""
    monkeypatch.setenv("KAFKA_BROKER", f"{ANFITRION}:{puerto_del_sistema()}")
    inicio = time.monotonic()
    assert run(producer.main, ["--archivo", str(tmp_path / "nada.csv")]) == FALLO
    assert time.monotonic() - inicio < 5.0
    assert capsys.readouterr().err.splitlines() == [
        f"error: no se puede leer «{tmp_path / 'nada.csv'}»: no existe"
    ]


def test_a_broker_away_is_one_line_within_half_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody listens at the address: exit status 1."""
    broker = f"{ANFITRION}:{puerto_del_sistema()}"
    monkeypatch.setenv("KAFKA_BROKER", broker)
    inicio = time.monotonic()
    assert run(producer.main, []) == FALLO
    assert time.monotonic() - inicio < 30.0
    assert capsys.readouterr() == ("", f"error: Kafka no responde en {broker}\n")


def test_what_is_not_confirmed_is_an_error() -> None:
    """A reading handed over to a broker that is away ends in EntregaError, never in silence."""
    broker = f"{ANFITRION}:{puerto_del_sistema()}"
    productor = KafkaProducer(Settings(kafka_broker=broker), entrega_s=1.0)
    productor.send(["A"], [b"{}"])
    with pytest.raises(EntregaError, match=f"Kafka no responde en {broker}"):
        productor.flush()
    assert (productor.confirmadas, productor.fallidas) == (0, 1)


def test_live_sends_each_full_hour_once(entorno: Settings) -> None:
    """The first round sends what is missing, later ones only hours that have become full."""
    hora = int(time.time()) // 3600 - 10
    reloj = iter([hora * 3600.0 + 1, hora * 3600.0 + 60, (hora + 2) * 3600.0 + 5])
    parar = threading.Event()

    def tell_time() -> float:
        ahora = next(reloj)
        if ahora > (hora + 2) * 3600:
            parar.set()
        return ahora

    envio = open_envio(entorno)
    poblacion = make_population(1, 2, 0, hora - 24, hora)
    send_live(envio, poblacion, hora - 3, entorno.zona_horaria, 1e-6, parar, tell_time)
    mensajes = read_all(entorno, 10)
    assert len(mensajes) == 2 * 5
    assert len({(m["propietario_id"], m["timestamp"]) for m in mensajes}) == 2 * 5


@pytest.mark.parametrize("senal", [signal.SIGINT, signal.SIGTERM])
def test_continuous_ends_well_on_a_signal(
    entorno: Settings, variables: dict[str, str], raiz: Path, senal: signal.Signals
) -> None:
    """The script itself, as the specification calls it: sends a day, goes on, ends with 0."""
    programa = [sys.executable, str(raiz / "pipeline" / "producer.py")]
    argumentos = ["--mode", "continuous", "--interval", "0.01", "--clients", "2"]
    with subprocess.Popen(
        [*programa, *argumentos],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=os.getcwd(),
    ) as proceso:
        assert proceso.stdout is not None
        assert proceso.stdout.readline().startswith("enviadas 48 lecturas de 2 clientes")
        proceso.send_signal(senal)
        salida, errores = proceso.communicate(timeout=60)
    assert (proceso.returncode, errores) == (HECHO, "")
    assert "confirmadas" in salida
    assert len(read_all(entorno, 48)) >= 48
