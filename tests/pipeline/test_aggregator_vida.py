"""Aggregation beside live traffic, its cost, and SIGKILL at any step of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import date
from typing import Any

import numpy as np
import pytest
from apoyo_meses import (
    AHORA,
    ENERO,
    Casa,
    documentos_de,
    hora,
    lote_de,
    lote_variado,
)
from contracts.sondas import conectar

from detection.errors import TransientError
from pipeline.jobs.aggregate import Agregador
from pipeline.stores.mongo.months import MesesMongo
from pipeline.stores.postgres import month_totals
from pipeline.stores.postgres.month_totals import RESUMEN, MesesPostgres
from serving.settings import Settings


@pytest.fixture
def casa(entorno: Settings) -> Iterator[Casa]:
    abierta = Casa(entorno)
    yield abierta
    abierta.close()


# ---- Cost, and traffic beside it ----


def test_un_mes_no_lee_los_demas(casa: Casa) -> None:
    """The query of a month reads the rows of its own partitions, archived or not."""
    meses = [f"2025-{mes:02}" for mes in range(7, 13)] + [f"2026-{mes:02}" for mes in range(1, 8)]
    for tabla in ("consumos_diarios", "consumos_diarios_archivo"):
        for mes in meses:
            casa.historial.crear_mes(f"{mes}-01", tabla)
        casa.sql(
            f"""INSERT INTO {tabla} (id, propietario_id, fecha, hora, consumo_kwh,
                anomalia_detectada, score_anomalia, severidad, es_sospechoso, timestamp_consumo,
                version_modelo, timestamp_procesado, tipos_anomalia)
            SELECT d * 1000 + c, 'C' || c, date '2025-07-01' + d, 12, 1, false, 0.1, 'normal',
                false, timestamptz '2025-07-01 11:00Z' + make_interval(days => d), 'v', now(),
                '{{}}'
            FROM generate_series(0, 364) AS d, generate_series(1, 60) AS c"""
        )
        casa.sql(f"ANALYZE {tabla}")
    with closing(MesesPostgres(casa.entorno)) as origen:
        parametros = origen.parametros(ENERO)
    with closing(conectar(casa.entorno)) as conexion, conexion.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {RESUMEN}", parametros)
        ((plan,),) = cursor.fetchall()
    lecturas = list(_scans(plan[0]["Plan"]))
    leidas = {nodo["Relation Name"]: filas for nodo, filas in lecturas if filas}
    # A day more on either side, for the zones.
    assert set(leidas) == {
        f"{tabla}_{mes}"
        for tabla in ("consumos_diarios", "consumos_diarios_archivo")
        for mes in ("2025_12", "2026_01", "2026_02")
    } or set(leidas) == {"consumos_diarios_2026_01", "consumos_diarios_archivo_2026_01"}
    assert sum(leidas.values()) == 2 * 31 * 60


def _scans(nodo: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], float]]:
    """Give the plan's nodes that read a table, with the rows that each one read."""
    if "Relation Name" in nodo:
        leidas = nodo["Actual Rows"] + nodo.get("Rows Removed by Filter", 0)
        yield nodo, leidas * nodo["Actual Loops"]
    for hijo in nodo.get("Plans", ()):
        yield from _scans(hijo)


def test_se_escribe_mientras_se_agrega(casa: Casa) -> None:
    """A month is of one instant, chunk after chunk, and nobody waits for it, schema included."""
    h = hora("2026-01-10T10:00")
    clientes = [f"C{i:02d}" for i in range(20)]
    casa.guardar(*lote_de([(c, h) for c in clientes]))
    with closing(MesesPostgres(casa.entorno, tramo=7)) as origen, origen.open_month(ENERO) as mes:
        tramos = mes.tramos()
        leidos = next(tramos)
        casa.guardar(*lote_de([(c, h) for c in clientes], [9.0] * 20))
        casa.sql("SET lock_timeout = '2s'; LOCK TABLE consumos_diarios IN ACCESS EXCLUSIVE MODE")
        resto = list(tramos)
    assert [len(leidos), *map(len, resto)] == [7, 7, 6]
    todos = [r for tramo in (leidos, *resto) for r in tramo]
    assert [r.propietario_id for r in todos] == clientes
    assert {r.consumo_total for r in todos} == {1.0}
    assert mes.huella.lecturas == 20


