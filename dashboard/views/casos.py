"""Todos los casos: every case under filters, in one of three orders."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import ui
from dashboard.case_actions import draw_case_outcome
from dashboard.cases import draw_case_rows
from dashboard.filters import choose_case_filters, choose_one
from dashboard.lists import shown_list
from dashboard.saved_views import draw_saved_views

_PATH = "/api/casos"
_LIVE_EVERY_S = 30
"""How often the list is asked for again. By hand, 2026-11-30."""
_ORDERS = {
    "Más que recuperar": "recuperable",
    "Más probables": "probabilidad",
    "Más antiguos": "antiguedad",
}


def draw_casos() -> None:
    """Draw the page."""
    draw_case_outcome()
    with ui.section("casos"):
        params = choose_case_filters()
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
