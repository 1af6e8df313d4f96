"""What is asked of all customers at once, and the plans of every question to PostgreSQL."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import numpy as np
import psycopg2
import pytest
from apoyo_consultas import (
    AHORA,
    CLIENTES,
    HASTA,
    Fila,
    contar,
    elegir,
)
from contracts.fakes import hacer_lote
from contracts.sondas import conectar

from detection.domain import hora_absoluta
from pipeline.stores.postgres import (
    query_customers,
    query_peers,
    query_readings,
    query_shadow,
    query_totals,
)
from pipeline.stores.postgres.queries import PostgresQueries
from pipeline.stores.postgres.store import PostgresStore
from pipeline.stores.query_limits import ConsultaInvalidaError
from serving.settings import Settings

UNO = CLIENTES[2]
DIA = timedelta(days=1)
MES = slice(HASTA - 28 * DIA, HASTA)


def _clase(fila: Fila) -> str:
    return "fin_de_semana" if fila.fecha.weekday() > 4 else "laborable"


# ---- All customers ----


def test_el_resumen(consultas: PostgresQueries, filas: list[Fila]) -> None:
    """Each window holds the readings of its hours, to the hour of now."""
    resumen = consultas.totals.overview()
    assert resumen.ultima_lectura == HASTA - timedelta(hours=1)
    for ventana, desde, hasta in (
        (resumen.ultimas_24h, HASTA - DIA, HASTA),
        (resumen.ultimos_7d, HASTA - 7 * DIA, HASTA),
        (resumen.anteriores_7d, HASTA - 14 * DIA, HASTA - 7 * DIA),
        (resumen.ultimos_30d, HASTA - 30 * DIA, HASTA),
    ):
        suyas = elegir(filas, None, desde, hasta)
        assert (ventana.desde, ventana.hasta, ventana.lecturas) == (desde, hasta, len(suyas))
        assert ventana.consumo_kwh == pytest.approx(sum(f.kwh for f in suyas))
        assert (ventana.clientes, ventana.sospechosos) == (
            20,
            int(any(f.sospechoso for f in suyas)),
        )
        assert ventana.anomalias.model_dump(by_alias=True) == contar(suyas)
        assert ventana.anomalias_total == sum(contar(suyas).values())
    assert resumen.lecturas_estimadas == pytest.approx(len(filas), rel=0.02)


def test_los_dias_y_los_scores(consultas: PostgresQueries, filas: list[Fila]) -> None:
    """Local days, archived ones and the one of 25 hours too, and their scores by hundredths."""
    desde, hasta = date(2026, 9, 30), date(2026, 10, 26)
    suyas = [f for f in filas if desde <= f.fecha <= hasta]
    dias = consultas.totals.days(desde, hasta)
    assert [dia.fecha for dia in dias] == [desde + i * DIA for i in range(27)]
    for dia in dias:
        del_dia = [f for f in suyas if f.fecha == dia.fecha]
        assert dia.lecturas == len(del_dia)
        assert dia.consumo_kwh == pytest.approx(sum(f.kwh for f in del_dia))
        assert (
            dia.anomalias.total
            == dia.anomalias_total
            == sum(f.severidad != "normal" for f in del_dia)
        )
    assert dias[-2].lecturas == 25 * 20
    todos = np.bincount([f.centesimas for f in suyas], minlength=101).tolist()
    assert consultas.totals.score_histogram(desde, hasta) == todos
    uno = np.bincount([f.centesimas for f in suyas if f.cliente == UNO], minlength=101).tolist()
    assert consultas.totals.score_histogram(desde, hasta, UNO) == uno
    for malo in ((hasta, desde), (date(1, 1, 1), hasta), (date(2026, 1, 1), hasta)):
        with pytest.raises(ConsultaInvalidaError):
            consultas.totals.days(*malo)


def test_una_base_vacia(entorno: Settings) -> None:
    """With no readings at all every question has an answer."""
    consultas = PostgresQueries(entorno, reloj=lambda: AHORA)
    resumen = consultas.totals.overview()
    assert (resumen.ultimos_30d.lecturas, resumen.lecturas_estimadas) == (0, 0)
    assert resumen.ultima_lectura is None
    assert consultas.customers.search("x").elementos == consultas.customers.active() == []
    assert consultas.totals.days(date(2026, 11, 1), date(2026, 11, 2))[0].lecturas == 0
    assert consultas.shadow.versions() == []
    consultas.warm_up()
    consultas.close()


def test_la_sombra(entorno: Settings) -> None:
    """A challenger's verdicts are counted by pairs, and the largest differences come first."""
    store, consultas = PostgresStore(entorno), PostgresQueries(entorno)
    claves = [(UNO, hora_absoluta(HASTA) - 1 - i) for i in range(6)]
    lecturas, campeon = hacer_lote(
        claves, score=[10, 55, 70, 95, 52, 10], severidad=[0, 1, 2, 4, 1, 0]
    )
    _, otro = hacer_lote(
        claves, score=[95, 56, 85, 10, 52, 11], severidad=[4, 1, 3, 0, 1, 0], version="8"
    )
    store.save_shadow(lecturas, campeon, otro)
    store.close()
    resumen = consultas.shadow.summary("8")
    assert {(par.campeon, par.aspirante): par.lecturas for par in resumen.pares} == {
        ("normal", "crítica"): 1,
        ("baja", "baja"): 2,
        ("media", "alta"): 1,
        ("crítica", "normal"): 1,
    }
    assert (resumen.lecturas, resumen.coinciden, resumen.mas_graves, resumen.menos_graves) == (
        5, 2, 2, 1,
    )  # fmt: skip
    assert consultas.shadow.versions() == ["8"]
    diferencias = consultas.shadow.differences("8", 3)
    assert [round(d.score_aspirante - d.score_campeon, 2) for d in diferencias] == [
        0.85,
        -0.85,
        0.15,
    ]
    assert consultas.shadow.summary("otra").lecturas == 0
    consultas.close()


