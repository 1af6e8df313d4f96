"""/api/dashboard: the key figures, their trend, and whom to look at first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from apoyo_api import AHORA, Datos, base_nueva, servir
from apoyo_rutas import HORA, lee, local, todo

from pipeline.embedded.services import EmbeddedServices


def test_los_indicadores_frente_a_la_semana_anterior(cliente: httpx.Client) -> None:
    """Each key figure is that of the last 7 days, with its change from the 7 before."""
    kpis = lee(cliente, "/api/dashboard/resumen")
    resumen = lee(cliente, "/api/estadisticas/resumen")
    ahora, antes = resumen["ultimos_7d"], resumen["anteriores_7d"]
    assert (kpis["desde"], kpis["hasta"]) == (ahora["desde"], ahora["hasta"])
    for campo in ("lecturas", "consumo_kwh", "clientes", "sospechosos"):
        assert (kpis[campo]["valor"], kpis[campo]["anterior"]) == (ahora[campo], antes[campo])
    total = [sum(v["anomalias"].values()) for v in (ahora, antes)]
    assert [kpis["anomalias"]["valor"], kpis["anomalias"]["anterior"]] == total
    criticas = [v["anomalias"]["crítica"] for v in (ahora, antes)]
    assert [kpis["criticas"]["valor"], kpis["criticas"]["anterior"]] == criticas
    cambio = ahora["consumo_kwh"] / antes["consumo_kwh"] - 1
    assert kpis["consumo_kwh"]["variacion"] == pytest.approx(cambio, abs=1e-4)
    assert kpis["anomalias_24h"] == resumen["ultimas_24h"]["anomalias"]
    assert kpis["por_severidad"] == ahora["anomalias"]
    assert kpis["precio_kwh_eur"] == 0.15


def test_la_energia_en_juego_es_la_de_sus_anomalias(cliente: httpx.Client) -> None:
    """Energy at stake is what the week's anomalies are away from the expected, and its price."""
    kpis = lee(cliente, "/api/dashboard/resumen")
    for clave, semanas in (("valor", 0), ("anterior", 1)):
        hasta = local(kpis["hasta"]) - semanas * timedelta(days=7)
        suyas = [
            a
            for a in todo(cliente, "/api/anomalias/últimas", limite=1000)
            if hasta - timedelta(days=7) <= local(a["timestamp_consumo"]) < hasta
        ]
        kwh = sum(abs(a["diferencia_kwh"] or 0) for a in suyas)
        assert suyas
        assert kpis["energia_en_juego_kwh"][clave] == pytest.approx(kwh, rel=1e-3)
        assert kpis["energia_en_juego_eur"][clave] == pytest.approx(0.15 * kwh, rel=1e-3)


def test_el_top_es_el_orden_por_sospecha(cliente: httpx.Client, datos: Datos) -> None:
    """The top customers are the first of the ranking, ten at most."""
    top = lee(cliente, "/api/dashboard/top-anomalias")["elementos"]
    assert top == lee(cliente, "/api/clientes/ranking", limite=10)["elementos"]
    assert 0 < len(top) <= len(datos.clientes)
    assert lee(cliente, "/api/dashboard/top-anomalias", limite=1)["elementos"] == top[:1]


@pytest.fixture(scope="module")
def vacia(servicios: EmbeddedServices) -> Iterator[httpx.Client]:
    """Give a client of the API over empty stores."""
    with base_nueva(servicios, migrada=True) as settings, servir(settings) as http:
        yield http


@pytest.mark.parametrize(
    "ruta",
    [
        "/api/dashboard/resumen", "/api/dashboard/top-anomalias", "/api/estadisticas/resumen",
        "/api/estadisticas/dias", "/api/anomalias/últimas", "/api/anomalias/críticas",
        "/api/anomalias/serie", "/api/anomalias/serie?por=hora", "/api/anomalias/distribuciones",
        "/api/anomalias/histograma", "/api/anomalias/puntuaciones", "/api/anomalias/veredictos",
        "/api/incidencias", "/api/clientes", "/api/clientes/ranking", "/api/consumos/meses",
        "/api/consumos/diarios?propietario_id=CLI_00001", "/api/anomalias/últimas?orden=score",
        "/api/casos", "/api/casos?abiertos=false&orden=antiguedad",
    ],
)  # fmt: skip
def test_sin_datos_todo_responde(vacia: httpx.Client, ruta: str) -> None:
    """Before the first reading every list is empty and every figure zero: no error."""
    cuerpo = vacia.get(ruta)
    assert cuerpo.status_code == 200, cuerpo.text
    if "elementos" in cuerpo.json() and "serie" not in ruta and "dias" not in ruta:
        assert cuerpo.json()["elementos"] == []


def test_sin_datos_no_hay_tendencia(vacia: httpx.Client) -> None:
    """Nothing can be compared with a week that has no reading: no change, and not a fall to 0."""
    kpis = lee(vacia, "/api/dashboard/resumen")
    assert kpis["lecturas"] == {"valor": 0, "anterior": None, "variacion": None}
    assert kpis["ultima_lectura"] is None
    assert local(kpis["hasta"]) - AHORA < HORA
