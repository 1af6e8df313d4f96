"""Figures that several pages share, and what all have in common. Pure: data in, figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard import texts
from dashboard.theme import Paleta

ALTO = 320
"""Pixels of an ordinary figure, by hand."""
SIMBOLOS = {"baja": "circle", "media": "diamond", "alta": "square", "crítica": "star"}
"""A shape beside the colour of each severity, for who does not tell the colours apart."""
_ETIQUETAS = 12
"""Labels that fit below bars, on half a page."""
_DIAS_CORTOS = [dia[:3] for dia in (texts.DIAS[6], *texts.DIAS[:6])]

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
                "days": [texts.DIAS[6], *texts.DIAS[:6]],
                "shortDays": _DIAS_CORTOS,
                "months": list(texts.MESES),
                "shortMonths": [mes[:3] for mes in texts.MESES],
                "date": "%d/%m/%Y",
                "decimal": ",",
                "thousands": ".",
            },
        }
    },
}
"""Plotly in Spanish without asking anyone for its words, and without its buttons in English."""

Filas = Sequence[Mapping[str, Any]]
Figura = go.Figure

HORA_MS, DIA_MS = 3_600_000, 86_400_000
TIEMPO: dict[str, Any] = {
    "type": "date",
    "tickformatstops": [
        {"dtickrange": [None, DIA_MS - 1], "value": "%H:%M\n%-d %b"},
        {"dtickrange": [DIA_MS, "M1"], "value": "%-d %b"},
        {"dtickrange": ["M1", None], "value": "%b %Y"},
    ],
}
"""An axis of time whose labels put the day before the month, as Spanish does."""


def base(paleta: Paleta, alto: int = ALTO) -> go.Figure:
    """Return an empty figure in the colours of a theme."""
    figura = go.Figure()
    eje = {
        "gridcolor": paleta.rejilla,
        "zerolinecolor": paleta.rejilla,
        "linecolor": paleta.rejilla,
        "tickfont": {"color": paleta.suave, "size": 12},
        "title": {"font": {"color": paleta.suave, "size": 12}},
        "automargin": True,
    }
    figura.update_layout(
        height=alto,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "Source Sans, sans-serif", "color": paleta.texto, "size": 13},
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        separators=",.",
        hovermode="x unified",
        hoverlabel={
            "bgcolor": paleta.fondo,
            "bordercolor": paleta.rejilla,
            "font": {"color": paleta.texto},
        },
        legend={
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "font": {"color": paleta.suave, "size": 12},
        },
        bargap=0.18,
        xaxis=eje,
        yaxis={**eje, "tickformat": ","},
        dragmode="zoom",
        uirevision="fijo",
    )
    return figura


def sin_desfase(instantes: Sequence[str]) -> list[str]:
    """Return local wall times: Plotly would show an offset as another hour in some browsers.

    Examples
    --------
    >>> sin_desfase(["2026-11-23T02:00:00+01:00", "2026-11-23"])
    ['2026-11-23T02:00:00', '2026-11-23']
    """
    return [instante[:19] for instante in instantes]


def transparente(color: str, opacidad: float) -> str:
    """Return a colour with an opacity, 0 to 1.

    Examples
    --------
    >>> transparente("#0b7285", 0.5)
    'rgba(11,114,133,0.5)'
    """
    rojo, verde, azul = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({rojo},{verde},{azul},{opacidad:g})"


def escala(colores: Sequence[str]) -> list[tuple[float, str]]:
    """Return a continuous scale through some colours, evenly spaced."""
    return [(i / (len(colores) - 1), color) for i, color in enumerate(colores)]


def hueco(barras: int) -> float:
    """Return the gap between bars that keeps few of them from becoming walls.

    Examples
    --------
    >>> hueco(1), hueco(30)
    (0.85, 0.18)
    """
    return max(0.18, round(1 - 0.15 * barras, 2))


def serie_severidad(elementos: Filas, por: str, paleta: Paleta) -> go.Figure:
    """Return stacked bars of anomalies over time, one colour a severity.

    Parameters
    ----------
    elementos : sequence
        Rows with ``momento`` and ``anomalias`` by severity.
    por : str
        'dia' or 'hora', what each bar is.
    """
    figura = base(paleta)
    momentos = sin_desfase([fila["momento"] for fila in elementos])
    for severidad in texts.SEVERIDADES:
        figura.add_bar(
            x=momentos,
            y=[fila["anomalias"][severidad] for fila in elementos],
            name=severidad.capitalize(),
            marker={"color": paleta.severidad[severidad], "line": {"width": 0}},
            hovertemplate="%{y}",
        )
    figura.update_layout(barmode="stack", legend_traceorder="normal")
    figura.update_xaxes(**TIEMPO, hoverformat="%A %-d %b" if por == "dia" else "%a %-d %b, %H:%M")
    figura.update_yaxes(rangemode="tozero", tickformat=",d")
    return figura


def barras(
    nombres: Sequence[str],
    valores: Sequence[float],
    paleta: Paleta,
    colores: Sequence[str] | None = None,
    horizontal: bool = False,
    alto: int = 260,
) -> go.Figure:
    """Return plain bars with their values, in the order given (from the top, if horizontal)."""
    figura = base(paleta, alto)
    marca = {"color": list(colores) if colores else paleta.principal, "line": {"width": 0}}
    if horizontal:
        figura.add_bar(
            x=list(valores), y=list(nombres), orientation="h", marker=marca,
            texttemplate="%{x:,d}", textposition="outside", cliponaxis=False,
            hovertemplate="%{y}: %{x:,d}<extra></extra>",
        )  # fmt: skip
        figura.update_yaxes(autorange="reversed", showgrid=False)
        figura.update_xaxes(visible=False, range=[0, 1.18 * max([*valores, 1])])
    else:
        figura.add_bar(
            x=list(nombres), y=list(valores), marker=marca,
            hovertemplate="%{x}: %{y:,d}<extra></extra>",
        )  # fmt: skip
        cada = 4 if len(nombres) > _ETIQUETAS else 1
        figura.update_xaxes(
            type="category", showgrid=False, tickangle=0, tickvals=list(nombres)[::cada]
        )
        figura.update_yaxes(rangemode="tozero", tickformat=",d")
    figura.update_layout(margin_t=12, hovermode="closest", showlegend=False)
    return figura