# ---- Plans ----

PARAMETROS = {
    "cliente": UNO,
    "clientes": [UNO, CLIENTES[4]],
    "desde": HASTA - 20 * DIA,
    "hasta": HASTA,
    "corte": HASTA - 7 * DIA,
    "limite": 50,
    "severidades": [],
    "tipos": [],
    "noche": [0, 1],
    "punta": [10],
    "fecha": date(2026, 11, 10),
    "primera": date(2026, 11, 5),
    "ultima": date(2026, 11, 20),
    "version": "8",
    "momento": HASTA - 20 * DIA,
    "tras": "",
    "maximo": 1000,
}
SIN_TABLAS = {"ESTIMADAS"}
"""It asks the server what it thinks, and no table of ours."""


def _consultas_sql() -> dict[str, str]:
    """Return every query of the modules that hold them: a new one is examined as well."""
    modulos = (
        query_shadow,
        query_totals,
        query_customers,
        query_readings,
        query_peers,
    )
    return {
        nombre: texto
        for modulo in modulos
        for nombre, texto in vars(modulo).items()
        if nombre.isupper()
        and not nombre.startswith("_")
        and isinstance(texto, str)
        and re.match(r"\s*(SELECT|WITH)\b", texto)
        and nombre not in SIN_TABLAS
    }


@pytest.mark.parametrize("nombre", _consultas_sql())
def test_toda_consulta_va_por_un_indice(historia: Settings, nombre: str) -> None:
    """No question of a user's reads a table of readings, or of the shadow, from end to end."""
    texto = _consultas_sql()[nombre]
    limites: dict[str, Any] = {}
    if "PREFIJO" in nombre:
        limites = {"desde": "CLI_0001", "hasta": "CLI_0002"}
    if "SOMBRA" in nombre:
        limites = {"limite": query_shadow.SOMBRA_MAXIMA}
    conexion = conectar(historia)
    with conexion.cursor() as cursor:
        cursor.execute(
            """INSERT INTO comparacion_sombra
            SELECT 'C' || i, now(), '1', (i % 400)::text, 0.5, 0.5, 'baja', 'baja'
            FROM generate_series(1, 8000) AS i ON CONFLICT DO NOTHING"""
        )
        cursor.execute("ANALYZE comparacion_sombra")
        cursor.execute("EXPLAIN " + texto, {**PARAMETROS, **limites})
        plan = "\n".join(linea for (linea,) in cursor.fetchall())
    conexion.rollback()
    conexion.close()
    # Partitions made ahead are empty, and quicker to look at than their index.
    llenas = r"consumos_diarios(_archivo)?_2026_(09|10|11)|comparacion_sombra"
    assert not re.search(f"Seq Scan on ({llenas})", plan), plan
    assert "Index" in plan, plan


def test_hay_consultas_que_examinar() -> None:
    """The search for queries finds those that there are."""
    assert {"ULTIMAS", "RANGO", "ESTADISTICAS", "DIA", "PARES", "CATALOGO"} <= set(_consultas_sql())
    assert len(_consultas_sql()) > 20


def test_un_mes_de_fuera_ni_se_abre(historia: Settings) -> None:
    """A question about some days leaves out the partitions of other months."""
    conexion = conectar(historia)
    with conexion.cursor() as cursor:
        for texto in (query_readings.RANGO, query_totals.DIA):
            cursor.execute("EXPLAIN " + texto, PARAMETROS)
            plan = "\n".join(linea for (linea,) in cursor.fetchall())
            assert "2026_11" in plan
            assert "2026_10" not in plan
            assert "2026_09" not in plan
    conexion.close()


def test_nada_de_aqui_puede_escribir(historia: Settings, consultas: PostgresQueries) -> None:
    """Every connection refuses to change anything."""
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        consultas._conexiones.rows("DELETE FROM consumos_diarios RETURNING 1", {})
    assert consultas.readings.latest(UNO, 1)
