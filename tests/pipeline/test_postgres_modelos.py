"""PostgreSQL: online models go with their batch or not at all; repeats do not touch rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg2
import pytest
from contracts.fakes import filas_de, hacer_lote
from contracts.sondas import HistorialPostgres

from detection.dominio import hora_absoluta, instante
from pipeline.almacenes.postgres import PostgresStore
from pipeline.almacenes.puertos import PUNTOS_POR_PARTICION, PuntoOnline
from serving.settings import Settings

H = hora_absoluta(datetime(2026, 1, 15, 2, tzinfo=UTC))
MALO = hacer_lote([("A", H), ("B", H), ("C", H)], [9.0, 9.0, -1.0])


@pytest.fixture
def sonda(entorno: Settings) -> Iterator[HistorialPostgres]:
    abierta = HistorialPostgres(entorno)
    yield abierta
    abierta.store.close()


@pytest.mark.parametrize("mezcla", [False, True])
def test_un_lote_que_falla_no_deja_su_punto(sonda: HistorialPostgres, mezcla: bool) -> None:
    """The state after a batch that is not stored must never be found, by either way of writing."""
    if mezcla:
        for _ in range(2):
            sonda.store.save(*hacer_lote([("A", H)]))
    sonda.store.save(*hacer_lote([("Z", H)] if not mezcla else []), [PuntoOnline(0, 5, b"antes")])
    with pytest.raises(psycopg2.errors.CheckViolation):
        sonda.store.save(*MALO, [PuntoOnline(0, 5, b"nunca"), PuntoOnline(0, 8, b"nunca")])
    assert sonda.puntos() == {(0, 5): b"antes"}


@pytest.mark.parametrize("mezcla", [False, True])
def test_un_punto_que_falla_no_deja_su_lote(sonda: HistorialPostgres, mezcla: bool) -> None:
    """The other way round: without its state, a batch has not been stored."""
    if mezcla:
        for _ in range(2):
            sonda.store.save(*hacer_lote([("A", H)]))
    antes = sonda.filas()
    with pytest.raises(psycopg2.errors.CheckViolation):
        sonda.store.save(*hacer_lote([("B", H)]), [PuntoOnline(-1, 5, b"nunca")])
    assert sonda.filas() == antes
    assert sonda.puntos() == {}


def test_cada_topic_tiene_sus_modelos(sonda: HistorialPostgres) -> None:
    """The same partition of another topic is another model, and pruning leaves it alone."""
    otro = PostgresStore(sonda.entorno.model_copy(update={"kafka_topic": "otro-topic"}))
    otro.save(*hacer_lote([]), [PuntoOnline(0, 1, b"del otro")])
    for i in range(PUNTOS_POR_PARTICION + 3):
        sonda.store.save(*hacer_lote([]), [PuntoOnline(0, i + 2, b"de este")])
    assert otro.load_online([0], [10**9]) == [b"del otro"]
    assert sonda.store.load_online([0], [1]) == [None]
    otro.close()


def test_dos_escritores_de_los_mismos_puntos_no_se_bloquean(sonda: HistorialPostgres) -> None:
    """A consumer that lost its partitions without knowing it does not stop the one that has them.

    Both name the partitions in opposite orders, batch after batch.
    """
    salida = threading.Barrier(2)

    def escribir(sentido: int) -> None:
        store = PostgresStore(sonda.entorno)
        salida.wait()
        for i in range(25):
            puntos = [PuntoOnline(p, i, b"%d" % i) for p in range(6)][::sentido]
            store.save(*hacer_lote([]), puntos)
        store.close()

    with ThreadPoolExecutor(2) as hilos:
        list(hilos.map(escribir, (1, -1)))
    assert sonda.puntos() == {
        (p, i): b"%d" % i for p in range(6) for i in range(25 - PUNTOS_POR_PARTICION, 25)
    }


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
