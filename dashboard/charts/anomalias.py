"""Figures of how anomalies are spread. Pure: data in, figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plotly.graph_objects import Figure

from dashboard import texts
from dashboard.charts import shared
from dashboard.theme import Palette


def type_bars(counts: Mapping[str, int], palette: Palette) -> Figure:
    """Return bars of anomalies by type, the most frequent one first."""
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    return _bars_with_counts({texts.readable(kind): n for kind, n in ordered}, palette)


def severity_bars(counts: Mapping[str, int], palette: Palette) -> Figure:
    """Return bars of anomalies by severity, each in its colour."""
    return _bars_with_counts(
        {s.capitalize(): counts[s] for s in texts.ANOMALY_SEVERITIES},
        palette,
        [palette.severity[s] for s in texts.ANOMALY_SEVERITIES],
    )


def hour_bars(counts: Sequence[int], palette: Palette) -> Figure:
    """Return bars of anomalies by hour of the day."""
    return shared.bars([f"{hour} h" for hour in range(24)], counts, palette)


def weekday_bars(counts: Sequence[int], palette: Palette) -> Figure:
    """Return bars of anomalies by day of the week."""
    return shared.bars([day[:3].capitalize() for day in texts.WEEKDAYS], counts, palette)


def _bars_with_counts(
    counts: Mapping[str, int], palette: Palette, colours: Sequence[str] = ()
) -> Figure:
    figure = shared.themed_figure(palette, 300, margin_t=12, hovermode="closest", showlegend=False)
    figure.add_bar(
        x=list(counts.values()), y=list(counts), orientation="h",
        marker={"color": colours or palette.primary, "line": {"width": 0}},
        texttemplate="%{x:,d}", textposition="outside", cliponaxis=False,
        hovertemplate="%{y}: %{x:,d}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_xaxes(visible=False, range=[0, 1.18 * max([*counts.values(), 1])])
