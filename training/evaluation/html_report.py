"""The report as one HTML page that needs nothing else: Plotly figures in a Jinja template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detection.blend.severity import severity_thresholds
from detection.domain import SEVERIDADES, TIPOS
from detection.params import Params
from training.evaluation.report import (
    CABECERA_COMPARACION,
    CABECERA_RESUMEN,
    CABECERA_TIPOS,
    NOMBRE_MEZCLA,
    Datos,
    comparison_rows,
    summary_rows,
    type_rows,
)

PLANTILLA = "report.html.j2"
_COLOR, _SUAVE, _ALERTA = "#1f4e79", "#9db4c8", "#b3382c"
_OTROS = (
    *("#1f77b4", "#2a9d8f", "#8a5a9e", "#e0a020", "#5b8c2a", "#c26a9b", "#0b5b6b", "#8c6d4f"),
    *("#1b2733", "#5b6b7a", "#94a3ad"),
)
"""One for each detector, and greys for the simpler methods; none is near the blend's."""
_DETECTORES = frozenset(map(str, TIPOS))
_PLAZOS_HORAS = {
    **{1: "1 h", 6: "6 h", 24: "1 día", 72: "3 días", 168: "1 semana"},
    **{720: "1 mes", 2160: "3 meses"},
}
"""Marks of an axis of delays."""
_NUNCA = 1e9
"""Hours, as the report says that an attack was never found."""


def make_html(informe: Datos, titulo: str, notas: Sequence[str]) -> str:
    """Return the page.

    ``notas``: sentences under the title: what was evaluated, and how.
    """
    from jinja2 import Environment, FileSystemLoader

    entorno = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
    )
    figuras = {
        "tipos": type_figure(informe),
        "roc": roc_figure(informe),
        "precision": precision_figure(informe),
        "puntuaciones": score_figure(informe),
        "retrasos": delay_figure(informe),
    }
    return entorno.get_template(PLANTILLA).render(
        titulo=titulo,
        notas=notas,
        resumen=(CABECERA_RESUMEN, summary_rows(informe)),
        tipos=(CABECERA_TIPOS, type_rows(informe)),
        comparacion=(CABECERA_COMPARACION, comparison_rows(informe)),
        # The first one of the page brings the library along. Its buttons speak English.
        figuras={
            nombre: figura.to_html(
                full_html=False,
                include_plotlyjs=nombre == "tipos",
                config={"displayModeBar": False, "showTips": False, "responsive": True},
            )
            for nombre, figura in figuras.items()
        },
    )


def _layout(figura: Any, titulo: str, x: str, y: str) -> Any:
    figura.update_layout(
        title=titulo, xaxis_title=x, yaxis_title=y, template="plotly_white", height=440,
        separators=",.", legend={"font": {"size": 11}}, margin={"l": 60, "r": 20, "t": 50, "b": 50},
    )  # fmt: skip
    return figura


def type_figure(informe: Datos) -> Any:
    """Return the area under the ROC curve of each kind of attack, with its interval."""
    import plotly.graph_objects as go

    tipos = informe["tipos"]
    cifras: list[Mapping[str, Any]] = [t["roc_auc"] for t in tipos.values()]
    valores = [c["valor"] or 0.0 for c in cifras]
    figura = go.Figure(
        go.Bar(
            x=list(tipos),
            y=valores,
            marker_color=_COLOR,
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [(c["hasta"] or v) - v for c, v in zip(cifras, valores, strict=True)],
                "arrayminus": [v - (c["desde"] or v) for c, v in zip(cifras, valores, strict=True)],
            },
        )
    )
    figura.add_hline(y=0.5, line_dash="dot", line_color=_SUAVE)
    figura.update_yaxes(range=[0, 1])
    return _layout(figura, "ROC-AUC por tipo de ataque; 0,5 es al azar", "", "ROC-AUC")


