"""Figures of one case. Pure: data in, figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plotly.graph_objects import Figure

from dashboard import texts
from dashboard.charts import shared
from dashboard.charts.shared import ApiRows
from dashboard.theme import Palette

_NEIGHBOURS = 10
"""Of those that are most like the customer, how many are drawn."""
_DAILY_KWH = "%{y:,.1f} kWh"


def days_of_case(
    days: ApiRows, onset: str, marks: Sequence[tuple[str, str]], palette: Palette
) -> Figure:
    """Return a customer's days over the reference of before its case began.

    Parameters
    ----------
    days : sequence
        ``fecha``, ``consumo_kwh``, ``referencia_kwh`` with ``minimo_kwh`` and ``maximo_kwh``, and
        ``hace_un_ano_kwh``, in rising order; None = not known.
    onset : str
        Day on which the case began.
    marks : sequence of (day, text)
        What else happened.
    """
    figure = shared.themed_figure(
        palette, 340, margin_t=46, legend={"y": -0.14, "yanchor": "top", "traceorder": "normal"}
    )
    dates = shared.column(days, "fecha")
    if any(row["maximo_kwh"] is not None for row in days):
        edge = {"x": dates, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_scatter(y=shared.column(days, "maximo_kwh"), showlegend=False, **edge)
        figure.add_scatter(
            y=shared.column(days, "minimo_kwh"), name="Lo habitual en la época", fill="tonexty",
            fillcolor=shared.translucent(palette.primary, 0.16), **edge,
        )  # fmt: skip
    for field, name, colour, dash in (
        ("referencia_kwh", "Como antes", palette.second, "dash"),
        ("hace_un_ano_kwh", "Hace un año", palette.third, "dot"),
    ):
        if any(row[field] is not None for row in days):
            shared.add_line(
                figure, dates, shared.column(days, field), name, colour, 1.3, _DAILY_KWH, dash=dash
            )
    shared.add_line(
        figure, dates, shared.column(days, "consumo_kwh"), "Consumo del día", palette.primary, 2.2,
        _DAILY_KWH,
    )  # fmt: skip
    _add_onset(figure, onset, dates, palette)
    for when, text in marks:
        _add_mark(figure, when, text, palette.muted, palette)
    figure.update_xaxes(**shared.TIME_AXIS, hoverformat=shared.DAY_HOVER)
    return figure.update_yaxes(rangemode="tozero", title_text="kWh al día")


def _add_onset(figure: Figure, onset: str, dates: Sequence[str], palette: Palette) -> None:
    if dates:
        figure.add_vrect(
            x0=onset, x1=max(dates[-1], onset), line_width=0, layer="below",
            fillcolor=shared.translucent(palette.severity["alta"], 0.09),
        )  # fmt: skip
    day = texts.day(onset).rpartition(" ")[0]
    _add_mark(figure, onset, f"Empieza el {day}", palette.severity["alta"], palette)


def _add_mark(figure: Figure, when: str, text: str, colour: str, palette: Palette) -> None:
    figure.add_shape(
        type="line", x0=when, x1=when, y0=0, y1=1, yref="paper",
        line={"color": colour, "width": 1.6, "dash": "dot"},
    )  # fmt: skip
    figure.add_annotation(
        x=when, y=1, yref="paper", yanchor="bottom", text=text, showarrow=False,
        font={"color": palette.text, "size": 12},
    )  # fmt: skip


def evidence_line(evidence: ApiRows, palette: Palette) -> Figure:
    """Return how sure it was, at the end of each day, that there is something to be found."""
    figure = shared.themed_figure(palette, 190, margin_t=12, showlegend=False)
    shared.add_line(
        figure, shared.column(evidence, "fecha"),
        [100 * row["probabilidad"] for row in evidence],
        "Probabilidad", palette.severity["alta"], 2.2, "%{y:.0f} %",
    )  # fmt: skip
    figure.update_xaxes(**shared.TIME_AXIS, hoverformat=shared.DAY_HOVER)
    return figure.update_yaxes(range=[-3, 105], nticks=5, **shared.PERCENT)


def before_and_after(
    own: Mapping[str, Any], others: ApiRows, name: str, palette: Palette
) -> Figure:
    """Return what a customer and its neighbours consumed a day before the case began, and since.

    ``own``, ``others``: ``antes_kwh`` and ``despues_kwh``; others with ``propietario_id``.
    """
    rows = [{**own, "propietario_id": name}, *others[:_NEIGHBOURS]]
    rows = [r for r in rows if r["antes_kwh"] is not None and r["despues_kwh"] is not None]
    names = shared.column(rows, "propietario_id")
    figure = shared.themed_figure(palette, 110 + 22 * max(len(rows), 3), hovermode="closest")
    colours = [palette.severity["alta"], *[palette.primary] * _NEIGHBOURS][: len(rows)]
    for row, colour in zip(rows, colours, strict=False):
        figure.add_scatter(
            x=[row["antes_kwh"], row["despues_kwh"]], y=[row["propietario_id"]] * 2, mode="lines",
            line={"color": colour, "width": 2}, showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    for field, label, symbol in (
        ("antes_kwh", "Antes", "circle-open"), ("despues_kwh", "Después", "circle"),
    ):  # fmt: skip
        figure.add_scatter(
            x=shared.column(rows, field), y=names, mode="markers", name=label,
            marker={"size": 9, "symbol": symbol, "color": colours, "line": {"width": 2}},
            hovertemplate=f"%{{y}}, {label.lower()}: %{{x:,.1f}} kWh al día<extra></extra>",
        )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return figure.update_xaxes(rangemode="tozero", title_text="kWh al día")
