"""Figures of months, of distributions, of thresholds and of models. Pure: data in, figure out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard import texts
from dashboard.charts.base import (
    SIMBOLOS,
    TIEMPO,
    Filas,
    base,
    escala,
    hueco,
    sin_desfase,
    transparente,
)
from dashboard.charts.customer import barra_de_color
from dashboard.theme import Paleta

_PICO = 2.5
"""Consumed over expected at which ``pico_consumo`` fires: an increase over 150 %."""
_DISPARO = 0.5
"""Score from which a detector pushes towards an alarm: below it speaks for normality."""


def meses_interanual(elementos: Filas, paleta: Paleta) -> go.Figure:
    """Return bars of each month beside the same month of the year before.

    Parameters
    ----------
    elementos : sequence
        ``mes_str``, ``actual`` and ``anterior`` (``consumo_total`` or None), oldest first.
    """
    figura = base(paleta)
    meses = [texts.mes_corto(fila["mes_str"]) for fila in elementos]
    for campo, nombre, color in (
        ("anterior", "Un año antes", transparente(paleta.tercera, 0.7)),
        ("actual", "Mes", paleta.principal),
    ):
        valores = [(fila[campo] or {}).get("consumo_total") for fila in elementos]
        if any(valor is not None for valor in valores):
            figura.add_bar(
                x=meses, y=valores, name=nombre, marker={"color": color},
                hovertemplate="%{y:,.0f} kWh",
            )  # fmt: skip
    figura.update_layout(barmode="group", bargap=hueco(len(elementos)))
    figura.update_xaxes(type="category", showgrid=False)
    figura.update_yaxes(rangemode="tozero", title_text="kWh")
    return figura


def meses_total(elementos: Filas, paleta: Paleta) -> go.Figure:
    """Return bars of all customers' months with their anomalies as a line.

    Parameters
    ----------
    elementos : sequence
        ``mes_str``, ``completo``, ``consumo_total`` and ``anomalias_detectadas``, oldest first;
        the names of those that are not whole end with "*".
    """
    figura = base(paleta)
    meses = [texts.mes_corto(f["mes_str"]) + "*" * (not f["completo"]) for f in elementos]
    figura.add_bar(
        x=meses, y=[fila["consumo_total"] for fila in elementos], name="Consumo",
        marker={"color": paleta.principal}, hovertemplate="%{y:,.0f} kWh",
    )  # fmt: skip
    figura.add_scatter(
        x=meses, y=[fila["anomalias_detectadas"] for fila in elementos], name="Anomalías",
        yaxis="y2", mode="lines+markers", line={"color": paleta.severidad["alta"], "width": 2},
        hovertemplate="%{y:,d}",
    )  # fmt: skip
    figura.update_layout(
        yaxis2={
            "overlaying": "y", "side": "right", "showgrid": False, "rangemode": "tozero",
            "tickfont": {"color": paleta.suave}, "tickformat": ",d", "automargin": True,
            "tickmode": "auto", "nticks": 5,
        }
    )  # fmt: skip
    figura.update_layout(bargap=hueco(len(elementos)))
    figura.update_xaxes(type="category", showgrid=False)
    figura.update_layout(yaxis={"rangemode": "tozero", "title": {"text": "kWh"}})
    return figura


def partes(elementos: Filas, paleta: Paleta) -> go.Figure:
    """Return the night's and the peak's share of each month's energy, oldest first."""
    figura = base(paleta)
    meses = [texts.mes_corto(fila["mes_str"]) for fila in elementos]
    for campo, nombre, color, simbolo in (
        ("parte_punta", "Punta", paleta.principal, "circle"),
        ("parte_noche", "Noche", paleta.segunda, "diamond"),
    ):
        figura.add_scatter(
            x=meses, y=[_por_ciento(fila[campo]) for fila in elementos], name=nombre,
            mode="lines+markers",
            line={"color": color, "width": 2}, marker={"symbol": simbolo, "size": 8},
            hovertemplate="%{y:.0f} %",
        )  # fmt: skip
    figura.update_xaxes(type="category", showgrid=False)
    figura.update_yaxes(rangemode="tozero", ticksuffix=" %")
    return figura


def _por_ciento(parte: float | None) -> float | None:
    return None if parte is None else 100 * parte


