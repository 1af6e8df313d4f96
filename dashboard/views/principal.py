"""Dashboard principal: how things are this morning."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.charts.shared import severity_series
from dashboard.client import api_request, fetch, fetch_all, fetch_rows
from dashboard.navigation import open_customer
from dashboard.session import health_summary

_LIVE_EVERY_S = 10
"""How often the live parts ask again. By hand, 2026-11-24."""
_LIVE_HEIGHT = 310
"""Five of them to the pixel; the others by scrolling."""
_LIVE_ROWS = 12
_LATEST = "/api/anomalias/últimas"


def draw_principal() -> None:
    """Draw the page."""
    summary, series, top, *_ = fetch_all(
        api_request("/api/dashboard/resumen"),
        api_request("/api/anomalias/serie"),
        api_request("/api/dashboard/top-anomalias", limite=10),
        api_request(_LATEST, limite=_LIVE_ROWS),
        api_request("/salud"),
    )
    if (error := summary.error()) is not None and error.kind == "unreachable":
        ui.api_error(error, "principal")
        return
    with ui.section("kpis"):
        _week(summary.value())
    wide, narrow = st.columns([1.9, 1], gap="large")
    with wide:
        st.subheader("Anomalías de los últimos 30 días", anchor=False)
        chart = st.container()
    with narrow:
        st.subheader("En vivo", anchor=False)
        _live()
    st.subheader("Los diez clientes más sospechosos", anchor=False)
    with ui.section("top"):
        _suspects(top.rows())
    st.subheader("Salud del sistema", anchor=False)
    _health()
    # Last: while a browser reads in what draws figures it shows nothing else that has come.
    with chart, ui.section("serie"):
        rows = series.rows()
        if any(row["total"] for row in rows):
            ui.figure("Barras apiladas de anomalías por día y severidad", severity_series, rows)
        else:
            ui.empty("Ninguna anomalía en 30 días", "Si esperaba alguna, mire si llegan lecturas.")


def _week(summary: dict[str, Any]) -> None:
    if summary["ultima_lectura"] is None:
        ui.empty(
            "Todavía no hay lecturas",
            "Envíelas con «consumo producir» y póngalas a puntuar con «consumo consumir»; o vea "
            "una demostración completa con «consumo demo».",
        )
        return
    if not summary["completo"]:
        st.warning("Hay más anomalías de las que se pueden mirar: estas cifras son de las últimas.")
    cards = (
        ("Anomalías", "anomalias", texts.number),
        ("Críticas", "criticas", texts.number),
        ("Clientes sospechosos", "sospechosos", texts.number),
        ("En juego (estimado)", "energia_en_juego_eur", texts.money),
        ("Consumo", "consumo_kwh", texts.energy),
    )
    to_review = texts.number(summary["por_estado"]["abierta"])
    ui.kpis(
        *(
            ui.week_change(
                name, summary[field], shown(summary[field]["valor"]), field != "consumo_kwh"
            )
            for name, field, shown in cards
        ),
        ui.Kpi("Por revisar", to_review, "abiertas en 30 días"),
    )
    st.caption(
        f"Última lectura: {texts.date_time(summary['ultima_lectura'])}. "
        f"Los euros estiman {texts.number(summary['precio_kwh_eur'], 2)} € por kWh de "
        "diferencia con lo esperado en las horas anómalas; no son una pérdida probada."
    )


@st.fragment(run_every=_LIVE_EVERY_S)
def _live() -> None:
    with ui.section("vivo"):
        rows = fetch_rows(_LATEST, limite=_LIVE_ROWS)
        if not rows:
            ui.empty("Sin anomalías todavía", "Aparecerán aquí en cuanto se detecten.")
            return
        lines = "".join(
            f"<div>{ui.severity_badge(row['severidad'])}"
            f"<b>{html.escape(row['propietario_id'])}</b>"
            f"<time>{texts.short_date_time(row['timestamp_consumo'])}</time>"
            f'<span class="que">{html.escape(texts.type_names(row["tipos_anomalia"]))}</span></div>'
            for row in rows
        )
        with st.container(height=_LIVE_HEIGHT, border=False):
            st.html(f'<div class="feed">{lines}</div>')


def _suspects(rows: list[dict[str, Any]]) -> None:
    if not rows:
        ui.empty("Ningún cliente bajo sospecha", "Es una buena noticia: nadie acumula indicios.")
    for row in rows:
        customer = row["propietario_id"]
        with st.container(border=True):
            name, reasons, figures = st.columns([1.1, 3, 1.2], vertical_alignment="top")
            with name:
                chosen = st.button(
                    customer, key=f"top_{customer}", icon=":material/person_search:",
                    help="Abrir su ficha",
                )  # fmt: skip
                st.html(ui.severity_badge(row["severidad"]))
            with reasons:
                st.html(f"<b>{html.escape(texts.type_names(row['tipos_anomalia'][:3]))}</b>")
                ui.bullets(row["motivos"] or ["Sin motivos guardados."])
            figures.html(_suspect_figures(row))
        if chosen:
            open_customer(customer)


def _suspect_figures(row: dict[str, Any]) -> str:
    counts = [
        texts.count_of(row["anomalias"], "anomalía", "anomalías")
        + f", {texts.count_of(row['criticas'], 'crítica', 'críticas')}"
    ]
    since = f"desde el {texts.day(row['caso_desde'])}" if row["caso_desde"] else "en 28 días"
    return (
        f"<b>{texts.money(row['energia_en_juego_eur'])}</b> "
        "<span class='suave'>estimados</span>"
        f"<br><span class='suave'>{texts.energy(row['energia_en_juego_kwh'])} {since}<br>"
        f"{texts.percent(row['probabilidad'])} de que haya algo<br>"
        f"{'<br>'.join(counts)}</span>"
    )


@st.fragment(run_every=_LIVE_EVERY_S)
def _health() -> None:
    with ui.section("salud"):
        health = fetch("/salud")
        level, text = health_summary(health)
        consumer = health["consumidor"]
        parts = [
            (part["estado"], part["nombre"],
             f"{texts.number(part['ms'])} ms" if part["estado"] == "bien" else "no responde")
            for part in health["partes"]
        ]  # fmt: skip
        parts += [
            (consumer["gravedad"], f"Consumidor {consumer['estado']}",
             texts.time_ago(consumer["antiguedad_s"])),
            ("bien", "", texts.model_name(consumer["version_modelo"])),
        ]  # fmt: skip
        pieces = "".join(
            f'<span class="{html.escape(state)}">{html.escape(name)} '
            f'<span class="suave">{html.escape(detail)}</span></span>'
            for state, name, detail in parts
        )
        whole = f'<span class="{level}"><b>{html.escape(text)}</b></span>'
        st.html(f'<div class="salud">{whole}{pieces}</div>')
