"""/api/estadisticas: figures that are those of the readings they are made of."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime

import httpx
import pytest
from apoyo_api import AHORA, Datos, es_problema
from apoyo_rutas import HORA, MADRID, de_cliente, lee, local, todo

from api.stats.overview import indicators
from api.stats.routes import monthly_change, summarise
from pipeline.stores.anomaly_records import (
    MesCliente,
    ParInteranual,
    ResumenAnomalias,
)
from pipeline.stores.mongo.query_filter import GRAVES
from pipeline.stores.presentation import make_presentacion
from pipeline.stores.record_base import PorEstado, PorSeveridad
from pipeline.stores.records import ResumenHistoria, Ventana
from serving.settings import Settings

DESDE = datetime(2026, 11, 1, tzinfo=UTC)
PRESENTA = make_presentacion(Settings(_env_file=None))


@pytest.mark.parametrize("dias", [28, 7, 366])
def test_las_cifras_de_un_cliente(cliente: httpx.Client, datos: Datos, dias: int) -> None:
    """A customer's figures are those of its readings of the days that are asked for."""
    for quien in datos.clientes[:3]:
        cifras = lee(cliente, f"/api/estadisticas/cliente/{quien}", dias=dias)
        suyas = de_cliente(datos, quien)
        desde, hasta = local(cifras["desde"]), local(cifras["hasta"])
        assert hasta == max(suyas) + HORA
        assert (hasta - desde) // HORA == 24 * dias
        kwh = [k for m, k in suyas.items() if desde <= m < hasta]
        assert cifras["lecturas"] == len(kwh)
        assert cifras["consumo_total_kwh"] == pytest.approx(sum(kwh))
        assert cifras["consumo_promedio_kwh"] == pytest.approx(sum(kwh) / len(kwh), abs=1e-6)
        assert (cifras["consumo_minimo_kwh"], cifras["consumo_maximo_kwh"]) == (min(kwh), max(kwh))
        assert cifras["p50_kwh"] == pytest.approx(statistics.median(kwh), abs=1e-6)
        assert cifras["coste_estimado_eur"] == pytest.approx(0.15 * sum(kwh), abs=0.01)
        assert cifras["cobertura"] == pytest.approx(
            len(kwh) / cifras["lecturas_posibles"], abs=1e-4
        )
        noche = [
            k for m, k in suyas.items() if desde <= m < hasta and m.astimezone(MADRID).hour < 6
        ]
        assert cifras["consumo_noche_promedio_kwh"] == pytest.approx(
            sum(noche) / len(noche), abs=1e-6
        )
        assert cifras["anomalias_total"] == sum(cifras["anomalias"].values())
        semana = sum(k for m, k in suyas.items() if hasta - 168 * HORA <= m < hasta)
        assert cifras["semana"]["valor"] == pytest.approx(semana)


def test_las_anomalias_de_las_cifras_son_las_guardadas(cliente: httpx.Client, datos: Datos) -> None:
    """What the history counts as anomalies is what MongoDB has of that customer."""
    for quien in datos.clientes:
        cifras = lee(cliente, f"/api/estadisticas/cliente/{quien}", dias=366)
        suyas = todo(cliente, f"/api/anomalias/cliente/{quien}", limite=1000)
        assert cifras["anomalias_total"] == len(suyas)
        assert cifras["score_maximo"] >= max((a["score_anomalia"] for a in suyas), default=0)
        de_mas = sum(max(a["diferencia_kwh"] or 0, 0) for a in suyas)
        assert cifras["exceso_kwh"] == pytest.approx(de_mas, rel=1e-3, abs=1e-3)
        assert cifras["energia_en_juego_kwh"] == pytest.approx(
            cifras["exceso_kwh"] + cifras["defecto_kwh"]
        )


def test_dias_fuera_de_limites(cliente: httpx.Client, datos: Datos) -> None:
    """Statistics of no day, or of more than a year, are refused."""
    for dias in (0, 367, "x"):
        ruta = f"/api/estadisticas/cliente/{datos.clientes[0]}?dias={dias}"
        es_problema(cliente.get(ruta), 422, "dias")


def test_el_resumen_cuenta_las_ventanas(cliente: httpx.Client, datos: Datos) -> None:
    """The global windows hold every reading of their hours, by the app's own clock."""
    resumen = lee(cliente, "/api/estadisticas/resumen")
    assert resumen["completo"] is True
    assert local(resumen["momento"]) == AHORA
    lecturas = {
        (quien, m): k for quien in datos.clientes for m, k in de_cliente(datos, quien).items()
    }
    for nombre in ("ultimas_24h", "ultimos_7d", "anteriores_7d", "ultimos_30d"):
        ventana = resumen[nombre]
        desde, hasta = local(ventana["desde"]), local(ventana["hasta"])
        dentro = {c: k for c, k in lecturas.items() if desde <= c[1] < hasta}
        assert ventana["lecturas"] == len(dentro)
        assert ventana["consumo_kwh"] == pytest.approx(sum(dentro.values()))
        assert ventana["anomalias_total"] == sum(ventana["anomalias"].values())
    semanas = resumen["ultimos_7d"], resumen["anteriores_7d"]
    assert semanas[0]["desde"] == semanas[1]["hasta"]
    assert local(resumen["ultima_lectura"]) == max(m for _, m in lecturas)
    assert sum(resumen["por_estado"].values()) > 0