def test_dos_a_la_vez_no(casa: Casa, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second aggregation waits for the first one, and says so if it takes too long."""
    monkeypatch.setattr(month_totals, "ESPERA_CERROJO_S", 1)
    casa.guardar(*lote_de([("A", hora("2026-01-10T10:00"))]))
    with closing(MesesPostgres(casa.entorno)) as primera:
        primera.lock()
        with pytest.raises(TransientError, match="otra agregación está en marcha"):
            casa.agregar()
        assert casa.documentos() == {}
    assert casa.agregar().meses == (ENERO,)


# ---- Deaths ----

FRAGIL = """
import os, signal
from datetime import UTC, datetime
from pipeline.jobs.aggregate import Agregador
from pipeline.stores.mongo.months import MesesMongo
from pipeline.stores.postgres.month_totals import MesesPostgres
from serving.settings import load_settings

PASO, QUEDAN = {paso!r}, [{veces}]

def morir(paso):
    if paso == PASO:
        QUEDAN[0] -= 1
        if QUEDAN[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

class Fragil(MesesMongo):
    def begin(self, mes):
        morir("antes"); super().begin(mes); morir("empezado")
    def save(self, *datos):
        super().save(*datos); morir("guardado")
    def finish(self, *datos):
        morir("sin_acabar"); n = super().finish(*datos); morir("acabado"); return n

s = load_settings()
origen, destino = MesesPostgres(s, tramo=4), Fragil(s)
origen.lock(); destino.ensure_indexes()
a = Agregador(s, origen, destino, datetime(2026, 11, 24, 10, 30, tzinfo=UTC))
a.aggregate(list(a.pending()[0]))
"""


def _morir(variables: dict[str, str], paso: str, veces: int) -> None:
    guion = FRAGIL.format(paso=paso, veces=veces)
    r = subprocess.run(
        [sys.executable, "-c", guion], env=variables, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert r.returncode == -signal.SIGKILL, r.stderr


@pytest.mark.parametrize(
    ("paso", "veces"),
    [
        ("antes", 1), ("guardado", 2), ("acabado", 1),
        *(pytest.param(*caso, marks=pytest.mark.lenta)
          for caso in (("empezado", 2), ("guardado", 4), ("sin_acabar", 1))),
    ],
)  # fmt: skip
def test_muerto_a_medias_la_siguiente_lo_deja_bien(
    casa: Casa, variables: dict[str, str], paso: str, veces: int
) -> None:
    """SIGKILL at any step, with customers to add and to remove: the next run makes it right."""
    casa.guardar(*lote_variado("2026-01-10", "2026-02-20", clientes=10, semilla=1))
    casa.agregar()
    todas, veredictos = lote_variado("2026-01-10", "2026-02-20", clientes=12, semilla=2)
    quedan = np.flatnonzero([c >= "CLI_00003" for c in todas.propietario_id])
    lote = todas.elegir(quedan), veredictos.elegir(quedan)
    casa.sql("DELETE FROM consumos_diarios")
    casa.guardar(*lote)
    _morir(variables, paso, veces)
    assert casa.documentos() != documentos_de(lote)
    casa.agregar()
    assert casa.documentos() == documentos_de(lote)
    assert casa.agregar().meses == ()


def test_muerto_a_medias_y_los_datos_vuelven_a_ser_los_de_antes(
    casa: Casa, variables: dict[str, str]
) -> None:
    """The half that a dead run wrote does not hide behind the fingerprint of the run before."""
    lote = lote_variado("2026-01-10", "2026-01-12", clientes=10)
    casa.guardar(*lote)
    casa.agregar()
    casa.guardar(*lote_de([("INTRUSO", hora("2026-01-11T10:00"))]))
    _morir(variables, "sin_acabar", 1)
    assert "INTRUSO_2026-01" in casa.documentos()
    casa.sql("DELETE FROM consumos_diarios WHERE propietario_id = 'INTRUSO'")
    casa.agregar()
    assert casa.documentos() == documentos_de(lote)


def test_sin_la_sesion_que_guarda_el_cerrojo_no_se_borra_nada(casa: Casa) -> None:
    """PostgreSQL ends our session half way: an error, and no document is removed."""
    casa.guardar(*lote_variado("2026-01-10", "2026-01-12", clientes=3))
    casa.agregar()
    antes = set(casa.documentos())
    casa.sql("DELETE FROM consumos_diarios WHERE propietario_id = 'CLI_00000'")
    with (
        closing(MesesPostgres(casa.entorno)) as origen,
        closing(MesesMongo(casa.entorno)) as destino,
    ):
        origen.lock()

        def cortar(_mes: date, _lecturas: int) -> None:
            casa.sql(
                """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                WHERE application_name = 'consumo agregar' AND datname = current_database()"""
            )

        with pytest.raises(TransientError, match="no responde"):
            Agregador(casa.entorno, origen, destino, AHORA).aggregate([ENERO], cortar)
    assert set(casa.documentos()) == antes
    assert casa.agregar().retirados == 1
