"""What all figures have in common, and those that several pages share. Pure: data in, figure out.

A page has its own figures in the file of its name beside this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from plotly.graph_objects import Figure

from dashboard import texts
from dashboard.theme import Palette
from detection.domain import MESES

HEIGHT = 320
"""Pixels of an ordinary figure, by hand."""
SYMBOLS = {"baja": "circle", "media": "diamond", "alta": "square", "crítica": "star"}
"""A shape beside the colour of each severity, for who does not tell the colours apart."""
_MAX_LABELS = 12
"""Labels that fit below bars, on half a page."""
_FROM_SUNDAY = [texts.WEEKDAYS[6], *texts.WEEKDAYS[:6]]

CONFIG: dict[str, Any] = {
    "displayModeBar": False,
    "showTips": False,
    "scrollZoom": False,
    "responsive": True,
    "locale": "es",
    "locales": {
        "es": {
            "dictionary": {},
            "format": {
                "days": _FROM_SUNDAY,
                "shortDays": [day[:3] for day in _FROM_SUNDAY],
                "months": list(MESES),
                "shortMonths": [month[:3] for month in MESES],
                "date": "%d/%m/%Y",
                "decimal": ",",
                "thousands": ".",
            },
        }
    },
}
"""Plotly in Spanish without asking anyone for its words, and without its buttons in English."""

ApiRows = Sequence[Mapping[str, Any]]

KWH = "%{y:,.2f} kWh"
"""What a point says of itself when its energy is pointed at."""
PERCENT: dict[str, Any] = {"tickformat": ",.0f", "ticksuffix": " %"}
"""An axis of shares, given as hundredths, that writes them as the text does."""
_DAY_MS = 86_400_000
TIME_AXIS: dict[str, Any] = {
    "type": "date",
    "tickformatstops": [
        {"dtickrange": [None, _DAY_MS - 1], "value": "%H:%M\n%-d %b"},
        {"dtickrange": [_DAY_MS, "M1"], "value": "%-d %b"},
        {"dtickrange": ["M1", None], "value": "%b %Y"},
    ],
}
"""An axis of time whose labels put the day before the month, as Spanish does."""
HOUR_HOVER, DAY_HOVER = "%A %-d %b, %H:%M", "%A %-d %b"


def themed_figure(palette: Palette, height: int = HEIGHT, **layout: Any) -> Figure:
    """Return an empty figure in the colours of a theme; ``layout`` is Plotly's, on top of ours."""
    axis = {
        "gridcolor": palette.grid,
        "zerolinecolor": palette.grid,
        "linecolor": palette.grid,
        "tickfont": {"color": palette.muted, "size": 12},
        "title": {"font": {"color": palette.muted, "size": 12}},
        "automargin": True,
    }
    figure = Figure()
    figure.update_layout(
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "Source Sans, sans-serif", "color": palette.text, "size": 13},
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        separators=",.",
        hovermode="x unified",
        hoverlabel={
            "bgcolor": palette.background,
            "bordercolor": palette.grid,
            "font": {"color": palette.text},
        },
        legend={
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "font": {"color": palette.muted, "size": 12},
        },
        bargap=0.18,
        xaxis=axis,
        yaxis={**axis, "tickformat": ","},
        dragmode="zoom",
        uirevision="fijo",
    )
    return figure.update_layout(**layout)


def wall_times(instants: Iterable[str]) -> list[str]:
    """Return local wall times: Plotly would show an offset as another hour in some browsers.

    Examples
    --------
    >>> wall_times(["2026-11-23T02:00:00+01:00", "2026-11-23"])
    ['2026-11-23T02:00:00', '2026-11-23']
    """
    return [instant[:19] for instant in instants]


def column(rows: ApiRows, field: str) -> list[Any]:
    """Return a field of every row."""
    return [row[field] for row in rows]


def translucent(colour: str, opacity: float) -> str:
    """Return a colour with an opacity, 0 to 1.

    Examples
    --------
    >>> translucent("#0b7285", 0.5)
    'rgba(11,114,133,0.5)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def colour_scale(colours: Sequence[str]) -> list[tuple[float, str]]:
    """Return a continuous scale through some colours, evenly spaced."""
    return [(i / (len(colours) - 1), colour) for i, colour in enumerate(colours)]


def colour_bar(title: str, palette: Palette) -> dict[str, Any]:
    """Return the key of a heat map."""
    return {
        "title": {"text": title, "font": {"color": palette.muted, "size": 12}},
        "tickfont": {"color": palette.muted},
        "thickness": 10,
        "outlinewidth": 0,
    }


def bar_gap(bars: int) -> float:
    """Return the gap between bars that keeps few of them from becoming walls.

    Examples
    --------
    >>> bar_gap(1), bar_gap(30)
    (0.85, 0.18)
    """
    return max(0.18, round(1 - 0.15 * bars, 2))


def add_line(
    figure: Figure, x: Sequence[Any], y: Sequence[Any], name: str, colour: str,
    width: float = 1.8, hover: str = KWH, **line: Any,
) -> None:  # fmt: skip
    """Add a line; ``line`` is Plotly's, such as ``dash``."""
    figure.add_scatter(
        x=x, y=y, name=name, mode="lines", hovertemplate=hover,
        line={"color": colour, "width": width, **line},
    )  # fmt: skip


