"""Anomalías: the whole list under filters, its shape, incidents, verdicts for many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.charts import anomalias as charts
from dashboard.charts.shared import severity_series
from dashboard.client import ApiRequest, api_request, fetch, fetch_all
from dashboard.filters import AnomalyFilters, choose_filters, choose_one
from dashboard.lists import choose_anomalies, shown_list
from dashboard.navigation import address_of, customer_button, day_address
from dashboard.reviews import draw_anomaly, draw_outcome, judge_chosen
from dashboard.saved_views import draw_saved_views

_ORDERS = {"Más recientes": "consumo", "Mayor puntuación": "score", "Detectadas ahora": "deteccion"}
_MAX_DAYS = 400
_MAX_DAYS_ADDED_UP = 92
_LATEST = "/api/anomalias/últimas"
_SUMMARY = "/api/dashboard/resumen"
_COUNTS = "/api/anomalias/distribuciones"
_INCIDENTS = "/api/incidencias"
_INCIDENT_COLUMNS = (
    ui.customer_column(),
    ui.severity_column("Severidad", "severidad"),
    ui.TableColumn("Comienzo", "inicio", "no-partir", texts.short_date_time),
    ui.number_column("Horas", "horas", css="der ancha"),
    ui.number_column("kWh", "consumo_kwh", 1, "der ancha"),
    ui.number_column("Esperado", "consumo_esperado_kwh", 1, "der ancha"),
    ui.TableColumn("Estimado", "energia_en_juego_eur", "der", texts.money),
    ui.TableColumn("Qué", "tipos_anomalia", "ancha", texts.type_names),
    ui.TableColumn("Por revisar", lambda row: row["estados"]["abierta"], "der ancha", texts.number),
)


def asked_first(_: Mapping[str, Any]) -> list[ApiRequest]:
    """Return what the page asks the API first, whatever its address says."""
    return [api_request(_SUMMARY)]


def draw_anomalias() -> None:
    """Draw the page."""
    draw_outcome()
    with ui.section("anomalias"):
        latest = fetch(_SUMMARY)["ultima_lectura"]
        filters = choose_filters(latest, _MAX_DAYS)
        others = {"Distribuciones": _distributions, "Incidencias": _incidents}
        with st.container(horizontal=True, vertical_alignment="bottom"):
            view = choose_one("Vista", ["Lista", *others], "ver")
            orders = st.container(width="content")
            draw_saved_views("anomalias")
        with ui.section(f"vista_{view}"):
            if view == "Lista":
                with orders:
                    order = _ORDERS[choose_one("Orden", _ORDERS, "orden")]
                _list(filters, order)
            else:
                others[view](filters)


def _nothing_found(what: str) -> None:
    ui.empty(f"Ninguna {what} con esos filtros", "Quite alguno, o alargue el periodo.")


def _list(filters: AnomalyFilters, order: str) -> None:
    params = filters.params() | {"orden": order}
    added_up = filters.range.days <= _max_days_added_up(filters)
    counts = fetch_all(*[api_request(_COUNTS, **filters.params())] * added_up)
    top = st.container()
    shown = shown_list(_LATEST, params, "lista", (filters.choice(), order), fixed=True)
    if not shown.rows:
        _nothing_found("anomalía")
        return
    chosen = choose_anomalies(shown)
    # After the list, which need not be added up.
    with top:
        for pending in counts:
            _figures(pending.value())
    ui.export(_LATEST, "anomalias", "exportar_lista", **params)
    if len(chosen) > 1:
        with st.container(border=True):
            judge_chosen(chosen, "lista")
    elif chosen:
        customer = chosen[0]["propietario_id"]
        customer_button(customer, f"Ficha de {customer}")
        draw_anomaly(chosen[0]["id"], "lista")


def _figures(counts: Mapping[str, Any]) -> None:
    if counts["total"]:
        ui.kpis(
            ui.Kpi("Anomalías", texts.number(counts["total"])),
            ui.Kpi("Críticas", texts.number(counts["por_severidad"]["crítica"])),
            ui.Kpi("Altas", texts.number(counts["por_severidad"]["alta"])),
            ui.Kpi("Por revisar", texts.number(counts["por_estado"]["abierta"])),
        )


def _max_days_added_up(filters: AnomalyFilters) -> int:
    """Return of how many days the API adds anomalies up."""
    return _MAX_DAYS if filters.propietario_id else _MAX_DAYS_ADDED_UP


def _distributions(filters: AnomalyFilters) -> None:
    params = filters.params()
    pending, series = fetch_all(
        api_request(_COUNTS, **params),
        api_request("/api/anomalias/serie", **params),
    )
    counts = pending.value()
    if not counts["total"]:
        _nothing_found("anomalía")
        return
    states = counts["por_estado"]
    ui.kpis(
        ui.Kpi("Anomalías", texts.number(counts["total"])),
        *(
            ui.Kpi(f"{state.capitalize()}s", texts.number(states[state]))
            for state in texts.REVIEW_STATES
        ),
    )
    with ui.section("serie"):
        ui.figure(
            "Anomalías por día y severidad", severity_series, series.rows(), opens=day_address
        )
    left, right = st.columns(2, gap="large")
    with ui.panel(left, "Por tipo"):
        ui.figure(
            "Anomalías por tipo",
            charts.type_bars,
            counts["por_tipo"],
            opens=lambda point: address_of("anomalias", **filters.address(), tipo=point["y"]),
        )
        st.caption("Una anomalía puede ser de varios tipos.")
    with ui.panel(right, "Por severidad"):
        ui.figure(
            "Anomalías por severidad",
            charts.severity_bars,
            counts["por_severidad"],
            opens=lambda point: address_of("anomalias", **filters.address(), severidad=point["y"]),
        )
    left, right = st.columns(2, gap="large")
    with ui.panel(left, "Por hora del día"):
        ui.figure("Anomalías por hora", charts.hour_bars, counts["por_hora"])
    with ui.panel(right, "Por día de la semana"):
        ui.figure("Anomalías por día de la semana", charts.weekday_bars, counts["por_dia_semana"])


def _incidents(filters: AnomalyFilters) -> None:
    limit = _max_days_added_up(filters)
    if filters.range.days > limit:
        ui.empty("Son demasiados días", f"Las incidencias se ven de {limit} días como mucho.")
        return
    params: dict[str, Any] = filters.params()
    shown = shown_list(_INCIDENTS, params, "incidencias", filters.choice())
    if not shown.rows:
        _nothing_found("incidencia")
        return
    st.caption("Horas anómalas seguidas de un cliente, con huecos de 3 h como mucho, juntas.")
    ui.table(shown.rows, _INCIDENT_COLUMNS)
    shown.draw_pager()
    ui.export(_INCIDENTS, "incidencias", "exportar_incidencias", **params)
