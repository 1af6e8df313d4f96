"""Black box: what is sent arrives exactly once with a verdict, whatever happens on the way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from camino import (
    comprobar_exactamente_una_vez,
    comprobar_veredictos,
    conectar,
    consumidor,
    consumo,
    escribir_csv,
    esperar,
    filas_guardadas,
    historico,
    lecturas_de_prueba,
    terminar,
)
from forks import Fork

from detection.domain import Lecturas
from serving.settings import Settings

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def entorno(entorno_vacio: Settings) -> Settings:
    """Give settings of a database without tables, as before the first start."""
    return entorno_vacio


@pytest.fixture(scope="module")
def lecturas() -> Lecturas:
    """Return the readings that every test here sends."""
    return lecturas_de_prueba()


@pytest.fixture
def procesos() -> Iterator[list[Fork]]:
    """Give a list of processes that do not outlive the test."""
    lista: list[Fork] = []
    yield lista
    terminar(lista)


AMedias = tuple[list[Fork], Path]


@pytest.fixture
def a_medias(
    entorno: Settings,
    variables: dict[str, str],
    lecturas: Lecturas,
    tmp_path: Path,
    procesos: list[Fork],
) -> AMedias:
    """Give a consumer that has stored a part of the file, and its log."""
    registro = tmp_path / "1.log"
    _enviar(variables, escribir_csv(tmp_path / "a.csv", lecturas), len(lecturas))
    procesos.append(consumidor(variables, registro, LOTE_MAXIMO="150"))
    esperar(
        lambda: filas_guardadas(entorno) > len(lecturas) // 4, "a part stored", registros=[registro]
    )
    return procesos, registro


def _enviar(variables: dict[str, str], archivo: Path, cuantas: int) -> None:
    r = consumo(variables, "producir", "--archivo", str(archivo))
    assert r.returncode == 0, r.stderr
    assert f"confirmadas {cuantas}" in r.stdout + r.stderr


def _consumir_todo(variables: dict[str, str], **mas: str) -> None:
    r = consumo(variables, "consumir", "--hasta-vacio", **mas)
    assert r.returncode == 0, r.stderr


def test_un_archivo_llega_una_vez_byte_a_byte(
    entorno: Settings, variables: dict[str, str], lecturas: Lecturas, tmp_path: Path
) -> None:
    """A file through producer and consumer: each reading once, the same kWh, its verdict."""
    _enviar(variables, escribir_csv(tmp_path / "a.csv", lecturas), len(lecturas))
    _consumir_todo(variables)
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)


@pytest.mark.lenta
def test_el_mismo_archivo_dos_veces(
    entorno: Settings, variables: dict[str, str], lecturas: Lecturas, tmp_path: Path
) -> None:
    """Sent twice, also across a restart of the consumer: as if once, not even touched."""
    archivo = escribir_csv(tmp_path / "a.csv", lecturas)
    _enviar(variables, archivo, len(lecturas))
    _consumir_todo(variables)
    primera = historico(entorno)
    _enviar(variables, archivo, len(lecturas))
    _consumir_todo(variables, LOTE_MAXIMO="777")
    comprobar_exactamente_una_vez(entorno, lecturas)
    assert historico(entorno) == primera


@pytest.mark.lenta
def test_barajado_dentro_de_cada_dia(
    entorno: Settings, variables: dict[str, str], lecturas: Lecturas, tmp_path: Path
) -> None:
    """The order within a day does not matter for what is stored."""
    azar = np.random.default_rng(11).random(len(lecturas))
    barajadas = lecturas.elegir(np.lexsort((azar, lecturas.hora_utc // 24)))
    _enviar(variables, escribir_csv(tmp_path / "a.csv", barajadas), len(lecturas))
    _consumir_todo(variables)
    comprobar_exactamente_una_vez(entorno, lecturas)


@pytest.mark.lenta
def test_dos_consumidores_se_reparten_el_trabajo(
    entorno: Settings,
    variables: dict[str, str],
    lecturas: Lecturas,
    tmp_path: Path,
    procesos: list[Fork],
) -> None:
    """Two consumers of the group share the partitions; SIGTERM ends both with 0."""
    registros = [tmp_path / "1.log", tmp_path / "2.log"]
    for registro in registros:
        procesos.append(consumidor(variables, registro, LOTE_MAXIMO="500"))

    def repartidas() -> bool:
        ultimas = [
            [linea for linea in r.read_text().splitlines() if "particiones asignadas" in linea][-1:]
            for r in registros
        ]
        suyas = [
            set(linea[0].split("asignadas: ")[1].strip("[]").split(", "))
            for linea in ultimas
            if linea
        ]
        return len(suyas) == 2 and sum(map(len, suyas)) == entorno.kafka_particiones

    _enviar(variables, escribir_csv(tmp_path / "a.csv", lecturas), len(lecturas))
    esperar(repartidas, "two consumers with partitions each", registros=registros)
    esperar(lambda: filas_guardadas(entorno) == len(lecturas), "every reading stored")
    for proceso in procesos:
        proceso.send_signal(signal.SIGTERM)
    assert [p.wait(60) for p in procesos] == [0, 0], [r.read_text() for r in registros]
    comprobar_exactamente_una_vez(entorno, lecturas)


def test_un_consumidor_muerto_a_medias_no_pierde_nada(
    entorno: Settings, variables: dict[str, str], lecturas: Lecturas, a_medias: AMedias
) -> None:
    """SIGKILL half way: the next one goes on, nothing lost or doubled, the same verdicts."""
    procesos, _ = a_medias
    procesos[0].kill()
    procesos[0].wait()
    assert filas_guardadas(entorno) < len(lecturas), "it was killed half way"
    _consumir_todo(variables)
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)


def test_sigterm_termina_el_lote_y_se_va(
    entorno: Settings, variables: dict[str, str], lecturas: Lecturas, a_medias: AMedias
) -> None:
    """SIGTERM half way: exit 0, and the next one starts where it stopped, without a repeat."""
    procesos, registro = a_medias
    procesos[0].send_signal(signal.SIGTERM)
    assert procesos[0].wait(60) == 0, registro.read_text()
    ya = filas_guardadas(entorno)
    r = consumo(variables, "consumir", "--hasta-vacio")
    assert r.returncode == 0
    assert f"consumidor parado: {len(lecturas) - ya} lecturas" in r.stderr
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)


@pytest.mark.lenta
def test_postgres_se_va_y_vuelve(
    entorno: Settings, variables: dict[str, str], lecturas: Lecturas, a_medias: AMedias
) -> None:
    """PostgreSQL refuses everybody for a while: the consumer waits, says so once, and goes on."""
    procesos, registro = a_medias
    base = entorno.postgres_db
    with closing(conectar(entorno, "postgres")) as conexion, conexion.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {base} ALLOW_CONNECTIONS false")
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [base]
        )
        esperar(lambda: "se espera y se reintenta" in registro.read_text(), "the trouble is told")
        assert procesos[0].poll() is None
        cursor.execute(f"ALTER DATABASE {base} ALLOW_CONNECTIONS true")
    esperar(lambda: filas_guardadas(entorno) == len(lecturas), "every reading stored")
    esperar(lambda: "recuperado tras" in registro.read_text(), "the recovery is told")
    procesos[0].send_signal(signal.SIGTERM)
    assert procesos[0].wait(60) == 0, registro.read_text()
    # Once for each of the store's two connections, not once for each try.
    assert 1 <= registro.read_text().count("se espera y se reintenta") <= 2
    comprobar_exactamente_una_vez(entorno, lecturas)
    comprobar_veredictos(entorno, lecturas)


def test_un_mensaje_que_no_es_lectura_no_detiene_a_los_demas(
    entorno: Settings, variables: dict[str, str], lecturas: Lecturas, tmp_path: Path
) -> None:
    """Poison among readings: to the dead letters with its reason; everything else is stored."""
    from confluent_kafka import Consumer, Producer, TopicPartition

    _enviar(variables, escribir_csv(tmp_path / "a.csv", lecturas), len(lecturas))
    productor = Producer({"bootstrap.servers": entorno.kafka_broker})
    venenos = [b"\xff\x00", b"[]", b'{"propietario_id":"CLI_1","consumo_kwh":-1}']
    for veneno in venenos:
        productor.produce(entorno.kafka_topic, veneno, b"CLI_1")
    assert productor.flush(20) == 0
    r = consumo(variables, "consumir", "--hasta-vacio")
    assert r.returncode == 0, r.stderr
    assert "3 mensajes no válidos" in r.stderr
    comprobar_exactamente_una_vez(entorno, lecturas)
    muertas = Consumer(
        {
            "bootstrap.servers": entorno.kafka_broker,
            "group.id": f"{entorno.kafka_grupo}-dlq",
            "auto.offset.reset": "earliest",
        }
    )
    # Without joining a group, which takes the broker half a minute.
    dlq = muertas.list_topics(entorno.kafka_topic_dlq, 30).topics[entorno.kafka_topic_dlq]
    muertas.assign([TopicPartition(entorno.kafka_topic_dlq, p, 0) for p in dlq.partitions])
    leidas: dict[bytes, str] = {}
    try:

        def todas() -> bool:
            mensaje = muertas.poll(1.0)
            if mensaje is not None and not mensaje.error():
                cabeceras = dict(mensaje.headers() or ())
                leidas[mensaje.value()] = cabeceras["motivo"].decode()
            return len(leidas) == len(venenos)

        esperar(todas, "every dead letter read", 30)
    finally:
        muertas.close()
    assert leidas == {
        venenos[0]: "no_es_json",
        venenos[1]: "no_es_objeto",
        venenos[2]: "tiempo_ausente",
    }
