"""Resumen: the hours of the last week, and what arrives now."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.browser import link
from dashboard.charts.shared import severity_series
from dashboard.client import ApiRequest, api_request, fetch, fetch_all, fetch_rows
from dashboard.navigation import address_of, customer_address, day_address
from dashboard.session import health_summary

_LIVE_EVERY_S = 10
"""How often the live parts ask again. By hand, 2026-11-24."""
_CALM_EVERY_S = 30
"""How often the figures of whole days do. By hand, 2026-11-30."""
_LIVE_HEIGHT = 310
"""Five of them to the pixel; the others by scrolling."""
_LIVE_ROWS = 12
_SUSPECTS = 10
_SUMMARY, _SERIES = "/api/dashboard/resumen", "/api/anomalias/serie"
_TOP, _LATEST = "/api/dashboard/top-anomalias", "/api/anomalias/últimas"


def asked_first(_: Mapping[str, Any]) -> list[ApiRequest]:
    """Return what the page asks the API, whatever its address says."""
    return [
        api_request(_SUMMARY),
        api_request(_SERIES),
        api_request(_TOP, limite=_SUSPECTS),
        api_request(_LATEST, limite=_LIVE_ROWS),
        api_request("/salud"),
    ]


def draw_resumen() -> None:
    """Draw the page."""
    # All at once; each part then finds its own remembered.
    summary, _, _, latest, _ = fetch_all(*asked_first({}))
    if (error := latest.error()) is not None and error.kind == "unreachable":
        ui.api_error(error, "resumen")
        return
    week = st.container()
    wide, narrow = st.columns([1.9, 1], gap="large")
    with wide:
        st.subheader("Anomalías de los últimos 30 días", anchor=False)
        chart = st.container()
    with narrow:
        st.subheader("En vivo", anchor=False)
        _live()
    # Two weeks are added up meanwhile.
    with week:
        summary.error()
        _week()
    st.subheader("Los diez clientes más sospechosos", anchor=False)
    _suspects()
    st.subheader("Salud del sistema", anchor=False)
    _health()
    # Last: while a browser reads in what draws figures it shows nothing else that has come.
    with chart:
        _days()


@st.fragment(run_every=_CALM_EVERY_S)
def _days() -> None:
    with ui.section("serie"):
        rows = fetch_rows(_SERIES)
        if any(row["total"] for row in rows):
            ui.figure(
                "Barras apiladas de anomalías por día y severidad",
                severity_series,
                rows,
                opens=day_address,
            )
        else:
            ui.empty("Ninguna anomalía en 30 días", "Si esperaba alguna, mire si llegan lecturas.")


@st.fragment(run_every=_CALM_EVERY_S)
def _week() -> None:
    with ui.section("kpis"):
        _week_figures(fetch(_SUMMARY))


def _week_figures(summary: dict[str, Any]) -> None:
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
        ("Anomalías", "anomalias", texts.number, address_of("anomalias")),
        ("Críticas", "criticas", texts.number, address_of("anomalias", severidad="Crítica")),
        ("Clientes sospechosos", "sospechosos", texts.number, address_of("casos")),
        ("En juego (estimado)", "energia_en_juego_eur", texts.money, address_of("casos")),
        ("Consumo", "consumo_kwh", texts.energy, address_of("mensual")),
    )
    to_review = texts.number(summary["por_estado"]["abierta"])
    ui.kpis(
        *(
            replace(
                ui.week_change(
                    name, summary[field], shown(summary[field]["valor"]), field != "consumo_kwh"
                ),
                address=address,
            )
            for name, field, shown, address in cards
        ),
        ui.Kpi(
            "Por revisar",
            to_review,
            "abiertas en 30 días",
            address=address_of("anomalias", periodo="30 días", estado="Abierta"),
        ),
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
            link(
                customer_address(row["propietario_id"], vista="Anomalías"),
                f"{ui.severity_badge(row['severidad'])}"
                f"<b>{html.escape(row['propietario_id'])}</b>"
                f"<time>{texts.short_date_time(row['timestamp_consumo'])}</time>"
                f'<span class="que">{html.escape(texts.type_names(row["tipos_anomalia"]))}</span>',
                "entrada",
            )
            for row in rows
        )
        with st.container(height=_LIVE_HEIGHT, border=False):
            st.html(f'<div class="feed">{lines}</div>')


@st.fragment(run_every=_CALM_EVERY_S)
def _suspects() -> None:
    with ui.section("top"):
        rows = fetch_rows(_TOP, limite=_SUSPECTS)
        if not rows:
            ui.empty(
                "Ningún cliente bajo sospecha", "Es una buena noticia: nadie acumula indicios."
            )
            return
        st.html(f'<div class="filas">{"".join(map(_suspect, rows))}</div>')


def _suspect(row: dict[str, Any]) -> str:
    reasons = "".join(f"<li>{html.escape(r)}</li>" for r in row["motivos"][:2])
    cells = (
        f"<b>{html.escape(row['propietario_id'])}</b>{ui.severity_badge(row['severidad'])}",
        f"<b>{html.escape(texts.type_names(row['tipos_anomalia'][:3]))}</b>"
        f'<ul class="motivos">{reasons or "<li>Sin motivos guardados.</li>"}</ul>',
        f"<b>{texts.money(row['energia_en_juego_eur'])}</b><small>{_suspect_figures(row)}</small>",
    )
    inner = "".join(f"<span>{cell}</span>" for cell in cells)
    return link(customer_address(row["propietario_id"]), inner, "fila sospechoso", row=True)


def _suspect_figures(row: dict[str, Any]) -> str:
    since = f"desde el {texts.day(row['caso_desde'])}" if row["caso_desde"] else "en 28 días"
    counts = [
        f"{texts.energy(row['energia_en_juego_kwh'])} {since}",
        f"{texts.probability(row['probabilidad'])} de que haya algo",
        texts.count_of(row["anomalias"], "anomalía", "anomalías")
        + f", {texts.count_of(row['criticas'], 'crítica', 'críticas')}",
    ]
    return "<br>".join(counts)


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
