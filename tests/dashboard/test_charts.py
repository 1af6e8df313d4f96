"""The figures: what they show of what they are given, in light and dark."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dashboard import texts
from dashboard.charts import anomalias, avanzado, buscar_cliente, deriva, mensual, modelos, shared
from dashboard.theme import DARK, LIGHT, Palette, palette_of, streamlit_theme
from dashboard.views.avanzado import alerts_by_threshold, correlation

PALETAS = pytest.mark.parametrize("colores", [LIGHT, DARK], ids=["clara", "oscura"])
SEPARACION = 15.0
"""ΔE (CIE 1976) between any two severities; from about 10 on, nobody takes one for the other."""
CONTRASTE = 2.0
"""Of a mark against the background: with its shape and its name beside it."""
# Machado, Oliveira & Fernandes 2009, "A Physiologically-based Model for Simulation of Color
# Vision Deficiency", severity 1.0, on linear RGB.
OJOS = {
    "normal": np.eye(3),
    "protan": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                        [-0.003882, -0.048116, 1.051998]]),
    "deutan": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                        [-0.011820, 0.042940, 0.968881]]),
    "tritan": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                        [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip


def _lineal(color: str) -> NDArray[np.float64]:
    c = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    a_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                      [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
    xyz = a_xyz @ np.clip(rgb, 0, 1) / np.array([0.95047, 1, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _luz(color: str) -> float:
    return float(_lineal(color) @ np.array([0.2126, 0.7152, 0.0722]))


@PALETAS
@pytest.mark.parametrize("ojo", OJOS)
def test_las_severidades_se_distinguen(colores: Palette, ojo: str) -> None:
    """No two severities look alike, to colour-blind eyes either."""
    vistos = {s: _lab(OJOS[ojo] @ _lineal(c)) for s, c in colores.severity.items()}
    for una, otra in itertools.combinations(vistos, 2):
        assert np.linalg.norm(vistos[una] - vistos[otra]) > SEPARACION, (una, otra)


@PALETAS
def test_todo_se_lee_sobre_el_fondo(colores: Palette) -> None:
    """Text has the contrast that WCAG asks for (4.5), marks stand out."""

    def contraste(color: str) -> float:
        mas, menos = sorted((_luz(color), _luz(colores.background)), reverse=True)
        return (mas + 0.05) / (menos + 0.05)

    assert contraste(colores.text) > 7
    for color in (colores.muted, colores.primary, colores.bad, colores.good):
        assert contraste(color) > 4.5, color
    for severidad in texts.ANOMALY_SEVERITIES:
        assert contraste(colores.severity[severidad]) > CONTRASTE, severidad


def test_el_tema_sigue_al_navegador() -> None:
    """Dark where the browser is dark; Streamlit is told the same colours."""
    assert palette_of("dark") is DARK
    assert palette_of("light") is palette_of(None) is LIGHT
    dichas = streamlit_theme()
    assert dichas["theme.dark.backgroundColor"] == DARK.background
    assert dichas["theme.light.primaryColor"] == LIGHT.primary


def _hora(
    i: int, severidad: str = "normal", kwh: float = 1.0, banda: bool = True
) -> dict[str, Any]:
    cuando = datetime.fromisoformat("2026-11-01T00:00:00+01:00") + timedelta(hours=i)
    return {
        "propietario_id": "CLI_00001", "timestamp": cuando.isoformat(), "fecha": f"{cuando:%F}",
        "hora": cuando.hour, "consumo_kwh": kwh, "consumo_esperado_kwh": 1.1 if banda else None,
        "banda_inferior_kwh": 0.5 if banda else None, "banda_superior_kwh": 1.7 if banda else None,
        "severidad": severidad, "score_anomalia": 0.9, "tipos_anomalia": ["pico_consumo"],
        "anomalias": 1,
    }  # fmt: skip


def _trazas(figura: Any) -> dict[str, Any]:
    return {traza.name: traza for traza in figura.data if traza.name}


@PALETAS
def test_el_consumo_con_su_banda(colores: Palette) -> None:
    """Each anomaly once, in its severity's colour and shape; the past behind, moved forward."""
    puntos = [_hora(i, "crítica" if i == 5 else "alta" if i in {7, 8} else "normal", 1.0 + i)
              for i in range(48)]  # fmt: skip
    previos = [{**_hora(i), "timestamp": f"2026-10-3{i // 24}T{i % 24:02d}:00:00+01:00"}
               for i in range(48)]  # fmt: skip
    figura = buscar_cliente.consumption(puntos, previos, 2, colores)
    trazas = _trazas(figura)
    assert {"Banda habitual", "Esperado", "Consumo", "Periodo anterior"} <= set(trazas)
    assert list(trazas["Crítica"].x) == ["2026-11-01T05:00:00"]
    assert list(trazas["Alta"].y) == [8.0, 9.0]
    assert trazas["Alta"].marker.color == colores.severity["alta"]
    assert trazas["Alta"].marker.symbol != trazas["Crítica"].marker.symbol
    assert "Baja" not in trazas
    assert trazas["Periodo anterior"].x[0] == "2026-11-01T00:00:00"


