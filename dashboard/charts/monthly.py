"""Figures that set months and years beside each other. Pure: data in, figure out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go

from dashboard import texts
from dashboard.charts.base import Filas, base
from dashboard.theme import Paleta

MESES_DEL_ANO = 12
MAXIMO_MESES = 4
"""Lines in one figure, of months or of years: as many as stay apart."""
_CORTOS = [mes[:3] for mes in texts.MESES]


def interanual(meses: Filas, cuantos: int = MESES_DEL_ANO) -> list[dict[str, Any]]:
    """Return everybody's latest months beside the same month of the year before.

    Parameters
    ----------
    meses : sequence
        Rows of ``/api/consumos/meses``, newest first.

    Returns
    -------
    list of dict
        ``mes_str``, ``actual``, ``anterior`` (None = there is none), ``variacion`` (None = cannot
        be said, as where one of the two is not whole: 0,05 = 5 % more per customer), oldest first.
    """
    por_mes = {fila["mes_str"]: fila for fila in meses}
    pares = []
    for actual in meses[:cuantos]:
        mes = actual["mes_str"]
        anterior = por_mes.get(f"{int(mes[:4]) - 1}{mes[4:]}")
        # Per customer: between years, customers come and go.
        antes = anterior["consumo_promedio"] if anterior else 0.0
        enteros = bool(anterior and anterior["completo"] and actual["completo"])
        variacion = actual["consumo_promedio"] / antes - 1 if antes and enteros else None
        pares.append(
            {"mes_str": mes, "actual": actual, "anterior": anterior, "variacion": variacion}
        )
    return pares[::-1]


def por_anos(meses: Filas, campo: str, titulo: str, paleta: Paleta) -> go.Figure:
    """Return a line a year, January to December; the latest year stands out.

    Parameters
    ----------
    meses : sequence
        Rows with ``mes_str``, ``completo`` and ``campo``, in any order; of each year, months may
        be missing. Those that are not whole are left out: they would be compared with whole ones.
    """
    anos: dict[str, list[float | None]] = defaultdict(lambda: [None] * MESES_DEL_ANO)
    for fila in meses:
        if fila["completo"]:
            anos[fila["mes_str"][:4]][int(fila["mes_str"][5:7]) - 1] = fila[campo]
    figura = base(paleta)
    trazos = _trazos(paleta)
    for (ano, valores), (color, trazo, grosor) in reversed(
        list(zip(sorted(anos.items(), reverse=True), trazos, strict=False))
    ):
        figura.add_scatter(
            x=_CORTOS, y=valores, name=ano, mode="lines+markers",
            line={"color": color, "width": grosor, "dash": trazo}, marker={"size": 6},
            hovertemplate="%{y:,.0f} kWh",
        )  # fmt: skip
    figura.update_xaxes(type="category", showgrid=False, categoryarray=_CORTOS)
    figura.update_yaxes(rangemode="tozero", title_text=titulo)
    return figura


def _trazos(paleta: Paleta) -> list[tuple[str, str, float]]:
    """Return colour, dash and width of lines, the most important one first."""
    return [
        (paleta.principal, "solid", 2.8),
        (paleta.segunda, "dash", 1.8),
        (paleta.severidad["media"], "dot", 1.8),
        (paleta.tercera, "dashdot", 1.5),
    ]


def noche_y_punta(meses: Filas, paleta: Paleta) -> go.Figure:
    """Return what a customer consumes in an hour of the night and of the peak, month by month.

    Parameters
    ----------
    meses : sequence
        Rows of ``/api/consumos/meses``, oldest first; None = not known.
    """
    figura = base(paleta)
    nombres = [texts.mes_corto(fila["mes_str"]) for fila in meses]
    for campo, nombre, color, simbolo in (
        ("consumo_punta_promedio", "Hora punta", paleta.principal, "circle"),
        ("consumo_noche_promedio", "Hora de la noche", paleta.segunda, "diamond"),
    ):
        figura.add_scatter(
            x=nombres, y=[fila[campo] for fila in meses], name=nombre, mode="lines+markers",
            line={"color": color, "width": 2}, marker={"symbol": simbolo, "size": 8},
            hovertemplate="%{y:,.2f} kWh",
        )  # fmt: skip
    figura.update_xaxes(type="category", showgrid=False)
    figura.update_yaxes(rangemode="tozero", title_text="kWh por hora")
    return figura


def acumulado(dias: Filas, meses: Sequence[str], paleta: Paleta) -> go.Figure:
    """Return how some months of a customer add up, day by day, on top of each other.

    Parameters
    ----------
    dias : sequence
        Rows of ``/api/consumos/diarios`` of one customer, in any order.
    meses : sequence of str
        Up to ``MAXIMO_MESES`` months, "2026-11"; the first one stands out. A month without days
        gives no line.
    """
    figura = base(paleta)
    for mes, (color, trazo, grosor) in zip(meses, _trazos(paleta), strict=False):
        suyos = sorted((d for d in dias if d["fecha"].startswith(mes)), key=_fecha)
        if suyos:
            figura.add_scatter(
                x=[int(d["fecha"][8:10]) for d in suyos],
                y=list(accumulate(d["consumo_kwh"] for d in suyos)),
                name=texts.mes_corto(mes), mode="lines",
                line={"color": color, "width": grosor, "dash": trazo},
                hovertemplate="%{y:,.1f} kWh",
            )  # fmt: skip
    figura.update_xaxes(range=[0.5, 31.5], dtick=5, title_text="Día del mes", hoverformat="d")
    figura.update_yaxes(rangemode="tozero", title_text="kWh acumulados")
    return figura


def _fecha(dia: Mapping[str, Any]) -> str:
    return str(dia["fecha"])
