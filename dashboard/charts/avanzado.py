"""Figures of customers compared, of detectors and of thresholds. Pure: data in, figure out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle

from plotly.graph_objects import Figure

from dashboard import texts
from dashboard.charts import shared
from dashboard.charts.shared import ApiRows
from dashboard.theme import Palette

_SPIKE = 2.5
"""Consumed over expected at which ``pico_consumo`` fires: an increase over 150 %."""
_FIRING = 0.5
"""Score from which a detector pushes towards an alarm: below it speaks for normality."""
_STRONG = 0.6
"""Correlation from which a cell is nearer to the end of the scale than to its middle, by eye."""
_SCORES = [-0.03, 1.03]
"""Range of an axis of scores, so that marks at its ends are whole."""
_POINT = "%{x:,.2f} · %{y:,.2f}<extra></extra>"


def _by_customer(rows: ApiRows, palette: Palette) -> Iterator[tuple[str, ApiRows, str]]:
    """Give each customer of some rows with its own and a colour, repeated as needed."""
    colours = cycle(
        (
            *(palette.primary, palette.second, palette.severity["media"], palette.severity["alta"]),
            *(palette.severity["baja"], palette.good, palette.severity["crítica"], palette.third),
        )
    )
    for customer, colour in zip(
        sorted(set(shared.column(rows, "propietario_id"))), colours, strict=False
    ):
        yield customer, [row for row in rows if row["propietario_id"] == customer], colour


def day_lines(rows: ApiRows, field: str, title: str, palette: Palette) -> Figure:
    """Return a line a customer: a variable day by day."""
    figure = shared.themed_figure(palette)
    for customer, own, colour in _by_customer(rows, palette):
        shared.add_line(
            figure,
            shared.column(own, "fecha"),
            shared.column(own, field),
            customer,
            colour,
            hover="%{y:,.1f}",
        )
    figure.update_xaxes(**shared.TIME_AXIS, hoverformat=shared.DAY_HOVER)
    return figure.update_yaxes(rangemode="tozero", title_text=title)


def spread(rows: ApiRows, field: str, title: str, palette: Palette) -> Figure:
    """Return a box a customer: how a variable is spread over the days."""
    figure = shared.themed_figure(palette, showlegend=False, hovermode="closest", margin_t=12)
    for customer, own, colour in _by_customer(rows, palette):
        figure.add_box(
            y=shared.column(own, field), name=customer, marker={"color": colour, "size": 4},
            line={"width": 1.5}, boxpoints="outliers", hoverinfo="y",
        )  # fmt: skip
    figure.update_xaxes(showgrid=False)
    return figure.update_yaxes(rangemode="tozero", title_text=title)


def correlations(
    names: Sequence[str], cells: Sequence[Sequence[float | None]], palette: Palette
) -> Figure:
    """Return how alike some customers' days are, -1 to 1."""
    figure = shared.themed_figure(palette, 120 + 44 * max(len(names), 3), margin_t=12)
    shared.add_heat_map(
        figure, names, names, cells, palette, zmin=-1, zmax=1, xgap=2, ygap=2,
        colorbar=shared.colour_bar("", palette),
        colorscale=shared.colour_scale((palette.second, palette.ramp[0], palette.primary)),
        hovertemplate="%{y} y %{x}: %{z:.2f}<extra></extra>",
    )  # fmt: skip
    for row, own in zip(names, cells, strict=True):
        for column, alike in zip(names, own, strict=True):
            if alike is None:
                continue
            # The ends of the scale stand out from the background, its middle does not.
            strong = abs(alike) >= _STRONG
            figure.add_annotation(
                x=column, y=row, text=texts.number(alike, 2), showarrow=False,
                font={"color": palette.background if strong else palette.text, "size": 13},
            )  # fmt: skip
    figure.update_xaxes(type="category")
    return figure.update_yaxes(type="category", autorange="reversed")