def test_sin_historia_no_hay_banda() -> None:
    """Too little history draws no band and no expected line, and does not fail."""
    trazas = _trazas(buscar_cliente.consumption([_hora(0, banda=False)], [], 1, LIGHT))
    assert set(trazas) == {"Consumo"}


def test_el_mapa_deja_huecos() -> None:
    """A missing hour is a hole, never a zero."""
    figura = buscar_cliente.day_map([_hora(0, kwh=0.0), _hora(26, "alta", 3.0)], LIGHT)
    mapa = figura.data[0]
    assert list(mapa.x) == ["2026-11-01", "2026-11-02"]
    assert (mapa.z[0][0], mapa.z[2][1], mapa.z[1][0]) == (0.0, 3.0, None)
    assert list(figura.data[1].y) == [2]


def test_la_cascada_suma_la_alarma() -> None:
    """The contributions of the detectors add up to the whole; the silent ones are not drawn."""
    filas = [{"detector": "fraude", "aporte": 0.75}, {"detector": "pico_consumo", "aporte": 0.25},
             {"detector": "modelo_online", "aporte": 0.0}]  # fmt: skip
    cascada = buscar_cliente.contribution_waterfall(filas, 0.93, LIGHT).data[0]
    assert list(cascada.y) == ["Posible fraude", "Pico de consumo", "Puntuación 0,93"]
    assert sum(v for v in cascada.x if v is not None) == pytest.approx(100)
    assert cascada.measure[-1] == "total"


def test_la_serie_apila_las_cuatro() -> None:
    """One stack a day, from baja at the bottom to crítica."""
    filas = [{"momento": "2026-11-23T00:00:00+01:00", "total": 10,
              "anomalias": {"baja": 4, "media": 3, "alta": 2, "crítica": 1}}]  # fmt: skip
    figura = shared.severity_series(filas, DARK)
    assert [(t.name, t.y[0]) for t in figura.data] == [
        ("Baja", 4), ("Media", 3), ("Alta", 2), ("Crítica", 1),
    ]  # fmt: skip
    assert figura.layout.barmode == "stack"


def test_plotly_habla_espanol() -> None:
    """Decimal comma, Spanish days and months, and no buttons or tips in English."""
    figura = shared.themed_figure(LIGHT)
    assert figura.layout.separators == ",."
    formato = shared.CONFIG["locales"]["es"]["format"]
    assert formato["days"][0] == "domingo"
    assert formato["shortMonths"][0] == "ene"
    assert shared.CONFIG["displayModeBar"] is False
    assert shared.CONFIG["showTips"] is False


def test_el_perfil_y_la_semana() -> None:
    """The profile draws now, before, peers and the band of one kind of day only."""
    franja = {"clase": "laborable", "hora": 3, "consumo_kwh": 1.0,
              "banda_superior_kwh": 2.0, "banda_inferior_kwh": 0.1}  # fmt: skip
    otra = {**franja, "clase": "fin_de_semana", "consumo_kwh": 9.0}
    dado = {campo: [franja, otra] for campo in ("franjas", "ahora", "antes", "pares")}
    trazas = _trazas(buscar_cliente.load_profile(dado, "laborable", LIGHT))
    assert list(trazas["Últimos 7 días"].y) == [1.0]
    assert {"28 días antes", "Clientes parecidos", "Banda habitual"} <= set(trazas)
    mapa = buscar_cliente.week_map([{"dia_semana": 6, "hora": 2, "consumo_kwh": 4.0}], LIGHT)
    assert mapa.data[0].z[6][2] == 4.0
    assert mapa.data[0].y[6] == "Domingo"