def diario(elementos: Filas, campo: str, titulo: str, paleta: Paleta) -> go.Figure:
    """Return a line a customer: a variable day by day."""
    figura = base(paleta)
    for (cliente, filas), color in zip(_por_cliente(elementos), _colores(paleta), strict=False):
        figura.add_scatter(
            x=[f["fecha"] for f in filas], y=[f[campo] for f in filas], name=cliente,
            mode="lines", line={"color": color, "width": 1.8}, hovertemplate="%{y:,.1f}",
        )  # fmt: skip
    figura.update_xaxes(**TIEMPO, hoverformat="%A %-d %b")
    figura.update_yaxes(rangemode="tozero", title_text=titulo)
    return figura


def cajas(elementos: Filas, campo: str, titulo: str, paleta: Paleta) -> go.Figure:
    """Return a box a customer: how a variable is spread over the days."""
    figura = base(paleta)
    for (cliente, filas), color in zip(_por_cliente(elementos), _colores(paleta), strict=False):
        figura.add_box(
            y=[f[campo] for f in filas], name=cliente, marker={"color": color, "size": 4},
            line={"width": 1.5}, boxpoints="outliers", hoverinfo="y",
        )  # fmt: skip
    figura.update_yaxes(rangemode="tozero", title_text=titulo)
    figura.update_xaxes(showgrid=False)
    figura.update_layout(showlegend=False, hovermode="closest", margin_t=12)
    return figura


def correlaciones(
    nombres: Sequence[str], celdas: Sequence[Sequence[float | None]], paleta: Paleta
) -> go.Figure:
    """Return how alike some customers' days are, -1 to 1."""
    figura = base(paleta, 120 + 44 * max(len(nombres), 3))
    figura.add_heatmap(
        x=list(nombres), y=list(nombres), z=[list(f) for f in celdas], zmin=-1, zmax=1, xgap=2,
        ygap=2, texttemplate="%{z:.2f}", colorbar=barra_de_color("", paleta),
        colorscale=escala((paleta.segunda, paleta.rampa[0], paleta.principal)),
        hovertemplate="%{y} y %{x}: %{z:.2f}<extra></extra>", hoverongaps=False,
    )  # fmt: skip
    figura.update_yaxes(autorange="reversed", showgrid=False, type="category")
    figura.update_xaxes(showgrid=False, type="category")
    figura.update_layout(hovermode="closest", margin_t=12)
    return figura


def _por_cliente(elementos: Filas) -> list[tuple[str, list[Mapping[str, Any]]]]:
    grupos: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for fila in elementos:
        grupos[fila["propietario_id"]].append(fila)
    return sorted(grupos.items())


def _colores(paleta: Paleta) -> list[str]:
    """Return colours for the customers of one figure, repeated as needed."""
    unos = [
        paleta.principal, paleta.segunda, paleta.severidad["media"], paleta.severidad["alta"],
        paleta.severidad["baja"], paleta.bien, paleta.severidad["crítica"], paleta.tercera,
    ]  # fmt: skip
    return unos * 3


def dispersion_detectores(elementos: Filas, uno: str, otro: str, paleta: Paleta) -> go.Figure:
    """Return anomalies by the score of two detectors, with the region where each one alarms.

    Parameters
    ----------
    elementos : sequence
        Rows of ``/puntuaciones``: ``detectores`` by name, None = not ready.
    """
    figura = base(paleta, 400)
    sombra = transparente(paleta.severidad["alta"], 0.08)
    figura.add_shape(type="rect", x0=_DISPARO, x1=1.03, y0=-0.03, y1=1.03, fillcolor=sombra,
                     line_width=0, layer="below")  # fmt: skip
    figura.add_shape(type="rect", x0=-0.03, x1=1.03, y0=_DISPARO, y1=1.03, fillcolor=sombra,
                     line_width=0, layer="below")  # fmt: skip
    for severidad in texts.SEVERIDADES:
        suyos = [
            f for f in elementos
            if f["severidad"] == severidad
            and f["detectores"].get(uno) is not None
            and f["detectores"].get(otro) is not None
        ]  # fmt: skip
        if suyos:
            figura.add_scatter(
                x=[f["detectores"][uno] for f in suyos],
                y=[f["detectores"][otro] for f in suyos],
                text=[_etiqueta(f) for f in suyos],
                **_marcas(severidad, paleta),
            )
    figura.update_xaxes(range=[-0.03, 1.03], title_text=texts.tipo(uno))
    figura.update_yaxes(range=[-0.03, 1.03], title_text=texts.tipo(otro))
    figura.update_layout(hovermode="closest")
    return figura


