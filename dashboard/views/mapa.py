"""Mapa: where the cases are, for whoever goes to see them."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.browser import link
from dashboard.cases import remember_order
from dashboard.charts.mapa import LAYER, kind_colour, map_of_cases
from dashboard.client import fetch
from dashboard.filters import choose_case_filters
from dashboard.navigation import case_address, open_address
from dashboard.variables import load_variables

_LIVE_EVERY_S = 60
"""How often it is asked for again: a case moves once a day. By hand, 2026-12-01."""
_LISTED = 50
"""Cases beside the map; more are there only as points."""
_HEIGHT = 470
"""Pixels, by hand."""
_LOAD_CONTEXT = (
    "Dígalo con «consumo contexto --archivo P.csv»: un CSV con la latitud y la longitud de cada "
    "cliente."
)
Points = Sequence[Mapping[str, Any]]


def draw_mapa() -> None:
    """Draw the page."""
    with ui.section("mapa"):
        _map(choose_case_filters())


@st.fragment(run_every=_LIVE_EVERY_S)
def _map(params: dict[str, Any]) -> None:
    with ui.section("mapa_de_casos"):
        answer = fetch("/api/casos/mapa", **params)
        points, without = answer["elementos"], answer["sin_coordenadas"]
        if not points and not without:
            ui.empty("Ningún caso con esos filtros", "Quite alguno, o mire también los cerrados.")
            return
        if not points:
            ui.empty("De ningún cliente con un caso se sabe dónde está", _LOAD_CONTEXT)
            return
        remember_order([point["id"] for point in points])
        _legend(points, without, answer["hay_mas"])
        left, right = st.columns([2, 1], gap="medium")
        with left:
            _draw_points(points)
        with right:
            _list(points)


def _draw_points(points: Points) -> None:
    variables = load_variables()
    chosen = st.pydeck_chart(
        map_of_cases(points, variables.teselas, ui.palette()), height=_HEIGHT, key="mapa",
        on_select="rerun", selection_mode="single-object", alt="Los casos en su sitio",
    )  # fmt: skip
    for point in chosen["selection"]["objects"].get(LAYER, [])[:1]:
        open_address(case_address(point["id"]))
    if variables.teselas_autor:
        st.caption(f"Mapa: {texts.plain(variables.teselas_autor)}")


def _legend(points: Points, without: int, more: bool) -> None:
    kinds = dict.fromkeys(point["tipo"] for point in points)
    samples = "".join(
        f'<span><i class="muestra" style="background:{kind_colour(kind, ui.palette())}"></i>'
        f"{html.escape(texts.readable(kind))}</span>"
        for kind in kinds
    )
    notes = ["Cuanto más grande, más cabe recuperar. Un clic lo abre."]
    if without:
        notes.append(f"{texts.count_of(without, 'caso', 'casos')} sin coordenadas.")
    if more:
        notes.append("Hay más casos: acote los filtros.")
    st.html(f'<div class="leyenda">{samples}<span>{" ".join(notes)}</span></div>')


def _list(points: Points) -> None:
    rows = "".join(
        link(case_address(point["id"]), _row(point), "fila en-mapa", row=True)
        for point in points[:_LISTED]
    )
    st.html(f'<div class="filas al-lado" style="max-height:{_HEIGHT}px">{rows}</div>')


def _row(point: Mapping[str, Any]) -> str:
    colour = kind_colour(point["tipo"], ui.palette())
    return (
        f'<i style="background:{colour}"></i>'
        f"<span><b>{html.escape(point['propietario_id'])}</b>"
        f"<small>{html.escape(texts.readable(point['tipo']))}</small></span>"
        f'<span class="eur"><b>{texts.money(point["recuperable_eur"])}</b>'
        f"<small>{texts.probability(point['probabilidad'])}</small></span>"
    )
