"""PostgreSQL: what the case clock remembers, with two writers, its plans, and what is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date

import psycopg2
import pytest
from contracts.fakes import hacer_lote
from contracts.memorias import HOY, MES, estado, memoria, valores
from contracts.sondas import HistorialPostgres, conectar

from detection.cases.records import date_of
from pipeline.stores.postgres.archive import PostgresArchive
from pipeline.stores.postgres.case_memory import _ESTADOS, _PAGINAS
from pipeline.stores.postgres.store import PostgresStore
from serving.settings import Settings

NADA = hacer_lote([])


@pytest.fixture
def sonda(entorno: Settings) -> Iterator[HistorialPostgres]:
    abierta = HistorialPostgres(entorno)
    yield abierta
    abierta.store.close()


def test_dos_escritores_de_lo_mismo_no_se_bloquean(sonda: HistorialPostgres) -> None:
    """Two consumers that think the same customers are theirs, in opposite orders: the newer stays.

    Whoever looks finds states and pages of one write.
    """
    salida = threading.Barrier(2)
    clientes = [f"C{i:02d}" for i in range(40)]

    def escribir(sentido: int) -> None:
        store = PostgresStore(sonda.entorno)
        salida.wait()
        for i in range(40):
            suyos = clientes[::sentido]
            meses = [(c, MES - k) for c in suyos for k in (0, 1)][::sentido]
            store.save(*NADA, memoria=memoria({c: estado(HOY + i) for c in suyos}, meses, i))
        store.close()

    with ThreadPoolExecutor(2) as hilos:
        list(hilos.map(escribir, (1, -1)))
    estados, paginas = valores(sonda.store.load_case_memory(clientes))
    assert [dias for _, dias, _ in estados] == [estado(HOY + 39)] * 40
    assert len(paginas) == 80


def test_se_lee_por_el_indice(sonda: HistorialPostgres) -> None:
    """Loading some customers of many walks the keys and never a whole table."""
    sonda.sql(
        """INSERT INTO memoria_clientes SELECT 'C' || c, '2026-05-27', '2025-05-01', NULL, NULL,
            NULL, decode(repeat('00', 16), 'hex') FROM generate_series(1, 2000) AS c"""
    )
    sonda.sql(
        """INSERT INTO memoria_dias SELECT 'C' || c, make_date(2026, m, 1),
            decode(repeat('00', 589), 'hex')
        FROM generate_series(1, 2000) AS c, generate_series(1, 5) AS m"""
    )
    sonda.sql("ANALYZE memoria_clientes, memoria_dias")
    with closing(conectar(sonda.entorno)) as conexion, conexion.cursor() as cursor:
        for consulta in (_ESTADOS, _PAGINAS):
            cursor.execute("EXPLAIN " + consulta, {"ids": [f"C{i}" for i in range(1, 2000, 3)]})
            plan = "\n".join(linea for (linea,) in cursor.fetchall())
            assert "memoria_clientes_pkey" in plan, plan
            assert "Seq Scan" not in plan, plan
    assert len(sonda.store.load_case_memory(["C7", "C9"]).paginas.propietario_id) == 10


@pytest.mark.parametrize(
    ("tabla", "columna", "valor"),
    [
        ("memoria_clientes", "niveles", "''"),
        ("memoria_clientes", "hoy", "NULL"),
        ("memoria_dias", "dias", "decode(repeat('00', 588), 'hex')"),
        ("memoria_dias", "mes", "'2026-05-02'"),
    ],
)
def test_las_tablas_rechazan_lo_imposible(
    sonda: HistorialPostgres, tabla: str, columna: str, valor: str
) -> None:
    """No program, ours or not, can store what could not be read back."""
    sonda.store.save(*NADA, memoria=memoria({"A": estado()}, [("A", MES)]))
    with pytest.raises(psycopg2.IntegrityError):
        sonda.sql(f"UPDATE {tabla} SET {columna} = {valor}")


def test_se_olvida_lo_que_ya_no_se_mira(sonda: HistorialPostgres) -> None:
    """Pages before all that their customer remembers go at night, whatever the calendar says."""
    estados = {"A": estado(HOY, HOY - 396), "B": estado(HOY - 4_000, HOY - 4_100)}
    meses = [("A", MES - k) for k in range(20)] + [("B", MES - 131 - k) for k in range(8)]
    sonda.store.save(*NADA, memoria=memoria(estados, meses))
    antes = valores(sonda.store.load_case_memory(["A", "B"]))
    with closing(PostgresArchive(sonda.entorno)) as archivo:
        assert archivo.forget_old_days() == 6 + 4
        assert archivo.forget_old_days() == 0
    assert valores(sonda.store.load_case_memory(["A", "B"])) == antes
    quedan = dict(sonda.sql("SELECT propietario_id, count(*) FROM memoria_dias GROUP BY 1"))
    assert quedan == {"A": 14, "B": 4}


def test_eliminar_olvida_a_quien_no_tiene_nada_posterior(sonda: HistorialPostgres) -> None:
    """With the readings of old days for good goes the memory of those who have none since."""
    limite = HOY - 100
    estados = {"se fue": estado(limite - 1), "sigue": estado(limite), "vive": estado()}
    sonda.store.save(
        *NADA, memoria=memoria(estados, [(c, MES - k) for c in estados for k in range(6)])
    )
    antes = valores(sonda.store.load_case_memory(["sigue", "vive"]))
    with closing(PostgresArchive(sonda.entorno)) as archivo:
        archivo.eliminar(date_of(limite))
    assert sonda.store.load_case_memory(["se fue"]).estados.propietario_id == []
    assert sonda.sql("SELECT count(*) FROM memoria_dias WHERE propietario_id = 'se fue'") == [(0,)]
    assert valores(sonda.store.load_case_memory(["sigue", "vive"])) == antes
    assert date_of(HOY) == date(2026, 5, 27)