def test_los_dias_de_todos(cliente: httpx.Client, datos: Datos) -> None:
    """Each local day has its readings and energy; 93 days are too many."""
    dias = lee(cliente, "/api/estadisticas/dias", desde="2026-10-20", hasta="2026-10-31")
    assert [d["fecha"] for d in dias["elementos"]] == [f"2026-10-{n}" for n in range(20, 32)]
    for dia in dias["elementos"]:
        kwh = [
            k
            for quien in datos.clientes
            for m, k in de_cliente(datos, quien).items()
            if f"{m.astimezone(MADRID):%Y-%m-%d}" == dia["fecha"]
        ]
        assert dia["lecturas"] == len(kwh)
        assert dia["consumo_kwh"] == pytest.approx(sum(kwh))
    es_problema(
        cliente.get("/api/estadisticas/dias?desde=2026-01-01&hasta=2026-10-31"), 422, "desde"
    )


def test_los_meses_juntos(cliente: httpx.Client, datos: Datos) -> None:
    """A customer's months add up, and its rank is its place among the month's customers."""
    orden = [e["propietario_id"] for e in todo(cliente, "/api/consumos/meses/2026-11")]
    for quien in datos.clientes:
        cifras = lee(cliente, f"/api/estadisticas/mensuales/{quien}")
        meses = lee(cliente, f"/api/consumos/mensuales/{quien}")["elementos"]
        assert cifras["meses"] == len(meses) == 2
        assert cifras["consumo_total"] == pytest.approx(sum(m["consumo_total"] for m in meses))
        assert [e["actual"] for e in cifras["elementos"] if e["actual"]] == meses
        assert cifras["ultimo_mes"] == "2026-11"
        assert (cifras["posicion"], cifras["de"]) == (orden.index(quien) + 1, len(orden))
        # November is not over, and October begins with its 11th day: neither is compared.
        assert [m["completo"] for m in meses] == [False, False]
        assert cifras["mes_maximo"] is cifras["consumo_promedio_mensual"] is None
        assert cifras["variacion_mensual"] is None
    assert [m["completo"] for m in lee(cliente, "/api/consumos/meses")["elementos"]] == [False] * 2


def _mes(mes_str: str, total: float, lecturas: int | None = 720) -> MesCliente:
    doc = {
        "_id": f"A_{mes_str}", "propietario_id": "A", "mes_str": mes_str, "consumo_total": total,
        "consumo_promedio": 1.0, "consumo_minimo": 0.0, "consumo_maximo": 2.0,
        "anomalias_detectadas": 0, "anomalias_criticas": 0, "lecturas": lecturas,
    }  # fmt: skip
    return MesCliente.of(doc, PRESENTA)


def test_la_variacion_mensual_es_de_meses_terminados_y_seguidos() -> None:
    """The monthly change leaves out the month that is running, gaps, and months of nothing."""
    enero, diciembre, octubre = _mes("2027-01", 110), _mes("2026-12", 100), _mes("2026-10", 50)
    assert monthly_change([enero, diciembre], "2027-02") == pytest.approx(0.1)
    assert monthly_change([enero, diciembre], "2027-01") is None
    assert monthly_change([diciembre, octubre], "2027-01") is None
    assert monthly_change([enero, _mes("2026-12", 0)], "2027-02") is None
    assert monthly_change([], "2027-02") is None


@pytest.mark.parametrize("lecturas", [24, 700, None])
def test_un_mes_a_medias_no_se_compara(lecturas: int | None) -> None:
    """A month of which days are missing, or may be, is compared with none: not 2.938 % more."""
    enero, diciembre = _mes("2027-01", 729.0), _mes("2026-12", 24.0, lecturas)
    assert monthly_change([enero, diciembre], "2027-02") is None
    otro = enero.model_copy(update={"mes_str": "2026-12"})
    assert monthly_change([_mes("2027-01", 24.0, lecturas), otro], "2027-02") is None


def test_dos_meses_se_comparan_por_hora() -> None:
    """February is three days shorter than January: the same use an hour is no change."""
    enero, febrero = _mes("2027-01", 744.0, 744), _mes("2027-02", 672.0, 672)
    assert monthly_change([febrero, enero], "2027-03") == 0


def test_las_cifras_de_los_meses_son_de_los_completos() -> None:
    """The mean, the highest and the lowest month are those of whole months."""
    meses = [_mes("2027-02", 5.0, 24), _mes("2027-01", 300.0), _mes("2026-12", 100.0)]
    pares = [
        ParInteranual(mes_str=mes.mes_str, actual=mes, anterior=None, variacion=None)
        for mes in meses
    ]
    cifras = summarise("A", pares, None, PRESENTA, datetime(2027, 2, 3, tzinfo=UTC))
    assert (cifras.mes_maximo, cifras.mes_minimo) == ("2027-01", "2026-12")
    assert (cifras.consumo_promedio_mensual, cifras.consumo_total) == (200.0, 405.0)


@pytest.mark.parametrize("cuantas", [24, 150, 167])
def test_una_semana_a_medias_no_se_compara(cuantas: int) -> None:
    """The key figures say how they have changed only where both weeks are whole."""
    entera = Ventana(
        desde=DESDE, hasta=DESDE, lecturas=5 * 168, consumo_kwh=100.0, clientes=5, sospechosos=1,
        anomalias=PorSeveridad.of(dict.fromkeys(GRAVES, 3)), anomalias_total=12,
    )  # fmt: skip
    parcial = entera.model_copy(update={"lecturas": 5 * cuantas, "consumo_kwh": 10.0})
    halladas = ResumenAnomalias(PorEstado(abierta=3), None, 3.0, 2.0)
    for dos in ((entera, parcial), (parcial, entera)):
        historia = ResumenHistoria(DESDE, entera, *dos, entera, 0, DESDE)
        kpis = indicators(historia, halladas, [], PRESENTA)
        assert (kpis.anomalias.variacion is None) == (cuantas < 160)
        assert (kpis.consumo_kwh.anterior is None) == (cuantas < 160)
        assert (kpis.energia_en_juego_eur.anterior is None) == (cuantas < 160)
