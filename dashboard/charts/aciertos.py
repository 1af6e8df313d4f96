"""Figures of what visits found. Pure: data in, figure out."""

from __future__ import annotations

from collections.abc import Sequence

from plotly.graph_objects import Figure

from dashboard import texts
from dashboard.charts import shared
from dashboard.charts.shared import ApiRows
from dashboard.theme import Palette


def hit_rates(rows: ApiRows, names: Sequence[str], palette: Palette) -> Figure:
    """Return the part of some groups of visits that found something, with its interval.

    Parameters
    ----------
    rows : sequence
        ``tasa``, ``tasa_minima``, ``tasa_maxima``, 0 to 1, ``visitas`` and ``hallados``; a group
        without visits is left out.
    names : sequence of str
        What each one is called.
    """
    shown = [(row, name) for row, name in zip(rows, names, strict=True) if row["visitas"]]
    figure = shared.themed_figure(
        palette, 90 + 44 * max(len(shown), 2), margin_t=12, hovermode="closest", showlegend=False
    )
    rates = [100 * row["tasa"] for row, _ in shown]
    figure.add_bar(
        x=rates, y=[name for _, name in shown], orientation="h",
        marker={"color": palette.primary, "line": {"width": 0}}, width=0.55,
        error_x={
            "type": "data", "symmetric": False, "color": palette.text, "thickness": 1.4,
            "array": [100 * (row["tasa_maxima"] - row["tasa"]) for row, _ in shown],
            "arrayminus": [100 * (row["tasa"] - row["tasa_minima"]) for row, _ in shown],
        },
        customdata=[(row["hallados"], row["visitas"]) for row, _ in shown],
        hovertemplate="%{y}: %{customdata[0]} de %{customdata[1]} visitas, %{x:.0f} %"
        "<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return figure.update_xaxes(range=[0, 102], nticks=6, **shared.PERCENT)


def euros_per_visit(rows: ApiRows, names: Sequence[str], palette: Palette) -> Figure:
    """Return how much each visit of some groups recovered; without visits a group is left out."""
    shown = [
        (row["eur_por_visita"], name)
        for row, name in zip(rows, names, strict=True)
        if row["visitas"] and row["eur_por_visita"] is not None
    ]
    figure = shared.themed_figure(
        palette, 90 + 44 * max(len(shown), 2), margin_t=12, hovermode="closest", showlegend=False
    )
    figure.add_bar(
        x=[euros for euros, _ in shown], y=[name for _, name in shown], orientation="h",
        marker={"color": palette.second, "line": {"width": 0}}, width=0.55,
        text=[texts.money(euros) for euros, _ in shown], textposition="outside", cliponaxis=False,
        hovertemplate="%{y}: %{text} por visita<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    top = max([*(euros for euros, _ in shown), 1])
    return figure.update_xaxes(visible=False, range=[0, 1.25 * top])
