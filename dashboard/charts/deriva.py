"""Figures of drift reports. Pure: data in, figure out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plotly.graph_objects import Figure

from dashboard import texts
from dashboard.charts import shared
from dashboard.charts.shared import ApiRows
from dashboard.theme import Palette

_GAPS_UP_TO = 31
"""Reports up to which cells stand apart; more would be all gaps on a telephone."""
_FAR = 1.5
"""Distance over its threshold from which the heat map is darkest, at least."""


def traffic_lights(reports: ApiRows, palette: Palette) -> Figure:
    """Return the traffic light of each drift report over time, by columns that moved."""
    figure = shared.themed_figure(palette, 260, margin_t=12, showlegend=False, hovermode="closest")
    lights = {
        "verde": (palette.good, "circle"),
        "ámbar": (palette.warning, "diamond"),
        "rojo": (palette.bad, "square"),
    }
    looks = [lights.get(report["semaforo"], (palette.third, "circle")) for report in reports]
    moved = [sum(bool(c.get("movida")) for c in report["columnas"]) for report in reports]
    figure.add_scatter(
        x=shared.wall_times(shared.column(reports, "fecha")), y=moved, mode="lines+markers",
        line={"color": palette.grid, "width": 2},
        marker={"size": 14, "color": [colour for colour, _ in looks],
                "symbol": [symbol for _, symbol in looks]},
        text=shared.column(reports, "semaforo"),
        hovertemplate="%{text}: %{y} rasgos movidos<extra></extra>",
    )  # fmt: skip
    top = max([*moved, 3])
    figure.update_xaxes(**shared.TIME_AXIS)
    if len(reports) == 1:  # Plotly would write its hour below every line.
        figure.update_xaxes(tickvals=shared.wall_times(shared.column(reports, "fecha")))
    return figure.update_yaxes(
        range=[-0.08 * top, 1.12 * top], title_text="Rasgos movidos", dtick=1 + top // 6
    )


def distances(columns: ApiRows, palette: Palette) -> Figure:
    """Return how far each shared.column has moved, and its threshold; the farthest first."""
    ordered = sorted(columns, key=lambda c: -(c.get("estadistico") or 0.0))
    names = [texts.readable(c["nombre"]) for c in ordered]
    figure = shared.themed_figure(palette, 90 + 26 * max(len(ordered), 3), hovermode="closest")
    figure.add_bar(
        x=[c.get("estadistico") for c in ordered], y=names, orientation="h", showlegend=False,
        marker={"color": [palette.warning if c.get("movida") else palette.good for c in ordered]},
        hovertemplate="%{y}: %{x:,.3f}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[c.get("umbral") for c in ordered], y=names, mode="markers", name="Umbral",
        marker={"symbol": "line-ns", "size": 14, "line": {"width": 2, "color": palette.muted}},
        hovertemplate="umbral %{x:,.3f}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_xaxes(rangemode="tozero", title_text="Distancia de Jensen-Shannon")


def mean_change(one: Mapping[str, Any]) -> float | None:
    """Return how much the mean of a column has changed, 0.1 = 10 % more; None = not known.

    Examples
    --------
    >>> round(mean_change({"media_referencia": 2.0, "media_actual": 2.2}), 3)
    0.1
    """
    before, now = one.get("media_referencia"), one.get("media_actual")
    return (now - before) / abs(before) if before and now is not None else None


def mean_changes(columns: ApiRows, palette: Palette) -> Figure:
    """Return how much each column's mean is above or below that of the reference, in percent."""
    known = [(texts.readable(c["nombre"]), change, bool(c.get("movida"))) for c in columns
             if (change := mean_change(c)) is not None]  # fmt: skip
    known.sort(key=lambda one: -abs(one[1]))
    figure = shared.themed_figure(
        palette, 90 + 26 * max(len(known), 3), hovermode="closest", showlegend=False
    )
    figure.add_bar(
        x=[100 * change for _, change, _ in known], y=[name for name, _, _ in known],
        orientation="h",
        marker={"color": [palette.warning if moved else palette.good for _, _, moved in known]},
        hovertemplate="%{y}: %{x:+,.1f} %<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_xaxes(title_text="Cambio de la media", **shared.PERCENT)


def distances_over_time(reports: ApiRows, palette: Palette) -> Figure:
    """Return how near its threshold each column was in each drift report, marked where beyond.

    ``reports``: rows of ``/api/deriva/historial``, oldest first. A column without a distance, or
    without a threshold, is a hole.
    """
    dates = shared.wall_times(shared.column(reports, "fecha"))
    relative: dict[str, dict[str, float | None]] = {}
    moved: list[tuple[str, str]] = []
    for date, report in zip(dates, reports, strict=True):
        for one in report["columnas"]:
            relative.setdefault(one["nombre"], {})[date] = _relative(one)
            if one.get("movida"):
                moved.append((date, texts.readable(one["nombre"])))
    nearest = {name: max(v or 0.0 for v in own.values()) for name, own in relative.items()}
    names = sorted(nearest, key=lambda name: (-nearest[name], name))
    figure = shared.themed_figure(palette, 170 + 22 * max(len(names), 3), showlegend=bool(moved))
    # Its key lies below, where it takes no width on a telephone.
    key = shared.colour_bar("Distancia sobre su umbral", palette)
    key["title"]["side"] = "bottom"
    key |= {"orientation": "h", "y": -0.1, "yanchor": "top", **shared.PERCENT}
    shared.add_heat_map(
        figure, dates, [texts.readable(name) for name in names],
        [[_hundredths(relative[name].get(date)) for date in dates] for name in names], palette,
        zmin=0, zmax=100 * max([*nearest.values(), _FAR]), colorbar=key,
        xgap=1 if len(reports) <= _GAPS_UP_TO else 0,
        hovertemplate="%{y}, %{x|%-d %b}: %{z:,.0f} % de su umbral<extra></extra>",
    )  # fmt: skip
    if moved:
        figure.add_scatter(
            x=[date for date, _ in moved], y=[name for _, name in moved], mode="markers",
            name="Pasa de su umbral", hoverinfo="skip",
            marker={"symbol": "circle-open", "size": 8, "color": palette.severity["alta"],
                    "line": {"width": 2}},
        )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category")
    return figure.update_xaxes(**shared.TIME_AXIS)


def _hundredths(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _relative(one: Mapping[str, Any]) -> float | None:
    distance, threshold = one.get("estadistico"), one.get("umbral")
    return distance / threshold if distance is not None and threshold else None
