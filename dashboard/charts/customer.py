"""Figures of one customer. Pure: data in, figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import plotly.graph_objects as go

from dashboard import texts
from dashboard.charts.base import SIMBOLOS, TIEMPO, Filas, base, escala, sin_desfase, transparente
from dashboard.theme import Paleta

_HORAS = list(range(24))


def consumo(puntos: Filas, previos: Filas, dias_antes: int, paleta: Paleta) -> go.Figure:
    """Return consumption with its expected band, anomalies in colour, the previous period behind.

    Parameters
    ----------
    puntos : sequence of Consumo
        Hours in rising order.
    previos : sequence of Consumo
        Those of the period before; may be empty.
    dias_antes : int
        Days by which ``previos`` are moved forward to lie behind ``puntos``.
    """
    figura = base(paleta, 420)
    horas = sin_desfase([p["timestamp"] for p in puntos])
    _add_banda(figura, horas, puntos, paleta)
    if previos:
        figura.add_scatter(
            x=_adelantar(sin_desfase([p["timestamp"] for p in previos]), dias_antes),
            y=[p["consumo_kwh"] for p in previos],
            name="Periodo anterior",
            mode="lines",
            line={"color": paleta.tercera, "width": 1, "dash": "dot"},
            hovertemplate="%{y:,.2f} kWh",
        )
    figura.add_scatter(
        x=horas,
        y=[p["consumo_kwh"] for p in puntos],
        name="Consumo",
        mode="lines",
        line={"color": paleta.principal, "width": 1.8},
        hovertemplate="%{y:,.2f} kWh",
    )
    _add_anomalias(figura, puntos, paleta)
    figura.update_xaxes(
        **TIEMPO,
        hoverformat="%A %-d %b, %H:%M",
        rangeselector=_botones(paleta),
        range=[horas[0], horas[-1]] if horas else None,
    )
    figura.update_yaxes(rangemode="tozero", title_text="kWh por hora")
    figura.update_layout(margin_t=44, legend={"y": -0.12, "yanchor": "top", "traceorder": "normal"})
    return figura


def _botones(paleta: Paleta) -> dict[str, Any]:
    """Return the range buttons, which stand above the figure."""
    rangos = ((1, "24 h"), (3, "3 d"), (7, "7 d"), (14, "14 d"))
    botones = [
        {"count": dias, "label": nombre, "step": "day", "stepmode": "backward"}
        for dias, nombre in rangos
    ]
    return {
        "buttons": [*botones, {"step": "all", "label": "Todo"}],
        "x": 0,
        "y": 1.02,
        "yanchor": "bottom",
        "bgcolor": paleta.rejilla,
        "activecolor": transparente(paleta.principal, 0.45),
        "font": {"color": paleta.texto, "size": 12},
    }


def _adelantar(instantes: Sequence[str], dias: int) -> list[str]:
    return [f"{date.fromisoformat(i[:10]) + timedelta(days=dias)}{i[10:]}" for i in instantes]


def _add_banda(figura: go.Figure, horas: Sequence[str], puntos: Filas, paleta: Paleta) -> None:
    """Add the expected line and the band around it, where there are any."""
    if not any(p.get("consumo_esperado_kwh") is not None for p in puntos):
        return
    superior = [p.get("banda_superior_kwh") for p in puntos]
    inferior = [p.get("banda_inferior_kwh") for p in puntos]
    if any(valor is not None for valor in superior):
        nada = {"width": 0}
        figura.add_scatter(
            x=horas, y=superior, mode="lines", line=nada, showlegend=False, hoverinfo="skip"
        )
        figura.add_scatter(
            x=horas,
            y=inferior,
            name="Banda habitual",
            mode="lines",
            line=nada,
            fill="tonexty",
            fillcolor=transparente(paleta.principal, 0.16),
            hoverinfo="skip",
        )
    figura.add_scatter(
        x=horas,
        y=[p.get("consumo_esperado_kwh") for p in puntos],
        name="Esperado",
        mode="lines",
        line={"color": paleta.segunda, "width": 1.2, "dash": "dash"},
        hovertemplate="%{y:,.2f} kWh",
    )


def _add_anomalias(figura: go.Figure, puntos: Filas, paleta: Paleta) -> None:
    """Add a mark for every anomaly, in the colour and the shape of its severity."""
    for severidad in texts.SEVERIDADES:
        suyos = [p for p in puntos if p["severidad"] == severidad]
        if not suyos:
            continue
        figura.add_scatter(
            x=sin_desfase([p["timestamp"] for p in suyos]),
            y=[p["consumo_kwh"] for p in suyos],
            name=severidad.capitalize(),
            mode="markers",
            marker={
                "color": paleta.severidad[severidad],
                "symbol": SIMBOLOS[severidad],
                "size": 11 if severidad == "crítica" else 8,
                "line": {"color": paleta.fondo, "width": 1},
            },
            customdata=[
                (texts.tipos(p["tipos_anomalia"]), texts.numero(p["score_anomalia"], 2))
                for p in suyos
            ],
            hovertemplate="%{customdata[0]} (puntuación %{customdata[1]})",
        )


def mapa_dias(elementos: Filas, paleta: Paleta) -> go.Figure:
    """Return hour × day: how much was consumed, and a mark where it was anomalous.

    Parameters
    ----------
    elementos : sequence
        ``fecha``, ``hora``, ``consumo_kwh``, ``severidad``; a missing hour is a hole.
    """
    dias = sorted({fila["fecha"] for fila in elementos})
    posicion = {dia: i for i, dia in enumerate(dias)}
    celdas: list[list[float | None]] = [[None] * len(dias) for _ in _HORAS]
    for fila in elementos:
        celdas[fila["hora"]][posicion[fila["fecha"]]] = fila["consumo_kwh"]
    figura = base(paleta, 380)
    figura.add_heatmap(
        x=dias, y=_HORAS, z=celdas, colorscale=escala(paleta.rampa), hoverongaps=False, xgap=1,
        ygap=1, colorbar=barra_de_color("kWh", paleta),
        hovertemplate="%{x|%A %-d %b}, %{y} h: %{z:,.2f} kWh<extra></extra>",
    )  # fmt: skip
    graves = [f for f in elementos if f["severidad"] in {"alta", "crítica"}]
    if graves:
        figura.add_scatter(
            x=[f["fecha"] for f in graves],
            y=[f["hora"] for f in graves],
            mode="markers",
            name="Alta o crítica",
            marker={
                # Smaller than a cell on a telephone: those of whole days in a row stay apart.
                "size": 5,
                "color": paleta.severidad["alta"],
                "line": {"width": 1, "color": paleta.rampa[0]},
            },
            hoverinfo="skip",
        )
    figura.update_yaxes(range=[23.5, -0.5], dtick=4, ticksuffix=" h", showgrid=False)
    figura.update_xaxes(**TIEMPO, showgrid=False)
    figura.update_layout(hovermode="closest", showlegend=bool(graves))
    return figura


def barra_de_color(titulo: str, paleta: Paleta) -> dict[str, Any]:
    """Return the key of a heat map."""
    return {
        "title": {"text": titulo, "font": {"color": paleta.suave, "size": 12}},
        "tickfont": {"color": paleta.suave},
        "thickness": 10,
        "outlinewidth": 0,
    }


def mapa_semana(elementos: Filas, paleta: Paleta) -> go.Figure:
    """Return hour × weekday: mean consumption."""
    celdas: list[list[float | None]] = [[None] * 24 for _ in texts.DIAS]
    for fila in elementos:
        celdas[fila["dia_semana"]][fila["hora"]] = fila["consumo_kwh"]
    figura = base(paleta, 280)
    figura.add_heatmap(
        x=_HORAS, y=[dia.capitalize() for dia in texts.DIAS], z=celdas, xgap=1, ygap=1,
        colorscale=escala(paleta.rampa), colorbar=barra_de_color("kWh", paleta),
        hovertemplate="%{y}, %{x} h: %{z:,.2f} kWh<extra></extra>", hoverongaps=False,
    )  # fmt: skip
    figura.update_yaxes(autorange="reversed", showgrid=False)
    figura.update_xaxes(dtick=4, ticksuffix=" h", showgrid=False)
    figura.update_layout(hovermode="closest", margin_t=12)
    return figura


def perfil(datos: Mapping[str, Any], clase: str, paleta: Paleta) -> go.Figure:
    """Return the load profile of one kind of day: now, before, peers, and the usual band.

    Parameters
    ----------
    datos : mapping
        ``franjas``, ``ahora``, ``antes`` and ``pares`` of ``/perfil``.
    clase : str
        'laborable' or 'fin_de_semana'.
    """
    figura = base(paleta, 300)
    franjas = sorted((f for f in datos["franjas"] if f["clase"] == clase), key=_hora)
    horas = [f["hora"] for f in franjas]
    if any(f["banda_superior_kwh"] is not None for f in franjas):
        nada = {"width": 0}
        figura.add_scatter(
            x=horas, y=[f["banda_superior_kwh"] for f in franjas], mode="lines", line=nada,
            showlegend=False, hoverinfo="skip",
        )  # fmt: skip
        figura.add_scatter(
            x=horas, y=[f["banda_inferior_kwh"] for f in franjas], mode="lines", line=nada,
            fill="tonexty", fillcolor=transparente(paleta.principal, 0.14),
            name="Banda habitual", hoverinfo="skip",
        )  # fmt: skip
    lineas = (
        ("pares", "Clientes parecidos", paleta.tercera, "dot", 1.5),
        ("antes", "28 días antes", paleta.segunda, "dash", 1.8),
        ("ahora", "Últimos 7 días", paleta.principal, "solid", 2.6),
    )
    for campo, nombre, color, trazo, grosor in lineas:
        suyas = sorted((f for f in datos[campo] if f["clase"] == clase), key=_hora)
        if suyas:
            figura.add_scatter(
                x=[f["hora"] for f in suyas], y=[f["consumo_kwh"] for f in suyas], name=nombre,
                mode="lines", line={"color": color, "dash": trazo, "width": grosor},
                hovertemplate="%{y:,.2f} kWh",
            )  # fmt: skip
    figura.update_xaxes(dtick=4, ticksuffix=" h", range=[-0.3, 23.3])
    figura.update_yaxes(rangemode="tozero", title_text="kWh por hora")
    figura.update_layout(margin_t=56)
    return figura


def _hora(franja: Mapping[str, Any]) -> int:
    return int(franja["hora"])


def cascada(explicacion: Filas, score: float, paleta: Paleta) -> go.Figure:
    """Return how the detectors' contributions add up to the whole alarm.

    Parameters
    ----------
    explicacion : sequence
        ``detector`` and ``aporte``, its share of the alarm, 0 to 1.
    score : float
        Score of the reading, 0 to 1, for the title of the total.
    """
    suyos = [fila for fila in explicacion if (fila["aporte"] or 0) > 0]
    nombres = [texts.tipo(fila["detector"]) for fila in suyos]
    valores = [100 * fila["aporte"] for fila in suyos]
    total = f"Puntuación {texts.numero(score, 2)}"
    figura = base(paleta, 120 + 36 * (len(suyos) + 1))
    figura.add_waterfall(
        orientation="h",
        y=[*nombres, total],
        x=[*valores, None],
        measure=[*["relative"] * len(suyos), "total"],
        text=[*(f"{texts.numero(v)} %" for v in valores), "100 %"],
        textposition="outside",
        cliponaxis=False,
        connector={"line": {"color": paleta.rejilla, "width": 1}},
        increasing={"marker": {"color": paleta.severidad["alta"]}},
        totals={"marker": {"color": paleta.principal}},
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    figura.update_yaxes(autorange="reversed", showgrid=False)
    figura.update_xaxes(range=[0, 116], ticksuffix=" %", title_text="Parte de la alarma")
    figura.update_layout(margin_t=8, hovermode="closest", showlegend=False)
    return figura


def pares(elementos: Filas, paleta: Paleta) -> go.Figure:
    """Return a customer's consumption beside that of peers."""
    figura = base(paleta)
    horas = sin_desfase([fila["timestamp"] for fila in elementos])
    for campo, nombre, color, trazo in (
        ("pares_kwh", "Clientes parecidos", paleta.segunda, "dash"),
        ("consumo_kwh", "Cliente", paleta.principal, "solid"),
    ):
        figura.add_scatter(
            x=horas, y=[fila[campo] for fila in elementos], name=nombre, mode="lines",
            line={"color": color, "width": 1.6, "dash": trazo}, hovertemplate="%{y:,.2f} kWh",
        )  # fmt: skip
    figura.update_xaxes(**TIEMPO, hoverformat="%A %-d %b, %H:%M")
    figura.update_yaxes(rangemode="tozero", title_text="kWh por hora")
    return figura