def test_los_detectores_que_no_opinan_no_salen() -> None:
    """A detector that was not ready is no zero in the scatter."""
    filas = [
        {"propietario_id": "A", "timestamp_consumo": "2026-11-01T00:00:00+01:00",
         "severidad": "alta", "detectores": {"fraude": f, "pico_consumo": 0.4}}
        for f in (0.9, None)
    ]  # fmt: skip
    figura = avanzado.detector_scores(filas, "fraude", "pico_consumo", LIGHT)
    assert [list(t.x) for t in figura.data] == [[0.9]]
    assert len(figura.layout.shapes) == 2


def test_que_pasaria_con_otro_umbral() -> None:
    """Alerts fall as the threshold rises, and the figure marks the chosen one."""
    cuentas = [0] * 101
    cuentas[50], cuentas[90] = 7, 3
    alertas = alerts_by_threshold(cuentas)
    assert (alertas[0], alertas[50], alertas[51], alertas[90], alertas[91]) == (10, 10, 3, 3, 0)
    figura = avanzado.alert_curve(alertas, 0.9, {"baja": 0.5, "crítica": 0.9}, LIGHT)
    assert (figura.data[1].x[0], figura.data[1].y[0]) == (0.9, 3)


def test_correlacion_de_clientes() -> None:
    """Customers that go together are at 1, against each other at -1, and unknown is unknown."""
    filas = [
        {"propietario_id": quien, "fecha": f"2026-11-{dia:02d}", "consumo_kwh": valor}
        for dia in range(1, 9)
        for quien, valor in (("A", dia), ("B", 2 * dia), ("C", -dia), ("D", 5))
    ]
    nombres, celdas = correlation(filas, "consumo_kwh")
    assert nombres == ["A", "B", "C", "D"]
    assert celdas[0][:3] == pytest.approx([1, 1, -1])
    assert celdas[0][3] is None
    assert avanzado.correlations(nombres, celdas, LIGHT).data[0].zmin == -1


@PALETAS
def test_las_demas_figuras_se_dibujan(colores: Palette) -> None:
    """Months, shares, boxes, drift, shadow and metrics: drawn, with what they were given."""
    mes = {"mes_str": "2026-11", "completo": True, "consumo_total": 12_000.0,
           "anomalias_detectadas": 3, "parte_noche": 0.2, "parte_punta": None}  # fmt: skip
    assert mensual.all_months([mes], colores).data[0].x == ("nov 26",)
    anual = mensual.year_before([{**mes, "actual": mes, "anterior": None}], colores)
    assert [t.name for t in anual.data] == ["Mes"]
    assert len(mensual.night_and_peak_shares([mes], colores).data) == 2
    filas = [_hora(0), {**_hora(0), "propietario_id": "CLI_00002"}]
    assert len(avanzado.spread(filas, "consumo_kwh", "kWh", colores).data) == 2
    assert len(avanzado.day_lines(filas, "anomalias", "n", colores).data) == 2
    informe = {"fecha": "2026-11-01T00:00:00+01:00", "semaforo": "rojo",
               "columnas": [{"nombre": "nivel_dia", "movida": True, "estadistico": 0.4,
                             "umbral": 0.3}]}  # fmt: skip
    luz = deriva.traffic_lights([informe], colores).data[0]
    assert (luz.y[0], luz.marker.color[0]) == (1, colores.bad)
    assert deriva.distances(informe["columnas"], colores).data[0].y == ("Nivel del día",)
    par = {"campeon": "normal", "aspirante": "alta", "lecturas": 12}
    assert modelos.shadow_matrix([par], colores).data[0].z[0][3] == 12
    version = {"version": 2, "alias": ["champion"], "metricas": {"precision_media": 0.7}}
    barras = modelos.metric_bars([version], "precision_media", colores).data[0]
    assert (barras.x, barras.y) == (("v2",), (0.7,))
    pares = [{"timestamp": "2026-11-01T00:00:00+01:00", "consumo_kwh": None, "pares_kwh": 1.0}]
    assert len(buscar_cliente.beside_peers(pares, colores).data) == 2
    punto = {**_hora(0, "baja"), "timestamp_consumo": pares[0]["timestamp"]}
    assert "Baja" in _trazas(avanzado.against_expected([punto], colores))
    assert avanzado.against_expected([], colores).layout.xaxis.range[1] > 0
    assert len(anomalias.type_bars({"a": 1, "b": 2}, colores).data) == 1
