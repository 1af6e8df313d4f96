"""Figures of one customer. Pure: data in, figure out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from plotly.graph_objects import Figure

from dashboard import texts
from dashboard.charts import shared
from dashboard.charts.shared import ApiRows
from dashboard.theme import Palette

_HOURS = list(range(24))
_KWH_CELL = "{}: %{{z:,.2f}} kWh<extra></extra>"


def consumption(points: ApiRows, before: ApiRows, days_before: int, palette: Palette) -> Figure:
    """Return consumption with its expected band, anomalies in colour, the previous period behind.

    Parameters
    ----------
    points : sequence of Consumo
        Hours in rising order.
    before : sequence of Consumo
        Those of the period before; may be empty.
    days_before : int
        Days by which ``before`` is moved forward to lie behind ``points``.
    """
    figure = shared.themed_figure(
        palette, 420, margin_t=44, legend={"y": -0.12, "yanchor": "top", "traceorder": "normal"}
    )
    hours = shared.wall_times(shared.column(points, "timestamp"))
    if any(point["consumo_esperado_kwh"] is not None for point in points):
        shared.add_band(figure, hours, points, palette, 0.16)
        shared.add_line(
            figure, hours, shared.column(points, "consumo_esperado_kwh"), "Esperado",
            palette.second, width=1.2, dash="dash",
        )  # fmt: skip
    if before:
        shared.add_line(
            figure, [_later(point["timestamp"], days_before) for point in before],
            shared.column(before, "consumo_kwh"), "Periodo anterior", palette.third, width=1,
            dash="dot",
        )  # fmt: skip
    shared.add_line(figure, hours, shared.column(points, "consumo_kwh"), "Consumo", palette.primary)
    _add_anomalies(figure, points, palette)
    figure.update_xaxes(
        **shared.TIME_AXIS,
        hoverformat=shared.HOUR_HOVER,
        rangeselector=_range_buttons(palette),
        range=[hours[0], hours[-1]] if hours else None,
    )
    return figure.update_yaxes(rangemode="tozero", title_text="kWh por hora")


def _range_buttons(palette: Palette) -> dict[str, Any]:
    buttons = [
        {"count": days, "label": name, "step": "day", "stepmode": "backward"}
        for days, name in ((1, "24 h"), (3, "3 d"), (7, "7 d"), (14, "14 d"))
    ]
    return {
        "buttons": [*buttons, {"step": "all", "label": "Todo"}],
        "x": 0,
        "y": 1.02,
        "yanchor": "bottom",
        "bgcolor": palette.grid,
        "activecolor": shared.translucent(palette.primary, 0.45),
        "font": {"color": palette.text, "size": 12},
    }


def _later(instant: str, days: int) -> str:
    return (datetime.fromisoformat(instant[:19]) + timedelta(days=days)).isoformat()


def _add_anomalies(figure: Figure, points: ApiRows, palette: Palette) -> None:
    """Add a mark for every anomaly, in the colour and the shape of its severity."""
    for severity in texts.ANOMALY_SEVERITIES:
        own = [point for point in points if point["severidad"] == severity]
        if not own:
            continue
        marker = shared.severity_marker(severity, palette)
        figure.add_scatter(
            x=shared.wall_times(shared.column(own, "timestamp")),
            y=shared.column(own, "consumo_kwh"), name=severity.capitalize(), mode="markers",
            marker=marker | ({"size": 11} if severity == "crítica" else {}),
            customdata=[
                (texts.type_names(p["tipos_anomalia"]), texts.number(p["score_anomalia"], 2))
                for p in own
            ],
            hovertemplate="%{customdata[0]} (puntuación %{customdata[1]})",
        )  # fmt: skip


def day_map(cells: ApiRows, palette: Palette) -> Figure:
    """Return hour × day: how much was consumed, and a mark where it was anomalous.

    ``cells``: ``fecha``, ``hora``, ``consumo_kwh``, ``severidad``; a missing hour is a hole.
    """
    kwh = {(cell["hora"], cell["fecha"]): cell["consumo_kwh"] for cell in cells}
    days = sorted({day for _, day in kwh})
    grave = [cell for cell in cells if cell["severidad"] in {"alta", "crítica"}]
    figure = shared.themed_figure(palette, 380, showlegend=bool(grave))
    shared.add_heat_map(
        figure, days, _HOURS, [[kwh.get((hour, day)) for day in days] for hour in _HOURS], palette,
        colorbar=shared.colour_bar("kWh", palette),
        hovertemplate=_KWH_CELL.format("%{x|%A %-d %b}, %{y} h"),
    )  # fmt: skip
    if grave:
        # Smaller than a cell on a telephone: those of whole days in a row stay apart.
        figure.add_scatter(
            x=shared.column(grave, "fecha"), y=shared.column(grave, "hora"), mode="markers",
            name="Alta o crítica", hoverinfo="skip",
            marker={"size": 5, "color": palette.severity["alta"],
                    "line": {"width": 1, "color": palette.ramp[0]}},
        )  # fmt: skip
    figure.update_yaxes(range=[23.5, -0.5], dtick=4, ticksuffix=" h")
    return figure.update_xaxes(**shared.TIME_AXIS)


def week_map(cells: ApiRows, palette: Palette) -> Figure:
    """Return hour × weekday: mean consumption."""
    kwh = {(cell["dia_semana"], cell["hora"]): cell["consumo_kwh"] for cell in cells}
    figure = shared.themed_figure(palette, 280, margin_t=12)
    shared.add_heat_map(
        figure, _HOURS, [day.capitalize() for day in texts.WEEKDAYS],
        [[kwh.get((day, hour)) for hour in _HOURS] for day in range(7)], palette,
        colorbar=shared.colour_bar("kWh", palette), hovertemplate=_KWH_CELL.format("%{y}, %{x} h"),
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    return figure.update_xaxes(dtick=4, ticksuffix=" h")


def load_profile(profile: Mapping[str, Any], day_class: str, palette: Palette) -> Figure:
    """Return the load profile of one kind of day: now, before, peers, and the usual band.

    ``profile``: ``franjas``, ``ahora``, ``antes`` and ``pares`` of ``/perfil``. ``day_class``:
    'laborable' or 'fin_de_semana'.
    """

    def of_class(field: str) -> list[Mapping[str, Any]]:
        own = (row for row in profile[field] if row["clase"] == day_class)
        return sorted(own, key=lambda row: int(row["hora"]))

    figure = shared.themed_figure(palette, 300, margin_t=56)
    slots = of_class("franjas")
    shared.add_band(figure, shared.column(slots, "hora"), slots, palette, 0.14)
    for field, name, colour, dash, width in (
        ("pares", "Clientes parecidos", palette.third, "dot", 1.5),
        ("antes", "28 días antes", palette.second, "dash", 1.8),
        ("ahora", "Últimos 7 días", palette.primary, "solid", 2.6),
    ):
        if rows := of_class(field):
            shared.add_line(
                figure, shared.column(rows, "hora"), shared.column(rows, "consumo_kwh"), name,
                colour, width, dash=dash,
            )  # fmt: skip
    figure.update_xaxes(dtick=4, ticksuffix=" h", range=[-0.3, 23.3])
    return figure.update_yaxes(rangemode="tozero", title_text="kWh por hora")


def contribution_waterfall(explanation: ApiRows, score: float, palette: Palette) -> Figure:
    """Return how the detectors' contributions add up to the whole alarm.

    ``explanation``: ``detector`` and ``aporte``, its share of the alarm, 0 to 1. ``score``: score
    of the reading, 0 to 1, for the title of the total.
    """
    own = [row for row in explanation if (row["aporte"] or 0) > 0]
    shares = [100 * row["aporte"] for row in own]
    figure = shared.themed_figure(
        palette, 120 + 36 * (len(own) + 1), margin_t=8, hovermode="closest", showlegend=False
    )
    figure.add_waterfall(
        orientation="h",
        y=[
            *(texts.readable(row["detector"]) for row in own),
            f"Puntuación {texts.number(score, 2)}",
        ],
        x=[*shares, None],
        measure=[*["relative"] * len(own), "total"],
        text=[*(f"{texts.number(share)} %" for share in shares), "100 %"],
        textposition="outside",
        cliponaxis=False,
        connector={"line": {"color": palette.grid, "width": 1}},
        increasing={"marker": {"color": palette.severity["alta"]}},
        totals={"marker": {"color": palette.primary}},
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_xaxes(range=[0, 116], ticksuffix=" %", title_text="Parte de la alarma")


def beside_peers(rows: ApiRows, palette: Palette) -> Figure:
    """Return a customer's consumption beside that of peers."""
    figure = shared.themed_figure(palette)
    hours = shared.wall_times(shared.column(rows, "timestamp"))
    for field, name, colour, dash in (
        ("pares_kwh", "Clientes parecidos", palette.second, "dash"),
        ("consumo_kwh", "Cliente", palette.primary, "solid"),
    ):
        shared.add_line(
            figure, hours, shared.column(rows, field), name, colour, 1.6, shared.KWH, dash=dash
        )
    figure.update_xaxes(**shared.TIME_AXIS, hoverformat=shared.HOUR_HOVER)
    return figure.update_yaxes(rangemode="tozero", title_text="kWh por hora")
