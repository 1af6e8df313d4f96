"""Black box on Apache Kafka: the broker itself is away or dies, and comes back on its own log."""

from __future__ import annotations

import signal
from pathlib import Path

from apoyo_kafka import NodoKafka, enviar, escritura_detenida, por_tiempo, retraso
from forks import Fork
from integration.camino import (
    comprobar_exactamente_una_vez,
    comprobar_veredictos,
    consumidor,
    esperar,
    filas_guardadas,
)

from detection.domain import Lecturas
from serving.settings import Settings

LOTE = "250"


def terminar_bien(proceso: Fork, registro: Path) -> None:
    """Ask a consumer to stop, and see that it does so in good order."""
    proceso.send_signal(signal.SIGTERM)
    assert proceso.wait(60) == 0, registro.read_text()


def test_kafka_llega_despues_que_los_consumidores(
    entorno: Settings,
    variables: dict[str, str],
    kafka: NodoKafka,
    lecturas: Lecturas,
    tmp_path: Path,
    procesos: list[Fork],
) -> None:
    """No broker at the start: said once, waited for, stopped if asked to; then all is stored."""
    kafka.kill()
    registros = [tmp_path / "1.log", tmp_path / "2.log"]
    espera = f"Kafka no responde en {entorno.kafka_broker}; se espera y se reintenta"
    procesos.extend(consumidor(variables, registro) for registro in registros)
    esperar(lambda: all(espera in r.read_text() for r in registros), "the trouble is told")
    terminar_bien(procesos[0], registros[0])
    kafka.start()
    esperar(lambda: "particiones asignadas" in registros[1].read_text(), "it goes on by itself")
    enviar(variables, tmp_path, lecturas)
    esperar(lambda: filas_guardadas(entorno) == len(lecturas), "every reading stored")
    terminar_bien(procesos[1], registros[1])
    dicho = registros[1].read_text()
    assert dicho.count(espera) == 1
    assert "recuperado tras" in dicho
    assert "no dice qué registro" not in dicho
    assert not any(retraso(entorno).values())
    comprobar_exactamente_una_vez(entorno, lecturas)


def test_kafka_muere_a_medias_y_vuelve_con_su_registro(
    entorno: Settings,
    variables: dict[str, str],
    kafka: NodoKafka,
    lecturas: Lecturas,
    tmp_path: Path,
    procesos: list[Fork],
) -> None:
    """SIGKILL of the broker with a batch in flight: the same consumer goes on, nothing is lost."""
    registro = tmp_path / "1.log"
    primera, segunda = por_tiempo(lecturas, 2)
    enviar(variables, tmp_path, primera)
    procesos.append(consumidor(variables, registro, LOTE_MAXIMO=LOTE))
    esperar(lambda: filas_guardadas(entorno) > 0, "a part stored")
    with escritura_detenida(entorno) as cuantos_esperan:
        esperar(lambda: cuantos_esperan() == 1, "a batch in flight")
        kafka.kill()
        guardadas = filas_guardadas(entorno)
        assert guardadas < len(primera), "it was killed half way"
    esperar(lambda: "Kafka no responde" in registro.read_text(), "the trouble is told")
    esperar(lambda: filas_guardadas(entorno) > guardadas, "what had been read is stored meanwhile")
    kafka.start()
    enviar(variables, tmp_path, segunda)
    esperar(lambda: filas_guardadas(entorno) == len(lecturas), "every reading stored")
    esperar(lambda: "Kafka responde de nuevo" in registro.read_text(), "the recovery is told")
    terminar_bien(procesos[0], registro)
    assert not any(retraso(entorno).values())
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)