def add_band(
    figure: Figure, x: Sequence[Any], rows: ApiRows, palette: Palette, opacity: float
) -> None:
    """Add the band of what is usual around the expected consumption, if any row has one."""
    upper = column(rows, "banda_superior_kwh")
    if all(value is None for value in upper):
        return
    edge = {"x": x, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_scatter(y=upper, showlegend=False, **edge)
    figure.add_scatter(
        y=column(rows, "banda_inferior_kwh"), name="Banda habitual", fill="tonexty",
        fillcolor=translucent(palette.primary, opacity), **edge,
    )  # fmt: skip


def add_heat_map(
    figure: Figure, x: Sequence[Any], y: Sequence[Any], cells: Sequence[Sequence[Any]],
    palette: Palette, **options: Any,
) -> None:  # fmt: skip
    """Add a heat map from little to much; None is a hole; ``options`` are Plotly's."""
    options = {"colorscale": colour_scale(palette.ramp), "xgap": 1, "ygap": 1} | options
    figure.add_heatmap(x=x, y=y, z=cells, hoverongaps=False, **options)
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(showgrid=False)
    figure.update_layout(hovermode="closest")


def severity_marker(severity: str, palette: Palette) -> dict[str, Any]:
    """Return the mark of a severity: its colour and its shape."""
    return {
        "color": palette.severity[severity], "symbol": SYMBOLS.get(severity, "circle"), "size": 8,
        "line": {"color": palette.background, "width": 1},
    }  # fmt: skip


def add_severity_points(
    figure: Figure, points: Sequence[tuple[float, float, Mapping[str, Any]]], palette: Palette,
    hover: str, field: str = "severidad",
) -> None:  # fmt: skip
    """Add readings as points, one colour and shape a severity; each says whose and when it is.

    ``points``: where each one lies, and its row. ``field``: the field of the row that holds its
    severity.
    """
    for severity in ("normal", *texts.ANOMALY_SEVERITIES):
        own = [point for point in points if point[2][field] == severity]
        if not own:
            continue
        figure.add_scatter(
            x=[x for x, _, _ in own], y=[y for _, y, _ in own],
            text=[
                f"{row['propietario_id']}, {texts.short_date_time(row['timestamp_consumo'])}"
                for _, _, row in own
            ],
            mode="markers", name=severity.capitalize(), hovertemplate=f"%{{text}}<br>{hover}",
            marker={**severity_marker(severity, palette), "opacity": 0.85},
        )  # fmt: skip
    figure.update_layout(hovermode="closest")


def add_months(
    figure: Figure, rows: ApiRows, series: Iterable[tuple[str, str, str, str]], hover: str,
    factor: float = 1,
) -> None:  # fmt: skip
    """Add a line with marks for each series, month by month; what is not known is a gap.

    ``series`` (field, name, colour, symbol): what to draw. ``factor``: what the values are
    multiplied by.
    """
    months = [texts.short_month(row["mes_str"]) for row in rows]
    for field, name, colour, symbol in series:
        values = [None if row[field] is None else factor * row[field] for row in rows]
        figure.add_scatter(
            x=months, y=values, name=name, mode="lines+markers", hovertemplate=hover,
            line={"color": colour, "width": 2}, marker={"symbol": symbol, "size": 8},
        )  # fmt: skip
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(rangemode="tozero")


def severity_series(rows: ApiRows, palette: Palette) -> Figure:
    """Return stacked bars of anomalies by day, one colour a severity.

    ``rows``: rows with ``momento`` and ``anomalias`` by severity.
    """
    figure = themed_figure(palette, barmode="stack", legend_traceorder="normal")
    days = wall_times(column(rows, "momento"))
    for severity in texts.ANOMALY_SEVERITIES:
        figure.add_bar(
            x=days, y=[row["anomalias"][severity] for row in rows], name=severity.capitalize(),
            marker={"color": palette.severity[severity], "line": {"width": 0}},
            hovertemplate="%{y}",
        )  # fmt: skip
    figure.update_xaxes(**TIME_AXIS, hoverformat=DAY_HOVER)
    return figure.update_yaxes(rangemode="tozero", tickformat=",d")


def bars(names: Sequence[str], counts: Sequence[float], palette: Palette) -> Figure:
    """Return plain bars of some counts, in their order."""
    figure = themed_figure(palette, 260, margin_t=12, hovermode="closest", showlegend=False)
    figure.add_bar(
        x=names, y=counts, hovertemplate="%{x}: %{y:,d}<extra></extra>",
        marker={"color": palette.primary, "line": {"width": 0}},
    )  # fmt: skip
    every = 4 if len(names) > _MAX_LABELS else 1
    figure.update_xaxes(type="category", showgrid=False, tickangle=0, tickvals=names[::every])
    return figure.update_yaxes(rangemode="tozero", tickformat=",d")
