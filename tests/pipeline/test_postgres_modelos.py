"""PostgreSQL: writers of the same rows at the same time; repeats do not touch rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
from contracts.fakes import filas_de, hacer_lote
from contracts.sondas import HistorialPostgres, conectar

from detection.domain import hora_absoluta, instante
from pipeline.stores.ports import PuntoOnline
from pipeline.stores.postgres.merge import copy_new
from pipeline.stores.postgres.store import PostgresStore
from serving.settings import Settings

H = hora_absoluta(datetime(2026, 1, 15, 2, tzinfo=UTC))


@pytest.fixture
def sonda(entorno: Settings) -> Iterator[HistorialPostgres]:
    abierta = HistorialPostgres(entorno)
    yield abierta
    abierta.store.close()


def test_cada_topic_tiene_sus_modelos(sonda: HistorialPostgres) -> None:
    """The same partition of another topic is another model, of a log by the same name too."""
    otro = PostgresStore(sonda.entorno.model_copy(update={"kafka_topic": "otro-topic"}))
    otro.save(*hacer_lote([]), [PuntoOnline(0, 9, b"del otro", "log")])
    assert sonda.store.load_online("log", [0]) == [None]
    sonda.store.save(*hacer_lote([]), [PuntoOnline(0, 2, b"de este", "log")])
    assert otro.load_online("log", [0]) == [(9, b"del otro")]
    assert sonda.store.load_online("log", [0]) == [(2, b"de este")]
    otro.close()


def test_dos_escritores_de_lo_mismo_no_se_bloquean(sonda: HistorialPostgres) -> None:
    """A consumer that lost its partitions without knowing it does not stop the one that has them.

    Both save the same readings and partitions, named in opposite orders, batch after batch: new,
    repeated, corrected and none, with their shadow.
    """
    salida = threading.Barrier(2)

    def escribir(sentido: int) -> None:
        store = PostgresStore(sonda.entorno)
        salida.wait()
        for i in range(60):
            claves = [(f"C{c}", H + i // 2 + h) for c in range(8) for h in range(3)][::sentido]
            lote = hacer_lote(claves, [1.0 + i % 3] * 24)
            puntos = [PuntoOnline(p, i, b"%d" % i, "log") for p in range(6)][::sentido]
            store.save(*lote, puntos)
            severidad = [(i + k * sentido) % 2 for k in range(24)]
            _, aspirante = hacer_lote(claves, severidad=severidad, version="v2")
            store.save_shadow(*lote, aspirante)
        salida.wait()
        for i in range(60, 120):
            puntos = [PuntoOnline(p, i, b"%d" % i, "log") for p in range(6)][::sentido]
            store.save(*hacer_lote([]), puntos)
        store.close()

    with ThreadPoolExecutor(2) as hilos:
        list(hilos.map(escribir, (1, -1)))
    assert sonda.puntos() == {p: PuntoOnline(p, 119, b"119", "log") for p in range(6)}


def test_un_veredicto_que_llega_entretanto_se_conserva(sonda: HistorialPostgres) -> None:
    """What another writer stores while a merge waits for it stands, and the merge says so.

    The one row has the same kWh and another verdict, one the same verdict, one is a correction.
    """
    claves = [("A", H), ("B", H), ("C", H), ("D", H)]
    suyo = hacer_lote(claves[:3], [1.0, 1.0, 5.0], score=[95, 10, 95], severidad=[4, 0, 4])
    nuestro = hacer_lote(claves)
    store = PostgresStore(sonda.entorno)
    for _ in range(2):  # After a repeated batch, the next one is merged.
        store.save(*hacer_lote([("Z", H)]))
    with ThreadPoolExecutor(1) as hilo:
        with conectar(sonda.entorno) as conexion, conexion.cursor() as cursor:
            copy_new(cursor, *suyo, np.arange(3))
            espera = hilo.submit(store.save, *nuestro)
            _esperar_bloqueo(sonda)
        guardado = espera.result(timeout=20)
    conexion.close()
    store.close()
    assert guardado.repetida.tolist() == [True, True, True, False]
    assert guardado.conservadas.tolist() == [0]
    assert (guardado.score_centesimas.tolist(), guardado.severidad.tolist()) == ([95], [4])
    filas = sonda.filas()
    assert filas["A", H] == filas_de(*suyo)["A", H]
    assert [filas[clave] for clave in claves[1:]] == list(filas_de(*nuestro).values())[1:]


def _esperar_bloqueo(sonda: HistorialPostgres) -> None:
    """Return when a writer waits for another's transaction to end."""
    limite = time.monotonic() + 20
    while not sonda.sql(
        """SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'consumo escritura' AND wait_event_type = 'Lock'"""
    ):
        assert time.monotonic() < limite, "nadie espera"


def test_una_lectura_que_ya_esta_no_se_escribe(sonda: HistorialPostgres) -> None:
    """Not even a lock is written into a row that stays: its place and its versions are the same."""
    claves = [(f"C{i:03d}", H) for i in range(300)]
    lote = hacer_lote(claves)
    sonda.store.save(*lote)
    filas = "SELECT ctid::text, xmin::text, xmax::text, * FROM consumos_diarios ORDER BY id"
    antes = sonda.sql(filas)
    for version in ("reglas-1", "v2", "v3"):
        assert sonda.store.save(*hacer_lote(claves, version=version)).repetida.all()
    assert sonda.sql(filas) == antes
    assert sonda.filas() == filas_de(*lote)


def test_otro_escritor_corrige_a_la_vez(sonda: HistorialPostgres) -> None:
    """Two writers with different kWh of the same readings: each row is whole, of one of them."""
    claves = [(f"C{i:03d}", H + h) for i in range(40) for h in range(10)]
    lotes = [hacer_lote(claves, [kwh] * 400, version=f"v{kwh}") for kwh in (1, 2)]
    sonda.store.save(*hacer_lote(claves, [3] * 400))
    salida = threading.Barrier(2)

    def escribir(lote: tuple) -> bool:
        store = PostgresStore(sonda.entorno)
        salida.wait()
        todas = all(store.save(*lote).repetida.all() for _ in range(5))
        store.close()
        return todas

    with ThreadPoolExecutor(2) as hilos:
        assert all(hilos.map(escribir, lotes))
    assert len(sonda.filas()) == len(claves)
    assert all(f.version_modelo == f"v{f.consumo_kwh:.0f}" for f in sonda.filas().values())


def test_la_sombra_guarda_cada_columna(sonda: HistorialPostgres) -> None:
    """Both verdicts of a reading are there under the names that people look for."""
    cliente = "ñ\t\\N'\n\r€"
    campeon = hacer_lote([(cliente, H)], score=[100], severidad=[4], version="v\\1")
    _, aspirante = hacer_lote([(cliente, H)], score=[7], version="v\t2")
    sonda.store.save_shadow(*campeon, aspirante)
    assert sonda.sql(
        """SELECT propietario_id, timestamp_consumo, version_campeon, version_aspirante,
            score_campeon::float8, score_aspirante::float8, severidad_campeon, severidad_aspirante
        FROM comparacion_sombra"""
    ) == [(cliente, instante(H), "v\\1", "v\t2", 1.0, 0.07, "crítica", "normal")]
