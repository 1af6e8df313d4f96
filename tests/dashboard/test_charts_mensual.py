"""Figures of months and years: what they show of what they are given."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.charts import mensual
from dashboard.theme import DARK, LIGHT, Palette
from dashboard.views.mensual import change_in_a_year


def mes(nombre: str, promedio: float, noche: float | None = 0.2) -> dict[str, Any]:
    return {
        "mes_str": nombre, "consumo_promedio": promedio, "consumo_noche_promedio": noche,
        "consumo_punta_promedio": 0.6, "completo": True,
    }  # fmt: skip


def test_cada_mes_con_el_de_un_ano_antes() -> None:
    """A month is compared with that of the year before, and with no other, if it says anything."""
    meses = [
        mes("2026-02", 330.0), mes("2026-01", 400.0), mes("2025-12", 500.0), mes("2025-02", 300.0),
        mes("2025-01", 0.0),
    ]  # fmt: skip
    cambios = [change_in_a_year(meses, uno) for uno in meses[:3]]
    assert cambios == [pytest.approx(0.1), None, None]


@pytest.mark.parametrize("cual", [0, 1])
def test_un_mes_a_medias_no_se_compara_con_ninguno(cual: int) -> None:
    """A month that is not whole has no change, and no point on the years' lines."""
    meses = [mes("2026-02", 330.0), mes("2025-02", 300.0)]
    meses[cual]["completo"] = False
    assert change_in_a_year(meses, meses[0]) is None
    lineas = mensual.years(meses, "consumo_promedio", "kWh", LIGHT).data
    assert sum(valor is not None for linea in lineas for valor in linea.y) == 1
    assert sum(linea.name == meses[cual]["mes_str"][:4] for linea in lineas) == 0


@pytest.mark.parametrize("paleta", [LIGHT, DARK])
def test_los_anos_se_superponen(paleta: Palette) -> None:
    """A line a year over the same twelve months; months that are missing are gaps."""
    meses = [mes("2025-12", 5.0), mes("2026-01", 4.0), mes("2026-03", 3.0), mes("2025-01", 6.0)]
    figura = mensual.years(meses, "consumo_promedio", "kWh", paleta)
    antes, ultimo = figura.data
    assert (antes.name, ultimo.name) == ("2025", "2026")
    assert antes.x == ultimo.x
    assert list(ultimo.x[:3]) == ["ene", "feb", "mar"]
    assert list(ultimo.y) == [4.0, None, 3.0, *[None] * 9]
    assert list(antes.y) == [6.0, *[None] * 10, 5.0]
    assert ultimo.line.color == paleta.primary
    assert ultimo.line.width > antes.line.width


def test_no_mas_anos_de_los_que_se_distinguen() -> None:
    """Of many years, the latest ones are shown."""
    meses = [mes(f"{ano}-05", 1.0) for ano in range(2015, 2027)]
    lineas = mensual.years(meses, "consumo_promedio", "kWh", LIGHT).data
    assert [linea.name for linea in lineas] == ["2023", "2024", "2025", "2026"]
    assert len({(linea.line.color, linea.line.dash) for linea in lineas}) == len(lineas)


def test_noche_y_punta_no_inventan() -> None:
    """What is not known of a month is a gap."""
    punta, noche = mensual.night_and_peak(
        [mes("2026-01", 1.0, noche=None), mes("2026-02", 1.0)], LIGHT
    ).data
    assert list(punta.y) == [0.6, 0.6]
    assert list(noche.y) == [None, 0.2]
    assert list(noche.x) == ["ene 26", "feb 26"]


def test_los_meses_se_acumulan_por_dia() -> None:
    """Days add up in their order, each month from its own start, the first chosen one in front."""
    dias = [
        {"fecha": "2026-11-02", "consumo_kwh": 3.0},
        {"fecha": "2026-10-30", "consumo_kwh": 7.0},
        {"fecha": "2026-11-01", "consumo_kwh": 2.0},
    ]
    figura = mensual.running_total(dias, ["2026-11", "2026-10", "2026-09"], LIGHT)
    noviembre, octubre = figura.data
    assert (list(noviembre.x), list(noviembre.y)) == ([1, 2], [2.0, 5.0])
    assert (octubre.name, list(octubre.x), list(octubre.y)) == ("oct 26", [30], [7.0])
    assert noviembre.line.width > octubre.line.width
