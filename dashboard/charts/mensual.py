"""Figures that set months and years beside each other. Pure: data in, figure out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate

from plotly.graph_objects import Figure

from dashboard import texts
from dashboard.charts import shared
from dashboard.charts.shared import ApiRows
from dashboard.theme import Palette
from detection.domain import MESES

MAX_MONTHS = 4
"""Lines in one figure, of months or of years: as many as stay apart."""
_SHORT_MONTHS = [month[:3] for month in MESES]
_WHOLE_KWH = "%{y:,.0f} kWh"


def _line_styles(palette: Palette) -> list[tuple[str, str, float]]:
    """Return colour, dash and width of lines, the most important one first."""
    return [
        (palette.primary, "solid", 2.8),
        (palette.second, "dash", 1.8),
        (palette.severity["media"], "dot", 1.8),
        (palette.third, "dashdot", 1.5),
    ]


def all_months(months: ApiRows, palette: Palette) -> Figure:
    """Return bars of all customers' months with their anomalies as a line.

    ``months``: ``mes_str``, ``completo``, ``consumo_total`` and ``anomalias_detectadas``, oldest
    first; the names of those that are not whole end with "*".
    """
    right_axis = {
        "overlaying": "y", "side": "right", "showgrid": False, "rangemode": "tozero",
        "tickfont": {"color": palette.muted}, "tickformat": ",d", "automargin": True,
        "tickmode": "auto", "nticks": 5,
    }  # fmt: skip
    figure = shared.themed_figure(palette, yaxis2=right_axis, bargap=shared.bar_gap(len(months)))
    names = [texts.short_month(m["mes_str"]) + "*" * (not m["completo"]) for m in months]
    figure.add_bar(
        x=names, y=shared.column(months, "consumo_total"), name="Consumo",
        marker={"color": palette.primary}, hovertemplate=_WHOLE_KWH,
    )  # fmt: skip
    figure.add_scatter(
        x=names, y=shared.column(months, "anomalias_detectadas"), name="Anomalías", yaxis="y2",
        mode="lines+markers", line={"color": palette.severity["alta"], "width": 2},
        hovertemplate="%{y:,d}",
    )  # fmt: skip
    figure.update_xaxes(type="category", showgrid=False)
    return figure.update_layout(yaxis={"rangemode": "tozero", "title": {"text": "kWh"}})


def year_before(months: ApiRows, palette: Palette) -> Figure:
    """Return bars of each month beside the same month of the year before.

    ``months``: ``mes_str``, ``actual`` and ``anterior`` (``consumo_total`` or None), oldest first.
    """
    figure = shared.themed_figure(palette, barmode="group", bargap=shared.bar_gap(len(months)))
    for field, name, colour in (
        ("anterior", "Un año antes", shared.translucent(palette.third, 0.7)),
        ("actual", "Mes", palette.primary),
    ):
        values = [(month[field] or {}).get("consumo_total") for month in months]
        if any(value is not None for value in values):
            figure.add_bar(
                x=[texts.short_month(month["mes_str"]) for month in months], y=values, name=name,
                marker={"color": colour}, hovertemplate=_WHOLE_KWH,
            )  # fmt: skip
    figure.update_xaxes(type="category", showgrid=False)
    return figure.update_yaxes(rangemode="tozero", title_text="kWh")


def years(months: ApiRows, field: str, title: str, palette: Palette) -> Figure:
    """Return a line a year, January to December; the latest year stands out.

    Parameters
    ----------
    months : sequence
        Rows with ``mes_str``, ``completo`` and ``field``, in any order; of each year, months may
        be missing. Those that are not whole are left out: they would be compared with whole ones.
    """
    by_year: dict[str, list[float | None]] = defaultdict(lambda: [None] * 12)
    for row in months:
        if row["completo"]:
            by_year[row["mes_str"][:4]][int(row["mes_str"][5:7]) - 1] = row[field]
    figure = shared.themed_figure(palette)
    styled = zip(sorted(by_year, reverse=True), _line_styles(palette), strict=False)
    for year, (colour, dash, width) in reversed(list(styled)):
        figure.add_scatter(
            x=_SHORT_MONTHS, y=by_year[year], name=year, mode="lines+markers",
            line={"color": colour, "width": width, "dash": dash}, marker={"size": 6},
            hovertemplate=_WHOLE_KWH,
        )  # fmt: skip
    figure.update_xaxes(type="category", showgrid=False, categoryarray=_SHORT_MONTHS)
    return figure.update_yaxes(rangemode="tozero", title_text=title)


def night_and_peak(months: ApiRows, palette: Palette) -> Figure:
    """Return what a customer consumes in an hour of the night and of the peak, month by month.

    ``months``: rows of ``/api/consumos/meses``, oldest first; None = not known.
    """
    figure = shared.themed_figure(palette)
    shared.add_months(figure, months, (
        ("consumo_punta_promedio", "Hora punta", palette.primary, "circle"),
        ("consumo_noche_promedio", "Hora de la noche", palette.second, "diamond"),
    ), shared.KWH)  # fmt: skip
    return figure.update_yaxes(title_text="kWh por hora")


def night_and_peak_shares(months: ApiRows, palette: Palette) -> Figure:
    """Return the night's and the peak's share of each month's energy, oldest first."""
    figure = shared.themed_figure(palette)
    shared.add_months(figure, months, (
        ("parte_punta", "Punta", palette.primary, "circle"),
        ("parte_noche", "Noche", palette.second, "diamond"),
    ), "%{y:.0f} %", factor=100)  # fmt: skip
    return figure.update_yaxes(ticksuffix=" %")


def running_total(days: ApiRows, months: Sequence[str], palette: Palette) -> Figure:
    """Return how some months of a customer add up, day by day, on top of each other.

    Parameters
    ----------
    days : sequence
        Rows of ``/api/consumos/diarios`` of one customer, in any order.
    months : sequence of str
        Up to ``MAX_MONTHS`` months, "2026-11"; the first one stands out. A month without days
        gives no line.
    """
    figure = shared.themed_figure(palette)
    by_day = sorted(days, key=lambda day: str(day["fecha"]))
    for month, (colour, dash, width) in zip(months, _line_styles(palette), strict=False):
        if own := [day for day in by_day if day["fecha"].startswith(month)]:
            shared.add_line(
                figure, [int(day["fecha"][8:10]) for day in own],
                list(accumulate(shared.column(own, "consumo_kwh"))), texts.short_month(month),
                colour, width, "%{y:,.1f} kWh", dash=dash,
            )  # fmt: skip
    figure.update_xaxes(range=[0.5, 31.5], dtick=5, title_text="Día del mes", hoverformat="d")
    return figure.update_yaxes(rangemode="tozero", title_text="kWh acumulados")
