"""Black box on Apache Kafka: what is sent arrives exactly once, whoever comes, goes or dies."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from apoyo_kafka import (
    borrar_mensajes,
    enviar,
    escritura_detenida,
    leer_cartas,
    por_tiempo,
    repartidas,
    retraso,
    sobre,
)
from confluent_kafka import Producer
from integration.camino import (
    comprobar_exactamente_una_vez,
    comprobar_veredictos,
    consumidor,
    consumo,
    esperar,
    filas_guardadas,
)

from detection.domain import Lecturas, instante
from pipeline.streaming.kafka import ensure_topics, log_identity
from serving.settings import Settings

PARTICIONES = 12


@pytest.fixture
def entorno(entorno: Settings) -> Settings:
    """Return settings whose topic has twelve partitions."""
    return entorno.model_copy(update={"kafka_particiones": PARTICIONES})


def consumir_todo(variables: dict[str, str]) -> str:
    """Run a consumer until nothing is left; return its log."""
    r = consumo(variables, "consumir", "--hasta-vacio")
    assert r.returncode == 0, r.stderr
    return r.stderr


def test_un_topic_recien_hecho_ya_tiene_identidad(entorno: Settings) -> None:
    """The broker learns of a topic a moment after the controller made it: we wait."""
    for i in range(5):
        nuevo = entorno.model_copy(update={"kafka_topic": f"{entorno.kafka_topic}-{i}"})
        ensure_topics(nuevo)
        assert log_identity(nuevo)


def test_doce_particiones_hasta_la_ultima_lectura(
    entorno: Settings, variables: dict[str, str], lecturas: Lecturas, tmp_path: Path
) -> None:
    """A file over twelve partitions: each reading once in both stores, its verdict, no lag."""
    enviar(variables, tmp_path, lecturas)
    assert sum(retraso(entorno).values()) == len(lecturas)
    consumir_todo(variables)
    assert retraso(entorno) == dict.fromkeys(range(PARTICIONES), 0)
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)


def test_tres_consumidores_entran_y_salen_con_carga(
    entorno: Settings,
    variables: dict[str, str],
    lecturas: Lecturas,
    tmp_path: Path,
    procesos: list[subprocess.Popen[bytes]],
) -> None:
    """One works, two join, one leaves and one is killed with a batch in flight: as if by one."""
    registros = [tmp_path / f"{i}.log" for i in range(3)]
    partes = por_tiempo(lecturas, 3)

    def entra(cual: int) -> None:
        procesos.append(consumidor(variables, registros[cual], LOTE_MAXIMO="250"))

    entra(0)
    enviar(variables, tmp_path, partes[0])
    esperar(lambda: filas_guardadas(entorno) > 0, "the first one works")
    entra(1)
    entra(2)
    enviar(variables, tmp_path, partes[1])
    esperar(lambda: repartidas(registros) == [4, 4, 4], "three consumers, four partitions each")
    procesos[0].send_signal(signal.SIGTERM)
    assert procesos[0].wait(60) == 0, registros[0].read_text()
    esperar(lambda: repartidas(registros[1:]) == [6, 6], "the other two share its partitions")
    with escritura_detenida(entorno) as cuantos_esperan:
        enviar(variables, tmp_path, partes[2])
        esperar(lambda: cuantos_esperan() == 2, "both have a batch in flight")
        procesos[1].kill()
        procesos[1].wait()
    esperar(lambda: filas_guardadas(entorno) == len(lecturas), "the third one does the rest")
    esperar(lambda: not any(retraso(entorno).values()), "every position is recorded")
    procesos[2].send_signal(signal.SIGTERM)
    assert procesos[2].wait(60) == 0, registros[2].read_text()
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)


def test_lo_que_kafka_borro_sin_leerse_se_dice_y_se_sigue(
    entorno: Settings, variables: dict[str, str], lecturas: Lecturas, tmp_path: Path
) -> None:
    """Deleted before it was read: said with its place, the rest is stored, also if none is left."""
    antes, perdidas, despues = por_tiempo(lecturas, 3)
    enviar(variables, tmp_path, antes)
    assert "ya ha borrado mensajes sin leer" not in consumir_todo(variables)
    enviar(variables, tmp_path, perdidas)
    borradas = borrar_mensajes(entorno)
    assert sum(borradas.values()) == len(antes) + len(perdidas)
    vacio = consumir_todo(variables)
    assert "consumidor parado: 0 lecturas" in vacio
    assert vacio.count("ya ha borrado mensajes sin leer de la partición") == len(borradas)
    enviar(variables, tmp_path, despues)
    registro = consumir_todo(variables)
    assert f"consumidor parado: {len(despues)} lecturas" in registro
    for particion, siguiente in borradas.items():
        assert f"al {siguiente - 1}: se sigue desde el {siguiente}" in registro, particion
    assert retraso(entorno) == dict.fromkeys(range(PARTICIONES), 0)
    quedan = sobre(lecturas, antes, despues)
    comprobar_exactamente_una_vez(entorno, quedan)
    comprobar_veredictos(entorno, quedan)


def test_venenos_y_mensajes_de_un_megabyte(
    entorno: Settings, variables: dict[str, str], lecturas: Lecturas, tmp_path: Path
) -> None:
    """Poison goes to the dead letters, cut to what fits; a big valid one is a reading like all."""
    enviar(variables, tmp_path, lecturas)
    hora = int(lecturas.hora_utc.max()) + 1
    grande = {
        "propietario_id": lecturas.propietario_id[0],
        "timestamp": instante(hora).isoformat(),
        "consumo_kwh": 1.5,
        "nota": "x" * 990_000,
    }
    venenos = {
        b"CLI_1": b"\xff\x00",
        b"CLI_2": b"[]",
        b"CLI_3": b"z" * 1_000_000,
        b"k" * 500_000: b"y" * 500_000,
        b"c" * 50_000: b"w" * 899_000,
    }
    productor = Producer(
        {
            "bootstrap.servers": entorno.kafka_broker,
            "message.max.bytes": 1_048_000,
            "log_level": 0,
        }
    )
    productor.produce(entorno.kafka_topic, json.dumps(grande).encode(), lecturas.propietario_id[0])
    for clave, valor in venenos.items():
        productor.produce(entorno.kafka_topic, valor, clave)
    assert productor.flush(20) == 0
    assert f"{len(venenos)} mensajes no válidos" in consumir_todo(variables)
    assert retraso(entorno) == dict.fromkeys(range(PARTICIONES), 0)
    con_la_grande = Lecturas(
        [*lecturas.propietario_id, lecturas.propietario_id[0]],
        np.append(lecturas.hora_utc, hora),
        np.append(lecturas.consumo_kwh, 1.5),
    )
    comprobar_exactamente_una_vez(entorno, con_la_grande)
    cartas = leer_cartas(entorno, len(venenos))
    for clave, valor in venenos.items():
        (carta,) = [c for c in cartas if clave.startswith(c.clave)]
        assert valor.startswith(carta.valor)
        assert len(carta.clave) + len(carta.valor) == min(900_000, len(clave[:100_000] + valor))
        cortado = len(carta.valor) < len(valor)
        assert carta.cabeceras.get("bytes_originales") == (str(len(valor)) if cortado else None)
    assert {c.cabeceras["motivo"] for c in cartas} == {"no_es_json", "no_es_objeto"}