def dispersion_esperado(elementos: Filas, paleta: Paleta) -> go.Figure:
    """Return anomalies by expected and consumed kWh, with the region of a spike and equality.

    Parameters
    ----------
    elementos : sequence of Anomalia
        Those without an expected consumption are left out.
    """
    figura = base(paleta, 400)
    puntos = [f for f in elementos if f["consumo_esperado_kwh"] is not None]
    lado = max([f["consumo_esperado_kwh"] for f in puntos], default=1.0) * 1.08 or 1.0
    alto = max([f["consumo_kwh"] for f in puntos], default=1.0) * 1.08 or 1.0
    figura.add_scatter(
        x=[0, alto / _PICO, 0], y=[0, alto, alto], fill="toself", mode="lines", line={"width": 0},
        fillcolor=transparente(paleta.severidad["alta"], 0.1), name="Región de pico (> 150 %)",
        hoverinfo="skip",
    )  # fmt: skip
    figura.add_scatter(
        x=[0, lado], y=[0, lado], mode="lines", name="Lo esperado", hoverinfo="skip",
        line={"color": paleta.tercera, "dash": "dash", "width": 1.2},
    )  # fmt: skip
    for severidad in texts.SEVERIDADES:
        suyos = [f for f in puntos if f["severidad"] == severidad]
        if suyos:
            figura.add_scatter(
                x=[f["consumo_esperado_kwh"] for f in suyos], y=[f["consumo_kwh"] for f in suyos],
                text=[_etiqueta(f) for f in suyos], **_marcas(severidad, paleta),
            )  # fmt: skip
    figura.update_xaxes(range=[0, lado], title_text="Esperado, kWh")
    figura.update_yaxes(range=[0, alto], title_text="Consumido, kWh")
    figura.update_layout(hovermode="closest")
    return figura


def _etiqueta(fila: Mapping[str, Any]) -> str:
    return f"{fila['propietario_id']}, {texts.fecha_hora_corta(fila['timestamp_consumo'])}"


def _marcas(severidad: str, paleta: Paleta) -> dict[str, Any]:
    return {
        "mode": "markers",
        "name": severidad.capitalize(),
        "marker": {
            "color": paleta.severidad[severidad], "symbol": SIMBOLOS[severidad], "size": 8,
            "opacity": 0.85, "line": {"color": paleta.fondo, "width": 1},
        },
        "hovertemplate": "%{text}<br>%{x:,.2f} · %{y:,.2f}<extra></extra>",
    }  # fmt: skip


def umbrales(
    alertas: Sequence[int], umbral: float, actuales: Mapping[str, float], paleta: Paleta
) -> go.Figure:
    """Return how many alerts each threshold would have given, the chosen one marked.

    Parameters
    ----------
    alertas : sequence of int (101,)
        Alerts with threshold 0.00, 0.01 ... 1.00.
    umbral : float
        The chosen one, 0 to 1.
    actuales : mapping
        Today's threshold of each severity.
    """
    figura = base(paleta)
    equis = [i / 100 for i in range(len(alertas))]
    figura.add_scatter(
        x=equis, y=list(alertas), mode="lines", name="Alertas", showlegend=False,
        line={"color": paleta.principal, "width": 2.4}, hovertemplate="%{y:,d} alertas",
    )  # fmt: skip
    for severidad, valor in actuales.items():
        figura.add_vline(
            x=valor, line={"color": paleta.severidad[severidad], "width": 1.5, "dash": "dot"},
            annotation={"text": severidad, "font": {"color": paleta.suave, "size": 11}},
        )  # fmt: skip
    figura.add_scatter(
        x=[umbral], y=[alertas[round(100 * umbral)]], mode="markers", showlegend=False,
        marker={"size": 13, "color": paleta.severidad["alta"],
                "line": {"color": paleta.fondo, "width": 2}}, hoverinfo="skip",
    )  # fmt: skip
    primero = min([int(100 * v) for v in actuales.values()] + [round(100 * umbral)])
    techo = max([*alertas[max(0, primero - 10) :], 1])
    figura.update_xaxes(range=[max(0.0, primero / 100 - 0.1), 1.0], title_text="Umbral")
    figura.update_yaxes(range=[0, 1.1 * techo], title_text="Alertas", tickformat=",d")
    return figura