def _curves(informe: Datos, x: str, y: str, *, escalon: bool) -> Any:
    """Return every curve, the blend's over the others; those of no detector are dashed."""
    import plotly.graph_objects as go

    figura = go.Figure()
    # Drawn last, the blend's lies over the others; its rank keeps it first in the legend.
    for k, nombre in enumerate(sorted(informe["curvas"], key=lambda n: n == NOMBRE_MEZCLA)):
        curva, nuestra = informe["curvas"][nombre], nombre == NOMBRE_MEZCLA
        inicio = curva[y][:1] if escalon else [0.0]
        figura.add_scatter(
            x=[0.0, *curva[x]], y=[*inicio, *curva[y]], mode="lines", name=nombre,
            line={
                "width": 3 if nuestra else 1.3,
                "color": _ALERTA if nuestra else _OTROS[k % len(_OTROS)],
                "dash": "solid" if nuestra or nombre in _DETECTORES else "dash",
                # Between two points of precision there is no third: it steps.
                "shape": "vh" if escalon else "linear",
            },
            legendrank=0 if nuestra else 1000 + k,
        )  # fmt: skip
    figura.update_xaxes(range=[0, 1])
    figura.update_yaxes(range=[0, 1.02])
    return figura


def roc_figure(informe: Datos) -> Any:
    """Return the ROC curves of the blend and of what could stand in for it."""
    return _layout(
        _curves(informe, "falsas", "halladas", escalon=False), "Curva ROC, por lectura",
        "parte de las lecturas limpias que se señala", "parte de las atacadas que se halla",
    )  # fmt: skip


def precision_figure(informe: Datos) -> Any:
    """Return the precision-recall curves of the blend and of what could stand in for it."""
    figura = _curves(informe, "halladas", "precision", escalon=True)
    azar = informe["por_lectura"]["precision_azar"]
    if azar is not None:
        figura.add_hline(
            y=azar, line={"dash": "dot", "width": 1, "color": _COLOR},
            annotation={"text": "al azar", "font": {"size": 11}},
        )  # fmt: skip
    return _layout(
        figura,
        "Precisión y exhaustividad, por lectura",
        "parte de las lecturas atacadas que se halla", "parte de las señaladas que lo son",
    )  # fmt: skip


def score_figure(informe: Datos) -> Any:
    """Return how the blend's scores spread over clean and over attacked readings."""
    import plotly.graph_objects as go

    figura = go.Figure()
    for nombre, color in (("limpias", _SUAVE), ("atacadas", _ALERTA)):
        cuentas = informe["distribucion"][nombre]
        total = max(sum(cuentas), 1)
        figura.add_bar(
            x=[k / 100 for k in range(101)], y=[c / total for c in cuentas], name=nombre,
            marker_color=color, opacity=0.75,
        )  # fmt: skip
    figura.update_layout(barmode="overlay", bargap=0)
    umbrales = severity_thresholds(Params()).tolist()
    for severidad, umbral in zip(SEVERIDADES[1:], umbrales, strict=True):
        figura.add_vline(
            # Between the bar of the threshold and the one before it.
            x=umbral / 100 - 0.005, line={"dash": "dot", "width": 1, "color": _COLOR},
            annotation={"text": str(severidad), "font": {"size": 11}},
        )  # fmt: skip
    figura.update_xaxes(range=[-0.005, 1.005])
    figura.update_yaxes(type="log", dtick=1, tickformat="~%")
    return _layout(figura, "Puntuación de la mezcla", "score_anomalia", "parte de las lecturas")


def delay_figure(informe: Datos) -> Any:
    """Return what share of the attacks is found as hours go by."""
    import plotly.graph_objects as go

    retrasos = sorted(informe["retrasos"])
    n = max(len(retrasos), 1)
    hallados = [(r + 1, (k + 1) / n) for k, r in enumerate(retrasos) if r < _NUNCA]
    # From nothing found on to the first mark after the last one that was.
    fin = next((h for h in _PLAZOS_HORAS if h > max([23, *(h for h, _ in hallados)])), None)
    puntos = [(1, 0.0), *hallados]
    puntos.append((fin or puntos[-1][0], puntos[-1][1]))
    figura = go.Figure(
        go.Scatter(
            x=[h for h, _ in puntos], y=[parte for _, parte in puntos], mode="lines",
            line={"shape": "hv", "color": _COLOR},
        )
    )  # fmt: skip
    figura.update_xaxes(
        type="log", tickvals=list(_PLAZOS_HORAS), ticktext=list(_PLAZOS_HORAS.values())
    )
    figura.update_yaxes(range=[0, 1.02])
    return _layout(
        figura, "Ataques hallados según las horas pasadas",
        "tiempo desde el comienzo, contando la primera hora",
        "parte de los ataques",
    )  # fmt: skip
