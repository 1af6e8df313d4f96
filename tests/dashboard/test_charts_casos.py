"""Figures of cases: the days over their reference, the line of a list, what visits found."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any
from urllib.parse import unquote

import pytest

from dashboard.charts import aciertos, caso, deriva, mapa
from dashboard.charts.sparkline import sparkline
from dashboard.theme import DARK, LIGHT, Palette

PALETAS = pytest.mark.parametrize("colores", [LIGHT, DARK], ids=["claro", "oscuro"])
INICIO = "2026-11-03"


def _dias(cuantos: int = 80, **campos: Any) -> list[dict[str, Any]]:
    """Return days up to 20 November, eight kWh before the third and 88 since."""
    dias = [date(2026, 11, 20) - timedelta(days=cuantos - 1 - i) for i in range(cuantos)]
    return [
        {
            "fecha": f"{dia}", "consumo_kwh": 88.0 if f"{dia}" >= INICIO else 8.0,
            "referencia_kwh": 8.0, "minimo_kwh": 6.0, "maximo_kwh": 10.0, "hace_un_ano_kwh": None,
        } | campos
        for dia in dias
    ]  # fmt: skip


@PALETAS
def test_los_dias_van_sobre_la_referencia_con_el_comienzo_marcado(colores: Palette) -> None:
    """Band, reference and days are drawn; what is known of no day is no line; marks are said."""
    figura = caso.days_of_case(_dias(), INICIO, [("2026-11-18", "Visita")], colores)
    assert [linea.name for linea in figura.data if linea.name] == [
        "Lo habitual en la época", "Como antes", "Consumo del día",
    ]  # fmt: skip
    dichos = {nota.x: nota.text for nota in figura.layout.annotations}
    assert dichos == {INICIO: "Empieza el 3 nov", "2026-11-18": "Visita"}
    sin_nada = caso.days_of_case(_dias(maximo_kwh=None, referencia_kwh=None), INICIO, [], colores)
    assert [linea.name for linea in sin_nada.data] == ["Consumo del día"]


@PALETAS
def test_los_parecidos_antes_y_despues(colores: Palette) -> None:
    """The customer comes first; of whom one of the two is not known is left out."""
    suyo = {"antes_kwh": 8.0, "despues_kwh": 88.0}
    otros = [
        {"propietario_id": "CLI_2", "antes_kwh": 7.0, "despues_kwh": 7.5},
        {"propietario_id": "CLI_3", "antes_kwh": None, "despues_kwh": 7.5},
    ]
    antes, despues = caso.before_and_after(suyo, otros, "CLI_1", colores).data[-2:]
    assert list(antes.y) == list(despues.y) == ["CLI_1", "CLI_2"]
    assert list(despues.x) == [88.0, 7.5]


def test_la_probabilidad_se_lee_en_tantos_por_ciento() -> None:
    """Axes write a share as the text does: 97 %, not 97%."""
    figura = caso.evidence_line([{"fecha": INICIO, "probabilidad": 0.97}], LIGHT)
    assert list(figura.data[0].y) == [97]
    assert figura.layout.yaxis.ticksuffix == " %"


@PALETAS
def test_la_linea_de_una_lista(colores: Palette) -> None:
    """A picture without scripts: two colours, the onset marked; nothing of no days."""
    dibujo = unquote(sparkline(_dias(), INICIO, colores))
    assert dibujo.startswith('<img alt="" src="data:image/svg+xml,')
    assert dibujo.count("<polyline") == 2
    assert dibujo.count("<line") == 1
    assert sparkline([], INICIO, colores) == ""
    assert sparkline([{"fecha": INICIO, "consumo_kwh": None}], INICIO, colores) == ""


def test_un_dia_sin_lecturas_es_un_hueco_y_un_comienzo_de_antes_no_se_marca() -> None:
    """Days apart are not joined; an onset outside of what is drawn leaves no mark."""
    con_hueco = [dia for dia in _dias(20) if dia["fecha"] != "2026-11-12"]
    dibujo = unquote(sparkline(con_hueco, "2026-10-01", LIGHT))
    assert dibujo.count("<polyline") == 2
    assert "<line" not in dibujo


def test_un_grupo_sin_visitas_no_se_dibuja() -> None:
    """A rate is drawn with its interval; of no visits there is none."""
    con = {"visitas": 8, "hallados": 6, "tasa": 0.75, "tasa_minima": 0.41, "tasa_maxima": 0.93,
           "eur_por_visita": 122.5}  # fmt: skip
    sin = {"visitas": 0, "hallados": 0, "tasa": None, "tasa_minima": None, "tasa_maxima": None,
           "eur_por_visita": None}  # fmt: skip
    (barras,) = aciertos.hit_rates([con, sin], ["Por la lista", "Al azar"], LIGHT).data
    assert list(barras.y) == ["Por la lista"]
    assert list(barras.error_x.array) == pytest.approx([18])
    (euros,) = aciertos.euros_per_visit([con, sin], ["Por la lista", "Al azar"], LIGHT).data
    assert list(euros.text) == ["122 €"]


def test_el_cambio_de_las_medias_va_de_mas_a_menos() -> None:
    """What has changed most comes first; what is not known is left out."""
    columnas = [
        {"nombre": "nivel_dia", "media_referencia": 2.0, "media_actual": 2.2},
        {"nombre": "ceros_dia", "media_referencia": 1.0, "media_actual": 0.5, "movida": True},
        {"nombre": "forma_dia", "media_referencia": 0.0, "media_actual": 0.5},
    ]
    (barras,) = deriva.mean_changes(columnas, LIGHT).data
    assert list(barras.y) == ["Ceros del día", "Nivel del día"]
    assert list(barras.x) == pytest.approx([-50, 10])


def _punto(i: int, latitud: float, longitud: float, kwh: float) -> dict[str, Any]:
    return {
        "id": f"CLI_{i}_2026-11-09", "propietario_id": f"CLI_{i}", "latitud": latitud,
        "longitud": longitud, "tipo": "fraude", "recuperable_kwh": kwh, "probabilidad": 0.9,
        "recuperable_eur": 0.15 * kwh,
    }  # fmt: skip


@PALETAS
def test_el_mapa_va_por_tipo_y_por_lo_que_se_recupera(colores: Palette) -> None:
    """An area in proportion to the energy; all of them in view; poles and nothing to recover too.

    A title of a name may hold anything: what is said on a point is text, never HTML.
    """
    puntos = [_punto(1, 40.0, -3.0, 400.0), _punto(2, 40.2, -3.4, 100.0), _punto(3, 90.0, 0.0, 0.0)]
    dos = json.loads(mapa.map_of_cases(puntos[:2], "", colores).to_json())
    uno, otro = dos["layers"][0]["data"]
    assert (uno["radio"], otro["radio"]) == (24.0, 15.0)
    assert uno["color"][:3] == [int(colores.severity["alta"][i : i + 2], 16) for i in (1, 3, 5)]
    vista = dos["initialViewState"]
    assert (vista["latitude"], vista["longitude"]) == pytest.approx((40.1, -3.2))
    # 0.4 degrees fill most of a telephone.
    assert 0.4 * 512 * 2 ** vista["zoom"] / 360 == pytest.approx(310)
    assert "html" not in mapa.map_of_cases(puntos, "", colores)._tooltip
    todos = json.loads(mapa.map_of_cases(puntos, "", colores).to_json())["initialViewState"]
    assert todos["zoom"] < vista["zoom"]
    solo = json.loads(mapa.map_of_cases([_punto(1, 0.0, 0.0, 0.0)], "", colores).to_json())
    assert solo["layers"][0]["data"][0]["radio"] == 6.0
    assert solo["initialViewState"]["zoom"] < 17
