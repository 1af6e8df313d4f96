"""Months of customers: one customer's, everybody's, and one year beside the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

import pytest
from apoyo_consultas import AHORA
from bases import nueva_base
from contracts.sondas import AnomaliasMongo

from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.query_limits import por_tramos
from serving.settings import Settings

Documento = dict[str, Any]

MESES = [f"{anio}-{mes:02d}" for anio in (2025, 2026) for mes in range(1, 13)][8:23]


def _mes(cliente: int, mes: str) -> Documento:
    n = MESES.index(mes) + 1
    return {
        "_id": f"C{cliente:02d}_{mes}",
        "propietario_id": f"C{cliente:02d}",
        "mes": datetime.fromisoformat(f"{mes}-01T00:00:00+00:00"),
        "mes_str": mes,
        # Several customers used the same.
        "consumo_total": 100.0 * (cliente // 2) + n,
        "consumo_promedio": 0.5,
        "consumo_minimo": 0.1,
        "consumo_maximo": 2.0,
        "anomalias_detectadas": cliente % 3,
        "anomalias_criticas": cliente % 2,
        "consumo_noche_promedio": None if cliente == 0 else cliente / 10,
        "consumo_punta_promedio": 1.0,
        "lecturas": 744,
        "agregado_en": AHORA,
    }


@pytest.fixture
def entorno(entorno_mongo: Settings) -> Settings:
    return entorno_mongo


@pytest.fixture(scope="module")
def con_meses(servicios: EmbeddedServices) -> Iterator[Settings]:
    """Give a base with the months of ten customers."""
    with nueva_base(servicios) as entorno:
        sonda = AnomaliasMongo(entorno)
        with closing(sonda.store), closing(sonda.cliente):
            sonda.base["consumos_mensuales"].insert_many(
                [_mes(cliente, mes) for mes in MESES for cliente in range(10)]
            )
        yield entorno


@pytest.fixture(scope="module")
def meses(con_meses: Settings) -> Iterator[MongoQueries]:
    """Give what asks for them."""
    with closing(MongoQueries(con_meses, reloj=lambda: AHORA)) as consultas:
        consultas.ensure_indexes()
        yield consultas


def test_los_meses_de_un_cliente(meses: MongoQueries) -> None:
    """The newest first, with every field, between two months if asked."""
    hay = meses.months.of_customer("C04")
    assert [mes.mes_str for mes in hay] == MESES[::-1]
    doc = _mes(4, MESES[-1])
    esperado = {campo: valor for campo, valor in doc.items() if campo not in {"_id", "mes"}}
    assert hay[0].id == "C04_2026-11"
    assert {campo: getattr(hay[0], campo) for campo in esperado} == esperado
    assert hay[0].completo
    assert [m.mes_str for m in meses.months.of_customer("C04", "2026-02", "2026-04")] == [
        "2026-04",
        "2026-03",
        "2026-02",
    ]
    assert [m.mes_str for m in meses.months.of_customer("C04", limite=2)] == MESES[:-3:-1]
    assert meses.months.of_customer("NADIE") == []
    assert [m.mes_str for m in meses.months.totals()] == MESES[::-1]
    assert [m.mes_str for m in meses.months.totals(2)] == MESES[:-3:-1]


@pytest.mark.parametrize("limite", [1, 3, 50])
@pytest.mark.parametrize("orden", ["consumo_total", "anomalias_detectadas"])
def test_el_ranking_de_un_mes(meses: MongoQueries, orden: str, limite: int) -> None:
    """Who used most first; those that used the same are told apart, page after page."""
    tramos = por_tramos(
        lambda cursor: meses.months.of_month("2026-03", orden=orden, limite=limite, cursor=cursor)
    )
    docs = sorted(
        (_mes(c, "2026-03") for c in range(10)), key=lambda d: (d[orden], d["_id"]), reverse=True
    )
    assert [mes.id for tramo in tramos for mes in tramo] == [doc["_id"] for doc in docs]


def test_un_mes_entero(meses: MongoQueries) -> None:
    """All customers' month adds up."""
    resumen = meses.months.total("2026-03")
    assert resumen is not None
    total = sum(_mes(c, "2026-03")["consumo_total"] for c in range(10))
    assert tuple(resumen.model_dump(exclude={"coste_estimado_eur"}).values()) == (
        "2026-03", 10, total, total / 10, 9, 5, pytest.approx(sum(range(10)) / 90, abs=1e-6), 1.0,
        7440, True,
    )  # fmt: skip
    assert meses.months.total("2024-01") is None
    resumenes = meses.months.totals(3)
    assert [r.mes_str for r in resumenes] == MESES[:-4:-1]
    assert resumenes[1] == meses.months.total("2026-10")


@pytest.mark.parametrize("embebido", [True, False])
def test_el_puesto_en_un_mes(con_meses: Settings, embebido: bool) -> None:
    """Each customer has its place, those that used the same a common one, on either server."""
    with closing(MongoQueries(con_meses, embebido=embebido)) as consultas:
        puestos = [consultas.months.place(f"C0{c}", "2026-03") for c in range(10)]
        gastado = [_mes(c, "2026-03")["consumo_total"] for c in range(10)]
        assert puestos == [(sum(otro > suyo for otro in gastado) + 1, 10) for suyo in gastado]
        assert (puestos[8], puestos[9], puestos[0]) == ((1, 10), (1, 10), (9, 10))
        assert consultas.months.place("NADIE", "2026-03") is None
        assert consultas.months.place("C00", "2024-01") is None


def test_un_ano_junto_al_anterior(meses: MongoQueries) -> None:
    """Every month beside the same one a year before, where there is one."""
    pares = meses.months.year_on_year("C04", 14)
    assert [par.mes_str for par in pares] == MESES[::-1][:14]
    for par in pares:
        anterior = f"{int(par.mes_str[:4]) - 1}{par.mes_str[4:]}"
        assert par.actual is not None
        assert par.actual.mes_str == par.mes_str
        assert (par.anterior is not None) == (anterior in MESES)
        if par.anterior is not None:
            assert par.anterior.mes_str == anterior
            assert par.variacion == pytest.approx(
                par.actual.consumo_total / par.anterior.consumo_total - 1, abs=1e-4
            )
    vacio = meses.months.year_on_year("C04", 2, "2000-01")[1]
    assert tuple(vacio.model_dump().values()) == ("1999-12", None, None, None)
    assert meses.months.year_on_year("NADIE") == []
