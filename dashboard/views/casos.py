"""Todos los casos: every case under filters, in one of three orders."""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.case_actions import draw_case_outcome
from dashboard.cases import CASE_CLASSES, STATES, draw_case_rows
from dashboard.filters import choose_one, choose_some
from dashboard.lists import shown_list
from dashboard.navigation import MAX_ID
from dashboard.saved_views import draw_saved_views

_PATH = "/api/casos"
_LIVE_EVERY_S = 30
"""How often the list is asked for again. By hand, 2026-11-30."""
_ORDERS = {
    "Más que recuperar": "recuperable",
    "Más probables": "probabilidad",
    "Más antiguos": "antiguedad",
}
_MAX_VERSION = 200
"""Characters, as the API takes them."""
_OPEN = ("nuevo", "asignado", "visitado")


def draw_casos() -> None:
    """Draw the page."""
    draw_case_outcome()
    with ui.section("casos"):
        params = _filters()
        with st.container(horizontal=True, vertical_alignment="bottom"):
            order = choose_one("Orden", _ORDERS, "orden")
            draw_saved_views("casos")
        _list(params | {"orden": _ORDERS[order]})


@st.fragment(run_every=_LIVE_EVERY_S)
def _list(params: dict[str, Any]) -> None:
    with ui.section("lista_de_casos"):
        shown = shown_list(_PATH, params, "casos")
        if not shown.rows:
            ui.empty("Ningún caso con esos filtros", "Quite alguno, o mire también los cerrados.")
            return
        draw_case_rows(shown.rows, shown.first)
        shown.draw_pager()
        ui.export(_PATH, "casos", "exportar_casos", **params)


def _filters() -> dict[str, Any]:
    """Draw the filters and return them as the API's parameters."""
    with st.container(border=True):
        left, right = st.columns([2.4, 1])
        states = choose_some(left, "Estado", STATES, str.capitalize)
        owner = right.text_input(
            "Lo lleva", key="quien", bind="query-params", max_chars=40, placeholder="Cualquiera"
        )
        with st.expander("Más filtros", icon=":material/tune:"):
            shown = choose_one("Casos", CASE_CLASSES, "clase")
            kinds = choose_some(st, "Tipo", texts.CASE_TYPES, texts.readable)
            with st.container(horizontal=True):
                customer = st.text_input(
                    "Cliente", key="de", max_chars=MAX_ID, bind="query-params", width=220,
                    placeholder="Todos",
                )  # fmt: skip
                first = _day("Hallados desde", "desde")
                last = _day("Hallados hasta", "hasta")
            with st.container(horizontal=True, vertical_alignment="bottom"):
                version = st.text_input(
                    "Versión que lo juzgó", key="version", max_chars=_MAX_VERSION,
                    bind="query-params", width=220, placeholder="Todas",
                )  # fmt: skip
                visited_first = _day("Visitados desde", "visita_desde")
                visited_last = _day("Visitados hasta", "visita_hasta")
                known = st.checkbox(
                    "Solo visitas con resultado", key="con_resultado", bind="query-params"
                )
    return {
        "estado": states,
        "tipo": kinds,
        # Unsaid they are the suspicious ones, and also those of an innocent type that is chosen.
        "clase": None if shown == next(iter(CASE_CLASSES)) else CASE_CLASSES[shown],
        "asignado_a": (owner or "").strip() or None,
        "propietario_id": (customer or "").strip() or None,
        "desde": first,
        "hasta": last,
        "version_modelo": (version or "").strip() or None,
        "visita_desde": visited_first,
        "visita_hasta": visited_last,
        "con_resultado": known,
        # Of a state that is chosen, all; otherwise those that are still to be dealt with.
        "abiertos": not known and (not states or set(states) <= set(_OPEN)),
    }


def _day(name: str, key: str) -> date | None:
    chosen = st.date_input(
        name, value=None, min_value=date(2000, 1, 1), max_value=date(2100, 12, 31), key=key,
        format="DD/MM/YYYY", width=170, bind="query-params",
    )  # fmt: skip
    return chosen if isinstance(chosen, date) else None