def detector_scores(rows: ApiRows, one: str, other: str, palette: Palette) -> Figure:
    """Return anomalies by the score of two detectors, with the region where each one alarms.

    ``rows``: rows of ``/puntuaciones``: ``detectores`` by name, None = not ready, which is left
    out.
    """
    figure = shared.themed_figure(palette, 400)
    low, high = _SCORES
    for x0, y0 in ((_FIRING, low), (low, _FIRING)):
        figure.add_shape(
            type="rect", x0=x0, x1=high, y0=y0, y1=high, line_width=0, layer="below",
            fillcolor=shared.translucent(palette.severity["alta"], 0.08),
        )  # fmt: skip
    scores = ((row["detectores"].get(one), row["detectores"].get(other), row) for row in rows)
    ready = [(x, y, row) for x, y, row in scores if x is not None and y is not None]
    shared.add_severity_points(figure, ready, palette, _POINT)
    figure.update_xaxes(range=_SCORES, title_text=texts.readable(one))
    return figure.update_yaxes(range=_SCORES, title_text=texts.readable(other))


def against_expected(rows: ApiRows, palette: Palette) -> Figure:
    """Return anomalies by expected and consumed kWh, with the region of a spike and equality.

    ``rows``: those without an expected consumption are left out.
    """
    figure = shared.themed_figure(palette, 400)
    points = [
        (row["consumo_esperado_kwh"], row["consumo_kwh"], row)
        for row in rows
        if row["consumo_esperado_kwh"] is not None
    ]
    right = max((x for x, _, _ in points), default=1.0) * 1.08 or 1.0
    top = max((y for _, y, _ in points), default=1.0) * 1.08 or 1.0
    figure.add_scatter(
        x=[0, top / _SPIKE, 0], y=[0, top, top], fill="toself", mode="lines", line={"width": 0},
        fillcolor=shared.translucent(palette.severity["alta"], 0.1), hoverinfo="skip",
        name="Región de pico (> 150 %)",
    )  # fmt: skip
    figure.add_scatter(
        x=[0, right], y=[0, right], mode="lines", name="Lo esperado", hoverinfo="skip",
        line={"color": palette.third, "dash": "dash", "width": 1.2},
    )  # fmt: skip
    shared.add_severity_points(figure, points, palette, _POINT)
    figure.update_xaxes(range=[0, right], title_text="Esperado, kWh")
    return figure.update_yaxes(range=[0, top], title_text="Consumido, kWh")


def alert_curve(
    alerts: Sequence[int], chosen: float, current: Mapping[str, float], palette: Palette
) -> Figure:
    """Return how many alerts each threshold would have given, the chosen one marked.

    Parameters
    ----------
    alerts : sequence of int (101,)
        Alerts with threshold 0.00, 0.01 ... 1.00.
    chosen : float
        The chosen threshold, 0 to 1.
    current : mapping
        Today's threshold of each severity.
    """
    figure = shared.themed_figure(palette, showlegend=False)
    shared.add_line(
        figure, [i / 100 for i in range(len(alerts))], alerts, "Alertas", palette.primary, 2.4,
        "%{y:,d} alertas",
    )  # fmt: skip
    for severity, value in current.items():
        figure.add_vline(
            x=value, line={"color": palette.severity[severity], "width": 1.5, "dash": "dot"},
            annotation={"text": severity, "font": {"color": palette.muted, "size": 11}},
        )  # fmt: skip
    figure.add_scatter(
        x=[chosen], y=[alerts[round(100 * chosen)]], mode="markers", hoverinfo="skip",
        marker={"size": 13, "color": palette.severity["alta"],
                "line": {"color": palette.background, "width": 2}},
    )  # fmt: skip
    first = min([int(100 * value) for value in current.values()] + [round(100 * chosen)])
    top = max([*alerts[max(0, first - 10) :], 1])
    figure.update_xaxes(range=[max(0.0, first / 100 - 0.1), 1.0], title_text="Umbral")
    return figure.update_yaxes(range=[0, 1.1 * top], title_text="Alertas", tickformat=",d")