def metricas(versiones: Sequence[Mapping[str, Any]], nombre: str, paleta: Paleta) -> go.Figure:
    """Return one metric of several versions as bars, the champion's in full colour.

    An average precision has its chance level beside it: a high one may be no better.
    """
    figura = base(paleta, 220)
    colores = [
        paleta.principal if "champion" in v["alias"]
        else paleta.segunda if "challenger" in v["alias"] else paleta.tercera
        for v in versiones
    ]  # fmt: skip
    figura.add_bar(
        x=[f"v{v['version']}" for v in versiones],
        y=[v["metricas"].get(nombre) for v in versiones],
        marker={"color": colores},
        hovertemplate="%{x}: %{y:,.3f}<extra></extra>",
    )
    azar = [v.get("precision_azar") for v in versiones]
    if nombre.startswith("precision") and any(uno is not None for uno in azar):
        figura.add_scatter(
            x=[f"v{v['version']}" for v in versiones], y=azar, mode="markers",
            marker={"symbol": "line-ew-open", "size": 26, "color": paleta.texto},
            hovertemplate="%{x}, al azar: %{y:,.3f}<extra></extra>",
        )  # fmt: skip
    figura.update_xaxes(type="category", showgrid=False)
    figura.update_yaxes(rangemode="tozero")
    figura.update_layout(
        margin_t=12, hovermode="closest", showlegend=False, bargap=hueco(len(versiones))
    )
    return figura


def sombra(pares: Filas, paleta: Paleta) -> go.Figure:
    """Return how many readings each pair of severities has: champion's against challenger's."""
    nombres = ("normal", *texts.SEVERIDADES)
    celdas = [[0] * len(nombres) for _ in nombres]
    for par in pares:
        if par["campeon"] in nombres and par["aspirante"] in nombres:
            celdas[nombres.index(par["campeon"])][nombres.index(par["aspirante"])] = par["lecturas"]
    visibles = [nombre.capitalize() for nombre in nombres]
    figura = base(paleta, 320)
    figura.add_heatmap(
        x=visibles, y=visibles, z=celdas, xgap=2, ygap=2, showscale=False,
        texttemplate="%{z:,d}", colorscale=escala(paleta.rampa),
        hovertemplate="Campeón %{y}, aspirante %{x}: %{z:,d} lecturas<extra></extra>",
    )  # fmt: skip
    figura.update_xaxes(title_text="Aspirante", showgrid=False)
    figura.update_yaxes(title_text="Campeón", autorange="reversed", showgrid=False)
    figura.update_layout(hovermode="closest", margin_t=12)
    return figura


def semaforo(informes: Filas, paleta: Paleta) -> go.Figure:
    """Return the traffic light of each drift report over time, by columns that moved."""
    figura = base(paleta, 260)
    colores = {"verde": paleta.bien, "ámbar": paleta.aviso, "rojo": paleta.mal}
    simbolos = {"verde": "circle", "ámbar": "diamond", "rojo": "square"}
    movidas = [sum(bool(c.get("movida")) for c in i["columnas"]) for i in informes]
    figura.add_scatter(
        x=sin_desfase([i["fecha"] for i in informes]),
        y=movidas,
        mode="lines+markers",
        line={"color": paleta.rejilla, "width": 2},
        marker={
            "size": 14,
            "color": [colores.get(i["semaforo"], paleta.tercera) for i in informes],
            "symbol": [simbolos.get(i["semaforo"], "circle") for i in informes],
        },
        text=[i["semaforo"] for i in informes],
        hovertemplate="%{text}: %{y} rasgos movidos<extra></extra>",
    )
    techo = max([*movidas, 3])
    figura.update_yaxes(
        range=[-0.08 * techo, 1.12 * techo], title_text="Rasgos movidos", nticks=6, tickformat="d"
    )
    figura.update_xaxes(**TIEMPO)
    figura.update_layout(margin_t=12, showlegend=False, hovermode="closest")
    return figura


def columnas_movidas(columnas: Filas, paleta: Paleta) -> go.Figure:
    """Return how far each column has moved, and its threshold; the farthest first."""
    orden = sorted(columnas, key=lambda c: -(c.get("estadistico") or 0.0))
    nombres = [texts.legible(c["nombre"]) for c in orden]
    figura = base(paleta, 90 + 26 * max(len(orden), 3))
    figura.add_bar(
        x=[c.get("estadistico") for c in orden], y=nombres, orientation="h", showlegend=False,
        marker={"color": [paleta.aviso if c.get("movida") else paleta.bien for c in orden]},
        hovertemplate="%{y}: %{x:,.3f}<extra></extra>",
    )  # fmt: skip
    figura.add_scatter(
        x=[c.get("umbral") for c in orden], y=nombres, mode="markers", name="Umbral",
        marker={"symbol": "line-ns", "size": 14, "line": {"width": 2, "color": paleta.suave}},
        hovertemplate="umbral %{x:,.3f}<extra></extra>",
    )  # fmt: skip
    figura.update_yaxes(autorange="reversed", showgrid=False)
    figura.update_xaxes(rangemode="tozero", title_text="Distancia de Jensen-Shannon")
    figura.update_layout(hovermode="closest")
    return figura
