"""The report as one HTML page that needs nothing else: tables and Plotly figures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from training.informe_evaluar import (
    CABECERA_COMPARACION,
    CABECERA_RESUMEN,
    CABECERA_TIPOS,
    MEZCLA,
    Datos,
    comparison_rows,
    summary_rows,
    type_rows,
)

_COLOR, _SUAVE, _ALERTA = "#1f4e79", "#9db4c8", "#b3382c"
_NUNCA = 1e9
"""Hours, as the report says that an attack was never found."""
_ESTILO = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b2733; max-width: 68rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #dde4ea; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.nota { color: #5b6b7a; font-size: .9rem; }
"""


def make_html(informe: Datos, titulo: str, notas: Sequence[str]) -> str:
    """Return the page.

    Parameters
    ----------
    notas : sequence of str
        Sentences under the title: what was evaluated, and how.
    """
    parrafos = "".join(f"<p class='nota'>{html.escape(n)}</p>" for n in notas)
    partes = [
        ("Resumen", _table(CABECERA_RESUMEN, summary_rows(informe))),
        (
            "Por tipo de ataque",
            _table(CABECERA_TIPOS, type_rows(informe))
            + _figure(_type_figure(informe), primera=True),
        ),
        (
            "Frente a cada detector solo y a lo más sencillo",
            _table(CABECERA_COMPARACION, comparison_rows(informe)),
        ),
        ("Curvas", _figure(_roc_figure(informe)) + _figure(_precision_figure(informe))),
        ("Puntuaciones", _figure(_score_figure(informe))),
        ("Cuánto se tarda", _figure(_delay_figure(informe))),
    ]
    cuerpo = "".join(f"<h2>{nombre}</h2>{contenido}" for nombre, contenido in partes)
    return (
        f"<!doctype html><html lang='es'><head><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width'><title>{html.escape(titulo)}</title>"
        f"<style>{_ESTILO}</style></head><body><h1>{html.escape(titulo)}</h1>"
        f"{parrafos}{cuerpo}</body></html>"
    )


def _figure(figura: Any, *, primera: bool = False) -> str:
    """Return a figure as HTML; the first one of the page brings the library along."""
    return str(
        figura.to_html(
            full_html=False,
            include_plotlyjs=primera,
            config={"displaylogo": False},
        )
    )


def _layout(figura: Any, titulo: str, x: str, y: str) -> Any:
    figura.update_layout(
        title=titulo, xaxis_title=x, yaxis_title=y, template="plotly_white", height=440,
        separators=",.", legend={"font": {"size": 11}}, margin={"l": 60, "r": 20, "t": 50, "b": 50},
    )  # fmt: skip
    return figura


def _table(cabecera: Sequence[str], filas: Sequence[Sequence[str]]) -> str:
    def celdas(etiqueta: str, fila: Sequence[str]) -> str:
        return "".join(f"<{etiqueta}>{html.escape(c)}</{etiqueta}>" for c in fila)

    cuerpo = "".join(f"<tr>{celdas('td', fila)}</tr>" for fila in filas)
    return f"<table><thead><tr>{celdas('th', cabecera)}</tr></thead><tbody>{cuerpo}</tbody></table>"


def _type_figure(informe: Datos) -> Any:
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


def _curves(informe: Datos, x: str, y: str) -> Any:
    import plotly.graph_objects as go

    figura = go.Figure()
    for nombre, curva in informe["curvas"].items():
        nuestra = nombre == MEZCLA
        figura.add_scatter(
            x=curva[x], y=curva[y], mode="lines", name=nombre,
            line={"width": 3 if nuestra else 1.3, **({"color": _ALERTA} if nuestra else {})},
        )  # fmt: skip
    figura.update_xaxes(range=[0, 1])
    figura.update_yaxes(range=[0, 1.02])
    return figura


def _roc_figure(informe: Datos) -> Any:
    return _layout(
        _curves(informe, "falsas", "halladas"), "Curva ROC, por lectura",
        "parte de las lecturas limpias que se señala", "parte de las atacadas que se halla",
    )  # fmt: skip


def _precision_figure(informe: Datos) -> Any:
    return _layout(
        _curves(informe, "halladas", "precision"), "Precisión y exhaustividad, por lectura",
        "parte de las lecturas atacadas que se halla", "parte de las señaladas que lo son",
    )  # fmt: skip


def _score_figure(informe: Datos) -> Any:
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
    figura.update_yaxes(type="log")
    return _layout(figura, "Puntuación de la mezcla", "score_anomalia", "parte de las lecturas")


def _delay_figure(informe: Datos) -> Any:
    import plotly.graph_objects as go

    retrasos = sorted(informe["retrasos"])
    n = max(len(retrasos), 1)
    hallados = [(r, (k + 1) / n) for k, r in enumerate(retrasos) if r < _NUNCA]
    figura = go.Figure(
        go.Scatter(
            x=[r + 1 for r, _ in hallados], y=[parte for _, parte in hallados], mode="lines",
            line={"shape": "hv", "color": _COLOR},
        )
    )  # fmt: skip
    figura.update_xaxes(type="log")
    figura.update_yaxes(range=[0, 1.02])
    return _layout(
        figura, "Ataques hallados según las horas pasadas",
        "horas desde el comienzo, contando la primera",
        "parte de los ataques",
    )  # fmt: skip
