"""Figures of versions and of drift reports: what they show of what they are given."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.charts import deriva, modelos
from dashboard.theme import DARK, LIGHT, Palette


def version(numero: int, **metricas: float | None) -> dict[str, Any]:
    return {"version": numero, "metricas": {n.replace("__", "."): v for n, v in metricas.items()}}


def informe(dia: int, **columnas: tuple[float | None, float | None, bool]) -> dict[str, Any]:
    return {
        "fecha": f"2026-11-{dia:02d}T08:00:00+01:00",
        "columnas": [
            {"nombre": nombre, "estadistico": distancia, "umbral": umbral, "movida": movida}
            for nombre, (distancia, umbral, movida) in columnas.items()
        ],
    }


def diferencia(campeon: float, aspirante: float, severidad: str) -> dict[str, Any]:
    return {
        "propietario_id": "CLI_00001", "timestamp_consumo": "2026-11-20T03:00:00+01:00",
        "score_campeon": campeon, "score_aspirante": aspirante, "severidad_aspirante": severidad,
    }  # fmt: skip


def test_las_alarmas_van_de_leves_a_graves() -> None:
    """False alarms come in the order of their severity, and only those that were measured."""
    versiones = [
        version(1, falsas_alarmas__critica=0.0, falsas_alarmas__baja=9.0, precision_media=0.7),
        version(2, falsas_alarmas__alta=1.0, falsas_alarmas__media=None),
    ]
    assert modelos.group_members(versiones, "falsas_alarmas") == ["baja", "alta", "critica"]
    assert modelos.group_members(versiones, "hallados_clientes") == []
    assert modelos.group_members([], "importancia") == []


def test_los_rasgos_van_por_importancia() -> None:
    """Features come in the order that they matter to the first version; unknown ones, last."""
    versiones = [
        version(3, importancia__nivel_dia=0.1, importancia__forma_dia=0.4),
        version(2, importancia__ceros_dia=0.9),
    ]
    orden = modelos.group_members(versiones, "importancia")
    assert orden == ["forma_dia", "nivel_dia", "ceros_dia"]


@pytest.mark.parametrize("paleta", [LIGHT, DARK])
def test_frente_a_frente_no_baraja(paleta: Palette) -> None:
    """Each version has its bars, in its colour; a figure that it lacks is a gap, not a zero."""
    versiones = [
        version(4, hallados_clientes__picos=0.5, hallados_clientes__cannabis=0.8),
        version(2, hallados_clientes__picos=1.0),
        version(1, hallados_clientes__cannabis=None),
    ]
    barras = modelos.head_to_head(versiones, "hallados_clientes", paleta).data
    assert [b.name for b in barras] == ["v4", "v2", "v1"]
    assert [dict(zip(b.y, b.x, strict=True)) for b in barras] == [
        {"Plantación": 80, "Picos": 50},
        {"Plantación": None, "Picos": 100},
        {"Plantación": None, "Picos": None},
    ]
    colores = {b.marker.color for b in barras}
    assert len(colores) == modelos.MAX_VERSIONS
    assert barras[0].marker.color == paleta.primary


@pytest.mark.parametrize("paleta", [LIGHT, DARK])
def test_las_distancias_se_miden_por_su_umbral(paleta: Palette) -> None:
    """Rows by how near a column came, in percent; what a report lacks is a hole; marks if moved."""
    informes = [
        informe(1, nivel_dia=(0.07, 0.35, False), score_anomalia=(0.15, 0.3, False)),
        informe(2, nivel_dia=(0.7, 0.35, True)),
        informe(3, nivel_dia=(None, 0.35, False), score_anomalia=(0.6, None, False)),
    ]
    mapa, marcas = deriva.distances_over_time(informes, paleta).data
    assert list(mapa.x) == [f"2026-11-0{dia}T08:00:00" for dia in (1, 2, 3)]
    assert list(mapa.y) == ["Nivel del día", "Puntuación"]
    assert [list(fila) for fila in mapa.z] == [
        [pytest.approx(20), pytest.approx(200), None],
        [pytest.approx(50), None, None],
    ]
    assert (mapa.zmin, mapa.zmax) == (0, pytest.approx(200))
    assert list(zip(marcas.x, marcas.y, strict=True)) == [("2026-11-02T08:00:00", "Nivel del día")]


def test_las_distancias_tranquilas_no_parecen_graves() -> None:
    """Where nothing comes near its threshold, nothing is dark and nothing is marked."""
    figura = deriva.distances_over_time([informe(1, nivel_dia=(0.07, 0.35, False))], LIGHT)
    (mapa,) = figura.data
    assert mapa.zmax > 100
    assert not figura.layout.showlegend
    assert len(deriva.distances_over_time([], LIGHT).data) == 1


def test_la_sombra_separa_por_lo_que_dice_el_aspirante() -> None:
    """Champion across, challenger up, one colour and shape for each severity that there is."""
    filas = [
        diferencia(0.1, 0.92, "crítica"),
        diferencia(0.85, 0.4, "normal"),
        diferencia(0.2, 0.95, "crítica"),
    ]
    iguales, normal, critica = modelos.shadow_scores(filas, LIGHT).data
    assert (iguales.x, iguales.y) == ((0, 1), (0, 1))
    assert (normal.name, list(normal.x), list(normal.y)) == ("Normal", [0.85], [0.4])
    assert (critica.name, list(critica.x), list(critica.y)) == ("Crítica", [0.1, 0.2], [0.92, 0.95])
    assert critica.text[0] == "CLI_00001, 20 nov, 03:00"
    assert critica.marker.symbol != normal.marker.symbol
